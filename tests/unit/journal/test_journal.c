/* test_journal.c - meta rows, events, the rows that say where they wait, history, dead letters. */
#include "journal_fixture.h"
#include "test.h"

#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- meta ---------------------------------------------------------------------------------------
 */

static void journal_host_id_stays_over_restarts(void **state) {
    struct journal_fixture *f = *state;
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(id, sizeof id, "%s", journal_host_id(f->journal));
    assert_int_equal(strlen(id), UUID_TEXT_BYTES);
    journal_restart(f);
    assert_string_equal(journal_host_id(f->journal), id);
}

static void journal_numbers_services_once_and_for_all(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
        assert_int_equal(number, 0);
        assert_int_equal(journal_service_number(f->journal, "emails", &number), 0);
        assert_int_equal(number, 1);
        journal_restart(f);
    }
    assert_int_equal(journal_service_count(f->journal), 2);
    assert_string_equal(journal_service_name(f->journal, 1), "emails");
    assert_null(journal_service_name(f->journal, 2));
}

static void journal_forgets_a_service_whose_transaction_was_dropped(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "lost", &number), 0);
    store_abort(f->store);
    assert_int_equal(journal_reload(f->journal), 0);
    assert_int_equal(journal_service_count(f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_service_number(f->journal, "kept", &number), 0);
    assert_int_equal(number, 0);
    journal_restart(f);
    assert_int_equal(journal_service_count(f->journal), 1);
    assert_string_equal(journal_service_name(f->journal, 0), "kept");
}

static void journal_read_only_knows_services_and_makes_none(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    journal_fixture_open(f, true);
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(journal_service_number(f->journal, "emails", &number), ERR_NOTFOUND);
}

static void whatever_the_count_of_services_says_they_keep_their_numbers(void **state) {
    struct journal_fixture *f = *state;
    static const uint64_t counts[] = {0, 1, 3, UINT16_MAX, UINT64_MAX};
    uint16_t number = 0;
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(journal_service_number(f->journal, "emails", &number), 0);
    assert_int_equal(number, 1);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_int_equal(journal_flag_put(f->journal, "services", counts[i]), 0);
        journal_restart(f);
        assert_int_equal(journal_service_number(f->journal, "emails", &number), 0);
        assert_int_equal(number, 1);
    }
}

static void journal_seq_follows_the_clock_and_never_repeats(void **state) {
    struct journal_fixture *f = *state;
    uint64_t first = journal_next_seq(f->journal, JOURNAL_T0);
    assert_int_equal(first, (uint64_t)JOURNAL_T0 * 1000);
    assert_int_equal(journal_next_seq(f->journal, JOURNAL_T0), first + 1);
    assert_int_equal(journal_next_seq(f->journal, JOURNAL_T0 - 5000), first + 2);
    assert_int_equal(journal_mark_seq(f->journal), 0);
    journal_restart(f);
    assert_int_equal(journal_next_seq(f->journal, JOURNAL_T0 - 5000), first + 3);
    assert_int_equal(journal_next_seq(f->journal, JOURNAL_T0 + 1),
                     (uint64_t)(JOURNAL_T0 + 1) * 1000);
}

static void journal_books_come_back_as_they_were(void **state) {
    struct journal_fixture *f = *state;
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
    journal_restart(f);
    assert_int_equal(journal_books_get(f->journal, 3, &read), 0);
    assert_memory_equal(&read, &books, sizeof books);
    assert_int_equal(books_waiting(&read), 10);
}

static void journal_flags_are_kept_by_name(void **state) {
    struct journal_fixture *f = *state;
    uint64_t value;
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(journal_flag_get(f->journal, "paused/a", &value), ERR_NOTFOUND);
    assert_int_equal(journal_flag_put(f->journal, "paused/a", 7), 0);
    assert_int_equal(journal_flag_put(f->journal, name, 1), ERR_LIMIT);
    journal_restart(f);
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
    e->id = journal_id(n);
    e->cause = journal_id(200);
    e->seq = 1000 + n;
    e->lane = 0x1122334455667780 + partition;
    e->service = service;
    e->partition = partition;
    e->state = EVENT_DEAD;
    e->kind = EVENT_LOCK_EXPIRED;
    e->qos = 2;
    e->rank = 1 + 7;
    e->retained = true;
    e->parked = true;
    e->hops = 31;
    e->attempts = 1;
    e->errors = 2;
    e->timeouts = 3;
    e->crashes = 4;
    e->snoozes = 5;
    e->throttles = 6;
    e->accepted_ms = JOURNAL_T0;
    e->started_ms = JOURNAL_T0 + 1;
    e->due_ms = JOURNAL_T0 + 2;
    e->ended_ms = JOURNAL_T0 + 3;
    e->duration_us = 7;
    e->version = 0xfedcba9876543210;
    return e;
}

