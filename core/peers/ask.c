/*
 * ask.c - requests of this host to others, and the connection for both directions;
 * peers/ask_visit.c handles requests of others, peers/ask_window.c the share of the broker's
 * window, peers/ask_wire.c the bytes.
 *
 * A request of ours is an asking from ask_start to its end. All have the same timeout, so the list
 * is sorted by deadline. Callbacks of libmosquitto only record what came; ask_work acts on it.
 *
 * Requests and answers bypass the outbox: later they are worthless, and they must not wait behind
 * its window.
 *
 * Left out on purpose: retrying. A request that changes something may have been carried out;
 * callers that can repeat it (under an Idempotency-Key, or because it only reads) know better.
 */
#include "peers/impl.h"

#include "base/log.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void on_timer(uv_timer_t *timer) {
    struct ask *a = timer->data;
    a->options.wake(a->options.ctx);
}

int ask_new(struct ask **out, const struct ask_options *options) {
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return ERR_MEMORY;
    }
    a->options = *options;
    a->share = &options->conf->hosts.share;
    assert(division_is_divided(a->share) && a->share->place >= 1);
    (void)owner_topic(a->options.conf, "ask", a->share->place, a->ask_topic);
    (void)owner_topic(a->options.conf, "answer", a->share->place, a->answer_topic);
    ask_ticket_renew(a);
    uint32_t packet = options->conf->broker.packet_bytes_max;
    a->payload_max = (packet == 0 ? MQTT_PACKET_BYTES_LEAST : packet) - PACKET_ROOM_BYTES;
    TAILQ_INIT(&a->askings);
    TAILQ_INIT(&a->arrived);
    TAILQ_INIT(&a->served);
    TAILQ_INIT(&a->replies);
    int code = uv_timer_init(options->loop, &a->timer);
    assert(code == 0); /* libuv documents no failure */
    a->timer.data = a;
    *out = a;
    return 0;
}

/* Removes it from the list; the caller frees it. */
static void take_asking(struct ask *a, struct asking *asking) {
    assert(a->asking_count > 0);
    TAILQ_REMOVE(&a->askings, asking, link);
    assert(TAILQ_FIRST(&a->askings) != asking);
    a->asking_count--;
    a->asking_bytes -= asking->payload.len;
}

