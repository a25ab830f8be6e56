/*
 * history.h - the figures of the dashboard's charts: 15 minutes in steps of 5 s, 24 hours in steps of
 * a minute. In memory, and in DATA/history, which makes them outlast a restart.
 *
 * The file never grows beyond HISTORY_SERIES_MAX series. It is written sample by sample, without
 * fsync: kill -9 loses nothing, a power cut a few samples. What cannot be read counts as unknown, and
 * an error of the disk is only logged: a chart is not worth an event.
 *
 *   header  512 bytes: "zingq history 1\n" and zeros
 *   series  384 bytes: name[92], u32 kind, zeros; then 180 fine and 1440 coarse samples
 *   sample   32 bytes, so that no sector has half of one: u32 step, float figures[7]
 *
 * in the byte order of the machine. A sample of the step N (seconds since 1970 / length of a step) is
 * at N modulo their count; step 0: none yet; a figure that is not finite is unknown.
 */
#ifndef ZINGQ_WEB_ADMIN_HISTORY_H
#define ZINGQ_WEB_ADMIN_HISTORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history;
struct history_series;

enum { HISTORY_FIGURES = 7 };

/* What the figures of a series are. */
enum history_kind { HISTORY_SERVICE, HISTORY_HOST, HISTORY_ROOM, HISTORY_KINDS };

/* Their indexes, by kind; the names are those of GET /api/history. */
enum history_service_figure {
    SERVICE_RATE,     /* events done a second */
    SERVICE_FAILURES, /* attempts that failed, a second */
    SERVICE_WAITING,
    SERVICE_DEAD,
    SERVICE_P50, /* microseconds, of the last two minutes */
    SERVICE_P99,
    SERVICE_READY /* of those that wait: neither put off nor asleep */
};
enum history_host_figure {
    HOST_RATE, /* sums of all services */
    HOST_FAILURES,
    HOST_WAITING,
    HOST_DEAD,
    HOST_OUTBOX,
    HOST_DELAYED,
    HOST_COMMIT /* microseconds, the average */
};
enum history_room_figure {
    ROOM_STORE, /* bytes in use */
    ROOM_LEFT,  /* bytes until nothing more is accepted */
    ROOM_LUA    /* bytes of the scripts' memory */
};

/* NULL past the last figure of the kind. */
const char *history_figure_name(enum history_kind kind, unsigned figure);

enum history_range { HISTORY_15_MINUTES, HISTORY_24_HOURS, HISTORY_RANGES };

struct history_scale {
    const char *name; /* "15m" */
    uint32_t step_s, steps;
};

extern const struct history_scale history_scales[HISTORY_RANGES];

/* Reads the file of the data folder, or begins one. ERR_MEMORY. */
int history_open(struct history **out, const char *folder);
void history_close(struct history *h);

/* The figures of the time from `from_ms` to `to_ms`, by the wall clock: for each step of 5 s that ends
 * in it. NAN: unknown. `name`: of the service, "" for the host. When there are too many services, the
 * one without news for longest is forgotten. */
void history_note(struct history *h, enum history_kind kind, const char *name, int64_t from_ms,
                  int64_t to_ms, const float figures[HISTORY_FIGURES]);

/* The series, in no order; NULL past the last. Valid until the next history_note. */
const struct history_series *history_series(const struct history *h, size_t index);
/* NULL: there is none. */
const struct history_series *history_find(const struct history *h, enum history_kind kind,
                                          const char *name);
enum history_kind history_kind_of(const struct history_series *s);
const char *history_name_of(const struct history_series *s);
/* Whether it has a sample in the range that ends before `step`. */
bool history_is_known(const struct history_series *s, enum history_range range, uint32_t step);
/* The figure of one step; NAN = unknown. */
float history_figure(const struct history_series *s, enum history_range range, uint32_t step,
                     unsigned figure);

#endif
