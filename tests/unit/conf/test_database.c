/* test_database.c - databases in topics.conf. */
#include "conf/conf.h"

#include "conf_folder.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static const char services[] = "service a { subscribe = {\"a\"}  handler = a.lua }\n"
                               "service b { subscribe = {\"b\"}  handler = b.lua }\n";

static struct conf *load_with(const char *database) {
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", services, database);
    return conf_folder_load(text);
}

static void refuse_with(const char *database, const char *sentence) {
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", services, database);
    assert_refused(text, sentence);
}

static void a_database_has_a_url_a_pool_and_a_timeout(void **state) {
    (void)state;
    struct conf *c = load_with("database shop { url = \"postgres://db/shop\" }");
    const struct database_conf *d = conf_find_database(c, slice_of("shop"));
    assert_non_null(d);
    assert_string_equal(d->url, "postgres://db/shop");
    assert_int_equal(d->pool, 8);
    assert_int_equal(d->timeout_ms, 10000);
    assert_null(conf_find_database(c, slice_of("cellar")));
    conf_free(c);
}

static void without_services_it_serves_all(void **state) {
    (void)state;
    struct conf *c = load_with("database shop { url = \"postgres://db/shop\" }");
    assert_true(database_serves(&c->databases[0], "a"));
    assert_true(database_serves(&c->databases[0], "b"));
    conf_free(c);
}

static void with_services_it_serves_only_these(void **state) {
    (void)state;
    struct conf *c =
        load_with("database shop { url = \"postgres://db/shop\"  services = {\"b\"} }");
    assert_false(database_serves(&c->databases[0], "a"));
    assert_true(database_serves(&c->databases[0], "b"));
    conf_free(c);
}

static void what_cannot_work_is_refused(void **state) {
    (void)state;
    refuse_with("database shop { url = \"mysql://db/shop\" }",
                "topics.conf:3: database \"shop\": url must begin with postgres://, as in "
                "\"postgres://host:5432/name\", and is best kept in the environment: url = "
                "\"env:DATABASE_URL\"");
    refuse_with("database shop { url = \"postgres://db/shop\"  services = {\"c\"} }",
                "topics.conf:3: database \"shop\": services: there is no service \"c\"");
    refuse_with("database shop { url = \"postgres://db/a\" }\n"
                "database shop { url = \"postgres://db/b\" }",
                "topics.conf:4: database \"shop\" is defined twice, first on line 3");
    refuse_with(
        "database shop { url = \"postgres://db/a\"  pool = 0 }",
        "topics.conf:3: database \"shop\": pool: \"0\" is out of range: it must be from 1 to 256");
}

static void without_secrets_its_url_is_not_missed(void **state) {
    (void)state;
    conf_folder_write("topics.conf", "database shop { url = \"env:NO_SUCH_VARIABLE\" }");
    const struct conf_overrides overrides = {.no_secrets = true};
    struct conf *c = NULL;
    struct report r = {.text = ""};
    assert_int_equal(conf_load(&c, NULL, &overrides, &r), 0);
    assert_string_equal(c->databases[0].url, "");
    conf_free(c);
}

static void a_store_has_a_log_in_a_database_if_one_is_named(void **state) {
    (void)state;
    struct conf *c = load_with("store { url = \"postgres://db/log\" }");
    assert_string_equal(c->store_url, "postgres://db/log");
    assert_string_equal(c->store_name, "zingq");
    conf_free(c);
    c = load_with("");
    assert_string_equal(c->store_url, "");
    conf_free(c);
    refuse_with("store { url = \"mysql://db/log\" }",
                "topics.conf:3: store: url must begin with postgres://, as in "
                "\"postgres://host:5432/name\", and is best kept in the environment: url = "
                "\"env:DATABASE_URL\"");
    assert_int_equal(setenv("LOG_URL", "", 1), 0);
    refuse_with("store { url = \"env:LOG_URL\" }",
                "topics.conf:3: store: url must begin with postgres://, as in "
                "\"postgres://host:5432/name\", and is best kept in the environment: url = "
                "\"env:DATABASE_URL\"");
    refuse_with(
        "store { name = \"a b\" }",
        "topics.conf:3: store: name: \"a b\" is not a valid name: use 1 to 64 letters, digits, "
        "- and _");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(a_database_has_a_url_a_pool_and_a_timeout),
        TEST_IN_FOLDER(without_services_it_serves_all),
        TEST_IN_FOLDER(with_services_it_serves_only_these),
        TEST_IN_FOLDER(what_cannot_work_is_refused),
        TEST_IN_FOLDER(a_store_has_a_log_in_a_database_if_one_is_named),
        TEST_IN_FOLDER(without_secrets_its_url_is_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
