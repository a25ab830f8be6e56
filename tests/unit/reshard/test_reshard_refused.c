/* test_reshard_refused.c - what reshard refuses, and what it leaves where it is. */
#include "reshard_world.h"
#include "test.h"

#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* It is refused with these words. */
static void expect_refused(struct reshard_world *w, uint16_t count, const size_t *order,
                           size_t folders, int code, const char *words) {
    uint16_t before = w->count;
    assert_int_equal(shards_reshard_folders(w, count, order, folders), code);
    if (strstr(w->report.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", w->report.text, words);
    }
    assert_int_equal(w->count, before);
}

static void folders_that_are_not_one_division_are_refused_and_the_missing_one_named(void **state) {
    struct reshard_world *w = shards_new(3);
    (void)state;
    expect_refused(w, 1, (size_t[]){0, 1}, 2, ERR_INVALID, "that of host 3 of 3 is missing");
    expect_refused(w, 1, (size_t[]){0, 2, 1}, 3, ERR_INVALID, "is host 3 of 3, where host 2 of 3");
    expect_refused(w, 1, (size_t[]){1, 0, 2}, 3, ERR_INVALID, "is host 2 of 3, where host 1 of 3");
    expect_refused(w, 1, (size_t[]){0, 0, 2}, 3, ERR_INVALID, "is given twice");
    expect_refused(w, 2, (size_t[]){0, 1, 2, 3}, 4, ERR_INVALID, "is one too many");
    expect_refused(w, 4, (size_t[]){0, 1, 2}, 3, ERR_INVALID, "a new one for host 4 is missing");
    expect_refused(w, 4, (size_t[]){0, 1, 3, 2}, 4, ERR_INVALID, "host 3 of 3 is missing");
    expect_refused(w, 1, (size_t[]){3, 1, 2}, 3, ERR_NOTFOUND, "no store in");
    assert_int_equal(shards_reshard(w, 1), 0); /* nothing has changed till now */
    shards_expect_divided(w);
    shards_free(w);
}

static void a_new_folder_must_have_no_rows(void **state) {
    struct reshard_world *w = shards_new(1);
    (void)state;
    w->count = 1;
    fixture_conf(w->hosts[1],
                 "service \"orders\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n");
    fixture_start(w->hosts[1]);
    deliver(w->hosts[1], "orders", "in/a", "ok here");
    fixture_stop(w->hosts[1]);
    assert_int_equal(shards_reshard(w, 2), ERR_INVALID);
    assert_non_null(strstr(w->report.text, "is to be new, host 2 of 2, and has a store with rows"));
    shards_free(w);
}

static void a_folder_is_refused_while_a_host_runs_on_it(void **state) {
    struct reshard_world *w = shards_new(2);
    (void)state;
    shards_start(w, 1);
    assert_int_equal(shards_reshard(w, 1), ERR_BUSY);
    shards_stop(w, 1);
    assert_int_equal(shards_reshard(w, 1), 0);
    shards_expect_divided(w);
    shards_free(w);
}

static void a_record_that_cannot_be_read_is_named_and_nothing_changes(void **state) {
    struct reshard_world *w = shards_new(2);
    struct store_options options = {.path = w->paths[1], .max_bytes = 64 << 20};
    struct store *store = NULL;
    (void)state;
    assert_int_equal(store_open(&store, &options, NULL), 0);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_put(store, TABLE_LOCK, (struct slice){"\1\0\0\0\1kx", 7}, slice_of("?")),
                     0);
    assert_int_equal(store_commit(store), 0);
    store_close(store);
    assert_int_equal(shards_reshard(w, 1), ERR_CORRUPT);
    assert_non_null(strstr(w->report.text, w->paths[1]));
    assert_non_null(strstr(w->report.text, "start the folder's host once"));
    shards_free(w);
}

static void a_store_that_would_be_too_large_is_refused(void **state) {
    enum { LARGE = 200000, EACH = 12 };
    struct reshard_world *w = shards_new(2);
    char *payload = malloc(LARGE + 1);
    (void)state;
    assert_non_null(payload);
    memset(payload, 'x', LARGE);
    payload[LARGE] = '\0';
    for (size_t i = 0; i < 2; i++) {
        shards_start(w, i);
        for (int n = 0; n < EACH; n++) {
            deliver(w->hosts[i], "free", "in/k00", payload);
        }
        shards_stop(w, i);
    }
    free(payload);
    w->max_size = "2MiB";
    expect_refused(w, 1, NULL, 2, ERR_FULL, "store.max_size");
    w->max_size = "1GiB";
    assert_int_equal(shards_reshard(w, 1), 0);
    shards_free(w);
}

