/*
 * kind_hold.c - locks that run out: taken, extended, given back, or left until on_lock_expired.
 *
 * There are few names, so that many want the same one. All of it is said by one key, in the order of
 * the commits: whoever listens knows at any time who holds what. Of a message 17 for a lock:
 *
 *   "17 got"       it was free             "17 not <n>"  n had it
 *   "17 again"     its owner has it still, and longer
 *   "17 back"      it is given back        "17 lost"     it was somebody else's by then
 *   "17 over <n>"  its time is up: 17 was the last to take or extend it, and n its owner
 *   "17 through"   the end
 *
 * Where the broker refuses publishes, some of them come late: then only times are looked at.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TTL_MS = 20000, GIVES_BACK = 1, NOBODY = 0 };

/* one->value: the lock; one->other: the owner; one->moment_ms: for how long. */
static struct held *held_by(struct sim *s, const struct said *one) {
    return &s->load.held[one->key][one->value];
}

static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->value = (uint32_t)sim_below(s, LOCKS);
    one->moment_ms = 100 + (int64_t)sim_below(s, TTL_MS);
    one->flags = sim_chance(s, 30) ? GIVES_BACK : 0;
    const struct held *held = held_by(s, one);
    bool extends = held->owner != NOBODY && sim_chance(s, 30); /* unless it is over by then */
    one->other = extends ? held->owner - 1 : one->number;
    buf_printf(payload, ",\"lock\":%u,\"owner\":\"%u\",\"ttl\":%lld.%03lld,\"back\":%s", one->value,
               one->other, (long long)one->moment_ms / 1000, (long long)one->moment_ms % 1000,
               one->flags == GIVES_BACK ? "true" : "false");
}

static void confused(struct sim *s, const struct said *one, const char *text,
                     const struct held *held) {
    char who[32] = "nobody";
    if (held->owner != NOBODY) {
        (void)snprintf(who, sizeof who, "%u, by %u", held->owner - 1, held->last - 1);
    }
    sim_fail(s, "hold %u of key k%u, for %u, says \"%s\" of lock %u, which %s has", one->number,
             one->key, one->other, text, one->value, who);
}

static void over(struct sim *s, struct said *one, struct held *held, const char *text) {
    uint32_t owner = (uint32_t)strtoul(text + strlen("over "), NULL, 10);
    bool right = held->owner == owner + 1 && held->last == one->number + 1;
    if (owner != one->other || (!right && !s->traits.refuses)) {
        confused(s, one, text, held);
    } else if (load_waited_ms(s, one) < one->moment_ms) {
        sim_fail(s, "hold %u of key k%u is over early: %lld ms after it was said, not %lld",
                 one->number, one->key, (long long)(s->true_ms - one->said_ms),
                 (long long)one->moment_ms);
    }
    held->owner = NOBODY;
}

static bool aside(struct sim *s, struct said *one, const char *text) {
    struct held *held = held_by(s, one);
    const struct held before = *held;
    bool mine = held->owner == one->other + 1;
    bool right = true;
    if (strcmp(text, "through") == 0) {
        return false;
    }
    if (strcmp(text, "got") == 0 || strcmp(text, "again") == 0) {
        right = text[0] == 'a' ? mine : held->owner == NOBODY;
        *held = (struct held){.owner = one->other + 1, .last = one->number + 1};
    } else if (strncmp(text, "not ", 4) == 0) {
        right = !mine && held->owner == strtoul(text + 4, NULL, 10) + 1;
    } else if (strcmp(text, "back") == 0) {
        right = mine;
        held->owner = NOBODY;
    } else if (strcmp(text, "lost") == 0) {
        right = !mine;
    } else if (strncmp(text, "over ", 5) == 0) {
        over(s, one, held, text);
    } else {
        sim_fail(s, "hold %u says %s", one->number, text);
    }
    if (!right && !s->traits.refuses) {
        confused(s, one, text, &before);
    }
    return true;
}

static void check_all(struct sim *s) {
    for (unsigned key = 0; key < KEYS; key++) {
        for (unsigned lock = 0; lock < LOCKS; lock++) {
            const struct held *held = &s->load.held[key][lock];
            if (held->owner != NOBODY && !s->traits.refuses) {
                sim_fail(s, "lock %u of key k%u, held by %u, is never over", lock, key,
                         held->owner - 1);
            }
        }
    }
}

const struct load_kind kind_hold = {.name = "hold",
                                    .weight = 2,
                                    .ordered = true,
                                    .say = say,
                                    .aside = aside,
                                    .check_all = check_all};
