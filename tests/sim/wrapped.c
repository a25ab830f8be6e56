/*
 * wrapped.c - what the program asks of the system, made up: the linker (--wrap) leads its calls here.
 *
 * Random bytes come of a seed, Lua's processor time is counted in looks at the clock, LMDB does not
 * wait for a disk, and nothing is logged: what handlers say is heard by their host (node_logs).
 */
#include "wrapped.h"

#include "chance.h"
#include "node.h"
#include "wrap.h"

#include "base/log.h"
#include "engine/flow.h"
#include "journal/recent.h"

#include <lmdb.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct chance random_bytes = {1};
static int64_t looked_ns;

enum { LOOK_NS = 200000 };

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
WRAPPED(mdb_env_open);
WRAPPED(randombytes_buf);
WRAPPED(clock_thread_ns);
WRAPPED(window_left);
WRAPPED(recent_go_on);
WRAPPED(recent_due_ms);
WRAPPED(clock_monotonic_ns);
WRAPPED(log_line);
WRAPPED(log_text);

int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode) {
    return __real_mdb_env_open(env, path, flags | MDB_NOSYNC, mode);
}

void __wrap_randombytes_buf(void *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)out)[i] = (unsigned char)chance_next(&random_bytes, 256);
    }
}

/* The load is small, and so is memory: tenants wait on disk. */
size_t __wrap_window_left(size_t waiting) {
    enum { WINDOW = 6 };
    return waiting < WINDOW ? WINDOW - waiting : 0;
}

/* So are tables of idempotency keys: they count as full soon, so that keys are looked up in
 * buckets. */
static int64_t soon(int64_t full_ms) {
    enum { FULL_MS = 100 };
    return full_ms < FULL_MS ? full_ms : FULL_MS;
}

int __wrap_recent_go_on(struct journal *j, int64_t now_ms, int64_t full_ms, struct key *k,
                        struct dedupe_note *note) {
    return __real_recent_go_on(j, now_ms, soon(full_ms), k, note);
}

int64_t __wrap_recent_due_ms(const struct journal *j, int64_t now_ms, int64_t full_ms) {
    return __real_recent_due_ms(j, now_ms, soon(full_ms));
}

int64_t __wrap_clock_thread_ns(void) {
    return looked_ns += LOOK_NS;
}

int64_t __wrap_clock_monotonic_ns(void) {
    return looked_ns += LOOK_NS;
}

/* The log is silent. */
void __wrap_log_line(enum log_level level, const char *area, const char *format, ...) {
    (void)level;
    (void)area;
    (void)format;
}

/* A handler's line, which may be a mine. */
void __wrap_log_text(enum log_level level, const char *area, struct slice message,
                     struct slice more) {
    char text[128];
    (void)more;
    if (level == LOG_LEVEL_WARN && strcmp(area, "handler") == 0) {
        (void)snprintf(text, sizeof text, "%.*s", (int)message.len, message.data);
        node_logs(text);
    }
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

void wrapped_begin(uint64_t seed) {
    random_bytes = chance_of_seed(seed);
    looked_ns = 0;
}
