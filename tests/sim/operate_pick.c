/* operate_pick.c - see operate_impl.h. */
#include "operate_impl.h"

#include "sim.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/outbox.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_EVENTS = 2000, LOOK_DELAYED = 10 };

static struct said *about(struct sim *s, struct slice payload) {
    char text[64];
    size_t len = payload.len < sizeof text - 1 ? payload.len : sizeof text - 1;
    if (len > 0) {
        memcpy(text, payload.data, len);
    }
    text[len] = '\0';
    return load_said(s, text);
}

static bool take(struct sim *s, struct node *n, const struct event *event, struct pick *out) {
    *out = (struct pick){.id = event->id,
                         .partition = event->partition,
                         .state = event->state,
                         .parked = event->parked,
                         .said = about(s, event->payload)};
    (void)snprintf(out->key, sizeof out->key, "%.*s", (int)event->key.len, event->key.data);
    return out->said != NULL && event->kind == EVENT_MESSAGE &&
           engine_service_by_number(n->engine, event->service, &out->service);
}

static bool find_event(struct sim *s, struct node *n, pick_wanted *wanted, struct pick *out) {
    struct journal *j = engine_journal(n->engine);
    unsigned groups = journal_event_groups(j);
    uint64_t begin = sim_below(s, groups);
    unsigned looked = 0;
    bool found = false;
    for (unsigned i = 0; i < groups && !found && looked < LOOK_EVENTS; i++) {
        struct event_walk walk = {.group = (uint8_t)((begin + i) % groups)};
        struct event *event = NULL;
        while (!found && looked++ < LOOK_EVENTS && journal_event_next(j, &walk, &event) == 0) {
            found = wanted((enum event_state)event->state) && take(s, n, event, out) &&
                    load_kind_of(out->said)->mortal && !order_open(s, out->said->number);
            event_free(event);
        }
    }
    return found;
}

bool pick_event(struct sim *s, struct node *n, pick_wanted *wanted, struct pick *out) {
    if (store_begin(n->store) != 0) {
        return false;
    }
    bool found = find_event(s, n, wanted, out);
    store_abort(n->store);
    return found;
}

static bool next_dead(struct sim *s, struct node *n, struct dead_row *at, struct pick *out) {
    struct journal *j = engine_journal(n->engine);
    struct event *event = NULL;
    while (journal_dead_next(j, at) == 0) {
        if (journal_event_get(j, at->partition, &at->id, at->service, &event) == 0) {
            bool good = take(s, n, event, out);
            event_free(event);
            if (good) {
                return true;
            }
        }
    }
    return false;
}

bool pick_dead(struct sim *s, struct node *n, struct dead_row *at, struct pick *out) {
    if (store_begin(n->store) != 0) {
        return false;
    }
    bool found = next_dead(s, n, at, out);
    store_abort(n->store);
    return found;
}

static bool find_delayed(struct sim *s, struct node *n, struct pick *out) {
    struct delayed delayed;
    struct publication p;
    struct uuid id = {{0}};
    uint64_t skip = sim_below(s, LOOK_DELAYED);
    bool found = false;
    while (journal_delayed_next(engine_journal(n->engine), &id, &delayed, &p) == 0) {
        struct said *one = about(s, p.payload);
        if (one != NULL && load_kind_of(one)->mortal && strncmp(p.topic.data, "in/", 3) == 0 &&
            !order_open(s, one->number)) {
            *out = (struct pick){.id = id, .said = one};
            found = true;
        }
        if (found && skip-- == 0) {
            break;
        }
    }
    return found;
}

bool pick_delayed(struct sim *s, struct node *n, struct pick *out) {
    if (store_begin(n->store) != 0) {
        return false;
    }
    bool found = find_delayed(s, n, out);
    store_abort(n->store);
    return found;
}

/* Whether the publish is said of the one that its payload names. */
static bool speaks_of(const struct publication *p, const struct said *one) {
    const char *slash = strchr(p->topic.data, '/');
    const char *name = load_kind_of(one)->name;
    size_t len = strlen(name);
    return slash != NULL && load_kind_of(one)->mortal && strncmp(slash + 1, name, len) == 0 &&
           slash[1 + len] == '/' && load_may_refuse(p->topic.data);
}

static bool find_refused(struct sim *s, struct node *n, struct pick *out) {
    struct journal *j = engine_journal(n->engine);
    struct publication p;
    struct slice record;
    uint64_t seq = 0;
    bool found = false;
    while (!found && journal_outbox_next(j, &seq, &record) == 0 &&
           publication_decode(record, &p) == 0) {
        struct said *one = p.refused_ms != 0 ? about(s, p.payload) : NULL;
        found = one != NULL && speaks_of(&p, one) && !order_open(s, one->number);
        *out = (struct pick){.id = p.id, .said = one};
    }
    return found;
}

bool pick_refused(struct sim *s, struct node *n, struct pick *out) {
    if (store_begin(n->store) != 0) {
        return false;
    }
    bool found = find_refused(s, n, out);
    store_abort(n->store);
    return found;
}
