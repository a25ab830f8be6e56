/* wire_session.c - see wire_session.h. */
#include "wire_session.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void wire_session_end(struct wire_session *s) {
    s->live = false;
    s->sub_count = s->queued = 0;
    s->last_id = 0;
}

const char *wire_filter_plain(const char *filter) {
    if (strncmp(filter, "$share/", 7) != 0) {
        return filter;
    }
    const char *slash = strchr(filter + 7, '/');
    return slash == NULL ? filter : slash + 1;
}

bool wire_filter_matches(const char *filter, const char *topic) {
    while (*filter != '\0') {
        if (*filter == '#') {
            return true;
        }
        size_t level = strcspn(topic, "/");
        size_t part = strcspn(filter, "/");
        bool same = part == level && strncmp(filter, topic, level) == 0;
        if (!same && !(part == 1 && *filter == '+')) {
            return false;
        }
        filter += part;
        topic += level;
        if (*topic == '\0') {
            return *filter == '\0' || strcmp(filter, "/#") == 0;
        }
        if (*filter == '\0') {
            return false;
        }
        filter++;
        topic++;
    }
    return *topic == '\0';
}

static struct wire_sub *find_sub(struct wire_session *s, const char *filter) {
    for (size_t i = 0; i < s->sub_count; i++) {
        if (strcmp(s->subs[i].filter, filter) == 0) {
            return &s->subs[i];
        }
    }
    return NULL;
}

bool wire_session_subscribe(struct wire_session *s, const struct wire_sub *sub) {
    struct wire_sub *old = find_sub(s, sub->filter);
    if (old != NULL) {
        *old = *sub;
        return false;
    }
    assert(s->sub_count < WIRE_SUBS_MAX);
    s->subs[s->sub_count++] = *sub;
    return true;
}

bool wire_session_unsubscribe(struct wire_session *s, struct slice filter) {
    for (size_t i = 0; i < s->sub_count; i++) {
        if (slice_is(filter, s->subs[i].filter)) {
            s->sub_count--;
            memmove(&s->subs[i], &s->subs[i + 1], (s->sub_count - i) * sizeof s->subs[0]);
            return true;
        }
    }
    return false;
}

static struct wire_delivery *add(struct wire_session *s, const struct wire_message *message,
                                 const struct wire_sub *sub) {
    if (s->queued == WIRE_QUEUE_MAX) {
        return NULL; /* a quota: the broker does not take it */
    }
    struct wire_delivery *d = &s->queue[s->queued++];
    *d = (struct wire_delivery){.message = *message};
    uint8_t granted = sub->options & 3;
    d->message.qos = message->qos < granted ? message->qos : granted;
    if (sub->id != 0) {
        d->ids[d->id_count++] = sub->id;
    }
    return d;
}

void wire_session_deliver(struct wire_session *s, const struct wire_message *message,
                          const struct wire_sub *sub) {
    (void)add(s, message, sub);
}

void wire_session_route(struct wire_session *s, const struct wire_message *message, bool joined) {
    struct wire_delivery *first = NULL;
    for (size_t i = 0; i < s->sub_count; i++) {
        const struct wire_sub *sub = &s->subs[i];
        if (!wire_filter_matches(wire_filter_plain(sub->filter), message->topic)) {
            continue;
        }
        bool shared = wire_filter_plain(sub->filter) != sub->filter;
        if (first != NULL && joined && !shared) {
            if (sub->id != 0 && first->id_count < WIRE_IDS_MAX) {
                first->ids[first->id_count++] = sub->id;
            }
            continue;
        }
        struct wire_delivery *made = add(s, message, sub);
        if (made != NULL) {
            made->message.retain = false;
        }
        first = first == NULL && !shared ? made : first;
    }
}

static bool in_use(const struct wire_session *s, uint16_t id) {
    for (size_t i = 0; i < s->queued && s->queue[i].id != 0; i++) {
        if (s->queue[i].id == id) {
            return true;
        }
    }
    return false;
}

uint16_t wire_session_next_id(struct wire_session *s) {
    do {
        s->last_id++;
    } while (s->last_id == 0 || in_use(s, s->last_id));
    return s->last_id;
}

bool wire_session_acknowledge(struct wire_session *s, uint16_t id) {
    for (size_t i = 0; i < s->queued && s->queue[i].id != 0; i++) {
        if (s->queue[i].id == id) {
            s->queued--;
            memmove(&s->queue[i], &s->queue[i + 1], (s->queued - i) * sizeof s->queue[0]);
            return true;
        }
    }
    return false;
}

void wire_session_resume(struct wire_session *s) {
    for (size_t i = 0; i < s->queued && s->queue[i].id != 0; i++) {
        s->queue[i].dup = true;
        s->queue[i].out = false;
    }
}
