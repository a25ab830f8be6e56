/*
 * stand_in.c - while another host of the division is away, this one takes what the broker has for
 * it: a shared subscription still assigns messages to its session, with keys of every host.
 *
 * One connection per absent host, under that host's client id, so that the broker takes us for it.
 * It subscribes to nothing and has no will: the session is used, and left, as it is. Its messages
 * are handled like our own, in the same turns: our keys run here, those of other hosts become
 * forwards; so do those of the absent host, which wait for it in our store. Acknowledgements leave
 * after the commit.
 *
 * The owner needs no permission to return: its CONNECT ends our connection, and its presence makes
 * us end it. Whichever host loses the session waits before its next attempt, and twice as long each
 * time until the owner has been up. So two hosts that both believe it is theirs to stand in, or a
 * host that is alive though believed dead, do not take the session from each other for ever.
 * peers/members.c decides who stands in.
 *
 * Callbacks decide nothing: they record, and host_stand_in_turn acts.
 */
#include "host/stand_in.h"

#include "host/loop.h"
#include "host/members.h"
#include "host/take.h"
#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEADY_MS = 600000, /* a connection that lasted this long did not belong to anyone else */
    SAY_MS = 60000,     /* how often a failure is logged */
};

/* A service of the absent host. */
struct stood_in_service {
    uint32_t number; /* its number at that host */
    size_t service;  /* its index here, in conf->services */
};

struct host_stand_in {
    struct host *host;
    struct mqtt *mqtt;         /* NULL = not standing in */
    struct broker_conf broker; /* the one in use when the connection was made */
    char client_id[CLIENT_ID_BYTES_MAX + 1];
    char name[HOST_NAME_BYTES_MAX + 1];
    uint16_t place;
    struct stood_in_service *services; /* owned */
    size_t service_count;
    bool standing;    /* the broker has given us its session */
    bool readable;    /* the socket has input */
    bool uncommitted; /* something has arrived since the last flush */
    /* recorded in callbacks */
    bool down;    /* the connection is lost */
    bool nothing; /* it has no session to take */
    bool stuck;   /* a message arrived that must not be taken here */
    enum mqtt_down why;
    /* the next attempt */
    bool never; /* not before the host has been up again */
    unsigned tries;
    int64_t again_ms, up_ms, said_ms; /* loop times */
    char error[256];                  /* why we do not stand in; "" = no reason */
};

/* --- life --- */

int host_stand_in_open(struct host *h) {
    const struct division *d = &h->conf->hosts.share;
    if (!division_is_divided(d)) {
        return 0;
    }
    h->stand_ins = calloc(d->count, sizeof *h->stand_ins);
    for (uint16_t n = 1; h->stand_ins != NULL && n <= d->count; n++) {
        h->stand_ins[n - 1] = (struct host_stand_in){.host = h, .place = n};
    }
    return h->stand_ins == NULL ? ERR_MEMORY : 0;
}

static size_t count_of(const struct host *h) {
    return h->stand_ins == NULL ? 0 : h->conf->hosts.share.count;
}

static void say_it(struct host *h, const struct host_stand_in *s, bool stands_in) {
    members_stand_in(h->members.table, s->place, stands_in);
    h->members.say_due = true;
    host_members_look(h);
}

/* The session is left as it was; one that we have created ourselves is ended. */
static void end(struct host *h, struct host_stand_in *s) {
    assert(s->mqtt != NULL);
    mqtt_disconnect(s->mqtt, s->nothing ? 0 : -1);
    mqtt_free(s->mqtt);
    free(s->services);
    s->mqtt = NULL;
    s->services = NULL;
    s->service_count = 0;
    if (s->standing) {
        s->standing = false;
        say_it(h, s, false);
    }
    s->readable = s->uncommitted = s->down = s->nothing = s->stuck = false;
}

void host_stand_in_end(struct host *h) {
    for (size_t i = 0; i < count_of(h); i++) {
        if (h->stand_ins[i].mqtt != NULL) {
            end(h, &h->stand_ins[i]);
        }
    }
}

