/*
 * meta.c - the meta rows: services, sequence, books, flags.
 *
 *   meta "host"             -> text, a UUID; journal/journal.c
 *   meta "secret"           -> 16 random bytes; journal/journal.c
 *   meta "secret/<n>"       -> see journal/dedupe.c
 *   meta "seq"              -> u64, the last arrival number given out by a committed turn
 *   meta "clock"            -> i64 engine_ms wall_ms boottime_ms | boot id128 | u64 time namespace
 *   meta "service/<name>"   -> u16, its number; its first name, if that is another: names.c
 *   meta "books/<number>"   -> u64 * 13; schema 1 wrote no needs_person
 *   meta "flag/<name>"      -> u64; those of services: journal/flags.c
 *   meta "text/<name>"      -> bytes
 *   meta "dedupe"           -> see journal/dedupe.c
 *   meta "kept/<number>"    -> see journal/kept.c
 *   meta "schedule/<name>"  -> see journal/later.c
 */
#include "journal/impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int meta_get(struct journal *j, const char *name, struct slice *value) {
    return store_get(j->store, TABLE_META, slice_of(name), value);
}

int journal_meta_take(struct journal *j, const char *name, journal_taker *take, void *out) {
    struct key k = {.len = 0};
    return key_bytes(&k, slice_of(name)) ? journal_take(j, TABLE_META, &k, take, out) : ERR_LIMIT;
}

/* --- services --- */

/* The row of a service: its name is in the key. */
struct service_row {
    char name[NAME_BYTES_MAX + 1];
    char origin[NAME_BYTES_MAX + 1]; /* "": its name */
    uint16_t number;
};

static bool take_name(struct slice name, char out[NAME_BYTES_MAX + 1]) {
    if (name.len > NAME_BYTES_MAX || slice_has_nul(name)) {
        return false;
    }
    if (name.len > 0) {
        memcpy(out, name.data, name.len);
    }
    out[name.len] = '\0';
    return true;
}

static const char service_prefix[] = "service/";

enum { SERVICE_PREFIX_LEN = sizeof service_prefix - 1 };

static int take_service(struct slice key, struct slice value, void *out) {
    struct service_row *row = out;
    struct reader r = reader_of(value.data, value.len);
    struct slice name = {key.data + SERVICE_PREFIX_LEN, key.len - SERVICE_PREFIX_LEN};
    row->number = read_u16(&r);
    struct slice origin = read_bytes(&r, r.failed ? 0 : (size_t)(r.end - r.at));
    bool number = !r.failed && row->number < UINT16_MAX; /* journal_service_add assigns no others */
    bool named = name.len > 0 && take_name(name, row->name) && take_name(origin, row->origin);
    return number && named ? 0 : ERR_CORRUPT;
}

static int load_names(struct journal *j) {
    struct key k = {.len = 0};
    struct service_row row;
    int code;
    (void)key_bytes(&k, slice_of(service_prefix));
    while ((code = journal_take_next(j, TABLE_META, &k, SERVICE_PREFIX_LEN, true, take_service,
                                     &row)) == 0) {
        code =
            row.number < j->name_count ? journal_note_name(j, row.number, row.name, row.origin) : 0;
        if (code != 0) {
            return code;
        }
        k.len = SERVICE_PREFIX_LEN;
        (void)key_bytes(&k, slice_of(row.name));
    }
    return code == ERR_NOTFOUND ? journal_mend_name(j, slice_of(service_prefix)) : code;
}

/* How many numbers have been assigned: at least one more than the highest, whatever the count
 * says. */
