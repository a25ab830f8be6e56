/*
 * dlq.c - dead letters: list and groups; the family's rows.
 */
#include "cli/dlq.h"

#include "cli/letters.h"
#include "cli/listing.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "journal/event.h"

#include <inttypes.h>
#include <limits.h>

enum { DEAD_SHOWN = 50, CELL_BYTES_MAX = 1 << 20 };

/* ---- list ---- */

static int find_newest(struct cli *cli, const struct dead_filter *filter, struct dead_newest *n) {
    struct dead_walk walk = {.filter = *filter};
    bool matches = false;
    int code = cli_begin(cli);
    while (code == 0 && (code = dead_walk_next(cli->journal, &walk, &matches)) == 0) {
        if (matches) {
            dead_newest_note(n, &walk);
        }
        code = cli_breathe(cli);
    }
    code = code == ERR_NOTFOUND ? 0 : code;
    code = code == 0 && n->cut ? dead_count(cli->journal, filter, &n->seen) : code;
    cli_end(cli);
    dead_newest_sort(n);
    return code;
}

static const struct table_column list_columns[] = {
    {"DEAD SINCE", false}, {"SERVICE", false}, {"KEY", false},   {"TOPIC", false},
    {"TRIES", true},       {"EVENT", false},   {"GROUP", false}, {"REASON", false},
};

static void add_dead(const struct cli *cli, struct table *table, const struct dead_row *row,
                     const struct event *event) {
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    text_add_when(&text, cli->now_ms, row->dead_ms);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, slice_of(cli_service_name(cli, event->service)));
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, event->key);
    buf_add_str(&text, event->parked ? " (parked)" : "");
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, event->topic);
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_PLAIN, event->attempts);
    table_add(table, STYLE_PLAIN, uuid_short(&event->id, id));
    buf_printf(&text, "%016" PRIx64, row->fingerprint);
    table_take(table, STYLE_DIM, &text);
    text_add_safe(&text, slice_first_line(event->reason));
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

/* Prints the rows that were found, except those that are gone by now. */
static int show_rows(struct cli *cli, const struct dead_newest *n, struct listing *listing) {
    int code = cli_begin(cli);
    for (size_t i = 0; i < n->count && code == 0 && listing->status == 0; i++) {
        struct event *event = NULL;
        code = dead_event(cli->journal, &n->rows[i], &event);
        if (code == 0 && cli->json) {
            listing_add_json(cli, listing, dead_json(cli->journal, &n->rows[i], event));
        } else if (code == 0) {
            add_dead(cli, listing->table, &n->rows[i], event);
        }
        event_free(event);
        code = code == 0 || code == ERR_NOTFOUND ? cli_breathe(cli) : code;
    }
    cli_end(cli);
    return code;
}

static int print_list(struct cli *cli, const struct dead_filter *filter, struct listing *listing) {
    struct dead_newest n = {0};
    int code = dead_newest_init(&n, (size_t)listing->limit);
    code = code == 0 ? find_newest(cli, filter, &n) : code;
    code = code == 0 ? show_rows(cli, &n, listing) : code;
    listing->seen = n.seen;
    dead_newest_clear(&n);
    return listing_print(cli, listing, code, "no dead letters",
                         "--limit N shows more, `zingq dlq groups` groups them");
}

/* Prints what matches the filter of the command line; `status` is the result of listing_init. */
static int print_filtered(struct cli *cli, int status, struct listing *listing,
                          int (*print)(struct cli *cli, const struct dead_filter *filter,
                                       struct listing *listing)) {
    struct dead_filter filter;
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? letters_parse_filter(cli, &filter) : status;
    status = status == 0 ? print(cli, &filter, listing) : status;
    listing_clear(listing);
    return status;
}

static int list(struct cli *cli) {
    struct listing listing;
    int status = listing_init(cli, &listing, list_columns,
                              sizeof list_columns / sizeof *list_columns, DEAD_SHOWN);
    return print_filtered(cli, status, &listing, print_list);
}

/* ---- groups ---- */

static int find_groups(struct cli *cli, struct dead_groups *groups) {
    int code = cli_begin(cli);
    while (code == 0 && (code = dead_groups_step(cli->journal, groups)) == 0) {
        code = cli_breathe(cli);
    }
    cli_end(cli);
    dead_groups_sort(groups);
    return code == ERR_NOTFOUND ? 0 : code;
}

static const struct table_column group_columns[] = {
    {"GROUP", false},  {"SERVICE", false}, {"COUNT", true},
    {"NEWEST", false}, {"EXAMPLE", false}, {"REASON", false},
};

