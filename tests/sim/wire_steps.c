/*
 * wire_steps.c - see wire_steps.h.
 */
#include "wire_steps.h"

#include "wire_broker.h"
#include "wire_check.h"
#include "wire_os.h"
#include "wire_tell.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

static const char *const clients[2] = {"worker", "worker-out"};

static struct {
    const struct wire_plan *plan;
    size_t next;
    int64_t ends_ms[WIRE_DO_COUNT]; /* when a fault is over; INT64_MAX = it is */
    int64_t start_ms;               /* when the worker starts again; INT64_MAX = it runs */
    uint32_t numbers, rows;         /* so far */
    bool flooded;
    unsigned restarts; /* of a restless broker, still to come */
    int64_t restart_ms;
    size_t warm_bytes;         /* memory in use after a quarter of them */
    bool stays[WIRE_DO_COUNT]; /* the fault does not end: this broker is like that */
} steps;

void wire_steps_begin(const struct wire_plan *plan) {
    memset(&steps, 0, sizeof steps);
    steps.plan = plan;
    steps.start_ms = INT64_MAX;
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        steps.ends_ms[i] = INT64_MAX;
    }
    /* What the worker watches, from before. */
    struct wire_message message = {
        .number = 0, .topic = "$SYS/broker/version", .bytes = 10, .retain = true};
    wire_broker_publish(&message);
}

/* ---- traffic ---- */

enum { FLOOD = 67000, FLOOD_FROM = 20000 };

static uint32_t next_number(uint32_t *numbers) {
    return ++*numbers;
}

static void publish_messages(uint32_t count, uint32_t style) {
    for (uint32_t i = 0; i < count && steps.numbers + 1 < WIRE_MESSAGES_MAX; i++) {
        struct wire_message m = {.number = next_number(&steps.numbers), .qos = 1};
        size_t topic = style < 4 ? style : (i + style) % WIRE_TOPICS;
        m.bytes = style % 3 == 0 ? 10 : 10 + (i * 37) % 900;
        m.qos = style % 5 == 4 && i % 3 == 0 ? 0 : 1;
        m.retain = style == 15 && i == 0;
        (void)snprintf(m.topic, sizeof m.topic, "%s", wire_topics[topic]);
        wire_broker_publish(&m);
    }
}

static void publish_spoilt(uint32_t kind) {
    if (steps.numbers + 1 == WIRE_MESSAGES_MAX) {
        return;
    }
    struct wire_message m = {.number = next_number(&steps.numbers),
                             .qos = 1,
                             .bytes = 20,
                             .spoil = (enum wire_spoil)(1 + kind % (WIRE_SPOIL_COUNT - 1))};
    uint32_t packet_max = steps.plan->setup.packet_max;
    if (m.spoil == WIRE_TOO_LARGE) {
        m.spoil = packet_max == 0 ? WIRE_TWICE : m.spoil;
        m.bytes = packet_max + 100;
    }
    (void)snprintf(m.topic, sizeof m.topic, "t/bad%u", m.number);
    wire_broker_publish(&m);
}

static void add_rows(uint32_t count, uint32_t style) {
    for (uint32_t i = 0; i < count && steps.rows + 1 < FLOOD_FROM; i++) {
        uint32_t bytes = style % 3 == 0 ? 10 : style % 3 == 1 ? 10 + (i * 53) % 300 : 30000;
        bytes = bytes == 30000 && i % 8 != 0 ? 50 : bytes;
        uint8_t qos = style % 4 == 3 && i % 2 == 0 ? 0 : 1;
        wire_worker_enqueue(next_number(&steps.rows), qos, style == 5, bytes);
    }
}

/* ---- the network ---- */

static void cut(uint32_t after, uint32_t how) {
    struct wire_link *link = wire_net_newest(how & 1);
    if (link != NULL) {
        wire_net_cut(link, (how & 2) != 0, (how & 8) != 0 ? 0 : after, (how & 4) != 0);
    }
}

