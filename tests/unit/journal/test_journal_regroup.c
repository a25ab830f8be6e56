/*
 * test_journal_regroup.c - events of an older store: their keys were partition, id, service.
 */
#include "journal_fixture.h"
#include "test.h"

#include "backup/backup.h"
#include "base/buf.h"
#include "journal/event.h"
#include "query/salvage.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS = 3 * PARTITIONS, SERVICE = 2, OLD_SCHEMA = 3 };

static struct event *event_of(unsigned n) {
    char payload[16];
    (void)snprintf(payload, sizeof payload, "%u", n);
    const struct event_bytes bytes = {.topic = slice_of("t"), .payload = slice_of(payload)};
    struct event *e = event_new(&bytes);
    assert_non_null(e);
    e->id = journal_id((uint8_t)n);
    e->partition = (uint8_t)(n % PARTITIONS);
    e->lane = e->partition;
    e->service = SERVICE;
    e->seq = n + 1;
    return e;
}

/* Writes its row anew under the key of schema 3. */
static void make_old(struct journal_fixture *f, const struct event *e) {
    struct slice record;
    struct buf key;
    struct buf value;
    buf_init(&key, 64);
    buf_init(&value, 4096);
    assert_int_equal(journal_event_record(f->journal, e->partition, &e->id, SERVICE, &record), 0);
    buf_add_slice(&value, record);
    assert_int_equal(journal_event_del(f->journal, e->partition, &e->id, SERVICE), 0);
    buf_add_u8(&key, e->partition);
    buf_add(&key, e->id.bytes, UUID_BYTES);
    buf_add_u16_be(&key, SERVICE);
    assert_int_equal(store_put(f->store, TABLE_EVENT, buf_slice(&key), buf_slice(&value)), 0);
    buf_clear(&key);
    buf_clear(&value);
}

/* As an older program left it, or as a start that was killed did: every `step`-th is new. */
static void leave_old_store(struct journal_fixture *f, unsigned step, uint32_t schema) {
    struct buf b;
    buf_init(&b, 16);
    buf_add_u32(&b, schema);
    for (unsigned n = 0; n < EVENTS; n++) {
        struct event *e = event_of(n);
        assert_int_equal(journal_event_put(f->journal, e), 0);
        if (n % step != step - 1) {
            make_old(f, e);
        }
        event_free(e);
    }
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/grouped")), 0);
    assert_int_equal(store_put(f->store, TABLE_META, slice_of("schema"), buf_slice(&b)), 0);
    assert_int_equal(store_commit(f->store), 0);
    buf_clear(&b);
    journal_fixture_close(f);
}

/* Every event is found by its id, by a scan, and in its group. */
static void expect_all(struct journal_fixture *f) {
    struct event_place at = {0};
    struct event *e = NULL;
    unsigned count = 0;
    for (unsigned n = 0; n < EVENTS; n++) {
        struct uuid id = journal_id((uint8_t)n);
        struct event_walk walk = {.group = journal_event_group(f->journal, n % PARTITIONS),
                                  .at.id = id};
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", n);
        assert_int_equal(journal_event_get(f->journal, n % PARTITIONS, &id, SERVICE, &e), 0);
        assert_true(slice_is(e->payload, payload) && e->partition == n % PARTITIONS);
        event_free(e);
        assert_int_equal(journal_event_find_waiting(f->journal, n % PARTITIONS, &id), 0);
        assert_int_equal(journal_event_next(f->journal, &walk, &e), 0);
        assert_true(uuid_equal(&e->id, &id));
        event_free(e);
    }
    while (journal_event_scan(f->journal, &at, &e) == 0) {
        count++;
        event_free(e);
    }
    assert_int_equal(count, EVENTS);
}

static void events_of_an_older_store_get_their_keys_when_it_is_opened(void **state) {
    struct journal_fixture *f = *state;
    leave_old_store(f, EVENTS + 1, OLD_SCHEMA);
    journal_fixture_open(f, false);
    expect_all(f);
    assert_int_equal(journal_event_groups(f->journal), EVENT_GROUPS);
    assert_int_equal(store_rows(f->store, TABLE_EVENT), EVENTS);
}

static void who_only_reads_an_older_store_finds_its_events(void **state) {
    struct journal_fixture *f = *state;
    leave_old_store(f, EVENTS + 1, OLD_SCHEMA);
    journal_fixture_open(f, true);
    expect_all(f);
}

