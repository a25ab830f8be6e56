/*
 * placing.c - who is to have each shard: bounded rendezvous hashing.
 *
 * Each pair of a shard and a host has a weight. The heaviest pair comes first, then the next one whose
 * shard is free and whose host has room, and so on. Rooms differ by one at most, and add up to the
 * shards. What a host gets does not depend on what it had: one that was away for a while gets its
 * shards back, and its folders have nearly all of their logs already.
 *
 * Who follows a shard is found by the same rule, applied to the cluster as it would be without the
 * shard's host.
 */
#include "cluster/cluster.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "a weight is a hash");

enum { NOBODY = -1 };
enum { COPY_MS_MAX = 600000 /* a large store, over a slow network */ };

struct placing {
    const struct cluster_view *view;
    bool stay;                        /* all drain: they keep what they have */
    bool takes[CLUSTER_HOSTS_MAX];    /* whether the host is to have shards */
    unsigned load[CLUSTER_HOSTS_MAX]; /* how many it has so far */
    unsigned level, larger;           /* how many each is to have; how many hosts have one more */
    uint64_t weights[PARTITIONS][CLUSTER_HOSTS_MAX];
    int *out;
};

static void weigh(struct placing *p) {
    static const unsigned char key[crypto_shorthash_KEYBYTES];
    for (unsigned shard = 0; shard < p->view->shards; shard++) {
        for (size_t host = 0; host < p->view->member_count; host++) {
            const char *name = p->view->members[host].name;
            unsigned char text[1 + sizeof p->view->members[host].name];
            text[0] = (unsigned char)shard;
            memcpy(text + 1, name, strlen(name));
            (void)crypto_shorthash((unsigned char *)&p->weights[shard][host], text,
                                   1 + strlen(name), key);
        }
    }
}

static int find(const struct cluster_view *view, const char *name) {
    const struct member *m = cluster_member(view, name);
    return m == NULL ? NOBODY : (int)(m - view->members);
}

static bool lives(const struct member *m) {
    return m->state == MEMBER_LIVE && !m->stopping;
}

/* Those that do not drain; if all do, all. Never one that stops. False: there are none. */
static bool choose_hosts(struct placing *p) {
    bool some = false;
    p->stay = true;
    for (size_t i = 0; i < p->view->member_count; i++) {
        const struct member *m = &p->view->members[i];
        some = some || lives(m);
        p->stay = p->stay && !member_takes_shards(m);
    }
    for (size_t i = 0; i < p->view->member_count; i++) {
        const struct member *m = &p->view->members[i];
        p->takes[i] = p->stay ? lives(m) : member_takes_shards(m);
    }
    return some;
}

static void place(struct placing *p, unsigned shard, int host) {
    p->larger -= p->load[host] == p->level && p->larger > 0;
    p->load[host]++;
    p->out[shard] = host;
}

/* A host that could not run it gets a shard only if no other can, whatever its pin says. */
static int pinned(const struct placing *p, const struct shard_lease *lease) {
    return strcmp(lease->pin, lease->failed) == 0 ? NOBODY : find(p->view, lease->pin);
}

/* To the hosts that pins name, or, if all drain, to those that have them. How many are left. */
static unsigned place_fixed(struct placing *p) {
    unsigned left = 0;
    for (unsigned shard = 0; shard < p->view->shards; shard++) {
        const struct shard_lease *lease = &p->view->leases[shard];
        int host = p->stay ? find(p->view, lease->owner) : pinned(p, lease);
        p->out[shard] = NOBODY;
        if (host != NOBODY && p->takes[host]) {
            place(p, shard, host);
        } else {
            left++;
        }
    }
    return left;
}

/* How many shards bring every host to that level. */
static unsigned missing(const struct placing *p, unsigned level) {
    unsigned sum = 0;
    for (size_t i = 0; i < p->view->member_count; i++) {
        sum += p->takes[i] && p->load[i] < level ? level - p->load[i] : 0;
    }
    return sum;
}

static void make_room(struct placing *p, unsigned shards) {
    while (missing(p, p->level + 1) <= shards) {
        p->level++;
    }
    p->larger = shards - missing(p, p->level);
}

/* Whether the host may have the shard; `beyond` its room, if need be. */
static bool may_have(const struct placing *p, unsigned shard, size_t host, bool beyond) {
    bool room = p->load[host] < p->level || (p->load[host] == p->level && p->larger > 0);
    return p->takes[host] && (room || beyond) &&
           strcmp(p->view->leases[shard].failed, p->view->members[host].name) != 0;
}

/* The heaviest pair. False: there is none. */
static bool place_next(struct placing *p, bool beyond) {
    int best = NOBODY;
    unsigned best_shard = 0;
    for (unsigned shard = 0; shard < p->view->shards; shard++) {
        for (size_t host = 0; p->out[shard] == NOBODY && host < p->view->member_count; host++) {
            if (may_have(p, shard, host, beyond) &&
                (best == NOBODY || p->weights[shard][host] > p->weights[best_shard][best])) {
                best = (int)host;
                best_shard = shard;
            }
        }
    }
    if (best != NOBODY) {
        place(p, best_shard, best);
    }
    return best != NOBODY;
}

/* Those that only hosts could have that could not run them. */
static void place_failed(struct placing *p) {
    for (unsigned shard = 0; shard < p->view->shards; shard++) {
        int host = find(p->view, p->view->leases[shard].failed);
        if (p->out[shard] == NOBODY && host != NOBODY && p->takes[host]) {
            place(p, shard, host);
        }
    }
}

void placing_decide(const struct cluster_view *view, int out[PARTITIONS]) {
    struct placing p = {.view = view, .out = out};
    bool some = choose_hosts(&p);
    unsigned left = place_fixed(&p);
    if (!some) {
        return;
    }
    weigh(&p);
    make_room(&p, left);
    while (place_next(&p, false)) {
    }
    while (place_next(&p, true)) {
    }
    place_failed(&p);
}

/* Shards of that host, which is to keep them, are followed by who would have them without it. */
static void follow_host(const struct cluster_view *view, size_t host, const int placed[PARTITIONS],
                        int out[PARTITIONS]) {
    struct cluster_view without = *view;
    int next[PARTITIONS];
    without.members[host].state = MEMBER_DEAD;
    placing_decide(&without, next);
    for (unsigned shard = 0; shard < view->shards; shard++) {
        if (placed[shard] == (int)host && find(view, view->leases[shard].owner) == (int)host) {
            out[shard] = next[shard];
        }
    }
}

void placing_followers(const struct cluster_view *view, const int placed[PARTITIONS],
                       int out[PARTITIONS]) {
    bool keeps[CLUSTER_HOSTS_MAX] = {false};
    for (unsigned shard = 0; shard < view->shards; shard++) {
        int host = find(view, view->leases[shard].owner);
        bool stays = host != NOBODY && host == placed[shard];
        out[shard] = host == NOBODY || stays ? NOBODY : placed[shard];
        if (stays) {
            keeps[host] = true;
        }
    }
    for (size_t host = 0; host < view->member_count; host++) {
        if (keeps[host]) {
            follow_host(view, host, placed, out);
        }
    }
}

int64_t placing_patience_ms(const struct member *to, unsigned shard) {
    uint64_t bit = UINT64_C(1) << shard;
    return !to->follows || (to->copies & bit) != 0 ? 0
           : (to->loads & bit) != 0                ? COPY_MS_MAX
                                                   : to->lease_ms;
}
