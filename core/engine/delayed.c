/*
 * delayed.c - delayed publishes: stored, found by id, cancelled.
 *
 * The publish is in its timer row (engine/fire.c sends it); a second row finds that one by the id.
 * Both are written and deleted in one transaction, so an id is either still waiting or not. Of a
 * publish under a name the row has the name's id, the same for the next one, which takes its place.
 */
#include "engine/delayed.h"

#include "engine/impl.h"
#include "engine/timers.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/outbox.h"

int engine_delay_publish(struct engine *e, uint8_t partition, const struct publication *p,
                         int64_t due_ms, bool by_wall) {
    struct buf record;
    buf_init(&record, (size_t)1 << 30);
    publication_encode(p, &record);
    struct delayed delayed = {.partition = partition,
                              .by_wall = by_wall,
                              .due_ms = due_ms,
                              .seq = journal_next_seq(e->journal, e->now_ms)};
    struct timer timer = journal_delayed_timer(&delayed);
    timer.record = buf_slice(&record);
    int code = record.failed ? ERR_MEMORY : engine_timer_put(e, &timer);
    if (code == 0) {
        code = journal_delayed_put(e->journal, publication_delayed_id(p), &delayed);
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

int engine_replace_publish(struct engine *e, struct publication *p, int64_t max_wait_ms,
                           int64_t *due_ms) {
    struct delayed delayed;
    struct slice record;
    struct publication earlier = {.first_ms = e->now_ms};
    int code = journal_delayed_get(e->journal, &p->handle, &delayed);
    if (code == 0) {
        const struct timer timer = journal_delayed_timer(&delayed);
        code = journal_timer_record(e->journal, &timer, &record);
        code = code == 0 ? publication_decode(record, &earlier) : code;
        code = code == 0 ? engine_cancel_publish(e, &p->handle) : code;
    }
    p->first_ms = earlier.first_ms;
    if (max_wait_ms > 0 && *due_ms - p->first_ms > max_wait_ms) {
        *due_ms = p->first_ms + max_wait_ms;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_cancel_publish(struct engine *e, const struct uuid *id) {
    struct delayed delayed;
    int code = journal_delayed_get(e->journal, id, &delayed);
    if (code != 0) {
        return code;
    }
    const struct timer timer = journal_delayed_timer(&delayed);
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
