/* test_full.c - a store without room: nothing acknowledged is lost, and it goes on when room
 * returns. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BIG = 20000 };

static int set_up(void **state) {
    struct engine_fixture *f = fixture_new();
    f->unchecked = true;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

#define STORE(size, keep) "store { max_size = \"" size "\" keep_done = \"" keep "\" }\n"
#define KEYED "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" }\n"

/* A payload "N xxxx..." of BIG bytes. */
static void offer_big(struct engine_fixture *f, unsigned n) {
    char *payload = malloc(BIG + 1);
    assert_non_null(payload);
    memset(payload, 'x', BIG);
    payload[BIG] = '\0';
    int len = snprintf(payload, BIG, "%u", n);
    payload[len] = ' ';
    offer(f, "s", "in/a", payload, NULL);
    free(payload);
}

/* Offers big events, whatever the engine says about accepting, until a turn finds no room. Returns
 * how many were offered; the last is not acknowledged. */
static unsigned fill(struct engine_fixture *f) {
    for (unsigned n = 0; n < 10000; n++) {
        offer_big(f, n);
        int code = turn(f);
        if (code != 0) {
            assert_int_equal(code, ERR_FULL);
            return n + 1;
        }
        f->now_ms++;
    }
    fail_msg("the store never filled up");
    return 0;
}

/* Time passes; turns of a full store may fail. */
static void go_on(struct engine_fixture *f, int64_t ms) {
    for (int64_t end_ms = f->now_ms + ms; f->now_ms < end_ms; f->now_ms += 500) {
        (void)turn(f);
    }
}

static void assert_counted(struct engine_fixture *f, unsigned n) {
    char text[512];
    char expected[16];
    (void)snprintf(expected, sizeof expected, "%u", n);
    assert_string_equal(state_text(f, "s", "a", "n", text), expected);
}

/* How many it took. */
static unsigned offer_until_nearly_full(struct engine_fixture *f) {
    unsigned n = 0;
    run_dry(f);
    while (engine_accepts(f->engine)) {
        offer_big(f, n++);
        assert_int_equal(turn(f), 0);
        f->now_ms += 100;
        run_dry(f); /* the room is counted anew when what was known of it is used up */
        assert_true(n < 1000);
    }
    return n;
}

static void a_nearly_full_store_accepts_no_more_until_old_events_are_gone(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f, STORE("4MiB", "1m") "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
        "return function() end");
    unsigned n = offer_until_nearly_full(f);
    assert_in_range(n, 50, 300);
    assert_books(f, "s", (struct books){.accepted = n, .done = n});
    advance(f, 30 * 1000);
    assert_false(engine_accepts(f->engine));
    advance(f, 60 * 1000);
    assert_true(engine_accepts(f->engine));
    offer_big(f, n);
    assert_int_equal(turn(f), 0);
    engine_check(f);
}

static void a_full_store_takes_nothing_and_loses_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { max_size = \"4MiB\" }\n" KEYED,
                LUA(a_full_store_takes_nothing_and_loses_nothing));
    unsigned n = fill(f);
    assert_false(engine_accepts(f->engine));
    engine_check(f);
    assert_counted(f, n - 1);
    assert_int_equal(service_status(f, "s").books.accepted, n - 1);
    /* However often the broker delivers it again. */
    for (int i = 0; i < 3; i++) {
        f->now_ms += 1000;
        assert_int_equal(redeliver(f), 1);
        assert_int_equal(turn(f), ERR_FULL);
    }
    assert_int_equal(service_status(f, "s").books.accepted, n - 1);
    /* The operator gives it more. */
    fixture_conf(f, "store { max_size = \"8MiB\" }\n" KEYED);
    crash(f);
    assert_int_equal(redeliver(f), 1);
    advance(f, 1000);
    engine_check(f);
    assert_counted(f, n);
    assert_books(f, "s", (struct books){.accepted = n, .done = n});
    assert_true(engine_accepts(f->engine));
}

static void a_schedule_that_finds_no_room_runs_once_when_there_is_some(void **state) {
    struct engine_fixture *f = *state;
    const char *const schedule = "schedule \"x\" { cron = \"*/5 * * * *\" publish = tick }\n";
    char conf[1024];
    (void)snprintf(conf, sizeof conf, "store { max_size = \"4MiB\" }\n%s" KEYED, schedule);
    fixture_run(f, conf,
                "return function(e) zing.state.set(e.payload:match('%d+'), e.payload) end");
    (void)fill(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(redeliver(f), 1);
        assert_int_equal(turn(f), ERR_FULL);
    }
    go_on(f, 12 * 60 * 1000);
    assert_int_equal(count_published(f, "tick"), 0);
    (void)snprintf(conf, sizeof conf, "store { max_size = \"8MiB\" }\n%s" KEYED, schedule);
    fixture_conf(f, conf);
    crash(f);
    run_dry(f);
    assert_int_equal(count_published(f, "tick"), 1);
    advance(f, 5 * 60 * 1000);
    assert_int_equal(count_published(f, "tick"), 2);
}

