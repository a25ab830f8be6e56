/* test_conf_refused.c - topics.conf: what is wrong with it, where, and what to write instead. */
#include "conf/conf.h"

#include "conf_folder.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An option of a service that has all it needs; it stands on line 2. */
static void assert_service_refused(const char *option, const char *sentence) {
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "service \"s\" { subscribe = \"a\" handler = \"h.lua\"\n%s\n}\n", option);
    char expected[2048];
    (void)snprintf(expected, sizeof expected, "topics.conf:2: service \"s\": %s", sentence);
    assert_refused(text, expected);
}

static void a_missing_file_is_told_apart_from_one_that_cannot_be_read(void **state) {
    (void)state;
    struct conf *c = NULL;
    struct report r;
    (void)remove("topics.conf");
    assert_int_equal(conf_load(&c, "no/such.conf", NULL, &r), ERR_NOTFOUND);
    assert_string_equal(r.text, "cannot read no/such.conf: No such file or directory");
    assert_int_equal(conf_load(&c, "/tmp", NULL, &r), ERR_SYSTEM);
    assert_string_equal(r.text, "cannot read /tmp: Is a directory");
    if (access("/etc/zingq/topics.conf", F_OK) != 0) {
        assert_int_equal(conf_load(&c, NULL, NULL, &r), ERR_NOTFOUND);
        assert_string_equal(r.text,
                            "no topics.conf here and no /etc/zingq/topics.conf: specify one "
                            "with -c FILE");
    }
}

static void a_pipe_is_refused_and_not_waited_for(void **state) {
    struct conf *c = NULL;
    struct report r;
    (void)remove("topics.conf");
    assert_int_equal(mkfifo("topics.conf", 0600), 0);
    assert_int_equal(conf_load(&c, NULL, NULL, &r), ERR_SYSTEM);
    assert_string_equal(r.text, "cannot read topics.conf: it is not a regular file");
    assert_int_equal(rename("topics.conf", "secret"), 0);
    char expected[512];
    (void)snprintf(expected, sizeof expected,
                   "topics.conf:1: vars: a: cannot read %s/secret: it is not a regular file",
                   (const char *)*state);
    assert_refused("vars { a = \"file:secret\" }", expected);
    assert_int_equal(remove("secret"), 0);
}

static void a_host_to_connect_to_is_checked(void **state) {
    (void)state;
    assert_refused("egress {\n allow = {\"10.0.0.0/8\", \"http://a\"} }",
                   "topics.conf:2: egress: allow: \"http://a\" is not a host: write a name, "
                   "\"*.example.org\", an address, or a block of addresses such as \"10.0.0.0/8\"");
}

static void a_file_beyond_the_limit_is_refused(void **state) {
    (void)state;
    size_t len = (1 << 20) + 1;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memset(bytes, ' ', len);
    conf_folder_write_bytes("topics.conf", bytes, len);
    free(bytes);
    struct conf *c = NULL;
    struct report r;
    assert_int_equal(conf_load(&c, NULL, NULL, &r), ERR_LIMIT);
    assert_string_equal(r.text, "cannot read topics.conf: File too large");
}

static void unknown_options_are_refused_with_a_suggestion(void **state) {
    (void)state;
    assert_refused("# 1\n// 2\n/* 3\n4 */\n\n\n\n\n\n\n\n\nservice \"payments\" { # 13\n"
                   "  retires = 3\n}\n",
                   "topics.conf:14: service \"payments\": unknown option \"retires\" (did you mean "
                   "\"retries\"?)");
    assert_refused("broker { ulr = x }",
                   "topics.conf:1: broker: unknown option \"ulr\" (did you mean \"url\"?)");
    assert_refused("broker {\n colour = red }", "topics.conf:2: broker: unknown option \"colour\"");
    assert_refused("\nservces \"x\" { }",
                   "topics.conf:2: unknown section \"servces\" (did you mean \"service\"?)");
    assert_refused("retries = 3", "topics.conf:1: unknown section \"retries\"");
    assert_refused("endpoint \"/x\" { pubish = a }",
                   "topics.conf:1: endpoint \"/x\": unknown option "
                   "\"pubish\" (did you mean \"publish\"?)");
}

