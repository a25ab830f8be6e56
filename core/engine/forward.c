/*
 * forward.c - several hosts: events and signals that belong to another host are sent there.
 *
 * An event with a key belongs to the host of its partition, and so does every event of an ordered
 * service. An event without a key runs where it is, unless it has an identity: then the host
 * responsible for that identity looks for duplicates. Services that several hosts run
 * independently, or every host for itself (share = no), are not divided.
 */
#include "engine/forward.h"

#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/outbox.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "engine/space.h"
#include "journal/forward.h"

static const char ONCE[] = "idempotency-key"; /* how a signal's idempotency key travels */

bool engine_is_divided(const struct engine *e, const struct engine_service *s) {
    return division_is_divided(&e->conf->hosts.share) && s->conf->share && !s->conf->independent;
}

bool engine_is_elsewhere(const struct engine *e, const struct engine_service *s, struct slice key,
                         uint8_t partition) {
    const struct division *d = &e->conf->hosts.share;
    return division_is_divided(d) && service_is_divided(s->conf, key.len > 0) &&
           !division_owns(d, partition);
}

/* --- to others --- */

int engine_forward(struct engine *e, uint8_t partition, const struct forward *forward,
                   size_t bytes) {
    engine_take_bytes(e, bytes);
    return forwards_add(e->forwards, e->now_ms, partition, forward);
}

int engine_forward_event(struct engine *e, const struct engine_service *s, struct event *event,
                         uint8_t partition) {
    const struct forward forward = {.kind = FORWARD_MESSAGE,
                                    .qos = event->qos,
                                    .retained = event->retained,
                                    .service = s->name,
                                    .key = event->key,
                                    .topic = event->topic,
                                    .payload = event->payload,
                                    .content_type = event->content_type,
                                    .response_topic = event->response_topic,
                                    .correlation = event->correlation,
                                    .properties = event->properties};
    int code = engine_forward(e, partition, &forward, event->payload.len + event->properties.len);
    event_free(event);
    return code;
}

int engine_forward_signal(struct engine *e, const struct engine_service *s, uint8_t partition,
                          const struct signal *signal) {
    struct buf properties;
    buf_init(&properties, EFFECTS_BYTES_MAX);
    buf_add_slice(&properties, signal->properties);
    if (signal->once.len > 0) {
        property_add(&properties, slice_of(ONCE), signal->once);
    }
    const struct forward forward = {.kind = FORWARD_SIGNAL,
                                    .service = s->name,
                                    .key = signal->key,
                                    .name = signal->name,
                                    .topic = signal->topic,
                                    .payload = signal->value,
                                    .correlation = signal->said,
                                    .properties = buf_slice(&properties)};
    int code =
        properties.failed ? ERR_MEMORY : engine_forward(e, partition, &forward, signal->value.len);
    buf_clear(&properties);
    return code;
}

/* --- hosts --- */

static int forward(void *ctx, uint16_t host, struct slice message) {
    struct engine *e = ctx;
    int code = e->doors.forward(e->doors.ctx, host, message);
    if (code == 0) {
        outbox_beside(e->outbox);
    }
    return code;
}

void engine_send_forwards(struct engine *e) {
    int64_t now_ms = engine_now_ms(e);
    if (outbox_may_be_joined(e->outbox)) {
        forwards_send(e->forwards, now_ms, e, forward);
    } else {
        forwards_pause(e->forwards, now_ms);
    }
}

void engine_member(struct engine *e, uint16_t host, bool up) {
    forwards_member(e->forwards, engine_now_ms(e), host, up);
}

void engine_look_at_forwards(const struct engine *e, uint16_t host, struct forwards_state *out) {
    forwards_look(e->forwards, host, out);
}