static void a_store_that_is_full_of_publishes_goes_on_when_the_broker_takes_them(void **state) {
    struct engine_fixture *f = *state;
    f->offline = true;
    fixture_run(f, STORE("4MiB", "0") KEYED,
                LUA(a_store_that_is_full_of_publishes_goes_on_when_the_broker_takes_them));
    unsigned n = fill(f);
    f->offline = false;
    connect_again(f);
    go_on(f, 50000);
    assert_true(engine_accepts(f->engine));
    assert_int_equal(redeliver(f), 1);
    advance(f, 1000);
    engine_check(f);
    assert_counted(f, n);
    assert_int_equal(count_published(f, "out"), n);
    assert_int_equal(status(f).outbox, 0);
}

static void a_full_store_of_done_events_empties_itself(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE("4MiB", "10m") KEYED, "return function(e) zing.state.incr('n') end");
    unsigned n = fill(f);
    advance(f, 9 * 60 * 1000);
    assert_false(engine_accepts(f->engine));
    advance(f, 3 * 60 * 1000);
    assert_true(engine_accepts(f->engine));
    assert_int_equal(redeliver(f), 1);
    advance(f, 1000);
    engine_check(f);
    assert_counted(f, n);
}

static void a_host_starts_on_a_full_store_and_waits_quietly(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE("4MiB", "10m") KEYED, "return function(e) zing.state.incr('n') end");
    unsigned n = fill(f);
    for (int i = 0; i < 5; i++) {
        crash(f);
        advance(f, 100);
    }
    uint64_t commits = status(f).commits;
    advance(f, 60 * 1000);
    assert_in_range(status(f).commits - commits, 0, 65);
    advance(f, 12 * 60 * 1000);
    assert_int_equal(redeliver(f), 1);
    advance(f, 1000);
    engine_check(f);
    assert_counted(f, n);
}

static void a_full_store_tells_commands_and_still_discards(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE("4MiB", "10m") KEYED,
                "return function(e) if e.payload == 'bad' then zing.reject('no') end end");
    deliver(f, "s", "in/a", "bad");
    struct uuid id = id_of(f, "s", "bad");
    (void)fill(f);
    assert_int_equal(redeliver(f), 1);
    assert_int_equal(turn(f), ERR_FULL);
    struct command publish = {.kind = COMMAND_PUBLISH, .topic = slice_of("x")};
    assert_int_equal(command(f, publish), ERR_FULL);
    struct command discard = {.kind = COMMAND_DISCARD, .id = id};
    assert_int_equal(command(f, discard), 0);
    engine_check(f);
}

/* Each handler keeps what it got in another way; the sentence has to name it. */
static void a_full_store_says_what_fills_it(void **state) {
    static const struct {
        const char *handler, *words;
    } fillings[] = {
        {"return function(e) zing.state.set(e.payload:sub(1, 9), e.payload) end",
         "values are state of handlers"},
        {"return function(e) zing.lock(e.payload:sub(1, 9), {ttl = '1h', data = e.payload}) end",
         "locks are held"},
        {"return function(e) zing.sleep('1h') end",
         "events wait, most of service \"s\": `zingq keys list --service s`"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        struct engine_fixture *f = fixture_new();
        f->unchecked = true;
        fixture_run(f, STORE("4MiB", "1s") KEYED, fillings[i].handler);
        bool told = false;
        for (unsigned n = 0; n < 1000 && !told; n++) {
            if (engine_accepts(f->engine)) {
                offer_big(f, n);
            }
            (void)turn(f);
            f->now_ms += 100;
            const char *said = status(f).store_low;
            told = said != NULL && strstr(said, fillings[i].words) != NULL;
        }
        if (!told) {
            const char *said = status(f).store_low;
            fail_msg("%s: %s", fillings[i].handler, said == NULL ? "there is room" : said);
        }
        fixture_free(f);
    }
}

static bool first_dead(struct engine_fixture *f, struct uuid *id) {
    struct dead_row row = {0};
    assert_int_equal(store_begin(f->store), 0);
    int code = journal_dead_next(f->view, &row);
    store_abort(f->store);
    *id = row.id;
    return code == 0;
}

/* What the log and the status advise must help, and at once: nobody waits for store.keep_done. */
static void dead_letters_discarded_from_a_nearly_full_store_make_room(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f, STORE("4MiB", "24h") "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
        "return function(e) zing.reject('no') end");
    unsigned n = offer_until_nearly_full(f);
    assert_int_equal(service_status(f, "s").books.dead, n);
    struct uuid id;
    for (unsigned i = 0; first_dead(f, &id); i++) {
        struct command discard = {.kind = COMMAND_DISCARD, .id = id};
        assert_int_equal(command(f, discard), 0);
        assert_true(i < n);
    }
    advance(f, 2000);
    assert_true(engine_accepts(f->engine));
    assert_books(f, "s", (struct books){.accepted = n, .discarded = n});
    engine_check(f);
}

static bool is_full(struct engine_fixture *f) {
    const char *words = status(f).store_low;
    return words != NULL && strncmp(words, "full:", 5) == 0;
}

