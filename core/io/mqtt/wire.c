/*
 * wire.c - message properties and reason codes.
 *
 * libmosquitto passes strings as copies; user properties are packed into one buffer, the three
 * named strings are kept as they are. Reason codes are rows: what each means for the connection,
 * and what a person is told. Left out: reason strings and server references, which libmosquitto 2.0
 * frees before its callbacks run; the DUP flag, which it never exposes.
 */
#include "io/mqtt/wire.h"

#include "event/event.h"
#include "base/limits.h"
#include "io/mqtt/tls.h"
#include "io/mqtt/guard.h"
#include "io/mqtt/packet.h"

#include <assert.h>
#include <errno.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mqtt_incoming_init(struct mqtt_incoming *in) {
    *in = (struct mqtt_incoming){0};
    buf_init(&in->properties, MQTT_PROPERTY_BYTES_MAX);
    buf_init(&in->refused, ERROR_BYTES_MAX);
}

static void drop_strings(struct mqtt_incoming *in) {
    for (size_t i = 0; i < sizeof in->strings / sizeof in->strings[0]; i++) {
        free(in->strings[i]);
        in->strings[i] = NULL;
    }
}

void mqtt_incoming_clear(struct mqtt_incoming *in) {
    drop_strings(in);
    buf_clear(&in->properties);
    buf_clear(&in->refused);
}

static bool keep_string(char **keep, struct slice *out, const mosquitto_property *p, int kind) {
    assert(*keep == NULL); /* libmosquitto refuses a packet that has one of these twice */
    if (mosquitto_property_read_string(p, kind, keep, false) == NULL) {
        return false;
    }
    *out = slice_of(*keep);
    return true;
}

static bool keep_binary(char **keep, struct slice *out, const mosquitto_property *p, int kind) {
    assert(*keep == NULL);
    void *bytes = NULL;
    uint16_t len = 0;
    if (mosquitto_property_read_binary(p, kind, &bytes, &len, false) == NULL) {
        return false;
    }
    *keep = bytes;
    *out = (struct slice){bytes, len};
    return true;
}

/* The wire guard's note about a packet it changed: not a property of the message. */
static bool keep_marker(struct mqtt_incoming *in, const char *name, const char *value) {
    struct mqtt_message *message = &in->message;
    struct slice reason;
    if (strcmp(name, MQTT_MARKER_NAME) != 0 ||
        !mqtt_marker_read(slice_of(value), mqtt_guard_mark(), message->subscription_ids,
                          MQTT_SUBSCRIPTION_IDS_MAX, &message->subscription_id_count, &reason)) {
        return false;
    }
    buf_add_slice(&in->refused, reason);
    return true;
}

static bool keep_pair(struct mqtt_incoming *in, const mosquitto_property *p) {
    char *name = NULL;
    char *value = NULL;
    if (mosquitto_property_read_string_pair(p, MQTT_PROP_USER_PROPERTY, &name, &value, false) ==
        NULL) {
        return false;
    }
    if (!keep_marker(in, name, value)) {
        property_add(&in->properties, slice_of(name), slice_of(value));
    }
    free(name);
    free(value);
    return !in->properties.failed && !in->refused.failed;
}

static bool keep_id(struct mqtt_message *message, const mosquitto_property *p) {
    uint32_t id = 0;
    if (mosquitto_property_read_varint(p, MQTT_PROP_SUBSCRIPTION_IDENTIFIER, &id, false) == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->subscription_id_count; i++) {
        if (message->subscription_ids[i] == id) {
            return true; /* the marker named it */
        }
    }
    if (message->subscription_id_count < MQTT_SUBSCRIPTION_IDS_MAX) {
        message->subscription_ids[message->subscription_id_count++] = id;
    }
    return true;
}

static bool keep_property(struct mqtt_incoming *in, const mosquitto_property *p, size_t *pairs) {
    struct mqtt_message *message = &in->message;
    int kind = mosquitto_property_identifier(p);
    switch (kind) {
    case MQTT_PROP_CONTENT_TYPE:
        return keep_string(&in->strings[0], &message->content_type, p, kind);
    case MQTT_PROP_RESPONSE_TOPIC:
        return keep_string(&in->strings[1], &message->response_topic, p, kind);
    case MQTT_PROP_CORRELATION_DATA:
        return keep_binary(&in->strings[2], &message->correlation, p, kind);
    case MQTT_PROP_SUBSCRIPTION_IDENTIFIER:
        return keep_id(message, p);
    case MQTT_PROP_USER_PROPERTY:
        return (*pairs)++ > PROPERTIES_MAX || keep_pair(in, p);
    default:
        return true;
    }
}

