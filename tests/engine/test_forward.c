/* test_forward.c - several hosts divide the keys: each event is handled once, by the host of its
 * key, in order, whatever is lost between them.
 */
#include "hosts_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- whose an event is --- */

static void an_event_is_handled_by_the_host_of_its_key_wherever_it_comes(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    char text[512];
    (void)state;
    (void)key_of(w, "s", 2, 0, key);
    offer_key(w, 1, key, "a");
    offer_key(w, 2, key, "b");
    hosts_pass(w);
    assert_string_equal(seen_at(w, 1, key, text), "none");
    assert_non_null(strchr(seen_at(w, 2, key, text), 'a'));
    assert_non_null(strchr(text, 'b'));
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 0});
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 2, .done = 2});
    hosts_world_free(w);
}

static void what_is_forwarded_is_stored_before_the_broker_hears_that_it_is_taken(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    char text[512];
    (void)state;
    offer_key(w, 1, key_of(w, "s", 2, 0, key), "a");
    assert_int_equal(turn(host_at(w, 1)), 0); /* the PUBACK may leave now */
    assert_int_equal(forwards_of(w, 1), 1);
    hosts_lose_posts(w);
    crash(host_at(w, 1));
    hosts_advance(w, 2000);
    assert_string_equal(seen_at(w, 2, key, text), "\"a \"");
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

static void duplicates_at_two_hosts_are_found_by_the_owner(void **state) {
    struct hosts_world *w = hosts_world_new(
        2,
        "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\"\n"
        "              idempotency = \"json:/v\" }\n",
        NOTES);
    char key[16];
    char text[512];
    (void)state;
    (void)key_of(w, "s", 1, 0, key);
    offer_key(w, 1, key, "a");
    offer_key(w, 2, key, "a");
    hosts_pass(w);
    assert_string_equal(seen_at(w, 1, key, text), "\"a \"");
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 2, .done = 1, .duplicates = 1});
    hosts_world_free(w);
}

static void an_event_without_a_key_runs_where_it_comes(void **state) {
    struct hosts_world *w = hosts_world_new(
        2, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n", "return function() end");
    (void)state;
    for (int i = 0; i < 20; i++) {
        offer(host_at(w, 1), "s", "in", "x", NULL);
    }
    hosts_pass(w);
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 20, .done = 20});
    assert_int_equal(w->messages, 0);
    hosts_world_free(w);
}

static void one_that_has_an_identity_meets_its_duplicate_at_one_host(void **state) {
    struct hosts_world *w = hosts_world_new(
        2, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n", "return function() end");
    (void)state;
    for (int i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "b-%d", i);
        offer(host_at(w, 1), "s", "in", "x", "idempotency-key", name, NULL);
        offer(host_at(w, 2), "s", "in", "x", "idempotency-key", name, NULL);
    }
    hosts_pass(w);
    struct books one = service_status(host_at(w, 1), "s").books;
    struct books two = service_status(host_at(w, 2), "s").books;
    assert_int_equal(one.done + two.done, 20);
    assert_int_equal(one.duplicates + two.duplicates, 20);
    assert_true(one.done > 0 && two.done > 0);
    hosts_world_free(w);
}

static void of_a_message_that_every_host_gets_one_takes_it_and_nobody_forwards_it(void **state) {
    struct hosts_world *w =
        hosts_world_new(3, KEYED "service \"any\" { subscribe = {\"any\"} handler = \"h.lua\" }\n",
                        "return function() end");
    uint64_t keyed = 0;
    uint64_t keyless = 0;
    uint64_t dead = 0;
    (void)state;
    for (uint16_t n = 1; n <= 3; n++) {
        struct engine_fixture *f = host_at(w, n);
        f->everywhere = true;
        for (int i = 0; i < 20; i++) {
            char text[64];
            (void)snprintf(text, sizeof text, "{\"k\":\"k%d\",\"v\":\"x\"}", i);
            offer(f, "s", "in", text, NULL);
            offer(f, "any", "any", text, NULL);
            (void)snprintf(text, sizeof text, "no json %d", i);
            offer(f, "s", "in", text, NULL);
        }
        hosts_pass(w);
        keyed += service_status(f, "s").books.done;
        dead += service_status(f, "s").books.dead;
        keyless += service_status(f, "any").books.done;
        assert_in_range(service_status(f, "any").books.done, 1, 19);
    }
    assert_int_equal(keyed, 20);
    assert_int_equal(keyless, 20);
    assert_int_equal(dead, 20);
    assert_int_equal(w->messages, 0);
    hosts_world_free(w);
}

