/* test_forward_loss.c - between hosts messages are lost, doubled, turned round and forged, and hosts are
 * killed: each event is handled once all the same, and those of a key in order.
 */
#include "hosts_world.h"
#include "test.h"

#include "journal/forward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what others send --- */

static void messages_that_mean_nothing_change_nothing(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    static const char *const nothing[] = {"", "ZQF1", "ZQR1", "{\"k\":1}",
                                          "ZQF1 and then what is far from a message of ours"};
    (void)state;
    run_dry(f);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        assert_int_equal(engine_offer_forward(f->engine, slice_of(nothing[i])), 0);
        engine_offer_receipt(f->engine, slice_of(nothing[i]));
        run_dry(f);
    }
    assert_int_equal(status(f).forwards_refused, sizeof nothing / sizeof *nothing);
    hosts_world_free(w);
}

/* Whoever may publish there may send anything: it costs nothing but what it says. */
static void damaged_messages_and_receipts_reach_no_assertion(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        offer_key(w, 1, key_of(w, "s", 2, i, key), "a");
    }
    (void)turn(host_at(w, 1));
    assert_non_null(w->head);
    const size_t len = w->head->len;
    char *damaged = malloc(len);
    assert_non_null(damaged);
    for (int i = 0; i < 3000; i++) {
        memcpy(damaged, w->head->bytes, len);
        for (uint64_t n = 1 + chance_next(&w->chance, 4); n > 0; n--) {
            damaged[chance_next(&w->chance, len)] = (char)chance_next(&w->chance, 256);
        }
        struct slice bytes = {
            damaged, chance_next(&w->chance, 4) == 0 ? (size_t)chance_next(&w->chance, len) : len};
        assert_int_equal(engine_offer_forward(host_at(w, 2)->engine, bytes), 0);
        memcpy(damaged, "ZQR1", len < 4 ? len : 4);
        engine_offer_receipt(host_at(w, 1)->engine, bytes);
        if (i % 16 == 0) {
            run_dry(host_at(w, 2));
            run_dry(host_at(w, 1));
        }
    }
    free(damaged);
    run_dry(host_at(w, 2));
    hosts_world_free(w);
}

static void a_receipt_that_does_not_know_the_messages_token_deletes_nothing(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    struct buf receipt;
    struct forward_sender sender = {.count = 2, .to = 2, .from = 1, .token = 12345};
    (void)state;
    w->away[1] = true;
    offer_key(w, 1, key_of(w, "s", 2, 0, key), "a");
    hosts_pass(w);
    (void)uuid_parse(slice_of(engine_host_id(host_at(w, 1)->engine)), &sender.source);
    buf_init(&receipt, 4096);
    forward_receipt_begin(&receipt, &sender);
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        forward_receipt_add(&receipt, p, UINT64_MAX);
    }
    engine_offer_receipt(host_at(w, 1)->engine, buf_slice(&receipt));
    buf_clear(&receipt);
    hosts_advance(w, 2000);
    assert_int_equal(forwards_of(w, 1), 1);
    hosts_world_free(w);
}

/* A receipt for what host 1 has sent to host 2: every partition up to there. */
static void give_receipt(struct hosts_world *w, uint64_t seq) {
    struct buf receipt;
    struct forward_sender sender;
    size_t at;
    struct slice message = {w->head->bytes, w->head->len};
    assert_int_equal(forward_message_read(message, &sender, &at), 0);
    buf_init(&receipt, 4096);
    forward_receipt_begin(&receipt, &sender);
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        forward_receipt_add(&receipt, p, seq);
    }
    engine_offer_receipt(host_at(w, 1)->engine, buf_slice(&receipt));
    buf_clear(&receipt);
}

