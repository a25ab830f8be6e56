/*
 * mistakes.c - see cli/mistakes.h.
 *
 * Warnings, not errors: another topics.conf may listen to a topic, another machine may have the
 * certificates.
 */
#include "cli/mistakes.h"

#include "cli/options.h"
#include "cli/secrets.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/limits.h"
#include "io/mqtt/tls.h"
#include "lua/script.h"
#include "store/folder.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- topics and functions ---- */

/* The filters of a service, and which of them a function of its handler is for. */
struct routes {
    const struct service_conf *service;
    size_t count;
    bool used[FILTERS_MAX];
};

/* A function that no event can reach: its filter or reserved name is misspelt. */
static void take_route(void *ctx, const char *filter) {
    static const char *const reserved[] = {"on_lock_expired", "on_dead"};
    struct routes *routes = ctx;
    const struct service_conf *s = routes->service;
    bool reached = false;
    routes->count++;
    for (size_t i = 0; i < s->filter_count; i++) {
        bool fits = filter_overlaps(s->filters[i], filter);
        routes->used[i] = routes->used[i] || fits;
        reached = reached || fits;
    }
    if (reached) {
        return;
    }
    const char *meant = conf_suggest(filter, reserved, sizeof reserved / sizeof *reserved);
    cli_warn("scripts/%s: [\"%s\"] matches no topic that service \"%s\" subscribes to%s%s%s",
             s->handler, filter, s->name, meant == NULL ? "" : " (did you mean \"",
             meant == NULL ? "" : meant, meant == NULL ? "" : "\"?)");
}

/* A script that returns one function has no routes: it is for all topics. */
static void warn_of_routes(const struct conf *conf, const struct script_host *scripts) {
    for (size_t i = 0; i < conf->service_count; i++) {
        struct routes routes = {.service = &conf->services[i]};
        script_each_route(scripts, i, &routes, take_route);
        for (size_t f = 0; routes.count > 0 && f < conf->services[i].filter_count; f++) {
            if (!routes.used[f]) {
                cli_warn("%s:%d: service \"%s\" subscribes to \"%s\", but scripts/%s has no "
                         "function for it: every such event becomes a dead letter",
                         conf->file, conf->services[i].line, conf->services[i].name,
                         conf->services[i].filters[f], conf->services[i].handler);
            }
        }
    }
    if (conf->service_count == 0) {
        cli_warn("%s has no service: no messages will be handled", conf->file);
    }
}

/* ---- who hears what is published ---- */

static bool is_heard(const struct conf *conf, const char *topic) {
    bool heard = false;
    for (size_t i = 0; i < conf->service_count; i++) {
        heard = heard || service_wants(&conf->services[i], topic);
    }
    return heard;
}

/* The service can find no key in what is published: r says why. */
static bool lacks_key(const struct service_conf *s, const char *topic, const char *payload,
                      struct report *r) {
    struct event_bytes bytes = {.topic = slice_of(topic), .payload = slice_of(payload)};
    struct event *event = event_new(&bytes);
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    bool lacks = event != NULL && rule_extract(&s->key, event, &key, r) == ERR_INVALID;
    buf_clear(&key);
    event_free(event);
    return lacks;
}

static void warn_of_ticks(const struct conf *conf, const struct service_conf *s,
                          const struct schedule_conf *schedule) {
    struct report r = {""};
    if (lacks_key(s, schedule->publish, schedule->payload, &r)) {
        cli_warn("%s:%d: each event of schedule \"%s\" becomes a dead letter of service \"%s\": %s",
                 conf->file, schedule->line, schedule->name, s->name, r.text);
    }
}

/* True if requests without the field that the JSON pointer begins with are refused, or it may be. */
static bool requires_field(const struct endpoint_conf *e, const char *pointer) {
    size_t len = strcspn(pointer + (*pointer == '/'), "/");
    struct slice field = {pointer + (*pointer == '/'), len};
    bool required = memchr(field.data, '~', field.len) != NULL; /* it is escaped */
    for (size_t i = 0; i < e->required_count; i++) {
        required = required || slice_is(field, e->required[i]);
    }
    return required;
}

