/*
 * home.h - where rows belong when their store has a log (store/log.h): to a partition, and so to
 * whichever host owns that, or to the host that wrote them.
 */
#ifndef ZINGQ_JOURNAL_HOME_H
#define ZINGQ_JOURNAL_HOME_H

#include "store/writeset.h"

/* A store_home. Each table must be listed in home.c. */
uint8_t journal_home(enum store_table t, struct slice key);

#endif
