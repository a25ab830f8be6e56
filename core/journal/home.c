/*
 * home.c - see journal/home.h.
 *
 * What belongs to the host: its identity, clock and books; what it is to send, in an order of its
 * own (outbox, forward); what finds a delayed publish by its id; and within tables of partitions the
 * rows that name none: keys of services that every host runs for itself, notes of publishes, and
 * what damage has left.
 */
#include "journal/home.h"

#include "journal/move.h"

#include <assert.h>

enum rule { UNSAID, IN_KEY, OF_HOST };

static const uint8_t rules[TABLE_DEDUPE] = {
    [TABLE_META] = OF_HOST,  [TABLE_EVENT] = IN_KEY,    [TABLE_READY] = IN_KEY,
    [TABLE_LANE] = IN_KEY,   [TABLE_HISTORY] = IN_KEY,  [TABLE_OUTBOX] = OF_HOST,
    [TABLE_TIMER] = IN_KEY,  [TABLE_STATE] = IN_KEY,    [TABLE_LOCK] = IN_KEY,
    [TABLE_DEAD] = IN_KEY,   [TABLE_APPEND] = IN_KEY,   [TABLE_STEP] = IN_KEY,
    [TABLE_SIGNAL] = IN_KEY, [TABLE_WAITER] = IN_KEY,   [TABLE_DELAYED] = OF_HOST,
    [TABLE_ASIDE] = OF_HOST, [TABLE_FORWARD] = OF_HOST, [TABLE_CURSOR] = IN_KEY,
    [TABLE_LETTER] = IN_KEY, [TABLE_TENANT] = IN_KEY,
};

uint8_t journal_home(enum store_table t, struct slice key) {
    uint8_t rule = t < TABLE_DEDUPE ? rules[t] : (uint8_t)IN_KEY; /* and keys noted lately */
    assert(rule != UNSAID);                                       /* INV-JOURNAL-20 */
    uint8_t partition = rule == IN_KEY ? journal_key_partition(t, key) : ROW_NO_PARTITION;
    return partition == ROW_NO_PARTITION ? (uint8_t)HOME_HOST : partition;
}