/* Whoever is told 202 relies on it. */
static void warn_of_requests(const struct conf *conf, const struct service_conf *s,
                             const struct endpoint_conf *e) {
    struct report r = {""};
    if (!lacks_key(s, e->publish, "{}", &r)) {
        return;
    }
    if (s->key.kind != RULE_JSON) {
        cli_warn(
            "%s:%d: each request to endpoint \"%s\" becomes a dead letter of service \"%s\": %s",
            conf->file, e->line, e->path, s->name, r.text);
    } else if (!requires_field(e, s->key.arg)) {
        cli_warn("%s:%d: endpoint \"%s\" accepts requests without the key of service \"%s\", which "
                 "become dead letters (%s): add the field to `required`",
                 conf->file, e->line, e->path, s->name, r.text);
    }
}

static void warn_of_schedule(const struct conf *conf, const struct schedule_conf *s) {
    if (!is_heard(conf, s->publish)) {
        cli_warn("%s:%d: schedule \"%s\" publishes to \"%s\", to which no service here subscribes",
                 conf->file, s->line, s->name, s->publish);
    }
    if (s->payload[0] != '\0' && strchr("{[", s->payload[0]) != NULL &&
        !text_is_json(slice_of(s->payload))) {
        cli_warn("%s:%d: schedule \"%s\": its payload is not JSON", conf->file, s->line, s->name);
    }
    for (size_t i = 0; i < conf->service_count; i++) {
        if (service_wants(&conf->services[i], s->publish)) {
            warn_of_ticks(conf, &conf->services[i], s);
        }
    }
}

/* The announcement of a dead letter is an event of the same service, and may die as well. */
static void warn_of_dead_topics(const struct conf *conf) {
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *s = &conf->services[i];
        if (service_wants(s, s->dead_topic)) {
            cli_warn(
                "%s:%d: service \"%s\" subscribes to its own dead_topic \"%s\": it handles its "
                "dead letters again",
                conf->file, s->line, s->name, s->dead_topic);
        }
    }
}

static void warn_of_unheard(const struct conf *conf) {
    for (size_t i = 0; i < conf->schedule_count; i++) {
        warn_of_schedule(conf, &conf->schedules[i]);
    }
    for (size_t i = 0; i < conf->endpoint_count; i++) {
        const struct endpoint_conf *e = &conf->endpoints[i];
        if (!is_heard(conf, e->publish)) {
            cli_warn("%s:%d: endpoint \"%s\" publishes to \"%s\", to which no service here "
                     "subscribes",
                     conf->file, e->line, e->path, e->publish);
        }
        for (size_t k = 0; k < conf->service_count; k++) {
            if (service_wants(&conf->services[k], e->publish)) {
                warn_of_requests(conf, &conf->services[k], e);
            }
        }
    }
}

/* ---- memory, files, secrets, variables ---- */

static void warn_of_script_memory(const struct conf *conf, uint64_t bytes, const char *whose) {
    if (bytes > conf->memory_bytes) {
        cli_warn("%s: lua_memory is larger than limits.memory (%llu MiB): one script may use more "
                 "than there is for the whole host",
                 whose, (unsigned long long)(conf->memory_bytes >> 20));
    }
}

static void warn_of_memory(const struct conf *conf) {
    char whose[NAME_BYTES_MAX + 16];
    warn_of_script_memory(conf, conf->lua_memory_bytes, "limits");
    for (size_t i = 0; i < conf->service_count; i++) {
        (void)snprintf(whose, sizeof whose, "service \"%s\"", conf->services[i].name);
        warn_of_script_memory(conf, conf->services[i].lua_memory_bytes, whose);
    }
}

static void warn_of_file(const char *option, const char *path) {
    if (path[0] != '\0' && access(path, R_OK) != 0) {
        cli_warn("cannot read %s \"%s\": %s", option, path, strerror(errno));
    }
}

