/*
 * memory.c - events, calls and messages that do not fit the memory budget (base/memory.h) wait.
 *
 * An event starts while there is memory for what its script may need, for the calls it may make and
 * for its body. Past that a service has one event in progress at a time, and none while its script
 * does not fit; before it waits, garbage is collected, a state a turn. When nothing at all is in
 * progress one event starts anyway, or none would ever. What is in progress goes on: only its end
 * gives memory back.
 *
 * Calls wait in engine/attempt.c until they fit. Messages stay at the broker: the socket is not
 * read. Nothing tells the engine that memory has been given back, so it looks every MEMORY_AGAIN_MS
 * while something waits.
 */
#include "engine/memory.h"

#include "base/log.h"
#include "engine/attempt.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/services.h"

#include <stdlib.h>

enum { TOLD_MS = 60000 };

struct shortage {
    size_t starved;  /* services */
    bool reclaimed;  /* in this turn */
    int64_t told_ms; /* when the log was told; 0 = never */
};

int engine_make_shortage(struct engine *e) {
    e->shortage = calloc(1, sizeof *e->shortage);
    return e->shortage == NULL ? ERR_MEMORY : 0;
}

void engine_free_shortage(struct engine *e) {
    free(e->shortage);
}

void engine_feed_services(struct engine *e) {
    e->shortage->reclaimed = false;
    for (size_t i = 0; e->shortage->starved > 0 && i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        if (s->starved) {
            s->starved = false;
            e->shortage->starved--;
            engine_hold(e, s);
        }
    }
}

/* Each service waits for itself; with many of them more rarely, or nothing else would be done. */
bool engine_waits_for_lack(const struct engine *e, struct engine_service *s) {
    int64_t every_ms = LACK_WAIT_EVERY_MS * (int64_t)e->service_count;
    if (e->now_ms >= s->lack_ms + every_ms) {
        s->lack_ms = e->now_ms;
    }
    return e->now_ms < s->lack_ms + LACK_WAIT_MS;
}

int engine_need(const struct engine *e, struct engine_service *s, int lacks) {
    return lacks != 0 && engine_waits_for_lack(e, s) ? lacks : 0;
}

int engine_need_text(const struct engine *e, struct engine_service *s, struct buf *text) {
    if (text->lacked && !engine_waits_for_lack(e, s)) {
        buf_reset(text);
        buf_add_str(text, "out of memory, also for the text of this error");
    }
    return text->lacked ? ERR_MEMORY : 0;
}

/* Once a turn: a collection may take as long as a script. */
static bool reclaim(struct engine *e) {
    if (e->shortage->reclaimed) {
        return true;
    }
    e->shortage->reclaimed = script_reclaim(e->scripts);
    return e->shortage->reclaimed;
}

static bool may_start(struct engine *e, const struct engine_service *s) {
    bool script =
        script_fits(e->scripts, s->index) || (reclaim(e) && script_fits(e->scripts, s->index));
    bool rest = memory_room(e->memory, MEMORY_CALLS) >= CALL_OWN_BYTES &&
                memory_room(e->memory, MEMORY_EVENTS) > 0;
    return (script && (rest || lanes_running(e->lanes, s->index) == 0)) ||
           (engine_running(e) == 0 && !e->shortage->reclaimed);
}

static void tell(struct engine *e, const struct engine_service *s) {
    const struct memory *m = e->memory;
    if (e->shortage->told_ms != 0 && e->now_ms < e->shortage->told_ms + TOLD_MS) {
        return;
    }
    e->shortage->told_ms = e->now_ms;
    log_warn("engine",
             "memory is short, events of service \"%s\" wait: limits.memory = %llu MiB, in use lua "
             "%zu KiB, calls %zu KiB, bodies %zu KiB, events %zu KiB, publishes %zu KiB, keys "
             "%zu KiB",
             s->conf->name, (unsigned long long)(e->conf->memory_bytes >> 20),
             m->used[MEMORY_LUA] >> 10, m->used[MEMORY_CALLS] >> 10, m->used[MEMORY_BODIES] >> 10,
             m->used[MEMORY_EVENTS] >> 10, m->used[MEMORY_PUBLISHES] >> 10,
             m->used[MEMORY_KEYS] >> 10);
}

struct lane *engine_next_lane(struct engine *e) {
    struct lane *lane;
    while ((lane = lanes_next(e->lanes, e->now_ms)) != NULL) {
        struct engine_service *s = &e->services[lane->service];
        if (may_start(e, s)) {
            return lane;
        }
        s->starved = true;
        e->shortage->starved++;
        engine_hold(e, s);
        tell(e, s);
    }
    return NULL;
}

size_t engine_memory_for_messages(const struct engine *e) {
    size_t share = memory_share(e->memory, MEMORY_EVENTS) / 2;
    size_t room = memory_room(e->memory, MEMORY_EVENTS);
    return room < share ? room : share;
}

size_t engine_starved(const struct engine *e) {
    return e->shortage->starved;
}

int64_t engine_next_memory_ms(const struct engine *e) {
    bool waits = e->shortage->starved > 0 || engine_late_calls(e) > 0;
    return waits ? e->now_ms + MEMORY_AGAIN_MS : INT64_MAX;
}
