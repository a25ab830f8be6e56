/* test_conf.c - topics.conf: defaults, every option, secrets, what overrides what. */
#include "conf/conf.h"

#include "conf_folder.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is read ---- */

static void an_empty_file_gives_the_documented_defaults(void **state) {
    struct conf *c = conf_folder_load("");
    assert_string_equal(c->broker.url, "mqtt://127.0.0.1:1883");
    assert_string_equal(c->broker.host, "127.0.0.1");
    assert_int_equal(c->broker.port, 1883);
    assert_false(c->broker.tls);
    assert_false(c->broker.alone);
    assert_string_equal(c->broker.client_id, "");
    assert_string_equal(c->broker.password, "");
    assert_string_equal(c->broker.ca_file, "");
    assert_int_equal(c->broker.receive_maximum, 1000);
    assert_int_equal(c->broker.session_expiry_s, 7 * 86400);
    assert_true(c->store_max_bytes == UINT64_C(8) << 30);
    assert_int_equal(c->store_linger_ms, CONF_AUTO);
    assert_int_equal(c->keep_done_ms, 86400000);
    assert_int_equal(c->keep_idempotency_ms, 86400000);
    assert_string_equal(c->http_listen, "127.0.0.1:8080");
    assert_string_equal(c->http_token, "");
    assert_int_equal(c->payload_bytes_max, 256 * 1024);
    assert_int_equal(c->lua_memory_bytes, 64 << 20);
    assert_int_equal(c->memory_bytes, 512 << 20);
    assert_int_equal(c->lua_time_ms, 200);
    assert_int_equal(c->backlog_max, 1000000);
    assert_int_equal(c->sys_interval_ms, 5000);
    assert_string_equal(c->hosts.group, "default");
    assert_int_equal(c->hosts.share.count, 1);
    assert_int_equal(c->hosts.share.place, 1);
    assert_int_equal(c->broker.packet_bytes_max, 4 << 20);
    assert_int_equal(c->service_count + c->endpoint_count + c->schedule_count + c->var_count, 0);

    char path[256];
    (void)snprintf(path, sizeof path, "%s/topics.conf", (const char *)*state);
    assert_string_equal(c->file, path);
    assert_string_equal(c->dir, (const char *)*state);
    (void)snprintf(path, sizeof path, "%s/scripts", (const char *)*state);
    assert_string_equal(c->scripts_dir, path);
    (void)snprintf(path, sizeof path, "%s/data", (const char *)*state);
    assert_string_equal(c->store_path, path);
    conf_free(c);
}

static void a_service_with_only_what_must_be_given_has_the_documented_defaults(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("\nservice \"seats\" {\n subscribe = {\"a\", \"b/+\"}\n"
                                      " handler = \"seats.lua\"\n}\n");
    assert_int_equal(c->service_count, 1);
    const struct service_conf *s = &c->services[0];
    assert_string_equal(s->name, "seats");
    assert_int_equal(s->filter_count, 2);
    assert_string_equal(s->filters[1], "b/+");
    assert_string_equal(s->handler, "seats.lua");
    assert_null(s->retry);
    assert_null(s->dead_letter);
    assert_string_equal(s->dead_topic, "zingq/dlq/seats");
    assert_int_equal(s->key.kind, RULE_NONE);
    assert_int_equal(s->idempotency.kind, RULE_NONE);
    assert_true(s->share);
    assert_false(s->ordered);
    assert_int_equal(s->concurrency, 64);
    assert_int_equal(s->batch, 1);
    assert_int_equal(s->linger_ms, 0);
    assert_true(s->rate_per_s == 0.0);
    assert_int_equal(s->timeout_ms, 30000);
    assert_int_equal(s->retries, 3);
    assert_int_equal(s->backoff, BACKOFF_EXPONENTIAL);
    assert_int_equal(s->delay_ms, 1000);
    assert_int_equal(s->max_delay_ms, 300000);
    assert_int_equal(service_stop_ms(s, c), 30000);
    assert_true(s->jitter == 0.2);
    assert_int_equal(s->crashes, 3);
    assert_int_equal(s->on_dead, ON_DEAD_CONTINUE);
    assert_false(s->independent);
    assert_int_equal(s->idempotency_window_ms, 24 * 3600 * 1000);
    assert_int_equal(s->lua_memory_bytes, 0); /* as limits{} says */
    assert_int_equal(s->keep_dead_ms, 0);
    assert_int_equal(s->max_dead.count + s->max_dead.bytes, 0);
    assert_int_equal(s->lua_time_ms, 0);
    assert_int_equal(s->secret_count, 0);
    assert_int_equal(s->reply_to_count, 0);
    assert_int_equal(s->line, 2);
    conf_free(c);
}

