/*
 * test_no_memory.c - memory fails, at every allocation of a story in turn: nothing is lost, nothing is
 * stored in part, and the engine goes on.
 *
 * ctest: busy timeout=120
 */
#include "engine_doors.h"
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* --- memory that fails on demand: the linker (--wrap, tests/CMakeLists.txt) leads calls here --- */

static struct {
    bool counts;         /* the engine is in a turn, and not in a door of the fixture */
    unsigned long left;  /* allocations until one fails; 0 = none does */
    unsigned long again; /* and from there until another one does */
} fault;

static bool fails_now(void) {
    if (!fault.counts || fault.left == 0 || --fault.left > 0) {
        return false;
    }
    fault.left = fault.again;
    fault.again = 0;
    return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
struct engine_doors __real_fixture_doors(struct engine_fixture *f);
struct engine_doors __wrap_fixture_doors(struct engine_fixture *f);

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size) {
    return fails_now() ? NULL : __real_realloc(p, size);
}

static struct engine_doors doors;

/* The fixture's own memory does not fail, nor does it count. */
static int publish(void *ctx, const struct publication *p, int *mid) {
    bool counts = fault.counts;
    fault.counts = false;
    int code = doors.publish(ctx, p, mid);
    fault.counts = counts;
    return code;
}

struct engine_doors __wrap_fixture_doors(struct engine_fixture *f) {
    doors = __real_fixture_doors(f);
    struct engine_doors held = doors;
    held.publish = publish;
    return held;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* --- the story that is told again and again --- */

static const char CONF[] =
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\""
    " idempotency = \"topic:2\" delay = \"1s\" jitter = 0 retries = 20 crashes = 0 }\n";

/* Turns, which may fail, until nothing is due. */
static void run_through(struct engine_fixture *f) {
    unsigned turns = 0;
    int code;
    do {
        fault.counts = true;
        code = turn(f);
        (void)engine_next_ms(f->engine); /* what a host asks after any turn */
        fault.counts = false;
        if (code != 0) { /* it loses the connection */
            disconnect(f);
            connect_again(f);
            (void)redeliver(f);
        }
        assert_in_range(++turns, 1, 1000);
    } while (engine_due(f->engine) || f->offered_count > 0);
}

static void tell_story(struct engine_fixture *f) {
    f->unchecked = true; /* the checks need memory, too */
    fixture_run(f, CONF, LUA(HOLDS));
    offer(f, "s", "in/a", "ann", NULL);
    for (int seconds = 0; seconds < 30; seconds++) {
        run_through(f);
        f->now_ms += 1000;
    }
}

static void assert_the_end(struct engine_fixture *f) {
    char text[64];
    engine_check(f);
    assert_string_equal(payloads(f, "out", text, sizeof text), "held over ann");
    uint64_t retries = service_status(f, "s").books.retries; /* a handler may fail for it, too */
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .retries = retries});
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
    assert_int_equal(status(f).set_aside, 0);
}

/* Whether the story has as many allocations. */
static bool fail_at(unsigned long at, unsigned long again) {
    struct engine_fixture *f = fixture_new();
    f->unlogged = true; /* the test's own log has no room, either */
    fault.left = at;
    fault.again = again;
    tell_story(f);
    bool struck = fault.left == 0;
    fault.left = fault.again = 0;
    assert_the_end(f);
    crash(f); /* and what is stored is complete */
    run_through(f);
    assert_the_end(f);
    fixture_free(f);
    return struck;
}

static void one_failed_allocation_anywhere_changes_nothing(void **state) {
    (void)state;
    unsigned long at = 1;
    while (fail_at(at, 0)) {
        at++;
    }
    assert_in_range(at, 30, 10000);
}

static void another_one_in_the_recovery_changes_nothing(void **state) {
    (void)state;
    for (unsigned long at = 1; fail_at(at, 0); at += 5) {
        for (unsigned long again = 1; again < 20; again++) {
            (void)fail_at(at, again);
        }
    }
}

static bool dies_at(unsigned long at) {
    struct engine_fixture *f = fixture_new();
    f->unlogged = true; /* the test's own log has no room, either */
    char text[512];
    f->unchecked = true;
    fixture_run(f, CONF, LUA(REJECTS));
    offer(f, "s", "in/a", "ann", NULL);
    fault.left = at;
    for (int seconds = 0; seconds < 30; seconds++) {
        run_through(f);
        f->now_ms += 1000;
    }
    bool struck = fault.left == 0;
    fault.left = 0;
    engine_check(f);
    assert_non_null(strstr(reason_of(f, "s", "ann", text), "no such seat"));
    fixture_free(f);
    return struck;
}

static void whoever_dies_meanwhile_still_says_why(void **state) {
    (void)state;
    for (unsigned long at = 1; dies_at(at); at++) {
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_dies_meanwhile_still_says_why),
        cmocka_unit_test(one_failed_allocation_anywhere_changes_nothing),
        cmocka_unit_test(another_one_in_the_recovery_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
