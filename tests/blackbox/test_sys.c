/*
 * test_sys.c - the host's figures as retained topics, and what the host says of the broker's own.
 */
#include "stage.h"

#include "base/json.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "zingq/sys/box-1/"
#define SEATS TOPIC "services/seats/"

static const char seats_conf[] =
    "service \"seats\" { subscribe = {\"in/#\"}  handler = \"seats.lua\"  key = \"topic:2\"\n"
    "  idempotency = \"topic:2\"  retries = 3  delay = \"1h\"  max_delay = \"1h\" }\n";

static void play(struct stage *s, const char *services) {
    char conf[2048];
    (void)snprintf(conf, sizeof conf,
                   "broker { url = \"%s\"  client_id = \"zingq-box/1\" }\n"
                   "http { listen = \"\" }\nsys { interval = \"100ms\" }\n%s",
                   s->broker.url, services);
    program_file(&s->host, "topics.conf", conf);
    program_file(&s->host, "scripts/seats.lua", LUA(script));
    program_start(&s->host);
}

/* The payload that came last on a topic, "?" when none did. */
static const char *shown(struct stage *s, const char *topic) {
    for (size_t i = peer_count(&s->observer); i-- > 0;) {
        const struct note *n = peer_note(&s->observer, i);
        if (strcmp(n->topic, topic) == 0) {
            return n->payload;
        }
    }
    return "?";
}

static size_t times(struct stage *s, const char *topic) {
    size_t count = 0;
    for (size_t i = 0; i < peer_count(&s->observer); i++) {
        count += strcmp(peer_note(&s->observer, i)->topic, topic) == 0 ? 1 : 0;
    }
    return count;
}

#define WAIT_SHOWN(s, topic, payload) WAIT_FOR(s, strcmp(shown(s, topic), payload) == 0)

static void every_figure_is_a_retained_topic(void **state) {
    struct stage *s = *state;
    static const char *const figures[] = {
        "version",
        "uptime",
        "broker/connected",
        "services/seats/lag",
        "services/seats/oldest",
        "services/seats/inflight",
        "services/seats/retrying",
        "services/seats/dead",
        "services/seats/rate/1min",
        "services/seats/failures/1min",
        "services/seats/failure_rate",
        "services/seats/latency/p50",
        "services/seats/latency/p99",
        "services/seats/done/total",
        "services/seats/retried/total",
        "services/seats/duplicates/total",
        "services/seats/handler/version",
    };
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_SHOWN(s, TOPIC "broker/connected", "1");
    WAIT_FOR(s, times(s, SEATS "handler/error") == 1);

    peer_clear(&s->publisher);
    peer_start(&s->publisher, s->broker.port, "late", PEER_MQTT5, "zingq/sys/#");

    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char topic[128];
        (void)snprintf(topic, sizeof topic, TOPIC "%s", figures[i]);
        WAIT_FOR(s, peer_find(&s->publisher, topic) != NULL);
        assert_true(peer_find(&s->publisher, topic)->retain);
    }
    assert_null(peer_find(&s->publisher, SEATS "handler/error"));
}

static void the_figures_tell_what_happens(void **state) {
    struct stage *s = *state;
    static const struct letter letters[] = {
        {.topic = "in/a", .payload = "later"}, {.topic = "in/b", .payload = "later"},
        {.topic = "in/b", .payload = "again"}, {.topic = "in/c", .payload = "never"},
        {.topic = "in/d", .payload = "good"},
    };
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);

    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        peer_send(&s->publisher, &letters[i]);
    }

    WAIT_SHOWN(s, SEATS "retrying", "2");
    WAIT_SHOWN(s, SEATS "lag", "2");
    WAIT_SHOWN(s, SEATS "dead", "1");
    WAIT_SHOWN(s, SEATS "done/total", "1");
    WAIT_SHOWN(s, SEATS "retried/total", "2");
    WAIT_SHOWN(s, SEATS "duplicates/total", "1");
    WAIT_SHOWN(s, SEATS "failures/1min", "3");
    WAIT_SHOWN(s, SEATS "failure_rate", "0.7500");
    assert_true(strtod(shown(s, SEATS "oldest"), NULL) > 0);
}

static void what_waits_for_a_retry_is_counted_again_after_a_kill(void **state) {
    struct stage *s = *state;
    stage_peers(s, "none");
    play(s, seats_conf);
    peer_publish(&s->publisher, "in/a", "later", NULL);
    peer_publish(&s->publisher, "in/b", "later", NULL);
    WAIT_FOR(s, program_service(&s->host, "seats", "retrying") == 2);

    program_kill(&s->host);
    program_start(&s->host);

    assert_int_equal(program_service(&s->host, "seats", "retrying"), 2);
}

