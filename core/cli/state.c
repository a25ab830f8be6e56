/*
 * state.c - keyed state and locks, as the last commit left them.
 */
#include "cli/cli.h"

#include "cli/remote.h"
#include "cli/table.h"
#include "query/state.h"
#include "journal/keyed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_SHOWN = 200, JSON_BYTES_MAX = 32 << 20 };

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

/* ---- showing ---- */

static void add_item(const struct cli *cli, struct table *table, const struct state_item *item) {
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    table_add(table, STYLE_DIM, item->is_lock ? "lock" : "state");
    text_add_safe(&text, item->cell.key);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, item->cell.name);
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

static void show_item(struct cli *cli, struct view *view, const struct state_item *item) {
    if (++view->seen > view->limit) {
        return;
    }
    if (cli->json) {
        view->status = cli_print_json_item(cli, state_item_json(item), &view->printed);
    } else {
        add_item(cli, view->table, item);
    }
}

/* ---- reading ---- */

/* The cells of the service, or of one key when `key` is given. */
static int scan(struct cli *cli, struct view *view, const struct slice *key) {
    struct state_walk walk;
    struct state_item item;
    struct buf json;
    bool found = false;
    buf_init(&json, JSON_BYTES_MAX);
    state_walk_init(&walk, view->service, slice_of(cli->words[0]), key);
    int code = cli_begin(cli);
    while (code == 0 && view->status == 0 &&
           (code = state_walk_next(cli->journal, &walk, cli->now_ms, &json, &item, &found)) == 0) {
        if (found) {
            show_item(cli, view, &item);
        }
        code = cli_breathe(cli);
    }
    cli_end(cli);
    buf_clear(&json);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The state and the lock of that name. */
static int read_named(struct cli *cli, struct view *view, struct slice key, const char *name) {
    uint8_t partition = journal_partition(journal_lane(slice_of(cli->words[0]), key));
    struct cell cell = {
        .partition = partition, .service = view->service, .key = key, .name = slice_of(name)};
    struct state_item item;
    struct buf json;
    buf_init(&json, JSON_BYTES_MAX);
    int code = cli_begin(cli);
    for (int lock = 0; lock <= 1 && code == 0; lock++) {
        code = state_read(cli->journal, &cell, lock == 1, cli->now_ms, &json, &item);
        if (code == 0) {
            show_item(cli, view, &item);
        }
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    cli_end(cli);
    buf_clear(&json);
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
        status = print_view(cli, &view, scan(cli, &view, NULL), "no state and no locks");
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
        int code = name == NULL ? scan(cli, &view, &key) : read_named(cli, &view, key, name);
        if (code == 0 && view.seen == 0 && cli_is_elsewhere(cli, &status)) {
            table_free(view.table);
            return status;
        }
        status = print_view(cli, &view, code, "no such state and no such lock");
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
