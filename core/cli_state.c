/*
 * cli_state.c - keyed state and locks, as the last commit left them.
 */
#include "cli.h"

#include "cli_json.h"
#include "cli_table.h"
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_SHOWN = 200, JSON_BYTES_MAX = 32 << 20, NAMES_BYTES_MAX = 1024 };

static const struct table_column columns[] = {{"", false},      {"KEY", false},
                                              {"NAME", false},  {"EXPIRES", false},
                                              {"OWNER", false}, {"VALUE", false}};

/* What is being shown. */
struct view {
    uint16_t service;
    struct table *table;
    uint64_t limit, seen, printed;
    int status;
};

/* A value or a lock, read. */
struct item {
    bool is_lock;
    const struct cell *cell;
    struct slice owner; /* of a lock */
    struct slice json;  /* the value; a lock's data */
    int64_t expires_ms; /* 0 = never */
};

/* ---- showing ---- */

static json_t *item_json(const struct item *item) {
    json_t *object = json_object();
    json_t *value = item->json.len == 0 ? json_null()
                                        : json_loadb(item->json.data, item->json.len,
                                                     JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool ok = object != NULL && cli_json_bytes(object, "key", item->cell->key) &&
              cli_json_bytes(object, item->is_lock ? "lock" : "name", item->cell->name) &&
              cli_json_time(object, "expires_at", item->expires_ms) &&
              (!item->is_lock || cli_json_bytes(object, "owner", item->owner));
    if (ok && value == NULL) { /* bytes that JSON cannot say */
        ok = cli_json_bytes(object, "value", item->json);
    } else {
        ok = ok && json_object_set(object, item->is_lock ? "data" : "value", value) == 0;
    }
    json_decref(value);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void add_item(const struct cli *cli, struct table *table, const struct item *item) {
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    table_add(table, STYLE_DIM, item->is_lock ? "lock" : "state");
    text_add_safe(&text, item->cell->key);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, item->cell->name);
    table_take(table, STYLE_PLAIN, &text);
    if (item->expires_ms != 0) {
        text_add_when(&text, cli->now_ms, item->expires_ms);
    }
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, item->owner);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, item->json);
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static void show_item(const struct cli *cli, struct view *view, const struct item *item) {
    if (++view->seen > view->limit) {
        return;
    }
    if (cli->json) {
        view->status = cli_print_json_item(item_json(item), &view->printed);
    } else {
        add_item(cli, view->table, item);
    }
}

/* ---- reading ---- */

static int show_state(struct cli *cli, struct view *view, const struct cell *cell) {
    struct slice value;
    struct buf json;
    int64_t expires_ms = 0;
    int code = journal_state_get(cli->journal, cell, cli->now_ms, &value, &expires_ms);
    if (code != 0) {
        return code;
    }
    buf_init(&json, JSON_BYTES_MAX);
    code = value_to_json(value, &json);
    if (code == 0) {
        struct item item = {.cell = cell, .json = buf_slice(&json), .expires_ms = expires_ms};
        show_item(cli, view, &item);
    }
    buf_clear(&json);
    return code;
}

static int show_lock(struct cli *cli, struct view *view, const struct cell *cell) {
    struct lock lock;
    int code = journal_lock_get(cli->journal, cell, &lock);
    if (code == 0) {
        struct item item = {.is_lock = true,
                            .cell = cell,
                            .owner = lock.owner,
                            .json = lock.data,
                            .expires_ms = lock.expires_ms};
        show_item(cli, view, &item);
    }
    return code;
}

static int show_cell(struct cli *cli, struct view *view, enum store_table table,
                     const struct cell *cell) {
    int code = table == TABLE_LOCK ? show_lock(cli, view, cell) : show_state(cli, view, cell);
    return code == ERR_NOTFOUND ? 0 : code; /* its time has run out */
}

/* Copies where the scan stands out of the store, which may let go of it. */
static void keep_place(struct cell *cell, char room[NAMES_BYTES_MAX]) {
    memcpy(room, cell->key.data, cell->key.len);
    memcpy(room + cell->key.len, cell->name.data, cell->name.len);
    cell->key.data = room;
    cell->name.data = room + cell->key.len;
}

