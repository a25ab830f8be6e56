/*
 * cluster_status.c - cluster status: the hosts, the shards, and what is wrong, from the database alone.
 */
#include "cli/cluster.h"

#include "cli/json.h"
#include "cli/table.h"
#include "cli/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CELL_BYTES_MAX = 8192 };

static const struct table_column host_columns[] = {
    {"HOST", false}, {"STATE", false}, {"LAST BEAT", false}, {"SHARDS", true}, {"PROCESS", false}};

static const struct table_column shard_columns[] = {
    {"SHARD", true}, {"HOST", false},    {"SINCE", false}, {"PIN", false}, {"FOLLOWER", false},
    {"TURN", true},  {"SNAPSHOT", true}, {"LOG", true},    {"NOTE", false}};

static json_int_t figure(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

/* "" if it is null. */
static const char *word(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static void add_word(struct table *table, struct buf *cell, enum text_style style,
                     const char *text) {
    text_add_safe(cell, slice_of(text[0] == '\0' ? "-" : text));
    table_take(table, style, cell);
}

static void add_age(const struct cli *cli, struct table *table, struct buf *cell,
                    const json_t *object) {
    text_add_ago(cell, cli->now_ms,
                 cli->now_ms -
                     (int64_t)(1000 * json_number_value(json_object_get(object, "age_s"))));
    table_take(table, STYLE_PLAIN, cell);
}

/* --- hosts --- */

static bool is_live(const json_t *host) {
    return slice_is(slice_of(word(host, "state")), "live");
}

/* It should have shown a sign of life. */
static bool is_silent(const json_t *host) {
    return 1000 * json_number_value(json_object_get(host, "age_s")) >
           (double)figure(host, "lease_ms");
}

static void add_host(const struct cli *cli, struct table *table, struct buf *cell,
                     const json_t *host) {
    bool live = is_live(host);
    bool silent = live && is_silent(host);
    text_add_safe(cell, slice_of(word(host, "host")));
    table_take(table, STYLE_PLAIN, cell);
    text_add_safe(cell, slice_of(silent ? "silent" : word(host, "state")));
    buf_add_str(cell, json_is_true(json_object_get(host, "draining")) ? ", drains" : "");
    buf_add_str(cell, live && json_is_true(json_object_get(host, "stopping")) ? ", stops" : "");
    table_take(table, silent ? STYLE_WARN : live ? STYLE_GOOD : STYLE_DIM, cell);
    add_age(cli, table, cell, host);
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(host, "shards"));
    add_word(table, cell, STYLE_DIM, word(host, "process"));
}

/* --- shards --- */

static void add_log(struct table *table, struct buf *cell, const json_t *shard) {
    if (json_is_null(json_object_get(shard, "log"))) {
        add_word(table, cell, STYLE_DIM, "");
        add_word(table, cell, STYLE_DIM, "");
        add_word(table, cell, STYLE_DIM, "nothing yet");
        return;
    }
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(shard, "turn"));
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(shard, "snapshot_turn"));
    text_add_bytes(cell, (uint64_t)(figure(shard, "bytes") + figure(shard, "snapshot_bytes")));
    table_take(table, STYLE_PLAIN, cell);
}

/* Who has a copy, and how old it is. */
static void add_follower(struct table *table, struct buf *cell, const json_t *follower) {
    bool loaded = json_is_integer(json_object_get(follower, "behind_s"));
    bool failed = json_is_true(json_object_get(follower, "failed"));
    if (!json_is_object(follower)) {
        add_word(table, cell, STYLE_DIM, "");
        return;
    }
    text_add_safe(cell, slice_of(word(follower, "host")));
    if (loaded) {
        buf_printf(cell, ", %" PRId64 " s", (int64_t)figure(follower, "behind_s"));
    } else {
        buf_add_str(cell, failed ? ", fails: see its log" : ", loads");
    }
    table_take(table, failed ? STYLE_WARN : STYLE_PLAIN, cell);
}

static void add_shard(const struct cli *cli, struct table *table, struct buf *cell,
                      const json_t *shard) {
    const char *host = word(shard, "host");
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(shard, "shard"));
    add_word(table, cell, host[0] == '\0' ? STYLE_BAD : STYLE_PLAIN,
             host[0] == '\0' ? "nobody" : host);
    add_age(cli, table, cell, shard);
    add_word(table, cell, STYLE_PLAIN, word(shard, "pin"));
    add_follower(table, cell, json_object_get(shard, "follower"));
    add_log(table, cell, shard);
    add_word(table, cell, STYLE_PLAIN, word(shard, "note"));
}

