/*
 * aside.c - records that cannot be decoded: skipped, reported, set aside.
 *
 * A disk, a copy or a file system repair may leave meaningless bytes behind. A reader of such a row
 * finds nothing in its place and continues with the next row; the row is noted. The reader may hold
 * slices into the store, so the row itself is moved later, at the end of the transaction, and only
 * by the engine.
 *
 *   aside    n64                    -> u32 len, bytes: table key | the value
 */
#include "journal/impl.h"

#include "base/log.h"
#include "journal/event.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TEXT_BYTES = 1536 };

/* --- names --- */

static void add_hex(struct buf *out, struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        buf_printf(out, "%02x", (unsigned char)bytes.data[i]);
    }
}

/* Printable text as it is, the rest as \xNN. */
static void add_text(struct buf *out, struct slice text) {
    buf_add_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            buf_add_u8(out, c);
        } else {
            buf_printf(out, "\\x%02x", c);
        }
    }
    buf_add_u8(out, '"');
}

static void add_service(const struct journal *j, struct buf *out, uint16_t number) {
    const char *name = j != NULL && number < j->name_count ? j->names[number] : NULL;
    if (name != NULL) {
        buf_printf(out, " of service \"%s\"", name);
    } else {
        buf_printf(out, " of service number %u", (unsigned)number);
    }
}

static void add_event_key(const struct journal *j, struct buf *out, struct reader *r) {
    char text[UUID_TEXT_BYTES + 1];
    struct uuid id = read_uuid(r);
    buf_printf(out, " %s", uuid_text(&id, text));
    add_service(j, out, read_u16_be(r));
}

static void add_cell_key(const struct journal *j, struct buf *out, struct reader *r) {
    uint16_t service = read_u16_be(r);
    uint16_t len = read_u16_be(r);
    struct slice key = read_bytes(r, len);
    buf_add_str(out, " of key ");
    add_text(out, key);
    add_service(j, out, service);
    buf_add_str(out, ", name ");
    add_text(out, read_bytes(r, (size_t)(r->end - r->at)));
}

static void add_known_key(const struct journal *j, enum store_table t, struct reader *r,
                          struct buf *out) {
    if (t != TABLE_OUTBOX && t != TABLE_DELAYED) {
        (void)read_u8(r);
    }
    switch (t) {
    case TABLE_EVENT:
    case TABLE_HISTORY:
    case TABLE_STEP:
        add_event_key(j, out, r);
        break;
    case TABLE_STATE:
    case TABLE_LOCK:
        add_cell_key(j, out, r);
        break;
    case TABLE_LETTER:
    case TABLE_READY:
    case TABLE_LANE:
    case TABLE_TENANT:
    case TABLE_SIGNAL:
    case TABLE_WAITER:
        add_service(j, out, read_u16_be(r));
        break;
    case TABLE_DEAD: {
        char text[UUID_TEXT_BYTES + 1];
        uint16_t service = read_u16_be(r);
        struct uuid id = read_uuid(r);
        buf_printf(out, " %s", uuid_text(&id, text));
        add_service(j, out, service);
        break;
    }
    case TABLE_OUTBOX:
    case TABLE_FORWARD:
        buf_printf(out, " %llu", (unsigned long long)read_u64_be(r));
        break;
    default:
        break;
    }
}

void journal_key_text(const struct journal *j, enum store_table t, struct slice key,
                      struct buf *out) {
    char name[STORE_TABLE_NAME_BYTES];
    struct buf known;
    struct reader r = reader_of(key.data, key.len);
    buf_init(&known, KEY_TEXT_BYTES);
    buf_add_str(out, store_table_name(t, name));
    if (t == TABLE_META) {
        buf_add_u8(out, ' ');
        add_text(out, key);
    } else {
        add_known_key(j, t, &r, &known);
        if (!r.failed && !known.failed) {
            buf_add_slice(out, buf_slice(&known));
        }
        buf_add_str(out, " (key ");
        add_hex(out, key);
        buf_add_u8(out, ')');
    }
    buf_clear(&known);
}

/* --- noting --- */

static uint64_t sum_of(struct slice value) {
    static const uint8_t fixed[crypto_shorthash_siphash24_KEYBYTES] = "zingq aside    ";
    uint8_t out[8];
    (void)crypto_shorthash_siphash24(out, (const uint8_t *)value.data, value.len, fixed);
    struct reader r = reader_of(out, sizeof out);
    return read_u64(&r);
}

