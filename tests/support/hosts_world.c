#include "hosts_world.h"

#include "test.h"

#include "conf/division.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_post(struct hosts_world *w, uint16_t to, bool receipt, struct slice bytes) {
    struct post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->to = to;
    p->receipt = receipt;
    p->len = bytes.len;
    p->bytes = slice_dup(bytes);
    assert_non_null(p->bytes);
    if (w->tail == NULL || (w->shuffles && chance_next(&w->chance, 3) == 0)) {
        p->next = w->head; /* to the front */
        w->head = p;
        w->tail = w->tail == NULL ? p : w->tail;
        return;
    }
    w->tail->next = p;
    w->tail = p;
}

static int post(struct engine_fixture *f, uint16_t host, bool receipt, struct slice bytes) {
    struct hosts_world *w = f->posts;
    assert_in_range(host, 1, w->count);
    w->messages += receipt ? 0 : 1;
    w->receipts += receipt ? 1 : 0;
    if (chance_next(&w->chance, 100) >= w->loses) {
        add_post(w, host, receipt, bytes);
    }
    if (chance_next(&w->chance, 100) < w->doubles) {
        add_post(w, host, receipt, bytes);
    }
    return 0;
}

struct hosts_world *hosts_world_new(size_t count, const char *conf, const char *script) {
    struct hosts_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_in_range(count, 1, HOSTS_IN_WORLD);
    w->count = count;
    w->chance = chance_of_run();
    for (size_t i = 0; i < count; i++) {
        char text[4096];
        struct engine_fixture *f = fixture_new();
        (void)snprintf(text, sizeof text,
                       "hosts { count = %zu this = %zu secret = \"of all the hosts\" }\n%s", count,
                       i + 1, conf);
        f->post = post;
        f->posts = w;
        f->seed = 1000 * i; /* ids of their own */
        w->hosts[i] = f;
        fixture_run(f, text, script);
    }
    return w;
}

void hosts_lose_posts(struct hosts_world *w) {
    while (w->head != NULL) {
        struct post *p = w->head;
        w->head = p->next;
        free(p->bytes);
        free(p);
    }
    w->tail = NULL;
}

void hosts_world_free(struct hosts_world *w) {
    hosts_lose_posts(w);
    for (size_t i = 0; i < w->count; i++) {
        fixture_free(w->hosts[i]);
    }
    free(w);
}

struct engine_fixture *host_at(const struct hosts_world *w, uint16_t number) {
    assert_in_range(number, 1, w->count);
    return w->hosts[number - 1];
}

static void deliver_post(struct hosts_world *w, const struct post *p) {
    struct engine_fixture *f = host_at(w, p->to);
    if (w->away[p->to - 1]) {
        return;
    }
    if (p->receipt) {
        engine_offer_receipt(f->engine, (struct slice){p->bytes, p->len});
        return;
    }
    assert_int_equal(engine_offer_forward(f->engine, (struct slice){p->bytes, p->len}), 0);
}

static void run_all(struct hosts_world *w) {
    for (size_t i = 0; i < w->count; i++) {
        if (!w->away[i]) {
            run_dry(w->hosts[i]);
        }
    }
}

void hosts_pass(struct hosts_world *w) {
    run_all(w);
    while (w->head != NULL) {
        struct post *p = w->head;
        w->head = p->next;
        w->tail = w->head == NULL ? NULL : w->tail;
        deliver_post(w, p);
        free(p->bytes);
        free(p);
        if (w->head == NULL || chance_next(&w->chance, 4) == 0) {
            run_all(w);
        }
    }
}

void hosts_advance(struct hosts_world *w, int64_t ms) {
    for (int64_t left = ms; left > 0; left -= 1000) {
        for (size_t i = 0; i < w->count; i++) {
            if (!w->away[i]) {
                advance(w->hosts[i], left < 1000 ? left : 1000);
                engine_send_forwards(w->hosts[i]->engine);
            }
        }
        hosts_pass(w);
    }
}

uint16_t owner_of(const struct hosts_world *w, const char *service, const char *key) {
    const struct division d = {(uint16_t)w->count, 1};
    return division_owner(&d, journal_partition(journal_lane(slice_of(service), slice_of(key))));
}

const char *key_of(const struct hosts_world *w, const char *service, uint16_t number, unsigned n,
                   char out[16]) {
    unsigned found = 0;
    for (unsigned i = 0; i < 10000; i++) {
        (void)snprintf(out, 16, "k%u", i);
        if (owner_of(w, service, out) == number && found++ == n) {
            return out;
        }
    }
    fail_msg("no key of %s belongs to host %u", service, (unsigned)number);
    return NULL;
}

void offer_key(struct hosts_world *w, uint16_t host, const char *key, const char *value) {
    char payload[64];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%s\"}", key, value);
    offer(host_at(w, host), "s", "in", payload, NULL);
}

const char *seen_at(struct hosts_world *w, uint16_t host, const char *key, char out[512]) {
    return state_text(host_at(w, host), "s", key, "seen", out);
}

uint64_t forwards_of(struct hosts_world *w, uint16_t host) {
    return count_rows(host_at(w, host), TABLE_FORWARD);
}
