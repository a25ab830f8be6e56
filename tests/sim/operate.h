/*
 * operate.h - what operators do in the simulator: they pause and resume, replay, edit and discard
 * dead letters, let keys go on, cancel, send signals, save scripts.
 */
#ifndef ZINGQ_SIM_OPERATE_H
#define ZINGQ_SIM_OPERATE_H

#include "engine/engine.h"
#include "node.h"

#include <stdbool.h>

struct sim;

/* Submits something at the host. */
void operate(struct sim *s, struct node *n);
/* Once the faults are over: every pause is ended, parked keys go on, what is dead and should not be
 * is replayed. False: there is nothing left to do. */
bool operate_settle(struct sim *s, struct node *n);
/* Sends a signal to a key of the service, under an idempotency key, until somebody says that it is
 * stored. */
void operate_signal(struct sim *s, struct node *n, const char *service, unsigned key,
                    const char *name, const char *value, const char *once);
/* The door: the engine has carried the command out; `heard`: the host lived to say so. */
void operate_done(struct sim *s, struct node *n, struct command *command, bool heard);
/* The host is gone, and its commands with it. */
/* A host goes on at another place; what it is still asked at the old one is not answered any more. */
void operate_moves(struct sim *s, const struct node *from, struct node *to);
void operate_forget(struct sim *s, struct node *n);
/* It is up again: what was paused is, and nothing else. */
void operate_started(struct sim *s, struct node *n);
/* The world is over. */
void operate_end(const struct sim *s);

#endif
