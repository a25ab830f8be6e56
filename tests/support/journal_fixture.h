/*
 * journal_fixture.h - a journal on a store in a temporary folder, inside a transaction.
 */
#ifndef ZINGQ_TEST_JOURNAL_FIXTURE_H
#define ZINGQ_TEST_JOURNAL_FIXTURE_H

#include "data_folder.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stdint.h>

enum { JOURNAL_KEEP_MS = 8000 }; /* store.keep_idempotency */
#define JOURNAL_T0 INT64_C(1700000000000)
#define JOURNAL_TEST(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, journal_fixture_set_up, journal_fixture_tear_down)

struct journal_fixture {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
};

int journal_fixture_set_up(void **state);
int journal_fixture_tear_down(void **state);
void journal_fixture_open(struct journal_fixture *f, bool read_only);
void journal_fixture_close(struct journal_fixture *f);
/* Commits, closes, opens again: what is read now comes from disk. */
void journal_restart(struct journal_fixture *f);
/* One of 256 ids in order. */
struct uuid journal_id(uint8_t n);

#endif
