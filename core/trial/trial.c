/* trial.c - see trial/trial.h. */
#include "trial/trial.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/temp.h"
#include "trial/folder.h"
#include "trial/run.h"
#include "trial/tell.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LOG_BYTES_MAX = 64 << 10, CRASHES_MAX = 60 /* of one test */ };

/* All tests of one call of the program. */
struct trial {
    const struct trial_options *options;
    struct run_place place;
    struct tell tell;
    struct buf log; /* of the test that runs */
};

/* Without the time, which is not the test's. */
static void take_line(void *ctx, struct slice line) {
    const char *space = memchr(line.data, ' ', line.len);
    size_t skipped = space == NULL ? 0 : (size_t)(space + 1 - line.data);
    /* What does not fit is left out. */
    buf_add_slice(ctx, (struct slice){line.data + skipped, line.len - skipped});
}

/* Attempts and their ends are told by the kit; of the log, what handlers write, and warnings. */
static void begin_log(struct trial *t) {
    struct log_settings settings = {.level = LOG_LEVEL_WARN};
    settings.areas[LOG_AREA_HANDLER] = LOG_LEVEL_DEBUG;
    log_set(&settings);
    buf_init(&t->log, LOG_BYTES_MAX);
    log_divert(take_line, &t->log);
}

/* ---- one test ---- */

static json_t *copy_failure(const json_t *failure, const char *intro) {
    json_t *copy = json_object();
    json_t *text = json_sprintf("%s%s", intro, json_string_value(json_object_get(failure, "text")));
    if (copy == NULL || json_object_update(copy, failure) != 0 ||
        json_object_set_new(copy, "text", text) != 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

/* A crash right after a commit: before what leaves then has left, or after. */
struct crash {
    const json_t *point;
    const char *what; /* leaves then; "" = nothing */
    bool blind;       /* before it has left */
};

/* The crashes of a test in their order; false past the last. Nothing left: there is only one. */
static bool nth_crash(const json_t *points, size_t n, struct crash *out) {
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        const char *what = json_string_value(json_object_get(point, "what"));
        size_t here = what == NULL || what[0] == '\0' ? 1 : 2;
        if (n < here) {
            *out = (struct crash){point, what == NULL ? "" : what, n == 0};
            return true;
        }
        n -= here;
    }
    return false;
}

static size_t count_crashes(const json_t *points) {
    struct crash crash;
    size_t n = 0;
    while (nth_crash(points, n, &crash)) {
        n++;
    }
    return n;
}

static const char *intro_of(const struct crash *crash, char out[512]) {
    if (crash->what[0] == '\0') {
        (void)snprintf(out, 512, "with a crash right after a commit:\n");
    } else {
        (void)snprintf(out, 512,
                       crash->blind ? "with a crash right after the commit, before %s left:\n"
                                    : "with a crash after %s left, before an answer was stored:\n",
                       crash->what);
    }
    return out;
}

/* Runs it with the crash: the failure, the caller's, or NULL. */
static json_t *run_with_crash(struct trial *t, const char *file, size_t number,
                              const struct crash *crash, const json_t *effects) {
    char intro[512];
    json_t *plan = json_pack("{s:O, s:b, s:O}", "turn", json_object_get(crash->point, "turn"),
                             "blind", (int)crash->blind, "effects", effects);
    buf_reset(&t->log);
    json_t *outcome = plan == NULL ? NULL : run_test(&t->place, file, number, plan);
    const json_t *failure = json_object_get(outcome, "failure");
    json_t *copy = outcome == NULL   ? json_pack("{s:s}", "text", "out of memory")
                   : failure != NULL ? copy_failure(failure, intro_of(crash, intro))
                                     : NULL;
    json_decref(outcome);
    json_decref(plan);
    return copy;
}

/* The first failure with a crash, the caller's, or NULL. Of very many crashes, evenly spread ones
 * are tried. */
static json_t *crash_everywhere(struct trial *t, const char *file, size_t number,
                                const json_t *outcome, struct tell_result *result) {
    const json_t *points = json_object_get(outcome, "points");
    const json_t *effects = json_object_get(outcome, "effects");
    json_t *failure = NULL;
    size_t all = count_crashes(points);
    size_t count = all < CRASHES_MAX ? all : CRASHES_MAX;
    for (size_t i = 0; i < count && failure == NULL && !run_interrupted(); i++) {
        struct crash crash;
        if (nth_crash(points, i * all / count, &crash)) {
            failure = run_with_crash(t, file, number, &crash, effects);
            result->crashes++;
        }
    }
    result->crash_points = all;
    return failure;
}

/* `outcome`: of its run, if it ran already; taken over. */
static void run_one(struct trial *t, const char *file, size_t number, const char *name,
                    json_t *outcome) {
    int64_t began_ns = clock_monotonic_ns();
    struct tell_result result = {.file = file, .name = name};
    if (outcome == NULL) {
        buf_reset(&t->log);
        outcome = run_test(&t->place, file, number, NULL);
    }
    json_t *failure = outcome == NULL ? json_pack("{s:s}", "text", "out of memory")
                                      : json_incref(json_object_get(outcome, "failure"));
    if (failure == NULL && t->options->crash_everywhere) {
        failure = crash_everywhere(t, file, number, outcome, &result);
    }
    result.failure = failure;
    result.log = buf_slice(&t->log);
    result.took_ns = clock_monotonic_ns() - began_ns;
    if (!run_interrupted()) {
        tell_result(&t->tell, &result);
    }
    json_decref(failure);
    json_decref(outcome);
}

static bool is_wanted(const struct trial *t, const char *name) {
    return t->options->name == NULL || strstr(name, t->options->name) != NULL;
}

/* A file without test(...) is one test. */
static void run_file(struct trial *t, const char *file) {
    buf_reset(&t->log);
    json_t *first = run_test(&t->place, file, 0, NULL);
    const json_t *names = json_object_get(first, "names");
    if (json_array_size(names) == 0 || json_object_get(first, "failure") != NULL) {
        if (is_wanted(t, file)) {
            run_one(t, file, 0, file, json_incref(first));
        }
        json_decref(first);
        return;
    }
    for (size_t i = 0; i < json_array_size(names) && !run_interrupted(); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name != NULL && is_wanted(t, name)) {
            run_one(t, file, i + 1, name, NULL);
        }
    }
    json_decref(first);
}

