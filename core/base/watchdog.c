/*
 * watchdog.c - see base/watchdog.h.
 *
 * The clock is a timer on the thread's processor time whose signal is sent to that very thread. So
 * an idle host is never woken, counting needs no other thread, and the handler runs on the stack
 * that it has to report. It calls only functions that are safe there: backtrace() is called once at
 * the start, because its first call loads a library.
 */
#include "base/watchdog.h"

#include "base/limits.h"

#include <assert.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc has this name since 2.38 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
    TICKS = 32,            /* of processor time, until a run has taken too long */
    FRAMES_MAX = 64,       /* of the backtrace */
    NAMED_MAX = 4,         /* events of a batch that are named in the report */
    REPORT_SECONDS_MAX = 5 /* for the backtrace, in case the stack is unreadable */
};

static struct {
    struct culprit *culprit; /* NULL = nothing is watched */
    timer_t timer;
    unsigned turn, ticks;   /* the run being counted, and its ticks so far */
    volatile unsigned over; /* the run that has taken too long; 0 = none */
    void (*volatile look)(void *ctx);
    void *volatile look_ctx;
} dog;

static int tick_signal(void) {
    return SIGRTMIN + 3;
}

/* --- the report; everything here runs in the signal handler --- */

static void say(const char *text) {
    size_t len = strlen(text);
    ssize_t written = write(STDERR_FILENO, text, len);
    (void)written; /* nobody is left to report it to */
}

static void say_number(unsigned number) {
    char text[16];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    say(at);
}

static void say_who(const struct culprit_record *now) {
    static const char *const phases[] = {
        [CULPRIT_STOPPED] = "stopped", [CULPRIT_LOAD] = "load",     [CULPRIT_IDLE] = "idle",
        [CULPRIT_ADMIT] = "admit",     [CULPRIT_RUN] = "run",       [CULPRIT_APPLY] = "apply",
        [CULPRIT_POLICY] = "policy",   [CULPRIT_ANSWER] = "answer", [CULPRIT_SEND] = "send",
        [CULPRIT_COMMIT] = "commit",
    };
    bool known = now->phase < sizeof phases / sizeof phases[0];
    say(" phase=");
    say(known ? phases[now->phase] : "?");
    for (uint32_t i = 0; i < now->count && i < NAMED_MAX; i++) {
        char id[UUID_TEXT_BYTES + 1];
        say(" service_number=");
        say_number(now->events[i].service);
        say(" id=");
        say(uuid_text(&now->events[i].id, id));
    }
    if (now->count > NAMED_MAX) {
        say(" and others of its batch");
    }
}

static _Noreturn void give_up(void) {
    void *frames[FRAMES_MAX];
    culprit_hung(dog.culprit);
    (void)alarm(REPORT_SECONDS_MAX);
    say("zingq: one run has used the processor for too long and cannot be interrupted: aborting, "
        "so "
        "that a restart continues without it.");
    say_who(culprit_now(dog.culprit));
    say("\n");
    int count = backtrace(frames, FRAMES_MAX);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    abort();
}

static void on_tick(int number) {
    (void)number;
    int saved = errno;
    unsigned turn = culprit_turn(dog.culprit);
    dog.ticks = turn == dog.turn ? dog.ticks + 1 : 0;
    dog.turn = turn;
    if (turn != 0 && dog.ticks >= TICKS) {
        dog.over = turn;
    }
    if (turn != 0 && dog.ticks >= TICKS * WATCHDOG_ABORT_FACTOR) {
        give_up();
    }
    if (turn != 0 && dog.look != NULL) {
        dog.look(dog.look_ctx);
    }
    errno = saved;
}

/* --- its life --- */

static void prime_backtrace(void) {
    void *frame;
    (void)backtrace(&frame, 1);
}

static int set_timer(int64_t tick_ms) {
    struct timespec tick = {.tv_sec = (time_t)(tick_ms / 1000),
                            .tv_nsec = (long)(tick_ms % 1000) * 1000000};
    const struct itimerspec spec = {.it_interval = tick, .it_value = tick};
    return timer_settime(dog.timer, 0, &spec, NULL);
}

static int start(int64_t tick_ms) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = tick_signal()};
    event.sigev_notify_thread_id = gettid();
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(tick_signal(), &action, NULL) != 0) {
        return errno;
    }
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &dog.timer) != 0) {
        return errno;
    }
    if (set_timer(tick_ms) != 0) {
        int error = errno;
        (void)timer_delete(dog.timer);
        return error;
    }
    return 0;
}

int watchdog_start(struct culprit *culprit, int64_t limit_ms, struct report *r) {
    assert(dog.culprit == NULL && culprit != NULL && limit_ms >= TICKS);
    prime_backtrace();
    dog.turn = 0;
    dog.ticks = 0;
    dog.over = 0;
    dog.culprit = culprit;
    atomic_signal_fence(memory_order_seq_cst);
    int error = start(limit_ms / TICKS);
    if (error != 0) {
        dog.culprit = NULL;
        return report(r, ERR_SYSTEM, "cannot watch the processor time of runs: %s",
                      strerror(error));
    }
    return 0;
}

/* A tick that is already under way finds nothing to check. */
void watchdog_stop(void) {
    if (dog.culprit == NULL) {
        return;
    }
    int rc = timer_delete(dog.timer);
    assert(rc == 0);
    (void)signal(tick_signal(), SIG_IGN);
    dog.culprit = NULL;
}

bool watchdog_over(void) {
    unsigned turn = culprit_turn(dog.culprit);
    return turn != 0 && turn == dog.over;
}

/* The pointer is never seen together with another call's context. */
void watchdog_call(void (*look)(void *ctx), void *ctx) {
    dog.look = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    dog.look_ctx = ctx;
    atomic_signal_fence(memory_order_seq_cst);
    dog.look = look;
}

int64_t watchdog_limit_ms(int64_t lua_time_ms) {
    int64_t limit_ms = lua_time_ms * WATCHDOG_LUA_TIMES;
    return limit_ms > WATCHDOG_MS_MIN ? limit_ms : WATCHDOG_MS_MIN;
}
