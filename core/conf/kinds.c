/*
 * kinds.c - converts the text of an option to a field: one function per kind.
 *
 * Design: a function gets the text, where it was written, and the field; it checks the text
 * completely, including bounds, and says in one sentence what is wrong and what to write instead.
 * Rules between options are checked in conf/conf.c.
 */
#include "conf/setting.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

static int keep(const char *text, void *field) {
    char **at = field;
    assert(*at == NULL);
    *at = slice_dup(slice_of(text));
    return *at == NULL ? ERR_MEMORY : 0;
}

static int set_text(const struct setting *s) {
    return keep(s->text, s->field);
}

/* The default may name a variable that is not set; one that the user named must exist. */
static int set_secret(const struct setting *s) {
    bool secret;
    bool may_miss = s->row->fallback != NULL && strcmp(s->text, s->row->fallback) == 0;
    return conf_resolve(s->place, s->text, may_miss, s->field, &secret);
}

static int set_path(const struct setting *s) {
    char **at = s->field;
    if (s->text[0] == '\0' && s->row->fallback[0] == '\0') {
        return keep("", s->field);
    }
    if (s->text[0] == '\0') {
        return conf_fail(s->place, "a path must not be empty");
    }
    *at = conf_join(s->place->dir, s->text);
    return *at == NULL ? ERR_MEMORY : 0;
}

/* Whether a path stays inside the folder it is relative to. */
static bool stays_inside(const char *path) {
    if (path[0] == '/') {
        return false;
    }
    for (const char *step = path; step != NULL; step = strchr(step, '/')) {
        step += *step == '/';
        size_t len = strcspn(step, "/");
        if (len == 0 || (len == 1 && step[0] == '.') || (len == 2 && memcmp(step, "..", 2) == 0)) {
            return false;
        }
    }
    return true;
}

static int set_script(const struct setting *s) {
    if (s->text[0] == '\0' && s->row->fallback != NULL) {
        return 0;
    }
    if (!stays_inside(s->text)) {
        return conf_fail(s->place,
                         "\"%s\" is not a file in scripts/: write its name, as in \"seats.lua\"",
                         s->text);
    }
    return keep(s->text, s->field);
}

static int set_topic(const struct setting *s) {
    struct report r;
    int code = topic_check(s->text, &r);
    return code != 0 ? conf_fail(s->place, "%s", r.text) : keep(s->text, s->field);
}

/* "" differs from an unset option: it means that nothing is announced. */
static int set_topic_default(const struct setting *s) {
    if (s->text == s->row->fallback) {
        return 0;
    }
    return s->text[0] == '\0' ? keep("", s->field) : set_topic(s);
}

static int set_rule(const struct setting *s) {
    struct report r;
    int code = rule_parse(s->text, s->field, &r);
    return code == ERR_INVALID ? conf_fail(s->place, "%s", r.text) : code;
}

/* ---- schedules ---- */

static int set_cron(const struct setting *s) {
    struct schedule_conf *schedule = s->object;
    struct report r;
    int code = cron_parse(s->text, &schedule->ticks, &r);
    return code != 0 ? conf_fail(s->place, "%s", r.text) : keep(s->text, s->field);
}

static int set_zone(const struct setting *s) {
    struct schedule_conf *schedule = s->object;
    struct report r;
    int code = cron_zone_new(&schedule->zone, s->text, &r);
    if (code != 0) {
        return code == ERR_INVALID ? conf_fail(s->place, "%s", r.text) : code;
    }
    return keep(s->text, s->field);
}

/* ---- quantities ---- */

/* Reports which values are allowed; `as_text` formats a bound for a person. */
static int out_of_bounds(const struct setting *s, const char *(*as_text)(int64_t, char[32])) {
    char least[32];
    char most[32];
    return conf_fail(s->place, "\"%s\" is out of range: it must be from %s to %s", s->text,
                     as_text(s->row->min, least), as_text(s->row->max, most));
}

static bool in_bounds(const struct conf_row *row, int64_t value) {
    assert(row->min < row->max);
    return value >= row->min && value <= row->max;
}