static void put_event(struct journal_fixture *f, uint8_t partition, uint8_t n, uint16_t service) {
    struct event *e = full_event(partition, n, service);
    assert_int_equal(journal_event_put(f->journal, e), 0);
    event_free(e);
}

static void assert_same_event(const struct event *a, const struct event *b) {
    assert_true(uuid_equal(&a->id, &b->id) && uuid_equal(&a->cause, &b->cause));
    assert_true(a->seq == b->seq && a->lane == b->lane && a->version == b->version);
    assert_true(a->service == b->service && a->partition == b->partition);
    assert_true(a->state == b->state && a->kind == b->kind && a->qos == b->qos);
    assert_int_equal(a->rank, b->rank);
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
    struct journal_fixture *f = *state;
    struct event *put = full_event(5, 1, 2);
    struct event *got = NULL;
    assert_int_equal(journal_event_put(f->journal, put), 0);
    journal_restart(f);
    assert_int_equal(journal_event_get(f->journal, 5, &put->id, 2, &got), 0);
    assert_same_event(got, put);
    assert_int_equal(got->topic.data[got->topic.len], '\0');
    event_free(got);
    event_free(put);
}

static void journal_events_are_of_one_partition_and_service(void **state) {
    struct journal_fixture *f = *state;
    struct uuid id = journal_id(1);
    struct event *got = NULL;
    put_event(f, 5, 1, 2);
    assert_int_equal(journal_event_find(f->journal, 5, &id, 2), 0);
    assert_int_equal(journal_event_find(f->journal, 5, &id, 3), ERR_NOTFOUND);
    assert_int_equal(journal_event_find(f->journal, 6, &id, 2), ERR_NOTFOUND);
    assert_int_equal(journal_event_get(f->journal, 5, &id, 3, &got), ERR_NOTFOUND);
    assert_int_equal(journal_event_del(f->journal, 5, &id, 2), 0);
    assert_int_equal(journal_event_del(f->journal, 5, &id, 2), ERR_NOTFOUND);
    assert_int_equal(journal_event_find(f->journal, 5, &id, 2), ERR_NOTFOUND);
}

/* Partitions 4 to 6 are of one group, 9 is of another. */
static const uint8_t side_by_side[][3] = {{5, 9, 0}, {5, 1, 1}, {9, 2, 0},
                                          {5, 1, 0}, {4, 7, 0}, {6, 8, 0}};

static void expect_events(struct journal_fixture *f, struct event_walk walk,
                          const uint8_t (*order)[2], size_t count) {
    struct event *e = NULL;
    for (size_t i = 0; i < count;) {
        assert_int_equal(journal_event_next(f->journal, &walk, &e), 0);
        if (e != NULL) {
            assert_int_equal(e->id.bytes[15], order[i][0]);
            assert_int_equal(e->service, order[i++][1]);
            event_free(e);
        }
    }
    assert_int_equal(journal_event_next(f->journal, &walk, &e), ERR_NOTFOUND);
    memset(&walk.at, 0xff, sizeof walk.at);
    for (size_t i = count; i > 0;) {
        assert_int_equal(journal_event_prev(f->journal, &walk, &e), 0);
        if (e != NULL) {
            assert_int_equal(e->id.bytes[15], order[--i][0]);
            assert_int_equal(e->service, order[i][1]);
            event_free(e);
        }
    }
}

static void journal_events_of_a_group_are_listed_by_id_both_ways(void **state) {
    struct journal_fixture *f = *state;
    const uint8_t order[][2] = {{1, 0}, {1, 1}, {7, 0}, {8, 0}, {9, 0}};
    for (size_t i = 0; i < sizeof side_by_side / sizeof *side_by_side; i++) {
        put_event(f, side_by_side[i][0], side_by_side[i][1], side_by_side[i][2]);
    }
    struct event_walk walk = {.group = journal_event_group(f->journal, 5)};
    expect_events(f, walk, order, 5);
}

