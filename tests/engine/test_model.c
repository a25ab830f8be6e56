/*
 * test_model.c - random events on random keys, random failures, calls, restarts, crashes, reboots,
 * steps of the clock and store errors; at the end every event of a key has run to its success once, in the order of arrival, and
 * the books balance.
 *
 * ctest: busy timeout=300
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 40 };

struct model {
    struct engine_fixture *f;
    struct uuid_source random;
    unsigned keys;
    unsigned next[KEYS_MAX]; /* number of the key's next event */
    unsigned crashes;
};

static unsigned below(struct model *m, unsigned n) {
    return (unsigned)(uuid_source_random(&m->random) * n);
}

static const char CONF[] =
    "store { keep_done = \"5m\" }\n"
    "limits { lua_time = \"2s\" }\n"
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" retries = 1000"
    " delay = \"300ms\" backoff = \"constant\" jitter = 0.5 timeout = \"4s\" concurrency = 16"
    " crashes = 0 }\n"
    "service \"t\" { subscribe = {\"mid/#\"} handler = \"t.lua\" key = \"topic:2\" retries = 1000"
    " delay = \"200ms\" max_delay = \"1s\" crashes = 0 }\n";

static void offer_random(struct model *m) {
    static const char letters[] = "erstcw";
    char topic[32];
    char payload[32];
    char fate[4] = "";
    unsigned key = below(m, 2) == 0 ? 0 : below(m, m->keys); /* one is hot */
    unsigned steps = below(m, 8) == 0 ? 1 + below(m, 3) : 0;
    for (unsigned i = 0; i < steps; i++) {
        fate[i] = letters[below(m, sizeof letters - 1)];
        fate[i + 1] = '\0';
    }
    (void)snprintf(topic, sizeof topic, "in/k%u", key);
    (void)snprintf(payload, sizeof payload, "%u %s", m->next[key]++, fate);
    offer(m->f, "s", topic, payload, NULL);
}

static void answer_some(struct model *m) {
    struct engine_fixture *f = m->f;
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open && strstr(f->asked[i].url, "peer") != NULL && below(m, 3) == 0) {
            answer(f, i, 200, "");
        }
    }
}

/* The wall clock is set: by up to a month, an hour or a second, or to what it was. */
static void set_clock(struct model *m) {
    static const unsigned spans_ms[] = {0, 1000, 3600000, UINT32_C(31536000) * 100};
    int64_t ms = below(m, 1 + spans_ms[below(m, 4)]);
    m->f->wall_ahead_ms = below(m, 2) == 0 ? ms : -ms;
}

static void go_down(struct model *m) {
    m->crashes++;
    if (below(m, 4) == 0) {
        m->f->boot++;
    }
    if (below(m, 3) == 0) {
        /* A stop comes when everything noted is decided. */
        assert_int_equal(turn(m->f), 0);
        restart(m->f);
    } else {
        crash(m->f);
    }
    (void)redeliver(m->f);
}

static void step(struct model *m, bool offers) {
    struct engine_fixture *f = m->f;
    unsigned burst = offers ? below(m, 12) * below(m, 12) : 0;
    if (offers && below(m, 40) == 0) {
        burst = LANE_QUEUE_MAX + below(m, LANE_QUEUE_MAX);
    }
    for (unsigned i = 0; i < burst; i++) {
        offer_random(m);
    }
    if (below(m, 12) == 0) {
        set_clock(m);
    }
    if (below(m, 25) == 0) {
        go_down(m);
    }
    assert_int_equal(turn(f), 0);
    answer_some(m);
    if (below(m, 10) == 0) {
        disconnect(f);
        connect_again(f);
    }
    int64_t ms = below(m, 300);
    f->now_ms += ms;
    f->monotonic_us += ms * 1000;
}

static void assert_key(struct model *m, unsigned key) {
    char topic[32];
    char name[32];
    char text[512];
    char expected[32];
    unsigned number = 0;
    (void)snprintf(topic, sizeof topic, "end/k%u", key);
    (void)snprintf(name, sizeof name, "k%u", key);
    for (size_t i = 0; i < m->f->published_count; i++) {
        const struct published *p = &m->f->published[i];
        if (!p->again && strcmp(p->topic, topic) == 0) {
            assert_int_equal(strtoul(p->payload, NULL, 10), number);
            number++;
        }
    }
    assert_int_equal(number, m->next[key]);
    if (number > 0) {
        (void)snprintf(expected, sizeof expected, "%u", number);
        assert_string_equal(state_text(m->f, "s", name, "n", text), expected);
        (void)snprintf(expected, sizeof expected, "%u", number * (number - 1) / 2);
        assert_string_equal(state_text(m->f, "s", name, "sum", text), expected);
    }
}

/* What was put off until an instant has left once, now that the clock has come past all of them. */
static void assert_late(struct model *m) {
    size_t expected = 0;
    size_t found = 0;
    m->f->wall_ahead_ms += INT64_C(31536000000);
    advance(m->f, 1000);
    for (unsigned key = 0; key < m->keys; key++) {
        expected += (m->next[key] + 3) / 4;
    }
    for (size_t i = 0; i < m->f->published_count; i++) {
        const struct published *p = &m->f->published[i];
        found += !p->again && strcmp(p->topic, "late/x") == 0 ? 1 : 0;
    }
    assert_int_equal(found, expected);
    assert_int_equal(status(m->f).delayed, 0);
}

static void run_model(uint64_t seed, unsigned steps) {
    struct model m = {.f = fixture_new()};
    uuid_source_init(&m.random, seed);
    m.keys = 1 + below(&m, KEYS_MAX);
    m.f->unchecked = true;
    fixture_script(m.f, "t.lua", LUA(SECOND));
    fixture_run(m.f, CONF, LUA(FIRST));
    for (unsigned i = 0; i < steps; i++) {
        step(&m, true);
        if (i % 25 == 0) {
            engine_check(m.f);
        }
    }
    for (unsigned i = 0; status(m.f).waiting > 0 || m.f->offered_count > 0; i++) {
        if (i > 200000) {
            fail_msg("seed %" PRIu64 ": %" PRIu64 " events never end", seed, status(m.f).waiting);
        }
        step(&m, false);
    }
    advance(m.f, 1000);
    assert_late(&m);
    engine_check(m.f);
    uint64_t accepted = 0;
    for (unsigned key = 0; key < m.keys; key++) {
        assert_key(&m, key);
        accepted += m.next[key];
    }
    assert_int_equal(service_status(m.f, "s").books.accepted, accepted);
    assert_int_equal(service_status(m.f, "s").books.done, accepted);
    assert_int_equal(service_status(m.f, "t").books.done, accepted);
    assert_int_equal(service_status(m.f, "t").books.dead, 0);
    assert_true(accepted > 0 && m.crashes > 0);
    fixture_free(m.f);
}

static void every_key_keeps_its_order_whatever_happens(void **state) {
    (void)state;
    const char *first = getenv("MODEL_SEED"); /* to look further than every test run does */
    uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
    for (int i = 0; i < 2; i++) {
        run_model(seed++, 80);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_keeps_its_order_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
