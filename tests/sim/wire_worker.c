/*
 * wire_worker.c - see wire_worker.h.
 *
 * Callbacks of the door only note; the turn acts. A door that was freed must call nobody: each has
 * a note of its own that outlives it.
 */
#include "wire_worker.h"

#include "base/limits.h"
#include "io/mqtt/mqtt.h"
#include "wire_broker.h"
#include "wire_check.h"
#include "wire_filters.h"
#include "wire_net.h"
#include "wire_os.h"
#include "wire_outbox.h"
#include "wire_plant.h"
#include "wire_tell.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIVES_MAX = 400,
    DOWNS_MAX = 40, /* in DOWNS_MS: more is no waiting between two tries */
    DOWNS_MS = 60000,
    TURN_MAX = 4096,
    PAUSE_MS = 1000,
    ACKS_AT_ONCE = 256,
    COLLECT_AT_ONCE = 16,
    WATCH_ID = 99,
};

const char *const wire_topics[WIRE_TOPICS] = {"t/1", "t/2", "t/3", "a/x", "a/y/z", "b/x"};

static const char watched[] = "$SYS/broker/version";

struct life {
    bool out;   /* it publishes */
    bool in;    /* it subscribes */
    bool freed; /* no callback may come */
    bool up;
    int64_t up_ms;            /* when it came up last */
    int64_t downs[DOWNS_MAX]; /* when it went down last, and before, in turns */
    size_t down_count;
};

struct item {
    uint32_t number;
    int topic;
};

static struct {
    uv_loop_t *loop;
    struct wire_worker_setup setup;
    struct wire_worker_figures figures;
    struct broker_conf in_conf, out_conf;
    struct life lives[LIVES_MAX];
    size_t life_count;
    /* gone with a crash */
    struct mqtt *in, *out; /* the same one when there is one door */
    struct life *in_life, *out_life;
    bool readable, out_readable, due, watch_due, watch_seen;
    int64_t retry_ms, wake_ms; /* no turn before; a turn then */
    struct item items[TURN_MAX];
    size_t item_count;
    /* faults */
    bool is_held, wanders;
    uint32_t flood, flood_row; /* rows still to be made, and the number of the next */
    unsigned failing;
    int64_t hold_ms;
    uint32_t slow_ms;
} worker;

const struct wire_worker_figures *wire_worker_figures(void) {
    return &worker.figures;
}

/* ---- callbacks ---- */

static struct life *called(void *ctx, const char *what) {
    struct life *life = ctx;
    if (life->freed) {
        wire_wrong("%s is called though the door was freed", what);
    }
    worker.due = true;
    return life;
}

/* "m12;" or, where the payload is lost, ".../bad12...". */
static bool read_number(const struct mqtt_message *m, uint32_t *number) {
    char text[128];
    (void)snprintf(text, sizeof text, "%.*s", (int)(m->payload.len < 32 ? m->payload.len : 32),
                   m->payload.data != NULL ? m->payload.data : "");
    if (text[0] == 'm' && strchr(text, ';') != NULL) {
        *number = (uint32_t)strtoul(text + 1, NULL, 10);
        return true;
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)m->topic.len, m->topic.data);
    const char *bad = strstr(text, "bad");
    if (bad != NULL) {
        *number = (uint32_t)strtoul(bad + 3, NULL, 10);
    }
    return bad != NULL;
}

static int topic_of(const struct mqtt_message *m) {
    for (int i = 0; i < WIRE_TOPICS; i++) {
        if (slice_is(m->topic, wire_topics[i])) {
            return m->qos > 0 && !m->retain ? i : -1;
        }
    }
    return -1;
}

static void on_message(void *ctx, const struct mqtt_message *m) {
    const struct life *life = called(ctx, "on_message");
    uint32_t number = 0;
    if (worker.is_held && life->in) {
        wire_wrong("a message comes though the door is held");
    }
    worker.figures.messages++;
    worker.figures.dead_letters += m->refused.len > 0;
    if (slice_is(m->topic, watched)) {
        worker.watch_seen = true;
        return;
    }
    if (!read_number(m, &number)) {
        wire_tell("worker: reads something from nobody");
        return;
    }
    wire_tell("worker: reads message %u%s", number, m->refused.len > 0 ? ", a dead letter" : "");
    wire_check_read(number, m);
    assert(worker.item_count < TURN_MAX);
    worker.items[worker.item_count++] = (struct item){number, topic_of(m)};
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct life *life = called(ctx, "on_published");
    if (!life->out) {
        wire_wrong("on_published of id %d on the connection that does not publish", mid);
        return;
    }
    worker.figures.refused += reason >= 0x80;
    wire_outbox_published(mid, reason, mqtt_session(worker.out)->qos_max);
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct life *life = called(ctx, "on_up");
    wire_tell("worker: %s is up, session %s", life->in ? "the door" : "the publishing door",
              session->session_present ? "present" : "new");
    if (life->up) {
        wire_wrong("on_up twice");
    }
    life->up = true;
    life->up_ms = wire_clock_ms();
    worker.figures.ups++;
    if (!session->shared_available) {
        wire_filters_unshared();
    }
    if (life->in) {
        wire_filters_up();
    }
    if (life->out) {
        wire_outbox_up();
        worker.watch_due = true;
        worker.watch_seen = false;
    }
}

