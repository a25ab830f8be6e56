/* test_journal_move.c - rows under other numbers, secrets of other stores. */
#include "journal_fixture.h"
#include "test.h"
#include "journal/move.h"
#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <string.h>

enum { SERVICE = 0x102, OTHER = 0x304 };
static const uint64_t SEQ = 0x1122334455667788;
static const uint64_t OTHER_SEQ = 0x99aabbccddeeff00;

/* The only row of the table, written again under the other numbers in its own place. */
static struct row_sight rewrite(struct journal_fixture *f, enum store_table t) {
    struct slice key;
    struct slice value;
    struct row_sight sight;
    struct buf k;
    struct buf v;
    buf_init(&k, 512);
    buf_init(&v, 1 << 20);
    assert_int_equal(store_seek(f->store, t, (struct slice){"", 0}, false, &key, &value), 0);
    assert_int_equal(journal_row_look(t, key, value, &sight), 0);
    assert_int_equal(journal_row_write(t, key, value, OTHER, OTHER_SEQ, &k, &v), 0);
    assert_int_equal(store_del(f->store, t, key), 0);
    assert_int_equal(store_put(f->store, t, buf_slice(&k), buf_slice(&v)), 0);
    assert_int_equal(journal_check_row(t, buf_slice(&k), buf_slice(&v)), 0);
    buf_clear(&k);
    buf_clear(&v);
    sight.key = (struct slice){NULL, 0};
    return sight;
}

static const struct row row = {.partition = 9, .service = SERVICE, .lane = 73, .seq = SEQ};

static void an_event_is_the_same_under_other_numbers(void **state) {
    struct journal_fixture *f = *state;
    const struct event_bytes bytes = {
        .topic = slice_of("topic"), .key = slice_of("key"), .payload = slice_of("payload")};
    struct event *event = event_new(&bytes);
    event->id = journal_id(7);
    event->partition = 9;
    event->service = SERVICE;
    event->seq = SEQ;
    event->lane = 73;
    event->version = 5;
    event->state = EVENT_RETRYING;
    assert_int_equal(journal_event_put(f->journal, event), 0);
    event_free(event);
    struct row_sight sight = rewrite(f, TABLE_EVENT);
    assert_true(sight.partition == 9 && sight.has_service && sight.service == SERVICE);
    assert_true(sight.has_id && sight.id.bytes[15] == 7 && sight.has_seq && sight.seq == SEQ);
    struct uuid id = journal_id(7);
    assert_int_equal(journal_event_get(f->journal, 9, &id, OTHER, &event), 0);
    assert_true(event->seq == OTHER_SEQ && event->lane == 73 && event->version == 5);
    struct slice record;
    struct event_sight look;
    assert_int_equal(journal_event_record(f->journal, 9, &id, OTHER, &record), 0);
    assert_int_equal(journal_event_look(record, &look), 0);
    assert_true(look.state == EVENT_RETRYING && look.lane == 73 && slice_is(look.key, "key"));
    assert_true(slice_is(event->payload, "payload"));
    event_free(event);
}

static void places_of_events_are_the_same_under_other_numbers(void **state) {
    struct journal_fixture *f = *state;
    struct row ready = row;
    struct row lane = row;
    ready.id = lane.id = journal_id(7);
    lane.flags = LANE_PARKED;
    assert_int_equal(journal_ready_put(f->journal, &ready), 0);
    assert_int_equal(journal_lane_put(f->journal, &lane), 0);
    for (int i = 0; i < 2; i++) {
        enum store_table t = i == 0 ? TABLE_READY : TABLE_LANE;
        struct row_sight sight = rewrite(f, t);
        assert_true(sight.partition == 9 && sight.service == SERVICE && sight.seq == SEQ);
        assert_true(sight.has_id && sight.id.bytes[15] == 7);
        struct row found = {0};
        assert_int_equal(t == TABLE_READY ? journal_ready_scan(f->journal, &found)
                                          : journal_lane_scan(f->journal, &found),
                         0);
        assert_true(found.service == OTHER && found.seq == OTHER_SEQ && found.lane == 73);
    }
}

