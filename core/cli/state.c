/*
 * state.c - keyed state and locks, as of the last commit.
 */
#include "cli/impl.h"

#include "cli/listing.h"
#include "cli/remote.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "query/state.h"
#include "journal/keyed.h"

#include <string.h>

enum { CELLS_SHOWN = 200, JSON_BYTES_MAX = 32 << 20 };

static const struct table_column columns[] = {{"", false},      {"KEY", false},
                                              {"NAME", false},  {"EXPIRES", false},
                                              {"OWNER", false}, {"VALUE", false}};

/* The output in progress. */
struct view {
    uint16_t service;
    struct listing listing;
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
    if (!listing_wants(&view->listing)) {
        return;
    }
    if (cli->json) {
        listing_add_json(cli, &view->listing, state_item_json(item));
    } else {
        add_item(cli, view->listing.table, item);
    }
}

/* ---- reading ---- */

/* Reads the cells of the service, or of one key if `key` is given. */
static int scan(struct cli *cli, struct view *view, const struct slice *key) {
    struct state_walk walk;
    struct state_item item;
    struct buf json;
    bool found = false;
    buf_init(&json, JSON_BYTES_MAX);
    state_walk_init(&walk, view->service, journal_origin_of(cli->journal, slice_of(cli->words[0])),
                    key);
    int code = cli_begin(cli);
    while (code == 0 && view->listing.status == 0 &&
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

/* Reads the state and the lock of that name. */
static int read_named(struct cli *cli, struct view *view, struct slice key, const char *name) {
    uint8_t partition =
        journal_partition(journal_lane_of(cli->journal, slice_of(cli->words[0]), key));
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

static int begin_view(struct cli *cli, struct view *view, uint64_t shown) {
    int status =
        listing_init(cli, &view->listing, columns, sizeof columns / sizeof *columns, shown);
    status = status == 0 ? cli_open_store(cli) : status;
    return status == 0 ? cli_service(cli, cli->words[0], &view->service) : status;
}

static int list(struct cli *cli) {
    struct view view;
    int status = begin_view(cli, &view, CELLS_SHOWN);
    if (status == 0) {
        status =
            listing_print(cli, &view.listing, scan(cli, &view, NULL), "no state or locks", NULL);
    }
    listing_clear(&view.listing);
    return status;
}

/* The contents of the local store; if it has none, those of another host. */
static int print_cells(struct cli *cli, struct view *view, struct slice key, const char *name) {
    int status = 0;
    int code = name == NULL ? scan(cli, view, &key) : read_named(cli, view, key, name);
    bool nothing = view->listing.seen == 0;
    if (code == 0 && nothing && cli_is_elsewhere(cli, &status)) {
        return status;
    }
    status = listing_print(cli, &view->listing, code, "no such state or lock", NULL);
    return status == 0 && nothing ? EXIT_NO : status;
}

static int get(struct cli *cli) {
    struct view view = {.service = 0};
    struct slice key;
    const char *name = cli->word_count == 3 ? cli->words[2] : NULL;
    int status = cli_parse_key(cli, cli->words[1], &key);
    if (status == 0 && name != NULL && strlen(name) > STATE_NAME_BYTES_MAX) {
        status = cli_misused(cli, "a name has at most %d bytes", STATE_NAME_BYTES_MAX);
    }
    status = status == 0 ? begin_view(cli, &view, UINT64_MAX) : status;
    status = status == 0 ? print_cells(cli, &view, key, name) : status;
    listing_clear(&view.listing);
    return status;
}

static const struct cli_option list_options[] = {
    {"limit", "N", "at most this many (200)"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_state_commands[] = {
    {"state get", "SERVICE KEY [NAME]", "show the state and locks of one key", NULL, 2, 3, NULL,
     get},
    {"state list", "SERVICE", "list the state and locks of a service", NULL, 1, 1, list_options,
     list},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
