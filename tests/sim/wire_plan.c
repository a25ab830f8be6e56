/*
 * wire_plan.c - see wire_plan.h.
 *
 * Every seed draws which kinds of fault there are at all in its world: a world with three kinds
 * goes deeper into each than one with thirty.
 */
#include "wire_plan.h"

#include "wire_packet.h"
#include "wire_random.h"

#include <assert.h>
#include <string.h>

static const uint8_t connack_reasons[] = {0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
                                          0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
                                          0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f};
static const uint8_t suback_reasons[] = {0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2};
static const uint8_t puback_reasons[] = {0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
static const uint8_t end_reasons[] = {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e,
                                      0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
                                      0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2};
static const uint8_t silent_types[] = {WIRE_CONNACK, WIRE_SUBACK, WIRE_PUBACK, WIRE_PINGRESP,
                                       WIRE_UNSUBACK};
static const uint8_t will_reasons[] = {1, 0x80, 0x87, 0x90, 0x95, 0x9a, 0x9b};

/* Where the arguments come from: one of a list of reasons, or a number up to the most. */
static const struct kind {
    const char *name;
    uint32_t weight;
    const uint8_t *list;
    size_t list_len;
    uint32_t a_most, b_most;
} kinds[WIRE_DO_COUNT] = {
    [WIRE_DO_MESSAGES] = {"messages", 16, NULL, 0, 40, 16},
    [WIRE_DO_SPOILT] = {"spoilt", 4, NULL, 0, WIRE_SPOIL_COUNT - 1, 1},
    [WIRE_DO_ROWS] = {"rows", 12, NULL, 0, 40, 16},
    [WIRE_DO_CUT] = {"cut", 6, NULL, 0, 400, 16},
    [WIRE_DO_HALF_OPEN] = {"half-open", 2, NULL, 0, 2, 1},
    [WIRE_DO_STALL] = {"stall", 3, NULL, 0, 90000, 2},
    [WIRE_DO_DEAFEN] = {"deafen", 2, NULL, 0, 60000, 2},
    [WIRE_DO_SILENCE] = {"silence", 3, silent_types, sizeof silent_types, 0, 90000},
    [WIRE_DO_REFUSE_CONNACK] = {"refuse-connect", 3, connack_reasons, sizeof connack_reasons, 0,
                                20000},
    [WIRE_DO_REFUSE_SUBACK] = {"refuse-subscribe", 3, suback_reasons, sizeof suback_reasons, 0,
                               60000},
    [WIRE_DO_REFUSE_PUBACK] = {"refuse-publish", 3, puback_reasons, sizeof puback_reasons, 0,
                               30000},
    [WIRE_DO_REFUSE_WILL] = {"refuse-will", 2, will_reasons, sizeof will_reasons, 0, 60000},
    [WIRE_DO_DISCONNECT] = {"disconnect", 4, end_reasons, sizeof end_reasons, 0, 4},
    [WIRE_DO_RESTART] = {"restart", 3, end_reasons, sizeof end_reasons, 0, 2},
    [WIRE_DO_ROUTE] = {"route", 2, NULL, 0, 3, 60000},
    [WIRE_DO_NO_BROKER] = {"no-broker", 1, NULL, 0, 1, 10000},
    [WIRE_DO_TERMS] = {"terms", 4, NULL, 0, 1u << 13, 4},
    [WIRE_DO_SAY] = {"say", 3, NULL, 0, 20, 2},
    [WIRE_DO_ODD_PUBACK] = {"odd-puback", 2, NULL, 0, 100, 2},
    [WIRE_DO_REPEAT] = {"repeat", 2, NULL, 0, 1, 1},
    [WIRE_DO_FAIL_COMMITS] = {"commits-fail", 3, NULL, 0, 4, 1},
    [WIRE_DO_HOLD] = {"hold", 3, NULL, 0, 120000, 1},
    [WIRE_DO_SLOW] = {"slow", 2, NULL, 0, 3000, 30000},
    [WIRE_DO_CRASH] = {"crash", 4, NULL, 0, 20000, 1},
    [WIRE_DO_LEAVE] = {"leave", 2, NULL, 0, 20000, 1},
    [WIRE_DO_JUMP] = {"jump", 2, NULL, 0, 600000, 1},
    [WIRE_DO_FILTER] = {"filter", 4, NULL, 0, WIRE_FILTERS, 1},
    [WIRE_DO_MOVED] = {"moved", 1, NULL, 0, 2, 1},
    [WIRE_DO_WEATHER] = {"weather", 4, NULL, 0, 8, 1},
    [WIRE_DO_DEAD] = {"dead-addresses", 2, NULL, 0, 15, 60000},
    [WIRE_DO_PAUSE] = {"pause", 2, NULL, 0, 120000, 1},
    [WIRE_DO_WANDER] = {"wander", 2, NULL, 0, 2, 1},
    [WIRE_DO_FLOOD] = {"flood", 1, NULL, 0, 1, 1},
    [WIRE_DO_RESTLESS] = {"restless", 1, NULL, 0, 1, 1},
    [WIRE_DO_HABITS] = {"habits", 3, NULL, 0, 16, 1},
};

const char *wire_action_name(enum wire_action action) {
    assert(action < WIRE_DO_COUNT);
    return kinds[action].name;
}

static void make_setup(struct wire_plan *plan, struct wire_random *r) {
    static const uint16_t receive_maxima[] = {1, 2, 5, 20, 1000, 65535};
    static const uint32_t packet_maxima[] = {0, 0, 2000, 20000, 400000};
    static const uint32_t intakes[] = {1, 16, 64, 1000};
    static const uint32_t windows[] = {1, 3, 20, 500};
    plan->setup = (struct wire_worker_setup){
        .one_door = wire_random_one_in(r, 3),
        .alone = wire_random_one_in(r, 4),
        .will = !wire_random_one_in(r, 3),
        .receive_max = receive_maxima[wire_random_below(r, 6)],
        .packet_max = packet_maxima[wire_random_below(r, 5)],
        .intake = intakes[wire_random_below(r, 4)],
        .window = windows[wire_random_below(r, 4)],
    };
    plan->narrow = wire_random_one_in(r, 4);
}

/* Small numbers are as likely as large ones. */
static uint32_t draw(struct wire_random *r, uint32_t most) {
    uint32_t n = wire_random_below(r, most);
    return wire_random_one_in(r, 2) ? n : n >> wire_random_below(r, 8);
}

static enum wire_action draw_action(struct wire_random *r, const bool *enabled) {
    uint32_t sum = 0;
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        sum += enabled[i] ? kinds[i].weight : 0;
    }
    uint32_t at = wire_random_below(r, sum);
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        uint32_t weight = enabled[i] ? kinds[i].weight : 0;
        if (at < weight) {
            return (enum wire_action)i;
        }
        at -= weight;
    }
    return WIRE_DO_MESSAGES;
}

