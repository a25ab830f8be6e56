/*
 * recent.c - idempotency keys noted lately.
 *
 * In its bucket a key has a random place in a large tree: noting it there would write a page of its
 * own. So keys are first appended here, in order of arrival, and an index in memory finds them. When
 * a table is full the other one is filled, and the keys of the full one go on into their bucket, in
 * the order of its tree, some in each turn: many of them then share a page. When the last has gone
 * on, the table is emptied.
 *
 *   recent<i>  n64 | u8 partition | hash128  -> see journal/note.c
 *
 * What has gone on is not stored: after a start the keys of the full table, the one with the lower
 * numbers, go on once more, which changes nothing.
 */
#include "journal/recent.h"

#include "journal/move.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_BYTES = sizeof(uint64_t) + DEDUPE_KEY_BYTES,
    ROOM_MIN = 1024,
    GO_ON_RATE = 2 /* keys that go on for each that is noted */
};

/* One has at least as many slots as it has room for rows, twice over. */
struct recent_table {
    uint8_t (*rows)[ROW_BYTES]; /* the keys of its rows */
    uint32_t *slots;            /* the number of a row in `rows`, plus 1; 0 = free */
    uint32_t count, room;
    int64_t begun_ms; /* when its first row was noted */
};

struct recent {
    struct recent_table tables[RECENT_TABLES];
    size_t filling;   /* the other one is full, or empty */
    uint64_t next;    /* number of the next row */
    bool sorted;      /* the full one, by key */
    uint32_t gone_on; /* of the full one */
    size_t noted;     /* since keys went on */
};

struct recent_row {
    struct key key; /* of the row */
    struct dedupe_note note;
};

static enum store_table table_of(size_t i) {
    return (enum store_table)(TABLE_RECENT + i);
}

static int take_row(struct slice key, struct slice value, void *out) {
    struct recent_row *row = out;
    struct reader r = reader_of(key.data, key.len);
    uint64_t n = read_u64_be(&r);
    struct slice of_key = read_bytes(&r, DEDUPE_KEY_BYTES);
    if (r.failed || r.at != r.end || n > INT64_MAX) {
        return ERR_CORRUPT; /* what is imported may have keys of any length */
    }
    key_set(&row->key, key);
    return journal_take_note(of_key, value, &row->note);
}

struct slice journal_recent_key(struct slice row) {
    return row.len < ROW_BYTES
               ? (struct slice){row.data, 0}
               : (struct slice){row.data + sizeof(uint64_t), row.len - sizeof(uint64_t)};
}

int journal_check_recent(struct slice key, struct slice value) {
    struct recent_row row;
    return take_row(key, value, &row);
}

/* --- in memory --- */

static const uint8_t *key_in(const uint8_t *row) {
    return row + sizeof(uint64_t);
}

/* The keys are hashes: their last bytes are as good as any. */
static uint32_t first_slot(const struct recent_table *t, const uint8_t *key) {
    uint32_t hash;
    memcpy(&hash, key + DEDUPE_KEY_BYTES - sizeof hash, sizeof hash);
    return hash & (2 * t->room - 1);
}

static uint32_t next_slot(const struct recent_table *t, uint32_t slot) {
    return (slot + 1) & (2 * t->room - 1);
}

static void index_row(struct recent_table *t, uint32_t n) {
    uint32_t slot = first_slot(t, key_in(t->rows[n]));
    while (t->slots[slot] != 0) {
        slot = next_slot(t, slot);
    }
    t->slots[slot] = n + 1;
}

static void index_all(struct recent_table *t) {
    memset(t->slots, 0, 2 * (size_t)t->room * sizeof *t->slots);
    for (uint32_t n = 0; n < t->count; n++) {
        index_row(t, n);
    }
}

static int make_room(struct recent_table *t) {
    uint32_t room = t->room == 0 ? ROOM_MIN : 2 * t->room;
    void *rows = realloc(t->rows, room * sizeof *t->rows);
    if (rows == NULL) {
        return ERR_MEMORY;
    }
    t->rows = rows;
    void *slots = realloc(t->slots, 2 * (size_t)room * sizeof *t->slots);
    if (slots == NULL) {
        return ERR_MEMORY;
    }
    t->slots = slots;
    t->room = room;
    index_all(t);
    return 0;
}

