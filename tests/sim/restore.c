/*
 * restore.c - see restore.h.
 *
 * The other world is a process: it has everything that this one has, but for the hosts' engines and
 * stores, which it leaves alone. Its hosts find what a backup has in the place of what was there.
 */
#include "restore.h"

#include "backup/backup.h"
#include "export/export.h"
#include "memory.h"
#include "plan.h"
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTORED_S_MAX = 1000, STORE_BYTES_MAX = 1 << 30 };

/* ---- a folder ---- */

static int write_export(const char *from, FILE *out, struct report *r) {
    const struct store_options options = {.path = from, .read_only = true};
    const struct export_options how = {.folder = from, .out = out};
    struct store *store = NULL;
    struct journal *journal = NULL;
    struct export_sums sums;
    int code = store_open(&store, &options, r);
    code = code == 0 ? journal_open(&journal, store, 0, r) : code;
    code = code == 0 ? export_write(journal, &how, &sums, r) : code;
    journal_close(journal);
    store_close(store);
    return code;
}

static int export_and_import(const char *from, const char *to, struct report *r) {
    struct export_sums sums;
    FILE *lines = tmpfile();
    const struct import_options options = {
        .in = lines, .name = "the export", .folder = to, .max_bytes = STORE_BYTES_MAX};
    if (lines == NULL) {
        abort();
    }
    int code = write_export(from, lines, r);
    rewind(lines);
    code = code == 0 ? export_read(&options, &sums, r) : code;
    (void)fclose(lines);
    return code;
}

int restore_folder(const struct sim *s, const char *from, const char *to, struct report *r) {
    struct backup_sizes sizes;
    bool as_lines = s->plan->seed % 2 == 1;
    return as_lines ? export_and_import(from, to, r) : backup_copy(from, to, &sizes, r);
}

/* ---- another world ---- */

/* In the child. */
static _Noreturn void live_on(struct sim *s, int words) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm(RESTORED_S_MAX); /* the processor time of a world is limited here, too */
    struct sim_tally *tally = made(malloc(sizeof *tally)); /* ours counts nothing twice */
    *tally = *s->tally;
    s->tally = tally;
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        node_restore(s->nodes[i]);
    }
    sim_end(s);
    for (unsigned i = 0; i < s->count; i++) {
        node_free(s->nodes[i]);
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
        if (s->traits.cluster || !s->nodes[i]->up || s->nodes[i]->lost) {
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
