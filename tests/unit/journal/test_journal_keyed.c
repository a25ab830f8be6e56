/* test_journal_keyed.c - idempotency keys, publications, timers, keyed state, locks, lines. */
#include "journal_fixture.h"
#include "test.h"

#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/move.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the partition's lanes, by number. */
static struct row row_of(uint8_t partition, uint16_t service, uint64_t lane, uint64_t seq) {
    return (struct row){.partition = partition,
                        .service = service,
                        .lane = lane * PARTITIONS + partition,
                        .seq = seq,
                        .id = journal_id((uint8_t)seq)};
}

/* --- dedupe -------------------------------------------------------------------------------------
 */

static int dedupe_for(struct journal_fixture *f, int64_t keep_ms, int64_t now_ms, const char *key,
                      uint8_t n, struct uuid *earlier) {
    struct dedupe_hash hash =
        journal_dedupe_hash(f->journal, slice_of("seats"), slice_of("t"), slice_of(key));
    struct uuid id = journal_id(n);
    const struct dedupe_time time = {.now_ms = now_ms, .keep_ms = keep_ms};
    return journal_dedupe(f->journal, time, 9, &hash, &id, earlier);
}

static int dedupe(struct journal_fixture *f, int64_t now_ms, const char *key, uint8_t n,
                  struct uuid *earlier) {
    return dedupe_for(f, JOURNAL_KEEP_MS, now_ms, key, n, earlier);
}

