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

#define SECOND_MS INT64_C(1000)
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

/* option, kind, default, field, least, most */
static const struct conf_row BROKER_ROWS[] = {
    {"url", CONF_URL, "mqtt://127.0.0.1:1883", AT(broker.addresses), 0, 0},
    {"client_id", CONF_TEXT, "", AT(broker.client_id), 0, 0},
    {"username", CONF_SECRET, "", AT(broker.username), 0, 0},
    {"password", CONF_SECRET, "env:MQTT_PASSWORD", AT(broker.password), 0, 0},
    {"ca_file", CONF_PATH, "", AT(broker.ca_file), 0, 0},
    {"cert_file", CONF_PATH, "", AT(broker.cert_file), 0, 0},
    {"key_file", CONF_PATH, "", AT(broker.key_file), 0, 0},
    {"alone", CONF_YES_NO, "no", AT(broker.alone), 0, 0},
    {"receive_maximum", CONF_U16, "1000", AT(broker.receive_maximum), 1, UINT16_MAX},
    {"session_expiry", CONF_SECONDS, "7d", AT(broker.session_expiry_s), SECOND_MS, 3650 * DAY_MS},
};

static const struct conf_row STORE_ROWS[] = {
    {"path", CONF_PATH, "data", AT(store_path), 0, 0},
    {"max_size", CONF_SIZE, "8GiB", AT(store_max_bytes), 2 * MIB, 64 * TIB},
    {"linger", CONF_MS_OR_AUTO, "auto", AT(store_linger_ms), 0, SECOND_MS},
    {"keep_done", CONF_MS, "24h", AT(keep_done_ms), 0, 3650 * DAY_MS},
    {"keep_signals", CONF_MS, "7d", AT(keep_signals_ms), SECOND_MS, 3650 * DAY_MS},
    {"keep_idempotency", CONF_MS, "24h", AT(keep_idempotency_ms), SECOND_MS, 3650 * DAY_MS},
};

static const struct conf_row HTTP_ROWS[] = {
    {"listen", CONF_LISTEN, "127.0.0.1:8080", AT(http_listen), 0, 0},
    {"token", CONF_SECRET, "env:ZINGQ_TOKEN", AT(http_token), 0, 0},
    {"proxies", CONF_NAMES, "", AT(http_proxies), 0, 0},
    {"cert_file", CONF_PATH, "", AT(http_cert_file), 0, 0},
    {"key_file", CONF_PATH, "", AT(http_key_file), 0, 0},
};

static const struct conf_row LIMITS_ROWS[] = {
    {"payload", CONF_SIZE, "256KiB", AT(payload_bytes_max), 1, TURN_BYTES_MAX},
    {"memory", CONF_SIZE, "512MiB", AT(memory_bytes), 64 * MIB, TIB},
    {"lua_memory", CONF_SIZE, "64MiB", AT(lua_memory_bytes), MIB, 64 * GIB},
    {"lua_time", CONF_MS, "200ms", AT(lua_time_ms), 1, 60 * SECOND_MS},
    {"backlog", CONF_U64, "1000000", AT(backlog_max), 1, 1000000000},
    {"stop_timeout", CONF_MS, "30s", AT(stop_timeout_ms), 0, 7 * DAY_MS},
};

static const struct conf_row SYS_ROWS[] = {
    {"interval", CONF_MS_OR_OFF, "5s", AT(sys_interval_ms), 100, HOUR_MS},
};

static const struct conf_row EGRESS_ROWS[] = {
    {"allow", CONF_NAMES, "", AT(egress_allow), 0, 0},
};

#define AREA_ROW(name, index)                                                                      \
    { name, CONF_LOG_LEVEL, "", AT(log.areas[index]), 0, 0 }

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
    {"level", CONF_LOG_LEVEL, "info", AT(log.level), 0, 0},
    {"format", CONF_LOG_FORMAT, "text", AT(log.json), 0, 0},
};
static_assert(sizeof LOG_ROWS / sizeof *LOG_ROWS == LOG_AREA_COUNT + 2, "one row an area");

static const struct conf_row TELEMETRY_ROWS[] = {
    {"otlp", CONF_RECEIVER, "", AT(telemetry.otlp), 0, 0},
    {"headers", CONF_HEADERS, "", AT(telemetry.headers), 0, 0},
    {"service_name", CONF_TEXT, "zingq", AT(telemetry.service_name), 0, 0},
    {"sample", CONF_FRACTION, "1", AT(telemetry.sample), 0, 1},
};

/* `this` counts from 1; 0 = not given. */
static const struct conf_row HOSTS_ROWS[] = {
    {"group", CONF_TEXT, "default", AT(hosts.group), 0, 0},
    {"count", CONF_U16, "1", AT(hosts.share.count), 1, PARTITIONS},
    {"this", CONF_U16, "0", AT(hosts.share.place), 0, PARTITIONS},
    {"secret", CONF_SECRETS, "", AT(hosts.secrets), 0, 0},
};

#undef AT
#define AT(field) offsetof(struct service_conf, field)