static void an_independent_service_keeps_what_comes(void **state) {
    struct hosts_world *w = hosts_world_new(
        2,
        "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\"\n"
        "              several_hosts = independent }\n",
        NOTES);
    char key[16];
    char text[512];
    (void)state;
    offer_key(w, 1, key_of(w, "s", 2, 0, key), "a");
    hosts_pass(w);
    assert_string_equal(seen_at(w, 1, key, text), "\"a \"");
    hosts_world_free(w);
}

static void what_a_handler_publishes_goes_to_the_host_of_its_key_in_the_same_commit(void **state) {
    struct hosts_world *w = hosts_world_new(
        2, KEYED, LUA(what_a_handler_publishes_goes_to_the_host_of_its_key_in_the_same_commit));
    char from[16];
    char to[16];
    char payload[128];
    char text[512];
    (void)state;
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"to\":\"%s\",\"v\":\"a\"}",
                   key_of(w, "s", 1, 0, from), key_of(w, "s", 2, 0, to));
    offer(host_at(w, 1), "s", "in", payload, NULL);
    assert_int_equal(turn(host_at(w, 1)), 0);
    assert_string_equal(seen_at(w, 1, from, text), "\"a\"");
    assert_int_equal(forwards_of(w, 1), 1);
    /* The broker's copy is for everybody else. */
    assert_string_equal(
        published_property(nth_published(host_at(w, 1), "in", 0), "zingq-handled", text), "s");
    hosts_pass(w);
    assert_string_equal(seen_at(w, 2, to, text), "\"b\"");
    hosts_world_free(w);
}

static void a_message_that_cannot_become_work_is_a_dead_letter_where_it_came(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    (void)state;
    for (uint16_t n = 1; n <= 2; n++) {
        offer(host_at(w, n), "s", "in", "no json", NULL);
    }
    hosts_pass(w);
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 1, .dead = 1, .died = 1});
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 1, .dead = 1, .died = 1});
    hosts_world_free(w);
}

static void a_mended_dead_letter_goes_to_the_host_of_its_key(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    char text[512];
    char payload[64];
    (void)state;
    offer(host_at(w, 1), "s", "in", "no json", NULL);
    hosts_pass(w);
    struct uuid id = id_of(host_at(w, 1), "s", "no json");
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"a\"}",
                   key_of(w, "s", 2, 0, key));
    struct command edit = {.kind = COMMAND_EDIT, .id = id, .payload = slice_of(payload)};
    assert_int_equal(command(host_at(w, 1), edit), 0);
    assert_int_equal(command(host_at(w, 1), (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    hosts_pass(w);
    assert_string_equal(seen_at(w, 2, key, text), "\"a \"");
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 1, .done = 1, .died = 1});
    hosts_world_free(w);
}

/* --- signals, schedules --- */

#define WAITS                                                                                      \
    "return function(e)\n"                                                                         \
    "  if e.json.to then zing.signal('s', e.json.to, 'go', e.json.v); return end\n"                \
    "  zing.state.set('seen', zing.wait('go', '1h'))\n"                                            \
    "end\n"

static void a_handlers_signal_reaches_who_waits_at_another_host(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    char waits[16];
    char sends[16];
    char text[512];
    char payload[128];
    (void)state;
    offer_key(w, 1, key_of(w, "s", 2, 0, waits), "x");
    hosts_pass(w);
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"to\":\"%s\",\"v\":\"now\"}",
                   key_of(w, "s", 1, 0, sends), waits);
    offer(host_at(w, 1), "s", "in", payload, NULL);
    hosts_pass(w);
    hosts_advance(w, 2000);
    assert_string_equal(seen_at(w, 2, waits, text), "\"now\"");
    assert_int_equal(count_rows(host_at(w, 1), TABLE_SIGNAL), 0);
    hosts_world_free(w);
}

