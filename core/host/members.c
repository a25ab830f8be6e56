/*
 * members.c - this host among the others: it announces itself and watches them. host/join.c decides
 * what follows.
 *
 *   the publishing connection    watches zingq/hosts/+/+
 *   the subscribing connection   publishes our presence; its will says that we are gone
 *
 * So the others see of us what the broker sees of the connection that takes events. Callbacks
 * decide nothing: they record, and host/members_turn.c acts between turns.
 *
 * Access rules may forbid all this. A broker refuses with a reason code, by closing the connection
 * (Mosquitto without a limit of queued messages does both), or it grants everything and delivers
 * nothing. Then the host reports that it cannot see others, and continues. To find the cause of a
 * closed connection, the watch is sent before anything else on its connection, and the presence
 * only when no subscription waits for an answer. A network that breaks looks the same: so what seems
 * to be refused is tried again soon, and then more and more rarely. Until then the others take this
 * host to be gone, and its keys wait.
 */
#include "host/members.h"

#include "host/loop.h"
#include "host/sign.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROPERTIES_ROOM_BYTES = 256,
    STRANGERS_MS = 60000, /* between two log lines about presences that are not believed */
    SETTLE_MS = 50,       /* retained presences may come this much later than our own */
    ANSWERS_MS = 1000,    /* the same if the broker retains nothing: others must answer */
    OVER_IT_MS = 1000,    /* a connection that ends this soon after a refusal ended because of it */
    AGAIN_MS_MIN = 5000,  /* what ended connections is tried again after this time, */
    AGAIN_MS_MAX = 600000, /* doubled each time up to this one */
};

const char host_members_topics[] = "zingq/hosts/+/+";

/* --- life --- */

/* Finds the service of topics.conf for each service of the presence. */
static int find_services(struct host *h) {
    struct host_members *p = &h->members;
    const struct presence *self = members_self(p->table);
    free(p->shares);
    p->shares = calloc(self->service_count + 1, sizeof *p->shares);
    for (size_t i = 0; p->shares != NULL && i < self->service_count; i++) {
        bool found =
            conf_find_service(h->conf, slice_of(self->services[i].name), &p->shares[i].service);
        assert(found); /* it was built from these */
    }
    return p->shares == NULL ? ERR_MEMORY : 0;
}

static int make_presence(struct host *h, struct presence **self) {
    char name[HOST_NAME_BYTES_MAX + 1];
    bool *runs = calloc(h->conf->service_count + 1, sizeof *runs);
    uint16_t *numbers = calloc(h->conf->service_count + 1, sizeof *numbers);
    int code = runs == NULL || numbers == NULL ? ERR_MEMORY : 0;
    for (size_t i = 0; code == 0 && i < h->conf->service_count; i++) {
        runs[i] = engine_runs(h->engine, i);
        numbers[i] = engine_service_number(h->engine, i);
    }
    char mark[ENGINE_MARK_NAME_BYTES];
    sys_host_name(h->client_id, name);
    engine_mark_name(h->engine, mark);
    const struct presence_facts facts = {.host = name,
                                         .id = engine_host_id(h->engine),
                                         .client_id = h->client_id,
                                         .mark = mark,
                                         .runs = runs,
                                         .numbers = numbers,
                                         .since_ms = clock_wall_ms()};
    code = code == 0 ? presence_own(self, h->conf, &facts) : code;
    free(runs);
    free(numbers);
    return code;
}

static int make_table(struct host *h) {
    struct presence *self = NULL;
    int code = make_presence(h, &self);
    if (code == 0 && (code = members_new(&h->members.table, self)) != 0) {
        presence_free(self);
    }
    return code;
}

int host_members_write(struct host *h, enum presence_state state, bool hello,
                       struct host_presence *out) {
    const struct presence *self = members_self(h->members.table);
    enum presence_state before = self->state;
    buf_init(&out->text, PRESENCE_BYTES_MAX);
    buf_init(&out->properties, PROPERTIES_ROOM_BYTES);
    members_say(h->members.table, state, hello);
    int code = state == PRESENCE_GONE && h->leaving ? 0 : presence_write(self, &out->text);
    members_say(h->members.table, state == PRESENCE_GONE ? before : state, false);
    out->message = (struct mqtt_publish){
        .topic = h->members.topic, .payload = buf_slice(&out->text), .qos = 1, .retain = true};
    host_sign(h, &out->message, &out->properties);
    out->message.properties = buf_slice(&out->properties);
    return code == 0 && out->properties.failed ? ERR_MEMORY : code;
}

