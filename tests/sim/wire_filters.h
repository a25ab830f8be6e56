/*
 * wire_filters.h - what the worker is subscribed to, and what it gave up, as core/host_session.c
 * keeps it: the list is durable, so that what an earlier run subscribed to is given up later.
 */
#ifndef ZINGQ_SIM_WIRE_FILTERS_H
#define ZINGQ_SIM_WIRE_FILTERS_H

#include "io/mqtt/mqtt.h"
#include "wire_session.h"

#include <stdbool.h>
#include <stddef.h>

void wire_filters_begin(bool alone);
/* A new door: everything that is wanted, and the end of what is not. */
void wire_filters_start(struct mqtt *m);
/* The door is gone. */
void wire_filters_forget(void);
/* Subscribes to one, or gives it up. */
void wire_filters_change(struct mqtt *m, size_t i);
/* A connection is up: every subscription is to be answered. */
void wire_filters_up(void);
/* What the door tells of a filter as it was sent. */
void wire_filters_answered(const char *filter, uint8_t reason);
/* on_unsubscribed has come. */
void wire_filters_gone(void);
/* The broker shares nothing, or did not once. */
void wire_filters_unshared(void);
/* NULL when the broker's session is as it should be, or what is not. */
const char *wire_filters_unsettled(const struct wire_session *s);

#endif
