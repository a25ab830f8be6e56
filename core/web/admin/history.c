/*
 * history.c - see web/admin/history.h. The file and the memory have the same layout.
 */
#include "web/admin/history.h"

#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FINE_S = 5,
    FINE_STEPS = 180,
    COARSE_S = 60,
    COARSE_STEPS = 1440,
    HEAD_BYTES = 512,
    NAME_BYTES = 92
};

struct sample {
    uint32_t step;
    float figures[HISTORY_FIGURES];
};

struct history_series {
    char name[NAME_BYTES];
    uint32_t kind;
    char reserved[288];
    struct sample fine[FINE_STEPS];
    struct sample coarse[COARSE_STEPS];
};

static_assert(sizeof(struct sample) == 32, "it divides a sector");
static_assert(sizeof(struct history_series) % HEAD_BYTES == 0, "a series begins with a sector");
static_assert(sizeof(((struct history_series *)NULL)->name) > NAME_BYTES_MAX, "every name fits");

struct history {
    struct history_series *series[HISTORY_SERIES_MAX]; /* by their place in the file; owned */
    size_t count;
    int fd; /* -1 = there is no file */
    bool failed;
};

static const char head[HEAD_BYTES] = "zingq history 1\n";

const struct history_scale history_scales[HISTORY_RANGES] = {
    [HISTORY_15_MINUTES] = {"15m", FINE_S, FINE_STEPS},
    [HISTORY_24_HOURS] = {"24h", COARSE_S, COARSE_STEPS},
};

/* --- what a minute has of its steps --- */

enum merge { MERGE_MEAN, MERGE_MOST, MERGE_LAST };

static const struct figure_row {
    const char *name;
    enum merge merge;
} rows[HISTORY_KINDS][HISTORY_FIGURES] = {
    [HISTORY_SERVICE] = {[SERVICE_RATE] = {"rate", MERGE_MEAN},
                         [SERVICE_FAILURES] = {"failures", MERGE_MEAN},
                         [SERVICE_WAITING] = {"waiting", MERGE_MOST},
                         [SERVICE_DEAD] = {"dead", MERGE_LAST},
                         [SERVICE_P50] = {"p50", MERGE_MEAN},
                         [SERVICE_P99] = {"p99", MERGE_MOST},
                         [SERVICE_READY] = {"ready", MERGE_MOST}},
    [HISTORY_HOST] = {[HOST_RATE] = {"rate", MERGE_MEAN},
                      [HOST_FAILURES] = {"failures", MERGE_MEAN},
                      [HOST_WAITING] = {"waiting", MERGE_MOST},
                      [HOST_DEAD] = {"dead", MERGE_LAST},
                      [HOST_OUTBOX] = {"outbox", MERGE_MOST},
                      [HOST_DELAYED] = {"delayed", MERGE_LAST},
                      [HOST_COMMIT] = {"commit", MERGE_MEAN}},
    [HISTORY_ROOM] = {[ROOM_STORE] = {"store", MERGE_LAST},
                      [ROOM_LEFT] = {"room", MERGE_LAST},
                      [ROOM_LUA] = {"lua", MERGE_MOST}},
};

const char *history_figure_name(enum history_kind kind, unsigned figure) {
    return figure < HISTORY_FIGURES ? rows[kind][figure].name : NULL;
}

static const struct sample *sample_of(const struct history_series *s, enum history_range range,
                                      uint32_t step) {
    const struct sample *sample =
        range == HISTORY_15_MINUTES ? &s->fine[step % FINE_STEPS] : &s->coarse[step % COARSE_STEPS];
    return sample->step == step && step != 0 ? sample : NULL;
}

float history_figure(const struct history_series *s, enum history_range range, uint32_t step,
                     unsigned figure) {
    assert(figure < HISTORY_FIGURES);
    const struct sample *sample = sample_of(s, range, step);
    return sample != NULL && isfinite(sample->figures[figure]) ? sample->figures[figure] : NAN;
}

