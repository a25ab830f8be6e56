/*
 * probe.h - the clients by which the doctor tries a broker; doctor/broker.c, session.c and
 * probe.c share it, nobody else includes it.
 */
#ifndef ZINGQ_DOCTOR_PROBE_H
#define ZINGQ_DOCTOR_PROBE_H

#include "doctor/doctor.h"
#include "base/limits.h"
#include "io/mqtt/mqtt.h"

enum {
    CONNECT_WAIT_MS = 12000, /* a little more than the door's own deadline */
    PROBE_WAIT_MS = 3000,
    QUIET_MS = 300, /* nothing came for so long: nothing will */
    QUEUE_WAIT_MS = 10000,
    QUEUE_MESSAGES = 1500,    /* more than Mosquitto's default of 1,000 */
    QUEUE_MESSAGES_SAFE = 20, /* fewer than any broker's limit */
    WINDOW = 5,               /* Receive Maximum of the patient that does not acknowledge */
    WINDOW_MESSAGES = 20,
    RECEIVE_MAXIMUM_LOW = 20, /* a broker that takes fewer slows the outbox */
    PUBLISH_WINDOW = 100,
    PROBE_TOPIC_BYTES = 64,
    PATIENT_EXPIRY_S = 60, /* its session goes by itself if we are killed */
};

/* The last letter of a probe's topic. */
enum probe_letter { HOSTS = 'h', OVERLAP = 'o', QUEUE = 'q', SHARED = 's', AWAY = 'w', SIZE = 'z' };

struct peer {
    struct mqtt *mqtt;
    struct broker_conf conf;
    char id[CLIENT_ID_BYTES_MAX + 1];
    bool acknowledges;
    int ups, downs, subscribed, published;
    int messages['z' + 1]; /* by probe letter */
    size_t ids;            /* subscription identifiers on the last message */
    uint8_t refusal;       /* the last SUBACK or PUBACK reason of 0x80 and more; 0 = none */
    enum mqtt_down why;
    char text[512]; /* of on_down */
    char version[128];
    long long dropped; /* -1 = not told */
    int presences;
    char presence
        [32 + 2 * HOST_NAME_BYTES_MAX]; /* topic of the last one, or of one that is up; "" = none */
    bool presence_up;                   /* a host of that name says it is there */
};

struct probe {
    uv_loop_t loop;
    uv_timer_t guard; /* wakes the loop, so that a wait can end */
    const struct broker_conf *conf;
    uint64_t payload_bytes_max;
    bool fill_queue;
    struct doctor *doctor;
    char token[20];
    struct peer hand, patient;
    const char *patient_id; /* its client id; NULL = one of our own */
    struct report *report;
};

struct peer_settings {
    const char *name;
    uint16_t receive_maximum;
    uint32_t session_expiry_s;
    bool acknowledges;
    const char *filters[2]; /* plain; NULL = none */
};

/* Runs the loop until the count is reached; false when time is up or a peer went down. */
bool probe_wait(struct probe *p, const int *count, int target, int ms);
/* Runs the loop until the count has not moved for QUIET_MS. */
void probe_wait_quiet(struct probe *p, const int *count);
/* Starts a client of its own; it is connected when `ups` says so. An error of mqtt_new or
 * mqtt_subscribe, the sentence in p->report. */
int probe_start(struct probe *p, struct peer *peer, const struct peer_settings *s);
/* Ends the client; its session too unless `keep`. */
void probe_end(struct probe *p, struct peer *peer, bool keep);
/* The patient, connected and subscribed. */
bool probe_patient(struct probe *p, const struct peer_settings *s);
void probe_topic(const struct probe *p, enum probe_letter letter, char topic[PROBE_TOPIC_BYTES]);
/* The hand publishes n messages and gets them acknowledged, a window at a time. */
bool probe_publish(struct probe *p, enum probe_letter letter, int n, struct slice payload, int ms);
/* ERR_SYSTEM, the sentence in p->report. */
int probe_open(struct probe *p);
void probe_close(struct probe *p);

#endif