/* The cells of the service in one partition, or of one key when `key` is given. */
static int scan_partition(struct cli *cli, struct view *view, enum store_table table,
                          uint8_t partition, const struct slice *key) {
    struct cell cell = {.partition = partition, .service = view->service};
    struct slice value;
    char room[NAMES_BYTES_MAX];
    int code = 0;
    cell.key = key == NULL ? (struct slice){"", 0} : *key;
    while (code == 0 && view->status == 0 &&
           (code = journal_cell_scan(cli->journal, table, &cell, &value)) == 0) {
        if (cell.partition != partition || cell.service != view->service ||
            (key != NULL && !slice_equal(cell.key, *key))) {
            return 0;
        }
        code = show_cell(cli, view, table, &cell);
        keep_place(&cell, room);
        code = code == 0 ? cli_breathe(cli) : code;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int scan_service(struct cli *cli, struct view *view) {
    static const enum store_table tables[] = {TABLE_STATE, TABLE_LOCK};
    int code = cli_begin(cli);
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (uint8_t p = 0; p < PARTITIONS && code == 0; p++) {
            code = scan_partition(cli, view, tables[t], p, NULL);
        }
    }
    cli_end(cli);
    return code;
}

/* The key's state and locks, or just `name` of them. */
static int scan_key(struct cli *cli, struct view *view, struct slice key, const char *name) {
    uint8_t partition = journal_partition(journal_lane(slice_of(cli->words[0]), key));
    struct cell cell = {
        .partition = partition, .service = view->service, .key = key, .name = slice_of(name)};
    int code = cli_begin(cli);
    if (name == NULL) {
        code = code == 0 ? scan_partition(cli, view, TABLE_STATE, partition, &key) : code;
        code = code == 0 ? scan_partition(cli, view, TABLE_LOCK, partition, &key) : code;
    } else {
        code = code == 0 ? show_cell(cli, view, TABLE_STATE, &cell) : code;
        code = code == 0 ? show_cell(cli, view, TABLE_LOCK, &cell) : code;
    }
    cli_end(cli);
    return code;
}

/* ---- commands ---- */

static int print_view(const struct cli *cli, const struct view *view, int code,
                      const char *nothing) {
    if (code == 0 && cli->json) {
        cli_print_json_end(view->printed);
    } else if (code == 0 && view->seen == 0) {
        (void)printf("%s\n", nothing);
    } else if (code == 0) {
        code = table_print(view->table, stdout, cli->colour, table_terminal_width());
        if (view->seen > view->limit) {
            (void)printf("and %" PRIu64 " more: --limit N shows more\n", view->seen - view->limit);
        }
    }
    return code != 0 ? cli_read_failed(code) : view->status;
}

static int begin_view(struct cli *cli, struct view *view) {
    int status = cli_open_store(cli);
    status = status == 0 ? cli_service(cli, cli->words[0], &view->service) : status;
    if (status != 0) {
        return status;
    }
    view->table = table_new(columns, sizeof columns / sizeof *columns);
    return view->table != NULL ? 0 : cli_fail(ERR_MEMORY, "out of memory");
}

static int list(struct cli *cli) {
    struct view view = {.seen = 0};
    int status = cli_option_count(cli, "limit", CELLS_SHOWN, &view.limit);
    status = status == 0 ? begin_view(cli, &view) : status;
    if (status == 0) {
        status = print_view(cli, &view, scan_service(cli, &view), "no state and no locks");
    }
    table_free(view.table);
    return status;
}

static int get(struct cli *cli) {
    struct view view = {.limit = UINT64_MAX};
    struct slice key;
    const char *name = cli->word_count == 3 ? cli->words[2] : NULL;
    int status = cli_parse_key(cli, cli->words[1], &key);
    if (status == 0 && name != NULL && strlen(name) > STATE_NAME_BYTES_MAX) {
        status = cli_misused(cli, "a name has at most %d bytes", STATE_NAME_BYTES_MAX);
    }
    status = status == 0 ? begin_view(cli, &view) : status;
    if (status == 0) {
        status = print_view(cli, &view, scan_key(cli, &view, key, name),
                            "no such state and no such lock");
    }
    table_free(view.table);
    return status == 0 && view.seen == 0 ? EXIT_NO : status;
}

static const struct cli_option list_options[] = {
    {"limit", "N", "at most so many (200)"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_state_commands[] = {
    {"state get", "SERVICE KEY [NAME]", "the state and locks of one key", NULL, 2, 3, NULL, get},
    {"state list", "SERVICE", "the state and locks of a service", NULL, 1, 1, list_options, list},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