static void a_signal_under_a_key_is_one_whichever_host_it_comes_to(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    char key[16];
    (void)state;
    struct command signal = {.kind = COMMAND_SIGNAL,
                             .service = slice_of("s"),
                             .key = slice_of(key_of(w, "s", 2, 0, key)),
                             .name = slice_of("go"),
                             .payload = slice_of("{\"a\":1}"),
                             .once = slice_of("evt-1")};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(command(host_at(w, (uint16_t)(1 + i % 2)), signal), 0);
        hosts_pass(w);
    }
    assert_int_equal(count_rows(host_at(w, 2), TABLE_SIGNAL), 1);
    signal.payload = slice_of("{\"a\":2}");
    assert_int_equal(command(host_at(w, 1), signal), ERR_EXISTS);
    hosts_world_free(w);
}

static void a_signal_by_mqtt_is_taken_by_the_host_of_its_key_alone(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    char key[16];
    char topic[64];
    (void)state;
    (void)snprintf(topic, sizeof topic, "zingq/signal/s/%s/go", key_of(w, "s", 2, 0, key));
    struct event_bytes bytes = {.topic = slice_of(topic), .payload = slice_of("1")};
    for (uint16_t n = 1; n <= 2; n++) {
        struct engine_fixture *f = host_at(w, n);
        assert_int_equal(engine_offer_signal(f->engine, service_index(f, "s"), &bytes, 0), 0);
    }
    hosts_pass(w);
    assert_int_equal(count_rows(host_at(w, 1), TABLE_SIGNAL), 0);
    assert_int_equal(count_rows(host_at(w, 2), TABLE_SIGNAL), 1);
    assert_int_equal(w->messages, 0);
    hosts_world_free(w);
}

static void a_tick_of_a_schedule_runs_at_one_host(void **state) {
    struct hosts_world *w = hosts_world_new(
        3, "schedule \"tidy\" { cron = \"* * * * *\" publish = \"tidy/up\" }\n" KEYED, NOTES);
    size_t ticks = 0;
    size_t hosts = 0;
    (void)state;
    hosts_advance(w, 300000);
    for (uint16_t n = 1; n <= 3; n++) {
        size_t count = count_published(host_at(w, n), "tidy/up");
        ticks += count;
        hosts += count > 0 ? 1 : 0;
    }
    assert_in_range(ticks, 4, 5);
    assert_int_equal(hosts, 1);
    hosts_world_free(w);
}

/* --- a host that is away --- */

static void the_keys_of_a_host_that_is_away_wait_and_the_others_go_on(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char away[16];
    char here[16];
    char text[512];
    struct forwards_state waits;
    (void)state;
    (void)key_of(w, "s", 2, 0, away);
    (void)key_of(w, "s", 1, 0, here);
    w->away[1] = true;
    engine_member(host_at(w, 1)->engine, 2, false);
    for (int i = 0; i < 100; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        offer_key(w, 1, away, value);
    }
    offer_key(w, 1, here, "a");
    hosts_advance(w, 60000);
    assert_string_equal(seen_at(w, 1, here, text), "\"a \"");
    assert_int_equal(w->messages, 0); /* nothing is sent to nobody */
    engine_look_at_forwards(host_at(w, 1)->engine, 2, &waits);
    assert_int_equal(waits.rows, 100);
    assert_false(waits.up);
    assert_in_range(engine_now_ms(host_at(w, 1)->engine) - waits.oldest_ms, 60000, 60100);
    w->away[1] = false;
    engine_member(host_at(w, 1)->engine, 2, true);
    hosts_advance(w, 2000);
    assert_int_equal(strncmp(seen_at(w, 2, away, text), "\"0 1 2 3 4 5 ", 13), 0);
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 100, .done = 100});
    assert_int_equal(forwards_of(w, 1), 0);
    engine_look_at_forwards(host_at(w, 1)->engine, 2, &waits);
    assert_int_equal(waits.rows, 0);
    assert_int_equal(waits.oldest_ms, 0);
    hosts_world_free(w);
}

