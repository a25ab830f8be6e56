/*
 * log.h - log lines: one line, one fact, on standard error.
 *
 * Form: `2026-01-02T03:04:05.678Z warn  broker: lost the connection host=... reason="..."`, or with
 * "[2] " before the area for the second of several hosts. Fields are `name=value`, quoted where
 * needed. As JSON: {"time":"...","level":"warn","area":"broker","host":2,"message":"..."}, and what
 * log_text adds. Control characters are escaped, so a payload can never forge a line. A line is
 * written with one write(2).
 */
#ifndef ZINGQ_BASE_LOG_H
#define ZINGQ_BASE_LOG_H

#include "base/buf.h"

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_UNSET, /* in settings only */
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

enum {
    LOG_AREA_COUNT = 11,
    LOG_MESSAGE_BYTES = 4608, /* of a line; what is longer is cut */
    LOG_MEMBERS_BYTES = 4608, /* of what log_text adds to a line of JSON */
};

/* The modules whose lines may have a level of their own; "handler" is zing.log and print. */
extern const char *const log_areas[LOG_AREA_COUNT];

struct log_settings {
    bool json;
    enum log_level level;                 /* the least that is written; UNSET = info */
    enum log_level areas[LOG_AREA_COUNT]; /* of one area; UNSET = `level` */
};

/* May be called again; before the first time, text from info on is written. */
void log_set(const struct log_settings *settings);
/* The index of "handler" in log_areas. */
enum { LOG_AREA_HANDLER = 6 };
/* Whether lines of that level and area are written. */
bool log_writes(enum log_level level, const char *area);
bool log_is_json(void);
/* This process's number among several hosts: its lines have "[2]" before the area. 0 = the only
 * one. */
void log_set_host(unsigned number);

/* From now on lines go to `take` instead, with their line break; NULL: to standard error again.
 * Not while other threads log. */
void log_divert(void (*take)(void *ctx, struct slice line), void *ctx);

/* `area` is the module's word ("broker", "engine", "script"). The formatted text is one line. */
void log_line(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A message and, in the form of the log, what belongs to it: text such as " service=seats", or
 * members of JSON such as ",\"service\":\"seats\"", at most LOG_MEMBERS_BYTES. */
void log_text(enum log_level level, const char *area, struct slice message, struct slice more);

#define log_debug(area, ...) log_line(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_LEVEL_ERROR, area, __VA_ARGS__)

#endif
