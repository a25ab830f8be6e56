/*
 * test_start.c - what keeps a host from starting is said in one sentence that names it, and the
 * exit status tells a wrong configuration (2) from a world that does not play along (3).
 */
#include "stage.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char good_conf[] = "service \"work\" {\n"
                                "  subscribe = {\"in/#\"}\n"
                                "  handler = \"work.lua\"\n"
                                "}\n";
static const char good_script[] = "return function(event) zing.publish('out', event.payload) end\n";

/* The host ends by itself, with this status and this sentence behind "zingq: ". */
static void assert_ends(struct stage *s, int status, const char *sentence) {
    int ended = program_wait(&s->host);
    if (ended != status || program_says(&s->host, sentence) == 0 ||
        program_says(&s->host, "zingq: ") == 0) {
        program_show(&s->host);
    }
    assert_int_equal(ended, status);
    assert_int_not_equal(program_says(&s->host, sentence), 0);
    assert_int_not_equal(program_says(&s->host, "zingq: "), 0);
}

static void a_wrong_topics_conf_is_refused_with_its_line(void **state) {
    struct stage *s = *state;
    static const struct {
        const char *conf, *sentence;
    } rows[] = {
        {"service \"work\" {\n  subscribe = {\"in\"}\n  handler = \"work.lua\"\n  retires = 3\n}\n",
         "topics.conf:6: service \"work\": unknown option \"retires\" (did you mean \"retries\"?)"},
        {"service \"work\" {\n  handler = \"work.lua\"\n}\n", "subscribe"},
        {"service \"work\" {\n  subscribe = {\"in\"}\n}\n", "handler"},
        {"service \"work\" {\n  subscribe = {\"in\"}\n  handler = \"work.lua\"\n  delay = \"1 "
         "x\"\n}\n",
         "topics.conf:6: service \"work\": delay: "},
        {"service \"work\" {\n  subscribe = {\"a/#/b\"}\n  handler = \"work.lua\"\n}\n",
         "topics.conf:4: service \"work\": subscribe: "},
        {"service \"work\" {", "topics.conf:"},
        {"vars { key = \"file:/nowhere/secret\" }\n", "topics.conf:3: vars: key: "},
    };
    program_file(&s->host, "scripts/work.lua", good_script);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        stage_conf(s, &s->host, rows[i].conf);
        program_launch(&s->host);
        assert_ends(s, 2, rows[i].sentence);
    }
}

static void without_a_topics_conf_it_says_where_it_looked(void **state) {
    struct stage *s = *state;
    program_launch(&s->host);
    assert_ends(s, 2, "topics.conf: No such file");
}

static void a_script_that_does_not_compile_is_refused_with_its_line(void **state) {
    struct stage *s = *state;
    static const struct {
        const char *script, *sentence;
    } rows[] = {
        {"return function(event)\n  if then\nend\n", "scripts/work.lua:2: unexpected symbol near"},
        {"local x = nil + 1\nreturn x\n", "scripts/work.lua:1: attempt to perform arithmetic"},
        {"return 42\n", "scripts/work.lua"},
        {"x = 1\nreturn function() end\n", "scripts/work.lua:1: assignment to undeclared"},
        {"return require('nowhere')\n", "nowhere"},
        {"while true do end\n", "CPU time"},
    };
    stage_conf(s, &s->host, good_conf);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        program_file(&s->host, "scripts/work.lua", rows[i].script);
        program_launch(&s->host);
        assert_ends(s, 2, rows[i].sentence);
    }
}

