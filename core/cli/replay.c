/*
 * replay.c - replay: events that are done run again, asked of the running host as a job.
 *
 * The world outside sees everything a second time, so it is shown first what would run and asked
 * whether that is meant; where nobody can answer, only --yes goes on. What was shown and what then
 * runs are the same events: those that had ended when they were counted.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "cli/time.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 16384, LOOK_MS_MIN = 20, LOOK_MS_MAX = 500 };

struct replay {
    struct cli *cli;
    struct buf filter; /* the query that says which events */
    const char *id;    /* --id, or NULL */
};

/* ---- what is asked for ---- */

static void add_query(struct buf *out, const char *name, const char *value) {
    if (value != NULL) {
        buf_printf(out, "%s=", name);
        cli_add_part(out, slice_of(value));
        buf_add_str(out, "&");
    }
}

static int add_times(const struct cli *cli, struct buf *out) {
    static const struct {
        const char *option, *name;
    } times[] = {{"from", "from_ms"}, {"to", "to_ms"}, {"as-of", "as_of_ms"}};
    int64_t ms[3] = {0, INT64_MAX, 0};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct report r = {""};
        const char *text = cli_option(cli, times[i].option);
        if (text == NULL) {
            continue;
        }
        if (time_parse(text, cli->now_ms, &ms[i], &r) != 0) {
            return cli_misused(cli, "--%s: %s", times[i].option, r.text);
        }
        buf_printf(out, "%s=%" PRId64 "&", times[i].name, ms[i]);
    }
    if (ms[0] > cli->now_ms || ms[2] > cli->now_ms) {
        return cli_misused(cli, "--%s is in the future", ms[0] > cli->now_ms ? "from" : "as-of");
    }
    return ms[0] < ms[1] ? 0 : cli_misused(cli, "--from must be before --to");
}

static int check_options(const struct cli *cli) {
    const char *id = cli_option(cli, "id");
    bool from = cli_option(cli, "from") != NULL;
    bool to = cli_option(cli, "to") != NULL;
    struct uuid parsed;
    struct slice key;
    int status = id == NULL ? 0 : cli_parse_id(cli, id, &parsed);
    if (status == 0 && cli_option(cli, "key") != NULL) {
        status = cli_parse_key(cli, cli_option(cli, "key"), &key);
    }
    if (status != 0) {
        return status;
    }
    if (id != NULL && (from || to)) {
        return cli_misused(cli, "give either --id, or --from and --to");
    }
    if (to && !from) {
        return cli_misused(cli, "--to requires --from");
    }
    if (id == NULL && cli_option(cli, "service") == NULL) {
        return cli_misused(cli, "give --service NAME");
    }
    if (id == NULL && !from && cli_option(cli, "key") == NULL) {
        return cli_misused(cli, "give --from TIME, --key KEY or --id ID");
    }
    if (cli_flag(cli, "yes") && cli_flag(cli, "dry-run")) {
        return cli_misused(cli, "give either --yes or --dry-run");
    }
    return 0;
}

static int parse(struct replay *replay) {
    const struct cli *cli = replay->cli;
    const char *rate = cli_option(cli, "rate");
    struct report r = {""};
    double per_second;
    int status = check_options(cli);
    if (status == 0 && rate != NULL && conf_parse_rate(rate, &per_second, &r) != 0) {
        status = cli_misused(cli, "--rate: %s", r.text);
    }
    if (status != 0) {
        return status;
    }
    replay->id = cli_option(cli, "id");
    add_query(&replay->filter, "service", cli_option(cli, "service"));
    add_query(&replay->filter, "id", replay->id);
    add_query(&replay->filter, "key", cli_option(cli, "key"));
    add_query(&replay->filter, "rate", rate);
    add_query(&replay->filter, "force", cli_flag(cli, "force") ? "1" : NULL);
    status = add_times(cli, &replay->filter);
    if (status == 0 && replay->filter.failed) {
        status = cli_misused(cli, "the service name is too long");
    }
    return status;
}

/* ---- jobs ---- */

static json_int_t count_of(const json_t *job, const char *name) {
    return json_integer_value(json_object_get(job, name));
}

static const char *text_of(const json_t *job, const char *name) {
    const char *text = json_string_value(json_object_get(job, name));
    return text == NULL ? "" : text;
}

static bool is_under_way(const json_t *job) {
    return strcmp(text_of(job, "state"), "finding") == 0 ||
           strcmp(text_of(job, "state"), "working") == 0;
}

/* Begins a job; 0 or an exit status after telling why not. */
static int begin_job(struct replay *replay, const char *consent, json_t **job) {
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX * 2);
    buf_printf(&path, "/api/replay?%s%s", buf_str(&replay->filter), consent);
    int status = cli_ask(replay->cli, "POST", buf_str(&path), (struct slice){"", 0}, job);
    buf_clear(&path);
    return status;
}

