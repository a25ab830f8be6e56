/*
 * terms.c - what the broker offers, and which limitations follow: the single source for status,
 * /readyz, the metrics and the log.
 *
 * There are two kinds of sentences. A blocking one means that something published now might not
 * reach its service, or that nothing can be sent: the host is not ready, and the log repeats it
 * once a minute. The others are limitations of this broker: logged at every connect, and shown in
 * status as long as they apply.
 *
 * Everything is derived from the connections when asked for. Only the filters that were refused, or
 * granted with QoS 0, are stored, as far as there is room for their names.
 */
#include "host/terms.h"

#include "host/forward.h"
#include "host/logged.h"
#include "host/members.h"
#include "host/shortage.h"
#include "host/stand_in.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVE_MAXIMUM_SMALL = 10 };

/* --- the limitations of this broker: each row says whether it applies, and its sentence --- */

static bool no_wildcards(const struct host *h, struct report *r) {
    (void)report(
        r, 0,
        "the broker has no wildcard subscriptions: filters with + or # do not work, "
        "and signals arrive only by zingq signal and HTTP, not by MQTT (zingq/signal/...)");
    return !mqtt_session(h->subscriber)->wildcard_available;
}

static bool no_sharing(const struct host *h, struct report *r) {
    (void)report(r, 0,
                 "the broker has no shared subscriptions: plain ones are used, run one host only");
    return !mqtt_session(h->subscriber)->shared_available && !h->conf->broker.alone;
}

static bool no_numbers(const struct host *h, struct report *r) {
    (void)report(
        r, 0,
        "the broker has no subscription identifiers: messages are assigned by topic to every "
        "service whose filters match; services whose filters overlap may get more than one "
        "copy");
    return !mqtt_session(h->subscriber)->subscription_ids_available;
}

static bool short_expiry(const struct host *h, struct report *r) {
    char granted[32];
    char asked[32];
    uint32_t expiry_s = mqtt_session(h->subscriber)->session_expiry_s;
    (void)report(r, 0,
                 "the broker keeps our session for %s only, not for %s as requested: messages that "
                 "arrive while the host is down for longer are lost",
                 conf_duration_text((int64_t)expiry_s * 1000, granted),
                 conf_duration_text((int64_t)h->conf->broker.session_expiry_s * 1000, asked));
    return expiry_s < h->conf->broker.session_expiry_s;
}

static bool no_retain(const struct host *h, struct report *r) {
    (void)report(r, 0,
                 "the broker keeps no retained messages: status topics and publishes with retain "
                 "are sent without it, and later subscribers do not see them");
    return !mqtt_session(h->publisher)->retain_available;
}

static bool no_qos(const struct host *h, struct report *r) {
    (void)report(r, 0,
                 "the broker accepts publishes with QoS 0 only: publishes it has not read when a "
                 "connection ends are lost, so guarantee 4 does not hold here");
    return mqtt_session(h->publisher)->qos_max == 0;
}

static bool small_window(const struct host *h, struct report *r) {
    uint16_t window = mqtt_session(h->publisher)->receive_maximum;
    (void)report(r, 0,
                 "the broker accepts no more than %u unacknowledged publish%s at a time: publishes "
                 "leave slowly",
                 window, window == 1 ? "" : "es");
    return window < RECEIVE_MAXIMUM_SMALL;
}

static bool small_packets(const struct host *h, struct report *r) {
    uint32_t most = mqtt_session(h->publisher)->packet_bytes_max;
    (void)report(r, 0,
                 "the broker accepts packets of at most %" PRIu32
                 " bytes, less than limits.payload: "
                 "larger publishes are refused",
                 most);
    return most != 0 && most < h->conf->payload_bytes_max;
}

