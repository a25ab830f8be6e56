/*
 * fuzz_service.c - any text as a rule, a filter and a topic, any payload for the rule.
 *
 * Input: three lines and a rest: rule, filter, topic, payload. Promises: a refusal comes with a
 * sentence; a key keeps to its limit; two filters that match one topic overlap.
 */
#include "base/limits.h"
#include "conf/service.h"

#include "event/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts the first line off `rest`; terminated, the caller frees it. A NUL ends the text early. */
static char *take_line(struct slice *rest) {
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    char *line = slice_dup((struct slice){rest->data, len});
    assert(line != NULL);
    size_t taken = end == NULL ? len : len + 1;
    *rest = (struct slice){rest->len == 0 ? rest->data : rest->data + taken, rest->len - taken};
    return line;
}

static void try_rule(const char *text, const char *topic, struct slice payload) {
    struct rule rule;
    struct report r = {""};
    if (rule_parse(text, &rule, &r) != 0) {
        assert(r.text[0] != '\0');
        return;
    }
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

static void try_filter(const char *filter, const char *topic) {
    bool topic_good = topic_check(topic, NULL) == 0;
    if (filter_check(filter, NULL) != 0) {
        return;
    }
    assert(filter_overlaps(filter, filter));
    if (topic_good && filter_matches(filter, topic)) {
        assert(filter_overlaps(filter, topic));
        assert(filter_overlaps(topic, filter));
        assert(filter_matches(topic, topic));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {(const char *)data, size};
    char *rule = take_line(&rest);
    char *filter = take_line(&rest);
    char *topic = take_line(&rest);
    try_rule(rule, topic, rest);
    try_filter(filter, topic);
    free(rule);
    free(filter);
    free(topic);
    return 0;
}
