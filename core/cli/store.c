/*
 * store.c - what reading commands share: the data folder, the store, names.
 *
 * Reading uses short transactions and never prints within one: until the reader ends, no page that
 * the running host frees can be reused, and the store grows. Output is collected in memory, and
 * printed between two transactions.
 */
#include "cli/store.h"

#include "cli/options.h"
#include "cli/tell.h"
#include "base/clock.h"
#include "base/limits.h"
#include "query/json.h"
#include "store/store.h"
#include "store/folder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROWS_PER_READ = 2048,
    PAGE_BYTES = 256 << 10,   /* output of one transaction */
    PAGE_BYTES_MAX = 1 << 30, /* a single row may be large */
    DEFAULT_KEEP_MS = 24 * 3600 * 1000,
};

/* ---- the store ---- */

static int load_conf(struct cli *cli, bool no_secrets, struct conf_mistakes *mistakes,
                     char **folder, struct report *r) {
    assert(cli->conf == NULL);
    const struct conf_overrides overrides = {.broker_url = cli_option(cli, "broker"),
                                             .data = cli_option(cli, "data"),
                                             .mistakes = mistakes,
                                             .folder = folder,
                                             .no_secrets = no_secrets};
    int code = conf_load(&cli->conf, cli_option(cli, "conf"), &overrides, r);
    if (code != 0) {
        cli->conf = NULL;
    }
    return code;
}

static int load_conf_or_tell(struct cli *cli, bool no_secrets) {
    struct report r = {""};
    int code = load_conf(cli, no_secrets, NULL, NULL, &r);
    if (code != 0) {
        int status = cli_fail(code, "%s", r.text);
        return code == ERR_NOTFOUND ? EXIT_USAGE : status;
    }
    return 0;
}

int cli_load_conf(struct cli *cli) {
    return load_conf_or_tell(cli, false);
}

static void tell_mistake(void *ctx, const char *sentence) {
    (void)ctx;
    (void)cli_fail(ERR_INVALID, "%s", sentence);
}

int cli_check_conf(struct cli *cli) {
    struct report r = {""};
    struct conf_mistakes mistakes = {.tell = tell_mistake};
    int code = load_conf(cli, false, &mistakes, NULL, &r);
    if (code != 0 && mistakes.count == 0) {
        int status = cli_fail(code, "%s", r.text);
        return code == ERR_NOTFOUND ? EXIT_USAGE : status;
    }
    return code == 0 ? 0 : EXIT_USAGE;
}

int cli_load_conf_to_look(struct cli *cli) {
    return load_conf_or_tell(cli, true);
}

/* With --data, the store can be read without topics.conf: for example a copy on another machine. */
static void load_conf_if_good(struct cli *cli) {
    struct report r = {""};
    int code = load_conf(cli, true, NULL, NULL, &r);
    if (code != 0 && (code != ERR_NOTFOUND || cli_option(cli, "conf") != NULL)) {
        (void)cli_fail(code, "%s; continuing with --data alone", r.text);
    }
}

static void tell_first(void *ctx, const char *sentence) {
    bool *told = ctx;
    if (!*told) {
        (void)cli_fail(ERR_INVALID, "%s", sentence);
    }
    *told = true;
}

/* Without --data: of a topics.conf with mistakes only the data folder. A host runs on while its file is being
 * changed, and can be looked at. */
static int load_conf_or_folder(struct cli *cli, char **folder) {
    bool told = false;
    struct conf_mistakes mistakes = {.tell = tell_first, .ctx = &told};
    struct report r = {""};
    int code = load_conf(cli, true, &mistakes, folder, &r);
    if (code != 0 && *folder != NULL) {
        cli_warn("topics.conf has mistakes: continuing with %s alone", *folder);
        return 0;
    }
    int status = code == 0 || told ? code : cli_fail(code, "%s", r.text);
    if (code == ERR_INVALID) {
        (void)cli_fail(code, "--data DIR looks at a host, or a store, without it");
    }
    return code == ERR_NOTFOUND || told ? EXIT_USAGE : status;
}

