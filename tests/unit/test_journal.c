/* test_journal.c - each typed operation on what is stored, and the order of its keys. */
#include "data_folder.h"
#include "journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROOM = 32 << 20, KEEP_MS = 8000 };
static const int64_t T0 = 1700000000000;

struct fixture {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
};

static void open_journal(struct fixture *f, bool read_only) {
    struct store_options options = {
        .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only};
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    assert_int_equal(journal_open(&f->journal, f->store, KEEP_MS, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
}

static void close_journal(struct fixture *f) {
    journal_close(f->journal);
    store_close(f->store);
}

static int set_up(void **state) {
    static struct fixture f;
    data_folder_make(&f.folder);
    open_journal(&f, false);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    close_journal(f);
    data_folder_remove(&f->folder);
    return 0;
}

/* Commits, closes, opens again: what is read now comes from disk. */
static void restart(struct fixture *f) {
    assert_int_equal(store_commit(f->store), 0);
    close_journal(f);
    open_journal(f, false);
}

static struct uuid id_of(uint8_t n) {
    return (struct uuid){{1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}};
}

/* --- meta ---------------------------------------------------------------------------------------
 */

static void journal_host_id_stays_over_restarts(void **state) {
    struct fixture *f = *state;
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(id, sizeof id, "%s", journal_host_id(f->journal));
    assert_int_equal(strlen(id), UUID_TEXT_BYTES);
    restart(f);
    assert_string_equal(journal_host_id(f->journal), id);
}

static void journal_numbers_services_once_and_for_all(void **state) {
    struct fixture *f = *state;
    uint16_t number;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
        assert_int_equal(number, 0);
        assert_int_equal(journal_service_number(f->journal, "emails", &number), 0);
        assert_int_equal(number, 1);
        restart(f);
    }
    assert_int_equal(journal_service_count(f->journal), 2);
    assert_string_equal(journal_service_name(f->journal, 1), "emails");
    assert_null(journal_service_name(f->journal, 2));
}

static void journal_forgets_a_service_whose_transaction_was_dropped(void **state) {
    struct fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "lost", &number), 0);
    store_abort(f->store);
    assert_int_equal(journal_reload(f->journal), 0);
    assert_int_equal(journal_service_count(f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_service_number(f->journal, "kept", &number), 0);
    assert_int_equal(number, 0);
    restart(f);
    assert_int_equal(journal_service_count(f->journal), 1);
    assert_string_equal(journal_service_name(f->journal, 0), "kept");
}

static void journal_read_only_knows_services_and_makes_none(void **state) {
    struct fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(store_commit(f->store), 0);
    close_journal(f);
    open_journal(f, true);
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(journal_service_number(f->journal, "emails", &number), ERR_NOTFOUND);
}

static void journal_seq_follows_the_clock_and_never_repeats(void **state) {
    struct fixture *f = *state;
    uint64_t first = journal_next_seq(f->journal, T0);
    assert_int_equal(first, (uint64_t)T0 * 1000);
    assert_int_equal(journal_next_seq(f->journal, T0), first + 1);
    assert_int_equal(journal_next_seq(f->journal, T0 - 5000), first + 2);
    assert_int_equal(journal_mark_seq(f->journal), 0);
    restart(f);
    assert_int_equal(journal_next_seq(f->journal, T0 - 5000), first + 3);
    assert_int_equal(journal_next_seq(f->journal, T0 + 1), (uint64_t)(T0 + 1) * 1000);
}

static void journal_books_come_back_as_they_were(void **state) {
    struct fixture *f = *state;
    struct books zeros;
    struct books read;
    struct books books = {.accepted = 20,
                          .done = 1,
                          .dead = 2,
                          .discarded = 3,
                          .duplicates = 4,
                          .handed_over = 5,
                          .retries = 6,
                          .timeouts = 7,
                          .crashes = 8,
                          .snoozes = 9,
                          .throttles = 10};
    assert_int_equal(journal_books_get(f->journal, 3, &zeros), 0);
    assert_int_equal(zeros.accepted, 0);
    assert_int_equal(journal_books_put(f->journal, 3, &books), 0);
    restart(f);
    assert_int_equal(journal_books_get(f->journal, 3, &read), 0);
    assert_memory_equal(&read, &books, sizeof books);
    assert_int_equal(books_waiting(&read), 10);
}

