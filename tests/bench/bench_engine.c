/*
 * bench_engine.c - the engine alone: no broker, full-sync commits on a real disk.
 *
 *   bench_engine FOLDER [EVENTS [KEYS]]
 *   bench_engine --disk FOLDER [EVENTS [KEYS]]
 *   bench_engine --scale FOLDER [EVENTS [KEYS]]
 *   bench_engine --batches FOLDER [EVENTS]
 *   bench_engine --still FOLDER [EVENTS [KEYS]]
 *
 * Payloads are 200 bytes of JSON; the handler decodes them, increments a state value and publishes
 * a result, which the door acknowledges at once. With --batches the result is a sum: of one event
 * a run, then of batches of 100, turn about, and what is printed last is the ratio. Events are
 * offered as long as the engine accepts and its turn has not what a turn takes, as the host does
 * with what it reads from a socket. With --still the engine's clocks stand almost still, so that a
 * turn has 256 events however slowly this runs: for counting instructions, see ./run. With --disk each event has an idempotency key, and turns of 10,
 * 60 and 256 events are compared by the bytes they write. With --scale a store that knows KEYS keys with a state value
 * each, and as many idempotency keys, is compared with one that knows a thousand, turn about; so is the time of a
 * start. FOLDER is made, used and removed. Prints events a second and
 * what a turn was made of.
 */
#include "base/clock.h"
#include "lua/api/api.h"
#include "engine/engine.h"
#include "base/limits.h"
#include "event/value.h"
#include "journal/dedupe.h"
#include "journal/keyed.h"
#include "journal/outbox.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PAYLOAD_BYTES = 200,
    WINDOW = OUTBOX_WINDOW_MAX,
    PACKET_BYTES = 4 << 20,
    DONE_MAX = 65536,
    STILL_EVENTS = 256,
    FILL_ROWS = 1000000, /* in one transaction */
    FILL_TRIM = 1000,
    KEY_STEP = 7919 /* so that neighbours in time are none in the store */
};

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

