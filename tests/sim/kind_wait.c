/*
 * kind_wait.c - handlers that sleep and wait for a signal, some of them for a time only, and signals
 * by message, by zing.signal and by operators: before the wait, in it, after it, twice.
 *
 * The end is "17 <first> <second>": which signal the first wait got, or "none" in time, and what the
 * second one got, which is short. A signal that the host of the key had acknowledged before the time
 * of the first can have been up must not be missing; one signal is not two.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAP_MS = 3000, WITHIN_MS = 20000, SIGNALS_MOST = 4, LATELY = 150, TRIES = 4 };
enum { SURE = 1, FOR_GOOD = 2 }; /* flags; SURE: a signal was there in time */

/* one->value: how many signals it was sent; one->other: how long it sleeps; one->moment_ms: how long
 * it sleeps and waits. */

/* False: the host is down. */
static bool send_by_hand(struct sim *s, const struct said *one, const char *payload,
                         const char *once) {
    char name[32];
    struct node *n = s->nodes[sim_below(s, s->count)];
    (void)snprintf(name, sizeof name, "go%u", one->number);
    if (n->up) {
        operate_signal(s, n, "wait", one->key, name, payload, once);
    }
    return n->up;
}

static void send_signal(struct sim *s, struct said *one) {
    char topic[64];
    char payload[64];
    char once[32];
    one->value++;
    if (sim_chance(s, 40)) {
        (void)snprintf(topic, sizeof topic, "poke/k%u", one->key);
    } else {
        (void)snprintf(topic, sizeof topic, "zingq/signal/wait/k%u/go%u", one->key, one->number);
    }
    (void)snprintf(payload, sizeof payload, "{\"n\":%u,\"k\":\"k%u\",\"i\":%u}", one->number,
                   one->key, one->value);
    (void)snprintf(once, sizeof once, "signal %u %u", one->number, one->value);
    if (sim_chance(s, 20) && send_by_hand(s, one, payload, once)) {
        return;
    }
    load_publish(s, topic, payload, once);
    if (sim_chance(s, 20)) {
        load_publish(s, topic, payload, once); /* its publisher had no PUBACK */
    }
}

static void say(struct sim *s, struct said *one, struct buf *payload) {
    int64_t nap_ms = sim_chance(s, 30) ? 1 + (int64_t)sim_below(s, NAP_MS) : 0;
    int64_t within_ms = 100 + (int64_t)sim_below(s, WITHIN_MS);
    if (sim_chance(s, 20)) {
        send_signal(s, one);
    }
    one->flags |= sim_chance(s, 25) ? FOR_GOOD : 0;
    one->other = (uint32_t)nap_ms;
    one->moment_ms = nap_ms + ((one->flags & FOR_GOOD) != 0 ? 0 : within_ms);
    buf_printf(payload, ",\"nap\":%lld.%03lld", (long long)nap_ms / 1000, (long long)nap_ms % 1000);
    if ((one->flags & FOR_GOOD) == 0) {
        buf_printf(payload, ",\"within\":%lld.%03lld", (long long)within_ms / 1000,
                   (long long)within_ms % 1000);
    }
}

/* To some of the last that were said, ended or not. */
static void besides(struct sim *s) {
    for (unsigned i = 0; i < TRIES; i++) {
        size_t back = 1 + (size_t)sim_below(s, LATELY);
        struct said *one = back > s->load.count ? NULL : &s->load.said[s->load.count - back];
        if (one != NULL && load_kind_of(one) == &kind_wait && one->value < SIGNALS_MOST) {
            send_signal(s, one);
        }
    }
}

/* Whoever waits for good gets what it waits for. */
static void settle(struct sim *s) {
    for (size_t i = 0; i < s->load.count; i++) {
        struct said *one = &s->load.said[i];
        if (load_kind_of(one) == &kind_wait && (one->flags & FOR_GOOD) != 0 && one->value == 0) {
            send_signal(s, one);
        }
    }
}

static bool has_key(const struct sim *s, const struct node *n, const struct said *one) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%u", one->key);
    uint8_t partition = journal_partition(journal_lane(slice_of("wait"), slice_of(key)));
    return partition % s->count + 1 == n->number;
}

static void taken(struct sim *s, struct said *one, const struct node *n) {
    if (has_key(s, n, one) && load_waited_ms(s, one) < one->moment_ms) {
        one->flags |= SURE;
    }
}

static bool is_signal(const struct said *one, unsigned long i) {
    return i >= 1 && i <= one->value;
}

static void heard(struct sim *s, struct said *one, const char *text) {
    char *rest;
    unsigned long first = strtoul(text, &rest, 10);
    unsigned long second = strtoul(*rest == ' ' ? rest + 1 : rest, NULL, 10);
    bool timed_out = strncmp(text, "none", 4) == 0;
    int64_t waited_ms = load_waited_ms(s, one);
    if (waited_ms < one->other) {
        sim_fail(s, "wait %u of key k%u sleeps for %lld ms, not %u", one->number, one->key,
                 (long long)waited_ms, one->other);
    } else if (timed_out && waited_ms < one->moment_ms) {
        sim_fail(s, "wait %u of key k%u: its time is up after %lld ms, not %lld", one->number,
                 one->key, (long long)waited_ms, (long long)one->moment_ms);
    } else if (timed_out && (one->flags & FOR_GOOD) != 0) {
        sim_fail(s, "wait %u of key k%u has no limit, and its time is up", one->number, one->key);
    } else if (timed_out && (one->flags & SURE) != 0 && waited_ms != INT64_MAX) {
        sim_fail(s, "wait %u of key k%u does not get a signal that was there in time", one->number,
                 one->key);
    } else if (!timed_out && !is_signal(one, first)) {
        sim_fail(s, "wait %u got: %s", one->number, text);
    } else if (second != 0 && (second == first || !is_signal(one, second))) {
        sim_fail(s, "wait %u, sent %u signals, got: %s", one->number, one->value, text);
    }
}

const struct load_kind kind_wait = {.name = "wait",
                                    .weight = 2,
                                    .ordered = true,
                                    .say = say,
                                    .heard = heard,
                                    .besides = besides,
                                    .settle = settle,
                                    .taken = taken};
