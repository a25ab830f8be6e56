/*
 * presence.c - reads and writes one presence.
 *
 * All its strings are in one block of memory: none is longer than it was in the message, including
 * quotes.
 */
#include "peers/presence.h"

#include "base/json.h"
#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "zingq/hosts/";

static const char *const state_names[] = {
    [PRESENCE_JOINING] = "joining",
    [PRESENCE_UP] = "up",
    [PRESENCE_GONE] = "gone",
};

enum { STATES = sizeof state_names / sizeof *state_names };

const char *presence_state_name(enum presence_state state) {
    assert((size_t)state < STATES);
    return state_names[state];
}

/* --- memory --- */

static struct presence *make(size_t services, size_t numbers, size_t text_bytes) {
    struct presence *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->services = calloc(services + 1, sizeof *p->services);
    p->numbers = calloc(numbers + 1, sizeof *p->numbers);
    p->text = calloc(text_bytes + 1, 1);
    p->bytes = sizeof *p + (services + 1) * sizeof *p->services +
               (numbers + 1) * sizeof *p->numbers + text_bytes + 1;
    if (p->services == NULL || p->numbers == NULL || p->text == NULL) {
        presence_free(p);
        return NULL;
    }
    return p;
}

void presence_free(struct presence *p) {
    if (p != NULL) {
        free(p->services);
        free(p->numbers);
        free(p->text);
        free(p);
    }
}

/* Allocates strings from the presence's memory. */
struct strings {
    char *at;
    const char *end;
};

static const char *keep(struct strings *s, struct slice text) {
    assert(text.len < (size_t)(s->end - s->at));
    char *copy = s->at;
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    s->at += text.len + 1;
    return copy;
}

/* --- our own --- */

static size_t rule_bytes(const struct rule *rule) {
    return (rule->arg == NULL ? 0 : strlen(rule->arg)) + sizeof "property:" + 8;
}

static const char *keep_rule(struct strings *s, const struct rule *rule) {
    char text[RULE_BYTES_MAX + 32];
    struct buf out;
    buf_init(&out, sizeof text);
    rule_write(rule, &out);
    (void)snprintf(text, sizeof text, "%s", buf_str(&out));
    buf_clear(&out);
    return keep(s, slice_of(text));
}

static void add_own_services(struct presence *p, struct strings *s, const struct conf *conf,
                             const struct presence_facts *facts) {
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *c = &conf->services[i];
        if (!facts->runs[i]) {
            continue;
        }
        const char *name = keep(s, slice_of(c->name));
        p->numbers[p->number_count++] =
            (struct presence_number){.name = name, .number = facts->numbers[i]};
        if (c->share) {
            p->services[p->service_count++] =
                (struct presence_service){.name = name,
                                          .key = keep_rule(s, &c->key),
                                          .idempotency = keep_rule(s, &c->idempotency),
                                          .ordered = c->ordered,
                                          .independent = c->independent};
        }
    }
}

int presence_own(struct presence **out, const struct conf *conf,
                 const struct presence_facts *facts) {
    size_t bytes = strlen(conf->hosts.group) + strlen(facts->host) + strlen(facts->id) +
                   strlen(facts->client_id) + strlen(facts->mark) + sizeof ZINGQ_VERSION + 5;
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *c = &conf->services[i];
        bytes += strlen(c->name) + 1 + rule_bytes(&c->key) + rule_bytes(&c->idempotency);
    }
    struct presence *p = make(conf->service_count, conf->service_count, bytes);
    if (p == NULL) {
        return ERR_MEMORY;
    }
    struct strings s = {.at = p->text, .end = p->text + bytes + 1};
    p->group = keep(&s, slice_of(conf->hosts.group));
    p->host = keep(&s, slice_of(facts->host));
    p->id = keep(&s, slice_of(facts->id));
    p->version = keep(&s, slice_of(ZINGQ_VERSION));
    p->mark = keep(&s, slice_of(facts->mark));
    if (division_is_divided(&conf->hosts.share) &&
        !conf->broker.alone) { /* otherwise every host receives everything */
        p->client_id = keep(&s, slice_of(facts->client_id));
    }
    p->share = conf->hosts.share;
    p->proof = hosts_are_proven(&conf->hosts);
    p->alone = conf->broker.alone;
    p->state = PRESENCE_UP;
    p->since_ms = facts->since_ms;
    add_own_services(p, &s, conf, facts);
    *out = p;
    return 0;
}

