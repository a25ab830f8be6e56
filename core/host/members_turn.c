/*
 * members_turn.c - what is due concerning other hosts: watching them, announcing ourselves, and the
 * consequences for our services, for forwards, and for hosts that are away.
 */
#include "host/members.h"

#include "host/forward.h"
#include "host/join.h"
#include "host/stand_in.h"
#include "base/log.h"

#include <assert.h>

enum {
    ECHO_MS = 3000,     /* our own presence comes back within this time, or not at all */
    SAY_EVERY_MS = 100, /* many hellos are answered together */
    REPAIR_MS = 1000,   /* between two attempts to replace what the broker retains under our name */
    WATCH_ID = 2,
};

/* --- announcing ourselves, watching the others --- */

static void watch(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    if (!p->watch_due || !mqtt_session(h->publisher)->connected) {
        return;
    }
    p->watch_due = false;
    int code = mqtt_watch(h->publisher, host_members_topics, WATCH_ID);
    p->no_wildcards = code == ERR_REFUSED;
    p->watch_due = code != 0 && code != ERR_REFUSED;
    if (code == 0) {
        p->watch_asked = true;
        p->watch_by_ms = now_ms + ECHO_MS;
        members_begin(p->table);
        engine_published_beside(h->engine);
    }
}

/* If the answer does not come, the watch counts as refused. */
static bool watch_is_open(const struct host *h, int64_t now_ms) {
    const struct host_members *p = &h->members;
    return p->watch_due || (p->watch_asked && now_ms < p->watch_by_ms);
}

/* When our presence may be published; INT64_MAX = something else must happen first. */
static int64_t may_say_ms(const struct host *h, int64_t now_ms) {
    const struct host_members *p = &h->members;
    bool out = mqtt_session(h->publisher)->connected;
    bool wanted = p->say_due || p->repair;
    if (!wanted || p->refused || !mqtt_session(h->subscriber)->connected ||
        p->say_lost >= MEMBERS_LOST_MAX) {
        return INT64_MAX;
    }
    if ((out && watch_is_open(h, now_ms)) || (!out && !p->decided)) {
        return INT64_MAX;
    }
    bool answered = h->granted + h->refused >= h->filters || !p->decided;
    if (!answered && engine_accepts(h->engine)) {
        return INT64_MAX; /* the last answer makes it due */
    }
    if (p->hello_due) {
        return now_ms;
    }
    return p->said_ms + (p->say_due ? SAY_EVERY_MS : REPAIR_MS);
}

static void say(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    struct host_presence presence;
    struct report r = {"out of memory"};
    int mid = 0;
    if (may_say_ms(h, now_ms) > now_ms) {
        return;
    }
    int code =
        host_members_write(h, p->decided ? PRESENCE_UP : PRESENCE_JOINING, p->hello_due, &presence);
    code = code == 0 ? mqtt_publish(h->subscriber, &presence.message, &mid, &r) : code;
    host_presence_clear(&presence);
    p->said_ms = now_ms;
    if (code != 0) {
        log_warn("host", "cannot publish this host's presence: %s", r.text);
        p->say_due = p->hello_due = p->repair = false; /* try again in a minute */
        p->say_refused = p->say_refused != 0 ? p->say_refused : 0x80;
        return;
    }
    mqtt_flush(h->subscriber);
    p->say_mid = mid;
    if (p->hello_due) {
        members_asked(p->table, now_ms);
        p->echo_by_ms = p->watching ? now_ms + ECHO_MS : 0;
    }
    p->say_due = p->hello_due = p->repair = false;
}

static void look_at_time(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    if (p->echo_by_ms != 0 && now_ms >= p->echo_by_ms) {
        p->echo_by_ms = 0;
        p->no_echo = true;
        p->known = false;
        p->changed = true;
    }
    if (p->watch_asked && now_ms >= p->watch_by_ms && p->watch_refused == 0) {
        p->watch_refused = 0x80; /* no answer */
    }
    if (!p->settled && p->joined_ms != 0 && now_ms >= p->joined_ms) {
        p->settled = true;
        members_settle(p->table);
        p->changed = true;
    }
    if (p->again_ms != 0 && now_ms >= p->again_ms) {
        host_members_repeat(h);
    }
    if (now_ms >= p->silent_ms) { /* hosts that have not answered by now are silent */
        p->changed = true;
    }
}

/* --- the turn --- */

/* A host has come up, has gone, or has changed its presence: forwards for a host that is up again
 * may leave. */
static void tell_change(struct host *h) {
    host_forward_members(h);
    host_members_trust(h);
    sys_tick(h->sys);
}

static int64_t sooner(int64_t next, int64_t at_ms, int64_t now_ms) {
    return at_ms > now_ms && at_ms < next ? at_ms : next;
}

static void on_members_timer(uv_timer_t *timer) {
    host_members_look(timer->data);
}

static void arm(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    p->silent_ms = members_next_ms(p->table, now_ms);
    int64_t next = p->silent_ms;
    next = sooner(next, may_say_ms(h, now_ms), now_ms);
    next = sooner(next, p->echo_by_ms, now_ms);
    next = sooner(next, p->watch_asked ? p->watch_by_ms : 0, now_ms);
    next = sooner(next, p->joined_ms, now_ms);
    next = sooner(next, p->again_ms, now_ms);
    next = sooner(next, p->refused ? p->refused_by_ms : 0, now_ms);
    next = sooner(next, host_stand_in_next_ms(h, now_ms), now_ms);
    if (next == INT64_MAX) {
        (void)uv_timer_stop(&h->members_timer);
        return;
    }
    int failed = uv_timer_start(&h->members_timer, on_members_timer, (uint64_t)(next - now_ms), 0);
    assert(failed == 0); /* only a closing handle refuses */
}

void host_members_turn(struct host *h) {
    struct host_members *p = &h->members;
    if (!p->due) {
        return;
    }
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    p->due = false;
    watch(h, now_ms);
    look_at_time(h, now_ms);
    host_join_try(h, now_ms);
    host_join_judge(h, now_ms);
    say(h, now_ms);
    if (p->changed) {
        p->changed = false;
        tell_change(h);
    }
    host_stand_in_turn(h, now_ms);
    arm(h, now_ms);
}