static void journal_events_of_a_partition_are_listed_alone(void **state) {
    struct journal_fixture *f = *state;
    const uint8_t order[][2] = {{1, 0}, {1, 1}, {9, 0}};
    for (size_t i = 0; i < sizeof side_by_side / sizeof *side_by_side; i++) {
        put_event(f, side_by_side[i][0], side_by_side[i][1], side_by_side[i][2]);
    }
    struct event_walk walk = {
        .group = journal_event_group(f->journal, 5), .by_partition = true, .partition = 5};
    expect_events(f, walk, order, 3);
}

static void journal_events_of_all_partitions_are_scanned(void **state) {
    struct journal_fixture *f = *state;
    struct event *e = NULL;
    const uint8_t order[][3] = {{5, 1, 0}, {5, 1, 1}, {4, 7, 0}, {9, 3, 0}};
    for (size_t i = 4; i-- > 0;) {
        put_event(f, order[i][0], order[i][1], order[i][2]);
    }
    struct event_place at = {0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(journal_event_scan(f->journal, &at, &e), 0);
        assert_int_equal(at.partition, order[i][0]);
        assert_int_equal(e->id.bytes[15], order[i][1]);
        assert_int_equal(at.service, order[i][2]);
        event_free(e);
    }
    assert_int_equal(journal_event_scan(f->journal, &at, &e), ERR_NOTFOUND);
}

