/*
 * test_journal_regroup_killed.c - a first start that brings a store up to date is killed, again and again:
 * no event is lost or doubled, and in the end all of them have their keys.
 */
#include "journal_fixture.h"
#include "test.h"

#include "base/buf.h"
#include "journal/event.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 20000, ROOM = 32 << 20, OLD_SCHEMA = 3, FIRST_LIFE_US = 2000 };

/* The row of that event under its old key: partition, id, service. */
static void put_old(struct store *s, uint64_t n) {
    char value[120];
    struct buf key;
    buf_init(&key, 64);
    buf_add_u8(&key, (uint8_t)(n % PARTITIONS));
    buf_add_u64_be(&key, n);
    buf_add_u64_be(&key, 0);
    buf_add_u16_be(&key, 1);
    memset(value, (int)(n % 251), sizeof value);
    assert_int_equal(
        store_put(s, TABLE_EVENT, buf_slice(&key), (struct slice){value, sizeof value}), 0);
    buf_clear(&key);
}

static void leave_old_store(struct journal_fixture *f) {
    struct buf schema;
    buf_init(&schema, 16);
    buf_add_u32(&schema, OLD_SCHEMA);
    for (uint64_t n = 0; n < EVENTS; n++) {
        put_old(f->store, n);
    }
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/grouped")), 0);
    assert_int_equal(store_put(f->store, TABLE_META, slice_of("schema"), buf_slice(&schema)), 0);
    assert_int_equal(store_commit(f->store), 0);
    buf_clear(&schema);
    journal_fixture_close(f);
}

/* The process that calls it is killed so long from now, whatever it does then. */
static void be_killed_in(long us) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    const struct itimerspec life = {.it_value = {us / 1000000, us % 1000000 * 1000}};
    timer_t timer;
    bool set = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
               timer_settime(timer, 0, &life, NULL) == 0;
    if (!set) {
        abort();
    }
}

/* A start that lives so long; true: it was killed. */
static bool start_and_kill(const char *path, long us) {
    const struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *store = NULL;
    struct journal *journal = NULL;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        be_killed_in(us);
        bool open = store_open(&store, &options, NULL) == 0 &&
                    journal_open(&journal, store, JOURNAL_KEEP_MS, NULL) == 0;
        _exit(open ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return killed;
}

/* Every event is there once, under its old key or its new one; returns how many have an old one. */
static unsigned expect_each_once(const char *path) {
    const struct store_options options = {.path = path, .read_only = true};
    static bool seen[EVENTS];
    struct store *store = NULL;
    struct slice key = {"", 0};
    struct slice value;
    unsigned old = 0;
    unsigned count = 0;
    memset(seen, 0, sizeof seen);
    assert_int_equal(store_open(&store, &options, NULL), 0);
    assert_int_equal(store_begin(store), 0);
    while (store_seek(store, TABLE_EVENT, key, count > 0, &key, &value) == 0) {
        struct reader r = reader_of(key.data + 1, key.len - 1);
        uint64_t n = read_u64_be(&r);
        assert_true(n < EVENTS && !seen[n]);
        assert_true(value.len == 120 && value.data[119] == (char)(n % 251));
        seen[n] = true;
        old += key.len == 19 ? 1 : 0;
        count++;
    }
    assert_int_equal(count, EVENTS);
    store_close(store);
    return old;
}

static void a_first_start_that_is_killed_at_any_moment_is_gone_on_with(void **state) {
    struct journal_fixture *f = *state;
    unsigned kills = 0;
    unsigned old = EVENTS;
    leave_old_store(f);
    for (long us = FIRST_LIFE_US; start_and_kill(f->folder.path, us); us += us / 4) {
        unsigned left = expect_each_once(f->folder.path);
        assert_true(left <= old);
        old = left;
        kills++;
    }
    assert_true(kills > 0);
    assert_int_equal(expect_each_once(f->folder.path), 0);
    journal_fixture_open(f, false);
    assert_int_equal(journal_event_groups(f->journal), EVENT_GROUPS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(a_first_start_that_is_killed_at_any_moment_is_gone_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