/* Of a store that came back from a backup the owner has had more than the backup knows. */
static void rows_that_the_owner_had_before_the_store_came_back_go(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    (void)state;
    w->away[1] = true;
    offer_key(w, 1, key_of(w, "s", 2, 0, key), "a");
    assert_int_equal(turn(f), 0);
    uint64_t now_us = (uint64_t)engine_now_ms(f->engine) * 1000;
    give_receipt(w, now_us + 60000000); /* rows to come might be among them */
    advance(f, 1000);
    assert_int_equal(forwards_of(w, 1), 1);
    give_receipt(w, now_us + 500000);
    advance(f, 1000);
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

static struct buf message_from(const char *store, const char *key) {
    struct buf message;
    struct buf record;
    struct forward_sender sender = {.count = 2, .to = 1, .from = 2};
    char payload[64];
    buf_init(&message, 4096);
    buf_init(&record, 4096);
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%.1s\"}", key, store);
    assert_true(uuid_parse(slice_of(store), &sender.source));
    const struct forward forward = {.kind = FORWARD_MESSAGE,
                                    .service = slice_of("s"),
                                    .key = slice_of(key),
                                    .topic = slice_of("in"),
                                    .payload = slice_of(payload)};
    forward_encode(&forward, &record);
    const struct forward_entry entry = {
        .partition = journal_partition(journal_lane(slice_of("s"), slice_of(key))),
        .seq = 7,
        .record = buf_slice(&record)};
    forward_message_begin(&message, &sender);
    forward_message_add(&message, &entry);
    buf_clear(&record);
    return message;
}

static void two_stores_under_one_number_are_each_taken_once(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    char text[512];
    (void)state;
    (void)key_of(w, "s", 1, 0, key);
    struct buf one = message_from("a0000000-0000-4000-8000-000000000000", key);
    struct buf other = message_from("b0000000-0000-4000-8000-000000000000", key);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(engine_offer_forward(f->engine, buf_slice(&one)), 0);
        assert_int_equal(engine_offer_forward(f->engine, buf_slice(&other)), 0);
        run_dry(f);
    }
    assert_string_equal(seen_at(w, 1, key, text), "\"a b \"");
    buf_clear(&one);
    buf_clear(&other);
    hosts_lose_posts(w);
    hosts_world_free(w);
}

/* Numbers are microseconds, of events that came in one millisecond perhaps. */
static void receipts_for_a_burst_count(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    struct forwards_state waits;
    (void)state;
    f->unchecked = true;
    (void)key_of(w, "s", 2, 0, key);
    for (unsigned i = 0; i < 2500; i++) {
        offer_key(w, 1, key, "");
    }
    hosts_pass(w);
    advance(f, 500);
    engine_look_at_forwards(f->engine, 2, &waits);
    assert_int_equal(waits.rows, 0);
    assert_int_equal(waits.again, 0);
    hosts_world_free(w);
}

/* --- brokers with small packets --- */

static const size_t SMALL = 1200; /* bytes of a packet */

static void assert_posts_fit(const struct hosts_world *w) {
    assert_non_null(w->head);
    for (const struct post *p = w->head; p != NULL; p = p->next) {
        assert_in_range(p->len, 1, SMALL);
    }
}

static void many_events_go_in_messages_that_the_broker_takes(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    char key[16];
    (void)state;
    engine_connected(host_at(w, 1)->engine, 100, SMALL);
    for (unsigned i = 0; i < 100; i++) {
        offer_key(w, 1, key_of(w, "s", 2, i, key), "a");
    }
    assert_int_equal(turn(host_at(w, 1)), 0);
    assert_posts_fit(w);
    hosts_pass(w);
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 100, .done = 100});
    hosts_world_free(w);
}