static void a_start_goes_on_where_one_before_it_was_killed(void **state) {
    struct journal_fixture *f = *state;
    leave_old_store(f, 2, STORE_SCHEMA);
    journal_fixture_open(f, false);
    expect_all(f);
    assert_int_equal(store_rows(f->store, TABLE_EVENT), EVENTS);
}

static void who_only_reads_is_told_to_wait_while_events_get_their_keys(void **state) {
    struct journal_fixture *f = *state;
    struct store_options options = {.path = f->folder.path, .read_only = true};
    struct report r = {""};
    leave_old_store(f, 2, STORE_SCHEMA);
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    assert_int_equal(journal_open(&f->journal, f->store, JOURNAL_KEEP_MS, &r), ERR_BUSY);
    assert_non_null(strstr(r.text, "start its host, and wait until it is ready"));
    store_close(f->store);
    journal_fixture_open(f, false);
    expect_all(f);
}

static void a_start_goes_on_with_the_group_that_one_before_it_had_reached(void **state) {
    struct journal_fixture *f = *state;
    leave_old_store(f, EVENTS + 1, STORE_SCHEMA);
    struct store *store = data_folder_store(&f->folder, 32 << 20);
    struct buf b;
    buf_init(&b, 16);
    buf_add_u64(&b, EVENT_GROUPS - 1);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_put(store, TABLE_META, slice_of("flag/grouped"), buf_slice(&b)), 0);
    assert_int_equal(store_commit(store), 0);
    buf_clear(&b);
    store_close(store);
    journal_fixture_open(f, false);
    for (unsigned n = 0; n < EVENTS; n++) {
        struct uuid id = journal_id((uint8_t)n);
        bool last = journal_group((uint8_t)(n % PARTITIONS)) == EVENT_GROUPS - 1;
        assert_int_equal(journal_event_find(f->journal, n % PARTITIONS, &id, SERVICE),
                         last ? 0 : ERR_NOTFOUND);
    }
}

/* The code that a scan ends with, which it does. */
static int scan_all(struct journal_fixture *f, unsigned *count) {
    struct event_place at = {0};
    struct event *e = NULL;
    int code;
    *count = 0;
    while ((code = journal_event_scan(f->journal, &at, &e)) == 0) {
        event_free(e);
        assert_true(++*count <= EVENTS);
    }
    return code;
}

static int walk_back_all(struct journal_fixture *f) {
    struct event_walk walk = {.at.id = journal_id(UINT8_MAX)};
    struct event *e = NULL;
    unsigned count = 0;
    int code;
    while ((code = journal_event_prev(f->journal, &walk, &e)) == 0) {
        event_free(e);
        assert_true(++count <= EVENTS);
    }
    return code;
}

static void a_reader_ends_when_a_host_gives_events_their_keys_meanwhile(void **state) {
    struct journal_fixture *f = *state;
    unsigned count;
    leave_old_store(f, 2, OLD_SCHEMA); /* as it stood when the reader looked */
    journal_fixture_open(f, true);
    assert_int_equal(scan_all(f, &count), ERR_SCHEMA);
    assert_int_equal(walk_back_all(f), ERR_SCHEMA);
}

static void a_walk_that_meets_a_key_of_another_schema_ends(void **state) {
    struct journal_fixture *f = *state;
    unsigned count;
    for (unsigned n = 0; n < EVENTS; n++) {
        struct event *e = event_of(n);
        assert_int_equal(journal_event_put(f->journal, e), 0);
        if (n == PARTITIONS) {
            make_old(f, e);
        }
        event_free(e);
    }
    assert_int_equal(scan_all(f, &count), ERR_NOTFOUND);
    assert_int_equal(count, EVENTS - 1);
    assert_int_equal(walk_back_all(f), ERR_NOTFOUND);
    assert_true(journal_has_broken(f->journal, TABLE_EVENT));
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    journal_fixture_open(f, true);
    assert_int_equal(scan_all(f, &count), ERR_SCHEMA);
    assert_int_equal(walk_back_all(f), ERR_SCHEMA);
}

/* ---- copies ---- */

static void on_loss(void *ctx, const char *text) {
    (void)ctx;
    fail_msg("%s", text);
}

static void on_found(void *ctx, const char *table, uint64_t pages) {
    (void)ctx;
    fail_msg("%s: %llu pages", table, (unsigned long long)pages);
}

static void expect_all_in(const struct journal_fixture *copy) {
    struct journal_fixture f = *copy;
    journal_fixture_open(&f, false);
    expect_all(&f);
    journal_fixture_close(&f);
}