static bool whole_number(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* CONF_U16, CONF_U32, CONF_U64: the bounds of the row ensure that the field is large enough. */
static int set_number(const struct setting *s) {
    int64_t number;
    if (!whole_number(s->text, &number)) {
        return conf_fail(s->place, "\"%s\" is not an integer", s->text);
    }
    if (!in_bounds(s->row, number)) {
        return out_of_bounds(s, conf_number_text);
    }
    if (s->row->kind == CONF_U16) {
        *(uint16_t *)s->field = (uint16_t)number;
    } else if (s->row->kind == CONF_U32) {
        *(uint32_t *)s->field = (uint32_t)number;
    } else {
        *(uint64_t *)s->field = (uint64_t)number;
    }
    return 0;
}

/* CONF_MS, CONF_SECONDS. */
static int set_duration(const struct setting *s) {
    struct report r;
    int64_t ms;
    if (conf_parse_duration(s->text, &ms, &r) != 0) {
        return conf_fail(s->place, "%s", r.text);
    }
    if (!in_bounds(s->row, ms)) {
        return out_of_bounds(s, conf_duration_text);
    }
    if (s->row->kind == CONF_SECONDS) {
        *(uint32_t *)s->field = (uint32_t)((ms + 999) / 1000);
    } else {
        *(int64_t *)s->field = ms;
    }
    return 0;
}

static int set_duration_or_auto(const struct setting *s) {
    if (strcmp(s->text, "auto") == 0) {
        *(int64_t *)s->field = CONF_AUTO;
        return 0;
    }
    return set_duration(s);
}

static int set_duration_or_off(const struct setting *s) {
    if (strcmp(s->text, "off") == 0) {
        *(int64_t *)s->field = 0;
        return 0;
    }
    return set_duration(s);
}

static int set_size(const struct setting *s) {
    struct report r;
    uint64_t bytes;
    if (conf_parse_size(s->text, &bytes, &r) != 0) {
        return conf_fail(s->place, "%s", r.text);
    }
    if (!in_bounds(s->row, (int64_t)bytes)) { /* conf_parse_size never exceeds INT64_MAX */
        return out_of_bounds(s, conf_size_text);
    }
    *(uint64_t *)s->field = bytes;
    return 0;
}

/* CONF_SIZE_OR_NONE, CONF_MS_OR_NONE: the field stays 0. */
static int set_if_given(const struct setting *s) {
    bool given = s->text[0] != '\0';
    return !given ? 0 : s->row->kind == CONF_MS_OR_NONE ? set_duration(s) : set_size(s);
}

static int set_letters(const struct setting *s) {
    struct report r;
    int code = s->text[0] == '\0' ? 0 : conf_parse_letters(s->text, s->field, &r);
    return code != 0 ? conf_fail(s->place, "%s", r.text) : 0;
}

static int set_rate(const struct setting *s) {
    struct report r;
    int code = conf_parse_rate(s->text, s->field, &r);
    return code != 0 ? conf_fail(s->place, "%s", r.text) : 0;
}

static int set_fraction(const struct setting *s) {
    char *end;
    double number = strtod(s->text, &end);
    if (end == s->text || *end != '\0' || !isfinite(number)) {
        return conf_fail(s->place, "\"%s\" is not a number", s->text);
    }
    if (number < (double)s->row->min || number > (double)s->row->max) {
        return out_of_bounds(s, conf_number_text);
    }
    *(double *)s->field = number;
    return 0;
}

/* ---- choices ---- */

static int set_bool(const struct setting *s) {
    int value = 0;
    int code = conf_choose(s->place, s->row->kind, s->text, &value);
    *(bool *)s->field = value != 0;
    return code;
}

static int set_enum(const struct setting *s) {
    int value = 0;
    bool unsaid = s->text == s->row->fallback && s->text[0] == '\0';
    int code = unsaid ? 0 : conf_choose(s->place, s->row->kind, s->text, &value);
    memcpy(s->field, &value, sizeof value);
    return code;
}

/* Not given: by key if there is a key rule, which precedes it in the rows. */
static int set_order(const struct setting *s) {
    const struct service_conf *service = s->object;
    int value = service->key.kind != RULE_NONE;
    int code =
        s->text == s->row->fallback ? 0 : conf_choose(s->place, s->row->kind, s->text, &value);
    *(bool *)s->field = value != 0;
    return code;
}

/* ---- addresses ---- */

/* host:port, [host]:port or only a host; *port is unchanged if there is none. False if it is none
 * of these. */
static bool split_address(const char *text, struct slice *host, uint16_t *port) {
    const char *colon;
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || (close[1] != ':' && close[1] != '\0')) {
            return false;
        }
        *host = (struct slice){text + 1, (size_t)(close - text - 1)};
        colon = close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = strchr(text, ':');
        *host = (struct slice){text, colon == NULL ? strlen(text) : (size_t)(colon - text)};
    }
    int64_t number = *port;
    if (colon != NULL && (!whole_number(colon + 1, &number) || number < 1 || number > UINT16_MAX)) {
        return false;
    }
    *port = (uint16_t)number;
    return host->len > 0;
}