static void mistakes_of_form_are_refused_on_their_line(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"broker {\n url \"x\" }", "topics.conf:2: broker: an = must follow \"url\""},
        {"broker {\n client_id = { \"x\" } }", "topics.conf:2: broker: \"{\" does not belong here"},
        {"broker {\n client_id += \"x\" }",
         "topics.conf:2: broker: \"client_id\" is not a list: write = instead of +="},
        {"broker url = \"x\"", "topics.conf:1: a { must follow section \"broker\""},
        {"service {\n}", "topics.conf:1: service needs a name in quotes before its {"},
        {"service \"x\" {\n subscribe = a\n", "topics.conf:1: the { that opens here is not closed"},
        {"\nbroker { url = x\nsys { interval = 5s }\n",
         "topics.conf:2: the { that opens here is not closed"},
        {"broker", "topics.conf:2: the file ends too early"},
        {"broker { url }", "topics.conf:1: broker: an = must follow \"url\""},
        {"broker { } }", "topics.conf:1: this } has no matching {"},
        {"vars {\n a = \"b\n c = \"d\" }",
         "topics.conf:2: the quote that opens here is not closed on this line"},
        {"vars { a = 'b", "topics.conf:1: the quote that opens here is not closed on this line"},
        {"\n/* vars {\n a = b }\n",
         "topics.conf:2: the comment that begins here is not closed by */"},
        {"broker {\n url = \"mqtt://a\"\n url = \"mqtt://b\" }",
         "topics.conf:3: broker: \"url\" is set twice"},
        {"service s { subscribe = {a, b}\n handler = h\n subscribe = {c} }",
         "topics.conf:3: service \"s\": \"subscribe\" is set twice"},
        {"broker { \"\001\" = x }", "topics.conf:1: cannot parse this"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_refused(rows[i][0], rows[i][1]);
    }
    conf_folder_write_bytes("topics.conf", "vars {\n\0}", 9);
    struct conf *c = NULL;
    struct report r;
    assert_int_equal(conf_load(&c, NULL, NULL, &r), ERR_INVALID);
    assert_string_equal(r.text, "topics.conf:2: a NUL byte: this is not a text file");
}

static void a_service_without_what_must_be_given_is_refused(void **state) {
    (void)state;
    assert_refused("\nservice \"s\" {\n handler = h\n}",
                   "topics.conf:2: service \"s\": \"subscribe\" is required");
    assert_refused("service \"s\" { subscribe = {} handler = h }",
                   "topics.conf:1: service \"s\": \"subscribe\" is required");
    assert_refused("\n\nservice \"s\" { subscribe = a }",
                   "topics.conf:3: service \"s\": \"handler\" is required");
    assert_refused("endpoint \"/x\" { }",
                   "topics.conf:1: endpoint \"/x\": \"publish\" is required");
    assert_refused("schedule \"x\" { publish = a }",
                   "topics.conf:1: schedule \"x\": \"cron\" is required");
}

static void names_are_letters_digits_and_given_once(void **state) {
    (void)state;
    assert_refused(
        "\nservice \"a b\" { subscribe = a handler = h }",
        "topics.conf:2: service: \"a b\" is not a valid name: use 1 to 64 letters, digits, - "
        "and _");
    assert_refused(
        "service \"\" { subscribe = a handler = h }",
        "topics.conf:1: service: \"\" is not a valid name: use 1 to 64 letters, digits, - and _");
    assert_refused(
        "schedule \"a/b\" { cron = \"* * * * *\" publish = a }",
        "topics.conf:1: schedule: \"a/b\" is not a valid name: use 1 to 64 letters, digits, - "
        "and _");
    assert_refused(
        "vars {\n \"a.b\" = c }",
        "topics.conf:2: vars: \"a.b\" is not a valid name: use 1 to 64 letters, digits, - and _");
    assert_refused("service \"s\" { subscribe = a handler = h }\n\n"
                   "service \"s\" { subscribe = b handler = h }",
                   "topics.conf:3: service \"s\" is defined twice, first on line 1");
    assert_refused("endpoint \"/a\" { publish = a }\nendpoint \"/a\" { publish = b }",
                   "topics.conf:2: endpoint \"/a\" is defined twice, first on line 1");
}

