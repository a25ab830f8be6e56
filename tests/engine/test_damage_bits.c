/*
 * test_damage_bits.c - docs/invariants.md: what a disk gives back is input. Whatever bits of whatever
 * rows are others than those written, no assertion is reached, and turns go on.
 *
 * ctest: timeout=300
 *
 * ZINGQ_TEST_ROUNDS asks for more rounds, ZINGQ_TEST_SEED for another first one.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"
#include "journal/event.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 100,
    BITS_MAX = 4,
    HEAD_BYTES = 8,
    EVENTS_MAX = 64,
    ROW_BYTES_MAX = 4096,
    HOUR_MS = 3600 * 1000
};

static const char CONF[] =
    "limits { lua_time = \"10s\" }\n" /* whatever else the machine does */
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" jitter = 0"
    " retries = 1 delay = \"1m\" idempotency = \"json:/id\" }\n"
    "service \"parks\" { subscribe = {\"park/#\"} handler = \"h.lua\" key = \"topic:2\""
    " retries = 0 on_dead = park }\n"
    "service \"many\" { subscribe = {\"many/#\"} handler = \"h.lua\" order = none batch = 10"
    " linger = \"10s\" }\n"
    "schedule \"tick\" { cron = \"*/10 * * * *\" publish = \"in/tick\" }\n";

static uint64_t next_random(uint64_t *random) { /* splitmix64 */
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void send(struct engine_fixture *f, const char *service, const char *topic, const char *key,
                 const char *what) {
    char full[64];
    char payload[96];
    (void)snprintf(full, sizeof full, "%s/%s", topic, key);
    (void)snprintf(payload, sizeof payload, "{\"id\":\"%s-%s\",\"what\":\"%s\"}", key, what, what);
    offer(f, service, full, payload, NULL);
}

/* Something in every table. */
static void fill(struct engine_fixture *f) {
    static const char *const whats[] = {"fine", "bad",  "once", "wait",  "call", "step",
                                        "saga", "lock", "ttl",  "later", "at",   "line"};
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        send(f, "s", "in", whats[i], whats[i]);
        send(f, "s", "in", whats[i], "fine"); /* stands behind it */
        send(f, "parks", "park", whats[i % 3], i < 3 ? "bad" : "fine");
        send(f, "many", "many", whats[i], i < 3 ? "bad" : "fine");
        run_dry(f);
    }
    struct command signal = {.kind = COMMAND_SIGNAL,
                             .service = slice_of("s"),
                             .key = slice_of("nobody"),
                             .name = slice_of("go"),
                             .payload = slice_of("1")};
    assert_int_equal(command(f, signal), 0);
    f->hold_acks = true;
    send(f, "s", "in", "unsent", "fine");
    run_dry(f);
    send(f, "many", "many", "lingers", "fine");
    assert_int_equal(turn(f), 0);
}

/* A copy of the table's row of that number, in key order. */
static void copy_row(struct engine_fixture *f, enum store_table t, uint64_t number, struct buf *key,
                     struct buf *value) {
    struct slice k = {"", 0};
    struct slice v = {"", 0};
    for (uint64_t i = 0; i <= number; i++) {
        assert_int_equal(store_seek(f->store, t, k, i > 0, &k, &v), 0);
        buf_reset(key);
        buf_add_slice(key, k);
        k = buf_slice(key);
    }
    buf_add_slice(value, v);
}

/* What decides most stands in front. */
static void flip(struct buf *bytes, uint64_t random) {
    size_t among = random >> 63 == 0 && bytes->len > HEAD_BYTES ? HEAD_BYTES : bytes->len;
    size_t at = random % (among * 8);
    bytes->data[at / 8] = (char)(bytes->data[at / 8] ^ 1 << at % 8);
}

/* One bit of a row: of its value, or, one time in four, of its key. */
static void damage(struct engine_fixture *f, enum store_table t, uint64_t *random) {
    struct buf key;
    struct buf value;
    buf_init(&key, ROW_BYTES_MAX);
    buf_init(&value, ROW_BYTES_MAX);
    copy_row(f, t, next_random(random) % store_rows(f->store, t), &key, &value);
    bool text = t == TABLE_META && memcmp(key.data, "text/", 5) == 0;
    if (!text && !slice_is(buf_slice(&key), "schema")) {
        assert_int_equal(store_del(f->store, t, buf_slice(&key)), 0);
        flip(value.len == 0 || next_random(random) % 4 == 0 ? &key : &value, next_random(random));
        assert_int_equal(store_put(f->store, t, buf_slice(&key), buf_slice(&value)), 0);
    }
    buf_clear(&key);
    buf_clear(&value);
}