static void add_group(const struct cli *cli, struct table *table, const struct dead_group *group,
                      struct slice reason) {
    char id[UUID_SHORT_DIGITS + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    buf_printf(&text, "%016" PRIx64, group->fingerprint);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, slice_of(cli_service_name(cli, group->service)));
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_BAD, group->count);
    text_add_when(&text, cli->now_ms, group->newest.dead_ms);
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, uuid_short(&group->newest.id, id));
    text_add_safe(&text, reason);
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static int show_groups(struct cli *cli, const struct dead_groups *groups, struct listing *listing) {
    int code = cli_begin(cli);
    for (size_t i = 0; i < groups->count && code == 0 && listing->status == 0; i++) {
        const struct dead_group *group = &groups->items[i];
        struct event *event = NULL;
        code = dead_event(cli->journal, &group->newest, &event);
        struct slice reason =
            event == NULL ? slice_of("(deleted in the meantime)") : slice_first_line(event->reason);
        if (cli->json) {
            listing_add_json(cli, listing, dead_group_json(cli->journal, group, reason));
        } else {
            add_group(cli, listing->table, group, reason);
        }
        event_free(event);
        code = code == 0 || code == ERR_NOTFOUND ? cli_breathe(cli) : code;
    }
    cli_end(cli);
    return code;
}

static int print_groups(struct cli *cli, const struct dead_filter *filter,
                        struct listing *listing) {
    struct dead_groups all = {0};
    int code = dead_groups_init(&all, filter);
    code = code == 0 ? find_groups(cli, &all) : code;
    code = code == 0 ? show_groups(cli, &all, listing) : code;
    listing->seen = all.count;
    int status = listing_print(cli, listing, code, "no dead letters", NULL);
    if (code == 0 && all.cut) {
        (void)cli_fail(0, "there are more than %d dead letters: only the newest are counted here",
                       READING_ROWS_MAX);
    }
    if (code == 0 && all.left_out > 0) {
        (void)cli_fail(
            0, "%" PRIu64 " dead letters of other groups not shown: narrow down with --service",
            all.left_out);
    }
    dead_groups_clear(&all);
    return status;
}

static int groups(struct cli *cli) {
    struct listing listing;
    int status = listing_init(cli, &listing, group_columns,
                              sizeof group_columns / sizeof *group_columns, UINT64_MAX);
    return print_filtered(cli, status, &listing, print_groups);
}

static const struct cli_option filter_options[] = {
    {"service", "NAME", "only this service"},
    {"group", "GROUP", "of this group, as shown by `dlq groups`; four digits may be enough"},
    {NULL, NULL, NULL},
};

static const struct cli_option list_options[] = {
    {"service", "NAME", "only this service"},
    {"group", "GROUP", "of this group, as shown by `dlq groups`; four digits may be enough"},
    {"limit", "N", "at most this many (50)"},
    {NULL, NULL, NULL},
};

static const struct cli_option one_options[] = {
    {"service", "NAME", "the service, if the event is dead in several"},
    {NULL, NULL, NULL},
};

static const struct cli_option try_options[] = {
    {"service", "NAME", "the service, if the event is dead in several"},
    {"answers", "FILE", "what calls are answered, in their turn: see zingq try --help"},
    {NULL, NULL, NULL},
};

static const struct cli_option replay_options[] = {
    {"service", "NAME", "all of this service"},
    {"group", "GROUP", "with --service: only this group"},
    {"rate", "RATE", "at most this many: 10/s, 300/m"},
    {"force", NULL, "include events older than idempotency_window"},
    {NULL, NULL, NULL},
};

static const struct cli_option discard_options[] = {
    {"service", "NAME", "all of this service"},
    {"group", "GROUP", "with --service: only this group"},
    {"rate", "RATE", "at most this many: 10/s, 300/m"},
    {"without-compensation", NULL, "also those whose saga is only partly undone"},
    {NULL, NULL, NULL},
};

static const struct cli_option edit_options[] = {
    {"service", "NAME", "the service, if the event is dead in several"},
    {"payload", "TEXT", "the new payload"},
    {"file", "FILE", "read the new payload from this file"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_dlq_commands[] = {
    {"dlq list", "", "list dead letters, newest first", NULL, 0, 0, list_options, list},
    {"dlq groups", "", "group dead letters by error",
     "Reasons that differ only in numbers are one group. Of more than 100,000 letters only about "
     "so\n"
     "many are counted, the newest of each service.",
     0, 0, filter_options, groups},
    {"dlq show", "ID", "show a dead letter: its payload, attempts and errors", NULL, 1, 1,
     one_options, dlq_show},
    {"dlq export", "", "print dead letters with all details as JSON lines", NULL, 0, 0,
     filter_options, dlq_export},
    {"dlq try", "ID", "run the handler once, dry: print what it would do, change nothing", NULL, 1,
     1, try_options, dlq_try},
    {"dlq edit", "ID", "change the payload; the original stays in the history",
     "Without --payload and --file it opens $EDITOR. The event stays dead: replay it afterwards.",
     1, 1, edit_options, dlq_edit},
    {"dlq replay", "[ID...]", "run dead letters again, in the order they were accepted",
     "Give ids or --service.", 0, INT_MAX, replay_options, dlq_replay},
    {"dlq discard", "[ID...]", "discard dead letters",
     "Give ids or --service. Discarded events are kept for store.keep_done, or deleted at once "
     "while "
     "the store is nearly full.",
     0, INT_MAX, discard_options, dlq_discard},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
