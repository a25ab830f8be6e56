/*
 * probe.c - two clients on a private loop that count what they receive.
 */
#include "doctor/probe.h"

#include "base/clock.h"
#include "peers/presence.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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

/* False: it is none. */
static bool on_presence(struct peer *peer, const struct mqtt_message *message) {
    struct presence *presence = NULL;
    struct report r;
    if (presence_read(&presence, message->topic, message->payload, &r) != 0) {
        return false;
    }
    peer->presences++;
    if (!peer->presence_up) {
        copy_slice(peer->presence, sizeof peer->presence, message->topic);
    }
    peer->presence_up |= presence->state != PRESENCE_GONE;
    presence_free(presence);
    return true;
}

static void on_message(void *ctx, const struct mqtt_message *message) {
    struct peer *peer = ctx;
    if (message->topic.data[0] == '$') {
        on_sys_message(peer, message);
        return;
    }
    if (on_presence(peer, message)) {
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
    if (peer->downs++ == 0) { /* it retries by itself; the first loss has the reason */
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

bool probe_wait(struct probe *p, const int *count, int target, int ms) {
    int64_t end_ms = clock_monotonic_ms() + ms;
    while (*count < target) {
        if (clock_monotonic_ms() >= end_ms || p->hand.downs > 0 || p->patient.downs > 0) {
            return false;
        }
        (void)uv_run(&p->loop, UV_RUN_ONCE);
    }
    return true;
}

void probe_wait_quiet(struct probe *p, const int *count) {
    int before;
    do {
        before = *count;
    } while (probe_wait(p, count, before + 1, QUIET_MS));
}

int probe_start(struct probe *p, struct peer *peer, const struct peer_settings *s) {
    assert(peer->mqtt == NULL);
    *peer = (struct peer){.conf = *p->conf, .acknowledges = s->acknowledges, .dropped = -1};
    peer->conf.alone = false; /* examine what the broker offers, not what is configured */
    peer->conf.receive_maximum = s->receive_maximum;
    peer->conf.session_expiry_s = s->session_expiry_s;
    if (peer == &p->patient && p->patient_id != NULL) {
        (void)snprintf(peer->id, sizeof peer->id, "%s", p->patient_id);
    } else {
        (void)snprintf(peer->id, sizeof peer->id, "zingq-doctor-%s-%s", p->token, s->name);
    }
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

void probe_end(struct probe *p, struct peer *peer, bool keep) {
    if (peer->mqtt != NULL) {
        mqtt_flush(peer->mqtt);
        mqtt_disconnect(peer->mqtt, keep ? -1 : 0);
        mqtt_free(peer->mqtt);
        peer->mqtt = NULL;
        peer->downs = 0;
        (void)uv_run(&p->loop, UV_RUN_NOWAIT);
    }
}

bool probe_patient(struct probe *p, const struct peer_settings *s) {
    int filters = (s->filters[0] != NULL) + (s->filters[1] != NULL);
    return probe_start(p, &p->patient, s) == 0 &&
           probe_wait(p, &p->patient.ups, 1, CONNECT_WAIT_MS) &&
           probe_wait(p, &p->patient.subscribed, filters, PROBE_WAIT_MS) && p->patient.refusal == 0;
}

void probe_topic(const struct probe *p, enum probe_letter letter, char topic[PROBE_TOPIC_BYTES]) {
    (void)snprintf(topic, PROBE_TOPIC_BYTES,
                   letter == HOSTS ? "zingq/hosts/doctor-%s/%c" : "zingq/doctor/%s/%c", p->token,
                   (char)letter);
}

bool probe_publish(struct probe *p, enum probe_letter letter, int n, struct slice payload, int ms) {
    char topic[PROBE_TOPIC_BYTES];
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

int probe_open(struct probe *p) {
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

void probe_close(struct probe *p) {
    probe_end(p, &p->patient, false);
    probe_end(p, &p->hand, false);
    uv_close((uv_handle_t *)&p->guard, NULL);
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&p->loop);
    assert(failed == 0);
}
