/*
 * test_calls.c - handlers that call the world: a thousand waiting at once in one small host, the
 * same Idempotency-Key at every try, mail, and servers that are away.
 */
#include "stage.h"

#include "base/json.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void play_charges(struct stage *s, const char *service) {
    char conf[1024];
    (void)snprintf(conf, sizeof conf,
                   "vars { gateway_url = \"http://127.0.0.1:%u\" }\n"
                   "service \"charge\" { subscribe = {\"in/#\"} handler = \"charge.lua\"\n"
                   "  key = \"json:/key\" concurrency = 1000 %s }\n",
                   s->gateway.port, service);
    stage_play(s, conf, "scripts/charge.lua", LUA(charge_script));
    stage_peers(s, "out");
}

static void publish_keys(struct stage *s, int count) {
    for (int i = 0; i < count; i++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "{\"key\":%d}", i);
        peer_publish(&s->publisher, "in/x", payload, NULL);
    }
}

static int64_t gateway_counts(struct stage *s, const char *what) {
    json_t *stats = helper_ask(&s->gateway, "/stats");
    const json_t *count = json_object_get(stats, what);
    int64_t value = json_is_integer(count) ? json_integer_value(count) : -1;
    json_decref(stats);
    return value;
}

static void a_thousand_handlers_wait_at_once_in_little_memory(void **state) {
    struct stage *s = *state;
    enum { CALLS = 1000 };
    helper_gateway(&s->gateway, "--slow-ms", "3000", NULL);
    play_charges(s, "");
    uint64_t before = program_resident(&s->host);

    publish_keys(s, CALLS);
    WAIT_FOR(s, program_host(&s->host, "calls") == CALLS);
    uint64_t waiting = program_resident(&s->host);
    WAIT_FOR(s, peer_distinct(&s->observer) == CALLS);

    print_message("resident: %llu KiB idle, %llu KiB with %d calls waiting\n",
                  (unsigned long long)before >> 10, (unsigned long long)waiting >> 10, CALLS);
    assert_true(waiting < (uint64_t)128 << 20);
    assert_int_equal(gateway_counts(s, "charges"), CALLS);
}

/* The gateway carries out and does not answer: without the same key at the next try it would
 * charge again. */
static void a_lost_answer_is_asked_for_again_under_the_same_key(void **state) {
    struct stage *s = *state;
    enum { CHARGES = 60 };
    helper_gateway(&s->gateway, "--timeout-rate", "0.3", "--fail", "0.2", NULL);
    play_charges(s, "retries = 30 delay = \"10ms\" max_delay = \"100ms\"");

    publish_keys(s, CHARGES);

    WAIT_FOR(s, program_service(&s->host, "charge", "done") == CHARGES);
    assert_int_equal(gateway_counts(s, "charges"), CHARGES);
    assert_true(program_service(&s->host, "charge", "retries") > 0);
}

static void a_server_that_is_away_is_waited_for(void **state) {
    struct stage *s = *state;
    helper_gateway(&s->gateway, NULL);
    helper_kill(&s->gateway);
    play_charges(s, "retries = 1000 delay = \"20ms\" max_delay = \"100ms\"");

    publish_keys(s, 20);
    WAIT_FOR(s, program_service(&s->host, "charge", "retries") > 40);
    assert_int_equal(program_service(&s->host, "charge", "dead"), 0);
    helper_gateway(&s->gateway, NULL);

    WAIT_FOR(s, peer_distinct(&s->observer) == 20);
    assert_int_equal(gateway_counts(s, "charges"), 20);
}

static void mail_is_delivered_or_tried_again_or_dead(void **state) {
    struct stage *s = *state;
    const char *script = LUA(mail_is_delivered_or_tried_again_or_dead);
    char conf[512];
    char log[128];
    (void)snprintf(log, sizeof log, "%s/mails", s->host.dir);
    helper_mail(&s->mail, "--log", log, NULL);
    (void)snprintf(conf, sizeof conf,
                   "vars { smtp_url = \"smtp://127.0.0.1:%u\" }\n"
                   "service \"mail\" { subscribe = {\"mail/#\"} handler = \"mail.lua\"\n"
                   "  retries = 1 delay = \"10ms\" }\n",
                   s->mail.port);
    stage_play(s, conf, "scripts/mail.lua", script);
    stage_peers(s, "zingq/dlq/mail");

    peer_publish(&s->publisher, "mail/a", "ann@example.org", NULL);
    peer_publish(&s->publisher, "mail/b", "busy@example.org", NULL);   /* 451 */
    peer_publish(&s->publisher, "mail/c", "nobody@example.org", NULL); /* 550 */

    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0 && peer_count(&s->observer) == 2);
    char *mails = program_read(&s->host, "mails");
    assert_non_null(strstr(mails, "ann@example.org"));
    assert_null(strstr(mails, "busy@example.org"));
    free(mails);
    assert_int_equal(program_service(&s->host, "mail", "done"), 1);
    assert_int_equal(program_service(&s->host, "mail", "retries"), 1); /* the 451 */
    for (size_t i = 0; i < 2; i++) {
        const struct note *n = peer_note(&s->observer, i);
        bool busy = strcmp(n->payload, "busy@example.org") == 0;
        assert_string_equal(note_property(n, "zingq-attempts"), busy ? "2" : "1");
        assert_non_null(strstr(note_property(n, "zingq-reason"), busy ? "451" : "550"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_thousand_handlers_wait_at_once_in_little_memory),
        TEST_ON_STAGE(a_lost_answer_is_asked_for_again_under_the_same_key),
        TEST_ON_STAGE(a_server_that_is_away_is_waited_for),
        TEST_ON_STAGE(mail_is_delivered_or_tried_again_or_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