static void journal_flags_are_kept_by_name(void **state) {
    struct fixture *f = *state;
    uint64_t value;
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(journal_flag_get(f->journal, "paused/a", &value), ERR_NOTFOUND);
    assert_int_equal(journal_flag_put(f->journal, "paused/a", 7), 0);
    assert_int_equal(journal_flag_put(f->journal, name, 1), ERR_LIMIT);
    restart(f);
    assert_int_equal(journal_flag_get(f->journal, "paused/a", &value), 0);
    assert_int_equal(value, 7);
}

static void journal_lanes_are_the_same_on_every_host(void **state) {
    (void)state;
    uint64_t lane = journal_lane(slice_of("seats"), slice_of("rock"));
    assert_int_equal(lane, journal_lane(slice_of("seats"), slice_of("rock")));
    assert_int_not_equal(lane, journal_lane(slice_of("seat"), slice_of("srock")));
    assert_int_not_equal(lane, journal_lane(slice_of("seats"), slice_of("")));
    unsigned hit[PARTITIONS] = {0};
    for (unsigned i = 0; i < PARTITIONS * 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        hit[journal_partition(journal_lane(slice_of("seats"), slice_of(key)))]++;
    }
    for (unsigned p = 0; p < PARTITIONS; p++) {
        assert_in_range(hit[p], 50, 160);
    }
}

/* --- events -------------------------------------------------------------------------------------
 */

static struct event *full_event(uint8_t partition, uint8_t n, uint16_t service) {
    struct event_bytes bytes = {.topic = slice_of("a/b"),
                                .key = slice_of("k"),
                                .payload = {"p\0q", 3},
                                .content_type = slice_of("ct"),
                                .response_topic = slice_of("rt"),
                                .correlation = slice_of("co"),
                                .properties = slice_of("pr"),
                                .reason = slice_of("re"),
                                .publishes = slice_of("pu")};
    struct event *e = event_new(&bytes);
    assert_non_null(e);
    e->id = id_of(n);
    e->cause = id_of(200);
    e->seq = 1000 + n;
    e->lane = 0x1122334455667788;
    e->service = service;
    e->partition = partition;
    e->state = EVENT_RETRYING;
    e->kind = EVENT_LOCK_EXPIRED;
    e->qos = 2;
    e->retained = true;
    e->parked = true;
    e->hops = 31;
    e->attempts = 1;
    e->errors = 2;
    e->timeouts = 3;
    e->crashes = 4;
    e->snoozes = 5;
    e->throttles = 6;
    e->accepted_ms = T0;
    e->started_ms = T0 + 1;
    e->due_ms = T0 + 2;
    e->ended_ms = T0 + 3;
    e->duration_us = 7;
    e->version = 0xfedcba9876543210;
    return e;
}

static void put_event(struct fixture *f, uint8_t partition, uint8_t n, uint16_t service) {
    struct event *e = full_event(partition, n, service);
    assert_int_equal(journal_event_put(f->journal, e), 0);
    event_free(e);
}

static void assert_same_event(const struct event *a, const struct event *b) {
    assert_true(uuid_equal(&a->id, &b->id) && uuid_equal(&a->cause, &b->cause));
    assert_true(a->seq == b->seq && a->lane == b->lane && a->version == b->version);
    assert_true(a->service == b->service && a->partition == b->partition);
    assert_true(a->state == b->state && a->kind == b->kind && a->qos == b->qos);
    assert_true(a->retained == b->retained && a->replayed == b->replayed);
    assert_true(a->parked == b->parked && a->hops == b->hops);
    assert_true(a->attempts == b->attempts && a->errors == b->errors);
    assert_true(a->timeouts == b->timeouts && a->crashes == b->crashes);
    assert_true(a->snoozes == b->snoozes && a->throttles == b->throttles);
    assert_true(a->accepted_ms == b->accepted_ms && a->started_ms == b->started_ms);
    assert_true(a->due_ms == b->due_ms && a->ended_ms == b->ended_ms);
    assert_true(a->duration_us == b->duration_us);
    assert_true(slice_equal(a->topic, b->topic) && slice_equal(a->key, b->key));
    assert_true(slice_equal(a->payload, b->payload));
    assert_true(slice_equal(a->content_type, b->content_type));
    assert_true(slice_equal(a->response_topic, b->response_topic));
    assert_true(slice_equal(a->correlation, b->correlation));
    assert_true(slice_equal(a->properties, b->properties));
    assert_true(slice_equal(a->reason, b->reason) && slice_equal(a->publishes, b->publishes));
}

