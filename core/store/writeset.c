/*
 * writeset.c - see store/writeset.h.
 */
#include "store/writeset.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FORM = 1,
    BODY_BYTES_MAX = 1 << 30,
    BODY_BYTES_KEPT = 64 << 10, /* of memory, from one transaction to the next */

    /* Numbers of tables in bodies. They outlive the order of enum store_table, where new tables
     * come before TABLE_DEDUPE. */
    NUMBER_DEDUPE = 0x80,
    NUMBER_RECENT = 0xc0,
};

static_assert((int)TABLE_DEDUPE <= (int)NUMBER_DEDUPE, "tables have numbers of their own");
static_assert((int)DEDUPE_BUCKETS <= NUMBER_RECENT - NUMBER_DEDUPE, "and so have these");

struct writeset {
    struct buf bodies[HOMES];
};

struct writeset *writeset_new(void) {
    struct writeset *w = calloc(1, sizeof *w);
    for (size_t i = 0; w != NULL && i < HOMES; i++) {
        buf_init(&w->bodies[i], BODY_BYTES_MAX);
    }
    return w;
}

void writeset_free(struct writeset *w) {
    for (size_t i = 0; w != NULL && i < HOMES; i++) {
        buf_clear(&w->bodies[i]);
    }
    free(w);
}

void writeset_reset(struct writeset *w) {
    for (size_t i = 0; i < HOMES; i++) {
        buf_trim(&w->bodies[i], BODY_BYTES_KEPT);
    }
}

static uint8_t number_of(enum store_table t) {
    return (uint8_t)(t >= TABLE_RECENT   ? NUMBER_RECENT + (t - TABLE_RECENT)
                     : t >= TABLE_DEDUPE ? NUMBER_DEDUPE + (t - TABLE_DEDUPE)
                                         : t);
}

static bool table_of(uint8_t number, enum store_table *t) {
    unsigned index = number >= NUMBER_RECENT   ? TABLE_RECENT + number - NUMBER_RECENT
                     : number >= NUMBER_DEDUPE ? TABLE_DEDUPE + number - NUMBER_DEDUPE
                                               : number;
    *t = (enum store_table)index;
    return index < TABLE_COUNT && number_of(*t) == number;
}

static int add_to(struct buf *body, const struct write *write) {
    if (body->len == 0) {
        buf_add_u8(body, FORM);
    }
    buf_add_u8(body, (uint8_t)write->kind);
    buf_add_u8(body, number_of(write->table));
    if (write->kind != WRITE_CLEAR) {
        buf_add_u16(body, (uint16_t)write->key.len);
        buf_add_slice(body, write->key);
    }
    if (write->kind == WRITE_PUT) {
        buf_add_lv(body, write->value);
    }
    return body->failed ? ERR_MEMORY : 0;
}

int writeset_add(struct writeset *w, store_home *home_of, const struct write *write) {
    int code = 0;
    if (write->kind != WRITE_CLEAR) {
        uint8_t home = home_of(write->table, write->key);
        assert(home < HOMES); /* INV-STORE-10 */
        return add_to(&w->bodies[home], write);
    }
    for (size_t i = 0; code == 0 && i < HOMES; i++) {
        code = add_to(&w->bodies[i], write);
    }
    return code;
}

bool writeset_is_empty(const struct writeset *w) {
    for (size_t i = 0; i < HOMES; i++) {
        if (w->bodies[i].len > 0) {
            return false;
        }
    }
    return true;
}

struct slice writeset_body(const struct writeset *w, uint8_t home) {
    return buf_slice(&w->bodies[home]);
}

int writeset_read(struct slice body, struct reader *out) {
    *out = reader_of(body.data, body.len);
    return read_u8(out) == FORM && !out->failed ? 0 : ERR_CORRUPT;
}

int writeset_next(struct reader *r, struct write *out) {
    if (r->at == r->end && !r->failed) {
        return ERR_NOTFOUND;
    }
    uint8_t kind = read_u8(r);
    uint8_t number = read_u8(r);
    *out = (struct write){.kind = (enum write_kind)kind};
    if (kind == WRITE_PUT || kind == WRITE_DELETE) {
        uint16_t len = read_u16(r);
        out->key = read_bytes(r, len);
    }
    if (kind == WRITE_PUT) {
        out->value = read_lv(r);
    }
    bool known = kind >= WRITE_PUT && kind <= WRITE_CLEAR && table_of(number, &out->table);
    bool keyed = kind == WRITE_CLEAR || (out->key.len > 0 && out->key.len <= STORE_KEY_BYTES_MAX);
    return r->failed || !known || !keyed ? ERR_CORRUPT : 0;
}
