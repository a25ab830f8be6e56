/*
 * service.c - what a service's options mean: topic filters, key rules, the retry schedule.
 *
 * Design: filters and topics are compared in place, byte by byte and level by level: every publish
 * is compared with every filter of every service, so nothing is allocated or copied. A key rule is
 * parsed once; conf/pointer.c finds its value in the payload.
 *
 * An empty value is refused as a key: "" means that an event has no key, and all events with an
 * empty idempotency key would be duplicates of each other.
 *
 * Left out on purpose: `$share/...` in filters (a service already is the shared group), and
 * JSONPath: a pointer names a single value, which is all that a key needs.
 */
#include "conf/service.h"

#include "conf/conf.h"
#include "conf/pointer.h"
#include "event/event.h"
#include "base/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rules ---- */

static int parse_json_rule(const char *arg, struct rule *out, struct report *r) {
    if (arg[0] != '\0' && arg[0] != '/') {
        return report(r, ERR_INVALID, "a JSON pointer begins with a slash: write \"json:/%s\"",
                      arg);
    }
    if (!pointer_is_sound(arg)) {
        return report(r, ERR_INVALID,
                      "\"json:%s\" has a lone ~: in a JSON pointer write ~0 for ~ and ~1 for /",
                      arg);
    }
    out->arg = slice_dup(slice_of(arg));
    return out->arg == NULL ? ERR_MEMORY : 0;
}

static int parse_topic_rule(const char *arg, struct rule *out, struct report *r) {
    char *end = NULL;
    long level = strtol(arg, &end, 10);
    if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || level < 1 || level > RULE_LEVEL_MAX) {
        return report(
            r, ERR_INVALID,
            "\"topic:%s\" has no valid level: write topic:1 for the first, up to topic:%d", arg,
            RULE_LEVEL_MAX);
    }
    out->level = (int)level;
    return 0;
}

static int parse_property_rule(const char *arg, struct rule *out, struct report *r) {
    if (arg[0] == '\0') {
        return report(r, ERR_INVALID,
                      "\"property:\" must be followed by the name of a user property");
    }
    out->arg = slice_dup(slice_of(arg));
    return out->arg == NULL ? ERR_MEMORY : 0;
}

static const struct rule_form {
    const char *prefix;
    enum rule_kind kind;
    int (*parse)(const char *arg, struct rule *out, struct report *r);
} RULE_FORMS[] = {
    {"json:", RULE_JSON, parse_json_rule},
    {"topic:", RULE_TOPIC, parse_topic_rule},
    {"property:", RULE_PROPERTY, parse_property_rule},
};

int rule_parse(const char *text, struct rule *out, struct report *r) {
    *out = (struct rule){.kind = RULE_NONE};
    if (strcmp(text, "none") == 0) {
        return 0;
    }
    if (strlen(text) > RULE_BYTES_MAX) {
        return report(r, ERR_INVALID, "the rule has %zu bytes; the limit is %d", strlen(text),
                      RULE_BYTES_MAX);
    }
    for (size_t i = 0; i < sizeof RULE_FORMS / sizeof RULE_FORMS[0]; i++) {
        const struct rule_form *form = &RULE_FORMS[i];
        size_t prefix = strlen(form->prefix);
        if (strncmp(text, form->prefix, prefix) == 0) {
            out->kind = form->kind;
            int code = form->parse(text + prefix, out, r);
            if (code != 0) {
                *out = (struct rule){.kind = RULE_NONE};
            }
            return code;
        }
    }
    return report(r, ERR_INVALID,
                  "\"%s\" is not a rule: write json:/pointer, topic:N, property:NAME or none",
                  text);
}

void rule_clear(struct rule *rule) {
    free(rule->arg);
    *rule = (struct rule){.kind = RULE_NONE};
}

