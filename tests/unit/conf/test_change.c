/* test_change.c - two versions of topics.conf: what is different, what needs a restart, and what an exchange
 * leaves where it was. */
#include "conf/change.h"

#include "conf_folder.h"
#include "test.h"

#include <string.h>

#define S "service \"s\" { subscribe = {\"a\", \"b\"} handler = \"h.lua\" "

static bool same(const char *a, const char *b) {
    struct conf *x = conf_folder_load(a);
    struct conf *y = conf_folder_load(b);
    bool is = conf_same(x, y);
    conf_free(x);
    conf_free(y);
    return is;
}

static void only_what_is_said_counts_not_where(void **state) {
    (void)state;
    assert_true(same("", ""));
    assert_true(same(S "}", "# a word\n\n" S " retries = 3 }"));
}

static void a_change_of_any_kind_of_option_is_seen(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {S "}", S "retries = 4 }"},
        {S "}", S "key = \"topic:1\" }"},
        {S "key = \"topic:1\" }", S "key = \"topic:2\" }"},
        {S "}", S "delay = \"2s\" }"},
        {S "}", S "rate = \"5/s\" }"},
        {S "}", S "max_dead = \"5\" }"},
        {S "}", S "on_dead = park key = \"topic:1\" }"},
        {S "}", S "secrets = {} dead_topic = \"\" }"},
        {S "}", "service \"s\" { subscribe = {\"b\", \"a\"} handler = \"h.lua\" }"},
        {S "}", "service \"t\" { subscribe = {\"a\", \"b\"} handler = \"h.lua\" }"},
        {S "}", ""},
        {"", "vars { a = \"1\" }"},
        {"vars { a = \"1\" }", "vars { a = \"2\" }"},
        {"", "token \"n\" { value = \"sixteen-bytes-or-more\" role = \"read\" }"},
        {"", "schedule \"n\" { cron = \"* * * * *\" publish = \"p\" }"},
        {"", "endpoint \"/api/n\" { publish = \"p\" }"},
        {"", "broker { url = {\"mqtt://127.0.0.1\", \"mqtt://127.0.0.2\"} }"},
        {"", "log { level = \"debug\" }"},
        {"", "database \"d\" { url = \"postgres://h/d\" }"},
        {"", "store { linger = \"5ms\" }"},
        {"", "store { max_size = \"1GiB\" }"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (same(pairs[i][0], pairs[i][1])) {
            fail_msg("the same: %s and %s", pairs[i][0], pairs[i][1]);
        }
    }
}

static int check(const char *running, const char *fresh, struct report *r) {
    struct conf *x = conf_folder_load(running);
    struct conf *y = conf_folder_load(fresh);
    int code = conf_check_change(x, y, r);
    conf_free(x);
    conf_free(y);
    return code;
}

static void what_needs_a_restart_is_named(void **state) {
    (void)state;
    struct report r = {""};
    assert_int_equal(check(S "}", S "retries = 4 } limits { backlog = 5 }", &r), 0);
    assert_int_equal(check("", "http { listen = \"\" } broker { username = \"u\" }", &r),
                     ERR_INVALID);
    assert_string_equal(r.text, "a change of broker.username, http.listen needs a restart of the "
                                "host");
    assert_int_equal(check("", "database \"d\" { url = \"postgres://h/d\" }", &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "database{}"));
    assert_int_equal(check(S "}", S "share = no }", &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "s.share"));
}

static void hosts_that_divide_the_keys_keep_their_services(void **state) {
    (void)state;
    struct report r = {""};
    static const char hosts[] = "hosts { count = 2 this = 1 }\n" S "}";
    static const char fewer[] = "hosts { count = 2 this = 1 }\n";
    static const char other[] = "hosts { count = 2 this = 1 }\n" S "retries = 1 }";
    assert_int_equal(check(hosts, other, &r), 0);
    assert_int_equal(check(hosts, fewer, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "the list of services"));
}

static void an_exchange_leaves_in_place_what_others_point_to(void **state) {
    (void)state;
    struct conf *x = conf_folder_load(S "}");
    struct conf *y = conf_folder_load(S "retries = 7 } vars { a = \"1\" }");
    const char *host = x->broker.host;
    const char *path = x->store_path;
    const char *listen = x->http_listen;
    conf_exchange(x, y);
    assert_int_equal(x->services[0].retries, 7);
    assert_int_equal(x->var_count, 1);
    assert_int_equal(y->services[0].retries, 3);
    assert_ptr_equal(x->broker.host, host);
    assert_ptr_equal(x->store_path, path);
    assert_ptr_equal(x->http_listen, listen);
    conf_exchange(x, y);
    assert_int_equal(x->services[0].retries, 3);
    conf_free(x);
    conf_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(only_what_is_said_counts_not_where),
        TEST_IN_FOLDER(a_change_of_any_kind_of_option_is_seen),
        TEST_IN_FOLDER(what_needs_a_restart_is_named),
        TEST_IN_FOLDER(hosts_that_divide_the_keys_keep_their_services),
        TEST_IN_FOLDER(an_exchange_leaves_in_place_what_others_point_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
