/* test_service.c - key rules, topic filters, the retry schedule. */
#include "event/event.h"
#include "base/limits.h"
#include "conf/service.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

/* ---- rules ---- */

/* What the rule finds in an event, or its sentence. */
static void assert_extracts(const char *rule_text, const char *payload, int code,
                            const char *expected) {
    struct buf properties, out;
    buf_init(&properties, 4096);
    buf_init(&out, 4096);
    property_add(&properties, slice_of("tenant"), slice_of("acme"));
    property_add(&properties, slice_of("empty"), slice_of(""));
    struct event_bytes bytes = {.topic = slice_of("hall/12//seat"),
                                .payload = slice_of(payload),
                                .properties = buf_slice(&properties)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    struct rule rule;
    struct report r = {.text = ""};
    assert_int_equal(rule_parse(rule_text, &rule, &r), 0);

    assert_int_equal(rule_extract(&rule, event, &out, &r), code);
    assert_string_equal(code == 0 ? buf_str(&out) : r.text, expected);
    if (code != 0) {
        assert_int_equal(out.len, 0);
    }

    rule_clear(&rule);
    event_free(event);
    buf_clear(&out);
    buf_clear(&properties);
}

static void assert_rule_refused(const char *text, const char *sentence) {
    struct rule rule;
    struct report r = {.text = ""};
    assert_int_equal(rule_parse(text, &rule, &r), ERR_INVALID);
    assert_string_equal(r.text, sentence);
    assert_int_equal(rule.kind, RULE_NONE);
    assert_null(rule.arg);
}

static void rule_json_finds_strings_whole_numbers_and_booleans(void **state) {
    (void)state;
    assert_extracts("json:/event_id", "{\"event_id\":\"rock-1\"}", 0, "rock-1");
    assert_extracts("json:/n", "{\"n\":-12345678901234567}", 0, "-12345678901234567");
    assert_extracts("json:/b", "{\"b\":false}", 0, "false");
    assert_extracts("json:/b", "{\"b\":true}", 0, "true");
    assert_extracts("json:", "\"whole\"", 0, "whole");
}

static void rule_json_follows_the_examples_of_rfc_6901(void **state) {
    (void)state;
    static const char *const doc =
        "{\"foo\":[\"bar\",\"baz\"],\"\":10,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
        "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9}";
    static const char *const found[][2] = {
        {"json:/foo/0", "bar"}, {"json:/", "10"},    {"json:/a~1b", "1"}, {"json:/c%d", "2"},
        {"json:/e^f", "3"},     {"json:/g|h", "4"},  {"json:/i\\j", "5"}, {"json:/k\"l", "6"},
        {"json:/ ", "7"},       {"json:/m~0n", "8"}, {"json:/~01", "9"},
    };
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        assert_extracts(found[i][0], doc, 0, found[i][1]);
    }
    assert_extracts("json:/foo/2", doc, ERR_INVALID, "no value at /foo/2 in the payload");
    assert_extracts("json:/foo/00", doc, ERR_INVALID, "no value at /foo/00 in the payload");
    assert_extracts("json:/foo/-", doc, ERR_INVALID, "no value at /foo/- in the payload");
    assert_extracts("json:/foo/", doc, ERR_INVALID, "no value at /foo/ in the payload");
    assert_extracts("json:/a~1b/x", doc, ERR_INVALID, "no value at /a~1b/x in the payload");
}

static void rule_json_says_why_a_value_is_no_key(void **state) {
    (void)state;
    assert_extracts("json:/x", "{\"x\":{}}", ERR_INVALID,
                    "the value at /x is an object, a key must be a string or an integer");
    assert_extracts("json:/x", "{\"x\":[1]}", ERR_INVALID,
                    "the value at /x is an array, a key must be a string or an integer");
    assert_extracts("json:/x", "{\"x\":null}", ERR_INVALID,
                    "the value at /x is null, a key must be a string or an integer");
    assert_extracts("json:/x", "{\"x\":1.5}", ERR_INVALID,
                    "the value at /x is a number with a fraction or an exponent, a key must be a "
                    "string or an integer");
    assert_extracts("json:", "{}", ERR_INVALID,
                    "the value at the top is an object, a key must be a string or an integer");
    assert_extracts("json:/x", "{\"x\":\"\"}", ERR_INVALID, "the value at /x is empty");
    assert_extracts("json:/x", "{\"y\":1}", ERR_INVALID, "no value at /x in the payload");
    assert_extracts("json:/x", "{\"x\":", ERR_INVALID,
                    "payload is not JSON: line 1, column 6: it ends too early");
    assert_extracts("json:/x", "{\"x\":\"a\\ud83d\"}", ERR_INVALID,
                    "the value at /x has half of a surrogate pair, a key must be text");
}

