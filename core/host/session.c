/*
 * session.c - what the broker's session holds for us, as remembered in the store.
 *
 * The session outlives the process. So a filter that was removed from topics.conf stays subscribed
 * at the broker until someone unsubscribes it: the next start, or `zingq reload --prune`. And a
 * missing session is a loss worth a warning only if there was one.
 *
 *   "session"        the client id of the latest session
 *   "brokers"        where that client id has had sessions: one url per line
 *   "subscriptions"  what it holds: one filter per line, as it was sent
 */
#include "host/session.h"

#include "host/join.h"
#include "host/terms.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUBSCRIPTIONS_BYTES_MAX = 64 << 20,
    BROKERS_BYTES_MAX = 16 << 10,
    FILTER_BYTES = NAME_BYTES_MAX + sizeof "zingq/signal//+/+",
};

static void add_filter(const struct host *h, struct buf *out, size_t i, const char *filter) {
    const struct service_conf *s = &h->conf->services[i];
    if (s->share && !h->conf->broker.alone) {
        buf_printf(out, "$share/%s/", engine_service_group(h->engine, i));
    }
    buf_printf(out, "%s\n", filter);
}

/* zingq/signal/<service>/+/+, n = 0; then the same with the names that it had before. NULL past the
 * last. Not shared: the waiting event is in the store of one host, and no other host knows which. */
static const char *signal_filter(const struct service_conf *s, size_t n, char out[FILTER_BYTES]) {
    if (n > s->was_count) {
        return NULL;
    }
    (void)snprintf(out, FILTER_BYTES, "zingq/signal/%s/+/+", n == 0 ? s->name : s->was[n - 1]);
    return out;
}

/* The filters of this run, one per line. */
static void wanted_filters(const struct host *h, struct buf *out) {
    for (size_t i = 0; i < h->conf->service_count; i++) {
        const struct service_conf *s = &h->conf->services[i];
        for (size_t f = 0; engine_runs(h->engine, i) && f < s->filter_count; f++) {
            add_filter(h, out, i, s->filters[f]);
        }
        char filter[FILTER_BYTES];
        for (size_t n = 0; engine_runs(h->engine, i) && signal_filter(s, n, filter) != NULL; n++) {
            buf_printf(out, "%s\n", filter);
        }
    }
}

