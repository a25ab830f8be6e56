/*
 * sim_wire_main.c - the simulation of the MQTT door: worlds from seeds, the shortest plan of one
 * that fails, planted bugs.
 *
 *   sim_wire --seed N [--loud]        one world, twice: the histories must be the same
 *   sim_wire --seconds S [--from N]   fresh worlds
 *   sim_wire --file FILE [--count N --from N]   those in a file, then N from a first one; a line of
 *       the file is the number of a seed, or a plan as a failure prints it
 *   sim_wire --plants | --plant NAME  worlds with a bug until it is found
 */
#include "wire_os.h"
#include "wire_plan.h"
#include "wire_plant.h"
#include "wire_tell.h"
#include "wire_world.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLANT_SECONDS = 300, MS_PER_S = 1000 };

static struct wire_totals totals;
static uint64_t running; /* the seed */
static int64_t begun_ms; /* when the search for a planted bug began */

/* ---- telling ---- */

static void print_totals(int64_t real_ms) {
    const struct wire_totals *t = &totals;
    double s = (double)(real_ms > 0 ? real_ms : 1) / MS_PER_S;
    (void)printf("%zu worlds, %.1f virtual hours in %.1f s: %zu connections, %zu cut, %zu refused; "
                 "%zu messages sent, %zu of them again, %zu committed, %zu dead letters; %zu "
                 "publishes taken, %zu refused; %zu starts of the worker, %zu failed commits; %zu "
                 "events; the longest wait until all was through %.0f s\n",
                 t->worlds, (double)t->virtual_ms / 3600000, s, t->connects, t->cuts,
                 t->refused_connects, t->messages, t->redelivered, t->commits, t->dead_letters,
                 t->publishes, t->refused, t->starts, t->failed_commits, t->events,
                 (double)t->settle_ms_max / MS_PER_S);
}

static void print_plan(const struct wire_plan *plan) {
    const struct wire_worker_setup *s = &plan->setup;
    (void)printf("  %s, receive maximum %u, packet maximum %u, intake %u, window %u%s%s%s\n",
                 s->one_door ? "one connection" : "two connections", s->receive_max, s->packet_max,
                 s->intake, s->window, s->alone ? ", alone" : "", s->will ? ", a will" : "",
                 plan->narrow ? ", narrow sockets" : "");
    for (size_t i = 0; i < plan->count; i++) {
        const struct wire_step *step = &plan->steps[i];
        (void)printf("  %8.3f s  %s %u %u\n", (double)step->at_ms / MS_PER_S,
                     wire_action_name(step->action), step->a, step->b);
    }
    (void)printf("  %8.3f s  the faults end\n", (double)plan->ends_ms / MS_PER_S);
}

/* An assertion of the door or of libmosquitto, instead of the C library's function: it ends the story,
 * and finds a planted bug as well as anything. */
void __assert_fail(const char *text, const char *file, unsigned line, const char *function) {
    if (wire_planted() != WIRE_SOUND) {
        (void)printf("%-15s found by seed %llu, after %.1f s: %s() asserts %s\n",
                     wire_plant_name(wire_planted()), (unsigned long long)running,
                     (double)(wire_real_ms() - begun_ms) / MS_PER_S, function, text);
        (void)fflush(stdout);
        _exit(0);
    }
    (void)printf("seed %llu: %s:%u: %s() asserts %s\n", (unsigned long long)running, file, line,
                 function, text);
    wire_tell_story(stdout);
    (void)fflush(stdout);
    _exit(1);
}

/* ---- one world ---- */

static bool run(const struct wire_plan *plan, bool loud) {
    running = plan->seed;
    wire_plant(wire_planted(), plan->seed);
    wire_world_run(plan, loud, &totals);
    return wire_tell_failure() == NULL;
}

