/* test_reshard.c - another count of hosts: every row once, with the right host, and all goes on.
 * ctest: busy long timeout=300 */
#include "reshard_world.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void divide(struct reshard_world *w, uint16_t count) {
    if (shards_reshard(w, count) != 0) {
        fail_msg("%s", w->report.text);
    }
    shards_expect_divided(w);
}

static void go_through(const uint16_t *counts) {
    struct reshard_world *w = shards_new(counts[0]);
    for (size_t i = 1; counts[i] != 0; i++) {
        divide(w, counts[i]);
    }
    shards_expect_to_go_on(w);
    shards_free(w);
}

static void one_host_becomes_three(void **state) {
    (void)state;
    go_through((const uint16_t[]){1, 3, 0});
}

static void three_hosts_become_one(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 1, 0});
}

static void three_hosts_become_two(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 2, 0});
}

static void two_hosts_become_five(void **state) {
    (void)state;
    go_through((const uint16_t[]){2, 5, 0});
}

static void a_division_comes_back_to_what_it_was(void **state) {
    (void)state;
    go_through((const uint16_t[]){1, 4, 2, 5, 1, 0});
}

static void the_same_count_changes_nothing(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 3, 0});
}

/* Each host gets some messages, whoever has their keys; what they send one another arrives, or not,
 * and so do the receipts. */
static void work_on(struct reshard_world *w, size_t round) {
    size_t hosts = w->count > 1 ? w->count : 1;
    for (size_t i = 0; i < w->count; i++) {
        shards_start(w, i);
    }
    for (size_t n = 0; n < WORLD_KEYS; n++) {
        char topic[32];
        char key[8];
        char payload[32];
        (void)snprintf(topic, sizeof topic, "in/%s", shards_key(n, key));
        (void)snprintf(payload, sizeof payload, "more %zu of round %zu", n, round);
        offer(w->hosts[(n * 7 + round) % hosts], "orders", topic, payload, "idempotency-key",
              payload, NULL);
    }
    if (round % 3 != 0) {
        shards_pass(w, round % 3 == 1);
    }
    for (size_t i = 0; i < w->count; i++) {
        run_dry(w->hosts[i]);
        shards_stop(w, i);
    }
    if (round % 2 == 0) {
        shards_lose_posts(w, false);
    }
}

static void a_division_changes_again_and_again_between_messages(void **state) {
    static const uint16_t counts[] = {3, 2, 2, 4, 1, 5, 3, 1, 2};
    enum { ROUNDS = sizeof counts / sizeof *counts };
    struct reshard_world *w = shards_new(2);
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        work_on(w, round);
        if (shards_reshard(w, counts[round]) != 0) {
            fail_msg("%s", w->report.text);
        }
    }
    shards_expect_to_go_on(w);
    for (size_t n = 0; n < ROUNDS * WORLD_KEYS; n++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "more %zu of round %zu", n % WORLD_KEYS,
                       n / WORLD_KEYS);
        shards_expect_once(w, "done", payload);
    }
    shards_free(w);
}

/* --- whatever stops it --- */

/* Rows of every table, over all folders. */
static void count_all(struct reshard_world *w, uint64_t rows[TABLE_COUNT]) {
    memset(rows, 0, TABLE_COUNT * sizeof *rows);
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        struct journal *j = NULL;
        struct store *store = shards_open(w, i, &j);
        for (unsigned t = 0; store != NULL && t < TABLE_COUNT; t++) {
            rows[t] += t == TABLE_META ? 0 : store_rows(store, (enum store_table)t);
        }
        if (store != NULL) {
            shards_close(store, j);
        }
    }
}

static void run_tool(const char *tool, const char *option, const char *from, const char *to) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execlp(tool, tool, option, from, to, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* All folders as they are now, to be put back. */
static void copy_folders(struct reshard_world *w, const char *from, const char *to) {
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        char source[256];
        char target[256];
        (void)snprintf(source, sizeof source, "%s%s", w->paths[i], from);
        (void)snprintf(target, sizeof target, "%s%s", w->paths[i], to);
        run_tool("rm", "-rf", target, NULL);
        if (access(source, F_OK) == 0) {
            run_tool("cp", "-a", source, target);
        }
    }
}

static bool is_marked(const struct reshard_world *w, size_t host) {
    char name[256];
    (void)snprintf(name, sizeof name, "%s/zingq.reshard", w->paths[host]);
    return access(name, F_OK) == 0;
}