/* --- what stays --- */

static int state_of_key(struct reshard_world *w, size_t host, const char *service, const char *key,
                        bool *found) {
    struct journal *j = NULL;
    struct store *store = shards_open(w, host, &j);
    struct slice value;
    int64_t expires_ms;
    uint16_t number = 0;
    assert_int_equal(journal_service_number(j, service, &number), 0);
    const struct cell cell = {.partition =
                                  journal_partition(journal_lane(slice_of(service), slice_of(key))),
                              .service = number,
                              .key = slice_of(key),
                              .name = slice_of("n")};
    int code = journal_state_get(j, &cell, 1, &value, &expires_ms);
    *found = code == 0;
    shards_close(store, j);
    return code == ERR_NOTFOUND ? 0 : code;
}

static bool has_state(struct reshard_world *w, size_t host, const char *service, const char *key) {
    bool found = false;
    assert_int_equal(state_of_key(w, host, service, key, &found), 0);
    return found;
}

static void state_that_several_hosts_have_stays_with_each(void **state) {
    struct reshard_world *w = shards_new(2);
    (void)state;
    assert_true(has_state(w, 0, "free", "k00") && has_state(w, 1, "free", "k00"));
    assert_int_equal(shards_reshard(w, 1), 0);
    assert_true(has_state(w, 0, "free", "k00") && has_state(w, 1, "free", "k00"));
    assert_true(has_state(w, 0, "own", "") && has_state(w, 1, "own", ""));
    assert_int_equal(w->disputed, 1);
    shards_expect_to_go_on(w);
    shards_free(w);
}

static void events_of_one_key_that_wait_with_two_hosts_stay_apart(void **state) {
    struct reshard_world *w = shards_new(2);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        shards_start(w, i);
        offer(w->hosts[i], "free", "in/k20", i == 0 ? "here" : "there", NULL);
        run_dry(w->hosts[i]);
        shards_stop(w, i);
    }
    assert_int_equal(shards_reshard(w, 1), 0);
    assert_int_equal(w->disputed, 1 + 2); /* the event, and where it waits */
    shards_start(w, 0);
    assert_int_equal(state_of(w->hosts[0], "free", "here"), EVENT_READY);
    w->hosts[1]->only = "free";
    shards_start(w, 1); /* as a host alone */
    assert_int_equal(
        command(w->hosts[1], (struct command){.kind = COMMAND_RESUME, .service = slice_of("free")}),
        0);
    assert_int_equal(state_of(w->hosts[1], "free", "there"), EVENT_DONE);
    shards_free(w);
}

static void a_message_for_every_host_is_known_to_those_who_had_it_alone(void **state) {
    struct reshard_world *w = shards_new(2);
    struct engine_fixture *f = w->hosts[1];
    (void)state;
    shards_start(w, 1);
    offer(f, "own", "in/x", "news", "idempotency-key", "news", NULL);
    run_dry(f);
    shards_stop(w, 1);
    assert_int_equal(shards_reshard(w, 3), 0);
    for (size_t i = 0; i < 3; i++) {
        shards_start(w, i);
        uint64_t known = service_status(w->hosts[i], "own").books.duplicates;
        offer(w->hosts[i], "own", "in/x", "news", "idempotency-key", "news", NULL);
        run_dry(w->hosts[i]);
        uint64_t now = service_status(w->hosts[i], "own").books.duplicates;
        assert_int_equal(now - known, i == 1 ? 1 : 0);
    }
    shards_free(w);
}

static void a_publish_asked_for_once_is_known_to_every_host(void **state) {
    struct reshard_world *w = shards_new(2);
    (void)state;
    assert_int_equal(shards_reshard(w, 3), 0);
    for (size_t i = 0; i < 3; i++) {
        struct command publish = {.kind = COMMAND_PUBLISH,
                                  .topic = slice_of("asked"),
                                  .payload = slice_of("later"),
                                  .once = slice_of("once 1"),
                                  .qos = 1};
        shards_start(w, i);
        assert_int_equal(command(w->hosts[i], publish), 0);
        publish.payload = slice_of("something else");
        assert_int_equal(command(w->hosts[i], publish), ERR_EXISTS);
        assert_int_equal(count_published(w->hosts[i], "asked"), 0);
    }
    shards_free(w);
}