static void every_option_of_a_service_is_read(void **state) {
    (void)state;
    struct conf *c =
        conf_folder_load("service \"s-1_A\" {\n"
                         "  subscribe = {\"a\", # one\n \"b\"} // two\n"
                         "  handler = sub/h.lua  key = \"json:/x\"  idempotency = \"topic:2\"\n"
                         "  share = no  order = none  concurrency = 7  rate = \"10/m\"\n"
                         "  batch = 100  linger = \"1s\"\n"
                         "  timeout = \"1m\"  retries = 9  backoff = constant  delay = \"250ms\"\n"
                         "  max_delay = \"2s\"  jitter = 0.5  crashes = 0  on_dead = continue\n"
                         "  retry = \"r.lua\"  dead_letter = \"d.lua\"  dead_topic = \"\"\n"
                         "  idempotency_window = \"7d\"  several_hosts = independent\n"
                         "  keep_dead = \"90d\"  max_dead = 1000\n"
                         "  lua_memory = \"8MiB\"  lua_time = \"1s\"  secrets = {\"a\", \"b\"}\n"
                         "  reply_to = {\"answers/#\"}\n}\n"
                         "egress { allow = {\"*.example.org\", \"10.0.0.0/8\"} }\n"
                         "hosts { group = berlin  count = 3  this = 2 }\n");
    const struct service_conf *s = &c->services[0];
    assert_string_equal(s->name, "s-1_A");
    assert_int_equal(s->filter_count, 2);
    assert_string_equal(s->handler, "sub/h.lua");
    assert_int_equal(s->key.kind, RULE_JSON);
    assert_string_equal(s->key.arg, "/x");
    assert_int_equal(s->idempotency.level, 2);
    assert_false(s->share);
    assert_true(s->independent);
    assert_string_equal(c->hosts.group, "berlin");
    assert_int_equal(c->hosts.share.count, 3);
    assert_int_equal(c->hosts.share.place, 2);
    assert_false(s->ordered);
    assert_int_equal(s->concurrency, 7);
    assert_int_equal(s->batch, 100);
    assert_int_equal(s->linger_ms, 1000);
    assert_true(s->rate_per_s > 0.166 && s->rate_per_s < 0.167);
    assert_int_equal(s->timeout_ms, 60000);
    assert_int_equal(s->retries, 9);
    assert_int_equal(s->backoff, BACKOFF_CONSTANT);
    assert_int_equal(s->delay_ms, 250);
    assert_int_equal(s->max_delay_ms, 2000);
    assert_true(s->jitter == 0.5);
    assert_int_equal(s->crashes, 0);
    assert_int_equal(s->on_dead, ON_DEAD_CONTINUE);
    assert_string_equal(s->retry, "r.lua");
    assert_string_equal(s->dead_letter, "d.lua");
    assert_string_equal(s->dead_topic, "");
    assert_int_equal(s->idempotency_window_ms, 7 * 24 * 3600 * 1000);
    assert_int_equal(s->lua_memory_bytes, 8 << 20);
    assert_int_equal(s->keep_dead_ms, 90 * 86400000LL);
    assert_int_equal(s->max_dead.count, 1000);
    assert_int_equal(s->max_dead.bytes, 0);
    assert_int_equal(s->lua_time_ms, 1000);
    assert_int_equal(s->secret_count, 2);
    assert_string_equal(s->secrets[1], "b");
    assert_string_equal(s->reply_to[0], "answers/#");
    conf_free(c);
}

static void order_follows_the_key_rule_unless_it_is_given(void **state) {
    (void)state;
    struct conf *c =
        conf_folder_load("service a { subscribe = a handler = h key = \"topic:1\" }\n"
                         "service b { subscribe = a handler = h key = none }\n"
                         "service c { subscribe = a handler = h order = key }\n"
                         "service d { subscribe = a handler = h key = \"topic:1\" order = none }");
    assert_true(c->services[0].ordered);
    assert_false(c->services[1].ordered);
    assert_true(c->services[2].ordered);
    assert_false(c->services[3].ordered);
    conf_free(c);
}

