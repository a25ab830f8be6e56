/*
 * main.c - sim: runs worlds of crashes from seeds.
 *
 *   sim --seconds S [--from N] [--jobs J]   fresh seeds, from N on, on J processors; those that
 *                                fail are told; with --report FILE in that file, too, and
 *                                then it is no failure of the program
 *   sim --seed N [--story]       that one; if it fails, the shortest plan that does, as a story;
 *                                --story prints everything that happens
 *   --cluster with either of the two that run fresh seeds: only those in which hosts move between machines
 *   sim --seeds FILE             those in the file, one a line; # begins a comment
 *   sim --plant NAME,NAME...     planted bugs (bugs.h), and seeds until they are found; with
 *                                --seed N that seed, with the bug
 *   sim --plants                 each of them; --seconds is for one, 300 when it is not given
 */
#include "bugs.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, SHRINK_S = 120, PLANT_S = 300 };

struct wish {
    const char *seeds; /* a file */
    uint64_t seed, from;
    unsigned seconds, jobs;
    bool one, story, plants, cluster;
    const char *plant, *report;
};

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs it and says what came of it. */
static int say_seed(const struct plan *plan, struct sim_tally *tally, char why[WHY_BYTES]) {
    uint64_t hash;
    int failed = report_try(plan, tally, why, &hash);
    (void)printf("seed %llu: %s (history %016llx)\n", (unsigned long long)plan->seed,
                 failed == 0 ? "well" : why, (unsigned long long)hash);
    (void)fflush(stdout);
    return failed;
}

static int run_seed(uint64_t seed, struct sim_tally *tally, bool story) {
    struct plan plan;
    char why[WHY_BYTES];
    plan_make(&plan, seed, SIM_STEPS);
    if (story) {
        report_story(&plan);
    }
    int failed = say_seed(&plan, tally, why);
    if (failed != 0 && !story) {
        report_shrink(&plan, why, SHRINK_S);
        (void)printf("The shortest plan found that fails so has %zu of %d steps and %u host%s:\n\n",
                     plan.count, SIM_STEPS, plan.nodes, plan.nodes == 1 ? "" : "s");
        report_story(&plan);
    }
    plan_clear(&plan);
    return failed;
}

static int run_file(const char *file, struct sim_tally *tally) {
    char line[256];
    FILE *f = fopen(file, "r");
    int failed = 0;
    if (f == NULL) {
        (void)fprintf(stderr, "sim: cannot read %s\n", file);
        return 1;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] != '#' && line[0] != '\n') {
            struct plan plan;
            char why[WHY_BYTES];
            plan_make(&plan, strtoull(line, NULL, 10), SIM_STEPS);
            failed |= say_seed(&plan, tally, why);
            plan_clear(&plan);
        }
    }
    (void)fclose(f);
    return failed;
}

static void tell_failure(const struct wish *w, uint64_t seed, const char *why) {
    FILE *report = w->report == NULL ? NULL : fopen(w->report, "a");
    (void)printf("seed %llu: %s\n", (unsigned long long)seed, why);
    (void)fflush(stdout);
    if (report != NULL) {
        (void)fprintf(report, "%llu # %s\n", (unsigned long long)seed, why);
        (void)fclose(report);
    }
}

/* Every jobs-th seed from `from` on. */
static int run_fresh(const struct wish *w, uint64_t from, struct sim_tally *tally) {
    double end = now_s() + w->seconds;
    int failed = 0;
    for (uint64_t seed = from; now_s() < end; seed += w->jobs) {
        struct plan plan;
        char why[WHY_BYTES];
        plan_make(&plan, seed, SIM_STEPS);
        bool runs = !w->cluster || sim_has_cluster(&plan);
        if (runs && report_try(&plan, tally, why, NULL) != 0) {
            tell_failure(w, seed, why);
            failed = 1;
        }
        plan_clear(&plan);
    }
    return failed;
}

static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* On several processors: each has a process, and what they have seen is put together. */
static int run_jobs(const struct wish *w, struct sim_tally *tally) {
    pid_t pids[PROCESSES_MAX];
    int failed = w->report != NULL && remove(w->report) != 0 && errno != ENOENT ? 1 : 0;
    struct sim_tally *parts = mmap(NULL, w->jobs * sizeof *parts, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (parts == MAP_FAILED) {
        return 1;
    }
    for (unsigned i = 0; i < w->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            _exit(run_fresh(w, w->from + i, &parts[i]));
        }
    }
    for (unsigned i = 0; i < w->jobs; i++) {
        failed |= pids[i] > 0 ? wait_for(pids[i]) : 1;
        report_add(tally, &parts[i]);
    }
    failed = w->report != NULL ? 0 : failed;
    (void)munmap(parts, w->jobs * sizeof *parts);
    return failed;
}

static bool read_wish(int argc, char **argv, struct wish *w) {
    *w = (struct wish){.from = (uint64_t)time(NULL), .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--story") == 0) {
            w->story = true;
            continue;
        }
        if (strcmp(argv[i], "--plants") == 0) {
            w->plants = true;
            continue;
        }
        if (strcmp(argv[i], "--cluster") == 0) {
            w->cluster = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0) {
            w->one = true;
            w->seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--from") == 0) {
            w->from = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--seconds") == 0) {
            w->seconds = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--report") == 0) {
            w->report = value;
        } else if (strcmp(argv[i - 1], "--jobs") == 0) {
            w->jobs = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--seeds") == 0) {
            w->seeds = value;
        } else if (strcmp(argv[i - 1], "--plant") == 0) {
            w->plants = true;
            w->plant = value;
        } else {
            return false;
        }
    }
    return w->jobs >= 1 && w->jobs <= PROCESSES_MAX &&
           (w->one || w->seconds > 0 || w->seeds != NULL || w->plants);
}

int main(int argc, char **argv) {
    struct wish w;
    struct sim_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL || !read_wish(argc, argv, &w)) {
        (void)fprintf(stderr,
                      "usage: sim --seconds S [--from N] [--jobs J] [--report FILE] [--cluster] | "
                      "--seed N [--story] | --seeds FILE |\n"
                      "       --plant NAME [--cluster] | --plants\n");
        free(tally);
        return 2;
    }
    if (w.one && w.plant != NULL && !bugs_plant(w.plant)) {
        (void)fprintf(stderr, "sim: there is no bug \"%s\" to plant\n", w.plant);
        free(tally);
        return 2;
    }
    if (w.plants && !w.one) {
        free(tally);
        return bugs_hunt(w.plant, w.from, w.seconds > 0 ? w.seconds : PLANT_S, w.cluster);
    }
    double begin = now_s();
    int failed = w.seeds != NULL ? run_file(w.seeds, tally)
                 : w.one         ? run_seed(w.seed, tally, w.story)
                                 : run_jobs(&w, tally);
    report_figures(tally, now_s() - begin);
    free(tally);
    return failed == 0 ? 0 : 1;
}

const char *sim_folder(void) {
    return SIM_FOLDER;
}