static void timers_of_every_kind_are_the_same_under_other_numbers(void **state) {
    struct journal_fixture *f = *state;
    struct publication p = {.topic = slice_of("t")};
    struct buf record;
    buf_init(&record, 4096);
    publication_encode(&p, &record);
    for (int kind = TIMER_EVENT; kind <= TIMER_SIGNAL; kind++) {
        struct timer timer = {.kind = (enum timer_kind)kind,
                              .partition = 9,
                              .by_wall = kind % 2 == 0,
                              .due_ms = 1000,
                              .row = row,
                              .service = SERVICE,
                              .key = slice_of("key"),
                              .name = slice_of("name"),
                              .seq = SEQ,
                              .record = buf_slice(&record)};
        timer.row.id = journal_id(7);
        assert_int_equal(journal_timer_put(f->journal, &timer), 0);
        struct row_sight sight = rewrite(f, TABLE_TIMER);
        assert_true(sight.timer == timer.kind && sight.partition == 9);
        assert_true(!sight.has_service || sight.service == SERVICE);
        assert_true(!sight.has_seq || sight.seq == SEQ);
        struct timer found;
        assert_int_equal(journal_timer_first(f->journal, 9, timer.by_wall, &found), 0);
        assert_true(found.kind == timer.kind && found.due_ms == 1000);
        bool numbers =
            kind == TIMER_EVENT
                ? found.row.service == OTHER && found.row.seq == OTHER_SEQ
                : (kind == TIMER_PUBLISH || found.service == OTHER) &&
                      (found.seq == OTHER_SEQ || kind == TIMER_LOCK || kind == TIMER_STATE);
        assert_true(numbers);
        assert_int_equal(journal_timer_del(f->journal, &found), 0);
    }
    buf_clear(&record);
}

static void what_a_key_has_is_the_same_under_other_numbers(void **state) {
    struct journal_fixture *f = *state;
    struct cell cell = {
        .partition = 9, .service = SERVICE, .key = slice_of("key"), .name = slice_of("name")};
    struct waiter waiter = {.row = row, .label = slice_of("label")};
    waiter.row.id = journal_id(7);
    assert_int_equal(journal_signal_put(f->journal, &cell, SEQ, (struct slice){"t", 1}, 5000), 0);
    assert_int_equal(journal_waiter_put(f->journal, &cell, &waiter), 0);
    assert_int_equal(journal_state_put(f->journal, &cell, (struct slice){"t", 1}, 0), 0);
    (void)rewrite(f, TABLE_SIGNAL);
    (void)rewrite(f, TABLE_STATE);
    struct row_sight sight = rewrite(f, TABLE_WAITER);
    assert_true(sight.has_key && sight.has_id && sight.id.bytes[15] == 7 && sight.seq == SEQ);
    cell.service = OTHER;
    struct kept_signal signal = {.seq = 0};
    struct slice value;
    int64_t expires_ms;
    assert_int_equal(journal_signal_next(f->journal, &cell, 1, &signal), 0);
    assert_true(signal.seq == OTHER_SEQ);
    assert_int_equal(journal_waiter_first(f->journal, &cell, &waiter), 0);
    assert_true(waiter.row.seq == OTHER_SEQ && waiter.row.lane == 73);
    assert_int_equal(journal_state_get(f->journal, &cell, 1, &value, &expires_ms), 0);
}

static void a_delayed_publish_is_found_under_its_new_number(void **state) {
    struct journal_fixture *f = *state;
    struct uuid id = journal_id(7);
    struct delayed delayed = {.partition = 9, .by_wall = true, .due_ms = 1000, .seq = SEQ};
    assert_int_equal(journal_delayed_put(f->journal, &id, &delayed), 0);
    struct row_sight sight = rewrite(f, TABLE_DELAYED);
    assert_true(sight.partition == 9 && sight.seq == SEQ && uuid_equal(&sight.id, &id));
    assert_int_equal(journal_delayed_get(f->journal, &id, &delayed), 0);
    assert_true(delayed.seq == OTHER_SEQ && delayed.partition == 9 && delayed.by_wall);
}

static void damaged_rows_are_refused(void **state) {
    (void)state;
    struct row_sight sight;
    const struct slice none = {"", 0};
    const struct slice few = {"\1\2", 2};
    const struct slice far = {"\100\2\2\1\1\1\1\1\1\1\1", 11};
    for (unsigned t = 0; t < TABLE_DEDUPE; t++) {
        assert_int_equal(journal_row_look((enum store_table)t, few, none, &sight), ERR_CORRUPT);
    }
    assert_int_equal(journal_row_look(TABLE_APPEND, far, none, &sight), ERR_CORRUPT);
}

