/*
 * buf.h - a growable byte buffer that always has a maximum, and the slice that points into bytes.
 *
 * A buffer remembers its first failure (`failed`): callers append freely and check once at the
 * end. Integers are stored little-endian, except the `_be` forms, which sort as bytes and are
 * meant for store keys.
 */
#ifndef ZINGQ_BASE_BUF_H
#define ZINGQ_BASE_BUF_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes owned elsewhere; not terminated. {NULL, 0} is empty. */
struct slice {
    const char *data;
    size_t len;
};

struct buf {
    char *data;  /* malloc'd; NULL while nothing was appended */
    size_t len;  /* bytes in use */
    size_t cap;  /* bytes allocated */
    size_t max;  /* bytes it may grow to; fixed at buf_init */
    bool failed; /* an append went past max or out of memory; contents end before it */
    bool lacked; /* it was memory */
};

/* Small functions are inline here, because records are made of many of these. */
static inline void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){.max = max};
}
/* Frees the bytes; the buffer may be used again with the same maximum. */
void buf_clear(struct buf *b);
/* Forgets the contents, keeps the memory. */
static inline void buf_reset(struct buf *b) {
    b->len = 0;
    b->failed = b->lacked = false;
}
/* The same, but memory of more than `most` bytes is freed. */
void buf_trim(struct buf *b, size_t most);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *text);
void buf_add_slice(struct buf *b, struct slice s); /* the bytes alone */
/* Makes room for `more` bytes past len and one for a terminator; false: failed. */
bool buf_reserve(struct buf *b, size_t more);
static inline bool buf_has(struct buf *b, size_t more) {
    return (more < b->cap - b->len && more <= b->max - b->len && !b->failed) ||
           buf_reserve(b, more);
}
static inline void buf_add_fixed(struct buf *b, const void *data, size_t len) {
    if (buf_has(b, len)) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}
static inline void buf_add_u8(struct buf *b, uint8_t v) {
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u16(struct buf *b, uint16_t v) {
    v = htole16(v);
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u32(struct buf *b, uint32_t v) {
    v = htole32(v);
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u64(struct buf *b, uint64_t v) {
    v = htole64(v);
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u16_be(struct buf *b, uint16_t v) {
    v = htobe16(v);
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u32_be(struct buf *b, uint32_t v) {
    v = htobe32(v);
    buf_add_fixed(b, &v, sizeof v);
}
static inline void buf_add_u64_be(struct buf *b, uint64_t v) {
    v = htobe64(v);
    buf_add_fixed(b, &v, sizeof v);
}
/* u32 length, then the bytes. */
static inline void buf_add_lv(struct buf *b, struct slice s) {
    if (s.len > UINT32_MAX) {
        b->failed = true;
        return;
    }
    uint32_t len = htole32((uint32_t)s.len);
    if (!buf_has(b, sizeof len + s.len)) {
        return;
    }
    memcpy(b->data + b->len, &len, sizeof len);
    if (s.len > 0) {
        memcpy(b->data + b->len + sizeof len, s.data, s.len);
    }
    b->len += sizeof len + s.len;
}
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Terminates the contents with a NUL that is not counted in len; "" if that is not possible. */
const char *buf_str(struct buf *b);

/* NULL gives the empty slice. */
static inline struct slice slice_of(const char *text) {
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}
static inline struct slice buf_slice(const struct buf *b) {
    return (struct slice){b->data, b->len};
}
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);
bool slice_has_nul(struct slice text);
/* Whether the byte is an ASCII letter or digit, or one of `others`, in any locale. */
bool byte_is_plain(char byte, const char *others);
/* Whether all bytes are, and there is at least one. */
bool slice_is_plain(struct slice s, const char *others);
/* With these a name is a token of HTTP, as those of headers are (RFC 9110, 5.6.2). */
#define HTTP_TOKEN_OTHERS "!#$%&'*+-.^_`|~"
/* The first line of the text, without its end. */
struct slice slice_first_line(struct slice text);
/* A malloc'd, terminated copy, or NULL when out of memory. The caller frees it. */
char *slice_dup(struct slice s);

/* Reading what buf_add_* wrote. A reader that runs past its end sets `failed` and gives zeros. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(const void *data, size_t len) {
    const uint8_t *at = data;
    return (struct reader){.at = at, .end = at == NULL ? NULL : at + len};
}
/* `out` keeps its value if there is less to read. */
static inline void read_fixed(struct reader *r, void *out, size_t len) {
    if (r->failed || (size_t)(r->end - r->at) < len) {
        r->failed = true;
        return;
    }
    memcpy(out, r->at, len);
    r->at += len;
}
static inline uint8_t read_u8(struct reader *r) {
    uint8_t v = 0;
    read_fixed(r, &v, sizeof v);
    return v;
}
static inline uint16_t read_u16(struct reader *r) {
    uint16_t v = 0;
    read_fixed(r, &v, sizeof v);
    return le16toh(v);
}
static inline uint32_t read_u32(struct reader *r) {
    uint32_t v = 0;
    read_fixed(r, &v, sizeof v);
    return le32toh(v);
}
static inline uint64_t read_u64(struct reader *r) {
    uint64_t v = 0;
    read_fixed(r, &v, sizeof v);
    return le64toh(v);
}
static inline uint16_t read_u16_be(struct reader *r) {
    uint16_t v = 0;
    read_fixed(r, &v, sizeof v);
    return be16toh(v);
}
static inline uint32_t read_u32_be(struct reader *r) {
    uint32_t v = 0;
    read_fixed(r, &v, sizeof v);
    return be32toh(v);
}
static inline uint64_t read_u64_be(struct reader *r) {
    uint64_t v = 0;
    read_fixed(r, &v, sizeof v);
    return be64toh(v);
}
/* Points into what is read; the same below. */
static inline struct slice read_bytes(struct reader *r, size_t len) {
    if (r->failed || (size_t)(r->end - r->at) < len) {
        r->failed = true;
        return (struct slice){NULL, 0};
    }
    struct slice s = {(const char *)r->at, len};
    r->at += len;
    return s;
}
static inline struct slice read_lv(struct reader *r) {
    uint32_t len = read_u32(r);
    return read_bytes(r, len);
}

#endif
