/*
 * listing.h - a list of rows, printed as a table for people or an array with --json.
 */
#ifndef ZINGQ_CLI_LISTING_H
#define ZINGQ_CLI_LISTING_H

#include "base/json.h"
#include "cli/impl.h"
#include "cli/table.h"

struct look_walk;

struct listing {
    struct table *table;
    uint64_t limit;   /* rows to show */
    uint64_t seen;    /* rows found */
    bool cut;         /* not all were counted that are beyond the limit */
    uint64_t printed; /* rows printed as JSON */
    int status;       /* exit status of printing so far; not 0: stop reading */
};

/* `columns` is borrowed; the limit is --limit, or `shown` without it. 0, or an exit status after
 * printing why; call listing_clear in both cases. */
int listing_init(struct cli *cli, struct listing *listing, const struct table_column *columns,
                 size_t count, uint64_t shown);
void listing_clear(struct listing *listing);
/* Counts one more row; false when it is beyond the limit. */
bool listing_wants(struct listing *listing);
/* Adds a row for --json; takes the reference. Call within a transaction. */
void listing_add_json(struct cli *cli, struct listing *listing, json_t *item);
/* After the last row, outside a transaction: prints the table, or `nothing` when no row was seen,
 * and `more` (NULL: the usual hint) after the number of rows left out. `code` is the result of
 * reading. Returns the exit status. */
int listing_print(struct cli *cli, const struct listing *listing, int code, const char *nothing,
                  const char *more);
/* Says, to stderr because the list may be read by a program, that a search ended before all was looked at, and
 * with which --before of `command` ("": of this one) it goes on; nothing if all was. */
void listing_tell_rest(const struct cli *cli, const struct look_walk *walk, const char *command);

#endif
