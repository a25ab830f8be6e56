/*
 * doctor_broker.c - the examination of the broker, by doing what the host will do.
 *
 * Two clients on a private loop: `hand` publishes and listens all the way through, `patient` is
 * connected anew for each probe that needs odd settings. Topics and client ids carry a random
 * token, so that two doctors do not meet; the last letter of a topic says which probe it is of.
 * What CONNACK says is believed; what it cannot say is tried: shared delivery, our own Receive
 * Maximum, a payload of the largest size, a queue for a client that is away. What cannot be tried
 * (persistence) is said.
 *
 * Left out: killing the broker to see what it forgets.
 */
#include "doctor.h"

#include "clock.h"
#include "mqtt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_WAIT_MS = 12000, /* a little more than the door's own deadline */
    PROBE_WAIT_MS = 3000,
    QUIET_MS = 300, /* nothing came for so long: nothing will */
    QUEUE_WAIT_MS = 10000,
    QUEUE_MESSAGES = 1500, /* more than Mosquitto's default of 1,000 */
    WINDOW = 5,            /* Receive Maximum of the patient that does not acknowledge */
    WINDOW_MESSAGES = 20,
    RECEIVE_MAXIMUM_LOW = 20, /* a broker that takes fewer slows the outbox */
    PUBLISH_WINDOW = 100,
    PATIENT_EXPIRY_S = 60, /* its session goes by itself if we are killed */
};

/* The last letter of a probe's topic. */
enum probe_letter { OVERLAP = 'o', QUEUE = 'q', SHARED = 's', AWAY = 'w', SIZE = 'z' };

struct peer {
    struct mqtt *mqtt;
    struct broker_conf conf;
    char id[64];
    bool acknowledges;
    int ups, downs, subscribed, published;
    int messages['z' + 1]; /* by probe letter */
    size_t ids;            /* subscription identifiers on the last message */
    uint8_t refusal;       /* the last SUBACK or PUBACK reason of 0x80 and more; 0 = none */
    enum mqtt_down why;
    char text[512]; /* of on_down */
    char version[128];
    long long dropped; /* -1 = not told */
};

struct probe {
    uv_loop_t loop;
    uv_timer_t guard; /* wakes the loop, so that a wait can end */
    const struct broker_conf *conf;
    uint64_t payload_bytes_max;
    struct doctor *doctor;
    char token[20];
    struct peer hand, patient;
    struct report *report;
};

/* ---- a peer: counts what it is told ---- */

static void copy_slice(char *to, size_t size, struct slice s) {
    (void)snprintf(to, size, "%.*s", (int)(s.len < size ? s.len : size - 1),
                   s.data != NULL ? s.data : "");
}

static void on_sys_message(struct peer *peer, const struct mqtt_message *message) {
    char text[128];
    copy_slice(text, sizeof text, message->payload);
    if (slice_is(message->topic, "$SYS/broker/version")) {
        copy_slice(peer->version, sizeof peer->version, message->payload);
    } else if (slice_is(message->topic, "$SYS/broker/publish/messages/dropped")) {
        peer->dropped = strtoll(text, NULL, 10);
    }
}

static void on_message(void *ctx, const struct mqtt_message *message) {
    struct peer *peer = ctx;
    if (message->topic.data[0] == '$') {
        on_sys_message(peer, message);
        return;
    }
    char letter = message->topic.data[message->topic.len - 1];
    if (letter >= 'a' && letter <= 'z') {
        peer->messages[(size_t)letter]++;
    }
    peer->ids = message->subscription_id_count;
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    (void)mid;
    struct peer *peer = ctx;
    peer->published++;
    peer->refusal = reason >= 0x80 ? reason : peer->refusal;
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    (void)session;
    struct peer *peer = ctx;
    peer->ups++;
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct peer *peer = ctx;
    if (peer->downs++ == 0) { /* it tries again by itself; the first end is the reason */
        peer->why = why;
        (void)snprintf(peer->text, sizeof peer->text, "%s", text);
    }
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    (void)filter;
    struct peer *peer = ctx;
    peer->subscribed++;
    peer->refusal = reason >= 0x80 ? reason : peer->refusal;
}

