/*
 * delayed.c - delayed publishes: stored, found by id, cancelled.
 *
 * The publish is in its timer row (engine/fire.c sends it); a second row finds that one by the id.
 * Both are written and deleted in one transaction, so an id is either still waiting or not.
 */
#include "engine/delayed.h"

#include "engine/impl.h"
#include "engine/timers.h"
#include "journal/dedupe.h"
#include "journal/later.h"

int engine_delay_publish(struct engine *e, uint8_t partition, const struct publication *p,
                         int64_t due_ms, bool by_wall) {
    struct buf record;
    buf_init(&record, (size_t)1 << 30);
    publication_encode(p, &record);
    struct timer timer = {.kind = TIMER_PUBLISH,
                          .partition = partition,
                          .by_wall = by_wall,
                          .due_ms = due_ms,
                          .seq = journal_next_seq(e->journal, e->now_ms),
                          .record = buf_slice(&record)};
    struct delayed delayed = {
        .partition = partition, .by_wall = by_wall, .due_ms = due_ms, .seq = timer.seq};
    int code = record.failed ? ERR_MEMORY : engine_timer_put(e, &timer);
    if (code == 0) {
        code = journal_delayed_put(e->journal, &p->id, &delayed);
    }
    e->status.delayed += code == 0 ? 1 : 0;
    buf_clear(&record);
    return code;
}

int engine_note_publish(struct engine *e, const struct uuid *id, int64_t due_ms) {
    struct publish_note note = {.seq = journal_next_seq(e->journal, e->now_ms) + 1,
                                .due_ms = due_ms};
    return journal_publish_note_put(e->journal, e->now_ms, id, &note);
}

int engine_cancel_publish(struct engine *e, const struct uuid *id) {
    struct delayed delayed;
    int code = journal_delayed_get(e->journal, id, &delayed);
    if (code != 0) {
        return code;
    }
    struct timer timer = {.kind = TIMER_PUBLISH,
                          .partition = delayed.partition,
                          .by_wall = delayed.by_wall,
                          .due_ms = delayed.due_ms,
                          .seq = delayed.seq};
    code = journal_timer_del(e->journal, &timer);
    e->status.delayed -= code == 0 && e->status.delayed > 0 ? 1 : 0;
    if (code == 0 || code == ERR_NOTFOUND) { /* it could not be read */
        code = journal_delayed_del(e->journal, id);
    }
    if (code == 0) {
        code = journal_publish_note_cancel(e->journal, e->now_ms, id);
        code = code == ERR_NOTFOUND ? 0 : code; /* a handler's, or sent long ago */
    }
    return code;
}