static void filters_of_a_service_must_be_legal_and_apart(void **state) {
    (void)state;
    assert_refused("service \"s\" { handler = h subscribe = {\"a/+\",\n \"a/b\"} }",
                   "topics.conf:2: service \"s\": subscribe: \"a/+\" and \"a/b\" overlap: some "
                   "messages would be delivered twice");
    assert_refused(
        "service \"s\" { handler = h subscribe = {\"a\", \"a\"} }",
        "topics.conf:1: service \"s\": subscribe: \"a\" and \"a\" overlap: some messages "
        "would be delivered twice");
    assert_refused(
        "service \"s\" { handler = h\n subscribe = \"a/#/b\" }",
        "topics.conf:2: service \"s\": subscribe: \"a/#/b\": # stands for all levels that "
        "follow and comes last, as in a/#");
    char text[2048] = "service \"s\" { handler = h subscribe = {a0";
    size_t len = strlen(text);
    for (int i = 1; i <= 64; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, ", a%d", i);
    }
    (void)snprintf(text + len, sizeof text - len, "} }");
    assert_refused(text, "topics.conf:1: service \"s\": subscribe: more than 64 entries");
}

static void the_numbers_of_hosts_are_checked(void **state) {
    (void)state;
    assert_refused("hosts {\n count = 3 }",
                   "topics.conf: hosts: this: count is 3, so each host needs its number: write "
                   "`this = 1` for the first, or set ZINGQ_HOSTS_THIS");
    assert_refused("hosts {\n count = 3\n this = 4 }",
                   "topics.conf:3: hosts: this: 4 is not possible with count = 3: use 1 to count");
    assert_refused("hosts {\n this = 2 }",
                   "topics.conf:2: hosts: this: 2 is not possible with count = 1: use 1 to count");
    assert_refused("hosts {\n secret = \"short\" }",
                   "topics.conf:2: hosts: secret: it has fewer than 16 bytes and can be guessed: "
                   "use a longer one");
    assert_refused("hosts {\n secret = {\"0123456789abcdef\",\n \"short\"} }",
                   "topics.conf:3: hosts: secret: it has fewer than 16 bytes and can be guessed: "
                   "use a longer one");
    assert_refused("hosts {\n secret = {\"0123456789abcdef\", \"1123456789abcdef\", "
                   "\"2123456789abcdef\", \"3123456789abcdef\", \"4123456789abcdef\"} }",
                   "topics.conf:2: hosts: secret: more than 4 secrets");
    assert_refused("hosts {\n secret = \"any\" }",
                   "topics.conf:2: hosts: secret: \"any\" is there for the time until all hosts "
                   "have a secret: write that secret before it, secret = {\"env:NAME\", \"any\"}");
    assert_refused("hosts {\n count = 65 }",
                   "topics.conf:2: hosts: count: \"65\" is out of range: it must be from 1 to 64");
    assert_refused(
        "cluster {\n lease = \"2999ms\" }",
        "topics.conf:2: cluster: lease: \"2999ms\" is out of range: it must be from 3 s to "
        "1 h");
    assert_refused(
        "hosts {\n group = \"a/b\" }",
        "topics.conf:2: hosts: group: \"a/b\" is not a valid name: use 1 to 64 letters, digits, "
        "- and _");
    assert_service_refused("several_hosts = shared", "several_hosts: \"shared\" is not valid: "
                                                     "write divided or independent");
}