int mqtt_incoming_read(struct mqtt_incoming *in, const struct mosquitto_message *message,
                       const mosquitto_property *properties) {
    assert(message->topic != NULL && message->payloadlen >= 0);
    drop_strings(in);
    buf_reset(&in->properties);
    buf_reset(&in->refused);
    in->message = (struct mqtt_message){
        .topic = slice_of(message->topic),
        .payload = {message->payload, (size_t)message->payloadlen},
        .qos = (uint8_t)message->qos,
        .retain = message->retain,
    };
    size_t pairs = 0;
    for (const mosquitto_property *p = properties; p != NULL; p = mosquitto_property_next(p)) {
        if (!keep_property(in, p, &pairs)) {
            return ERR_MEMORY;
        }
    }
    in->message.properties = buf_slice(&in->properties);
    in->message.refused = buf_slice(&in->refused);
    return 0;
}

/* ---- outgoing ---- */

/* Appends a terminated copy of `s` to the scratch buffer and returns its offset: the buffer may
 * still move. */
static size_t terminate(struct buf *scratch, struct slice s) {
    size_t at = scratch->len;
    buf_add_slice(scratch, s);
    buf_add_u8(scratch, 0);
    return at;
}

static int added(int rc, const char *what, struct report *r) {
    if (rc == MOSQ_ERR_SUCCESS) {
        return 0;
    }
    if (rc == MOSQ_ERR_NOMEM) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    return report(r, ERR_INVALID, "the %s is not a string that MQTT can carry: %s", what,
                  mosquitto_strerror(rc));
}

static int add_string(mosquitto_property **list, int kind, struct slice value, const char *what,
                      struct buf *scratch, struct report *r) {
    if (value.len == 0) {
        return 0;
    }
    char subject[64];
    (void)snprintf(subject, sizeof subject, "the %s", what);
    if (property_check(value, subject, r) != 0) {
        return ERR_INVALID;
    }
    buf_reset(scratch);
    size_t at = terminate(scratch, value);
    if (scratch->failed) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    return added(mosquitto_property_add_string(list, kind, scratch->data + at), what, r);
}

static int add_pair(mosquitto_property **list, struct slice name, struct slice value,
                    struct buf *scratch, struct report *r) {
    char subject[128];
    (void)snprintf(subject, sizeof subject, "the user property \"%.*s\"",
                   (int)(name.len < 64 ? name.len : 64), name.data);
    if (property_check(name, "a user property's name", r) != 0 ||
        property_check(value, subject, r) != 0) {
        return ERR_INVALID;
    }
    buf_reset(scratch);
    size_t name_at = terminate(scratch, name);
    size_t value_at = terminate(scratch, value);
    if (scratch->failed) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    return added(mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY,
                                                    scratch->data + name_at,
                                                    scratch->data + value_at),
                 "user property", r);
}

static int add_correlation(mosquitto_property **list, struct slice value, struct report *r) {
    if (value.len == 0) {
        return 0;
    }
    if (value.len > UINT16_MAX) {
        return report(r, ERR_INVALID, "the correlation data has %zu bytes; the limit is 65535",
                      value.len);
    }
    return added(mosquitto_property_add_binary(list, MQTT_PROP_CORRELATION_DATA, value.data,
                                               (uint16_t)value.len),
                 "correlation data", r);
}

int mqtt_properties_make(const struct mqtt_publish *publish, struct buf *scratch,
                         mosquitto_property **out, struct report *r) {
    *out = NULL;
    int error =
        add_string(out, MQTT_PROP_CONTENT_TYPE, publish->content_type, "content type", scratch, r);
    if (error == 0) {
        error = add_string(out, MQTT_PROP_RESPONSE_TOPIC, publish->response_topic, "response topic",
                           scratch, r);
    }
    if (error == 0) {
        error = add_correlation(out, publish->correlation, r);
    }
    struct slice name;
    struct slice value;
    for (size_t at = 0; error == 0 && property_next(publish->properties, &at, &name, &value);) {
        error = add_pair(out, name, value, scratch, r);
    }
    return error;
}