static bool has_line(const char *lines, const char *line, size_t len) {
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") == len && memcmp(at, line, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Unsubscribes the lines of `held` that are not in `wanted`, and adds them to `wanted`: they must
 * be remembered until they are gone. */
static int give_up(struct host *h, char *held, struct buf *wanted, const char *kept) {
    int code = 0;
    char *next = held;
    while (code == 0 && *next != '\0') {
        char *line = next;
        size_t len = strcspn(line, "\n");
        next = line[len] == '\0' ? line + len : line + len + 1;
        line[len] = '\0';
        if (len == 0 || has_line(kept, line, len)) {
            continue;
        }
        log_info("broker", "giving up the subscription %s: topics.conf no longer has it", line);
        buf_printf(wanted, "%s\n", line);
        if (mqtt_subscribes(h->subscriber, line)) {
            host_filter_gone(h, line);
        }
        code = mqtt_unsubscribe(h->subscriber, line);
    }
    return code;
}

int host_prune(struct host *h) {
    struct buf wanted;
    struct buf held;
    buf_init(&wanted, SUBSCRIPTIONS_BYTES_MAX);
    buf_init(&held, SUBSCRIPTIONS_BYTES_MAX);
    wanted_filters(h, &wanted);
    char *kept = slice_dup(buf_slice(&wanted));
    int code = engine_recall(h->engine, "subscriptions", &held);
    if (code == 0 && kept != NULL && held.len > 0) {
        (void)buf_str(&held);
        code = give_up(h, held.data, &wanted, kept);
    }
    if (code == 0 || code == ERR_NOTFOUND) {
        code = kept == NULL || wanted.failed
                   ? ERR_MEMORY
                   : engine_remember(h->engine, "subscriptions", buf_slice(&wanted));
    }
    free(kept);
    buf_clear(&wanted);
    buf_clear(&held);
    return code;
}

/* Adds to `lines` those of an earlier topics.conf; `there`: only what is still subscribed to. */
static int add_earlier(struct host *h, struct buf *lines, bool there) {
    struct buf held;
    buf_init(&held, SUBSCRIPTIONS_BYTES_MAX);
    char *wanted = slice_dup(buf_slice(lines));
    int code = wanted == NULL ? ERR_MEMORY : engine_recall(h->engine, "subscriptions", &held);
    char *next = code == 0 && held.len > 0 ? (char *)(uintptr_t)buf_str(&held) : NULL;
    for (char *line; (line = strsep(&next, "\n")) != NULL;) {
        if (line[0] != '\0' && !has_line(wanted, line, strlen(line)) &&
            (!there || mqtt_subscribes(h->subscriber, line))) {
            buf_printf(lines, "%s\n", line);
        }
    }
    free(wanted);
    buf_clear(&held);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Notes what the session holds, or will. */
static int note_filters(struct host *h, bool there) {
    struct buf lines;
    buf_init(&lines, SUBSCRIPTIONS_BYTES_MAX);
    wanted_filters(h, &lines);
    int code = add_earlier(h, &lines, there);
    code = code == 0 && lines.failed ? ERR_MEMORY : code;
    code = code == 0 ? engine_remember(h->engine, "subscriptions", buf_slice(&lines)) : code;
    buf_clear(&lines);
    return code;
}

static int subscribe(struct host *h, const char *group, const char *filter, uint32_t id) {
    int code = mqtt_subscribe(h->subscriber, group, filter, id);
    h->filters += code == 0 ? 1 : 0;
    return code == ERR_EXISTS ? 0 : code;
}

static int subscribe_signals(struct host *h, const struct service_conf *s, uint32_t id) {
    char filter[FILTER_BYTES];
    int code = 0;
    for (size_t n = 0; code == 0 && signal_filter(s, n, filter) != NULL; n++) {
        code = subscribe(h, NULL, filter, SIGNAL_SUBSCRIPTION + id);
    }
    return code;
}

static int subscribe_all(struct host *h, struct report *r) {
    int code = 0;
    for (size_t i = 0; i < h->conf->service_count; i++) {
        const struct service_conf *s = &h->conf->services[i];
        uint32_t id = engine_service_number(h->engine, i) + 1u;
        bool takes = engine_runs(h->engine, i) && !host_join_left(h, i);
        for (size_t f = 0; takes && f < s->filter_count; f++) {
            const char *group = s->share ? engine_service_group(h->engine, i) : NULL;
            code = subscribe(h, group, s->filters[f], id);
            if (code != 0) {
                return report(r, code, "service \"%s\": cannot subscribe to %s: %s", s->name,
                              s->filters[f], error_text(code));
            }
        }
        if (engine_runs(h->engine, i) && subscribe_signals(h, s, id) != 0) {
            return report(r, ERR_MEMORY, "service \"%s\": cannot subscribe to its signals",
                          s->name);
        }
    }
    return 0;
}

static int cannot_note(int code, struct report *r) {
    return report(r, code, "cannot keep the list of subscriptions: %s", error_text(code));
}

/* Subscriptions of an earlier run are given up after those that replace them, so that no message is
 * lost between a shared subscription and a plain one. */
int host_subscribe(struct host *h, struct report *r) {
    int code = subscribe_all(h, r);
    if (code != 0) {
        return code;
    }
    code = host_prune(h);
    return code == 0 ? 0 : cannot_note(code, r);
}

int host_subscribe_anew(struct host *h, struct report *r) {
    int code = note_filters(h, false);
    return code == 0 ? subscribe_all(h, r) : cannot_note(code, r);
}

static bool recall(struct host *h, const char *name, struct buf *out) {
    buf_init(out, SUBSCRIPTIONS_BYTES_MAX);
    return engine_recall(h->engine, name, out) == 0 && out->len > 0;
}

/* An earlier version did not record this: then it may have been any broker. */
static bool knew(const struct buf *brokers, const char *url) {
    return brokers->len == 0 || has_line(brokers->data, url, strlen(url));
}

/* Adds the current broker; a list that has grown too long is started over. */
static int remember_broker(struct host *h, struct buf *brokers) {
    if (brokers->len > BROKERS_BYTES_MAX) {
        buf_reset(brokers);
    }
    buf_printf(brokers, "%s\n", h->broker.url);
    return brokers->failed ? ERR_MEMORY : engine_remember(h->engine, "brokers", buf_slice(brokers));
}

void host_session_up(struct host *h, bool present) {
    struct buf expected;
    struct buf brokers;
    bool same = recall(h, "session", &expected) && strcmp(buf_str(&expected), h->client_id) == 0;
    bool noted = recall(h, "brokers", &brokers);
    (void)buf_str(&brokers); /* terminated */
    bool here = knew(&brokers, h->broker.url);
    int code = 0;
    if (same && here && !present &&
        !h->options->with_broker) { /* our own private broker is always new */
        log_warn("broker",
                 "the broker has lost our session: messages may be missing, because those it "
                 "held for us are gone; enable its persistence (zingq doctor)");
    } else if (!same) {
        code = engine_remember(h->engine, "session", slice_of(h->client_id));
    }
    if (code == 0 && (!noted || !here)) {
        code = remember_broker(h, &brokers);
    }
    if (code != 0) {
        log_error("host", "cannot remember the session: %s", error_text(code));
    }
    buf_clear(&expected);
    buf_clear(&brokers);
}

bool host_had_session(struct host *h) {
    struct buf name;
    struct buf brokers;
    bool any = recall(h, "session", &name);
    bool had = mqtt_session(h->subscriber)->connects > 0;
    (void)recall(h, "brokers", &brokers);
    (void)buf_str(&brokers);
    for (size_t i = 0; any && i < h->broker.address_count; i++) {
        had = had || knew(&brokers, h->broker.addresses[i].url);
    }
    buf_clear(&name);
    buf_clear(&brokers);
    return had;
}

void host_session_tidied(struct host *h) {
    int code = note_filters(h, true);
    if (code != 0) {
        log_error("host", "cannot keep the list of subscriptions: %s", error_text(code));
    }
}

void host_session_ended(struct host *h) {
    if (engine_remember(h->engine, "subscriptions", slice_of("")) != 0 ||
        engine_remember(h->engine, "brokers", slice_of("")) != 0 ||
        engine_remember(h->engine, "session", slice_of("")) != 0) {
        log_error("host", "cannot record in the store that the session has ended");
    }
}