void rule_write(const struct rule *rule, struct buf *out) {
    switch (rule->kind) {
    case RULE_NONE:
        buf_add_str(out, "none");
        break;
    case RULE_JSON:
        buf_printf(out, "json:%s", rule->arg);
        break;
    case RULE_TOPIC:
        buf_printf(out, "topic:%d", rule->level);
        break;
    case RULE_PROPERTY:
        buf_printf(out, "property:%s", rule->arg);
        break;
    }
}

/* What a sentence calls a value that cannot be a key. */
static const char *json_kind_name(enum json_token token) {
    switch (token) {
    case JSON_BEGIN_OBJECT:
        return "an object";
    case JSON_BEGIN_ARRAY:
        return "an array";
    case JSON_NOTHING:
        return "null";
    case JSON_DOUBLE:
        return "a number with a fraction or an exponent";
    default:
        return "of another type";
    }
}

/* What a sentence calls the target of a pointer. */
static const char *place_name(const char *pointer) {
    return pointer[0] == '\0' ? "the top" : pointer;
}

/* A value that was found: in the event's memory, or the beginning of it in `room`, as much as a key
 * may have, if it had to be written out. */
struct found {
    struct slice value;
    char room[KEY_BYTES_MAX];
};

static int take_string(const struct rule *rule, const struct pointed *at, struct found *out,
                       struct report *r) {
    if (at->torn) {
        return report(r, ERR_INVALID,
                      "the value at %s has half of a surrogate pair, a key must be text",
                      place_name(rule->arg));
    }
    out->value = at->text;
    if (at->escaped) {
        size_t len = json_unescape(at->text, out->room, sizeof out->room);
        out->value = (struct slice){out->room, len};
    }
    return 0;
}

/* A whole number is a key as written, however large: as a double it would be another one. */
static int extract_json(const struct rule *rule, const struct event *event, struct found *out,
                        struct report *r) {
    struct pointed at;
    int code = pointer_find(event->payload, rule->arg, "payload", &at, r);
    if (code != 0) {
        return code;
    }
    bool whole = at.token == JSON_WHOLE ||
                 (at.token == JSON_DOUBLE && memchr(at.text.data, '.', at.text.len) == NULL &&
                  memchr(at.text.data, 'e', at.text.len) == NULL &&
                  memchr(at.text.data, 'E', at.text.len) == NULL);
    if (at.token == JSON_END) {
        return report(r, ERR_NOTFOUND, "no value at %s in the payload", place_name(rule->arg));
    }
    if (at.token == JSON_TEXT) {
        return take_string(rule, &at, out, r);
    }
    if (whole) {
        out->value = slice_is(at.text, "-0") ? slice_of("0") : at.text;
    } else if (at.token == JSON_YES || at.token == JSON_NO) {
        out->value = slice_of(at.token == JSON_YES ? "true" : "false");
    } else {
        return report(r, ERR_INVALID, "the value at %s is %s, a key must be a string or an integer",
                      place_name(rule->arg), json_kind_name(at.token));
    }
    return 0;
}

static int extract_topic(const struct rule *rule, const struct event *event, struct found *out,
                         struct report *r) {
    assert(rule->level >= 1);
    const char *level = event->topic.data;
    for (int at = 1; at < rule->level; at++) {
        const char *slash = strchr(level, '/');
        if (slash == NULL) {
            return report(r, ERR_NOTFOUND, "the topic has %d level%s, the rule requires level %d",
                          at, at == 1 ? "" : "s", rule->level);
        }
        level = slash + 1;
    }
    out->value = (struct slice){level, strcspn(level, "/")};
    return 0;
}

static int extract_property(const struct rule *rule, const struct event *event, struct found *out,
                            struct report *r) {
    if (!property_find(event->properties, rule->arg, &out->value)) {
        return report(r, ERR_NOTFOUND, "no user property \"%s\"", rule->arg);
    }
    return 0;
}

/* The error if the value found is empty. */
static int refuse_empty(const struct rule *rule, struct report *r) {
    switch (rule->kind) {
    case RULE_TOPIC:
        return report(r, ERR_INVALID, "level %d of the topic is empty", rule->level);
    case RULE_PROPERTY:
        return report(r, ERR_INVALID, "the user property \"%s\" is empty", rule->arg);
    default:
        return report(r, ERR_INVALID, "the value at %s is empty", place_name(rule->arg));
    }
}

