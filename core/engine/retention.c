/*
 * retention.c - keeps ended events for their time, then deletes them. It looks at a bounded number
 * of rows per turn, so a whole day that expires never stalls the engine.
 */
#include "engine/retention.h"

#include "engine/impl.h"
#include "engine/space.h"
#include "journal/dedupe.h"
#include "journal/event.h"
#include "journal/step.h"

#include <stdlib.h>

/* How far the pass is. */
struct trim {
    struct event_walk walk;
    int64_t next_pass_ms;
    int64_t next_keys_ms; /* of the idempotency keys, whose time is their own */
};

static bool is_history(const struct engine *e, const struct event *event) {
    bool kept = event->state == EVENT_DONE || event->state == EVENT_DISCARDED ||
                event->state == EVENT_EXPIRED;
    return kept && event->ended_ms + e->conf->keep_done_ms <= e->now_ms;
}

int engine_let_go(struct engine *e, const struct event *event) {
    int code = event->durable ? journal_step_clear(e->journal, event) : 0;
    if (code == 0 &&
        (event->attempts > 1 || event->errors > 0 || event->durable || event->crashes > 0 ||
         event->alone || event->replayed || event->state == EVENT_DISCARDED)) {
        code = journal_history_clear(e->journal, event);
    }
    if (code != 0) {
        return code;
    }
    return journal_event_del(e->journal, event->partition, &event->id, event->service);
}

/* A group's events are sorted by the times of their ids: after the first that is too young, all
 * are. */
static void next_trim_group(struct engine *e) {
    uint8_t next = e->trim->walk.group + 1;
    bool last = next == journal_event_groups(e->journal);
    e->trim->walk = (struct event_walk){.group = last ? 0 : next};
    if (last) {
        int64_t pause_ms = e->conf->keep_done_ms / 100;
        pause_ms = pause_ms < 100 ? 100 : pause_ms;
        e->trim->next_pass_ms = e->now_ms + (pause_ms > 60000 ? 60000 : pause_ms);
    }
}

static int trim_step(struct engine *e, bool *group_ends, bool *gone) {
    struct event *event = NULL;
    int code = journal_event_next(e->journal, &e->trim->walk, &event);
    *gone = false;
    *group_ends = code == ERR_NOTFOUND;
    if (code != 0) {
        return *group_ends ? 0 : code;
    }
    *group_ends = uuid_ms(&event->id) + e->conf->keep_done_ms > e->now_ms;
    *gone = !*group_ends && is_history(e, event);
    if (*gone) {
        code = engine_let_go(e, event);
    }
    event_free(event);
    return code;
}

static int trim_keys(struct engine *e) {
    size_t rows = engine_space_share(e, TRIM_ROWS_PER_TURN);
    return e->now_ms < e->trim->next_keys_ms && !journal_dedupe_is_behind(e->journal)
               ? 0
               : journal_dedupe_trim(e->journal, e->now_ms, rows, &e->trim->next_keys_ms);
}

/* Deleting takes pages of the store, looking takes none. */
int engine_trim(struct engine *e) {
    int trimmed = trim_keys(e);
    if (trimmed != 0 || e->now_ms < e->trim->next_pass_ms) {
        return trimmed;
    }
    size_t rows = engine_space_share(e, TRIM_ROWS_PER_TURN);
    for (size_t looked = 0; rows > 0 && looked < TRIM_ROWS_PER_TURN;) {
        bool group_ends;
        bool gone;
        int code = trim_step(e, &group_ends, &gone);
        if (code != 0) {
            return code;
        }
        if (!group_ends) {
            looked++;
            rows -= gone ? 1 : 0; /* only deleting needs room */
            continue;
        }
        next_trim_group(e);
        if (e->now_ms < e->trim->next_pass_ms) {
            return 0;
        }
    }
    return 0;
}

int engine_make_trim(struct engine *e) {
    e->trim = calloc(1, sizeof *e->trim);
    return e->trim == NULL ? ERR_MEMORY : 0;
}

void engine_free_trim(struct engine *e) {
    free(e->trim);
}

int64_t engine_next_trim_ms(const struct engine *e) {
    const struct trim *t = e->trim;
    return t->next_keys_ms < t->next_pass_ms ? t->next_keys_ms : t->next_pass_ms;
}