void wire_plan_make(struct wire_plan *plan, uint64_t seed) {
    static const uint32_t spans_ms[] = {2000, 20000, 120000, 900000};
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    struct wire_random r = wire_random_stream(seed, 1);
    make_setup(plan, &r);
    bool enabled[WIRE_DO_COUNT];
    uint32_t one_in = 1 + wire_random_below(&r, 6);
    for (int i = 0; i < WIRE_DO_COUNT; i++) {
        enabled[i] = i == WIRE_DO_MESSAGES || i == WIRE_DO_ROWS || wire_random_one_in(&r, one_in);
    }
    enabled[WIRE_DO_FLOOD] = wire_random_one_in(&r, 100); /* it takes as long as a hundred others */
    enabled[WIRE_DO_RESTLESS] = wire_random_one_in(&r, 50);
    plan->count = 4 + wire_random_below(&r, WIRE_STEPS_MAX - 4);
    uint32_t span_ms = spans_ms[wire_random_below(&r, 4)];
    int64_t at_ms = 0;
    for (size_t i = 0; i < plan->count; i++) {
        enum wire_action action = draw_action(&r, enabled);
        const struct kind *kind = &kinds[action];
        at_ms += wire_random_one_in(&r, 3) ? 0 : draw(&r, 2 * span_ms / (uint32_t)plan->count + 1);
        uint32_t a = kind->list != NULL
                         ? kind->list[wire_random_below(&r, (uint32_t)kind->list_len)]
                         : draw(&r, kind->a_most);
        enabled[WIRE_DO_FLOOD] = enabled[WIRE_DO_FLOOD] && action != WIRE_DO_FLOOD;
        enabled[WIRE_DO_RESTLESS] = enabled[WIRE_DO_RESTLESS] && action != WIRE_DO_RESTLESS;
        plan->steps[i] = (struct wire_step){at_ms, action, a, draw(&r, kind->b_most)};
    }
    plan->ends_ms = at_ms + draw(&r, span_ms);
}