static void journal_events_come_back_whole(void **state) {
    struct fixture *f = *state;
    struct event *put = full_event(5, 1, 2);
    struct event *got = NULL;
    assert_int_equal(journal_event_put(f->journal, put), 0);
    restart(f);
    assert_int_equal(journal_event_get(f->journal, 5, &put->id, 2, &got), 0);
    assert_same_event(got, put);
    assert_int_equal(got->topic.data[got->topic.len], '\0');
    event_free(got);
    event_free(put);
}

static void journal_events_are_of_one_partition_and_service(void **state) {
    struct fixture *f = *state;
    struct uuid id = id_of(1);
    struct event *got = NULL;
    put_event(f, 5, 1, 2);
    assert_true(journal_event_exists(f->journal, 5, &id, 2));
    assert_false(journal_event_exists(f->journal, 5, &id, 3));
    assert_false(journal_event_exists(f->journal, 6, &id, 2));
    assert_int_equal(journal_event_get(f->journal, 5, &id, 3, &got), ERR_NOTFOUND);
    assert_int_equal(journal_event_del(f->journal, 5, &id, 2), 0);
    assert_int_equal(journal_event_del(f->journal, 5, &id, 2), ERR_NOTFOUND);
    assert_false(journal_event_exists(f->journal, 5, &id, 2));
}

static void journal_events_are_listed_by_id_both_ways(void **state) {
    struct fixture *f = *state;
    struct event *e = NULL;
    const uint8_t puts[][3] = {{5, 9, 0}, {5, 1, 1}, {5, 1, 0}, {4, 7, 0}, {6, 8, 0}};
    const uint8_t order[][2] = {{1, 0}, {1, 1}, {9, 0}};
    for (size_t i = 0; i < sizeof puts / sizeof *puts; i++) {
        put_event(f, puts[i][0], puts[i][1], puts[i][2]);
    }
    struct uuid id = {{0}};
    uint16_t service = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_event_next(f->journal, 5, &id, &service, i > 0, &e), 0);
        assert_int_equal(e->id.bytes[15], order[i][0]);
        assert_int_equal(e->service, order[i][1]);
        event_free(e);
    }
    assert_int_equal(journal_event_next(f->journal, 5, &id, &service, true, &e), ERR_NOTFOUND);
    memset(id.bytes, 0xff, sizeof id.bytes);
    service = UINT16_MAX;
    for (size_t i = 3; i-- > 0;) {
        assert_int_equal(journal_event_prev(f->journal, 5, &id, &service, &e), 0);
        assert_int_equal(e->id.bytes[15], order[i][0]);
        assert_int_equal(e->service, order[i][1]);
        event_free(e);
    }
    assert_int_equal(journal_event_prev(f->journal, 5, &id, &service, &e), ERR_NOTFOUND);
}

static void journal_refuses_a_damaged_event(void **state) {
    struct fixture *f = *state;
    struct slice key;
    struct slice value;
    struct event *e = NULL;
    struct uuid id = id_of(1);
    put_event(f, 5, 1, 2);
    assert_int_equal(store_seek(f->store, TABLE_EVENT, slice_of(""), false, &key, &value), 0);
    char kept[64];
    char cut[512];
    struct slice kept_key = {memcpy(kept, key.data, key.len), key.len};
    struct slice short_value = {memcpy(cut, value.data, value.len), value.len - 1};
    assert_int_equal(store_put(f->store, TABLE_EVENT, kept_key, short_value), 0);
    assert_int_equal(journal_event_get(f->journal, 5, &id, 2, &e), ERR_CORRUPT);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct row row_of(uint8_t partition, uint16_t service, uint64_t lane, uint64_t seq) {
    return (struct row){.partition = partition,
                        .service = service,
                        .lane = lane,
                        .seq = seq,
                        .id = id_of((uint8_t)seq)};
}

static void journal_ready_rows_come_in_arrival_order(void **state) {
    struct fixture *f = *state;
    const struct row rows[] = {row_of(3, 1, 70, 300), row_of(3, 1, 71, 255), row_of(3, 1, 72, 256),
                               row_of(3, 2, 70, 1), row_of(2, 1, 70, 1)};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(journal_ready_put(f->journal, &rows[i]), 0);
    }
    struct row row = {.partition = 3, .service = 1};
    const struct row *order[] = {&rows[1], &rows[2], &rows[0]};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_ready_next(f->journal, &row), 0);
        assert_int_equal(row.seq, order[i]->seq);
        assert_int_equal(row.lane, order[i]->lane);
        assert_true(uuid_equal(&row.id, &order[i]->id));
    }
    assert_int_equal(journal_ready_next(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_ready_del(f->journal, &rows[1]), 0);
    assert_int_equal(journal_ready_del(f->journal, &rows[1]), ERR_NOTFOUND);
    unsigned count = 0;
    for (row = (struct row){0}; journal_ready_scan(f->journal, &row) == 0; count++) {
        assert_in_range(row.partition, 2, 3);
    }
    assert_int_equal(count, 4);
}

