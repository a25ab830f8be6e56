/*
 * dlq_change.c - replay, discard. Letters that are named are handled one by one; those of a service
 * are handled by a job of the running host, which keeps the order within each key at any pace. An
 * interrupted replay has replayed as many as it says, and can be repeated.
 */
#include "cli/dlq.h"

#include "cli/ask.h"
#include "cli/job.h"
#include "cli/json.h"
#include "cli/letters.h"
#include "cli/options.h"
#include "cli/several.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSALS_TOLD = 20, PATH_BYTES_MAX = 16384 };

/* The results for all letters. */
struct outcome {
    const char *verb, *past; /* "replay", "replayed" */
    uint64_t good;           /* carried out */
    uint64_t gone;           /* no longer dead when it was their turn */
    uint64_t refused;        /* refused by the host, with a reason */
    uint64_t old;            /* left out: beyond idempotency_window */
    bool cut;                /* there are more letters */
    bool stopped;            /* by Ctrl-C */
    char why[256];           /* reason of a job's last refusal */
};

/* ---- one letter ---- */

int dlq_ask(struct cli *cli, const struct uuid *id, const char *service, const char *verb,
            struct slice body, struct dlq_answer *answer) {
    char text[UUID_TEXT_BYTES + 1];
    struct buf path;
    struct report r = {""};
    int status = cli_find_data(cli);
    *answer = (struct dlq_answer){.status = 0};
    if (status != 0) {
        return status;
    }
    buf_init(&path, 4096);
    buf_printf(&path, "/api/dlq/%s/%s", uuid_text(id, text), verb);
    buf_add_str(&path, cli_flag(cli, "force") ? "?force=1" : "?force=0");
    if (cli_flag(cli, "without-compensation")) {
        buf_add_str(&path, "&without_compensation=1");
    }
    if (service != NULL) {
        buf_add_str(&path, "&service=");
        url_add_part(&path, slice_of(service));
    }
    int code = path.failed ? report(&r, ERR_LIMIT, "the service's name is too long")
                           : cli_ask_quietly(cli, "POST", buf_str(&path), body, &answer->status,
                                             &answer->body, &r);
    buf_clear(&path);
    return code == 0 ? 0 : cli_not_asked(cli, code, &r);
}

/* Counts one answer, reports a refusal. EXIT_CANNOT_RUN: stop. */
static int note_answer(const struct cli *cli, struct outcome *outcome, const struct uuid *id,
                       struct dlq_answer *answer) {
    char text[UUID_TEXT_BYTES + 1];
    bool good = answer->status >= 200 && answer->status < 300;
    bool gone = answer->status == 404;
    const char *why = json_string_value(json_object_get(answer->body, "error"));
    outcome->good += good ? 1 : 0;
    outcome->gone += gone ? 1 : 0;
    outcome->refused += good || gone ? 0 : 1;
    if (!good && outcome->gone + outcome->refused <= REFUSALS_TOLD) {
        (void)cli_fail(ERR_INVALID, "%s: %s", uuid_text(id, text),
                       gone          ? "no such dead letter"
                       : why == NULL ? "refused"
                                     : why);
    }
    if (good && !cli->json) {
        cli_print_notes(answer->body);
    }
    json_decref(answer->body);
    return answer->status >= 500 ? EXIT_CANNOT_RUN : 0;
}

static int ask_one(struct cli *cli, struct outcome *outcome, const struct uuid *id,
                   const char *service) {
    struct dlq_answer answer;
    int status = dlq_ask(cli, id, service, outcome->verb, (struct slice){"", 0}, &answer);
    return status != 0 ? status : note_answer(cli, outcome, id, &answer);
}

