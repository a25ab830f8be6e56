/*
 * host_ask.c - requests between hosts, joined to the rest: what comes from another host is answered
 * by admin as if it had come over the socket, and what goes there shares the connection that
 * publishes.
 */
#include "host_impl.h"

static void serve(void *ctx, struct gateway_request *request) {
    struct host *h = ctx;
    admin_request(h->admin, request);
}

static void wake(void *ctx) {
    struct host *h = ctx;
    host_wake(h);
}

int host_open_asks(struct host *h) {
    const struct ask_options options = {
        .loop = &h->loop, .conf = h->conf, .ctx = h, .serve = serve, .wake = wake};
    return division_is_divided(&h->conf->hosts.share) ? ask_new(&h->ask, &options) : 0;
}

void host_ask_send(struct host *h) {
    if (h->ask != NULL && !sys_wants_to_be_alone(h->sys, uv_now(&h->loop)) &&
        ask_send(h->ask, h->out)) {
        engine_published_beside(h->engine);
    }
}

bool host_ask_due(const struct host *h) {
    return h->ask != NULL && ask_due(h->ask);
}

void host_ask_work(struct host *h) {
    if (h->ask != NULL) {
        ask_work(h->ask);
    }
}
