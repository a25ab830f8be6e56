/*
 * load.c - the publisher and the observer of the benchmark, in one thread.
 *
 * libmosquitto in external-loop mode: everything readable is read, what came back is replaced by
 * new events, then everything is written in one go. That keeps the generator's share of the machine
 * small, for both sides alike.
 */
#include "load.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 4 << 20, PAYLOAD_MAX = 4096, DRAIN_S = 20, LINGER_MS = 200, CONNECT_S = 10 };

struct client {
    struct mosquitto *mosq;
    bool connected;
    int subscribed; /* SUBACKs that came */
};

struct event_note {
    int64_t from_us; /* published, or due */
    uint32_t took_us;
    bool seen, measured; /* measured: published while this was asked for */
};

struct load {
    struct client publisher, observer;
    uint64_t base;     /* the number of the first event of this stretch */
    uint64_t sent;     /* of this stretch */
    uint64_t came;     /* of those */
    uint64_t doubled;  /* seen again, or of a stretch before */
    uint64_t measured; /* came while measured */
    bool measuring;
    const struct load_path *path;
    struct event_note *notes; /* of this stretch, by number from base */
};

void give_up(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "bench: ");
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
    exit(3);
}

static int64_t now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void check(int rc, const char *what) {
    if (rc != MOSQ_ERR_SUCCESS) {
        give_up("%s: %s", what, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
    }
}

/* ---- what comes ---- */

static void on_connect(struct mosquitto *mosq, void *ctx, int reason) {
    struct load *l = ctx;
    check(reason, "the broker refused us");
    (mosq == l->publisher.mosq ? &l->publisher : &l->observer)->connected = true;
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int count,
                         const int *granted) {
    (void)mosq;
    (void)mid;
    struct load *l = ctx;
    if (count != 1 || granted[0] != 1) {
        give_up("the broker did not grant the observer QoS 1");
    }
    l->observer.subscribed++;
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *m) {
    (void)mosq;
    struct load *l = ctx;
    uint64_t n = 0;
    if (l->path == NULL ||
        !l->path->read(l->path->ctx, m->topic, m->payload, (size_t)m->payloadlen, &n)) {
        return;
    }
    if (n < l->base || n - l->base >= l->sent || l->notes[n - l->base].seen) {
        l->doubled++;
        return;
    }
    struct event_note *note = &l->notes[n - l->base];
    note->seen = true;
    note->took_us = (uint32_t)(now_us() - note->from_us);
    l->came++;
    l->measured += l->measuring ? 1 : 0;
}

/* ---- the sockets ---- */

static void cork(const struct client *c, int on) {
    /* Without it every packet is a segment of its own. */
    (void)setsockopt(mosquitto_socket(c->mosq), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static void write_queued(struct client *c) {
    if (mosquitto_want_write(c->mosq)) {
        cork(c, 1);
        check(mosquitto_loop_write(c->mosq, 1), "writing to the broker");
        cork(c, 0);
    }
}

/* A packet that was read may leave EAGAIN behind too: then the next look finds it. */
static void read_ready(struct client *c) {
    do {
        errno = 0;
        check(mosquitto_loop_read(c->mosq, 1), "reading from the broker");
    } while (errno != EAGAIN);
}

/* Waits for input for at most so long, reads it; writes what is queued before and after. */
static void serve(struct load *l, int64_t wait_us) {
    struct client *clients[] = {&l->publisher, &l->observer};
    struct pollfd fds[2];
    for (size_t i = 0; i < 2; i++) {
        write_queued(clients[i]);
        bool blocked = mosquitto_want_write(clients[i]->mosq);
        fds[i] = (struct pollfd){.fd = mosquitto_socket(clients[i]->mosq),
                                 .events = (short)(POLLIN | (blocked ? POLLOUT : 0))};
    }
    wait_us = wait_us < 0 ? 0 : wait_us;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR) {
        give_up("poll: %s", strerror(errno));
    }
    for (size_t i = 0; i < 2; i++) {
        if ((fds[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
            read_ready(clients[i]);
        }
        check(mosquitto_loop_misc(clients[i]->mosq), "the connection to the broker");
        write_queued(clients[i]);
    }
}

/* ---- opening ---- */

static void connect_client(struct load *l, struct client *c, uint16_t port) {
    c->mosq = mosquitto_new(NULL, true, l);
    if (c->mosq == NULL) {
        give_up("out of memory");
    }
    check(mosquitto_threaded_set(c->mosq, true), "threaded");
    check(mosquitto_int_option(c->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), "MQTT 5");
    check(mosquitto_int_option(c->mosq, MOSQ_OPT_TCP_NODELAY, 1), "no delay");
    check(mosquitto_int_option(c->mosq, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX), "send maximum");
    mosquitto_connect_callback_set(c->mosq, on_connect);
    mosquitto_subscribe_callback_set(c->mosq, on_subscribe);
    mosquitto_message_callback_set(c->mosq, on_message);
    mosquitto_property *properties = NULL;
    check(mosquitto_property_add_int16(&properties, MQTT_PROP_RECEIVE_MAXIMUM, UINT16_MAX),
          "receive maximum");
    check(mosquitto_connect_bind_v5(c->mosq, "127.0.0.1", port, 60, NULL, properties),
          "connecting to the broker");
    mosquitto_property_free_all(&properties);
}

struct load *load_open(uint16_t port, const char *const *filters, size_t filter_count) {
    struct load *l = calloc(1, sizeof *l);
    if (l == NULL) {
        give_up("out of memory");
    }
    l->notes = calloc(EVENTS_MAX, sizeof *l->notes);
    if (l->notes == NULL) {
        give_up("out of memory");
    }
    check(mosquitto_lib_init(), "libmosquitto");
    connect_client(l, &l->publisher, port);
    connect_client(l, &l->observer, port);
    int64_t end_us = now_us() + CONNECT_S * 1000000;
    bool asked = false;
    while (!l->publisher.connected || l->observer.subscribed < (int)filter_count) {
        serve(l, 10000);
        for (size_t i = 0; l->observer.connected && !asked && i < filter_count; i++) {
            check(mosquitto_subscribe(l->observer.mosq, NULL, filters[i], 1), "subscribing");
        }
        asked = l->observer.connected;
        if (now_us() > end_us) {
            give_up("the broker does not answer");
        }
    }
    return l;
}

void load_close(struct load *l) {
    mosquitto_destroy(l->publisher.mosq);
    mosquitto_destroy(l->observer.mosq);
    (void)mosquitto_lib_cleanup();
    free(l->notes);
    free(l);
}

/* ---- a stretch ---- */

static void begin(struct load *l, const struct load_path *path) {
    memset(l->notes, 0, l->sent * sizeof *l->notes);
    l->base += l->sent;
    l->sent = l->came = l->doubled = l->measured = 0;
    l->path = path;
}

static void publish_one(struct load *l, int64_t from_us) {
    char payload[PAYLOAD_MAX];
    if (l->sent == EVENTS_MAX) {
        give_up("a stretch of more than %d events", EVENTS_MAX);
    }
    size_t len = l->path->make(l->path->ctx, l->base + l->sent, payload, sizeof payload);
    assert(len <= sizeof payload);
    l->notes[l->sent++] = (struct event_note){.from_us = from_us, .measured = l->measuring};
    check(mosquitto_publish(l->publisher.mosq, NULL, l->path->topic, (int)len, payload, 1, false),
          "publishing");
}

/* Publishes what the wish says is due now; returns how long there is nothing to do. */
static int64_t publish_due(struct load *l, const struct load_wish *wish, int64_t start_us) {
    if (wish->rate == 0) {
        while (l->sent - l->came < wish->window) {
            publish_one(l, now_us());
        }
        return 1000;
    }
    double gap_us = 1e6 / wish->rate;
    for (;;) {
        int64_t due_us = start_us + (int64_t)((double)l->sent * gap_us);
        int64_t wait_us = due_us - now_us();
        if (wait_us > 0) {
            return wait_us < 1000 ? wait_us : 1000;
        }
        publish_one(l, due_us);
    }
}

static void run_until(struct load *l, const struct load_wish *wish, int64_t start_us,
                      int64_t end_us) {
    while (now_us() < end_us) {
        serve(l, publish_due(l, wish, start_us));
    }
}

static void drain(struct load *l) {
    int64_t end_us = now_us() + (int64_t)DRAIN_S * 1000000;
    while (l->came < l->sent && now_us() < end_us) {
        serve(l, 1000);
    }
    end_us = now_us() + LINGER_MS * 1000; /* for second copies */
    while (now_us() < end_us) {
        serve(l, 10000);
    }
}

static int by_time(const void *a, const void *b) {
    const uint32_t *x = a;
    const uint32_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void find_percentiles(const struct load *l, struct load_result *out) {
    uint32_t *took = calloc(l->sent + 1, sizeof *took);
    if (took == NULL) {
        give_up("out of memory");
    }
    size_t count = 0;
    for (uint64_t i = 0; i < l->sent; i++) {
        if (l->notes[i].measured && l->notes[i].seen) {
            took[count++] = l->notes[i].took_us;
        }
    }
    qsort(took, count, sizeof *took, by_time);
    if (count > 0) {
        out->p50_ms = took[count / 2] / 1e3;
        out->p99_ms = took[count * 99 / 100] / 1e3;
        out->p999_ms = took[count * 999 / 1000] / 1e3;
        out->max_ms = took[count - 1] / 1e3;
    }
    free(took);
}

void load_run(struct load *l, const struct load_path *path, const struct load_wish *wish,
              struct load_result *out) {
    begin(l, path);
    int64_t start_us = now_us();
    run_until(l, wish, start_us, start_us + (int64_t)(wish->warm_s * 1e6));
    l->measuring = true;
    int64_t from_us = now_us();
    run_until(l, wish, start_us, from_us + (int64_t)(wish->seconds * 1e6));
    l->measuring = false;
    double seconds = (double)(now_us() - from_us) / 1e6;
    drain(l);
    *out = (struct load_result){.sent = l->sent,
                                .lost = l->sent - l->came,
                                .doubled = l->doubled,
                                .events_per_s = (double)l->measured / seconds};
    find_percentiles(l, out);
}

double load_burst(struct load *l, const struct load_path *path, uint64_t count) {
    begin(l, path);
    int64_t start_us = now_us();
    while (l->sent < count) {
        publish_one(l, start_us);
    }
    while (l->came < count && now_us() < start_us + (int64_t)DRAIN_S * 1000000) {
        serve(l, 1000);
    }
    if (l->came < count || l->doubled > 0) {
        give_up("%" PRIu64 " of %" PRIu64 " events came back, %" PRIu64 " twice", l->came, count,
                l->doubled);
    }
    return (double)(now_us() - start_us) / 1e6;
}

bool load_probe(struct load *l, const struct load_path *path, double seconds) {
    begin(l, path);
    int64_t end_us = now_us() + (int64_t)(seconds * 1e6);
    int64_t next_us = 0;
    while (l->came == 0 && now_us() < end_us) {
        if (now_us() >= next_us) {
            publish_one(l, now_us());
            next_us = now_us() + 50000;
        }
        serve(l, 10000);
    }
    bool came = l->came > 0;
    end_us = now_us() + LINGER_MS * 1000; /* for the answers to the other probes */
    while (now_us() < end_us) {
        serve(l, 10000);
    }
    return came;
}
