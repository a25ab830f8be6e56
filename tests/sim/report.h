/*
 * report.h - what a run of the simulator has to say: figures, and of a plan that fails the shortest
 * one that still does, as a story.
 */
#ifndef ZINGQ_SIM_REPORT_H
#define ZINGQ_SIM_REPORT_H

#include "sim.h"

/* Takes steps out of the plan, many at first, for as long as it fails; at most `seconds`. */
void report_shrink(struct plan *plan, unsigned seconds);
/* Runs it once more and prints what happens, step by step. */
void report_story(const struct plan *plan);
void report_figures(const struct sim_tally *tally, double seconds);
/* Runs a plan: 0, or 1 with why it failed. `hash` may be NULL. */
int report_try(const struct plan *plan, struct sim_tally *tally, char why[WHY_BYTES],
               uint64_t *hash);

#endif