static void set_weather(uint32_t kind) {
    static const struct wire_weather weathers[] = {
        {.route = WIRE_CONNECTS},
        {.connect_delay_ms_max = 50, .delay_ms_max = 5, .piece_bytes_max = 3},
        {.connect_delay_ms_max = 2000, .delay_ms_max = 300},
        {.delay_ms_max = 2, .piece_bytes_max = 1, .short_in = 2},
        {.delay_ms_max = 40, .piece_bytes_max = 100, .short_in = 4},
        {.connect_delay_ms_max = 15000, .short_in = 8},
        {.piece_bytes_max = 7, .short_in = 1},
        {.delay_ms_max = 400, .piece_bytes_max = 20},
    };
    struct wire_weather *w = wire_net_weather();
    const struct wire_weather before = *w;
    *w = weathers[kind % (sizeof weathers / sizeof weathers[0])];
    w->route = before.route;
    w->dead_addresses = before.dead_addresses;
    w->dead_kind = before.dead_kind;
    w->narrow = before.narrow;
}

/* The process stands still, the world does not. */
static void jump(uint32_t ms) {
    int64_t end_ms = wire_clock_ms() + ms;
    wire_net_disturb_all();
    while (wire_clock_ms() < end_ms) {
        int64_t next_ms = wire_net_next_ms();
        next_ms = next_ms < wire_broker_next_ms() ? next_ms : wire_broker_next_ms();
        next_ms = next_ms <= wire_clock_ms() ? wire_clock_ms() + 1 : next_ms;
        wire_clock_move(next_ms < end_ms ? next_ms : end_ms);
        (void)wire_net_pump();
        wire_broker_tick();
    }
}

/* ---- the broker ---- */

static void set_terms(uint32_t bits, uint32_t telling) {
    struct wire_manners *m = wire_broker_manners();
    static const uint16_t windows[] = {0, 0, 1, 10};
    static const uint32_t packets[] = {0, 0, 20, 100};
    m->terms = (struct wire_terms){.receive_max = windows[bits & 3],
                                   .packet_max = packets[bits >> 2 & 3],
                                   .qos_max = (bits & 16) != 0   ? 0
                                              : (bits & 32) != 0 ? 1
                                                                 : 2,
                                   .no_retain = (bits & 64) != 0,
                                   .no_wildcard = (bits & 128) != 0,
                                   .no_shared = (bits & 256) != 0,
                                   .no_ids = (bits & 512) != 0,
                                   .keepalive_s = (bits & 1024) != 0 ? 10 : 0,
                                   .odd = (uint8_t)(bits >> 10 & 3)};
    m->hides = telling == 1 || telling == 2;
    m->closes = telling == 2;
    if (m->hides) {
        m->terms.receive_max = 0;
        m->terms.packet_max = 0;
        m->terms.keepalive_s = 0;
    }
    steps.stays[WIRE_DO_TERMS] = (bits & 4096) != 0;
    wire_broker_restart(false, 0);
}

/* What a broker might say, and should not. */
static void say(uint32_t what, uint32_t client) {
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x90\x04\x00\x07\x00\x00", 6},             /* SUBACK nobody waits for */
        {"\x90\x03\x00\x07\x00", 5},                 /* one that answers nothing */
        {"\x90\x04\x00\x00\x00\x00", 6},             /* packet id 0 */
        {"\x40\x02\x00\x00", 4},                     /* PUBACK of id 0 */
        {"\x40\x01\x00", 3},                         /* one that ends early */
        {"\x40\x07\x40\x00\x00\x03\x7e\x01\x02", 9}, /* one with an unknown property */
        {"\x20\x03\x00\x00\x00", 5},                 /* a second CONNACK */
        {"\x10\x00", 2},                             /* CONNECT */
        {"\x82\x02\x00\x01", 4},                     /* SUBSCRIBE */
        {"\xf0\x02\x18\x00", 4},                     /* AUTH */
        {"\xd0\x00", 2},                             /* PINGRESP unasked */
        {"\xd0\x01\x00", 3},                         /* one that goes on */
        {"\xe0\x02\x00\x00", 4},                     /* DISCONNECT without a failure */
        {"\xe0\x00", 2},                             /* without a reason */
        {"\x30\xff\xff\xff\xff\x01", 6},             /* a length of five bytes */
        {"\x36\x03\x00\x01t", 5},                    /* QoS 3 */
        {"\x32\x06\x00\x01t\x00\x00\x00", 8},        /* PUBLISH with packet id 0 */
        {"\x30\x04\x00\x01t\x00", 6},                /* an empty one */
        {"\x00\x00", 2},                             /* type 0 */
        {"\xb0\x04\x10\x00\x00\x00", 6},             /* UNSUBACK nobody waits for */
    };
    size_t i = what % (sizeof rows / sizeof rows[0]);
    wire_broker_say(clients[client & 1], rows[i].bytes, rows[i].len);
}