/* As rule_extract; ERR_NOTFOUND: there is no value where the rule looks. */
static int extract_value(const struct rule *rule, const struct event *event, struct buf *out,
                         struct report *r) {
    static int (*const extract[])(const struct rule *, const struct event *, struct found *,
                                  struct report *) = {
        [RULE_JSON] = extract_json,
        [RULE_TOPIC] = extract_topic,
        [RULE_PROPERTY] = extract_property,
    };
    if (rule->kind == RULE_NONE) {
        return 0;
    }
    assert(rule->kind <= RULE_PROPERTY);
    struct found found;
    int code = extract[rule->kind](rule, event, &found, r);
    if (code != 0) {
        return code;
    }
    if (found.value.len == 0) {
        return refuse_empty(rule, r);
    }
    if (found.value.len > KEY_BYTES_MAX) {
        return report(r, ERR_INVALID, "the key has %zu bytes; the limit is %d", found.value.len,
                      KEY_BYTES_MAX);
    }
    buf_add_slice(out, found.value);
    return out->failed ? report(r, ERR_MEMORY, "out of memory for the key") : 0;
}

int rule_extract(const struct rule *rule, const struct event *event, struct buf *out,
                 struct report *r) {
    int code = extract_value(rule, event, out, r);
    return code == ERR_NOTFOUND ? ERR_INVALID : code;
}

int service_rank(const struct service_conf *s, const struct event *event, struct buf *room,
                 uint8_t *rank, struct report *r) {
    struct slice text;
    bool asked = property_find(event->properties, "zingq-priority", &text);
    *rank = 0;
    if (!asked && s->priority.kind == RULE_NONE) {
        return 0;
    }
    *rank = 1 + PRIORITY_DEFAULT;
    if (!asked) {
        buf_reset(room);
        int code = extract_value(&s->priority, event, room, r);
        if (code != 0) {
            return code == ERR_NOTFOUND ? 0 : code;
        }
        text = buf_slice(room);
    }
    if (text.len != 1 || text.data[0] < '0' || text.data[0] > '9') {
        return report(r, ERR_INVALID, "\"%.*s\" is not a number from 0 to 9",
                      (int)(text.len < 32 ? text.len : 32), text.data);
    }
    *rank = (uint8_t)(1 + text.data[0] - '0');
    return 0;
}

/* ---- filters ---- */

/* A wildcard in the first level does not match topics that begin with $ (MQTT 5, 4.7.2). */
static bool hidden_from_wildcard(const char *filter, const char *topic) {
    return topic[0] == '$' && (filter[0] == '+' || filter[0] == '#');
}

/* Advances both by one level; false when the filter's level does not match. */
static bool level_matches(const char **filter, const char **topic) {
    size_t topic_len = strcspn(*topic, "/");
    size_t filter_len = strcspn(*filter, "/");
    bool matches =
        **filter == '+' || (filter_len == topic_len && memcmp(*filter, *topic, topic_len) == 0);
    *filter += filter_len;
    *topic += topic_len;
    return matches;
}

bool filter_matches(const char *filter, const char *topic) {
    if (hidden_from_wildcard(filter, topic)) {
        return false;
    }
    while (*filter != '#') {
        if (!level_matches(&filter, &topic)) {
            return false;
        }
        if (*topic == '\0') { /* "a/#" matches "a" too (4.7.1.2) */
            return *filter == '\0' || strcmp(filter, "/#") == 0;
        }
        if (*filter == '\0') {
            return false;
        }
        filter++;
        topic++;
    }
    return true;
}

/* True if one level of two filters can match the same topic level. */
static bool levels_overlap(const char *a, const char *b) {
    size_t a_len = strcspn(a, "/");
    size_t b_len = strcspn(b, "/");
    return *a == '+' || *b == '+' || (a_len == b_len && memcmp(a, b, a_len) == 0);
}