static void dedupe_names_the_earlier_event(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    struct uuid first = journal_id(1);
    assert_int_equal(dedupe(f, JOURNAL_T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, JOURNAL_T0, "b", 2, &earlier), 0);
    assert_int_equal(dedupe(f, JOURNAL_T0, "a", 3, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
    journal_restart(f);
    assert_int_equal(dedupe(f, JOURNAL_T0 + 1, "a", 4, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
}

static void dedupe_hash_tells_service_scope_and_key_apart(void **state) {
    struct journal_fixture *f = *state;
    static const char *const parts[][3] = {{"ab", "c", "d"}, {"a", "bc", "d"}, {"a", "b", "cd"},
                                           {"abcd", "", ""}, {"", "abcd", ""}, {"", "", "abcd"}};
    struct dedupe_hash hashes[6];
    for (size_t i = 0; i < 6; i++) {
        hashes[i] = journal_dedupe_hash(f->journal, slice_of(parts[i][0]), slice_of(parts[i][1]),
                                        slice_of(parts[i][2]));
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(&hashes[i], &hashes[k], sizeof hashes[i]);
        }
    }
}

static void dedupe_keeps_keys_for_the_whole_period_and_then_lets_go(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    int64_t bucket_ms = JOURNAL_KEEP_MS / (DEDUPE_BUCKETS - 1) + 1;
    /* One key in each moment of a long time: every bucket is filled and emptied several times. */
    for (int64_t now = JOURNAL_T0; now < JOURNAL_T0 + 5 * JOURNAL_KEEP_MS; now += 100) {
        char key[32];
        (void)snprintf(key, sizeof key, "%lld", (long long)now);
        assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        if (now - JOURNAL_KEEP_MS >= JOURNAL_T0) {
            (void)snprintf(key, sizeof key, "%lld", (long long)now - JOURNAL_KEEP_MS + 100);
            assert_int_equal(dedupe(f, now, key, 1, &earlier), ERR_EXISTS);
        }
        if (now - JOURNAL_KEEP_MS - bucket_ms - 100 >= JOURNAL_T0) {
            (void)snprintf(key, sizeof key, "%lld",
                           (long long)now - JOURNAL_KEEP_MS - bucket_ms - 100);
            assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        }
        int64_t next_ms;
        assert_int_equal(journal_dedupe_trim(f->journal, now, 10, &next_ms), 0);
    }
    uint64_t rows = 0;
    for (unsigned t = TABLE_DEDUPE; t < TABLE_COUNT; t++) {
        rows += store_rows(f->store, (enum store_table)t);
    }
    assert_in_range(rows, JOURNAL_KEEP_MS / 100, 2 * (JOURNAL_KEEP_MS + 2 * bucket_ms) / 100);
}

static void dedupe_goes_on_after_a_long_silence_and_a_clock_set_back(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, JOURNAL_T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, JOURNAL_T0 + 100 * JOURNAL_KEEP_MS, "a", 2, &earlier), 0);
    assert_int_equal(dedupe(f, JOURNAL_T0 + 100 * JOURNAL_KEEP_MS, "a", 3, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, JOURNAL_T0, "b", 4, &earlier), 0);
    assert_int_equal(dedupe(f, JOURNAL_T0, "b", 5, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, JOURNAL_T0 + JOURNAL_KEEP_MS - 1, "b", 6, &earlier), ERR_EXISTS);
}

static void dedupe_keeps_old_keys_longer_when_the_period_is_lengthened(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, JOURNAL_T0, "a", 1, &earlier), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_close(f->journal);
    assert_int_equal(journal_open(&f->journal, f->store, JOURNAL_KEEP_MS * 4, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
    for (int64_t now = JOURNAL_T0; now < JOURNAL_T0 + 4 * JOURNAL_KEEP_MS; now += 500) {
        assert_int_equal(dedupe_for(f, 4 * JOURNAL_KEEP_MS, now, "a", 2, &earlier), ERR_EXISTS);
    }
}

static void dedupe_keeps_the_keys_of_each_for_its_own_time(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe_for(f, 1000, JOURNAL_T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe_for(f, 8000, JOURNAL_T0, "b", 2, &earlier), 0);
    assert_int_equal(dedupe_for(f, 1000, JOURNAL_T0 + 999, "a", 3, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe_for(f, 1000, JOURNAL_T0 + 1000, "a", 4, &earlier), 0);
    assert_int_equal(dedupe_for(f, 8000, JOURNAL_T0 + 7999, "b", 5, &earlier), ERR_EXISTS);
}

/* An event of the fixture's lane, waiting or ended. */
static void put_event(struct journal_fixture *f, uint8_t n, enum event_state state) {
    struct event_bytes bytes = {.topic = slice_of("t")};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    struct row row = row_of(9, 0, 1, n);
    event->key = slice_of("");
    event->id = row.id;
    event->partition = row.partition;
    event->lane = row.lane;
    event->seq = row.seq;
    event->state = (uint8_t)state;
    assert_int_equal(journal_event_put(f->journal, event), 0);
    assert_int_equal(event_state_ended(state) ? journal_ready_del(f->journal, &row)
                                              : journal_ready_put(f->journal, &row),
                     0);
    event_free(event);
}

/* Through everything that expires until then, a few rows at a time. */
static void trim_until(struct journal_fixture *f, int64_t now_ms) {
    int64_t next_ms = now_ms;
    for (int i = 0; i < 1000 && next_ms <= now_ms + 10; i++) {
        assert_int_equal(journal_dedupe_trim(f->journal, now_ms, 2, &next_ms), 0);
    }
    assert_true(next_ms > now_ms + 10);
}

static void a_key_is_kept_until_its_event_has_ended(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    struct uuid first = journal_id(1);
    int64_t now = JOURNAL_T0;
    char key[32];
    put_event(f, 1, EVENT_SLEEPING);
    assert_int_equal(dedupe(f, now, "held", 1, &earlier), 0);
    for (int i = 0; i < 20; i++) { /* of events that are no more */
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(dedupe(f, now, key, 2, &earlier), 0);
    }
    for (int i = 0; i < 30; i++, now += JOURNAL_KEEP_MS / 2) {
        assert_int_equal(dedupe(f, now, "held", 3, &earlier), ERR_EXISTS);
        assert_true(uuid_equal(&earlier, &first));
        trim_until(f, now);
        journal_restart(f);
    }
    uint64_t rows = 0;
    for (unsigned t = TABLE_DEDUPE; t < TABLE_COUNT; t++) {
        rows += store_rows(f->store, (enum store_table)t);
    }
    assert_int_equal(rows, 1);
    put_event(f, 1, EVENT_DONE);
    assert_int_equal(dedupe(f, now, "held", 4, &earlier), 0);
}

static void a_key_that_is_kept_for_its_event_keeps_the_secret_of_its_store(void **state) {
    struct journal_fixture *f = *state;
    const struct dedupe_secret theirs = {.until_ms = JOURNAL_T0 + JOURNAL_KEEP_MS,
                                         .bytes = "another secret!"};
    struct uuid id = journal_id(1);
    struct uuid earlier;
    struct dedupe_note note;
    put_event(f, 1, EVENT_READY);
    assert_int_equal(journal_secret_add(f->journal, &theirs), 0);
    struct dedupe_hash hash =
        journal_dedupe_hash_with(f->journal, 1, slice_of("s"), slice_of("t"), slice_of("key"));
    struct dedupe_time time = {.now_ms = JOURNAL_T0, .keep_ms = JOURNAL_KEEP_MS};
    assert_int_equal(journal_dedupe(f->journal, time, 9, &hash, &id, &earlier), 0);
    for (int i = 0; i < 10; i++) {
        time.now_ms += JOURNAL_KEEP_MS;
        trim_until(f, time.now_ms);
        assert_int_equal(journal_secret_count(f->journal), 2);
        assert_int_equal(journal_dedupe_find(f->journal, time, 9, &hash, &note), 0);
    }
}

/* --- outbox -------------------------------------------------------------------------------------
 */

static void journal_publications_come_back_whole_and_in_order(void **state) {
    struct journal_fixture *f = *state;
    struct publication p = {.id = journal_id(1),
                            .cause = journal_id(2),
                            .hops = 3,
                            .qos = 1,
                            .retain = true,
                            .topic = slice_of("a/b"),
                            .payload = {"x\0y", 3},
                            .key = slice_of("k"),
                            .content_type = slice_of("ct"),
                            .response_topic = slice_of("rt"),
                            .correlation = slice_of("co"),
                            .properties = slice_of("pr")};
    struct buf record;
    buf_init(&record, 4096);
    publication_encode(&p, &record);
    assert_int_equal(journal_outbox_put(f->journal, 300, buf_slice(&record)), 0);
    assert_int_equal(journal_outbox_put(f->journal, 255, buf_slice(&record)), 0);
    uint64_t seq = 0;
    struct slice found;
    struct publication read;
    assert_int_equal(journal_outbox_next(f->journal, &seq, &found), 0);
    assert_int_equal(seq, 255);
    assert_int_equal(publication_decode(found, &read), 0);
    assert_true(uuid_equal(&read.id, &p.id) && uuid_equal(&read.cause, &p.cause));
    assert_true(read.hops == 3 && read.qos == 1 && read.retain);
    assert_string_equal(read.topic.data, "a/b");
    assert_true(slice_equal(read.topic, p.topic) && slice_equal(read.payload, p.payload));
    assert_true(slice_equal(read.key, p.key) && slice_equal(read.properties, p.properties));
    assert_true(slice_equal(read.content_type, p.content_type));
    assert_true(slice_equal(read.response_topic, p.response_topic));
    assert_true(slice_equal(read.correlation, p.correlation));
    assert_int_equal(journal_outbox_next(f->journal, &seq, &found), 0);
    assert_int_equal(seq, 300);
    assert_int_equal(journal_outbox_next(f->journal, &seq, &found), ERR_NOTFOUND);
    assert_int_equal(journal_outbox_del(f->journal, 255), 0);
    assert_int_equal(journal_outbox_del(f->journal, 255), ERR_NOTFOUND);
    buf_clear(&record);
}

static void journal_refuses_a_damaged_publication(void **state) {
    (void)state;
    struct publication p = {.topic = slice_of("a/b"), .properties = slice_of("pr"), .service = 7};
    struct buf record;
    struct publication read;
    buf_init(&record, 4096);
    publication_encode(&p, &record);
    /* Rows of schema 2 have neither owner, since when refused, why, nor, as others, a service. */
    const size_t service = record.len - 2;
    const size_t trailer = service - (8 + 8 + 1);
    for (size_t len = 0; len < record.len; len++) {
        assert_int_equal(publication_decode((struct slice){record.data, len}, &read),
                         len == trailer || len == service ? 0 : ERR_CORRUPT);
        assert_true(len > service || read.service == SERVICE_NONE);
    }
    assert_int_equal(publication_decode(buf_slice(&record), &read), 0);
    assert_int_equal(read.service, 7);
    buf_clear(&record);
}

/* --- timers -------------------------------------------------------------------------------------
 */

static void encode_publish(struct buf *record, const char *topic) {
    struct publication p = {.topic = slice_of(topic)};
    buf_init(record, 512);
    publication_encode(&p, record);
}

static void journal_timers_come_by_due_time_with_what_they_carry(void **state) {
    struct journal_fixture *f = *state;
    struct buf record;
    encode_publish(&record, "a/b");
    struct timer timers[] = {
        {.kind = TIMER_PUBLISH, .due_ms = JOURNAL_T0 + 4, .seq = 77, .record = buf_slice(&record)},
        {.kind = TIMER_STATE,
         .due_ms = JOURNAL_T0 + 3,
         .service = 2,
         .key = slice_of("k"),
         .name = slice_of("n")},
        {.kind = TIMER_LOCK,
         .due_ms = JOURNAL_T0 + 2,
         .service = 2,
         .key = slice_of(""),
         .name = slice_of("nn")},
        {.kind = TIMER_EVENT, .due_ms = JOURNAL_T0 + 1, .row = row_of(8, 2, 70, 5)}};
    struct timer t;
    assert_int_equal(journal_timer_first(f->journal, 8, false, &t), ERR_NOTFOUND);
    for (size_t i = 0; i < 4; i++) {
        timers[i].partition = 8;
        assert_int_equal(journal_timer_put(f->journal, &timers[i]), 0);
    }
    assert_int_equal(journal_timer_first(f->journal, 7, false, &t), ERR_NOTFOUND);
    assert_int_equal(journal_timer_first(f->journal, 8, false, &t), 0);
    assert_true(t.kind == TIMER_EVENT && t.due_ms == JOURNAL_T0 + 1 && t.partition == 8);
    assert_true(t.row.partition == 8 && t.row.service == 2 && t.row.seq == 5);
    assert_true(t.row.lane == timers[3].row.lane);
    assert_memory_equal(&t.row.id, &timers[3].row.id, sizeof t.row.id);
    assert_int_equal(journal_timer_del(f->journal, &timers[3]), 0);
    assert_int_equal(journal_timer_del(f->journal, &timers[3]), ERR_NOTFOUND);
    assert_int_equal(journal_timer_first(f->journal, 8, false, &t), 0);
    assert_true(t.kind == TIMER_LOCK && t.service == 2 && t.key.len == 0);
    assert_true(slice_is(t.name, "nn"));
    assert_int_equal(journal_timer_del(f->journal, &timers[2]), 0);
    assert_int_equal(journal_timer_first(f->journal, 8, false, &t), 0);
    assert_true(t.kind == TIMER_STATE && slice_is(t.key, "k") && slice_is(t.name, "n"));
    assert_int_equal(journal_timer_del(f->journal, &timers[1]), 0);
    assert_int_equal(journal_timer_first(f->journal, 8, false, &t), 0);
    assert_true(t.kind == TIMER_PUBLISH && t.seq == 77);
    assert_true(slice_equal(t.record, buf_slice(&record)));
    buf_clear(&record);
}

static void timers_by_the_wall_clock_are_no_neighbours_of_the_others(void **state) {
    struct journal_fixture *f = *state;
    struct buf first;
    struct buf second;
    encode_publish(&first, "at");
    encode_publish(&second, "after");
    struct timer at = {.kind = TIMER_PUBLISH,
                       .partition = 63,
                       .by_wall = true,
                       .due_ms = 1,
                       .seq = 7,
                       .record = buf_slice(&first)};
    struct timer after = {.kind = TIMER_PUBLISH,
                          .partition = 63,
                          .due_ms = JOURNAL_T0,
                          .seq = 7,
                          .record = buf_slice(&second)};
    struct timer t;
    assert_int_equal(journal_timer_put(f->journal, &at), 0);
    assert_int_equal(journal_timer_first(f->journal, 63, false, &t), ERR_NOTFOUND);
    assert_int_equal(journal_timer_put(f->journal, &after), 0);
    assert_int_equal(journal_timer_first(f->journal, 63, false, &t), 0);
    assert_true(t.partition == 63 && !t.by_wall);
    assert_true(slice_equal(t.record, buf_slice(&second)));
    assert_int_equal(journal_timer_first(f->journal, 63, true, &t), 0);
    assert_true(t.partition == 63 && t.by_wall && t.due_ms == 1);
    assert_true(slice_equal(t.record, buf_slice(&first)));
    assert_int_equal(journal_timer_del(f->journal, &t), 0);
    assert_int_equal(journal_timer_first(f->journal, 63, true, &t), ERR_NOTFOUND);
    buf_clear(&first);
    buf_clear(&second);
}

static void journal_timers_of_the_longest_names_fit(void **state) {
    struct journal_fixture *f = *state;
    char text[KEY_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct timer timer = {.kind = TIMER_LOCK,
                          .due_ms = JOURNAL_T0,
                          .key = {text, KEY_BYTES_MAX},
                          .name = {text, STATE_NAME_BYTES_MAX}};
    struct timer read;
    assert_int_equal(journal_timer_put(f->journal, &timer), 0);
    assert_int_equal(journal_timer_first(f->journal, 0, false, &read), 0);
    assert_true(slice_equal(read.key, timer.key) && slice_equal(read.name, timer.name));
}

/* --- keyed state and locks ----------------------------------------------------------------------
 */

static struct cell cell_of(const char *key, const char *name) {
    return (struct cell){
        .partition = 1, .service = 2, .key = slice_of(key), .name = slice_of(name)};
}

static void put_state(struct journal_fixture *f, const char *key, const char *name,
                      const char *value, int64_t expires_ms) {
    struct cell cell = cell_of(key, name);
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of(value), expires_ms), 0);
}

static void journal_state_is_kept_by_key_and_name(void **state) {
    struct journal_fixture *f = *state;
    struct slice value;
    int64_t expires;
    put_state(f, "ab", "c", "s1", 0);
    put_state(f, "a", "bc", "s2", 0);
    journal_restart(f);
    struct cell cell = cell_of("ab", "c");
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0, &value, &expires), 0);
    assert_true(slice_is(value, "s1"));
    assert_int_equal(journal_state_del(f->journal, &cell), 0);
    assert_int_equal(journal_state_del(f->journal, &cell), ERR_NOTFOUND);
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0, &value, &expires),
                     ERR_NOTFOUND);
    cell = cell_of("a", "bc");
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0, &value, &expires), 0);
    assert_true(slice_is(value, "s2"));
}

