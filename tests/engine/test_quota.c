/* test_quota.c - dead letters, files and signals have their part of the store, and no more. */
#include "engine_fixture.h"
#include "test.h"

#include "base/log.h"
#include "journal/event.h"
#include "journal/letter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGE = 300000, STORE_BYTES = 8 << 20 };

#define STORE "store { max_size = \"8MiB\" keep_done = \"10m\" }\n"
#define JUNK                                                                                       \
    "service \"junk\" { subscribe = {\"junk/#\"} handler = \"h.lua\" key = \"json:/k\""            \
    " dead_topic = \"\" }\n"
#define PAY "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\" }\n"
#define HANDLER                                                                                    \
    "return function(e) if e.payload:find('bad', 1, true) then zing.reject('no') end\n"            \
    "  zing.publish('out', e.payload) end"

/* "N xxxx...", which is no JSON. */
static void offer_junk(struct engine_fixture *f, unsigned n, size_t bytes) {
    char *payload = malloc(bytes + 1);
    assert_non_null(payload);
    memset(payload, 'x', bytes);
    payload[bytes] = '\0';
    payload[snprintf(payload, bytes, "%u", n)] = ' ';
    offer(f, "junk", "junk/a", payload, NULL);
    free(payload);
    run_dry(f);
}

static struct books books_of(struct engine_fixture *f, const char *service) {
    return service_status(f, service).books;
}

/* Those of the service, about. */
static uint64_t letter_bytes(struct engine_fixture *f, enum letter_kind kind) {
    struct letter_row row = {0};
    uint64_t bytes = 0;
    assert_int_equal(store_begin(f->store), 0);
    while (journal_letter_scan(f->view, &row) == 0) {
        bytes += row.kind == kind ? row.bytes : 0;
    }
    store_abort(f->store);
    return bytes;
}

static void a_letter_that_never_ran_keeps_64_kib_of_its_payload(void **state) {
    struct engine_fixture *f = *state;
    struct dead_row row = {0};
    struct event *event = NULL;
    fixture_run(f, JUNK, HANDLER);
    offer_junk(f, 1, LARGE);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_dead_next(f->view, &row), 0);
    assert_int_equal(journal_event_get(f->view, row.partition, &row.id, row.service, &event), 0);
    store_abort(f->store);
    struct slice size;
    assert_int_equal(event->payload.len, DEAD_PAYLOAD_BYTES_MAX);
    assert_true(property_find(event->properties, "zingq-cut", &size));
    assert_true(slice_is(size, "300000"));
    event_free(event);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = row.id}),
                     ERR_INVALID);
    assert_non_null(strstr(f->report.text, "it had 300000 bytes"));
}

static void letters_that_never_ran_take_a_tenth_of_the_store_and_the_oldest_go(void **state) {
    struct engine_fixture *f = *state;
    f->unchecked = true;
    fixture_run(f, STORE JUNK PAY, HANDLER);
    for (unsigned n = 1; n <= 2000; n++) {
        offer_junk(f, n, LARGE);
        f->now_ms++;
        assert_true(letter_bytes(f, LETTER_REFUSED) <= STORE_BYTES / 10);
    }
    struct books b = books_of(f, "junk");
    assert_int_equal(b.accepted, 2000);
    assert_int_equal(b.died, 2000);
    assert_int_equal(b.dead + b.expired, 2000);
    assert_true(b.dead > 100); /* heads, most of them: the newest */
    assert_true(b.expired > 0);
    assert_int_equal(count_rows(f, TABLE_DEAD), b.dead);
    deliver(f, "pay", "pay/1", "hello");
    assert_int_equal(books_of(f, "pay").done, 1);
    engine_check(f);
    restart(f);
    assert_true(letter_bytes(f, LETTER_REFUSED) <= STORE_BYTES / 10);
    assert_int_equal(books_of(f, "junk").expired, b.expired);
    engine_check(f);
}

static void a_store_that_is_nearly_full_lets_letters_that_never_ran_go_first(void **state) {
    struct engine_fixture *f = *state;
    char payload[20001];
    f->unchecked = true;
    fixture_run(f, STORE JUNK PAY, HANDLER);
    for (unsigned n = 1; n <= 5; n++) {
        offer_junk(f, n, LARGE);
    }
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    engine_hold_service(f->engine, service_index(f, "pay"), true);
    for (unsigned n = 0; status(f).store_low == NULL; n++) {
        offer(f, "pay", "pay/1", payload, NULL);
        assert_int_equal(turn(f), 0);
        f->now_ms += 100;
        assert_true(n < 1000);
    }
    advance(f, 20000);
    assert_int_equal(books_of(f, "junk").dead, 0);
    assert_int_equal(books_of(f, "junk").expired, 5);
    engine_check(f);
}