static void journal_lane_rows_come_lane_by_lane_in_order(void **state) {
    struct fixture *f = *state;
    struct row rows[] = {row_of(3, 1, 70, 300), row_of(3, 1, 70, 255), row_of(3, 1, 69, 1),
                         row_of(3, 1, 71, 1)};
    rows[1].flags = LANE_WAITING;
    rows[3].flags = LANE_PARKED;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(journal_lane_put(f->journal, &rows[i]), 0);
    }
    struct row row = {.partition = 3, .service = 1, .lane = 70};
    assert_int_equal(journal_lane_next(f->journal, &row), 0);
    assert_int_equal(row.seq, 255);
    assert_int_equal(row.flags, LANE_WAITING);
    assert_int_equal(journal_lane_next(f->journal, &row), 0);
    assert_int_equal(row.seq, 300);
    assert_int_equal(row.flags, LANE_BEHIND);
    assert_int_equal(journal_lane_next(f->journal, &row), ERR_NOTFOUND);
    const struct row *order[] = {&rows[2], &rows[1], &rows[0], &rows[3]};
    row = (struct row){0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(journal_lane_scan(f->journal, &row), 0);
        assert_int_equal(row.lane, order[i]->lane);
        assert_int_equal(row.seq, order[i]->seq);
    }
    assert_int_equal(journal_lane_scan(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_lane_del(f->journal, &rows[0]), 0);
    assert_int_equal(journal_lane_del(f->journal, &rows[0]), ERR_NOTFOUND);
}

/* --- history ------------------------------------------------------------------------------------
 */

static void journal_history_is_told_in_order(void **state) {
    struct fixture *f = *state;
    struct event *e = full_event(5, 1, 2);
    struct attempt first = {.end = ATTEMPT_TIMEOUT,
                            .at_ms = T0,
                            .duration_us = 12,
                            .version = 99,
                            .text = slice_of("why")};
    struct attempt second = {.end = ATTEMPT_CRASH, .at_ms = T0 + 1, .text = slice_of("")};
    assert_int_equal(journal_history_add(f->journal, e, &first), 0);
    assert_int_equal(journal_history_add(f->journal, e, &second), 0);
    restart(f);
    struct attempt a = {0};
    assert_int_equal(journal_history_next(f->journal, e, &a), 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.end, ATTEMPT_TIMEOUT);
    assert_int_equal(a.at_ms, T0);
    assert_int_equal(a.duration_us, 12);
    assert_int_equal(a.version, 99);
    assert_true(slice_is(a.text, "why"));
    assert_int_equal(journal_history_next(f->journal, e, &a), 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.end, ATTEMPT_CRASH);
    assert_int_equal(journal_history_next(f->journal, e, &a), ERR_NOTFOUND);
    assert_int_equal(journal_history_clear(f->journal, e), 0);
    a.n = 0;
    assert_int_equal(journal_history_next(f->journal, e, &a), ERR_NOTFOUND);
    event_free(e);
}

static void journal_history_makes_room_but_keeps_the_first(void **state) {
    struct fixture *f = *state;
    struct event *e = full_event(5, 1, 2);
    struct event *neighbour = full_event(5, 2, 2);
    struct attempt a = {.end = ATTEMPT_ERROR};
    assert_int_equal(journal_history_add(f->journal, neighbour, &a), 0);
    for (int i = 0; i < HISTORY_MAX + 20; i++) {
        a.at_ms = T0 + i;
        assert_int_equal(journal_history_add(f->journal, e, &a), 0);
    }
    int count = 0;
    a.n = 0;
    while (journal_history_next(f->journal, e, &a) == 0) {
        assert_int_equal(a.at_ms, count == 0 ? T0 : T0 + 20 + count);
        count++;
    }
    assert_int_equal(count, HISTORY_MAX);
    a.n = 0;
    assert_int_equal(journal_history_next(f->journal, neighbour, &a), 0);
    event_free(e);
    event_free(neighbour);
}

