/*
 * restore.c - see restore.h.
 *
 * The other world is a process: it has everything that this one has, but for the hosts' engines and
 * stores, which it leaves alone. Its hosts find what a backup has in the place of what was there.
 */
#include "restore.h"

#include "memory.h"
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTORED_S_MAX = 1000 };

/* In the child. */
static _Noreturn void live_on(struct sim *s, int words) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm(RESTORED_S_MAX); /* the processor time of a world is limited here, too */
    struct sim_tally *tally = made(malloc(sizeof *tally)); /* ours counts nothing twice */
    *tally = *s->tally;
    s->tally = tally;
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        node_restore(&s->nodes[i]);
    }
    sim_end(s);
    for (unsigned i = 0; i < s->count; i++) {
        node_free(&s->nodes[i]);
    }
    bool told = !s->failed || write(words, s->why, strlen(s->why)) == (ssize_t)strlen(s->why);
    (void)fflush(stdout);
    _exit(told ? 0 : 1);
}

static void hear(struct sim *s, int words, pid_t pid) {
    char why[WHY_BYTES] = "";
    int status = 0;
    ssize_t len = read(words, why, sizeof why - 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        abort(); /* its last words are where ours would be: see report.c */
    }
    if (len > 0) {
        sim_fail(s, "restored from a backup: %.*s", WHY_BYTES / 2, why);
    }
}

void restore_elsewhere(struct sim *s) {
    int words[2];
    for (unsigned i = 0; i < s->count; i++) {
        if (!s->nodes[i].up || s->nodes[i].lost) {
            return;
        }
    }
    sim_tell(s, "every host is backed up, and in another world the backups are restored");
    (void)fflush(NULL);
    if (pipe(words) != 0) {
        abort();
    }
    pid_t pid = fork();
    if (pid < 0) {
        abort();
    }
    if (pid == 0) {
        live_on(s, words[1]);
    }
    (void)close(words[1]);
    hear(s, words[0], pid);
    (void)close(words[0]);
}