uint64_t mqtt_publish_size(const struct mqtt_publish *publish) {
    /* Fixed header 5, topic length 2, packet id 2, property length 4: the maximum of each. */
    uint64_t size = 13 + strlen(publish->topic) + publish->payload.len;
    size += publish->content_type.len + publish->response_topic.len + publish->correlation.len + 9;
    struct slice name;
    struct slice value;
    for (size_t at = 0; property_next(publish->properties, &at, &name, &value);) {
        size += 5 + name.len + value.len;
    }
    return size;
}

/* ---- the broker's answers ---- */

static bool flag(const mosquitto_property *properties, int kind) {
    uint8_t value = 1;
    (void)mosquitto_property_read_byte(properties, kind, &value, false);
    return value != 0;
}

void mqtt_session_read(struct mqtt_session *session, bool session_present,
                       const mosquitto_property *properties, uint16_t keepalive_s,
                       uint32_t session_expiry_s) {
    session->session_present = session_present;
    session->shared_available = flag(properties, MQTT_PROP_SHARED_SUB_AVAILABLE);
    session->wildcard_available = flag(properties, MQTT_PROP_WILDCARD_SUB_AVAILABLE);
    session->subscription_ids_available = flag(properties, MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE);
    session->retain_available = flag(properties, MQTT_PROP_RETAIN_AVAILABLE);
    session->receive_maximum = UINT16_MAX;
    session->packet_bytes_max = 0;
    session->session_expiry_s = session_expiry_s;
    session->keepalive_s = keepalive_s;
    session->qos_max = 2;
    /* If the property is missing, the default stays. */
    (void)mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM,
                                        &session->receive_maximum, false);
    (void)mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                        &session->packet_bytes_max, false);
    (void)mosquitto_property_read_int32(properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                        &session->session_expiry_s, false);
    (void)mosquitto_property_read_int16(properties, MQTT_PROP_SERVER_KEEP_ALIVE,
                                        &session->keepalive_s, false);
    (void)mosquitto_property_read_byte(properties, MQTT_PROP_MAXIMUM_QOS, &session->qos_max, false);
}

/* CONNACK reasons that trying again does not cure; every other one may be temporary. */
static const struct refusal {
    uint8_t reason;
    const char *text; /* ends "the broker at host:port ..." */
} refusals[] = {
    {MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION,
     "does not speak MQTT 5 (it answered protocol version refused): ZingQueue needs an MQTT 5 "
     "broker such as Mosquitto 2"},
    {MQTT_RC_BAD_USERNAME_OR_PASSWORD, "refused the user name or password"},
    {MQTT_RC_BANNED, "refused us: this client is banned there"},
    {MQTT_RC_BAD_AUTHENTICATION_METHOD,
     "requires an authentication method that ZingQueue does not support"},
    {MQTT_RC_TOPIC_NAME_INVALID, "refused the topic of our last will"},
    {MQTT_RC_RETAIN_NOT_SUPPORTED, "refused our last will: it does not support retained messages"},
    {MQTT_RC_QOS_NOT_SUPPORTED, "refused our last will: it does not support its QoS"},
    {MQTT_RC_SERVER_MOVED, "has moved: set broker.url to its new address"},
};

enum mqtt_down mqtt_refusal(uint8_t reason, const struct broker_conf *conf, const char *client_id,
                            const char *where, struct report *r) {
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].reason == reason) {
            (void)report(r, 0, "the broker at %s %s", where, refusals[i].text);
            return MQTT_DOWN_FATAL;
        }
    }
    if (reason == MQTT_RC_NOT_AUTHORIZED) {
        (void)report(r, 0, "the broker at %s %s", where,
                     conf->username[0] != '\0'
                         ? "refused the user name or password"
                         : "requires a user name and password: set broker.username and "
                           "broker.password");
        return MQTT_DOWN_FATAL;
    }
    if (reason == MQTT_RC_CLIENTID_NOT_VALID) {
        (void)report(r, 0,
                     "the broker at %s refused the client id \"%s\": set broker.client_id to one "
                     "it allows",
                     where, client_id);
        return MQTT_DOWN_FATAL;
    }
    (void)report(r, 0, "the broker at %s refused the connection: %s (0x%02x)", where,
                 reason < 0x80 ? "not an MQTT 5 reason code" : mosquitto_reason_string(reason),
                 reason);
    return MQTT_DOWN_REFUSED;
}

static const char *system_text(int err, char *text, size_t size) {
    return uv_strerror_r(uv_translate_sys_error(err), text, size);
}