static void a_damaged_event_is_as_if_it_were_not_there(void **state) {
    struct journal_fixture *f = *state;
    struct slice key;
    struct slice value;
    struct event *e = NULL;
    struct uuid id = journal_id(1);
    put_event(f, 5, 1, 2);
    assert_int_equal(store_seek(f->store, TABLE_EVENT, slice_of(""), false, &key, &value), 0);
    char kept[64];
    char cut[512];
    struct slice kept_key = {memcpy(kept, key.data, key.len), key.len};
    struct slice short_value = {memcpy(cut, value.data, value.len), value.len - 1};
    assert_int_equal(store_put(f->store, TABLE_EVENT, kept_key, short_value), 0);
    assert_int_equal(journal_event_get(f->journal, 5, &id, 2, &e), ERR_NOTFOUND);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* One of the partition's lanes, by number. */
static struct row row_of(uint8_t partition, uint16_t service, uint64_t lane, uint64_t seq) {
    return (struct row){.partition = partition,
                        .service = service,
                        .lane = lane * PARTITIONS + partition,
                        .seq = seq,
                        .id = journal_id((uint8_t)seq)};
}

static void journal_ready_rows_come_in_arrival_order(void **state) {
    struct journal_fixture *f = *state;
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
    struct journal_fixture *f = *state;
    struct row rows[] = {row_of(3, 1, 70, 300), row_of(3, 1, 70, 255), row_of(3, 1, 69, 1),
                         row_of(3, 1, 71, 1)};
    rows[1].flags = LANE_WAITING;
    rows[3].flags = LANE_PARKED;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(journal_lane_put(f->journal, &rows[i]), 0);
    }
    struct row row = row_of(3, 1, 70, 0);
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

static void journal_rows_keep_their_rank_and_have_none_without_one(void **state) {
    struct journal_fixture *f = *state;
    struct row rows[] = {row_of(3, 1, 70, 1), row_of(3, 1, 70, 2), row_of(3, 1, 70, 3)};
    rows[1].rank = PRIORITIES;
    rows[2].rank = 1;
    rows[2].tenant = 5;
    struct row ready = {.partition = 3, .service = 1};
    struct row lane = row_of(3, 1, 70, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_ready_put(f->journal, &rows[i]), 0);
        assert_int_equal(journal_lane_put(f->journal, &rows[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_ready_next(f->journal, &ready), 0);
        assert_int_equal(journal_lane_next(f->journal, &lane), 0);
        assert_true(ready.rank == rows[i].rank && ready.tenant == rows[i].tenant);
        assert_true(lane.rank == rows[i].rank && lane.tenant == rows[i].tenant);
    }
}

/* --- history ------------------------------------------------------------------------------------
 */

static void journal_history_is_told_in_order(void **state) {
    struct journal_fixture *f = *state;
    struct event *e = full_event(5, 1, 2);
    struct attempt first = {.end = ATTEMPT_TIMEOUT,
                            .at_ms = JOURNAL_T0,
                            .duration_us = 12,
                            .version = 99,
                            .text = slice_of("why")};
    struct attempt second = {.end = ATTEMPT_CRASH, .at_ms = JOURNAL_T0 + 1, .text = slice_of("")};
    assert_int_equal(journal_history_add(f->journal, e, &first), 0);
    assert_int_equal(journal_history_add(f->journal, e, &second), 0);
    journal_restart(f);
    struct attempt a = {0};
    assert_int_equal(journal_history_next(f->journal, e, &a), 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.end, ATTEMPT_TIMEOUT);
    assert_int_equal(a.at_ms, JOURNAL_T0);
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
    struct journal_fixture *f = *state;
    struct event *e = full_event(5, 1, 2);
    struct event *neighbour = full_event(5, 2, 2);
    struct attempt a = {.end = ATTEMPT_ERROR};
    assert_int_equal(journal_history_add(f->journal, neighbour, &a), 0);
    for (int i = 0; i < HISTORY_MAX + 20; i++) {
        a.at_ms = JOURNAL_T0 + i;
        assert_int_equal(journal_history_add(f->journal, e, &a), 0);
    }
    int count = 0;
    a.n = 0;
    while (journal_history_next(f->journal, e, &a) == 0) {
        assert_int_equal(a.at_ms, count == 0 ? JOURNAL_T0 : JOURNAL_T0 + 20 + count);
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
    struct journal_fixture *f = *state;
    struct dead_row rows[] = {{.partition = 7,
                               .service = 1,
                               .id = journal_id(2),
                               .dead_ms = JOURNAL_T0,
                               .fingerprint = 5},
                              {.partition = 7,
                               .service = 1,
                               .id = journal_id(1),
                               .dead_ms = JOURNAL_T0 + 9,
                               .fingerprint = 6}};
    struct dead_row row = {0};
    assert_int_equal(journal_dead_next(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_dead_put(f->journal, &rows[0]), 0);
    assert_int_equal(journal_dead_put(f->journal, &rows[1]), 0);
    row = (struct dead_row){0};
    assert_int_equal(journal_dead_next(f->journal, &row), 0);
    assert_memory_equal(&row.id, &rows[1].id, sizeof row.id);
    assert_int_equal(row.dead_ms, JOURNAL_T0 + 9);
    assert_int_equal(row.fingerprint, 6);
    assert_int_equal(journal_dead_next(f->journal, &row), 0);
    assert_memory_equal(&row.id, &rows[0].id, sizeof row.id);
    assert_int_equal(journal_dead_next(f->journal, &row), ERR_NOTFOUND);
    assert_int_equal(journal_dead_del(f->journal, &rows[0]), 0);
    assert_int_equal(journal_dead_del(f->journal, &rows[0]), ERR_NOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(journal_host_id_stays_over_restarts),
        JOURNAL_TEST(journal_numbers_services_once_and_for_all),
        JOURNAL_TEST(journal_forgets_a_service_whose_transaction_was_dropped),
        JOURNAL_TEST(journal_read_only_knows_services_and_makes_none),
        JOURNAL_TEST(whatever_the_count_of_services_says_they_keep_their_numbers),
        JOURNAL_TEST(journal_seq_follows_the_clock_and_never_repeats),
        JOURNAL_TEST(journal_books_come_back_as_they_were),
        JOURNAL_TEST(journal_flags_are_kept_by_name),
        JOURNAL_TEST(journal_lanes_are_the_same_on_every_host),
        JOURNAL_TEST(journal_events_come_back_whole),
        JOURNAL_TEST(journal_events_are_of_one_partition_and_service),
        JOURNAL_TEST(journal_events_of_a_group_are_listed_by_id_both_ways),
        JOURNAL_TEST(journal_events_of_a_partition_are_listed_alone),
        JOURNAL_TEST(journal_events_of_all_partitions_are_scanned),
        JOURNAL_TEST(a_damaged_event_is_as_if_it_were_not_there),
        JOURNAL_TEST(journal_ready_rows_come_in_arrival_order),
        JOURNAL_TEST(journal_lane_rows_come_lane_by_lane_in_order),
        JOURNAL_TEST(journal_rows_keep_their_rank_and_have_none_without_one),
        JOURNAL_TEST(journal_history_is_told_in_order),
        JOURNAL_TEST(journal_history_makes_room_but_keeps_the_first),
        cmocka_unit_test(fingerprint_groups_what_differs_in_numbers_and_ids),
        JOURNAL_TEST(journal_dead_rows_are_listed_and_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