static void on_readable(void *ctx) {
    struct peer *peer = ctx;
    while (mqtt_collect(peer->mqtt, 100)) {
    }
    if (peer->acknowledges) {
        mqtt_flush(peer->mqtt);
    }
}

static void on_guard(uv_timer_t *timer) {
    (void)timer;
}

/* Runs the loop until the count is reached; false when time is up or a peer went down. */
static bool wait_for(struct probe *p, const int *count, int target, int ms) {
    int64_t end_ms = clock_monotonic_ms() + ms;
    while (*count < target) {
        if (clock_monotonic_ms() >= end_ms || p->hand.downs > 0 || p->patient.downs > 0) {
            return false;
        }
        (void)uv_run(&p->loop, UV_RUN_ONCE);
    }
    return true;
}

/* Runs the loop until the count has not moved for QUIET_MS. */
static void wait_quiet(struct probe *p, const int *count) {
    int before;
    do {
        before = *count;
    } while (wait_for(p, count, before + 1, QUIET_MS));
}

struct peer_settings {
    const char *name;
    uint16_t receive_maximum;
    uint32_t session_expiry_s;
    bool acknowledges;
    const char *filters[2]; /* plain; NULL = none */
};

/* Starts a client of its own; it is connected when `ups` says so. */
static int peer_start(struct probe *p, struct peer *peer, const struct peer_settings *s) {
    assert(peer->mqtt == NULL);
    *peer = (struct peer){.conf = *p->conf, .acknowledges = s->acknowledges, .dropped = -1};
    peer->conf.alone = false; /* what the broker has is looked at, not what is used */
    peer->conf.receive_maximum = s->receive_maximum;
    peer->conf.session_expiry_s = s->session_expiry_s;
    (void)snprintf(peer->id, sizeof peer->id, "zingq-doctor-%s-%s", p->token, s->name);
    const struct mqtt_callbacks callbacks = {
        .ctx = peer,
        .on_message = on_message,
        .on_published = on_published,
        .on_up = on_up,
        .on_down = on_down,
        .on_subscribed = on_subscribed,
        .on_readable = on_readable,
    };
    int error = mqtt_new(&peer->mqtt, &p->loop, &peer->conf, peer->id, NULL, &callbacks, p->report);
    for (uint32_t i = 0; error == 0 && i < 2 && s->filters[i] != NULL; i++) {
        error = mqtt_subscribe(peer->mqtt, NULL, s->filters[i], i + 1);
    }
    if (error == 0) {
        mqtt_start(peer->mqtt);
    }
    return error;
}

/* Ends the client; its session too unless `keep`. */
static void peer_end(struct probe *p, struct peer *peer, bool keep) {
    if (peer->mqtt != NULL) {
        mqtt_flush(peer->mqtt);
        mqtt_disconnect(peer->mqtt, keep ? -1 : 0);
        mqtt_free(peer->mqtt);
        peer->mqtt = NULL;
        peer->downs = 0;
        (void)uv_run(&p->loop, UV_RUN_NOWAIT);
    }
}

/* The patient, connected and subscribed. */
static bool patient_up(struct probe *p, const struct peer_settings *s) {
    int filters = (s->filters[0] != NULL) + (s->filters[1] != NULL);
    return peer_start(p, &p->patient, s) == 0 && wait_for(p, &p->patient.ups, 1, CONNECT_WAIT_MS) &&
           wait_for(p, &p->patient.subscribed, filters, PROBE_WAIT_MS) && p->patient.refusal == 0;
}

static void probe_topic(const struct probe *p, enum probe_letter letter, char topic[64]) {
    (void)snprintf(topic, 64, "zingq/doctor/%s/%c", p->token, (char)letter);
}

