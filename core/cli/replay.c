/*
 * replay.c - replay: runs done events again, as a job of the running host.
 *
 * The outside world sees everything a second time, so this command first shows what would run and
 * asks for confirmation; where nobody can answer, it requires --yes. Exactly the events that were
 * shown are run: those that had ended when they were counted.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/confirm.h"
#include "cli/job.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "cli/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 16384 };

struct replay {
    struct cli *cli;
    struct buf filter; /* the part of the query that selects the events */
    const char *id;    /* --id in whole, or NULL */
    char id_text[UUID_TEXT_BYTES + 1];
};

/* ---- the request ---- */

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
    struct slice key;
    int status = 0;
    if (cli_option(cli, "key") != NULL) {
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

static int find_id(struct replay *replay) {
    const char *text = cli_option(replay->cli, "id");
    struct uuid id;
    if (text == NULL) {
        return 0;
    }
    int status = cli_find_id(replay->cli, text, ID_OF_EVENT, &id);
    replay->id = status == 0 ? uuid_text(&id, replay->id_text) : NULL;
    return status;
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
    status = status == 0 ? find_id(replay) : status;
    if (status != 0) {
        return status;
    }
    job_add_query(&replay->filter, "service", cli_option(cli, "service"));
    job_add_query(&replay->filter, "id", replay->id);
    job_add_query(&replay->filter, "key", cli_option(cli, "key"));
    job_add_query(&replay->filter, "rate", rate);
    job_add_query(&replay->filter, "force", cli_flag(cli, "force") ? "1" : NULL);
    status = add_times(cli, &replay->filter);
    if (status == 0 && replay->filter.failed) {
        status = cli_misused(cli, "the service name is too long");
    }
    return status;
}

/* ---- output ---- */

static void add_count(struct buf *out, json_int_t n, const char *one, const char *many) {
    text_add_count(out, (uint64_t)n);
    buf_printf(out, " %s", n == 1 ? one : many);
}

/* Adds which events are left out, and why; nothing when there are none. */
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
        json_int_t n = job_count(job, reasons[i].name);
        if (n > 0) {
            buf_add_str(out, before);
            add_count(out, n, reasons[i].one, reasons[i].many);
            before = ", ";
        }
    }
    buf_add_str(out, before[0] == ',' ? "\n" : "");
}

static void add_found(const json_t *job, struct buf *out) {
    json_int_t found = job_count(job, "found");
    json_int_t keys = job_count(job, "keys");
    add_count(out, found, "event", "events");
    if (keys > 0) {
        buf_add_str(out, " of ");
        add_count(out, keys, "key", "keys");
    }
    buf_printf(out, ", accepted from %s to %s,\nwould run again: service ",
               job_text(job, "first_at"), job_text(job, "last_at"));
    text_add_safe(out, slice_of(job_text(job, "service")));
    buf_add_str(out, ", scripts/");
    text_add_safe(out, slice_of(job_text(job, "handler")));
    buf_add_str(out, ".\nCalls and mails are made again, ");
    buf_add_str(out, job_count(job, "batch") > 1
                         ? "without an Idempotency-Key, because they were made in batches"
                         : "under their original Idempotency-Keys");
    buf_add_str(out, "; publishes are sent again.\nFinished steps run again, too.\n");
    if (json_is_true(json_object_get(job, "paused"))) {
        buf_add_str(out, "The service is paused: they will wait for `zingq resume`.\n");
    }
}

static void print_dry(const json_t *job) {
    struct buf text;
    buf_init(&text, PATH_BYTES_MAX);
    if (job_count(job, "found") > 0) {
        add_found(job, &text);
    } else {
        buf_add_str(&text, "nothing to replay\n");
    }
    add_left_out(job, &text);
    (void)printf("%s", buf_str(&text));
    buf_clear(&text);
}

/* A job that ended early left the other events as they were. A relative age means another time when
 * the command is repeated. */