bool history_is_known(const struct history_series *s, enum history_range range, uint32_t step) {
    const struct history_scale *scale = &history_scales[range];
    for (uint32_t i = 1; i <= scale->steps && i < step; i++) {
        if (sample_of(s, range, step - i) != NULL) {
            return true;
        }
    }
    return false;
}

static float merge(const struct history_series *s, uint32_t minute, unsigned figure) {
    enum { STEPS = COARSE_S / FINE_S };
    float sum = 0;
    float most = 0;
    float last = NAN;
    unsigned count = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        float value = history_figure(s, HISTORY_15_MINUTES, minute * STEPS + i, figure);
        if (!isnan(value)) {
            sum += value;
            most = value > most ? value : most;
            last = value;
            count++;
        }
    }
    switch (rows[s->kind][figure].merge) {
    case MERGE_MEAN:
        return count == 0 ? NAN : sum / (float)count;
    case MERGE_MOST:
        return count == 0 ? NAN : most;
    default:
        return last;
    }
}

/* --- the file --- */

static off_t place_of(size_t index) {
    return HEAD_BYTES + (off_t)(index * sizeof(struct history_series));
}

/* One failure is logged, not each. */
static void write_at(struct history *h, const void *data, size_t len, off_t at) {
    if (h->fd < 0) {
        return;
    }
    bool failed = pwrite(h->fd, data, len, at) != (ssize_t)len;
    if (failed && !h->failed) {
        log_warn("admin", "cannot write the history of the charts: %s", strerror(errno));
    }
    h->failed = failed;
}

static void write_sample(struct history *h, size_t index, const struct sample *sample) {
    const char *series = (const char *)h->series[index];
    write_at(h, sample, sizeof *sample, place_of(index) + ((const char *)sample - series));
}

/* Its samples first, so that none is ever found under another name. */
static void write_series(struct history *h, size_t index) {
    const struct history_series *s = h->series[index];
    size_t names = offsetof(struct history_series, fine);
    write_at(h, s->fine, sizeof *s - names, place_of(index) + (off_t)names);
    write_at(h, s, names, place_of(index));
}

/* ERR_NOTFOUND: the file ends here. */
static int read_series(struct history *h, size_t index) {
    struct history_series *s = malloc(sizeof *s);
    if (s == NULL) {
        return ERR_MEMORY;
    }
    if (pread(h->fd, s, sizeof *s, place_of(index)) != (ssize_t)sizeof *s) {
        free(s);
        return ERR_NOTFOUND;
    }
    if (s->kind >= HISTORY_KINDS || memchr(s->name, '\0', sizeof s->name) == NULL ||
        (s->name[0] != '\0' && !slice_is_plain(slice_of(s->name), "-_"))) {
        *s = (struct history_series){0}; /* of no service, and so the first to be replaced */
    }
    h->series[index] = s;
    h->count = index + 1;
    return 0;
}