enum mqtt_down mqtt_ending(int code, int err, const char *client_id, const char *where,
                           struct report *r) {
    char text[128];
    if (code == MQTT_RC_SESSION_TAKEN_OVER) {
        (void)report(r, 0,
                     "another client connected to the broker at %s with our client id \"%s\": two "
                     "hosts must not share one, set broker.client_id",
                     where, client_id);
        return MQTT_DOWN_TAKEN_OVER;
    }
    if (code >= 0x80) {
        (void)report(r, 0, "the broker at %s ended the connection: %s (0x%02x)", where,
                     mosquitto_reason_string(code), (unsigned)code);
        return MQTT_DOWN_LOST;
    }
    switch (code) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN: /* libmosquitto's code for a DISCONNECT that is not a failure */
        (void)report(r, 0, "the broker at %s closed the connection", where);
        break;
    case MOSQ_ERR_KEEPALIVE:
        (void)report(r, 0, "the broker at %s did not answer a ping", where);
        break;
    case MOSQ_ERR_ERRNO:
        (void)report(r, 0, "the connection to the broker at %s broke: %s", where,
                     system_text(err, text, sizeof text));
        break;
    default:
        (void)report(r, 0, "the connection to the broker at %s cannot continue: %s", where,
                     mosquitto_strerror(code));
        break;
    }
    return MQTT_DOWN_LOST;
}

static bool is_of_openssl(const char *detail) {
    return strncmp(detail, "OpenSSL Error", 13) == 0;
}

/* Reduces "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed" to its last
 * part, and "Error: Unable to load ..." to its sentence. */
static const char *plain_detail(const char *detail) {
    if (is_of_openssl(detail)) {
        return strrchr(detail, ':') + 1;
    }
    if (strncmp(detail, "Error: ", 7) == 0) {
        return detail + 7;
    }
    return detail[0] != '\0' ? detail : "no reason was given";
}

/* What does not answer a handshake in TLS may not know it. */
static const char *hint_of_plain(const char *detail) {
    bool odd =
        strstr(detail, "unexpected eof") != NULL || strstr(detail, "wrong version number") != NULL;
    return odd ? ": a port without TLS does that, for which mqtt:// is right" : "";
}

/* What libmosquitto's code says about a connection that never was. */
static void describe_failure(int code, int err, const struct broker_conf *conf, const char *where,
                             const char *detail, struct report *r) {
    char text[128];
    switch (code) {
    case MOSQ_ERR_EAI:
        (void)report(r, 0, "cannot find the broker's host \"%s\": %s", conf->host,
                     gai_strerror(err));
        break;
    case MOSQ_ERR_ERRNO:
        (void)report(r, 0, "cannot reach the broker at %s: %s", where,
                     system_text(err, text, sizeof text));
        break;
    case MOSQ_ERR_TIMEOUT:
        (void)report(r, 0, "the broker at %s did not answer within %d s", where,
                     MQTT_CONNECT_MS / 1000);
        break;
    case MOSQ_ERR_TLS:
        (void)report(r, 0, "the TLS handshake with the broker at %s failed: %s%s", where,
                     plain_detail(detail), hint_of_plain(detail));
        break;
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
        (void)report(r, 0,
                     "the broker at %s closed the connection without answering (a broker that does "
                     "not speak MQTT 5%s does that, too)",
                     where, conf->tls ? " over TLS" : ", or that requires TLS (mqtts://),");
        break;
    case MOSQ_ERR_PROTOCOL:
    case MOSQ_ERR_MALFORMED_PACKET:
    case MOSQ_ERR_DUPLICATE_PROPERTY:
        (void)report(r, 0, "what answers at %s does not speak MQTT 5", where);
        break;
    default:
        (void)report(r, 0, "cannot connect to the broker at %s: %s", where,
                     mosquitto_strerror(code));
        break;
    }
}

void mqtt_failure(int code, int err, const struct broker_conf *conf, const char *where,
                  const char *detail, struct report *r) {
    const char *meaning = conf->tls ? mqtt_tls_meaning(detail) : NULL;
    if (meaning != NULL) {
        (void)report(r, 0, "no TLS connection to the broker at %s: %s", where, meaning);
        return;
    }
    /* libmosquitto has several codes for a failed handshake */
    bool handshake = conf->tls && is_of_openssl(detail);
    describe_failure(handshake ? MOSQ_ERR_TLS : code, err, conf, where, detail, r);
}
