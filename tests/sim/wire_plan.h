/*
 * wire_plan.h - what happens in a world: a list of steps, made from a seed. A list with some steps
 * taken out is a plan, too: that is how a failure becomes short.
 */
#ifndef ZINGQ_SIM_WIRE_PLAN_H
#define ZINGQ_SIM_WIRE_PLAN_H

#include "wire_net.h"
#include "wire_worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum wire_action {
    WIRE_DO_MESSAGES, /* someone publishes `a` of them, in style `b` */
    WIRE_DO_SPOILT,   /* someone publishes one with fault `a` */
    WIRE_DO_ROWS,     /* `a` rows for the outbox, in style `b` */
    WIRE_DO_CUT,      /* the connection breaks after `a` bytes, in the way of `b` */
    WIRE_DO_HALF_OPEN,
    WIRE_DO_STALL,          /* for `a` ms */
    WIRE_DO_DEAFEN,         /* for `a` ms */
    WIRE_DO_SILENCE,        /* packets of type `a` are not sent, for `b` ms */
    WIRE_DO_REFUSE_CONNACK, /* reason `a`, for `b` ms */
    WIRE_DO_REFUSE_SUBACK,
    WIRE_DO_REFUSE_PUBACK,
    WIRE_DO_REFUSE_WILL, /* for ever if `b` is odd */
    WIRE_DO_DISCONNECT,  /* reason `a`, in the way of `b` */
    WIRE_DO_RESTART,     /* with reason `a`; sessions are lost if `b` */
    WIRE_DO_ROUTE,       /* connects end as `a` says, for `b` ms */
    WIRE_DO_NO_BROKER,   /* for `b` ms */
    WIRE_DO_TERMS,       /* the broker has limits `a`, some for ever, and tells them as `b` says */
    WIRE_DO_SAY,         /* bytes `a` to client `b` */
    WIRE_DO_ODD_PUBACK,
    WIRE_DO_REPEAT,
    WIRE_DO_FAIL_COMMITS, /* `a` of them */
    WIRE_DO_HOLD,         /* for `a` ms */
    WIRE_DO_SLOW,         /* turns of `a` ms, for `b` ms */
    WIRE_DO_CRASH,        /* starts again after `a` ms */
    WIRE_DO_LEAVE,        /* the same, with a goodbye */
    WIRE_DO_JUMP,         /* the process stands still for `a` ms */
    WIRE_DO_FILTER,       /* `a` is subscribed, or given up */
    WIRE_DO_MOVED,
    WIRE_DO_WEATHER,  /* of kind `a` */
    WIRE_DO_DEAD,     /* `a` addresses of the broker's name, for `b` ms; for ever if it is odd */
    WIRE_DO_PAUSE,    /* no turns for `a` ms */
    WIRE_DO_WANDER,   /* `a` odd: the worker goes on to another broker when it is down */
    WIRE_DO_FLOOD,    /* more rows than there are packet ids, and one PUBACK is not sent */
    WIRE_DO_RESTLESS, /* the broker restarts every few seconds, for hours */
    WIRE_DO_HABITS,   /* bits `a`: joined, lavish, wordy, PUBACKs twice */
    WIRE_DO_COUNT
};

struct wire_step {
    int64_t at_ms;
    enum wire_action action;
    uint32_t a, b;
};

enum { WIRE_STEPS_MAX = 96 };

struct wire_plan {
    uint64_t seed;
    struct wire_worker_setup setup;
    bool narrow;                            /* the kernel's buffers */
    struct wire_step steps[WIRE_STEPS_MAX]; /* by time */
    size_t count;
    int64_t ends_ms; /* then every fault ends */
};

void wire_plan_make(struct wire_plan *plan, uint64_t seed);
const char *wire_action_name(enum wire_action action);

/* As a line of text, and back: false when it is none. */
void wire_plan_write(FILE *out, const struct wire_plan *plan);
bool wire_plan_read(struct wire_plan *plan, const char *line);

#endif