/* --- reading --- */

static bool is_name(struct slice s, size_t max) {
    return s.len <= max && slice_is_plain(s, "._-");
}

bool presence_topic_split(struct slice topic, struct slice *group, struct slice *host) {
    size_t begin = sizeof prefix - 1;
    if (topic.len < begin || memcmp(topic.data, prefix, begin) != 0) {
        return false;
    }
    const char *at = topic.data + begin;
    size_t left = topic.len - begin;
    const char *slash = memchr(at, '/', left);
    if (slash == NULL) {
        return false;
    }
    *group = (struct slice){at, (size_t)(slash - at)};
    *host = (struct slice){slash + 1, left - group->len - 1};
    return is_name(*group, NAME_BYTES_MAX) && is_name(*host, HOST_NAME_BYTES_MAX);
}

/* The document being read, and the first thing wrong with it. */
struct source {
    const json_t *json;
    struct strings strings;
    const char *wrong; /* NULL = nothing */
};

/* A string of 1 to `max` bytes; `otherwise` when it is missing. */
static const char *text_of(struct source *s, const json_t *json, const char *name, size_t max,
                           const char *otherwise) {
    const json_t *value = json_object_get(json, name);
    if (value == NULL && otherwise != NULL) {
        return otherwise;
    }
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len == 0 || len > max ||
        memchr(json_string_value(value), '\0', len) != NULL) {
        s->wrong = name;
        return "";
    }
    return keep(&s->strings, (struct slice){json_string_value(value), len});
}

/* The same, of letters, digits and "._-" alone: commands to be copied hold it. */
static const char *plain_of(struct source *s, const char *name, size_t max) {
    const char *text = text_of(s, s->json, name, max, NULL);
    if (s->wrong == NULL && !is_name(slice_of(text), max)) {
        s->wrong = name;
    }
    return text;
}

static int64_t number_of(struct source *s, const json_t *json, const char *name, int64_t least,
                         int64_t most) {
    const json_t *value = json_object_get(json, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < least || number > most) {
        s->wrong = name;
        return least;
    }
    return number;
}

/* A list of hosts of the division, as bits. */
static uint64_t places_of(struct source *s, const char *name, uint16_t count) {
    const json_t *list = json_object_get(s->json, name);
    uint64_t places = 0;
    size_t i;
    const json_t *one;
    s->wrong = list != NULL && !json_is_array(list) ? name : s->wrong;
    json_array_foreach(list, i, one) {
        json_int_t place = json_integer_value(one);
        if (place < 1 || place > count) {
            s->wrong = name;
            return 0;
        }
        places |= (uint64_t)1 << (place - 1);
    }
    return places;
}

static bool flag_of(struct source *s, const json_t *json, const char *name) {
    const json_t *value = json_object_get(json, name);
    if (value != NULL && !json_is_boolean(value)) {
        s->wrong = name;
    }
    return json_is_true(value);
}

/* True if the word is `yes`; false if it is `no`, which is also the default. */
static bool word_of(struct source *s, const json_t *json, const char *name, const char *yes,
                    const char *no) {
    const json_t *value = json_object_get(json, name);
    const char *word = json_string_value(value);
    bool is_yes = word != NULL && strcmp(word, yes) == 0;
    if (value != NULL && !is_yes && (word == NULL || strcmp(word, no) != 0)) {
        s->wrong = name;
    }
    return is_yes;
}

static enum presence_state state_of(struct source *s) {
    const char *word = json_string_value(json_object_get(s->json, "state"));
    for (size_t i = 0; word != NULL && i < STATES; i++) {
        if (strcmp(word, state_names[i]) == 0) {
            return (enum presence_state)i;
        }
    }
    s->wrong = "state";
    return PRESENCE_GONE;
}