/* What filled it goes, and no more than what waits is left, which would wait for ever for room. */
static void a_full_store_works_off_what_waits_before_there_is_room_for_more(void **state) {
    struct engine_fixture *f = *state;
    f->offline = true;
    fixture_run(f, STORE("4MiB", "1s") KEYED, "return function(e) zing.state.incr('n') end");
    engine_hold_service(f->engine, 0, true);
    unsigned n = offer_until_nearly_full(f);
    char payload[BIG];
    memset(payload, 'x', sizeof payload);
    struct command publish = {.kind = COMMAND_PUBLISH,
                              .topic = slice_of("out"),
                              .payload = {payload, sizeof payload},
                              .qos = 1};
    for (unsigned i = 0; !is_full(f); i++) {
        struct command one = publish;
        f->code = 1; /* not answered yet */
        engine_submit(f->engine, &one);
        while (f->code == 1) {
            (void)turn(f);
        }
        f->now_ms += 100;
        assert_true(i < 1000);
    }
    connect_again(f);
    engine_hold_service(f->engine, 0, false);
    advance(f, 60 * 1000);
    engine_check(f);
    assert_counted(f, n);
    assert_true(engine_accepts(f->engine));
}

/* Retention must delete little at once there, but may look past what stays. */
static void a_store_full_of_dead_letters_is_no_work(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f, STORE("4MiB", "1m") "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
        "return function() zing.reject('no') end");
    unsigned n = fill(f);
    assert_in_range(n, 50, 300);
    advance(f, 120 * 1000);
    uint64_t commits = status(f).commits;
    advance(f, 10 * 1000);
    assert_in_range(status(f).commits - commits, 1, 40);
    engine_check(f);
}

/* A payload with a page of its own. */
static const char *page(unsigned n, char out[3000]) {
    memset(out, 'x', 2999);
    out[2999] = '\0';
    out[snprintf(out, 8, "%04u", n)] = ' ';
    return out;
}

/* Every other page is a dead letter that is discarded. */
static void scatter_free_pages(struct engine_fixture *f) {
    char payload[3000];
    unsigned pages = 0;
    while (store_taken(f->store) < (2560 - 500) << 10) {
        offer(f, "s", "in/a", page(pages++, payload), NULL);
        run_dry(f);
        f->now_ms += 100;
        assert_in_range(pages, 0, 1000);
    }
    for (unsigned n = 0; n < pages; n += 2) {
        struct command discard = {.kind = COMMAND_DISCARD, .id = id_of(f, "s", page(n, payload))};
        assert_int_equal(command(f, discard), 0);
    }
}

/* A value larger than a page needs pages side by side. While every other turn failed for want of
 * them, what the broker had acknowledged was forgotten, and sent again, for ever. */
static void a_large_value_fits_into_a_store_whose_free_pages_are_scattered(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE("2560KiB", "0") KEYED,
                LUA(a_large_value_fits_into_a_store_whose_free_pages_are_scattered));
    scatter_free_pages(f);
    offer(f, "s", "in/a", "large", NULL);
    assert_int_equal(turn(f), ERR_FULL);
    (void)redeliver(f);
    advance(f, 5000);
    assert_int_equal(service_status(f, "s").books.done, 1);
    assert_int_equal(count_published(f, "out"), 1);
    assert_int_equal(status(f).outbox, 0);
    engine_check(f);
}

/* A reader that stays is named after a minute, on a host without work as well. */
static void a_quiet_engine_looks_at_its_store_within_a_minute(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE("4MiB", "24h") KEYED, "return function() end");
    run_dry(f);
    for (int i = 0; i < 3; i++) {
        int64_t next_ms = engine_next_ms(f->engine);
        assert_in_range(next_ms, f->now_ms, f->now_ms + 45000);
        advance(f, next_ms - f->now_ms + 1);
    }
}

int main(void) {
#define FULL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FULL_TEST(a_nearly_full_store_accepts_no_more_until_old_events_are_gone),
        FULL_TEST(a_full_store_takes_nothing_and_loses_nothing),
        FULL_TEST(a_schedule_that_finds_no_room_runs_once_when_there_is_some),
        FULL_TEST(a_store_that_is_full_of_publishes_goes_on_when_the_broker_takes_them),
        FULL_TEST(a_full_store_of_done_events_empties_itself),
        FULL_TEST(a_host_starts_on_a_full_store_and_waits_quietly),
        FULL_TEST(a_full_store_tells_commands_and_still_discards),
        cmocka_unit_test(a_full_store_says_what_fills_it),
        FULL_TEST(dead_letters_discarded_from_a_nearly_full_store_make_room),
        FULL_TEST(a_store_full_of_dead_letters_is_no_work),
        FULL_TEST(a_full_store_works_off_what_waits_before_there_is_room_for_more),
        FULL_TEST(a_large_value_fits_into_a_store_whose_free_pages_are_scattered),
        FULL_TEST(a_quiet_engine_looks_at_its_store_within_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