void host_presence_clear(struct host_presence *p) {
    buf_clear(&p->text);
    buf_clear(&p->properties);
}

int host_members_open(struct host *h, struct host_presence *will) {
    struct host_members *p = &h->members;
    int code = make_table(h);
    code = code == 0 ? find_services(h) : code;
    if (code != 0) {
        return code;
    }
    const struct presence *self = members_self(p->table);
    (void)snprintf(p->topic, sizeof p->topic, "zingq/hosts/%s/%s", self->group, self->host);
    host_members_trust(h);
    return host_members_write(h, PRESENCE_GONE, false, will);
}

int host_members_change(struct host *h) {
    struct presence *self = NULL;
    int code = make_presence(h, &self);
    if (code != 0) {
        return code;
    }
    members_describe(h->members.table, self);
    h->members.held = 0;
    h->members.say_due = true;
    return find_services(h);
}

void host_members_close(struct host *h) {
    members_free(h->members.table);
    free(h->members.shares);
}

/* --- what can be known --- */

/* Whether the broker seems to end connections over the watch, or over the presence. */
static bool ends_connections(const struct host_members *p) {
    return p->watch_lost >= MEMBERS_LOST_MAX || p->say_lost >= MEMBERS_LOST_MAX;
}

bool host_members_unknown(const struct host *h, struct report *r) {
    const struct host_members *p = &h->members;
    static const char then[] =
        "a second host would not be noticed; zingq doctor names what to allow";
    if (ends_connections(p)) {
        (void)report(r, 0,
                     "cannot see other hosts: the broker ends the connection when this host "
                     "%s %s: %s",
                     p->say_lost >= MEMBERS_LOST_MAX ? "publishes" : "subscribes to",
                     p->say_lost >= MEMBERS_LOST_MAX ? p->topic : host_members_topics, then);
    } else if (p->no_wildcards) {
        (void)report(r, 0,
                     "cannot see other hosts: the broker has no wildcard subscriptions, as %s "
                     "is one: a second host would not be noticed",
                     host_members_topics);
    } else if (p->watch_refused != 0 || p->say_refused != 0) {
        (void)report(r, 0,
                     "cannot see other hosts: the broker does not let this host %s %s (reason "
                     "0x%02x): %s",
                     p->say_refused != 0 ? "publish" : "read",
                     p->say_refused != 0 ? p->topic : host_members_topics,
                     p->say_refused != 0 ? p->say_refused : p->watch_refused, then);
    } else {
        (void)report(r, 0,
                     "cannot see other hosts: the broker does not let this host read "
                     "zingq/hosts/#, its own presence does not come back: %s",
                     then);
        return p->no_echo;
    }
    return true;
}

bool host_members_known(const struct host *h) {
    struct report r;
    return h->members.known && !host_members_unknown(h, &r);
}

/* A host that wants no proof takes the others to have other secrets, as long as nobody knows that
 * there are none. */
void host_members_trust(struct host *h) {
    struct host_members *p = &h->members;
    struct report r = {""};
    bool known = host_members_known(h);
    bool agree = members_marks_agree(p->table, &r);
    if (hosts_are_proven(&h->conf->hosts)) {
        return;
    }
    engine_trust_hosts(h->engine, known ? !agree : true);
    if (known && !agree && !p->told_marks) {
        log_warn("host",
                 "host %s has another secret than this one, so what hosts say is believed without "
                 "proof, whoever says it: %s; of a host that does not come back, clear the "
                 "presence",
                 r.text,
                 h->conf->hosts.believes_any
                     ? "when all hosts have the same hosts.secret, remove \"any\" from it"
                     : "set the same hosts.secret on all hosts");
    }
    p->told_marks = known && !agree;
}

bool host_member_up(const struct host *h, uint16_t place) {
    return members_place_is_up(h->members.table, place, (int64_t)uv_now(&h->loop));
}