static const struct term {
    bool publishing; /* of the publishing connection; otherwise of the subscribing one */
    bool (*holds)(const struct host *h, struct report *r);
} terms[] = {
    {false, no_wildcards}, {false, no_sharing}, {false, no_numbers},  {false, short_expiry},
    {true, no_retain},     {true, no_qos},      {true, small_window}, {true, small_packets},
};

static bool term_holds(const struct host *h, const struct term *t, struct report *r) {
    const struct mqtt_session *session = mqtt_session(t->publishing ? h->publisher : h->subscriber);
    return session->connected && t->holds(h, r);
}

static bool same_side(const struct term *t, const struct host_terms *told) {
    return t->publishing == told->publishing;
}

/* Logs warnings that have not been logged on this connection. */
static void tell_terms(const struct host *h, struct host_terms *told) {
    struct report r;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        unsigned bit = 1u << i;
        if ((told->told & bit) == 0 && same_side(&terms[i], told) && term_holds(h, &terms[i], &r)) {
            told->told |= bit;
            if (!(told->publishing ? &h->publisher_loss : &h->loss)->quiet) {
                log_warn("broker", "%s", r.text);
            }
        }
    }
}

/* --- filters --- */

static void forget_flaws(struct host *h) {
    for (size_t i = 0; i < h->flaw_count; i++) {
        free(h->flaws[i].filter);
    }
    h->flaw_count = 0;
    h->granted = h->refused = h->weak = 0;
}

static void keep_flaw(struct host *h, const char *filter, uint8_t reason) {
    char *copy = h->flaw_count < HOST_FLAWS_MAX ? strdup(filter) : NULL;
    if (copy != NULL) {
        h->flaws[h->flaw_count++] = (struct filter_flaw){.filter = copy, .reason = reason};
    }
}

static void write_flaw(const struct filter_flaw *flaw, struct report *r) {
    if (flaw->reason == 0) {
        (void)report(r, 0,
                     "the broker grants %s with QoS 0 only: messages it sends while the host is "
                     "down or a connection ends are lost, so guarantee 1 does not hold for it",
                     flaw->filter);
    } else if (flaw->reason == MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED) {
        (void)report(r, 0,
                     "the subscription %s is not possible: the broker has no wildcard "
                     "subscriptions, list its topics individually",
                     flaw->filter);
    } else if (flaw->reason == MQTT_RC_PACKET_TOO_LARGE) {
        (void)report(r, 0,
                     "the subscription %s is not possible: it is too long for the packets that the "
                     "broker takes",
                     flaw->filter);
    } else {
        (void)report(r, 0,
                     "the broker refused the subscription %s (reason 0x%02x): check its access "
                     "rules",
                     flaw->filter, flaw->reason);
    }
}

/* Signals need wildcards: no_wildcards has the sentence for it. */
static bool is_signals(const char *filter) {
    static const char prefix[] = "zingq/signal/";
    return strncmp(filter, prefix, sizeof prefix - 1) == 0 && strstr(filter, "/+/+") != NULL;
}

void host_filter_answered(struct host *h, const char *filter, uint8_t reason) {
    tell_terms(h, &h->terms); /* the answer may have shown a limitation of the broker */
    if (reason == MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED && is_signals(filter)) {
        h->granted++;
        return;
    }
    h->granted += reason < 0x80 ? 1 : 0;
    h->refused += reason >= 0x80 ? 1 : 0;
    h->weak += reason == 0 ? 1 : 0;
    if (reason != 0 && reason < 0x80) {
        return;
    }
    struct report r;
    struct filter_flaw flaw = {.filter = (char *)(uintptr_t)filter, .reason = reason};
    write_flaw(&flaw, &r);
    if (!h->loss.quiet) {
        log_line(reason == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "broker", "%s", r.text);
    }
    keep_flaw(h, filter, reason);
}

static struct filter_flaw *find_flaw(struct host *h, const char *filter) {
    for (size_t i = 0; i < h->flaw_count; i++) {
        if (strcmp(h->flaws[i].filter, filter) == 0) {
            return &h->flaws[i];
        }
    }
    return NULL;
}