static int remember(struct recent_table *t, const struct key *row, int64_t noted_ms) {
    int code = t->count == t->room ? make_room(t) : 0;
    if (code != 0) {
        return code;
    }
    t->begun_ms = t->count == 0 ? noted_ms : t->begun_ms;
    memcpy(t->rows[t->count], row->bytes, ROW_BYTES);
    index_row(t, t->count++);
    return 0;
}

static void forget_table(struct recent_table *t) {
    free(t->rows);
    free(t->slots);
    *t = (struct recent_table){.rows = NULL};
}

void recent_forget(struct journal *j) {
    for (size_t i = 0; j->recent != NULL && i < RECENT_TABLES; i++) {
        forget_table(&j->recent->tables[i]);
    }
    free(j->recent);
    j->recent = NULL;
}

static uint64_t first_number(const struct recent_table *t) {
    struct reader r = reader_of(t->rows[0], sizeof(uint64_t));
    return read_u64_be(&r);
}

static int load_table(struct journal *j, size_t i) {
    struct recent_row row;
    struct key k = {.len = 0};
    int code;
    while ((code = journal_take_next(j, table_of(i), &k, 0, k.len > 0, take_row, &row)) == 0) {
        struct reader r = reader_of(row.key.bytes, sizeof(uint64_t));
        uint64_t after = read_u64_be(&r) + 1;
        j->recent->next = after > j->recent->next ? after : j->recent->next;
        code = remember(&j->recent->tables[i], &row.key, row.note.noted_ms);
        if (code != 0) {
            return code;
        }
        k = row.key;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Reads the rows, unless that has been done. */
static int load(struct journal *j) {
    if (j->recent != NULL) {
        return 0;
    }
    j->recent = calloc(1, sizeof *j->recent);
    if (j->recent == NULL) {
        return ERR_MEMORY;
    }
    struct recent *recent = j->recent;
    int code = 0;
    for (size_t i = 0; code == 0 && i < RECENT_TABLES; i++) {
        code = load_table(j, i);
    }
    if (code != 0) {
        recent_forget(j);
        return code;
    }
    const struct recent_table *t = recent->tables;
    bool second = t[1].count > 0 && (t[0].count == 0 || first_number(&t[1]) > first_number(&t[0]));
    recent->filling = second ? 1 : 0;
    return 0;
}

/* --- finding and adding --- */

static int find_in(struct journal *j, size_t i, struct dedupe_time time, const struct key *k,
                   struct note_place *at, struct dedupe_note *note) {
    const struct recent_table *t = &j->recent->tables[i];
    uint32_t slot = t->count > 0 ? first_slot(t, k->bytes) : 0;
    for (; t->count > 0 && t->slots[slot] != 0; slot = next_slot(t, slot)) {
        const uint8_t *row = t->rows[t->slots[slot] - 1];
        if (memcmp(key_in(row), k->bytes, DEDUPE_KEY_BYTES) != 0) {
            continue;
        }
        struct recent_row found;
        *at = (struct note_place){.table = table_of(i)};
        (void)key_bytes(&at->row, (struct slice){(const char *)row, ROW_BYTES});
        int code = journal_take(j, at->table, &at->row, take_row, &found);
        code = code == 0 ? journal_note_counts(j, time, k, &found.note) : code;
        if (code == 0) {
            *note = found.note;
            return 0;
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return ERR_NOTFOUND;
}

int recent_find(struct journal *j, struct dedupe_time time, const struct key *k,
                struct note_place *at, struct dedupe_note *note) {
    int code = load(j);
    if (code != 0) {
        return code;
    }
    assert(j->recent != NULL);
    code = find_in(j, j->recent->filling, time, k, at, note);
    return code == ERR_NOTFOUND ? find_in(j, 1 - j->recent->filling, time, k, at, note) : code;
}

static struct recent_table *full_one(struct recent *recent) {
    return &recent->tables[1 - recent->filling];
}

/* Fills the other table from now on, if that is empty. */
static bool turn_over(struct recent *recent) {
    if (full_one(recent)->count > 0) {
        return false;
    }
    recent->filling = 1 - recent->filling;
    recent->sorted = false;
    recent->gone_on = 0;
    return true;
}

int recent_add(struct journal *j, const struct key *k, const struct dedupe_note *note) {
    int code = load(j);
    if (code != 0) {
        return code;
    }
    struct recent *recent = j->recent;
    if (recent->tables[recent->filling].count >= RECENT_KEYS_MAX && !turn_over(recent)) {
        return ERR_LIMIT;
    }
    struct key row = {.len = 0};
    key_u64(&row, recent->next++);
    (void)key_bytes(&row, key_slice(k));
    code = journal_write_note(j, table_of(recent->filling), &row, note);
    recent->noted++;
    return code == 0 ? remember(&recent->tables[recent->filling], &row, note->noted_ms) : code;
}

/* --- going on --- */

/* By key; the same key in order of arrival. */
static int compare(const void *a, const void *b) {
    int by_key = memcmp(key_in(a), key_in(b), DEDUPE_KEY_BYTES);
    return by_key != 0 ? by_key : memcmp(a, b, sizeof(uint64_t));
}

static void sort(struct recent *recent) {
    struct recent_table *t = full_one(recent);
    qsort(t->rows, t->count, sizeof *t->rows, compare);
    index_all(t);
    recent->sorted = true;
}

static bool is_old(const struct recent_table *t, int64_t now_ms, int64_t full_ms) {
    return t->count > 0 && t->begun_ms + full_ms <= now_ms;
}

static int empty_full_one(struct journal *j) {
    struct recent *recent = j->recent;
    forget_table(full_one(recent));
    int code = store_empty(j->store, table_of(1 - recent->filling));
    return code == 0 ? ERR_NOTFOUND : code;
}

int recent_go_on(struct journal *j, int64_t now_ms, int64_t full_ms, struct key *k,
                 struct dedupe_note *note) {
    int code = load(j);
    if (code != 0) {
        return code;
    }
    struct recent *recent = j->recent;
    if (full_one(recent)->count == 0 &&
        (!is_old(&recent->tables[recent->filling], now_ms, full_ms) || !turn_over(recent))) {
        return ERR_NOTFOUND;
    }
    struct recent_table *full = full_one(recent);
    if (!recent->sorted) {
        sort(recent);
    }
    struct recent_row found;
    for (code = ERR_NOTFOUND; code == ERR_NOTFOUND && recent->gone_on < full->count;) {
        struct key row = {.len = 0};
        (void)key_bytes(&row,
                        (struct slice){(const char *)full->rows[recent->gone_on++], ROW_BYTES});
        code = journal_take(j, table_of(1 - recent->filling), &row, take_row, &found);
    }
    if (code != 0) {
        return code == ERR_NOTFOUND ? empty_full_one(j) : code;
    }
    k->len = 0;
    (void)key_bytes(k, (struct slice){(const char *)key_in(found.key.bytes), DEDUPE_KEY_BYTES});
    *note = found.note;
    return 0;
}

bool recent_is_full(const struct journal *j) {
    return j->recent != NULL && j->recent->tables[1 - j->recent->filling].count > 0;
}

int64_t recent_due_ms(const struct journal *j, int64_t now_ms, int64_t full_ms) {
    const struct recent *recent = j->recent;
    if (recent == NULL || recent_is_full(j)) {
        return now_ms;
    }
    const struct recent_table *t = &recent->tables[recent->filling];
    return t->count > 0 ? t->begun_ms + full_ms : INT64_MAX;
}

size_t recent_rows_due(struct journal *j, size_t rows) {
    size_t noted = j->recent == NULL ? 0 : j->recent->noted;
    if (noted > 0) {
        j->recent->noted = 0;
    }
    return rows > 0 && GO_ON_RATE * noted > rows ? GO_ON_RATE * noted : rows;
}
