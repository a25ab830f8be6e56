/*
 * state.c - the MQTT client's state: its transitions, its timer, the one way down.
 *
 * Losing a connection needs nothing of what made it, so everything that finds it lost calls down to
 * here.
 */
#include "io/mqtt/impl.h"

#include "base/clock.h"
#include "base/limits.h"
#include "io/mqtt/guard.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    STEADY_MS = 5000,  /* after a connection this long, the next wait is short again */
    ALONE_MS = 600000, /* a connection this long shares its client id with nobody */
};

static const bool legal_moves[STATE_COUNT][STATE_COUNT] = {
    [IDLE] = {[WAITING] = true, [STOPPED] = true},
    [CONNECTING] = {[GREETING] = true, [WAITING] = true, [STOPPED] = true},
    [GREETING] = {[UP] = true, [WAITING] = true, [STOPPED] = true},
    [UP] = {[WAITING] = true, [STOPPED] = true},
    [WAITING] = {[CONNECTING] = true, [STOPPED] = true},
    [STOPPED] = {[STOPPED] = true},
};

void mqtt_move(struct mqtt *m, enum mqtt_state to) {
    assert(legal_moves[m->state][to]);
    m->state = to;
}

void mqtt_set_timer(struct mqtt *m, uv_timer_cb on_timer, uint64_t ms, uint64_t repeat_ms) {
    int failed = uv_timer_start(&m->timer, on_timer, ms, repeat_ms);
    assert(failed == 0); /* only a closing handle refuses */
}

/* Half of the interval is fixed, half is random: hosts that lost the same broker come back spread
 * out. */
uint64_t mqtt_backoff_ms(uint32_t attempts, uint64_t ms_max) {
    uint64_t step = (uint64_t)MQTT_BACKOFF_MS_MIN << (attempts < 16 ? attempts : 16);
    if (step > ms_max) {
        step = ms_max;
    }
    uint32_t chance = 0;
    if (uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL) != 0) {
        chance = (uint32_t)clock_monotonic_ns();
    }
    return step / 2 + chance % (step / 2 + 1);
}

void mqtt_close_link(struct mqtt *m) {
    mqtt_link_free(m->link);
    m->link = NULL;
    m->mosq = NULL;
    m->session.connected = false;
    m->readable = m->unsent = m->dirty = m->acks = m->gone = m->no_memory = false;
    if (m->in_flight > 0) {
        memset(m->sent_s, 0, MQTT_PACKET_IDS * sizeof *m->sent_s);
    }
    m->in_flight = m->windowed_count = 0;
    m->answered_s = m->latest_s = 0;
    m->windowed = (struct mids){{0}};
    m->looked_at = 0;
    m->ids_end = false;
    m->answer = NO_ANSWER;
    mqtt_forget_watches(m);
    for (size_t i = 0; i < m->sub_count; i++) {
        m->subs[i].mid = 0;
        m->subs[i].refused = 0;
        m->subs[i].asked = 0;
        m->subs[i].retold = 0;
    }
}

static bool was_steady(const struct mqtt *m) {
    return m->state == UP && uv_now(m->loop) - m->up_ms >= STEADY_MS;
}

/* The one way down: every loss, refusal and drop ends here. */
void mqtt_go_down(struct mqtt *m, enum mqtt_down why, const char *text) {
    assert(!m->in_library && m->link != NULL);
    if (was_steady(m)) {
        m->attempts = 0;
    }
    if (m->state == UP && uv_now(m->loop) - m->up_ms >= ALONE_MS) {
        m->takeovers = 0;
    }
    mqtt_close_link(m);
    mqtt_move(m, WAITING);
    uint64_t wait_ms = why == MQTT_DOWN_TAKEN_OVER
                           ? mqtt_backoff_ms(4 + m->takeovers++, MQTT_TAKEN_OVER_MS_MAX)
                           : mqtt_backoff_ms(m->attempts++, MQTT_BACKOFF_MS_MAX);
    mqtt_set_timer(m, m->on_retry_due, wait_ms, 0);
    m->callbacks.on_down(m->callbacks.ctx, why, text);
}

/* A name may have several addresses, and libmosquitto takes the first that accepts a connection,
 * whatever is behind it. So the next connect starts after the one that did not work. If the broker
 * may have closed because of a publish, the address is as good as any other. */
void mqtt_leave_address(struct mqtt *m, int code) {
    struct mqtt_guard *guard = mqtt_link_guard(m->link);
    if (m->state == CONNECTING) {
        /* timeout: continue after the silent ones; if all were tried: start again */
        m->skip_addresses = code == MOSQ_ERR_TIMEOUT ? mqtt_guard_silent(guard) : 0;
    } else if (m->state == GREETING || (!was_steady(m) && m->in_flight == 0)) {
        m->skip_addresses = mqtt_guard_tried(guard);
    }
}

void mqtt_lose(struct mqtt *m, int rc, int err) {
    struct report r;
    int code = m->gone ? m->gone_code : rc;
    mqtt_leave_address(m, code);
    mqtt_will_closed(m, code);
    code = m->no_memory ? MOSQ_ERR_NOMEM : code;
    if (was_steady(m)) {
        m->lacks = (struct mqtt_lacks){
            false}; /* when the broker returns, it may be another one, or reconfigured */
    }
    mqtt_learn(m, code);
    enum mqtt_down why = MQTT_DOWN_LOST;
    if (m->state == UP || code >= 0x80) {
        why = mqtt_ending(code, err, m->client_id, m->where, &r);
    } else {
        mqtt_failure(code, err, m->conf, m->where, mqtt_link_complaint(m->link), &r);
    }
    bool closed = code == MOSQ_ERR_CONN_LOST || (code == MOSQ_ERR_ERRNO && err == EPIPE);
    if (m->state == UP && closed && !was_steady(m)) {
        (void)report(&r, 0, "the broker at %s closes the connection immediately", m->where);
    }
    if (why != MQTT_DOWN_TAKEN_OVER) {
        mqtt_name_unanswered(m, &r);
    }
    const char *failure = mqtt_guard_failure(mqtt_link_guard(m->link));
    if (failure != NULL) {
        (void)report(&r, 0,
                     m->state == UP ? "the broker at %s sent %s"
                                    : "what answers at %s does not speak MQTT 5: it sent %s",
                     m->where, failure);
        why = MQTT_DOWN_LOST;
    }
    mqtt_go_down(m, why, r.text);
}

void mqtt_lose_saying(struct mqtt *m, const char *text) {
    mqtt_go_down(m, MQTT_DOWN_LOST, text);
}