/* ---- files ---- */

/* As short as it can be: relative to the working directory if it is below. */
static const char *short_path(const char *path) {
    char here[PATH_BYTES];
    size_t len = getcwd(here, sizeof here) == NULL ? 0 : strlen(here);
    bool below = len > 1 && strncmp(path, here, len) == 0 && path[len] == '/';
    return below ? path + len + 1 : path;
}

static int find_in(const char *folder, glob_t *found, struct report *r) {
    char pattern[PATH_BYTES];
    int len = snprintf(pattern, sizeof pattern, "%s/*_test.lua", folder);
    if (len < 0 || (size_t)len >= sizeof pattern) {
        return report(r, ERR_LIMIT, "%s: the path is too long", folder);
    }
    int status = glob(pattern, 0, NULL, found);
    if (status == GLOB_NOMATCH) {
        return report(r, ERR_NOTFOUND,
                      "no tests: %s has no file whose name ends in _test.lua; `zingq new handler "
                      "NAME` writes one",
                      folder);
    }
    return status == 0 ? 0 : report(r, ERR_SYSTEM, "cannot read %s: %s", folder, strerror(errno));
}

static int find_files(const struct trial_options *o, glob_t *found, struct report *r) {
    struct stat st;
    const char *path = short_path(o->path == NULL ? o->scripts_dir : o->path);
    if (stat(path, &st) != 0) {
        return report(r, ERR_NOTFOUND, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return find_in(path, found, r);
    }
    return glob(path, GLOB_NOESCAPE | GLOB_NOCHECK, NULL, found) == 0
               ? 0
               : report(r, ERR_MEMORY, "out of memory");
}

static void run_all(struct trial *t, const glob_t *found) {
    for (size_t i = 0; i < found->gl_pathc && !run_interrupted(); i++) {
        run_file(t, found->gl_pathv[i]);
    }
    tell_end(&t->tell);
}

bool trial_was_interrupted(void) {
    return run_interrupted();
}

int trial_run(const struct trial_options *options, size_t *failed, struct report *r) {
    char folder[PATH_BYTES];
    glob_t found = {0};
    struct trial t = {.options = options,
                      .place = {.conf_file = options->conf_file,
                                .scripts_dir = short_path(options->scripts_dir),
                                .folder = folder,
                                .time_ms = options->time_ms}};
    int code = find_files(options, &found, r);
    code = code == 0 ? trial_folder_new(folder, sizeof folder, r) : code;
    if (code == 0) {
        run_catch_signals();
        tell_init(&t.tell, options->tap, options->colour);
        begin_log(&t);
        run_all(&t, &found);
        log_divert(NULL, NULL);
        *failed = t.tell.failed;
        code = options->junit == NULL ? 0 : tell_write_junit(&t.tell, options->junit, r);
        code = run_interrupted() ? report(r, ERR_SYSTEM, "interrupted") : code;
        tell_clear(&t.tell);
        buf_clear(&t.log);
        (void)temp_folder_remove(folder);
    }
    globfree(&found);
    return code;
}
