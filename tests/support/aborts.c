/* aborts.c - see aborts.h. */
#include "aborts.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_BYTES = 4096, SURVIVED = 98 };

static void run_child(void (*act)(void *ctx), void *ctx, int words) {
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGABRT, SIG_DFL); /* cmocka's is for its own process */
    if (dup2(words, STDERR_FILENO) >= 0) {
        act(ctx);
    }
    _exit(SURVIVED);
}

/* What the child wrote until it ended, terminated; the end of it is cut off. */
static void hear(int words, char said[SAID_BYTES]) {
    size_t len = 0;
    ssize_t got;
    while ((got = read(words, said + len, SAID_BYTES - 1 - len)) > 0) {
        len += (size_t)got;
    }
    said[len] = '\0';
}

void assert_aborts(void (*act)(void *ctx), void *ctx, const char *condition) {
    char said[SAID_BYTES];
    int ends[2];
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    (void)fflush(NULL); /* or the child's copy of it is written, too */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_child(act, ctx, ends[1]);
    }
    (void)close(ends[1]);
    hear(ends[0], said);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fail_msg("no assertion ended the process, wait status %d: %s", status, said);
    }
    if (strstr(said, "Assertion") == NULL || strstr(said, condition) == NULL) {
        fail_msg("not by the assertion \"%s\": %s", condition, said);
    }
}
