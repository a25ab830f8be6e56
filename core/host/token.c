/*
 * token.c - the host's own token, used if there is no http.token: DATA/token, created at the first
 * start. Whoever can read that file can also open the unix socket next to it. The secret that the
 * hosts of one machine share is another such file.
 */
#include "host/token.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM_BYTES = 32, LINE_BYTES = HOST_TOKEN_BYTES }; /* hex digits, and a newline */

static bool is_hex(const char *text, size_t len) {
    return strspn(text, "0123456789abcdef") >= len;
}

/* False: there is none, or others may have read it. */
static bool read_token(const char *path, char token[HOST_TOKEN_BYTES]) {
    struct stat info;
    char line[LINE_BYTES + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    bool ours = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
                (info.st_mode & 077) == 0;
    bool whole = read(fd, line, LINE_BYTES) >= LINE_BYTES - 1 && is_hex(line, LINE_BYTES - 1);
    (void)close(fd);
    if (!ours) {
        log_warn("host", "%s was readable by others: creating a new one", path);
    }
    memcpy(token, line, LINE_BYTES - 1);
    token[LINE_BYTES - 1] = '\0';
    return ours && whole;
}

static int write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -1;
    }
    bool ok = fchmod(fd, 0600) == 0 && dprintf(fd, "%s\n", text) == LINE_BYTES && fsync(fd) == 0;
    int error = errno;
    (void)close(fd);
    errno = error;
    return ok ? 0 : -1;
}

int host_load_secret(const char *folder, const char *name, char out[HOST_TOKEN_BYTES],
                     struct report *r) {
    char path[4096];
    char draft[sizeof path + 8];
    uint8_t random[RANDOM_BYTES];
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        return report(r, ERR_INVALID, "store.path is too long for a file in it");
    }
    (void)snprintf(draft, sizeof draft, "%s.new", path);
    if (read_token(path, out)) {
        return 0;
    }
    if (sodium_init() < 0) {
        return report(r, ERR_SYSTEM, "libsodium cannot start: no source of randomness");
    }
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(out, HOST_TOKEN_BYTES, random, sizeof random);
    if (write_file(draft, out) != 0 || rename(draft, path) != 0) {
        return report(r, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    }
    return 0;
}

int host_load_token(struct host *h, struct report *r) {
    return host_load_secret(h->conf->store_path, "token", h->token, r);
}

/* The wildcard address cannot be visited, so replace it. */
static void add_address(struct buf *out, const char *listen, uint16_t port) {
    size_t len = (size_t)(strrchr(listen, ':') - listen);
    struct slice host = {listen, len};
    if (slice_is(host, "0.0.0.0")) {
        host = slice_of("127.0.0.1");
    } else if (slice_is(host, "[::]")) {
        host = slice_of("[::1]");
    }
    buf_add_slice(out, host);
    buf_printf(out, ":%u", port);
}

bool host_login_link(const struct host *h, struct buf *out) {
    const char *token = h->conf->http_token[0] != '\0' ? h->conf->http_token : h->token;
    if (h->tcp == NULL || gateway_port(h->tcp) == 0) {
        return false;
    }
    buf_add_str(out, gateway_is_tls(h->tcp) ? "https://" : "http://");
    add_address(out, h->conf->http_listen, gateway_port(h->tcp));
    buf_add_str(out, "/login?token=");
    url_add_part(out, slice_of(token));
    return !out->failed;
}

static void warn_if_short(const char *name, const char *token) {
    if (token[0] != '\0' && strlen(token) < TOKEN_BYTES_MIN) {
        log_warn("host", "%s has fewer than %d bytes and can be guessed: use a longer one", name,
                 TOKEN_BYTES_MIN);
    }
}

void host_warn_tokens(const struct host *h) {
    warn_if_short("http.token", h->conf->http_token);
    for (size_t i = 0; i < h->conf->token_count; i++) {
        char name[NAME_BYTES_MAX + 16];
        (void)snprintf(name, sizeof name, "token \"%s\"", h->conf->tokens[i].name);
        warn_if_short(name, h->conf->tokens[i].value);
    }
}

void host_set_log(const struct host_options *options, const struct conf *conf) {
    struct log_settings log = conf->log;
    if (options->with_broker && log.areas[LOG_AREA_HANDLER] == LOG_LEVEL_UNSET) {
        log.areas[LOG_AREA_HANDLER] = LOG_LEVEL_DEBUG;
    }
    log_set(&log);
}
