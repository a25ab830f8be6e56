/*
 * status.c - one screen: the books of every service, and the report of the running host.
 *
 * The books are read from the store, so they are correct with and without a running host. Waiting
 * events are counted a second time, row by row, in the same transaction, which proves that accepted
 * = waiting + done + dead + discarded + expired + duplicates. With more than READING_ROWS_MAX rows,
 * this count is left out unless --count is given: it takes long, and a long transaction costs the
 * running host pages.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/live.h"
#include "cli/options.h"
#include "cli/several.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cli/tell.h"
#include "cli/turns.h"
#include "base/about.h"
#include "base/limits.h"
#include "query/json.h"
#include "store/folder.h"
#include "store/store.h"
#include "journal/event.h"
#include "journal/flags.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One service according to the store. */
struct service_line {
    const char *name;
    struct books books;
    bool paused;
    bool configured;    /* in topics.conf, or there is no topics.conf */
    uint64_t rows;      /* waiting events found in ready and lane rows */
    uint64_t parked;    /* lanes that wait for a person */
    uint64_t oldest_us; /* arrival of the oldest waiting event; 0 = none */
    const json_t *live; /* the host's report about it; borrowed */
};

struct screen {
    struct service_line *lines;
    size_t count;
    bool counted; /* rows, parked and oldest_us are known */
    struct store_space space;
    uint64_t set_aside; /* records that cannot be read */
    json_t *status;     /* the running host's answer, or NULL */
    bool among;         /* it is shown with the others of its folder */
    json_t *division;   /* it and those that divide the keys with it, or NULL */
};

/* ---- the store ---- */

static void note_row(struct screen *screen, const struct row *row, bool in_lane) {
    if (row->service >= screen->count) {
        return; /* a service that was added after the screen was begun */
    }
    struct service_line *line = &screen->lines[row->service];
    if (in_lane && row->flags == LANE_PARKED) {
        line->parked++;
        return;
    }
    line->rows++;
    if (line->oldest_us == 0 || row->seq < line->oldest_us) {
        line->oldest_us = row->seq;
    }
}

