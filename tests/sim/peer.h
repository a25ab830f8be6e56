/*
 * peer.h - the servers that the simulator's handlers call: an HTTP service that takes money under an
 * Idempotency-Key, a mail server, and a database (database.h). They keep books of their own, and live on when a host dies.
 *
 * What is asked of http://pay/... is decided by its path: /charge, /refund, /note; a card of the name "declined"
 * is refused with 402. Everything else is answered with 200. What hosts ask one another is answered with
 * 404: no handler asks for what another host has.
 */
#ifndef ZINGQ_SIM_PEER_H
#define ZINGQ_SIM_PEER_H

#include "event/call.h"
#include "node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

/* What was done under a key: once, however often it was asked. */
struct sim_deed {
    char *key, *path, *what; /* what: the body */
    unsigned asked;
    long status;
};

struct sim_call {
    struct sim_call *next;
    unsigned node; /* its place; 0 = its host is gone, and what it asked for is still on its way */
    uint64_t id;
    bool mail, ask;
    char *url, *key, *body;
    int64_t asked_ms, timeout_ms;
};

struct sim_peer {
    struct sim_deed *deeds;
    size_t deed_count, deed_cap;
    struct sim_call *calls, *last_call;
};

int peer_start(struct sim *s, struct node *n, uint64_t id, const struct call_request *request);
void peer_cancel(struct sim *s, struct node *n, uint64_t id);
/* The host is gone: nobody waits for its calls. */
void peer_forget(struct sim *s, const struct node *n);
/* Answers some of what is open, or all; with faults the answer may be lost, or be an error. */
void peer_answer(struct sim *s, bool faults);
size_t peer_open(const struct sim *s);
/* How many deeds there are with this path and this body under different keys. */
size_t peer_deeds(const struct sim *s, const char *path, const char *what);
void peer_clear(struct sim *s);

#endif
