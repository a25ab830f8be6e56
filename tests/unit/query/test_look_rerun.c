/* test_look_rerun.c - which stored events a replay would run again, in what order, and how many. */
#include "journal_fixture.h"
#include "test.h"
#include "query/rerun.h"
#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICE = 0, OTHER = 1 };

static struct event *make(const char *key, enum event_state state, int64_t accepted_ms) {
    struct event_bytes bytes = {.topic = slice_of("t"), .key = slice_of(key)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    event->service = SERVICE;
    event->state = (uint8_t)state;
    event->accepted_ms = accepted_ms;
    event->ended_ms = event_state_ended(state) ? accepted_ms + 5 : 0;
    event->seq = (uint64_t)accepted_ms * 1000;
    event->lane = journal_lane(slice_of("s"), event->key);
    event->partition = journal_partition(event->lane);
    return event;
}

static enum rerun_verdict judged(const struct rerun_filter *filter, struct event *event) {
    enum rerun_verdict verdict = rerun_judge(filter, event);
    event_free(event);
    return verdict;
}

static void only_what_is_done_or_discarded_can_run_again(void **state) {
    (void)state;
    static const struct {
        enum event_state state;
        enum rerun_verdict verdict;
    } rows[] = {
        {EVENT_READY, RERUN_WAITS},    {EVENT_RUNNING, RERUN_WAITS},
        {EVENT_RETRYING, RERUN_WAITS}, {EVENT_SLEEPING, RERUN_WAITS},
        {EVENT_DONE, RERUN_GOOD},      {EVENT_DEAD, RERUN_DEAD},
        {EVENT_DISCARDED, RERUN_GOOD}, {EVENT_NEEDS_PERSON, RERUN_DEAD},
        {EVENT_EXPIRED, RERUN_OTHER},
    };
    const struct rerun_filter filter = {.to_ms = INT64_MAX, .ended_by_ms = INT64_MAX};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(judged(&filter, make("k", rows[i].state, 100)), rows[i].verdict);
    }
    struct event *lock = make("k", EVENT_DONE, 100);
    lock->kind = EVENT_LOCK_EXPIRED;
    assert_int_equal(judged(&filter, lock), RERUN_LOCK);
}

static void what_is_not_asked_for_is_not_counted(void **state) {
    (void)state;
    struct rerun_filter filter = {
        .service = SERVICE, .from_ms = 100, .to_ms = 200, .ended_by_ms = INT64_MAX};
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 99)), RERUN_OTHER);
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 100)), RERUN_GOOD);
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 199)), RERUN_GOOD);
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 200)), RERUN_OTHER);
    filter.by_key = true;
    filter.key = slice_of("kk");
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 100)), RERUN_OTHER);
    assert_int_equal(judged(&filter, make("kk", EVENT_DONE, 100)), RERUN_GOOD);
    filter.by_id = true;
    filter.id = journal_id(7);
    assert_int_equal(judged(&filter, make("kk", EVENT_DONE, 100)), RERUN_OTHER);
    struct event *other = make("kk", EVENT_DONE, 100);
    other->id = filter.id;
    other->service = OTHER;
    assert_int_equal(judged(&filter, other), RERUN_OTHER);
}

static void what_ended_later_counts_as_waiting(void **state) {
    (void)state;
    const struct rerun_filter filter = {.to_ms = INT64_MAX, .ended_by_ms = 1000};
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 995)), RERUN_GOOD);
    assert_int_equal(judged(&filter, make("k", EVENT_DONE, 996)), RERUN_WAITS);
}

static void the_order_is_that_of_arrival_also_of_what_was_replayed(void **state) {
    (void)state;
    struct event *first = make("k", EVENT_DONE, 100);
    struct event *second = make("k", EVENT_DONE, 101);
    assert_true(rerun_order(first) < rerun_order(second));
    first->replayed = true;
    first->seq = 900 * 1000;
    assert_true(rerun_order(first) < rerun_order(second));
    event_free(first);
    event_free(second);
}

/* --- the walk --- */

static void put(struct journal_fixture *f, uint8_t n, const char *key, uint16_t service) {
    struct event *event = make(key, EVENT_DONE, JOURNAL_T0 + n);
    event->id = journal_id(n);
    event->service = service;
    assert_int_equal(journal_event_put(f->journal, event), 0);
    event_free(event);
}

