/*
 * later.c - future publishes by name: delayed publishes and schedules.
 *
 * The publish itself is in its timer row, which is found by time; the row here finds that one by
 * id. Both are written and deleted together, in one transaction.
 *
 *   delayed  id128                  -> u8 partition (| BY_WALL) | u64 due_ms | u64 seq
 *   meta     "schedule/<name>"      -> u64 settled_ms | u64 last_ms | u64 runs | id128 |
 *                                      u32 len, bytes: cron timezone | i64 ahead_ms |
 *                                      i64 before_ms | i64 before_ahead_ms (not in schema 2)
 */
#include "journal/impl.h"

#include "journal/later.h"
#include "journal/outbox.h"

#include <assert.h>
#include <string.h>

/* --- delayed publishes --- */

static struct key id_key(const struct uuid *id) {
    struct key k = {.len = 0};
    key_uuid(&k, id);
    return k;
}

/* INV-JOURNAL-12, checked on writing and on reading. */
static bool is_sound(const struct delayed *delayed) {
    return delayed->partition < PARTITIONS && delayed->due_ms > 0;
}

int journal_delayed_put(struct journal *j, const struct uuid *id, const struct delayed *delayed) {
    struct key k = id_key(id);
    assert(is_sound(delayed));
    buf_reset(&j->record);
    buf_add_u8(&j->record, timer_shelf(delayed->partition, delayed->by_wall));
    buf_add_u64(&j->record, (uint64_t)delayed->due_ms);
    buf_add_u64(&j->record, delayed->seq);
    return journal_put_record(j, TABLE_DELAYED, &k);
}

/* A row, under its id. */
struct delayed_row {
    struct uuid id;
    struct delayed delayed;
};

static int take_delayed(struct slice key, struct slice value, void *out) {
    struct delayed_row *row = out;
    struct reader k = reader_of(key.data, key.len);
    struct reader r = reader_of(value.data, value.len);
    row->id = read_uuid(&k);
    uint8_t shelf = read_u8(&r);
    row->delayed.by_wall = (shelf & BY_WALL) != 0;
    row->delayed.partition = shelf & (BY_WALL - 1);
    row->delayed.due_ms = (int64_t)read_u64(&r);
    row->delayed.seq = read_u64(&r);
    bool whole = !k.failed && k.at == k.end && !r.failed;
    return whole && is_sound(&row->delayed) ? 0 : ERR_CORRUPT;
}

int journal_delayed_get(struct journal *j, const struct uuid *id, struct delayed *out) {
    struct key k = id_key(id);
    struct delayed_row row;
    int code = journal_take(j, TABLE_DELAYED, &k, take_delayed, &row);
    if (code == 0) {
        *out = row.delayed;
    }
    return code;
}

struct timer journal_delayed_timer(const struct delayed *delayed) {
    return (struct timer){.kind = TIMER_PUBLISH,
                          .partition = delayed->partition,
                          .by_wall = delayed->by_wall,
                          .due_ms = delayed->due_ms,
                          .seq = delayed->seq};
}

int journal_delayed_next(struct journal *j, struct uuid *id, struct delayed *out,
                         struct publication *p) {
    for (;;) {
        struct key k = id_key(id);
        struct delayed_row row;
        struct slice record;
        int code = journal_take_next(j, TABLE_DELAYED, &k, 0, true, take_delayed, &row);
        if (code != 0) {
            return code;
        }
        *id = row.id;
        *out = row.delayed;
        struct timer timer = journal_delayed_timer(out);
        code = journal_timer_record(j, &timer, &record);
        if (code != ERR_NOTFOUND) { /* both rows exist or none, unless one has been damaged */
            return code == 0 ? publication_decode(record, p) : code;
        }
    }
}

int journal_delayed_del(struct journal *j, const struct uuid *id) {
    struct key k = id_key(id);
    return store_del(j->store, TABLE_DELAYED, key_slice(&k));
}

uint64_t journal_delayed_count(struct journal *j) {
    return store_rows(j->store, TABLE_DELAYED);
}