static void a_host_that_gives_no_receipts_is_tried_less_and_less_often(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    struct forwards_state waits;
    (void)state;
    w->away[1] = true; /* and nobody said so */
    for (int i = 0; i < 2000; i++) {
        offer_key(w, 1, key_of(w, "s", 2, (unsigned)i % 8, key), "v");
    }
    hosts_advance(w, 2000);
    size_t first = w->messages;
    hosts_advance(w, 120000);
    assert_in_range(w->messages - first, 4, 12);
    engine_look_at_forwards(host_at(w, 1)->engine, 2, &waits);
    assert_true(waits.stalled);
    w->away[1] = false;
    hosts_advance(w, 60000);
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 2000, .done = 2000});
    hosts_world_free(w);
}

static void an_owner_that_takes_nothing_bounds_what_others_accept_for_it(void **state) {
    struct hosts_world *w = hosts_world_new(2, "limits { backlog = 10 }\n" KEYED, NOTES);
    char key[16];
    (void)state;
    w->away[1] = true;
    run_dry(host_at(w, 1));
    for (int i = 0; i < 10; i++) {
        assert_true(engine_accepts(host_at(w, 1)->engine));
        offer_key(w, 1, key_of(w, "s", 2, 0, key), "v");
        run_dry(host_at(w, 1));
    }
    assert_false(engine_accepts(host_at(w, 1)->engine));
    w->away[1] = false;
    hosts_advance(w, 5000);
    assert_true(engine_accepts(host_at(w, 1)->engine));
    hosts_world_free(w);
}

static void two_hosts_that_are_full_of_what_is_the_others_do_not_wait_for_each_other(void **state) {
    struct hosts_world *w = hosts_world_new(2, "limits { backlog = 10 }\n" KEYED, NOTES);
    char key[16];
    (void)state;
    w->away[0] = w->away[1] = true;
    for (uint16_t n = 1; n <= 2; n++) {
        for (unsigned i = 0; i < 10; i++) {
            offer_key(w, n, key_of(w, "s", (uint16_t)(3 - n), i, key), "v");
            assert_int_equal(turn(host_at(w, n)), 0);
        }
        assert_false(engine_accepts(host_at(w, n)->engine));
    }
    w->away[0] = w->away[1] = false;
    hosts_advance(w, 5000);
    for (uint16_t n = 1; n <= 2; n++) {
        assert_true(engine_accepts(host_at(w, n)->engine));
        assert_books(host_at(w, n), "s", (struct books){.accepted = 10, .done = 10});
    }
    hosts_world_free(w);
}

static void an_event_as_large_as_a_turn_may_be_reaches_its_owner(void **state) {
    struct hosts_world *w =
        hosts_world_new(2, "limits { payload = 16MiB }\n" KEYED, "return function() end");
    const size_t len = TURN_BYTES_MAX;
    char *payload = malloc(len + 1);
    char key[16];
    (void)state;
    assert_non_null(payload);
    memset(payload, ' ', len);
    payload[len] = '\0';
    (void)snprintf(payload, len, "{\"k\":\"%s\"}", key_of(w, "s", 2, 0, key));
    payload[strlen(payload)] = ' '; /* the rest are spaces, too */
    run_dry(host_at(w, 1));
    engine_connected(host_at(w, 1)->engine, 20, TURN_BYTES_MAX * 2); /* more than the fixture has */
    offer(host_at(w, 1), "s", "in", payload, NULL);
    free(payload);
    hosts_advance(w, 2000);
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 1, .done = 1});
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