static void read_services(struct source *s, struct presence *p) {
    json_t *services = json_object_get(s->json, "services");
    const char *name;
    json_t *one;
    if (services != NULL && !json_is_object(services)) {
        s->wrong = "services";
        return;
    }
    json_object_foreach(services, name, one) {
        struct slice key = slice_of(name);
        if (!json_is_object(one) || !is_name(key, NAME_BYTES_MAX)) {
            s->wrong = "services";
            return;
        }
        p->services[p->service_count++] = (struct presence_service){
            .name = keep(&s->strings, key),
            .key = text_of(s, one, "key", RULE_BYTES_MAX, "none"),
            .idempotency = text_of(s, one, "idempotency", RULE_BYTES_MAX, "none"),
            .ordered = word_of(s, one, "order", "key", "none"),
            .independent = word_of(s, one, "several_hosts", "independent", "divided"),
            .held = flag_of(s, one, "held")};
    }
}

static void read_numbers(struct source *s, struct presence *p) {
    json_t *numbers = json_object_get(s->json, "numbers");
    const char *name;
    json_t *one;
    s->wrong = numbers != NULL && !json_is_object(numbers) ? "numbers" : s->wrong;
    json_object_foreach(numbers, name, one) {
        struct slice key = slice_of(name);
        if (!is_name(key, NAME_BYTES_MAX)) {
            s->wrong = "numbers";
            return;
        }
        p->numbers[p->number_count++] = (struct presence_number){
            .name = keep(&s->strings, key),
            .number = (uint16_t)number_of(s, numbers, name, 0, UINT16_MAX)};
    }
}

static void read_all(struct source *s, struct presence *p, struct slice group, struct slice host) {
    p->group = text_of(s, s->json, "group", NAME_BYTES_MAX, NULL);
    p->host = text_of(s, s->json, "host", HOST_NAME_BYTES_MAX, NULL);
    p->id = plain_of(s, "id", HOST_NAME_BYTES_MAX);
    p->version = text_of(s, s->json, "version", NAME_BYTES_MAX, "?");
    p->mark = text_of(s, s->json, "mark", HOST_NAME_BYTES_MAX, "");
    p->share.count = (uint16_t)number_of(s, s->json, "count", 1, PARTITIONS);
    p->share.place = (uint16_t)number_of(s, s->json, "this", 1, p->share.count);
    p->proof = flag_of(s, s->json, "proof");
    p->alone = flag_of(s, s->json, "alone");
    p->since_ms = number_of(s, s->json, "since", 0, INT64_MAX);
    if (json_object_get(s->json, "client_id") != NULL) {
        p->client_id = text_of(s, s->json, "client_id", CLIENT_ID_BYTES_MAX, NULL);
    }
    p->stands_in_for = places_of(s, "stands_in_for", p->share.count);
    p->hello = flag_of(s, s->json, "hello");
    p->state = state_of(s);
    read_services(s, p);
    read_numbers(s, p);
    if (s->wrong == NULL && (!slice_is(group, p->group) || !slice_is(host, p->host))) {
        s->wrong = "host";
    }
}

