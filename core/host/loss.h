/*
 * loss.h - which losses of a connection are worth a line in the log.
 *
 * A broker that closes twice a second would fill the log with the same two lines. So each kind of
 * loss is said once a minute, with the number of those that were not. That the connection stands
 * again is said when its loss was, else once a second. Status always tells how things stand now.
 */
#ifndef ZINGQ_HOST_LOSS_H
#define ZINGQ_HOST_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOSS_KINDS = 4, LOSS_SAY_AGAIN_MS = 60000, UP_SAY_AGAIN_MS = 1000 };

/* Of one connection; zero is the start. */
struct host_loss {
    uint64_t said_ms[LOSS_KINDS]; /* loop time, of the last line; 0 = none */
    uint64_t up_ms;               /* the same of the last line that it stands */
    size_t unsaid;                /* since then, of any kind */
    bool silent;                  /* the loss in force was not said */
    bool quiet;                   /* nor, therefore, what the connection in force is like */
};

/* The connection is lost, or could not be had. Whether to say it; then *unsaid is how many were
 * not, since the last that was. now_ms > 0. */
bool host_loss_down(struct host_loss *l, unsigned kind, uint64_t now_ms, size_t *unsaid);
/* It stands. Whether to say it. */
bool host_loss_up(struct host_loss *l, uint64_t now_ms);
/* Whether a loss was said within the last minute: nobody need say again that it is down. */
bool host_loss_said(const struct host_loss *l, uint64_t now_ms);

#endif