static void letters_of_events_that_ran_stay(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE PAY, HANDLER);
    for (int i = 0; i < 30; i++) {
        deliver(f, "pay", "pay/1", "bad");
    }
    advance(f, 24 * 3600 * 1000);
    assert_books(f, "pay", (struct books){.accepted = 30, .dead = 30});
}

static void past_max_dead_the_oldest_letters_expire(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                STORE "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                      " max_dead = \"2\" }\n",
                HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    f->now_ms++;
    deliver(f, "pay", "pay/1", "bad 2");
    f->now_ms++;
    struct uuid first = id_of(f, "pay", "bad 1");
    deliver(f, "pay", "pay/1", "bad 3");
    assert_books(f, "pay", (struct books){.accepted = 3, .dead = 2, .expired = 1});
    assert_int_equal(state_of(f, "pay", "bad 2"), EVENT_DEAD);
    assert_int_equal(state_of(f, "pay", "bad 3"), EVENT_DEAD);
    assert_int_equal(state_of(f, "pay", ""), EVENT_EXPIRED); /* to be traced, without its payload */
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = first}),
                     ERR_NOTFOUND);
    crash(f);
    assert_books(f, "pay", (struct books){.accepted = 3, .dead = 2, .expired = 1});
    advance(f, 11 * 60 * 1000);
    assert_int_equal(count_events(f, "pay", EVENT_EXPIRED), 0);
    assert_books(f, "pay", (struct books){.accepted = 3, .dead = 2, .expired = 1});
}

/* They get new rows, and count once: or as many would expire as have lost theirs. */
static void letters_whose_rows_are_damaged_do_not_count_twice(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                STORE "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                      " max_dead = \"3\" }\n",
                HANDLER);
    for (unsigned i = 0; i < 3; i++) {
        deliver(f, "pay", "pay/1", "bad");
    }
    f->unchecked = true; /* until all are there again */
    assert_int_equal(spoil_table(f, TABLE_LETTER), 3);
    deliver(f, "pay", "pay/1", "bad, and one too many");
    assert_books(f, "pay", (struct books){.accepted = 4, .dead = 3, .expired = 1});
    engine_check(f);
}

static void max_dead_may_be_a_size(void **state) {
    struct engine_fixture *f = *state;
    char payload[5000];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "bad", 3);
    payload[sizeof payload - 1] = '\0';
    fixture_run(f,
                STORE "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                      " max_dead = \"64KiB\" }\n",
                HANDLER);
    for (int i = 0; i < 20; i++) {
        deliver(f, "pay", "pay/1", payload);
    }
    assert_true(letter_bytes(f, LETTER_RAN) <= 64 << 10);
    assert_int_equal(books_of(f, "pay").dead + books_of(f, "pay").expired, 20);
    assert_true(books_of(f, "pay").dead >= 5);
}

static void past_keep_dead_a_letter_expires_though_nothing_happens(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                STORE "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                      " keep_dead = \"1h\" }\n",
                HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    advance(f, 1800 * 1000);
    deliver(f, "pay", "pay/1", "bad 2");
    restart(f);
    advance(f, 1801 * 1000);
    assert_books(f, "pay", (struct books){.accepted = 2, .dead = 1, .expired = 1});
    assert_int_equal(state_of(f, "pay", "bad 2"), EVENT_DEAD);
    advance(f, 1800 * 1000);
    assert_books(f, "pay", (struct books){.accepted = 2, .expired = 2});
}

static void a_letter_that_holds_its_key_goes_by_no_quota(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                STORE
                "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                " key = \"topic:2\" on_dead = \"park\" keep_dead = \"1h\" max_dead = \"1\" }\n",
                HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    deliver(f, "pay", "pay/2", "bad 2");
    deliver(f, "pay", "pay/3", "bad 3");
    advance(f, 7200 * 1000);
    assert_books(f, "pay", (struct books){.accepted = 3, .dead = 3});
    struct command skip = {
        .kind = COMMAND_KEY_SKIP, .service = slice_of("pay"), .key = slice_of("1")};
    assert_int_equal(command(f, skip), 0);
    assert_books(f, "pay", (struct books){.accepted = 3, .dead = 2, .expired = 1});
}

/* As the store of a zingq that knew no quotas. */
static void forget_index(struct engine_fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_empty(f->store, TABLE_LETTER), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/letters")), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/kept")), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void letters_of_an_older_zingq_are_counted_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE PAY, HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    deliver(f, "pay", "pay/1", "bad 2");
    forget_index(f);
    restart(f);
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_LETTER), 2);
    engine_check(f);
}