/* Runs a reshard up to its n-th stop at a system call, or, `marked`, to the n-th after the first mark
 * is there, and kills it there; false: it ended before. */
static bool kill_at_call(struct reshard_world *w, uint16_t count, unsigned n, bool marked) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(77);
        }
        (void)raise(SIGSTOP);
        _exit(shards_reshard(w, count) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* this machine lets nobody be traced */
    }
    for (unsigned i = 0; i < n && WIFSTOPPED(status);) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        marked = marked && !is_marked(w, 0);
        i += marked ? 0 : 1;
    }
    if (!WIFSTOPPED(status)) {
        assert_int_equal(status, 0);
        return false;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

/* A host finds the old store, or the new one, or is kept away. True: it is kept away. */
static bool expect_whole_or_marked(struct reshard_world *w, size_t host) {
    struct store_options options = {.path = w->paths[host], .max_bytes = 64 << 20};
    struct store *store = NULL;
    struct report r = {""};
    bool marked = is_marked(w, host);
    int code = store_open(&store, &options, &r);
    assert_int_equal(code, marked ? ERR_BUSY : 0);
    assert_true(!marked || strstr(r.text, "run `zingq reshard` once more") != NULL);
    store_close(store);
    return marked;
}

/* What was killed may have been past all that counts. */
static uint16_t count_now(struct reshard_world *w, uint16_t before) {
    struct slice text = {"", 0};
    struct journal *j = NULL;
    if (is_marked(w, 0)) {
        return before;
    }
    struct store *store = shards_open(w, 0, &j);
    assert_int_equal(journal_text_get(j, "division", &text), 0);
    uint16_t count = (uint16_t)(text.data[0] - '0');
    shards_close(store, j);
    return count;
}

/* It is killed, and so is the one that mends it; the next one ends it. */
static void mend(struct reshard_world *w, uint16_t from, uint16_t to, unsigned n) {
    w->count = count_now(w, from);
    (void)kill_at_call(w, to, 3 + n * 13 % 97, false);
    w->count = count_now(w, from);
    if (w->count != to) {
        divide(w, to);
    }
    shards_expect_divided(w);
}

/* At every so many stops: a call stops twice, as it begins and as it ends. How often. */
static unsigned kill_often(struct reshard_world *w, uint16_t from, uint16_t to, unsigned step,
                           bool marked, const uint64_t expected[TABLE_COUNT]) {
    uint64_t rows[TABLE_COUNT];
    unsigned kills = 0;
    for (unsigned n = 1;; n += step) {
        bool halfway = false;
        copy_folders(w, ".kept", "");
        w->count = from;
        if (!kill_at_call(w, to, n, marked)) {
            return kills;
        }
        for (size_t i = 0; i < from; i++) {
            halfway = expect_whole_or_marked(w, i) || halfway;
        }
        if (!marked && halfway) {
            return kills;
        }
        mend(w, from, to, n);
        count_all(w, rows);
        assert_memory_equal(rows, expected, TABLE_COUNT * sizeof *rows);
        kills++;
    }
}

static void kill_everywhere(uint16_t from, uint16_t to) {
    struct reshard_world *w = shards_new(from);
    uint64_t expected[TABLE_COUNT];
    copy_folders(w, "", ".kept");
    divide(w, to);
    count_all(w, expected);
    assert_true(kill_often(w, from, to, 173, false, expected) > 2);
    assert_true(kill_often(w, from, to, 11, true, expected) > 5);
    w->count = to;
    shards_expect_divided(w);
    shards_expect_to_go_on(w);
    shards_free(w);
}

static void a_reshard_killed_at_any_call_while_it_grows_loses_and_doubles_nothing(void **state) {
    (void)state;
    kill_everywhere(1, 3);
}

static void a_reshard_killed_at_any_call_while_it_shrinks_loses_and_doubles_nothing(void **state) {
    (void)state;
    kill_everywhere(3, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_becomes_three),
        cmocka_unit_test(three_hosts_become_one),
        cmocka_unit_test(three_hosts_become_two),
        cmocka_unit_test(two_hosts_become_five),
        cmocka_unit_test(a_division_comes_back_to_what_it_was),
        cmocka_unit_test(the_same_count_changes_nothing),
        cmocka_unit_test(a_division_changes_again_and_again_between_messages),
        cmocka_unit_test(a_reshard_killed_at_any_call_while_it_grows_loses_and_doubles_nothing),
        cmocka_unit_test(a_reshard_killed_at_any_call_while_it_shrinks_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
