/*
 * try_live.c - try --live: calls that are really made, by what makes those of a host: the same egress
 * rules, pools and timeouts.
 */
#include "cli/try.h"

#include "io/fetch/fetch.h"
#include "io/pg/pg.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

struct try_live {
    uv_loop_t loop;
    uv_timer_t end; /* of the attempt's time */
    bool is_over;
    struct fetch *fetch;
    struct pg *pg;
    struct call_result *result; /* of the call under way; the caller's */
    bool done;
};

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct try_live *live = ctx;
    (void)id;
    assert(live->result != NULL && !live->done);
    *live->result = *result;
    buf_init(&result->headers, 0);
    buf_init(&result->body, 0);
    live->done = true;
}

static void on_end(uv_timer_t *timer) {
    struct try_live *live = timer->data;
    live->is_over = true;
}

static int open_doors(struct try_live *live, const struct conf *conf, struct report *r) {
    int code = pg_check(conf, r);
    if (code != 0) {
        return code;
    }
    code = fetch_new(&live->fetch, &live->loop, live, on_done);
    if (code == 0) {
        fetch_egress(live->fetch, (struct egress){conf->egress_allow, conf->egress_allow_count});
        code = pg_new(&live->pg, &live->loop, conf->databases, conf->database_count, live, on_done);
    }
    return code == 0 ? 0 : report(r, code, "%s", error_text(code));
}

int try_live_new(struct try_live **out, const struct conf *conf, int64_t timeout_ms,
                 struct report *r) {
    struct try_live *live = calloc(1, sizeof *live);
    if (live == NULL || uv_loop_init(&live->loop) != 0) {
        free(live);
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a peer may close while it is written to */
    int failed = uv_timer_init(&live->loop, &live->end);
    assert(failed == 0);
    live->end.data = live;
    failed = uv_timer_start(&live->end, on_end, (uint64_t)timeout_ms, 0);
    assert(failed == 0);
    *out = live;
    return open_doors(live, conf, r);
}

int try_live_call(struct try_live *live, uint64_t id, const struct call_request *request,
                  struct call_result *result) {
    assert(request->kind != CALL_KIND_ASK);
    live->result = result;
    live->done = false;
    uv_update_time(&live->loop); /* Lua ran since it last did */
    int code = request->kind == CALL_KIND_SQL ? pg_start(live->pg, id, request)
                                              : fetch_start(live->fetch, id, request);
    if (code != 0) {
        *result = (struct call_result){.code = code};
        return 0;
    }
    while (!live->done && !live->is_over) {
        (void)uv_run(&live->loop, UV_RUN_ONCE);
    }
    live->result = NULL;
    if (!live->done) {
        fetch_cancel(live->fetch, id);
        pg_cancel(live->pg, id);
        return ERR_TIMEOUT;
    }
    return 0;
}

void try_live_end_session(struct try_live *live, uint64_t session) {
    pg_cancel(live->pg, session);
}

void try_live_free(struct try_live *live) {
    if (live == NULL) {
        return;
    }
    pg_free(live->pg);
    if (live->fetch != NULL) {
        fetch_free(live->fetch);
    }
    uv_close((uv_handle_t *)&live->end, NULL);
    (void)uv_run(&live->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&live->loop);
    assert(failed == 0);
    free(live);
}
