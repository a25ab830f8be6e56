/* test_api_hosts.c - what handlers ask of other hosts. */

#include "lua_world.h"
#include "script.h"
#include "test.h"
#include "journal/owner.h"

#include <stdio.h>
#include <string.h>

static struct lua_world *w;

static int tear_down(void **state) {
    (void)state;
    if (w != NULL) {
        world_free(w);
    }
    w = NULL;
    return 0;
}

/* Host 1 of two, whose handler is `body`. */
static void set_up(const char *body) {
    (void)tear_down(NULL);
    w = world_new(world_handler(body));
    w->conf.hosts.share = (struct division){2, 1};
    w->service.share = true;
}

/* A key of the service that this host has, or the other one. */
static const char *key_of_host(uint16_t host) {
    static char key[32];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        if (owner_of_key(&w->conf, slice_of("svc"), slice_of(key)) == host) {
            return key;
        }
    }
    fail();
    return NULL;
}

/* ---- peek ---- */

static void run_peek(uint16_t host) {
    char payload[64];
    set_up(LUA(run_peek));
    (void)snprintf(payload, sizeof payload, "{\"key\":\"%s\"}", key_of_host(host));
    (void)world_run(w, payload);
}

static void seen_is(const char *json) {
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    const struct effect *effect = world_effect(w, 0);
    assert_int_equal(effect->value.data[0], 'j');
    assert_true(slice_is((struct slice){effect->value.data + 1, effect->value.len - 1}, json));
}

static void a_peek_at_a_key_of_our_own_asks_nobody(void **state) {
    (void)state;
    run_peek(1);
    seen_is("{\"type\":\"nil\"}");
}

static void a_peek_at_a_key_of_another_host_waits_for_its_answer(void **state) {
    (void)state;
    run_peek(2);
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    const struct call_request *q = w->run->request;
    assert_int_equal(q->kind, CALL_KIND_ASK);
    assert_string_equal(q->method, "GET");
    assert_string_equal(q->url, "/api/peek/svc");
    assert_string_equal(q->label, "peek at svc of host 2");
    assert_true(call_only_reads(q));
    struct buf query;
    buf_init(&query, 1000);
    buf_add_lv(&query, slice_of("key"));
    buf_add_lv(&query, slice_of(key_of_host(2)));
    buf_add_lv(&query, slice_of("name"));
    buf_add_lv(&query, slice_of("taken"));
    assert_true(slice_equal((struct slice){q->query, q->query_len}, buf_slice(&query)));
    buf_clear(&query);
    world_answer(w, 200, "", "sann");
    seen_is("{\"type\":\"string\",\"v\":\"ann\"}");
}

static void a_table_comes_as_it_was_stored(void **state) {
    (void)state;
    run_peek(2);
    world_answer(w, 200, "", "j{\"n\":1.0}");
    seen_is("{\"type\":\"table\",\"v\":{\"n\":1.0}}");
}

static void what_the_other_host_does_not_have_is_nil(void **state) {
    (void)state;
    run_peek(2);
    world_answer(w, 200, "", "");
    seen_is("{\"type\":\"nil\"}");
}

static void no_answer_is_an_error_and_never_nil(void **state) {
    (void)state;
    run_peek(2);
    world_answer(w, 503, "", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    run_peek(2);
    world_fail_call(w, ERR_LIMIT, false, "");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "zing.peek: over a limit"));
}

static void an_answer_that_is_no_value_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"x", "i123", "j", "d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run_peek(2);
        world_answer(w, 200, "", bad[i]);
        assert_int_equal(w->run->outcome, OUTCOME_ERROR);
        assert_non_null(strstr(world_error(w), "is not a value"));
    }
}

static void services_that_are_not_divided_are_looked_at_here(void **state) {
    (void)state;
    run_peek(2);
    w->service.independent = true;
    (void)world_run_event(w, RUN_EVENT, NULL);
    seen_is("{\"type\":\"nil\"}");
    w->service.independent = false;
    w->service.share = false;
    (void)world_run_event(w, RUN_EVENT, NULL);
    seen_is("{\"type\":\"nil\"}");
}

static void a_peek_that_cannot_wait_says_so(void **state) {
    (void)state;
    set_up(LUA(a_peek_that_cannot_wait_says_so));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "zing.peek at a key of another host cannot be called"));
}

/* ---- cancel ---- */

static void run_cancel(void) {
    set_up("zing.state.set('was', zing.cancel('0192f0c1-0000-7000-8000-000000000017'))");
    (void)world_run(w, "{}");
}

static void was_is(char tag) {
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(world_effect(w, 0)->value.data[0], tag);
}

static void a_cancel_of_what_is_not_known_here_asks_every_host(void **state) {
    (void)state;
    run_cancel();
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    const struct call_request *q = w->run->request;
    assert_int_equal(q->kind, CALL_KIND_ASK);
    assert_string_equal(q->method, "POST");
    assert_string_equal(q->url, "/api/cancel/0192f0c1-0000-7000-8000-000000000017");
    assert_false(call_only_reads(q));
    world_answer(w, 200, "", "{}");
    was_is('t');
    run_cancel();
    world_answer(w, 404, "", "{}");
    was_is('f');
}

static void a_cancel_nobody_answers_is_an_error(void **state) {
    (void)state;
    run_cancel();
    world_answer(w, 504, "", "host 2 did not answer within 5 s");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "zing.cancel: host 2 did not answer"));
}

static int has_left(void *ctx, const struct uuid *id) {
    (void)ctx;
    (void)id;
    return ERR_EXISTS;
}

static void a_cancel_of_what_has_left_here_asks_nobody(void **state) {
    (void)state;
    set_up("zing.state.set('was', zing.cancel('0192f0c1-0000-7000-8000-000000000017'))");
    w->view.delayed = has_left;
    (void)world_run(w, "{}");
    was_is('f');
}

static void a_single_host_asks_nobody(void **state) {
    (void)state;
    set_up("zing.state.set('was', zing.cancel('0192f0c1-0000-7000-8000-000000000017'))");
    w->conf.hosts.share = (struct division){1, 1};
    (void)world_run(w, "{}");
    was_is('f');
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_peek_at_a_key_of_our_own_asks_nobody),
        TEST(a_peek_at_a_key_of_another_host_waits_for_its_answer),
        TEST(a_table_comes_as_it_was_stored),
        TEST(what_the_other_host_does_not_have_is_nil),
        TEST(no_answer_is_an_error_and_never_nil),
        TEST(an_answer_that_is_no_value_is_refused),
        TEST(services_that_are_not_divided_are_looked_at_here),
        TEST(a_peek_that_cannot_wait_says_so),
        TEST(a_cancel_of_what_is_not_known_here_asks_every_host),
        TEST(a_cancel_nobody_answers_is_an_error),
        TEST(a_cancel_of_what_has_left_here_asks_nobody),
        TEST(a_single_host_asks_nobody),
    };
    return cmocka_run_group_tests_name("api_hosts", tests, NULL, NULL);
}
