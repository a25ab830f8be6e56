/* test_gateway_guest.c - requests that did not come over a socket. */

#include "gateway_world.h"
#include "test.h"

#include <string.h>

/* What the last answer said. */
struct answer {
    int status, count;
    char type[64], headers[64], body[256];
};

static void note(void *ctx, const struct gateway_reply *reply) {
    struct answer *answer = ctx;
    answer->count++;
    answer->status = reply->status;
    (void)snprintf(answer->type, sizeof answer->type, "%s", reply->content_type);
    (void)snprintf(answer->headers, sizeof answer->headers, "%s",
                   reply->headers == NULL ? "" : reply->headers);
    (void)snprintf(answer->body, sizeof answer->body, "%.*s", (int)reply->body.len,
                   reply->body.data);
}

static void add_pair(struct buf *list, const char *name, const char *value) {
    buf_add_lv(list, slice_of(name));
    buf_add_lv(list, slice_of(value));
}

static struct gateway_request *make(struct answer *answer, struct buf *query, struct buf *headers) {
    struct gateway_request *request = NULL;
    const struct gateway_words words = {.method = "POST",
                                        .path = "/api/keys/a b",
                                        .query = buf_slice(query),
                                        .headers = buf_slice(headers),
                                        .body = slice_of("hello")};
    assert_int_equal(gateway_guest_new(&request, &words, answer, note), 0);
    return request;
}

static void a_guest_says_what_it_was_made_of(void **state) {
    (void)state;
    struct answer answer = {.count = 0};
    struct buf query;
    struct buf headers;
    buf_init(&query, 1000);
    buf_init(&headers, 1000);
    add_pair(&query, "key", "A&17");
    add_pair(&query, "empty", "");
    add_pair(&headers, "Idempotency-Key", "k1");
    struct gateway_request *request = make(&answer, &query, &headers);
    buf_clear(&query);
    buf_clear(&headers);
    assert_string_equal(gateway_method(request), "POST");
    assert_string_equal(gateway_path(request), "/api/keys/a b");
    assert_string_equal(gateway_query(request, "key"), "A&17");
    assert_string_equal(gateway_query(request, "empty"), "");
    assert_null(gateway_query(request, "Key"));
    assert_string_equal(gateway_header(request, "idempotency-key"), "k1");
    assert_null(gateway_header(request, "content-type"));
    assert_true(slice_is(gateway_body(request), "hello"));
    assert_false(gateway_is_final(request));
    gateway_answer(request, 202, NULL, "X-One: 1\n", slice_of("{}"));
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, 202);
    assert_string_equal(answer.type, "application/json");
    assert_string_equal(answer.headers, "X-One: 1\n");
    assert_string_equal(answer.body, "{}");
}

static void a_guest_gets_no_stream_and_is_told(void **state) {
    (void)state;
    struct answer answer = {.count = 0};
    struct gateway_request *request = NULL;
    const struct gateway_words words = {.method = "GET", .path = "/api/live", .final = true};
    assert_int_equal(gateway_guest_new(&request, &words, &answer, note), 0);
    assert_true(gateway_is_final(request));
    assert_null(gateway_stream_new(request, "text/event-stream", NULL, NULL));
    assert_int_equal(answer.status, 501);
}

static void a_guest_may_be_forgotten(void **state) {
    (void)state;
    struct answer answer = {.count = 0};
    struct gateway_request *request = NULL;
    const struct gateway_words words = {.method = "GET", .path = "/"};
    assert_int_equal(gateway_guest_new(&request, &words, &answer, note), 0);
    gateway_guest_free(request);
    assert_int_equal(answer.count, 0);
}

static void lists_that_are_none_are_refused(void **state) {
    (void)state;
    static const struct slice bad[] = {
        {"\1\0\0\0a", 5},                   /* a name without a value */
        {"\1\0\0\0a\5\0\0\0b", 10},         /* a length past the end */
        {"\1\0\0\0a\1\0\0\0\0", 10},        /* a NUL */
        {"\377\377\377\377a\1\0\0\0b", 10}, /* a very long one */
        {"\1\0", 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gateway_request *request = NULL;
        struct gateway_words words = {.method = "GET", .path = "/", .query = bad[i]};
        assert_int_equal(gateway_guest_new(&request, &words, NULL, note), ERR_INVALID);
        words = (struct gateway_words){.method = "GET", .path = "/", .headers = bad[i]};
        assert_int_equal(gateway_guest_new(&request, &words, NULL, note), ERR_INVALID);
    }
}

static void assert_query(const struct gateway_request *request) {
    struct buf list;
    struct buf expected;
    buf_init(&list, 1000);
    buf_init(&expected, 1000);
    gateway_add_query(request, "host", &list);
    add_pair(&expected, "key", "A 17");
    add_pair(&expected, "limit", "5");
    assert_true(slice_equal(buf_slice(&list), buf_slice(&expected)));
    buf_clear(&list);
    buf_clear(&expected);
}

static void a_query_is_copied_without_one_name(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "GET /?key=A%2017&host=2&limit=5&flag HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until_requests(w, 1);
    assert_query(w->requests[0]);
    gateway_answer(w->requests[0], 200, NULL, NULL, slice_of("{}"));
    assert_int_equal(raw_status(w, fd), 200);
    struct answer answer = {.count = 0};
    struct buf query;
    struct buf headers;
    buf_init(&query, 1000);
    buf_init(&headers, 1000);
    add_pair(&query, "key", "A 17");
    add_pair(&query, "host", "2");
    add_pair(&query, "limit", "5");
    struct gateway_request *guest = make(&answer, &query, &headers);
    buf_clear(&query);
    assert_query(guest);
    gateway_guest_free(guest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_says_what_it_was_made_of),
        cmocka_unit_test(a_guest_gets_no_stream_and_is_told),
        cmocka_unit_test(a_guest_may_be_forgotten),
        cmocka_unit_test(lists_that_are_none_are_refused),
        WITH(a_query_is_copied_without_one_name, gateway_world_tcp),
    };
    return cmocka_run_group_tests_name("gateway_guest", tests, NULL, NULL);
}