/* --- dead letters -------------------------------------------------------------------------------
 */

static void fingerprint_groups_what_differs_in_numbers_and_ids(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"payment.lua:12: gateway said 503 for b-1", "payment.lua:12: gateway said 503 for b-77"},
        {"timed out after 3 s\nstack traceback:\n a", "timed out after 30 s\nstack traceback:\n b"},
        {"no order 0192f0c1-aaaa-7bbb-8ccc-0123456789ab",
         "no order 0192f0c2-dead-7eef-9abc-ffffffffff00"},
        {"no order 0192f0c1-aaaa-7bbb-8ccc-0123456789ab",
         "no order abcdefab-dead-7eef-9abc-ffffffffffff"},
        {"hash d41d8cd98f00b204e9800998ecf8427e differs",
         "hash 7215ee9c7d9dc229d2921a40e899ec5f differs"},
    };
    static const char *const different[][2] = {
        {"gateway said no", "gateway said yes"},
        {"seat taken", "seat taken twice"},
        {"a decade of deeds", "a facade of deeds"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(journal_fingerprint(slice_of(same[i][0])) ==
                    journal_fingerprint(slice_of(same[i][1])));
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        assert_true(journal_fingerprint(slice_of(different[i][0])) !=
                    journal_fingerprint(slice_of(different[i][1])));
    }
}

static void journal_dead_rows_are_listed_and_deleted(void **state) {
    struct fixture *f = *state;
    struct dead_row rows[] = {
        {.partition = 7, .service = 1, .id = id_of(2), .dead_ms = T0, .fingerprint = 5},
        {.partition = 7, .service = 1, .id = id_of(1), .dead_ms = T0 + 9, .fingerprint = 6}};
    struct dead_row row = {0};
    assert_int_equal(journal_dead_next(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_dead_put(f->journal, &rows[0]), 0);
    assert_int_equal(journal_dead_put(f->journal, &rows[1]), 0);
    row = (struct dead_row){0};
    assert_int_equal(journal_dead_next(f->journal, &row), 0);
    assert_memory_equal(&row.id, &rows[1].id, sizeof row.id);
    assert_int_equal(row.dead_ms, T0 + 9);
    assert_int_equal(row.fingerprint, 6);
    assert_int_equal(journal_dead_next(f->journal, &row), 0);
    assert_memory_equal(&row.id, &rows[0].id, sizeof row.id);
    assert_int_equal(journal_dead_next(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_dead_del(f->journal, &rows[0]), 0);
    assert_int_equal(journal_dead_del(f->journal, &rows[0]), ERR_NOTFOUND);
}

/* --- dedupe -------------------------------------------------------------------------------------
 */

static int dedupe(struct fixture *f, int64_t now_ms, const char *key, uint8_t n,
                  struct uuid *earlier) {
    struct dedupe_hash hash =
        journal_dedupe_hash(f->journal, slice_of("seats"), slice_of("t"), slice_of(key));
    struct uuid id = id_of(n);
    return journal_dedupe(f->journal, now_ms, 9, &hash, &id, earlier);
}

static void dedupe_names_the_earlier_event(void **state) {
    struct fixture *f = *state;
    struct uuid earlier;
    struct uuid first = id_of(1);
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "b", 2, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "a", 3, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
    restart(f);
    assert_int_equal(dedupe(f, T0 + 1, "a", 4, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
}

static void dedupe_hash_tells_service_scope_and_key_apart(void **state) {
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct uuid earlier;
    int64_t bucket_ms = KEEP_MS / (DEDUPE_BUCKETS - 1) + 1;
    /* One key in each moment of a long time: every bucket is filled and emptied several times. */
    for (int64_t now = T0; now < T0 + 5 * KEEP_MS; now += 100) {
        char key[32];
        (void)snprintf(key, sizeof key, "%lld", (long long)now);
        assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        if (now - KEEP_MS >= T0) {
            (void)snprintf(key, sizeof key, "%lld", (long long)(now - KEEP_MS + 100));
            assert_int_equal(dedupe(f, now, key, 1, &earlier), ERR_EXISTS);
        }
        if (now - KEEP_MS - bucket_ms - 100 >= T0) {
            (void)snprintf(key, sizeof key, "%lld", (long long)(now - KEEP_MS - bucket_ms - 100));
            assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        }
    }
    uint64_t rows = 0;
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        rows += store_rows(f->store, TABLE_DEDUPE + i);
    }
    assert_in_range(rows, KEEP_MS / 100, 2 * (KEEP_MS + 2 * bucket_ms) / 100);
}

static void dedupe_goes_on_after_a_long_silence_and_a_clock_set_back(void **state) {
    struct fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS, "a", 2, &earlier), 0);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS, "a", 3, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, T0, "b", 4, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "b", 5, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS + 1, "b", 6, &earlier), ERR_EXISTS);
}