static void the_host_sections_are_read(void **state) {
    struct conf *c =
        conf_folder_load("broker { url = mqtts://broker.example  client_id = host-1\n"
                         "  username = me  password = secret  ca_file = ca.pem\n"
                         "  cert_file = /etc/cert.pem  key_file = ./key.pem\n"
                         "  receive_maximum = 65535  session_expiry = \"1500ms\"  alone = yes }\n"
                         "store { path = ./d  max_size = \"2MiB\"  keep_done = 0\n"
                         "  keep_idempotency = \"2d\"  linger = \"25ms\" }\n"
                         "http { listen = \"[::1]:80\"  token = t }\n"
                         "limits { payload = 512  lua_memory = \"2 GiB\"  lua_time = \"1s\"\n"
                         "  backlog = 10 }\n"
                         "sys { interval = \"1m\" }");
    assert_string_equal(c->broker.host, "broker.example");
    assert_int_equal(c->broker.port, 8883);
    assert_true(c->broker.tls);
    assert_string_equal(c->broker.client_id, "host-1");
    assert_string_equal(c->broker.username, "me");
    assert_string_equal(c->broker.password, "secret");
    assert_string_equal(c->broker.cert_file, "/etc/cert.pem");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/key.pem", (const char *)*state);
    assert_string_equal(c->broker.key_file, path);
    assert_int_equal(c->broker.receive_maximum, 65535);
    assert_true(c->broker.alone);
    assert_int_equal(c->broker.session_expiry_s, 2);
    (void)snprintf(path, sizeof path, "%s/d", (const char *)*state);
    assert_string_equal(c->store_path, path);
    assert_int_equal(c->store_max_bytes, 2 << 20);
    assert_int_equal(c->store_linger_ms, 25);
    assert_int_equal(c->keep_done_ms, 0);
    assert_int_equal(c->keep_idempotency_ms, 172800000);
    assert_string_equal(c->http_listen, "[::1]:80");
    assert_string_equal(c->http_token, "t");
    assert_int_equal(c->payload_bytes_max, 512);
    assert_true(c->lua_memory_bytes == UINT64_C(2) << 30);
    assert_int_equal(c->lua_time_ms, 1000);
    assert_int_equal(c->backlog_max, 10);
    assert_int_equal(c->sys_interval_ms, 60000);
    conf_free(c);
}

static void the_largest_packet_follows_the_payload(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("limits { payload = \"16MiB\" }");
    assert_int_equal(c->broker.packet_bytes_max, (16 << 20) + (64 << 10));
    conf_free(c);
}

static void without_secrets_none_is_read_or_missed(void **state) {
    (void)state;
    conf_folder_write("topics.conf", "broker { password = \"env:NO_SUCH_VARIABLE\" }\n"
                                     "http { listen = \"0.0.0.0:80\" }\n"
                                     "vars { key = \"file:no-such-file\"  plain = here }\n"
                                     "token t { value = \"env:NO_SUCH_VARIABLE\"  role = read }");
    const struct conf_overrides overrides = {.no_secrets = true};
    struct conf *c = NULL;
    struct report r = {.text = ""};
    assert_int_equal(conf_load(&c, NULL, &overrides, &r), 0);
    assert_string_equal(c->broker.password, "");
    assert_string_equal(conf_var(c, "key"), "");
    assert_true(c->vars[0].secret);
    assert_string_equal(conf_var(c, "plain"), "here");
    conf_free(c);
}

static void each_area_of_the_log_is_an_option(void **state) {
    (void)state;
    for (size_t i = 0; i < LOG_AREA_COUNT; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "log { %s = debug level = warn format = json }",
                       log_areas[i]);
        struct conf *c = conf_folder_load(text);
        assert_true(c->log.json);
        assert_int_equal(c->log.level, LOG_LEVEL_WARN);
        for (size_t k = 0; k < LOG_AREA_COUNT; k++) {
            assert_int_equal(c->log.areas[k], k == i ? LOG_LEVEL_DEBUG : LOG_LEVEL_UNSET);
        }
        conf_free(c);
    }
}

static void status_topics_can_be_off(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("sys { interval = \"off\" }");
    assert_int_equal(c->sys_interval_ms, 0);
    conf_free(c);
}

