/*
 * pause.c - pauses the status topics on a broker that does not accept them.
 *
 * Access rules often list only the topics of the services. Such a broker refuses zingq/sys/... with
 * a reason code, silently, or by closing the connection, and then all publishes suffer for figures
 * that nobody asked for. So the first status publish of a connection is sent alone, with QoS 1: its
 * PUBACK permits the others; a refusal, or the second connection that ends instead, pauses them,
 * and after a while we ask again; or on the next connection, if the broker gave a reason, and did not
 * end this one right behind it, as Mosquitto 2.0.11 does with set_tcp_nodelay.
 *
 * Why alone: a broker does not say what made it close a connection. The outbox draws the same
 * conclusion about the publishes of handlers; if only one of the two is in flight, neither is
 * blamed for the other. So the publishes that follow the permission are sent alone, too, and so are
 * the subscriptions to the broker's own figures: the last of them is answered, which proves that
 * none of them ends the connection. The wait is two round trips, and bounded if a broker never
 * answers.
 *
 * A broker that accepts only QoS 0 acknowledges nothing: there, permission is assumed.
 */
#include "host/sys/impl.h"

#include "base/log.h"

enum { PAUSE_MS = 600000, PAUSE_LOST_MAX = 2, ENDS_SOON_MS = 5000 };

bool sys_is_off(const struct sys *s) {
    return s->conf->sys_interval_ms == 0;
}

static bool is_paused(const struct sys *s) {
    return s->pause.until_ms != 0;
}

static void pause_topics(struct sys *s, uint8_t reason, uint64_t now_ms) {
    struct sys_pause *p = &s->pause;
    struct report r;
    p->until_ms = now_ms + PAUSE_MS;
    p->leave = LEAVE_UNASKED;
    p->reason = reason;
    if (!p->said && sys_warning(s, &r)) {
        p->said = true;
        log_warn("broker", "%s", r.text);
    }
}

void sys_pause_up(struct sys *s, uint64_t now_ms) {
    s->pause.leave = LEAVE_UNASKED;
    s->pause.alone_until_ms = is_paused(s) ? 0 : now_ms + SYS_ALONE_MS;
    if (is_paused(s) && s->pause.reason != 0) {
        s->pause.until_ms =
            now_ms; /* a broker with other rules, perhaps; and this one only says no */
    }
}

void sys_pause_down(struct sys *s, uint64_t now_ms) {
    struct sys_pause *p = &s->pause;
    if (p->leave == LEAVE_ASKED && ++p->lost >= PAUSE_LOST_MAX) {
        p->lost = PAUSE_LOST_MAX - 1; /* when asked again, a single loss is enough */
        pause_topics(s, 0, now_ms);
    }
    if (is_paused(s) && now_ms + PAUSE_MS < p->until_ms + ENDS_SOON_MS) {
        p->reason = 0; /* it says no, and ends the connection */
    }
    p->leave = LEAVE_UNASKED;
    p->alone_until_ms = 0;
}

bool sys_may_ask(const struct sys *s, uint64_t now_ms) {
    return !sys_is_off(s) && s->pause.leave == LEAVE_UNASKED && now_ms >= s->pause.until_ms;
}

void sys_asked(struct sys *s, int mid, uint64_t now_ms) {
    s->pause.leave = LEAVE_ASKED;
    s->pause.mid = mid;
    s->pause.alone_until_ms = now_ms + SYS_ALONE_MS;
}

void sys_stay_alone(struct sys *s, uint64_t now_ms) {
    s->pause.alone_until_ms = now_ms + SYS_ALONE_MS;
}

void sys_pause_answered(struct sys *s, int mid, uint8_t reason, uint64_t now_ms) {
    struct sys_pause *p = &s->pause;
    if (p->leave != LEAVE_ASKED || p->mid != mid) {
        return;
    }
    p->lost = 0;
    s->due = true;
    if (reason >= 0x80) {
        pause_topics(s, reason, now_ms);
        return;
    }
    if (p->said) {
        log_info("broker", "the broker accepts the status topics again");
    }
    p->leave = LEAVE_GIVEN;
    p->until_ms = 0;
    p->said = false;
}

bool sys_wants_to_be_alone(const struct sys *s, uint64_t now_ms) {
    const struct sys_pause *p = &s->pause;
    bool asking = p->leave == LEAVE_ASKED || sys_may_ask(s, now_ms);
    bool more = s->unwatched || (s->fresh && p->leave == LEAVE_GIVEN);
    return (asking || more || s->unproven) && now_ms < p->alone_until_ms;
}

bool sys_warning(const struct sys *s, struct report *r) {
    if (!is_paused(s)) {
        return false;
    }
    if (s->pause.reason != 0) {
        (void)report(r, 0,
                     "the broker refuses the status topics %s/... (reason 0x%02x): they are tried "
                     "again every 10 minutes and on each new connection; allow them there, or set "
                     "sys { interval = \"off\" }",
                     s->topic, s->pause.reason);
    } else {
        (void)report(r, 0,
                     "the broker ends the connection when the status topics %s/... are published: "
                     "they are tried again every 10 minutes; allow them there, or set sys { "
                     "interval = \"off\" }",
                     s->topic);
    }
    return true;
}