/* Its host says that it starts: it opens a large store, or hangs. Why one could not run it comes first. */
static void note_start(const json_t *all, const json_t *host, json_int_t number) {
    size_t i;
    json_t *shard;
    json_array_foreach(json_object_get(all, "shards"), i, shard) {
        if (figure(shard, "shard") == number && word(shard, "note")[0] == '\0' &&
            strcmp(word(host, "host"), word(shard, "host")) == 0) {
            (void)json_object_set_new(shard, "note", json_string("starting"));
        }
    }
}

static void note_starts(const json_t *all) {
    size_t i, j;
    const json_t *host, *number;
    json_array_foreach(json_object_get(all, "hosts"), i, host) {
        json_t *status = json_read(slice_of(word(host, "status")), "status", NULL);
        json_array_foreach(json_object_get(status, "starting"), j, number) {
            note_start(all, host, json_integer_value(number));
        }
        json_decref(status);
    }
}

/* --- all --- */

static int print_rows(const struct cli *cli, const struct table_column *columns, size_t count,
                      const json_t *rows,
                      void (*add)(const struct cli *cli, struct table *table, struct buf *cell,
                                  const json_t *row)) {
    struct table *table = table_new(columns, count);
    struct buf cell;
    size_t i;
    const json_t *row;
    if (table == NULL) {
        return ERR_MEMORY;
    }
    buf_init(&cell, CELL_BYTES_MAX);
    json_array_foreach(rows, i, row) {
        add(cli, table, &cell, row);
    }
    int code = table_print(table, stdout, cli->colour, table_terminal_width());
    buf_clear(&cell);
    table_free(table);
    return code;
}

static const char *standby_of(const json_t *all) {
    const json_t *standbys = json_object_get(all, "standbys");
    return !json_is_true(json_object_get(all, "synchronous"))
               ? "no synchronous standby: a failover of the database loses the last commits"
           : json_is_null(standbys) ? "synchronous standby: set, and not seen by this user"
           : json_integer_value(standbys) == 0 ? "synchronous standby: set, but none is connected: "
                                                 "commits hang"
                                               : "synchronous standby: connected";
}

static void print_head(const struct cli *cli, const json_t *all) {
    struct buf text;
    const char *lost = word(all, "lost");
    buf_init(&text, CELL_BYTES_MAX);
    text_add_safe(&text, slice_of(word(all, "cluster")));
    (void)printf("cluster %s: %zu shards; %s\n", buf_str(&text),
                 json_array_size(json_object_get(all, "shards")), standby_of(all));
    buf_reset(&text);
    if (lost[0] != '\0') {
        buf_add_str(&text, "LOST COMMITS, and all shards stand still: ");
        text_add_safe(&text, slice_of(lost));
        buf_add_str(&text, ". Restore the database, or `zingq cluster accept-loss`");
        text_print(stdout, cli->colour, STYLE_BAD, buf_str(&text));
        (void)printf("\n");
    }
    buf_clear(&text);
}

static int print_all(const struct cli *cli, const json_t *all) {
    const json_t *hosts = json_object_get(all, "hosts");
    print_head(cli, all);
    if (json_array_size(hosts) == 0) {
        (void)printf("\nno host has joined yet: zingq run\n");
    } else {
        (void)printf("\n");
    }
    int code = json_array_size(hosts) == 0
                   ? 0
                   : print_rows(cli, host_columns, sizeof host_columns / sizeof *host_columns,
                                hosts, add_host);
    (void)printf("\n");
    code = code == 0 ? print_rows(cli, shard_columns, sizeof shard_columns / sizeof *shard_columns,
                                  json_object_get(all, "shards"), add_shard)
                     : code;
    return code == 0 ? 0 : cli_fail(code, "%s", error_text(code));
}

int cli_print_cluster(const struct cli *cli, struct cluster *cluster) {
    struct report r = {""};
    json_t *all = NULL;
    int code = cluster_show(cluster, &all, &r);
    cluster_free(cluster);
    if (code != 0) {
        return cli_fail(code, "%s", r.text);
    }
    if (cli->json) {
        return cli_print_json(all);
    }
    note_starts(all);
    int status = print_all(cli, all);
    json_decref(all);
    return status;
}

int cli_cluster_status(struct cli *cli) {
    struct cluster *cluster = NULL;
    int status = cli_open_cluster(cli, &cluster);
    return status == 0 ? cli_print_cluster(cli, cluster) : status;
}