static void an_event_that_was_tried_again_no_longer_waits(void **state) {
    struct stage *s = *state;
    stage_peers(s, "none");
    play(s, "service \"seats\" { subscribe = {\"in/#\"}  handler = \"seats.lua\"\n"
            "  retries = 1  delay = \"10ms\" }\n");
    peer_publish(&s->publisher, "in/a", "later", NULL);

    WAIT_FOR(s, program_service(&s->host, "seats", "dead") == 1);

    assert_int_equal(program_service(&s->host, "seats", "retries"), 1);
    assert_int_equal(program_service(&s->host, "seats", "retrying"), 0);
}

static void only_what_has_changed_is_published(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);

    WAIT_FOR(s, times(s, TOPIC "uptime") >= 3);

    assert_int_equal(times(s, TOPIC "version"), 1);
    assert_int_equal(times(s, SEATS "lag"), 1);
    assert_int_equal(times(s, SEATS "handler/version"), 1);
}

static void all_figures_come_again_with_a_new_connection(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_FOR(s, times(s, TOPIC "version") == 1);
    WAIT_FOR(s, times(s, SEATS "lag") == 1); /* it comes after version */

    broker_kill(&s->broker);
    broker_start(&s->broker, STAGE_BROKER);

    WAIT_FOR(s, times(s, TOPIC "version") >= 2);
    WAIT_FOR(s, times(s, SEATS "lag") >= 2);
}

static void a_host_that_is_killed_is_marked_offline(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_SHOWN(s, TOPIC "broker/connected", "1");

    program_kill(&s->host);

    WAIT_SHOWN(s, TOPIC "broker/connected", "0");
}

static void a_host_that_stops_is_marked_offline(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_SHOWN(s, TOPIC "broker/connected", "1");

    assert_int_equal(program_stop(&s->host), 0);

    WAIT_SHOWN(s, TOPIC "broker/connected", "0");
}

static void a_host_that_leaves_takes_its_topics_along(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_SHOWN(s, SEATS "lag", "0");

    json_decref(program_ask(&s->host, "POST", "/api/leave"));
    assert_int_equal(program_wait(&s->host), 0);

    WAIT_SHOWN(s, TOPIC "broker/connected", "");
    WAIT_SHOWN(s, TOPIC "version", "");
    WAIT_SHOWN(s, SEATS "lag", "");
}

static void a_service_that_is_gone_takes_its_topics_along(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_SHOWN(s, SEATS "lag", "0");
    assert_int_equal(program_stop(&s->host), 0);

    play(s, "service \"stalls\" { subscribe = {\"in/#\"}  handler = \"seats.lua\" }\n");

    WAIT_SHOWN(s, SEATS "lag", "");
    WAIT_SHOWN(s, SEATS "handler/version", "");
    WAIT_SHOWN(s, TOPIC "services/stalls/lag", "0");
}

static void a_script_that_does_not_compile_is_shown_until_it_does(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s, seats_conf);
    WAIT_FOR(s, times(s, SEATS "handler/error") == 1);

    program_file(&s->host, "scripts/seats.lua", "return function(\n");
    WAIT_FOR(s, strstr(shown(s, SEATS "handler/error"), "seats.lua:") != NULL);
    program_file(&s->host, "scripts/seats.lua", LUA(script));

    WAIT_SHOWN(s, SEATS "handler/error", "");
}

/* Its handling would change the status, and so on for ever. */
static void a_service_that_takes_every_topic_does_not_get_the_status(void **state) {
    struct stage *s = *state;
    stage_peers(s, "zingq/sys/#");
    play(s,
         "service \"all\" { subscribe = {\"#\"}  handler = \"seats.lua\"  key = \"none\" }\n"
         "service \"named\" { subscribe = {\"zingq/sys/+/uptime\"}  handler = \"seats.lua\" }\n");

    WAIT_FOR(s, program_service(&s->host, "named", "done") >= 2);
    peer_publish(&s->publisher, "any/thing", "good", NULL);

    WAIT_FOR(s, program_service(&s->host, "all", "done") == 1);
    assert_int_equal(program_service(&s->host, "all", "accepted"), 1);
}

/* --- the broker's own figures --- */

#define DROPPING_BROKER "allow_anonymous true\nmax_queued_messages 1\nsys_interval 1\n"

/* A client that is away, for which the broker queues a single message; the rest it drops. The
 * observer's place is used for it. */
static void make_the_broker_drop(struct stage *s, int messages) {
    peer_start(&s->observer, s->broker.port, "away", PEER_KEPT, "drop/#");
    peer_clear(&s->observer);
    peer_start(&s->publisher, s->broker.port, "publisher", PEER_MQTT5, NULL);
    for (int i = 0; i < messages; i++) {
        peer_publish(&s->publisher, "drop/x", "lost", NULL);
    }
    peer_flush(&s->publisher);
    peer_clear(&s->publisher);
}