static void check_pace(struct life *life) {
    int64_t now_ms = wire_clock_ms();
    int64_t *oldest = &life->downs[life->down_count++ % DOWNS_MAX];
    if (life->down_count > DOWNS_MAX && now_ms - *oldest < DOWNS_MS) {
        wire_wrong("the door was down %d times in %lld ms", DOWNS_MAX,
                   (long long)(now_ms - *oldest));
    }
    *oldest = now_ms;
}

/* As host/broker.c goes on to the next broker: from within on_down. */
static void wander(const struct life *life) {
    enum { STEADY_MS = 5000 };
    bool steady = life->up_ms > 0 && wire_clock_ms() - life->up_ms >= STEADY_MS;
    if (worker.wanders && !steady && !mqtt_suspects_will(worker.in)) {
        worker.in_life->down_count = worker.out_life->down_count = 0;
        mqtt_moved(worker.in, life->down_count % 2 == 0);
        if (worker.out != worker.in) {
            mqtt_moved(worker.out, life->down_count % 2 == 0);
        }
    }
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct life *life = called(ctx, "on_down");
    wire_tell("worker: %s is down (%d): %s", life->in ? "the door" : "the publishing door",
              (int)why, text);
    life->up = false;
    worker.figures.downs++;
    if (life->in) {
        worker.readable = false;
        worker.item_count = 0; /* not committed: it comes again */
    }
    if (life->out) {
        worker.out_readable = worker.watch_due = false;
        wire_outbox_down();
    }
    check_pace(life);
    if (life->in) {
        wander(life);
    }
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    (void)called(ctx, "on_subscribed");
    wire_tell("worker: subscription %s 0x%02x", filter, reason);
    wire_filters_answered(filter, reason);
}

static void on_resubscribed(void *ctx, const char *filter, uint8_t before, uint8_t reason) {
    (void)called(ctx, "on_resubscribed");
    wire_tell("worker: subscription %s 0x%02x, and was 0x%02x", filter, reason, before);
    wire_filters_answered(filter, reason);
}

static void on_unsubscribed(void *ctx) {
    (void)called(ctx, "on_unsubscribed");
    wire_tell("worker: the filters that were given up are gone");
    wire_filters_gone();
}

static void on_readable(void *ctx) {
    struct life *life = called(ctx, "on_readable");
    worker.readable = worker.readable || life->in;
    worker.out_readable = worker.out_readable || (life->out && !life->in);
}

/* ---- life ---- */

void wire_worker_begin(uv_loop_t *loop, const struct wire_worker_setup *setup) {
    memset(&worker, 0, sizeof worker);
    worker.loop = loop;
    worker.setup = *setup;
    worker.wake_ms = INT64_MAX;
    worker.in_conf = (struct broker_conf){.url = (char *)"mqtt://broker",
                                          .host = (char *)"broker",
                                          .port = 1883,
                                          .alone = setup->alone,
                                          .client_id = (char *)"worker",
                                          .username = (char *)"",
                                          .password = (char *)"",
                                          .ca_file = (char *)"",
                                          .cert_file = (char *)"",
                                          .key_file = (char *)"",
                                          .receive_maximum = setup->receive_max,
                                          .session_expiry_s = 7200,
                                          .packet_bytes_max = setup->packet_max};
    worker.out_conf = worker.in_conf;
    worker.out_conf.session_expiry_s = setup->one_door ? 7200 : 0;
    wire_filters_begin(setup->alone);
    wire_outbox_begin(setup->window);
}

bool wire_worker_runs(void) {
    return worker.in != NULL;
}

static struct mqtt *make_door(const struct broker_conf *conf, const char *client_id,
                              struct life *life) {
    const struct mqtt_callbacks callbacks = {.ctx = life,
                                             .on_message = on_message,
                                             .on_published = on_published,
                                             .on_up = on_up,
                                             .on_down = on_down,
                                             .on_subscribed = on_subscribed,
                                             .on_resubscribed = on_resubscribed,
                                             .on_unsubscribed = on_unsubscribed,
                                             .on_readable = on_readable};
    const struct mqtt_publish will = {
        .topic = "zingq/gone", .payload = slice_of("gone"), .qos = 1, .retain = true};
    struct mqtt *m = NULL;
    struct report r = {""};
    int error = mqtt_new(&m, worker.loop, conf, client_id, worker.setup.will ? &will : NULL,
                         &callbacks, &r);
    if (error != 0) {
        wire_wrong("mqtt_new: %s", r.text);
        abort();
    }
    return m;
}