static void journal_state_past_its_time_is_not_found(void **state) {
    struct journal_fixture *f = *state;
    struct slice value;
    int64_t expires = 0;
    struct cell cell = cell_of("k", "n");
    put_state(f, "k", "n", "sv", JOURNAL_T0 + 10);
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0 + 9, &value, &expires), 0);
    assert_int_equal(expires, JOURNAL_T0 + 10);
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0 + 10, &value, &expires),
                     ERR_NOTFOUND);
}

static void journal_state_lists_a_prefix_in_byte_order(void **state) {
    struct journal_fixture *f = *state;
    struct slice value;
    put_state(f, "k", "seat/2", "sb", 0);
    put_state(f, "k", "seat/10", "sa", 0);
    put_state(f, "k", "seat/3", "sx", JOURNAL_T0);
    put_state(f, "k", "seats", "sc", 0);
    put_state(f, "k", "sea", "sd", 0);
    put_state(f, "l", "seat/1", "se", 0);
    struct cell cell = cell_of("k", "");
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), JOURNAL_T0, &value),
                     0);
    assert_true(slice_is(cell.name, "seat/10") && slice_is(value, "sa"));
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), JOURNAL_T0, &value),
                     0);
    assert_true(slice_is(cell.name, "seat/2") && slice_is(value, "sb"));
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), JOURNAL_T0, &value),
                     ERR_NOTFOUND);
    unsigned count = 0;
    cell = cell_of("k", "");
    while (journal_state_next(f->journal, &cell, slice_of(""), JOURNAL_T0, &value) == 0) {
        count++;
    }
    assert_int_equal(count, 4);
}