static void what_became_of_a_publish_is_told_where_it_waits(void **state) {
    struct reshard_world *w = shards_new(2);
    struct engine_fixture *f = w->hosts[1];
    struct command publish = {.kind = COMMAND_PUBLISH,
                              .topic = slice_of("asked/now"),
                              .payload = slice_of("x"),
                              .qos = 1};
    (void)state;
    shards_start(w, 1);
    f->hold_acks = true;
    assert_int_equal(command(f, publish), 0);
    shards_stop(w, 1);
    assert_int_equal(shards_reshard(w, 1), 0);
    struct journal *j = NULL;
    struct store *store = shards_open(w, 0, &j);
    struct publish_note note = {.seq = 0};
    struct publication p = {.qos = 0};
    struct slice record;
    assert_int_equal(journal_publish_note_get(j, f->now_ms, &f->made, &note), 0);
    uint64_t seq = note.seq - 1;
    assert_int_equal(journal_outbox_next(j, &seq, &record), 0);
    assert_true(seq == note.seq && publication_decode(record, &p) == 0);
    assert_true(uuid_equal(&p.id, &f->made));
    shards_close(store, j);
    shards_free(w);
}

/* Sent to host 1 of 2, for a key of host 2, which has not taken it; then again, to everybody. */
static void expect_one_signal(uint16_t count) {
    struct reshard_world *w = shards_new(2);
    char key[8] = "";
    uint64_t kept = 0;
    for (size_t i = 0; i < WORLD_KEYS && shards_owner(w, "orders", shards_key(i, key)) != 1; i++) {
    }
    struct command signal = {.kind = COMMAND_SIGNAL,
                             .service = slice_of("orders"),
                             .key = slice_of(key),
                             .name = slice_of("paid"),
                             .payload = slice_of("1"),
                             .once = slice_of("invoice 7")};
    shards_start(w, 0);
    assert_int_equal(command(w->hosts[0], signal), 0);
    shards_stop(w, 0);
    shards_lose_posts(w, false);
    assert_int_equal(shards_reshard(w, count), 0);
    for (size_t i = 0; i < w->count; i++) {
        shards_start(w, i);
    }
    shards_advance(w, 60000);
    for (size_t i = 0; i < w->count; i++) {
        assert_int_equal(command(w->hosts[i], signal), 0);
    }
    shards_advance(w, 60000);
    for (size_t i = 0; i < w->count; i++) {
        kept += count_rows(w->hosts[i], TABLE_SIGNAL);
    }
    assert_int_equal(kept, 1);
    shards_free(w);
}

static void a_signal_under_a_key_that_was_on_its_way_comes_once(void **state) {
    (void)state;
    expect_one_signal(1); /* to its new host, where it waits */
    expect_one_signal(2);
    expect_one_signal(3);
    expect_one_signal(5);
}

static void an_emptied_folder_writes_the_lines_that_wait_first(void **state) {
    struct reshard_world *w = shards_new(2);
    char name[256];
    (void)state;
    (void)snprintf(name, sizeof name, "%s/files/late.txt", w->paths[1]);
    (void)unlink(name);
    assert_int_equal(mkdir(name, 0700), 0); /* nobody can write to that */
    shards_start(w, 1);
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        char topic[32];
        char key[8];
        (void)snprintf(topic, sizeof topic, "in/%s", shards_key(i, key));
        if (i == 3) {
            offer(w->hosts[1], "free", topic, "line late", NULL);
        }
    }
    assert_int_equal(
        command(w->hosts[1], (struct command){.kind = COMMAND_RESUME, .service = slice_of("free")}),
        0);
    assert_int_equal(count_rows(w->hosts[1], TABLE_APPEND), 1);
    shards_stop(w, 1);
    assert_int_equal(shards_reshard(w, 1), ERR_DISK);
    assert_non_null(strstr(w->report.text, "files/late.txt cannot be written"));
    assert_int_equal(rmdir(name), 0);
    assert_int_equal(shards_reshard(w, 1), 0);
    FILE *fp = fopen(name, "r");
    char line[32] = "";
    assert_non_null(fp);
    assert_non_null(fgets(line, sizeof line, fp));
    assert_int_equal(fclose(fp), 0);
    assert_string_equal(line, "line late\n");
    shards_free(w);
}

static void a_schedule_goes_on_from_where_its_host_was(void **state) {
    struct reshard_world *w = shards_new(1);
    struct schedule_mark mark = {.settled_ms = 0};
    (void)state;
    assert_int_equal(shards_reshard(w, 3), 0);
    int64_t settled_ms = 0;
    for (size_t i = 0; i < 3; i++) {
        struct journal *j = NULL;
        struct store *store = shards_open(w, i, &j);
        assert_int_equal(journal_schedule_get(j, "tick", &mark), 0);
        assert_true(mark.settled_ms > 0 && (i == 0 || mark.settled_ms == settled_ms));
        settled_ms = mark.settled_ms;
        shards_close(store, j);
    }
    shards_free(w);
}