/* --- callbacks of the connections: they only record --- */

/* A connection has ended, perhaps over it. */
static void note_end(struct host_members *p, unsigned *lost, bool over_it, int64_t now_ms) {
    *lost += over_it ? 1 : 0;
    if (over_it && *lost >= MEMBERS_LOST_MAX) {
        p->pause_ms = p->pause_ms == 0 ? AGAIN_MS_MIN : 2 * p->pause_ms;
        p->pause_ms = p->pause_ms > AGAIN_MS_MAX ? AGAIN_MS_MAX : p->pause_ms;
        p->again_ms = now_ms + p->pause_ms;
    }
}

void host_members_look(struct host *h) {
    h->members.due = true;
    host_wake(h);
}

void host_members_up(struct host *h) {
    struct host_members *p = &h->members;
    p->say_due = p->hello_due = true;
    p->joined_ms = 0;
    host_members_look(h);
}

void host_members_down(struct host *h) {
    struct host_members *p = &h->members;
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    bool over_it = p->say_mid != 0 || (p->denied_ms != 0 && now_ms - p->denied_ms < OVER_IT_MS);
    note_end(p, &p->say_lost, over_it, now_ms);
    p->denied_ms = 0;
    p->say_mid = 0;
    p->known = false;
    p->changed = true;
    p->echo_by_ms = 0;
    host_members_look(h);
}

void host_members_watch_up(struct host *h) {
    struct host_members *p = &h->members;
    p->watch_due = p->watch_lost < MEMBERS_LOST_MAX;
    p->watching = p->watch_asked = false;
    p->watch_refused = 0;
    p->no_wildcards = p->settled = false;
    p->strangers.count = 0; /* what the broker still has comes again */
    host_members_look(h);
}

void host_members_watch_down(struct host *h) {
    struct host_members *p = &h->members;
    note_end(p, &p->watch_lost, p->watch_asked, (int64_t)uv_now(&h->loop));
    p->watch_asked = p->watch_due = p->watching = p->known = false;
    p->changed = true;
    p->echo_by_ms = 0;
    p->joined_ms = 0;
    host_members_look(h);
}

bool host_members_watched(struct host *h, const char *filter, uint8_t reason) {
    struct host_members *p = &h->members;
    if (strcmp(filter, host_members_topics) != 0) {
        return false;
    }
    p->watch_asked = false;
    p->watch_lost = 0;
    p->watching = reason < 0x80;
    p->watch_refused = reason < 0x80 ? 0 : reason;
    p->say_due = p->hello_due = true;
    host_members_look(h);
    return true;
}

bool host_members_asks(const struct host *h) {
    const struct host_members *p = &h->members;
    return p->watch_asked && (int64_t)uv_now(&h->loop) < p->watch_by_ms;
}

void host_members_published(struct host *h, int mid, uint8_t reason) {
    struct host_members *p = &h->members;
    if (mid != p->say_mid) {
        return;
    }
    bool denied = reason >= 0x80;
    p->say_mid = 0;
    p->say_lost = denied ? p->say_lost : 0;
    p->say_refused = denied ? reason : 0;
    p->denied_ms = denied ? (int64_t)uv_now(&h->loop) : 0;
    host_members_look(h);
}

static void note_news(struct host *h, unsigned news, int64_t now_ms) {
    struct host_members *p = &h->members;
    if ((news & MEMBERS_CHANGED) != 0) {
        p->changed = true;
    }
    if ((news & MEMBERS_ASKED) != 0) {
        p->say_due = true;
    }
    if ((news & MEMBERS_OVERWRITTEN) != 0) {
        p->repair = true;
    }
    if ((news & MEMBERS_ECHO) != 0) {
        bool keeps = mqtt_session(h->subscriber)->retain_available;
        p->changed = p->changed || !p->known;
        p->known = true;
        p->no_echo = false;
        p->echo_by_ms = 0;
        p->say_mid = 0; /* the broker accepted it, whatever it answers later */
        p->say_lost = p->say_refused = 0;
        p->again_ms = p->pause_ms = 0;
        p->joined_ms = p->joined_ms != 0 ? p->joined_ms : now_ms + (keeps ? SETTLE_MS : ANSWERS_MS);
    }
}