/* How many events of the filter's service a walk meets, in however many transactions. */
static unsigned walked(struct journal_fixture *f, const struct rerun_filter *filter) {
    struct rerun_walk walk;
    struct event *event = NULL;
    unsigned count = 0;
    int code;
    rerun_walk_init(&walk, f->journal, filter);
    while ((code = rerun_walk_next(f->journal, filter, &walk, &event)) == 0) {
        count += event != NULL && rerun_judge(filter, event) == RERUN_GOOD ? 1 : 0;
        event_free(event);
        assert_int_equal(store_commit(f->store), 0);
        assert_int_equal(store_begin(f->store), 0);
    }
    assert_int_equal(code, ERR_NOTFOUND);
    return count;
}

static void the_walk_meets_every_event_once(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "s", &number), 0);
    assert_int_equal(number, SERVICE);
    for (uint8_t n = 0; n < 200; n++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%u", n % 50u);
        put(f, n, key, n % 10 == 9 ? OTHER : SERVICE);
    }
    struct rerun_filter filter = {.to_ms = INT64_MAX, .ended_by_ms = INT64_MAX};
    assert_int_equal(walked(f, &filter), 180);
    filter.by_key = true;
    filter.key = slice_of("k7");
    assert_int_equal(walked(f, &filter), 4);
    filter.by_key = false;
    filter.by_id = true;
    filter.id = journal_id(33);
    assert_int_equal(walked(f, &filter), 1);
    filter.id = journal_id(39); /* of the other service */
    assert_int_equal(walked(f, &filter), 0);
}

/* --- the tally --- */

static void keys_are_counted_once_each_however_many(void **state) {
    (void)state;
    enum { KEYS = 5000 };
    struct rerun_tally tally = {0};
    struct event **events = calloc(KEYS, sizeof *events);
    assert_non_null(events);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%u", i);
        events[i] = make(key, EVENT_DONE, 1000 + i);
    }
    for (unsigned p = 0; p < PARTITIONS; p++) { /* as the walk goes */
        for (unsigned i = 0; i < 2 * KEYS; i++) {
            if (events[i % KEYS]->partition == p) {
                assert_int_equal(rerun_tally_note(&tally, events[i % KEYS], RERUN_GOOD), 0);
            }
        }
    }
    assert_int_equal(tally.good, 2 * KEYS);
    assert_int_equal(tally.keys, KEYS);
    assert_int_equal(tally.first_ms, 1000);
    assert_int_equal(tally.last_ms, 1000 + KEYS - 1);
    for (unsigned i = 0; i < KEYS; i++) {
        event_free(events[i]);
    }
    free(events);
    rerun_tally_clear(&tally);
}

static void a_partition_of_many_keys_is_counted_too(void **state) {
    (void)state;
    struct rerun_tally tally = {0};
    unsigned made = 0;
    for (unsigned i = 0; made < 3000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%u", i);
        struct event *event = make(key, EVENT_DONE, 1000);
        if (event->partition == 5) {
            assert_int_equal(rerun_tally_note(&tally, event, RERUN_GOOD), 0);
            assert_int_equal(rerun_tally_note(&tally, event, RERUN_GOOD), 0);
            made++;
        }
        event_free(event);
    }
    assert_int_equal(tally.keys, 3000);
    rerun_tally_clear(&tally);
}

static void what_is_left_out_is_counted_by_its_reason(void **state) {
    (void)state;
    struct rerun_tally tally = {0};
    struct event *event = make("", EVENT_DONE, 1000);
    static const enum rerun_verdict verdicts[] = {RERUN_OTHER, RERUN_GOOD, RERUN_WAITS,
                                                  RERUN_WAITS, RERUN_DEAD, RERUN_LOCK};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        assert_int_equal(rerun_tally_note(&tally, event, verdicts[i]), 0);
    }
    assert_int_equal(tally.good, 1);
    assert_int_equal(tally.waits, 2);
    assert_int_equal(tally.dead, 1);
    assert_int_equal(tally.locks, 1);
    assert_int_equal(tally.keys, 0); /* no key is none */
    event_free(event);
    rerun_tally_clear(&tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_done_or_discarded_can_run_again),
        cmocka_unit_test(what_is_not_asked_for_is_not_counted),
        cmocka_unit_test(what_ended_later_counts_as_waiting),
        cmocka_unit_test(the_order_is_that_of_arrival_also_of_what_was_replayed),
        JOURNAL_TEST(the_walk_meets_every_event_once),
        cmocka_unit_test(keys_are_counted_once_each_however_many),
        cmocka_unit_test(a_partition_of_many_keys_is_counted_too),
        cmocka_unit_test(what_is_left_out_is_counted_by_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