/* The hand publishes n messages and gets them acknowledged, a window at a time. */
static bool publish_many(struct probe *p, enum probe_letter letter, int n, struct slice payload,
                         int ms) {
    char topic[64];
    probe_topic(p, letter, topic);
    const struct mqtt_publish publish = {.topic = topic, .payload = payload, .qos = 1};
    int window = mqtt_session(p->hand.mqtt)->receive_maximum;
    window = window < PUBLISH_WINDOW ? window : PUBLISH_WINDOW;
    int start = p->hand.published;
    int64_t end_ms = clock_monotonic_ms() + ms;
    for (int sent = 0; p->hand.published - start < n;) {
        for (; sent < n && sent - (p->hand.published - start) < window; sent++) {
            int mid = 0;
            if (mqtt_publish(p->hand.mqtt, &publish, &mid, NULL) != 0) {
                return false;
            }
        }
        mqtt_flush(p->hand.mqtt);
        if (clock_monotonic_ms() >= end_ms || p->hand.downs > 0) {
            return false;
        }
        (void)uv_run(&p->loop, UV_RUN_ONCE);
    }
    return true;
}

/* ---- what CONNACK says ---- */

static int examine_connection(struct probe *p) {
    int64_t start_us = clock_monotonic_us();
    const struct peer_settings settings = {
        "hand", p->conf->receive_maximum, p->conf->session_expiry_s, true, {NULL, NULL}};
    int error = peer_start(p, &p->hand, &settings);
    if (error != 0) {
        return error;
    }
    if (!wait_for(p, &p->hand.ups, 1, CONNECT_WAIT_MS)) {
        struct doctor_row *row =
            doctor_add(p->doctor, "connection", DOCTOR_BAD, "%s",
                       p->hand.downs > 0 ? p->hand.text : "the broker does not answer");
        doctor_advise(row, "the host cannot work: events wait at their publishers",
                      "what the line above names; else start the broker, or set broker.url, "
                      "username and password in topics.conf");
        return p->hand.why == MQTT_DOWN_FATAL ? ERR_REFUSED : ERR_NETWORK;
    }
    (void)doctor_add(p->doctor, "connection", DOCTOR_GOOD,
                     "%s:%u speaks MQTT 5; connected in %.1f ms", p->conf->host, p->conf->port,
                     (double)(clock_monotonic_us() - start_us) / 1e3);
    return 0;
}

static void examine_encryption(struct probe *p) {
    const struct broker_conf *conf = p->conf;
    bool local = strcmp(conf->host, "localhost") == 0 || strncmp(conf->host, "127.", 4) == 0 ||
                 strcmp(conf->host, "::1") == 0;
    if (conf->tls || local) {
        (void)doctor_add(p->doctor, "encryption", DOCTOR_GOOD, "%s",
                         conf->tls ? "TLS, the certificate is checked"
                                   : "none, and none needed: the broker is on this machine");
        return;
    }
    struct doctor_row *row = doctor_add(p->doctor, "encryption", DOCTOR_WARN, "none");
    doctor_advise(row, "whoever is on the way can read and change events, and the password",
                  "topics.conf: broker { url = \"mqtts://...\" }");
}

/* A capability that is there or not. */
struct capability {
    const char *name;
    const char *yes, *no, *risk, *mend;
    enum doctor_verdict without;
};

static void judge(struct doctor *d, const struct capability *c, bool have) {
    struct doctor_row *row =
        doctor_add(d, c->name, have ? DOCTOR_GOOD : c->without, "%s", have ? c->yes : c->no);
    if (!have) {
        doctor_advise(row, c->risk, c->mend);
    }
}

static void examine_session(struct probe *p) {
    static const struct capability wildcards = {
        "wildcard subscriptions",
        "offered",
        "not offered",
        "a service that subscribes with + or # gets nothing",
        "name every topic in full",
        DOCTOR_WARN};
    static const struct capability retained = {
        "retained messages",
        "kept",
        "not kept",
        "the status under zingq/sys is seen only by those who listen when it is sent",
        "",
        DOCTOR_WARN};
    const struct mqtt_session *s = mqtt_session(p->hand.mqtt);
    judge(p->doctor, &wildcards, s->wildcard_available);
    judge(p->doctor, &retained, s->retain_available);

    bool granted = s->session_expiry_s >= p->conf->session_expiry_s;
    struct doctor_row *row =
        doctor_add(p->doctor, "session expiry", granted ? DOCTOR_GOOD : DOCTOR_WARN,
                   "asked %u s, granted %u s", p->conf->session_expiry_s, s->session_expiry_s);
    if (!granted) {
        doctor_advise(row, "a host that is away for longer loses what was published meanwhile",
                      "raise the broker's limit on session expiry");
    }
    bool wide = s->receive_maximum >= RECEIVE_MAXIMUM_LOW && s->qos_max >= 1;
    row = doctor_add(p->doctor, "receive maximum (broker)", wide ? DOCTOR_GOOD : DOCTOR_WARN,
                     "takes %u unacknowledged publishes, QoS up to %u", s->receive_maximum,
                     s->qos_max);
    if (s->qos_max == 0) {
        row->verdict = DOCTOR_BAD;
        doctor_advise(row, "it acknowledges nothing: publishes can be lost on the way",
                      "use a broker with QoS 1");
    } else if (!wide) {
        doctor_advise(row, "nothing is lost, but publishes leave slowly",
                      "mosquitto.conf: max_inflight_messages 1000");
    }
}

