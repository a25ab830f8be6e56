/*
 * try.h - a dry run of a handler: its input, and what it would do.
 */
#ifndef ZINGQ_QUERY_TRY_H
#define ZINGQ_QUERY_TRY_H

#include "base/json.h"
#include "journal/journal.h"
#include "lua/run.h"

#include <stdbool.h>

/* What a handler looks at in a dry run: the store's last commit, or a file in its place. */
struct try_view {
    struct journal *journal; /* within a transaction; NULL = there is no state */
    int64_t now_ms;          /* engine time */
    const json_t *state;     /* an object of name → value in place of the store's, or NULL */
    struct buf value;        /* the last value handed out */
    struct uuid_source ids;
    struct run_view view; /* what run_start wants; ctx is this struct */
};

/* `state` is borrowed. */
void try_view_init(struct try_view *view, struct journal *j, int64_t now_ms, const json_t *state);
void try_view_clear(struct try_view *view);

/* Whether it ended in a failure; a call it waits for is none. */
bool try_failed(const struct run *run);
const char *try_outcome_name(const struct run *run);
/* What a person reads of an effect. */
const char *try_effect_name(const struct effect *effect);
/* When, in engine time; 0 = at once, or never. */
int64_t try_effect_due(const struct effect *effect);
/* The URL without the part between :// and @. */
void try_add_url(struct buf *out, const char *url);
/* "Name: value", the value left out when it is a secret. */
void try_add_header(struct buf *out, const char *header);

/* Continues as if each step had been stored; their effects are added to the run's. */
void try_go_on(struct run *run);

/* A call, without its secrets; NULL when out of memory. */
json_t *try_call_json(const struct call_request *request);
/* The outcome, the effects and the call it waits for; `verdict` is what the retry script said, or
 * NULL. NULL when out of memory. */
json_t *try_json(const struct run *run, const struct retry_verdict *verdict);

#endif
