/*
 * table.c - the names of tables: see store/store.h.
 */
#include "store/store.h"

#include <assert.h>
#include <stdio.h>

static const char *const table_names[] = {
    [TABLE_META] = "meta",     [TABLE_EVENT] = "event",     [TABLE_READY] = "ready",
    [TABLE_LANE] = "lane",     [TABLE_HISTORY] = "history", [TABLE_OUTBOX] = "outbox",
    [TABLE_TIMER] = "timer",   [TABLE_STATE] = "state",     [TABLE_LOCK] = "lock",
    [TABLE_DEAD] = "dead",     [TABLE_APPEND] = "append",   [TABLE_STEP] = "step",
    [TABLE_SIGNAL] = "signal", [TABLE_WAITER] = "waiter",   [TABLE_DELAYED] = "delayed",
    [TABLE_ASIDE] = "aside",   [TABLE_FORWARD] = "forward", [TABLE_CURSOR] = "cursor",
    [TABLE_LETTER] = "letter", [TABLE_TENANT] = "tenant",   [TABLE_DEDUPE] = "dedupe",
};

const char *store_table_name(enum store_table t, char out[STORE_TABLE_NAME_BYTES]) {
    assert(t < TABLE_COUNT);
    if (t >= TABLE_RECENT) {
        (void)snprintf(out, STORE_TABLE_NAME_BYTES, "recent%u", (unsigned)(t - TABLE_RECENT));
    } else if (t >= TABLE_DEDUPE) {
        (void)snprintf(out, STORE_TABLE_NAME_BYTES, "dedupe%u", (unsigned)(t - TABLE_DEDUPE));
    } else {
        (void)snprintf(out, STORE_TABLE_NAME_BYTES, "%s", table_names[t]);
    }
    return out;
}

bool store_table_named(struct slice name, enum store_table *t) {
    char text[STORE_TABLE_NAME_BYTES];
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        if (slice_is(name, store_table_name((enum store_table)i, text))) {
            *t = (enum store_table)i;
            return true;
        }
    }
    return false;
}
