/*
 * wire_plan_text.c - a plan as a line of text, so that it means the same when wire_plan_make has
 * changed: "plan SEED DOORS ALONE WILL NARROW RECEIVE PACKET INTAKE WINDOW END | AT ACTION A B | ..."
 */
#include "wire_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void wire_plan_write(FILE *out, const struct wire_plan *plan) {
    const struct wire_worker_setup *s = &plan->setup;
    (void)fprintf(out, "plan %" PRIu64 " %d %d %d %d %u %u %u %u %" PRId64, plan->seed,
                  s->one_door ? 1 : 2, s->alone, s->will, plan->narrow, s->receive_max,
                  s->packet_max, s->intake, s->window, plan->ends_ms);
    for (size_t i = 0; i < plan->count; i++) {
        const struct wire_step *step = &plan->steps[i];
        (void)fprintf(out, " | %" PRId64 " %s %u %u", step->at_ms, wire_action_name(step->action),
                      step->a, step->b);
    }
    (void)fputc('\n', out);
}

static bool find_action(const char *name, enum wire_action *out) {
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        if (strcmp(wire_action_name((enum wire_action)i), name) == 0) {
            *out = (enum wire_action)i;
            return true;
        }
    }
    return false;
}

static bool read_step(const char *text, struct wire_step *step) {
    char name[32];
    return sscanf(text, "%" SCNd64 " %31s %" SCNu32 " %" SCNu32, &step->at_ms, name, &step->a,
                  &step->b) == 4 &&
           find_action(name, &step->action);
}

bool wire_plan_read(struct wire_plan *plan, const char *line) {
    struct wire_worker_setup *s = &plan->setup;
    int doors = 0;
    int alone = 0;
    int will = 0;
    int narrow = 0;
    memset(plan, 0, sizeof *plan);
    if (sscanf(line,
               "plan %" SCNu64 " %d %d %d %d %hu %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNd64,
               &plan->seed, &doors, &alone, &will, &narrow, &s->receive_max, &s->packet_max,
               &s->intake, &s->window, &plan->ends_ms) != 10) {
        return false;
    }
    s->one_door = doors == 1;
    s->alone = alone != 0;
    s->will = will != 0;
    plan->narrow = narrow != 0;
    for (const char *at = strchr(line, '|'); at != NULL; at = strchr(at + 1, '|')) {
        if (plan->count == WIRE_STEPS_MAX || !read_step(at + 1, &plan->steps[plan->count++])) {
            return false;
        }
    }
    return true;
}