const char *host_stranger_text(const char *topic, struct report *r) {
    (void)report(
        r, 0,
        "%s is not believed: it has no mark made with a hosts.secret of this host. If that "
        "host is yours, give it the same hosts.secret; if not, clear it, mosquitto_pub -r "
        "-n -t %s, and see to it that only hosts may publish there (zingq doctor "
        "--security prints access rules)",
        topic, topic);
    return r->text;
}

static void tell_stranger(struct host *h, const char *topic, int64_t now_ms) {
    struct host_members *p = &h->members;
    struct report r;
    if (p->strangers_told_ms == 0 || now_ms - p->strangers_told_ms >= STRANGERS_MS) {
        p->strangers_told_ms = now_ms;
        log_warn("host", "%s (logged at most once a minute)", host_stranger_text(topic, &r));
    }
}

static unsigned take(struct host *h, const struct mqtt_message *m, int64_t now_ms,
                     struct report *r) {
    struct host_members *p = &h->members;
    const struct stranger_said said = {m->topic, m->payload, m->retain, now_ms};
    bool is_new = false;
    if (engine_believes_presence(h->engine, m->topic, m->payload, m->properties)) {
        strangers_forget(&p->strangers, m->topic);
        return members_take(p->table, m->topic, m->payload, m->retain, now_ms, r);
    }
    unsigned news = strangers_take(&p->strangers, p->table, &said, &is_new);
    if (is_new) {
        tell_stranger(h, p->strangers.topics[p->strangers.count - 1], now_ms);
    }
    return news;
}

bool host_members_heard(struct host *h, const struct mqtt_message *m) {
    static const char prefix[] = "zingq/hosts/";
    struct host_members *p = &h->members;
    struct report r = {""};
    if (m->topic.len < sizeof prefix - 1 || memcmp(m->topic.data, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    unsigned news = m->refused.len > 0 ? MEMBERS_UNREADABLE : take(h, m, now_ms, &r);
    if ((news & (MEMBERS_UNREADABLE | MEMBERS_OVERFLOW)) != 0 && !p->told_garbage) {
        p->told_garbage = true;
        log_warn("host", "a presence on %s is ignored: %s (logged once)", m->topic.data,
                 m->refused.len > 0 ? "it could not be parsed" : r.text);
    }
    note_news(h, news, now_ms);
    if (news != 0) {
        host_members_look(h);
    }
    return true;
}

void host_members_answered(struct host *h) {
    if (h->granted + h->refused >= h->filters) {
        host_members_look(h);
    }
}

void host_members_repeat(struct host *h) {
    struct host_members *p = &h->members;
    struct report r;
    bool lost = ends_connections(p);
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    if (!host_members_unknown(h, &r) || (lost && (now_ms < p->again_ms || !p->keyed))) {
        return; /* without keys it is not worth losing a connection */
    }
    p->again_ms = 0;
    p->watch_lost = p->watch_lost < MEMBERS_LOST_MAX ? p->watch_lost : MEMBERS_LOST_MAX - 1;
    p->say_lost = p->say_lost < MEMBERS_LOST_MAX ? p->say_lost : MEMBERS_LOST_MAX - 1;
    p->watch_due = !p->watching && mqtt_session(h->publisher)->connected;
    p->watch_asked = false;
    p->say_due = p->hello_due = true;
    host_members_look(h);
}

/* With QoS 0: an acknowledgement that nobody reads would make the close look like a broken
 * connection. */
void host_members_goodbye(struct host *h) {
    struct host_members *p = &h->members;
    struct host_presence gone;
    int mid = 0;
    if (p->table == NULL || p->refused || p->said_ms == 0 || p->say_refused != 0 ||
        p->say_lost >= MEMBERS_LOST_MAX || !mqtt_session(h->subscriber)->connected) {
        return;
    }
    if (host_members_write(h, PRESENCE_GONE, false, &gone) == 0) {
        gone.message.qos = 0;
        (void)mqtt_publish(h->subscriber, &gone.message, &mid,
                           NULL); /* if this fails, the will says it */
    }
    host_presence_clear(&gone);
}
