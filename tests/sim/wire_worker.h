/*
 * wire_worker.h - what stands above the MQTT door in the simulation, as core/host.c does in the
 * program: turns that collect, commit and flush; an outbox whose rows are published until they are
 * acknowledged. What is durable (the log, the outbox, the list of filters) outlives a crash; all
 * the rest does not.
 */
#ifndef ZINGQ_SIM_WIRE_WORKER_H
#define ZINGQ_SIM_WIRE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { WIRE_TOPICS = 6, WIRE_FILTERS = 5 };

/* Where messages are published to, and whose order counts. */
extern const char *const wire_topics[WIRE_TOPICS];

struct wire_worker_setup {
    bool one_door; /* one connection for both ways; otherwise two, as the program has */
    bool alone;    /* no shared subscriptions */
    bool will;
    uint16_t receive_max;
    uint32_t packet_max; /* 0 = not announced */
    uint32_t intake;     /* messages of one turn */
    uint32_t window;     /* publishes in flight */
};

struct wire_worker_figures {
    size_t ups, downs, starts, turns, failed_commits, messages, dead_letters, refused;
};

void wire_worker_begin(uv_loop_t *loop, const struct wire_worker_setup *setup);
void wire_worker_end(void);
const struct wire_worker_figures *wire_worker_figures(void);

void wire_worker_start(void);
bool wire_worker_runs(void);
/* Everything that is not durable is gone, the connections without a word. */
void wire_worker_crash(void);
/* Says goodbye first. */
void wire_worker_leave(void);

/* A turn, if one is due; whether there was one. */
bool wire_worker_work(void);
int64_t wire_worker_next_ms(void);

/* A row of the outbox; the number counts from 1 on. */
void wire_worker_enqueue(uint32_t number, uint8_t qos, bool retain, uint32_t bytes);
/* Subscribes to it, or gives it up. */
void wire_worker_filter(size_t filter);
/* The broker's address has changed. */
void wire_worker_moved(bool wait);

/* ---- faults ---- */

void wire_worker_fail_commits(unsigned count);
void wire_worker_hold(int64_t until_ms);
/* No turn before. */
void wire_worker_pause(int64_t until_ms);
/* Whether it goes on to another address whenever the door is down. */
void wire_worker_wander(bool wanders);
/* Many rows, made as others go. */
void wire_worker_flood(uint32_t first, uint32_t count);
/* Every turn takes that long. */
void wire_worker_slow(uint32_t ms);

/* Every connection stands. */
bool wire_worker_is_up(void);
/* NULL when everything has come through, or what has not. */
const char *wire_worker_unsettled(void);

#endif
