/*
 * project.c - init, new handler: files to begin with, written from the templates in cli/project/.
 *
 * Nothing is overwritten: if one of the files is there, none is written.
 */
#include "cli/impl.h"

#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/embedded.h"
#include "base/limits.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, TEXT_BYTES_MAX = 1 << 20 };

static const char FIRST_HANDLER[] = "orders";

/* One file to write; @NAME@ in both becomes the handler's name. */
struct target {
    const char *from; /* in cli/project/ */
    const char *to;   /* in the project */
};

static const struct target project_files[] = {
    {"topics.conf", "topics.conf"}, {"README.md", "README.md"}, {"gitignore", ".gitignore"}};
static const struct target handler_files[] = {{"handler.lua", "scripts/@NAME@.lua"},
                                              {"handler_test.lua", "scripts/@NAME@_test.lua"}};

enum {
    PROJECT_FILES = sizeof project_files / sizeof *project_files,
    HANDLER_FILES = sizeof handler_files / sizeof *handler_files,
};

/* What is made: a folder, a handler in it. */
struct making {
    const char *folder;
    const char *conf_file; /* NULL = topics.conf in the folder */
    const char *name;
};

/* ---- templates ---- */

static struct slice template_of(const char *from) {
    const struct embedded *file = embedded_project;
    while (file->path != NULL && strcmp(file->path, from) != 0) {
        file++;
    }
    assert(file->path != NULL);
    return (struct slice){file->data, file->len};
}

static void fill(struct buf *out, struct slice text, const char *name) {
    static const char mark[] = "@NAME@";
    const char *at = text.data;
    const char *found;
    while ((found = strstr(at, mark)) != NULL) { /* texts are terminated */
        buf_add(out, at, (size_t)(found - at));
        buf_add_str(out, name);
        at = found + strlen(mark);
    }
    buf_add_str(out, at);
}

/* FOLDER/TO; 0, or an exit status after printing why. */
static int path_of(const struct making *m, const char *to, char out[PATH_BYTES]) {
    struct buf text;
    buf_init(&text, PATH_BYTES - 1);
    buf_printf(&text, "%s/", m->folder);
    fill(&text, slice_of(to), m->name);
    bool fits = !text.failed;
    (void)snprintf(out, PATH_BYTES, "%s", buf_str(&text));
    buf_clear(&text);
    return fits ? 0 : cli_fail(ERR_LIMIT, "%s: the path is too long", m->folder);
}

/* ---- files ---- */

static int check_absent(const struct making *m, const struct target *targets, size_t count) {
    char path[PATH_BYTES];
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = path_of(m, targets[i].to, path);
        if (status == 0 && access(path, F_OK) == 0) {
            status = cli_fail(ERR_EXISTS, "%s exists already: nothing was written", path);
        }
    }
    return status;
}

