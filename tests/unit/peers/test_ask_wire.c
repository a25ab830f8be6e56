/* test_ask_wire.c - requests and answers between hosts as bytes, also such as nobody should send. */

#include "peers/ask_wire.h"
#include "base/limits.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 4 << 20 };

static void add_pair(struct buf *list, const char *name, const char *value) {
    buf_add_lv(list, slice_of(name));
    buf_add_lv(list, slice_of(value));
}

static void write_request(struct buf *out) {
    struct buf query;
    struct buf headers;
    buf_init(&query, MAX);
    buf_init(&headers, MAX);
    add_pair(&query, "key", "A 17\n");
    add_pair(&query, "empty", "");
    add_pair(&headers, "Idempotency-Key", "k1");
    const struct gateway_words words = {.method = "POST",
                                        .path = "/api/keys/seats/resume",
                                        .query = buf_slice(&query),
                                        .headers = buf_slice(&headers),
                                        .body = {"a\0b", 3}};
    buf_init(out, MAX);
    ask_write_request(&words, out);
    buf_clear(&query);
    buf_clear(&headers);
}

static void write_reply(struct buf *out) {
    const struct gateway_reply reply = {.status = 200,
                                        .content_type = "application/json",
                                        .headers = "Zingq-Next: 17\nX-Two: 2\n",
                                        .body = {"{}\0", 3}};
    buf_init(out, MAX);
    ask_write_reply(&reply, out);
}

static void a_request_reads_as_it_was_written(void **state) {
    (void)state;
    struct buf bytes;
    struct ask_request request;
    write_request(&bytes);
    assert_int_equal(ask_read_request(&request, buf_slice(&bytes)), 0);
    assert_string_equal(request.words.method, "POST");
    assert_string_equal(request.words.path, "/api/keys/seats/resume");
    assert_true(request.words.final);
    assert_true(slice_equal(request.words.body, (struct slice){"a\0b", 3}));
    struct buf again;
    buf_init(&again, MAX);
    ask_write_request(&request.words, &again);
    assert_true(slice_equal(buf_slice(&bytes), buf_slice(&again)));
    ask_request_clear(&request);
    buf_clear(&bytes);
    buf_clear(&again);
}

static void an_answer_reads_as_it_was_written(void **state) {
    (void)state;
    struct buf bytes;
    struct ask_reply reply;
    write_reply(&bytes);
    assert_int_equal(ask_read_reply(&reply, buf_slice(&bytes)), 0);
    assert_int_equal(reply.reply.status, 200);
    assert_string_equal(reply.reply.content_type, "application/json");
    assert_string_equal(reply.reply.headers, "Zingq-Next: 17\nX-Two: 2\n");
    assert_true(slice_equal(reply.reply.body, (struct slice){"{}\0", 3}));
    ask_reply_clear(&reply);
    buf_clear(&bytes);
}

static void another_version_is_told_apart_from_garbage(void **state) {
    (void)state;
    struct ask_request request;
    struct ask_reply reply;
    const struct slice later = {"\2whatever", 9};
    assert_int_equal(ask_read_request(&request, later), ERR_SCHEMA);
    assert_int_equal(ask_read_reply(&reply, later), ERR_SCHEMA);
    assert_int_equal(ask_read_request(&request, slice_of("")), ERR_INVALID);
    assert_int_equal(ask_read_reply(&reply, (struct slice){"\0", 1}), ERR_INVALID);
}

static int read_written(const struct gateway_words *words) {
    struct buf bytes;
    struct ask_request request;
    buf_init(&bytes, MAX);
    ask_write_request(words, &bytes);
    int code = ask_read_request(&request, buf_slice(&bytes));
    if (code == 0) {
        ask_request_clear(&request);
    }
    buf_clear(&bytes);
    return code;
}

