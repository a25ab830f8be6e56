/*
 * sys.c - the host's figures as rows: a topic, and how to write its value.
 *
 * A value is published when its text differs from the last one sent; after a connect, all are. The
 * store remembers which services were published ("status"), so that the topics of a service that
 * was removed from topics.conf are cleared at the next start.
 *
 * Why packet ids are kept here: a QoS 0 publish has one, too, from the same 16 bits as those of the
 * outbox (base/mids.h). After 65,535 others, the id of a publish that the broker has not
 * acknowledged is used again; mistaking that one for its acknowledgement would lose an event.
 */
#include "host/sys/impl.h"

#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_SHOWN_BYTES = 1000, NAMES_BYTES_MAX = SERVICES_MAX * (NAME_BYTES_MAX + 1) + 1 };

/* --- rows --- */

struct number_row {
    const char *name;
    int decimals;
    double (*of)(const struct engine_service_status *s);
};

static double lag(const struct engine_service_status *s) {
    return (double)books_waiting(&s->books);
}

static double oldest(const struct engine_service_status *s) {
    return (double)s->oldest_ms / 1000;
}

static double inflight(const struct engine_service_status *s) {
    return (double)s->running;
}

static double retrying(const struct engine_service_status *s) {
    return (double)s->retrying;
}

static double sleeping(const struct engine_service_status *s) {
    return (double)s->sleeping;
}

static double dead(const struct engine_service_status *s) {
    return (double)s->books.dead;
}

static double needs_person(const struct engine_service_status *s) {
    return (double)s->books.needs_person;
}

static double rate(const struct engine_service_status *s) {
    return s->lately.done_1min;
}

static double failures(const struct engine_service_status *s) {
    return s->lately.failures_1min;
}

static double failure_rate(const struct engine_service_status *s) {
    return s->lately.failure_rate;
}

static double p50(const struct engine_service_status *s) {
    return (double)s->lately.p50_us / 1000;
}

static double p99(const struct engine_service_status *s) {
    return (double)s->lately.p99_us / 1000;
}

static double done(const struct engine_service_status *s) {
    return (double)s->books.done;
}

static double expired(const struct engine_service_status *s) {
    return (double)s->books.expired;
}

static double retried(const struct engine_service_status *s) {
    return (double)s->books.retries;
}

static double duplicates(const struct engine_service_status *s) {
    return (double)s->books.duplicates;
}

static const struct number_row number_rows[] = {
    {"lag", 0, lag},
    {"oldest", 3, oldest},
    {"inflight", 0, inflight},
    {"retrying", 0, retrying},
    {"sleeping", 0, sleeping},
    {"dead", 0, dead},
    {"needs_person", 0, needs_person},
    {"rate/1min", 0, rate},
    {"failures/1min", 0, failures},
    {"failure_rate", 4, failure_rate},
    {"latency/p50", 3, p50},
    {"latency/p99", 3, p99},
    {"done/total", 0, done},
    {"retried/total", 0, retried},
    {"duplicates/total", 0, duplicates},
    {"expired/total", 0, expired},
};

enum {
    NUMBERS = sizeof number_rows / sizeof *number_rows,
    ROW_VERSION = NUMBERS,
    ROW_ERROR,
    SERVICE_ROWS
};

/* The uptime changes most often and is sent last: its answer proves that the broker processed
 * everything before it. */
enum host_row {
    HOST_VERSION,
    HOST_CONNECTED,
    HOST_HOSTS_KNOWN,
    HOST_HOSTS_UP,
    HOST_HOSTS_GONE,
    HOST_UPTIME,
    HOST_ROWS
};

static const char *const host_rows[HOST_ROWS] = {"version",  "broker/connected", "hosts/known",
                                                 "hosts/up", "hosts/gone",       "uptime"};

static const char *service_row_name(size_t row) {
    if (row < NUMBERS) {
        return number_rows[row].name;
    }
    return row == ROW_VERSION ? "handler/version" : "handler/error";
}

/* --- life --- */