/* Splits it; conf_fail when it is not a URL. */
static int parse_url(const struct setting *s, struct broker_address *out, struct slice *host) {
    out->tls = strncmp(s->text, "mqtts://", 8) == 0;
    if (!out->tls && strncmp(s->text, "mqtt://", 7) != 0) {
        return conf_fail(
            s->place,
            "\"%s\" is not a broker URL: write mqtt://host:port, or mqtts://host:port for "
            "TLS",
            s->text);
    }
    const char *address = strchr(s->text, '/') + 2;
    if (strchr(address, '@') != NULL) {
        return conf_fail(s->place,
                         "set the user name and password with their own options: username "
                         "and password");
    }
    out->port = out->tls ? 8883 : 1883;
    if (strpbrk(address, "/?# ") != NULL || !split_address(address, host, &out->port)) {
        return conf_fail(s->place, "\"%s\" is not a broker URL: write %s://host:port", s->text,
                         out->tls ? "mqtts" : "mqtt");
    }
    return 0;
}

static int set_url(const struct setting *s) {
    struct broker_conf *broker = &((struct conf *)s->object)->broker;
    struct broker_address address = {0};
    struct slice host = {0};
    if (broker->address_count >= BROKERS_MAX) {
        return conf_fail(s->place, "more than %d brokers", BROKERS_MAX);
    }
    for (size_t i = 0; i < broker->address_count; i++) {
        if (strcmp(broker->addresses[i].url, s->text) == 0) {
            return conf_fail(s->place, "\"%s\" is listed twice", s->text);
        }
    }
    int code = parse_url(s, &address, &host);
    if (code != 0) {
        return code;
    }
    struct broker_address *all =
        realloc(broker->addresses, (broker->address_count + 1) * sizeof *all);
    if (all == NULL) {
        return ERR_MEMORY;
    }
    broker->addresses = all;
    address.url = slice_dup(slice_of(s->text));
    address.host = slice_dup(host);
    all[broker->address_count++] = address;
    broker_conf_use(broker, 0);
    return address.url == NULL || address.host == NULL ? ERR_MEMORY : 0;
}

void broker_conf_use(struct broker_conf *broker, size_t at) {
    assert(at < broker->address_count);
    const struct broker_address *address = &broker->addresses[at];
    broker->url = address->url;
    broker->host = address->host;
    broker->port = address->port;
    broker->tls = address->tls;
}

/* An address as numbers and a port: "127.0.0.1:8080", "[::1]:8080". */
static bool is_numeric_address(const char *text) {
    struct slice host;
    uint16_t port = 0;
    char address[64];
    unsigned char binary[16];
    if (!split_address(text, &host, &port) || port == 0 || host.len >= sizeof address) {
        return false;
    }
    memcpy(address, host.data, host.len);
    address[host.len] = '\0';
    return inet_pton(text[0] == '[' ? AF_INET6 : AF_INET, address, binary) == 1;
}

static int set_listen(const struct setting *s) {
    bool none = s->text[0] == '\0';
    if (!none && strncmp(s->text, "unix:/", 6) != 0 && !is_numeric_address(s->text)) {
        return conf_fail(s->place,
                         "\"%s\" is not a listen address: write \"127.0.0.1:8080\", "
                         "\"[::1]:8080\", \"unix:/path\", or \"\" for none",
                         s->text);
    }
    return keep(s->text, s->field);
}

/* An address to which /v1/traces is added. */
static int set_receiver(const struct setting *s) {
    bool none = s->text[0] == '\0';
    size_t scheme = strncmp(s->text, "http://", 7) == 0    ? 7
                    : strncmp(s->text, "https://", 8) == 0 ? 8
                                                           : 0;
    if (!none &&
        (scheme == 0 || strcspn(s->text + scheme, "/?#") == 0 || strpbrk(s->text, "?# ") != NULL)) {
        return conf_fail(s->place,
                         "the address of a receiver of OTLP over HTTP is written "
                         "\"http://127.0.0.1:4318\", without ?, # and blanks, or \"\" for none");
    }
    return keep(s->text, s->field);
}

/* ---- the kinds ---- */

static void clear_text(void *field) {
    char **text = field;
    free(*text);
    *text = NULL;
}

