/*
 * ledger.c - the list of an event's calls, encoded one after the other:
 *
 *   u8 state | i64 first_ms | u32 asks | u32 status | u32 len, key | u32 len, label
 */
#include "event/ledger.h"

#include "base/error.h"
#include "base/limits.h"

#include <assert.h>
#include <string.h>

const char *call_note_state_name(enum call_note_state state) {
    static const char *const names[] = {
#define X(state, name) [state] = (name),
        CALL_NOTE_STATE_LIST(X)
#undef X
    };
    assert((unsigned)state < CALL_NOTE_STATE_COUNT);
    return names[state];
}

bool ledger_next(struct slice calls, size_t *at, struct call_note *out) {
    if (*at >= calls.len) {
        return false;
    }
    struct reader r = reader_of(calls.data + *at, calls.len - *at);
    uint8_t state = read_u8(&r);
    out->first_ms = (int64_t)read_u64(&r);
    out->asks = read_u32(&r);
    out->status = read_u32(&r);
    out->key = read_lv(&r);
    out->label = read_lv(&r);
    if (r.failed || state >= CALL_NOTE_STATE_COUNT) {
        return false;
    }
    out->state = (enum call_note_state)state;
    *at = calls.len - (size_t)(r.end - r.at);
    return true;
}

bool ledger_find(struct slice calls, struct slice key, struct call_note *out) {
    for (size_t at = 0; ledger_next(calls, &at, out);) {
        if (slice_equal(out->key, key)) {
            return true;
        }
    }
    return false;
}

static void add_note(struct buf *out, const struct call_note *note) {
    buf_add_u8(out, (uint8_t)note->state);
    buf_add_u64(out, (uint64_t)note->first_ms);
    buf_add_u32(out, note->asks);
    buf_add_u32(out, note->status);
    buf_add_lv(out, note->key);
    buf_add_lv(out, note->label);
}

static size_t count_notes(struct slice calls) {
    struct call_note note;
    size_t count = 0;
    for (size_t at = 0; ledger_next(calls, &at, &note); count++) {
    }
    return count;
}

/* Moves what was written to event->calls. */
static int take_over(struct event *event, struct buf *calls) {
    int code = calls->failed ? ERR_MEMORY : event_set_calls(event, buf_slice(calls));
    buf_clear(calls);
    return code;
}

static void init_calls(struct buf *calls) {
    buf_init(calls, (size_t)CALLS_NOTED_MAX * 64 * 1024);
}

int ledger_put(struct event *event, const struct call_note *note) {
    struct buf calls;
    struct call_note other;
    init_calls(&calls);
    bool replaced = ledger_find(event->calls, note->key, &other);
    size_t skip = !replaced && count_notes(event->calls) >= CALLS_NOTED_MAX ? 1 : 0;
    for (size_t at = 0; ledger_next(event->calls, &at, &other);) {
        bool same = slice_equal(other.key, note->key);
        if (skip > 0) {
            skip--;
            continue;
        }
        add_note(&calls, same ? note : &other);
    }
    if (!replaced) {
        add_note(&calls, note);
    }
    return take_over(event, &calls);
}

int ledger_settle(struct event *event, struct slice key) {
    struct call_note note;
    if (!ledger_find(event->calls, key, &note)) {
        return 0;
    }
    note.state = CALL_SETTLED;
    return ledger_put(event, &note);
}

/* Supersedes the notes for which `fits` is true; returns their number. */
static int supersede(struct event *event, bool (*fits)(const struct call_note *, struct slice),
                     struct slice own, size_t *count) {
    struct buf calls;
    struct call_note note;
    init_calls(&calls);
    *count = 0;
    for (size_t at = 0; ledger_next(event->calls, &at, &note);) {
        if (note.state != CALL_SUPERSEDED && fits(&note, own)) {
            note.state = CALL_SUPERSEDED;
            (*count)++;
        }
        add_note(&calls, &note);
    }
    if (*count == 0) {
        buf_clear(&calls);
        return 0;
    }
    return take_over(event, &calls);
}

/* A key with a colon belongs to a step. */
static bool is_answered(const struct call_note *note, struct slice own) {
    bool ours = note->key.len >= own.len && memcmp(note->key.data, own.data, own.len) == 0;
    bool in_step = memchr(note->key.data, ':', note->key.len) != NULL;
    return ours && (note->state == CALL_ANSWERED || (note->state == CALL_SETTLED && !in_step));
}

int ledger_supersede_answered(struct event *event, struct slice own) {
    size_t count;
    if (event->round == UINT8_MAX) {
        return ERR_LIMIT;
    }
    int code = supersede(event, is_answered, own, &count);
    if (code == 0 && count > 0) {
        event->round++;
    }
    return code;
}

static bool is_any(const struct call_note *note, struct slice own) {
    (void)note;
    (void)own;
    return true;
}

int ledger_supersede_all(struct event *event) {
    size_t count;
    return supersede(event, is_any, (struct slice){"", 0}, &count);
}

struct slice ledger_caller(const struct event *event, struct slice now) {
    char id[UUID_TEXT_BYTES + 1];
    struct call_note note;
    (void)uuid_text(&event->id, id);
    for (size_t at = 0; ledger_next(event->calls, &at, &note);) {
        const char *found = memmem(note.key.data, note.key.len, id, UUID_TEXT_BYTES);
        size_t before = found == NULL ? 0 : (size_t)(found - note.key.data);
        if (before > 1 && before <= NAME_BYTES_MAX + 1 && found[-1] == '-') {
            return (struct slice){note.key.data, before - 1};
        }
    }
    return now;
}

bool ledger_may_have_acted(const struct call_note *note) {
    bool accepted = note->state == CALL_ANSWERED && note->status < 400;
    return accepted || note->state == CALL_ASKED || note->state == CALL_UNKNOWN;
}

int64_t ledger_first_ms(const struct event *event, bool settled_too) {
    struct call_note note;
    int64_t first_ms = 0;
    for (size_t at = 0; ledger_next(event->calls, &at, &note);) {
        bool counts = ledger_may_have_acted(&note) || (settled_too && note.state == CALL_SETTLED);
        if (counts && (first_ms == 0 || note.first_ms < first_ms)) {
            first_ms = note.first_ms;
        }
    }
    return first_ms;
}
