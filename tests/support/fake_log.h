/*
 * fake_log.h - a log (store/log.h) in memory, that can refuse, leave in doubt, and be taken over.
 *
 * It keeps every turn that nobody trims, so that what a store should be can be built from nothing. What an append left
 * in doubt may still be on its way: it arrives before the next append, unless a barrier comes first.
 */
#ifndef ZINGQ_TEST_FAKE_LOG_H
#define ZINGQ_TEST_FAKE_LOG_H

#include "store/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_log;

struct fake_log *fake_log_new(void);
void fake_log_free(struct fake_log *log);

/* A host starts with it: whoever had it is fenced. The door is the log's, until the next join. */
const struct store_log *fake_log_join(struct fake_log *log);
/* Reads it, and takes it from nobody: for who follows it. */
const struct store_log *fake_log_reader(struct fake_log *log);
/* Where the host that joined last writes snapshots. Each is trimmed one turn a call. */
const struct log_snapshots *fake_log_snapshots(struct fake_log *log);
/* Another host takes it over, and appends nothing. */
void fake_log_take_over(struct fake_log *log);

enum fake_answer {
    FAKE_GOOD,
    FAKE_AWAY,         /* it is not there: so does the barrier answer, too */
    FAKE_DOUBT_LOST,   /* no answer, and it does not arrive */
    FAKE_DOUBT_LANDED, /* no answer, and it has arrived */
    FAKE_DOUBT_LATE    /* no answer, and it is still on its way */
};

/* How the next append ends, and those after it until this is called again. */
void fake_log_answers(struct fake_log *log, enum fake_answer answer);
/* It forgets its last turns, as a database that fails over to a copy that lagged behind. */
void fake_log_lose(struct fake_log *log, size_t turns);

/* Whether a turn came with another number than the next, or a snapshot not as it should: nobody who
 * keeps to the rules does that. */
bool fake_log_is_broken(const struct fake_log *log);
uint64_t fake_log_last(const struct fake_log *log);
/* What its turns changed: operations, and the bytes of bodies. */
uint64_t fake_log_writes(const struct fake_log *log);
uint64_t fake_log_bytes(const struct fake_log *log);

/* Compares a store, between transactions, with one that is built from the log alone, in a folder of
 * its own that must not be there yet, home by home. False: `why` says which row differs. */
bool fake_log_is_store(struct fake_log *log, struct store *store, const char *folder, char *why,
                       size_t size);

#endif
