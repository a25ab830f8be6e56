/*
 * job.c - see cli/job.h.
 */
#include "cli/job.h"

#include "cli/ask.h"
#include "cli/options.h"
#include "cli/tell.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS_MIN = 20, LOOK_MS_MAX = 500 };

json_int_t job_count(const json_t *job, const char *name) {
    return json_integer_value(json_object_get(job, name));
}

const char *job_text(const json_t *job, const char *name) {
    const char *text = json_string_value(json_object_get(job, name));
    return text == NULL ? "" : text;
}

void job_add_query(struct buf *out, const char *name, const char *value) {
    if (value != NULL) {
        buf_printf(out, "%s=", name);
        url_add_part(out, slice_of(value));
        buf_add_str(out, "&");
    }
}

static bool is_under_way(const json_t *job) {
    return strcmp(job_text(job, "state"), "finding") == 0 ||
           strcmp(job_text(job, "state"), "working") == 0;
}

/* Replaces *job by its current report. */
static int look(struct cli *cli, bool stop, json_t **job) {
    char path[96];
    json_t *now = NULL;
    int len = snprintf(path, sizeof path, "/api/replay%s?job=%" JSON_INTEGER_FORMAT,
                       stop ? "/stop" : "", job_count(*job, "id"));
    if (job_count(*job, "host") > 0 && cli_option(cli, "host") == NULL) { /* that has the key */
        (void)snprintf(path + len, sizeof path - (size_t)len, "&host=%" JSON_INTEGER_FORMAT,
                       job_count(*job, "host"));
    }
    int status = cli_ask(cli, stop ? "POST" : "GET", path, slice_of(""), &now);
    if (status == 0) {
        json_decref(*job);
        *job = now;
    }
    return status;
}

static void tell_progress(const struct cli *cli, const char *past, const json_t *job) {
    bool shown = !cli->json && isatty(STDERR_FILENO) != 0;
    if (!shown || json_is_true(json_object_get(job, "dry"))) {
        return;
    }
    bool finding = strcmp(job_text(job, "state"), "finding") == 0;
    (void)fprintf(stderr, "\r%s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "%s%s", past,
                  job_count(job, past), job_count(job, "found"), finding ? " so far" : "       ",
                  is_under_way(job) ? "" : "\n");
}

/* Waits until the job ends; Ctrl-C stops it. */
static int wait_for_end(struct cli *cli, const char *past, json_t **job) {
    sigset_t interrupt;
    int status = 0;
    long look_ms = LOOK_MS_MIN;
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &interrupt, NULL);
    while (status == 0 && is_under_way(*job)) {
        struct timespec pause = {.tv_sec = 0, .tv_nsec = look_ms * 1000000};
        look_ms = look_ms * 2 < LOOK_MS_MAX ? look_ms * 2 : LOOK_MS_MAX;
        status = look(cli, sigtimedwait(&interrupt, NULL, &pause) == SIGINT, job);
        tell_progress(cli, past, *job);
    }
    (void)sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
    return status;
}

int job_run(struct cli *cli, const char *path, const char *past, json_t **job) {
    *job = NULL;
    int status = cli_ask(cli, "POST", path, slice_of(""), job);
    return status == 0 ? wait_for_end(cli, past, job) : status;
}

int job_judge(const json_t *job) {
    const char *state = job_text(job, "state");
    if (strcmp(state, "done") == 0) {
        return EXIT_GOOD;
    }
    return cli_fail(ERR_NOTFOUND, "%s",
                    strcmp(state, "stopped") == 0 ? "stopped" : job_text(job, "error"));
}