/* The same in a store that knows many keys. */
static const struct workload scale = {
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

struct bench {
    struct conf *conf;
    struct store *store;
    struct script_host *scripts;
    struct engine *engine;
    int mids[DONE_MAX]; /* to be acknowledged before the next turn */
    size_t mid_count;
    int last_mid;
    uint64_t published;
    int64_t turn_us, commit_us;
    uint64_t known;   /* keys that the store knows at the start: --scale */
    int64_t start_us; /* of the engine */
    bool still;       /* --still */
    int64_t still_us; /* its clock: a microsecond with every look */
};

static int64_t clock_us(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) {
        perror("bench_engine: clock");
        exit(3);
    }
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void read_clocks(void *ctx, struct clock_reading *out) {
    (void)ctx;
    clock_read(out);
}

static int64_t monotonic_us(void *ctx) {
    struct bench *b = ctx;
    return b != NULL && b->still ? ++b->still_us : clock_us(CLOCK_MONOTONIC);
}

static int64_t processor_us(void *ctx) {
    struct bench *b = ctx;
    return b->still ? ++b->still_us : clock_thread_ns() / 1000;
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct bench *b = ctx;
    (void)p;
    if (b->mid_count == DONE_MAX) {
        return ERR_BUSY;
    }
    b->last_mid = b->last_mid % 65535 + 1;
    *mid = b->last_mid;
    b->mids[b->mid_count++] = *mid;
    b->published++;
    return 0;
}

static int call_start(void *ctx, uint64_t id, const struct call_request *request) {
    (void)ctx;
    (void)id;
    (void)request;
    return ERR_INVALID;
}

static void call_cancel(void *ctx, uint64_t id) {
    (void)ctx;
    (void)id;
}

static void command_done(void *ctx, struct command *command) {
    (void)ctx;
    (void)command;
}

static void need(int code, const struct report *r) {
    if (code != 0) {
        (void)fprintf(stderr, "bench_engine: %s %s\n", error_name(code), r->text);
        exit(3);
    }
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *fp = fopen(path, "w");
    if (fp == NULL || fputs(text, fp) < 0 || fclose(fp) != 0) {
        perror(path);
        exit(3);
    }
}

static void make_folder(const char *path) {
    if (mkdir(path, 0700) != 0) {
        perror(path);
        exit(3);
    }
}

/* A state value of one of the keys that `offer` uses. */
static void put_state(struct journal *j, uint16_t service, uint64_t n, struct slice value) {
    char key[32];
    (void)snprintf(key, sizeof key, "k%" PRIu64, n);
    uint64_t lane = journal_lane_of(j, slice_of("bench"), slice_of(key));
    struct cell cell = {.partition = journal_partition(lane),
                        .service = service,
                        .key = slice_of(key),
                        .name = slice_of("n")};
    need(journal_state_put(j, &cell, value, 0), &(struct report){"state"});
}

/* An idempotency key of an earlier time: they came evenly, as long as they are kept. */
static void put_note(struct journal *j, uint64_t n, uint64_t keys, int64_t keep_ms) {
    struct slice key = {(const char *)&n, sizeof n};
    struct dedupe_hash hash = journal_dedupe_hash(j, slice_of("bench"), slice_of("past"), key);
    struct uuid id = {{0}};
    struct uuid earlier;
    struct dedupe_time time = {.now_ms = clock_wall_ms() - keep_ms +
                                         (int64_t)(n * 1000 / keys) * keep_ms / 1000,
                               .keep_ms = keep_ms};
    int64_t next_ms;
    need(journal_dedupe(j, time, (uint8_t)(n % PARTITIONS), &hash, &id, &earlier),
         &(struct report){"idempotency key"});
    if (n % FILL_TRIM == 0) {
        need(journal_dedupe_trim(j, time.now_ms, FILL_TRIM, &next_ms), &(struct report){"trim"});
    }
}

/* What the store knows before the engine starts. */
static void fill(struct bench *b) {
    struct journal *j;
    struct report r = {""};
    struct buf one;
    uint16_t service;
    int64_t keep_ms = conf_keep_idempotency(b->conf, NULL);
    buf_init(&one, 64);
    need(value_from_json(slice_of("1"), &one, &r), &r);
    need(journal_open(&j, b->store, keep_ms, &r), &r);
    for (uint64_t n = 0; n < b->known; n++) {
        if (n % FILL_ROWS == 0) {
            need(store_begin(b->store), &r);
            need(journal_service_number(j, "bench", &service), &r);
        }
        put_state(j, service, n, buf_slice(&one));
        put_note(j, n, b->known, keep_ms);
        if ((n + 1) % FILL_ROWS == 0 || n + 1 == b->known) {
            need(store_commit(b->store), &r);
        }
    }
    journal_close(j);
    buf_clear(&one);
}

static void start(struct bench *b, const char *folder, const struct workload *work) {
    char path[4096];
    char conf[1024];
    struct report r = {""};
    make_folder(folder);
    (void)snprintf(path, sizeof path, "%s/scripts", folder);
    make_folder(path);
    write_text(folder, "scripts/h.lua", work->handler);
    (void)snprintf(conf, sizeof conf,
                   "store { path = \"data\" }\n"
                   "service \"bench\" { subscribe = {\"in\"} handler = \"h.lua\" %s }\n",
                   work->service);
    write_text(folder, "topics.conf", conf);
    (void)snprintf(path, sizeof path, "%s/topics.conf", folder);
    need(conf_load(&b->conf, path, NULL, &r), &r);
    need(script_host_new(&b->scripts, b->conf, &api_library), &r);
    need(script_load_all(b->scripts, &r), &r);
    struct store_options options = {.path = b->conf->store_path,
                                    .max_bytes = b->conf->store_max_bytes};
    need(store_open(&b->store, &options, &r), &r);
    const struct engine_doors doors = {.ctx = b,
                                       .read_clocks = read_clocks,
                                       .monotonic_us = monotonic_us,
                                       .processor_us = processor_us,
                                       .publish = publish,
                                       .call_start = call_start,
                                       .call_cancel = call_cancel,
                                       .command_done = command_done};
    struct engine_options engine = {
        .conf = b->conf, .store = b->store, .scripts = b->scripts, .doors = &doors, .seed = 1};
    fill(b);
    need(engine_new(&b->engine, &engine, &r), &r);
    engine_free(b->engine); /* the first start counts what the services keep */
    int64_t before = clock_us(CLOCK_MONOTONIC);
    need(engine_new(&b->engine, &engine, &r), &r);
    b->start_us = clock_us(CLOCK_MONOTONIC) - before;
    engine_connected(b->engine, WINDOW, PACKET_BYTES);
}

static void offer(struct bench *b, uint64_t n, uint64_t keys) {
    char payload[PAYLOAD_BYTES + 1];
    int len = snprintf(payload, sizeof payload,
                       "{\"id\":%" PRIu64 ",\"key\":\"k%" PRIu64
                       "\",\"user\":\"somebody@example.org\",\"amount\":4200,\"pad\":\"",
                       n, n * KEY_STEP % keys);
    memset(payload + len, 'x', (size_t)(PAYLOAD_BYTES - len - 2));
    memcpy(payload + PAYLOAD_BYTES - 2, "\"}", 3);
    struct event_bytes bytes = {.topic = slice_of("in"), .payload = {payload, PAYLOAD_BYTES}};
    need(engine_offer(b->engine, 0, &bytes, (struct offer){.qos = 1}), &(struct report){"offer"});
}

/* Acknowledges what left, which makes room for more, until nothing waits to leave. */
static void acknowledge(struct bench *b) {
    while (b->mid_count > 0) {
        size_t count = b->mid_count;
        b->mid_count = 0;
        for (size_t i = 0; i < count; i++) {
            engine_published(b->engine, b->mids[i], 0);
        }
        (void)engine_send(b->engine);
    }
}

static void turn(struct bench *b) {
    int64_t before = monotonic_us(NULL);
    struct engine_status status;
    engine_status(b->engine, &status);
    uint64_t commits = status.commits;
    need(engine_turn(b->engine), &(struct report){"turn"});
    engine_status(b->engine, &status);
    b->turn_us += monotonic_us(NULL) - before;
    b->commit_us += status.commits > commits ? status.commit_us_last : 0;
    acknowledge(b);
}

/* Bytes that this process has written, to whatever disk. */
static uint64_t written(void) {
    char line[128];
    uint64_t bytes = 0;
    FILE *fp = fopen("/proc/self/io", "r");
    while (fp != NULL && fgets(line, sizeof line, fp) != NULL) {
        (void)sscanf(line, "wchar: %" SCNu64, &bytes);
    }
    if (fp == NULL || fclose(fp) != 0 || bytes == 0) {
        perror("bench_engine: /proc/self/io");
        exit(3);
    }
    return bytes;
}

/* Returns events a second. */
static double run(struct bench *b, uint64_t events, uint64_t keys, size_t at_once) {
    int64_t before = monotonic_us(NULL);
    int64_t cpu_before = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t written_before = written();
    struct engine_status status;
    uint64_t offered = 0;
    do {
        for (size_t i = 0; i < at_once && offered < events && engine_accepts(b->engine); i++) {
            offer(b, offered++, keys);
        }
        turn(b);
        engine_status(b->engine, &status);
    } while (offered < events || status.waiting > 0 || status.outbox > 0);
    double seconds = (double)(monotonic_us(NULL) - before) / 1e6;
    double cpu = (double)(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_before) / 1e6;
    double turns = (double)status.turns;
    (void)printf("%" PRIu64 " events, %" PRIu64
                 " keys, %zu a turn: %.0f events/s (%.0f by CPU time)\n",
                 events, keys, at_once, (double)events / seconds, (double)events / cpu);
    (void)printf("  %.0f turns of %.0f events, %.0f us each, of it the commit %.0f us\n", turns,
                 (double)events / turns, (double)b->turn_us / turns, (double)b->commit_us / turns);
    (void)printf("  %.2f us and %.2f KB written an event, store %.1f MB\n",
                 seconds * 1e6 / (double)events,
                 (double)(written() - written_before) / 1e3 / (double)events,
                 (double)store_taken(b->store) / 1e6);
    return (double)events / seconds;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void stop(struct bench *b, const char *folder) {
    engine_free(b->engine);
    store_close(b->store);
    script_host_free(b->scripts);
    conf_free(b->conf);
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        perror(folder);
    }
}

static uint64_t number(const char *text, const char *what) {
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || n == 0) {
        (void)fprintf(stderr, "bench_engine: %s must be a number, not \"%s\"\n", what, text);
        exit(2);
    }
    return n;
}

