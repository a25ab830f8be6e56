/*
 * kept.c - see journal/kept.h.
 *
 *   meta "kept/<number>"    -> u64 for each kind; a service without one keeps nothing
 *   meta "flag/kept"        -> 2: every service has been counted; 1: all but its letters
 */
#include "journal/kept.h"

#include "journal/impl.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_BYTES = 4096,
    ROW_BYTES = 64 /* around a row: its header, a timer, what pages leave empty */
};

uint64_t journal_row_bytes(size_t key, size_t value) {
    uint64_t bytes = (uint64_t)key + value + ROW_BYTES;
    return bytes > PAGE_BYTES / 2 ? (bytes / PAGE_BYTES + 1) * PAGE_BYTES : bytes;
}

uint64_t journal_kept(const struct journal *j, uint16_t service, enum kept_kind kind) {
    return service < j->kept_count ? j->kept[service].bytes[kind] : 0;
}

uint64_t journal_kept_by_all(const struct journal *j, enum kept_kind kind) {
    return j->kept_by_all[kind];
}

static int make_place(struct journal *j, uint16_t service) {
    if (service < j->kept_count) {
        return 0;
    }
    struct kept *kept = realloc(j->kept, ((size_t)service + 1) * sizeof *kept);
    if (kept == NULL) {
        return ERR_MEMORY;
    }
    j->kept = kept;
    while (j->kept_count <= service) {
        kept[j->kept_count++] = (struct kept){.dirty = false};
    }
    return 0;
}

/* The service whose row it is; SERVICE_NONE: nobody's, or not to be counted. */
static uint16_t service_of(enum store_table t, struct slice key, struct slice value) {
    struct publication p;
    struct reader r = reader_of(key.data, key.len);
    (void)read_u8(&r);
    if (t != TABLE_TIMER) {
        uint16_t service = read_u16_be(&r);
        return r.failed ? SERVICE_NONE : service;
    }
    (void)read_u64_be(&r);
    bool publish = read_u8(&r) == TIMER_PUBLISH && !r.failed;
    return publish && publication_decode(value, &p) == 0 ? p.service : SERVICE_NONE;
}

/* Counts may be off where rows were damaged: they never go below 0. */
static int count(struct journal *j, enum kept_kind kind, uint16_t service, uint64_t more,
                 uint64_t less) {
    int code = service == SERVICE_NONE ? 0 : make_place(j, service);
    if (code != 0 || service == SERVICE_NONE || more == less) {
        return code;
    }
    struct kept *kept = &j->kept[service];
    uint64_t bytes = kept->bytes[kind] + more;
    bytes = bytes > less ? bytes - less : 0;
    j->kept_by_all[kind] += bytes - kept->bytes[kind];
    kept->bytes[kind] = bytes;
    kept->dirty = true;
    return 0;
}

int journal_kept_put(struct journal *j, enum kept_kind kind, enum store_table t,
                     const struct key *k, struct slice value) {
    struct slice before;
    uint16_t service = service_of(t, key_slice(k), value);
    int code = store_get(j->store, t, key_slice(k), &before);
    uint64_t less = code == 0 ? journal_row_bytes(k->len, before.len) : 0;
    code = code == 0 || code == ERR_NOTFOUND ? store_put(j->store, t, key_slice(k), value) : code;
    return code == 0 ? count(j, kind, service, journal_row_bytes(k->len, value.len), less) : code;
}

int journal_kept_del(struct journal *j, enum kept_kind kind, enum store_table t,
                     const struct key *k) {
    struct slice before;
    int code = store_get(j->store, t, key_slice(k), &before);
    if (code != 0) {
        return code;
    }
    uint16_t service = service_of(t, key_slice(k), before);
    uint64_t less = journal_row_bytes(k->len, before.len);
    code = store_del(j->store, t, key_slice(k));
    return code == 0 ? count(j, kind, service, 0, less) : code;
}

int journal_kept_row(struct journal *j, enum kept_kind kind, enum store_table t, struct slice key,
                     struct slice value) {
    return count(j, kind, service_of(t, key, value), journal_row_bytes(key.len, value.len), 0);
}

int journal_kept_letter(struct journal *j, const struct letter_row *row, bool added) {
    bool ran = row->kind == LETTER_RAN;
    bool refused = row->kind == LETTER_REFUSED;
    const uint64_t amounts[KEPT_KINDS] = {[KEPT_REFUSED] = refused ? row->bytes : 0,
                                          [KEPT_RAN] = ran ? row->bytes : 0,
                                          [KEPT_MADE] = ran && row->made ? row->bytes : 0,
                                          [KEPT_RAN_LETTERS] = ran ? 1 : 0};
    int code = 0;
    for (unsigned kind = KEPT_REFUSED; code == 0 && kind < KEPT_KINDS; kind++) {
        code = count(j, (enum kept_kind)kind, row->service, added ? amounts[kind] : 0,
                     added ? 0 : amounts[kind]);
    }
    return code;
}

void journal_kept_none(struct journal *j, uint16_t service, enum kept_kind kind) {
    uint64_t bytes = journal_kept(j, service, kind);
    if (bytes > 0) {
        j->kept_by_all[kind] -= bytes;
        j->kept[service].bytes[kind] = 0;
        j->kept[service].dirty = true;
    }
}

/* --- stored --- */

static void kept_key(uint16_t service, char key[32]) {
    (void)snprintf(key, 32, "kept/%u", (unsigned)service);
}

static int take_kept(struct slice key, struct slice value, void *out) {
    struct kept *kept = out;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    *kept = (struct kept){.dirty = false};
    for (size_t i = 0; i < KEPT_KINDS && (i == 0 || r.at < r.end); i++) {
        kept->bytes[i] = read_u64(&r);
    }
    return r.failed ? ERR_CORRUPT : 0;
}

int journal_kept_write(struct journal *j) {
    for (size_t i = 0; i < j->kept_count; i++) {
        char key[32];
        if (!j->kept[i].dirty) {
            continue;
        }
        kept_key((uint16_t)i, key);
        buf_reset(&j->record);
        for (size_t kind = 0; kind < KEPT_KINDS; kind++) {
            buf_add_u64(&j->record, j->kept[i].bytes[kind]);
        }
        int code = journal_put_meta(j, key);
        if (code != 0) {
            return code;
        }
        j->kept[i].dirty = false;
    }
    return 0;
}

int journal_check_kept(struct slice value) {
    struct kept kept;
    return take_kept((struct slice){NULL, 0}, value, &kept);
}

static int load_stored(struct journal *j) {
    int code = 0;
    for (uint16_t i = 0; code == 0 && i < j->name_count; i++) {
        char key[32];
        struct kept kept;
        kept_key(i, key);
        code = journal_meta_take(j, key, take_kept, &kept);
        for (size_t kind = 0; code == 0 && kind < KEPT_KINDS; kind++) {
            j->kept[i].bytes[kind] = kept.bytes[kind];
            j->kept_by_all[kind] += kept.bytes[kind];
        }
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    return code;
}

int journal_load_kept(struct journal *j) {
    uint64_t counted = 0;
    j->kept_count = 0;
    memset(j->kept_by_all, 0, sizeof j->kept_by_all);
    int code = journal_flag_get(j, KEPT_FLAG, &counted);
    code = code == ERR_NOTFOUND ? 0 : code;
    if (code == 0 && j->name_count > 0) {
        code = make_place(j, j->name_count - 1);
    }
    j->kept_counted = counted == KEPT_WITH_LETTERS;
    return code == 0 && j->kept_counted ? load_stored(j) : code;
}