bool filter_overlaps(const char *a, const char *b) {
    if (hidden_from_wildcard(a, b) || hidden_from_wildcard(b, a)) {
        return false;
    }
    const char *start[] = {a, b};
    while (*a != '#' && *b != '#') {
        if (!levels_overlap(a, b)) {
            return false;
        }
        a += strcspn(a, "/");
        b += strcspn(b, "/");
        if (*a == '\0' || *b == '\0') {
            const char *rest = *a == '\0' ? b : a;
            bool empty_topic = rest == start[0] || rest == start[1]; /* "+" and "/#" */
            return *rest == '\0' || (strcmp(rest, "/#") == 0 && !empty_topic);
        }
        a++;
        b++;
    }
    return true;
}

/* Rules for filters and topics: length and UTF-8 (MQTT 5, 1.5.4). */
static int check_string(const char *text, const char *what, struct report *r) {
    size_t len = strlen(text);
    if (len == 0) {
        return report(r, ERR_INVALID, "a %s must not be empty", what);
    }
    if (len > TOPIC_BYTES_MAX) {
        return report(r, ERR_INVALID, "the %s has %zu bytes, MQTT carries %d", what, len,
                      TOPIC_BYTES_MAX);
    }
    if (mosquitto_validate_utf8(text, (int)len) != MOSQ_ERR_SUCCESS) {
        return report(r, ERR_INVALID, "the %s is not UTF-8 or has control characters", what);
    }
    return 0;
}

int filter_check(const char *filter, struct report *r) {
    int code = check_string(filter, "topic filter", r);
    if (code != 0) {
        return code;
    }
    if (strncmp(filter, "$share/", 7) == 0) {
        return report(r, ERR_INVALID,
                      "\"%s\": a service is already a shared group: omit $share/ and the group",
                      filter);
    }
    for (const char *c = strpbrk(filter, "+#"); c != NULL; c = strpbrk(c + 1, "+#")) {
        bool begins = c == filter || c[-1] == '/';
        bool ends = c[1] == '\0' || (*c == '+' && c[1] == '/');
        if (!begins || !ends) {
            return report(r, ERR_INVALID, "\"%s\": %s", filter,
                          *c == '+'
                              ? "+ stands for one whole level, as in a/+/b"
                              : "# stands for all levels that follow and comes last, as in a/#");
        }
    }
    return 0;
}

int topic_check(const char *topic, struct report *r) {
    int code = check_string(topic, "topic", r);
    if (code == 0 && strpbrk(topic, "+#") != NULL) {
        return report(r, ERR_INVALID,
                      "\"%s\": a topic to publish to must not contain the wildcards + or #", topic);
    }
    return code;
}

bool topic_is_own(const char *topic) {
    return topic[0] == '$' || strcmp(topic, "zingq") == 0 || strncmp(topic, "zingq/", 6) == 0;
}

bool topic_is_between_hosts(struct slice topic) {
    static const char *const prefixes[] = {"zingq/hosts/", "zingq/forward/", "zingq/receipt/",
                                           "zingq/ask/", "zingq/answer/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);
        if (topic.len >= len && memcmp(topic.data, prefixes[i], len) == 0) {
            return true;
        }
    }
    return false;
}

bool service_is_divided(const struct service_conf *s, bool with_key) {
    return s->share && !s->independent && (with_key || s->ordered);
}

const char *service_filter(const struct service_conf *s, const char *topic) {
    for (size_t i = 0; i < s->filter_count; i++) {
        if (filter_matches(s->filters[i], topic)) {
            return s->filters[i];
        }
    }
    return NULL;
}

bool service_wants(const struct service_conf *s, const char *topic) {
    return service_filter(s, topic) != NULL;
}

