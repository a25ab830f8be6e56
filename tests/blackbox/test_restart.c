/*
 * test_restart.c - a Mosquitto that restarts and keeps its sessions, under load: a host that is
 * alone in its groups loses nothing, whoever is back first.
 *
 * Mosquitto does not write shared subscriptions into its database, so what is published after a
 * restart and before the host is back belongs to nobody; a plain subscription is kept.
 *
 * ctest: disk label=torture timeout=300
 */
#include "stage.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARING "broker { url = \"%s\" }\nhttp { listen = \"\" }\n"
#define ALONE "broker { url = \"%s\" alone = yes }\nhttp { listen = \"\" }\n"

static const char count_conf[] =
    "service \"count\" { subscribe = {\"in/+\"} handler = \"count.lua\"\n"
    "  key = \"topic:2\" idempotency = \"json:\" }\n";

static void restart(struct stage *s) {
    broker_stop(&s->broker);
    broker_start(&s->broker, STAGE_BROKER_KEEPS);
}

static void write_conf(const struct stage *s, const char *head, const char *services) {
    char text[1024];
    int len = snprintf(text, sizeof text, head, s->broker.url);
    (void)snprintf(text + len, sizeof text - (size_t)len, "%s", services);
    program_file(&s->host, "topics.conf", text);
}

static void play(struct stage *s, const char *head, const char *services) {
    restart(s);
    write_conf(s, head, services);
    program_file(&s->host, "scripts/count.lua",
                 "return function(event) zing.publish('out/' .. event.key, event.payload) end\n");
    program_start(&s->host);
    stage_peers(s, "out/+");
}

/* Numbers from `first` on; each is its own identity. */
static void publish(struct stage *s, int first, int last) {
    for (int i = first; i < last; i++) {
        char topic[16];
        char payload[16];
        (void)snprintf(topic, sizeof topic, "in/%d", i % 5);
        (void)snprintf(payload, sizeof payload, "%d", i);
        peer_publish(&s->publisher, topic, payload, NULL);
    }
}

/* How many of the numbers 0 to `last` - 1 came out. */
static int came_out(struct stage *s, int last) {
    bool *seen = calloc((size_t)last, sizeof *seen);
    const struct note *n;
    int count = 0;
    assert_non_null(seen);
    for (size_t i = 0; (n = peer_note(&s->observer, i)) != NULL; i++) {
        int number = (int)strtol(n->payload, NULL, 10);
        assert_in_range(number, 0, last - 1);
        count += seen[number] ? 0 : 1;
        seen[number] = true;
    }
    free(seen);
    return count;
}

static void what_comes_before_a_host_that_is_alone_is_back_waits_for_it(void **state) {
    struct stage *s = *state;
    play(s, ALONE, count_conf);
    program_kill(&s->host);

    restart(s);
    publish(s, 0, 50);
    peer_flush(&s->publisher);
    program_start(&s->host);

    WAIT_FOR(s, came_out(s, 50) == 50);
}

static void services_of_one_filter_each_get_their_copy_when_the_host_is_alone(void **state) {
    struct stage *s = *state;
    play(s, ALONE,
         "service \"one\" { subscribe = {\"in/+\"} handler = \"count.lua\" key = \"topic:2\" }\n"
         "service \"two\" { subscribe = {\"in/+\"} handler = \"count.lua\" key = \"topic:2\" }\n");

    publish(s, 0, 20);

    WAIT_FOR(s, program_service(&s->host, "one", "done") == 20);
    WAIT_FOR(s, program_service(&s->host, "two", "done") == 20);
}

static void a_host_that_is_alone_from_now_on_loses_nothing_by_it(void **state) {
    struct stage *s = *state;
    play(s, SHARING, count_conf);
    WAIT_FOR(s, program_says(&s->host, "Mosquitto forgets shared subscriptions") == 1);
    assert_int_equal(program_stop(&s->host), 0);
    publish(s, 0, 50);
    peer_flush(&s->publisher);

    write_conf(s, ALONE, count_conf);
    program_start(&s->host);
    publish(s, 50, 100);

    WAIT_FOR(s, came_out(s, 100) == 100);
    publish(s, 100, 110); /* over the plain subscription alone */
    WAIT_FOR(s, came_out(s, 110) == 110);
    assert_int_equal(program_service(&s->host, "count", "done"), 110);
    assert_int_equal(program_says(&s->host, "Mosquitto forgets shared subscriptions"), 0);
    assert_int_equal(program_says(&s->host, "giving up the subscription $share/count/in/+"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(what_comes_before_a_host_that_is_alone_is_back_waits_for_it),
        TEST_ON_STAGE(services_of_one_filter_each_get_their_copy_when_the_host_is_alone),
        TEST_ON_STAGE(a_host_that_is_alone_from_now_on_loses_nothing_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