static void drop_flaw(struct host *h, const char *filter) {
    struct filter_flaw *flaw = find_flaw(h, filter);
    if (flaw != NULL) {
        free(flaw->filter);
        *flaw = h->flaws[--h->flaw_count];
    }
}

void host_filter_answered_anew(struct host *h, const char *filter, uint8_t before, uint8_t reason) {
    assert(before >= 0x80 && h->refused > 0);
    h->refused--;
    drop_flaw(h, filter);
    host_filter_answered(h, filter, reason);
    if (reason < 0x80) {
        log_info("broker", "the broker grants the subscription %s now", filter);
    }
}

void host_filter_gone(struct host *h, const char *filter) {
    const struct filter_flaw *flaw = find_flaw(h, filter);
    h->filters--;
    if (!mqtt_session(h->subscriber)->connected) {
        return; /* the answers of the next connection are counted anew */
    }
    h->refused -= flaw != NULL && flaw->reason != 0 ? 1 : 0;
    h->weak -= flaw != NULL && flaw->reason == 0 ? 1 : 0;
    h->granted -= flaw == NULL || flaw->reason == 0 ? 1 : 0;
    drop_flaw(h, filter);
}

void host_filter_given_up(struct host *h, size_t service, const char *filter) {
    char *shared = NULL;
    bool shares = mqtt_session(h->subscriber)->shared_available && !h->conf->broker.alone;
    if (shares &&
        asprintf(&shared, "$share/%s/%s", engine_service_group(h->engine, service), filter) < 0) {
        return; /* counted until the next connection */
    }
    host_filter_gone(h, shared != NULL ? shared : filter);
    free(shared);
}

/* --- reports --- */

void host_terms_up(struct host *h, bool publishing) {
    struct host_terms *side = publishing ? &h->publisher_terms : &h->terms;
    *side = (struct host_terms){.publishing = publishing};
    if (!publishing) {
        forget_flaws(h);
    }
    tell_terms(h, side);
}

/* Mosquitto 2.0 persists only plain subscriptions. A private broker ends with this host anyway. */
void host_terms_mosquitto(struct host *h) {
    bool shares = false;
    for (size_t i = 0; i < h->conf->service_count; i++) {
        shares = shares || (h->conf->services[i].share && !h->conf->broker.alone);
    }
    if (!shares || h->told_mosquitto || h->options->with_broker) {
        return;
    }
    h->told_mosquitto = true;
    log_warn("broker",
             "Mosquitto forgets shared subscriptions when it restarts: messages published "
             "before this host is back are lost; %s, set broker { alone = yes }",
             division_is_divided(&h->conf->hosts.share)
                 ? "if only the hosts of this division run these services"
                 : "if no other host runs these services");
}

void host_terms_clear(struct host *h) {
    forget_flaws(h);
}

static void tell_link(const struct host *h, bool publishing, host_tell *tell, void *ctx) {
    struct report r;
    const char *error = publishing ? h->publisher_error : h->broker_error;
    if (!mqtt_session(publishing ? h->publisher : h->subscriber)->connected) {
        (void)report(&r, 0, "the connection that %s is down: %s",
                     publishing ? "publishes" : "subscribes",
                     error[0] != '\0' ? error : "connecting");
        tell(ctx, true, r.text);
    }
}