/* *job is replaced by what it is now. */
static int ask_job(struct replay *replay, const char *method, const char *verb, json_t **job) {
    char path[64];
    json_t *now = NULL;
    (void)snprintf(path, sizeof path, "/api/replay%s?job=%" JSON_INTEGER_FORMAT, verb,
                   count_of(*job, "id"));
    int status = cli_ask(replay->cli, method, path, (struct slice){"", 0}, &now);
    if (status == 0) {
        json_decref(*job);
        *job = now;
    }
    return status;
}

static void tell_progress(const struct replay *replay, const json_t *job) {
    bool shown = !replay->cli->json && isatty(STDERR_FILENO) != 0;
    if (!shown || json_is_true(json_object_get(job, "dry"))) {
        return;
    }
    (void)fprintf(stderr, "\rreplayed %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
                  count_of(job, "replayed"), count_of(job, "found"));
    if (!is_under_way(job)) {
        (void)fprintf(stderr, "\n");
    }
}

/* Waits for the end of the job; Ctrl-C ends it. */
static int wait_for_job(struct replay *replay, json_t **job) {
    sigset_t interrupt;
    int status = 0;
    long look_ms = LOOK_MS_MIN;
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &interrupt, NULL);
    while (status == 0 && is_under_way(*job)) {
        struct timespec look = {.tv_sec = 0, .tv_nsec = look_ms * 1000000};
        look_ms = look_ms * 2 < LOOK_MS_MAX ? look_ms * 2 : LOOK_MS_MAX;
        bool stop = sigtimedwait(&interrupt, NULL, &look) == SIGINT;
        status = ask_job(replay, stop ? "POST" : "GET", stop ? "/stop" : "", job);
        tell_progress(replay, *job);
    }
    (void)sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
    return status;
}

/* ---- telling ---- */

static void add_count(struct buf *out, json_int_t n, const char *one, const char *many) {
    text_add_count(out, (uint64_t)n);
    buf_printf(out, " %s", n == 1 ? one : many);
}

/* Those that are left out, and why; nothing when there are none. */
static void add_left_out(const json_t *job, struct buf *out) {
    static const struct {
        const char *name, *one, *many;
    } reasons[] = {
        {"waiting", "waits or has just run", "wait or have just run"},
        {"dead", "is a dead letter (zingq dlq replay)", "are dead letters (zingq dlq replay)"},
        {"locks", "is the expiry of a lock", "are expiries of locks"},
        {"old", "is older than idempotency_window (--force)",
         "are older than idempotency_window (--force)"},
    };
    const char *before = "Left out: ";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        json_int_t n = count_of(job, reasons[i].name);
        if (n > 0) {
            buf_add_str(out, before);
            add_count(out, n, reasons[i].one, reasons[i].many);
            before = ", ";
        }
    }
    buf_add_str(out, before[0] == ',' ? "\n" : "");
}

static void add_found(const json_t *job, struct buf *out) {
    json_int_t found = count_of(job, "found");
    json_int_t keys = count_of(job, "keys");
    add_count(out, found, "event", "events");
    if (keys > 0) {
        buf_add_str(out, " of ");
        add_count(out, keys, "key", "keys");
    }
    buf_printf(out, ", accepted from %s to %s,\nwould run again: service ",
               text_of(job, "first_at"), text_of(job, "last_at"));
    text_add_safe(out, slice_of(text_of(job, "service")));
    buf_add_str(out, ", scripts/");
    text_add_safe(out, slice_of(text_of(job, "handler")));
    buf_add_str(out, ".\nCalls and mails are made again, ");
    buf_add_str(out, count_of(job, "batch") > 1
                         ? "without an Idempotency-Key, because they were made in batches"
                         : "under their original Idempotency-Keys");
    buf_add_str(out, "; publishes are sent again.\n");
    if (json_is_true(json_object_get(job, "paused"))) {
        buf_add_str(out, "The service is paused: they will wait for `zingq resume`.\n");
    }
}

static void print_dry(const json_t *job) {
    struct buf text;
    buf_init(&text, PATH_BYTES_MAX);
    if (count_of(job, "found") > 0) {
        add_found(job, &text);
    } else {
        buf_add_str(&text, "nothing to replay\n");
    }
    add_left_out(job, &text);
    (void)printf("%s", buf_str(&text));
    buf_clear(&text);
}

/* A job that ended early left the rest as it was. An age means another time when it is said again.
 */
static void tell_rest(const json_t *job) {
    json_int_t ms = count_of(job, "as_of_ms");
    const char *from = text_of(job, "from");
    (void)fprintf(stderr,
                  "zingq: the other events were not replayed; run the same command with "
                  "%s%s%s--as-of @%" PRId64 ".%03d to replay only those\n",
                  from[0] == '\0' ? "" : "--from ", from, from[0] == '\0' ? "" : " ",
                  (int64_t)(ms / 1000), (int)(ms % 1000));
}