/* --- secrets --- */

static const struct dedupe_secret theirs = {.until_ms = JOURNAL_T0, .bytes = "another secret!"};

static bool knows(struct journal_fixture *f, int64_t now_ms, size_t secret) {
    struct dedupe_note note;
    struct dedupe_hash hash =
        journal_dedupe_hash_with(f->journal, secret, slice_of("s"), slice_of("t"), slice_of("key"));
    const struct dedupe_time time = {.now_ms = now_ms, .keep_ms = JOURNAL_KEEP_MS};
    return journal_dedupe_find(f->journal, time, 9, &hash, &note) == 0;
}

static void a_key_of_another_store_is_found_with_its_secret(void **state) {
    struct journal_fixture *f = *state;
    assert_int_equal(journal_secret_count(f->journal), 1);
    assert_int_equal(journal_secret_add(f->journal, &theirs), 0);
    assert_int_equal(journal_secret_add(f->journal, &theirs), 0);
    assert_int_equal(journal_secret_count(f->journal), 2);
    struct dedupe_hash hash =
        journal_dedupe_hash_with(f->journal, 1, slice_of("s"), slice_of("t"), slice_of("key"));
    struct uuid id = journal_id(1);
    struct uuid earlier;
    const struct dedupe_time time = {.now_ms = JOURNAL_T0, .keep_ms = JOURNAL_KEEP_MS};
    assert_int_equal(journal_dedupe(f->journal, time, 9, &hash, &id, &earlier), 0);
    journal_restart(f);
    assert_int_equal(journal_secret_count(f->journal), 2);
    assert_true(knows(f, JOURNAL_T0, 1) && !knows(f, JOURNAL_T0, 0));
}

static void a_secret_goes_when_its_keys_have_expired(void **state) {
    struct journal_fixture *f = *state;
    struct dedupe_secret later = {.until_ms = JOURNAL_T0 + 1000, .bytes = "a third secret!"};
    assert_int_equal(journal_secret_add(f->journal, &theirs), 0);
    assert_int_equal(journal_secret_add(f->journal, &later), 0);
    int64_t end_ms = JOURNAL_T0 + JOURNAL_KEEP_MS;
    int64_t next_ms;
    assert_int_equal(journal_dedupe_trim(f->journal, end_ms - 1, 1, &next_ms), 0);
    assert_int_equal(journal_secret_count(f->journal), 3);
    assert_int_equal(journal_dedupe_trim(f->journal, end_ms, 1, &next_ms), 0);
    journal_restart(f);
    assert_int_equal(journal_secret_count(f->journal), 2);
    struct dedupe_secret left;
    journal_secret_get(f->journal, 1, &left);
    assert_memory_equal(left.bytes, later.bytes, sizeof left.bytes);
    assert_int_equal(journal_dedupe_trim(f->journal, end_ms + 1000, 1, &next_ms), 0);
    assert_int_equal(journal_secret_count(f->journal), 1);
}

static void secrets_have_a_limit(void **state) {
    struct journal_fixture *f = *state;
    for (int i = 0; i < DEDUPE_SECRETS_MAX; i++) {
        struct dedupe_secret secret = {.until_ms = JOURNAL_T0, .bytes = {(uint8_t)i, 1}};
        assert_int_equal(journal_secret_add(f->journal, &secret), 0);
    }
    assert_int_equal(journal_secret_add(f->journal, &theirs), ERR_LIMIT);
    journal_restart(f);
    assert_int_equal(journal_secret_count(f->journal), DEDUPE_SECRETS_MAX + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(an_event_is_the_same_under_other_numbers),
        JOURNAL_TEST(places_of_events_are_the_same_under_other_numbers),
        JOURNAL_TEST(timers_of_every_kind_are_the_same_under_other_numbers),
        JOURNAL_TEST(what_a_key_has_is_the_same_under_other_numbers),
        JOURNAL_TEST(a_delayed_publish_is_found_under_its_new_number),
        JOURNAL_TEST(damaged_rows_are_refused),
        JOURNAL_TEST(a_key_of_another_store_is_found_with_its_secret),
        JOURNAL_TEST(a_secret_goes_when_its_keys_have_expired),
        JOURNAL_TEST(secrets_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
