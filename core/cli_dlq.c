/*
 * cli_dlq.c - dead letters: finding them, list and groups, the family's rows.
 *
 * A group is what has the same fingerprint: the first line of the reason, its numbers left out
 * (journal.h). Groups are kept in memory, one entry each; rows are only counted.
 */
#include "cli_dlq.h"

#include "cli_json.h"
#include "cli_table.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEAD_SHOWN = 50, GROUPS_MAX = 10000, CELL_BYTES_MAX = 1 << 20 };

/* ---- finding ---- */

static bool is_hex(const char *text) {
    size_t len = strlen(text);
    return len >= 4 && len <= 16 && strspn(text, "0123456789abcdef") == len;
}

int dlq_parse_wish(struct cli *cli, struct dlq_wish *wish) {
    *wish = (struct dlq_wish){.service_name = cli_option(cli, "service"),
                              .group = cli_option(cli, "group")};
    if (wish->group != NULL && !is_hex(wish->group)) {
        return cli_misused(cli, "--group wants 4 to 16 hex digits, as `zingq dlq groups` shows");
    }
    return wish->service_name == NULL ? 0 : cli_service(cli, wish->service_name, &wish->service);
}

static bool in_group(const struct dead_row *row, const char *group) {
    char hex[17];
    (void)snprintf(hex, sizeof hex, "%016" PRIx64, row->fingerprint);
    return group == NULL || strncmp(hex, group, strlen(group)) == 0;
}

int dlq_next(struct cli *cli, const struct dlq_wish *wish, struct dead_row *row) {
    int code;
    while ((code = cli_breathe(cli)) == 0 && (code = journal_dead_next(cli->journal, row)) == 0) {
        bool of_service = wish->service_name == NULL || row->service == wish->service;
        if (of_service && in_group(row, wish->group)) {
            return 0;
        }
    }
    return code;
}

int dlq_event(struct cli *cli, const struct dead_row *row, struct event **out) {
    return journal_event_get(cli->journal, row->partition, &row->id, row->service, out);
}

/* Of several services' events with one id, the dead one. */
struct finding {
    const struct dlq_wish *wish;
    struct event *dead;
};

static int keep_dead(void *ctx, struct event *event) {
    struct finding *finding = ctx;
    bool wanted = finding->wish->service_name == NULL || event->service == finding->wish->service;
    if (finding->dead == NULL && wanted && event->state == EVENT_DEAD) {
        finding->dead = event;
    } else {
        event_free(event);
    }
    return 0;
}

int dlq_find(struct cli *cli, const char *id_text, struct event **out) {
    struct dlq_wish wish;
    struct uuid id;
    int status = cli_parse_id(cli, id_text, &id);
    if (status == 0 && cli->journal == NULL) {
        status = cli_open_store(cli);
    }
    if (status == 0) {
        status = dlq_parse_wish(cli, &wish);
    }
    if (status != 0) {
        return status;
    }
    struct finding finding = {.wish = &wish, .dead = NULL};
    int code = cli_begin(cli);
    code = code == 0 ? cli_each_by_id(cli, &id, &finding, keep_dead) : code;
    cli_end(cli);
    if (code != 0) {
        event_free(finding.dead);
        return cli_read_failed(code);
    }
    *out = finding.dead;
    if (finding.dead == NULL) {
        return cli_fail(ERR_NOTFOUND, "no dead letter %s%s%s", id_text,
                        wish.service_name == NULL ? "" : " in service ",
                        wish.service_name == NULL ? "" : wish.service_name);
    }
    return 0;
}

/* ---- list ---- */

/* The newest so many rows. */
struct newest {
    struct dead_row *rows; /* a heap: the oldest of them first */
    size_t count, max;
    uint64_t seen;
};

static void swap_rows(struct dead_row *a, struct dead_row *b) {
    struct dead_row kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(struct newest *n, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n->count; child++) {
            least = n->rows[child].dead_ms < n->rows[least].dead_ms ? child : least;
        }
        if (least == at) {
            return;
        }
        swap_rows(&n->rows[at], &n->rows[least]);
        at = least;
    }
}

