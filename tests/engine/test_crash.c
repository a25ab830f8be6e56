/* test_crash.c - who is charged when the host goes down, and what follows from that. */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static int set_up(void **state) {
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_publish_that_took_the_host_down_counts_as_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
