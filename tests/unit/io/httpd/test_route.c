/*
 * test_route.c - which row of a table a path and a method lead to.
 */

#include "io/httpd/route.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static void serve(void *ctx, const struct call *call) {
    (void)ctx;
    (void)call;
}

enum { LIST, GROUPS, ONE, SKIP, REST, ROOT };

static const struct route rows[] = {
    {"GET", "/", ACCESS_ANYONE, serve, ROOT},
    {"GET", "/api/dlq", ACCESS_READ, serve, LIST},
    {"GET", "/api/dlq/groups", ACCESS_READ, serve, GROUPS},
    {"GET", "/api/dlq/*", ACCESS_READ, serve, ONE},
    {"POST", "/api/keys/*/skip", ACCESS_READ, serve, SKIP},
    {"POST", "/api/signals/**", ACCESS_READ, serve, REST},
};
static const struct route_table table = {rows, sizeof rows / sizeof *rows};

/* The kind of the row; -1: the path is unknown, -2: it does not know the method. */
static int find(const char *method, const char *path) {
    struct call call;
    bool known = route_find(&table, method, path, &call);
    assert_int_equal(known, call.route != NULL);
    return call.route == NULL ? -1 : call.allowed ? call.route->kind : -2;
}

static void a_name_comes_before_any(void **state) {
    (void)state;
    assert_int_equal(find("GET", "/api/dlq/groups"), GROUPS);
    assert_int_equal(find("GET", "/api/dlq/group"), ONE);
    assert_int_equal(find("GET", "/api/dlq"), LIST);
    assert_int_equal(find("GET", "/"), ROOT);
}

static void head_is_get(void **state) {
    (void)state;
    assert_int_equal(find("HEAD", "/api/dlq"), LIST);
    assert_int_equal(find("HEAD", "/api/keys/s/skip"), -2);
}

static void a_path_is_matched_as_a_whole(void **state) {
    (void)state;
    static const char *const unknown[] = {"",
                                          "api",
                                          "/api",
                                          "/api/dlqs",
                                          "/api/dlq/1/2",
                                          "//",
                                          "/api/keys/s/skip/x",
                                          "/api/keys/s",
                                          "*",
                                          "/api/keys/a/b/c/d/e/skip"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(find("GET", unknown[i]), -1);
    }
}

static void a_part_that_is_any_may_be_empty(void **state) {
    (void)state;
    assert_int_equal(find("GET", "/api/dlq/"), ONE);
    assert_int_equal(find("POST", "/api/keys//skip"), SKIP);
}

static void the_rest_may_be_long(void **state) {
    (void)state;
    assert_int_equal(find("POST", "/api/signals/s/key/name"), REST);
    assert_int_equal(find("POST", "/api/signals/a/b/c/d/e/f/g/h"), REST);
    assert_int_equal(find("POST", "/api/signals"), -1);
}

static void parts_are_what_stands_between_slashes(void **state) {
    (void)state;
    struct call call;
    assert_true(route_find(&table, "POST", "/api/keys/seats/skip", &call));
    assert_int_equal(call.parts.count, 4);
    assert_true(slice_is(call.parts.at[2], "seats"));
}

struct heard {
    int status;
    char headers[64], body[128];
};

static void on_answer(void *ctx, const struct gateway_reply *reply) {
    struct heard *heard = ctx;
    heard->status = reply->status;
    (void)snprintf(heard->headers, sizeof heard->headers, "%s",
                   reply->headers == NULL ? "" : reply->headers);
    (void)snprintf(heard->body, sizeof heard->body, "%.*s", (int)reply->body.len, reply->body.data);
}

static struct heard refuse(const char *method, const char *path) {
    struct heard heard = {0};
    struct call call = {.request = NULL};
    const struct gateway_words words = {.method = method, .path = path};
    assert_int_equal(gateway_guest_new(&call.request, &words, &heard, on_answer), 0);
    (void)route_find(&table, method, path, &call);
    route_refuse(&call);
    return heard;
}

static void a_refusal_says_what_the_path_knows(void **state) {
    (void)state;
    struct heard heard = refuse("PUT", "/api/dlq");
    assert_int_equal(heard.status, 405);
    assert_string_equal(heard.headers, "Allow: GET, HEAD\n");
    heard = refuse("GET", "/api/keys/s/skip");
    assert_string_equal(heard.headers, "Allow: POST\n");
    assert_non_null(strstr(heard.body, "use POST"));
    assert_int_equal(refuse("GET", "/api/nothing").status, 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_comes_before_any),
        cmocka_unit_test(head_is_get),
        cmocka_unit_test(a_path_is_matched_as_a_whole),
        cmocka_unit_test(a_part_that_is_any_may_be_empty),
        cmocka_unit_test(the_rest_may_be_long),
        cmocka_unit_test(parts_are_what_stands_between_slashes),
        cmocka_unit_test(a_refusal_says_what_the_path_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
