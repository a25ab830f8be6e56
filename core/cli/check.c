/*
 * check.c - check, version: commands that need no host, no broker and no store.
 *
 * If the configuration is wrong, `check` ends with status 2, as every other command would.
 */
#include "cli/impl.h"

#include "base/url.h"

#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "cli/mistakes.h"
#include "io/pg/pg.h"
#include "lua/api/api.h"
#include "base/clock.h"
#include "base/culprit.h"
#include "base/json.h"

#include "query/json.h"
#include "lua/script.h"

#include <confuse.h>
#include <curl/curl.h>
#include <glib.h>
#include <inttypes.h>
#include <lmdb.h>
#include <lua.h>
#include <microhttpd.h>
#include <mosquitto.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

/* ---- version ---- */

static int version(struct cli *cli) {
    int major = 0;
    int minor = 0;
    int patch = 0;
    char mosquitto[64];
    char lmdb[64];
    char glib[64];
    char libpq[PG_VERSION_BYTES];
    (void)mosquitto_lib_version(&major, &minor, &patch);
    (void)snprintf(mosquitto, sizeof mosquitto, "%d.%d.%d", major, minor, patch);
    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(lmdb, sizeof lmdb, "%d.%d.%d", major, minor, patch);
    (void)snprintf(glib, sizeof glib, "%u.%u.%u", glib_major_version, glib_minor_version,
                   glib_micro_version);
    const struct {
        const char *name, *version;
    } rows[] = {
        {"zingq", ZINGQ_VERSION},
        {"libmosquitto", mosquitto},
        {"LMDB", lmdb},
        {"Lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE},
        {"libuv", uv_version_string()},
        {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
        {"libmicrohttpd", MHD_get_version()},
        {"libsodium", sodium_version_string()},
        {"libconfuse", confuse_version},
        {"GLib", glib},
        {"libpq", pg_version(libpq)},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cli->json && !look_json_text(object, rows[i].name, rows[i].version)) {
            json_decref(object);
            object = NULL;
        } else if (!cli->json) {
            (void)printf("%s %s\n", rows[i].name, rows[i].version);
        }
    }
    if (cli->json) {
        return cli_print_json(object);
    }
    json_decref(object);
    return EXIT_GOOD;
}

/* ---- check ---- */

static void add_filters(struct buf *out, const struct service_conf *s) {
    for (size_t i = 0; i < s->filter_count; i++) {
        buf_add_str(out, i == 0 ? "" : ", ");
        buf_add_str(out, s->filters[i]);
    }
    buf_add_str(out, s->share ? "" : " (every host gets all messages)");
}

static void add_key(struct buf *out, const struct service_conf *s) {
    rule_write(&s->key, out);
    buf_add_str(out, s->ordered ? "; one event per key at a time, in order"
                                : "; events run concurrently, in no order");
}

static void add_turns(struct buf *out, const struct service_conf *s) {
    bool of_keys = s->ordered || s->key.kind != RULE_NONE;
    if (s->priority.kind != RULE_NONE) {
        buf_add_str(out, "by priority, zingq-priority or ");
        rule_write(&s->priority, out);
        buf_add_str(out, "; then ");
    }
    if (s->fair.kind == RULE_NONE) {
        buf_add_str(out, of_keys ? "each key in turn" : "in order of arrival");
    } else {
        buf_add_str(out, "each tenant in turn, by ");
        rule_write(&s->fair, out);
    }
}

static void add_idempotency(struct buf *out, const struct conf *conf,
                            const struct service_conf *s) {
    char keep[32];
    rule_write(&s->idempotency, out);
    if (s->idempotency.kind == RULE_NONE) {
        buf_add_str(out, " (publishers may set idempotency-key)");
    } else {
        buf_printf(out, "; remembered for %s",
                   conf_duration_text(conf_keep_idempotency(conf, s), keep));
    }
}

static void add_limits(struct buf *out, const struct service_conf *s) {
    char timeout[32];
    buf_printf(out, "%" PRIu32 " at once, %s each", s->concurrency,
               conf_duration_text(s->timeout_ms, timeout));
    if (s->stop_timeout_ms > 0) {
        char text[32];
        buf_printf(out, ", %s to stop", conf_duration_text(s->stop_timeout_ms, text));
    }
    if (s->rate_per_s > 0) {
        buf_printf(out, ", at most %g starts/s", s->rate_per_s);
    }
    if (s->key_concurrency > 0) {
        buf_printf(out, "; of a key %" PRIu32 " at once", s->key_concurrency);
    }
    if (s->key_rate_per_s > 0) {
        buf_printf(out, "; of a key at most %g starts/s", s->key_rate_per_s);
    }
    if (s->batch > 1) {
        char linger[32];
        buf_printf(out, "; batches of up to %" PRIu32 ", ", s->batch);
        if (s->linger_ms > 0) {
            buf_printf(out, "after at most %s", conf_duration_text(s->linger_ms, linger));
        } else {
            buf_add_str(out, "of waiting events");
        }
    }
}

static void add_dead(struct buf *out, const struct service_conf *s) {
    buf_add_str(out, s->on_dead == ON_DEAD_PARK ? "its key is parked until a person decides"
                     : s->ordered               ? "its key continues"
                                                : "other events continue");
    if (s->dead_topic != NULL && s->dead_topic[0] != '\0') {
        buf_printf(out, "; announced on %s", s->dead_topic);
    }
    if (s->dead_letter != NULL) {
        buf_printf(out, "; %s decides", s->dead_letter);
    }
    if (s->keep_dead_ms > 0) {
        char text[32];
        buf_printf(out, "; kept for %s", conf_duration_text(s->keep_dead_ms, text));
    }
    if (s->max_dead.count > 0) {
        buf_printf(out, "; at most %" PRIu64 " are kept", s->max_dead.count);
    } else if (s->max_dead.bytes > 0) {
        buf_add_str(out, "; at most ");
        text_add_bytes(out, s->max_dead.bytes);
        buf_add_str(out, " are kept");
    }
}

enum { LINE_BYTES_MAX = 1 << 20 };

/* The lines about a service, as (title, text). */
struct line {
    const char *title, *field;
    struct buf text;
};

enum line_of {
    LINE_FILTERS,
    LINE_HANDLER,
    LINE_KEY,
    LINE_TURNS,
    LINE_IDEMPOTENCY,
    LINE_LIMITS,
    LINE_RETRIES,
    LINE_DEAD,
    LINE_COUNT
};

static void lines_init(struct line *lines, const char *const titles[][2], size_t count) {
    for (size_t i = 0; i < count; i++) {
        lines[i].title = titles[i][0];
        lines[i].field = titles[i][1];
        buf_init(&lines[i].text, LINE_BYTES_MAX);
    }
}

static void lines_clear(struct line *lines, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_clear(&lines[i].text);
    }
}

