/*
 * strangers.c - see peers/strangers.h.
 */
#include "peers/strangers.h"

#include <assert.h>
#include <string.h>

/* The index of the topic, or the count. */
static size_t find(const struct strangers *s, struct slice topic) {
    size_t i = 0;
    while (i < s->count && !slice_is(topic, s->topics[i])) {
        i++;
    }
    return i;
}

static void drop(struct strangers *s, size_t at) {
    assert(at < s->count);
    s->count--;
    memmove(s->topics[at], s->topics[at + 1], (s->count - at) * sizeof *s->topics);
}

void strangers_forget(struct strangers *s, struct slice topic) {
    size_t at = find(s, topic);
    if (at < s->count) {
        drop(s, at);
    }
}

static bool add(struct strangers *s, struct slice topic) {
    if (find(s, topic) < s->count) {
        return false;
    }
    if (s->count == STRANGERS_MAX) {
        drop(s, 0);
    }
    assert(topic.len < sizeof *s->topics);
    memcpy(s->topics[s->count], topic.data, topic.len);
    s->topics[s->count][topic.len] = '\0';
    s->count++;
    return true;
}

static bool is_live(const struct members *m, struct slice group, struct slice host,
                    int64_t now_ms) {
    for (size_t i = 0; i < members_count(m); i++) {
        const struct presence *said = members_at(m, i);
        enum member_view view = members_view(m, i, now_ms);
        if (slice_is(group, said->group) && slice_is(host, said->host) &&
            (view == MEMBER_UP || view == MEMBER_JOINING)) {
            return true;
        }
    }
    return false;
}

/* Hosts of other groups and services have secrets of their own. */
static bool may_be_ours(const struct members *m, const struct stranger_said *said,
                        struct slice group) {
    struct presence *p = NULL;
    if (slice_is(group, members_self(m)->group)) {
        return true;
    }
    if (presence_read(&p, said->topic, said->payload, NULL) != 0) {
        return false;
    }
    bool ours = members_may_share(m, p);
    presence_free(p);
    return ours;
}

unsigned strangers_take(struct strangers *s, struct members *m, const struct stranger_said *said,
                        bool *is_new) {
    const struct presence *self = members_self(m);
    struct slice group;
    struct slice host;
    *is_new = false;
    if (!presence_topic_split(said->topic, &group, &host)) {
        return MEMBERS_UNREADABLE;
    }
    if (slice_is(group, self->group) && slice_is(host, self->host)) {
        return said->kept ? 0 : MEMBERS_OVERWRITTEN;
    }
    if (said->payload.len > 0) {
        *is_new = may_be_ours(m, said, group) && add(s, said->topic);
        return 0;
    }
    strangers_forget(s, said->topic);
    return is_live(m, group, host, said->now_ms)
               ? 0
               : members_take(m, said->topic, said->payload, said->kept, said->now_ms, NULL);
}