void sys_host_name(const char *client_id, char out[HOST_NAME_BYTES_MAX + 1]) {
    static const char ours[] = "zingq-";
    enum { SHORT = 12 };
    struct uuid id;
    const char *name =
        strncmp(client_id, ours, sizeof ours - 1) == 0 && client_id[sizeof ours - 1] != '\0'
            ? client_id + sizeof ours - 1
            : client_id;
    if (uuid_parse(slice_of(name), &id)) {
        name += strlen(name) - SHORT;
    }
    (void)snprintf(out, HOST_NAME_BYTES_MAX + 1, "%s", name);
    for (char *c = out; *c != '\0'; c++) {
        *c = byte_is_plain(*c, "._-") ? *c : '-';
    }
}

static void name_host(struct sys *s, const char *client_id) {
    char name[HOST_NAME_BYTES_MAX + 1];
    sys_host_name(client_id, name);
    int len = snprintf(s->topic, sizeof s->topic, "zingq/sys/%s", name);
    assert(len > 0 && (size_t)len < sizeof s->topic);
    (void)snprintf(s->will_topic, sizeof s->will_topic, "%s/%s", s->topic,
                   host_rows[HOST_CONNECTED]);
}

static int make_values(struct sys *s) {
    s->sent_count = HOST_ROWS + s->conf->service_count * SERVICE_ROWS;
    s->sent = calloc(s->sent_count, sizeof *s->sent);
    return s->sent == NULL ? ERR_MEMORY : 0;
}

static int recall_services(struct sys *s) {
    struct buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    int code = engine_recall(s->engine, "status", &names);
    if (code == 0 || code == ERR_NOTFOUND) {
        free(s->gone);
        s->gone = slice_dup(buf_slice(&names));
        code = s->gone == NULL ? ERR_MEMORY : 0;
    }
    buf_clear(&names);
    return code;
}

int sys_new(struct sys **out, const struct conf *conf, struct engine *engine,
            const char *client_id) {
    struct sys *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ERR_MEMORY;
    }
    s->conf = conf;
    s->engine = engine;
    name_host(s, client_id);
    sys_broker_init(s);
    int code = make_values(s);
    code = code == 0 ? recall_services(s) : code;
    if (code != 0) {
        sys_free(s);
        return code;
    }
    *out = s;
    return 0;
}

static void forget_sent(struct sys *s) {
    for (size_t i = 0; s->sent != NULL && i < s->sent_count; i++) {
        free(s->sent[i]);
        s->sent[i] = NULL;
    }
}

int sys_change(struct sys *s) {
    forget_sent(s);
    free(s->sent);
    s->due = true;
    int code = make_values(s);
    code = code == 0 ? recall_services(s) : code;
    return code == ERR_MEMORY ? code : 0; /* what cannot be read now is cleared at the next start */
}

void sys_free(struct sys *s) {
    if (s != NULL) {
        forget_sent(s);
        free(s->sent);
        free(s->gone);
        free(s);
    }
}

struct mqtt_publish sys_will(const struct sys *s) {
    return (struct mqtt_publish){
        .topic = sys_is_off(s) ? NULL : s->will_topic, .payload = slice_of("0"), .retain = true};
}

void sys_up(struct sys *s, uint64_t now_ms) {
    s->due = true;
    s->fresh = true;
    s->unwatched = true;
    sys_pause_up(s, now_ms);
}

void sys_down(struct sys *s, uint64_t now_ms) {
    s->due = false;
    s->unproven = false;
    s->proof_mid = 0;
    sys_pause_down(s, now_ms);
    s->under_way = (struct mids){{0}};
    sys_broker_down(s);
}

void sys_tick(struct sys *s) {
    s->due = true;
}

bool sys_is_due(const struct sys *s) {
    return s->due;
}

bool sys_published(struct sys *s, int mid, uint8_t reason, uint64_t now_ms) {
    bool ours = mids_take(&s->under_way, mid);
    if (ours) {
        s->unproven = s->unproven && mid != s->proof_mid;
        sys_pause_answered(s, mid, reason, now_ms);
    }
    return ours;
}

