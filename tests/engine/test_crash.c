/* test_crash.c - who is charged when the host goes down, and what follows from that. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "store/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" " options " }\n"

static const char ECHO[] = "return function(e) zing.publish('out', e.payload) end";

static struct uuid id_of_published(const struct engine_fixture *f, size_t i) {
    const struct published *p = &f->published[i];
    struct slice text;
    struct uuid id = {{0}};
    assert_true(property_find((struct slice){p->properties, p->properties_len}, "zingq-id", &text));
    assert_true(uuid_parse(text, &id));
    return id;
}

/* --- events --- */

static void who_took_the_host_down_comes_after_the_others(void **state) {
    struct engine_fixture *f = *state;
    char out[64];
    fixture_run(f, SERVICE("delay = \"4s\" jitter = 0"),
                LUA(who_took_the_host_down_comes_after_the_others));
    deliver(f, "s", "in/a", "bad");
    crash_in(f, "s", "bad");
    f->now_ms += 1000; /* its own wait is over */
    run_dry(f);
    deliver(f, "s", "in/b", "good");
    advance(f, 1000);
    assert_string_equal(payloads(f, "out", out, sizeof out), "good");
    assert_int_equal(state_of(f, "s", "bad"), EVENT_RETRYING);
    crash(f); /* nobody's: it goes on waiting */
    advance(f, 2900);
    assert_string_equal(payloads(f, "out", out, sizeof out), "good");
    advance(f, 200);
    assert_string_equal(payloads(f, "out", out, sizeof out), "good bad");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .retries = 2, .crashes = 1});
}

enum { PAGE_BYTES = 2 * CULPRIT_BYTES };

static int open_page_file(const struct engine_fixture *f) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/processor", f->conf->store_path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* The next start takes over what was on the processor; what it then finds in the page, into `page`. */
static void take_over_page(struct engine_fixture *f, char page[PAGE_BYTES]) {
    struct culprit *c;
    struct report r = {""};
    const uint8_t boot[16] = {1, f->boot};
    assert_int_equal(culprit_open(&c, f->conf->store_path, boot, &r), 0);
    culprit_close(c);
    int fd = open_page_file(f);
    assert_int_equal(pread(fd, page, PAGE_BYTES, 0), PAGE_BYTES);
    assert_int_equal(close(fd), 0);
}

static void put_page_back(struct engine_fixture *f, const char page[PAGE_BYTES]) {
    int fd = open_page_file(f);
    assert_int_equal(pwrite(fd, page, PAGE_BYTES, 0), PAGE_BYTES);
    assert_int_equal(close(fd), 0);
}

static void
a_crash_is_charged_once_even_if_the_next_start_ends_right_after_its_commit(void **state) {
    struct engine_fixture *f = *state;
    char page[PAGE_BYTES];
    fixture_run(f, SERVICE("crashes = 1"), "return function() zing.wait('x', '1d') end");
    deliver(f, "s", "in/a", "one");
    struct event *event = event_with(f, "s", "one");
    culprit_run(f->culprit, engine_service_number(f->engine, 0), event->partition, &event->id);
    event_free(event);
    take_over_page(f, page);
    crash(f);               /* this start charges it */
    put_page_back(f, page); /* and does not get to noting that */
    crash(f);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .crashes = 1});
}

/* --- publishes --- */

static void a_publish_that_took_the_host_down_counts_as_refused(void **state) {
    struct engine_fixture *f = *state;
    struct engine_status status;
    fixture_run(f, SERVICE(""), ECHO);
    f->hold_acks = true;
    offer(f, "s", "in/a", "one", NULL);
    offer(f, "s", "in/b", "two", NULL);
    run_dry(f);
    assert_int_equal(count_published(f, "out"), 2);
    struct uuid id = id_of_published(f, 0);
    forget_published(f);
    f->hold_acks = false;
    culprit_send(f->culprit, &id);
    crash(f);
    run_dry(f);
    engine_status(f->engine, &status);
    assert_int_equal(status.outbox_refused, 1);
    assert_int_equal(count_published(f, "out"), 1); /* the other one */
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
    advance(f, 10000);
    assert_int_equal(count_published(f, "out"), 2);
    engine_status(f->engine, &status);
    assert_int_equal(status.outbox, 0);
}

/* --- hangs --- */

static void hang_in(struct engine_fixture *f, const char *payload) {
    deliver(f, "s", "in/a", payload);
    culprit_hung(f->culprit);
    crash_in(f, "s", payload);
    run_dry(f);
}

static void a_service_that_hangs_the_host_again_and_again_is_paused(void **state) {
    struct engine_fixture *f = *state;
    char payload[16];
    fixture_run(f, SERVICE("crashes = 1"), "return function() zing.wait('x', '1d') end");
    for (int i = 0; i < HANGS_MAX; i++) {
        assert_false(service_status(f, "s").paused);
        (void)snprintf(payload, sizeof payload, "h%d", i);
        hang_in(f, payload);
    }
    assert_true(service_status(f, "s").paused);
    restart(f);
    assert_true(service_status(f, "s").paused);
}

static void hangs_hours_apart_and_other_crashes_pause_nothing(void **state) {
    struct engine_fixture *f = *state;
    char payload[16];
    fixture_run(f, SERVICE("crashes = 1"), "return function() zing.wait('x', '30d') end");
    for (int i = 0; i < 2 * HANGS_MAX; i++) {
        (void)snprintf(payload, sizeof payload, "h%d", i);
        if (i % 2 == 0) {
            advance(f, 3600000);
            hang_in(f, payload);
        } else {
            deliver(f, "s", "in/a", payload);
            crash_in(f, "s", payload);
            run_dry(f);
        }
    }
    assert_false(service_status(f, "s").paused);
}

