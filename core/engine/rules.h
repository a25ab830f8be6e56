/*
 * rules.h - the rules under which the stored events of a service were accepted.
 */
#ifndef ZINGQ_ENGINE_RULES_H
#define ZINGQ_ENGINE_RULES_H

#include "engine/services.h"

/* Warns if the rules have changed since the last run and events wait; stores the rules. Call it
 * once the service's books are loaded, within a transaction. */
int engine_note_rules(struct engine *e, const struct engine_service *s);

#endif