static void set_habits(uint32_t bits) {
    struct wire_manners *m = wire_broker_manners();
    m->joined = (bits & 1) != 0;
    m->lavish = (bits & 2) != 0;
    m->wordy = (bits & 4) != 0;
    m->answers_twice_in = (bits & 8) != 0 ? 5 : 0;
}

/* ---- steps ---- */

static void flood(void) {
    if (!steps.flooded) {
        steps.flooded = true;
        wire_broker_manners()->withholds = 1;
        wire_worker_flood(FLOOD_FROM, FLOOD);
    }
}

enum { RESTARTS = 2000, RESTART_MS = 7000, GROWTH_BYTES_MAX = 10000 };

static void be_restless(void) {
    steps.restarts = RESTARTS;
    steps.restart_ms = wire_clock_ms() + RESTART_MS;
}

/* Thousands of connections in one life of the door: memory in use must not grow. */
static void restart_again(void) {
    size_t bytes = mallinfo2().uordblks;
    steps.restart_ms = wire_clock_ms() + RESTART_MS;
    steps.restarts--;
    if (steps.restarts == RESTARTS * 3 / 4) {
        steps.warm_bytes = bytes;
    } else if (steps.restarts == 0 && bytes > steps.warm_bytes + GROWTH_BYTES_MAX) {
        wire_wrong("memory grows: %zu bytes, and %zu after %d more connections", steps.warm_bytes,
                   bytes, RESTARTS * 3 / 4);
    }
    wire_broker_restart(false, 0);
}

bool wire_steps_go_on(void) {
    return steps.restarts > 0;
}

static void stop_worker(bool goodbye, uint32_t ms) {
    if (wire_worker_runs()) {
        if (goodbye) {
            wire_worker_leave();
        } else {
            wire_worker_crash();
        }
        steps.start_ms = wire_clock_ms() + ms;
    }
}

static void do_network(const struct wire_step *s) {
    struct wire_link *link = wire_net_newest(s->b & 1);
    switch (s->action) {
    case WIRE_DO_CUT:
        cut(s->a, s->b);
        break;
    case WIRE_DO_HALF_OPEN:
        link = wire_net_newest(s->a & 1);
        if (link != NULL) {
            wire_net_half_open(link);
        }
        break;
    case WIRE_DO_STALL:
        if (link != NULL) {
            wire_net_stall(link, wire_clock_ms() + s->a);
        }
        break;
    case WIRE_DO_DEAFEN:
        if (link != NULL) {
            wire_net_deafen(link, wire_clock_ms() + s->a);
        }
        break;
    case WIRE_DO_ROUTE:
        wire_net_weather()->route = (enum wire_route)(1 + s->a % 3);
        break;
    case WIRE_DO_DEAD:
        wire_net_weather()->dead_addresses = s->a % 3;
        wire_net_weather()->dead_kind = s->a / 3;
        steps.stays[WIRE_DO_DEAD] = s->b % 2 == 1;
        break;
    case WIRE_DO_WEATHER:
        set_weather(s->a);
        break;
    default:
        jump(s->a);
        break;
    }
}