static void rule_json_keeps_every_digit_of_a_whole_number(void **state) {
    (void)state;
    static const char *const same[] = {"0", "-1", "9007199254740993", "10014255632117358197",
                                       "100000000000000000000000000000001"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char doc[80];
        (void)snprintf(doc, sizeof doc, "{\"x\": %s}", same[i]);
        assert_extracts("json:/x", doc, 0, same[i]);
    }
    assert_extracts("json:/x", "{\"x\":-0}", 0, "0");
    assert_extracts("json:/x", "{\"x\":1e20}", ERR_INVALID,
                    "the value at /x is a number with a fraction or an exponent, a key must be a "
                    "string or an integer");
}

static void rule_json_takes_the_last_value_of_a_name(void **state) {
    (void)state;
    assert_extracts("json:/x", "{\"x\":1,\"x\":\"b\"}", 0, "b");
    assert_extracts("json:/x/y", "{\"x\":{\"y\":1},\"x\":{\"z\":2}}", ERR_INVALID,
                    "no value at /x/y in the payload");
    assert_extracts("json:/x/y", "{\"x\":{\"y\":1},\"x\":7}", ERR_INVALID,
                    "no value at /x/y in the payload");
    assert_extracts("json:/x", "{\"\\u0078\":5, \"y\":{\"x\":6}}", 0, "5");
    assert_extracts("json:/x", "{\"x\":\"\\ud83d\\ude00\\n\"}", 0, "\xF0\x9F\x98\x80\n");
    assert_extracts("json:/1/0", "[[1],[2]]", 0, "2");
}

static void rule_topic_finds_a_level(void **state) {
    (void)state;
    assert_extracts("topic:1", "", 0, "hall");
    assert_extracts("topic:2", "", 0, "12");
    assert_extracts("topic:4", "", 0, "seat");
    assert_extracts("topic:3", "", ERR_INVALID, "level 3 of the topic is empty");
    assert_extracts("topic:5", "", ERR_INVALID,
                    "the topic has 4 levels, the rule requires level 5");
}

static void rule_property_finds_a_user_property(void **state) {
    (void)state;
    assert_extracts("property:tenant", "", 0, "acme");
    assert_extracts("property:other", "", ERR_INVALID, "no user property \"other\"");
    assert_extracts("property:empty", "", ERR_INVALID, "the user property \"empty\" is empty");
}

static void rule_none_finds_nothing_and_that_is_no_error(void **state) {
    (void)state;
    assert_extracts("none", "not even JSON", 0, "");
}

