/*
 * remotes.h - the reading commands that can be about another host, or about all: a row each, with the request,
 * and the parts of the answer that go into a table.
 */
#ifndef ZINGQ_CLI_REMOTES_H
#define ZINGQ_CLI_REMOTES_H

#include "base/limits.h"
#include "cli/impl.h"
#include "cli/table.h"
#include "query/merge.h"

enum { REMOTE_FIELDS_MAX = 8, REMOTE_QUERY_MAX = 6, REMOTE_ROWS_MAX = READING_ITEMS_MAX };

struct remote {
    const char *command;
    const char *path;                      /* followed by the first word if it ends with a slash */
    const char *second;                    /* query parameter for the second word, or NULL */
    const char *options[REMOTE_QUERY_MAX]; /* options of the command that go into the query */
    const char *flag;                      /* the same of an option without a value, or NULL */
    uint64_t shown;                        /* without --limit; 0 = all */
    const struct merge_order *all; /* how the lists of all hosts become one; NULL = they do not */
    bool oldest_first;             /* it is printed in reverse; it has no pages, and --since */
    const char *list;              /* member with the list; "" = the answer itself; NULL = none */
    const char *nothing;           /* printed for an empty list */
    struct table_column columns[REMOTE_FIELDS_MAX];
    const char *fields[REMOTE_FIELDS_MAX]; /* of an item, one per column */
};

/* NULL: the command has none. */
const struct remote *remote_find(const struct cli_command *command);

#endif
