/*
 * wire_world.c - see wire_world.h.
 *
 * A round: what is due in the plan, then the network, the broker, threads, the loop and the worker
 * until none of them has anything left to do at this moment; then the clock moves on to the next
 * moment at which one of them has. After the plan's end: every fault is over, the connections must
 * come up, break once more (so that what the door has learned of this broker is forgotten), come up
 * again, and all must be through; then nothing may happen for a while.
 */
#include "wire_world.h"

#include "wire_broker.h"
#include "wire_check.h"
#include "wire_os.h"
#include "wire_steps.h"
#include "wire_tell.h"

#include <assert.h>
#include <uv.h>

enum {
    ROUNDS_MAX = 1000000, /* at one moment */
    UP_MS_MAX = 400000,   /* the wait after a takeover is 5 min */
    THROUGH_MS_MAX = 180000,
    STEADY_MS = 10000, /* long enough to make the door forget what it learned */
    PEACE_MS = 200000,
    LOOK_MS = 1000,
};

enum phase { FAULTS, HEALING, MENDED, PEACE, DONE };

static struct {
    uv_loop_t loop;
    const struct wire_plan *plan;
    enum phase phase;
    int64_t phase_ms;   /* when it began */
    int64_t up_ms;      /* HEALING: both connections are up since; < 0 = they are not */
    size_t downs;       /* PEACE: of the worker, when it began */
    int64_t settled_ms; /* how long it took */
} world;

/* ---- a moment ---- */

static bool run_threads(void) {
    bool ran = false;
    while (wire_os_thread_ms() <= wire_clock_ms()) {
        wire_os_run_thread();
        ran = true;
    }
    return ran;
}

static bool loop_is_busy(void) {
    return uv_loop_alive(&world.loop) &&
           (uv_backend_timeout(&world.loop) == 0 || wire_os_readable(uv_backend_fd(&world.loop)));
}

