/*
 * alone.c - see alone.h.
 */
#include "alone.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/temp.h"
#include "cluster/turns.h"
#include "conf/conf.h"
#include "journal/home.h"
#include "journal/outbox.h"
#include "lua/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { CONNECT_MS = 20000 };
enum { PAYLOAD_BYTES = 200, WINDOW = OUTBOX_WINDOW_MAX, PACKET_BYTES = 4 << 20, DONE_MAX = 65536 };

struct alone {
    char *folder;

    struct conf *conf;
    struct store *store;
    struct turns *turns; /* of the log, if there is one */
    struct script_host *scripts;
    struct engine *engine;
    int mids[DONE_MAX]; /* to be acknowledged before the next turn */
    size_t mid_count;
    int last_mid;
    uint64_t published;
    int64_t turn_us, commit_us;
    int64_t start_us; /* of the engine */
    bool still;
    int64_t still_us; /* its clock: a microsecond with every look */
};

static int64_t clock_us(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) {
        perror("bench: clock");
        exit(3);
    }
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void read_clocks(void *ctx, struct clock_reading *out) {
    (void)ctx;
    clock_read(out);
}

static int64_t monotonic_us(void *ctx) {
    struct alone *a = ctx;
    return a != NULL && a->still ? ++a->still_us : clock_us(CLOCK_MONOTONIC);
}

