/* broker.c - see broker.h. */
#include "broker.h"

#include "memory.h"
#include "sim.h"
#include "journal/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    AT_ONCE = 200, /* messages that a host takes in a turn */
    REFUSED_PERCENT = 4,
};

/* --- sessions --- */

static struct sim_session *session_of(struct sim *s, const struct node *n) {
    return &s->broker.sessions[n->number - 1];
}

static void free_message(struct sim_message *m) {
    free(m->topic);
    free(m->payload);
    free((char *)(uintptr_t)m->properties.data);
    free(m);
}

static void queue(struct sim *s, unsigned host, const struct sim_message *like, const char *topic,
                  const char *payload, struct slice properties) {
    struct sim_session *to = &s->broker.sessions[host];
    struct sim_message *m = made(malloc(sizeof *m));
    *m = *like;
    m->topic = made_copy(slice_of(topic));
    m->payload = made_copy(slice_of(payload));
    m->properties = (struct slice){made_copy(properties), properties.len};
    m->sent_ms = s->true_ms;
    m->next = NULL;
    if (to->tail == NULL) {
        to->head = m;
    } else {
        to->tail->next = m;
    }
    to->tail = m;
    to->count++;
}

static bool is_signal_for(const struct service_conf *service, const char *topic) {
    static const char prefix[] = "zingq/signal/";
    size_t len = strlen(service->name);
    return strncmp(topic, prefix, sizeof prefix - 1) == 0 &&
           strncmp(topic + sizeof prefix - 1, service->name, len) == 0 &&
           topic[sizeof prefix - 1 + len] == '/';
}

/* Only a host on its own has that service now and then. */
static bool is_guest(const struct sim *s, const struct service_conf *service) {
    return s->count == 1 &&
           (strcmp(service->name, "guest") == 0 || service_was(service, slice_of("guest")));
}

void broker_subscribe(struct node *n, bool prunes) {
    n->guest_subscribed = n->guest_subscribed && !prunes;
    for (size_t i = 0; i < n->conf->service_count; i++) {
        if (is_guest(n->sim, &n->conf->services[i])) {
            n->guest_subscribed = true;
            n->guest_number = engine_service_number(n->engine, i);
        }
    }
}

static void take_for_guest(struct sim *s, const char *topic, const char *payload,
                           struct slice properties) {
    static const char wanted[] = "in/guest/";
    const struct sim_message m = {.guest = true};
    if (s->nodes[0]->guest_subscribed && strncmp(topic, wanted, sizeof wanted - 1) == 0) {
        load_dealt(s, s->nodes[0], topic, payload);
        queue(s, 0, &m, topic, payload, properties);
    }
}

void broker_take(struct sim *s, const char *topic, const char *payload, struct slice properties) {
    const struct conf *conf = s->nodes[0]->conf;
    const unsigned hosts = s->count;
    assert(hosts > 0);
    load_heard(s, topic, payload, properties);
    take_for_guest(s, topic, payload, properties);
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *service = &conf->services[i];
        struct sim_message m = {.service = i, .signal = is_signal_for(service, topic)};
        if (is_guest(s, service)) {
            continue;
        }
        if (m.signal ||
            (service_wants(service, topic) && (!service->share || s->traits.everywhere))) {
            for (unsigned host = 0; host < hosts; host++) {
                m.everywhere = service->share && !m.signal;
                load_dealt(s, s->nodes[host], topic, payload);
                queue(s, host, &m, topic, payload, properties);
            }
        } else if (service_wants(service, topic)) {
            unsigned host = s->broker.next_host++ % hosts;
            load_dealt(s, s->nodes[host], topic, payload);
            queue(s, host, &m, topic, payload, properties);
        }
    }
}

