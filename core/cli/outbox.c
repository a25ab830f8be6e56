/*
 * outbox.c - publishes that the broker has not accepted: those that wait, those that it refuses,
 * and what a person can do about them.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "query/outgoing.h"

#include <limits.h>
#include <stdio.h>

enum { OUTBOX_SHOWN = 100, CELL_BYTES_MAX = 1 << 20 };

static const struct table_column columns[] = {
    {"REFUSED", false}, {"TOPIC", false}, {"ID", false}, {"FROM EVENT", false}, {"WHY", false}};

/* What has been read of the outbox. */
struct view {
    struct listing listing;
    struct outbox_walk walk;
    bool refused_only;
};

static void add_why(struct buf *out, const struct publication *p, bool held) {
    if (p->refused_ms == 0) {
        buf_add_str(out,
                    held ? "held behind a refused publish of its key" : "waiting for the broker");
    } else if (p->refused_reason == 0x87) {
        buf_add_str(out, "not authorized");
    } else if (p->refused_reason == REFUSED_CRASH) {
        buf_add_str(out, "the host went down while sending it");
    } else if (p->refused_reason == REFUSED_CRASHES) {
        buf_add_str(out, "the host went down each time it was sent: only `outbox retry` sends it");
    } else if (p->refused_reason != 0) {
        buf_printf(out, "reason code 0x%02x", p->refused_reason);
    } else {
        buf_add_str(out, "the broker closes the connection, or cannot transport it");
    }
}

static void add_row(const struct cli *cli, struct table *table, const struct publication *p,
                    bool held) {
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    if (p->refused_ms != 0) {
        text_add_when(&text, cli->now_ms, p->refused_ms);
    }
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, p->topic);
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, uuid_short(&p->id, id));
    table_add(table, STYLE_DIM, uuid_is_zero(&p->cause) ? "" : uuid_short(&p->cause, id));
    add_why(&text, p, held);
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static void list_one(struct cli *cli, struct view *view, const struct publication *p, bool held) {
    if ((view->refused_only && p->refused_ms == 0) || !listing_wants(&view->listing)) {
        return;
    }
    if (cli->json) {
        listing_add_json(cli, &view->listing, outbox_json(p, held));
    } else {
        add_row(cli, view->listing.table, p, held);
    }
}

static int each_row(struct cli *cli, struct view *view) {
    struct publication p;
    bool held = false;
    int code = cli_begin(cli);
    while (code == 0 && view->listing.status == 0 &&
           (code = outbox_walk_next(cli->journal, &view->walk, &p, &held)) == 0) {
        list_one(cli, view, &p, held);
        code = cli_breathe(cli);
    }
    cli_end(cli);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int list(struct cli *cli) {
    struct view view = {.refused_only = cli_flag(cli, "refused")};
    int status =
        listing_init(cli, &view.listing, columns, sizeof columns / sizeof *columns, OUTBOX_SHOWN);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status == 0) {
        status = listing_print(cli, &view.listing, each_row(cli, &view),
                               view.refused_only ? "no refused publishes"
                                                 : "no publishes waiting for the broker",
                               NULL);
    }
    listing_clear(&view.listing);
    return status;
}

/* ---- retry, discard ---- */

static int ask_one(struct cli *cli, const struct uuid *id, const char *verb) {
    char path[128];
    char text[UUID_TEXT_BYTES + 1];
    (void)snprintf(path, sizeof path, "/api/outbox/%s/%s", uuid_text(id, text), verb);
    return cli_ask(cli, "POST", path, slice_of(""), NULL);
}

static int ask_each(struct cli *cli, const char *verb, const char *done) {
    int status = 0;
    json_t *asked = json_array();
    for (int i = 0; status == 0 && i < cli->word_count; i++) {
        struct uuid id;
        char text[UUID_TEXT_BYTES + 1];
        status = cli_find_id(cli, cli->words[i], ID_OF_PUBLISH, &id);
        status = status == 0 ? ask_one(cli, &id, verb) : status;
        if (status == 0 && cli->json) {
            status =
                json_array_append_new(asked, json_pack("{s:s}", "id", uuid_text(&id, text))) == 0
                    ? 0
                    : cli_fail(ERR_MEMORY, "out of memory");
        } else if (status == 0) {
            (void)printf("%s %s\n", uuid_text(&id, text), done);
        }
    }
    if (!cli->json) {
        json_decref(asked);
        return status;
    }
    int printed = cli_print_json(asked);
    return status == 0 ? printed : status;
}

static int retry(struct cli *cli) {
    static const struct uuid all = {{0}};
    if (cli->word_count > 0) {
        return ask_each(cli, "retry", "is being retried");
    }
    int status = ask_one(cli, &all, "retry");
    if (status == 0) {
        (void)puts(cli->json ? "[]" : "all refused publishes are being retried");
    }
    return status;
}

static int discard(struct cli *cli) {
    return ask_each(cli, "discard", "is discarded");
}

static const struct cli_option list_options[] = {
    {"refused", NULL, "only those that the broker refuses"},
    {"limit", "N", "at most this many (100)"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_outbox_commands[] = {
    {"outbox list", "", "list unacknowledged publishes, and those that the broker refuses", NULL, 0,
     0, list_options, list},
    {"outbox retry", "[ID...]", "retry refused publishes now",
     "Without an ID: all of them. They are also retried automatically, at intervals of up to 5 "
     "minutes.",
     0, INT_MAX, NULL, retry},
    {"outbox discard", "ID...", "discard refused publishes",
     "Each is deleted and never reaches the broker; publishes held behind it are released.", 1,
     INT_MAX, NULL, discard},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
