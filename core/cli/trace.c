/*
 * trace.c - trace: the life of an event, of its causes and of its results.
 */
#include "cli/impl.h"

#include "cli/json.h"
#include "cli/life.h"
#include "cli/listing.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/steps.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/limits.h"
#include "event/span.h"
#include "query/events.h"
#include "query/json.h"
#include "query/trace.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

enum { KEY_EVENTS_SHOWN = 20, INDENT = 4, INDENT_MAX = HOPS_MAX * INDENT + 8 };

/* ---- for people ---- */

static void print_causes(const struct cli *cli, const struct trace *trace) {
    for (size_t i = trace->cause_count; i > 0; i--) {
        struct life life = {.event = trace->causes[i - 1]};
        (void)printf("%s", i == trace->cause_count ? "caused by\n" : "");
        life_print_title(cli, &life, "  ");
    }
}

static void print_publishes(const struct trace *trace, int node, const char *indent) {
    char id_text[UUID_TEXT_BYTES + 1];
    struct uuid id;
    struct slice topic;
    size_t at = 0;
    while (look_next_publish(trace->nodes[node].life.event, &at, &id, &topic)) {
        struct buf text;
        buf_init(&text, TOPIC_BYTES_MAX * 8);
        text_add_safe(&text, topic);
        (void)printf("%s  published %s  %s%s\n", indent, uuid_text(&id, id_text), buf_str(&text),
                     trace_became(trace, node, &id) ? "" : "  (no event on this host)");
        buf_clear(&text);
    }
}

/* Of an event that came with a trace, or whose spans are sent. */
static void print_trace_id(const struct cli *cli, const struct event *event) {
    struct span_context trace;
    char text[2 * TRACE_ID_BYTES + 1];
    bool came = span_trace_of(event, &trace);
    if (came || (cli->conf != NULL && telemetry_is_on(&cli->conf->telemetry))) {
        (void)printf("  trace id %s\n", span_trace_text(&trace, text));
    }
}

static void print_tree(const struct cli *cli, const struct trace *trace) {
    char indent[INDENT_MAX];
    for (int i = trace_next(trace, TRACE_NONE); i != TRACE_NONE; i = trace_next(trace, i)) {
        const struct trace_node *node = &trace->nodes[i];
        assert(node->depth * INDENT < INDENT_MAX);
        (void)snprintf(indent, sizeof indent, "%*s", node->depth * INDENT, "");
        (void)printf("%s", i > 0 && node->depth == 0 ? "\n" : "");
        life_print_title(cli, &node->life, indent);
        if (node->depth == 0) {
            print_trace_id(cli, node->life.event);
        }
        life_print_course(cli, &node->life, indent, false);
        life_print_steps(cli, &node->life, indent);
        life_print_calls(cli, &node->life, indent);
        print_publishes(trace, i, indent);
    }
    if (trace->cut) {
        (void)printf("and more: the tree is limited to %d events\n", TRACE_EVENTS_MAX);
    }
    if (trace->count == 0) {
        (void)printf("%s, no event on this host\n", trace_state(trace));
    }
}

/* ---- the command ---- */

static int show(struct cli *cli, const struct trace *trace) {
    if (cli->json) {
        return cli_print_json(trace_json(cli->journal, trace));
    }
    print_causes(cli, trace);
    print_tree(cli, trace);
    return EXIT_GOOD;
}

/* Reads everything that the events found so far lead to; ends the transaction. */
static int read_on(struct cli *cli, struct trace *trace, int code) {
    while (code == 0) {
        code = trace_step(trace, cli->journal);
    }
    cli_end(cli);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int trace_id(struct cli *cli, struct trace *trace) {
    struct uuid id;
    int status = cli_find_id(cli, cli->words[0], ID_OF_EVENT, &id);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status != 0) {
        return status;
    }
    int code = cli_begin(cli);
    code = read_on(cli, trace, code == 0 ? trace_begin(trace, cli->journal, &id) : code);
    if (code != 0) {
        return cli_read_failed(code);
    }
    if (!trace_found(trace) && cli_is_elsewhere(cli, &status)) {
        return status;
    }
    if (!trace_found(trace)) {
        return cli_fail(ERR_NOTFOUND,
                        "no event %s here: it was never accepted, was a duplicate of an earlier "
                        "one, or ended longer ago than store.keep_done",
                        cli->words[0]);
    }
    return show(cli, trace);
}

/* Collects the newest events of the key, up to the limit, newest first. */
static int gather_key(struct cli *cli, const struct look_filter *filter, struct event **events,
                      size_t limit, size_t *count) {
    struct look_walk walk;
    struct event *event = NULL;
    look_walk_init(&walk, cli->journal, filter);
    int code = 0;
    while (code == 0 && *count < limit && walk.passed < READING_ROWS_MAX &&
           (code = look_walk_next(cli->journal, &walk, &event)) == 0) {
        if (event != NULL) {
            events[(*count)++] = event;
        }
        code = cli_breathe(cli);
    }
    if (code == 0 && *count < limit) {
        listing_tell_rest(cli, &walk, "zingq events --service S --key KEY ");
    }
    look_walk_clear(&walk);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int read_key(struct cli *cli, uint16_t service, struct slice key, size_t limit,
                    struct trace *trace) {
    struct event *events[TRACE_EVENTS_MAX];
    size_t count = 0;
    const struct look_filter filter = {
        .by_service = true, .service = service, .by_key = true, .key = key};
    int code = cli_begin(cli);
    if (code == 0) {
        code = gather_key(cli, &filter, events, limit, &count);
    }
    for (size_t i = count; i > 0; i--) { /* oldest first */
        if (code == 0) {
            code = trace_add(trace, cli->journal, events[i - 1]);
        } else {
            event_free(events[i - 1]);
        }
    }
    return read_on(cli, trace, code);
}

static int trace_key(struct cli *cli, struct trace *trace) {
    uint16_t service = 0;
    uint64_t limit;
    struct slice key;
    int status = cli_option_count(cli, "limit", KEY_EVENTS_SHOWN, &limit);
    status = status == 0 ? cli_parse_key(cli, cli->words[1], &key) : status;
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? cli_service(cli, cli->words[0], &service) : status;
    if (status != 0) {
        return status;
    }
    int code =
        read_key(cli, service, key, limit < TRACE_EVENTS_MAX ? limit : TRACE_EVENTS_MAX, trace);
    if (code != 0) {
        return cli_read_failed(code);
    }
    if (!trace_found(trace) && cli_is_elsewhere(cli, &status)) {
        return status;
    }
    if (!trace_found(trace)) {
        return cli_fail(ERR_NOTFOUND, "no events of %s with the key \"%s\"", cli->words[0],
                        cli->words[1]);
    }
    return show(cli, trace);
}

int cli_trace(struct cli *cli) {
    struct trace trace;
    if (trace_init(&trace, SIZE_MAX, cli->now_ms) != 0) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    int status = cli->word_count == 1 ? trace_id(cli, &trace) : trace_key(cli, &trace);
    trace_clear(&trace);
    return status;
}