static void values_of_a_service_are_checked(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"key = event_id",
         "key: \"event_id\" is not a rule: write json:/pointer, topic:N, property:NAME or none"},
        {"idempotency = \"json:x\"",
         "idempotency: a JSON pointer begins with a slash: write \"json:/x\""},
        {"share = maybe", "share: \"maybe\" is not valid: write yes or no"},
        {"order = fifo", "order: \"fifo\" is not valid: write key or none"},
        {"concurrency = 0", "concurrency: \"0\" is out of range: it must be from 1 to 10000"},
        {"concurrency = many", "concurrency: \"many\" is not an integer"},
        {"concurrency = -1", "concurrency: \"-1\" is not an integer"},
        {"concurrency = 99999999999999999999",
         "concurrency: \"99999999999999999999\" is not an integer"},
        {"rate = 200",
         "rate: \"200\" is not a rate: write \"200/s\", \"10/m\", \"5/h\", or \"0\" for no limit"},
        {"batch = 0", "batch: \"0\" is out of range: it must be from 1 to 1000"},
        {"batch = 2 linger = \"2h\"", "linger: \"2h\" is out of range: it must be from 0 s to 1 h"},
        {"timeout = 30", "timeout: \"30\" is not a duration: write an integer and ms, s, m, h or "
                         "d, as in \"30s\""},
        {"timeout = \"8d\"", "timeout: \"8d\" is out of range: it must be from 1 ms to 7 d"},
        {"max_dead = 0",
         "max_dead: \"0\" is neither a number of dead letters nor a size: write 1000 or 64MiB"},
        {"max_dead = many", "max_dead: \"many\" is neither a number of dead letters nor a size: "
                            "write 1000 or 64MiB"},
        {"keep_dead = 3", "keep_dead: \"3\" is not a duration: write an integer and ms, s, m, h or "
                          "d, as in \"30s\""},
        {"retries = 1001", "retries: \"1001\" is out of range: it must be from 0 to 1000"},
        {"backoff = linear", "backoff: \"linear\" is not valid: write exponential or constant"},
        {"delay = \"31d\"", "delay: \"31d\" is out of range: it must be from 0 s to 30 d"},
        {"jitter = 1.5", "jitter: \"1.5\" is out of range: it must be from 0 to 1"},
        {"jitter = some", "jitter: \"some\" is not a number"},
        {"jitter = nan", "jitter: \"nan\" is not a number"},
        {"on_dead = stop", "on_dead: \"stop\" is not valid: write continue or park"},
        {"retry = \"/r.lua\"",
         "retry: \"/r.lua\" is not a file in scripts/: write its name, as in \"seats.lua\""},
        {"dead_letter = \"../d.lua\"", "dead_letter: \"../d.lua\" is not a file in scripts/: write "
                                       "its name, as in \"seats.lua\""},
        {"dead_topic = \"a/+\"",
         "dead_topic: \"a/+\": a topic to publish to must not contain the wildcards + or #"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_service_refused(rows[i][0], rows[i][1]);
    }
    /* What two options together make is told on the service's own line. */
    assert_refused(
        "service s { subscribe = a\n handler = h\n on_dead = park }",
        "topics.conf:1: service \"s\": on_dead = park blocks a key's later events, which "
        "requires order = key (and a key)");
    assert_refused(
        "service \"s\" { subscribe = a handler = \"\" }",
        "topics.conf:1: service \"s\": handler: \"\" is not a file in scripts/: write its "
        "name, as in \"seats.lua\"");
    assert_refused(
        "service s { subscribe = a\n handler = h\n batch = 2 order = key }",
        "topics.conf:1: service \"s\": with order = key a batch has one event per key, so "
        "the service needs a key; with order = none it needs none");
    assert_refused("service s { subscribe = a\n handler = h\n linger = \"1s\" }",
                   "topics.conf:1: service \"s\": linger is how long a batch waits for more "
                   "events: it requires batch, the maximum number of events per batch");
    assert_refused("\nservice \"s\" { subscribe = a handler = h delay = \"10m\" }",
                   "topics.conf:2: service \"s\": delay is 10 m and max_delay 5 m: raise max_delay "
                   "to delay or above");
}

static void brokers_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"broker { url = { mqtt://a, b } }", "broker: url: \"b\" is not a broker URL: write "
                                             "mqtt://host:port, or mqtts://host:port for TLS"},
        {"broker { url = { mqtt://a, mqtt://a } }", "broker: url: \"mqtt://a\" is listed twice"},
        {"broker { url = { mqtt://a, mqtt://b } ca_file = \"ca.pem\" }",
         "broker: url: certificates are set, but the url is not mqtts://"},
        {"broker { url = { mqtt://1, mqtt://2, mqtt://3, mqtt://4, mqtt://5, mqtt://6, mqtt://7, "
         "mqtt://8, mqtt://9 } }",
         "broker: url: more than 8 brokers"},
        {"broker { url = localhost }", "broker: url: \"localhost\" is not a broker URL: write "
                                       "mqtt://host:port, or mqtts://host:port for "
                                       "TLS"},
        {"broker { url = \"mqtt://u:p@h\" }", "broker: url: set the user name and password with "
                                              "their own options: username and password"},
        {"broker { url = \"mqtt://h:0\" }",
         "broker: url: \"mqtt://h:0\" is not a broker URL: write mqtt://host:port"},
        {"broker { url = \"mqtts://\" }",
         "broker: url: \"mqtts://\" is not a broker URL: write mqtts://host:port"},
        {"broker { url = \"mqtt://[::1\" }",
         "broker: url: \"mqtt://[::1\" is not a broker URL: write mqtt://host:port"},
        {"broker { url = \"mqtt://h/path\" }",
         "broker: url: \"mqtt://h/path\" is not a broker URL: write mqtt://host:port"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[1024];
        (void)snprintf(expected, sizeof expected, "topics.conf:1: %s", rows[i][1]);
        assert_refused(rows[i][0], expected);
    }
}

