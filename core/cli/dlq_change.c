/*
 * dlq_change.c - replay, discard: asked of the running host, one letter at a time.
 *
 * The letters of a service are found in the store and sorted by arrival, so that the order within
 * each key is kept whatever the pace. Each is an order of its own: an interrupted replay has
 * replayed what it says, and can be given again.
 */
#include "cli/dlq.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/letters.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/clock.h"
#include "journal/event.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_MS = 500, REFUSALS_TOLD = 20 };

/* One letter to ask for. */
struct target {
    uint64_t seq;
    struct uuid id;
    uint16_t service;
};

struct targets {
    struct target *items;
    size_t count, cap;
};

/* How the work goes. */
struct bulk {
    const char *verb, *past; /* "replay", "replayed" */
    uint64_t good;           /* carried out */
    uint64_t gone;           /* no longer dead when their turn came */
    uint64_t refused;        /* the host would not, and said why */
    int64_t told_ms;         /* when progress was last printed */
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
        cli_add_part(&path, slice_of(service));
    }
    int code = path.failed ? report(&r, ERR_LIMIT, "the service's name is too long")
                           : cli_ask_quietly(cli, "POST", buf_str(&path), body, &answer->status,
                                             &answer->body, &r);
    buf_clear(&path);
    return code == 0 ? 0 : cli_not_asked(cli, code, &r);
}

/* Counts one answer, tells a refusal. EXIT_CANNOT_RUN: no use in going on. */
static int note_answer(struct bulk *bulk, const struct uuid *id, struct dlq_answer *answer) {
    char text[UUID_TEXT_BYTES + 1];
    bool good = answer->status >= 200 && answer->status < 300;
    bool gone = answer->status == 404;
    const char *why = json_string_value(json_object_get(answer->body, "error"));
    bulk->good += good ? 1 : 0;
    bulk->gone += gone ? 1 : 0;
    bulk->refused += good || gone ? 0 : 1;
    if (!good && bulk->gone + bulk->refused <= REFUSALS_TOLD) {
        (void)cli_fail(ERR_INVALID, "%s: %s", uuid_text(id, text),
                       gone          ? "no such dead letter"
                       : why == NULL ? "refused"
                                     : why);
    }
    json_decref(answer->body);
    return answer->status >= 500 ? EXIT_CANNOT_RUN : 0;
}

static int ask_one(struct cli *cli, struct bulk *bulk, const struct uuid *id, const char *service) {
    struct dlq_answer answer;
    int status = dlq_ask(cli, id, service, bulk->verb, (struct slice){"", 0}, &answer);
    return status != 0 ? status : note_answer(bulk, id, &answer);
}

static int ask_named(struct cli *cli, struct bulk *bulk) {
    struct uuid id = {{0}};
    int status = 0;
    for (int i = 0; i < cli->word_count && status == 0; i++) { /* all or none */
        status = cli_parse_id(cli, cli->words[i], &id);
    }
    for (int i = 0; i < cli->word_count && status == 0; i++) {
        bool parsed = uuid_parse(slice_of(cli->words[i]), &id);
        assert(parsed);
        status = ask_one(cli, bulk, &id, cli_option(cli, "service"));
    }
    return status;
}

/* ---- many ---- */

static int add_target(struct targets *targets, const struct event *event) {
    if (targets->count == targets->cap) {
        size_t cap = targets->cap == 0 ? 256 : targets->cap * 2;
        struct target *items = realloc(targets->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_MEMORY;
        }
        targets->items = items;
        targets->cap = cap;
    }
    targets->items[targets->count++] =
        (struct target){.seq = event->seq, .id = event->id, .service = event->service};
    return 0;
}

static int oldest_first(const void *a, const void *b) {
    const struct target *x = a;
    const struct target *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq ? 1 : 0;
}