static void dedupe_keeps_old_keys_longer_when_the_period_is_lengthened(void **state) {
    struct fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_close(f->journal);
    assert_int_equal(journal_open(&f->journal, f->store, KEEP_MS * 4, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
    for (int64_t now = T0; now < T0 + 4 * KEEP_MS; now += 500) {
        assert_int_equal(dedupe(f, now, "a", 2, &earlier), ERR_EXISTS);
    }
}

/* --- outbox -------------------------------------------------------------------------------------
 */

static void journal_publications_come_back_whole_and_in_order(void **state) {
    struct fixture *f = *state;
    struct publication p = {.id = id_of(1),
                            .cause = id_of(2),
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
    struct publication p = {.topic = slice_of("a/b"), .properties = slice_of("pr")};
    struct buf record;
    struct publication read;
    buf_init(&record, 4096);
    publication_encode(&p, &record);
    for (size_t len = 0; len < record.len; len++) {
        assert_int_equal(publication_decode((struct slice){record.data, len}, &read), ERR_CORRUPT);
    }
    assert_int_equal(publication_decode(buf_slice(&record), &read), 0);
    buf_clear(&record);
}

/* --- timers -------------------------------------------------------------------------------------
 */

static void journal_timers_come_by_due_time_with_what_they_carry(void **state) {
    struct fixture *f = *state;
    struct timer timers[] = {
        {.kind = TIMER_PUBLISH, .due_ms = T0 + 4, .seq = 77, .record = slice_of("rec")},
        {.kind = TIMER_STATE,
         .due_ms = T0 + 3,
         .service = 2,
         .key = slice_of("k"),
         .name = slice_of("n")},
        {.kind = TIMER_LOCK,
         .due_ms = T0 + 2,
         .service = 2,
         .key = slice_of(""),
         .name = slice_of("nn")},
        {.kind = TIMER_EVENT, .due_ms = T0 + 1, .row = row_of(8, 2, 70, 5)}};
    struct timer t;
    assert_int_equal(journal_timer_first(f->journal, 8, &t), ERR_NOTFOUND);
    for (size_t i = 0; i < 4; i++) {
        timers[i].partition = 8;
        assert_int_equal(journal_timer_put(f->journal, &timers[i]), 0);
    }
    uint64_t count;
    assert_int_equal(journal_timer_count(f->journal, TIMER_LOCK, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(journal_timer_first(f->journal, 7, &t), ERR_NOTFOUND);
    assert_int_equal(journal_timer_first(f->journal, 8, &t), 0);
    assert_true(t.kind == TIMER_EVENT && t.due_ms == T0 + 1 && t.partition == 8);
    assert_true(t.row.partition == 8 && t.row.service == 2 && t.row.lane == 70 && t.row.seq == 5);
    assert_memory_equal(&t.row.id, &timers[3].row.id, sizeof t.row.id);
    assert_int_equal(journal_timer_del(f->journal, &timers[3]), 0);
    assert_int_equal(journal_timer_del(f->journal, &timers[3]), ERR_NOTFOUND);
    assert_int_equal(journal_timer_first(f->journal, 8, &t), 0);
    assert_true(t.kind == TIMER_LOCK && t.service == 2 && t.key.len == 0);
    assert_true(slice_is(t.name, "nn"));
    assert_int_equal(journal_timer_del(f->journal, &timers[2]), 0);
    assert_int_equal(journal_timer_first(f->journal, 8, &t), 0);
    assert_true(t.kind == TIMER_STATE && slice_is(t.key, "k") && slice_is(t.name, "n"));
    assert_int_equal(journal_timer_del(f->journal, &timers[1]), 0);
    assert_int_equal(journal_timer_first(f->journal, 8, &t), 0);
    assert_true(t.kind == TIMER_PUBLISH && t.seq == 77 && slice_is(t.record, "rec"));
}

static void journal_timers_of_the_longest_names_fit(void **state) {
    struct fixture *f = *state;
    char text[KEY_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct timer timer = {.kind = TIMER_LOCK,
                          .due_ms = T0,
                          .key = {text, KEY_BYTES_MAX},
                          .name = {text, STATE_NAME_BYTES_MAX}};
    struct timer read;
    assert_int_equal(journal_timer_put(f->journal, &timer), 0);
    assert_int_equal(journal_timer_first(f->journal, 0, &read), 0);
    assert_true(slice_equal(read.key, timer.key) && slice_equal(read.name, timer.name));
    timer.name.len = KEY_BYTES_MAX;
    timer.kind = TIMER_STATE;
    assert_int_equal(journal_timer_put(f->journal, &timer), ERR_LIMIT);
}

/* --- keyed state and locks ----------------------------------------------------------------------
 */

static struct cell cell_of(const char *key, const char *name) {
    return (struct cell){
        .partition = 1, .service = 2, .key = slice_of(key), .name = slice_of(name)};
}

static void put_state(struct fixture *f, const char *key, const char *name, const char *value,
                      int64_t expires_ms) {
    struct cell cell = cell_of(key, name);
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of(value), expires_ms), 0);
}

static void journal_state_is_kept_by_key_and_name(void **state) {
    struct fixture *f = *state;
    struct slice value;
    int64_t expires;
    put_state(f, "ab", "c", "1", 0);
    put_state(f, "a", "bc", "2", 0);
    restart(f);
    struct cell cell = cell_of("ab", "c");
    assert_int_equal(journal_state_get(f->journal, &cell, T0, &value, &expires), 0);
    assert_true(slice_is(value, "1"));
    assert_int_equal(journal_state_del(f->journal, &cell), 0);
    assert_int_equal(journal_state_del(f->journal, &cell), ERR_NOTFOUND);
    assert_int_equal(journal_state_get(f->journal, &cell, T0, &value, &expires), ERR_NOTFOUND);
    cell = cell_of("a", "bc");
    assert_int_equal(journal_state_get(f->journal, &cell, T0, &value, &expires), 0);
    assert_true(slice_is(value, "2"));
}

static void journal_state_past_its_time_is_not_found(void **state) {
    struct fixture *f = *state;
    struct slice value;
    int64_t expires = 0;
    struct cell cell = cell_of("k", "n");
    put_state(f, "k", "n", "v", T0 + 10);
    assert_int_equal(journal_state_get(f->journal, &cell, T0 + 9, &value, &expires), 0);
    assert_int_equal(expires, T0 + 10);
    assert_int_equal(journal_state_get(f->journal, &cell, T0 + 10, &value, &expires), ERR_NOTFOUND);
}

static void journal_state_lists_a_prefix_in_byte_order(void **state) {
    struct fixture *f = *state;
    struct slice value;
    put_state(f, "k", "seat/2", "b", 0);
    put_state(f, "k", "seat/10", "a", 0);
    put_state(f, "k", "seat/3", "x", T0);
    put_state(f, "k", "seats", "c", 0);
    put_state(f, "k", "sea", "d", 0);
    put_state(f, "l", "seat/1", "e", 0);
    struct cell cell = cell_of("k", "");
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), T0, &value), 0);
    assert_true(slice_is(cell.name, "seat/10") && slice_is(value, "a"));
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), T0, &value), 0);
    assert_true(slice_is(cell.name, "seat/2") && slice_is(value, "b"));
    assert_int_equal(journal_state_next(f->journal, &cell, slice_of("seat/"), T0, &value),
                     ERR_NOTFOUND);
    unsigned count = 0;
    cell = cell_of("k", "");
    while (journal_state_next(f->journal, &cell, slice_of(""), T0, &value) == 0) {
        count++;
    }
    assert_int_equal(count, 4);
}