/* In a process of its own, which may abort. */
static bool fails(const struct wire_plan *plan) {
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)freopen("/dev/null", "w", stdout);
        (void)freopen("/dev/null", "w", stderr);
        (void)alarm(60);
        _exit(run(plan, false) ? 0 : 1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

/* Takes out what is not needed for the failure, in ever smaller pieces. */
static void shorten(struct wire_plan *plan) {
    for (size_t piece = plan->count; piece > 0; piece /= 2) {
        for (size_t at = 0; at < plan->count;) {
            struct wire_plan shorter = *plan;
            size_t n = piece < plan->count - at ? piece : plan->count - at;
            shorter.count -= n;
            memmove(&shorter.steps[at], &plan->steps[at + n],
                    (plan->count - at - n) * sizeof plan->steps[0]);
            if (fails(&shorter)) {
                *plan = shorter;
            } else {
                at += n;
            }
        }
    }
}

static void explain(struct wire_plan *plan) {
    size_t before = plan->count;
    if (!fails(plan)) {
        (void)printf("  alone it does not fail: worlds are not independent\n");
        return;
    }
    shorten(plan);
    (void)printf("the shortest plan that fails, %zu of %zu steps:\n", plan->count, before);
    print_plan(plan);
    wire_plan_write(stdout, plan);
    (void)fflush(stdout);
    (void)run(plan, false);
    (void)printf("the end of its story:\n");
    wire_tell_story(stdout);
}

/* The world of a plan; tells of a failure. */
static bool run_plan(struct wire_plan *plan, bool explains) {
    if (run(plan, false)) {
        return true;
    }
    (void)printf("seed %llu: %s\n", (unsigned long long)plan->seed, wire_tell_failure());
    if (explains) {
        explain(plan);
    }
    (void)fflush(stdout);
    return false;
}

static bool run_seed(uint64_t seed, bool explains) {
    static struct wire_plan plan;
    wire_plan_make(&plan, seed);
    return run_plan(&plan, explains);
}

/* Twice: the same seed makes the same history. */
static bool replay(uint64_t seed, bool loud) {
    static struct wire_plan plan;
    wire_plan_make(&plan, seed);
    bool good = run(&plan, loud);
    uint64_t first = wire_tell_hash();
    size_t count = wire_tell_count();
    (void)run(&plan, loud);
    (void)printf("seed %llu: history %016llx, %zu events; again %016llx, %zu events: %s\n",
                 (unsigned long long)seed, (unsigned long long)first, count,
                 (unsigned long long)wire_tell_hash(), wire_tell_count(),
                 first == wire_tell_hash() ? "the same" : "NOT THE SAME");
    bool same = first == wire_tell_hash();
    if (!good) {
        (void)run_seed(seed, true);
    }
    return good && same;
}

/* ---- many ---- */

/* Memory in use must not grow from world to world; the first ones fill what is kept. */
static bool memory_grows(void) {
    enum { WARM_WORLDS = 50, WORLD_BYTES_MAX = 4096 };
    static size_t warm_bytes;
    size_t bytes = mallinfo2().uordblks;
    if (totals.worlds <= WARM_WORLDS) {
        warm_bytes = bytes;
        return false;
    }
    size_t most = (totals.worlds - WARM_WORLDS) * WORLD_BYTES_MAX + ((size_t)1 << 20);
    if (bytes > warm_bytes + most) {
        (void)printf("memory grows: %zu bytes after %d worlds, %zu after %zu\n", warm_bytes,
                     WARM_WORLDS, bytes, totals.worlds);
        return true;
    }
    return false;
}

static int run_for(uint64_t from, int64_t seconds) {
    int64_t start_ms = wire_real_ms();
    size_t failed = 0;
    (void)printf("fresh worlds from seed %llu on\n", (unsigned long long)from);
    (void)fflush(stdout);
    for (uint64_t seed = from; wire_real_ms() - start_ms < seconds * MS_PER_S; seed++) {
        failed += run_seed(seed, failed < 3) && !memory_grows() ? 0 : 1;
    }
    print_totals(wire_real_ms() - start_ms);
    (void)printf("%zu failed; %zu bytes of memory in use\n", failed, mallinfo2().uordblks);
    return failed == 0 ? 0 : 1;
}

/* How many failed, or -1 when the file cannot be read. */
static int run_file(const char *file) {
    static char line[16384];
    static struct wire_plan plan;
    int failed = 0;
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        (void)fprintf(stderr, "sim_wire: cannot read %s: %s\n", file, strerror(errno));
        return -1;
    }
    while (fgets(line, sizeof line, in) != NULL) {
        if (isdigit((unsigned char)line[0])) {
            wire_plan_make(&plan, strtoull(line, NULL, 10));
        } else if (!wire_plan_read(&plan, line)) {
            bool comment = line[0] == '#' || line[0] == '\n';
            failed += comment ? 0 : 1;
            (void)printf("%s%s", comment ? "" : "this is no plan: ", comment ? "" : line);
            continue;
        }
        failed += run_plan(&plan, failed == 0) ? 0 : 1;
    }
    (void)fclose(in);
    return failed;
}