void wire_worker_start(void) {
    assert(worker.in == NULL);
    assert(worker.life_count + 2 <= LIVES_MAX);
    wire_tell("the worker starts");
    worker.figures.starts++;
    worker.in_life = &worker.lives[worker.life_count++];
    *worker.in_life = (struct life){.in = true, .out = worker.setup.one_door};
    worker.in = make_door(&worker.in_conf, "worker", worker.in_life);
    worker.out = worker.in;
    worker.out_life = worker.in_life;
    if (!worker.setup.one_door) {
        worker.out_life = &worker.lives[worker.life_count++];
        *worker.out_life = (struct life){.out = true};
        worker.out = make_door(&worker.out_conf, "worker-out", worker.out_life);
    }
    wire_filters_start(worker.in);
    mqtt_start(worker.in);
    if (worker.out != worker.in) {
        mqtt_start(worker.out);
    }
}

static void forget(void) {
    if (worker.out != worker.in) {
        mqtt_free(worker.out);
    }
    mqtt_free(worker.in);
    worker.in = worker.out = NULL;
    worker.in_life->freed = worker.out_life->freed = true;
    worker.readable = worker.out_readable = worker.due = false;
    worker.watch_due = worker.watch_seen = false;
    wire_filters_forget();
    worker.item_count = 0;
    worker.is_held = false;
    worker.retry_ms = 0;
    worker.wake_ms = INT64_MAX;
    wire_outbox_down();
}

void wire_worker_crash(void) {
    if (worker.in != NULL) {
        wire_tell("the worker crashes");
        forget();
    }
}

/* A connection to which nothing was done must end with one. */
static size_t goodbyes_expected(void) {
    size_t expected = worker.in_life->up && wire_broker_undisturbed("worker");
    if (worker.out != worker.in) {
        expected += worker.out_life->up && wire_broker_undisturbed("worker-out");
    }
    return expected;
}

void wire_worker_leave(void) {
    if (worker.in == NULL) {
        return;
    }
    wire_tell("the worker says goodbye");
    size_t heard = wire_broker_figures()->goodbyes;
    size_t expected = goodbyes_expected();
    if (worker.out != worker.in) {
        mqtt_disconnect(worker.out, -1);
    }
    mqtt_disconnect(worker.in, -1);
    if (wire_broker_figures()->goodbyes - heard < expected) {
        wire_wrong("the door leaves without a DISCONNECT");
    }
    forget();
}

void wire_worker_end(void) {
    wire_worker_crash();
    wire_outbox_end();
}

/* ---- the turn ---- */

static void collect(void) {
    if (worker.out_readable) {
        worker.out_readable = mqtt_collect(worker.out, ACKS_AT_ONCE);
    }
    while (worker.readable && worker.item_count < worker.setup.intake) {
        bool more = mqtt_collect(worker.in, COLLECT_AT_ONCE);
        worker.readable = more && wire_planted() != WIRE_HALF_READ;
    }
}

static void commit(void) {
    for (size_t i = 0; i < worker.item_count; i++) {
        wire_tell("worker: commits message %u", worker.items[i].number);
        wire_check_committed(worker.items[i].number, worker.items[i].topic);
    }
    worker.item_count = 0;
}

/* A turn that takes its time: the network does not wait for it. */
static void take_time(void) {
    wire_net_disturb_all();
    int64_t end_ms = wire_clock_ms() + worker.slow_ms;
    while (wire_clock_ms() < end_ms) {
        int64_t next_ms = wire_net_next_ms();
        next_ms = next_ms <= wire_clock_ms() ? wire_clock_ms() + 1 : next_ms;
        wire_clock_move(next_ms < end_ms ? next_ms : end_ms);
        (void)wire_net_pump();
    }
}

static void fall_back(void) {
    wire_tell("worker: the commit fails");
    worker.figures.failed_commits++;
    worker.failing--;
    if (worker.item_count > 0 && wire_planted() != WIRE_NO_DROP) {
        worker.item_count = 0;
        mqtt_drop(worker.in);
        worker.readable = false;
    }
    worker.item_count = 0;
    worker.retry_ms = wire_clock_ms() + PAUSE_MS;
    worker.due = true;
}

static void watch(void) {
    worker.watch_due = false;
    int error = mqtt_watch(worker.out, watched, WATCH_ID);
    if (error != 0 && mqtt_session(worker.out)->connected) {
        wire_wrong("mqtt_watch: %d", error);
    }
}

