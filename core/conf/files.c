/*
 * files.c - what topics.conf refers to: paths relative to it, and secrets in the environment or in
 * files.
 */
#include "conf/options.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *conf_join(const char *dir, const char *path) {
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    struct buf joined;
    buf_init(&joined, CONF_BYTES_MAX);
    if (path[0] != '/') {
        buf_add_str(&joined, dir);
        buf_add_str(&joined, strcmp(dir, "/") == 0 ? "" : "/");
    }
    buf_add_str(&joined, path);
    char *copy = joined.failed ? NULL : slice_dup(buf_slice(&joined));
    buf_clear(&joined);
    return copy;
}

static int read_stream(FILE *fp, struct buf *bytes) {
    char block[4096];
    size_t got;
    while ((got = fread(block, 1, sizeof block, fp)) > 0) {
        buf_add(bytes, block, got);
        if (bytes->failed) {
            errno = EFBIG;
            return bytes->len + got > bytes->max ? ERR_LIMIT : ERR_MEMORY;
        }
    }
    return ferror(fp) != 0 ? ERR_SYSTEM : 0;
}

/* Not waiting: a pipe would wait for its writer, maybe for ever. */
static int open_regular(const char *path, FILE **out, const char **why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    bool known = fd >= 0 && fstat(fd, &st) == 0;
    bool fits = known && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)); /* read refuses those */
    *out = fits ? fdopen(fd, "r") : NULL;
    if (*out != NULL) {
        return 0;
    }
    bool missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    *why = known && !fits ? "it is not a regular file" : strerror(errno);
    if (fd >= 0) {
        (void)close(fd);
    }
    return missing ? ERR_NOTFOUND : ERR_SYSTEM;
}

int conf_read_bytes(const char *path, char **out, size_t *len, const char **why) {
    FILE *fp = NULL;
    int code = open_regular(path, &fp, why);
    if (code != 0) {
        return code;
    }
    struct buf bytes;
    buf_init(&bytes, CONF_BYTES_MAX);
    code = read_stream(fp, &bytes);
    *why = strerror(errno);
    (void)fclose(fp); /* was only read */
    if (code == 0) {
        *len = bytes.len;
        *out = slice_dup(buf_slice(&bytes));
        code = *out == NULL ? ERR_MEMORY : 0;
    }
    buf_clear(&bytes);
    return code;
}

static int from_environment(const struct conf_place *place, const char *name, bool may_miss,
                            char **out) {
    const char *value = getenv(name);
    if (value == NULL && !may_miss) {
        return conf_fail(place, "the environment variable %s is not set", name);
    }
    *out = slice_dup(slice_of(value));
    return *out == NULL ? ERR_MEMORY : 0;
}

/* Newlines at the end of a file, which every editor adds, are not part of a secret. */
static int from_file(const struct conf_place *place, const char *name, char **out) {
    char *path = conf_join(place->dir, name);
    if (path == NULL) {
        return ERR_MEMORY;
    }
    size_t len = 0;
    char *text = NULL;
    const char *why = "";
    int code = conf_read_bytes(path, &text, &len, &why);
    if (code == 0 && strlen(text) != len) {
        code = conf_fail(place, "%s contains a NUL byte: it is not a text file", path);
        free(text);
    } else if (code == 0) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
            text[--len] = '\0';
        }
        *out = text;
    } else if (code != ERR_MEMORY) {
        code = conf_fail(place, "cannot read %s: %s", path, why);
    }
    free(path);
    return code;
}

int conf_resolve(const struct conf_place *place, const char *text, bool may_miss, char **out,
                 bool *secret) {
    bool from_env = strncmp(text, "env:", 4) == 0;
    *secret = from_env || strncmp(text, "file:", 5) == 0;
    if (*secret && !place->no_secrets) {
        return from_env ? from_environment(place, text + 4, may_miss, out)
                        : from_file(place, text + 5, out);
    }
    text = *secret ? "" : text;
    *out = slice_dup(slice_of(text));
    return *out == NULL ? ERR_MEMORY : 0;
}