static void offer(struct node *n, struct sim_message *m) {
    const struct event_bytes bytes = {
        .topic = slice_of(m->topic), .payload = slice_of(m->payload), .properties = m->properties};
    size_t service = m->service;
    if (m->guest && !engine_service_by_number(n->engine, n->guest_number, &service)) {
        sim_fail(n->sim, "host %u does not know the service any more that a message is for",
                 n->number);
    }
    const struct offer how = {.qos = 1, .everywhere = m->everywhere};
    int code = m->signal ? engine_offer_signal(n->engine, service, &bytes, 0)
                         : engine_offer(n->engine, service, &bytes, how);
    if (code != 0) {
        abort(); /* no memory */
    }
    m->offered = true;
    n->sim->tally->offered++;
}

void broker_connected(struct sim *s, struct node *n) {
    struct sim_session *session = session_of(s, n);
    struct node *before = session->holder;
    if (before != NULL && before != n && before->up && before->online) {
        sim_tell(s, "host %u has its session on another machine now", n->number);
        broker_cut(s, before);
        before->online = false;
        (void)engine_disconnected(before->engine);
        broker_dropped(s, before);
    }
    session->holder = n;
}

static bool holds(struct sim *s, const struct node *n) {
    return session_of(s, n)->holder == n;
}

void broker_deliver(struct sim *s, struct node *n) {
    struct sim_message *m = holds(s, n) ? session_of(s, n)->head : NULL;
    size_t most = engine_intake(n->engine) < AT_ONCE ? engine_intake(n->engine) : AT_ONCE;
    size_t some = s->settling ? most : 1 + (size_t)sim_below(s, most + 1);
    for (; m != NULL && some > 0 && engine_accepts(n->engine) && engine_room(n->engine) > 0;
         m = m->next) {
        if (!m->offered) {
            offer(n, m);
            some--;
        }
    }
}

/* They are in front: what is offered was first. */
void broker_acknowledged(struct sim *s, struct node *n) {
    struct sim_session *from = session_of(s, n);
    while (holds(s, n) && from->head != NULL && from->head->offered) {
        struct sim_message *m = from->head;
        from->head = m->next;
        from->tail = from->head == NULL ? NULL : from->tail;
        from->count--;
        load_taken(s, n, m->topic, m->payload);
        free_message(m);
    }
}

void broker_dropped(struct sim *s, struct node *n) {
    for (struct sim_message *m = session_of(s, n)->head; m != NULL && holds(s, n); m = m->next) {
        m->offered = false;
    }
}

/* --- publishes of hosts --- */

int broker_publish(struct sim *s, struct node *n, const struct publication *p, int *mid) {
    struct sim_session *from = session_of(s, n);
    struct sim_flight *f = made(calloc(1, sizeof *f));
    n->last_mid = n->last_mid % 65535 + 1;
    *f = (struct sim_flight){.mid = n->last_mid,
                             .topic = made_copy(p->topic),
                             .payload = made_copy(p->payload),
                             .properties = {made_copy(p->properties), p->properties.len}};
    if (from->last_flight == NULL) {
        from->flights = f;
    } else {
        from->last_flight->next = f;
    }
    from->last_flight = f;
    sim_tell(s, "host %u publishes %s %s", n->number, f->topic, f->payload);
    *mid = f->mid;
    return 0;
}

static struct sim_flight *take_flight(struct sim_session *from) {
    struct sim_flight *f = from->flights;
    from->flights = f->next;
    from->last_flight = f->next == NULL ? NULL : from->last_flight;
    return f;
}

static void end_flight(struct sim_flight *f) {
    free(f->topic);
    free(f->payload);
    free((char *)(uintptr_t)f->properties.data);
    free(f);
}

/* "Not authorized", or what may pass: unspecified, implementation specific, quota exceeded. */
static uint8_t refusal(struct sim *s, const char *topic) {
    static const uint8_t reasons[] = {0x87, 0x80, 0x83, 0x97};
    bool refuses = s->traits.refuses && !s->settling && load_may_refuse(topic) &&
                   sim_chance(s, REFUSED_PERCENT);
    return refuses ? reasons[sim_below(s, sizeof reasons)] : 0;
}

