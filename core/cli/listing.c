/*
 * listing.c - a list of rows: a table for people, an array with --json.
 */
#include "cli/listing.h"

#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "query/events.h"

#include <inttypes.h>
#include <stdio.h>

enum { REST_BYTES_MAX = 1024 };

int listing_init(struct cli *cli, struct listing *listing, const struct table_column *columns,
                 size_t count, uint64_t shown) {
    *listing = (struct listing){.table = table_new(columns, count)};
    return listing->table == NULL ? cli_fail(ERR_MEMORY, "out of memory")
                                  : cli_option_count(cli, "limit", shown, &listing->limit);
}

void listing_clear(struct listing *listing) {
    table_free(listing->table);
    listing->table = NULL;
}

bool listing_wants(struct listing *listing) {
    return ++listing->seen <= listing->limit;
}

void listing_add_json(struct cli *cli, struct listing *listing, json_t *item) {
    listing->status = cli->gathered == NULL ? cli_print_json_item(cli, item, &listing->printed)
                      : json_array_append_new(cli->gathered, item) == 0
                          ? 0
                          : cli_fail(ERR_MEMORY, "out of memory");
}

int listing_print(struct cli *cli, const struct listing *listing, int code, const char *nothing,
                  const char *more) {
    if (code == 0 && cli->gathered != NULL) {
        cli->gathered_cut = cli->gathered_cut || listing->seen > listing->limit;
    } else if (code == 0 && cli->json) {
        cli_print_json_end(listing->printed);
    } else if (code == 0 && listing->seen == 0) {
        (void)puts(nothing);
    } else if (code == 0) {
        code = table_print(listing->table, stdout, cli->colour, table_terminal_width());
        if (listing->seen > listing->limit) {
            (void)printf("and %s%" PRIu64 " more: %s\n", listing->cut ? "at least " : "",
                         listing->seen - listing->limit,
                         more == NULL ? "--limit N shows more" : more);
        }
    }
    return code != 0 ? cli_read_failed(code) : listing->status;
}

void listing_tell_rest(const struct cli *cli, const struct look_walk *walk, const char *command) {
    char place[LOOK_PLACE_BYTES];
    struct event_place at = look_walk_place(walk);
    struct buf text;
    if (uuid_is_zero(&at.id)) {
        return;
    }
    buf_init(&text, REST_BYTES_MAX);
    text_add_count(&text, walk->passed);
    buf_add_str(&text, " other events passed over, back to ");
    text_add_when(&text, cli->now_ms, uuid_ms(&at.id));
    if (cli->gathered != NULL) { /* a place in one list is none in that of all */
        (void)cli_fail(0, "%s of %s: narrow it down", buf_str(&text), cli->data);
        buf_clear(&text);
        return;
    }
    look_place_text(&at, place);
    (void)cli_fail(0, "%s: %s--before %s continues there", buf_str(&text), command, place);
    buf_clear(&text);
}
