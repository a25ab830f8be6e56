/*
 * report.h - what a run of the simulator has to say: figures, and of a plan that fails the shortest
 * one that still does, as a story.
 */
#ifndef ZINGQ_SIM_REPORT_H
#define ZINGQ_SIM_REPORT_H

#include "sim.h"

/* Takes out of the plan what it fails without, for the same reason `why`; at most `seconds`. */
void report_shrink(struct plan *plan, const char *why, unsigned seconds);
/* Runs it once more and prints what happens, step by step. */
void report_story(const struct plan *plan);
/* What `part` has seen, too. */
void report_add(struct sim_tally *tally, const struct sim_tally *part);
void report_figures(const struct sim_tally *tally, double seconds);
/* Runs a plan in a process of its own: 0, or 1 with why it failed, be it that the process died. The
 * same plan gives the same `hash`, which may be NULL. */
int report_try(const struct plan *plan, struct sim_tally *tally, char why[WHY_BYTES],
               uint64_t *hash);

#endif