bool service_may_reply(const struct service_conf *service, const struct conf *c, const char *topic,
                       struct report *r) {
    if (topic_is_between_hosts(slice_of(topic))) { /* whatever reply_to says */
        (void)report(r, ERR_INVALID, "\"%.200s\": only hosts publish there, to each other", topic);
        return false;
    }
    for (size_t i = 0; i < service->reply_to_count; i++) {
        if (filter_matches(service->reply_to[i], topic)) {
            return true;
        }
    }
    if (service->reply_to_count > 0) {
        (void)report(r, ERR_INVALID, "\"%.200s\" is not among reply_to of service \"%s\"", topic,
                     service->name);
        return false;
    }
    bool own = topic_is_own(topic);
    for (size_t i = 0; i < c->service_count && !own; i++) {
        own = service_wants(&c->services[i], topic);
    }
    if (own) {
        (void)report(r, ERR_INVALID,
                     "\"%.200s\" is a topic of this host: service \"%s\" may answer to it only "
                     "with reply_to = {\"...\"} in topics.conf",
                     topic, service->name);
    }
    return !own;
}

bool service_was(const struct service_conf *s, struct slice name) {
    for (size_t i = 0; i < s->was_count; i++) {
        if (slice_is(name, s->was[i])) {
            return true;
        }
    }
    return false;
}

const char *service_origin(const struct service_conf *s) {
    return s->was_count > 0 ? s->was[0] : s->name;
}

bool service_has_secret(const struct service_conf *s, struct slice name) {
    for (size_t i = 0; i < s->secret_count; i++) {
        if (slice_is(name, s->secrets[i])) {
            return true;
        }
    }
    return false;
}

int64_t service_stop_ms(const struct service_conf *s, const struct conf *c) {
    return s->stop_timeout_ms > 0 ? s->stop_timeout_ms : c->stop_timeout_ms;
}

/* ---- the retry schedule ---- */

/* The delay before attempt `failures + 1`, before jitter. */
static int64_t plain_delay_ms(const struct service_conf *s, uint32_t failures) {
    if (s->backoff == BACKOFF_CONSTANT) {
        return s->delay_ms;
    }
    int64_t ms = s->delay_ms;
    for (uint32_t i = 1; i < failures && ms > 0 && ms < s->max_delay_ms; i++) {
        ms *= 2;
    }
    return ms < s->max_delay_ms ? ms : s->max_delay_ms;
}

int64_t service_backoff_ms(const struct service_conf *s, uint32_t failures, double random) {
    assert(failures >= 1);
    assert(random >= 0.0 && random < 1.0);
    assert(s->jitter >= 0.0 && s->jitter <= 1.0);
    double spread = 1.0 + s->jitter * (2.0 * random - 1.0);
    int64_t plain_ms = plain_delay_ms(s, failures);
    int64_t ms = (int64_t)((double)plain_ms * spread + 0.5);
    /* A constant delay may exceed max_delay, which limits only growing ones. */
    return ms > s->max_delay_ms && plain_ms <= s->max_delay_ms ? s->max_delay_ms : ms;
}

enum { SCHEDULE_SHOWN = 8 }; /* delays written out before "..." */

void service_schedule_text(const struct service_conf *s, struct buf *out) {
    char text[32];
    int64_t total_ms = 0;
    if (s->retry != NULL) {
        buf_printf(out, "decided by %s; if it fails, ", s->retry);
    }
    buf_printf(out, "%" PRIu32 " %s: now", s->retries + 1, s->retries == 0 ? "try" : "tries");
    for (uint32_t failures = 1; failures <= s->retries; failures++) {
        int64_t ms = plain_delay_ms(s, failures);
        total_ms += ms;
        if (failures <= SCHEDULE_SHOWN || failures == s->retries) {
            buf_printf(out, ", %s", conf_duration_text(ms, text));
        } else if (failures == SCHEDULE_SHOWN + 1) {
            buf_add_str(out, ", ...");
        }
    }
    if (s->retries == 0) {
        buf_add_str(out, "; gives up at the first failure");
    } else {
        buf_printf(out, "; gives up after %s", conf_duration_text(total_ms, text));
    }
}
