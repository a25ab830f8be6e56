/*
 * door.c - http.listen of a host of a cluster: the fleet opens it, its shards accept there, and while none
 * of them does, because all drain, start, or are elsewhere, the fleet itself answers: that this host is
 * alive, and why it is not ready. So a client is never refused, and one that a shard has not accepted
 * before it ended is not cut off.
 *
 * The loop of the door is driven by that of the fleet, which may wait for the database for PATIENCE_MS
 * (host/fleet/member.c): so may a client.
 */
#include "host/fleet/impl.h"

#include "base/log.h"
#include "host/fleet/member.h"
#include "host/port.h"
#include "web/front.h"

#include <assert.h>

static void on_request(void *ctx, struct gateway_request *request) {
    const struct fleet *f = ctx;
    host_port_answer_unready(request, f->door.why(f));
}

/* Bodies are read and dropped. */
static struct gateway_welcome on_head(void *ctx, const struct gateway_request *request) {
    (void)ctx;
    (void)request;
    return (struct gateway_welcome){.body_max = 0, .purse = PURSE_SMALL, .vital = true};
}

int fleet_open_door(struct fleet *f, struct report *r) {
    const struct gateway_callbacks callbacks = {
        .ctx = f,
        .on_request = on_request,
        .welcome = on_head,
        .headers = front_headers,
        .once = true, /* the next request may be for a shard that has come */
    };
    if (!fleet_is_member(f) || f->conf->http_listen[0] == '\0') {
        return 0;
    }
    int rc = uv_loop_init(&f->door.loop);
    if (rc != 0) {
        return report(r, ERR_SYSTEM, "cannot make an event loop: %s", uv_strerror(rc));
    }
    f->door.made = true;
    return host_port_open(&f->door.port, &f->door.loop, f->conf, f->options->with_broker, callbacks,
                          r);
}

/* A shard accepts there. */
static bool is_attended(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (f->hosts[i].pid != 0 && f->hosts[i].attends && !f->hosts[i].stopping) {
            return true;
        }
    }
    return false;
}

void fleet_attend_door(struct fleet *f) {
    if (f->door.port != NULL) {
        gateway_hold(f->door.port, is_attended(f));
        (void)uv_run(&f->door.loop, UV_RUN_NOWAIT);
    }
}

void fleet_close_door(struct fleet *f) {
    if (f->door.made) {
        gateway_free(f->door.port);
        (void)uv_run(&f->door.loop, UV_RUN_DEFAULT);
        int rc = uv_loop_close(&f->door.loop);
        assert(rc == 0);
    }
}