/* --- policies --- */

static void what_is_dead_for_its_crashes_is_told_of(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("crashes = 1"), LUA(TELLS));
    deliver(f, "s", "in/a", "x");
    crash_in(f, "s", "x");
    run_dry(f);
    assert_int_equal(count_published(f, "told"), 1);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .died = 1, .crashes = 1});
}

static void what_crashes_when_it_is_told_of_is_dead_without(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("crashes = 1"), LUA(TELLS));
    deliver(f, "s", "in/a", "x");
    crash_in(f, "s", "x");
    crash_in(f, "s", "x"); /* its on_dead, at the next start */
    run_dry(f);
    assert_int_equal(count_published(f, "told"), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .died = 1, .crashes = 2});
}

/* It has no key, so that it dies at its admission; and comes again after each crash. */
static void what_died_before_it_was_stored_cannot_crash_the_host_for_ever(void **state) {
    struct engine_fixture *f = *state;
    struct culprit_record within;
    const struct uuid lost = {{9}};
    fixture_run(f, "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }",
                LUA(TELLS));
    culprit_policy(f->culprit, engine_service_number(f->engine, 0), 0, &lost, &within);
    crash(f);
    deliver(f, "s", "in/a", "{}");
    assert_int_equal(count_published(f, "told"), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .died = 1});
}

/* What ended here goes on there, which has the log, and neither the folder nor the page. */
static void start_on_another_machine(struct engine_fixture *f,
                                     void (*end)(struct engine_fixture *f)) {
    char folder[128];
    char page[160];
    (void)snprintf(folder, sizeof folder, "%s", f->conf->store_path);
    (void)snprintf(page, sizeof page, "%s/processor", folder);
    end(f);
    assert_int_equal(unlink(page), 0);
    store_folder_remove(folder);
    fixture_start(f);
}

/* Two events of two keys come; how many have run after so many turns. */
static size_t run_of_two(struct engine_fixture *f, int turns) {
    run_dry(f); /* what had left before a kill leaves again */
    forget_published(f);
    offer(f, "s", "in/a", "one", NULL);
    offer(f, "s", "in/b", "two", NULL);
    while (turns-- > 0) {
        assert_int_equal(turn(f), 0);
    }
    size_t run = count_published(f, "out");
    run_dry(f);
    return run;
}

/* One that took the other machine down is on the page of this one before it runs, and alone. */
static void on_another_machine_the_first_events_run_one_by_one(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), ECHO);
    deliver(f, "s", "in/a", "first");
    restart(f);
    assert_int_equal(run_of_two(f, 1), 2);
    start_on_another_machine(f, fixture_kill);
    assert_int_equal(run_of_two(f, 1), 0); /* they are stored */
    assert_int_equal(run_of_two(f, 2), 1);
    assert_int_equal(run_of_two(f, 3), 2);
    offer(f, "s", "in/a", "bad", NULL);
    assert_int_equal(turn(f), 0);
    crash_in(f, "s", "bad");
    assert_int_equal(service_status(f, "s").books.crashes, 1);
}

static void what_stopped_on_another_machine_goes_on_at_full_speed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), ECHO);
    deliver(f, "s", "in/a", "first");
    start_on_another_machine(f, fixture_stop);
    assert_int_equal(run_of_two(f, 1), 2);
    start_on_another_machine(f, fixture_kill); /* that it stopped once says nothing of this */
    assert_int_equal(run_of_two(f, 1), 0);
}

static void a_policy_is_named_within_what_is_under_way(void **state) {
    struct engine_fixture *f = *state;
    const struct uuid dead = {{1}}, runs = {{2}};
    struct culprit_record within;
    fixture_run(f, SERVICE(""), ECHO);
    culprit_run(f->culprit, 5, 3, &runs);
    culprit_enter(f->culprit, CULPRIT_APPLY);
    culprit_policy(f->culprit, 7, 4, &dead, &within);
    assert_int_equal(culprit_now(f->culprit)->phase, CULPRIT_POLICY);
    assert_true(uuid_equal(&culprit_now(f->culprit)->events[0].id, &dead));
    culprit_leave(f->culprit, &within);
    assert_int_equal(culprit_now(f->culprit)->phase, CULPRIT_APPLY);
    assert_int_equal(culprit_now(f->culprit)->count, 1);
    assert_true(uuid_equal(&culprit_now(f->culprit)->events[0].id, &runs));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(who_took_the_host_down_comes_after_the_others),
        ENGINE_TEST(a_crash_is_charged_once_even_if_the_next_start_ends_right_after_its_commit),
        ENGINE_TEST(a_publish_that_took_the_host_down_counts_as_refused),
        ENGINE_TEST(a_service_that_hangs_the_host_again_and_again_is_paused),
        ENGINE_TEST(hangs_hours_apart_and_other_crashes_pause_nothing),
        ENGINE_TEST(what_is_dead_for_its_crashes_is_told_of),
        ENGINE_TEST(what_crashes_when_it_is_told_of_is_dead_without),
        ENGINE_TEST(what_died_before_it_was_stored_cannot_crash_the_host_for_ever),
        ENGINE_TEST(on_another_machine_the_first_events_run_one_by_one),
        ENGINE_TEST(what_stopped_on_another_machine_goes_on_at_full_speed),
        ENGINE_TEST(a_policy_is_named_within_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