static int count_rows(struct cli *cli, struct screen *screen) {
    struct row row = {0};
    int code;
    while ((code = journal_ready_scan(cli->journal, &row)) == 0) {
        note_row(screen, &row, false);
    }
    if (code != ERR_NOTFOUND) {
        return code;
    }
    row = (struct row){0};
    while ((code = journal_lane_scan(cli->journal, &row)) == 0) {
        note_row(screen, &row, true);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int read_line(struct cli *cli, uint16_t number, struct service_line *line) {
    uint64_t paused = 0;
    size_t index;
    line->name = cli_service_name(cli, number);
    line->configured =
        cli->conf == NULL || conf_find_service(cli->conf, slice_of(line->name), &index);
    int code = flags_get(cli->journal, FLAG_PAUSED, line->name, &paused);
    line->paused = code == 0 && paused != 0;
    return code == 0 || code == ERR_NOTFOUND ? journal_books_get(cli->journal, number, &line->books)
                                             : code;
}

static int read_screen(struct cli *cli, struct screen *screen) {
    uint64_t rows = store_rows(cli->store, TABLE_READY) + store_rows(cli->store, TABLE_LANE);
    int code = store_usage(cli->store, &screen->space);
    screen->set_aside = store_rows(cli->store, TABLE_ASIDE);
    for (uint16_t i = 0; i < screen->count && code == 0; i++) {
        code = read_line(cli, i, &screen->lines[i]);
    }
    screen->counted = rows <= READING_ROWS_MAX || cli_flag(cli, "count");
    return code == 0 && screen->counted ? count_rows(cli, screen) : code;
}

/* ---- the host ---- */

static void find_live(struct screen *screen) {
    const json_t *list = json_object_get(screen->status, "services");
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        for (size_t l = 0; l < screen->count && name != NULL; l++) {
            if (strcmp(screen->lines[l].name, name) == 0) {
                screen->lines[l].live = one;
            }
        }
    }
}

/* If the host does not answer, the store is still shown. */
static void ask_host(struct cli *cli, struct screen *screen) {
    struct report r = {""};
    long status = 0;
    int code = cli_ask_quietly(cli, "GET", "/api/status", (struct slice){"", 0}, &status,
                               &screen->status, &r);
    if (code != 0 && code != ERR_NOTFOUND) {
        (void)cli_fail(code, "%s", r.text);
    }
    const char *why = json_string_value(json_object_get(screen->status, "error"));
    if (code == 0 && status != 200 && why != NULL) {
        cli_warn("%s", why); /* it waits for its log */
    }
    if (status != 200) {
        json_decref(screen->status);
        screen->status = NULL;
    }
    find_live(screen);
}

/* ---- for people ---- */

static void print_safe_line(struct buf *text) {
    struct buf safe;
    buf_init(&safe, 65536);
    text_add_safe(&safe, buf_slice(text));
    (void)printf("%s\n", buf_str(&safe));
    buf_clear(&safe);
    buf_reset(text);
}

static void print_store(const struct cli *cli, const struct screen *screen) {
    struct buf line;
    buf_init(&line, 16384);
    buf_printf(&line, "store   %s, ", cli->data);
    text_add_bytes(&line, screen->space.used);
    buf_add_str(&line, " of ");
    text_add_bytes(&line, screen->space.max);
    if (screen->space.held > 0) {
        buf_add_str(&line, ", ");
        text_add_bytes(&line, screen->space.held);
        buf_add_str(&line, " of them freed but held by a reader");
    }
    json_int_t full_s =
        json_integer_value(json_object_get(json_object_get(screen->status, "engine"), "full_in_s"));
    if (full_s > 0) {
        char about[ABOUT_BYTES];
        buf_printf(&line, ", at this rate full in %s", about_seconds((double)full_s, about));
    }
    print_safe_line(&line);
    if (screen->set_aside > 0 && screen->status == NULL) { /* a running host reports it itself */
        buf_printf(&line,
                   "        %llu records could not be read and were set aside: `zingq doctor "
                   "--store` lists them",
                   (unsigned long long)screen->set_aside);
        print_safe_line(&line);
    }
    buf_clear(&line);
}

static const struct table_column columns[] = {
    {"SERVICE", false}, {"ACCEPTED", true},  {"WAITING", true}, {"DONE", true},
    {"DEAD", true},     {"DISCARDED", true}, {"EXPIRED", true}, {"DUPLICATES", true},
    {"RETRIES", true},  {"TIMEOUTS", true},  {"CRASHES", true}, {"OLDEST", true},
    {"", false},
};

static void add_books_cells(struct table *table, const struct books *b) {
    enum text_style dead = b->dead > 0 ? STYLE_BAD : STYLE_PLAIN;
    table_add_count(table, STYLE_PLAIN, b->accepted);
    table_add_count(table, STYLE_PLAIN, books_waiting(b));
    table_add_count(table, STYLE_PLAIN, b->done);
    table_add_count(table, dead, b->dead);
    table_add_count(table, STYLE_PLAIN, b->discarded);
    table_add_count(table, b->expired > 0 ? STYLE_WARN : STYLE_PLAIN, b->expired);
    table_add_count(table, STYLE_PLAIN, b->duplicates);
    table_add_count(table, STYLE_PLAIN, b->retries);
    table_add_count(table, STYLE_PLAIN, b->timeouts);
    table_add_count(table, STYLE_PLAIN, b->crashes);
}

static void add_count(struct buf *out, const json_t *live, const char *name, const char *what) {
    json_int_t count = json_integer_value(json_object_get(live, name));
    if (count > 0) {
        buf_printf(out, "%lld %s; ", (long long)count, what);
    }
}

static void add_remarks(struct buf *out, const struct screen *screen,
                        const struct service_line *line) {
    const char *error = json_string_value(json_object_get(line->live, "handler_error"));
    if (line->paused) {
        buf_add_str(out, "paused; ");
    }
    if (json_is_true(json_object_get(line->live, "held"))) {
        buf_add_str(out, "held because of another host; ");
    }
    if (json_is_true(json_object_get(line->live, "taking"))) {
        buf_add_str(out, "takes over another service, runs nothing until it has; ");
    }
    const json_t *full = json_object_get(line->live, "kept_full");
    for (size_t i = 0; i < json_array_size(full); i++) {
        const char *kind = json_string_value(json_array_get(full, i));
        buf_printf(out, "%s: no room left in the store; ", kind == NULL ? "?" : kind);
    }
    if (line->parked > 0) {
        buf_printf(out, "%llu parked; ", (unsigned long long)line->parked);
    }
    if (!line->configured) {
        const char *heir = json_string_value(json_object_get(line->live, "heir"));
        buf_add_str(out, heir == NULL ? "not in topics.conf; " : "being moved to ");
        buf_add_str(out, heir == NULL ? "" : heir);
        buf_add_str(out, heir == NULL ? "" : "; ");
    } else if (screen->status != NULL && !json_is_true(json_object_get(line->live, "active"))) {
        buf_add_str(out, "not run by this host; ");
    }
    add_count(out, line->live, "queued", "on disk until their turns");
    buf_add_str(out, cli_add_priorities(out, line->live, "") ? "; " : "");
    add_count(out, line->live, "bad_priorities", "priorities that cannot be read");
    add_count(out, line->live, "keys_held", "keys at their limits");
    if (error != NULL) {
        buf_add_str(out, "script refused: ");
        text_add_safe(out, slice_first_line(slice_of(error)));
        buf_add_str(out, "; ");
    }
    if (out->len >= 2 && !out->failed) {
        out->len -= 2;
    }
}

static void add_line(const struct cli *cli, struct table *table, const struct screen *screen,
                     const struct service_line *line) {
    struct buf text;
    buf_init(&text, 16384);
    text_add_safe(&text, slice_of(line->name));
    table_take(table, STYLE_PLAIN, &text);
    add_books_cells(table, &line->books);
    json_int_t waits_ms = json_integer_value(json_object_get(line->live, "oldest_ms"));
    if (line->oldest_us > 0) {
        text_add_ago(&text, cli->now_ms, (int64_t)(line->oldest_us / 1000));
    } else if (!screen->counted && waits_ms > 0) {
        text_add_ago(&text, cli->now_ms, cli->now_ms - waits_ms);
    } else if (!screen->counted && books_waiting(&line->books) > 0) {
        buf_add_str(&text, "?");
    }
    table_take(table, STYLE_PLAIN, &text);
    add_remarks(&text, screen, line);
    table_take(table, STYLE_WARN, &text);
    buf_clear(&text);
}

static struct books sum_of(const struct screen *screen) {
    struct books sum = {0};
    for (size_t i = 0; i < screen->count; i++) {
        const struct books *b = &screen->lines[i].books;
        sum.accepted += b->accepted;
        sum.done += b->done;
        sum.dead += b->dead;
        sum.discarded += b->discarded;
        sum.expired += b->expired;
        sum.duplicates += b->duplicates;
    }
    return sum;
}

/* Whether the rows found agree with the books of every service. */
static bool balanced(const struct screen *screen) {
    for (size_t i = 0; i < screen->count; i++) {
        if (screen->lines[i].rows != books_waiting(&screen->lines[i].books)) {
            return false;
        }
    }
    return true;
}

static void print_balance(const struct cli *cli, const struct screen *screen) {
    struct books sum = sum_of(screen);
    const struct {
        const char *before;
        uint64_t n;
    } parts[] = {
        {"\naccepted ", sum.accepted},
        {" = waiting ", books_waiting(&sum)},
        {" + done ", sum.done},
        {" + dead ", sum.dead},
        {" + discarded ", sum.discarded},
        {" + expired ", sum.expired},
        {" + duplicates ", sum.duplicates},
    };
    struct buf text;
    buf_init(&text, 1024);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_add_str(&text, parts[i].before);
        text_add_count(&text, parts[i].n);
    }
    (void)printf("%s: ", buf_str(&text));
    if (!screen->counted) {
        (void)printf("according to the counters; --count counts the waiting events\n");
    } else {
        bool good = balanced(screen);
        text_print(stdout, cli->colour, good ? STYLE_GOOD : STYLE_BAD,
                   good ? "holds; every waiting event was found"
                        : "DOES NOT HOLD: the number of waiting events differs");
        (void)printf("\n");
    }
    buf_clear(&text);
}