static void a_script_that_does_not_load_stops_its_own_service_only(void **state) {
    struct stage *s = *state;
    static const char two[] =
        "service \"bad\" { subscribe = {\"in/bad\"} handler = \"bad.lua\" }\n"
        "service \"good\" { subscribe = {\"in/good\"} handler = \"good.lua\" }\n";
    program_file(&s->host, "scripts/good.lua",
                 "return function(event) zing.publish('out', event.payload) end\n");
    stage_play(s, two, "scripts/bad.lua", "local t = {} while true do t[#t + 1] = {} end\n");
    stage_peers(s, "out");
    assert_int_equal(program_says(&s->host, "service \"bad\" does not run, its events wait"), 1);
    peer_publish(&s->publisher, "in/bad", "x", NULL);
    peer_publish(&s->publisher, "in/good", "still here", NULL);
    WAIT_FOR(s, peer_count(&s->observer) == 1);
    WAIT_FOR(s, program_service(&s->host, "bad", "waiting") == 1);
    program_file(&s->host, "scripts/bad.lua", "return function() end\n");
    WAIT_FOR(s, program_service(&s->host, "bad", "done") == 1);
}

static void a_script_that_cannot_be_read_is_named(void **state) {
    struct stage *s = *state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/scripts/work.lua", s->host.dir);
    stage_conf(s, &s->host, good_conf);
    program_launch(&s->host);
    assert_ends(s, 2, "scripts/work.lua");

    assert_int_equal(mkdir(path, 0700), 0);
    program_launch(&s->host);
    assert_ends(s, 2, "scripts/work.lua: not a readable file");
    assert_int_equal(rmdir(path), 0);

    program_file(&s->host, "scripts/work.lua", good_script);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) { /* root reads everything */
        program_launch(&s->host);
        assert_ends(s, 2, "scripts/work.lua: cannot open: Permission denied");
    }
}

static void play_with_broker(struct stage *s, const char *broker) {
    char conf[1024];
    (void)snprintf(conf, sizeof conf, "broker { %s }\nhttp { listen = \"\" }\n%s", broker,
                   good_conf);
    program_file(&s->host, "topics.conf", conf);
    program_file(&s->host, "scripts/work.lua", good_script);
    program_launch(&s->host);
}

static void a_wrong_password_ends_it(void **state) {
    struct stage *s = *state;
    char file[128];
    char options[256];
    char conf[256];
    broker_stop(&s->broker);
    broker_password(&s->broker, "passwords", "zingq", "right", file);
    (void)snprintf(options, sizeof options, "allow_anonymous false\npassword_file %s\n", file);
    broker_start(&s->broker, options);

    (void)snprintf(conf, sizeof conf, "url = \"%s\" username = \"zingq\" password = \"wrong\"",
                   s->broker.url);
    play_with_broker(s, conf);
    assert_ends(s, 3, "refused the user name or password");

    (void)snprintf(conf, sizeof conf, "url = \"%s\" username = \"zingq\" password = \"right\"",
                   s->broker.url);
    play_with_broker(s, conf);
    WAIT_FOR(s, program_ready(&s->host));
    assert_int_equal(program_stop(&s->host), 0);
}

/* The answer of a broker that knows MQTT 3.1.1 only: "unacceptable protocol version". */
static void a_broker_without_mqtt_5_ends_it(void **state) {
    struct stage *s = *state;
    static const char refused[] = {0x20, 0x02, 0x00, 0x01};
    char conf[128];
    uint16_t port = 0;
    s->silent = silent_new(refused, sizeof refused, &port);
    (void)snprintf(conf, sizeof conf, "url = \"mqtt://127.0.0.1:%u\"", port);

    play_with_broker(s, conf);

    assert_ends(s, 3, "MQTT 5");
}

static void a_broker_that_is_not_there_yet_is_waited_for(void **state) {
    struct stage *s = *state;
    char conf[128];
    broker_stop(&s->broker);
    (void)snprintf(conf, sizeof conf, "url = \"%s\"", s->broker.url);
    play_with_broker(s, conf);
    WAIT_FOR(s, program_says(&s->host, "trying again") == 2); /* once a connection */
    assert_false(program_ready(&s->host));

    broker_start(&s->broker, STAGE_BROKER);

    WAIT_FOR(s, program_ready(&s->host));
}

