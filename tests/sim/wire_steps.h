/*
 * wire_steps.h - the steps of a plan, carried out: each sets a fault, some end it later.
 */
#ifndef ZINGQ_SIM_WIRE_STEPS_H
#define ZINGQ_SIM_WIRE_STEPS_H

#include "wire_plan.h"

void wire_steps_begin(const struct wire_plan *plan);
/* Does what is due. */
void wire_steps_do(void);
/* When the next one is due, or the end of one; INT64_MAX = none is left. */
int64_t wire_steps_next_ms(void);
/* Something lasts longer than the plan. */
bool wire_steps_go_on(void);
/* All faults end, and the worker runs. */
void wire_steps_heal(void);

#endif