static void journal_state_of_the_longest_names_fits(void **state) {
    struct journal_fixture *f = *state;
    char text[KEY_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct cell cell = {.key = {text, KEY_BYTES_MAX}, .name = {text, STATE_NAME_BYTES_MAX}};
    struct slice value;
    int64_t expires;
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of("sv"), 0), 0);
    assert_int_equal(journal_state_get(f->journal, &cell, JOURNAL_T0, &value, &expires), 0);
    assert_true(slice_is(value, "sv"));
}

static void journal_locks_come_back_with_owner_and_data(void **state) {
    struct journal_fixture *f = *state;
    struct cell cell = cell_of("k", "seat");
    struct lock lock = {.owner = slice_of("b-1"), .data = slice_of("{}"), .expires_ms = JOURNAL_T0};
    struct lock read;
    assert_int_equal(journal_lock_get(f->journal, &cell, &read), ERR_NOTFOUND);
    assert_int_equal(journal_lock_put(f->journal, &cell, &lock), 0);
    journal_restart(f);
    assert_int_equal(journal_lock_get(f->journal, &cell, &read), 0);
    assert_true(slice_is(read.owner, "b-1") && slice_is(read.data, "{}"));
    assert_int_equal(read.expires_ms, JOURNAL_T0);
    assert_int_equal(journal_lock_del(f->journal, &cell), 0);
    assert_int_equal(journal_lock_del(f->journal, &cell), ERR_NOTFOUND);
}