static void damage_some(struct engine_fixture *f, uint64_t *random) {
    uint64_t left = 1 + next_random(random) % BITS_MAX;
    assert_int_equal(store_begin(f->store), 0);
    if (next_random(random) % 4 ==
        0) { /* as an older zingq leaves it: letters get their rows anew */
        (void)store_del(f->store, TABLE_META, slice_of("flag/letters"));
    }
    while (left > 0) {
        enum store_table t = (enum store_table)(next_random(random) % TABLE_COUNT);
        if (store_rows(f->store, t) > 0) {
            damage(f, t, random);
            left--;
        }
    }
    assert_int_equal(store_commit(f->store), 0);
}

/* Turns as they come due, some of which may be dropped: then the broker sends again. */
static void live(struct engine_fixture *f, int64_t ms) {
    enum { STEP_MS = 60000, TURNS_MAX = 300 };
    for (int64_t at = 0; at <= ms; at += STEP_MS) {
        int turns = 0;
        while (engine_due(f->engine)) {
            assert_true(++turns < TURNS_MAX);
            if (turn(f) != 0) {
                (void)redeliver(f);
            }
        }
        f->now_ms += STEP_MS;
        f->monotonic_us += (int64_t)STEP_MS * 1000;
    }
}

/* What an operator asks for, of events whatever they are. */
static void ask_for(struct engine_fixture *f, const struct event_place *at, uint64_t random) {
    static const enum command_kind kinds[] = {COMMAND_REPLAY,  COMMAND_DISCARD, COMMAND_EDIT,
                                              COMMAND_RERUN,   COMMAND_CANCEL,  COMMAND_KEY_RESUME,
                                              COMMAND_KEY_SKIP};
    struct command c = {.kind = kinds[random % (sizeof kinds / sizeof *kinds)],
                        .service = slice_of(random >> 40 & 1 ? "s" : "parks"),
                        .key = slice_of("bad"),
                        .payload = slice_of("{}"),
                        .id = at->id,
                        .partition = at->partition,
                        .compensate = (random >> 41 & 1) != 0,
                        .without_compensation = (random >> 42 & 1) != 0,
                        .force = true};
    engine_submit(f->engine, &c);
    live(f, 0);
}

static size_t find_events(struct engine_fixture *f, struct event_place found[EVENTS_MAX]) {
    struct event_place at = {0};
    struct event *event = NULL;
    size_t count = 0;
    assert_int_equal(store_begin(f->store), 0);
    while (count < EVENTS_MAX && journal_event_scan(f->view, &at, &event) == 0) {
        found[count++] = at;
        event_free(event);
    }
    store_abort(f->store);
    return count;
}

static void operate(struct engine_fixture *f, uint64_t *random) {
    struct event_place places[EVENTS_MAX];
    size_t count = find_events(f, places);
    for (size_t i = 0; i < count; i++) {
        ask_for(f, &places[i], next_random(random));
    }
    live(f, HOUR_MS);
}

static void use_everything(struct engine_fixture *f) {
    static const char *const keys[] = {"fine", "once", "wait", "call", "lock", "new"};
    f->hold_acks = false;
    acknowledge(f);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        send(f, "s", "in", keys[i], "again");
        send(f, "parks", "park", keys[i], "again");
        send(f, "many", "many", keys[i], "again");
    }
    live(f, HOUR_MS);
    for (size_t call = 0; call < f->asked_count; call++) {
        if (f->asked[call].open) {
            answer(f, call, 200, "{}");
        }
    }
    live(f, HOUR_MS);
}

static void play(uint64_t seed) {
    uint64_t random = seed;
    struct engine_fixture *f = fixture_new();
    f->unchecked = true;
    fixture_run(f, CONF, LUA(HANDLER));
    fill(f);
    damage_some(f, &random);
    bool starts = next_random(&random) % 4 == 0 || fixture_try_start(f) == 0; /* or says why not */
    if (starts && next_random(&random) % 2 == 0) {
        operate(f, &random);
    }
    if (starts) {
        use_everything(f);
    }
    fixture_free(f);
}

/* In a process of its own: what ends it is to be told with its seed. */
static bool survives(uint64_t seed) {
    const struct rlimit no_core = {0, 0};
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)freopen("/dev/null", "w", stdout);
        play(seed);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) {
        print_error("ZINGQ_TEST_SEED=%llu ZINGQ_TEST_ROUNDS=1: wait status %d\n",
                    (unsigned long long)seed, status);
    }
    return status == 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void whatever_bits_of_rows_are_wrong_no_assertion_is_reached(void **state) {
    uint64_t seed = from_environment("ZINGQ_TEST_SEED", 1);
    uint64_t rounds = from_environment("ZINGQ_TEST_ROUNDS", ROUNDS);
    uint64_t ended = 0;
    (void)state;
    for (uint64_t i = 0; i < rounds; i++) {
        ended += survives(seed + i) ? 0 : 1;
    }
    assert_int_equal(ended, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_bits_of_rows_are_wrong_no_assertion_is_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
