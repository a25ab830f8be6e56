/*
 * wire_plan_text.c - a plan as a line of text, so that it means the same when wire_plan_make has
 * changed: "plan SEED DOORS ALONE WILL NARROW RECEIVE PACKET INTAKE WINDOW END | AT ACTION A B | ..."
 */
#include "wire_plan.h"

#include <errno.h>
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

/* The next number of the line; false when there is none. */
static bool read_number(const char **at, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    bool good = end != *at && errno == 0;
    *at = end;
    return good;
}

static bool read_step(const char *at, struct wire_step *step) {
    char name[32];
    uint64_t ms = 0;
    uint64_t a = 0;
    uint64_t b = 0;
    bool good = read_number(&at, &ms);
    at += strspn(at, " ");
    size_t len = strcspn(at, " ");
    (void)snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), at);
    at += len;
    good = good && find_action(name, &step->action) && read_number(&at, &a) && read_number(&at, &b);
    step->at_ms = (int64_t)ms;
    step->a = (uint32_t)a;
    step->b = (uint32_t)b;
    return good;
}

bool wire_plan_read(struct wire_plan *plan, const char *line) {
    enum { SEED, DOORS, ALONE, WILL, NARROW, RECEIVE, PACKET, INTAKE, WINDOW, END, COUNT };
    uint64_t n[COUNT] = {0};
    memset(plan, 0, sizeof *plan);
    if (strncmp(line, "plan ", 5) != 0) {
        return false;
    }
    const char *next = line + 5;
    for (int i = 0; i < COUNT; i++) {
        if (!read_number(&next, &n[i])) {
            return false;
        }
    }
    plan->seed = n[SEED];
    plan->narrow = n[NARROW] != 0;
    plan->ends_ms = (int64_t)n[END];
    plan->setup = (struct wire_worker_setup){.one_door = n[DOORS] == 1,
                                             .alone = n[ALONE] != 0,
                                             .will = n[WILL] != 0,
                                             .receive_max = (uint16_t)n[RECEIVE],
                                             .packet_max = (uint32_t)n[PACKET],
                                             .intake = (uint32_t)n[INTAKE],
                                             .window = (uint32_t)n[WINDOW]};
    for (const char *at = strchr(line, '|'); at != NULL; at = strchr(at + 1, '|')) {
        if (plan->count == WIRE_STEPS_MAX || !read_step(at + 1, &plan->steps[plan->count++])) {
            return false;
        }
    }
    return true;
}