static void broker_urls_give_host_and_port(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("broker { url = \"mqtt://[fe80::1]:99\" }");
    assert_string_equal(c->broker.host, "fe80::1");
    assert_int_equal(c->broker.port, 99);
    conf_free(c);
    c = conf_folder_load("broker { url = \"mqtt://h\" }");
    assert_string_equal(c->broker.host, "h");
    assert_int_equal(c->broker.port, 1883);
    conf_free(c);
}

static void several_brokers_stand_in_their_order(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("broker { url = {\"mqtt://a\", \"mqtts://b:99\"} }");
    assert_int_equal(c->broker.address_count, 2);
    assert_string_equal(c->broker.url, "mqtt://a"); /* the first is in use */
    assert_int_equal(c->broker.port, 1883);
    assert_false(c->broker.tls);
    broker_conf_use(&c->broker, 1);
    assert_string_equal(c->broker.url, "mqtts://b:99");
    assert_string_equal(c->broker.host, "b");
    assert_int_equal(c->broker.port, 99);
    assert_true(c->broker.tls);
    conf_free(c);
}

static void endpoints_and_schedules_are_read(void **state) {
    (void)state;
    struct conf *c =
        conf_folder_load("endpoint \"/api/send-email\" { publish = \"email/send\"\n"
                         "  required = {\"to\", \"subject\"} }\n"
                         "endpoint \"/x\" { publish = x }\n"
                         "schedule nightly { cron = \"0 3 * * *\"  publish = report/run }\n"
                         "schedule monday { cron = \"@weekly\"  timezone = \"Europe/Berlin\"\n"
                         "  missed = skip  publish = week/begins  payload = \"go\" }");
    assert_int_equal(c->endpoint_count, 2);
    assert_string_equal(c->endpoints[0].path, "/api/send-email");
    assert_string_equal(c->endpoints[0].publish, "email/send");
    assert_int_equal(c->endpoints[0].required_count, 2);
    assert_string_equal(c->endpoints[0].required[1], "subject");
    assert_int_equal(c->endpoints[1].required_count, 0);
    assert_int_equal(c->endpoints[1].line, 3);
    assert_int_equal(c->schedule_count, 2);
    assert_string_equal(c->schedules[0].name, "nightly");
    assert_string_equal(c->schedules[0].cron, "0 3 * * *");
    assert_string_equal(c->schedules[0].payload, "{}");
    assert_string_equal(c->schedules[0].timezone, "UTC");
    assert_int_equal(c->schedules[0].missed, MISSED_ONCE);
    assert_int_equal(c->schedules[0].ticks.hours, 1 << 3);
    assert_string_equal(c->schedules[1].timezone, "Europe/Berlin");
    assert_int_equal(c->schedules[1].missed, MISSED_SKIP);
    assert_string_equal(c->schedules[1].publish, "week/begins");
    assert_string_equal(c->schedules[1].payload, "go");
    /* Sunday, 8 November 2026, 00:00 in Berlin */
    assert_true(cron_next(&c->schedules[1].ticks, c->schedules[1].zone, INT64_C(1793836800000)) ==
                INT64_C(1794092400000));
    conf_free(c);
}

static void quotes_keep_what_would_be_a_comment_or_a_variable(void **state) {
    (void)state;
    struct conf *c =
        conf_folder_load("vars { a = \"x # y // z /* w */\"  b = 'it # is'  c = \"${HOME}\"\n"
                         "  d = \"say \\\"hi\\\"\"  e = '{\"a\": 1}'  f = \"$5\" }");
    assert_string_equal(conf_var(c, "a"), "x # y // z /* w */");
    assert_string_equal(conf_var(c, "b"), "it # is");
    assert_string_equal(conf_var(c, "c"), "${HOME}");
    assert_string_equal(conf_var(c, "d"), "say \"hi\"");
    assert_string_equal(conf_var(c, "e"), "{\"a\": 1}");
    assert_string_equal(conf_var(c, "f"), "$5");
    assert_null(conf_var(c, "g"));
    conf_free(c);
}

static void a_file_with_byte_order_mark_and_windows_line_ends_is_read(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("\xef\xbb\xbf# hello\r\nvars {\r\n  a = \"b\" # c\r\n}\r\n");
    assert_string_equal(conf_var(c, "a"), "b");
    conf_free(c);
}

