/*
 * relay.h - a TCP relay in front of a broker that ends all its connections again and again, at
 * random moments, mid-packet too. It is deterministic in its choice of moments, by the seed.
 */
#ifndef ZINGQ_TEST_RELAY_H
#define ZINGQ_TEST_RELAY_H

#include <stddef.h>
#include <stdint.h>

struct relay;

/* Listens on a free loopback port and passes on to `to`. */
struct relay *relay_new(uint16_t to, unsigned seed, uint16_t *port);
/* From now on it ends every connection after each `min_ms` to `max_ms`; 0, 0 = no more. */
void relay_cut(struct relay *r, unsigned min_ms, unsigned max_ms);
/* How often it has, and how many connections that were. */
size_t relay_cuts(struct relay *r);
size_t relay_connections(struct relay *r);
void relay_free(struct relay *r);

#endif