/* ---- what is tried ---- */

/* The first thing tried: it also shows whether the probes' topics may be used at all. */
static bool examine_sharing(struct probe *p) {
    static const struct capability shared = {
        "shared subscriptions",
        "offered, and a message came through one",
        "not offered",
        "several hosts would each handle every event",
        "run one host only, or use a broker that has them, such as Mosquitto 2",
        DOCTOR_WARN};
    static const struct capability ids = {
        "subscription identifiers",
        "sent with a message",
        "not sent",
        "nothing is lost; services are found by topic, which is slower",
        "",
        DOCTOR_WARN};
    char topic[64];
    probe_topic(p, SHARED, topic);
    bool tried = mqtt_subscribe(p->hand.mqtt, p->token, topic, 1) == 0 &&
                 wait_for(p, &p->hand.subscribed, 1, PROBE_WAIT_MS) &&
                 publish_many(p, SHARED, 1, slice_of("x"), PROBE_WAIT_MS) &&
                 wait_for(p, &p->hand.messages[SHARED], 1, PROBE_WAIT_MS);
    if (!tried) {
        struct doctor_row *row = doctor_add(
            p->doctor, "access", DOCTOR_WARN,
            "a message on zingq/doctor/ did not come back (reason 0x%02x)", p->hand.refusal);
        doctor_advise(row, "what needs a trial could not be examined",
                      "let this user read and write zingq/doctor/#, and try again");
        return false;
    }
    judge(p->doctor, &shared, mqtt_session(p->hand.mqtt)->shared_available);
    doctor_shares(p->doctor, p->hand.version, p->conf->alone);
    judge(p->doctor, &ids, p->hand.ids > 0);
    return true;
}

/* MQTT 5 lets a broker send one copy for several subscriptions, with several identifiers
 * (3.3.4); libmosquitto takes such a packet for broken. */
static void examine_overlap(struct probe *p) {
    char topic[64];
    char wider[64];
    probe_topic(p, OVERLAP, topic);
    (void)snprintf(wider, sizeof wider, "zingq/doctor/%s/+", p->token);
    const struct peer_settings settings = {"overlap", 100, PATIENT_EXPIRY_S, true, {topic, wider}};
    bool fine = patient_up(p, &settings) &&
                publish_many(p, OVERLAP, 1, slice_of("x"), PROBE_WAIT_MS) &&
                wait_for(p, &p->patient.messages[OVERLAP], 1, PROBE_WAIT_MS);
    if (fine) {
        wait_quiet(p, &p->patient.messages[OVERLAP]);
    }
    fine = fine && p->patient.downs == 0;
    struct doctor_row *row =
        doctor_add(p->doctor, "overlapping subscriptions", fine ? DOCTOR_GOOD : DOCTOR_BAD,
                   fine ? "%d copies of a message that two filters match"
                        : "the connection breaks (%d copies)",
                   p->patient.messages[OVERLAP]);
    if (!fine) {
        doctor_advise(row,
                      "a message that two plain subscriptions match ends the connection, again and "
                      "again",
                      "keep the filters of services with share = no apart, or use Mosquitto 2");
    }
    peer_end(p, &p->patient, false);
}