static void each_filter(const struct host *h, host_tell *tell, void *ctx) {
    struct report r;
    if (!mqtt_session(h->subscriber)->connected) {
        return; /* the sentence about the connection is enough */
    }
    for (size_t i = 0; i < h->flaw_count; i++) {
        write_flaw(&h->flaws[i], &r);
        tell(ctx, h->flaws[i].reason != 0, r.text);
    }
    size_t unnamed = h->refused + h->weak - h->flaw_count;
    if (unnamed > 0) {
        (void)report(&r, 0, "%zu more subscriptions are refused or granted with QoS 0 only",
                     unnamed);
        tell(ctx, h->refused > 0, r.text);
    }
    if (h->granted + h->refused < h->filters) {
        (void)report(&r, 0, "%zu of %zu subscriptions have not been answered yet%s",
                     h->filters - (h->granted + h->refused), h->filters,
                     engine_accepts(h->engine)
                         ? ""
                         : ": nothing is read from the broker while no events are accepted");
        tell(ctx, true, r.text);
    }
}

/* The engine has logged it already. */
static void each_of_store(const struct host *h, host_tell *tell, void *ctx) {
    struct engine_status s;
    struct report r;
    engine_status(h->engine, &s);
    if (s.store_low != NULL) {
        (void)report(&r, 0, "the store is %s", s.store_low);
        tell(ctx, false, r.text);
    }
    if (s.old_reader != 0) {
        (void)report(&r, 0,
                     "process %ld has held a read transaction for %" PRId64 " s: space freed "
                     "in the meantime is not reused until it ends",
                     s.old_reader, s.old_reader_s);
        tell(ctx, false, r.text);
    }
    if (s.set_aside > 0) {
        (void)report(&r, 0,
                     "%" PRIu64
                     " records of the store could not be read and were set aside: `zingq "
                     "doctor --store` lists them",
                     s.set_aside);
        tell(ctx, false, r.text);
    }
}

static void each_warning(const struct host *h, host_tell *tell, void *ctx) {
    struct report r;
    tell_link(h, false, tell, ctx);
    tell_link(h, true, tell, ctx);
    each_filter(h, tell, ctx);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        if (term_holds(h, &terms[i], &r)) {
            tell(ctx, false, r.text);
        }
    }
    if (h->reload.error[0] != '\0') {
        tell(ctx, false, h->reload.error);
    }
    if (sys_warning(h->sys, &r)) {
        tell(ctx, false, r.text);
    }
    if (sys_drops(h->sys, &r)) {
        tell(ctx, false, r.text);
    }
    host_each_conflict(h, tell, ctx);
    host_each_stranger(h, tell, ctx);
    host_each_forward(h, tell, ctx);
    host_each_stand_in(h, tell, ctx);
    if (h->ask != NULL && ask_warning(h->ask, &r)) {
        tell(ctx, false, r.text);
    }
    host_each_shortage(h, tell, ctx);
    each_of_store(h, tell, ctx);
    host_each_of_log(h, tell, ctx);
}

static void log_blocking(void *ctx, bool blocks, const char *text) {
    (void)ctx;
    if (blocks) {
        log_warn("broker", "not ready: %s", text);
    }
}

static void log_of_hosts(void *ctx, bool blocks, const char *text) {
    (void)ctx;
    log_warn("host", "%s%s", blocks ? "not ready: " : "", text);
}

/* A loss logs itself once a minute, if the connection is retried that often. */
void host_repeat_warnings(const struct host *h) {
    uint64_t now_ms = uv_now(&h->loop);
    if (!host_loss_said(&h->loss, now_ms)) {
        tell_link(h, false, log_blocking, NULL);
    }
    if (!host_loss_said(&h->publisher_loss, now_ms)) {
        tell_link(h, true, log_blocking, NULL);
    }
    each_filter(h, log_blocking, NULL);
    host_each_conflict(h, log_of_hosts, NULL);
    host_each_of_log(h, log_of_hosts, NULL);
}

bool host_broker_ready(const struct host *h) {
    return mqtt_session(h->subscriber)->connected && h->granted >= h->filters &&
           mqtt_session(h->publisher)->connected && h->members.held == 0 && host_log_is_up(h);
}