static int ask_named(struct cli *cli, struct outcome *outcome) {
    int status = 0;
    struct uuid *ids = calloc((size_t)cli->word_count, sizeof *ids);
    if (ids == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    for (int i = 0; i < cli->word_count && status == 0; i++) { /* all or none */
        status = cli_find_id(cli, cli->words[i], ID_OF_LETTER, &ids[i]);
    }
    for (int i = 0; i < cli->word_count && status == 0; i++) {
        status = ask_one(cli, outcome, &ids[i], cli_option(cli, "service"));
    }
    free(ids);
    return status;
}

/* ---- many ---- */

/* Runs the job of a host for the letters of a service, or of one of its groups; of this one if its number
 * is 0. */
static int run_job(struct cli *cli, struct outcome *outcome, unsigned host) {
    struct buf path;
    json_t *job = NULL;
    buf_init(&path, PATH_BYTES_MAX);
    buf_printf(&path, "/api/dlq/%s?", outcome->verb);
    if (host > 0) {
        buf_printf(&path, "host=%u&", host);
    }
    job_add_query(&path, "service", cli_option(cli, "service"));
    job_add_query(&path, "group", cli_option(cli, "group"));
    job_add_query(&path, "rate", cli_option(cli, "rate"));
    job_add_query(&path, "force", cli_flag(cli, "force") ? "1" : NULL);
    job_add_query(&path, "without_compensation",
                  cli_flag(cli, "without-compensation") ? "1" : NULL);
    int status = path.failed ? cli_misused(cli, "a service's name is not that long")
                             : job_run(cli, buf_str(&path), outcome->past, &job);
    buf_clear(&path);
    outcome->good += (uint64_t)job_count(job, outcome->past);
    outcome->gone += (uint64_t)job_count(job, "gone");
    outcome->refused += (uint64_t)job_count(job, "refused");
    outcome->old += (uint64_t)job_count(job, "old");
    outcome->cut = outcome->cut || json_is_true(json_object_get(job, "cut"));
    if (job_text(job, "error")[0] != '\0') {
        (void)snprintf(outcome->why, sizeof outcome->why, "%s", job_text(job, "error"));
    }
    bool stopped = strcmp(job_text(job, "state"), "stopped") == 0;
    status = status == 0 ? job_judge(job) : status;
    json_decref(job);
    outcome->stopped = stopped;
    return status;
}

/* One host after the other: --rate is that of all. Who does not answer keeps nobody else from it. */
static int ask_jobs(struct cli *cli, struct outcome *outcome) {
    struct report r = {""};
    double per_second;
    unsigned hosts = 1;
    const char *rate = cli_option(cli, "rate");
    if (rate != NULL && conf_parse_rate(rate, &per_second, &r) != 0) {
        return cli_misused(cli, "--rate: %s", r.text);
    }
    int status = letters_check_group(cli);
    status = status == 0 ? cli_count_hosts(cli, &hosts) : status;
    if (status != 0 || hosts == 1) {
        return status != 0 ? status : run_job(cli, outcome, 0);
    }
    for (unsigned host = 1; host <= hosts && !outcome->stopped; host++) {
        int one = run_job(cli, outcome, host);
        status = one > status ? one : status;
    }
    return status;
}

static void tell_result(const struct outcome *outcome) {
    struct buf why;
    buf_init(&why, sizeof outcome->why * 8);
    text_add_safe(&why, slice_of(outcome->why));
    (void)printf("%" PRIu64 " %s", outcome->good, outcome->past);
    if (outcome->gone > 0) {
        (void)printf(", %" PRIu64 " no longer dead", outcome->gone);
    }
    if (outcome->refused > 0) {
        (void)printf(", %" PRIu64 " refused", outcome->refused);
    }
    if (outcome->refused > 0 && why.len > 0) {
        (void)printf(" (%s)", buf_str(&why));
    }
    (void)printf("\n");
    if (outcome->old > 0) {
        (void)printf("Left out: %" PRIu64 " older than idempotency_window (--force)\n",
                     outcome->old);
    }
    if (outcome->cut) {
        (void)printf("There are more than a job may have: run the same command again\n");
    }
    buf_clear(&why);
}

static int change(struct cli *cli, const char *verb, const char *past) {
    struct outcome outcome = {.verb = verb, .past = past};
    bool by_service = cli_option(cli, "service") != NULL;
    if (cli->word_count == 0 && !by_service) {
        return cli_misused(cli, "give ids, or --service NAME for all dead letters of a service");
    }
    if (cli->word_count > 0 && cli_option(cli, "group") != NULL) {
        return cli_misused(cli, "give either ids or --group");
    }
    int status = cli->word_count > 0 ? ask_named(cli, &outcome) : ask_jobs(cli, &outcome);
    uint64_t asked = outcome.good + outcome.gone + outcome.refused;
    if (status != 0 && asked == 0) {
        return status;
    }
    if (cli->json) {
        int printed =
            cli_print_json(json_pack("{s:I, s:I, s:I, s:I}", outcome.past, (json_int_t)outcome.good,
                                     "gone", (json_int_t)outcome.gone, "refused",
                                     (json_int_t)outcome.refused, "old", (json_int_t)outcome.old));
        status = status != 0 ? status : printed;
    } else {
        tell_result(&outcome);
    }
    /* If somebody else handled a dead letter first, a bulk replay has not failed. */
    bool failed = outcome.refused + outcome.old > 0 || (cli->word_count > 0 && outcome.gone > 0);
    return status != 0 ? status : failed ? EXIT_NO : EXIT_GOOD;
}

int dlq_replay(struct cli *cli) {
    return change(cli, "replay", "replayed");
}

int dlq_discard(struct cli *cli) {
    return change(cli, "discard", "discarded");
}
