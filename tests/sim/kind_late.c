/*
 * kind_late.c - publishes that are put off, by engine time ("after") or until the wall clock shows a
 * time ("at"), to the world or to a service of ours; some of them are taken back.
 *
 * Each is heard once: as "17 due", not before its time, or as "17 cancelled" by who took it back.
 * That is asked by another message, {"n": 17, "cancel": true}, and may come before the first one is
 * handled, too late, or twice.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

enum { AFTER_MS = 40000, CANCELS = 3 };
enum { BY_WALL = 1, ASKED = 2 }; /* flags */

static int64_t world_wall_ms(const struct sim *s) {
    return node_wall_ms(s->nodes[0]) - s->nodes[0]->wall_ahead_ms;
}

/* one->moment_ms: how long it waits, or until when. */
static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->moment_ms = 1 + (int64_t)sim_below(s, AFTER_MS);
    if (sim_chance(s, 30)) {
        one->flags = BY_WALL;
        one->moment_ms += world_wall_ms(s);
        buf_printf(payload, ",\"at\":%lld.%03lld", (long long)one->moment_ms / 1000,
                   (long long)one->moment_ms % 1000);
    } else {
        buf_printf(payload, ",\"after\":%lld.%03lld", (long long)one->moment_ms / 1000,
                   (long long)one->moment_ms % 1000);
    }
    buf_printf(payload, ",\"to\":\"%s\"", sim_chance(s, 50) ? "due/late" : "out/late");
}

/* Takes back one of the last that were said, ended or not. */
static void cancel_one(struct sim *s) {
    char topic[32];
    char payload[64];
    char once[32];
    size_t back = 1 + (size_t)sim_below(s, 200);
    if (back > s->load.count) {
        return;
    }
    struct said *one = &s->load.said[s->load.count - back];
    if (load_kind_of(one) != &kind_late) {
        return;
    }
    one->flags |= ASKED;
    (void)snprintf(topic, sizeof topic, "in/late/k%u", one->key);
    (void)snprintf(payload, sizeof payload, "{\"n\":%u,\"k\":\"k%u\",\"cancel\":true}", one->number,
                   one->key);
    (void)snprintf(once, sizeof once, "cancel %u %u", one->number, (unsigned)sim_below(s, 1000));
    load_publish(s, topic, payload, once);
}

static void besides(struct sim *s) {
    for (unsigned i = 0; i < CANCELS; i++) {
        cancel_one(s);
    }
}

/* Whether the time that it waits for may have come, on the host that ran its handler. */
static bool may_be_due(const struct sim *s, const struct said *one) {
    bool may = (one->flags & BY_WALL) == 0 && load_waited_ms(s, one) >= one->moment_ms;
    for (unsigned i = 0; i < s->count && (one->flags & BY_WALL) != 0; i++) {
        may = may || node_wall_most_ms(s->nodes[i]) >= one->moment_ms;
    }
    return may;
}

static void heard(struct sim *s, struct said *one, const char *text) {
    if (strcmp(text, "due") == 0) {
        if (!may_be_due(s, one)) {
            sim_fail(s, "late %u of key k%u comes early: %s %lld ms, said %lld ms ago", one->number,
                     one->key, (one->flags & BY_WALL) != 0 ? "at" : "after",
                     (long long)one->moment_ms, (long long)(s->true_ms - one->said_ms));
        }
    } else if (strcmp(text, "cancelled") != 0 || (one->flags & ASKED) == 0) {
        sim_fail(s, "late %u says %s", one->number, text);
    }
}

const struct load_kind kind_late = {
    .name = "late", .weight = 2, .say = say, .heard = heard, .besides = besides};
