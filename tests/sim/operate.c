/* operate.c - see operate.h and operate_impl.h. */
#include "operate.h"

#include "memory.h"
#include "operate_impl.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static struct order *orders; /* given and not answered, or to be given again */

/* --- orders --- */

struct order *order_new(struct sim *s, const struct node *n, enum command_kind kind) {
    struct order *order = made(calloc(1, sizeof *order));
    *order = (struct order){
        .command = {.kind = kind}, .sim = s, .node = n->number, .said = NOBODY, .next = orders};
    orders = order;
    return order;
}

void order_give(struct sim *s, struct node *n, struct order *order, const char *what) {
    struct slice about = order->command.service;
    sim_tell(s, "host %u is told to %s %.*s %s", n->number, what, (int)about.len, about.data,
             order->payload);
    if (order->said != NOBODY) {
        sim_tell(s, "  that is %u", order->said);
    }
    order->open = true;
    order->place = n->place;
    s->true_ms++; /* no two deaths of an event are of one millisecond, by which they are told apart */
    engine_submit(n->engine, &order->command);
}

bool order_open(const struct sim *s, uint32_t said) {
    for (const struct order *order = orders; order != NULL; order = order->next) {
        if (order->sim == s && order->said == said) {
            return true;
        }
    }
    return false;
}

static void remove_order(struct order *order) {
    struct order **at = &orders;
    while (*at != order) {
        at = &(*at)->next;
    }
    *at = order->next;
    free(order);
}

static bool is_known(const struct command *command) {
    for (const struct order *order = orders; order != NULL; order = order->next) {
        if (&order->command == command && order->open) {
            return true;
        }
    }
    return false;
}

/* Which bit of a host's services the order is about; 0 = it is no pause, and no end of one. */
static uint64_t paused_bit(const struct node *n, const struct command *command) {
    bool pauses = command->kind == COMMAND_PAUSE || command->kind == COMMAND_RESUME;
    uint64_t bit = 0;
    for (size_t i = 0; i < n->conf->service_count && pauses; i++) {
        bool is = slice_equal(slice_of(n->conf->services[i].name), command->service);
        bit |= is ? UINT64_C(1) << i : 0;
    }
    return bit;
}

static void note_pause(struct node *n, const struct command *command) {
    uint64_t bit = paused_bit(n, command);
    if (command->code == 0) {
        n->paused = command->kind == COMMAND_PAUSE ? n->paused | bit : n->paused & ~bit;
        n->paused_doubt &= ~bit;
    }
}

void operate_started(struct sim *s, struct node *n) {
    for (size_t i = 0; i < n->conf->service_count; i++) {
        struct engine_service_status v;
        bool doubt = (n->paused_doubt >> i & 1) != 0;
        bool paused = (n->paused >> i & 1) != 0;
        if (!doubt && engine_service_status(n->engine, i, &v) == 0 && v.paused != paused) {
            sim_fail(s, "host %u starts, and %s is %s", n->number, v.name,
                     paused ? "paused no more" : "paused by nobody");
        }
    }
}

void operate_done(struct sim *s, struct node *n, struct command *command, bool heard) {
    struct order *order = (struct order *)command;
    if (!is_known(command)) {
        sim_fail(s, "host %u answers a command twice", n->number);
        return;
    }
    order->open = false;
    heard = heard && command->code != ERR_DOUBT;
    n->paused_doubt |= heard ? 0 : paused_bit(n, command);
    if (heard) {
        note_pause(n, command);
        sim_tell(s, "host %u answers %d%s%s", n->number, command->code,
                 command->code == 0 ? "" : ": ", command->code == 0 ? "" : command->report.text);
    }
    if (heard && order->said != NOBODY) {
        letter_answered(s, order);
    }
    if (heard && order->again && command->code == ERR_EXISTS) {
        sim_fail(s, "host %u takes a publish for another: %s", n->number, command->report.text);
    }
    if (!order->again || (heard && command->code == 0)) {
        remove_order(order);
    }
}

void operate_moves(struct sim *s, const struct node *from, struct node *to) {
    to->paused = from->paused;
    to->paused_doubt = from->paused_doubt;
    for (const struct order *order = orders; order != NULL; order = order->next) {
        bool its = order->sim == s && order->place == from->place && order->open;
        to->paused_doubt |= its ? paused_bit(from, &order->command) : 0;
    }
}

void operate_forget(struct sim *s, struct node *n) {
    for (struct order *order = orders; order != NULL;) {
        struct order *next = order->next;
        bool its = order->sim == s && order->place == n->place;
        n->paused_doubt |= its && order->open ? paused_bit(n, &order->command) : 0;
        order->open = order->open && !its;
        if (its && !order->again) {
            remove_order(order);
        }
        order = next;
    }
}

void operate_end(const struct sim *s) {
    for (struct order *order = orders; order != NULL;) {
        struct order *next = order->next;
        if (order->sim == s) {
            remove_order(order);
        }
        order = next;
    }
}

/* What had no answer, or a refusal. False: nothing. */
static bool give_again(struct sim *s, struct node *n) {
    bool any = false;
    for (struct order *order = orders; order != NULL; order = order->next) {
        if (order->sim == s && order->node == n->number && order->again) {
            any = true;
            if (!order->open) {
                order_give(s, n, order, "publish again");
            }
        }
    }
    return any;
}

/* --- services --- */

static struct slice a_service(struct sim *s, const struct node *n) {
    return slice_of(n->conf->services[sim_below(s, n->conf->service_count)].name);
}

static void pause_or_resume(struct sim *s, struct node *n) {
    bool pause = sim_chance(s, 40);
    struct order *order = order_new(s, n, pause ? COMMAND_PAUSE : COMMAND_RESUME);
    order->command.service = a_service(s, n);
    order_give(s, n, order, pause ? "pause" : "resume");
}

static void retry_outbox(struct sim *s, struct node *n) {
    order_give(s, n, order_new(s, n, COMMAND_OUTBOX_RETRY), "send what was refused");
}

static void save_script(struct sim *s, struct node *n) {
    (void)s;
    node_scripts_save(n);
}

void operate(struct sim *s, struct node *n) {
    static void (*const acts[])(struct sim *, struct node *) = {
        pause_or_resume, pause_or_resume,        operate_letter, operate_letter, operate_letter,
        operate_event,   operate_event,          operate_event,  operate_event,  operate_publish,
        operate_publish, operate_cancel_publish, operate_outbox, operate_outbox, save_script};
    acts[sim_below(s, sizeof acts / sizeof *acts)](s, n);
    if (sim_chance(s, 20)) {
        (void)give_again(s, n);
    }
}

bool operate_settle(struct sim *s, struct node *n) {
    struct engine_status status;
    engine_status(n->engine, &status);
    bool any = status.outbox_refused > 0;
    if (any) { /* the host went down in it more than once: only a person sends it again */
        retry_outbox(s, n);
    }
    bool dead = false;
    for (size_t i = 0; i < n->conf->service_count; i++) {
        struct engine_service_status v;
        if (engine_service_status(n->engine, i, &v) != 0) {
            continue;
        }
        dead = dead || v.books.dead > 0;
        if (v.paused) {
            any = true;
            struct order *order = order_new(s, n, COMMAND_RESUME);
            order->command.service = slice_of(v.name);
            order_give(s, n, order, "resume");
        }
    }
    any = (dead && operate_revive(s, n)) || any;
    return give_again(s, n) || any;
}