static void do_broker(const struct wire_step *s) {
    struct wire_manners *m = wire_broker_manners();
    switch (s->action) {
    case WIRE_DO_SILENCE:
        m->silent |= 1u << s->a;
        break;
    case WIRE_DO_REFUSE_CONNACK:
        m->refuse_connack = (uint8_t)s->a;
        break;
    case WIRE_DO_REFUSE_SUBACK:
        m->refuse_suback = (uint8_t)s->a;
        break;
    case WIRE_DO_REFUSE_PUBACK:
        m->refuse_puback = (uint8_t)s->a;
        break;
    case WIRE_DO_REFUSE_WILL:
        m->refuse_will = (uint8_t)s->a;
        steps.stays[WIRE_DO_REFUSE_WILL] = s->b % 2 == 1;
        break;
    case WIRE_DO_DISCONNECT:
        wire_broker_dismiss(clients[s->b & 1], (uint8_t)s->a, (s->b & 2) != 0);
        break;
    case WIRE_DO_RESTART:
        wire_broker_restart(s->b == 1, (uint8_t)s->a);
        break;
    case WIRE_DO_NO_BROKER:
        m->no_broker = true;
        break;
    case WIRE_DO_TERMS:
        set_terms(s->a, s->b);
        break;
    case WIRE_DO_SAY:
        say(s->a, s->b);
        break;
    case WIRE_DO_ODD_PUBACK:
        wire_broker_odd_puback(clients[s->b & 1], (uint16_t)(60000 + s->a));
        break;
    case WIRE_DO_REPEAT:
        wire_broker_repeat(clients[0]);
        break;
    case WIRE_DO_RESTLESS:
        be_restless();
        break;
    default:
        set_habits(s->a);
        break;
    }
}

static void do_worker(const struct wire_step *s) {
    switch (s->action) {
    case WIRE_DO_FAIL_COMMITS:
        wire_worker_fail_commits(s->a);
        break;
    case WIRE_DO_HOLD:
        wire_worker_hold(wire_clock_ms() + s->a);
        break;
    case WIRE_DO_SLOW:
        wire_worker_slow(s->a);
        break;
    case WIRE_DO_CRASH:
    case WIRE_DO_LEAVE:
        stop_worker(s->action == WIRE_DO_LEAVE, s->a);
        break;
    case WIRE_DO_PAUSE:
        wire_worker_pause(wire_clock_ms() + s->a);
        break;
    case WIRE_DO_WANDER:
        wire_worker_wander(s->a % 2 == 1);
        break;
    case WIRE_DO_FLOOD:
        flood();
        break;
    case WIRE_DO_FILTER:
        wire_worker_filter(s->a % WIRE_FILTERS);
        break;
    default:
        wire_worker_moved((s->a & 1) != 0);
        break;
    }
}

static void do_step(const struct wire_step *s) {
    wire_tell("-- %s %u %u", wire_action_name(s->action), s->a, s->b);
    switch (s->action) {
    case WIRE_DO_MESSAGES:
        publish_messages(1 + s->a, s->b);
        break;
    case WIRE_DO_SPOILT:
        publish_spoilt(s->a);
        break;
    case WIRE_DO_ROWS:
        add_rows(1 + s->a, s->b);
        break;
    case WIRE_DO_CUT:
    case WIRE_DO_HALF_OPEN:
    case WIRE_DO_STALL:
    case WIRE_DO_DEAFEN:
    case WIRE_DO_ROUTE:
    case WIRE_DO_DEAD:
    case WIRE_DO_WEATHER:
    case WIRE_DO_JUMP:
        do_network(s);
        break;
    case WIRE_DO_FAIL_COMMITS:
    case WIRE_DO_HOLD:
    case WIRE_DO_SLOW:
    case WIRE_DO_CRASH:
    case WIRE_DO_LEAVE:
    case WIRE_DO_FILTER:
    case WIRE_DO_MOVED:
    case WIRE_DO_PAUSE:
    case WIRE_DO_WANDER:
    case WIRE_DO_FLOOD:
        do_worker(s);
        break;
    default:
        do_broker(s);
        break;
    }
}