/* The rank by the rule /p or, unless it is NULL, by the property. */
static void assert_ranks(const char *payload, const char *property, int code, uint8_t expected) {
    struct buf properties;
    struct buf room;
    uint8_t rank = 99;
    buf_init(&properties, 4096);
    buf_init(&room, 4096);
    if (property != NULL) {
        property_add(&properties, slice_of("zingq-priority"), slice_of(property));
    }
    struct event_bytes bytes = {
        .topic = slice_of("t"), .payload = slice_of(payload), .properties = buf_slice(&properties)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    struct service_conf s = {.name = "s"};
    struct report r = {.text = ""};
    assert_int_equal(rule_parse("json:/p", &s.priority, &r), 0);
    assert_int_equal(service_rank(&s, event, &room, &rank, &r), code);
    assert_int_equal(rank, expected);
    rule_clear(&s.priority);
    assert_int_equal(service_rank(&s, event, &room, &rank, &r), property == NULL ? 0 : code);
    assert_int_equal(rank, property == NULL ? 0 : expected);
    event_free(event);
    buf_clear(&room);
    buf_clear(&properties);
}

static void a_priority_is_a_digit_by_property_or_rule(void **state) {
    (void)state;
    assert_ranks("{\"p\":0}", NULL, 0, 1);
    assert_ranks("{\"p\":\"9\"}", NULL, 0, 10);
    assert_ranks("{\"p\":0}", "9", 0, 10);
    assert_ranks("{}", "0", 0, 1);
}

static void what_is_no_priority_is_the_default(void **state) {
    (void)state;
    assert_ranks("{}", NULL, 0, 1 + PRIORITY_DEFAULT);
    assert_ranks("no JSON", NULL, ERR_INVALID, 1 + PRIORITY_DEFAULT);
    assert_ranks("{\"p\":12}", NULL, ERR_INVALID, 1 + PRIORITY_DEFAULT);
    assert_ranks("{\"p\":3.5}", NULL, ERR_INVALID, 1 + PRIORITY_DEFAULT);
    assert_ranks("{\"p\":9}", "", ERR_INVALID, 1 + PRIORITY_DEFAULT);
    assert_ranks("{\"p\":9}", " 9", ERR_INVALID, 1 + PRIORITY_DEFAULT);
}

static void rule_extract_refuses_a_key_over_the_limit_and_leaves_the_buffer(void **state) {
    (void)state;
    char payload[400] = "\"";
    memset(payload + 1, 'k', 300);
    payload[301] = '"';
    assert_extracts("json:", payload, ERR_INVALID, "the key has 300 bytes; the limit is 256");
    payload[KEY_BYTES_MAX + 1] = '"';
    payload[KEY_BYTES_MAX + 2] = '\0';
    char expected[KEY_BYTES_MAX + 1] = "";
    memcpy(expected, payload + 1, KEY_BYTES_MAX);
    assert_extracts("json:", payload, 0, expected);
}

static void rule_extract_refuses_a_long_key_whatever_the_buffer_holds(void **state) {
    (void)state;
    char payload[400] = "\"";
    memset(payload + 1, 'k', 300);
    payload[301] = '"';
    struct event_bytes bytes = {.topic = slice_of("t"), .payload = {payload, 302}};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    struct rule rule;
    assert_int_equal(rule_parse("json:", &rule, NULL), 0);
    struct buf out;
    buf_init(&out, KEY_BYTES_MAX);
    assert_int_equal(rule_extract(&rule, event, &out, NULL), ERR_INVALID);
    assert_false(out.failed);
    rule_clear(&rule);
    event_free(event);
}

static void rule_extract_tells_a_full_buffer_from_a_bad_payload(void **state) {
    (void)state;
    struct event_bytes bytes = {.topic = slice_of("t"), .payload = slice_of("\"too long\"")};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    struct rule rule;
    assert_int_equal(rule_parse("json:", &rule, NULL), 0);
    struct buf out;
    buf_init(&out, 3);
    assert_int_equal(rule_extract(&rule, event, &out, NULL), ERR_MEMORY);
    rule_clear(&rule);
    event_free(event);
}

static void rule_parse_refuses_with_the_form_to_write(void **state) {
    (void)state;
    assert_rule_refused("event_id", "\"event_id\" is not a rule: write json:/pointer, topic:N, "
                                    "property:NAME or none");
    assert_rule_refused("json:event_id",
                        "a JSON pointer begins with a slash: write \"json:/event_id\"");
    assert_rule_refused("json:/a~2", "\"json:/a~2\" has a lone ~: in a JSON pointer write ~0 for ~ "
                                     "and ~1 for /");
    assert_rule_refused("json:/a~", "\"json:/a~\" has a lone ~: in a JSON pointer write ~0 for ~ "
                                    "and ~1 for /");
    assert_rule_refused("topic:0",
                        "\"topic:0\" has no valid level: write topic:1 for the first, up "
                        "to topic:128");
    assert_rule_refused("topic:",
                        "\"topic:\" has no valid level: write topic:1 for the first, up to "
                        "topic:128");
    assert_rule_refused("topic:2x",
                        "\"topic:2x\" has no valid level: write topic:1 for the first, up "
                        "to topic:128");
    assert_rule_refused("property:",
                        "\"property:\" must be followed by the name of a user property");
    char text[400] = "json:/";
    memset(text + 6, 'x', 300);
    assert_rule_refused(text, "the rule has 306 bytes; the limit is 256");
}

/* ---- filters ---- */

static void filter_matches_as_mqtt_says(void **state) {
    (void)state;
    static const struct {
        const char *filter, *topic;
        bool matches;
    } rows[] = {
        {"a/b", "a/b", true},       {"a/b", "a/c", false},      {"a/b", "a/bc", false},
        {"a/bc", "a/b", false},     {"a/b", "a", false},        {"a", "a/b", false},
        {"a/+", "a/b", true},       {"a/+", "a", false},        {"a/+", "a/", true},
        {"a/+", "a/b/c", false},    {"+/b", "a/b", true},       {"+/+", "/x", true},
        {"+", "/x", false},         {"/+", "/x", true},         {"#", "a", true},
        {"#", "a/b/c", true},       {"#", "/", true},           {"a/#", "a", true},
        {"a/#", "a/", true},        {"a/#", "a/b/c", true},     {"a/#", "ab", false},
        {"a/#", "b/a", false},      {"a/+/c", "a/b/c", true},   {"a/+/c", "a/b/d", false},
        {"+/b/#", "a/b/c/d", true}, {"#", "$SYS/x", false},     {"+/x", "$SYS/x", false},
        {"$SYS/#", "$SYS/x", true}, {"$SYS/+", "$SYS/x", true}, {"a/+", "a/$x", true},
        {"a//c", "a//c", true},     {"a/+/c", "a//c", true},    {"A/b", "a/b", false},
        {"a/b/", "a/b", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (filter_matches(rows[i].filter, rows[i].topic) != rows[i].matches) {
            fail_msg("%s against %s", rows[i].filter, rows[i].topic);
        }
    }
}

static void filter_overlaps_when_a_topic_matches_both(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool overlaps;
    } rows[] = {
        {"a/b", "a/b", true},    {"a/b", "a/c", false},    {"a/+", "a/b", true},
        {"a/+", "+/b", true},    {"a/+", "b/+", false},    {"a/+/c", "a/b/+", true},
        {"a/+/c", "a/b", false}, {"#", "a/b", true},       {"a/#", "a", true},
        {"a/#", "a/b/c", true},  {"a/#", "b/#", false},    {"a/#", "+/b", true},
        {"a/#", "+", true},      {"+/#", "a", true},       {"a/b/#", "a", false},
        {"#", "$SYS/x", false},  {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/+", true},
        {"+", "/", false},       {"+/+", "/", true},       {"a/+", "a", false},
        {"a/b", "a/bc", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (filter_overlaps(rows[i].a, rows[i].b) != rows[i].overlaps ||
            filter_overlaps(rows[i].b, rows[i].a) != rows[i].overlaps) {
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        }
    }
}

/* The n-th topic of one to four levels, each empty, a, b, c or $. False past the last. */
static bool topic_number(unsigned n, char out[16]) {
    static const unsigned of_length[] = {5, 25, 125, 625};
    size_t last = 0;
    while (last < 4 && n >= of_length[last]) {
        n -= of_length[last++];
    }
    char *at = out;
    for (size_t level = 0; last < 4 && level <= last; level++, n /= 5) {
        if (level > 0) {
            *at++ = '/';
        }
        *at = "\0abc$"[n % 5];
        at += *at != '\0';
    }
    *at = '\0';
    return last < 4;
}

/* Over an alphabet small enough to try all: two filters overlap if and only if a topic matches
 * both. */
static void filter_overlaps_agrees_with_filter_matches(void **state) {
    (void)state;
    static const char *const filters[] = {
        "a",     "b",   "$",   "+",   "#",   "a/a", "a/b",   "a/+",   "a/#",
        "+/a",   "+/+", "+/#", "$/a", "$/+", "$/#", "a/a/a", "a/+/b", "+/a/+",
        "a/a/#", "/a",  "/+",  "/#",  "a/",  "+/",  "+/b/a", "a/+/#", "$/a/b",
    };
    size_t filter_count = sizeof filters / sizeof filters[0];
    for (size_t i = 0; i < filter_count * filter_count; i++) {
        const char *a = filters[i / filter_count];
        const char *b = filters[i % filter_count];
        bool common = false;
        char topic[16];
        for (unsigned n = 0; topic_number(n, topic); n++) {
            common |= topic[0] != '\0' && filter_matches(a, topic) && filter_matches(b, topic);
        }
        if (filter_overlaps(a, b) != common) {
            fail_msg("%s and %s", a, b);
        }
    }
}

static void assert_filter_refused(const char *filter, const char *sentence) {
    struct report r = {.text = ""};
    assert_int_equal(filter_check(filter, &r), ERR_INVALID);
    assert_string_equal(r.text, sentence);
}

static void filter_check_refuses_what_mqtt_refuses(void **state) {
    (void)state;
    assert_filter_refused("", "a topic filter must not be empty");
    assert_filter_refused("a/b+", "\"a/b+\": + stands for one whole level, as in a/+/b");
    assert_filter_refused("a/+b", "\"a/+b\": + stands for one whole level, as in a/+/b");
    assert_filter_refused(
        "a/#/b", "\"a/#/b\": # stands for all levels that follow and comes last, as in a/#");
    assert_filter_refused("a#",
                          "\"a#\": # stands for all levels that follow and comes last, as in a/#");
    assert_filter_refused("a\xff", "the topic filter is not UTF-8 or has control characters");
    assert_filter_refused("a\nb", "the topic filter is not UTF-8 or has control characters");
    assert_filter_refused("$share/g/a", "\"$share/g/a\": a service is already a shared group: omit "
                                        "$share/ and the group");
    char longer[TOPIC_BYTES_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_filter_refused(longer, "the topic filter has 65536 bytes, MQTT carries 65535");
}

static void filter_check_takes_legal_filters(void **state) {
    (void)state;
    static const char *const good[] = {"a",   "/",       "+",      "#",
                                       "+/#", "a/+/b/#", "$SYS/#", "gr\u00fc\u00df/+"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(filter_check(good[i], NULL), 0);
    }
}

static void topic_check_refuses_wildcards_and_emptiness(void **state) {
    (void)state;
    struct report r;
    assert_int_equal(topic_check("a/b", &r), 0);
    assert_int_equal(topic_check("a/+", &r), ERR_INVALID);
    assert_string_equal(r.text,
                        "\"a/+\": a topic to publish to must not contain the wildcards + or #");
    assert_int_equal(topic_check("", &r), ERR_INVALID);
    assert_string_equal(r.text, "a topic must not be empty");
}

static void service_wants_what_one_of_its_filters_matches(void **state) {
    (void)state;
    char *filters[] = {(char[]){"a/b"}, (char[]){"c/+"}};
    struct service_conf s = {.filters = filters, .filter_count = 2};
    assert_true(service_wants(&s, "a/b"));
    assert_true(service_wants(&s, "c/x"));
    assert_false(service_wants(&s, "d"));
}

/* ---- the retry schedule ---- */

static struct service_conf service_with(uint32_t retries, int64_t delay_ms) {
    return (struct service_conf){.retries = retries,
                                 .delay_ms = delay_ms,
                                 .max_delay_ms = 300000,
                                 .jitter = 0.2,
                                 .backoff = BACKOFF_EXPONENTIAL};
}

static void service_backoff_doubles_up_to_its_maximum(void **state) {
    (void)state;
    struct service_conf s = service_with(3, 1000);
    assert_int_equal(service_backoff_ms(&s, 1, 0.5), 1000);
    assert_int_equal(service_backoff_ms(&s, 2, 0.5), 2000);
    assert_int_equal(service_backoff_ms(&s, 3, 0.5), 4000);
    assert_int_equal(service_backoff_ms(&s, 9, 0.5), 256000);
    assert_int_equal(service_backoff_ms(&s, 10, 0.5), 300000);
    assert_int_equal(service_backoff_ms(&s, UINT32_MAX, 0.5), 300000);
}

static void service_backoff_spreads_by_its_jitter_both_ways(void **state) {
    (void)state;
    struct service_conf s = service_with(3, 1000);
    assert_int_equal(service_backoff_ms(&s, 1, 0.0), 800);
    assert_int_equal(service_backoff_ms(&s, 1, 0.75), 1100);
    assert_int_equal(service_backoff_ms(&s, 1, 0x1.fffffffffffffp-1), 1200);
    s.jitter = 0;
    assert_int_equal(service_backoff_ms(&s, 1, 0.0), 1000);
    s.jitter = 1;
    assert_int_equal(service_backoff_ms(&s, 1, 0.0), 0);
}

static void service_backoff_is_never_above_its_maximum(void **state) {
    (void)state;
    struct service_conf s = service_with(30, 1000);
    for (uint32_t failures = 1; failures < 30; failures++) {
        assert_in_range(service_backoff_ms(&s, failures, 0x1.fffffffffffffp-1), 1, 300000);
    }
    assert_int_equal(service_backoff_ms(&s, 20, 0.0), 240000);
    s.backoff = BACKOFF_CONSTANT;
    s.delay_ms = 290000;
    assert_int_equal(service_backoff_ms(&s, 1, 0.9), 300000);
    s.delay_ms = 600000; /* what is given stays */
    assert_int_equal(service_backoff_ms(&s, 1, 0.5), 600000);
}

static void service_backoff_constant_stays(void **state) {
    (void)state;
    struct service_conf s = service_with(3, 1500);
    s.backoff = BACKOFF_CONSTANT;
    assert_int_equal(service_backoff_ms(&s, 1, 0.5), 1500);
    assert_int_equal(service_backoff_ms(&s, 50, 0.5), 1500);
}

static void service_backoff_of_no_delay_is_none(void **state) {
    (void)state;
    struct service_conf s = service_with(3, 0);
    assert_int_equal(service_backoff_ms(&s, UINT32_MAX, 0.9), 0);
}

static void assert_schedule(const struct service_conf *s, const char *expected) {
    struct buf out;
    buf_init(&out, 4096);
    service_schedule_text(s, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_clear(&out);
}

static void service_schedule_reads_as_words(void **state) {
    (void)state;
    struct service_conf s = service_with(3, 1000);
    assert_schedule(&s, "4 tries: now, 1 s, 2 s, 4 s; gives up after 7 s");
    s = service_with(0, 1000);
    assert_schedule(&s, "1 try: now; gives up at the first failure");
    s = service_with(2, 250);
    s.backoff = BACKOFF_CONSTANT;
    assert_schedule(&s, "3 tries: now, 250 ms, 250 ms; gives up after 500 ms");
    s = service_with(20, 1000);
    assert_schedule(&s, "21 tries: now, 1 s, 2 s, 4 s, 8 s, 16 s, 32 s, 1 m 4 s, 2 m 8 s, ..., "
                        "5 m; gives up after 1 h 3 m");
    s = service_with(1, 1000);
    s.retry = (char[]){"retry.lua"};
    assert_schedule(&s, "decided by retry.lua; if it fails, 2 tries: now, 1 s; gives up after 1 s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_json_finds_strings_whole_numbers_and_booleans),
        cmocka_unit_test(rule_json_follows_the_examples_of_rfc_6901),
        cmocka_unit_test(rule_json_says_why_a_value_is_no_key),
        cmocka_unit_test(rule_json_keeps_every_digit_of_a_whole_number),
        cmocka_unit_test(rule_json_takes_the_last_value_of_a_name),
        cmocka_unit_test(rule_topic_finds_a_level),
        cmocka_unit_test(rule_property_finds_a_user_property),
        cmocka_unit_test(rule_none_finds_nothing_and_that_is_no_error),
        cmocka_unit_test(a_priority_is_a_digit_by_property_or_rule),
        cmocka_unit_test(what_is_no_priority_is_the_default),
        cmocka_unit_test(rule_extract_refuses_a_key_over_the_limit_and_leaves_the_buffer),
        cmocka_unit_test(rule_extract_refuses_a_long_key_whatever_the_buffer_holds),
        cmocka_unit_test(rule_extract_tells_a_full_buffer_from_a_bad_payload),
        cmocka_unit_test(rule_parse_refuses_with_the_form_to_write),
        cmocka_unit_test(filter_matches_as_mqtt_says),
        cmocka_unit_test(filter_overlaps_when_a_topic_matches_both),
        cmocka_unit_test(filter_overlaps_agrees_with_filter_matches),
        cmocka_unit_test(filter_check_refuses_what_mqtt_refuses),
        cmocka_unit_test(filter_check_takes_legal_filters),
        cmocka_unit_test(topic_check_refuses_wildcards_and_emptiness),
        cmocka_unit_test(service_wants_what_one_of_its_filters_matches),
        cmocka_unit_test(service_backoff_doubles_up_to_its_maximum),
        cmocka_unit_test(service_backoff_spreads_by_its_jitter_both_ways),
        cmocka_unit_test(service_backoff_is_never_above_its_maximum),
        cmocka_unit_test(service_backoff_constant_stays),
        cmocka_unit_test(service_backoff_of_no_delay_is_none),
        cmocka_unit_test(service_schedule_reads_as_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
