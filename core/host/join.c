/*
 * join.c - whether this host may take events next to the others (peers/members.c decides): at the
 * start, and whenever another host appears.
 *
 * The start: if services need a division, no subscription is sent before it is known that no host
 * conflicts. We watch, publish "joining", and wait until that comes back: retained presences come
 * before it, and slow brokers are given a little more time. A host that is alone spends some tens
 * of milliseconds on this. A conflicting host that is alive answers our hello; then this host ends,
 * and gives up what its session still has from an earlier run, without acknowledging what came.
 * Until this is decided these services start nothing, unless there is no broker: then stored events
 * run as usual.
 *
 * At run time, the host that yields holds the service: it unsubscribes, starts nothing, keeps what
 * still arrives, and resumes by itself when the other host no longer conflicts. What its own
 * handlers publish for the service is kept here, too, because it is unknown whether the other host
 * subscribes to it.
 */
#include "host/join.h"

#include "host/loop.h"
#include "host/members.h"
#include "host/terms.h"
#include "base/log.h"

#include <stdio.h>

enum { REFUSED_MS = 3000 }; /* time for giving up subscriptions; then the host ends anyway */

/* --- the start --- */

static void hold_keyed(struct host *h, bool held) {
    const struct presence *self = members_self(h->members.table);
    for (size_t i = 0; i < self->service_count; i++) {
        if (members_is_keyed(&self->services[i])) {
            engine_hold_service(h->engine, h->members.shares[i].service, held);
        }
    }
}

static void look_for_keyed(struct host *h) {
    const struct presence *self = members_self(h->members.table);
    h->members.keyed = false;
    for (size_t i = 0; i < self->service_count; i++) {
        h->members.keyed = h->members.keyed || members_is_keyed(&self->services[i]);
    }
}

void host_join_open(struct host *h) {
    struct host_members *p = &h->members;
    look_for_keyed(h);
    p->decided = !p->keyed;
    members_say(p->table, p->keyed ? PRESENCE_JOINING : PRESENCE_UP, false);
    hold_keyed(h, true);
}

/* Both connections are up, so it will soon be known. */
static void hold_while_asking(struct host *h) {
    bool asking = mqtt_session(h->subscriber)->connected && mqtt_session(h->publisher)->connected;
    if (!h->members.decided && asking) {
        hold_keyed(h, true);
    }
}

void host_join_up(struct host *h, bool session_present) {
    struct host_members *p = &h->members;
    hold_while_asking(h);
    if (!p->decided) {
        mqtt_hold(h->subscriber, session_present); /* nothing of the session is read yet */
        p->session = session_present;
    }
}

/* Without a broker nothing is known and nothing arrives: stored events run as usual. */
void host_join_down(struct host *h) {
    if (!h->members.decided) {
        hold_keyed(h, false);
    }
    h->members.session = h->members.session && mqtt_session(h->subscriber)->connected;
}

void host_join_watch_up(struct host *h) {
    hold_while_asking(h);
}

bool host_join_waits(const struct host *h) {
    return !h->members.decided && !h->members.refused && h->members.session;
}

static void take_part(struct host *h) {
    struct host_members *p = &h->members;
    p->decided = true;
    members_say(p->table, PRESENCE_UP, false);
    hold_keyed(h, false);
    mqtt_release(h->subscriber);
    mqtt_hold(h->subscriber, false);
    p->say_due = true;
}

/* The session is no longer read; the subscriptions of an earlier run are given up, so that the
 * broker assigns it nothing new. */
static void refuse(struct host *h, const struct report *why, int64_t now_ms) {
    struct host_members *p = &h->members;
    struct host_presence gone;
    int mid = 0;
    (void)fprintf(stderr, "zingq: %s%s\n", why->text,
                  p->session ? ". The broker keeps the messages for this host until it runs "
                               "again, or leaves (zingq leave)"
                             : "");
    p->refused = true;
    p->refused_by_ms = now_ms + REFUSED_MS;
    if (host_members_write(h, PRESENCE_GONE, false, &gone) == 0) {
        (void)mqtt_publish(h->subscriber, &gone.message, &mid,
                           NULL); /* if this fails, the will says it */
        mqtt_flush(h->subscriber);
    }
    host_presence_clear(&gone);
    if (!p->session || mqtt_unsubscribe_all(h->subscriber) != 0) {
        host_stop(h, EXIT_CANNOT_RUN);
        return;
    }
    mqtt_hold(h->subscriber, false);
}

