/*
 * test_failure.c - the store fails, at every operation in turn: nothing acknowledged is lost,
 * nothing is done twice, and the engine goes on when the store does.
 *
 * ctest: busy timeout=300
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- a store that fails on demand: these stand before LMDB's own functions --- */

static struct {
    unsigned long left;  /* operations until the first that fails; 0 = none fails */
    unsigned long fails; /* how many fail from there on */
    unsigned long seen;  /* operations so far */
    int rc;
} fault;

static bool fails_now(void) {
    fault.seen++;
    if (fault.left > 1) {
        fault.left--;
        return false;
    }
    if (fault.left == 0 || fault.fails == 0) {
        return false;
    }
    fault.fails--;
    return true;
}

static void *real(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    assert_non_null(function);
    return function;
}

#define REAL(type, name) type next = (type)(uintptr_t)real(name)

typedef int put_function(MDB_cursor *, MDB_val *, MDB_val *, unsigned int);
typedef int del_function(MDB_cursor *, unsigned int);
typedef int end_function(MDB_txn *);
typedef int begin_function(MDB_env *, MDB_txn *, unsigned int, MDB_txn **);

int mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *data, unsigned int flags) {
    REAL(put_function *, "mdb_cursor_put");
    return fails_now() ? fault.rc : next(cursor, key, data, flags);
}

int mdb_cursor_del(MDB_cursor *cursor, unsigned int flags) {
    REAL(del_function *, "mdb_cursor_del");
    return fails_now() ? fault.rc : next(cursor, flags);
}

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags, MDB_txn **txn) {
    REAL(begin_function *, "mdb_txn_begin");
    return fails_now() ? fault.rc : next(env, parent, flags, txn);
}

int mdb_txn_commit(MDB_txn *txn) {
    REAL(end_function *, "mdb_txn_commit");
    if (fails_now()) {
        mdb_txn_abort(txn);
        return fault.rc;
    }
    return next(txn);
}

/* LMDB's two meta pages are the first of its file: a commit that cannot write one leaves the
 * environment refusing everything. */
static bool meta_fails;

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    typedef ssize_t pwrite_function(int, const void *, size_t, off_t);
    REAL(pwrite_function *, "pwrite");
    if (meta_fails && at < 2 * 4096) {
        meta_fails = false;
        errno = EIO;
        return -1;
    }
    return next(fd, data, len, at);
}

static void fail_from(unsigned long at, unsigned long count, int rc) {
    fault.left = at;
    fault.fails = count;
    fault.rc = rc;
}

/* --- the story that is told again and again --- */

static int set_up(void **state) {
    fail_from(0, 0, 0);
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

enum { KEYS = 3, ROUNDS = 4 };

static const char CONF[] =
    "store { max_size = \"64MiB\" }\n"
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" delay = \"1s\""
    " jitter = 0 retries = 20 crashes = 0 }\n"
    "service \"t\" { subscribe = {\"next/#\"} handler = \"t.lua\" key = \"topic:2\" }\n"
    "service \"b\" { subscribe = {\"end/#\"} handler = \"b.lua\" batch = 3 delay = \"1s\""
    " retries = 20 crashes = 0 }\n";

/* What the host does after a turn that failed. */
static void lose_connection(struct engine_fixture *f) {
    disconnect(f);
    connect_again(f);
    (void)redeliver(f);
}

static void answer_calls(struct engine_fixture *f) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open) {
            answer(f, i, 200, "");
        }
    }
}

/* Turns that may fail, until nothing is due. Returns how many failed. */
static unsigned run_through_failures(struct engine_fixture *f) {
    unsigned failed = 0;
    do {
        if (turn(f) != 0) {
            failed++;
            assert_in_range(failed, 1, 5000);
            lose_connection(f);
        }
        answer_calls(f);
    } while (engine_due(f->engine) || f->offered_count > 0);
    return failed;
}

static unsigned tell_story(struct engine_fixture *f) {
    unsigned failed = 0;
    for (int n = 0; n < ROUNDS; n++) {
        for (int k = 0; k < KEYS; k++) {
            char topic[16];
            char payload[16];
            (void)snprintf(topic, sizeof topic, "in/k%d", k);
            (void)snprintf(payload, sizeof payload, "%d", n);
            offer(f, "s", topic, payload, NULL);
        }
        failed += run_through_failures(f);
        f->now_ms += 500;
        failed += run_through_failures(f);
    }
    for (int i = 0; i < 40; i++) {
        f->now_ms += 500;
        failed += run_through_failures(f);
    }
    return failed;
}

static void assert_lines(const struct engine_fixture *f) {
    char path[256];
    char line[64];
    unsigned seen[KEYS] = {0};
    (void)snprintf(path, sizeof path, "%s/data/files/lines", f->folder.path);
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    while (fgets(line, sizeof line, fp) != NULL) {
        unsigned key = (unsigned)(line[1] - '0');
        assert_true(key < KEYS && strlen(line) == 4);
        assert_int_equal(line[2], '0' + (char)seen[key]++);
    }
    assert_int_equal(fclose(fp), 0);
    for (int k = 0; k < KEYS; k++) {
        assert_int_equal(seen[k], ROUNDS);
    }
}