static int print_division(const struct cli *cli, const json_t *division) {
    int code = live_print_division(stdout, cli->colour, table_terminal_width(), division);
    return code == 0 ? 0 : cli_fail(code, "%s", error_text(code));
}

/* The current activity first, then the totals. */
static int print_screen(const struct cli *cli, const struct screen *screen) {
    size_t width = table_terminal_width();
    live_print_host(stdout, screen->status);
    print_store(cli, screen);
    live_print_use(stdout, screen->status);
    (void)printf("\n");
    int code = 0;
    if (screen->status != NULL) {
        code = live_print_services(stdout, cli->colour, width, screen->status);
        live_print_schedules(stdout, screen->status);
        (void)printf("\n");
    }
    if (code == 0 && screen->division != NULL) {
        code = print_division(cli, screen->division);
        (void)printf("\n");
    }
    struct table *table = code == 0 ? table_new(columns, sizeof columns / sizeof *columns) : NULL;
    if (table == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < screen->count; i++) {
        add_line(cli, table, screen, &screen->lines[i]);
    }
    code = table_print(table, stdout, cli->colour, width);
    table_free(table);
    if (code == 0) {
        print_balance(cli, screen);
    }
    return code;
}

/* ---- for programs ---- */

static bool set_books(json_t *object, const struct books *b) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"accepted", b->accepted},
        {"waiting", books_waiting(b)},
        {"done", b->done},
        {"dead", b->dead},
        {"needs_person", b->needs_person},
        {"discarded", b->discarded},
        {"expired", b->expired},
        {"duplicates", b->duplicates},
        {"handed_over", b->handed_over},
        {"retries", b->retries},
        {"timeouts", b->timeouts},
        {"crashes", b->crashes},
        {"snoozes", b->snoozes},
        {"throttles", b->throttles},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok = look_json_count(object, rows[i].name, rows[i].value) && ok;
    }
    return ok;
}

