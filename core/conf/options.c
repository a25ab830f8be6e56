/*
 * options.c - every option of topics.conf as a row.
 *
 * Design: a row names an option, its kind, its default as a user would write it, its field and its
 * bounds. Defaults pass through the same functions (conf/kinds.c) as values that a user writes.
 */
#include "conf/options.h"

#include "base/url.h"
#include "base/limits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_MS INT64_C(1000)
/* A statement without an answer (2 s), and a quarter of the lease until the next, must cost no host its
 * shards: host/fleet/member.c. */
#define LEASE_MS_LEAST (3 * SECOND_MS)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

/* ---- the rows ---- */

/* The number of a list's items follows the list: conf/kinds.c relies on that. */
#define IS_LIST(type, items, count)                                                                \
    static_assert(offsetof(type, count) == offsetof(type, items) + sizeof(char **), #items)
IS_LIST(struct service_conf, filters, filter_count);
IS_LIST(struct service_conf, was, was_count);
IS_LIST(struct service_conf, secrets, secret_count);
IS_LIST(struct service_conf, reply_to, reply_to_count);
IS_LIST(struct endpoint_conf, required, required_count);
IS_LIST(struct endpoint_conf, secrets, secret_count);
IS_LIST(struct token_conf, endpoints, endpoint_count);
IS_LIST(struct database_conf, services, service_count);
IS_LIST(struct conf, http_proxies, http_proxy_count);
IS_LIST(struct conf, egress_allow, egress_allow_count);
IS_LIST(struct conf, telemetry.headers, telemetry.header_count);
IS_LIST(struct conf, hosts.secrets, hosts.secret_count);

#define AT(field) offsetof(struct conf, field)

/* option, kind, default, field, least, most, what it is */
static const struct conf_row BROKER_ROWS[] = {
    {"url", CONF_URL, "mqtt://127.0.0.1:1883", AT(broker.addresses), 0, 0,
     "the broker: mqtt:// or, with TLS, mqtts://; of several the next is tried when one fails"},
    {"client_id", CONF_TEXT, "", AT(broker.client_id), 0, 0,
     "the name at the broker; without one zingq- and the id of the data folder"},
    {"username", CONF_SECRET, "", AT(broker.username), 0, 0, "the login at the broker"},
    {"password", CONF_SECRET, "env:MQTT_PASSWORD", AT(broker.password), 0, 0, "its password"},
    {"ca_file", CONF_PATH, "", AT(broker.ca_file), 0, 0,
     "the certificates that may have signed the broker's; without one those of the system"},
    {"cert_file", CONF_PATH, "", AT(broker.cert_file), 0, 0,
     "this host's certificate (chain), if the broker asks for one"},
    {"key_file", CONF_PATH, "", AT(broker.key_file), 0, 0, "its private key"},
    {"alone", CONF_YES_NO, "no", AT(broker.alone), 0, 0,
     "plain subscriptions: no other host, or only hosts that divide the keys, run these services"},
    {"receive_maximum", CONF_U16, "1000", AT(broker.receive_maximum), 1, UINT16_MAX,
     "messages under way from the broker that have no PUBACK yet"},
    {"session_expiry", CONF_SECONDS, "7d", AT(broker.session_expiry_s), SECOND_MS, 3650 * DAY_MS,
     "how long the broker keeps messages while the host is down"},
};

static const struct conf_row STORE_ROWS[] = {
    {"path", CONF_PATH, "data", AT(store_path), 0, 0, "the data folder"},
    {"url", CONF_SECRET, "", AT(store_url), 0, 0,
     "postgres://user:password@host/name: a database that has each commit before the folder has "
     "it"},
    {"name", CONF_TEXT, "zingq", AT(store_name), 0, 0,
     "of this host's log in that database; where hosts divide the keys -1, -2 ... are added"},
    {"max_size", CONF_SIZE, "8GiB", AT(store_max_bytes), 2 * MIB, 64 * TIB,
     "the most that the store may hold; when it is full, no events are accepted"},
    {"linger", CONF_MS_OR_AUTO, "auto", AT(store_linger_ms), 0, SECOND_MS,
     "how long a busy host collects messages for one commit; auto: as the disk is"},
    {"keep_done", CONF_MS, "24h", AT(keep_done_ms), 0, 3650 * DAY_MS,
     "how long ended events are kept for events and trace"},
    {"keep_signals", CONF_MS, "7d", AT(keep_signals_ms), SECOND_MS, 3650 * DAY_MS,
     "how long a signal is kept that nobody waits for"},
    {"keep_idempotency", CONF_MS, "24h", AT(keep_idempotency_ms), SECOND_MS, 3650 * DAY_MS,
     "how long duplicates with one idempotency key are dropped"},
};

static const struct conf_row HTTP_ROWS[] = {
    {"listen", CONF_LISTEN, "127.0.0.1:8080", AT(http_listen), 0, 0,
     "of endpoints, API, metrics and dashboard; empty turns them off"},
    {"token", CONF_SECRET, "env:ZINGQ_TOKEN", AT(http_token), 0, 0,
     "what the API asks for; on loopback one is made if it is empty"},
    {"proxies", CONF_NAMES, "", AT(http_proxies), 0, 0,
     "addresses of reverse proxies whose X-Forwarded-For is believed"},
    {"cert_file", CONF_PATH, "", AT(http_cert_file), 0, 0,
     "the front door's certificate (chain): it then speaks HTTPS"},
    {"key_file", CONF_PATH, "", AT(http_key_file), 0, 0, "its private key"},
};

static const struct conf_row LIMITS_ROWS[] = {
    {"payload", CONF_SIZE, "256KiB", AT(payload_bytes_max), 1, TURN_BYTES_MAX,
     "a larger message becomes a dead letter"},
    {"memory", CONF_SIZE, "512MiB", AT(memory_bytes), 64 * MIB, TIB,
     "all scripts, calls, request bodies, events and publishes together"},
    {"lua_memory", CONF_SIZE, "64MiB", AT(lua_memory_bytes), MIB, 64 * GIB,
     "the memory of one service's scripts"},
    {"lua_time", CONF_MS, "200ms", AT(lua_time_ms), 1, 60 * SECOND_MS,
     "processor time of one attempt; waiting for calls does not count"},
    {"backlog", CONF_U64, "1000000", AT(backlog_max), 1, 1000000000,
     "waiting events; beyond it messages stay in the broker"},
    {"stop_timeout", CONF_MS, "30s", AT(stop_timeout_ms), 0, 7 * DAY_MS,
     "how long attempts may go on when the host stops"},
};

static const struct conf_row SYS_ROWS[] = {
    {"interval", CONF_MS_OR_OFF, "5s", AT(sys_interval_ms), 100, HOUR_MS,
     "how often the status topics below zingq/sys are published; off: not at all"},
};

static const struct conf_row EGRESS_ROWS[] = {
    {"allow", CONF_NAMES, "", AT(egress_allow), 0, 0,
     "host names, patterns and address ranges that zing.http and zing.mail may reach; empty: all"},
};

#define AREA_ROW(name, index)                                                                      \
    {                                                                                              \
        name, CONF_LOG_LEVEL, "", AT(log.areas[index]), 0, 0,                                      \
            "the least severe lines of this area; as level if not given"                           \
    }

/* The areas stand as in log_areas. */
static const struct conf_row LOG_ROWS[] = {
    AREA_ROW("admin", 0),
    AREA_ROW("audit", 1),
    AREA_ROW("broker", 2),
    AREA_ROW("engine", 3),
    AREA_ROW("files", 4),
    AREA_ROW("fleet", 5),
    AREA_ROW("handler", LOG_AREA_HANDLER),
    AREA_ROW("host", 7),
    AREA_ROW("http", 8),
    AREA_ROW("script", 9),
    AREA_ROW("store", 10),
    {"level", CONF_LOG_LEVEL, "info", AT(log.level), 0, 0,
     "the least severe lines that are written"},
    {"format", CONF_LOG_FORMAT, "text", AT(log.json), 0, 0,
     "lines for people, or one JSON object each"},
};
static_assert(sizeof LOG_ROWS / sizeof *LOG_ROWS == LOG_AREA_COUNT + 2, "one row an area");

static const struct conf_row TELEMETRY_ROWS[] = {
    {"otlp", CONF_RECEIVER, "", AT(telemetry.otlp), 0, 0,
     "where spans are sent, OTLP over HTTP; empty: nowhere"},
    {"headers", CONF_HEADERS, "", AT(telemetry.headers), 0, 0, "headers of each request to it"},
    {"service_name", CONF_TEXT, "zingq", AT(telemetry.service_name), 0, 0,
     "the name that spans carry"},
    {"sample", CONF_FRACTION, "1", AT(telemetry.sample), 0, 1, "the share of traces that are sent"},
};

/* `this` counts from 1; 0 = not given. */
static const struct conf_row HOSTS_ROWS[] = {
    {"group", CONF_TEXT, "default", AT(hosts.group), 0, 0, "hosts of one group divide the keys"},
    {"count", CONF_U16, "1", AT(hosts.share.count), 1, PARTITIONS,
     "how many hosts divide the keys"},
    {"this", CONF_U16, "0", AT(hosts.share.place), 0, PARTITIONS,
     "which of them this one is, from 1"},
    {"secret", CONF_SECRETS, "", AT(hosts.secrets), 0, 0,
     "what they sign their messages with; a second one while it is changed"},
};

static const struct conf_row CLUSTER_ROWS[] = {
    {"name", CONF_TEXT, "", AT(cluster.name), 0, 0,
     "of the cluster in the database of store.url, which this host joins; empty: none"},
    {"host", CONF_TEXT, "", AT(cluster.host), 0, 0,
     "this host's name in it; empty: the machine's name"},
    {"lease", CONF_MS, "10s", AT(cluster.lease_ms), LEASE_MS_LEAST, HOUR_MS,
     "a host that has not been heard of for that long loses its shards to the others"},
    {"followers", CONF_U16, "1", AT(cluster.followers), 0, 1,
     "other hosts that keep a copy of a shard up to date, so that they can take it over at once"},
};

#undef AT
#define AT(field) offsetof(struct service_conf, field)

/* `order` comes after `key`, which decides its default. */
static const struct conf_row SERVICE_ROWS[] = {
    {"subscribe", CONF_FILTERS, NULL, AT(filters), 0, 0,
     "the topic filters whose messages are its events"},
    {"was", CONF_NAMES, "", AT(was), 0, 0,
     "its earlier names, the first one first: it takes over what is stored under them"},
    {"handler", CONF_SCRIPT, NULL, AT(handler), 0, 0,
     "the script in scripts/ that handles its events"},
    {"key", CONF_RULE, "none", AT(key), 0, 0,
     "what an event is about: events of one key run in order, one at a time"},
    {"idempotency", CONF_RULE, "none", AT(idempotency), 0, 0,
     "what makes two messages the same event: the second is dropped"},
    {"keep_idempotency", CONF_MS_OR_NONE, "", AT(keep_idempotency_ms), SECOND_MS, 3650 * DAY_MS,
     "for how long; store.keep_idempotency if not given"},
    {"share", CONF_YES_NO, "yes", AT(share), 0, 0, "no: every host gets every message"},
    {"several_hosts", CONF_SEVERAL_HOSTS, "divided", AT(independent), 0, 0,
     "independent: hosts share its events without dividing the keys"},
    {"order", CONF_ORDER, "", AT(ordered), 0, 0,
     "whether events of one key run in order; none is the default without a key"},
    {"concurrency", CONF_U32, "64", AT(concurrency), 1, CALLS_MAX, "attempts under way at once"},
    {"rate", CONF_RATE, "0", AT(rate_per_s), 0, 0,
     "events started at most, as 200/s, 10/m or 5/h; 0: no limit"},
    {"fair", CONF_RULE, "none", AT(fair), 0, 0, "whose event it is: tenants take turns"},
    {"priority", CONF_RULE, "none", AT(priority), 0, 0,
     "how urgent an event is, 0 to 9; otherwise its property zingq-priority, or 4"},
    {"key_concurrency", CONF_U32, "0", AT(key_concurrency), 0, CALLS_MAX,
     "attempts of one key at once, with order = none; 0: no limit"},
    {"key_rate", CONF_RATE, "0", AT(key_rate_per_s), 0, 0,
     "events of one key started at most; 0: no limit"},
    {"batch", CONF_U32, "1", AT(batch), 1, BATCH_MAX,
     "up to so many events in one run: the handler gets a list"},
    {"linger", CONF_MS, "0", AT(linger_ms), 0, HOUR_MS,
     "how long a batch that is not full waits for more events"},
    {"timeout", CONF_MS, "30s", AT(timeout_ms), 1, 7 * DAY_MS,
     "the longest that one attempt may take, waits included"},
    {"retries", CONF_U32, "3", AT(retries), 0, 1000, "attempts after the first"},
    {"backoff", CONF_BACKOFF, "exponential", AT(backoff), 0, 0,
     "how delays between attempts grow: doubled each time, or not at all"},
    {"delay", CONF_MS, "1s", AT(delay_ms), 0, 30 * DAY_MS, "before the second attempt"},
    {"max_delay", CONF_MS, "5m", AT(max_delay_ms), 0, 30 * DAY_MS, "no delay grows beyond it"},
    {"jitter", CONF_FRACTION, "0.2", AT(jitter), 0, 1,
     "each delay is up to this share shorter or longer"},
    {"crashes", CONF_U32, "3", AT(crashes), 0, 1000,
     "crashes of the host in the middle of an event before it is a dead letter"},
    {"on_dead", CONF_ON_DEAD, "continue", AT(on_dead), 0, 0,
     "park: later events of the key wait until a person decides"},
    {"idempotency_window", CONF_MS, "24h", AT(idempotency_window_ms), SECOND_MS, 3650 * DAY_MS,
     "how long those it calls remember an Idempotency-Key"},
    {"lua_memory", CONF_SIZE_OR_NONE, "", AT(lua_memory_bytes), MIB, 64 * GIB,
     "as limits.lua_memory if not given"},
    {"lua_time", CONF_MS_OR_NONE, "", AT(lua_time_ms), 1, 60 * SECOND_MS,
     "as limits.lua_time if not given"},
    {"stop_timeout", CONF_MS_OR_NONE, "", AT(stop_timeout_ms), 1, 7 * DAY_MS,
     "as limits.stop_timeout if not given"},
    {"secrets", CONF_NAMES, "", AT(secrets), 0, 0,
     "the names of vars that its scripts may read with zing.secret"},
    {"reply_to", CONF_FILTERS, "", AT(reply_to), 0, 0,
     "topic filters that zing.reply may answer to"},
    {"retry", CONF_SCRIPT, "", AT(retry), 0, 0,
     "a script that decides about the next attempt instead of the numbers"},
    {"dead_letter", CONF_SCRIPT, "", AT(dead_letter), 0, 0,
     "a script that sees each dead letter and may discard it"},
    {"dead_topic", CONF_TOPIC_DEFAULT, "", AT(dead_topic), 0, 0,
     "where dead letters are announced: zingq/dlq/NAME if not given; empty: nowhere"},
    {"keep_dead", CONF_MS_OR_NONE, "", AT(keep_dead_ms), SECOND_MS, 3650 * DAY_MS,
     "how long dead letters of events that ran are kept; without it until a person decides"},
    {"max_dead", CONF_LETTERS, "", AT(max_dead), 0, 0,
     "how many of them, or how many bytes; the oldest expire; without it no limit"},
};

#undef AT
#define AT(field) offsetof(struct endpoint_conf, field)

static const struct conf_row ENDPOINT_ROWS[] = {
    {"publish", CONF_TOPIC, NULL, AT(publish), 0, 0,
     "the topic that a request's body is published to"},
    {"required", CONF_NAMES, "", AT(required), 0, 0,
     "fields that a JSON body must have; without one it is answered 400"},
    {"auth", CONF_AUTH, "", AT(auth), 0, 0,
     "who may call it: anyone, a token, or a webhook with a signature; on loopback none is the "
     "default"},
    {"preset", CONF_PRESET, "", AT(preset), 0, 0, "the scheme of the signature"},
    {"secret", CONF_KEYS, "", AT(secrets), 0, 0,
     "the keys of the signature; several while they are changed"},
    {"max_body", CONF_SIZE, "0", AT(body_bytes_max), 0, GATEWAY_BODY_BYTES_MAX,
     "a larger body is answered 413; 0: limits.payload"},
};

#undef AT
#define AT(field) offsetof(struct token_conf, field)

static const struct conf_row TOKEN_ROWS[] = {
    {"value", CONF_SECRET, NULL, AT(value), 0, 0, "the token"},
    {"role", CONF_ROLE, NULL, AT(role), 0, 0,
     "what it may do: read, submit to endpoints, operate, or everything"},
    {"endpoints", CONF_NAMES, "", AT(endpoints), 0, 0,
     "the only endpoints it may call; empty: all"},
};

#undef AT
#define AT(field) offsetof(struct database_conf, field)

static const struct conf_row DATABASE_ROWS[] = {
    {"url", CONF_SECRET, NULL, AT(url), 0, 0, "postgres://user:password@host/name"},
    {"pool", CONF_U16, "8", AT(pool), 1, DATABASE_POOL_MAX, "connections at most"},
    {"timeout", CONF_MS, "10s", AT(timeout_ms), 1, 7 * DAY_MS,
     "the longest that one statement may take"},
    {"services", CONF_NAMES, "", AT(services), 0, 0, "the services that may use it; empty: all"},
};

#undef AT
#define AT(field) offsetof(struct schedule_conf, field)

static const struct conf_row SCHEDULE_ROWS[] = {
    {"cron", CONF_CRON, NULL, AT(cron), 0, 0,
     "minute hour day month weekday, or @daily and the like"},
    {"timezone", CONF_ZONE, "UTC", AT(timezone), 0, 0, "by whose clock it runs, as Europe/Berlin"},
    {"missed", CONF_MISSED, "once", AT(missed), 0, 0,
     "what came while the host was down: one run for all of it, or none"},
    {"publish", CONF_TOPIC, NULL, AT(publish), 0, 0, "the topic of each tick"},
    {"payload", CONF_TEXT, "{}", AT(payload), 0, 0, "its payload"},
};

#undef AT
#define ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])

const struct conf_spec CONF_SPECS[CONF_SECTION_COUNT] = {
    [CONF_BROKER] = {"broker", CONF_PLAIN, ROWS(BROKER_ROWS)},
    [CONF_STORE] = {"store", CONF_PLAIN, ROWS(STORE_ROWS)},
    [CONF_HTTP] = {"http", CONF_PLAIN, ROWS(HTTP_ROWS)},
    [CONF_LIMITS] = {"limits", CONF_PLAIN, ROWS(LIMITS_ROWS)},
    [CONF_SYS] = {"sys", CONF_PLAIN, ROWS(SYS_ROWS)},
    [CONF_HOSTS] = {"hosts", CONF_PLAIN, ROWS(HOSTS_ROWS)},
    [CONF_CLUSTER] = {"cluster", CONF_PLAIN, ROWS(CLUSTER_ROWS)},
    [CONF_EGRESS] = {"egress", CONF_PLAIN, ROWS(EGRESS_ROWS)},
    [CONF_LOG] = {"log", CONF_PLAIN, ROWS(LOG_ROWS)},
    [CONF_TELEMETRY] = {"telemetry", CONF_PLAIN, ROWS(TELEMETRY_ROWS)},
    [CONF_VARS] = {"vars", CONF_FREE, NULL, 0},
    [CONF_SERVICE] = {"service", CONF_TITLED, ROWS(SERVICE_ROWS)},
    [CONF_ENDPOINT] = {"endpoint", CONF_TITLED, ROWS(ENDPOINT_ROWS)},
    [CONF_SCHEDULE] = {"schedule", CONF_TITLED, ROWS(SCHEDULE_ROWS)},
    [CONF_TOKEN] = {"token", CONF_TITLED, ROWS(TOKEN_ROWS)},
    [CONF_DATABASE] = {"database", CONF_TITLED, ROWS(DATABASE_ROWS)},
};

/* ---- errors ---- */

int conf_fail(const struct conf_place *p, const char *format, ...) {
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    (void)url_cut_logins(sentence);

    struct buf where;
    buf_init(&where, 4096);
    if (p->origin != NULL) {
        buf_printf(&where, "%s: ", p->origin);
    } else if (p->line > 0) {
        buf_printf(&where, "%s:%d: ", p->file, p->line);
    } else {
        buf_printf(&where, "%s: ", p->file);
    }
    if (p->section != NULL && p->origin == NULL) {
        buf_add_str(&where, p->section);
        if (p->title != NULL) {
            buf_printf(&where, " \"%s\"", p->title);
        }
        buf_add_str(&where, ": ");
    }
    if (p->option != NULL && p->origin == NULL) {
        buf_printf(&where, "%s: ", p->option);
    }
    int code = report(p->report, ERR_INVALID, "%s%s", buf_str(&where), sentence);
    buf_clear(&where);
    if (p->mistakes != NULL) {
        p->mistakes->count++;
        p->mistakes->tell(p->mistakes->ctx, p->report->text);
    }
    return code;
}

int conf_check_name(const struct conf_place *place, const char *name) {
    if (strlen(name) > NAME_BYTES_MAX || !slice_is_plain(slice_of(name), "-_")) {
        return conf_fail(place, "\"%s\" is not a valid name: use 1 to %d letters, digits, - and _",
                         name, NAME_BYTES_MAX);
    }
    return 0;
}
