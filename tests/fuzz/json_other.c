/*
 * json_other.c - see json_other.h.
 *
 * Where they differ: YAJL knows neither a byte order mark nor our limit on depth, does not look closely
 * at UTF-8, makes a question mark of half a surrogate pair, takes all of C's white space, and does not
 * mind half a token behind the text.
 */
#include "json_other.h"

#ifndef ZINGQ_YAJL

void json_other_agrees(struct slice text, bool good) {
    (void)text;
    (void)good;
}

#else

#include "base/json_read.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

/* The callbacks' context is our reader, on its way through the same text. */
static int is(void *ctx, enum json_token token) {
    enum json_token found = json_next(ctx);
    assert(found == token);
    return 1;
}

static int on_null(void *ctx) {
    return is(ctx, JSON_NOTHING);
}

static int on_boolean(void *ctx, int value) {
    return is(ctx, value != 0 ? JSON_YES : JSON_NO);
}

static int on_number(void *ctx, const char *digits, size_t len) {
    struct json_reader *r = ctx;
    enum json_token found = json_next(r);
    struct slice text = {digits, len};
    assert(found == JSON_WHOLE || found == JSON_DOUBLE);
    assert(slice_equal(text, r->text));
    char *number = slice_dup(text);
    assert(number != NULL);
    assert(found == JSON_WHOLE ? strtoll(number, NULL, 10) == r->whole
                               : strtod(number, NULL) == r->real);
    free(number);
    return 1;
}

static void same_text(struct json_reader *r, const unsigned char *text, size_t len) {
    char *room = malloc(r->text.len + 1);
    assert(room != NULL);
    struct slice ours = {room, json_unescape(r->text, room, r->text.len)};
    assert(r->torn || slice_equal(ours, (struct slice){(const char *)text, len}));
    free(room);
}

static int on_string(void *ctx, const unsigned char *text, size_t len) {
    (void)is(ctx, JSON_TEXT);
    same_text(ctx, text, len);
    return 1;
}

static int on_name(void *ctx, const unsigned char *text, size_t len) {
    (void)is(ctx, JSON_NAME);
    same_text(ctx, text, len);
    return 1;
}

static int on_object(void *ctx) {
    return is(ctx, JSON_BEGIN_OBJECT);
}

static int on_object_end(void *ctx) {
    return is(ctx, JSON_END_OBJECT);
}

static int on_array(void *ctx) {
    return is(ctx, JSON_BEGIN_ARRAY);
}

static int on_array_end(void *ctx) {
    return is(ctx, JSON_END_ARRAY);
}

static bool other_takes(const yajl_callbacks *callbacks, struct json_reader *r, struct slice text) {
    yajl_handle h = yajl_alloc(callbacks, NULL, r);
    assert(h != NULL);
    bool good = yajl_parse(h, (const unsigned char *)text.data, text.len) == yajl_status_ok &&
                yajl_complete_parse(h) == yajl_status_ok;
    yajl_free(h);
    return good;
}

/* Whether the text is none for a reason that YAJL sees. */
static bool is_bad(struct slice text) {
    struct json_reader r;
    enum json_token token;
    bool whole = false; /* or YAJL does not see it */
    size_t opened = 0;
    json_open_text(&r, text);
    while ((token = json_next(&r)) > JSON_END) {
        opened += token == JSON_BEGIN_ARRAY || token == JSON_BEGIN_OBJECT;
        whole = r.depth == 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        whole = whole || text.data[i] == '\v' || text.data[i] == '\f';
    }
    return !whole && opened < JSON_READ_DEPTH_MAX && utf8_is_valid(text);
}

void json_other_agrees(struct slice text, bool good) {
    static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                             .yajl_boolean = on_boolean,
                                             .yajl_number = on_number,
                                             .yajl_string = on_string,
                                             .yajl_start_map = on_object,
                                             .yajl_map_key = on_name,
                                             .yajl_end_map = on_object_end,
                                             .yajl_start_array = on_array,
                                             .yajl_end_array = on_array_end};
    struct json_reader reader;
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
        text.data += 3;
        text.len -= 3;
    }
    json_open_text(&reader, text);
    if (good) {
        assert(other_takes(&callbacks, &reader, text) && json_next(&reader) == JSON_END);
    } else if (is_bad(text)) {
        assert(!other_takes(NULL, NULL, text));
    }
}

#endif
