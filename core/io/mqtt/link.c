/*
 * link.c - one connection: its handle, its connect thread, its socket watcher.
 *
 * A link is used for one connection only. So a reconnect forgets what was in flight, which
 * libmosquitto would otherwise send again by itself.
 *
 * The connect runs on a detached thread, not in libuv's pool: a host that drops packets blocks a
 * thread for two minutes, and libuv joins its pool when the process ends. An abandoned link belongs
 * to its thread, which frees it.
 *
 * libmosquitto closes the socket itself, inside its calls. The watcher is stopped right after,
 * before anything on this thread can open a descriptor of the same number.
 *
 * mosquitto_lib_init is called for each handle and never undone: an abandoned connect may still use
 * what it set up.
 */
#include "io/mqtt/link.h"

#include "base/limits.h"
#include "base/thread.h"
#include "io/mqtt/guard.h"

#include <assert.h>
#include <errno.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct mqtt_link {
    struct mosquitto *mosq;   /* owned */
    struct mqtt_guard *guard; /* owned */
    void *owner;
    uv_loop_t *loop;
    void (*on_event)(void *owner, int status, int events);
    uv_poll_t poll;
    bool poll_made;
    int events; /* watched now */

    char *host; /* the thread may outlive the configuration */
    uint16_t port;
    unsigned skip;                          /* addresses of the host to skip, from the first */
    mosquitto_property *connect_properties; /* owned */
    char complaint[256];

    struct thread thread; /* while it runs it has the handle */
    int code, err;        /* how the connect ended */
    uv_async_t *wake;
};

/* OpenSSL would ask for the pass phrase of a protected key on the terminal. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *userdata) {
    (void)rwflag;
    (void)userdata;
    assert(size > 0);
    buf[0] = '\0';
    return 0;
}

/* Also runs on the connect thread, when the owner may be gone. */
static void on_log(struct mosquitto *mosq, void *userdata, int level, const char *text) {
    (void)mosq;
    struct mqtt_link *link = userdata;
    if (level == MOSQ_LOG_ERR && link->complaint[0] == '\0') {
        strncpy(link->complaint, text, sizeof link->complaint - 1);
    }
}

static const char *or_null(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

static int set_tls(struct mosquitto *mosq, const struct broker_conf *conf) {
    const char *ca = or_null(conf->ca_file);
    const char *cert = or_null(conf->cert_file);
    if (ca == NULL) {
        int rc = mosquitto_int_option(mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
        if (rc != MOSQ_ERR_SUCCESS || cert == NULL) {
            return rc;
        }
    }
    /* A client certificate can be set only together with a CA store. */
    return mosquitto_tls_set(mosq, ca, ca == NULL ? "/etc/ssl/certs" : NULL, cert,
                             or_null(conf->key_file), no_pass_phrase);
}

static int set_will(struct mosquitto *mosq, const struct mqtt_link_settings *s) {
    if (s->will == NULL) {
        return MOSQ_ERR_SUCCESS;
    }
    mosquitto_property *properties = NULL;
    if (s->will_properties != NULL) {
        int rc = mosquitto_property_copy_all(&properties, s->will_properties);
        if (rc != MOSQ_ERR_SUCCESS) {
            return rc;
        }
    }
    int rc =
        mosquitto_will_set_v5(mosq, s->will->topic, (int)s->will->payload.len,
                              s->will->payload.data, s->will->qos, s->will->retain, properties);
    if (rc != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&properties); /* otherwise the handle owns them */
    }
    return rc;
}

static int set_connect_properties(struct mqtt_link *link, const struct broker_conf *conf) {
    int rc = mosquitto_property_add_int32(
        &link->connect_properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, conf->session_expiry_s);
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_property_add_int16(&link->connect_properties, MQTT_PROP_RECEIVE_MAXIMUM,
                                          conf->receive_maximum);
    }
    if (rc == MOSQ_ERR_SUCCESS && conf->packet_bytes_max > 0) {
        rc = mosquitto_property_add_int32(&link->connect_properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                          conf->packet_bytes_max);
    }
    return rc;
}

static int configure(struct mqtt_link *link, const struct mqtt_link_settings *s) {
    struct mosquitto *mosq = link->mosq;
    mosquitto_log_callback_set(mosq, on_log);
    int rc = mosquitto_threaded_set(mosq, true); /* otherwise PUBACKs would be sent immediately */
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1); /* the guard coalesces */
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        /* Its default of 20 would hold publishes back; CONNACK's Receive Maximum replaces this. */
        rc = mosquitto_int_option(mosq, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc =
            mosquitto_username_pw_set(mosq, or_null(s->conf->username), or_null(s->conf->password));
    }
    if (rc == MOSQ_ERR_SUCCESS && s->conf->tls) {
        rc = set_tls(mosq, s->conf);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = set_will(mosq, s);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = set_connect_properties(link, s->conf);
    }
    return rc;
}

static void release(struct mqtt_link *link) {
    mosquitto_destroy(link->mosq);
    mqtt_guard_free(link->guard);
    mosquitto_property_free_all(&link->connect_properties);
    thread_destroy(&link->thread);
    free(link->host);
    free(link);
}

