/*
 * delayed.c - the publishes that wait for their time: when, where to, who asked for them.
 */
#include "cli/cli.h"

#include "cli/table.h"
#include "base/clock.h"
#include "query/json.h"
#include "journal/later.h"
#include "journal/outbox.h"

#include <inttypes.h>
#include <stdio.h>

enum { DELAYED_SHOWN = 100, CELL_BYTES_MAX = 1 << 20 };

static const struct table_column columns[] = {
    {"LEAVES", false}, {"TOPIC", false}, {"ID", false}, {"FROM EVENT", false}};

/* What is being listed. */
struct listing {
    struct table *table;
    uint64_t limit, seen, printed;
    int status;
};

int64_t cli_due_ms(const struct delayed *delayed) {
    return delayed->by_wall ? clock_to_engine(delayed->due_ms) : delayed->due_ms;
}

static void add_row(const struct cli *cli, struct table *table, const struct delayed *delayed,
                    const struct publication *p) {
    char id[UUID_TEXT_BYTES + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    text_add_when(&text, cli->now_ms, cli_due_ms(delayed));
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, p->topic);
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, uuid_text(&p->id, id));
    table_add(table, STYLE_DIM, uuid_is_zero(&p->cause) ? "" : uuid_text(&p->cause, id));
    buf_clear(&text);
}

static json_t *row_json(const struct delayed *delayed, const struct publication *p) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *object = json_pack("{s:s}", "id", uuid_text(&p->id, id));
    bool ok =
        object != NULL && look_json_bytes(object, "topic", p->topic) &&
        look_json_time(object, "due_at", cli_due_ms(delayed)) &&
        look_json_bytes(object, "payload", p->payload) &&
        (uuid_is_zero(&p->cause) || look_json_text(object, "cause", uuid_text(&p->cause, id)));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void list_one(struct cli *cli, struct listing *listing, const struct delayed *delayed,
                     const struct publication *p) {
    if (++listing->seen > listing->limit) {
        return;
    }
    if (cli->json) {
        listing->status = cli_print_json_item(cli, row_json(delayed, p), &listing->printed);
    } else {
        add_row(cli, listing->table, delayed, p);
    }
}

static int each_delayed(struct cli *cli, struct listing *listing) {
    struct uuid id = {{0}};
    struct delayed delayed;
    struct publication p;
    int code = cli_begin(cli);
    while (code == 0 && listing->status == 0 &&
           (code = journal_delayed_next(cli->journal, &id, &delayed, &p)) == 0) {
        list_one(cli, listing, &delayed, &p);
        code = cli_breathe(cli);
    }
    cli_end(cli);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int print_list(struct cli *cli, struct listing *listing) {
    int code = each_delayed(cli, listing);
    if (code == 0 && cli->json) {
        cli_print_json_end(listing->printed);
    } else if (code == 0 && listing->seen == 0) {
        (void)printf("no publish waits for its time\n");
    } else if (code == 0) {
        code = table_print(listing->table, stdout, cli->colour, table_terminal_width());
        if (listing->seen > listing->limit) {
            (void)printf("and %" PRIu64 " more: --limit N shows more\n",
                         listing->seen - listing->limit);
        }
    }
    return code != 0 ? cli_read_failed(code) : listing->status;
}

int cli_delayed(struct cli *cli) {
    struct listing listing = {.table = table_new(columns, sizeof columns / sizeof *columns)};
    int status = listing.table == NULL
                     ? cli_fail(ERR_MEMORY, "out of memory")
                     : cli_option_count(cli, "limit", DELAYED_SHOWN, &listing.limit);
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? print_list(cli, &listing) : status;
    table_free(listing.table);
    return status;
}