static void values_of_the_host_are_checked(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"broker { receive_maximum = 65536 }", "broker: receive_maximum: \"65536\" is out of "
                                               "range: it must be from 1 to 65535"},
        {"broker { cert_file = a }",
         "broker: cert_file: cert_file and key_file must be set together"},
        {"broker { url = mqtt://h ca_file = a }",
         "broker: url: certificates are set, but the url is not mqtts://"},
        {"store { path = \"\" }", "store: path: a path must not be empty"},
        {"store { max_size = \"8GB\" }", "store: max_size: \"8GB\" is not a size: write an "
                                         "integer and B, KiB, MiB, GiB or TiB, as "
                                         "in \"64KiB\""},
        {"store { max_size = 1 }",
         "store: max_size: \"1\" is out of range: it must be from 2 MiB to 64 TiB"},
        {"limits { payload = 0 }",
         "limits: payload: \"0\" is out of range: it must be from 1 B to 16 MiB"},
        {"http { listen = 8080 }",
         "http: listen: \"8080\" is not a listen address: write \"127.0.0.1:8080\", "
         "\"[::1]:8080\", \"unix:/path\", or \"\" for none"},
        {"http { listen = \"0.0.0.0:80\" }",
         "http: listen: \"0.0.0.0:80\" can be reached from other machines, and there is no "
         "http.token: set the environment variable ZINGQ_TOKEN, or listen on 127.0.0.1"},
        {"endpoint \"x\" { publish = a }",
         "endpoint \"x\": an endpoint is identified by its path: a "
         "slash, then letters, digits and - . _ "
         "~ /, as in \"/api/send-email\""},
        {"endpoint \"/api/events/x\" { publish = a }",
         "endpoint \"/api/events/x\": this path is reserved by zingq, choose another"},
        {"endpoint \"/x\" { publish = \"\" }",
         "endpoint \"/x\": publish: a topic must not be empty"},
        {"endpoint \"/x\" { publish = a required = {b, b} }",
         "endpoint \"/x\": required: \"b\" is listed twice"},
        {"endpoint \"/x\" { publish = a required = {\"\"} }",
         "endpoint \"/x\": required: a name must not be empty"},
        {"schedule \"x\" { publish = a cron = \"61 * * * *\" }",
         "schedule \"x\": cron: minute 61 is out of range 0 to 59"},
        {"schedule \"x\" { publish = a cron = \"0 0 30 2 *\" }",
         "schedule \"x\": cron: \"0 0 30 2 *\" never matches: none of its months has that day"},
        {"schedule \"x\" { publish = a cron = \"@daily\" timezone = \"Europe/Berln\" }",
         "schedule \"x\": timezone: there is no time zone \"Europe/Berln\": write \"UTC\" or a "
         "name "
         "as in \"Europe/Berlin\" (they are in the package tzdata)"},
        {"schedule \"x\" { publish = a cron = \"@daily\" missed = all }",
         "schedule \"x\": missed: \"all\" is not valid: write once or skip"},
        {"endpoint \"/api/cancel\" { publish = a }",
         "endpoint \"/api/cancel\": this path is reserved by zingq, choose another"},
        {"schedule \"x\" { publish = a cron = \"* * *\" }",
         "schedule \"x\": cron: \"* * *\" has 3 fields; five are required: minute hour day month "
         "weekday, as in \"0 3 * * *\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[1024];
        (void)snprintf(expected, sizeof expected, "topics.conf:1: %s", rows[i][1]);
        assert_refused(rows[i][0], expected);
    }
}