static int find_targets(struct cli *cli, const struct dead_filter *filter,
                        struct targets *targets) {
    struct dead_row row = {0};
    int code = cli_begin(cli);
    while (code == 0 && (code = letters_next(cli, filter, &row)) == 0) {
        struct event *event = NULL;
        code = dead_event(cli->journal, &row, &event);
        if (code == 0) {
            code = add_target(targets, event);
            event_free(event);
        }
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    cli_end(cli);
    if (targets->count > 0) {
        qsort(targets->items, targets->count, sizeof *targets->items, oldest_first);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Waits until `due_ms` of the monotonic clock. */
static void wait_until(int64_t due_ms) {
    struct timespec due = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {
    }
}

static void tell_progress(const struct cli *cli, struct bulk *bulk, size_t of, bool last) {
    int64_t now_ms = clock_monotonic_ms();
    if (cli->json || !isatty(STDERR_FILENO) || (!last && now_ms - bulk->told_ms < PROGRESS_MS)) {
        return;
    }
    bulk->told_ms = now_ms;
    (void)fprintf(stderr, "\r%s %" PRIu64 " of %zu%s", bulk->past, bulk->good, of,
                  last ? "\n" : "");
}

static int ask_all(struct cli *cli, struct bulk *bulk, const struct targets *targets,
                   double per_second) {
    int64_t begin_ms = clock_monotonic_ms();
    for (size_t i = 0; i < targets->count; i++) {
        if (per_second > 0) {
            wait_until(begin_ms + (int64_t)((double)i * 1000.0 / per_second));
        }
        const struct target *target = &targets->items[i];
        int status = ask_one(cli, bulk, &target->id, cli_service_name(cli, target->service));
        if (status != 0) {
            tell_progress(cli, bulk, targets->count, true);
            return status;
        }
        tell_progress(cli, bulk, targets->count, i + 1 == targets->count);
    }
    return EXIT_GOOD;
}

static int parse_rate(const struct cli *cli, double *per_second) {
    const char *text = cli_option(cli, "rate");
    struct report r = {""};
    *per_second = 0;
    if (text != NULL && conf_parse_rate(text, per_second, &r) != 0) {
        return cli_misused(cli, "--rate: %s", r.text);
    }
    return 0;
}

static int ask_matching(struct cli *cli, struct bulk *bulk) {
    struct dead_filter filter;
    struct targets targets = {0};
    double per_second;
    int status = parse_rate(cli, &per_second);
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? letters_parse_filter(cli, &filter) : status;
    if (status != 0) {
        return status;
    }
    int code = find_targets(cli, &filter, &targets);
    status = code != 0 ? cli_read_failed(code) : ask_all(cli, bulk, &targets, per_second);
    free(targets.items);
    return status;
}

static void tell_result(const struct bulk *bulk) {
    (void)printf("%" PRIu64 " %s", bulk->good, bulk->past);
    if (bulk->gone > 0) {
        (void)printf(", %" PRIu64 " no longer dead", bulk->gone);
    }
    if (bulk->refused > 0) {
        (void)printf(", %" PRIu64 " refused", bulk->refused);
    }
    (void)printf("\n");
}

static int change(struct cli *cli, const char *verb, const char *past) {
    struct bulk bulk = {.verb = verb, .past = past};
    bool by_service = cli_option(cli, "service") != NULL;
    if (cli->word_count == 0 && !by_service) {
        return cli_misused(cli, "give ids, or --service NAME for all dead letters of a service");
    }
    if (cli->word_count > 0 && cli_option(cli, "group") != NULL) {
        return cli_misused(cli, "give either ids or --group");
    }
    int status = cli->word_count > 0 ? ask_named(cli, &bulk) : ask_matching(cli, &bulk);
    uint64_t asked = bulk.good + bulk.gone + bulk.refused;
    if (status != 0 && asked == 0) {
        return status;
    }
    if (cli->json) {
        int printed =
            cli_print_json(json_pack("{s:I, s:I, s:I}", bulk.past, (json_int_t)bulk.good, "gone",
                                     (json_int_t)bulk.gone, "refused", (json_int_t)bulk.refused));
        status = status != 0 ? status : printed;
    } else {
        tell_result(&bulk);
    }
    /* A letter that another person was quicker to handle is no failure of a replay of all. */
    bool failed = bulk.refused > 0 || (cli->word_count > 0 && bulk.gone > 0);
    return status != 0 ? status : failed ? EXIT_NO : EXIT_GOOD;
}

int dlq_replay(struct cli *cli) {
    return change(cli, "replay", "replayed");
}

int dlq_discard(struct cli *cli) {
    return change(cli, "discard", "discarded");
}