static int find_folder(struct cli *cli) {
    const char *path = cli_option(cli, "data");
    char *folder = NULL;
    if (cli->data != NULL) {
        return 0;
    }
    if (cli->conf == NULL && path == NULL) {
        int status = load_conf_or_folder(cli, &folder);
        if (status != 0) {
            return status;
        }
    } else if (cli->conf == NULL) {
        load_conf_if_good(cli);
    }
    path = cli->conf != NULL ? cli->conf->store_path : folder != NULL ? folder : path;
    char *real = realpath(path, NULL); /* a folder that does not exist yet has none */
    cli->data = real != NULL ? real : slice_dup(slice_of(path));
    free(folder);
    return cli->data != NULL ? 0 : cli_fail(ERR_MEMORY, "out of memory");
}

int cli_find_hosts(struct cli *cli, unsigned *hosts) {
    int status = find_folder(cli);
    *hosts = status == 0 ? store_folder_hosts(cli->data) : 0;
    return status;
}

static int turn_to_folder(struct cli *cli, const char *path) {
    char *data = slice_dup(slice_of(path));
    if (data == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    cli_close_store(cli);
    free(cli->data);
    cli->data = data;
    return 0;
}

int cli_turn_to(struct cli *cli, const char *folder, uint64_t number) {
    char path[STORE_PATH_BYTES];
    char name[32];
    struct report r = {""};
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    int code = store_folder_file(folder, name, path, &r);
    return code == 0 ? turn_to_folder(cli, path) : cli_fail(code, "%s", r.text);
}

bool cli_turn_to_shard(struct cli *cli, const char *folder, uint64_t number, int *status) {
    char path[STORE_PATH_BYTES];
    bool runs = number <= PARTITIONS && store_folder_of_shard(folder, (unsigned)number, path);
    *status = runs ? turn_to_folder(cli, path) : 0;
    return runs;
}

/* The first that runs in the folder, which answers for all. */
static bool turn_to_any(struct cli *cli, int *status) {
    bool runs = false;
    for (unsigned i = 1; i <= PARTITIONS && !runs; i++) {
        runs = cli_turn_to_shard(cli, cli->data, i, status);
    }
    return runs;
}

/* That one if it runs here, or any, which passes the question on. */
static int turn_to_a_shard(struct cli *cli, uint64_t number) {
    int status = 0;
    if ((number > 0 && cli_turn_to_shard(cli, cli->data, number, &status)) ||
        turn_to_any(cli, &status)) {
        return status;
    }
    (void)cli_fail(ERR_NOTFOUND,
                   "no shard of the cluster runs on this host, in %s: start it with \"zingq run\", "
                   "or ask another host; `zingq cluster status` says who has which",
                   cli->data);
    return EXIT_CANNOT_RUN;
}

int cli_find_data(struct cli *cli) {
    unsigned hosts;
    uint64_t number = 0;
    int status = cli_find_hosts(cli, &hosts);
    bool cluster = status == 0 && store_folder_is_cluster(cli->data);
    if (status != 0 || (hosts == 0 && !cluster)) {
        return status;
    }
    status = cli_flag(cli, "host") ? cli_option_count(cli, "host", 1, &number) : 0;
    if (status == 0 && cluster) {
        return turn_to_a_shard(cli, number);
    }
    if (status == 0 && number > 0 && number <= hosts) {
        return cli_turn_to(cli, cli->data, number);
    }
    if (status == 0 && number == 0 && cli->any_host && turn_to_any(cli, &status)) {
        return status;
    }
    return status != 0 ? status
                       : cli_fail(ERR_INVALID,
                                  "%s contains the folders of %u hosts: choose one, as in --data "
                                  "%s/1%s",
                                  cli->data, hosts, cli->data,
                                  cli->has_host ? ", or --host 1 while it runs" : "");
}

/* A store has an id after its first commit; before that there is nothing to read. */
static int check_begun(struct store *store) {
    struct slice value;
    int code = store_begin(store);
    if (code == 0) {
        code = store_get(store, TABLE_META, slice_of("host"), &value);
        store_abort(store);
    }
    return code;
}

/* From here on now_ms is engine time, like all times in the store. */
static int follow_clock(struct cli *cli) {
    struct clock_mark mark;
    int code = store_begin(cli->store);
    if (code == 0) {
        code = journal_clock_get(cli->journal, &mark);
        store_abort(cli->store);
    }
    if (code == 0) {
        struct clock_reading now;
        clock_read(&now);
        cli->now_ms = clock_resume(&mark, &now);
        clock_show_ahead(now.wall_ms - cli->now_ms);
    }
    return code;
}

static int open_store(struct cli *cli, bool for_a_look) {
    int status = cli->journal != NULL ? 0 : cli_find_data(cli);
    if (status != 0 || cli->journal != NULL) {
        return status;
    }
    struct report r = {""};
    const struct store_options options = {
        .path = cli->data, .read_only = true, .for_a_look = for_a_look};
    int code = store_open(&cli->store, &options, &r);
    if (code != 0) {
        cli->store = NULL;
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    code = check_begun(cli->store);
    if (code == ERR_NOTFOUND) {
        (void)cli_fail(code, "the store at %s is empty: its host is still starting, or could not",
                       cli->data);
        return EXIT_CANNOT_RUN;
    }
    int64_t keep_ms = cli->conf == NULL ? DEFAULT_KEEP_MS : conf_keep_idempotency(cli->conf, NULL);
    code = code != 0 ? code : journal_open(&cli->journal, cli->store, keep_ms, &r);
    code = code != 0 ? code : follow_clock(cli);
    if (code != 0) {
        (void)cli_fail(code, "cannot read the store at %s: %s", cli->data,
                       r.text[0] != '\0' ? r.text : error_text(code));
        return EXIT_CANNOT_RUN;
    }
    return 0;
}

int cli_open_store(struct cli *cli) {
    return open_store(cli, true);
}

int cli_open_store_checked(struct cli *cli) {
    return open_store(cli, false);
}

bool cli_is_divided(struct cli *cli) {
    char socket[STORE_PATH_BYTES];
    struct report r = {""};
    struct slice text;
    bool divided = false;
    if (store_folder_socket(cli->data, socket, &r) != 0 || access(socket, F_OK) != 0 ||
        cli_open_store(cli) != 0) {
        return false;
    }
    if (cli_begin(cli) == 0) {
        divided = journal_text_get(cli->journal, "division", &text) == 0 && !slice_is(text, "1/1");
        cli_end(cli);
    }
    return divided;
}

void cli_close_store(struct cli *cli) {
    journal_close(cli->journal);
    store_close(cli->store);
    buf_clear(&cli->page);
    cli->journal = NULL;
    cli->store = NULL;
}

int cli_begin(struct cli *cli) {
    cli->rows = 0;
    if (cli->page.max == 0) {
        buf_init(&cli->page, PAGE_BYTES_MAX);
    }
    return store_begin(cli->store);
}

void cli_end(struct cli *cli) {
    if (store_active(cli->store)) {
        store_abort(cli->store);
    }
    if (cli->page.len > 0) {
        (void)fwrite(cli->page.data, 1, cli->page.len, stdout);
        buf_reset(&cli->page);
    }
}

int cli_breathe(struct cli *cli) {
    if (++cli->rows < ROWS_PER_READ && cli->page.len < PAGE_BYTES) {
        return 0;
    }
    cli_end(cli);
    return cli_begin(cli);
}

int cli_read_failed(int code) {
    (void)cli_fail(code, "reading the store failed: %s", error_text(code));
    return EXIT_CANNOT_RUN;
}

/* ---- names ---- */

const char *cli_service_name(const struct cli *cli, uint16_t number) {
    return look_service_name(cli->journal, number);
}

int cli_service(struct cli *cli, const char *name, uint16_t *number) {
    const char *names[SERVICES_MAX];
    size_t count = 0;
    if (look_service_number(cli->journal, name, number) == 0) {
        return 0;
    }
    for (uint16_t i = 0; i < journal_service_count(cli->journal) && count < SERVICES_MAX; i++) {
        names[count++] = cli_service_name(cli, i);
    }
    (void)cli_unknown("service", name, names, count);
    return EXIT_NO;
}

int cli_parse_key(const struct cli *cli, const char *text, struct slice *key) {
    *key = slice_of(text);
    if (key->len <= KEY_BYTES_MAX) {
        return 0;
    }
    return cli_misused(cli, "keys have at most %d bytes, this one has %zu", KEY_BYTES_MAX,
                       key->len);
}
