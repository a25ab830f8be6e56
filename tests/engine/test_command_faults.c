/*
 * test_command_faults.c - a call of LMDB fails at each place of what an operator asks for, or of a start that has much to do, in
 * turn: what was told to be done is done, whole, and what was not can be asked for again.
 *
 * ctest: busy label=torture
 */
#include "engine_fixture.h"
#include "engine_story.h"
#include "fault_plan.h"
#include "script.h"
#include "test.h"

#include "base/log.h"
#include "journal/event.h"

#include <stdio.h>
#include <string.h>

#define RULES                                                                                      \
    " subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" retries = 0 jitter = 0 }\n"
#define KEEP "service \"keep\" { subscribe = {\"other\"} handler = \"h.lua\" }\n"
#define OLD KEEP "service \"old\" {" RULES
#define NEW KEEP "service \"new\" {" RULES
#define NEW_WAS KEEP "service \"new\" { was = {\"old\"}" RULES

enum { FIRST = 20 };

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
FAULT_COUNTED(engine_new,
              (struct engine * *out, const struct engine_options *options, struct report *r),
              (out, options, r))
FAULT_COUNTED(engine_turn, (struct engine * e), (e))
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Turns, which may fail, until nothing is due. */
static void run_through(struct engine_fixture *f) {
    unsigned turns = 0;
    do {
        if (turn(f) != 0) { /* the host loses the connection */
            disconnect(f);
            connect_again(f);
            (void)redeliver(f);
        }
        assert_in_range(++turns, 1, 1000);
    } while (engine_due(f->engine) || f->offered_count > 0);
}

static void live_on(struct engine_fixture *f, int seconds) {
    for (; seconds > 0; seconds -= 10) {
        run_through(f);
        f->now_ms += 10000;
        f->monotonic_us += 10000000;
    }
}

/* --- what there is --- */

static struct engine_fixture *fill(void) {
    static const char *const whats[] = {"fine", "sleep", "wait", "lock", "step", "die"};
    struct engine_fixture *f = fixture_new();
    f->unchecked = f->unlogged = true;
    fixture_run(f, OLD, LUA(KEPT));
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "in/%s", whats[i]);
        offer(f, "old", topic, whats[i], "idempotency-key", whats[i], NULL);
        offer(f, "old", topic, "fine", NULL);
    }
    run_dry(f);
    struct command kept = {.kind = COMMAND_SIGNAL,
                           .service = slice_of("old"),
                           .key = slice_of("lock"),
                           .name = slice_of("kept"),
                           .payload = slice_of("1")};
    assert_int_equal(command(f, kept), 0);
    return f;
}

/* All that was there goes on under the name. */
static void expect_all(struct engine_fixture *f, const char *service) {
    char out[512];
    live_on(f, 60);
    story_order(f,
                (struct command){.kind = COMMAND_SIGNAL,
                                 .service = slice_of(service),
                                 .key = slice_of("wait"),
                                 .name = slice_of("go"),
                                 .payload = slice_of("1")},
                run_through);
    live_on(f, 60);
    engine_check(f);
    assert_string_equal(state_text(f, service, "fine", "seen", out), "\"fine fine \"");
    assert_string_equal(state_text(f, service, "sleep", "seen", out), "\"sleep fine \"");
    assert_string_equal(state_text(f, service, "wait", "seen", out), "\"wait fine \"");
    assert_string_equal(state_text(f, service, "lock", "seen", out), "\"lock fine expired \"");
    assert_string_equal(state_text(f, service, "step", "seen", out), "\"step fine \"");
    assert_int_equal(count_events(f, service, EVENT_DEAD), 1);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
    /* the lock that ran out is an event, too */
    assert_books(f, service, (struct books){.accepted = 13, .done = 12, .dead = 1});
}

/* --- stories --- */

static unsigned renamed(enum fault kind, unsigned at) {
    struct engine_fixture *f = fill();
    fixture_stop(f);
    fixture_conf(f, NEW_WAS);
    fault_arm(kind, at);
    story_start(f);
    unsigned left = fault_disarm();
    expect_all(f, "new");
    fixture_free(f);
    return left;
}

static unsigned moved(enum fault kind, unsigned at) {
    struct engine_fixture *f = fill();
    fixture_stop(f);
    fixture_conf(f, NEW);
    fixture_start(f);
    fault_arm(kind, at);
    story_order(
        f,
        (struct command){.kind = COMMAND_MOVE, .service = slice_of("old"), .name = slice_of("new")},
        run_through);
    run_through(f);
    unsigned left = fault_disarm();
    expect_all(f, "new");
    fixture_free(f);
    return left;
}

static void erase(struct engine_fixture *f, const char *key, const char *payload) {
    struct command c = {.kind = COMMAND_ERASE, .service = slice_of("old"), .key = slice_of(key)};
    if (payload != NULL) {
        c.id = id_of(f, "old", payload);
        c.partition = journal_partition(journal_lane(slice_of("old"), slice_of(key)));
    }
    story_order(f, c, run_through);
}

/* Of one key all, of another its dead letter; nobody else lacks anything. */
static unsigned erased(enum fault kind, unsigned at) {
    struct engine_fixture *f = fill();
    char out[512];
    uint64_t timers = count_rows(f, TABLE_TIMER);
    fault_arm(kind, at);
    erase(f, "lock", "lock");
    erase(f, "lock", NULL);
    erase(f, "die", "die");
    unsigned left = fault_disarm();
    engine_check(f);
    assert_string_equal(state_text(f, "old", "lock", "seen", out), "none");
    assert_string_equal(state_text(f, "old", "step", "seen", out), "\"step fine \"");
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 0);
    assert_int_equal(count_rows(f, TABLE_TIMER), timers - 2); /* of the lock, and of the signal */
    assert_int_equal(count_events(f, "old", EVENT_DEAD), 0);
    fixture_free(f);
    return left;
}

/* The events that wait have lost their places, and timers. */
static unsigned mended(enum fault kind, unsigned at) {
    static const enum store_table places[] = {TABLE_READY, TABLE_LANE, TABLE_TIMER};
    struct engine_fixture *f = fill();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        spoil_table(f, places[i]);
    }
    fault_arm(kind, at);
    story_start(f);
    run_through(f);
    unsigned left = fault_disarm();
    expect_all(f, "old");
    fixture_free(f);
    return left;
}

static void a_service_that_gets_a_new_name_keeps_everything(void **state) {
    (void)state;
    fault_in_turn(FAULT_STORE, FIRST, renamed);
}

static void a_service_that_takes_another_one_over_has_all_of_it(void **state) {
    (void)state;
    fault_in_turn(FAULT_STORE, FIRST, moved);
}

static void what_is_to_be_erased_is_erased_and_nothing_else(void **state) {
    (void)state;
    fault_in_turn(FAULT_STORE, FIRST, erased);
}

static void events_whose_places_are_damaged_get_new_ones(void **state) {
    (void)state;
    fault_in_turn(FAULT_STORE, FIRST, mended);
}

static void no_line(void *ctx, struct slice line) {
    (void)ctx;
    (void)line;
}

#define FAULT_TEST(name) cmocka_unit_test_teardown(name, fault_say_which)

int main(void) {
    const struct CMUnitTest tests[] = {
        FAULT_TEST(a_service_that_gets_a_new_name_keeps_everything),
        FAULT_TEST(a_service_that_takes_another_one_over_has_all_of_it),
        FAULT_TEST(what_is_to_be_erased_is_erased_and_nothing_else),
        FAULT_TEST(events_whose_places_are_damaged_get_new_ones),
    };
    log_divert(no_line, NULL); /* thousands of stories tell the same */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
