/*
 * migrate.c - migrate: the store of a stopped host goes from its data folder into the log of a database
 * (store.url), or from there into a data folder.
 */
#include "cli/impl.h"

#include "backup/backup.h"
#include "base/json.h"
#include "base/process.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "cli/unlog.h"
#include "cluster/turns.h"
#include "journal/home.h"
#include "store/folder.h"
#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_MS = 10000 };

#define ENV "env:"

struct migration {
    const struct conf *conf;
    const char *data; /* the folder of the host */
    char name[CONF_LOG_NAME_BYTES];
    char owner[256];
    struct turns *turns;
    uint64_t bytes; /* of what was brought */
};

static int join(struct migration *m, const char *url, bool unused, struct report *r) {
    static const uint8_t any[LOG_ID_BYTES];
    char process[PROCESS_NAME_BYTES];
    (void)snprintf(m->owner, sizeof m->owner, "zingq migrate, %s", process_name(process));
    const struct turns_options options = {
        .url = url, .name = m->name, .owner = m->owner, .unused = unused};
    int code = turns_new(&m->turns, &options, r);
    return code == 0 ? turns_join(m->turns, any, CONNECT_MS, r) : code;
}

/* Also what a try that was cut off at its very end leaves. */
static int explain_taken(const struct migration *m, struct report *r) {
    return report(
        r, ERR_EXISTS,
        "the log \"%s\" (store.name) in that database has a store already, and nothing was "
        "changed: choose another name. If an earlier `zingq migrate` of %s was cut off, that "
        "store may be this one, and is whole then: to go on with it, let store.path name a "
        "new folder, which is filled with what the log has",
        m->name, m->data);
}

/* --- into the database --- */

static int into_log(struct migration *m, const char *url, struct report *r) {
    const struct store_options options = {
        .path = m->data, .max_bytes = m->conf->store_max_bytes, .logged = true};
    struct store *store = NULL;
    struct log_snapshot brought = {0};
    int code = store_open(&store, &options, r);
    code = code == 0 ? join(m, url, true, r) : code;
    code = code == ERR_EXISTS ? explain_taken(m, r) : code;
    if (code == 0) {
        const struct log_doors doors = {turns_log(m->turns), turns_snapshots(m->turns)};
        code = store_migrate(store, &doors, journal_home, &brought, r);
    }
    m->bytes = brought.bytes;
    store_close(store);
    return code;
}

/* --- into a folder --- */

/* A backup_maker. */
static int make_folder(void *ctx, const char *building, const struct backup_owner *owner,
                       struct report *r) {
    struct migration *m = ctx;
    struct backup_sizes beside = {0};
    const struct unlog from = {m->turns, m->name, m->conf->store_max_bytes};
    int code = unlog_store(&from, building, &m->bytes, r);
    return code == 0 ? backup_beside(m->data, building, owner, &beside, r) : code;
}

/* The host of the data folder, if there is one, does not run meanwhile. */
static int out_of_log(struct migration *m, const char *to, struct report *r) {
    struct stat st;
    int fd = -1;
    if (m->conf->store_url[0] == '\0') {
        return report(r, ERR_INVALID,
                      "topics.conf names no database (store.url) whose log could go into a folder");
    }
    int code = backup_refuse_store(to, r); /* before the log is taken from whoever has it */
    code = code == 0 && stat(m->data, &st) == 0 ? store_folder_lock(m->data, &fd, r) : code;
    code = code == 0 ? join(m, m->conf->store_url, false, r) : code;
    code = code == 0 ? backup_make(to, make_folder, m, r) : code;
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

/* --- the command --- */

static int tell(const struct cli *cli, const struct migration *m, const char *to, bool is_url) {
    const char *from = is_url ? m->data : m->name;
    to = is_url ? m->name : to; /* the url may have a password */
    if (cli->json) {
        return cli_print_json(
            json_pack("{s:s, s:s, s:I}", "from", from, "to", to, "bytes", (json_int_t)m->bytes));
    }
    struct buf line;
    buf_init(&line, 2 * STORE_PATH_BYTES);
    text_add_bytes(&line, m->bytes);
    if (is_url) {
        buf_printf(&line,
                   " are in the log \"%s\" now, and %s is its copy: start the host with that "
                   "database as store.url",
                   to, from);
    } else {
        buf_printf(&line,
                   " of the log \"%s\" are in %s now: start the host without store.url, and with "
                   "this folder as store.path. The log is as it was; no host may use it any more",
                   from, to);
    }
    (void)printf("%s\n", buf_str(&line));
    buf_clear(&line);
    return 0;
}

/* A url that is in the environment, so that no list of processes shows its password. */
static const char *to_of(const struct cli *cli) {
    const char *to = cli_option(cli, "to");
    return to != NULL && strncmp(to, ENV, sizeof ENV - 1) == 0 ? getenv(to + sizeof ENV - 1) : to;
}

static int check_options(const struct cli *cli) {
    const char *given = cli_option(cli, "to");
    const char *to = to_of(cli);
    const char *name = cli_option(cli, "name");
    if (given == NULL) {
        return cli_misused(cli, "--to says where: postgres://..., env:NAME, or a folder");
    }
    if (to != given && (to == NULL || !conf_is_postgres(to))) {
        return cli_misused(cli, "--to %s: that variable has no url that begins with postgres://",
                           given);
    }
    if (name != NULL &&
        (strlen(name) >= CONF_LOG_NAME_BYTES || !slice_is_plain(slice_of(name), "_-"))) {
        return cli_misused(cli, "--name is 1 to %d letters, digits, - and _",
                           CONF_LOG_NAME_BYTES - 1);
    }
    return 0;
}

int cli_migrate(struct cli *cli) {
    const char *to = to_of(cli);
    const char *name = cli_option(cli, "name");
    struct report r = {""};
    int misused = check_options(cli);
    if (misused != 0) {
        return misused;
    }
    int status = cli_load_conf(cli);
    status = status == 0 ? cli_find_data(cli) : status;
    if (status != 0) {
        return status;
    }
    bool is_url = conf_is_postgres(to);
    struct migration m = {.conf = cli->conf, .data = cli->data};
    conf_log_name(cli->conf, m.name);
    if (name != NULL) {
        (void)snprintf(m.name, sizeof m.name, "%s", name);
    }
    int code = is_url ? into_log(&m, to, &r) : out_of_log(&m, to, &r);
    turns_free(m.turns);
    if (code != 0) {
        (void)cli_fail(code, "%s%s", r.text, code == ERR_BUSY ? "; stop the host first" : "");
        return EXIT_CANNOT_RUN;
    }
    return tell(cli, &m, to, is_url);
}