/* The machine that checks topics.conf may not have the certificates. */
static void warn_of_certificates(const struct conf *conf) {
    struct broker_conf broker = conf->broker;
    struct report r = {""};
    int code = 0;
    for (size_t i = 0; i < broker.address_count && code == 0; i++) {
        broker_conf_use(&broker, i);
        code = mqtt_tls_check(&broker, &r); /* all brokers with TLS use the same files */
    }
    if (code != 0) {
        cli_warn("%s", r.text);
    }
    warn_of_file("http.cert_file", conf->http_cert_file);
    warn_of_file("http.key_file", conf->http_key_file);
}

static void warn_of_missing_secrets(const struct conf *conf) {
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *s = &conf->services[i];
        for (size_t k = 0; k < s->secret_count; k++) {
            if (conf_var(conf, s->secrets[k]) == NULL) {
                cli_warn("%s:%d: service \"%s\": its secret \"%s\" is not in vars{}", conf->file,
                         s->line, s->name, s->secrets[k]);
            }
        }
    }
}

/* One that topics.conf reads as env:NAME is known. */
static void warn_of_variable(void *ctx, const char *name, const char *near) {
    struct buf *text = ctx;
    if (strstr(buf_str(text), name) == NULL) {
        cli_warn("the environment variable %s matches no option%s%s%s", name,
                 near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
                 near == NULL ? "" : "?)");
    }
}

static void warn_of_variables(const struct conf *conf) {
    struct buf text;
    if (cli_read_file(conf->file, CONF_BYTES_MAX, &text) == 0) {
        conf_unknown_variables(&text, warn_of_variable);
    }
    buf_clear(&text);
}

/* ---- a cluster ---- */

static void warn_of_cluster(const struct conf *conf) {
    if (conf->cluster.name[0] == '\0') {
        return;
    }
    if (division_is_divided(&conf->hosts.share)) {
        cli_warn(
            "%s: hosts.count is %u, and a cluster divides the keys among its shards by itself: "
            "zingq run refuses both",
            conf->file, (unsigned)conf->hosts.share.count);
    }
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *s = &conf->services[i];
        if (!s->share) {
            cli_warn("%s:%d: service \"%s\" has share = no: in a cluster each shard gets every "
                     "message, also where several shards run on one host",
                     conf->file, s->line, s->name);
        }
    }
}

/* ---- a store of another version ---- */

/* What cannot be read now is told by whoever wants to read it. */
static void warn_of_one_store(const char *path) {
    const struct store_options options = {.path = path, .read_only = true, .for_a_look = true};
    struct store *store = NULL;
    struct report r = {""};
    uint32_t schema = STORE_SCHEMA;
    int code = store_open(&store, &options, &r);
    if (code == ERR_SCHEMA) {
        cli_warn("%s", r.text);
    }
    if (code == 0 && store_begin(store) == 0 && store_schema(store, &schema) == 0 &&
        schema < STORE_SCHEMA) {
        cli_warn(
            "the store in %s has schema %u, and the first start gives it %d, which an older zingq "
            "refuses: make a backup first (docs/upgrade.md)",
            path, schema, STORE_SCHEMA);
    }
    if (code == 0) {
        store_close(store);
    }
}

static void warn_of_store(const char *path) {
    unsigned hosts = store_folder_hosts(path);
    for (unsigned i = 1; i <= hosts; i++) {
        char folder[STORE_PATH_BYTES];
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        if (store_folder_file(path, name, folder, NULL) == 0) {
            warn_of_one_store(folder);
        }
    }
    if (hosts == 0) {
        warn_of_one_store(path);
    }
}

void cli_warn_of_mistakes(const struct cli *cli, const struct script_host *scripts) {
    warn_of_routes(cli->conf, scripts);
    warn_of_unheard(cli->conf);
    warn_of_dead_topics(cli->conf);
    warn_of_memory(cli->conf);
    warn_of_certificates(cli->conf);
    warn_of_missing_secrets(cli->conf);
    warn_of_variables(cli->conf);
    warn_of_cluster(cli->conf);
    cli_warn_of_secrets(cli->conf, scripts);
    warn_of_store(cli->conf->store_path);
}
