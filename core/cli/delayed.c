/*
 * delayed.c - delayed publishes: when they leave, to which topic, and who requested them.
 */
#include "cli/impl.h"

#include "cli/listing.h"
#include "cli/store.h"
#include "base/clock.h"
#include "query/outgoing.h"

enum { DELAYED_SHOWN = 100, CELL_BYTES_MAX = 1 << 20 };

static const struct table_column columns[] = {
    {"LEAVES", false}, {"TOPIC", false}, {"ID", false}, {"FROM EVENT", false}};

static void add_row(const struct cli *cli, struct table *table, const struct delayed *delayed,
                    const struct publication *p) {
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    text_add_when(&text, cli->now_ms, clock_due(delayed->due_ms, delayed->by_wall));
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, p->topic);
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, uuid_short(&p->id, id));
    table_add(table, STYLE_DIM, uuid_is_zero(&p->cause) ? "" : uuid_short(&p->cause, id));
    buf_clear(&text);
}

static void list_one(struct cli *cli, struct listing *listing, const struct delayed *delayed,
                     const struct publication *p) {
    if (!listing_wants(listing)) {
        return;
    }
    if (cli->json) {
        listing_add_json(cli, listing, delayed_json(delayed, p));
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

int cli_delayed(struct cli *cli) {
    struct listing listing;
    int status =
        listing_init(cli, &listing, columns, sizeof columns / sizeof *columns, DELAYED_SHOWN);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status == 0) {
        status =
            listing_print(cli, &listing, each_delayed(cli, &listing), "no delayed publishes", NULL);
    }
    listing_clear(&listing);
    return status;
}