int mqtt_link_new(struct mqtt_link **out, uv_loop_t *loop, const struct mqtt_link_settings *s,
                  struct report *r) {
    assert(s->client_id[0] != '\0');
    struct mqtt_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    link->loop = loop;
    link->owner = s->owner;
    link->port = s->conf->port;
    link->skip = s->skip_addresses;
    link->host = strdup(s->conf->host);
    thread_init(&link->thread);
    uint32_t bytes_max = s->conf->packet_bytes_max;
    link->guard = mqtt_guard_new(bytes_max > 0 ? bytes_max : MQTT_PACKET_BYTES_MAX, s->conf->tls);
    if (link->host == NULL || link->guard == NULL || mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
        release(link);
        return report(r, ERR_MEMORY, "out of memory");
    }
    mqtt_guard_enter(link->guard, -1); /* it is to know the socket pair */
    link->mosq = mosquitto_new(s->client_id, false, link);
    int err = errno;
    mqtt_guard_leave();
    if (link->mosq == NULL) {
        release(link);
        return err == ENOMEM ? report(r, ERR_MEMORY, "out of memory")
                             : report(r, ERR_INVALID, "the client id \"%s\" is not valid UTF-8",
                                      s->client_id);
    }
    int rc = configure(link, s);
    if (rc != MOSQ_ERR_SUCCESS) {
        release(link);
        return report(r, rc == MOSQ_ERR_NOMEM ? ERR_MEMORY : ERR_INVALID,
                      "libmosquitto refuses the broker's settings (user name, TLS files, will): %s",
                      mosquitto_strerror(rc));
    }
    *out = link;
    return 0;
}

static void on_poll_closed(uv_handle_t *handle) {
    release(handle->data);
}

void mqtt_link_free(struct mqtt_link *link) {
    if (link == NULL || !thread_leave(&link->thread)) {
        return;
    }
    if (link->poll_made) {
        uv_close((uv_handle_t *)&link->poll, on_poll_closed);
        /* The socket is closed now; release frees the rest of the handle. */
        mosquitto_destroy(link->mosq);
        link->mosq = NULL;
        return;
    }
    release(link);
}

/* The link that a thread has. */
static struct mqtt_link *link_of(struct thread *thread) {
    return (struct mqtt_link *)((char *)thread - offsetof(struct mqtt_link, thread));
}

static void dial(struct thread *thread) {
    struct mqtt_link *link = link_of(thread);
    mqtt_guard_connect_begin(link->guard, link->port, link->skip);
    link->code = mosquitto_connect_bind_v5(link->mosq, link->host, link->port, MQTT_KEEPALIVE_S,
                                           NULL, link->connect_properties);
    link->err = errno;
    mqtt_guard_connect_end();
}

static void wake_owner(struct thread *thread) {
    int failed = uv_async_send(link_of(thread)->wake);
    assert(failed == 0);
}

static void release_left(struct thread *thread) {
    release(link_of(thread));
}

int mqtt_link_connect(struct mqtt_link *link, uv_async_t *wake, struct report *r) {
    assert(!link->poll_made);
    link->wake = wake;
    link->thread.run = dial;
    link->thread.wake = wake_owner;
    link->thread.release = release_left;
    int err = thread_start(&link->thread);
    if (err != 0) {
        return report(r, ERR_SYSTEM, "cannot start a thread to connect to the broker: %s",
                      strerror(err));
    }
    return 0;
}

bool mqtt_link_joined(struct mqtt_link *link, int *code, int *err) {
    if (!thread_over(&link->thread)) {
        return false;
    }
    *code = link->code;
    *err = link->err;
    return true;
}

struct mosquitto *mqtt_link_handle(struct mqtt_link *link) {
    return link->mosq;
}

struct mqtt_guard *mqtt_link_guard(const struct mqtt_link *link) {
    return link->guard;
}

void *mqtt_link_owner(const struct mqtt_link *link) {
    return link->owner;
}

const char *mqtt_link_complaint(const struct mqtt_link *link) {
    return link->complaint;
}

void mqtt_link_settled(struct mqtt_link *link) {
    mosquitto_log_callback_set(link->mosq, NULL);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct mqtt_link *link = poll->data;
    if (status < 0) {
        link->events = 0; /* libuv stops a handle that failed */
    }
    link->on_event(link->owner, status, events);
}

int mqtt_link_watch(struct mqtt_link *link, int events,
                    void (*on_event)(void *owner, int status, int events)) {
    link->on_event = on_event;
    if (events == link->events) {
        return 0;
    }
    if (!link->poll_made) {
        if (uv_poll_init(link->loop, &link->poll, mosquitto_socket(link->mosq)) != 0) {
            return ERR_SYSTEM;
        }
        link->poll_made = true;
        link->poll.data = link;
    }
    link->events = events;
    int failed =
        events == 0 ? uv_poll_stop(&link->poll) : uv_poll_start(&link->poll, events, on_poll);
    return failed == 0 ? 0 : ERR_SYSTEM;
}

void mqtt_link_acknowledge(struct mqtt_link *link) {
    int value = 1;
    /* Only a matter of speed. */
    (void)setsockopt(mosquitto_socket(link->mosq), IPPROTO_TCP, TCP_QUICKACK, &value, sizeof value);
}

bool mqtt_link_closing(const struct mqtt_link *link) {
    struct pollfd peer = {.fd = mosquitto_socket(link->mosq), .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0;
}

bool mqtt_link_ended(const struct mqtt_link *link) {
    char byte;
    ssize_t n = recv(mosquitto_socket(link->mosq), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