static void describe(const struct conf *conf, const struct script_host *scripts, size_t index,
                     struct line lines[LINE_COUNT]) {
    static const char *const titles[LINE_COUNT][2] = {
        {"subscribes to", "subscribe"},
        {"handler", "handler"},
        {"key", "key"},
        {"turns", "turns"},
        {"idempotency", "idempotency"},
        {"runs", "limits"},
        {"retries", "schedule"},
        {"dead letters", "dead"},
    };
    const struct service_conf *s = &conf->services[index];
    lines_init(lines, titles, LINE_COUNT);
    add_filters(&lines[LINE_FILTERS].text, s);
    for (size_t i = 0; i < s->was_count; i++) {
        buf_printf(&lines[LINE_FILTERS].text, "%s%s", i == 0 ? "; takes over what was " : ", ",
                   s->was[i]);
    }
    buf_printf(&lines[LINE_HANDLER].text, "%s, version %016" PRIx64, s->handler,
               script_version(scripts, index));
    add_key(&lines[LINE_KEY].text, s);
    add_turns(&lines[LINE_TURNS].text, s);
    add_idempotency(&lines[LINE_IDEMPOTENCY].text, conf, s);
    add_limits(&lines[LINE_LIMITS].text, s);
    service_schedule_text(s, &lines[LINE_RETRIES].text);
    add_dead(&lines[LINE_DEAD].text, s);
}

/* The lines about a schedule. */
enum schedule_line {
    SCHEDULE_CRON,
    SCHEDULE_NEXT,
    SCHEDULE_PUBLISH,
    SCHEDULE_MISSED,
    SCHEDULE_COUNT
};

enum { TICKS_SHOWN = 3 };

static void add_ticks(struct buf *out, const struct schedule_conf *s, int64_t now_ms) {
    char text[CRON_LOCAL_BYTES];
    int64_t at = now_ms;
    for (int i = 0; i < TICKS_SHOWN; i++) {
        at = cron_next(&s->ticks, s->zone, at);
        if (at == INT64_MAX) {
            return;
        }
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", cron_local_text(s->zone, at, text));
    }
}