static void the_shipped_topics_conf_loads(void **state) {
    (void)state;
    static const char path[] = TESTS_DIR "/../topics.conf";
    struct conf *c = NULL;
    struct report r = {.text = ""};
    if (conf_load(&c, path, NULL, &r) != 0) {
        fail_msg("%s", r.text);
    }
    static const char *const names[] = {"seats", "payments", "emails", "orders",   "stock",
                                        "logs",  "notices",  "flaky",  "warehouse"};
    assert_int_equal(c->service_count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_string_equal(c->services[i].name, names[i]);
    }
    assert_true(service_wants(&c->services[0], "booking/paid"));
    assert_true(c->services[0].ordered);
    assert_string_equal(c->services[1].key.arg, "/booking_id");
    assert_false(c->services[2].ordered);
    assert_string_equal(conf_var(c, "hold"), "10m");
    assert_string_equal(c->endpoints[0].path, "/api/send-email");
    conf_free(c);
}

/* ---- secrets and overrides ---- */

static void secrets_come_from_the_environment_and_from_files(void **state) {
    (void)state;
    conf_folder_write("secret", "from a file\r\n\n");
    assert_int_equal(setenv("TEST_SECRET", "from env", 1), 0);
    struct conf *c =
        conf_folder_load("broker { password = \"env:TEST_SECRET\" }\n"
                         "http { token = \"file:secret\" }\n"
                         "vars { a = \"env:TEST_SECRET\" b = \"file:./secret\" c = plain }");
    assert_string_equal(c->broker.password, "from env");
    assert_string_equal(c->http_token, "from a file");
    assert_string_equal(conf_var(c, "a"), "from env");
    assert_true(c->vars[0].secret);
    assert_string_equal(conf_var(c, "b"), "from a file");
    assert_true(c->vars[1].secret);
    assert_false(c->vars[2].secret);
    conf_free(c);
    assert_int_equal(unsetenv("TEST_SECRET"), 0);
}

static void default_variables_of_secrets_may_be_unset_but_others_must_be_there(void **state) {
    (void)state;
    struct conf *c = conf_folder_load("broker { password = \"env:MQTT_PASSWORD\" }\n"
                                      "http { token = \"env:ZINGQ_TOKEN\" }");
    assert_string_equal(c->broker.password, "");
    assert_string_equal(c->http_token, "");
    conf_free(c);
    assert_refused("\nhttp { token = \"env:NO_SUCH\" }",
                   "topics.conf:2: http: token: the environment variable NO_SUCH is not set");
    assert_refused("vars {\n a = b\n # comment\n key = \"env:NO_SUCH\" }",
                   "topics.conf:4: vars: key: the environment variable NO_SUCH is not set");
}

static void a_secret_file_that_cannot_be_read_is_named(void **state) {
    char expected[512];
    (void)snprintf(expected, sizeof expected,
                   "topics.conf:1: vars: a: cannot read %s/none: No such file or directory",
                   (const char *)*state);
    assert_refused("vars { a = \"file:none\" }", expected);
    conf_folder_write_bytes("secret", "a\0b", 3);
    (void)snprintf(expected, sizeof expected,
                   "topics.conf:1: vars: a: %s/secret contains a NUL byte: it is not a text file",
                   (const char *)*state);
    assert_refused("vars { a = \"file:secret\" }", expected);
}

