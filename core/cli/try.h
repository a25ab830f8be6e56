/*
 * try.h - a dry run of a handler: printing what it would have done.
 */
#ifndef ZINGQ_CLI_TRY_H
#define ZINGQ_CLI_TRY_H

#include "cli/impl.h"
#include "query/try.h"

/* Where the answers to its calls come from, and which ones were made. */
struct try_calls {
    json_t *answers;       /* of --answers; NULL = none were given */
    struct try_live *live; /* of --live; NULL = nothing is really made */
    uint64_t count;        /* of calls made or answered so far */
    json_t *made;          /* those, with their answers */
    int64_t timeout_ms;    /* for all of them together */
};

/* Prints the outcome, the effects and the call it waits for, as JSON with --json. 0 when it
 * succeeded or waits; EXIT_NO when it failed. `verdict` is the result of the retry script, or
 * NULL. */
int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict,
             const struct try_calls *calls);

/* Prints the call that it waits for; `live`: it is about to be made. */
void try_tell_call(const struct run *run, bool live);

/* --- cli/try_calls.c --- */

/* Opens what --answers or --live ask for; `timeout_ms` is the attempt's. 0, or an exit status after printing why.
 * try_close_calls in every case. */
int try_open_calls(const struct cli *cli, struct try_calls *calls, int64_t timeout_ms);
void try_close_calls(struct try_calls *calls);
/* Takes the handler past its calls, for as long as they are answered, and prints each, unless JSON is asked for.
 * The transaction is another one afterwards. 0, or an exit status after printing why. */
int try_go_past(struct cli *cli, struct try_view *view, struct run *run, struct try_calls *calls);

/* --- cli/try_answers.c --- */

/* Reads --answers: an array, the caller's; NULL if it was not given. 0, or an exit status after
 * printing why. */
int try_read_answers(const struct cli *cli, json_t **out);
/* One of them, as the result of a call; the caller clears it. */
void try_take_answer(const json_t *answer, enum call_kind kind, struct call_result *result);

/* --- cli/try_live.c --- */

/* Opens the doors; `timeout_ms` begins now. An error code with a sentence; try_live_free in every case. */
int try_live_new(struct try_live **out, const struct conf *conf, int64_t timeout_ms,
                 struct report *r);
/* Makes a call and waits for its end. `id` from 1, never twice. 0 and a result, which the caller clears;
 * ERR_TIMEOUT: the time was up before it ended. */
int try_live_call(struct try_live *live, uint64_t id, const struct call_request *request,
                  struct call_result *result);
/* Rolls the transaction back that the call of that id began. */
void try_live_end_session(struct try_live *live, uint64_t session);
void try_live_free(struct try_live *live);

#endif