static void describe_schedule(const struct cli *cli, const struct schedule_conf *s,
                              struct line lines[SCHEDULE_COUNT]) {
    static const char *const titles[SCHEDULE_COUNT][2] = {
        {"schedule", "cron"},
        {"next runs", "next"},
        {"publishes", "publishes"},
        {"missed", "missed"},
    };
    lines_init(lines, titles, SCHEDULE_COUNT);
    buf_printf(&lines[SCHEDULE_CRON].text, "%s, by the clock of %s", s->cron, s->timezone);
    add_ticks(&lines[SCHEDULE_NEXT].text, s, cli->now_ms);
    buf_printf(&lines[SCHEDULE_PUBLISH].text, "%s  %s", s->publish, s->payload);
    buf_add_str(&lines[SCHEDULE_MISSED].text,
                s->missed == MISSED_ONCE ? "one run for all ticks missed while the host was down"
                                         : "ticks missed while the host was down are skipped");
}

/* The lines about a database. */
enum database_line { DATABASE_POOL, DATABASE_SERVICES, DATABASE_COUNT };

static void describe_database(const struct database_conf *d, struct line lines[DATABASE_COUNT]) {
    static const char *const titles[DATABASE_COUNT][2] = {{"database", "database"},
                                                          {"used by", "services"}};
    char timeout[32];
    lines_init(lines, titles, DATABASE_COUNT);
    buf_printf(&lines[DATABASE_POOL].text,
               "PostgreSQL, up to %u connection%s, statements end after %s", (unsigned)d->pool,
               d->pool == 1 ? "" : "s", conf_duration_text(d->timeout_ms, timeout));
    for (size_t i = 0; i < d->service_count; i++) {
        buf_printf(&lines[DATABASE_SERVICES].text, "%s%s", i == 0 ? "" : ", ", d->services[i]);
    }
    if (d->service_count == 0) {
        buf_add_str(&lines[DATABASE_SERVICES].text,
                    "every service: name those that may in services = {...}");
    }
}

/* Appends the names of the services whose keys need a division; returns how many. */
static size_t add_keyed(struct buf *out, const struct conf *conf) {
    enum { NAMED = 3 };
    size_t n = 0;
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct service_conf *s = &conf->services[i];
        bool keyed = service_is_divided(s, s->key.kind != RULE_NONE);
        if (keyed && n++ < NAMED) {
            buf_printf(out, "%s\"%s\"", n == 1 ? "" : ", ", s->name);
        }
    }
    if (n > NAMED) {
        buf_printf(out, " and %zu more", n - NAMED);
    }
    return n;
}

static void add_cluster(const struct cluster_conf *cluster, struct buf *out) {
    char lease[32];
    buf_printf(
        out,
        "This is the host \"%s\" of the cluster \"%s\": the keys are divided among its shards, "
        "whose commits are in the database of store.url, and which run on the hosts that are "
        "alive. One that shows no life for %s loses its shards to the others. All hosts have "
        "this topics.conf, but cluster.host, and data folders of their own.",
        cluster->host, cluster->name, conf_duration_text(cluster->lease_ms, lease));
}

/* Three sentences about a second host with this configuration. */
static void describe_hosts(const struct conf *conf, struct buf *out) {
    const struct hosts_conf *h = &conf->hosts;
    struct buf names;
    buf_init(&names, LINE_BYTES_MAX);
    size_t keyed = add_keyed(&names, conf);
    if (conf->cluster.name[0] != '\0') {
        add_cluster(&conf->cluster, out);
    } else if (division_is_divided(&h->share)) {
        buf_printf(
            out,
            "This is host %u of %u in the group \"%s\": each key belongs to one of them. All "
            "of them have the same count, another number each and the same rules for keys; "
            "one that has not is refused. Services without a key run where their messages "
            "arrive.%s",
            (unsigned)h->share.place, (unsigned)h->share.count, h->group,
            h->secret_count > 0 ? ""
                                : " Without the same hosts.secret on all of them, they believe "
                                  "anyone who says that it is one of them.");
    } else if (keyed == 0) {
        buf_add_str(out, "No service has keys that need a division: any number of hosts may run "
                         "this topics.conf at one broker.");
    } else {
        buf_printf(out,
                   "A second host is refused while this one runs: the keys of %s would be handled "
                   "by both at the same time. To share them divide the keys: hosts { count = 2  "
                   "this = 1 } on the first, this = 2 on the second. A service whose keys need no "
                   "division can set several_hosts = independent.",
                   buf_str(&names));
    }
    buf_clear(&names);
}