bool sys_is_proven(const struct sys *s) {
    return !s->unproven;
}

/* --- publishing --- */

/* An empty text clears the topic at the broker. Returns the packet id; 0 = it was not sent. */
static int publish(struct sys *s, const char *topic, struct slice text, uint8_t qos) {
    struct mqtt_publish out = {.topic = topic,
                               .payload = text,
                               .qos = qos,
                               .retain = mqtt_session(s->mqtt)->retain_available};
    struct report r;
    int mid = 0;
    if (mqtt_publish(s->mqtt, &out, &mid, &r) != 0) {
        return 0; /* retried at the next interval, or on the next connection */
    }
    mids_add(&s->under_way, mid);
    s->dirty = s->unproven = true;
    s->proof_mid = qos > 0 ? mid : 0;
    return mid;
}

static void publish_row(struct sys *s, const char *service, const char *row, struct slice text,
                        uint8_t qos) {
    char topic[sizeof s->topic + NAME_BYTES_MAX + 64];
    (void)snprintf(topic, sizeof topic, service == NULL ? "%s%s/%s" : "%s/services/%s/%s", s->topic,
                   service == NULL ? "" : service, row);
    (void)publish(s, topic, text, qos);
}

/* Publishes `text` if it differs from the last one sent. */
static void offer(struct sys *s, size_t at, const char *service, const char *row,
                  const char *text) {
    assert(at < s->sent_count);
    if (s->sent[at] != NULL && strcmp(s->sent[at], text) == 0) {
        return;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return;
    }
    publish_row(s, service, row, slice_of(text), at == HOST_UPTIME ? 1 : 0);
    free(s->sent[at]);
    s->sent[at] = copy;
}

static void offer_host(struct sys *s, const struct sys_host *host) {
    char uptime[32];
    char up[32];
    char gone[32];
    (void)snprintf(uptime, sizeof uptime, "%" PRId64, host->uptime_ms / 1000);
    (void)snprintf(up, sizeof up, "%zu", host->hosts_up);
    (void)snprintf(gone, sizeof gone, "%zu", host->hosts_gone);
    const char *const texts[HOST_ROWS] = {[HOST_VERSION] = ZINGQ_VERSION,
                                          [HOST_CONNECTED] = host->connected ? "1" : "0",
                                          [HOST_HOSTS_KNOWN] = host->hosts_known ? "1" : "0",
                                          [HOST_HOSTS_UP] = up,
                                          [HOST_HOSTS_GONE] = gone,
                                          [HOST_UPTIME] = uptime};
    for (size_t i = 0; i < HOST_ROWS; i++) {
        if (i == HOST_UPTIME && s->dirty) { /* its answer proves everything sent before it */
            free(s->sent[i]);
            s->sent[i] = NULL;
            mqtt_flush(s->mqtt); /* while unwritten they count against the broker's window */
        }
        offer(s, i, NULL, host_rows[i], texts[i]);
    }
}

static void write_value(char *out, size_t size, const struct engine_service_status *status,
                        size_t row) {
    if (row < NUMBERS) {
        (void)snprintf(out, size, "%.*f", number_rows[row].decimals, number_rows[row].of(status));
    } else if (row == ROW_VERSION) {
        (void)snprintf(out, size, "%016" PRIx64, status->version);
    } else {
        (void)snprintf(out, size, "%s", status->script_error == NULL ? "" : status->script_error);
    }
}

static void offer_service(struct sys *s, size_t service) {
    struct engine_service_status status;
    char text[ERROR_SHOWN_BYTES];
    if (engine_service_status(s->engine, service, &status) != 0) {
        return;
    }
    for (size_t row = 0; row < SERVICE_ROWS; row++) {
        write_value(text, sizeof text, &status, row);
        offer(s, HOST_ROWS + service * SERVICE_ROWS + row, status.name, service_row_name(row),
              text);
    }
}

/* --- topics of services that no longer exist --- */

static bool runs_here(const struct sys *s, const char *name) {
    size_t i;
    return conf_find_service(s->conf, slice_of(name), &i) && engine_runs(s->engine, i);
}

