/*
 * journal_fixture.h - a journal in a temporary folder with a transaction under way, and what the
 * tests of its operations write into it.
 */
#ifndef ZINGQ_TEST_JOURNAL_FIXTURE_H
#define ZINGQ_TEST_JOURNAL_FIXTURE_H

#include "data_folder.h"
#include "journal.h"

#include <stdbool.h>
#include <stdint.h>

enum { KEEP_MS = 8000 }; /* keep_idempotency of these journals */
static const int64_t T0 = 1700000000000;

struct journal_fixture {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
};

/* Of a cmocka test. */
int journal_fixture_set_up(void **state);
int journal_fixture_tear_down(void **state);

void journal_fixture_open(struct journal_fixture *f, bool read_only);
void journal_fixture_close(struct journal_fixture *f);
/* Commits, closes, opens again: what is read now comes from disk. */
void journal_fixture_restart(struct journal_fixture *f);

struct uuid uuid_nth(uint8_t n);
/* An event with a value of its own in every field; the caller frees it. */
struct event *full_event(uint8_t partition, uint8_t n, uint16_t service);
struct row row_of(uint8_t partition, uint16_t service, uint64_t lane, uint64_t seq);

#endif