static void what_no_host_writes_is_refused(void **state) {
    (void)state;
    const struct gateway_words good = {.method = "GET", .path = "/api/status"};
    assert_int_equal(read_written(&good), 0);
    static const char *const methods[] = {"", "get", "GET ", "AVERYLONGMETHODXX", "G\nT"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct gateway_words words = good;
        words.method = methods[i];
        assert_int_equal(read_written(&words), ERR_INVALID);
    }
    struct gateway_words words = good;
    words.path = "api/status";
    assert_int_equal(read_written(&words), ERR_INVALID);
    static const struct slice lists[] = {
        {"\1\0\0\0a", 5},                   /* a name without a value */
        {"\0\0\0\0\1\0\0\0a", 9},           /* no name */
        {"\1\0\0\0a\1\0\0\0\0", 10},        /* a NUL */
        {"\377\377\377\377a\1\0\0\0b", 10}, /* a length past the end */
        {"\1\0\0\0a\3\0\0\0b\r\n", 12},     /* two lines */
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        words = good;
        words.headers = lists[i];
        assert_int_equal(read_written(&words), ERR_INVALID);
    }
    struct buf many;
    buf_init(&many, MAX);
    for (int i = 0; i <= ASK_PAIRS_MAX; i++) {
        add_pair(&many, "a", "b");
    }
    words = good;
    words.query = buf_slice(&many);
    assert_int_equal(read_written(&words), ERR_INVALID);
    buf_clear(&many);
}

static void answers_that_would_forge_a_header_are_refused(void **state) {
    (void)state;
    static const struct gateway_reply bad[] = {
        {.status = 100, .content_type = "a/b"},
        {.status = 600, .content_type = "a/b"},
        {.status = 200, .content_type = ""},
        {.status = 200, .content_type = "a/b\r\nSet-Cookie: x"},
        {.status = 200, .content_type = "a/b", .headers = "no colon\n"},
        {.status = 200, .content_type = "a/b", .headers = "A: no end"},
        {.status = 200, .content_type = "a/b", .headers = ": no name\n"},
        {.status = 200, .content_type = "a/b", .headers = "A: 1\r\n"},
        {.status = 200, .content_type = "a/b", .headers = "\n"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf bytes;
        struct ask_reply reply;
        buf_init(&bytes, MAX);
        ask_write_reply(&bad[i], &bytes);
        assert_int_equal(ask_read_reply(&reply, buf_slice(&bytes)), ERR_INVALID);
        buf_clear(&bytes);
    }
}

/* Read or refused, and never past the end: the copy is as long as what is in it. */
static void read_both(const char *data, size_t len) {
    struct ask_request request;
    struct ask_reply reply;
    char *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    if (ask_read_request(&request, (struct slice){copy, len}) == 0) {
        ask_request_clear(&request);
    }
    if (ask_read_reply(&reply, (struct slice){copy, len}) == 0) {
        ask_reply_clear(&reply);
    }
    free(copy);
}

static void every_cut_and_every_changed_byte_is_survived(void **state) {
    (void)state;
    struct buf bytes[2];
    write_request(&bytes[0]);
    write_reply(&bytes[1]);
    for (size_t b = 0; b < 2; b++) {
        for (size_t len = 0; len < bytes[b].len; len++) {
            struct ask_request request;
            struct ask_reply reply;
            read_both(bytes[b].data, len);
            assert_int_not_equal(ask_read_request(&request, (struct slice){bytes[b].data, len}), 0);
            assert_int_not_equal(ask_read_reply(&reply, (struct slice){bytes[b].data, len}), 0);
        }
        for (size_t i = 0; i < bytes[b].len; i++) {
            char was = bytes[b].data[i];
            for (int v = 0; v < 256; v++) {
                bytes[b].data[i] = (char)v;
                read_both(bytes[b].data, bytes[b].len);
            }
            bytes[b].data[i] = was;
        }
        buf_clear(&bytes[b]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reads_as_it_was_written),
        cmocka_unit_test(an_answer_reads_as_it_was_written),
        cmocka_unit_test(another_version_is_told_apart_from_garbage),
        cmocka_unit_test(what_no_host_writes_is_refused),
        cmocka_unit_test(answers_that_would_forge_a_header_are_refused),
        cmocka_unit_test(every_cut_and_every_changed_byte_is_survived),
    };
    return cmocka_run_group_tests_name("ask_wire", tests, NULL, NULL);
}