static void a_broker_that_takes_less_than_before_gets_smaller_messages(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *f = host_at(w, 1);
    char key[16];
    char text[512];
    (void)state;
    (void)key_of(w, "s", 2, 0, key);
    for (unsigned i = 0; i < 30; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%u", i);
        offer_key(w, 1, key, value);
    }
    assert_int_equal(turn(f), 0);
    assert_true(w->head->len > SMALL);
    disconnect(f);
    hosts_lose_posts(w);
    engine_connected(f->engine, 100, SMALL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(turn(f), 0);
    assert_posts_fit(w);
    hosts_advance(w, 5000);
    assert_string_equal(seen_at(w, 2, key, text),
                        "\"0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
                        "27 28 29 \"");
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

/* A host that was set up anew while messages of its old store were still under way. */
static void two_stores_under_one_number_in_one_turn_are_not_taken_for_each_other(void **state) {
    enum { SOURCE_AT = 10 };
    struct hosts_world *w = hosts_world_new(2, KEYED, NOTES);
    struct engine_fixture *to = host_at(w, 2);
    char key[16];
    char text[512];
    (void)state;
    offer_key(w, 1, key_of(w, "s", 2, 0, key), "a");
    (void)turn(host_at(w, 1));
    assert_non_null(w->head);
    struct slice first = {w->head->bytes, w->head->len};
    char *second = slice_dup(first);
    assert_non_null(second);
    second[SOURCE_AT] = (char)~second[SOURCE_AT];
    run_dry(to); /* now it knows how much room it has */
    assert_int_equal(engine_offer_forward(to->engine, first), 0);
    assert_int_equal(engine_offer_forward(to->engine, (struct slice){second, first.len}), 0);
    run_dry(to);
    assert_string_equal(seen_at(w, 2, key, text), "\"a a \"");
    assert_int_equal(engine_offer_forward(to->engine, first), 0);
    run_dry(to);
    assert_string_equal(seen_at(w, 2, key, text), "\"a a \"");
    free(second);
    hosts_world_free(w);
}

/* --- whatever happens --- */

enum { KEYS = 12, ROUNDS = 60 };

static const char TELLS[] = "return function(e) zing.publish('seen/' .. e.key, e.json.v) end";

/* Values of a key at its owner come in the order in which each host received them. */
static void assert_in_order(const char *seen, unsigned hosts, unsigned *total) {
    int last[HOSTS_IN_WORLD + 1] = {-1, -1, -1, -1};
    for (const char *at = seen; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        unsigned host = (unsigned)(*at - 'a' + 1);
        int number = (int)strtol(at + 1, NULL, 10);
        assert_in_range(host, 1, hosts);
        if (number <= last[host]) {
            fail_msg("%d of host %u after %d: %s", number, host, last[host], seen);
        }
        last[host] = number;
        ++*total;
    }
}

static void disturb(struct hosts_world *w) {
    uint16_t n = (uint16_t)(1 + chance_next(&w->chance, w->count));
    switch (chance_next(&w->chance, 5)) {
    case 0:
        hosts_lose_posts(w);
        break;
    case 1:
        crash(host_at(w, n));
        (void)redeliver(host_at(w, n));
        break;
    case 2:
        disconnect(host_at(w, n));
        connect_again(host_at(w, n));
        break;
    default:
        hosts_pass(w);
        break;
    }
}

static void once_each_and_in_order_whatever_is_lost_doubled_or_killed(void **state) {
    struct hosts_world *w = hosts_world_new(3, KEYED, TELLS);
    char keys[KEYS][16];
    int sent = 0;
    (void)state;
    w->loses = 30;
    w->doubles = 20;
    w->shuffles = true;
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%u", i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 10; i++, sent++) {
            char value[16];
            uint16_t host = (uint16_t)(1 + chance_next(&w->chance, 3));
            (void)snprintf(value, sizeof value, "%c%d", 'a' + host - 1, sent);
            offer_key(w, host, keys[chance_next(&w->chance, KEYS)], value);
        }
        (void)turn(host_at(w, (uint16_t)(1 + chance_next(&w->chance, 3))));
        disturb(w);
    }
    w->loses = 0;
    hosts_advance(w, 120000);
    unsigned total = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        char text[8192];
        char topic[256];
        struct engine_fixture *f = host_at(w, owner_of(w, "s", keys[i]));
        (void)snprintf(topic, sizeof topic, "seen/%s", keys[i]);
        assert_in_order(payloads(f, topic, text, sizeof text), 3, &total);
    }
    assert_int_equal(total, sent);
    for (uint16_t n = 1; n <= 3; n++) {
        assert_int_equal(forwards_of(w, n), 0);
    }
    hosts_world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_mean_nothing_change_nothing),
        cmocka_unit_test(damaged_messages_and_receipts_reach_no_assertion),
        cmocka_unit_test(a_receipt_that_does_not_know_the_messages_token_deletes_nothing),
        cmocka_unit_test(rows_that_the_owner_had_before_the_store_came_back_go),
        cmocka_unit_test(two_stores_under_one_number_are_each_taken_once),
        cmocka_unit_test(receipts_for_a_burst_count),
        cmocka_unit_test(many_events_go_in_messages_that_the_broker_takes),
        cmocka_unit_test(a_broker_that_takes_less_than_before_gets_smaller_messages),
        cmocka_unit_test(two_stores_under_one_number_in_one_turn_are_not_taken_for_each_other),
        cmocka_unit_test(once_each_and_in_order_whatever_is_lost_doubled_or_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