void host_broker_reasons(const struct host *h, json_t *list) {
    const struct mqtt_session *session = mqtt_session(h->subscriber);
    if (!session->connected) {
        (void)json_array_append_new(list, json_string("the connection that subscribes is down"));
    }
    if (!mqtt_session(h->publisher)->connected) {
        (void)json_array_append_new(list, json_string("the connection that publishes is down"));
    }
    if (session->connected && h->refused > 0) {
        (void)json_array_append_new(
            list, json_sprintf("the broker refused %zu of %zu subscriptions: zingq status names "
                               "them",
                               h->refused, h->filters));
    }
    if (session->connected && h->granted + h->refused < h->filters) {
        (void)json_array_append_new(list,
                                    json_string("not every subscription has been answered yet"));
    }
    if (!host_log_is_up(h)) {
        (void)json_array_append_new(list,
                                    json_string("the database of the store's log does not answer"));
    }
    if (h->members.held > 0) {
        (void)json_array_append_new(
            list, json_sprintf("another host takes the events of %zu services: zingq status names "
                               "them",
                               h->members.held));
    }
}

struct warnings {
    json_t *all, *blocking;
};

static void add_warning(void *ctx, bool blocks, const char *text) {
    const struct warnings *warnings = ctx;
    (void)json_array_append_new(warnings->all, json_string(text));
    if (blocks) {
        (void)json_array_append_new(warnings->blocking, json_string(text));
    }
}

void host_terms_status(const struct host *h, json_t *host) {
    struct warnings warnings = {.all = json_array(), .blocking = json_array()};
    json_t *refused = json_array();
    each_warning(h, add_warning, &warnings);
    for (size_t i = 0; refused != NULL && i < h->flaw_count; i++) {
        if (h->flaws[i].reason != 0) {
            (void)json_array_append_new(refused,
                                        json_pack("{s:s, s:i}", "filter", h->flaws[i].filter,
                                                  "reason", (int)h->flaws[i].reason));
        }
    }
    (void)json_object_set_new(host, "subscribing",
                              json_boolean(mqtt_session(h->subscriber)->connected));
    (void)json_object_set_new(host, "publishing",
                              json_boolean(mqtt_session(h->publisher)->connected));
    (void)json_object_set_new(host, "subscriptions", json_integer((json_int_t)h->filters));
    (void)json_object_set_new(host, "subscriptions_refused", json_integer((json_int_t)h->refused));
    (void)json_object_set_new(host, "refused_filters", refused);
    (void)json_object_set_new(host, "warnings", warnings.all);
    (void)json_object_set_new(host, "blocking", warnings.blocking);
}

static void count_warning(void *ctx, bool blocks, const char *text) {
    (void)blocks;
    (void)text;
    ++*(size_t *)ctx;
}

void host_terms_metrics(const struct host *h, struct buf *out) {
    size_t warnings = 0;
    bool subscribing = mqtt_session(h->subscriber)->connected;
    bool publishing = mqtt_session(h->publisher)->connected;
    each_warning(h, count_warning, &warnings);
    buf_printf(out,
               "# HELP zingq_broker_connected 1 while both connections to the broker are up\n"
               "# TYPE zingq_broker_connected gauge\nzingq_broker_connected %d\n"
               "# HELP zingq_broker_connection_up 1 while this connection is up\n"
               "# TYPE zingq_broker_connection_up gauge\n"
               "zingq_broker_connection_up{connection=\"subscribe\"} %d\n"
               "zingq_broker_connection_up{connection=\"publish\"} %d\n"
               "# HELP zingq_subscriptions_refused subscriptions the broker does not grant\n"
               "# TYPE zingq_subscriptions_refused gauge\nzingq_subscriptions_refused %zu\n"
               "# HELP zingq_broker_warnings warnings in status\n"
               "# TYPE zingq_broker_warnings gauge\nzingq_broker_warnings %zu\n",
               subscribing && publishing ? 1 : 0, subscribing ? 1 : 0, publishing ? 1 : 0,
               subscribing ? h->refused : 0, warnings);
}