static void the_environment_overrides_the_file(void **state) {
    (void)state;
    assert_int_equal(setenv("ZINGQ_BROKER_URL", "mqtt://env:1", 1), 0);
    assert_int_equal(setenv("ZINGQ_STORE_KEEP_DONE", "1h", 1), 0);
    assert_int_equal(setenv("ZINGQ_HTTP_LISTEN", "", 1), 0);
    assert_int_equal(setenv("ZINGQ_VARS_GATEWAY_URL", "http://env", 1), 0);
    assert_int_equal(setenv("ZINGQ_VARS_NEW_ONE", "made", 1), 0);
    assert_int_equal(setenv("ZINGQ_HTTP_PORT", "tcp://10.0.0.1:80", 1), 0); /* Kubernetes */
    struct conf *c =
        conf_folder_load("broker { url = mqtt://file }\nvars { gateway-url = http://file }");
    assert_string_equal(c->broker.host, "env");
    assert_int_equal(c->keep_done_ms, 3600000);
    assert_string_equal(c->http_listen, "");
    assert_string_equal(conf_var(c, "gateway-url"), "http://env");
    assert_string_equal(conf_var(c, "new_one"), "made");
    assert_int_equal(c->var_count, 2);
    conf_free(c);
    assert_int_equal(setenv("ZINGQ_BROKER_URL", "nonsense", 1), 0);
    assert_refused("broker { url = mqtt://file }",
                   "ZINGQ_BROKER_URL: \"nonsense\" is not a broker URL: write mqtt://host:port, or "
                   "mqtts://host:port for TLS");
    static const char *const names[] = {"ZINGQ_BROKER_URL",   "ZINGQ_STORE_KEEP_DONE",
                                        "ZINGQ_HTTP_LISTEN",  "ZINGQ_VARS_GATEWAY_URL",
                                        "ZINGQ_VARS_NEW_ONE", "ZINGQ_HTTP_PORT"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
}

static void the_command_line_overrides_the_environment(void **state) {
    assert_int_equal(setenv("ZINGQ_BROKER_URL", "mqtt://env:1", 1), 0);
    conf_folder_write("topics.conf", "store { path = elsewhere }");
    struct conf_overrides overrides = {.broker_url = "mqtts://cli", .data = "here"};
    struct conf *c = NULL;
    assert_int_equal(conf_load(&c, "topics.conf", &overrides, NULL), 0);
    assert_string_equal(c->broker.host, "cli");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/here", (const char *)*state);
    assert_string_equal(c->store_path, path);
    conf_free(c);

    struct report r;
    overrides.broker_url = "tcp://x";
    assert_int_equal(conf_load(&c, "topics.conf", &overrides, &r), ERR_INVALID);
    assert_string_equal(r.text,
                        "--broker: \"tcp://x\" is not a broker URL: write mqtt://host:port, or "
                        "mqtts://host:port for TLS");
    assert_int_equal(unsetenv("ZINGQ_BROKER_URL"), 0);
}

static void relative_names_count_from_the_files_folder(void **state) {
    assert_int_equal(mkdir("sub", 0700), 0);
    conf_folder_write("sub/topics.conf", "store { path = d }");
    struct conf *c = NULL;
    assert_int_equal(conf_load(&c, "./sub/topics.conf", NULL, NULL), 0);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/sub/d", (const char *)*state);
    assert_string_equal(c->store_path, path);
    (void)snprintf(path, sizeof path, "%s/sub/topics.conf", (const char *)*state);
    assert_string_equal(c->file, path);
    conf_free(c);
}

int main(void) {
    (void)unsetenv("MQTT_PASSWORD");
    (void)unsetenv("ZINGQ_TOKEN");
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(an_empty_file_gives_the_documented_defaults),
        TEST_IN_FOLDER(a_service_with_only_what_must_be_given_has_the_documented_defaults),
        TEST_IN_FOLDER(every_option_of_a_service_is_read),
        TEST_IN_FOLDER(order_follows_the_key_rule_unless_it_is_given),
        TEST_IN_FOLDER(the_host_sections_are_read),
        TEST_IN_FOLDER(the_largest_packet_follows_the_payload),
        TEST_IN_FOLDER(without_secrets_none_is_read_or_missed),
        TEST_IN_FOLDER(each_area_of_the_log_is_an_option),
        TEST_IN_FOLDER(status_topics_can_be_off),
        TEST_IN_FOLDER(broker_urls_give_host_and_port),
        TEST_IN_FOLDER(several_brokers_stand_in_their_order),
        TEST_IN_FOLDER(endpoints_and_schedules_are_read),
        TEST_IN_FOLDER(quotes_keep_what_would_be_a_comment_or_a_variable),
        TEST_IN_FOLDER(a_file_with_byte_order_mark_and_windows_line_ends_is_read),
        TEST_IN_FOLDER(the_shipped_topics_conf_loads),
        TEST_IN_FOLDER(secrets_come_from_the_environment_and_from_files),
        TEST_IN_FOLDER(default_variables_of_secrets_may_be_unset_but_others_must_be_there),
        TEST_IN_FOLDER(a_secret_file_that_cannot_be_read_is_named),
        TEST_IN_FOLDER(the_environment_overrides_the_file),
        TEST_IN_FOLDER(the_command_line_overrides_the_environment),
        TEST_IN_FOLDER(relative_names_count_from_the_files_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