void broker_answer(struct sim *s, struct node *n, size_t most) {
    struct sim_session *from = session_of(s, n);
    while (holds(s, n) && from->flights != NULL && most-- > 0) {
        struct sim_flight *f = take_flight(from);
        uint8_t reason = refusal(s, f->topic);
        if (reason == 0) {
            broker_take(s, f->topic, f->payload, f->properties);
        } else {
            sim_tell(s, "host %u: refused with 0x%02x: %s %s", n->number, reason, f->topic,
                     f->payload);
        }
        engine_published(n->engine, f->mid, reason);
        end_flight(f);
    }
}

void broker_cut(struct sim *s, struct node *n) {
    struct sim_session *from = session_of(s, n);
    size_t count = broker_flights(s, n);
    size_t taken = count == 0 ? 0 : (size_t)sim_below(s, count + 1);
    while (holds(s, n) && from->flights != NULL) {
        struct sim_flight *f = take_flight(from);
        if (taken > 0) {
            broker_take(s, f->topic, f->payload, f->properties);
            taken--;
        }
        end_flight(f);
    }
}

size_t broker_flights(const struct sim *s, const struct node *n) {
    const struct sim_session *session = &s->broker.sessions[n->number - 1];
    size_t count = 0;
    for (const struct sim_flight *f = session->holder == n ? session->flights : NULL; f != NULL;
         f = f->next) {
        count++;
    }
    return count;
}

/* --- between hosts --- */

static void add_post(struct sim *s, uint16_t to, bool receipt, struct slice bytes) {
    struct sim_post *p = made(calloc(1, sizeof *p));
    *p = (struct sim_post){
        .to = to, .receipt = receipt, .bytes = made_copy(bytes), .len = bytes.len};
    if (s->broker.last_post == NULL) {
        s->broker.posts = p;
    } else {
        s->broker.last_post->next = p;
    }
    s->broker.last_post = p;
}

int broker_post(struct sim *s, uint16_t to, bool receipt, struct slice bytes) {
    add_post(s, to, receipt, bytes);
    return 0;
}

static void carry(struct sim *s, const struct sim_post *p) {
    struct node *n = s->broker.sessions[p->to - 1].holder;
    const struct slice bytes = {p->bytes, p->len};
    if (n == NULL || !n->up || !n->online) {
        return; /* QoS 0: gone */
    }
    if (p->receipt) {
        engine_offer_receipt(n->engine, bytes);
    } else if (engine_offer_forward(n->engine, bytes) != 0) {
        abort();
    }
}

void broker_carry(struct sim *s, bool faults) {
    struct sim_post *p = s->broker.posts;
    s->broker.posts = s->broker.last_post = NULL;
    while (p != NULL) {
        struct sim_post *next = p->next;
        uint64_t fate = faults ? sim_below(s, 10) : 9;
        if (fate == 0) {
            add_post(s, p->to, p->receipt, (struct slice){p->bytes, p->len}); /* late */
        } else if (fate > 1) {
            carry(s, p);
        }
        if (fate == 2) {
            carry(s, p);
        }
        free(p->bytes);
        free(p);
        p = next;
    }
}

bool broker_is_empty(const struct sim *s) {
    for (unsigned i = 0; i < s->count; i++) {
        if (s->broker.sessions[i].head != NULL || s->broker.sessions[i].flights != NULL) {
            return false;
        }
    }
    return true;
}

void broker_clear(struct sim *s) {
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct sim_session *session = &s->broker.sessions[i];
        while (session->head != NULL) {
            struct sim_message *m = session->head;
            session->head = m->next;
            free_message(m);
        }
        while (session->flights != NULL) {
            end_flight(take_flight(session));
        }
    }
    while (s->broker.posts != NULL) {
        struct sim_post *p = s->broker.posts;
        s->broker.posts = p->next;
        free(p->bytes);
        free(p);
    }
    s->broker = (struct sim_broker){0};
}