static json_t *line_json(const struct screen *screen, const struct service_line *line) {
    json_t *live = line->live == NULL ? json_null() : json_incref((json_t *)(uintptr_t)line->live);
    json_t *object = json_pack("{s:s, s:b, s:b, s:o}", "name", line->name, "configured",
                               (int)line->configured, "paused", (int)line->paused, "live", live);
    bool ok = object != NULL && set_books(object, &line->books);
    if (ok && screen->counted) {
        ok = look_json_count(object, "counted", line->rows) &&
             look_json_count(object, "parked", line->parked) &&
             look_json_time(object, "oldest_at", (int64_t)(line->oldest_us / 1000));
    }
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *part_of(const json_t *status, const char *name) {
    json_t *part = json_object_get(status, name);
    return part == NULL ? json_null() : json_incref(part);
}

static json_t *screen_json(const struct cli *cli, const struct screen *screen) {
    json_t *services = json_array();
    for (size_t i = 0; i < screen->count; i++) {
        if (json_array_append_new(services, line_json(screen, &screen->lines[i])) != 0) {
            json_decref(services);
            return NULL;
        }
    }
    json_t *balanced_or_null = screen->counted ? json_boolean(balanced(screen)) : json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:O?}", "data",
        cli->data, "verdict", part_of(screen->status, "verdict"), "host",
        part_of(screen->status, "host"), "hosts", part_of(screen->status, "hosts"), "hosts_known",
        part_of(screen->status, "hosts_known"), "engine", part_of(screen->status, "engine"),
        "schedules", part_of(screen->status, "schedules"), "store_used",
        (json_int_t)screen->space.used, "store_max", (json_int_t)screen->space.max, "store_held",
        (json_int_t)screen->space.held, "set_aside", (json_int_t)screen->set_aside, "balanced",
        balanced_or_null, "services", services, "division", screen->division);
}