/* The addresses, and their number after them. */
static void clear_urls(void *field) {
    struct broker_address **all = field;
    struct broker_conf *broker = (void *)((char *)field - offsetof(struct broker_conf, addresses));
    for (size_t i = 0; i < broker->address_count; i++) {
        free((*all)[i].url);
        free((*all)[i].host);
    }
    free(*all);
    *all = NULL;
    broker->address_count = 0;
    broker->url = broker->host = NULL;
}

static void clear_rule(void *field) {
    rule_clear(field);
}

static const struct kind {
    int (*set)(const struct setting *s);
    void (*clear)(void *field); /* NULL: nothing to free */
} KINDS[CONF_KIND_COUNT] = {
    [CONF_TEXT] = {set_text, clear_text},
    [CONF_SECRET] = {set_secret, clear_text},
    [CONF_SECRETS] = {conf_set_hosts_secret, conf_clear_list},
    [CONF_PATH] = {set_path, clear_text},
    [CONF_SCRIPT] = {set_script, clear_text},
    [CONF_TOPIC] = {set_topic, clear_text},
    [CONF_TOPIC_DEFAULT] = {set_topic_default, clear_text},
    [CONF_FILTERS] = {conf_set_filter, conf_clear_list},
    [CONF_NAMES] = {conf_set_name, conf_clear_list},
    [CONF_U16] = {set_number, NULL},
    [CONF_U32] = {set_number, NULL},
    [CONF_U64] = {set_number, NULL},
    [CONF_MS] = {set_duration, NULL},
    [CONF_MS_OR_OFF] = {set_duration_or_off, NULL},
    [CONF_MS_OR_AUTO] = {set_duration_or_auto, NULL},
    [CONF_SECONDS] = {set_duration, NULL},
    [CONF_MS_OR_NONE] = {set_if_given, NULL},
    [CONF_SIZE] = {set_size, NULL},
    [CONF_SIZE_OR_NONE] = {set_if_given, NULL},
    [CONF_LETTERS] = {set_letters, NULL},
    [CONF_RATE] = {set_rate, NULL},
    [CONF_FRACTION] = {set_fraction, NULL},
    [CONF_YES_NO] = {set_bool, NULL},
    [CONF_BACKOFF] = {set_enum, NULL},
    [CONF_ON_DEAD] = {set_enum, NULL},
    [CONF_SEVERAL_HOSTS] = {set_bool, NULL},
    [CONF_ORDER] = {set_order, NULL},
    [CONF_RULE] = {set_rule, clear_rule},
    [CONF_URL] = {set_url, clear_urls},
    [CONF_LISTEN] = {set_listen, clear_text},
    [CONF_CRON] = {set_cron, clear_text},
    [CONF_ZONE] = {set_zone, clear_text},
    [CONF_MISSED] = {set_enum, NULL},
    [CONF_ROLE] = {set_enum, NULL},
    [CONF_AUTH] = {set_enum, NULL},
    [CONF_PRESET] = {set_enum, NULL},
    [CONF_KEYS] = {conf_set_key, conf_clear_list},
    [CONF_RECEIVER] = {set_receiver, clear_text},
    [CONF_HEADERS] = {conf_set_header, conf_clear_list},
    [CONF_LOG_LEVEL] = {set_enum, NULL},
    [CONF_LOG_FORMAT] = {set_bool, NULL},
};

bool conf_is_list(const struct conf_row *row) {
    return row->kind == CONF_FILTERS || row->kind == CONF_NAMES || row->kind == CONF_URL ||
           row->kind == CONF_SECRETS || row->kind == CONF_KEYS || row->kind == CONF_HEADERS;
}

int conf_set(const struct conf_place *place, const struct conf_row *row,
             const struct conf_word *words, size_t count, void *object) {
    assert(count == 1 || conf_is_list(row));
    assert(KINDS[row->kind].set != NULL);
    struct conf_place here = *place;
    struct setting s = {
        .place = &here, .row = row, .object = object, .field = (char *)object + row->offset};
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        here.line = words[i].line;
        s.text = words[i].text;
        code = KINDS[row->kind].set(&s);
    }
    return code;
}

void conf_clear_rows(const struct conf_spec *spec, void *object) {
    for (size_t i = 0; i < spec->row_count; i++) {
        const struct conf_row *row = &spec->rows[i];
        if (KINDS[row->kind].clear != NULL) {
            KINDS[row->kind].clear((char *)object + row->offset);
        }
    }
}