static int count_services(struct journal *j, uint64_t *count) {
    struct key k = {.len = 0};
    struct service_row row;
    int code = journal_flag_get(j, "services", count);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    *count = code == 0 && *count <= UINT16_MAX ? *count : 0;
    (void)key_bytes(&k, slice_of(service_prefix));
    while ((code = journal_take_next(j, TABLE_META, &k, SERVICE_PREFIX_LEN, true, take_service,
                                     &row)) == 0) {
        *count = row.number >= *count ? (uint64_t)row.number + 1 : *count;
        k.len = SERVICE_PREFIX_LEN;
        (void)key_bytes(&k, slice_of(row.name));
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_load_names(struct journal *j) {
    uint64_t count = 0;
    int code = count_services(j, &count);
    if (code != 0) {
        return code;
    }
    code = journal_forget_names(j, (uint16_t)count);
    return code == 0 ? load_names(j) : code;
}

/* --- services: changes --- */

enum { SERVICE_KEY_BYTES = sizeof "service/" + NAME_BYTES_MAX };

static int put_row(struct journal *j, uint16_t number, const char *name, const char *origin) {
    char key[SERVICE_KEY_BYTES];
    int len = snprintf(key, sizeof key, "service/%s", name);
    if (len < 0 || (size_t)len >= sizeof key) {
        return ERR_LIMIT;
    }
    buf_reset(&j->record);
    buf_add_u16(&j->record, number);
    buf_add_str(&j->record, strcmp(origin, name) == 0 ? "" : origin);
    return journal_put_meta(j, key);
}

/* False: out of memory, and the list is as before. */
static bool grow(char ***list, size_t count) {
    char **more = realloc(*list, count * sizeof *more);
    if (more == NULL) {
        return false;
    }
    *list = more;
    return true;
}

int journal_service_add(struct journal *j, const char *name, const char *origin, uint16_t *number) {
    if (j->name_count == UINT16_MAX) {
        return ERR_LIMIT;
    }
    size_t count = (size_t)j->name_count + 2;
    if (!grow(&j->names, count) || !grow(&j->origins, count)) {
        return ERR_MEMORY;
    }
    int code = put_row(j, j->name_count, name, origin);
    if (code == 0) {
        code = journal_flag_put(j, "services", (uint64_t)j->name_count + 1);
    }
    if (code != 0) {
        return code;
    }
    j->names[j->name_count] = j->origins[j->name_count] = NULL;
    *number = j->name_count++;
    return journal_note_name(j, *number, name, origin);
}

int journal_service_number(struct journal *j, const char *name, uint16_t *number) {
    if (journal_service_find(j, name, number)) {
        return 0;
    }
    return store_read_only(j->store) ? ERR_NOTFOUND : journal_service_add(j, name, name, number);
}

/* A row of meta whose key ends with the name. */
static int move_row(struct journal *j, const char *before, const char *from, const char *to) {
    char old_key[256];
    char new_key[256];
    struct slice value;
    (void)snprintf(old_key, sizeof old_key, "%s%s", before, from);
    (void)snprintf(new_key, sizeof new_key, "%s%s", before, to);
    int code = store_get(j->store, TABLE_META, slice_of(old_key), &value);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    buf_reset(&j->record);
    buf_add_slice(&j->record, value);
    code = journal_put_meta(j, new_key);
    return code == 0 ? store_del(j->store, TABLE_META, slice_of(old_key)) : code;
}

int journal_service_rename(struct journal *j, uint16_t number, const char *name) {
    char key[SERVICE_KEY_BYTES];
    char from[NAME_BYTES_MAX + 1];
    char origin[NAME_BYTES_MAX + 1];
    assert(journal_service_name(j, number) != NULL);
    (void)snprintf(from, sizeof from, "%s", journal_service_name(j, number));
    (void)snprintf(origin, sizeof origin, "%s", journal_service_origin(j, number));
    (void)snprintf(key, sizeof key, "service/%s", from);
    int code = put_row(j, number, name, origin);
    code = code == 0 ? store_del(j->store, TABLE_META, slice_of(key)) : code;
    code = code == 0 ? move_row(j, "text/rules/", from, name) : code;
    return code == 0 ? journal_note_name(j, number, name, origin) : code;
}

/* --- sequence, books, flags --- */

static int take_number(struct slice key, struct slice value, void *out) {
    uint64_t *number = out;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    *number = read_u64(&r);
    return r.failed ? ERR_CORRUPT : 0;
}

/* INV-JOURNAL-15: a number is a time in microseconds, or slightly above it. */
static int take_seq(struct slice key, struct slice value, void *out) {
    uint64_t *seq = out;
    int code = take_number(key, value, seq);
    return code == 0 && is_time((int64_t)(*seq / 1000)) ? 0 : ERR_CORRUPT;
}

int journal_load_seq(struct journal *j) {
    uint64_t seq = 0;
    struct clock_mark mark;
    int code = journal_meta_take(j, "seq", take_seq, &seq);
    j->seq = code == 0 ? seq : j->seq;
    code = code == 0 || code == ERR_NOTFOUND ? journal_clock_get(j, &mark) : code;
    if (code == 0 &&
        (uint64_t)mark.engine_ms * 1000 > j->seq) { /* a number that is too low is damage */
        j->seq = (uint64_t)mark.engine_ms * 1000;
    }
    return code;
}

uint64_t journal_next_seq(struct journal *j, int64_t now_ms) {
    uint64_t clock = (uint64_t)now_ms * 1000;
    assert(now_ms >= 0 && is_time(now_ms) &&
           is_time((int64_t)(j->seq / 1000))); /* INV-JOURNAL-15 */
    j->seq = clock > j->seq ? clock : j->seq + 1;
    return j->seq;
}

int journal_mark_seq(struct journal *j) {
    buf_reset(&j->record);
    buf_add_u64(&j->record, j->seq);
    return journal_put_meta(j, "seq");
}

/* INV-JOURNAL-16, checked on writing and on reading. */
static bool is_sound_clock(const struct clock_mark *mark) {
    return mark->engine_ms > 0 && is_time(mark->engine_ms) && is_time(mark->at.wall_ms) &&
           is_time(mark->at.boottime_ms);
}

static int take_clock(struct slice key, struct slice value, void *out) {
    struct clock_mark *mark = out;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    mark->engine_ms = (int64_t)read_u64(&r);
    mark->at.wall_ms = (int64_t)read_u64(&r);
    mark->at.boottime_ms = (int64_t)read_u64(&r);
    struct uuid boot = read_uuid(&r);
    memcpy(mark->at.boot.id, boot.bytes, sizeof mark->at.boot.id);
    mark->at.boot.time_namespace = read_u64(&r);
    return r.failed || !is_sound_clock(mark) ? ERR_CORRUPT : 0;
}

int journal_clock_get(struct journal *j, struct clock_mark *out) {
    int code = journal_meta_take(j, "clock", take_clock, out);
    if (code == ERR_NOTFOUND) {
        *out = (struct clock_mark){.engine_ms = (int64_t)(j->seq / 1000)};
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_clock_put(struct journal *j, const struct clock_mark *mark) {
    assert(is_sound_clock(mark));
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)mark->engine_ms);
    buf_add_u64(&j->record, (uint64_t)mark->at.wall_ms);
    buf_add_u64(&j->record, (uint64_t)mark->at.boottime_ms);
    buf_add(&j->record, mark->at.boot.id, sizeof mark->at.boot.id);
    buf_add_u64(&j->record, mark->at.boot.time_namespace);
    return journal_put_meta(j, "clock");
}

static uint64_t books_ended(const struct books *b) {
    return b->done + b->dead + b->discarded + b->expired + b->duplicates;
}

/* INV-JOURNAL-17, checked on writing and on reading. */
static bool is_sound_books(const struct books *b) {
    const uint64_t most = UINT64_C(1) << 60; /* so that no sum of them overflows */
    return b->accepted <= most && b->done <= most && b->dead <= most && b->discarded <= most &&
           b->expired <= most && b->duplicates <= most && books_ended(b) <= b->accepted &&
           b->needs_person <= b->dead;
}

uint64_t books_waiting(const struct books *b) {
    assert(books_ended(b) <= b->accepted);
    return b->accepted - books_ended(b);
}

static void books_key(uint16_t service, char key[32]) {
    (void)snprintf(key, 32, "books/%u", (unsigned)service);
}

static int take_books(struct slice key, struct slice value, void *ctx) {
    struct books *out = ctx;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    uint64_t *fields[] = {&out->accepted,   &out->done,        &out->dead,      &out->discarded,
                          &out->duplicates, &out->handed_over, &out->retries,   &out->timeouts,
                          &out->crashes,    &out->snoozes,     &out->throttles, &out->died};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        *fields[i] = read_u64(&r);
    }
    out->needs_person = r.at < r.end ? read_u64(&r) : 0; /* an older zingq had no such */
    out->expired = r.at < r.end ? read_u64(&r) : 0;
    return r.failed || !is_sound_books(out) ? ERR_CORRUPT : 0;
}

int journal_books_get(struct journal *j, uint16_t service, struct books *out) {
    char key[32];
    books_key(service, key);
    int code = journal_meta_take(j, key, take_books, out);
    if (code == ERR_NOTFOUND) {
        *out = (struct books){0};
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_books_put(struct journal *j, uint16_t service, const struct books *b) {
    assert(is_sound_books(b));
    char key[32];
    books_key(service, key);
    const uint64_t fields[] = {b->accepted,     b->done,        b->dead,      b->discarded,
                               b->duplicates,   b->handed_over, b->retries,   b->timeouts,
                               b->crashes,      b->snoozes,     b->throttles, b->died,
                               b->needs_person, b->expired};
    buf_reset(&j->record);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        buf_add_u64(&j->record, fields[i]);
    }
    return journal_put_meta(j, key);
}

static int flag_key(const char *name, char key[256]) {
    int len = snprintf(key, 256, "flag/%s", name);
    return len > 0 && len < 256 ? 0 : ERR_LIMIT;
}

int journal_flag_get(struct journal *j, const char *name, uint64_t *value) {
    char key[256];
    int code = flag_key(name, key);
    return code == 0 ? journal_meta_take(j, key, take_number, value) : code;
}

int journal_flag_put(struct journal *j, const char *name, uint64_t value) {
    char key[256];
    int code = flag_key(name, key);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u64(&j->record, value);
    return journal_put_meta(j, key);
}

int journal_flag_del(struct journal *j, const char *name) {
    char key[256];
    int code = flag_key(name, key);
    return code == 0 ? store_del(j->store, TABLE_META, slice_of(key)) : code;
}

static int text_key(const char *name, char key[256]) {
    int len = snprintf(key, 256, "text/%s", name);
    return len > 0 && len < 256 ? 0 : ERR_LIMIT;
}

int journal_text_get(struct journal *j, const char *name, struct slice *text) {
    char key[256];
    int code = text_key(name, key);
    return code == 0 ? meta_get(j, key, text) : code;
}

int journal_text_put(struct journal *j, const char *name, struct slice text) {
    char key[256];
    int code = text_key(name, key);
    return code == 0 ? store_put(j->store, TABLE_META, slice_of(key), text) : code;
}

int journal_check_meta(struct slice key, struct slice value) {
    struct service_row service;
    struct clock_mark mark;
    struct books books;
    struct uuid id;
    uint64_t number;
    if (journal_key_begins(key, service_prefix)) {
        return take_service(key, value, &service);
    }
    if (journal_key_begins(key, "books/")) {
        return take_books(key, value, &books);
    }
    if (slice_is(key, "clock")) {
        return take_clock(key, value, &mark);
    }
    if (slice_is(key, "host")) {
        return uuid_parse(value, &id) ? 0 : ERR_CORRUPT;
    }
    if (slice_is(key, "secret")) {
        return value.len == DEDUPE_SECRET_BYTES ? 0 : ERR_CORRUPT;
    }
    if (slice_is(key, "seq")) {
        return take_seq(key, value, &number);
    }
    return journal_key_begins(key, "flag/") ? take_number(key, value, &number) : 0;
}
