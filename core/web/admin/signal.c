/*
 * signal.c - signals by HTTP: POST /api/signals/<service>/<key>/<name>, or with key and name in the
 * query, where they may contain a slash. The body is the value: JSON, or else a string. With an
 * Idempotency-Key, a repeated request gets the same answer and sends nothing.
 */
#include "web/admin/impl.h"

#include <stdlib.h>
#include <string.h>

/* A signal under way, and the bytes that its command borrows. */
struct sending {
    struct order order; /* first, so that a pointer to it is a pointer to its struct sending */
    struct gateway_request *request;
    char *service, *key, *name, *payload, *once;
};

static void sending_free(struct sending *s) {
    free(s->service);
    free(s->key);
    free(s->name);
    free(s->payload);
    free(s->once);
    free(s);
}

static void answer(struct admin *a, struct order *order) {
    (void)a;
    struct sending *s = (struct sending *)order;
    int code = order->command.code;
    if (code == 0) {
        gateway_answer_json(s->request, 202, NULL, json_pack("{s:b}", "ok", 1));
    } else {
        gateway_answer_error(s->request, admin_status_of(code), NULL, order->command.report.text);
    }
    sending_free(s);
}

void admin_signal(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    const struct parts *parts = &call->parts;
    bool in_path = parts->count == 5;
    struct slice key = in_path ? parts->at[3] : slice_of(gateway_query(request, "key"));
    struct slice name = in_path ? parts->at[4] : slice_of(gateway_query(request, "name"));
    if ((!in_path && parts->count != 3) || name.len == 0) {
        gateway_answer_error(request, 400, NULL,
                             "a signal goes to /api/signals/<service>/<key>/<name>, or to "
                             "/api/signals/<service>?key=&name= where they hold a slash");
        return;
    }
    struct sending *s = calloc(1, sizeof *s);
    struct command *c = s == NULL ? NULL : &s->order.command;
    bool kept =
        s != NULL && admin_keep(&s->service, &c->service, parts->at[2]) &&
        admin_keep(&s->key, &c->key, key) && admin_keep(&s->name, &c->name, name) &&
        admin_keep(&s->payload, &c->payload, gateway_body(request)) &&
        admin_keep(&s->once, &c->once, slice_of(gateway_header(request, "Idempotency-Key")));
    if (!kept) {
        gateway_answer_error(request, 503, NULL, "out of memory");
        if (s != NULL) {
            sending_free(s);
        }
        return;
    }
    s->request = request;
    s->order.done = answer;
    c->kind = COMMAND_SIGNAL;
    admin_submit(a, &s->order);
}