/* `order` comes after `key`, which decides its default. */
static const struct conf_row SERVICE_ROWS[] = {
    {"subscribe", CONF_FILTERS, NULL, AT(filters), 0, 0},
    {"was", CONF_NAMES, "", AT(was), 0, 0},
    {"handler", CONF_SCRIPT, NULL, AT(handler), 0, 0},
    {"key", CONF_RULE, "none", AT(key), 0, 0},
    {"idempotency", CONF_RULE, "none", AT(idempotency), 0, 0},
    {"keep_idempotency", CONF_MS_OR_NONE, "", AT(keep_idempotency_ms), SECOND_MS, 3650 * DAY_MS},
    {"share", CONF_YES_NO, "yes", AT(share), 0, 0},
    {"several_hosts", CONF_SEVERAL_HOSTS, "divided", AT(independent), 0, 0},
    {"order", CONF_ORDER, "", AT(ordered), 0, 0},
    {"concurrency", CONF_U32, "64", AT(concurrency), 1, CALLS_MAX},
    {"rate", CONF_RATE, "0", AT(rate_per_s), 0, 0},
    {"fair", CONF_RULE, "none", AT(fair), 0, 0},
    {"priority", CONF_RULE, "none", AT(priority), 0, 0},
    {"key_concurrency", CONF_U32, "0", AT(key_concurrency), 0, CALLS_MAX},
    {"key_rate", CONF_RATE, "0", AT(key_rate_per_s), 0, 0},
    {"batch", CONF_U32, "1", AT(batch), 1, BATCH_MAX},
    {"linger", CONF_MS, "0", AT(linger_ms), 0, HOUR_MS},
    {"timeout", CONF_MS, "30s", AT(timeout_ms), 1, 7 * DAY_MS},
    {"retries", CONF_U32, "3", AT(retries), 0, 1000},
    {"backoff", CONF_BACKOFF, "exponential", AT(backoff), 0, 0},
    {"delay", CONF_MS, "1s", AT(delay_ms), 0, 30 * DAY_MS},
    {"max_delay", CONF_MS, "5m", AT(max_delay_ms), 0, 30 * DAY_MS},
    {"jitter", CONF_FRACTION, "0.2", AT(jitter), 0, 1},
    {"crashes", CONF_U32, "3", AT(crashes), 0, 1000},
    {"on_dead", CONF_ON_DEAD, "continue", AT(on_dead), 0, 0},
    {"idempotency_window", CONF_MS, "24h", AT(idempotency_window_ms), SECOND_MS, 3650 * DAY_MS},
    {"lua_memory", CONF_SIZE_OR_NONE, "", AT(lua_memory_bytes), MIB, 64 * GIB},
    {"lua_time", CONF_MS_OR_NONE, "", AT(lua_time_ms), 1, 60 * SECOND_MS},
    {"stop_timeout", CONF_MS_OR_NONE, "", AT(stop_timeout_ms), 1, 7 * DAY_MS},
    {"secrets", CONF_NAMES, "", AT(secrets), 0, 0},
    {"reply_to", CONF_FILTERS, "", AT(reply_to), 0, 0},
    {"retry", CONF_SCRIPT, "", AT(retry), 0, 0},
    {"dead_letter", CONF_SCRIPT, "", AT(dead_letter), 0, 0},
    {"dead_topic", CONF_TOPIC_DEFAULT, "", AT(dead_topic), 0, 0},
    {"keep_dead", CONF_MS_OR_NONE, "", AT(keep_dead_ms), SECOND_MS, 3650 * DAY_MS},
    {"max_dead", CONF_LETTERS, "", AT(max_dead), 0, 0},
};

#undef AT
#define AT(field) offsetof(struct endpoint_conf, field)

static const struct conf_row ENDPOINT_ROWS[] = {
    {"publish", CONF_TOPIC, NULL, AT(publish), 0, 0},
    {"required", CONF_NAMES, "", AT(required), 0, 0},
    {"auth", CONF_AUTH, "", AT(auth), 0, 0},
    {"preset", CONF_PRESET, "", AT(preset), 0, 0},
    {"secret", CONF_KEYS, "", AT(secrets), 0, 0},
    {"max_body", CONF_SIZE, "0", AT(body_bytes_max), 0, GATEWAY_BODY_BYTES_MAX},
};

#undef AT
#define AT(field) offsetof(struct token_conf, field)

static const struct conf_row TOKEN_ROWS[] = {
    {"value", CONF_SECRET, NULL, AT(value), 0, 0},
    {"role", CONF_ROLE, NULL, AT(role), 0, 0},
    {"endpoints", CONF_NAMES, "", AT(endpoints), 0, 0},
};

#undef AT
#define AT(field) offsetof(struct database_conf, field)

static const struct conf_row DATABASE_ROWS[] = {
    {"url", CONF_SECRET, NULL, AT(url), 0, 0},
    {"pool", CONF_U16, "8", AT(pool), 1, DATABASE_POOL_MAX},
    {"timeout", CONF_MS, "10s", AT(timeout_ms), 1, 7 * DAY_MS},
    {"services", CONF_NAMES, "", AT(services), 0, 0},
};

#undef AT
#define AT(field) offsetof(struct schedule_conf, field)

static const struct conf_row SCHEDULE_ROWS[] = {
    {"cron", CONF_CRON, NULL, AT(cron), 0, 0},
    {"timezone", CONF_ZONE, "UTC", AT(timezone), 0, 0},
    {"missed", CONF_MISSED, "once", AT(missed), 0, 0},
    {"publish", CONF_TOPIC, NULL, AT(publish), 0, 0},
    {"payload", CONF_TEXT, "{}", AT(payload), 0, 0},
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
