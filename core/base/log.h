/*
 * log.h - log lines: one line, one fact, on standard error.
 *
 * Form: `2026-01-02T03:04:05.678Z warn  broker: lost the connection host=... reason="..."`, or with
 * "[2] " before the area for the second of several hosts.
 * Fields are `name=value`, quoted where needed; control characters are escaped, so a payload can
 * never forge a line. A line is written with one write(2).
 */
#ifndef ZINGQ_BASE_LOG_H
#define ZINGQ_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* The least level that is written; info at the start. Set once, at the start of the program. */
void log_set_level(enum log_level level);
/* Whether lines of that level are written. */
bool log_writes(enum log_level level);
/* This process's number among several hosts: its lines have "[2]" before the area. 0 = the only
 * one. */
void log_set_host(unsigned number);

/* `area` is the module's word ("broker", "engine", "script"). The formatted text is one line. */
void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(area, ...) log_line(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_LEVEL_ERROR, area, __VA_ARGS__)

#endif
