/* test_cli_live.c - the head of `zingq status` and `top`: what a host says of itself and its
 * broker. */
#include "cli/live.h"

#include "base/json.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is printed for the host; the caller frees it. */
static char *printed(const char *host) {
    json_t *status = json_pack("{s:o, s:{s:b}}", "host", json_read(slice_of(host), "text", NULL),
                               "engine", "accepts", 1);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(status);
    assert_non_null(out);
    live_print_host(out, status);
    assert_int_equal(fclose(out), 0);
    json_decref(status);
    return text;
}

static void a_broker_that_drops_messages_is_told_loudly(void **state) {
    (void)state;
    char *text = printed("{\"broker\": \"mqtt://b\", \"connected\": true, \"broker_dropped\": 7}");
    assert_non_null(strstr(text, "mqtt://b connected, HAS DROPPED 7 messages since it started\n"));
    free(text);
}

static void a_broker_that_drops_nothing_or_does_not_tell_is_no_news(void **state) {
    (void)state;
    static const char *const hosts[] = {
        "{\"broker\": \"mqtt://b\", \"connected\": true, \"broker_dropped\": 0}",
        "{\"broker\": \"mqtt://b\", \"connected\": true, \"broker_dropped\": null}"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char *text = printed(hosts[i]);
        assert_non_null(strstr(text, "mqtt://b connected\n"));
        free(text);
    }
}

static void a_lost_connection_is_told_with_its_reason(void **state) {
    (void)state;
    char *text = printed("{\"broker\": \"mqtt://b\", \"connected\": false, "
                         "\"broker_error\": \"refused\"}");
    assert_non_null(strstr(text, "mqtt://b NOT CONNECTED: refused\n"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_drops_messages_is_told_loudly),
        cmocka_unit_test(a_broker_that_drops_nothing_or_does_not_tell_is_no_news),
        cmocka_unit_test(a_lost_connection_is_told_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