static void examine_window(struct probe *p) {
    char topic[64];
    probe_topic(p, AWAY, topic);
    const struct peer_settings settings = {
        "window", WINDOW, PATIENT_EXPIRY_S, false, {topic, NULL}};
    bool tried = patient_up(p, &settings) &&
                 publish_many(p, AWAY, WINDOW_MESSAGES, slice_of("x"), PROBE_WAIT_MS) &&
                 wait_for(p, &p->patient.messages[AWAY], 1, PROBE_WAIT_MS);
    wait_quiet(p, &p->patient.messages[AWAY]);
    int got = p->patient.messages[AWAY];
    bool kept = tried && got <= WINDOW;
    struct doctor_row *row =
        doctor_add(p->doctor, "receive maximum (ours)", kept ? DOCTOR_GOOD : DOCTOR_WARN,
                   "asked for %d unacknowledged messages at most, got %d", WINDOW, got);
    if (!kept) {
        doctor_advise(row,
                      "nothing is lost: ZingQueue takes what comes, and stops reading when it is "
                      "full",
                      "");
    }
    peer_end(p, &p->patient, false);
}

static void examine_size(struct probe *p) {
    const struct mqtt_session *s = mqtt_session(p->hand.mqtt);
    uint64_t size = p->payload_bytes_max;
    char *payload = calloc(1, size + 1);
    if (payload == NULL) {
        return;
    }
    p->hand.refusal = 0;
    struct slice bytes = {payload, size};
    bool taken = publish_many(p, SIZE, 1, bytes, PROBE_WAIT_MS) && p->hand.refusal == 0;
    free(payload);
    char told[64] = "it tells no limit";
    if (s->packet_bytes_max != 0) {
        (void)snprintf(told, sizeof told, "its limit is %u bytes a packet", s->packet_bytes_max);
    }
    struct doctor_row *row =
        doctor_add(p->doctor, "packet size", taken ? DOCTOR_GOOD : DOCTOR_WARN,
                   "a payload of %llu bytes (limits.payload) is %s; %s", (unsigned long long)size,
                   taken ? "taken" : "refused", told);
    if (!taken) {
        doctor_advise(row, "a larger event cannot be published, by us or by anyone",
                      "raise mosquitto.conf: max_packet_size and message_size_limit, or lower "
                      "limits.payload in topics.conf");
    }
}

/* Nothing to find out: what we ask of every broker, and where it ends. */
static void tell_own_limit(struct probe *p) {
    if (p->conf->packet_bytes_max > 0) {
        (void)doctor_add(p->doctor, "packet size (ours)", DOCTOR_GOOD,
                         "asked for packets of %" PRIu32 " bytes at most (limits.payload and 64 "
                         "KiB, at least 4 MiB); what is larger the broker drops unseen: no dead "
                         "letter tells of it, guarantee 7 ends there",
                         p->conf->packet_bytes_max);
    }
}

/* How many messages the broker keeps for a client that is away: a patient leaves, messages are
 * published, it comes back and counts. */
static void examine_queue(struct probe *p) {
    char topic[64];
    probe_topic(p, QUEUE, topic);
    const struct peer_settings settings = {"queue", 1000, PATIENT_EXPIRY_S, true, {topic, NULL}};
    bool tried = patient_up(p, &settings);
    peer_end(p, &p->patient, true);
    tried = tried && publish_many(p, QUEUE, QUEUE_MESSAGES, slice_of("x"), QUEUE_WAIT_MS);
    tried = patient_up(p, &settings) && tried;
    bool all = wait_for(p, &p->patient.messages[QUEUE], QUEUE_MESSAGES, QUIET_MS);
    if (!all) {
        wait_quiet(p, &p->patient.messages[QUEUE]);
        all = p->patient.messages[QUEUE] >= QUEUE_MESSAGES;
    }
    int got = p->patient.messages[QUEUE];
    peer_end(p, &p->patient, false);
    if (!tried) {
        struct doctor_row *row = doctor_add(p->doctor, "queue limit", DOCTOR_WARN,
                                            "unknown: the trial did not come to its end");
        doctor_advise(row, "how many messages it keeps while we are away is not known", "");
        return;
    }
    struct doctor_row *row =
        doctor_add(p->doctor, "queue limit", all ? DOCTOR_GOOD : DOCTOR_BAD,
                   "kept %d of %d messages for a client that was away", got, QUEUE_MESSAGES);
    if (!all) {
        doctor_advise(row,
                      "while the host is away or slow the broker drops what comes beyond that, and "
                      "tells nobody",
                      "mosquitto.conf: max_queued_messages 0");
    }
}

