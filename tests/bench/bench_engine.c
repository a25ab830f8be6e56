/*
 * bench_engine.c - the engine alone: no broker, full-sync commits on a real disk; see alone.h.
 *
 *   bench_engine FOLDER [EVENTS [KEYS]]
 *   bench_engine --disk FOLDER [EVENTS [KEYS]]
 *   bench_engine --batches FOLDER [EVENTS]
 *   bench_engine --still FOLDER [EVENTS [KEYS]]
 *   bench_engine --log URL FOLDER [EVENTS [KEYS]]
 *
 * The handler decodes the payload, increments a state value and publishes a result. With --batches
 * the result is a sum: of one event a run, then of batches of 100, turn about, and what is printed
 * last is the ratio. --still is for counting instructions, see ./run. With --disk each event has an
 * idempotency key, and turns of 10, 60 and 256 events are compared by the bytes they write. With --log
 * turns have 256 events and are committed in the PostgreSQL of that URL first, "" is none. FOLDER is made, used and removed. Prints events a second and what a turn was made of.
 */
#include "alone.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

struct workload {
    const char *service, *handler;
};

static const struct workload keyed = {
    .service = "key = \"json:/key\"",
    .handler = "return function(event)\n"
               "  local order = event.json\n"
               "  local n = zing.state.incr('n')\n"
               "  zing.publish('out/' .. order.key, {id = order.id, n = n})\n"
               "end\n",
};

static const struct workload once = {
    .service = "key = \"json:/key\" idempotency = \"json:/id\"",
    .handler = "return function(event)\n"
               "  local order = event.json\n"
               "  local n = zing.state.incr('n')\n"
               "  zing.publish('out/' .. order.key, {id = order.id, n = n})\n"
               "end\n",
};

static const struct workload one_by_one = {
    .service = "batch = 1",
    .handler = "return function(event)\n"
               "  local sum = zing.state.incr('sum', event.json.amount)\n"
               "  zing.publish('out', {sum = sum})\n"
               "end\n",
};

static const struct workload batches = {
    .service = "batch = 100",
    .handler = "return function(events)\n"
               "  local sum = 0\n"
               "  for _, event in ipairs(events) do sum = sum + event.json.amount end\n"
               "  zing.publish('out', {sum = zing.state.incr('sum', sum)})\n"
               "end\n",
};

struct manner {
    size_t at_once;
    bool still;
    const char *log_url;
};

static const struct manner usual = {.at_once = TURN_EVENTS_MAX / 2};

static double measure(const char *folder, const struct workload *work, uint64_t events,
                      uint64_t keys, const struct manner *how) {
    char conf[1024];
    (void)snprintf(conf, sizeof conf,
                   "store { path = \"data\" }\n"
                   "service \"bench\" { subscribe = {\"in\"} handler = \"h.lua\" %s }\n",
                   work->service);
    const struct alone_script scripts[] = {{"h.lua", work->handler}, {NULL, NULL}};
    const struct alone_plan plan = {
        .conf = conf, .scripts = scripts, .still = how->still, .log_url = how->log_url};
    struct alone *a = alone_start(folder, &plan);
    struct alone_rate rate = alone_run(a, events, keys, how->at_once);
    alone_stop(a, false);
    return rate.by_clock;
}

static void compare_batches(const char *folder, uint64_t events) {
    for (int round = 0; round < 3; round++) {
        double before = measure(folder, &one_by_one, events, 1, &usual);
        double rate = measure(folder, &batches, events, 1, &usual);
        double after = measure(folder, &one_by_one, events, 1, &usual);
        (void)printf("batches of 100: %.2f times the events of runs of one\n",
                     2 * rate / (before + after));
    }
}

static void compare_turns(const char *folder, uint64_t events, uint64_t keys) {
    static const size_t at_once[] = {10, 60, STILL_EVENTS};
    for (size_t i = 0; i < sizeof at_once / sizeof *at_once; i++) {
        const struct manner how = {.at_once = at_once[i], .still = true};
        (void)measure(folder, &once, events, keys, &how);
    }
}

int main(int argc, char **argv) {
    bool compare = argc > 1 && strcmp(argv[1], "--batches") == 0;
    bool still = argc > 1 && strcmp(argv[1], "--still") == 0;
    bool disk = argc > 1 && strcmp(argv[1], "--disk") == 0;
    bool log = argc > 2 && strcmp(argv[1], "--log") == 0;
    struct manner how = usual;
    if (still || log) {
        how = (struct manner){.at_once = STILL_EVENTS, .still = true};
        how.log_url = log && argv[2][0] != '\0' ? argv[2] : NULL;
    }
    int options = log ? 2 : compare || still || disk ? 1 : 0;
    argv += options;
    argc -= options;
    if (argc < 2 || argc > (compare ? 3 : 4)) {
        (void)fprintf(stderr,
                      "usage: bench_engine [--still | --disk | --log URL] FOLDER [EVENTS [KEYS]]\n"
                      "       bench_engine --batches FOLDER [EVENTS]\n");
        return 2;
    }
    uint64_t events = argc > 2 ? alone_number(argv[2], "EVENTS") : 200000;
    uint64_t keys = argc > 3 ? alone_number(argv[3], "KEYS") : 1000;
    if (compare) {
        compare_batches(argv[1], events);
    } else if (disk) {
        compare_turns(argv[1], events, keys);
    } else if (argc > 3 || how.still) {
        (void)measure(argv[1], &keyed, events, keys, &how);
    } else {
        (void)measure(argv[1], &keyed, events, 1000, &how);
        (void)measure(argv[1], &keyed, events, 1, &how);
    }
    return 0;
}