static int run_fixed(const char *file, uint64_t from, size_t count) {
    int64_t start_ms = wire_real_ms();
    int failed = run_file(file);
    if (failed < 0) {
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        failed += run_seed(from + i, failed == 0) && !memory_grows() ? 0 : 1;
    }
    print_totals(wire_real_ms() - start_ms);
    return failed == 0 ? 0 : 1;
}

/* ---- planted bugs ---- */

/* Each in a process of its own: a bug may abort it. */
static bool find_plant(enum wire_plant plant, uint64_t from) {
    static struct wire_plan plan;
    begun_ms = wire_real_ms();
    wire_plant(plant, 0);
    for (uint64_t seed = from; wire_real_ms() - begun_ms < PLANT_SECONDS * MS_PER_S; seed++) {
        wire_plan_make(&plan, seed);
        bool good = run(&plan, false);
        if (!good) {
            (void)printf("%-15s found by seed %llu, world %llu, after %.1f s: %s\n",
                         wire_plant_name(plant), (unsigned long long)seed,
                         (unsigned long long)seed - (unsigned long long)from + 1,
                         (double)(wire_real_ms() - begun_ms) / MS_PER_S, wire_tell_failure());
            return true;
        }
    }
    (void)printf("%-15s NOT FOUND in %d s (%s)\n", wire_plant_name(plant), PLANT_SECONDS,
                 wire_plant_what(plant));
    return false;
}

static int find_plants(uint64_t from) {
    int missed = 0;
    for (int i = WIRE_SOUND + 1; i < WIRE_PLANT_COUNT; i++) {
        (void)fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            bool found = find_plant((enum wire_plant)i, from);
            (void)fflush(stdout);
            _exit(found ? 0 : 1);
        }
        int status = 0;
        (void)waitpid(child, &status, 0);
        missed += status == 0 ? 0 : 1;
        (void)fflush(stdout);
    }
    (void)printf("%d of %d planted bugs missed\n", missed, WIRE_PLANT_COUNT - 1);
    return missed == 0 ? 0 : 1;
}

/* ---- options ---- */

struct options {
    const char *file, *plant;
    uint64_t seed, from;
    int64_t seconds;
    size_t count;
    bool has_seed, loud, plants;
};

static int usage(void) {
    (void)fprintf(stderr, "usage: sim_wire --seed N [--loud] | --seconds S [--from N] | "
                          "--file FILE [--count N --from N] | --plants | --plant NAME\n");
    return 2;
}

static bool read_options(int argc, char **argv, struct options *o) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--loud") == 0) {
            o->loud = true;
            continue;
        }
        if (strcmp(argv[i], "--plants") == 0) {
            o->plants = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0) {
            o->seed = number;
            o->has_seed = true;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            o->seconds = (int64_t)number;
        } else if (strcmp(argv[i], "--from") == 0) {
            o->from = number;
        } else if (strcmp(argv[i], "--count") == 0) {
            o->count = (size_t)number;
        } else if (strcmp(argv[i], "--file") == 0) {
            o->file = value;
        } else if (strcmp(argv[i], "--plant") == 0) {
            o->plant = value;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

int main(int argc, char **argv) {
    struct options o = {.from = (uint64_t)wire_real_ms()};
    enum wire_plant plant = WIRE_SOUND;
    if (!read_options(argc, argv, &o) || (o.plant != NULL && !wire_plant_find(o.plant, &plant))) {
        return usage();
    }
    if (o.plants) {
        return find_plants(o.from);
    }
    wire_plant(plant, 0);
    if (o.has_seed) {
        return replay(o.seed, o.loud) ? 0 : 1;
    }
    if (o.plant != NULL) {
        return find_plant(plant, o.from) ? 0 : 1;
    }
    if (o.file != NULL) {
        return run_fixed(o.file, o.from, o.count);
    }
    return o.seconds > 0 ? run_for(o.from, o.seconds) : usage();
}