/* ---- what is told elsewhere, or nowhere ---- */

static void examine_sys(struct probe *p) {
    int before = p->hand.subscribed;
    if (mqtt_subscribe(p->hand.mqtt, NULL, "$SYS/broker/version", 2) == 0 &&
        mqtt_subscribe(p->hand.mqtt, NULL, "$SYS/broker/publish/messages/dropped", 3) == 0 &&
        wait_for(p, &p->hand.subscribed, before + 2, PROBE_WAIT_MS)) {
        wait_quiet(p, &p->hand.downs);
    }
    (void)doctor_add(p->doctor, "broker", DOCTOR_GOOD, "%s",
                     p->hand.version[0] != '\0' ? p->hand.version : "does not tell what it is");
    if (p->hand.dropped > 0) {
        struct doctor_row *row =
            doctor_add(p->doctor, "dropped messages", DOCTOR_WARN,
                       "the broker has dropped %lld messages since its start", p->hand.dropped);
        doctor_advise(row, "those are lost: some client's queue was full",
                      "mosquitto.conf: max_queued_messages 0; watch "
                      "$SYS/broker/publish/messages/dropped");
    }
}

static void examine_persistence(struct probe *p) {
    struct doctor_row *row =
        doctor_add(p->doctor, "persistence", DOCTOR_WARN, "unknown: a broker cannot be asked");
    doctor_advise(row,
                  "a Mosquitto with default settings that is killed or loses power forgets what it "
                  "acknowledged and had not delivered; what ZingQueue accepted is safe",
                  "mosquitto.conf: persistence true, autosave_on_changes true, autosave_interval 1 "
                  "(slow while its queue is long)");
}

/* ---- all of it ---- */

static void examine(struct probe *p) {
    examine_encryption(p);
    examine_sys(p); /* before the queue's trial makes the broker drop some */
    examine_session(p);
    if (examine_sharing(p)) {
        examine_overlap(p);
        examine_window(p);
        examine_size(p);
        tell_own_limit(p);
        examine_queue(p);
    }
    examine_persistence(p);
    if (p->hand.downs > 0) {
        struct doctor_row *row =
            doctor_add(p->doctor, "examination", DOCTOR_WARN, "cut short: %s", p->hand.text);
        doctor_advise(row, "what follows the cut was not examined", "try again");
    }
}

static int open_probe(struct probe *p) {
    uint64_t token = 0;
    int failed = uv_random(NULL, NULL, &token, sizeof token, 0, NULL);
    if (failed == 0) {
        failed = uv_loop_init(&p->loop);
    }
    if (failed != 0) {
        return report(p->report, ERR_SYSTEM, "cannot start the examination: %s",
                      uv_strerror(failed));
    }
    (void)snprintf(p->token, sizeof p->token, "%016llx", (unsigned long long)token);
    failed = uv_timer_init(&p->loop, &p->guard);
    assert(failed == 0);
    failed = uv_timer_start(&p->guard, on_guard, 20, 20);
    assert(failed == 0);
    return 0;
}

static void close_probe(struct probe *p) {
    peer_end(p, &p->patient, false);
    peer_end(p, &p->hand, false);
    uv_close((uv_handle_t *)&p->guard, NULL);
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&p->loop);
    assert(failed == 0);
}

int doctor_broker(struct doctor *d, const struct broker_conf *conf, uint64_t payload_bytes_max,
                  struct report *r) {
    struct probe *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    p->conf = conf;
    p->payload_bytes_max = payload_bytes_max;
    p->doctor = d;
    p->report = r;
    int error = open_probe(p);
    if (error == 0) {
        error = examine_connection(p);
        if (error == 0) {
            examine(p);
        }
        close_probe(p);
    }
    free(p);
    return error;
}