static void what_no_message_can_carry_is_a_dead_letter_where_it_came(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct forwards_state waits;
    char key[16];
    char value[41];
    (void)state;
    run_dry(host_at(w, 1));
    engine_connected(host_at(w, 1)->engine, 20, FORWARD_PACKET_ROOM_BYTES + 120);
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    offer_key(w, 1, key_of(w, "s", 2, 0, key), value);
    hosts_pass(w);
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 1, .dead = 1, .died = 1});
    assert_int_equal(forwards_of(w, 1), 0);
    engine_look_at_forwards(host_at(w, 1)->engine, 2, &waits);
    assert_int_equal(waits.rows, 0);
    assert_int_equal(waits.oldest_ms, 0);
    hosts_world_free(w);
}

/* Events for the host, whatever the engine says about accepting, until small turns find no room. */
static void fill_with_forwards(struct hosts_world *w, uint16_t from, const char *key) {
    enum { BIG = 20000 };
    struct engine_fixture *f = host_at(w, from);
    char payload[BIG];
    memset(payload, 'x', sizeof payload);
    int len = snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"", key);
    payload[len] = 'x';
    memcpy(payload + BIG - 3, "\"}", 3);
    for (unsigned n = 0, failed = 0; failed < 3; n++) {
        offer(f, "s", "in", payload, NULL);
        int code = turn(f);
        assert_true(code == 0 || code == ERR_FULL);
        failed = code == 0 ? 0 : failed + 1;
        f->now_ms++;
        assert_true(n < 1000);
    }
}

static void a_store_full_of_what_is_for_others_is_emptied_by_them(void **state) {
    struct hosts_world *w = hosts_world_new(
        2, "store { max_size = \"4MiB\" keep_done = \"1s\" }\n" KEYED, "return function() end");
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    (void)state;
    f->unchecked = host_at(w, 2)->unchecked = true;
    (void)key_of(w, "s", 2, 0, key);
    engine_member(f->engine, 2, false);
    fill_with_forwards(w, 1, key);
    assert_false(engine_accepts(f->engine));
    hosts_advance(w, 5000); /* nothing can be done, and is not tried all the time */
    assert_in_range(forwards_of(w, 1), 50, 300);
    engine_member(f->engine, 2, true);
    hosts_advance(w, 30000);
    assert_int_equal(forwards_of(w, 1), 0);
    assert_true(engine_accepts(f->engine));
    hosts_world_free(w);
}

/* --- services that not all hosts have (yet, or any more) --- */

#define OTHER "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" key = \"json:/k\" }\n"

/* Both services have keys of every partition. */
static void offer_both(struct hosts_world *w, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"k\":\"k%u\",\"v\":\"%u\"}", i % 100, i);
        offer(host_at(w, 1), "t", "t", text, NULL);
        offer(host_at(w, 1), "s", "in", text, NULL);
    }
}

static uint64_t done_in(const struct hosts_world *w, const char *service) {
    return service_status(host_at(w, 1), service).books.done +
           service_status(host_at(w, 2), service).books.done;
}

static void a_service_that_the_owner_does_not_have_holds_up_no_other(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED OTHER, NOTES);
    struct engine_fixture *f = host_at(w, 2);
    (void)state;
    fixture_conf(f, "hosts { count = 2 this = 2 }\n" KEYED);
    restart(f);
    offer_both(w, 0, 200);
    hosts_pass(w);
    hosts_advance(w, 3000);
    assert_int_equal(done_in(w, "s"), 200);
    assert_int_equal(forwards_of(w, 1), 0);
    crash(f);
    hosts_pass(w);
    fixture_conf(f, "hosts { count = 2 this = 2 }\n" KEYED OTHER);
    restart(f);
    offer_both(w, 200, 300); /* what waited for the service is before it */
    hosts_advance(w, 3000);
    assert_int_equal(done_in(w, "t"), 300);
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        char text[512];
        char seen[64];
        (void)snprintf(key, sizeof key, "k%u", i);
        (void)snprintf(seen, sizeof seen, "\"%u %u %u \"", i, i + 100, i + 200);
        struct engine_fixture *owner = host_at(w, owner_of(w, "t", key));
        assert_string_equal(state_text(owner, "t", key, "seen", text), seen);
    }
    assert_int_equal(count_rows(f, TABLE_FORWARD), 0);
    hosts_world_free(w);
}

