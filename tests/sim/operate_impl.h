/*
 * operate_impl.h - what the files of the operators share.
 *
 *   operate.c         orders: given, answered, lost with their host; what to do in the end
 *   operate_pick.c    what there is to decide on, as an operator would see it in a list
 *   operate_letters.c dead letters, parked keys, events that wait or have ended
 *   operate_publish.c publishes, at once and later, until somebody says that they are stored
 */
#ifndef ZINGQ_SIM_OPERATE_IMPL_H
#define ZINGQ_SIM_OPERATE_IMPL_H

#include "operate.h"

#include "event/event.h"
#include "load.h"
#include "journal/event.h"

#include <stdint.h>

enum { ORDER_TEXT_BYTES = 400, NOBODY = UINT32_MAX };

/* A command and what it borrows. */
struct order {
    struct command command;
    struct sim *sim;
    unsigned node, place; /* the host it is for, and where it was given; 0 = nowhere yet */
    uint32_t said;        /* the number it is about; NOBODY = none */
    bool was_doubt;       /* whether it may have been gone before */
    bool again;           /* it is given again until it is answered with 0 */
    bool open;            /* the engine has it */
    char topic[64], once[32], key[16];
    char payload[ORDER_TEXT_BYTES];
    struct order *next;
};

/* An order of that kind, not given yet. */
struct order *order_new(struct sim *s, const struct node *n, enum command_kind kind);
void order_give(struct sim *s, struct node *n, struct order *order, const char *what);
/* Whether one about it is under way. */
bool order_open(const struct sim *s, uint32_t said);

/* Something in a host's store that an operator can decide on. */
struct pick {
    struct uuid id;
    size_t service; /* in conf->services */
    uint8_t partition, state;
    bool parked;
    struct said *said; /* whom it is about */
    char key[16];
};

/* What is wanted: of an event, by its state. */
typedef bool pick_wanted(enum event_state state);

/* One of the events that are wanted, of a kind that operators may touch; false: none was found in
 * a short look. */
bool pick_event(struct sim *s, struct node *n, pick_wanted *wanted, struct pick *out);
/* The dead letters, one after the other: *at is zero at the start. False: that was the last. */
bool pick_dead(struct sim *s, struct node *n, struct dead_row *at, struct pick *out);
/* One of the publishes that wait for their time. */
bool pick_delayed(struct sim *s, struct node *n, struct pick *out);

/* One of the publishes that the broker refuses. */
bool pick_refused(struct sim *s, struct node *n, struct pick *out);

/* operate_letters.c */
void operate_letter(struct sim *s, struct node *n);
void operate_event(struct sim *s, struct node *n);
/* Whether something was to be replayed. */
bool operate_revive(struct sim *s, struct node *n);
/* What the answer means for whom it is about. */
void letter_answered(struct sim *s, const struct order *order);

/* operate_publish.c */
void operate_publish(struct sim *s, struct node *n);
void operate_cancel_publish(struct sim *s, struct node *n);
void operate_outbox(struct sim *s, struct node *n);

#endif