static void who_may_come_in_is_checked(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"http { listen = \"0.0.0.0:80\" token = short }",
         "http: token: a token of fewer than 16 bytes can be guessed, and http.listen can be "
         "reached from other machines: make a longer one, as `openssl rand -hex 16` does"},
        {"http { listen = \"0.0.0.0:80\" token = 0123456789abcdef } "
         "endpoint \"/x\" { publish = a }",
         "endpoint \"/x\": http.listen is reachable from other machines: set who may use this "
         "endpoint, auth = hmac, auth = token or auth = none"},
        {"endpoint \"/x\" { publish = a auth = hmac }",
         "endpoint \"/x\": auth = hmac needs a preset, stripe or standard-webhooks, and a secret, "
         "such as secret = \"env:WEBHOOK_SECRET\""},
        {"endpoint \"/x\" { publish = a preset = stripe }",
         "endpoint \"/x\": preset and secret go with auth = hmac"},
        {"endpoint \"/x\" { publish = a auth = hmac preset = \"standard-webhooks\" secret = "
         "\"whsec_c2hvcnQgb25l\" }",
         "endpoint \"/x\": a secret of standard-webhooks is whsec_ and the base64 of 16 to 256 "
         "bytes"},
        {"endpoint \"/x\" { publish = a auth = hmac preset = stripe secret = short }",
         "endpoint \"/x\": secret: it has fewer than 16 bytes and can be guessed: use a longer "
         "one"},
        {"token \"t\" { value = 0123456789abcdef role = god }",
         "token \"t\": role: \"god\" is not valid: write read or submit or operate or admin"},
        {"token \"t\" { value = \"\" role = read }",
         "token \"t\": its value is empty, so anyone could use it"},
        {"token \"t\" { value = 0123456789abcdef role = read endpoints = {\"/x\"} }",
         "token \"t\": endpoints requires role = submit; the other roles do not concern single "
         "endpoints"},
        {"token \"t\" { value = 0123456789abcdef role = submit endpoints = {\"/x\"} }",
         "token \"t\": there is no endpoint \"/x\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[1024];
        (void)snprintf(expected, sizeof expected, "topics.conf:1: %s", rows[i][1]);
        assert_refused(rows[i][0], expected);
    }
}

static void listening_beyond_loopback_is_fine_with_a_token(void **state) {
    (void)state;
    static const char *const good[] = {
        "http { listen = \"0.0.0.0:80\" token = 0123456789abcdef }",
        "http { listen = \"127.0.0.2:80\" }",
        "http { listen = \"[::1]:80\" }",
        "http { listen = \"unix:/run/zingq.sock\" }",
        "http { listen = \"\" }",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        conf_free(conf_folder_load(good[i]));
    }
}

static void too_many_sections_and_vars_are_refused(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 257; i++) {
        buf_printf(&text, "service s%d { subscribe = a handler = h }\n", i);
    }
    assert_refused(buf_str(&text), "topics.conf: 257 sections \"service\"; the limit is 256");
    buf_reset(&text);
    buf_add_str(&text, "vars {\n");
    for (int i = 0; i < 257; i++) {
        buf_printf(&text, "v%d = x\n", i);
    }
    buf_add_str(&text, "}");
    assert_refused(buf_str(&text), "topics.conf:258: vars: more than 256 entries");
    buf_clear(&text);
}

/* Cut anywhere or with a byte changed, a file is read or refused with a sentence, no more. */
static void a_damaged_file_never_does_harm(void **state) {
    (void)state;
    static const char good[] = "broker { url = \"mqtt://h:1\" } # c\nvars { a = 'b' /* d */ }\n"
                               "service \"s\" { subscribe = {\"a\", \"b\"} handler = h.lua }\n";
    static const char bytes[] = "\"'{}=,#/*\\\n$ \001\xff+|()";
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[at] = bytes[b];
            conf_folder_write_bytes("topics.conf", text, strlen(text));
            struct conf *c = NULL;
            struct report r = {.text = ""};
            int code = conf_load(&c, NULL, NULL, &r);
            assert_true(code == 0 || (code == ERR_INVALID && strlen(r.text) > 15));
            conf_free(c);
        }
    }
}

static void keep_sentence(void *ctx, const char *sentence) {
    buf_add_str(ctx, sentence);
    buf_add_str(ctx, "\n");
}

