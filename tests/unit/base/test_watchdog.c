/* test_watchdog.c - what has the processor for too long is ended; what merely lasts is not. */
#include "data_folder.h"
#include "test.h"
#include "base/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 60, LONG_MS = 300 }; /* of processor time */

static const uint8_t this_boot[16] = {1};
static const struct uuid one = {{1}}, two = {{2}};

static int64_t processor_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void burn(int64_t ms) {
    for (int64_t end = processor_ms() + ms; processor_ms() < end;) {
    }
}

/* --- what a host does, in a process of its own: 0 = it came to the end --- */

static int one_run_never_ends(struct culprit *c) {
    culprit_run(c, 7, 3, &one);
    burn(INT32_MAX);
    return 0;
}

static int a_batch_never_ends(struct culprit *c) {
    culprit_run(c, 7, 3, &one);
    culprit_join(c, 7, 3, &two);
    culprit_enter(c, CULPRIT_APPLY);
    burn(INT32_MAX);
    return 0;
}

static int many_runs(struct culprit *c) {
    for (int64_t end = processor_ms() + LONG_MS; processor_ms() < end;) {
        culprit_run(c, 7, 3, &one);
        burn(LIMIT_MS / 4);
        culprit_enter(c, CULPRIT_APPLY);
        burn(LIMIT_MS / 8);
    }
    return watchdog_over() ? 1 : 0;
}

static int nobody_runs(struct culprit *c) {
    culprit_enter(c, CULPRIT_COMMIT);
    burn(LONG_MS);
    return watchdog_over() ? 1 : 0;
}

/* The processor is another's. */
static int a_run_waits(struct culprit *c) {
    culprit_run(c, 7, 3, &one);
    int status = 1;
    pid_t other = fork(); /* timers are not inherited */
    if (other == 0) {
        burn(LONG_MS);
        _exit(0);
    }
    (void)waitpid(other, &status, 0);
    return status + (watchdog_over() ? 1 : 0);
}

/* A call into C that comes back late: whoever counts instructions is told. */
static int a_run_is_late(struct culprit *c) {
    culprit_run(c, 7, 3, &one);
    int early = watchdog_over() ? 1 : 0;
    while (!watchdog_over()) {
        burn(1);
    }
    culprit_run(c, 7, 3, &two);
    return early + (watchdog_over() ? 1 : 0);
}

static void count(void *ctx) {
    volatile sig_atomic_t *calls = ctx;
    ++*calls;
}

/* Called while a run has the processor, early; not otherwise, and not when it is called off. */
static int a_run_is_looked_at(struct culprit *c) {
    volatile sig_atomic_t calls = 0;
    watchdog_call(count, (void *)&calls);
    burn(LIMIT_MS);
    int outside = (int)calls;
    culprit_run(c, 7, 3, &one);
    while (calls == 0) {
        burn(1);
    }
    int over = watchdog_over() ? 1 : 0;
    watchdog_call(NULL, NULL);
    int called = (int)calls;
    burn(LIMIT_MS);
    return outside + over + ((int)calls - called);
}

static int stopped_watching(struct culprit *c) {
    watchdog_stop();
    culprit_run(c, 7, 3, &one);
    burn(LONG_MS);
    return watchdog_over() ? 1 : 0;
}

/* The status of its end, as waitpid tells it; `said` is what it wrote to standard error. */
static int play(void **state, int (*host)(struct culprit *c), char said[16384]) {
    const struct data_folder *folder = *state;
    int ends[2];
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        struct culprit *c = NULL;
        struct report r = {""};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka's is for its own process */
        (void)dup2(ends[1], STDERR_FILENO);
        if (culprit_open(&c, folder->path, this_boot, &r) != 0 ||
            watchdog_start(c, LIMIT_MS, &r) != 0) {
            _exit(99);
        }
        _exit(host(c));
    }
    assert_true(child > 0);
    (void)close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while ((got = read(ends[0], said + len, 16383 - len)) > 0) {
        len += (size_t)got;
    }
    said[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_ends_well(void **state, int (*host)(struct culprit *c)) {
    char said[16384];
    assert_int_equal(play(state, host, said), 0);
    assert_string_equal(said, "");
}

static void a_run_that_never_ends_is_named_and_ends_the_process(void **state) {
    char said[16384];
    int status = play(state, one_run_never_ends, said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "phase=run service_number=7 "
                                 "id=01000000-0000-0000-0000-000000000000\n"));
    assert_non_null(strstr(said, "test_watchdog(")); /* the backtrace */
    struct culprit *c = NULL;
    struct report r = {""};
    const struct data_folder *folder = *state;
    assert_int_equal(culprit_open(&c, folder->path, this_boot, &r), 0);
    assert_true(uuid_equal(&culprit_debt(c)->events[0].id, &one));
    culprit_close(c);
}

static void a_batch_that_never_ends_is_named_too(void **state) {
    char said[16384];
    int status = play(state, a_batch_never_ends, said);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, "phase=apply"));
    assert_non_null(strstr(said, "id=01000000-"));
    assert_non_null(strstr(said, "id=02000000-"));
}

static void many_runs_in_a_row_are_no_hang(void **state) {
    assert_ends_well(state, many_runs);
}

static void what_is_no_run_is_not_ended(void **state) {
    assert_ends_well(state, nobody_runs);
}

static void a_run_that_waits_is_no_hang(void **state) {
    assert_ends_well(state, a_run_waits);
}

static void a_run_past_the_limit_is_over_and_the_next_is_not(void **state) {
    assert_ends_well(state, a_run_is_late);
}

static void a_run_is_looked_at_long_before_it_is_over(void **state) {
    assert_ends_well(state, a_run_is_looked_at);
}

static void nothing_is_watched_any_more_after_the_stop(void **state) {
    assert_ends_well(state, stopped_watching);
}

static void the_limit_is_ten_times_lua_time_and_two_seconds_at_least(void **state) {
    (void)state;
    assert_int_equal(watchdog_limit_ms(1), 2000);
    assert_int_equal(watchdog_limit_ms(200), 2000);
    assert_int_equal(watchdog_limit_ms(60000), 600000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(a_run_that_never_ends_is_named_and_ends_the_process),
        FOLDER_TEST(a_batch_that_never_ends_is_named_too),
        FOLDER_TEST(many_runs_in_a_row_are_no_hang),
        FOLDER_TEST(what_is_no_run_is_not_ended),
        FOLDER_TEST(a_run_that_waits_is_no_hang),
        FOLDER_TEST(a_run_past_the_limit_is_over_and_the_next_is_not),
        FOLDER_TEST(a_run_is_looked_at_long_before_it_is_over),
        FOLDER_TEST(nothing_is_watched_any_more_after_the_stop),
        FOLDER_TEST(the_limit_is_ten_times_lua_time_and_two_seconds_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