static void what_the_broker_drops_is_told_once_a_rise(void **state) {
    struct stage *s = *state;
    broker_kill(&s->broker);
    broker_start(&s->broker, DROPPING_BROKER);
    play(s, seats_conf);
    WAIT_FOR(s, program_host(&s->host, "broker_dropped") == 0);

    make_the_broker_drop(s, 5);
    WAIT_FOR(s, program_host(&s->host, "broker_dropped") == 4);
    make_the_broker_drop(s, 4); /* one takes the place of the one it came for */
    WAIT_FOR(s, program_host(&s->host, "broker_dropped") == 7);

    assert_int_equal(program_says(&s->host, "the broker drops messages: 4 more, 4 since"), 1);
    assert_int_equal(program_says(&s->host, "the broker drops messages: 3 more, 7 since"), 1);
    assert_int_equal(program_says(&s->host, "the broker drops messages"), 2);
}

static void what_was_dropped_before_the_host_came_is_told(void **state) {
    struct stage *s = *state;
    broker_kill(&s->broker);
    broker_start(&s->broker, DROPPING_BROKER);
    make_the_broker_drop(s, 5);
    peer_start(&s->observer, s->broker.port, "observer", PEER_MQTT5, "$SYS/broker/publish/#");
    WAIT_SHOWN(s, "$SYS/broker/publish/messages/dropped", "4");

    play(s, seats_conf);

    WAIT_FOR(s, program_host(&s->host, "broker_dropped") == 4);
    assert_int_equal(program_says(&s->host, "has dropped 4 messages since it started"), 1);
}

static void a_broker_without_sys_is_none_the_worse(void **state) {
    struct stage *s = *state;
    broker_kill(&s->broker);
    broker_start(&s->broker, "allow_anonymous true\nsys_interval 0\n");
    stage_peers(s, "zingq/sys/#");

    play(s, seats_conf);
    peer_publish(&s->publisher, "in/a", "good", NULL);

    WAIT_SHOWN(s, SEATS "done/total", "1");
    json_t *status = program_ask(&s->host, "GET", "/api/status");
    assert_true(json_is_null(json_object_get(json_object_get(status, "host"), "broker_dropped")));
    json_decref(status);
}

static void a_broker_that_hides_its_sys_is_none_the_worse(void **state) {
    struct stage *s = *state;
    char acl[128];
    char options[512];
    broker_kill(&s->broker);
    broker_file(&s->broker, "acl", "topic readwrite #\ntopic deny $SYS/#\n", acl);
    (void)snprintf(options, sizeof options, "allow_anonymous true\nacl_file %s\n", acl);
    broker_start(&s->broker, options);
    stage_peers(s, "zingq/sys/#");

    play(s, seats_conf);
    peer_publish(&s->publisher, "in/a", "good", NULL);

    WAIT_SHOWN(s, SEATS "done/total", "1");
    assert_int_equal(program_host(&s->host, "broker_dropped"), -1);           /* null */
    assert_int_equal(program_says(&s->host, "warn"), geteuid() == 0 ? 1 : 0); /* of being root */
}

static void the_broker_s_figures_are_no_events(void **state) {
    struct stage *s = *state;
    broker_kill(&s->broker);
    broker_start(&s->broker, DROPPING_BROKER);
    play(s, "service \"all\" { subscribe = {\"#\"}  handler = \"seats.lua\" }\n"
            "service \"own\" { subscribe = {\"$SYS/broker/clients/connected\"}  share = no\n"
            "  handler = \"seats.lua\" }\n");

    WAIT_FOR(s, program_host(&s->host, "broker_heap_bytes") > 0);
    WAIT_FOR(s, program_host(&s->host, "broker_clients") > 0);
    WAIT_FOR(s, program_service(&s->host, "own", "done") > 0);

    assert_int_equal(program_service(&s->host, "all", "accepted"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(every_figure_is_a_retained_topic),
        TEST_ON_STAGE(the_figures_tell_what_happens),
        TEST_ON_STAGE(what_waits_for_a_retry_is_counted_again_after_a_kill),
        TEST_ON_STAGE(an_event_that_was_tried_again_no_longer_waits),
        TEST_ON_STAGE(only_what_has_changed_is_published),
        TEST_ON_STAGE(all_figures_come_again_with_a_new_connection),
        TEST_ON_STAGE(a_host_that_is_killed_is_marked_offline),
        TEST_ON_STAGE(a_host_that_stops_is_marked_offline),
        TEST_ON_STAGE(a_host_that_leaves_takes_its_topics_along),
        TEST_ON_STAGE(a_service_that_is_gone_takes_its_topics_along),
        TEST_ON_STAGE(a_script_that_does_not_compile_is_shown_until_it_does),
        TEST_ON_STAGE(a_service_that_takes_every_topic_does_not_get_the_status),
        TEST_ON_STAGE(what_the_broker_drops_is_told_once_a_rise),
        TEST_ON_STAGE(what_was_dropped_before_the_host_came_is_told),
        TEST_ON_STAGE(a_broker_without_sys_is_none_the_worse),
        TEST_ON_STAGE(a_broker_that_hides_its_sys_is_none_the_worse),
        TEST_ON_STAGE(the_broker_s_figures_are_no_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
