/*
 * listing.h - a list of rows as a command prints it: a table for people, an array with --json.
 */
#ifndef ZINGQ_CLI_LISTING_H
#define ZINGQ_CLI_LISTING_H

#include "cli/impl.h"
#include "cli/table.h"

#include <jansson.h>

struct listing {
    struct table *table;
    uint64_t limit;   /* rows to show */
    uint64_t seen;    /* rows there are */
    uint64_t printed; /* as JSON */
    int status;       /* exit status of printing so far: no use in going on when it is not 0 */
};

/* `columns` is borrowed; the limit is that of --limit, or `shown`. 0 or an exit status after
 * telling why; listing_clear in every case. */
int listing_init(struct cli *cli, struct listing *listing, const struct table_column *columns,
                 size_t count, uint64_t shown);
void listing_clear(struct listing *listing);
/* Counts one more row; false: it is past the limit. */
bool listing_wants(struct listing *listing);
/* The next row with --json; takes the item over. Within a transaction. */
void listing_add_json(struct cli *cli, struct listing *listing, json_t *item);
/* After the last row, outside a transaction: prints the table, or `nothing` when no row was seen,
 * and `more` (NULL: the usual hint) after the count of rows left out. `code` is what reading came
 * to. Returns the exit status. */
int listing_print(const struct cli *cli, const struct listing *listing, int code,
                  const char *nothing, const char *more);

#endif