static int read_and_print(struct cli *cli, struct screen *screen, json_t **out) {
    screen->count = journal_service_count(cli->journal);
    screen->lines = calloc(screen->count + 1, sizeof *screen->lines);
    int code = screen->lines == NULL ? ERR_MEMORY : cli_begin(cli);
    if (code == 0) {
        code = read_screen(cli, screen);
        cli_end(cli);
    }
    if (code != 0) {
        return code;
    }
    ask_host(cli, screen);
    screen->division = screen->among ? NULL : cli_ask_division(cli, screen->status);
    if (!cli->json) {
        return print_screen(cli, screen);
    }
    *out = screen_json(cli, screen);
    return *out == NULL ? ERR_MEMORY : 0;
}

/* --turns: nothing of it is in the store. */
static int show_turns(struct cli *cli, json_t **out) {
    json_t *answer = NULL;
    int status = cli_ask(cli, "GET", "/api/status", (struct slice){"", 0}, &answer);
    if (status == 0 && cli->json) {
        *out = json_incref(json_object_get(answer, "turns"));
    } else if (status == 0) {
        status = turns_print(stdout, cli->colour, answer);
    }
    json_decref(answer);
    return status;
}

/* One host: its screen, or with --json its document in *out. */
static int show_host(struct cli *cli, bool among, json_t **out) {
    struct screen screen = {.among = among};
    if (cli_flag(cli, "turns")) {
        return show_turns(cli, out);
    }
    int status = cli_open_store(cli);
    if (status != 0) {
        return status;
    }
    int code = read_and_print(cli, &screen, out);
    bool holds = code != 0 || !screen.counted || balanced(&screen);
    json_decref(screen.status);
    json_decref(screen.division);
    free(screen.lines);
    if (code != 0) {
        return cli_read_failed(code);
    }
    return holds ? EXIT_GOOD : EXIT_NO;
}

/* One host below the other; with --json, a list of their documents. In a cluster, the shards that run
 * here. */
static int show_hosts(struct cli *cli, const char *folder, unsigned count, bool shards) {
    json_t *list = json_array();
    int worst = EXIT_GOOD;
    int status = 0;
    for (unsigned i = 1; i <= count; i++) {
        json_t *one = NULL;
        if (shards && !cli_turn_to_shard(cli, folder, i, &status)) {
            continue;
        }
        status = shards ? status : cli_turn_to(cli, folder, i);
        if (status != 0) {
            worst = status;
            break;
        }
        const char *gap = json_array_size(list) == 0 ? "" : "\n";
        if (!cli->json && shards) {
            (void)printf("%sshard %u\n\n", gap, i);
        } else if (!cli->json) {
            (void)printf("%shost %u of %u\n\n", gap, i, count);
        }
        status = show_host(cli, true, &one);
        (void)json_array_append_new(list, one == NULL ? json_null() : one);
        worst = status > worst ? status : worst;
    }
    if (cli->json) {
        status = cli_print_json(json_incref(list));
    } else {
        json_t *division = cli_ask_any_division(cli, folder);
        (void)printf("%s", division == NULL ? "" : "\n");
        status = print_division(cli, division);
        json_decref(division);
    }
    json_decref(list);
    return status != 0 ? status : worst;
}

int cli_status(struct cli *cli) {
    unsigned hosts;
    json_t *document = NULL;
    int status = cli_find_hosts(cli, &hosts);
    if (status != 0) {
        return status;
    }
    bool shards = store_folder_is_cluster(cli->data);
    if (hosts > 0 || shards) {
        char *folder = slice_dup(slice_of(cli->data));
        status = folder == NULL ? cli_fail(ERR_MEMORY, "out of memory") : 0;
        status = status == 0 && shards ? cli_find_data(cli) : status; /* one that runs, at least */
        status =
            status == 0 ? show_hosts(cli, folder, shards ? PARTITIONS : hosts, shards) : status;
        free(folder);
        return status;
    }
    status = show_host(cli, false, &document);
    int printed = document == NULL ? 0 : cli_print_json(document);
    return printed != 0 ? printed : status;
}
