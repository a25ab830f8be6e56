/*
 * broker.c - examines the broker by doing what the host will do.
 *
 * Two clients run on a private loop: `hand` publishes and listens all the time, `patient`
 * reconnects for each probe that needs special settings. Topics and client ids contain a random
 * token, so that two doctors do not interfere; the last letter of a topic tells its probe. What
 * CONNACK says is trusted; what it cannot say is tried: shared delivery, our own Receive Maximum, a
 * payload of the largest size, a queue for an absent client. What cannot be tried (persistence) is
 * printed as advice.
 *
 * Left out: killing the broker to see what it forgets.
 */
#include "doctor/probe.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what CONNACK says ---- */

static int examine_connection(struct probe *p) {
    int64_t start_us = clock_monotonic_us();
    const struct peer_settings settings = {
        "hand", p->conf->receive_maximum, p->conf->session_expiry_s, true, {NULL, NULL}};
    int error = probe_start(p, &p->hand, &settings);
    if (error != 0) {
        return error;
    }
    if (!probe_wait(p, &p->hand.ups, 1, CONNECT_WAIT_MS)) {
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

/* A capability that the broker may have. */
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
        doctor_advise(row,
                      "a host that is down for longer loses the messages published in the meantime",
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

/* ---- probes ---- */

/* The first probe; it also shows whether the topics of the probes may be used at all. */
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
    char topic[PROBE_TOPIC_BYTES];
    probe_topic(p, SHARED, topic);
    bool tried = mqtt_subscribe(p->hand.mqtt, p->token, topic, 1) == 0 &&
                 probe_wait(p, &p->hand.subscribed, 1, PROBE_WAIT_MS) &&
                 probe_publish(p, SHARED, 1, slice_of("x"), PROBE_WAIT_MS) &&
                 probe_wait(p, &p->hand.messages[SHARED], 1, PROBE_WAIT_MS);
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

/* MQTT 5 lets a broker send one copy for several subscriptions, with several identifiers (3.3.4);
 * libmosquitto takes such a packet for malformed. */
static void examine_overlap(struct probe *p) {
    char topic[PROBE_TOPIC_BYTES];
    char wider[PROBE_TOPIC_BYTES];
    probe_topic(p, OVERLAP, topic);
    (void)snprintf(wider, sizeof wider, "zingq/doctor/%s/+", p->token);
    const struct peer_settings settings = {"overlap", 100, PATIENT_EXPIRY_S, true, {topic, wider}};
    bool fine = probe_patient(p, &settings) &&
                probe_publish(p, OVERLAP, 1, slice_of("x"), PROBE_WAIT_MS) &&
                probe_wait(p, &p->patient.messages[OVERLAP], 1, PROBE_WAIT_MS);
    if (fine) {
        probe_wait_quiet(p, &p->patient.messages[OVERLAP]);
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
    probe_end(p, &p->patient, false);
}

static void examine_window(struct probe *p) {
    char topic[PROBE_TOPIC_BYTES];
    probe_topic(p, AWAY, topic);
    const struct peer_settings settings = {
        "window", WINDOW, PATIENT_EXPIRY_S, false, {topic, NULL}};
    bool tried = probe_patient(p, &settings) &&
                 probe_publish(p, AWAY, WINDOW_MESSAGES, slice_of("x"), PROBE_WAIT_MS) &&
                 probe_wait(p, &p->patient.messages[AWAY], 1, PROBE_WAIT_MS);
    probe_wait_quiet(p, &p->patient.messages[AWAY]);
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
    probe_end(p, &p->patient, false);
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
    bool taken = probe_publish(p, SIZE, 1, bytes, PROBE_WAIT_MS) && p->hand.refusal == 0;
    free(payload);
    char told[64] = "it announces no limit";
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

/* Needs no probe: our own limit, which is the same with every broker. */
static void tell_own_limit(struct probe *p) {
    if (p->conf->packet_bytes_max > 0) {
        (void)doctor_add(p->doctor, "packet size (ours)", DOCTOR_GOOD,
                         "asked for packets of %" PRIu32 " bytes at most (limits.payload and 64 "
                         "KiB, at least 4 MiB); the broker silently drops larger ones: no "
                         "dead letter is made, guarantee 7 does not apply",
                         p->conf->packet_bytes_max);
    }
}

/* Messages that the broker keeps for a client that is away: a patient leaves, they are published,
 * it comes back and counts. -1: the trial did not come to its end. */
static int count_kept(struct probe *p, int messages) {
    char topic[PROBE_TOPIC_BYTES];
    probe_topic(p, QUEUE, topic);
    const struct peer_settings settings = {"queue", 1000, PATIENT_EXPIRY_S, true, {topic, NULL}};
    bool tried = probe_patient(p, &settings);
    probe_end(p, &p->patient, true);
    tried = tried && probe_publish(p, QUEUE, messages, slice_of("x"), QUEUE_WAIT_MS);
    tried = probe_patient(p, &settings) && tried;
    if (!probe_wait(p, &p->patient.messages[QUEUE], messages, QUIET_MS)) {
        probe_wait_quiet(p, &p->patient.messages[QUEUE]);
    }
    int got = p->patient.messages[QUEUE];
    probe_end(p, &p->patient, false);
    return tried ? got : -1;
}

/* A queue is found to be limited only by overfilling it, and what the broker drops then looks like
 * a loss to whoever watches it, the hosts included. So that is done on demand. */
static void examine_queue(struct probe *p) {
    int messages = p->fill_queue ? QUEUE_MESSAGES : QUEUE_MESSAGES_SAFE;
    int got = count_kept(p, messages);
    if (got < 0) {
        struct doctor_row *row = doctor_add(p->doctor, "queue limit", DOCTOR_WARN,
                                            "unknown: the trial did not come to its end");
        doctor_advise(row, "how many messages it keeps while we are away is not known", "");
        return;
    }
    bool all = got >= messages;
    enum doctor_verdict verdict = !all ? DOCTOR_BAD : p->fill_queue ? DOCTOR_GOOD : DOCTOR_WARN;
    struct doctor_row *row =
        doctor_add(p->doctor, "queue limit", verdict,
                   "kept %d of %d messages for a client that was away%s", got, messages,
                   p->fill_queue ? "" : "; the limit is not known, because trying it drops some");
    if (verdict != DOCTOR_GOOD) {
        doctor_advise(row,
                      "while the host is away or slow the broker drops what comes beyond its limit "
                      "(Mosquitto: 1,000 messages by default), and tells nobody",
                      p->fill_queue ? "mosquitto.conf: max_queued_messages 0"
                                    : "mosquitto.conf: max_queued_messages 0; zingq doctor --queue "
                                      "tries it, and what it drops counts as lost");
    }
}

/* Hosts watch each other there (docs/hosts.md). The probe is empty and not retained: hosts that
 * receive it have nothing to forget. */
static void examine_hosts(struct probe *p) {
    char filter[PROBE_TOPIC_BYTES];
    (void)snprintf(filter, sizeof filter, "zingq/hosts/doctor-%s/+", p->token);
    int before = p->hand.subscribed;
    p->hand.refusal = 0;
    bool fine = mqtt_subscribe(p->hand.mqtt, NULL, filter, 4) == 0 &&
                probe_wait(p, &p->hand.subscribed, before + 1, PROBE_WAIT_MS) &&
                probe_publish(p, HOSTS, 1, slice_of(""), PROBE_WAIT_MS) &&
                probe_wait(p, &p->hand.messages[HOSTS], 1, PROBE_WAIT_MS);
    if (fine) {
        (void)doctor_add(p->doctor, "other hosts", DOCTOR_GOOD,
                         "hosts see one another on zingq/hosts/");
        return;
    }
    struct doctor_row *row =
        doctor_add(p->doctor, "other hosts", DOCTOR_WARN,
                   "a message on zingq/hosts/ did not come back (reason 0x%02x)", p->hand.refusal);
    doctor_advise(row,
                  "two hosts that run the same keys would not notice each other, and each would "
                  "handle the events of one key",
                  "acl_file, for the user of the hosts: topic readwrite zingq/#; or line by line "
                  "topic readwrite zingq/hosts/#, and for hosts that divide keys the same with "
                  "zingq/forward/#, zingq/receipt/#, zingq/ask/# and zingq/answer/#");
}

/* ---- what cannot be probed ---- */

static void examine_sys(struct probe *p) {
    int before = p->hand.subscribed;
    if (mqtt_subscribe(p->hand.mqtt, NULL, "$SYS/broker/version", 2) == 0 &&
        mqtt_subscribe(p->hand.mqtt, NULL, "$SYS/broker/publish/messages/dropped", 3) == 0 &&
        probe_wait(p, &p->hand.subscribed, before + 2, PROBE_WAIT_MS)) {
        probe_wait_quiet(p, &p->hand.downs);
    }
    (void)doctor_add(p->doctor, "broker", DOCTOR_GOOD, "%s",
                     p->hand.version[0] != '\0' ? p->hand.version
                                                : "does not announce its version");
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

/* ---- the examination ---- */

static void examine(struct probe *p) {
    examine_encryption(p);
    examine_sys(p); /* before --queue may make the broker drop some */
    examine_session(p);
    if (examine_sharing(p)) {
        examine_overlap(p);
        examine_window(p);
        examine_size(p);
        tell_own_limit(p);
        examine_queue(p);
    }
    if (p->hand.downs == 0) {
        examine_hosts(p);
    }
    examine_persistence(p);
    if (p->hand.downs > 0) {
        struct doctor_row *row =
            doctor_add(p->doctor, "examination", DOCTOR_WARN, "cut short: %s", p->hand.text);
        doctor_advise(row, "what follows the cut was not examined", "try again");
    }
}

int doctor_broker(struct doctor *d, const struct broker_conf *conf, uint64_t payload_bytes_max,
                  bool fill_queue, struct report *r) {
    struct probe *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    p->conf = conf;
    p->payload_bytes_max = payload_bytes_max;
    p->fill_queue = fill_queue;
    p->doctor = d;
    p->report = r;
    int error = probe_open(p);
    if (error == 0) {
        error = examine_connection(p);
        if (error == 0) {
            examine(p);
        }
        probe_close(p);
    }
    free(p);
    return error;
}
