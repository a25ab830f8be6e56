/*
 * check.h - what must be true of every host once everything has ended: nothing waits, nothing is
 * left in the store that belongs to nothing, and the books balance.
 */
#ifndef ZINGQ_SIM_CHECK_H
#define ZINGQ_SIM_CHECK_H

#include "node.h"

struct sim;

/* At any time between two turns. */
void check_always(struct sim *s, struct node *n);
/* After everything has ended. */
void check_ended(struct sim *s, struct node *n);
/* And when all that is kept for a time is past it, too: a store holds what was put there for good,
 * dead letters and little else. */
void check_aged(struct sim *s, struct node *n);

#endif
