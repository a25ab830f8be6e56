/*
 * ledger.h - the books of the demo's payment gateway: idempotency keys, charges, refunds.
 *
 * Every decision is appended to the log as one JSON line before anyone hears of it, and the log is
 * read again at the start: a gateway killed at any moment remembers its keys. The log is also what
 * an auditor reads: it lists every charge and refund that really happened.
 *
 *   {"kind":"charge","outcome":"succeeded","key":"charge-b-1","booking_id":"b-1","amount":5000,
 *    "id":"ch_...","status":200,"params":"...","answer":{...}}
 *
 * outcome: succeeded, declined (final, remembered), failed (a 5xx: the key may be used again),
 * lost (nothing decided: the answer to an earlier decision was thrown away on purpose).
 */
#ifndef DEMO_LEDGER_H
#define DEMO_LEDGER_H

#include "base/json.h"

#include <stdbool.h>

struct ledger;

/* Shares of requests, 0 to 1. What happens to a request depends on the seed, its key and how often
 * that key came before, and on nothing else. */
struct ledger_rates {
    double decline; /* charges answered 402 */
    double fail;    /* requests answered 500, nothing charged */
    double timeout; /* requests carried out, then the connection closed without an answer */
    const char *seed;
};

struct ledger_request {
    bool refund;
    const char *key;                                              /* Idempotency-Key; NULL = none */
    const char *amount, *currency, *source, *booking_id, *charge; /* form fields; NULL = none */
};

struct ledger_answer {
    int status;
    json_t *body; /* the caller's reference */
    bool drop;    /* close the connection instead of answering */
    bool begun;   /* the key is in use until ledger_finish */
};

/* `log` NULL keeps no record. NULL when the log cannot be read or written; errno says why. */
struct ledger *ledger_open(const char *log, const struct ledger_rates *rates);
void ledger_close(struct ledger *ledger);
void ledger_decide(struct ledger *ledger, const struct ledger_request *request,
                   struct ledger_answer *answer);
/* The answer to a request that was `begun` has left: its key may come again. Until then it gets a
 * 409, as two requests at once under one key do at a real gateway. */
void ledger_finish(struct ledger *ledger, const char *key);
/* {"object":"search_result","data":[charge...]}: the charges made for a booking. */
json_t *ledger_search(const struct ledger *ledger, const char *booking_id);
/* Counters: charges refunds declines failures unanswered replays conflicts errors, and amounts. */
json_t *ledger_stats(const struct ledger *ledger);

#endif