static void a_second_host_on_the_same_data_is_refused(void **state) {
    struct stage *s = *state;
    char conf[512];
    stage_play(s, good_conf, "scripts/work.lua", good_script);
    (void)snprintf(conf, sizeof conf, "store { path = \"%s/data\" }\n%s", s->host.dir, good_conf);
    stage_conf(s, &s->other, conf);
    program_file(&s->other, "scripts/work.lua", good_script);

    program_launch(&s->other);
    assert_int_equal(program_wait(&s->other), 3);

    assert_int_equal(program_says(&s->other, "zingq: "), 1);
    assert_int_equal(program_says(&s->other, "/data"), 1);
    assert_true(program_ready(&s->host));
}

static void a_port_in_use_is_named_with_its_option(void **state) {
    struct stage *s = *state;
    char conf[512];
    char sentence[64];
    uint16_t port = 0;
    s->silent = silent_new(NULL, 0, &port);
    (void)snprintf(conf, sizeof conf,
                   "broker { url = \"%s\" }\nhttp { listen = \"127.0.0.1:%u\" }\n%s", s->broker.url,
                   port, good_conf);
    (void)snprintf(sentence, sizeof sentence, "127.0.0.1:%u is in use", port);
    program_file(&s->host, "topics.conf", conf);
    program_file(&s->host, "scripts/work.lua", good_script);

    program_launch(&s->host);

    assert_ends(s, 3, sentence);
    assert_int_equal(program_says(&s->host, "http.listen"), 1);
}

static void a_data_folder_that_cannot_be_made_ends_it(void **state) {
    struct stage *s = *state;
    char conf[512];
    (void)snprintf(conf, sizeof conf, "store { path = \"topics.conf/data\" }\n%s", good_conf);
    stage_conf(s, &s->host, conf);
    program_file(&s->host, "scripts/work.lua", good_script);

    program_launch(&s->host);

    assert_ends(s, 3, "topics.conf/data: Not a directory");
}

/* Mosquitto before 2.0.15 throws the older of two clients out without a word. Neither may end: one
 * that a proxy cuts off sees the same. */
static void
two_hosts_with_one_client_id_both_say_that_they_are_closed_and_neither_ends(void **state) {
    struct stage *s = *state;
    char conf[256];
    (void)snprintf(conf, sizeof conf, "url = \"%s\" client_id = \"twin\"", s->broker.url);
    play_with_broker(s, conf);
    WAIT_FOR(s, program_ready(&s->host));
    struct program first = s->host;
    s->host = s->other;
    s->other = first;

    play_with_broker(s, conf);

    WAIT_FOR(s, program_says(&s->host, "closes the connection immediately") > 0 ||
                    program_says(&s->other, "closes the connection immediately") > 0);
    program_kill(&s->other);
    WAIT_FOR(s, program_ready(&s->host));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_wrong_topics_conf_is_refused_with_its_line),
        TEST_ON_STAGE(without_a_topics_conf_it_says_where_it_looked),
        TEST_ON_STAGE(a_script_that_does_not_compile_is_refused_with_its_line),
        TEST_ON_STAGE(a_script_that_does_not_load_stops_its_own_service_only),
        TEST_ON_STAGE(a_script_that_cannot_be_read_is_named),
        TEST_ON_STAGE(a_wrong_password_ends_it),
        TEST_ON_STAGE(a_broker_without_mqtt_5_ends_it),
        TEST_ON_STAGE(a_broker_that_is_not_there_yet_is_waited_for),
        TEST_ON_STAGE(a_second_host_on_the_same_data_is_refused),
        TEST_ON_STAGE(a_port_in_use_is_named_with_its_option),
        TEST_ON_STAGE(a_data_folder_that_cannot_be_made_ends_it),
        TEST_ON_STAGE(two_hosts_with_one_client_id_both_say_that_they_are_closed_and_neither_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