static void note_newest(struct newest *n, const struct dead_row *row) {
    n->seen++;
    if (n->count < n->max) {
        size_t at = n->count++;
        n->rows[at] = *row;
        for (; at > 0 && n->rows[at].dead_ms < n->rows[(at - 1) / 2].dead_ms; at = (at - 1) / 2) {
            swap_rows(&n->rows[at], &n->rows[(at - 1) / 2]);
        }
    } else if (row->dead_ms > n->rows[0].dead_ms) {
        n->rows[0] = *row;
        sink(n, 0);
    }
}

static int newest_first(const void *a, const void *b) {
    const struct dead_row *x = a;
    const struct dead_row *y = b;
    return x->dead_ms < y->dead_ms ? 1 : x->dead_ms > y->dead_ms ? -1 : 0;
}

static int find_newest(struct cli *cli, const struct dlq_wish *wish, struct newest *n) {
    struct dead_row row = {0};
    int code = cli_begin(cli);
    while (code == 0 && (code = dlq_next(cli, wish, &row)) == 0) {
        note_newest(n, &row);
    }
    cli_end(cli);
    if (n->count > 0) {
        qsort(n->rows, n->count, sizeof *n->rows, newest_first);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static const struct table_column list_columns[] = {
    {"DEAD SINCE", false}, {"SERVICE", false}, {"KEY", false},   {"TOPIC", false},
    {"TRIES", true},       {"EVENT", false},   {"GROUP", false}, {"REASON", false},
};

static void add_dead(const struct cli *cli, struct table *table, const struct dead_row *row,
                     const struct event *event) {
    char id[UUID_TEXT_BYTES + 1];
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
    table_add(table, STYLE_PLAIN, uuid_text(&event->id, id));
    buf_printf(&text, "%016" PRIx64, row->fingerprint);
    table_take(table, STYLE_DIM, &text);
    text_add_safe(&text, text_first_line(event->reason));
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static json_t *dead_json(const struct cli *cli, const struct dead_row *row,
                         const struct event *event) {
    json_t *object = cli_json_event(cli, event, true);
    if (object != NULL && !(cli_json_time(object, "dead_at", row->dead_ms) &&
                            cli_json_hex(object, "group", row->fingerprint))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* Prints or tabulates the rows; what has gone meanwhile is left out. */
static int show_rows(struct cli *cli, const struct newest *n, struct table *table, int *status) {
    uint64_t printed = 0;
    int code = cli_begin(cli);
    for (size_t i = 0; i < n->count && code == 0 && *status == 0; i++) {
        struct event *event = NULL;
        code = dlq_event(cli, &n->rows[i], &event);
        if (code == 0 && cli->json) {
            *status = cli_print_json_item(dead_json(cli, &n->rows[i], event), &printed);
        } else if (code == 0) {
            add_dead(cli, table, &n->rows[i], event);
        }
        event_free(event);
        code = code == ERR_NOTFOUND ? 0 : code;
        code = code == 0 ? cli_breathe(cli) : code;
    }
    cli_end(cli);
    if (cli->json) {
        cli_print_json_end(printed);
    }
    return code;
}

static int print_list(struct cli *cli, const struct newest *n) {
    int status = 0;
    struct table *table = table_new(list_columns, sizeof list_columns / sizeof *list_columns);
    int code = table == NULL ? ERR_MEMORY : show_rows(cli, n, table, &status);
    if (code == 0 && !cli->json && n->seen == 0) {
        (void)printf("no dead letters\n");
    } else if (code == 0 && !cli->json) {
        code = table_print(table, stdout, cli->colour, table_terminal_width());
        if (n->seen > n->count) {
            (void)printf("and %" PRIu64 " more: --limit N shows more, `zingq dlq groups` sums up\n",
                         n->seen - n->count);
        }
    }
    table_free(table);
    return code != 0 ? cli_read_failed(code) : status;
}

static int list(struct cli *cli) {
    struct newest n = {0};
    struct dlq_wish wish;
    uint64_t limit;
    int status = cli_option_count(cli, "limit", DEAD_SHOWN, &limit);
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? dlq_parse_wish(cli, &wish) : status;
    if (status != 0) {
        return status;
    }
    n.max = (size_t)limit;
    n.rows = calloc(n.max, sizeof *n.rows);
    int code = n.rows == NULL ? ERR_MEMORY : find_newest(cli, &wish, &n);
    status = code != 0 ? cli_read_failed(code) : print_list(cli, &n);
    free(n.rows);
    return status;
}

/* ---- groups ---- */

struct group {
    uint16_t service;
    uint64_t fingerprint;
    uint64_t count;
    struct dead_row newest;
};

struct groups {
    struct group *items; /* by service and fingerprint */
    size_t count;
    uint64_t left_out; /* letters of groups past GROUPS_MAX */
};

static int compare_group(const struct group *group, const struct dead_row *row) {
    if (group->service != row->service) {
        return group->service < row->service ? -1 : 1;
    }
    return group->fingerprint < row->fingerprint ? -1 : group->fingerprint > row->fingerprint;
}

static void note_group(struct groups *groups, const struct dead_row *row) {
    size_t low = 0;
    size_t high = groups->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_group(&groups->items[middle], row) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    struct group *group = &groups->items[low];
    if (low == groups->count || compare_group(group, row) != 0) {
        if (groups->count == GROUPS_MAX) {
            groups->left_out++;
            return;
        }
        memmove(group + 1, group, (groups->count - low) * sizeof *group);
        groups->count++;
        *group = (struct group){.service = row->service, .fingerprint = row->fingerprint};
    }
    group->count++;
    if (row->dead_ms >= group->newest.dead_ms) {
        group->newest = *row;
    }
}

static int largest_first(const void *a, const void *b) {
    const struct group *x = a;
    const struct group *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

static int find_groups(struct cli *cli, const struct dlq_wish *wish, struct groups *groups) {
    struct dead_row row = {0};
    int code = cli_begin(cli);
    while (code == 0 && (code = dlq_next(cli, wish, &row)) == 0) {
        note_group(groups, &row);
    }
    cli_end(cli);
    if (groups->count > 0) {
        qsort(groups->items, groups->count, sizeof *groups->items, largest_first);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static const struct table_column group_columns[] = {
    {"GROUP", false},  {"SERVICE", false}, {"COUNT", true},
    {"NEWEST", false}, {"EXAMPLE", false}, {"REASON", false},
};

static void add_group(const struct cli *cli, struct table *table, const struct group *group,
                      struct slice reason) {
    char id[UUID_TEXT_BYTES + 1];
    struct buf text;
    buf_init(&text, CELL_BYTES_MAX);
    buf_printf(&text, "%016" PRIx64, group->fingerprint);
    table_take(table, STYLE_PLAIN, &text);
    text_add_safe(&text, slice_of(cli_service_name(cli, group->service)));
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_BAD, group->count);
    text_add_when(&text, cli->now_ms, group->newest.dead_ms);
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, uuid_text(&group->newest.id, id));
    text_add_safe(&text, reason);
    table_take(table, STYLE_PLAIN, &text);
    buf_clear(&text);
}

static json_t *group_json(const struct cli *cli, const struct group *group, struct slice reason) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *object =
        json_pack("{s:s, s:I, s:s}", "service", cli_service_name(cli, group->service), "count",
                  (json_int_t)group->count, "example", uuid_text(&group->newest.id, id));
    if (object != NULL && !(cli_json_hex(object, "group", group->fingerprint) &&
                            cli_json_time(object, "newest_at", group->newest.dead_ms) &&
                            cli_json_bytes(object, "reason", reason))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int show_groups(struct cli *cli, const struct groups *groups, struct table *table,
                       int *status) {
    uint64_t printed = 0;
    int code = cli_begin(cli);
    for (size_t i = 0; i < groups->count && code == 0 && *status == 0; i++) {
        const struct group *group = &groups->items[i];
        struct event *event = NULL;
        code = dlq_event(cli, &group->newest, &event);
        struct slice reason =
            event == NULL ? slice_of("(gone meanwhile)") : text_first_line(event->reason);
        if (cli->json) {
            *status = cli_print_json_item(group_json(cli, group, reason), &printed);
        } else {
            add_group(cli, table, group, reason);
        }
        event_free(event);
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    cli_end(cli);
    if (cli->json) {
        cli_print_json_end(printed);
    }
    return code;
}

static int print_groups(struct cli *cli, const struct groups *groups) {
    int status = 0;
    struct table *table = table_new(group_columns, sizeof group_columns / sizeof *group_columns);
    int code = table == NULL ? ERR_MEMORY : show_groups(cli, groups, table, &status);
    if (code == 0 && !cli->json && groups->count == 0) {
        (void)printf("no dead letters\n");
    } else if (code == 0 && !cli->json) {
        code = table_print(table, stdout, cli->colour, table_terminal_width());
    }
    if (groups->left_out > 0) {
        (void)cli_fail(0, "%" PRIu64 " letters of further groups: ask for one --service",
                       groups->left_out);
    }
    table_free(table);
    return code != 0 ? cli_read_failed(code) : status;
}

static int groups(struct cli *cli) {
    struct groups all = {0};
    struct dlq_wish wish;
    int status = cli_open_store(cli);
    status = status == 0 ? dlq_parse_wish(cli, &wish) : status;
    if (status != 0) {
        return status;
    }
    all.items = calloc(GROUPS_MAX + 1, sizeof *all.items);
    int code = all.items == NULL ? ERR_MEMORY : find_groups(cli, &wish, &all);
    status = code != 0 ? cli_read_failed(code) : print_groups(cli, &all);
    free(all.items);
    return status;
}

static const struct cli_option wish_options[] = {
    {"service", "NAME", "of this service"},
    {"group", "GROUP", "of this group, as `dlq groups` shows it; four digits may do"},
    {NULL, NULL, NULL},
};

static const struct cli_option list_options[] = {
    {"service", "NAME", "of this service"},
    {"group", "GROUP", "of this group, as `dlq groups` shows it; four digits may do"},
    {"limit", "N", "at most so many (50)"},
    {NULL, NULL, NULL},
};

static const struct cli_option one_options[] = {
    {"service", "NAME", "of this service, when it is dead in several"},
    {NULL, NULL, NULL},
};

static const struct cli_option bulk_options[] = {
    {"service", "NAME", "all of this service"},
    {"group", "GROUP", "with --service: of this group only"},
    {"rate", "RATE", "at most so many: 10/s, 300/m"},
    {NULL, NULL, NULL},
};

static const struct cli_option edit_options[] = {
    {"service", "NAME", "of this service, when it is dead in several"},
    {"payload", "TEXT", "the new payload"},
    {"file", "FILE", "the new payload is in this file"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_dlq_commands[] = {
    {"dlq list", "", "dead letters, newest first", NULL, 0, 0, list_options, list},
    {"dlq groups", "", "dead letters summed up by what went wrong",
     "A group has one reason, but for its numbers.", 0, 0, wish_options, groups},
    {"dlq show", "ID", "one dead letter: its payload, its attempts, its errors", NULL, 1, 1,
     one_options, dlq_show},
    {"dlq export", "", "dead letters with everything known, as lines of JSON", NULL, 0, 0,
     wish_options, dlq_export},
    {"dlq try", "ID", "run the handler once, dry: print what it would do, change nothing", NULL, 1,
     1, one_options, dlq_try},
    {"dlq edit", "ID", "change the payload; the original stays in the history",
     "Without --payload and --file it opens $EDITOR. The event stays dead: replay it afterwards.",
     1, 1, edit_options, dlq_edit},
    {"dlq replay", "[ID...]", "handle dead letters once more, in the order they came",
     "Either ids, or --service.", 0, INT_MAX, bulk_options, dlq_replay},
    {"dlq discard", "[ID...]", "let dead letters go",
     "Either ids, or --service. What is discarded is done with; it is kept for store.keep_done.", 0,
     INT_MAX, bulk_options, dlq_discard},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
