/*
 * test_start_large.c - a start on a store with a past: a million events done and a hundred thousand
 * waiting are no reason to be late or large.
 *
 * ctest: busy long timeout=300
 */
#include "history.h"
#include "stage.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum {
    DONE = 1000000,
    WAITING = 100000,
    READY_MS = 3000,
    SLACK = 3, /* a test machine may be so many times slower */
    RESIDENT_MIB = 200
};

static const char conf[] = "store { max_size = \"4GiB\" }\n"
                           "service \"work\" { subscribe = {\"in/#\"} handler = \"work.lua\"\n"
                           "  key = \"json:/key\" }\n";
static const char script[] = "return function() zing.state.incr('n') end\n";

/* Shared memory of the store's file does not count: the system takes it back when it likes. */
static uint64_t own_mib(const struct program *p) {
    return program_memory(p, "RssAnon") >> 20;
}

static void print_memory(const struct program *p, const char *when) {
    print_message("%s: %llu MiB resident, %llu MiB of them its own\n", when,
                  (unsigned long long)program_resident(p) >> 20, (unsigned long long)own_mib(p));
}

static void a_host_with_a_million_done_events_is_ready_in_time(void **state) {
    struct stage *s = *state;
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s/data", s->host.dir);
    const struct history past = {
        .folder = folder, .service = "work", .done = DONE, .waiting = WAITING, .keys = 1000};
    int64_t before_ms = monotonic_ms();
    history_write(&past);
    print_message("the store took %lld ms to write\n", (long long)(monotonic_ms() - before_ms));

    before_ms = monotonic_ms();
    stage_play(s, conf, "scripts/work.lua", script);
    int64_t ready_ms = monotonic_ms() - before_ms;
    print_message("ready after %lld ms (%d promised)\n", (long long)ready_ms, READY_MS);
    print_memory(&s->host, "at the start");
    assert_int_equal(program_service(&s->host, "work", "accepted"), DONE + WAITING);

    WAIT_LONG(s, program_engine(&s->host, "waiting") == 0, 120);
    print_message("%d waiting events worked off after %lld ms\n", WAITING,
                  (long long)(monotonic_ms() - before_ms));
    print_memory(&s->host, "after the work");
    assert_int_equal(program_service(&s->host, "work", "done"), DONE + WAITING);
    assert_true(program_resident(&s->host) < (uint64_t)RESIDENT_MIB << 20);
    assert_true(ready_ms < READY_MS * SLACK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_host_with_a_million_done_events_is_ready_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