/* Rows enough for the window, until there were as many as packet ids, and more. */
static void flood(void) {
    enum { FLOOD_ROWS = 600 };
    while (worker.flood > 0 && wire_outbox_count() < FLOOD_ROWS) {
        worker.flood--;
        wire_outbox_add(worker.flood_row++, 1, false, 10);
    }
}

static void turn(void) {
    worker.figures.turns++;
    collect();
    const struct mqtt_session *session = mqtt_session(worker.in);
    if (session->connected && !session->shared_available) {
        wire_filters_unshared();
    }
    if (worker.slow_ms > 0 && worker.item_count > 0) {
        take_time();
    }
    if (wire_planted() == WIRE_ACK_FIRST) {
        mqtt_flush(worker.in);
    }
    if (worker.failing > 0 && (worker.item_count > 0 || worker.setup.one_door)) {
        fall_back();
        return;
    }
    commit();
    mqtt_flush(worker.in);
    if (worker.watch_due) {
        watch();
    }
    flood();
    wire_outbox_send(worker.out);
    mqtt_flush(worker.out);
    worker.is_held = wire_clock_ms() < worker.hold_ms;
    mqtt_hold(worker.in, worker.is_held);
    worker.due = worker.due || worker.readable || worker.out_readable;
    worker.wake_ms = wire_outbox_next_ms();
    if (worker.hold_ms > wire_clock_ms() && worker.hold_ms < worker.wake_ms) {
        worker.wake_ms = worker.hold_ms;
    }
}

int64_t wire_worker_next_ms(void) {
    if (worker.in == NULL) {
        return INT64_MAX;
    }
    int64_t next_ms = worker.due ? wire_clock_ms() : worker.wake_ms;
    return next_ms > worker.retry_ms ? next_ms : worker.retry_ms;
}

bool wire_worker_work(void) {
    if (wire_worker_next_ms() > wire_clock_ms()) {
        return false;
    }
    worker.due = false;
    turn();
    return true;
}

/* ---- the world's side ---- */

void wire_worker_enqueue(uint32_t number, uint8_t qos, bool retain, uint32_t bytes) {
    wire_tell("worker: outbox row %u QoS %u, %u bytes", number, qos, bytes);
    wire_outbox_add(number, qos, retain, bytes);
    worker.due = true;
}

void wire_worker_filter(size_t filter) {
    if (worker.in != NULL) {
        wire_filters_change(worker.in, filter);
        worker.due = true;
    }
}

void wire_worker_moved(bool wait) {
    if (worker.in != NULL) {
        wire_tell("worker: the address of the broker has changed");
        worker.in_life->down_count = worker.out_life->down_count = 0;
        mqtt_moved(worker.in, wait);
        if (worker.out != worker.in) {
            mqtt_moved(worker.out, wait);
        }
        worker.due = true;
    }
}

void wire_worker_fail_commits(unsigned count) {
    worker.failing = count;
}

void wire_worker_hold(int64_t until_ms) {
    worker.hold_ms = until_ms;
    worker.due = true;
}

void wire_worker_pause(int64_t until_ms) {
    worker.retry_ms = until_ms > worker.retry_ms ? until_ms : worker.retry_ms;
    worker.due = true;
}

void wire_worker_wander(bool wanders) {
    worker.wanders = wanders;
}

void wire_worker_flood(uint32_t first, uint32_t count) {
    wire_tell("worker: %u outbox rows from %u on", count, first);
    worker.flood = count;
    worker.flood_row = first;
    worker.due = true;
}

void wire_worker_slow(uint32_t ms) {
    worker.slow_ms = ms;
}

static bool stands(const char *client_id) {
    const struct wire_session *s = wire_broker_session(client_id);
    return s != NULL && s->conn != NULL;
}

bool wire_worker_is_up(void) {
    return worker.in != NULL && worker.in_life->up && worker.out_life->up && stands("worker") &&
           (worker.setup.one_door || stands("worker-out"));
}

const char *wire_worker_unsettled(void) {
    const struct wire_session *s = wire_broker_session("worker");
    if (worker.in == NULL) {
        return "the worker does not run";
    }
    if (!worker.in_life->up || !worker.out_life->up) {
        return worker.in_life->up ? "the publishing door is not up" : "the door is not up";
    }
    if (s == NULL || s->conn == NULL) {
        return "the broker has no connection of the door";
    }
    if (s->queued > 0) {
        return "messages wait at the broker";
    }
    if (wire_outbox_count() > 0 || worker.flood > 0) {
        return "rows wait in the outbox";
    }
    const char *filter = wire_filters_unsettled(s);
    return filter != NULL ? filter : worker.watch_seen ? NULL : "the watch has no message";
}