static void print_end(const json_t *job) {
    struct buf text;
    buf_init(&text, PATH_BYTES_MAX);
    text_add_count(&text, (uint64_t)count_of(job, "replayed"));
    buf_add_str(&text, " replayed");
    if (count_of(job, "gone") > 0) {
        buf_add_str(&text, ", ");
        text_add_count(&text, (uint64_t)count_of(job, "gone"));
        buf_add_str(&text, " deleted or replayed in the meantime");
    }
    if (count_of(job, "refused") > 0) {
        buf_add_str(&text, ", ");
        text_add_count(&text, (uint64_t)count_of(job, "refused"));
        buf_add_str(&text, " refused (");
        text_add_safe(&text, slice_of(text_of(job, "error")));
        buf_add_str(&text, ")");
    }
    buf_add_str(&text, "\n");
    add_left_out(job, &text);
    (void)printf("%s", buf_str(&text));
    buf_clear(&text);
}

/* The exit status of a job that has ended. */
static int judge(const struct replay *replay, const json_t *job) {
    const char *state = text_of(job, "state");
    if (strcmp(state, "done") != 0) {
        return cli_fail(ERR_NOTFOUND, "%s",
                        strcmp(state, "stopped") == 0 ? "stopped" : text_of(job, "error"));
    }
    bool nothing = replay->id != NULL && count_of(job, "found") == 0;
    bool left_out = count_of(job, "waiting") + count_of(job, "dead") + count_of(job, "locks") +
                        count_of(job, "old") >
                    0;
    if (nothing && !left_out) {
        return cli_fail(ERR_NOTFOUND, "no event %s in service %s", replay->id,
                        text_of(job, "service"));
    }
    return nothing || count_of(job, "refused") > 0 ? EXIT_NO : EXIT_GOOD;
}

/* ---- the flow ---- */

static int run_job(struct replay *replay, const char *consent) {
    json_t *job = NULL;
    int status = begin_job(replay, consent, &job);
    if (status != 0) {
        return status;
    }
    status = wait_for_job(replay, &job);
    if (status != 0) { /* the host went away: this is what it said last */
        tell_rest(job);
        json_decref(job);
        return status;
    }
    if (!replay->cli->json) {
        print_end(job);
    }
    status = judge(replay, job);
    if (strcmp(text_of(job, "state"), "done") != 0 && count_of(job, "replayed") > 0) {
        tell_rest(job);
    }
    if (!replay->cli->json) {
        json_decref(job);
        return status;
    }
    int printed = cli_print_json(job);
    return status != 0 ? status : printed;
}

static bool may_ask(const struct cli *cli) {
    return !cli->json && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

/* Asks; then the events that were counted run. */
static int ask_and_run(struct replay *replay, const json_t *dry) {
    char consent[128];
    char answer[16];
    (void)printf("Run %s again? [y/N] ", count_of(dry, "found") == 1 ? "it" : "them");
    (void)fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        (void)printf("nothing was replayed\n");
        return EXIT_NO;
    }
    (void)snprintf(consent, sizeof consent,
                   "confirm=%" JSON_INTEGER_FORMAT "&as_of_ms=%" JSON_INTEGER_FORMAT,
                   count_of(dry, "found"), count_of(dry, "as_of_ms"));
    return run_job(replay, consent);
}

/* After the count: the question, or what must be said instead. Takes the job over. */
static int decide(struct replay *replay, json_t *dry) {
    const struct cli *cli = replay->cli;
    bool found = count_of(dry, "found") > 0;
    int status = judge(replay, dry);
    if (status == 0 && found && !cli_flag(cli, "dry-run")) {
        if (may_ask(cli)) {
            status = ask_and_run(replay, dry);
        } else {
            status = cli_fail(ERR_NOTFOUND, "nothing was replayed: add --yes");
        }
    }
    if (!cli->json) {
        json_decref(dry);
        return status;
    }
    int printed = cli_print_json(dry);
    return status != 0 ? status : printed;
}

static int count_first(struct replay *replay) {
    json_t *dry = NULL;
    int status = begin_job(replay, "dry=1", &dry);
    status = status == 0 ? wait_for_job(replay, &dry) : status;
    if (status != 0) {
        json_decref(dry);
        return status;
    }
    if (!replay->cli->json && strcmp(text_of(dry, "state"), "done") == 0) {
        print_dry(dry);
    }
    return decide(replay, dry);
}

int cli_replay(struct cli *cli) {
    struct replay replay = {.cli = cli};
    buf_init(&replay.filter, PATH_BYTES_MAX);
    int status = parse(&replay);
    if (status == 0) {
        status = cli_flag(cli, "yes") ? run_job(&replay, "yes=1") : count_first(&replay);
    }
    buf_clear(&replay.filter);
    return status;
}