static void all_mistakes_are_told_to_who_wants_them(void **state) {
    (void)state;
    conf_folder_write(
        "topics.conf",
        "limits { backlog = 0 }\n"
        "vars { key = \"env:NO_SUCH_VARIABLE\" }\n"
        "service \"a b\" { subscribe = {a}  handler = \"../h\"  delay = 5 }\n"
        "service c { subscribe = {c}  handler = h  on_dead = park  linger = \"1s\" }\n"
        "schedule s { publish = x  zone = UTC }\n");
    struct buf told;
    buf_init(&told, 1 << 16);
    struct conf_mistakes mistakes = {.tell = keep_sentence, .ctx = &told};
    const struct conf_overrides overrides = {.mistakes = &mistakes};
    struct report r = {.text = ""};
    struct conf *c = NULL;
    assert_int_equal(conf_load(&c, NULL, &overrides, &r), ERR_INVALID);
    assert_null(c);
    assert_int_equal(mistakes.count, 9);
    static const char *const parts[] = {"topics.conf:5: schedule \"s\": unknown option \"zone\"",
                                        "topics.conf:1: limits: backlog: ",
                                        "topics.conf:2: vars: key: ",
                                        "topics.conf:3: service: \"a b\" is not",
                                        "topics.conf:3: service \"a b\": handler: ",
                                        "topics.conf:3: service \"a b\": delay: ",
                                        "topics.conf:4: service \"c\": on_dead = park ",
                                        "topics.conf:4: service \"c\": linger ",
                                        "topics.conf:5: schedule \"s\": \"cron\" is required"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_non_null(strstr(buf_str(&told), parts[i]));
    }
    buf_clear(&told);
}

static void keep_variable(void *ctx, const char *name, const char *near) {
    buf_printf(ctx, "%s %s\n", name, near == NULL ? "-" : near);
}

static void variables_that_override_nothing_are_told(void **state) {
    (void)state;
    static const char *const set[][2] = {
        {"ZINGQ_STORE_PTAH", "/x"},  {"ZINGQ_STORE_PATH", "/x"},
        {"ZINGQ_VARS_ANY", "x"},     {"ZINGQ_HTTP_SERVICE_HOST", "h"},
        {"ZINGQ_PORT", "tcp://h:1"}, {"ZINGQ_NOTHING_LIKE_IT", ""}};
    struct buf told;
    buf_init(&told, 1 << 12);
    for (size_t i = 0; i < COUNT(set); i++) {
        assert_int_equal(setenv(set[i][0], set[i][1], 1), 0);
    }
    conf_unknown_variables(&told, keep_variable);
    assert_non_null(strstr(buf_str(&told), "ZINGQ_STORE_PTAH ZINGQ_STORE_PATH\n"));
    assert_non_null(strstr(buf_str(&told), "ZINGQ_NOTHING_LIKE_IT -\n"));
    assert_null(strstr(buf_str(&told), "ZINGQ_STORE_PATH -"));
    assert_null(strstr(buf_str(&told), "VARS"));
    assert_null(strstr(buf_str(&told), "SERVICE_HOST"));
    assert_null(strstr(buf_str(&told), "ZINGQ_PORT "));
    for (size_t i = 0; i < COUNT(set); i++) {
        assert_int_equal(unsetenv(set[i][0]), 0);
    }
    buf_clear(&told);
}

int main(void) {
    (void)unsetenv("MQTT_PASSWORD");
    (void)unsetenv("ZINGQ_TOKEN");
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(a_missing_file_is_told_apart_from_one_that_cannot_be_read),
        TEST_IN_FOLDER(a_pipe_is_refused_and_not_waited_for),
        TEST_IN_FOLDER(a_host_to_connect_to_is_checked),
        TEST_IN_FOLDER(a_file_beyond_the_limit_is_refused),
        TEST_IN_FOLDER(unknown_options_are_refused_with_a_suggestion),
        TEST_IN_FOLDER(mistakes_of_form_are_refused_on_their_line),
        TEST_IN_FOLDER(a_service_without_what_must_be_given_is_refused),
        TEST_IN_FOLDER(names_are_letters_digits_and_given_once),
        TEST_IN_FOLDER(filters_of_a_service_must_be_legal_and_apart),
        TEST_IN_FOLDER(the_numbers_of_hosts_are_checked),
        TEST_IN_FOLDER(values_of_a_service_are_checked),
        TEST_IN_FOLDER(brokers_that_are_none_are_refused),
        TEST_IN_FOLDER(values_of_the_host_are_checked),
        TEST_IN_FOLDER(who_may_come_in_is_checked),
        TEST_IN_FOLDER(listening_beyond_loopback_is_fine_with_a_token),
        TEST_IN_FOLDER(too_many_sections_and_vars_are_refused),
        TEST_IN_FOLDER(all_mistakes_are_told_to_who_wants_them),
        TEST_IN_FOLDER(variables_that_override_nothing_are_told),
        TEST_IN_FOLDER(a_damaged_file_never_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