/* A watcher that was set in one run of the loop is polled in the next: two quiet ones in a row. */
static void settle(void) {
    unsigned quiet = 0;
    for (unsigned rounds = 0; quiet < 2 && wire_tell_failure() == NULL; rounds++) {
        size_t told = wire_tell_count();
        bool moved = wire_net_pump();
        wire_broker_tick();
        moved = run_threads() || moved;
        uv_update_time(&world.loop);
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
        moved = wire_worker_work() || moved;
        moved = moved || told != wire_tell_count() || loop_is_busy();
        quiet = moved ? 0 : quiet + 1;
        if (rounds == ROUNDS_MAX) {
            wire_wrong("the loop spins: %u rounds at one moment", rounds);
        }
    }
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_ms(void) {
    int timeout_ms = uv_loop_alive(&world.loop) ? uv_backend_timeout(&world.loop) : -1;
    int64_t next = timeout_ms < 0 ? INT64_MAX : wire_clock_ms() + timeout_ms;
    next = sooner(next, wire_net_next_ms());
    next = sooner(next, wire_broker_next_ms());
    next = sooner(next, wire_os_thread_ms());
    next = sooner(next, wire_worker_next_ms());
    next = sooner(next, wire_steps_next_ms());
    if (world.phase == FAULTS) {
        return wire_steps_go_on() ? next : sooner(next, world.plan->ends_ms);
    }
    return sooner(next, wire_clock_ms() + LOOK_MS);
}

static void move_on(void) {
    int64_t next = next_ms();
    int64_t now_ms = wire_clock_ms();
    wire_clock_move(next > now_ms ? next : now_ms + 1);
    uv_update_time(&world.loop);
}

/* ---- phases ---- */

static void enter(enum phase phase) {
    world.phase = phase;
    world.phase_ms = wire_clock_ms();
    world.up_ms = -1;
}

static void heal(void) {
    enter(HEALING);
    wire_tell("the faults end");
    wire_steps_heal();
    wire_broker_restart(false, 0);
}

static void look_healing(int64_t in_phase_ms) {
    bool up = wire_worker_is_up();
    if (!up) {
        world.up_ms = -1;
    } else if (world.up_ms < 0) {
        world.up_ms = wire_clock_ms();
    } else if (wire_clock_ms() - world.up_ms >= STEADY_MS) {
        world.settled_ms = in_phase_ms;
        enter(MENDED);
        wire_broker_restart(false, 0);
        return;
    }
    if (in_phase_ms > UP_MS_MAX) {
        wire_wrong("stuck: no connection stands %d s after the faults ended", UP_MS_MAX / 1000);
    }
}

static void look_mended(int64_t in_phase_ms) {
    const char *unsettled = wire_worker_unsettled();
    if (unsettled == NULL) {
        world.settled_ms += in_phase_ms;
        world.downs = wire_worker_figures()->downs;
        enter(PEACE);
    } else if (in_phase_ms > THROUGH_MS_MAX) {
        wire_wrong("stuck: %s, %d s after the faults ended", unsettled, THROUGH_MS_MAX / 1000);
    }
}

static void look_peace(int64_t in_phase_ms) {
    if (wire_worker_figures()->downs != world.downs) {
        wire_wrong("a connection ends though nothing happens");
    } else if (in_phase_ms >= PEACE_MS) {
        enter(DONE);
    }
}

static void look(void) {
    int64_t in_phase_ms = wire_clock_ms() - world.phase_ms;
    switch (world.phase) {
    case FAULTS:
        if (wire_clock_ms() >= world.plan->ends_ms && !wire_steps_go_on()) {
            heal();
        }
        break;
    case HEALING:
        look_healing(in_phase_ms);
        break;
    case MENDED:
        look_mended(in_phase_ms);
        break;
    case PEACE:
        look_peace(in_phase_ms);
        break;
    default:
        break;
    }
}

/* ---- a world ---- */

static void begin(const struct wire_plan *plan, bool loud) {
    wire_os_begin(plan->seed);
    wire_tell_begin(loud);
    wire_check_begin();
    wire_net_begin(plan->seed);
    wire_net_weather()->narrow = plan->narrow;
    wire_broker_begin();
    world.plan = plan;
    world.settled_ms = 0;
    enter(FAULTS);
    int failed = uv_loop_init(&world.loop);
    assert(failed == 0);
    wire_worker_begin(&world.loop, &plan->setup);
    wire_steps_begin(plan);
}

static void count(struct wire_totals *t) {
    const struct wire_broker_figures *broker = wire_broker_figures();
    const struct wire_worker_figures *worker = wire_worker_figures();
    t->worlds++;
    t->connects += wire_net_connects();
    t->cuts += wire_net_cuts();
    t->messages += broker->messages;
    t->redelivered += broker->redelivered;
    t->refused_connects += broker->refusals;
    t->commits += wire_check_commits();
    t->publishes += wire_check_publishes();
    t->dead_letters += worker->dead_letters;
    t->refused += worker->refused;
    t->failed_commits += worker->failed_commits;
    t->starts += worker->starts;
    t->ups += worker->ups;
    t->turns += worker->turns;
    t->events += wire_tell_count();
    t->virtual_ms += wire_clock_ms();
    t->settle_ms_max = world.settled_ms > t->settle_ms_max ? world.settled_ms : t->settle_ms_max;
}

/* Nothing may be left on the loop, and no connection open. */
static void end(void) {
    wire_worker_end();
    while (wire_os_thread_ms() != INT64_MAX) {
        wire_os_run_thread();
    }
    for (int i = 0; i < 8; i++) {
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
        (void)wire_net_pump();
    }
    if (uv_loop_close(&world.loop) != 0) {
        wire_wrong("a handle is left on the loop");
    }
    wire_broker_restart(true, 0);
    wire_net_end();
    wire_broker_end();
    wire_os_end();
}

void wire_world_run(const struct wire_plan *plan, bool loud, struct wire_totals *totals) {
    begin(plan, loud);
    wire_worker_start();
    while (world.phase != DONE && wire_tell_failure() == NULL) {
        wire_steps_do();
        settle();
        look();
        if (world.phase != DONE && wire_tell_failure() == NULL) {
            move_on();
        }
    }
    count(totals);
    end();
}
