/*
 * keys.c - keys that wait or are parked: what for, and how many events are behind them.
 *
 * `keys list` shows keys that are waiting, not those that are running.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "query/json.h"
#include "query/keys.h"
#include "query/steps.h"
#include "journal/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEYS_SHOWN = 100, EVENTS_SHOWN = 50, CELL_BYTES_MAX = 1 << 20 };

/* ---- what a key waits for ---- */

/* Within a transaction: what the head waits for. */
static void add_sleep(const struct cli *cli, struct buf *out, const struct event *e,
                      const char *id) {
    struct steps steps;
    buf_printf(out, "held by %s, ", id);
    if (steps_read(cli->journal, e, &steps) != 0) {
        steps = (struct steps){.items = NULL};
    }
    const struct step *wait = steps_waiting(&steps, e);
    if (wait != NULL && wait->kind == STEP_WAIT) {
        buf_add_str(out, "waits for the signal \"");
        text_add_safe(out, wait->value);
        buf_add_str(out, e->due_ms == 0 ? "\"" : "\", at most until ");
    } else {
        buf_add_str(out, wait != NULL ? "sleeps, due " : "put off, due ");
    }
    steps_clear(&steps);
    if (e->due_ms != 0) {
        text_add_ago(out, cli->now_ms, e->due_ms);
    }
}

static void add_waits(const struct cli *cli, struct buf *out, const struct row *head,
                      const struct event *e) {
    char id[UUID_SHORT_DIGITS + 1];
    (void)uuid_short(&e->id, id);
    if (head->flags == LANE_PARKED) {
        buf_printf(out, "parked behind %s (dead: ", id);
        text_add_safe(out, slice_first_line(e->reason));
        buf_add_str(out, ")");
    } else if (e->state == EVENT_RETRYING) {
        buf_printf(out, "held by %s attempt %" PRIu32 ", next try ", id, e->attempts);
        text_add_ago(out, cli->now_ms, e->due_ms);
    } else if (e->state == EVENT_COMPENSATING) {
        buf_printf(out, "%s is undoing its saga, next try ", id);
        text_add_ago(out, cli->now_ms, e->due_ms);
    } else if (e->state == EVENT_SLEEPING) {
        add_sleep(cli, out, e, id);
    } else {
        buf_printf(out, "in progress: %s is %s", id, event_state_name(e->state));
    }
}

/* ---- list ---- */

static const struct table_column list_columns[] = {
    {"SERVICE", false}, {"KEY", false}, {"BEHIND", true}, {"WAITS", false}};

static void add_held(const struct cli *cli, struct table *table, const struct held *held,
                     const struct event *event) {
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    text_add_safe(&text, slice_of(cli_service_name(cli, event->service)));
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, event->key);
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_PLAIN, held->behind);
    add_waits(cli, &text, &held->head, event);
    table_take(table, held->head.flags == LANE_PARKED ? STYLE_BAD : STYLE_PLAIN, &text);
    buf_clear(&text);
}

