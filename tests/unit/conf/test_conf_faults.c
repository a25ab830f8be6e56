/*
 * test_conf_faults.c - topics.conf is read whole, or refused with a sentence, whatever fails meanwhile.
 *
 * ctest: faults label=torture
 */
#include "conf_folder.h"
#include "fault.h"
#include "test.h"

#include <string.h>

static const char CONF[] =
    "broker { url = \"mqtt://127.0.0.1\" password = \"file:secret\" }\n"
    "log { level = \"warn\" }\n"
    "vars { currency = \"file:secret\" greeting = \"hello\" }\n"
    "database \"shop\" { url = \"postgres://shop@127.0.0.1/shop\" }\n"
    "egress { allow = {\"*.example.org\"} }\n"
    "telemetry { otlp = \"http://127.0.0.1:4318\" }\n"
    "service \"seats\" {\n"
    "  subscribe = {\"in/#\", \"more/+\"} handler = \"seats.lua\" key = \"json:/seat/id\"\n"
    "  idempotency = \"json:/id\" rate = \"10/s\" fair = \"topic:2\" secrets = {\"currency\"}\n"
    "}\n"
    "endpoint \"/seats\" { publish = \"in/posted\" required = {\"id\"} }\n"
    "schedule \"nightly\" { cron = \"0 3 * * *\" publish = \"in/night\" payload = \"{}\" }\n";

static bool it_is_read(void *ctx) {
    (void)ctx;
    struct conf *c = NULL;
    struct report r = {.text = ""};
    fault_on();
    int code = conf_load(&c, NULL, NULL, &r);
    fault_off();
    if (code != 0) {
        assert_null(c);
        return fault_named(r.text);
    }
    assert_string_equal(c->broker.password, "hidden");
    assert_int_equal(c->service_count + c->endpoint_count + c->schedule_count, 3);
    assert_int_equal(c->var_count, 2);
    assert_string_equal(c->services[0].filters[1], "more/+");
    fault_on();
    conf_free(c);
    fault_off();
    return true;
}

static void topics_conf_is_read_whole_or_not_at_all(void **state) {
    (void)state;
    conf_folder_write("topics.conf", CONF);
    conf_folder_write("secret", "hidden\n");
    fault_each("conf", FAULT_MEMORY | FAULT_SYSTEM, it_is_read, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST_IN_FOLDER(topics_conf_is_read_whole_or_not_at_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