static double measure(const char *folder, const struct workload *work, uint64_t events,
                      uint64_t keys, bool still, size_t at_once) {
    static struct bench b;
    b = (struct bench){.still = still, .known = work == &scale ? keys : 0};
    start(&b, folder, work);
    double rate = run(&b, events, keys, at_once);
    if (b.known > 0) {
        (void)printf("  the engine started in %.1f ms\n", (double)b.start_us / 1e3);
    }
    stop(&b, folder);
    return rate;
}

static void compare_batches(const char *folder, uint64_t events) {
    for (int round = 0; round < 3; round++) {
        double before = measure(folder, &one_by_one, events, 1, false, TURN_EVENTS_MAX / 2);
        double rate = measure(folder, &batches, events, 1, false, TURN_EVENTS_MAX / 2);
        double after = measure(folder, &one_by_one, events, 1, false, TURN_EVENTS_MAX / 2);
        (void)printf("batches of 100: %.2f times the events of runs of one\n",
                     2 * rate / (before + after));
    }
}

static void compare_turns(const char *folder, uint64_t events, uint64_t keys) {
    static const size_t at_once[] = {10, 60, STILL_EVENTS};
    for (size_t i = 0; i < sizeof at_once / sizeof *at_once; i++) {
        (void)measure(folder, &once, events, keys, true, at_once[i]);
    }
}