static int list_lane(struct cli *cli, struct listing *listing, const struct held *held) {
    struct event *event = NULL;
    if (!listing_wants(listing)) {
        return 0;
    }
    int code = journal_event_get(cli->journal, held->head.partition, &held->head.id,
                                 held->head.service, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (cli->json) {
        listing_add_json(cli, listing, held_json(cli->journal, held, event));
    } else {
        add_held(cli, listing->table, held, event);
    }
    event_free(event);
    return 0;
}

/* Visits each lane once, with its head and the number of other events; for one service or (-1)
 * all. Those that are only counted are not read to the last. */
static int each_lane(struct cli *cli, int service, struct listing *listing) {
    struct held_walk walk = {.by_service = service >= 0, .service = (uint16_t)service};
    struct held held;
    bool found = false;
    uint64_t rows = 0;
    int code = cli_begin(cli);
    while (code == 0 && listing->status == 0 && !listing->cut &&
           (code = held_walk_next(cli->journal, &walk, &held, &found)) == 0) {
        code = found ? list_lane(cli, listing, &held) : 0;
        code = code == 0 ? cli_breathe(cli) : code;
        listing->cut = ++rows >= KEYS_COUNTED_MAX && listing->seen > listing->limit;
    }
    cli_end(cli);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int list(struct cli *cli) {
    struct listing listing;
    uint16_t number = 0;
    const char *name = cli_option(cli, "service");
    int status = listing_init(cli, &listing, list_columns,
                              sizeof list_columns / sizeof *list_columns, KEYS_SHOWN);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status == 0 && name != NULL) {
        status = cli_service(cli, name, &number);
    }
    if (status == 0) {
        int code = each_lane(cli, name == NULL ? -1 : number, &listing);
        status = listing_print(cli, &listing, code, "no blocked keys", NULL);
    }
    listing_clear(&listing);
    return status;
}

/* ---- show ---- */

static const struct table_column show_columns[] = {{"", true},       {"EVENT", false},
                                                   {"STATE", false}, {"ACCEPTED", false},
                                                   {"TRIES", true},  {"TOPIC", false}};

/* The key being shown. */
struct queue {
    struct key_queue key;
    uint64_t limit;
    struct table *table;
    json_t *events; /* with --json */
    json_t *signals;
};

static void add_waiting(const struct cli *cli, struct queue *q, const struct event *event) {
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    table_add_count(q->table, STYLE_DIM, q->key.count);
    table_add(q->table, STYLE_PLAIN, uuid_short(&event->id, id));
    table_add(q->table, text_state_style(event->state), event_state_name(event->state));
    text_add_when(&text, cli->now_ms, event->accepted_ms);
    table_take(q->table, STYLE_PLAIN, &text);
    table_add_count(q->table, STYLE_PLAIN, event->attempts);
    text_add_safe(&text, event->topic);
    table_take(q->table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static int show_row(struct cli *cli, struct queue *q) {
    const struct row *row = &q->key.row;
    struct event *event = NULL;
    if (q->key.count > q->limit) {
        return 0;
    }
    int code = journal_event_get(cli->journal, row->partition, &row->id, row->service, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (cli->json) {
        json_t *object = look_event_json(cli->journal, event, false);
        code = json_array_append_new(q->events, object) == 0 ? 0 : ERR_MEMORY;
    } else {
        add_waiting(cli, q, event);
    }
    event_free(event);
    return code;
}

static int read_queue(struct cli *cli, struct queue *q) {
    bool found = false;
    int code;
    while ((code = key_queue_next(cli->journal, &q->key, &found)) == 0) {
        code = found ? show_row(cli, q) : 0;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Adds the sentence about the head to the page; within the transaction. */
static int add_head(struct cli *cli, struct queue *q) {
    struct event *event = NULL;
    struct buf text;
    int code = journal_event_get(cli->journal, q->key.head.partition, &q->key.head.id,
                                 q->key.head.service, &event);
    if (code != 0) {
        return code;
    }
    buf_init(&text, CELL_BYTES_MAX);
    text_add_safe(&text, slice_of(cli->words[0]));
    buf_add_str(&text, " ");
    text_add_safe(&text, event->key);
    buf_add_str(&text, ": ");
    add_waits(cli, &text, &q->key.head, event);
    buf_printf(&cli->page, "%s; %" PRIu64 " behind it\n\n", buf_str(&text), q->key.count - 1);
    buf_clear(&text);
    event_free(event);
    return 0;
}

static void print_signals(const json_t *signals) {
    size_t i;
    const json_t *one;
    json_array_foreach(signals, i, one) {
        struct buf text;
        buf_init(&text, CELL_BYTES_MAX);
        text_add_safe(&text, slice_of(json_string_value(json_object_get(one, "name"))));
        buf_add_str(&text, "  ");
        text_add_safe(&text, slice_of(json_string_value(json_object_get(one, "value"))));
        (void)printf("%skept signal  %s, until %s\n", i == 0 ? "\n" : "", buf_str(&text),
                     json_string_value(json_object_get(one, "expires_at")));
        buf_clear(&text);
    }
}

static int print_queue(struct cli *cli, struct queue *q, struct slice key) {
    int code = cli_begin(cli);
    code = code == 0 ? read_queue(cli, q) : code;
    code = code == 0 ? key_signals(cli->journal, &q->key, key, &q->signals) : code;
    if (code == 0 && q->key.count > 0 && !cli->json) {
        code = add_head(cli, q);
    }
    cli_end(cli);
    int status = 0;
    bool nothing = q->key.count == 0 && json_array_size(q->signals) == 0;
    if (code == 0 && nothing && cli_is_elsewhere(cli, &status)) {
        return status;
    }
    if (code == 0 && cli->json) {
        return cli_print_json(
            key_queue_json(&q->key, json_incref(q->events), json_incref(q->signals)));
    }
    if (code == 0 && q->key.count == 0) {
        (void)printf("this key has no waiting events\n");
    } else if (code == 0) {
        code = table_print(q->table, stdout, cli->colour, table_terminal_width());
    }
    if (code == 0 && q->key.count > q->limit) {
        (void)printf("and %" PRIu64 " more: --limit N shows more\n", q->key.count - q->limit);
    }
    print_signals(code == 0 ? q->signals : NULL);
    return code != 0 ? cli_read_failed(code) : EXIT_GOOD;
}

static int show(struct cli *cli) {
    struct queue q = {.limit = 0};
    struct slice key;
    uint16_t number = 0;
    int status = cli_option_count(cli, "limit", EVENTS_SHOWN, &q.limit);
    status = status == 0 ? cli_parse_key(cli, cli->words[1], &key) : status;
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? cli_service(cli, cli->words[0], &number) : status;
    if (status != 0) {
        return status;
    }
    key_queue_init(&q.key, number, journal_origin_of(cli->journal, slice_of(cli->words[0])), key);
    q.table = table_new(show_columns, sizeof show_columns / sizeof *show_columns);
    q.events = json_array();
    status = q.table == NULL || q.events == NULL ? cli_fail(ERR_MEMORY, "out of memory")
                                                 : print_queue(cli, &q, key);
    json_decref(q.events);
    json_decref(q.signals);
    table_free(q.table);
    return status;
}

/* ---- resume, skip ---- */

static int ask_key(struct cli *cli, const char *verb, const char *done) {
    struct slice key;
    struct buf path;
    json_t *answer = NULL;
    int status = cli_parse_key(cli, cli->words[1], &key);
    if (status != 0) {
        return status;
    }
    buf_init(&path, 8192);
    buf_add_str(&path, "/api/keys/");
    url_add_part(&path, slice_of(cli->words[0]));
    buf_printf(&path, "/%s?force=%d&key=", verb, cli_flag(cli, "force") ? 1 : 0);
    url_add_part(&path, key);
    status = path.failed ? cli_misused(cli, "the service name is too long")
                         : cli_ask(cli, "POST", buf_str(&path), (struct slice){"", 0}, &answer);
    buf_clear(&path);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        (void)printf("%s\n", done);
    }
    json_decref(answer);
    return status;
}

static int resume(struct cli *cli) {
    return ask_key(cli, "resume", "the parked event runs again, then the events behind it");
}

static int skip(struct cli *cli) {
    return ask_key(cli, "skip", "the key continues; the event that parked it stays dead");
}

static const struct cli_option list_options[] = {
    {"service", "NAME", "only this service"},
    {"limit", "N", "at most this many (100)"},
    {NULL, NULL, NULL},
};

static const struct cli_option show_options[] = {
    {"limit", "N", "show at most this many of its events (50)"},
    {NULL, NULL, NULL},
};

static const struct cli_option resume_options[] = {
    {"force", NULL, "even if it is older than idempotency_window"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_keys_commands[] = {
    {"keys list", "", "list blocked and parked keys, and why", NULL, 0, 0, list_options, list},
    {"keys show", "SERVICE KEY", "show the waiting events of one key, in order", NULL, 2, 2,
     show_options, show},
    {"keys resume", "SERVICE KEY", "run the event that parked the key again", NULL, 2, 2,
     resume_options, resume},
    {"keys skip", "SERVICE KEY", "leave the event that parked the key dead and continue behind it",
     NULL, 2, 2, NULL, skip},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