void host_stand_in_close(struct host *h) {
    host_stand_in_end(h);
    free(h->stand_ins);
    h->stand_ins = NULL;
}

/* --- callbacks: they only record --- */

/* Translates the subscription identifier to ours. False: we have no such service. */
static bool translate(const struct host_stand_in *s, uint32_t *id) {
    uint32_t number = *id - 1;
    uint32_t kind = number >= SIGNAL_SUBSCRIPTION ? SIGNAL_SUBSCRIPTION : 0;
    for (size_t i = 0; i < s->service_count; i++) {
        if (s->services[i].number == number - kind) {
            *id = engine_service_number(s->host->engine, s->services[i].service) + 1u + kind;
            return true;
        }
    }
    return false;
}

/* The message stays at the broker, and so do all that follow it. */
static void get_stuck(struct host_stand_in *s, const char *topic) {
    s->stuck = true;
    mqtt_hold(s->mqtt, true);
    (void)snprintf(s->error, sizeof s->error,
                   "a message on %.100s is for a service that this host does not know", topic);
    host_members_look(s->host);
}

static void on_message(void *ctx, const struct mqtt_message *m) {
    struct host_stand_in *s = ctx;
    struct host *h = s->host;
    if (s->stuck || s->nothing) {
        return; /* never acknowledged */
    }
    s->uncommitted = true;
    h->stood_in_messages++;
    struct mqtt_message ours = *m;
    bool known = true;
    for (size_t i = 0; i < m->subscription_id_count; i++) {
        known = known && translate(s, &ours.subscription_ids[i]);
    }
    if (!known || !host_take(h, &ours, s->place)) {
        get_stuck(s, m->topic.data);
    }
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct host_stand_in *s = ctx;
    s->nothing = !session->session_present;
    s->standing = !s->nothing;
    s->up_ms = (int64_t)uv_now(&s->host->loop);
    mqtt_hold(s->mqtt, s->nothing);
    host_members_look(s->host);
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct host_stand_in *s = ctx;
    s->readable = false;
    s->down = true;
    s->why = why;
    (void)snprintf(s->error, sizeof s->error, "%s", text);
    host_members_look(s->host);
}

static void on_readable(void *ctx) {
    struct host_stand_in *s = ctx;
    s->readable = true;
    host_wake(s->host);
}

/* Nothing is published, and nothing subscribed to. */
static void on_published(void *ctx, int mid, uint8_t reason) {
    (void)ctx;
    (void)mid;
    (void)reason;
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    (void)ctx;
    (void)filter;
    (void)reason;
}

/* --- in the turn --- */

bool host_stand_in_readable(const struct host *h) {
    bool readable = false;
    for (size_t i = 0; i < count_of(h); i++) {
        readable = readable || h->stand_ins[i].readable;
    }
    return readable;
}

void host_stand_in_collect(struct host *h, size_t messages_max) {
    for (size_t i = 0; i < count_of(h); i++) {
        struct host_stand_in *s = &h->stand_ins[i];
        if (s->mqtt != NULL && s->readable) {
            s->readable = mqtt_collect(s->mqtt, messages_max);
        }
    }
}

void host_stand_in_flush(struct host *h) {
    for (size_t i = 0; i < count_of(h); i++) {
        struct host_stand_in *s = &h->stand_ins[i];
        if (s->mqtt != NULL && !s->stuck && !s->down) {
            s->uncommitted = false;
            mqtt_flush(s->mqtt);
        }
    }
}

void host_stand_in_drop(struct host *h) {
    for (size_t i = 0; i < count_of(h); i++) {
        struct host_stand_in *s = &h->stand_ins[i];
        if (s->mqtt != NULL && s->uncommitted) {
            mqtt_drop(s->mqtt);
        }
    }
}

/* True if more may wait for the host: when it reaches limits.backlog, this host takes nothing from
 * anyone. Half of that is left for our own messages. */
static bool has_room_for(const struct host *h, const struct host_stand_in *s) {
    struct forwards_state state;
    engine_look_at_forwards(h->engine, s->place, &state);
    return state.rows < h->conf->backlog_max / 2;
}

