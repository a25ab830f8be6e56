/*
 * fuzz_service.c - any text as a rule, a filter and a topic, any payload for the rule.
 *
 * Input: three lines and a rest: rule, filter, topic, payload. Promises: a refusal comes with a
 * sentence; a key keeps to its limit; a filter is legal, and matches, exactly where libmosquitto says
 * so; two filters that match one topic overlap.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "conf/service.h"
#include "event/event.h"

#include <mosquitto.h>

static void read_again(const struct rule *rule) {
    struct rule again;
    struct buf words;
    struct buf words_again;
    buf_init(&words, 1 << 20);
    buf_init(&words_again, 1 << 20);
    rule_write(rule, &words);
    assert(!words.failed && rule_parse(buf_str(&words), &again, NULL) == 0);
    rule_write(&again, &words_again);
    assert(slice_equal(buf_slice(&words), buf_slice(&words_again)));
    rule_clear(&again);
    buf_clear(&words_again);
    buf_clear(&words);
}

static void try_rule(const char *text, const char *topic, struct slice payload) {
    struct rule rule;
    struct report r = {""};
    if (rule_parse(text, &rule, &r) != 0) {
        assert(r.text[0] != '\0');
        return;
    }
    read_again(&rule);
    struct event_bytes bytes = {.topic = slice_of(topic), .payload = payload};
    struct event *event = event_new(&bytes);
    assert(event != NULL);
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    int code = rule_extract(&rule, event, &key, &r);
    assert(code == 0 || r.text[0] != '\0');
    assert(code != 0 || (!key.failed && key.len <= KEY_BYTES_MAX));
    buf_clear(&key);
    event_free(event);
    rule_clear(&rule);
}

/* Whether libmosquitto takes the filter, or the topic, as one. */
static bool is_good(const char *text, int (*check)(const char *)) {
    size_t len = strlen(text);
    return len > 0 && len <= TOPIC_BYTES_MAX && check(text) == MOSQ_ERR_SUCCESS &&
           mosquitto_validate_utf8(text, (int)len) == MOSQ_ERR_SUCCESS;
}

static void try_filter(const char *filter, const char *topic) {
    bool topic_good = topic_check(topic, NULL) == 0;
    bool good = filter_check(filter, NULL) == 0;
    bool match = false;
    assert(topic_good == is_good(topic, mosquitto_pub_topic_check));
    assert(good ==
           (is_good(filter, mosquitto_sub_topic_check) && strncmp(filter, "$share/", 7) != 0));
    if (!good || !topic_good) {
        return;
    }
    assert(mosquitto_topic_matches_sub(filter, topic, &match) == MOSQ_ERR_SUCCESS);
    assert(filter_matches(filter, topic) == match);
    assert(filter_overlaps(filter, filter) && filter_matches(topic, topic));
    assert(filter_overlaps(filter, topic) == match && filter_overlaps(topic, filter) == match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    char *rule = fuzz_line(&rest);
    char *filter = fuzz_line(&rest);
    char *topic = fuzz_line(&rest);
    try_rule(rule, topic, rest);
    try_filter(filter, topic);
    free(rule);
    free(filter);
    free(topic);
    return 0;
}