static void clear_service(struct sys *s, const char *name) {
    for (size_t row = 0; row < SERVICE_ROWS; row++) {
        publish_row(s, name, service_row_name(row), slice_of(""), 0);
    }
}

static void remember_services(struct sys *s) {
    struct buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    for (size_t i = 0; i < s->conf->service_count; i++) {
        if (engine_runs(s->engine, i)) {
            buf_printf(&names, "%s\n", s->conf->services[i].name);
        }
    }
    bool same = strcmp(buf_str(&names), s->gone) == 0;
    int code = same ? 0 : engine_remember(s->engine, "status", buf_slice(&names));
    if (code != 0) {
        log_error("host", "cannot remember which services have a status topic: %s",
                  error_text(code));
    }
    buf_clear(&names);
}

static void clear_gone(struct sys *s) {
    if (s->gone == NULL) {
        return;
    }
    remember_services(s);
    char *next = s->gone;
    while (*next != '\0') {
        char *name = next;
        size_t len = strcspn(name, "\n");
        next = name[len] == '\0' ? name + len : name + len + 1;
        name[len] = '\0';
        if (len > 0 && len <= NAME_BYTES_MAX && !runs_here(s, name)) {
            clear_service(s, name);
        }
    }
    free(s->gone);
    s->gone = NULL;
}

/* --- the turn --- */

/* The host's version is the first topic: its answer decides whether others follow. */
static void ask(struct sys *s, uint64_t now_ms) {
    char topic[sizeof s->topic + 64];
    (void)snprintf(topic, sizeof topic, "%s/%s", s->topic, host_rows[HOST_VERSION]);
    int mid = publish(s, topic, slice_of(ZINGQ_VERSION), 1);
    if (mid != 0) {
        sys_asked(s, mid, now_ms);
        forget_sent(s);
        s->sent[HOST_VERSION] = strdup(ZINGQ_VERSION); /* NULL: it is sent once more */
    }
}

static void offer_all(struct sys *s, const struct sys_host *host) {
    for (size_t i = 0; i < s->conf->service_count; i++) {
        if (engine_runs(s->engine, i)) {
            offer_service(s, i);
        }
    }
    if (s->fresh) {
        s->fresh = false;
        sys_stay_alone(s, host->now_ms);
    }
    clear_gone(s);
    offer_host(s, host);
}

bool sys_publish(struct sys *s, struct mqtt *mqtt, const struct sys_host *host) {
    if (!s->due || !mqtt_session(mqtt)->connected) {
        return false;
    }
    s->due = false;
    s->dirty = false;
    s->mqtt = mqtt;
    if (sys_may_ask(s, host->now_ms)) {
        ask(s, host->now_ms);
    }
    if (s->unwatched && s->pause.leave != LEAVE_ASKED) { /* one question at a time */
        s->unwatched = false;
        sys_stay_alone(s, host->now_ms);
        sys_broker_watch(s, mqtt);
    }
    if (s->pause.leave == LEAVE_GIVEN) {
        offer_all(s, host);
    }
    s->mqtt = NULL;
    return s->dirty;
}

static void clear_all(struct sys *s) {
    for (size_t i = 0; i < HOST_ROWS; i++) {
        publish_row(s, NULL, host_rows[i], slice_of(""), 0);
    }
    for (size_t i = 0; i < s->conf->service_count; i++) {
        if (engine_runs(s->engine, i)) {
            clear_service(s, s->conf->services[i].name);
        }
    }
    if (engine_remember(s->engine, "status", slice_of("")) != 0) {
        log_error("host", "cannot record in the store that the status topics are gone");
    }
}

void sys_goodbye(struct sys *s, struct mqtt *mqtt, bool for_good) {
    if (!mqtt_session(mqtt)->connected || s->pause.leave != LEAVE_GIVEN) {
        return;
    }
    s->mqtt = mqtt;
    if (for_good) {
        clear_all(s);
    } else {
        (void)publish(s, s->will_topic, slice_of("0"), 0);
    }
    s->mqtt = NULL;
}