static bool is_noted(const struct journal *j, enum store_table t, struct slice key) {
    for (size_t i = 0; i < j->broken_count; i++) {
        const struct broken_row *row = &j->broken[i];
        if (row->table == t && slice_equal(key_slice(&row->key), key)) {
            return true;
        }
    }
    return false;
}

static void tell(const struct journal *j, enum store_table t, struct slice key,
                 struct slice value) {
    struct buf text;
    buf_init(&text, 2 * (size_t)KEY_TEXT_BYTES);
    journal_key_text(j, t, key, &text);
    log_error("store",
              "a record cannot be read and is left out: %s, %zu bytes; `zingq doctor --store` "
              "reads the whole store",
              buf_str(&text), value.len);
    buf_clear(&text);
}

void journal_broken(struct journal *j, enum store_table t, struct slice key, struct slice value) {
    if (is_noted(j, t, key)) {
        return;
    }
    if (j->broken_count == BROKEN_ROWS_MAX) {
        return; /* it will be met again when these have been set aside */
    }
    if (j->broken == NULL) {
        j->broken = calloc(BROKEN_ROWS_MAX, sizeof *j->broken);
        if (j->broken == NULL) {
            return;
        }
    }
    struct broken_row *row = &j->broken[j->broken_count++];
    row->table = t;
    row->sum = sum_of(value);
    key_set(&row->key, key);
    tell(j, t, key, value);
}

/* --- reading around them --- */

int journal_take(struct journal *j, enum store_table t, const struct key *k, journal_taker *take,
                 void *out) {
    struct slice value;
    int code = store_get(j->store, t, key_slice(k), &value);
    code = code == 0 ? take(key_slice(k), value, out) : code;
    if (code == ERR_CORRUPT) {
        journal_broken(j, t, key_slice(k), value);
        return ERR_NOTFOUND;
    }
    return code;
}

int journal_if_broken(const struct journal *j, enum store_table t, const struct key *k, int code) {
    return code == ERR_NOTFOUND && is_noted(j, t, key_slice(k)) ? ERR_CORRUPT : code;
}

int journal_take_next(struct journal *j, enum store_table t, struct key *k, size_t prefix_len,
                      bool after, journal_taker *take, void *out) {
    for (;;) {
        struct slice key;
        struct slice value;
        int code = journal_seek_prefix(j, t, k, prefix_len, after, &key, &value);
        code = code == 0 ? take(key, value, out) : code;
        if (code != ERR_CORRUPT) {
            return code;
        }
        journal_broken(j, t, key, value);
        key_set(k, key);
        after = true;
    }
}

bool journal_is_ahead(struct journal *j, enum store_table t, const struct key *k, uint64_t seq) {
    enum { AHEAD_US = 60 * 1000000 };
    struct slice value;
    if (j->seq == 0 || seq <= j->seq || store_read_only(j->store)) {
        return false;
    }
    if (seq - j->seq <= AHEAD_US) {
        j->seq = seq;
        return false;
    }
    if (store_get(j->store, t, key_slice(k), &value) == 0) {
        journal_broken(j, t, key_slice(k), value);
    }
    return true;
}

/* --- setting aside --- */

/* Rows that a handler would take for missing, and act on, stay where they are: each read fails,
 * until a handler overwrites the row. */
static bool stays(enum store_table t) {
    return t == TABLE_STATE || t == TABLE_LOCK || t == TABLE_STEP || t == TABLE_ASIDE;
}

/* True if the table says where events wait, or when to wake them. */
static bool is_place(enum store_table t) {
    return t == TABLE_READY || t == TABLE_LANE || t == TABLE_TENANT || t == TABLE_TIMER;
}

