/*
 * letter_log.h - log lines about dead letters: whoever floods a service with what it refuses does
 * not fill the log.
 */
#ifndef ZINGQ_ENGINE_LETTER_LOG_H
#define ZINGQ_ENGINE_LETTER_LOG_H

#include "engine/services.h"

/* The event has become a dead letter, or needs a person. Past LOG_SECOND_BYTES_MAX a second and
 * service the line is left out, and counted. */
void engine_log_letter(struct engine *e, struct engine_service *s, const struct event *event);
/* Logs how many lines were left out in the seconds that are over. */
void engine_log_left_out(struct engine *e);

#endif
