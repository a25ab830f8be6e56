/*
 * outbox_send.c - what is sent next: suspects and refused rows alone, then rows that were put off,
 * then the queue.
 */
#include "engine/outbox_impl.h"

#include "journal/outbox.h"

typedef int (*publish_fn)(void *ctx, const struct publication *p, int *mid);

struct sending {
    struct outbox *o;
    int64_t now_ms;
    size_t window;
    void *ctx;
    publish_fn publish;
};

/* Sends one item; if this returns 0, the caller has to take it from its list. ERR_EXISTS: its
 * packet id is still in use. */
static int send_one(const struct sending *s, struct outbox_item *item) {
    struct outbox *o = s->o;
    int mid = 0;
    int code = s->publish(s->ctx, &item->publication, &mid);
    if (code != 0) {
        o->pause_until_ms = code == ERR_INVALID ? 0 : s->now_ms + PAUSE_MS;
        return code;
    }
    if (mid <= 0 || mid >= MQTT_PACKET_IDS || o->by_mid[mid] != NULL) {
        return ERR_EXISTS;
    }
    outbox_flies(o, mid, item);
    item->sent = ++o->sent;
    item->beside = o->beside;
    return 0;
}

/* True if an older row of its owner is still in the queue: of several rows that crashed the host or
 * were refused, only this one may have been recorded. */
static bool is_behind(const struct outbox *o, const struct outbox_item *item) {
    uint64_t owner = item->publication.owner;
    const struct outbox_item *i = owner == 0 ? NULL : TAILQ_FIRST(&o->queued.items);
    while (i != NULL && (i->publication.owner != owner || i->seq > item->seq)) {
        i = TAILQ_NEXT(i, link);
    }
    return i != NULL;
}

/* Sends a blocked item, which stays blocked until it is answered. */
static int send_blocked(const struct sending *s, struct outbox_item *item) {
    int code = send_one(s, item);
    if (code == 0) {
        blocked_out(&s->o->blocked, item, true);
    } else if (code == ERR_INVALID) {
        outbox_refuse(s->o, item, s->now_ms, 0, "this broker cannot carry it");
        code = 0;
    }
    return code;
}

/* Alternates between both ends: the one good row may stand behind forty refused ones. */
static struct outbox_item *next_suspect(const struct outbox *o) {
    struct outbox_item *last = o->from_the_end ? blocked_last_suspect(&o->blocked) : NULL;
    return last != NULL ? last : blocked_first(&o->blocked, ITEM_SUSPECT);
}

static int send_suspects(const struct sending *s) {
    struct outbox *o = s->o;
    int code = 0;
    struct outbox_item *item;
    while (code == 0 && o->in_flight < o->trial_size && o->in_flight < s->window &&
           (item = next_suspect(o)) != NULL) {
        if (blocked_holds(&o->blocked, item, true)) {
            blocked_move(&o->blocked, item, ITEM_HELD);
        } else if (is_behind(o, item)) {
            return 0;
        } else if (item->publication.refused_ms == 0 &&
                   blocked_topic_refused(&o->blocked, item->topic)) {
            outbox_refuse_untried(o, item, s->now_ms);
        } else {
            code = send_blocked(s, item);
        }
    }
    return code;
}

/* Sends what must be alone in flight. True when that has precedence; *code when something was
 * sent. */
static bool send_alone(const struct sending *s, int *code) {
    struct outbox *o = s->o;
    bool idle = o->queued.count == 0 && o->in_flight == 0;
    bool suspects = o->blocked.suspects > 0 && (idle || s->now_ms >= o->suspects_due_ms);
    struct outbox_item *probe = NULL;
    if (!suspects && o->blocked.refused > 0 && s->now_ms >= o->probe_ms) {
        probe = blocked_due(&o->blocked, ITEM_REFUSED, s->now_ms - (idle ? 0 : OVERDUE_MS));
    }
    if (probe != NULL && blocked_holds(&o->blocked, probe, false)) {
        blocked_move(&o->blocked, probe, ITEM_HELD);
        probe = NULL;
    }
    probe = probe != NULL && is_behind(o, probe) ? NULL : probe;
    if (!suspects && probe == NULL) {
        return false;
    }
    if (o->in_flight == 0) {
        *code = suspects ? send_suspects(s) : send_blocked(s, probe);
        o->alone = o->in_flight > 0;
    }
    return o->alone || o->in_flight > 0 || *code != 0;
}

static int send_soon(const struct sending *s) {
    struct outbox_item *item;
    int code = 0;
    while (code == 0 && s->o->in_flight < s->window &&
           (item = blocked_due(&s->o->blocked, ITEM_SOON, s->now_ms)) != NULL) {
        if (blocked_holds(&s->o->blocked, item, false)) {
            blocked_move(&s->o->blocked, item, ITEM_HELD);
        } else if (is_behind(s->o, item)) {
            return 0;
        } else if (blocked_topic_refused(&s->o->blocked, item->topic)) {
            outbox_refuse_untried(s->o, item, s->now_ms);
        } else {
            code = send_blocked(s, item);
        }
    }
    return code;
}

/* Excess rows are discarded in a turn; between turns they may exceed the quota by some. */
static bool is_overfull(const struct outbox *o) {
    return o->blocked.count > OUTBOX_BLOCKED_MAX + OUTBOX_QUEUE_MAX / 4 ||
           o->blocked.bytes > OUTBOX_BLOCKED_BYTES_MAX + OUTBOX_BLOCKED_BYTES_MAX / 4;
}

/* Another owner in the same slot counts as well: a collision only delays. */
static bool owner_in_flight(const struct outbox *o, uint64_t owner) {
    return owner != 0 && o->owners_out[owner % OWNER_SLOTS] > 0;
}

/* Sends the first queued item, or blocks it. ERR_BUSY: it must wait. */
static int send_first(const struct sending *s) {
    struct outbox *o = s->o;
    struct outbox_item *item = TAILQ_FIRST(&o->queued.items);
    bool held = blocked_holds(&o->blocked, item, false);
    bool refused = !held && blocked_topic_refused(&o->blocked, item->topic);
    if (held || refused) {
        if (is_overfull(o)) {
            return ERR_BUSY;
        }
        (void)item_list_take(&o->queued);
        if (held) {
            blocked_add(&o->blocked, item, ITEM_HELD);
        } else {
            outbox_refuse_untried(o, item, s->now_ms);
        }
        return 0;
    }
    if (s->now_ms < o->serial_until_ms && o->in_flight > 0 &&
        owner_in_flight(o, item->publication.owner)) {
        return ERR_BUSY;
    }
    int code = send_one(s, item);
    if (code == ERR_INVALID) {
        outbox_refuse(o, item_list_take(&o->queued), s->now_ms, 0, "this broker cannot carry it");
        return 0;
    }
    if (code == 0) {
        (void)item_list_take(&o->queued);
    }
    return code;
}

int outbox_send(struct outbox *o, int64_t now_ms, size_t window, void *ctx,
                int (*publish)(void *ctx, const struct publication *p, int *mid)) {
    size_t most = window < OUTBOX_WINDOW_MAX ? window : OUTBOX_WINDOW_MAX;
    const struct sending s = {o, now_ms, most, ctx, publish};
    int code = 0;
    if (most == 0 || (o->alone && o->in_flight > 0)) {
        return 0;
    }
    o->alone = false;
    if (!send_alone(&s, &code)) {
        code = send_soon(&s);
        while (code == 0 && o->queued.count > 0 && o->in_flight < most) {
            code = send_first(&s);
        }
    }
    return code == ERR_EXISTS ? ERR_BUSY : 0;
}
