/* operate.c - see operate.h. */
#include "operate.h"

#include "sim.h"

#include <stdlib.h>

/* A command and what it borrows. */
struct order {
    struct command command;
    unsigned node;
    struct order *next;
};

static struct order *orders; /* given and not answered */

static void submit(struct sim *s, struct node *n, struct command command, const char *what) {
    struct slice about = command.service;
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        abort();
    }
    *order = (struct order){.command = command, .node = n->number, .next = orders};
    orders = order;
    sim_tell(s, "host %u is told to %s %.*s", n->number, what, (int)about.len, about.data);
    engine_submit(n->engine, &order->command);
}

static void remove_order(struct order *order) {
    struct order **at = &orders;
    while (*at != order) {
        at = &(*at)->next;
    }
    *at = order->next;
    free(order);
}

void operate_done(struct sim *s, struct node *n, struct command *command, bool heard) {
    (void)s;
    (void)n;
    (void)heard;
    remove_order((struct order *)command);
}

void operate_forget(struct sim *s, const struct node *n) {
    (void)s;
    for (struct order *order = orders; order != NULL;) {
        struct order *next = order->next;
        if (order->node == n->number) {
            remove_order(order);
        }
        order = next;
    }
}

static struct slice a_service(struct sim *s, const struct node *n) {
    return slice_of(n->conf->services[sim_below(s, n->conf->service_count)].name);
}

void operate(struct sim *s, struct node *n) {
    bool pause = sim_chance(s, 40);
    submit(s, n,
           (struct command){.kind = pause ? COMMAND_PAUSE : COMMAND_RESUME,
                            .service = a_service(s, n)},
           pause ? "pause" : "resume");
}

bool operate_settle(struct sim *s, struct node *n) {
    struct engine_status status;
    engine_status(n->engine, &status);
    bool any = status.outbox_refused > 0;
    if (any) { /* the host went down in it more than once: only a person sends it again */
        submit(s, n, (struct command){.kind = COMMAND_OUTBOX_RETRY}, "send what was refused");
    }
    for (size_t i = 0; i < n->conf->service_count; i++) {
        struct engine_service_status v;
        if (engine_service_status(n->engine, i, &v) == 0 && v.paused) {
            any = true;
            submit(s, n, (struct command){.kind = COMMAND_RESUME, .service = slice_of(v.name)},
                   "resume");
        }
    }
    return any;
}