static void a_store_under_way_is_copied_and_salvaged_whole(void **state) {
    struct journal_fixture *f = *state;
    struct journal_fixture copy;
    struct journal_fixture saved;
    struct salvage salvage = {.on_loss = on_loss, .on_found = on_found};
    struct backup_sizes sizes;
    leave_old_store(f, 2, STORE_SCHEMA);
    data_folder_make(&copy.folder);
    data_folder_make(&saved.folder);
    assert_int_equal(backup_copy(f->folder.path, copy.folder.path, &sizes, NULL), 0);
    assert_int_equal(store_salvage(&salvage, copy.folder.path, saved.folder.path, NULL), 0);
    expect_all_in(&saved);
    expect_all_in(&copy);
    data_folder_remove(&copy.folder);
    data_folder_remove(&saved.folder);
    journal_fixture_open(f, false);
}

/* ---- room ---- */

/* Opens the folder with as little room; what is committed stays when it is full. */
static void open_small(struct journal_fixture *f) {
    enum { SMALL = 4 << 20 };
    struct store_options options = {.path = f->folder.path, .max_bytes = SMALL};
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    assert_int_equal(journal_open(&f->journal, f->store, JOURNAL_KEEP_MS, NULL), 0);
}

/* Writes old rows until there is no room; returns how many there are. */
static uint64_t fill_with_old(struct journal_fixture *f) {
    static const char value[1500];
    uint64_t stored = 0;
    for (uint64_t n = 0;; n++) {
        struct buf key;
        buf_init(&key, 64);
        buf_add_u8(&key, (uint8_t)(n % PARTITIONS));
        buf_add_u64_be(&key, n);
        buf_add_u64_be(&key, 0);
        buf_add_u16_be(&key, SERVICE);
        assert_int_equal(store_begin(f->store), 0);
        int code =
            store_put(f->store, TABLE_EVENT, buf_slice(&key), (struct slice){value, sizeof value});
        buf_clear(&key);
        if (code != 0) {
            assert_int_equal(code, ERR_FULL);
            store_abort(f->store);
            return stored;
        }
        code = store_commit(f->store);
        assert_true(code == 0 || code == ERR_FULL);
        if (code != 0) {
            return stored;
        }
        stored++;
    }
}

/* Its events get their keys, although it is full. */
static void expect_room(struct journal_fixture *f, uint64_t stored) {
    assert_true(stored > 500);
    assert_int_equal(store_lend(f->store, STORE_LENT_SPARE), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/grouped")), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    open_small(f);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_rows(f->store, TABLE_EVENT), stored);
    struct slice key = {"", 0};
    struct slice value;
    char last[64];
    while (store_seek(f->store, TABLE_EVENT, key, key.len > 0, &key, &value) == 0) {
        assert_int_equal(key.len, 20);
        key.data = memcpy(last, key.data, key.len);
    }
}

static void a_full_store_has_room_for_it(void **state) {
    struct journal_fixture *f = *state;
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    open_small(f);
    expect_room(f, fill_with_old(f));
}

/* Larger than what a full store has in reserve. */
static void a_full_store_has_room_for_a_large_event_too(void **state) {
    struct journal_fixture *f = *state;
    static const char large[3 << 19];
    static const char key[19] = {PARTITIONS - 1};
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    open_small(f);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_put(f->store, TABLE_EVENT, (struct slice){key, sizeof key},
                               (struct slice){large, sizeof large}),
                     0);
    assert_int_equal(store_commit(f->store), 0);
    expect_room(f, fill_with_old(f) + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(events_of_an_older_store_get_their_keys_when_it_is_opened),
        JOURNAL_TEST(who_only_reads_an_older_store_finds_its_events),
        JOURNAL_TEST(a_start_goes_on_where_one_before_it_was_killed),
        JOURNAL_TEST(who_only_reads_is_told_to_wait_while_events_get_their_keys),
        JOURNAL_TEST(a_start_goes_on_with_the_group_that_one_before_it_had_reached),
        JOURNAL_TEST(a_reader_ends_when_a_host_gives_events_their_keys_meanwhile),
        JOURNAL_TEST(a_walk_that_meets_a_key_of_another_schema_ends),
        JOURNAL_TEST(a_store_under_way_is_copied_and_salvaged_whole),
        JOURNAL_TEST(a_full_store_has_room_for_it),
        JOURNAL_TEST(a_full_store_has_room_for_a_large_event_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
