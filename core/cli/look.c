/*
 * look.c - events: the events in the store, newest first, by service, key, state and topic.
 */
#include "cli/impl.h"

#include "cli/follow.h"
#include "cli/listing.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "query/events.h"
#include "query/json.h"

enum { EVENTS_SHOWN = 50, EXCERPT_BYTES = 120, CELL_BYTES_MAX = 1 << 20 };

/* What --service, --key, --state, --topic and --before select. */
struct events_filter {
    const char *service_name;
    struct look_filter look;
    struct event_place before; /* only events after this place in the walk; its id zero: all */
};

static int parse_state(const char *text, struct look_filter *filter) {
    static const char *const names[] = {
#define X(state, name) name,
        EVENT_STATE_LIST(X)
#undef X
    };
    filter->by_state = text != NULL;
    if (text == NULL || event_state_parse(text, &filter->state)) {
        return 0;
    }
    return cli_unknown("state", text, names, EVENT_STATE_COUNT);
}

/* Checks what can be checked without the store. */
static int parse_filter(const struct cli *cli, struct events_filter *filter) {
    struct report r = {""};
    const char *key = cli_option(cli, "key");
    const char *before = cli_option(cli, "before");
    filter->service_name = cli_option(cli, "service");
    filter->look.topic = cli_option(cli, "topic");
    filter->look.by_key = key != NULL;
    int status = parse_state(cli_option(cli, "state"), &filter->look);
    if (status == 0 && filter->look.topic != NULL && filter_check(filter->look.topic, &r) != 0) {
        status = cli_misused(cli, "--topic: %s", r.text);
    }
    if (status == 0 && before != NULL && !look_place_parse(before, &filter->before)) {
        status = cli_misused(cli, "--before takes an event's id, or what the last list ended with");
    }
    if (status == 0 && key != NULL) {
        status = cli_parse_key(cli, key, &filter->look.key);
    }
    return status;
}

static int find_service(struct cli *cli, struct events_filter *filter) {
    filter->look.by_service = filter->service_name != NULL;
    return filter->service_name == NULL
               ? 0
               : cli_service(cli, filter->service_name, &filter->look.service);
}

static const struct table_column columns[] = {
    {"ACCEPTED", false}, {"SERVICE", false}, {"STATE", false}, {"KEY", false},
    {"TOPIC", false},    {"TRIES", true},    {"EVENT", false}, {"", false},
};

/* Why it is dead, when its next attempt is due, or otherwise the beginning of its payload. */
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
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
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
    table_add(table, STYLE_PLAIN, uuid_short(&event->id, id));
    add_remark(cli, &text, event);
    table_take(table, STYLE_DIM, &text);
    buf_clear(&text);
}

/* Visits the events that match, up to the limit, and no more rows than an answer may take. */
static int each_match(struct cli *cli, const struct events_filter *filter,
                      struct listing *listing) {
    struct look_walk walk;
    struct event *event = NULL;
    look_walk_init(&walk, cli->journal, &filter->look);
    if (!uuid_is_zero(&filter->before.id)) {
        look_walk_after(&walk, &filter->before);
    }
    int code = cli_begin(cli);
    while (code == 0 && listing->seen < listing->limit && listing->status == 0 &&
           walk.passed < READING_ROWS_MAX &&
           (code = look_walk_next(cli->journal, &walk, &event)) == 0) {
        bool shown = event != NULL && listing_wants(listing);
        if (shown && cli->json) {
            listing_add_json(cli, listing, look_event_json(cli->journal, event, true));
        } else if (shown) {
            add_event(cli, listing->table, event);
        }
        event_free(event);
        code = cli_breathe(cli);
    }
    cli_end(cli);
    if (code == 0 && listing->seen < listing->limit && listing->status == 0) {
        listing_tell_rest(cli, &walk, "");
    }
    look_walk_clear(&walk);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int events(struct cli *cli) {
    struct events_filter filter = {.service_name = NULL};
    struct listing listing = {.table = NULL};
    int status = parse_filter(cli, &filter);
    if (status == 0 && cli_flag(cli, "follow")) {
        return cli_follow_events(cli);
    }
    if (status == 0) {
        status =
            listing_init(cli, &listing, columns, sizeof columns / sizeof *columns, EVENTS_SHOWN);
    }
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? find_service(cli, &filter) : status;
    if (status == 0) {
        status = listing_print(cli, &listing, each_match(cli, &filter, &listing), "no such events",
                               NULL);
    }
    listing_clear(&listing);
    return status;
}

static const struct cli_option status_options[] = {
    {"count", NULL, "count waiting events even if there are very many"},
    {"turns", NULL, "where the last seconds of the running host went"},
    {NULL, NULL, NULL},
};

static const struct cli_option events_options[] = {
    {"service", "NAME", "only this service"},
    {"key", "KEY", "only this key"},
    {"state", "STATE", EVENT_STATES_TEXT},
    {"topic", "FILTER", "only topics that match, as in booking/+"},
    {"limit", "N", "at most this many (50)"},
    {"before", "PLACE", "only events older than this id, or the place where a search ended"},
    {"follow", NULL, "go on with what the running host accepts, until Ctrl-C (short: -f)"},
    {NULL, NULL, NULL},
};

static const struct cli_option trace_options[] = {
    {"limit", "N", "with a key: at most this many of its newest events (20)"},
    {NULL, NULL, NULL},
};

static const struct cli_option delayed_options[] = {
    {"limit", "N", "at most this many (100)"},
    {NULL, NULL, NULL},
};

static const struct cli_option audit_options[] = {
    {"since", "TIME", "only what was changed since then: \"2h\", \"2026-11-25T03:00:00Z\""},
    {NULL, NULL, NULL},
};

const struct cli_command cli_look_commands[] = {
    {"status", "", "show the host, the broker and the counters of every service", NULL, 0, 0,
     status_options, cli_status},
    {"top", "", "show the running host on one screen, refreshed every second", NULL, 0, 0, NULL,
     cli_top},
    {"events", "", "list events, newest first",
     "A search that passes over very many events ends and says where: --before goes on there.\n"
     "--follow begins with the last 10, oldest first, and prints each new one, and again when it "
     "is in\n"
     "another state, as long as it is among the newest 200.",
     0, 0, events_options, events},
    {"trace", "EVENT-ID | SERVICE KEY", "show the history of an event: its attempts and publishes",
     "Goes up to what caused it and down to the events that its publishes became in other\n"
     "services.",
     1, 2, trace_options, cli_trace},
    {"audit", "", "list what was changed on the host: when, by whom, from where",
     "By the API, the commands and the dashboard; publishes and signals are found as events.", 0, 0,
     audit_options, cli_audit},
    {"delayed", "", "list delayed publishes", "`cancel` cancels one by its id.", 0, 0,
     delayed_options, cli_delayed},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
