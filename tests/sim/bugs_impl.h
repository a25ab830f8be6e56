/*
 * bugs_impl.h - what bugs_*.c share; nobody else includes it.
 */
#ifndef ZINGQ_SIM_BUGS_IMPL_H
#define ZINGQ_SIM_BUGS_IMPL_H

#include "bugs.h"

#include <stdbool.h>

/* A world begins. */
void bugs_turn_begin(void);
void bugs_store_begin(void);

/* bugs_log.c: before the store begins a transaction. */
struct store;
void bugs_dismiss_doubt(struct store *s);
/* bugs_turn.c */
/* Whether a host starts at this moment. */
bool bugs_are_loading(void);

#endif
