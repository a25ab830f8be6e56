/* test_telemetry.c - telemetry{} of topics.conf. */
#include "conf/conf.h"

#include "conf_folder.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static const char service[] = "service a { subscribe = {\"a\"}  handler = a.lua }\n";

static struct conf *load_with(const char *telemetry) {
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", service, telemetry);
    return conf_folder_load(text);
}

static void refuse_with(const char *telemetry, const char *sentence) {
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", service, telemetry);
    assert_refused(text, sentence);
}

static void it_is_off_unless_there_is_a_receiver(void **state) {
    (void)state;
    struct conf *c = load_with("");
    assert_false(telemetry_is_on(&c->telemetry));
    assert_string_equal(c->telemetry.service_name, "zingq");
    assert_true(c->telemetry.sample == 1);
    conf_free(c);
    c = load_with("telemetry { otlp = \"https://otlp.example.org/prefix\"  sample = 0.25 }");
    assert_true(telemetry_is_on(&c->telemetry));
    assert_true(c->telemetry.sample == 0.25);
    conf_free(c);
}

static void the_value_of_a_header_may_be_a_secret(void **state) {
    (void)state;
    assert_int_equal(setenv("OTLP_AUTH", "Bearer x: y", 1), 0);
    struct conf *c =
        load_with("telemetry { headers = {\"Authorization: env:OTLP_AUTH\", \"X-Team: blue\"} }");
    assert_int_equal(c->telemetry.header_count, 2);
    assert_string_equal(c->telemetry.headers[0], "Authorization: Bearer x: y");
    assert_string_equal(c->telemetry.headers[1], "X-Team: blue");
    conf_free(c);
}

static void what_cannot_work_is_refused(void **state) {
    (void)state;
    refuse_with("telemetry { otlp = \"127.0.0.1:4318\" }",
                "topics.conf:2: telemetry: otlp: the address of a receiver of OTLP over HTTP is "
                "written \"http://127.0.0.1:4318\", without ?, # and blanks, or \"\" for none");
    refuse_with("telemetry { otlp = \"http://\" }",
                "topics.conf:2: telemetry: otlp: the address of a receiver of OTLP over HTTP is "
                "written \"http://127.0.0.1:4318\", without ?, # and blanks, or \"\" for none");
    refuse_with("telemetry { otlp = \"user:secret@127.0.0.1:4318\" }",
                "topics.conf:2: telemetry: otlp: the address of a receiver of OTLP over HTTP is "
                "written \"http://127.0.0.1:4318\", without ?, # and blanks, or \"\" for none");
    refuse_with("telemetry { headers = {\"Bearer\"} }",
                "topics.conf:2: telemetry: headers: a header is written \"Name: value\"");
    refuse_with("telemetry { headers = {\"Authorization: env:OTLP_NOT_SET\"} }",
                "topics.conf:2: telemetry: headers: the environment variable OTLP_NOT_SET is not "
                "set");
}

static void a_header_that_no_request_could_carry_is_refused(void **state) {
    (void)state;
    assert_int_equal(setenv("OTLP_AUTH", "Bearer x\r", 1), 0);
    refuse_with("telemetry { headers = {\"Authorization: env:OTLP_AUTH\"} }",
                "topics.conf:2: telemetry: headers: the value of Authorization holds a line end or "
                "another control character");
    refuse_with("telemetry { headers = {\"Authorization: a\\nb\"} }",
                "topics.conf:2: telemetry: headers: the value of Authorization holds a line end or "
                "another control character");
    refuse_with("telemetry { headers = {\": x\"} }",
                "topics.conf:2: telemetry: headers: a header is written \"Name: value\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_off_unless_there_is_a_receiver),
        cmocka_unit_test(the_value_of_a_header_may_be_a_secret),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(a_header_that_no_request_could_carry_is_refused),
    };
    return cmocka_run_group_tests_name("conf/telemetry", tests, NULL, NULL);
}
