/*
 * node_reader.c - a process that reads one state of a host's store and does not stop: what is freed
 * after it began stays taken. It ends like one that hangs: it is killed.
 */
#include "node.h"
#include "sim.h"

#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READER_SEEN_MS = 60000, READER_TURNS = 4 };

/* In the child: says so on the pipe once it reads. */
static void read_for_ever(const char *folder, int pipe) {
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    pipe = dup2(pipe, STDIN_FILENO);
    closefrom(STDERR_FILENO + 1); /* the lock of the data folder is the host's */
    bool reads = mdb_env_create(&env) == 0 && mdb_env_open(env, folder, MDB_RDONLY, 0600) == 0 &&
                 mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0;
    if (reads && write(pipe, "r", 1) == 1) {
        for (;;) {
            (void)pause();
        }
    }
    _exit(1);
}

void node_reader_begin(struct node *n) {
    int ends[2];
    char byte;
    if (n->reader != 0 || pipe(ends) != 0) {
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        read_for_ever(n->conf->store_path, ends[1]);
    }
    (void)close(ends[1]);
    bool reads = child > 0 && read(ends[0], &byte, 1) == 1;
    (void)close(ends[0]);
    if (!reads) {
        sim_fail(n->sim, "host %u: nobody can read its store beside it", n->number);
    }
    n->reader = child > 0 ? child : 0;
    n->reader_turns = 0;
    sim_tell(n->sim, "host %u: a reader hangs on its store", n->number);
}

void node_reader_end(struct node *n) {
    if (n->reader == 0) {
        return;
    }
    (void)kill(n->reader, SIGKILL);
    (void)waitpid(n->reader, NULL, 0);
    n->reader = 0;
    sim_tell(n->sim, "host %u: the reader is gone", n->number);
}

/* Turns that are a minute apart, with commits between them: after a few the host names the reader. */
void node_reader_check(struct node *n) {
    struct engine_status v;
    if (n->reader == 0 || n->sim->true_ms < n->reader_seen_ms + READER_SEEN_MS) {
        return;
    }
    engine_status(n->engine, &v);
    bool named = v.old_reader == n->reader;
    n->reader_turns += v.commits != n->reader_commits ? 1 : 0;
    n->reader_commits = v.commits;
    n->reader_seen_ms = n->sim->true_ms;
    if (n->reader_turns > READER_TURNS && !named) {
        sim_fail(n->sim, "host %u does not see the process that reads its store", n->number);
    }
    n->reader_turns = named ? 0 : n->reader_turns;
}