/* ---- faults that end ---- */

static bool lasts(enum wire_action action) {
    switch (action) {
    case WIRE_DO_SILENCE:
    case WIRE_DO_REFUSE_CONNACK:
    case WIRE_DO_REFUSE_SUBACK:
    case WIRE_DO_REFUSE_PUBACK:
    case WIRE_DO_REFUSE_WILL:
    case WIRE_DO_ROUTE:
    case WIRE_DO_NO_BROKER:
    case WIRE_DO_SLOW:
    case WIRE_DO_DEAD:
        return true;
    default:
        return false;
    }
}

static void undo(enum wire_action action) {
    struct wire_manners *m = wire_broker_manners();
    steps.ends_ms[action] = INT64_MAX;
    switch (action) {
    case WIRE_DO_SILENCE:
        m->silent = 0;
        break;
    case WIRE_DO_REFUSE_CONNACK:
        m->refuse_connack = 0;
        break;
    case WIRE_DO_REFUSE_SUBACK:
        m->refuse_suback = 0;
        break;
    case WIRE_DO_REFUSE_PUBACK:
        m->refuse_puback = 0;
        break;
    case WIRE_DO_REFUSE_WILL:
        m->refuse_will = 0;
        break;
    case WIRE_DO_ROUTE:
        wire_net_weather()->route = WIRE_CONNECTS;
        break;
    case WIRE_DO_NO_BROKER:
        m->no_broker = false;
        break;
    case WIRE_DO_DEAD:
        wire_net_weather()->dead_addresses = 0;
        break;
    default:
        wire_worker_slow(0);
        break;
    }
}

static void start_again(void) {
    steps.start_ms = INT64_MAX;
    wire_worker_start();
}

void wire_steps_do(void) {
    int64_t now_ms = wire_clock_ms();
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        if (steps.ends_ms[i] <= now_ms) {
            undo((enum wire_action)i);
        }
    }
    if (steps.start_ms <= now_ms) {
        start_again();
    }
    if (steps.restarts > 0 && steps.restart_ms <= now_ms) {
        restart_again();
    }
    while (steps.next < steps.plan->count && steps.plan->steps[steps.next].at_ms <= now_ms &&
           wire_tell_failure() == NULL) {
        const struct wire_step *s = &steps.plan->steps[steps.next++];
        do_step(s);
        if (lasts(s->action)) {
            steps.ends_ms[s->action] = steps.stays[s->action] ? INT64_MAX : wire_clock_ms() + s->b;
        }
    }
}

int64_t wire_steps_next_ms(void) {
    int64_t next_ms = steps.start_ms;
    if (steps.restarts > 0 && steps.restart_ms < next_ms) {
        next_ms = steps.restart_ms;
    }
    if (steps.next < steps.plan->count && steps.plan->steps[steps.next].at_ms < next_ms) {
        next_ms = steps.plan->steps[steps.next].at_ms;
    }
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        next_ms = steps.ends_ms[i] < next_ms ? steps.ends_ms[i] : next_ms;
    }
    return next_ms;
}

void wire_steps_heal(void) {
    steps.next = steps.plan->count;
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        if (lasts((enum wire_action)i) && !steps.stays[i]) {
            undo((enum wire_action)i);
        }
    }
    struct wire_manners *m = wire_broker_manners();
    m->lavish = false;
    m->answers_twice_in = m->withholds = 0;
    if (steps.stays[WIRE_DO_TERMS]) {
        m->terms.packet_max = 0; /* rows may be larger */
    } else {
        m->terms = (struct wire_terms){.qos_max = 2};
        m->hides = m->closes = false;
    }
    set_weather(0);
    wire_net_heal();
    wire_worker_hold(0);
    wire_worker_fail_commits(0);
    wire_worker_wander(false);
    if (!wire_worker_runs()) {
        start_again();
    }
}