static void more_than_the_clock_has_numbers_for_is_settled_at_once(void **state) {
    enum { BURST = 10000 };
    struct hosts_world *w = hosts_world_new(2, KEYED, "return function() end");
    char key[16];
    (void)state;
    (void)key_of(w, "s", 2, 0, key);
    for (int i = 0; i < BURST; i++) {
        offer_key(w, 1, key, "v");
    }
    hosts_pass(w);
    assert_books(host_at(w, 2), "s", (struct books){.accepted = BURST, .done = BURST});
    hosts_world_free(w);
}

/* --- another division --- */

static void a_store_with_keys_refuses_another_division_and_names_the_mend(void **state) {
    static const char *const refused[] = {"hosts { count = 3 this = 1 }\n",
                                          "hosts { count = 2 this = 2 }\n", ""};
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    (void)state;
    offer_key(w, 1, key_of(w, "s", 1, 0, key), "a");
    hosts_pass(w);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s%s", refused[i], KEYED);
        fixture_conf(f, text);
        assert_int_equal(fixture_try_start(f), ERR_INVALID);
        assert_non_null(strstr(f->report.text, "holds the keys of host 1 of 2"));
        assert_non_null(strstr(f->report.text, "zingq reshard --count"));
    }
    hosts_world_free(w);
}

static void an_empty_store_takes_any_division(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    (void)state;
    fixture_conf(host_at(w, 1), KEYED);
    assert_int_equal(fixture_try_start(host_at(w, 1)), 0);
    hosts_world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_handled_by_the_host_of_its_key_wherever_it_comes),
        cmocka_unit_test(what_is_forwarded_is_stored_before_the_broker_hears_that_it_is_taken),
        cmocka_unit_test(duplicates_at_two_hosts_are_found_by_the_owner),
        cmocka_unit_test(an_event_without_a_key_runs_where_it_comes),
        cmocka_unit_test(one_that_has_an_identity_meets_its_duplicate_at_one_host),
        cmocka_unit_test(of_a_message_that_every_host_gets_one_takes_it_and_nobody_forwards_it),
        cmocka_unit_test(an_independent_service_keeps_what_comes),
        cmocka_unit_test(what_a_handler_publishes_goes_to_the_host_of_its_key_in_the_same_commit),
        cmocka_unit_test(a_message_that_cannot_become_work_is_a_dead_letter_where_it_came),
        cmocka_unit_test(a_mended_dead_letter_goes_to_the_host_of_its_key),
        cmocka_unit_test(a_handlers_signal_reaches_who_waits_at_another_host),
        cmocka_unit_test(a_signal_under_a_key_is_one_whichever_host_it_comes_to),
        cmocka_unit_test(a_signal_by_mqtt_is_taken_by_the_host_of_its_key_alone),
        cmocka_unit_test(a_tick_of_a_schedule_runs_at_one_host),
        cmocka_unit_test(the_keys_of_a_host_that_is_away_wait_and_the_others_go_on),
        cmocka_unit_test(a_host_that_gives_no_receipts_is_tried_less_and_less_often),
        cmocka_unit_test(an_owner_that_takes_nothing_bounds_what_others_accept_for_it),
        cmocka_unit_test(two_hosts_that_are_full_of_what_is_the_others_do_not_wait_for_each_other),
        cmocka_unit_test(an_event_as_large_as_a_turn_may_be_reaches_its_owner),
        cmocka_unit_test(what_no_message_can_carry_is_a_dead_letter_where_it_came),
        cmocka_unit_test(a_store_full_of_what_is_for_others_is_emptied_by_them),
        cmocka_unit_test(a_service_that_the_owner_does_not_have_holds_up_no_other),
        cmocka_unit_test(more_than_the_clock_has_numbers_for_is_settled_at_once),
        cmocka_unit_test(a_store_with_keys_refuses_another_division_and_names_the_mend),
        cmocka_unit_test(an_empty_store_takes_any_division),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