void host_join_try(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    struct report r;
    if (p->decided || p->refused || !mqtt_session(h->subscriber)->connected ||
        !mqtt_session(h->publisher)->connected) {
        return;
    }
    if (host_members_unknown(h, &r)) {
        log_warn("host", "%s", r.text);
        take_part(h);
        return;
    }
    if (p->joined_ms == 0 || now_ms < p->joined_ms) {
        return;
    }
    enum members_verdict verdict = members_may_join(p->table, now_ms, &r);
    if (verdict == MEMBERS_CLEAR) {
        take_part(h);
    } else if (verdict == MEMBERS_YIELD) {
        refuse(h, &r, now_ms);
    } else if (!p->told_wait) {
        p->told_wait = true;
        log_info("host", "waiting for a host that takes events of the same services to answer");
    }
}

bool host_join_is_refused(struct host *h) {
    struct host_members *p = &h->members;
    if (!p->refused) {
        return false;
    }
    h->readable = mqtt_collect(h->subscriber, 1024); /* never flushed: nothing is acknowledged */
    bool over = p->given_up || !mqtt_session(h->subscriber)->connected ||
                (int64_t)uv_now(&h->loop) >= p->refused_by_ms;
    if (over && !h->stopping) {
        host_stop(h, EXIT_CANNOT_RUN);
    }
    return true;
}

/* --- at run time --- */

static void unsubscribe(struct host *h, struct host_share *share) {
    const struct service_conf *s = &h->conf->services[share->service];
    const char *group = engine_service_group(h->engine, share->service);
    for (size_t f = 0; f < s->filter_count; f++) {
        if (mqtt_give_up(h->subscriber, group, s->filters[f])) {
            host_filter_given_up(h, share->service, s->filters[f]);
        }
    }
    share->left = true;
}

static void subscribe_again(struct host *h, struct host_share *share) {
    const struct service_conf *s = &h->conf->services[share->service];
    uint32_t id = engine_service_number(h->engine, share->service) + 1u;
    for (size_t f = 0; f < s->filter_count; f++) {
        h->filters++; /* its answer is counted like those at the start */
        if (mqtt_subscribe(h->subscriber, engine_service_group(h->engine, share->service),
                           s->filters[f], id) != 0) {
            log_error("host", "service \"%s\": cannot subscribe to %s again: restart the host",
                      s->name, s->filters[f]);
        }
    }
    share->left = false;
}

static void judge(struct host *h, size_t i, int64_t now_ms) {
    struct host_members *p = &h->members;
    struct host_share *share = &p->shares[i];
    struct report r;
    bool held = members_must_hold(p->table, i, now_ms, &r);
    bool answered =
        !mqtt_session(h->subscriber)->connected || h->granted + h->refused >= h->filters;
    if (held != share->held) {
        share->held = held;
        p->held += held ? 1 : -1;
        members_hold(p->table, i, held);
        engine_hold_service(h->engine, share->service, held);
        p->say_due = true;
        if (held) {
            log_error("host", "service %s", r.text);
        } else {
            log_info("host", "service \"%s\" takes events again: the other host does not",
                     h->conf->services[share->service].name);
        }
    }
    if (h->leave_asked) {
        return; /* every subscription is being given up anyway */
    }
    if (held && !share->left && answered) {
        unsubscribe(h, share);
    } else if (!held && share->left) {
        subscribe_again(h, share);
    }
}

void host_join_judge(struct host *h, int64_t now_ms) {
    struct host_members *p = &h->members;
    bool any = p->decided && !p->refused;
    for (size_t i = 0; any && i < members_self(p->table)->service_count; i++) {
        judge(h, i, now_ms);
    }
}

bool host_join_left(const struct host *h, size_t service) {
    const struct host_members *p = &h->members;
    for (size_t i = 0; i < members_self(p->table)->service_count; i++) {
        if (p->shares[i].service == service) {
            return p->shares[i].left;
        }
    }
    return false;
}

void host_join_change(struct host *h, int64_t now_ms) {
    look_for_keyed(h);
    hold_while_asking(h);
    host_join_judge(h, now_ms);
}

void host_join_unsubscribed(struct host *h) {
    h->members.given_up = true;
    host_wake(h);
}
