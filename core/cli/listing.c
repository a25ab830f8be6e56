/*
 * listing.c - a list of rows: a table for people, an array with --json.
 */
#include "cli/listing.h"

#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"

#include <inttypes.h>
#include <stdio.h>

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
    listing->status = cli_print_json_item(cli, item, &listing->printed);
}

int listing_print(const struct cli *cli, const struct listing *listing, int code,
                  const char *nothing, const char *more) {
    if (code == 0 && cli->json) {
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