/* GIVEN the row of a letter that a disk has damaged WHEN it is set aside THEN it is written anew. */
static void a_letter_whose_row_was_set_aside_is_listed_again(void **state) {
    struct engine_fixture *f = *state;
    struct slice key;
    struct slice value;
    bool all = false;
    fixture_run(f, STORE PAY, HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    deliver(f, "pay", "pay/1", "bad 2");
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_seek(f->store, TABLE_LETTER, slice_of(""), false, &key, &value), 0);
    assert_int_equal(store_put(f->store, TABLE_LETTER, key, slice_of("?")), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/kept")), 0); /* all are read */
    assert_int_equal(store_commit(f->store), 0);
    f->unchecked = true; /* what is kept is counted anew at the start that follows */
    restart(f);
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_ASIDE), 1);
    assert_int_equal(count_rows(f, TABLE_LETTER), 2);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_letters_all(f->view, &all), 0);
    store_abort(f->store);
    assert_true(all);
    restart(f);
    engine_check(f);
}

/* GIVEN letters without rows, one of which says that it died at no moment THEN they get rows. */
static void a_letter_that_died_at_no_moment_gets_a_row(void **state) {
    struct engine_fixture *f = *state;
    struct event_place at = {0};
    struct event *event = NULL;
    fixture_run(f, STORE PAY, HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    deliver(f, "pay", "pay/1", "bad 2");
    forget_index(f);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_event_scan(f->view, &at, &event), 0);
    event->ended_ms = -1;
    assert_int_equal(journal_event_put(f->view, event), 0);
    assert_int_equal(store_commit(f->store), 0);
    event_free(event);
    restart(f);
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_LETTER), 2);
}

/* GIVEN a store of a zingq that gave those no row that no quota takes. */
static void parked_letters_of_an_older_zingq_are_listed_by_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                " key = \"topic:2\" on_dead = \"park\" }\n",
                HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    assert_int_equal(count_rows(f, TABLE_LETTER), 1);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_empty(f->store, TABLE_LETTER), 0);
    assert_int_equal(journal_flag_put(f->view, "letters", 1), 0);
    assert_int_equal(store_commit(f->store), 0);
    restart(f);
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_LETTER), 1);
    engine_check(f);
}

static void letters_that_are_replayed_or_discarded_make_room(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE PAY, HANDLER);
    deliver(f, "pay", "pay/1", "bad 1");
    deliver(f, "pay", "pay/1", "bad 2");
    struct command c = {.kind = COMMAND_DISCARD, .id = id_of(f, "pay", "bad 1")};
    assert_int_equal(command(f, c), 0);
    c = (struct command){
        .kind = COMMAND_EDIT, .id = id_of(f, "pay", "bad 2"), .payload = slice_of("good")};
    assert_int_equal(command(f, c), 0);
    c = (struct command){.kind = COMMAND_REPLAY, .id = id_of(f, "pay", "good")};
    assert_int_equal(command(f, c), 0);
    assert_int_equal(count_rows(f, TABLE_LETTER), 0);
    assert_books(f, "pay", (struct books){.accepted = 2, .done = 1, .discarded = 1});
}

/* --- the log --- */

static int log_into(FILE *out) {
    int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0 && dup2(fileno(out), STDERR_FILENO) >= 0);
    return kept;
}

static unsigned lines_with(FILE *out, const char *words) {
    static char line[LOG_MESSAGE_BYTES + 256];
    unsigned count = 0;
    rewind(out);
    while (fgets(line, sizeof line, out) != NULL) {
        count += strstr(line, words) != NULL ? 1 : 0;
    }
    return count;
}

static void a_flood_of_letters_does_not_fill_the_log(void **state) {
    enum { FLOOD = 400, TOPIC = 4000 };
    struct engine_fixture *f = *state;
    static char topic[TOPIC + 1] = "junk/";
    FILE *out = tmpfile();
    assert_non_null(out);
    memset(topic + 5, 't', TOPIC - 5);
    fixture_run(f, STORE JUNK, HANDLER);
    int kept = log_into(out);
    for (unsigned i = 0; i < FLOOD; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", i);
        offer(f, "junk", topic, payload, NULL);
        run_dry(f);
    }
    advance(f, 60000);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    assert_int_equal(books_of(f, "junk").died, FLOOD);
    assert_in_range(lines_with(out, "dead letter service=junk"), 200, 300);
    assert_int_equal(lines_with(out, "dead letters of service \"junk\" were left out"), 1);
    (void)fclose(out);
}

/* --- files --- */

#define APPENDS                                                                                    \
    "return function(e) zing.append(e.payload == 'log' and 'log.txt' or 'big.txt',"                \
    " e.payload == 'log' and 'a line' or ('x'):rep(600000)) end"