static void journal_state_refuses_names_that_do_not_fit(void **state) {
    struct fixture *f = *state;
    char text[KEY_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct cell cell = {.key = {text, KEY_BYTES_MAX}, .name = {text, STATE_NAME_BYTES_MAX}};
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of("v"), 0), 0);
    cell.name.len = KEY_BYTES_MAX;
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of("v"), 0), ERR_LIMIT);
}

static void journal_locks_come_back_with_owner_and_data(void **state) {
    struct fixture *f = *state;
    struct cell cell = cell_of("k", "seat");
    struct lock lock = {.owner = slice_of("b-1"), .data = slice_of("{}"), .expires_ms = T0};
    struct lock read;
    assert_int_equal(journal_lock_get(f->journal, &cell, &read), ERR_NOTFOUND);
    assert_int_equal(journal_lock_put(f->journal, &cell, &lock), 0);
    restart(f);
    assert_int_equal(journal_lock_get(f->journal, &cell, &read), 0);
    assert_true(slice_is(read.owner, "b-1") && slice_is(read.data, "{}"));
    assert_int_equal(read.expires_ms, T0);
    assert_int_equal(journal_lock_del(f->journal, &cell), 0);
    assert_int_equal(journal_lock_del(f->journal, &cell), ERR_NOTFOUND);
}

