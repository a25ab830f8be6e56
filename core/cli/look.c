/*
 * look.c - events: what the store holds, newest first, by service, key, state and topic.
 */
#include "cli/cli.h"

#include "cli/table.h"
#include "query/events.h"
#include "query/json.h"

#include <stdio.h>

enum { EVENTS_SHOWN = 50, EXCERPT_BYTES = 120 };

/* What --service, --key, --state and --topic ask for. */
struct wish {
    const char *service_name;
    struct look_wish look;
    uint64_t limit;
};

static int parse_state(const char *text, struct look_wish *wish) {
    static const char *const names[] = {
#define X(state, name) name,
        EVENT_STATE_LIST(X)
#undef X
    };
    wish->by_state = text != NULL;
    if (text == NULL || event_state_parse(text, &wish->state)) {
        return 0;
    }
    return cli_unknown("state", text, names, EVENT_STATE_COUNT);
}

/* What can be said without the store. */
static int parse_wish(const struct cli *cli, struct wish *wish) {
    struct report r = {""};
    const char *key = cli_option(cli, "key");
    wish->service_name = cli_option(cli, "service");
    wish->look.topic = cli_option(cli, "topic");
    wish->look.by_key = key != NULL;
    int status = parse_state(cli_option(cli, "state"), &wish->look);
    if (status == 0 && wish->look.topic != NULL && filter_check(wish->look.topic, &r) != 0) {
        status = cli_misused(cli, "--topic: %s", r.text);
    }
    if (status == 0 && key != NULL) {
        status = cli_parse_key(cli, key, &wish->look.key);
    }
    return status != 0 ? status : cli_option_count(cli, "limit", EVENTS_SHOWN, &wish->limit);
}

static int find_service(struct cli *cli, struct wish *wish) {
    wish->look.by_service = wish->service_name != NULL;
    return wish->service_name == NULL ? 0
                                      : cli_service(cli, wish->service_name, &wish->look.service);
}

static const struct table_column columns[] = {
    {"ACCEPTED", false}, {"SERVICE", false}, {"STATE", false}, {"KEY", false},
    {"TOPIC", false},    {"TRIES", true},    {"EVENT", false}, {"", false},
};

/* Why it is dead, when it is tried again, or else the beginning of its payload. */
static void add_remark(const struct cli *cli, struct buf *out, const struct event *event) {
    if (event_state_put_off(event->state) && event->due_ms != 0) {
        buf_add_str(out, "due ");
        text_add_ago(out, cli->now_ms, event->due_ms);
        return;
    }
    struct slice text = event->reason.len > 0 ? slice_first_line(event->reason) : event->payload;
    bool long_text = text.len > EXCERPT_BYTES;
    text.len = long_text ? EXCERPT_BYTES : text.len;
    text_add_safe(out, text);
    buf_add_str(out, long_text ? "…" : "");
}

static void add_event(const struct cli *cli, struct table *table, const struct event *event) {
    char id[UUID_TEXT_BYTES + 1];
    struct buf text;
    buf_init(&text, 1 << 20);
    text_add_when(&text, cli->now_ms, event->accepted_ms);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, slice_of(cli_service_name(cli, event->service)));
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, text_state_style(event->state), event_state_name(event->state));
    text_add_safe(&text, event->key);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, event->topic);
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_PLAIN, event->attempts);
    table_add(table, STYLE_PLAIN, uuid_text(&event->id, id));
    add_remark(cli, &text, event);
    table_take(table, STYLE_DIM, &text);
    buf_clear(&text);
}

/* Hands on the events wished for, up to the limit; 0 or an error of the store. */
static int each_wished(struct cli *cli, const struct wish *wish, struct table *table,
                       uint64_t *count, int *status) {
    struct look_walk walk;
    struct event *event = NULL;
    look_walk_init(&walk, look_wish_partition(cli->journal, &wish->look));
    int code = cli_begin(cli);
    while (code == 0 && *count < wish->limit && *status == 0 &&
           (code = look_walk_next(cli->journal, &walk, &event)) == 0) {
        if (look_is_wished(&wish->look, event) && cli->json) {
            *status = cli_print_json_item(cli, look_event_json(cli->journal, event, true), count);
        } else if (look_is_wished(&wish->look, event)) {
            add_event(cli, table, event);
            (*count)++;
        }
        event_free(event);
        code = cli_breathe(cli);
    }
    cli_end(cli);
    look_walk_clear(&walk);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int print_events(struct cli *cli, const struct wish *wish) {
    uint64_t count = 0;
    int status = 0;
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    int code = table == NULL ? ERR_MEMORY : each_wished(cli, wish, table, &count, &status);
    if (code == 0 && cli->json) {
        cli_print_json_end(count);
    } else if (code == 0 && count == 0) {
        (void)printf("no such events\n");
    } else if (code == 0) {
        code = table_print(table, stdout, cli->colour, table_terminal_width());
    }
    table_free(table);
    return code != 0 ? cli_read_failed(code) : status;
}

static int events(struct cli *cli) {
    struct wish wish = {.limit = 0};
    int status = parse_wish(cli, &wish);
    if (status == 0) {
        status = cli_open_store(cli);
    }
    if (status == 0) {
        status = find_service(cli, &wish);
    }
    return status != 0 ? status : print_events(cli, &wish);
}

static const struct cli_option status_options[] = {
    {"count", NULL, "count what waits even when there is very much of it"},
    {NULL, NULL, NULL},
};

static const struct cli_option events_options[] = {
    {"service", "NAME", "of this service"},
    {"key", "KEY", "with this key"},
    {"state", "STATE", EVENT_STATES_TEXT},
    {"topic", "FILTER", "from topics that match, as in booking/+"},
    {"limit", "N", "at most so many (50)"},
    {NULL, NULL, NULL},
};

static const struct cli_option trace_options[] = {
    {"limit", "N", "with a key: at most so many of its events, the newest (20)"},
    {NULL, NULL, NULL},
};

static const struct cli_option delayed_options[] = {
    {"limit", "N", "at most so many (100)"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_look_commands[] = {
    {"status", "", "one screen: the host, the broker, the books of every service", NULL, 0, 0,
     status_options, cli_status},
    {"top", "", "the running host on one screen, each second anew", NULL, 0, 0, NULL, cli_top},
    {"events", "", "events, newest first", NULL, 0, 0, events_options, events},
    {"trace", "EVENT-ID | SERVICE KEY", "the life of an event: each attempt, what it published",
     "Goes up to what caused it and down to the events that its publishes became in other\n"
     "services.",
     1, 2, trace_options, cli_trace},
    {"delayed", "", "publishes that wait for their time", "`cancel` takes one back by its id.", 0,
     0, delayed_options, cli_delayed},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
