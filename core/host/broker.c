/*
 * broker.c - which broker the two connections use, and when to give up.
 *
 * broker.url may name several. The subscribing connection leads. If it cannot be made, or ended
 * within STEADY_MS, both connections switch to the next broker. If a good one is lost, the same
 * broker is tried once more, because our session is there; if it may have refused our will, it is
 * tried again without the will. After the last broker the first one follows, and then the wait
 * between two attempts applies.
 *
 * Left out: returning to the first broker while another one works. Each switch leaves a session
 * behind in which messages may wait.
 */
#include "host/broker.h"

#include "host/loop.h"
#include "host/session.h"
#include "base/log.h"

#include <stdio.h>

enum { STEADY_MS = 5000 };

static void use(struct host *h, size_t at) {
    h->broker_at = at;
    broker_conf_use(&h->broker, at);
    broker_conf_use(&h->publisher_conf, at);
}

void host_choose_broker(struct host *h) {
    h->broker = h->publisher_conf = h->conf->broker;
    h->publisher_conf.session_expiry_s = 0;
    use(h, 0);
}

void host_broker_up(struct host *h) {
    h->broker_up_ms = uv_now(&h->loop);
    h->hopeless = 0;
}

static void go_on(struct host *h) {
    uint64_t up_ms = h->broker_up_ms;
    h->broker_up_ms = 0;
    if (h->broker.address_count == 1 || (up_ms != 0 && uv_now(&h->loop) - up_ms >= STEADY_MS)) {
        return;
    }
    use(h, (h->broker_at + 1) % h->broker.address_count);
    bool wait = h->broker_at == 0;
    mqtt_moved(h->subscriber, wait);
    mqtt_moved(h->publisher, wait);
}

/* An error that looks permanent, at every broker, ends the host only if it never had a session:
 * then it is a mistake in the configuration. Otherwise the broker was good once, and may be good
 * again. */
static bool is_over(struct host *h, bool publishing, enum mqtt_down why) {
    if (!publishing) {
        h->hopeless = why == MQTT_DOWN_FATAL ? h->hopeless + 1 : 0;
    }
    bool all = h->broker.address_count == 1 || h->hopeless >= h->broker.address_count;
    return why == MQTT_DOWN_FATAL && all && !host_had_session(h);
}

static void say(struct host *h, bool publishing, enum mqtt_down why, const char *text) {
    char others[64] = "";
    size_t unsaid = 0;
    struct host_loss *loss = publishing ? &h->publisher_loss : &h->loss;
    if (host_loss_down(loss, why, uv_now(&h->loop), &unsaid)) {
        if (unsaid > 0) {
            (void)snprintf(others, sizeof others, " (%zu losses since the last line)", unsaid);
        }
        bool stood_in = why == MQTT_DOWN_TAKEN_OVER && division_is_divided(&h->conf->hosts.share);
        log_warn("broker", "%s%s%s: trying again%s",
                 publishing ? "the connection that publishes: " : "", text,
                 stood_in ? "; or another host considered this one dead, and stood in for it" : "",
                 others);
    }
}

void host_broker_down(struct host *h, bool publishing, enum mqtt_down why, const char *text) {
    char *error = publishing ? h->publisher_error : h->broker_error;
    (void)snprintf(error, sizeof h->broker_error, "%s", text);
    if (is_over(h, publishing, why)) {
        (void)fprintf(stderr, "zingq: %s\n", text);
        host_stop(h, EXIT_CANNOT_RUN);
        return;
    }
    say(h, publishing, why, text);
    if (!publishing && !mqtt_suspects_will(h->subscriber)) {
        go_on(h);
    }
}
