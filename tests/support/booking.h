/*
 * booking.h - the booking system that ships, for tests: its topics.conf and scripts in a host's
 * folder, and its surroundings by the environment, which wins over topics.conf.
 */
#ifndef ZINGQ_TEST_BOOKING_H
#define ZINGQ_TEST_BOOKING_H

#include "stage.h"

/* Copies topics.conf and the scripts into the folder. */
void booking_copy(const struct program *p);
/* ZINGQ_<NAME> = <scheme>://127.0.0.1:<port> */
void booking_set_url(const char *name, const char *scheme, uint16_t port);
/* For every host started from now on: the stage's broker, gateway and mail server, no front door over
 * TCP, a hold of 5 s, and a search for lost charges after 3 s. */
void booking_set_stage(const struct stage *s);

#endif
