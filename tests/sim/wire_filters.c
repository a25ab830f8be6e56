/* wire_filters.c - see wire_filters.h. */
#include "wire_filters.h"

#include "wire_broker.h"
#include "wire_tell.h"
#include "wire_worker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *group, *filter;
} filters[WIRE_FILTERS] = {
    {"g", "t/+"}, {NULL, "a/#"}, {NULL, "t/1"}, {"h", "b/x"}, {NULL, "a/y/a-filter-that-is-long"},
};

static struct {
    bool alone;
    bool unshared; /* the broker once shared nothing: a shared subscription may be left behind */
    bool wanted[WIRE_FILTERS], held[WIRE_FILTERS]; /* now; by the session, for all we know */
    bool leaving[WIRE_FILTERS];                    /* on_unsubscribed is to come */
    uint8_t reasons[WIRE_FILTERS];                 /* of the last answer */
} book;

void wire_filters_begin(bool alone) {
    memset(&book, 0, sizeof book);
    book.alone = alone;
    for (size_t i = 0; i < WIRE_FILTERS; i++) {
        book.wanted[i] = i < 3;
    }
}

void wire_filters_forget(void) {
    memset(book.leaving, 0, sizeof book.leaving);
}

enum { NO_ANSWER = 0xff };

void wire_filters_up(void) {
    memset(book.reasons, NO_ANSWER, sizeof book.reasons);
}

void wire_filters_answered(const char *filter, uint8_t reason) {
    for (size_t i = 0; i < WIRE_FILTERS; i++) {
        if (strcmp(wire_filter_plain(filter), filters[i].filter) == 0) {
            book.reasons[i] = reason;
        }
    }
}

void wire_filters_gone(void) {
    memcpy(book.held, book.wanted, sizeof book.held);
    memset(book.leaving, 0, sizeof book.leaving);
}

void wire_filters_unshared(void) {
    book.unshared = true;
}

static void name_filter(size_t i, char *out, size_t size) {
    bool shared = filters[i].group != NULL && !book.alone;
    (void)snprintf(out, size, shared ? "$share/%s/%s" : "%.0s%s", shared ? filters[i].group : "",
                   filters[i].filter);
}

/* As host/session.c does: what an earlier run subscribed to is given up behind the rest. */
void wire_filters_start(struct mqtt *m) {
    char name[WIRE_FILTER_BYTES];
    int error = 0;
    for (size_t i = 0; i < WIRE_FILTERS && error == 0; i++) {
        if (book.wanted[i]) {
            book.held[i] = true;
            error = mqtt_subscribe(m, filters[i].group, filters[i].filter, (uint32_t)i + 1);
        }
    }
    for (size_t i = 0; i < WIRE_FILTERS && error == 0; i++) {
        if (book.held[i] && !book.wanted[i]) {
            name_filter(i, name, sizeof name);
            book.leaving[i] = true;
            error = mqtt_unsubscribe(m, name);
        }
    }
    if (error != 0) {
        wire_wrong("a subscription is refused by the door: %d", error);
    }
}

static void subscribe(struct mqtt *m, size_t i) {
    wire_tell("worker: subscribes to %s", filters[i].filter);
    book.wanted[i] = book.held[i] = true;
    book.leaving[i] = false;
    int error = mqtt_subscribe(m, filters[i].group, filters[i].filter, (uint32_t)i + 1);
    if (error != 0) {
        wire_wrong("mqtt_subscribe: %d", error);
    }
}

void wire_filters_change(struct mqtt *m, size_t i) {
    assert(i < WIRE_FILTERS);
    if (!book.wanted[i]) {
        subscribe(m, i);
        return;
    }
    wire_tell("worker: gives up %s", filters[i].filter);
    book.wanted[i] = false;
    book.leaving[i] = true;
    mqtt_give_up(m, filters[i].group, filters[i].filter);
}

static bool has_sub(const struct wire_session *s, const char *filter) {
    for (size_t i = 0; i < s->sub_count; i++) {
        if (strcmp(s->subs[i].filter, filter) == 0) {
            return true;
        }
    }
    return false;
}

const char *wire_filters_unsettled(const struct wire_session *s) {
    static char text[160];
    char name[WIRE_FILTER_BYTES];
    const struct wire_terms *terms = &wire_broker_manners()->terms;
    for (size_t i = 0; i < WIRE_FILTERS; i++) {
        bool wild = strpbrk(filters[i].filter, "+#") != NULL;
        if (terms->no_wildcard && wild) {
            continue;
        }
        name_filter(i, name, sizeof name);
        if (terms->no_shared && book.wanted[i]) {
            (void)snprintf(name, sizeof name, "%s", filters[i].filter);
        }
        if (book.wanted[i] && book.reasons[i] >= 0x80) {
            (void)snprintf(text, sizeof text, "the filter %s has the answer 0x%02x", name,
                           book.reasons[i]);
            return text;
        }
        bool left_behind = book.unshared && filters[i].group != NULL && !book.wanted[i];
        if (book.leaving[i]) {
            (void)snprintf(text, sizeof text, "on_unsubscribed for %s never came", name);
            return text;
        }
        if (!left_behind && has_sub(s, name) != book.wanted[i]) {
            (void)snprintf(text, sizeof text, "the filter %s is%s subscribed at the broker", name,
                           book.wanted[i] ? " not" : " still");
            return text;
        }
    }
    return NULL;
}