static void tell_rest(const json_t *job) {
    json_int_t ms = job_count(job, "as_of_ms");
    const char *from = job_text(job, "from");
    (void)fprintf(stderr,
                  "zingq: the other events were not replayed; run the same command with "
                  "%s%s%s--as-of @%" PRId64 ".%03d to replay only those\n",
                  from[0] == '\0' ? "" : "--from ", from, from[0] == '\0' ? "" : " ",
                  (int64_t)(ms / 1000), (int)(ms % 1000));
}

static void print_end(const json_t *job) {
    struct buf text;
    buf_init(&text, PATH_BYTES_MAX);
    text_add_count(&text, (uint64_t)job_count(job, "replayed"));
    buf_add_str(&text, " replayed");
    if (job_count(job, "gone") > 0) {
        buf_add_str(&text, ", ");
        text_add_count(&text, (uint64_t)job_count(job, "gone"));
        buf_add_str(&text, " deleted or replayed in the meantime");
    }
    if (job_count(job, "refused") > 0) {
        buf_add_str(&text, ", ");
        text_add_count(&text, (uint64_t)job_count(job, "refused"));
        buf_add_str(&text, " refused (");
        text_add_safe(&text, slice_of(job_text(job, "error")));
        buf_add_str(&text, ")");
    }
    buf_add_str(&text, "\n");
    add_left_out(job, &text);
    (void)printf("%s", buf_str(&text));
    buf_clear(&text);
}

/* The exit status of a job that has ended. */
static int judge(const struct replay *replay, const json_t *job) {
    int status = job_judge(job);
    if (status != 0) {
        return status;
    }
    bool nothing = replay->id != NULL && job_count(job, "found") == 0;
    bool left_out = job_count(job, "waiting") + job_count(job, "dead") + job_count(job, "locks") +
                        job_count(job, "old") >
                    0;
    if (nothing && !left_out) {
        return cli_fail(ERR_NOTFOUND, "no event %s in service %s", replay->id,
                        job_text(job, "service"));
    }
    return nothing || job_count(job, "refused") > 0 ? EXIT_NO : EXIT_GOOD;
}

/* ---- the flow ---- */

/* Runs the job with this consent, and waits for its end. */
static int ask(struct replay *replay, const char *consent, json_t **job) {
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX * 2);
    buf_printf(&path, "/api/replay?%s%s", buf_str(&replay->filter), consent);
    int status = job_run(replay->cli, buf_str(&path), "replayed", job);
    buf_clear(&path);
    return status;
}

static int run_job(struct replay *replay, const char *consent) {
    json_t *job = NULL;
    int status = ask(replay, consent, &job);
    if (status != 0) { /* if the host went away, this is its last report */
        if (job != NULL) {
            tell_rest(job);
        }
        json_decref(job);
        return status;
    }
    if (!replay->cli->json) {
        print_end(job);
    }
    status = judge(replay, job);
    if (strcmp(job_text(job, "state"), "done") != 0 && job_count(job, "replayed") > 0) {
        tell_rest(job);
    }
    if (!replay->cli->json) {
        json_decref(job);
        return status;
    }
    int printed = cli_print_json(job);
    return status != 0 ? status : printed;
}

/* Asks for confirmation, then runs the events that were counted. */
static int ask_and_run(struct replay *replay, const json_t *dry) {
    char consent[128];
    int status = cli_confirm(replay->cli, "nothing was replayed", "Run %s again?",
                             job_count(dry, "found") == 1 ? "it" : "them");
    if (status != 0) {
        return status;
    }
    (void)snprintf(consent, sizeof consent,
                   "confirm=%" JSON_INTEGER_FORMAT "&as_of_ms=%" JSON_INTEGER_FORMAT,
                   job_count(dry, "found"), job_count(dry, "as_of_ms"));
    return run_job(replay, consent);
}

/* After the count. Takes the job over. */
static int decide(struct replay *replay, json_t *dry) {
    const struct cli *cli = replay->cli;
    bool found = job_count(dry, "found") > 0;
    int status = judge(replay, dry);
    if (status == 0 && found && !cli_flag(cli, "dry-run")) {
        status = ask_and_run(replay, dry);
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
    int status = ask(replay, "dry=1", &dry);
    if (status != 0) {
        json_decref(dry);
        return status;
    }
    if (!replay->cli->json && strcmp(job_text(dry, "state"), "done") == 0) {
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
