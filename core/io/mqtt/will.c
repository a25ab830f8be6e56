/*
 * will.c - the MQTT client's last will, if the broker accepts one.
 *
 * A will is good to have, a connection is better: if a broker refuses CONNECT because of the will,
 * we connect without it.
 */
#include "io/mqtt/impl.h"

#include <mqtt_protocol.h>
#include <string.h>

int mqtt_copy_will(struct mqtt *m, const struct mqtt_publish *will, struct report *r) {
    if (will == NULL || will->topic == NULL) {
        return 0;
    }
    m->will_topic = strdup(will->topic);
    m->will_payload = slice_dup(will->payload);
    if (m->will_topic == NULL || (will->payload.len > 0 && m->will_payload == NULL)) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    m->will = *will;
    m->will.topic = m->will_topic;
    m->will.payload.data = m->will_payload;
    m->asked_will = m->will;
    return mqtt_properties_make(will, &m->scratch, &m->will_properties, r);
}

/* The refused feature is omitted from now on: the retain flag, or the will. */
bool mqtt_will_refused(struct mqtt *m) {
    if (m->will.topic != NULL && m->will.retain && m->answer == MQTT_RC_RETAIN_NOT_SUPPORTED) {
        m->will.retain = false;
        return true;
    }
    bool refused = m->will.topic != NULL && (m->answer == MQTT_RC_RETAIN_NOT_SUPPORTED ||
                                             m->answer == MQTT_RC_QOS_NOT_SUPPORTED);
    m->will.topic = refused ? NULL : m->will.topic;
    return refused;
}

/* Other brokers close without a reason. But so does a broker that is being restarted: only after
 * the second time in a row the will is suspected, and even then only every other attempt goes
 * without it. */
void mqtt_will_closed(struct mqtt *m, int code) {
    enum { CLOSED_TWICE = 2 };
    if (m->state != GREETING || !m->says_connect || code == MOSQ_ERR_TIMEOUT) {
        return;
    }
    bool had = m->will.topic != NULL && !m->without_will;
    m->greetings_closed += m->greetings_closed < CLOSED_TWICE ? 1 : 0;
    m->without_will = had && m->greetings_closed == CLOSED_TWICE;
}

void mqtt_will_taken(struct mqtt *m) {
    m->without_will = false; /* the broker of the next connection may accept one */
    m->greetings_closed = 0;
}

bool mqtt_suspects_will(const struct mqtt *m) {
    return m->without_will;
}

/* Access rules may forbid the will's topic, and CONNACK does not distinguish that from other
 * refusals. So every other attempt goes without the will. */
bool mqtt_suspect_will(struct mqtt *m) {
    static const uint8_t reasons[] = {
        MQTT_RC_UNSPECIFIED,    MQTT_RC_PROTOCOL_ERROR,         MQTT_RC_IMPLEMENTATION_SPECIFIC,
        MQTT_RC_NOT_AUTHORIZED, MQTT_RC_TOPIC_NAME_INVALID,     MQTT_RC_PACKET_TOO_LARGE,
        MQTT_RC_QUOTA_EXCEEDED, MQTT_RC_PAYLOAD_FORMAT_INVALID,
    };
    bool had = m->will.topic != NULL && !m->without_will;
    m->without_will = had && memchr(reasons, m->answer, sizeof reasons) != NULL;
    return m->without_will;
}