static void journal_cells_are_scanned_across_keys(void **state) {
    struct fixture *f = *state;
    struct slice value;
    struct cell cell = {0};
    put_state(f, "k", "a", "1", 0);
    put_state(f, "l", "b", "2", 0);
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), 0);
    assert_true(slice_is(cell.key, "k") && slice_is(cell.name, "a") && cell.service == 2);
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), 0);
    assert_true(slice_is(cell.key, "l") && slice_is(cell.name, "b"));
    assert_int_equal(journal_cell_scan(f->journal, TABLE_STATE, &cell, &value), ERR_NOTFOUND);
}

/* --- lines for files ----------------------------------------------------------------------------
 */

static void journal_append_rows_come_in_order(void **state) {
    struct fixture *f = *state;
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
#define JOURNAL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(journal_host_id_stays_over_restarts),
        JOURNAL_TEST(journal_numbers_services_once_and_for_all),
        JOURNAL_TEST(journal_forgets_a_service_whose_transaction_was_dropped),
        JOURNAL_TEST(journal_read_only_knows_services_and_makes_none),
        JOURNAL_TEST(journal_seq_follows_the_clock_and_never_repeats),
        JOURNAL_TEST(journal_books_come_back_as_they_were),
        JOURNAL_TEST(journal_flags_are_kept_by_name),
        JOURNAL_TEST(journal_lanes_are_the_same_on_every_host),
        JOURNAL_TEST(journal_events_come_back_whole),
        JOURNAL_TEST(journal_events_are_of_one_partition_and_service),
        JOURNAL_TEST(journal_events_are_listed_by_id_both_ways),
        JOURNAL_TEST(journal_refuses_a_damaged_event),
        JOURNAL_TEST(journal_ready_rows_come_in_arrival_order),
        JOURNAL_TEST(journal_lane_rows_come_lane_by_lane_in_order),
        JOURNAL_TEST(journal_history_is_told_in_order),
        JOURNAL_TEST(journal_history_makes_room_but_keeps_the_first),
        cmocka_unit_test(fingerprint_groups_what_differs_in_numbers_and_ids),
        JOURNAL_TEST(journal_dead_rows_are_listed_and_deleted),
        JOURNAL_TEST(dedupe_names_the_earlier_event),
        JOURNAL_TEST(dedupe_hash_tells_service_scope_and_key_apart),
        JOURNAL_TEST(dedupe_keeps_keys_for_the_whole_period_and_then_lets_go),
        JOURNAL_TEST(dedupe_goes_on_after_a_long_silence_and_a_clock_set_back),
        JOURNAL_TEST(dedupe_keeps_old_keys_longer_when_the_period_is_lengthened),
        JOURNAL_TEST(journal_publications_come_back_whole_and_in_order),
        cmocka_unit_test(journal_refuses_a_damaged_publication),
        JOURNAL_TEST(journal_timers_come_by_due_time_with_what_they_carry),
        JOURNAL_TEST(journal_timers_of_the_longest_names_fit),
        JOURNAL_TEST(journal_state_is_kept_by_key_and_name),
        JOURNAL_TEST(journal_state_past_its_time_is_not_found),
        JOURNAL_TEST(journal_state_lists_a_prefix_in_byte_order),
        JOURNAL_TEST(journal_state_refuses_names_that_do_not_fit),
        JOURNAL_TEST(journal_locks_come_back_with_owner_and_data),
        JOURNAL_TEST(journal_cells_are_scanned_across_keys),
        JOURNAL_TEST(journal_append_rows_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