static void free_asking(struct asking *asking) {
    buf_clear(&asking->payload);
    ask_reply_clear(&asking->reply);
    free(asking);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void ask_free(struct ask *a) {
    if (a == NULL) {
        return;
    }
    struct asking *asking;
    while ((asking = TAILQ_FIRST(&a->askings)) != NULL) {
        take_asking(a, asking);
        free_asking(asking);
    }
    ask_forget_visits(a);
    uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* ---- asking ---- */

static void arm(struct ask *a) {
    const struct asking *first = TAILQ_FIRST(&a->askings);
    if (first == NULL) {
        (void)uv_timer_stop(&a->timer);
        return;
    }
    uint64_t now = uv_now(a->options.loop);
    uint64_t wait = first->deadline_ms > now ? first->deadline_ms - now : 0;
    int started = uv_timer_start(&a->timer, on_timer, wait, 0);
    assert(started == 0);
}

static int write_asking(struct ask *a, struct asking *asking, const struct gateway_words *words,
                        struct report *r) {
    buf_init(&asking->payload, a->payload_max);
    ask_write_request(words, &asking->payload);
    if (asking->payload.failed) {
        return report(r, ERR_INVALID,
                      "the request is larger than the %zu bytes that hosts send "
                      "each other: raise limits.payload of all of them",
                      a->payload_max);
    }
    if (a->asking_bytes + asking->payload.len > ASK_WAITING_BYTES_MAX) {
        return report(r, ERR_LIMIT, "too much waits to be sent to other hosts: try again");
    }
    return 0;
}

int ask_start(struct ask *a, uint16_t place, const struct gateway_words *words, void *ctx,
              ask_on_end *on_end, uint64_t *id, struct report *r) {
    assert(place >= 1 && place <= a->share->count && place != a->share->place);
    if (a->asking_count >= ASKS_MAX) {
        return report(r, ERR_LIMIT, "too many requests to other hosts at once: try again");
    }
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL) {
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    int code = write_asking(a, asking, words, r);
    if (code != 0) {
        buf_clear(&asking->payload);
        free(asking);
        return code;
    }
    asking->id = ++a->last_id;
    asking->place = place;
    asking->ctx = ctx;
    asking->on_end = on_end;
    randombytes_buf(asking->correlation, sizeof asking->correlation);
    uv_update_time(a->options.loop);
    asking->deadline_ms = uv_now(a->options.loop) + ASK_ANSWER_MS;
    TAILQ_INSERT_TAIL(&a->askings, asking, link);
    a->asking_count++;
    a->asking_bytes += asking->payload.len;
    *id = asking->id;
    arm(a);
    a->options.wake(a->options.ctx);
    return 0;
}

void ask_cancel(struct ask *a, uint64_t id) {
    struct asking *asking = TAILQ_FIRST(&a->askings);
    while (asking != NULL && asking->id != id) {
        asking = TAILQ_NEXT(asking, link);
    }
    if (asking != NULL) {
        take_asking(a, asking);
        free_asking(asking);
        arm(a);
    }
}

static void end(struct ask *a, struct asking *asking, enum ask_end end) {
    assert(!asking->ended);
    asking->ended = true;
    asking->end = end;
    asking->mid = 0;
    a->ended[end]++;
    a->options.wake(a->options.ctx);
}

static void expire(struct ask *a) {
    uint64_t now = uv_now(a->options.loop);
    struct asking *asking;
    TAILQ_FOREACH(asking, &a->askings, link) {
        if (asking->deadline_ms > now) {
            return;
        }
        if (asking->ended) {
            continue;
        }
        if (asking->sends > 0) {
            (void)snprintf(asking->why, sizeof asking->why, "host %u did not answer within %d s",
                           asking->place, ASK_ANSWER_MS / 1000);
        } else {
            (void)snprintf(asking->why, sizeof asking->why, "host %u was not asked: %s",
                           asking->place,
                           a->connected ? "the broker accepts no more publishes"
                                        : "this host has no connection to the broker");
        }
        end(a, asking, asking->sends > 0 ? ASK_SILENT : ASK_UNSENT);
    }
}

/* An asking that has ended, which then belongs to the caller; NULL when there is none. */
static struct asking *take_ended(struct ask *a) {
    struct asking *asking = TAILQ_FIRST(&a->askings);
    /* the analyser does not see that TAILQ_REMOVE takes one out of the middle */
    while (asking != NULL && !asking->ended) { // NOLINT(clang-analyzer-unix.Malloc)
        asking = TAILQ_NEXT(asking, link);
    }
    if (asking != NULL) {
        take_asking(a, asking);
    }
    return asking;
}

/* on_end may ask again, or cancel others. */
static void hand_over_ended(struct ask *a) {
    struct asking *asking;
    while ((asking = take_ended(a)) != NULL) {
        const struct ask_outcome outcome = {
            .end = asking->end, .reply = &asking->reply.reply, .why = asking->why};
        asking->on_end(asking->ctx, asking->id, &outcome);
        free_asking(asking);
    }
    arm(a);
}

bool ask_due(const struct ask *a) {
    const struct asking *asking;
    TAILQ_FOREACH(asking, &a->askings, link) {
        if (asking->ended || asking->deadline_ms <= uv_now(a->options.loop)) {
            return true;
        }
    }
    return !TAILQ_EMPTY(&a->arrived);
}

void ask_work(struct ask *a) {
    expire(a);
    hand_over_ended(a);
    ask_serve_arrived(a);
}

/* ---- messages ---- */

static struct asking *find_asked(const struct ask *a, struct slice correlation) {
    struct asking *asking;
    TAILQ_FOREACH(asking, &a->askings, link) {
        if (correlation.len == CORRELATION_BYTES && !asking->ended && asking->sent &&
            memcmp(correlation.data, asking->correlation, CORRELATION_BYTES) == 0) {
            return asking;
        }
    }
    return NULL;
}

/* The host that was asked has not carried it out, and tells its ticket. */
static void ask_again(struct ask *a, struct asking *asking) {
    memcpy(a->tickets[asking->place - 1], asking->reply.reply.body.data, ASK_TICKET_BYTES);
    ask_reply_clear(&asking->reply);
    asking->sent = false;
    asking->mid = 0;
    if (asking->sends >= ASK_SENDS_MAX) {
        (void)snprintf(asking->why, sizeof asking->why,
                       "host %u has taken %u requests for repetitions", asking->place,
                       asking->sends);
        end(a, asking, ASK_SILENT);
    }
    a->options.wake(a->options.ctx);
}

/* An answer that comes too late is dropped. */
static void note_answer(struct ask *a, const struct mqtt_message *m) {
    struct asking *asking = find_asked(a, m->correlation);
    if (asking == NULL) {
        return;
    }
    int code = ask_read_reply(&asking->reply, m->payload);
    if (code == 0 && ask_ticket_is_reply(&asking->reply.reply)) {
        ask_again(a, asking);
        return;
    }
    if (code != 0) {
        (void)snprintf(asking->why, sizeof asking->why, "the answer of host %u cannot be read: %s",
                       asking->place,
                       code == ERR_SCHEMA ? "it runs another version" : error_text(code));
    }
    end(a, asking, code == 0 ? ASK_ANSWERED : ASK_SILENT);
}

bool ask_note(struct ask *a, const struct mqtt_message *m) {
    bool request = slice_is(m->topic, a->ask_topic);
    if (!request && !slice_is(m->topic, a->answer_topic)) {
        return false;
    }
    if (m->retain || m->refused.len > 0) {
        return true; /* nothing here should be retained: somebody else published it */
    }
    if (request) {
        ask_note_request(a, m);
    } else {
        note_answer(a, m);
    }
    return true;
}

/* ---- the connection ---- */

void ask_up(struct ask *a) {
    a->connected = true;
    a->watched = false;
    a->refused = 0;
}

/* Some brokers close the connection when a client subscribes to something forbidden. */
void ask_down(struct ask *a) {
    a->beaten = a->unanswered > 0 ? a->beaten + 1 : 0;
    if (a->beaten >= ASK_BEATEN_MAX) {
        a->beaten = 0;
        a->rest_until_ms = uv_now(a->options.loop) + ASK_REST_MS;
        log_warn("broker",
                 "the connection ended twice before the broker had answered the "
                 "subscription to %s: not asking again for %d minutes",
                 a->ask_topic, ASK_REST_MS / 60000);
    }
    a->connected = false;
    a->unanswered = 0;
    ask_window_close(a);
    struct asking *asking;
    TAILQ_FOREACH(asking, &a->askings, link) {
        asking->mid = 0;
    }
}

static void watch(struct ask *a, struct mqtt *mqtt) {
    const char *const topics[WATCHES] = {a->ask_topic, a->answer_topic};
    a->watched = true;
    for (size_t i = 0; i < WATCHES; i++) {
        int code = mqtt_watch(mqtt, topics[i], 1);
        if (code != 0) {
            log_error("broker", "cannot subscribe to %s: %s", topics[i], error_text(code));
            continue;
        }
        a->unanswered++;
    }
}

static void say_not_taken(struct asking *asking, uint8_t reason) {
    if (reason == NOBODY) {
        (void)snprintf(asking->why, sizeof asking->why, "host %u is not connected to the broker",
                       asking->place);
        return;
    }
    (void)snprintf(asking->why, sizeof asking->why,
                   "host %u was not asked: the broker refuses publishes to zingq/ask/# (reason "
                   "0x%02x)",
                   asking->place, reason);
}

static int send_asking(struct ask *a, struct mqtt *mqtt, struct asking *asking) {
    char topic[OWNER_TOPIC_BYTES];
    if (a->options.is_away != NULL && a->options.is_away(a->options.ctx, asking->place)) {
        say_not_taken(asking, NOBODY);
        end(a, asking, ASK_UNSENT);
        return 0;
    }
    (void)owner_topic(a->options.conf, "ask", asking->place, topic);
    memcpy(asking->correlation, a->tickets[asking->place - 1], ASK_TICKET_BYTES);
    const struct mqtt_publish message = {
        .topic = topic,
        .payload = buf_slice(&asking->payload),
        .response_topic = slice_of(a->answer_topic),
        .correlation = {(const char *)asking->correlation, CORRELATION_BYTES},
        .qos = 1};
    int code = ask_publish(a, mqtt, &message, &asking->mid);
    if (code == ERR_INVALID) {
        (void)snprintf(asking->why, sizeof asking->why,
                       "host %u was not asked: the request is larger than the broker's packets",
                       asking->place);
        end(a, asking, ASK_UNSENT);
        return 0;
    }
    if (code == 0) {
        asking->sent = true;
        asking->sends++;
    }
    return code;
}

bool ask_send(struct ask *a, struct mqtt *mqtt) {
    bool sent = false;
    if (!a->connected) {
        return false;
    }
    if (!a->watched && uv_now(a->options.loop) >= a->rest_until_ms) {
        watch(a, mqtt);
        sent = true;
    }
    ask_window_open(a, mqtt);
    if (ask_send_replies(a, mqtt, &sent) != 0) {
        return sent;
    }
    struct asking *asking;
    TAILQ_FOREACH(asking, &a->askings, link) {
        if (asking->sent || asking->ended) {
            continue;
        }
        if (send_asking(a, mqtt, asking) != 0) {
            break;
        }
        sent = true;
    }
    return sent;
}

bool ask_published(struct ask *a, int mid, uint8_t reason) {
    if (!ask_window_acknowledged(a, mid)) {
        return false;
    }
    struct asking *asking = TAILQ_FIRST(&a->askings);
    while (asking != NULL && asking->mid != mid) {
        asking = TAILQ_NEXT(asking, link);
    }
    if (asking == NULL) {
        return true;
    }
    asking->mid = 0;
    if (reason == NOBODY || reason >= 0x80) {
        say_not_taken(asking, reason);
        end(a, asking, ASK_UNSENT);
    }
    return true;
}

bool ask_subscribed(struct ask *a, const char *filter, uint8_t reason) {
    if (strcmp(filter, a->ask_topic) != 0 && strcmp(filter, a->answer_topic) != 0) {
        return false;
    }
    a->unanswered -= a->unanswered > 0 ? 1 : 0;
    if (reason >= 0x80 && a->refused == 0) {
        a->refused = reason;
        log_warn("broker",
                 "the broker does not let us read %s (reason 0x%02x): hosts cannot ask "
                 "each other",
                 filter, reason);
    }
    return true;
}

bool ask_is_proven(const struct ask *a) {
    return a->unproven == 0 && a->unanswered == 0;
}

/* ---- status ---- */

bool ask_warning(const struct ask *a, struct report *r) {
    if (a->refused == 0) {
        return false;
    }
    (void)report(r, ERR_REFUSED,
                 "the broker refuses the subscription to %s or %s (reason 0x%02x): "
                 "hosts cannot ask each other for what belongs to one of them",
                 a->ask_topic, a->answer_topic, a->refused);
    return true;
}

void ask_write_metrics(const struct ask *a, struct buf *out) {
    static const char *const ends[] = {"answered", "unsent", "silent"};
    buf_add_str(out, "# HELP zingq_asks_total requests to other hosts, by how they ended\n"
                     "# TYPE zingq_asks_total counter\n");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        buf_printf(out, "zingq_asks_total{result=\"%s\"} %llu\n", ends[i],
                   (unsigned long long)a->ended[i]);
    }
    buf_printf(
        out,
        "# HELP zingq_asks_running requests to other hosts under way\n"
        "# TYPE zingq_asks_running gauge\nzingq_asks_running %zu\n"
        "# HELP zingq_asked_total requests of other hosts served\n"
        "# TYPE zingq_asked_total counter\nzingq_asked_total %llu\n"
        "# HELP zingq_asked_again_total requests of other hosts that came again, not served\n"
        "# TYPE zingq_asked_again_total counter\nzingq_asked_again_total %llu\n",
        a->asking_count, (unsigned long long)a->visits, (unsigned long long)a->repeated);
}
