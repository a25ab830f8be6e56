/* buf.c - growable bytes with a maximum; slices; readers. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_clear(struct buf *b) {
    free(b->data);
    buf_init(b, b->max);
}

void buf_trim(struct buf *b, size_t most) {
    buf_reset(b);
    if (b->cap > most) {
        buf_clear(b);
    }
}

bool buf_reserve(struct buf *b, size_t more) {
    if (b->failed || more > b->max || b->len > b->max - more) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap) {
        return true;
    }
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = b->lacked = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len) {
    if (len > 0) {
        buf_add_fixed(b, data, len);
        assert(b->len <= b->max);
    }
}

void buf_add_str(struct buf *b, const char *text) {
    buf_add(b, text, strlen(text));
}

void buf_add_slice(struct buf *b, struct slice s) {
    buf_add(b, s.data, s.len);
}

void buf_printf(struct buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
    } else if (buf_reserve(b, (size_t)len)) {
        (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

const char *buf_str(struct buf *b) {
    if (b->data == NULL) {
        return "";
    }
    assert(b->len < b->cap);
    b->data[b->len] = '\0';
    return b->data;
}

bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_is(struct slice a, const char *text) {
    return slice_equal(a, slice_of(text));
}

bool slice_has_nul(struct slice text) {
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

bool byte_is_plain(char byte, const char *others) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr(others, byte) != NULL);
}

bool slice_is_plain(struct slice s, const char *others) {
    for (size_t i = 0; i < s.len; i++) {
        if (!byte_is_plain(s.data[i], others)) {
            return false;
        }
    }
    return s.len > 0;
}

struct slice slice_first_line(struct slice text) {
    const char *end = text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
    return end == NULL ? text : (struct slice){text.data, (size_t)(end - text.data)};
}

char *slice_dup(struct slice s) {
    char *copy = malloc(s.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}