static int read_json(struct presence **out, const json_t *json, size_t payload_bytes,
                     struct slice group, struct slice host, struct report *r) {
    size_t services = json_object_size(json_object_get(json, "services"));
    size_t numbers = json_object_size(json_object_get(json, "numbers"));
    if (services > SERVICES_MAX || numbers > SERVICES_MAX) {
        return report(r, ERR_INVALID, "it names more than %d services", SERVICES_MAX);
    }
    struct presence *p = make(services, numbers, payload_bytes);
    if (p == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    struct source s = {.json = json,
                       .strings = {.at = p->text, .end = p->text + payload_bytes + 1}};
    read_all(&s, p, group, host);
    if (s.wrong != NULL) {
        presence_free(p);
        return report(r, ERR_INVALID, "its field \"%s\" is missing or invalid", s.wrong);
    }
    *out = p;
    return 0;
}

int presence_read(struct presence **out, struct slice topic, struct slice payload,
                  struct report *r) {
    struct slice group;
    struct slice host;
    if (!presence_topic_split(topic, &group, &host)) {
        return report(r, ERR_INVALID, "its topic names no host");
    }
    if (payload.len > PRESENCE_BYTES_MAX) {
        return report(r, ERR_INVALID, "it has %zu bytes, %d is the limit", payload.len,
                      PRESENCE_BYTES_MAX);
    }
    json_t *json = json_read(payload, "it", NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return report(r, ERR_INVALID, "it is not a JSON object");
    }
    int code = read_json(out, json, payload.len, group, host, r);
    json_decref(json);
    return code;
}

/* --- writing --- */

static json_t *service_json(const struct presence_service *s) {
    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "key", s->key, "idempotency", s->idempotency,
                     "order", s->ordered ? "key" : "none", "several_hosts",
                     s->independent ? "independent" : "divided", "held", (int)s->held);
}

static json_t *places_json(const struct presence *p) {
    json_t *places = json_array();
    for (uint16_t i = 0; i < p->share.count; i++) {
        if ((p->stands_in_for >> i & 1) != 0 &&
            json_array_append_new(places, json_integer(i + 1)) != 0) {
            json_decref(places);
            return NULL;
        }
    }
    return places;
}

static json_t *numbers_json(const struct presence *p) {
    json_t *numbers = json_object();
    for (size_t i = 0; i < p->number_count; i++) {
        if (json_object_set_new(numbers, p->numbers[i].name, json_integer(p->numbers[i].number)) !=
            0) {
            json_decref(numbers);
            return NULL;
        }
    }
    return numbers;
}

/* Writes what decides who may stand in for whom. */
static int add_stand_in(const struct presence *p, json_t *json) {
    if (p->client_id == NULL) {
        return 0;
    }
    int failed = json_object_set_new(json, "client_id", json_string(p->client_id));
    failed = failed == 0 ? json_object_set_new(json, "numbers", numbers_json(p)) : failed;
    return failed == 0 && p->stands_in_for != 0 && p->state != PRESENCE_GONE
               ? json_object_set_new(json, "stands_in_for", places_json(p))
               : failed;
}

int presence_write(const struct presence *p, struct buf *out) {
    json_t *services = json_object();
    bool gone = p->state == PRESENCE_GONE;
    int failed = services == NULL ? -1 : 0;
    for (size_t i = 0; failed == 0 && !gone && i < p->service_count; i++) {
        failed = json_object_set_new(services, p->services[i].name, service_json(&p->services[i]));
    }
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:b, s:i, s:i, s:b, s:s, s:b, s:I, s:o}",
                             "host", p->host, "id", p->id, "version", p->version, "group", p->group,
                             "mark", p->mark[0] != '\0' ? p->mark : NULL, "proof", (int)p->proof,
                             "count", (int)p->share.count, "this", (int)p->share.place, "alone",
                             (int)p->alone, "state", presence_state_name(p->state), "hello",
                             (int)p->hello, "since", (json_int_t)p->since_ms, "services", services);
    failed = failed == 0 && json != NULL ? add_stand_in(p, json) : failed;
    if (failed == 0 && json != NULL) {
        json_write(json, out, 0);
        failed = out->failed ? -1 : 0;
    }
    bool ok = json != NULL && failed == 0;
    json_decref(json);
    return ok ? 0 : ERR_MEMORY;
}

const struct presence_service *presence_find(const struct presence *p, const char *name) {
    for (size_t i = 0; i < p->service_count; i++) {
        if (strcmp(p->services[i].name, name) == 0) {
            return &p->services[i];
        }
    }
    return NULL;
}

const struct presence_number *presence_number_of(const struct presence *p, const char *name) {
    for (size_t i = 0; i < p->number_count; i++) {
        if (strcmp(p->numbers[i].name, name) == 0) {
            return &p->numbers[i];
        }
    }
    return NULL;
}