/* Writes the text at the end of the file, which is made if `mode` is "wxe". */
static int write_text(const char *path, const char *mode, struct slice text, const char *name) {
    struct buf filled;
    buf_init(&filled, TEXT_BYTES_MAX);
    fill(&filled, text, name);
    FILE *fp = fopen(path, mode);
    bool written = fp != NULL && fputs(buf_str(&filled), fp) >= 0;
    written = fp != NULL && fclose(fp) == 0 && written;
    buf_clear(&filled);
    return written ? 0 : cli_fail(ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

static int write_files(const struct making *m, const struct target *targets, size_t count) {
    char path[PATH_BYTES];
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = path_of(m, targets[i].to, path);
        status =
            status == 0 ? write_text(path, "wxe", template_of(targets[i].from), m->name) : status;
        if (status == 0) {
            (void)printf("created %s\n", path);
        }
    }
    return status;
}

static int make_folder(const char *path) {
    return mkdir(path, 0777) == 0 || errno == EEXIST
               ? 0
               : cli_fail(ERR_SYSTEM, "cannot make %s: %s", path, strerror(errno));
}

/* Its files and its service in topics.conf. */
static int write_handler(const struct making *m) {
    char path[PATH_BYTES];
    int status = path_of(m, "scripts", path);
    status = status == 0 ? make_folder(path) : status;
    status = status == 0 ? write_files(m, handler_files, HANDLER_FILES) : status;
    status = status == 0 ? path_of(m, "topics.conf", path) : status;
    const char *conf_file = m->conf_file == NULL ? path : m->conf_file;
    return status == 0 ? write_text(conf_file, "ae", template_of("service.conf"), m->name) : status;
}

/* ---- editors ---- */

/* The folder of what lua-language-server reads: of an installed program, or of one in its
 * repository. False: it is not there. */
static bool find_stubs(char out[PATH_BYTES]) {
    static const char *const places[] = {"../share/zingq/lua", "../docs/lua"};
    char own[PATH_BYTES];
    char path[PATH_BYTES + 32];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    own[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(own, '/');
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof *places; i++) {
        *slash = '\0';
        (void)snprintf(path, sizeof path, "%s/%s", own, places[i]);
        if (realpath(path, out) != NULL) {
            return strpbrk(out, "\"\\") == NULL; /* else it is no JSON text as it is */
        }
    }
    return false;
}

/* One that is there stays as it is. */
static int write_luarc(const struct making *m) {
    static const struct target luarc = {"luarc.json", ".luarc.json"};
    char stubs[PATH_BYTES];
    char path[PATH_BYTES];
    const struct making with = {.folder = m->folder, .name = stubs};
    if (!find_stubs(stubs) || path_of(m, luarc.to, path) != 0 || access(path, F_OK) == 0) {
        return 0;
    }
    return write_files(&with, &luarc, 1);
}

/* ---- init ---- */

int cli_init(struct cli *cli) {
    const struct making m = {.folder = cli->words[0], .name = FIRST_HANDLER};
    int status = check_absent(&m, project_files, PROJECT_FILES);
    status = status == 0 ? check_absent(&m, handler_files, HANDLER_FILES) : status;
    status = status == 0 ? make_folder(m.folder) : status;
    status = status == 0 ? write_files(&m, project_files, PROJECT_FILES) : status;
    status = status == 0 ? write_handler(&m) : status;
    status = status == 0 ? write_luarc(&m) : status;
    if (status == 0) {
        (void)printf("\nNext:\n    cd %s\n    zingq test\n    zingq dev\n", m.folder);
    }
    return status;
}

/* ---- new handler ---- */

/* A name of a service that is also one of a file and of a topic's level. */
static int check_name(const struct cli *cli, const char *name) {
    size_t len = strlen(name);
    bool good = len > 0 && len <= NAME_BYTES_MAX && isalpha((unsigned char)name[0]);
    for (size_t i = 0; i < len; i++) {
        good = good && (isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-');
    }
    return good ? 0
                : cli_misused(cli,
                              "a handler's name has letters, digits, _ and -, at most %d, and "
                              "begins with a letter: \"%s\" does not",
                              NAME_BYTES_MAX, name);
}

static int check_service_absent(const struct cli *cli, const char *name) {
    char topic[2 * NAME_BYTES_MAX];
    size_t index = 0;
    if (conf_find_service(cli->conf, slice_of(name), &index)) {
        return cli_fail(ERR_EXISTS, "%s:%d: there is a service \"%s\" already: nothing was written",
                        cli->conf->file, cli->conf->services[index].line, name);
    }
    (void)snprintf(topic, sizeof topic, "%s/request", name);
    for (size_t i = 0; i < cli->conf->service_count; i++) {
        if (service_wants(&cli->conf->services[i], topic)) {
            cli_warn("the service \"%s\" subscribes to %s, too: both get its events",
                     cli->conf->services[i].name, topic);
        }
    }
    return 0;
}

int cli_new_handler(struct cli *cli) {
    struct making m = {.name = cli->words[0]};
    int status = check_name(cli, m.name);
    status = status == 0 ? cli_load_conf_to_look(cli) : status;
    if (status != 0) {
        return status;
    }
    m.folder = cli->conf->dir;
    m.conf_file = cli->conf->file;
    status = check_service_absent(cli, m.name);
    status = status == 0 ? check_absent(&m, handler_files, HANDLER_FILES) : status;
    status = status == 0 ? write_handler(&m) : status;
    if (status == 0) {
        (void)printf("added the service \"%s\" to %s\n", m.name, cli->conf->file);
    }
    return status;
}
