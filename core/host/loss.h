/*
 * loss.h - which lost connections are worth a line in the log.
 *
 * A broker that closes twice a second would fill the log with the same two lines. So each kind of
 * loss is logged once a minute, with the number of losses since that were not. The return of a
 * connection is logged if its loss was, otherwise at most once a second. Status always shows the
 * current state.
 */
#ifndef ZINGQ_HOST_LOSS_H
#define ZINGQ_HOST_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOSS_KINDS = 4, LOSS_SAY_AGAIN_MS = 60000, UP_SAY_AGAIN_MS = 1000 };

/* For one connection; zero-initialized. */
struct host_loss {
    uint64_t said_ms[LOSS_KINDS]; /* loop time of the last line for this kind; 0 = none */
    uint64_t up_ms;               /* loop time of the last line about a return */
    size_t unsaid;                /* losses of any kind not logged since the last that was */
    bool silent;                  /* the current loss was not logged */
    bool quiet;                   /* so the terms of the current connection are not logged either */
};

/* The connection was lost or could not be made. True: log it; *unsaid is how many losses were not
 * logged since the last one that was. now_ms > 0. */
bool host_loss_down(struct host_loss *l, unsigned kind, uint64_t now_ms, size_t *unsaid);
/* The connection is up. True: log it. */
bool host_loss_up(struct host_loss *l, uint64_t now_ms);
/* True if a loss was logged within the last minute, so that nobody needs to repeat it. */
bool host_loss_said(const struct host_loss *l, uint64_t now_ms);

#endif