void host_stand_in_hold(struct host *h, bool hold) {
    for (size_t i = 0; i < count_of(h); i++) {
        struct host_stand_in *s = &h->stand_ins[i];
        if (s->mqtt != NULL) {
            mqtt_hold(s->mqtt, hold || s->stuck || s->nothing || !has_room_for(h, s));
        }
    }
}

/* --- between turns --- */

/* True if this host may stand in for others: it sees them, and takes messages itself. */
static bool may_stand_in(const struct host *h) {
    const struct host_members *p = &h->members;
    return p->decided && !p->refused && p->settled && p->held == 0 && host_members_known(h) &&
           mqtt_session(h->subscriber)->connected &&
           mqtt_session(h->subscriber)->shared_available && mqtt_session(h->publisher)->connected &&
           !h->stopping && !h->leaving && !h->leave_asked;
}

/* Doubles the wait each time. A host that lives must not lose its session again and again, and not
 * every broker tells that it was taken over; a refusal may be mended at any time. */
static void try_later(struct host_stand_in *s, int64_t wait_ms, int64_t now_ms) {
    int64_t wait_ms_max = s->standing ? STAND_IN_TAKEN_MS_MAX : STAND_IN_AGAIN_MS_MAX;
    for (unsigned i = 0; i < s->tries && wait_ms < wait_ms_max; i++) {
        wait_ms *= 2;
    }
    s->tries++;
    s->again_ms = now_ms + (wait_ms < wait_ms_max ? wait_ms : wait_ms_max);
}

static void say_failure(struct host_stand_in *s, int64_t now_ms) {
    if (s->said_ms == 0 || now_ms - s->said_ms >= SAY_MS) {
        s->said_ms = now_ms;
        log_warn("host", "cannot stand in for host %u (%s): %s", (unsigned)s->place, s->name,
                 s->error);
    }
}

/* The connection is lost or useless. */
static void fail(struct host *h, struct host_stand_in *s, int64_t now_ms) {
    if (s->standing && now_ms - s->up_ms >= STEADY_MS) {
        s->tries = 0;
    }
    if (s->nothing || s->stuck) {
        s->never = true;
    } else {
        try_later(s, s->why == MQTT_DOWN_LOST ? STAND_IN_LOST_MS : STAND_IN_AGAIN_MS, now_ms);
    }
    if (s->nothing) {
        log_info("host", "host %u (%s) is down, and the broker has no session of it",
                 (unsigned)s->place, s->name);
    } else if (s->standing && !s->stuck) {
        /* Most likely the host is back; not every broker says so. */
        log_info("host", "no longer standing in for host %u (%s): %s", (unsigned)s->place, s->name,
                 s->why == MQTT_DOWN_TAKEN_OVER ? "another client has its session" : s->error);
        s->error[0] = '\0';
    } else {
        say_failure(s, now_ms);
    }
    end(h, s);
}

static int copy_services(struct host *h, struct host_stand_in *s, const struct presence *absent) {
    s->services = calloc(absent->number_count + 1, sizeof *s->services);
    s->service_count = 0;
    for (size_t i = 0; s->services != NULL && i < absent->number_count; i++) {
        const struct presence_number *theirs = &absent->numbers[i];
        size_t service = 0;
        if (conf_find_heir(h->conf, slice_of(theirs->name), &service)) {
            s->services[s->service_count++] =
                (struct stood_in_service){.number = theirs->number, .service = service};
        }
    }
    return s->services == NULL ? ERR_MEMORY : 0;
}

static void begin(struct host *h, struct host_stand_in *s, const struct presence *absent,
                  int64_t now_ms) {
    const struct mqtt_callbacks callbacks = {.ctx = s,
                                             .on_message = on_message,
                                             .on_published = on_published,
                                             .on_up = on_up,
                                             .on_down = on_down,
                                             .on_subscribed = on_subscribed,
                                             .on_readable = on_readable};
    struct report r = {"out of memory"};
    assert(s->mqtt == NULL && !s->standing);
    s->broker = h->broker;
    (void)snprintf(s->client_id, sizeof s->client_id, "%s", absent->client_id);
    (void)snprintf(s->name, sizeof s->name, "%s", absent->host);
    int code = copy_services(h, s, absent);
    if (code == 0) {
        code = mqtt_new(&s->mqtt, &h->loop, &s->broker, s->client_id, NULL, &callbacks, &r);
    }
    if (code != 0) {
        (void)snprintf(s->error, sizeof s->error, "%.250s", r.text);
        free(s->services);
        s->services = NULL;
        try_later(s, STAND_IN_AGAIN_MS, now_ms);
        say_failure(s, now_ms);
        return;
    }
    mqtt_start(s->mqtt);
}