static void compare_scale(const char *folder, uint64_t events, uint64_t keys) {
    enum { FEW = 1000 };
    double few = measure(folder, &scale, events, FEW, false, STILL_EVENTS);
    double many = measure(folder, &scale, events, keys, false, STILL_EVENTS);
    few += measure(folder, &scale, events, FEW, false, STILL_EVENTS);
    (void)printf("%" PRIu64 " keys and idempotency keys: %.2f of the events a second with %d "
                 "(goal 0.7)\n",
                 keys, 2 * many / few, FEW);
}

int main(int argc, char **argv) {
    bool compare = argc > 1 && strcmp(argv[1], "--batches") == 0;
    bool still = argc > 1 && strcmp(argv[1], "--still") == 0;
    bool disk = argc > 1 && strcmp(argv[1], "--disk") == 0;
    bool at_scale = argc > 1 && strcmp(argv[1], "--scale") == 0;
    argv += compare || still || disk || at_scale ? 1 : 0;
    argc -= compare || still || disk || at_scale ? 1 : 0;
    if (argc < 2 || argc > (compare ? 3 : 4)) {
        (void)fprintf(stderr,
                      "usage: bench_engine [--still | --disk | --scale] FOLDER [EVENTS [KEYS]]\n"
                      "       bench_engine --batches FOLDER [EVENTS]\n");
        return 2;
    }
    uint64_t events = argc > 2 ? number(argv[2], "EVENTS") : 200000;
    uint64_t keys = argc > 3 ? number(argv[3], "KEYS") : 1000;
    if (at_scale) {
        compare_scale(argv[1], events, argc > 3 ? keys : 1000000);
    } else if (compare) {
        compare_batches(argv[1], events);
    } else if (disk) {
        compare_turns(argv[1], events, keys);
    } else if (argc > 3 || still) {
        (void)measure(argv[1], &keyed, events, keys, still,
                      still ? STILL_EVENTS : TURN_EVENTS_MAX / 2);
    } else {
        (void)measure(argv[1], &keyed, events, 1000, false, TURN_EVENTS_MAX / 2);
        (void)measure(argv[1], &keyed, events, 1, false, TURN_EVENTS_MAX / 2);
    }
    return 0;
}
