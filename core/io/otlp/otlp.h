/*
 * otlp.h - sends spans to a receiver of OpenTelemetry: OTLP over HTTP, as JSON, through io/fetch.
 *
 * Owns: the queue of what is not sent yet. It is bounded, counts against the memory budget, and
 * drops what does not fit: nobody ever waits for a receiver. One request is under way at a time.
 */
#ifndef ZINGQ_IO_OTLP_OTLP_H
#define ZINGQ_IO_OTLP_OTLP_H

#include "base/buf.h"
#include "base/error.h"
#include "base/memory.h"
#include "conf/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct otlp;

enum { OTLP_RETRY_AFTER_MS_MAX = 300000 /* a Retry-After that asks for more is cut to this */ };

struct otlp_options {
    uv_loop_t *loop;
    const struct telemetry_conf *conf; /* borrowed; what it says may change at any time */
    const char *instance;              /* service.instance.id; borrowed */
    struct memory *memory;             /* the budget; borrowed, NULL = none */
};

/* ERR_MEMORY. */
int otlp_new(struct otlp **out, const struct otlp_options *options);
/* Adds spans, as event/span.h writes them; `dropped`: as many more were dropped before. */
void otlp_add(struct otlp *o, struct slice spans, size_t count, uint64_t dropped);
/* The receiver, or what it is sent, may be another: it is asked at once, whatever the last one said. */
void otlp_again(struct otlp *o);
/* Sends what waits and frees it, while the loop runs: after SPANS_GOODBYE_MS at the latest, and
 * immediately if the receiver is not there, or none is named any more; then *ended, which may be NULL, becomes true. NULL is
 * ignored. */
void otlp_end(struct otlp *o, bool *ended);

struct otlp_state {
    uint64_t sent, dropped; /* spans, since it was made */
    size_t waiting;         /* spans */
    const char *error;      /* of the last request, or NULL */
};

/* How it is; the error is borrowed, and changes with the next answer. */
void otlp_look(const struct otlp *o, struct otlp_state *out);

/* Sends an empty request on a loop of its own, and waits for the answer. ERR_REFUSED: the answer is an
 * error; ERR_NETWORK, ERR_TIMEOUT: there is none; ERR_MEMORY, ERR_SYSTEM. r has a sentence. */
int otlp_probe(const struct telemetry_conf *conf, struct report *r);

#endif