static int aside_number(struct journal *j, uint64_t *number) {
    static const char last[] = {(char)0xff, (char)0xff, (char)0xff, (char)0xff, (char)0xff,
                                (char)0xff, (char)0xff, (char)0xff, (char)0xff};
    struct slice key;
    struct slice value;
    *number = 1;
    int code =
        store_seek_back(j->store, TABLE_ASIDE, (struct slice){last, sizeof last}, &key, &value);
    if (code == 0) {
        struct reader r = reader_of(key.data, key.len);
        *number = read_u64_be(&r) + 1;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int set_aside(struct journal *j, const struct broken_row *row, struct slice value) {
    char name[STORE_TABLE_NAME_BYTES];
    struct key k = {.len = 0};
    uint64_t number;
    int code = aside_number(j, &number);
    if (code != 0) {
        return code;
    }
    key_u64(&k, number);
    buf_reset(&j->record);
    buf_add_lv(&j->record, slice_of(store_table_name(row->table, name)));
    buf_add_lv(&j->record, key_slice(&row->key));
    buf_add_slice(&j->record, value);
    code = journal_put_record(j, TABLE_ASIDE, &k);
    return code == 0 ? store_del(j->store, row->table, key_slice(&row->key)) : code;
}

static int take_back(struct journal *j, const char *flag) {
    int code = store_del(j->store, TABLE_META, slice_of(flag));
    return code == ERR_NOTFOUND ? 0 : code;
}

/* What services keep is to be counted anew: journal_count_kept. And a letter that is missing from the
 * lists gets there again: journal/letter.c. */
static int count_anew(struct journal *j, enum store_table lost) {
    j->kept_counted = false;
    int code = take_back(j, "flag/kept");
    return code == 0 && lost == TABLE_LETTER ? take_back(j, "flag/letters") : code;
}

int journal_set_aside(struct journal *j, bool *places) {
    assert(!store_read_only(j->store));
    *places = false;
    for (size_t i = 0; i < j->broken_count; i++) {
        const struct broken_row *row = &j->broken[i];
        struct slice value;
        if (stays(row->table)) {
            continue;
        }
        int code = store_get(j->store, row->table, key_slice(&row->key), &value);
        if (code == 0 && sum_of(value) == row->sum) { /* nobody has overwritten it */
            code = set_aside(j, row, value);
            code = code == 0 ? count_anew(j, row->table) : code;
            *places = *places || is_place(row->table);
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* The only number without a name; UINT16_MAX when there are several or none. */
static uint16_t nameless_number(const struct journal *j) {
    uint16_t found = UINT16_MAX;
    for (uint16_t i = 0; i < j->name_count; i++) {
        if (j->names[i] == NULL && found != UINT16_MAX) {
            return UINT16_MAX;
        }
        found = j->names[i] == NULL ? i : found;
    }
    return found;
}

int journal_mend_name(struct journal *j, struct slice prefix) {
    const struct key *row = NULL;
    for (size_t i = 0; i < j->broken_count; i++) {
        struct slice key = key_slice(&j->broken[i].key);
        bool names = j->broken[i].table == TABLE_META && key.len > prefix.len &&
                     memcmp(key.data, prefix.data, prefix.len) == 0;
        if (names && row != NULL) {
            return 0;
        }
        row = names ? &j->broken[i].key : row;
    }
    uint16_t number = nameless_number(j);
    if (row == NULL || number == UINT16_MAX) {
        return 0;
    }
    struct slice key = key_slice(row);
    j->names[number] = slice_dup((struct slice){key.data + prefix.len, key.len - prefix.len});
    if (j->names[number] == NULL) {
        return ERR_MEMORY;
    }
    if (store_read_only(j->store)) {
        return 0;
    }
    buf_reset(&j->record);
    buf_add_u16(&j->record, number);
    return journal_put_record(j, TABLE_META, row);
}

bool journal_broken_event(const struct journal *j, size_t *at, struct event *out) {
    for (; *at < j->broken_count; (*at)++) {
        struct event_place place;
        bool whole = journal_take_event_key(key_slice(&j->broken[*at].key), &place);
        if (j->broken[*at].table == TABLE_EVENT && whole) {
            *out = (struct event){
                .partition = place.partition, .id = place.id, .service = place.service};
            (*at)++;
            return true;
        }
    }
    return false;
}

bool journal_has_broken(const struct journal *j, enum store_table t) {
    for (size_t i = 0; i < j->broken_count; i++) {
        if (j->broken[i].table == t) {
            return true;
        }
    }
    return false;
}

void journal_forget_broken(struct journal *j) {
    j->broken_count = 0;
}

uint64_t journal_aside_count(struct journal *j) {
    return store_rows_kept(j->store, TABLE_ASIDE);
}

static int take_aside(struct slice key, struct slice value, void *out) {
    struct aside_row *row = out;
    struct reader k = reader_of(key.data, key.len);
    struct reader r = reader_of(value.data, value.len);
    row->number = read_u64_be(&k);
    row->table = read_lv(&r);
    row->key = read_lv(&r);
    row->value = read_bytes(&r, (size_t)(r.end - r.at));
    enum store_table t;
    bool whole = !k.failed && k.at == k.end && !r.failed;
    return whole && store_table_named(row->table, &t) ? 0 : ERR_CORRUPT;
}

int journal_aside_next(struct journal *j, struct aside_row *row) {
    struct key k = {.len = 0};
    key_u64(&k, row->number);
    return journal_take_next(j, TABLE_ASIDE, &k, 0, true, take_aside, row);
}

int journal_check_aside(struct slice key, struct slice value) {
    struct aside_row row;
    return take_aside(key, value, &row);
}