static void assert_the_end(struct engine_fixture *f) {
    char text[512];
    engine_check(f);
    for (int k = 0; k < KEYS; k++) {
        char key[32];
        char topic[32];
        (void)snprintf(key, sizeof key, "k%d", k);
        (void)snprintf(topic, sizeof topic, "end/k%d", k);
        assert_string_equal(payloads(f, topic, text, sizeof text), "0 1 2 3");
        assert_string_equal(state_text(f, "s", key, "last", text), "3");
        assert_string_equal(state_text(f, "s", key, "expired", text), "4");
        assert_string_equal(state_text(f, "t", key, "count", text), "4");
    }
    struct books s = service_status(f, "s").books;
    assert_int_equal(s.accepted, KEYS * (ROUNDS + ROUNDS + 1)); /* expiries, dead letters */
    assert_int_equal(s.done, KEYS * ROUNDS * 2);
    assert_int_equal(s.dead, KEYS);
    struct books t = service_status(f, "t").books;
    assert_int_equal(t.done, KEYS * ROUNDS);
    assert_int_equal(t.accepted, KEYS * ROUNDS);
    assert_int_equal(service_status(f, "b").books.done, KEYS * ROUNDS);
    assert_string_equal(state_text(f, "b", "", "done", text), "12");
    assert_int_equal(count_published(f, "later"), KEYS * ROUNDS);
    assert_int_equal(status(f).outbox, 0);
    assert_int_equal(status(f).delayed, 0);
    assert_lines(f);
}

static void start_story(struct engine_fixture *f) {
    f->unchecked = true; /* the checks would count as operations */
    f->unlogged = true;  /* a log would have what LMDB refuses */
    fixture_script(f, "t.lua", LUA(SECOND));
    fixture_script(f, "b.lua", LUA(BATCHES));
    fixture_run(f, CONF, LUA(FIRST));
    fault.seen = 0;
}

static unsigned long count_operations(void) {
    struct engine_fixture *f = fixture_new();
    start_story(f);
    assert_int_equal(tell_story(f), 0);
    unsigned long operations = fault.seen;
    assert_the_end(f);
    fixture_free(f);
    return operations;
}

/* Tells the story with `fails` failures from every `step`-th operation on. */
static void fail_everywhere(unsigned long step, unsigned long fails, int rc) {
    unsigned long operations = count_operations();
    assert_true(operations > 300);
    for (unsigned long at = 1; at < operations; at += step) {
        struct engine_fixture *f = fixture_new();
        start_story(f);
        fail_from(at, fails, rc);
        unsigned failed = tell_story(f);
        fail_from(0, 0, 0);
        if (failed == 0) {
            fail_msg("no turn failed with the fault at operation %lu", at);
        }
        assert_the_end(f);
        crash(f);
        f->now_ms += 1000;
        (void)run_through_failures(f);
        assert_the_end(f);
        fixture_free(f);
    }
}

static void one_failed_operation_anywhere_changes_nothing(void **state) {
    (void)state;
    fail_everywhere(2, 1, ENOSPC);
}

static void failures_that_last_into_the_recovery_change_nothing(void **state) {
    (void)state;
    fail_everywhere(17, 2, EIO);
    fail_everywhere(23, 7, ENOSPC);
    fail_everywhere(29, 40, MDB_MAP_FULL);
}

static void a_command_of_a_failed_turn_is_told_so(void **state) {
    struct engine_fixture *f = *state;
    struct command c = {.kind = COMMAND_PAUSE, .service = slice_of("s")};
    start_story(f);
    run_dry(f);
    f->code = 1;
    engine_submit(f->engine, &c);
    fail_from(2, 1, ENOSPC);
    assert_int_equal(turn(f), ERR_FULL);
    assert_int_equal(f->code, ERR_FULL);
    assert_non_null(strstr(f->report.text, "nothing was changed"));
    assert_false(service_status(f, "s").paused);
}

static void calls_of_a_failed_turn_are_cancelled_and_made_again(void **state) {
    struct engine_fixture *f = *state;
    start_story(f);
    deliver(f, "s", "in/k0", "2");
    assert_true(f->asked[0].open);
    offer(f, "s", "in/k1", "0", NULL);
    fail_from(2, 1, ENOSPC);
    assert_int_equal(turn(f), ERR_FULL);
    assert_false(f->asked[0].open);
    lose_connection(f);
    for (int i = 0; i < 3; i++) { /* in small steps after that */
        assert_int_equal(turn(f), 0);
    }
    assert_int_equal(f->asked_count, 2);
    assert_true(f->asked[1].open);
    struct books b = service_status(f, "s").books;
    assert_int_equal(b.crashes, 0);
}

static void a_store_that_refuses_everything_is_opened_again(void **state) {
    struct engine_fixture *f = *state;
    start_story(f);
    deliver(f, "s", "in/k0", "0");
    offer(f, "s", "in/k0", "1", NULL);
    meta_fails = true;
    assert_int_equal(turn(f), ERR_DISK);
    lose_connection(f);
    for (int i = 0; i < 20; i++) {
        f->now_ms += 500;
        (void)run_through_failures(f);
    }
    char text[512];
    engine_check(f);
    assert_string_equal(payloads(f, "end/k0", text, sizeof text), "0 1");
}

int main(void) {
#define FAILURE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAILURE_TEST(a_command_of_a_failed_turn_is_told_so),
        FAILURE_TEST(calls_of_a_failed_turn_are_cancelled_and_made_again),
        FAILURE_TEST(a_store_that_refuses_everything_is_opened_again),
        FAILURE_TEST(one_failed_operation_anywhere_changes_nothing),
        FAILURE_TEST(failures_that_last_into_the_recovery_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