static int64_t processor_us(void *ctx) {
    struct alone *a = ctx;
    return a->still ? ++a->still_us : clock_thread_ns() / 1000;
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct alone *a = ctx;
    (void)p;
    if (a->mid_count == DONE_MAX) {
        return ERR_BUSY;
    }
    a->last_mid = a->last_mid % 65535 + 1;
    *mid = a->last_mid;
    a->mids[a->mid_count++] = *mid;
    a->published++;
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

void alone_need(int code, const char *what) {
    if (code != 0) {
        (void)fprintf(stderr, "bench: %s %s\n", error_name(code), what);
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

/* --- start and end --- */

static void make_files(const char *folder, const struct alone_plan *plan) {
    char path[4096];
    make_folder(folder);
    (void)snprintf(path, sizeof path, "%s/scripts", folder);
    make_folder(path);
    for (const struct alone_script *s = plan->scripts; s->name != NULL; s++) {
        (void)snprintf(path, sizeof path, "scripts/%s", s->name);
        write_text(folder, path, s->text);
    }
    write_text(folder, "topics.conf", plan->conf);
}

static void fill(struct alone *a, const struct alone_plan *plan) {
    struct journal *j;
    struct report r = {""};
    int64_t keep_ms = conf_keep_idempotency(a->conf, NULL);
    alone_need(journal_open(&j, a->store, keep_ms, &r), r.text);
    plan->fill(j, a->store, keep_ms, plan->rows);
    journal_close(j);
}

/* No snapshots are taken, so it grows. */
static void join_log(struct alone *a, const char *url) {
    static const uint8_t new_one[LOG_ID_BYTES] = {0};
    struct report r = {""};
    char name[64];
    (void)snprintf(name, sizeof name, "bench-%" PRId64, clock_us(CLOCK_REALTIME));
    const struct turns_options options = {.url = url, .name = name, .owner = name};
    alone_need(turns_new(&a->turns, &options, &r), r.text);
    alone_need(turns_join(a->turns, new_one, CONNECT_MS, &r), r.text);
    alone_need(store_use_log(a->store, turns_log(a->turns), journal_home, &r), r.text);
}

static void start_engine(struct alone *a) {
    struct report r = {""};
    const struct engine_doors doors = {.ctx = a,
                                       .read_clocks = read_clocks,
                                       .monotonic_us = monotonic_us,
                                       .processor_us = processor_us,
                                       .publish = publish,
                                       .call_start = call_start,
                                       .call_cancel = call_cancel,
                                       .command_done = command_done};
    struct engine_options engine = {
        .conf = a->conf, .store = a->store, .scripts = a->scripts, .doors = &doors, .seed = 1};
    alone_need(engine_new(&a->engine, &engine, &r), r.text);
    engine_free(a->engine); /* the first start counts what the services keep */
    int64_t before = clock_us(CLOCK_MONOTONIC);
    alone_need(engine_new(&a->engine, &engine, &r), r.text);
    a->start_us = clock_us(CLOCK_MONOTONIC) - before;
    engine_connected(a->engine, WINDOW, PACKET_BYTES);
}

struct alone *alone_start(const char *folder, const struct alone_plan *plan) {
    char path[4096];
    struct report r = {""};
    struct alone *a = calloc(1, sizeof *a);
    alone_need(a == NULL || (a->folder = strdup(folder)) == NULL ? ERR_MEMORY : 0, "start");
    a->still = plan->still;
    log_set(&(struct log_settings){.level = LOG_LEVEL_ERROR}); /* what dies, dies on purpose */
    make_files(folder, plan);
    (void)snprintf(path, sizeof path, "%s/topics.conf", folder);
    alone_need(conf_load(&a->conf, path, NULL, &r), r.text);
    alone_need(script_host_new(&a->scripts, a->conf, &api_library), "scripts");
    alone_need(script_load_all(a->scripts, &r), r.text);
    struct store_options options = {.path = a->conf->store_path,
                                    .max_bytes = a->conf->store_max_bytes,
                                    .logged = plan->log_url != NULL};
    alone_need(store_open(&a->store, &options, &r), r.text);
    if (plan->log_url != NULL) {
        join_log(a, plan->log_url);
    }
    if (plan->fill != NULL) {
        fill(a, plan);
    }
    start_engine(a);
    return a;
}

int64_t alone_start_us(const struct alone *a) {
    return a->start_us;
}

void alone_stop(struct alone *a, bool keep) {
    engine_free(a->engine);
    store_close(a->store);
    turns_free(a->turns);
    script_host_free(a->scripts);
    conf_free(a->conf);
    if (!keep) {
        alone_need(temp_folder_remove(a->folder), a->folder);
    }
    free(a->folder);
    free(a);
}

/* --- turns --- */

void alone_offer(struct alone *a, size_t service, uint64_t n, uint64_t keys) {
    char payload[PAYLOAD_BYTES + 1];
    int len = snprintf(payload, sizeof payload,
                       "{\"id\":%" PRIu64 ",\"key\":\"k%" PRIu64
                       "\",\"user\":\"somebody@example.org\",\"amount\":4200,\"pad\":\"",
                       n, n * ALONE_KEY_STEP % keys);
    memset(payload + len, 'x', (size_t)(PAYLOAD_BYTES - len - 2));
    memcpy(payload + PAYLOAD_BYTES - 2, "\"}", 3);
    struct event_bytes bytes = {.topic = slice_of("in"), .payload = {payload, PAYLOAD_BYTES}};
    alone_need(engine_offer(a->engine, service, &bytes, (struct offer){.qos = 1}), "offer");
}

/* Acknowledges what left, which makes room for more, until nothing waits to leave. */
static void acknowledge(struct alone *a) {
    while (a->mid_count > 0) {
        size_t count = a->mid_count;
        a->mid_count = 0;
        for (size_t i = 0; i < count; i++) {
            engine_published(a->engine, a->mids[i], 0);
        }
        (void)engine_send(a->engine);
    }
}

void alone_turn(struct alone *a) {
    int64_t before = monotonic_us(NULL);
    struct engine_status status;
    engine_status(a->engine, &status);
    uint64_t commits = status.commits;
    alone_need(engine_turn(a->engine), "turn");
    engine_status(a->engine, &status);
    a->turn_us += monotonic_us(NULL) - before;
    a->commit_us += status.commits > commits ? status.commit_us_last : 0;
    acknowledge(a);
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
        perror("bench: /proc/self/io");
        exit(3);
    }
    return bytes;
}

void alone_status(struct alone *a, struct engine_status *out) {
    engine_status(a->engine, out);
}

struct alone_rate alone_run(struct alone *a, uint64_t events, uint64_t keys, size_t at_once) {
    struct engine_status status;
    engine_status(a->engine, &status);
    const struct engine_status before = status;
    int64_t before_us = clock_us(CLOCK_MONOTONIC);
    int64_t cpu_before_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t written_before = written();
    uint64_t offered = 0;
    a->turn_us = 0;
    a->commit_us = 0;
    do {
        for (size_t i = 0; i < at_once && offered < events && engine_accepts(a->engine); i++) {
            alone_offer(a, 0, offered++, keys);
        }
        alone_turn(a);
        engine_status(a->engine, &status);
    } while (offered < events || status.waiting > before.waiting || status.outbox > 0);
    double seconds = (double)(clock_us(CLOCK_MONOTONIC) - before_us) / 1e6;
    double cpu = (double)(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_us) / 1e6;
    double turns = (double)(status.turns - before.turns);
    struct alone_rate rate = {(double)events / seconds, (double)events / cpu};
    (void)printf("%" PRIu64 " events, %" PRIu64
                 " keys, %zu a turn: %.0f events/s (%.0f by CPU time)\n",
                 events, keys, at_once, rate.by_clock, rate.by_cpu);
    (void)printf("  %.0f turns of %.0f events, %.0f us each, of it the commit %.0f us\n", turns,
                 (double)events / turns, (double)a->turn_us / turns, (double)a->commit_us / turns);
    (void)printf("  %.2f us and %.2f KB written an event, store %.1f MB\n",
                 seconds * 1e6 / (double)events,
                 (double)(written() - written_before) / 1e3 / (double)events,
                 (double)store_taken(a->store) / 1e6);
    (void)fflush(stdout);
    return rate;
}

uint64_t alone_number(const char *text, const char *what) {
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || n == 0) {
        (void)fprintf(stderr, "bench: %s must be a number, not \"%s\"\n", what, text);
        exit(2);
    }
    return n;
}
