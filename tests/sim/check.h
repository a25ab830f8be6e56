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
/* Before everybody sleeps for so long, with nothing under way: nothing could run. */
void check_asleep(struct sim *s, struct node *n, int64_t for_ms);
/* When the host has slept until something is due, once faults are over: nothing was due before. */
void check_awake(struct sim *s, struct node *n);
/* Tells of some of the events that wait there, and why. */
void check_tell_waiting(struct sim *s, struct node *n);
/* A receipt that the host is about to send tells only what it has stored. */
void check_receipt(struct sim *s, struct node *n, struct slice receipt);
/* What an operator discarded, and was told so, is no dead letter. */
void check_discarded(struct sim *s, struct node *n);
/* Of events that ran a service keeps no more letters than max_dead, and none past keep_dead. */
void check_letters(struct sim *s, struct node *n);
/* The number that the key's state has under the name, whichever host it is at; 0 = none has it. */
long long check_state(struct sim *s, const char *service, const char *key, const char *name);

#endif
