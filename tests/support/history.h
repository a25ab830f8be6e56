/*
 * history.h - a store with a past for tests: events that are done and events that wait, written as
 * the engine writes them, without running them.
 */
#ifndef ZINGQ_TEST_HISTORY_H
#define ZINGQ_TEST_HISTORY_H

#include <stddef.h>

struct history {
    const char *folder;  /* of the store */
    const char *service; /* whose events they are */
    size_t done, waiting;
    size_t keys; /* different ones */
};

/* Writes it; the store must not be open. Aborts with a message when it cannot. */
void history_write(const struct history *h);

#endif