static void say_beginning(struct host *h, struct host_stand_in *s) {
    s->error[0] = '\0';
    say_it(h, s, true);
    log_info(
        "host",
        "standing in for host %u (%s), which is down: this host takes its messages from the broker",
        (unsigned)s->place, s->name);
}

static void forget_failures(struct host_stand_in *s) {
    s->tries = 0;
    s->again_ms = 0;
    s->never = false;
    s->error[0] = '\0';
}

static void look_at(struct host *h, struct host_stand_in *s, bool may, int64_t now_ms) {
    const struct presence *absent =
        may ? members_stood_in_for(h->members.table, s->place, now_ms) : NULL;
    bool told = (members_self(h->members.table)->stands_in_for >> (s->place - 1) & 1) != 0;
    if (s->mqtt != NULL && (s->down || s->nothing || s->stuck)) {
        fail(h, s, now_ms);
    } else if (s->mqtt != NULL &&
               (absent == NULL || strcmp(absent->client_id, s->client_id) != 0)) {
        if (s->standing) {
            log_info("host", "no longer standing in for host %u (%s)", (unsigned)s->place, s->name);
        }
        end(h, s);
    } else if (s->standing && !told) {
        say_beginning(h, s);
    }
    if (members_place_is_up(h->members.table, s->place, now_ms)) {
        forget_failures(s);
    }
    if (s->mqtt == NULL && absent != NULL && !s->never && now_ms >= s->again_ms) {
        begin(h, s, absent, now_ms);
    }
}

void host_stand_in_turn(struct host *h, int64_t now_ms) {
    bool may = may_stand_in(h);
    for (size_t i = 0; i < count_of(h); i++) {
        look_at(h, &h->stand_ins[i], may, now_ms);
    }
}

int64_t host_stand_in_next_ms(const struct host *h, int64_t now_ms) {
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < count_of(h); i++) {
        const struct host_stand_in *s = &h->stand_ins[i];
        if (s->mqtt == NULL && !s->never && s->again_ms > now_ms && s->again_ms < next_ms) {
            next_ms = s->again_ms;
        }
    }
    return next_ms;
}

/* --- status --- */

static size_t count_standing(const struct host *h) {
    size_t count = 0;
    for (size_t i = 0; i < count_of(h); i++) {
        count += h->stand_ins[i].standing ? 1 : 0;
    }
    return count;
}

void host_stand_in_metrics(const struct host *h, struct buf *out) {
    buf_printf(out,
               "# HELP zingq_standing_in hosts that are down and that this one stands in for\n"
               "# TYPE zingq_standing_in gauge\nzingq_standing_in %zu\n"
               "# HELP zingq_stood_in_messages_total messages taken for such hosts\n"
               "# TYPE zingq_stood_in_messages_total counter\n"
               "zingq_stood_in_messages_total %" PRIu64 "\n",
               count_standing(h), h->stood_in_messages);
}

void host_each_stand_in(const struct host *h, host_tell *tell, void *ctx) {
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    struct report r;
    for (size_t i = 0; i < count_of(h); i++) {
        const struct host_stand_in *s = &h->stand_ins[i];
        if (s->error[0] != '\0' && !s->standing &&
            members_stood_in_for(h->members.table, s->place, now_ms) != NULL) {
            (void)report(&r, 0,
                         "nobody stands in for host %u, %s: %s; its messages wait at the broker",
                         (unsigned)s->place, s->name, s->error);
            tell(ctx, false, r.text);
        }
    }
}