/* --- what was stopped --- */

static void leave_file(const struct reshard_world *w, size_t host, const char *file,
                       const char *text) {
    char name[256];
    (void)snprintf(name, sizeof name, "%s/%s", w->paths[host], file);
    FILE *fp = fopen(name, "w");
    assert_non_null(fp);
    assert_true(fputs(text, fp) >= 0);
    assert_int_equal(fclose(fp), 0);
}

static void a_folder_of_a_stopped_reshard_that_is_gone_is_named(void **state) {
    struct reshard_world *w = shards_new(1);
    char text[512];
    (void)state;
    (void)snprintf(text, sizeof text, "zingq reshard 1\n%s\n/nowhere/data\n", w->paths[0]);
    leave_file(w, 0, "zingq.reshard", text);
    assert_int_equal(shards_reshard(w, 2), ERR_NOTFOUND);
    assert_non_null(strstr(w->report.text, "/nowhere/data"));
    leave_file(w, 0, "zingq.reshard", "something else");
    assert_int_equal(shards_reshard(w, 2), ERR_CORRUPT);
    shards_free(w);
}

static void what_decided_an_earlier_reshard_decides_no_other(void **state) {
    struct reshard_world *w = shards_new(1);
    char name[256];
    (void)state;
    leave_file(w, 0, "zingq.reshard.go", "zingq reshard 1\n/nowhere\n");
    assert_int_equal(shards_reshard(w, 2), 0);
    (void)snprintf(name, sizeof name, "%s/zingq.reshard.go", w->paths[0]);
    assert_int_not_equal(access(name, F_OK), 0);
    shards_expect_divided(w);
    shards_free(w);
}

/* Whether there is one decides whether new files are put in place or thrown away. */
static void a_mark_that_cannot_be_looked_at_is_not_taken_for_none(void **state) {
    static const char *const marks[] = {"zingq.reshard", "zingq.reshard.go"};
    struct reshard_world *w = shards_new(2);
    char text[512];
    char name[256];
    struct stat st;
    (void)state;
    (void)snprintf(text, sizeof text, "zingq reshard 1\n%s\n%s\n", w->paths[0], w->paths[1]);
    leave_file(w, 1, "zingq.reshard", text);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        (void)snprintf(name, sizeof name, "%s/%s", w->paths[0], marks[i]);
        assert_int_equal(symlink(marks[i], name), 0); /* to itself */
        assert_int_equal(shards_reshard(w, 1), ERR_DISK);
        assert_non_null(strstr(w->report.text, marks[i]));
        assert_int_equal(unlink(name), 0);
    }
    (void)snprintf(name, sizeof name, "%s/zingq.reshard", w->paths[1]);
    assert_int_equal(lstat(name, &st), 0);
    assert_int_equal(shards_reshard(w, 1), 0);
    shards_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_that_are_not_one_division_are_refused_and_the_missing_one_named),
        cmocka_unit_test(a_new_folder_must_have_no_rows),
        cmocka_unit_test(a_folder_is_refused_while_a_host_runs_on_it),
        cmocka_unit_test(a_record_that_cannot_be_read_is_named_and_nothing_changes),
        cmocka_unit_test(a_store_that_would_be_too_large_is_refused),
        cmocka_unit_test(state_that_several_hosts_have_stays_with_each),
        cmocka_unit_test(events_of_one_key_that_wait_with_two_hosts_stay_apart),
        cmocka_unit_test(a_message_for_every_host_is_known_to_those_who_had_it_alone),
        cmocka_unit_test(a_publish_asked_for_once_is_known_to_every_host),
        cmocka_unit_test(what_became_of_a_publish_is_told_where_it_waits),
        cmocka_unit_test(a_signal_under_a_key_that_was_on_its_way_comes_once),
        cmocka_unit_test(an_emptied_folder_writes_the_lines_that_wait_first),
        cmocka_unit_test(a_schedule_goes_on_from_where_its_host_was),
        cmocka_unit_test(a_folder_of_a_stopped_reshard_that_is_gone_is_named),
        cmocka_unit_test(what_decided_an_earlier_reshard_decides_no_other),
        cmocka_unit_test(a_mark_that_cannot_be_looked_at_is_not_taken_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