static void print_hosts(const struct cli *cli, struct buf *text) {
    (void)printf("\n");
    text_print(stdout, cli->colour, STYLE_HEAD, "several hosts");
    (void)printf("\n  %s\n", buf_str(text));
}

static void print_lines(const struct cli *cli, const char *name, const struct line *lines,
                        size_t count) {
    (void)printf("\n");
    text_print(stdout, cli->colour, STYLE_HEAD, name);
    (void)printf("\n");
    for (size_t i = 0; i < count; i++) {
        struct buf safe;
        buf_init(&safe, LINE_BYTES_MAX * 4);
        text_add_safe(&safe, buf_slice(&lines[i].text));
        (void)printf("  %-14s %s\n", lines[i].title, buf_str(&safe));
        buf_clear(&safe);
    }
}

static json_t *lines_json(const char *name, const struct line *lines, size_t count) {
    json_t *object = json_object();
    bool ok = object != NULL && look_json_text(object, "name", name);
    for (size_t i = 0; i < count && ok; i++) {
        ok = look_json_bytes(object, lines[i].field, buf_slice(&lines[i].text));
    }
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* Prints the lines, or adds them to the JSON list; false when out of memory. */
static bool tell(const struct cli *cli, const char *name, struct line *lines, size_t count,
                 json_t *list) {
    bool ok = true;
    if (cli->json) {
        ok = json_array_append_new(list, lines_json(name, lines, count)) == 0;
    } else {
        print_lines(cli, name, lines, count);
    }
    lines_clear(lines, count);
    return ok;
}

static void print_verdict(const struct conf *conf) {
    (void)printf("%s is good: %zu service%s, ", conf->file, conf->service_count,
                 conf->service_count == 1 ? "" : "s");
    if (conf->schedule_count > 0) {
        (void)printf("%zu schedule%s, ", conf->schedule_count,
                     conf->schedule_count == 1 ? "" : "s");
    }
    (void)printf("every script compiles");
    if (telemetry_is_on(&conf->telemetry)) {
        char url[URL_SHOWN_BYTES];
        (void)printf(", spans of %g %% of the traces go to %s", conf->telemetry.sample * 100,
                     url_shown(conf->telemetry.otlp, url));
    }
    if (conf->store_url[0] != '\0') {
        bool cluster = conf->cluster.name[0] != '\0';
        (void)printf(", turns are committed in PostgreSQL (store.url), in %s \"%s\"",
                     cluster ? "the logs of the cluster" : "the log",
                     cluster ? conf->cluster.name : conf->store_name);
    }
    if (cli_warnings() > 0) {
        (void)printf("; %u warning%s", cli_warnings(), cli_warnings() == 1 ? "" : "s");
    }
    (void)printf("\n");
}

static int print_check(const struct cli *cli, const struct script_host *scripts) {
    const struct conf *conf = cli->conf;
    json_t *services = json_array();
    json_t *schedules = json_array();
    json_t *databases = json_array();
    bool ok = services != NULL && schedules != NULL && databases != NULL;
    if (!cli->json) {
        print_verdict(conf);
    }
    for (size_t i = 0; i < conf->service_count && ok; i++) {
        struct line lines[LINE_COUNT];
        describe(conf, scripts, i, lines);
        ok = tell(cli, conf->services[i].name, lines, LINE_COUNT, services);
    }
    for (size_t i = 0; i < conf->schedule_count && ok; i++) {
        struct line lines[SCHEDULE_COUNT];
        describe_schedule(cli, &conf->schedules[i], lines);
        ok = tell(cli, conf->schedules[i].name, lines, SCHEDULE_COUNT, schedules);
    }
    for (size_t i = 0; i < conf->database_count && ok; i++) {
        struct line lines[DATABASE_COUNT];
        describe_database(&conf->databases[i], lines);
        ok = tell(cli, conf->databases[i].name, lines, DATABASE_COUNT, databases);
    }
    struct buf hosts;
    buf_init(&hosts, LINE_BYTES_MAX);
    describe_hosts(conf, &hosts);
    if (cli->json && ok) {
        json_t *all =
            json_pack("{s:s, s:o, s:o, s:o, s:s}", "file", conf->file, "services", services,
                      "schedules", schedules, "databases", databases, "hosts", buf_str(&hosts));
        buf_clear(&hosts);
        return cli_print_json(all);
    }
    if (!cli->json) {
        print_hosts(cli, &hosts);
    }
    buf_clear(&hosts);
    json_decref(services);
    json_decref(schedules);
    json_decref(databases);
    return ok ? EXIT_GOOD : cli_fail(ERR_MEMORY, "out of memory");
}

/* NULL: no host has run here, or we may not read its page. */
static struct culprit *peek_culprit(const struct conf *conf) {
    struct culprit *culprit = NULL;
    struct clock_reading now;
    clock_read(&now);
    return culprit_peek(&culprit, conf->store_path, now.boot.id, NULL) == 0 ? culprit : NULL;
}

/* Sentences told already: services may share a script. */
struct told {
    struct buf text;
};

static bool tell_once(struct told *told, const char *sentence) {
    if (strstr(buf_str(&told->text), sentence) != NULL) {
        return false;
    }
    buf_add_str(&told->text, sentence);
    buf_add_str(&told->text, "\n");
    return true;
}

static void warn_of_name(void *ctx, const char *file, int line, const char *sentence) {
    char text[1024];
    (void)snprintf(text, sizeof text, "scripts/%s:%d: %s", file, line, sentence);
    if (tell_once(ctx, text)) {
        cli_warn("%s", text);
    }
}

/* Prints why each service that has no code in force has none. 0, or an exit status. */
static int print_refused(const struct conf *conf, const struct script_host *scripts,
                         struct told *told) {
    int status = 0;
    for (size_t i = 0; i < conf->service_count; i++) {
        const char *error = script_error(scripts, i);
        if (!script_runs(scripts, i) && tell_once(told, error == NULL ? "out of memory" : error)) {
            status = cli_fail(ERR_SCRIPT, "%s", error == NULL ? "out of memory" : error);
        }
    }
    return status;
}

static int check_scripts(struct cli *cli, struct script_host *scripts) {
    struct told told;
    struct report r = {""};
    buf_init(&told.text, LINE_BYTES_MAX);
    struct script_names names = {warn_of_name, &told};
    script_tell_names(scripts, &names);
    (void)script_load_all(scripts, &r); /* the first error of all that are printed */
    int status = print_refused(cli->conf, scripts, &told);
    buf_clear(&told.text);
    cli_warn_of_mistakes(cli, scripts);
    cli_warn_of_lua(cli->conf, scripts);
    return status != 0 ? status : print_check(cli, scripts);
}

static int check(struct cli *cli) {
    struct script_host *scripts = NULL;
    int status = cli_check_conf(cli);
    if (status != 0) {
        return status;
    }
    struct report r;
    int code = pg_check(cli->conf, &r);
    if (code != 0) {
        return cli_fail(code, "%s", r.text);
    }
    code = script_host_new(&scripts, cli->conf, &api_library);
    if (code != 0) {
        return cli_fail(code, "cannot start Lua: %s", error_text(code));
    }
    struct culprit *culprit = peek_culprit(cli->conf);
    script_name_loads(scripts, culprit);
    status = check_scripts(cli, scripts);
    script_host_free(scripts);
    culprit_close(culprit);
    return status == 0 && cli_flag(cli, "strict") && cli_warnings() > 0 ? EXIT_NO : status;
}

static const struct cli_option check_options[] = {
    {"strict", NULL, "exit with status 1 if there are warnings"},
    {NULL, NULL, NULL},
};

static const struct cli_option doctor_options[] = {
    {"broker", "URL", "use this broker instead of broker.url"},
    {"queue", NULL, "try the broker's queue limit: what it drops then, its counters show as lost"},
    {"store", NULL, "check the store instead: read every page and every record"},
    {"security", NULL, "show what is open in this configuration instead, and how to close it"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_check_commands[] = {
    {"check", "", "validate topics.conf and compile every script",
     "Prints each service's subscriptions, order and retry schedule, each schedule's next runs, "
     "and whether a second host could run; before that all mistakes, and warnings of what will "
     "hardly work as intended.",
     0, 0, check_options, check},
    {"doctor", "", "probe the broker, the disk and telemetry.otlp: what could be lost, and the fix",
     "Exits with status 1 if a finding is bad. Leaves nothing behind, and without --queue the "
     "broker drops nothing.",
     0, 0, doctor_options, cli_doctor},
    {"version", "", "print the versions of the program and its libraries", NULL, 0, 0, NULL,
     version},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
