/* doors.c - what the engine under test asks of the broker and of peers is noted in its world. */
#include "trial/world.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

static void read_clocks(void *ctx, struct clock_reading *out) {
    const struct world *w = ctx;
    *out =
        (struct clock_reading){.wall_ms = w->now_ms, .boottime_ms = w->now_ms, .boot = {.id = {1}}};
}

static int64_t monotonic_us(void *ctx) {
    const struct world *w = ctx;
    return w->now_ms * 1000;
}

static int64_t processor_us(void *ctx) {
    (void)ctx;
    return 0;
}

static bool copy(struct slice *text) {
    text->data = slice_dup(*text);
    return text->data != NULL;
}

static bool has_room(struct world *w) {
    if (w->published_count < w->published_max) {
        return true;
    }
    size_t max = w->published_max * 2 + 16;
    struct world_publish *more = realloc(w->published, max * sizeof *more);
    if (more == NULL) {
        return false;
    }
    w->published = more;
    w->published_max = max;
    return true;
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct world *w = ctx;
    if (w->blind) {
        return ERR_NETWORK;
    }
    if (!has_room(w)) {
        return ERR_MEMORY;
    }
    struct world_publish *sent = &w->published[w->published_count];
    *sent = (struct world_publish){.p = *p};
    bool copied = copy(&sent->p.topic);
    copied = copy(&sent->p.payload) && copied;
    copied = copy(&sent->p.properties) && copied;
    copied = copy(&sent->p.content_type) && copied;
    w->published_count++;
    if (!copied) {
        return ERR_MEMORY; /* world_forget_published frees the rest of it */
    }
    w->unacknowledged++;
    w->mid = w->mid % UINT16_MAX + 1;
    sent->mid = w->mid;
    *mid = w->mid;
    return 0;
}

static int call_start(void *ctx, uint64_t id, const struct call_request *request) {
    struct world *w = ctx;
    if (w->blind) {
        return 0; /* the crash that follows loses it */
    }
    if (w->call_count == WORLD_CALLS_MAX) {
        return ERR_LIMIT;
    }
    w->calls[w->call_count++] = (struct world_call){.id = id, .request = request};
    return 0;
}

static void call_cancel(void *ctx, uint64_t id) {
    struct world *w = ctx;
    for (size_t i = 0; i < w->call_count; i++) {
        if (w->calls[i].id == id) {
            memmove(&w->calls[i], &w->calls[i + 1], (w->call_count - i - 1) * sizeof *w->calls);
            w->call_count--;
            return;
        }
    }
}

static void command_done(void *ctx, struct command *command) {
    struct world *w = ctx;
    w->answered = true;
    w->code = command->code;
    w->report = command->report;
}

struct engine_doors world_doors(struct world *w) {
    return (struct engine_doors){.ctx = w,
                                 .read_clocks = read_clocks,
                                 .monotonic_us = monotonic_us,
                                 .processor_us = processor_us,
                                 .publish = publish,
                                 .call_start = call_start,
                                 .call_cancel = call_cancel,
                                 .command_done = command_done};
}