static void journal_cells_are_scanned_across_keys(void **state) {
    struct journal_fixture *f = *state;
    struct slice value;
    struct cell cell = {0};
    put_state(f, "k", "a", "s1", 0);
    put_state(f, "l", "b", "s2", 0);
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), 0);
    assert_true(slice_is(cell.key, "k") && slice_is(cell.name, "a") && cell.service == 2);
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), 0);
    assert_true(slice_is(cell.key, "l") && slice_is(cell.name, "b"));
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), ERR_NOTFOUND);
}

/* --- lines for files ----------------------------------------------------------------------------
 */

static void journal_append_rows_come_in_order(void **state) {
    struct journal_fixture *f = *state;
    uint8_t partition = 0;
    uint64_t seq = 0;
    struct slice file;
    struct slice line;
    assert_int_equal(journal_append_put(f->journal, 3, 300, slice_of("f"), slice_of("b")), 0);
    assert_int_equal(journal_append_put(f->journal, 3, 255, slice_of("g"), slice_of("")), 0);
    assert_int_equal(journal_append_next(f->journal, &partition, &seq, &file, &line), 0);
    assert_true(partition == 3 && seq == 255 && slice_is(file, "g") && line.len == 0);
    assert_int_equal(journal_append_next(f->journal, &partition, &seq, &file, &line), 0);
    assert_true(seq == 300 && slice_is(file, "f") && slice_is(line, "b"));
    assert_int_equal(journal_append_next(f->journal, &partition, &seq, &file, &line), ERR_NOTFOUND);
    assert_int_equal(journal_append_del(f->journal, 3, 300), 0);
    assert_int_equal(journal_append_del(f->journal, 3, 300), ERR_NOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(dedupe_names_the_earlier_event),
        JOURNAL_TEST(dedupe_hash_tells_service_scope_and_key_apart),
        JOURNAL_TEST(dedupe_keeps_keys_for_the_whole_period_and_then_lets_go),
        JOURNAL_TEST(dedupe_goes_on_after_a_long_silence_and_a_clock_set_back),
        JOURNAL_TEST(dedupe_keeps_old_keys_longer_when_the_period_is_lengthened),
        JOURNAL_TEST(dedupe_keeps_the_keys_of_each_for_its_own_time),
        JOURNAL_TEST(a_key_is_kept_until_its_event_has_ended),
        JOURNAL_TEST(a_key_that_is_kept_for_its_event_keeps_the_secret_of_its_store),
        JOURNAL_TEST(journal_publications_come_back_whole_and_in_order),
        cmocka_unit_test(journal_refuses_a_damaged_publication),
        JOURNAL_TEST(journal_timers_come_by_due_time_with_what_they_carry),
        JOURNAL_TEST(timers_by_the_wall_clock_are_no_neighbours_of_the_others),
        JOURNAL_TEST(journal_timers_of_the_longest_names_fit),
        JOURNAL_TEST(journal_state_is_kept_by_key_and_name),
        JOURNAL_TEST(journal_state_past_its_time_is_not_found),
        JOURNAL_TEST(journal_state_lists_a_prefix_in_byte_order),
        JOURNAL_TEST(journal_state_of_the_longest_names_fits),
        JOURNAL_TEST(journal_locks_come_back_with_owner_and_data),
        JOURNAL_TEST(journal_cells_are_scanned_across_keys),
        JOURNAL_TEST(journal_append_rows_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