static int read_file(struct history *h) {
    char found[HEAD_BYTES];
    int code = 0;
    if (pread(h->fd, found, sizeof found, 0) != (ssize_t)sizeof found ||
        memcmp(found, head, sizeof head) != 0) {
        if (ftruncate(h->fd, 0) != 0) {
            return ERR_DISK;
        }
        write_at(h, head, sizeof head, 0);
        return 0;
    }
    while (code == 0 && h->count < HISTORY_SERIES_MAX) {
        code = read_series(h, h->count);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static void forget(struct history *h) {
    for (size_t i = 0; i < h->count; i++) {
        free(h->series[i]);
        h->series[i] = NULL;
    }
    h->count = 0;
}

int history_open(struct history **out, const char *folder) {
    char path[4096];
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return ERR_MEMORY;
    }
    int len = snprintf(path, sizeof path, "%s/history", folder);
    bool fits = len > 0 && (size_t)len < sizeof path;
    h->fd = fits ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    int code = h->fd < 0 ? ERR_DISK : read_file(h);
    if (code == ERR_MEMORY) {
        history_close(h);
        return code;
    }
    if (code != 0) {
        log_warn("admin", "the history of the charts ends with this process: %s: %s", path,
                 strerror(errno));
        forget(h);
    }
    *out = h;
    return 0;
}

void history_close(struct history *h) {
    if (h == NULL) {
        return;
    }
    if (h->fd >= 0) {
        (void)close(h->fd);
    }
    forget(h);
    free(h);
}

/* --- noting --- */

static uint32_t newest_step(const struct history_series *s) {
    uint32_t newest = 0;
    for (size_t i = 0; i < FINE_STEPS; i++) {
        newest = s->fine[i].step > newest ? s->fine[i].step : newest;
    }
    return newest;
}

static bool find(const struct history *h, enum history_kind kind, const char *name, size_t *index) {
    for (*index = 0; *index < h->count; ++*index) {
        const struct history_series *s = h->series[*index];
        if (s->kind == (uint32_t)kind && strcmp(s->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A new place, or that of the series without news for longest. */
static bool take_place(struct history *h, size_t *index) {
    if (h->count < HISTORY_SERIES_MAX) {
        h->series[h->count] = malloc(sizeof **h->series);
        *index = h->count;
        h->count += h->series[h->count] == NULL ? 0 : 1;
        return *index < h->count;
    }
    *index = 0;
    for (size_t i = 1; i < h->count; i++) {
        *index = newest_step(h->series[i]) < newest_step(h->series[*index]) ? i : *index;
    }
    return true;
}

/* False: out of memory. */
static bool find_or_make(struct history *h, enum history_kind kind, const char *name,
                         size_t *index) {
    if (find(h, kind, name, index)) {
        return true;
    }
    if (!take_place(h, index)) {
        return false;
    }
    struct history_series *s = h->series[*index];
    *s = (struct history_series){.kind = (uint32_t)kind};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    write_series(h, *index);
    return true;
}

static void note_minute(struct history *h, size_t index, uint32_t minute) {
    struct history_series *s = h->series[index];
    struct sample *sample = &s->coarse[minute % COARSE_STEPS];
    sample->step = minute;
    for (unsigned i = 0; i < HISTORY_FIGURES; i++) {
        sample->figures[i] = merge(s, minute, i);
    }
    write_sample(h, index, sample);
}

void history_note(struct history *h, enum history_kind kind, const char *name, int64_t from_ms,
                  int64_t to_ms, const float figures[HISTORY_FIGURES]) {
    size_t index;
    uint32_t end = (uint32_t)(to_ms / 1000 / FINE_S);
    uint32_t step = (uint32_t)(from_ms / 1000 / FINE_S);
    assert(from_ms >= 0 && to_ms >= from_ms);
    if (step == end || !find_or_make(h, kind, name, &index)) {
        return;
    }
    step = end - step > FINE_STEPS ? end - FINE_STEPS : step;
    for (; step < end; step++) {
        struct sample *sample = &h->series[index]->fine[step % FINE_STEPS];
        sample->step = step;
        memcpy(sample->figures, figures, sizeof sample->figures);
        write_sample(h, index, sample);
        note_minute(h, index, step * FINE_S / COARSE_S);
    }
}

/* --- reading --- */

const struct history_series *history_series(const struct history *h, size_t index) {
    return index < h->count ? h->series[index] : NULL;
}

const struct history_series *history_find(const struct history *h, enum history_kind kind,
                                          const char *name) {
    size_t index;
    return find(h, kind, name, &index) ? h->series[index] : NULL;
}

enum history_kind history_kind_of(const struct history_series *s) {
    return (enum history_kind)s->kind;
}

const char *history_name_of(const struct history_series *s) {
    return s->name;
}