/* --- schedules --- */

static const char prefix[] = "schedule/";

enum { PREFIX_LEN = sizeof prefix - 1 };

static struct key schedule_key(const char *name) {
    struct key k = {.len = 0};
    bool fits = key_bytes(&k, slice_of(prefix)) && key_bytes(&k, slice_of(name));
    assert(fits && k.len <= PREFIX_LEN + NAME_BYTES_MAX);
    return k;
}

/* ahead_ms INT64_MAX: schema 2 did not write it. */
static bool is_sound_mark(const struct schedule_mark *mark) {
    return is_time(mark->settled_ms) && is_time(mark->before_ms) &&
           (mark->ahead_ms == INT64_MAX || is_time(mark->ahead_ms)) &&
           is_time(mark->before_ahead_ms);
}

static int take_schedule(struct slice key, struct slice value, void *out) {
    struct schedule_mark mark;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    mark.settled_ms = (int64_t)read_u64(&r);
    mark.last_ms = (int64_t)read_u64(&r);
    mark.runs = read_u64(&r);
    mark.last_id = read_uuid(&r);
    mark.cron = read_lv(&r);
    mark.timezone = read_lv(&r);
    bool follows = r.at < r.end;
    mark.ahead_ms = follows ? (int64_t)read_u64(&r) : INT64_MAX;
    mark.before_ms = follows ? (int64_t)read_u64(&r) : 0;
    mark.before_ahead_ms = follows ? (int64_t)read_u64(&r) : 0;
    if (r.failed || !is_sound_mark(&mark)) {
        return ERR_CORRUPT;
    }
    *(struct schedule_mark *)out = mark;
    return 0;
}

int journal_schedule_get(struct journal *j, const char *name, struct schedule_mark *out) {
    struct key k = schedule_key(name);
    return journal_take(j, TABLE_META, &k, take_schedule, out);
}

int journal_schedule_put(struct journal *j, const char *name, const struct schedule_mark *mark) {
    struct key k = schedule_key(name);
    assert(mark->cron.len > 0 && mark->timezone.len > 0);
    assert(is_sound_mark(mark)); /* INV-JOURNAL-13 */
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)mark->settled_ms);
    buf_add_u64(&j->record, (uint64_t)mark->last_ms);
    buf_add_u64(&j->record, mark->runs);
    buf_add(&j->record, mark->last_id.bytes, UUID_BYTES);
    buf_add_lv(&j->record, mark->cron);
    buf_add_lv(&j->record, mark->timezone);
    buf_add_u64(&j->record, (uint64_t)mark->ahead_ms);
    buf_add_u64(&j->record, (uint64_t)mark->before_ms);
    buf_add_u64(&j->record, (uint64_t)mark->before_ahead_ms);
    return journal_put_record(j, TABLE_META, &k);
}

int journal_schedule_del(struct journal *j, const char *name) {
    struct key k = schedule_key(name);
    return store_del(j->store, TABLE_META, key_slice(&k));
}

static int take_schedule_name(struct slice key, struct slice value, void *out) {
    char *name = out;
    struct schedule_mark mark;
    size_t len = key.len - PREFIX_LEN;
    bool named = len <= NAME_BYTES_MAX && memchr(key.data + PREFIX_LEN, '\0', len) == NULL;
    if (!named || take_schedule(key, value, &mark) != 0) {
        return ERR_CORRUPT;
    }
    memcpy(name, key.data + PREFIX_LEN, len);
    name[len] = '\0';
    return 0;
}

int journal_schedule_next(struct journal *j, char name[NAME_BYTES_MAX + 1]) {
    struct key k = schedule_key(name);
    return journal_take_next(j, TABLE_META, &k, PREFIX_LEN, true, take_schedule_name, name);
}

int journal_check_later(enum store_table t, struct slice key, struct slice value) {
    struct delayed_row row;
    struct schedule_mark mark;
    return t == TABLE_DELAYED ? take_delayed(key, value, &row) : take_schedule(key, value, &mark);
}