static void path_of(const struct engine_fixture *f, const char *name, char path[512]) {
    (void)snprintf(path, 512, "%s/data/files%s%s", f->folder.path, name[0] == '\0' ? "" : "/",
                   name);
}

static void files_count_against_the_store(void **state) {
    struct engine_fixture *f = *state;
    char path[512];
    fixture_run(f, STORE PAY, APPENDS);
    deliver(f, "pay", "pay/1", "log");
    assert_true(engine_accepts(f->engine));
    path_of(f, "log.txt", path);
    assert_int_equal(truncate(path, STORE_BYTES - (1 << 20)), 0);
    advance(f, 70000);
    assert_false(engine_accepts(f->engine));
    assert_non_null(strstr(status(f).store_low, "files of zing.append take 7340032 bytes, most of "
                                                "service \"pay\": move them out of"));
    assert_true(status(f).store_used >= STORE_BYTES - (1 << 20));
    assert_int_equal(unlink(path), 0);
    advance(f, 10000);
    assert_true(engine_accepts(f->engine));
}

static void a_service_whose_files_take_a_quarter_of_the_store_writes_no_more(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char path[512];
    fixture_run(f,
                STORE "service \"pay\" { subscribe = {\"pay/#\"} handler = \"h.lua\""
                      " retries = 0 }\n"
                      "service \"log\" { subscribe = {\"log/#\"} handler = \"h.lua\" }\n",
                APPENDS);
    for (int i = 0; i < 4; i++) {
        deliver(f, "pay", "pay/1", "big");
    }
    deliver(f, "pay", "pay/1", "one more");
    assert_non_null(strstr(reason_of(f, "pay", "one more", text), "a quarter of store.max_size"));
    deliver(f, "log", "log/1", "log");
    assert_int_equal(books_of(f, "log").done, 1);
    path_of(f, "big.txt", path);
    assert_int_equal(unlink(path), 0); /* as an operator moves it away */
    advance(f, 10000);
    deliver(f, "pay", "pay/1", "big again");
    assert_books(f, "pay", (struct books){.accepted = 6, .done = 5, .dead = 1});
}

/* --- signals --- */

static int send_signal(struct engine_fixture *f, const char *service, int n) {
    static char value[100000];
    char key[16];
    memset(value, 'x', sizeof value);
    (void)snprintf(key, sizeof key, "k%d", n);
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of(service),
                        .key = slice_of(key),
                        .name = slice_of("paid"),
                        .payload = {value, sizeof value}};
    return command(f, c);
}

static void signals_that_nobody_takes_fill_a_tenth_of_the_store_at_most(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { max_size = \"8MiB\" keep_signals = \"1h\" }\n" JUNK PAY, HANDLER);
    int kept = 0;
    while (send_signal(f, "junk", kept) == 0) {
        kept++;
        assert_true(kept < 100);
    }
    assert_int_equal(kept, 8);
    assert_non_null(strstr(f->report.text, "their part of the store"));
    assert_int_equal(send_signal(f, "pay", 1), 0);
    crash(f);
    assert_int_equal(send_signal(f, "junk", 50), ERR_INVALID);
    advance(f, 3601 * 1000); /* they expire */
    assert_int_equal(send_signal(f, "junk", 50), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_letter_that_never_ran_keeps_64_kib_of_its_payload),
        ENGINE_TEST(letters_that_never_ran_take_a_tenth_of_the_store_and_the_oldest_go),
        ENGINE_TEST(a_store_that_is_nearly_full_lets_letters_that_never_ran_go_first),
        ENGINE_TEST(letters_of_events_that_ran_stay),
        ENGINE_TEST(past_max_dead_the_oldest_letters_expire),
        ENGINE_TEST(letters_whose_rows_are_damaged_do_not_count_twice),
        ENGINE_TEST(max_dead_may_be_a_size),
        ENGINE_TEST(past_keep_dead_a_letter_expires_though_nothing_happens),
        ENGINE_TEST(a_letter_that_holds_its_key_goes_by_no_quota),
        ENGINE_TEST(letters_of_an_older_zingq_are_counted_too),
        ENGINE_TEST(a_letter_whose_row_was_set_aside_is_listed_again),
        ENGINE_TEST(a_letter_that_died_at_no_moment_gets_a_row),
        ENGINE_TEST(parked_letters_of_an_older_zingq_are_listed_by_time),
        ENGINE_TEST(letters_that_are_replayed_or_discarded_make_room),
        ENGINE_TEST(a_flood_of_letters_does_not_fill_the_log),
        ENGINE_TEST(files_count_against_the_store),
        ENGINE_TEST(signals_that_nobody_takes_fill_a_tenth_of_the_store_at_most),
        ENGINE_TEST(a_service_whose_files_take_a_quarter_of_the_store_writes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
