/*
 * try.c - runs a dead letter's handler once, dry: what it would do, without doing any of it.
 *
 * It runs between two turns, in the host's own Lua and with the live scripts, and sees the last
 * commit. It ends at the first call to the outside.
 */
#include "web/admin/impl.h"

#include "query/try.h"
#include "store/store.h"

#include <string.h>

/* Replaces the payload by the request's body, if there is one. */
static struct event *with_body(struct event *event, struct slice body) {
    if (body.len == 0) {
        return event;
    }
    struct event *edited = event_with_payload(event, body);
    event_free(event);
    return edited;
}

static json_t *run_dry(struct admin *a, size_t index, struct event *event) {
    struct script_host *scripts = a->options.scripts;
    struct try_view view;
    struct run *run = NULL;
    struct retry_verdict verdict;
    struct report r = {""};
    json_t *answer = NULL;
    try_view_init(&view, engine_journal(a->engine), admin_now_ms(a), NULL);
    event->state = EVENT_RUNNING;
    event->replayed = true;
    event->attempts = 1;
    event->errors = 0;
    event->started_ms = view.now_ms;
    if (run_start(&run, scripts, index, RUN_EVENT, event, NULL, &view.view) == 0) {
        int code = ERR_NOTFOUND;
        try_go_on(run);
        if (run->outcome == OUTCOME_ERROR || run->outcome == OUTCOME_RETRY) {
            event->errors++;
            code = run_retry_policy(scripts, index, event, buf_str(&run->error), &view.view,
                                    &verdict, &r);
        }
        answer = try_json(run, code == 0 ? &verdict : NULL);
        run_free(run);
    }
    try_view_clear(&view);
    return answer;
}

/* Within a transaction: 0 and an answer, or an HTTP status with a sentence. */
static int try_letter(struct admin *a, const struct dead_filter *filter, const struct uuid *id,
                      struct slice body, json_t **answer, struct report *r) {
    struct journal *j = engine_journal(a->engine);
    struct event *event = NULL;
    size_t index = 0;
    int code = dead_find(j, filter, id, &event);
    if (code != 0) {
        (void)report(r, code, code == ERR_NOTFOUND ? "no such dead letter" : error_text(code));
        return code == ERR_NOTFOUND ? 404 : 503;
    }
    const char *name = journal_service_name(j, event->service);
    if (name == NULL || !conf_find_service(a->options.conf, slice_of(name), &index)) {
        event_free(event);
        (void)report(r, ERR_NOTFOUND, "its service is not in topics.conf");
        return 404;
    }
    event = with_body(event, body);
    *answer = event == NULL ? NULL : run_dry(a, index, event);
    event_free(event);
    return 0;
}

void admin_try(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    struct store *store = journal_store(engine_journal(a->engine));
    struct dead_filter filter = {.group = NULL};
    struct uuid id;
    struct report r = {"the store cannot be read"};
    json_t *answer = NULL;
    if (!uuid_parse(call->parts.at[2], &id)) {
        gateway_answer_error(request, 400, NULL, "that is not an event id");
        return;
    }
    const char *service = gateway_query(request, "service");
    if (!admin_service(a, request, service, &filter.by_service, &filter.service)) {
        return;
    }
    int status = 503;
    if (store_begin_reading(store) == 0) {
        status = try_letter(a, &filter, &id, gateway_body(request), &answer, &r);
        store_abort(store);
    }
    if (status != 0) {
        gateway_answer_error(request, status, NULL, r.text);
    } else {
        gateway_answer_json(request, 200, NULL, answer);
    }
}
