/*
 * remote.c - the request of a command, by its row (cli/remotes.c), and its answer as a table or as JSON.
 *
 * Times are printed as received, in UTC: the other host's clock is not ours.
 */
#include "cli/remote.h"

#include "cli/ask.h"
#include "cli/audit.h"
#include "cli/json.h"
#include "cli/live.h"
#include "cli/options.h"
#include "cli/remotes.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cli/tell.h"
#include "cli/turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL_BYTES_MAX = 32 << 20,
    PAGES_MAX = 64, /* of one list: what has more is narrowed down */
};

/* Commands that send a request to the running host anyway: --host is just passed along. */
static const char *const asking[] = {
    "publish",        "cancel",     "signal",      "pause",       "resume",    "erase",
    "replay",         "dlq replay", "dlq discard", "keys resume", "keys skip", "outbox retry",
    "outbox discard", "top",        "dashboard",   "leave",       "reload",
};

/* Commands that are answered alike by each host of a division: one that runs does itself what is for any
 * of them or for all, and passes on what is about a key or an ID of another. */
static const char *const answered_by_any[] = {
    "publish",     "cancel",    "signal",   "pause",   "resume",     "trace",       "keys show",
    "keys resume", "keys skip", "dlq show", "dlq try", "dlq replay", "dlq discard", "state get",
};

static bool is_among(const char *const *names, size_t count, const struct cli_command *command) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], command->name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_asking(const struct cli_command *command) {
    return is_among(asking, sizeof asking / sizeof *asking, command);
}

bool cli_any_host_answers(const struct cli_command *command) {
    return is_among(answered_by_any, sizeof answered_by_any / sizeof *answered_by_any, command);
}

const struct merge_order *cli_list_order(const struct cli_command *command) {
    const struct remote *remote = remote_find(command);
    return remote == NULL ? NULL : remote->all;
}

bool cli_has_host(const struct cli_command *command) {
    return is_asking(command) || remote_find(command) != NULL;
}

/* ---- the request ---- */

static void add_query(struct buf *path, bool *first, const char *name, const char *value) {
    buf_printf(path, "%c%s=", *first ? '?' : '&', name);
    url_add_part(path, slice_of(value));
    *first = false;
}

/* The next page of a list. */
struct page {
    uint64_t wanted;                 /* how many are still to come; 0 = the answer is no list */
    char before[GATEWAY_NEXT_BYTES]; /* where it begins; "" = where the command says */
    int64_t since_ms;                /* with --since */
};

static void add_page(const struct cli *cli, const struct page *page, struct buf *path,
                     bool *first) {
    const char *before = page->before[0] != '\0' ? page->before : cli_option(cli, "before");
    char text[32];
    (void)snprintf(
        text, sizeof text, "%llu",
        (unsigned long long)(page->wanted < REMOTE_ROWS_MAX ? page->wanted : REMOTE_ROWS_MAX));
    add_query(path, first, "limit", text);
    if (before != NULL) {
        add_query(path, first, "before", before);
    }
}

/* The trace of a key is requested as a list of its events. */
static bool is_trace_of_key(const struct cli *cli, const struct remote *remote) {
    return strcmp(remote->command, "trace") == 0 && cli->word_count == 2;
}

/* A POST for technical reasons: it runs a handler there, and changes nothing. */
static bool is_try(const struct remote *remote) {
    return strcmp(remote->command, "dlq try") == 0;
}

static const char *method_of(const struct remote *remote) {
    return is_try(remote) ? "POST" : "GET";
}

static void write_path(const struct cli *cli, const struct remote *remote, const struct page *page,
                       struct buf *path) {
    bool first = true;
    bool by_key = is_trace_of_key(cli, remote);
    buf_add_str(path, by_key ? "/api/events" : remote->path);
    if (by_key) {
        add_query(path, &first, "service", cli->words[0]);
        add_query(path, &first, "key", cli->words[1]);
    } else if (cli->word_count > 0) {
        url_add_part(path, slice_of(cli->words[0]));
        buf_add_str(path, is_try(remote) ? "/try" : "");
    }
    if (remote->second != NULL) {
        add_query(path, &first, remote->second, cli->words[1]);
    }
    for (size_t i = 0; i < REMOTE_QUERY_MAX && remote->options[i] != NULL; i++) {
        const char *value = cli_option(cli, remote->options[i]);
        if (value != NULL) {
            add_query(path, &first, remote->options[i], value);
        }
    }
    if (remote->flag != NULL && cli_flag(cli, remote->flag)) {
        add_query(path, &first, remote->flag, "1");
    }
    if (remote->oldest_first && page->since_ms > 0) {
        char ms[32];
        (void)snprintf(ms, sizeof ms, "%lld", (long long)page->since_ms);
        add_query(path, &first, "since_ms", ms);
    }
    if (page->wanted > 0) {
        add_page(cli, page, path, &first);
    }
}

/* How many of a list; 0: it is none. */
static int count_wanted(const struct cli *cli, const struct remote *remote, uint64_t *out) {
    bool list = remote->list != NULL || is_trace_of_key(cli, remote);
    int64_t since_ms;
    *out = 0;
    if (remote->oldest_first && cli_changed_since(cli, &since_ms) != 0) {
        return EXIT_USAGE;
    }
    return !list ? 0
                 : cli_option_count(cli, "limit", remote->shown > 0 ? remote->shown : UINT64_MAX,
                                    out);
}

/* ---- the answer ---- */

static bool is_id(const char *name) {
    static const char *const ids[] = {"id", "event", "example", "cause"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (strcmp(ids[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_field(struct buf *text, const json_t *item, const char *name) {
    const json_t *value = json_object_get(item, name);
    if (strcmp(name, "path") == 0) {
        cli_add_change(text, item);
    } else if (json_is_array(value)) { /* of hosts */
        for (size_t i = 0; i < json_array_size(value); i++) {
            buf_printf(text, "%s%lld", i == 0 ? "" : ",",
                       json_integer_value(json_array_get(value, i)));
        }
    } else if (json_is_string(value) && is_id(name)) {
        text_add_id(text, slice_of(json_string_value(value)));
    } else if (json_is_string(value) && strcmp(name, "reason") == 0) {
        text_add_safe(text, slice_first_line(slice_of(json_string_value(value))));
    } else if (json_is_string(value)) {
        text_add_safe(text, (struct slice){json_string_value(value), json_string_length(value)});
    } else if (value != NULL && !json_is_null(value)) {
        char *json = json_dumps(value);
        text_add_safe(text, slice_of(json));
        free(json);
    }
}

/* What a table shows. */
struct shown {
    struct table_column columns[REMOTE_FIELDS_MAX + 1];
    const char *fields[REMOTE_FIELDS_MAX + 1];
    size_t count;
};

/* The first column says which host has a row, if the list is of several. */
static void choose_columns(const struct remote *remote, const json_t *list, struct shown *out) {
    const char *host = remote->all != NULL && remote->all->groups ? "hosts" : "host";
    out->count = 0;
    if (json_object_get(json_array_get(list, 0), host) != NULL) {
        out->columns[0] = (struct table_column){"HOST", false};
        out->fields[out->count++] = host;
    }
    for (size_t i = 0; i < REMOTE_FIELDS_MAX && remote->columns[i].title != NULL; i++) {
        out->columns[out->count] = remote->columns[i];
        out->fields[out->count++] = remote->fields[i];
    }
}

static int print_table(const struct cli *cli, const struct remote *remote, const json_t *list) {
    size_t i;
    const json_t *item;
    struct buf text;
    struct shown shown;
    if (json_array_size(list) == 0) {
        (void)printf("%s\n", remote->nothing);
        return 0;
    }
    choose_columns(remote, list, &shown);
    struct table *table = table_new(shown.columns, shown.count);
    buf_init(&text, CELL_BYTES_MAX);
    json_array_foreach(list, i, item) {
        for (size_t c = 0; table != NULL && c < shown.count; c++) {
            add_field(&text, item, shown.fields[c]);
            table_take(table, STYLE_PLAIN, &text);
        }
    }
    buf_clear(&text);
    int code = table == NULL ? ERR_MEMORY
                             : table_print(table, stdout, cli->colour, table_terminal_width());
    table_free(table);
    return code == 0 ? 0 : cli_fail(code, "out of memory");
}

static int print_status(const struct cli *cli, const json_t *answer) {
    if (cli_flag(cli, "turns")) {
        return turns_print(stdout, cli->colour, answer);
    }
    live_print_host(stdout, answer);
    (void)printf("\n");
    int code = live_print_services(stdout, cli->colour, table_terminal_width(), answer);
    live_print_schedules(stdout, answer);
    return code == 0 ? 0 : cli_fail(code, "out of memory");
}

/* With a third word, keeps only the entries of that name. */
static void keep_named(const struct cli *cli, json_t *list) {
    for (size_t i = json_array_size(list); cli->word_count == 3 && i > 0; i--) {
        const json_t *item = json_array_get(list, i - 1);
        const json_t *name = json_object_get(item, "name");
        name = name != NULL ? name : json_object_get(item, "lock");
        if (!json_is_string(name) || strcmp(json_string_value(name), cli->words[2]) != 0) {
            (void)json_array_remove(list, i - 1);
        }
    }
}

static json_t *list_in(const struct remote *remote, json_t *answer) {
    if (remote->list == NULL) {
        return NULL;
    }
    return remote->list[0] == '\0' ? answer : json_object_get(answer, remote->list);
}

/* True if the list, and what may accompany it, is empty. */
static bool is_empty(const struct remote *remote, json_t *answer) {
    const json_t *list = list_in(remote, answer);
    return list != NULL && json_array_size(list) == 0 &&
           json_array_size(json_object_get(answer, "signals")) == 0;
}

/* What further pages are added to. */
static json_t *rows_in(const struct cli *cli, const struct remote *remote, json_t *answer) {
    return is_trace_of_key(cli, remote) ? answer : list_in(remote, answer);
}

static void reverse(json_t *list) {
    for (size_t i = 1; i < json_array_size(list); i++) {
        json_t *item = json_incref(json_array_get(list, i));
        (void)json_array_remove(list, i);
        (void)json_array_insert(list, 0, item);
        json_decref(item);
    }
}

/* Prints the answer and frees it. */
static int print_answer(const struct cli *cli, const struct remote *remote, json_t *answer) {
    json_t *list = list_in(remote, answer);
    bool nothing = is_empty(remote, answer);
    bool only_others = !nothing && list != NULL && json_array_size(list) == 0;
    int status = 0;
    if (remote->oldest_first) {
        reverse(list);
    }
    if (is_trace_of_key(cli, remote)) { /* printed as this command prints the local ones */
        answer = json_pack("{s:o}", "events", answer);
    }
    if (cli->json || only_others || (list == NULL && strcmp(remote->command, "status") != 0)) {
        status = cli_print_json(answer);
    } else {
        status = list != NULL ? print_table(cli, remote, list) : print_status(cli, answer);
        json_decref(answer);
    }
    bool wanted = strcmp(remote->command, "state get") == 0;
    return status == 0 && nothing && wanted ? EXIT_NO : status;
}

static void warn_of_missing(const json_t *missing) {
    size_t i;
    const json_t *one;
    json_array_foreach(missing, i, one) {
        const char *why = json_string_value(json_object_get(one, "why"));
        cli_warn("the list lacks host %lld%s%s", json_integer_value(json_object_get(one, "host")),
                 why == NULL ? "" : ": ", why == NULL ? "" : why);
    }
}

static int ask_page(struct cli *cli, const struct remote *remote, const struct page *page,
                    struct cli_page *out, struct report *r) {
    struct buf path;
    buf_init(&path, 16 * TOPIC_BYTES_MAX);
    *out = (struct cli_page){.answer = NULL};
    write_path(cli, remote, page, &path);
    int code = path.failed
                   ? report(r, ERR_INVALID, "the arguments are too long")
                   : cli_ask_page(cli, method_of(remote), buf_str(&path), slice_of(""), out, r);
    buf_clear(&path);
    warn_of_missing(out->missing);
    return code;
}

/* Appends the rows of `more` to those of `out`, and has what `more` says otherwise. */
static int join(const struct cli *cli, const struct remote *remote, struct cli_page *out,
                struct cli_page *more) {
    json_t *rows = rows_in(cli, remote, out->answer);
    const json_t *item;
    size_t i;
    int code = 0;
    if (more->status != 200) {
        cli_page_clear(out);
        *out = *more;
        return 0;
    }
    json_array_foreach(rows_in(cli, remote, more->answer), i, item) {
        bool added = json_array_append_new(rows, json_incref((json_t *)(uintptr_t)item)) == 0;
        code = added ? code : ERR_MEMORY;
    }
    memcpy(out->next, more->next, sizeof out->next);
    out->missing = out->missing != NULL ? out->missing : json_incref(more->missing);
    cli_page_clear(more);
    return code;
}

/* True if there is more of a list than `out` has, and it is wanted; *page: that. */
static bool is_cut(const struct cli *cli, const struct remote *remote, const struct cli_page *out,
                   uint64_t wanted, struct page *page) {
    uint64_t got = json_array_size(rows_in(cli, remote, out->answer));
    memcpy(page->before, out->next, sizeof page->before);
    page->wanted = wanted > got ? wanted - got : 0;
    return out->status == 200 && out->next[0] != '\0' && page->wanted > 0;
}

/* A list is asked for page by page: a page may be short, or empty, and not the last one. */
static int ask(struct cli *cli, const struct remote *remote, uint64_t wanted, struct cli_page *out,
               struct report *r) {
    struct page page = {.wanted = wanted};
    struct cli_page more;
    if (remote->oldest_first) {
        (void)cli_changed_since(cli, &page.since_ms); /* count_wanted has checked it */
    }
    int code = ask_page(cli, remote, &page, out, r);
    bool cut = code == 0 && is_cut(cli, remote, out, wanted, &page);
    for (unsigned pages = 1; cut && pages < PAGES_MAX; pages++) {
        code = ask_page(cli, remote, &page, &more, r);
        code = code == 0 ? join(cli, remote, out, &more) : code;
        cut = code == 0 && is_cut(cli, remote, out, wanted, &page);
    }
    out->endless = cut;
    if (code == 0 && out->status == 200) {
        keep_named(cli, list_in(remote, out->answer));
    }
    return code;
}

/* ---- the command ---- */

/* Prints the answer, and whether there is more; frees it. */
static int print_page(const struct cli *cli, const struct remote *remote, struct cli_page *page) {
    int status = print_answer(cli, remote, json_incref(page->answer));
    if (page->endless) {
        (void)cli_fail(0, "the list ends here, and has more: narrow it down");
        status = status == 0 ? EXIT_CANNOT_RUN : status;
    } else if (page->next[0] != '\0' && remote->list != NULL && !cli->json) {
        (void)printf("and more: --limit N shows more\n");
    }
    return status == 0 && json_array_size(page->missing) > 0 ? EXIT_CANNOT_RUN : status;
}

int cli_remote(struct cli *cli) {
    uint64_t place = 0;
    uint64_t wanted = 0;
    struct cli_page page;
    struct report r = {""};
    const struct remote *remote = remote_find(cli->command);
    int status = cli_option_count(cli, "host", 1, &place);
    if (status != 0) {
        return status;
    }
    if (is_asking(cli->command)) {
        return cli->command->run(cli);
    }
    if (remote == NULL) {
        return cli_misused(cli, "%s works on local files: run it on that host's machine",
                           cli->command->name);
    }
    status = count_wanted(cli, remote, &wanted);
    status = status == 0 ? cli_find_data(cli) : status;
    if (status != 0) {
        return status;
    }
    int code = ask(cli, remote, wanted, &page, &r);
    status = code != 0 ? cli_not_asked(cli, code, &r) : cli_judge(page.status, page.answer);
    status = status == 0 ? print_page(cli, remote, &page) : status;
    cli_page_clear(&page);
    return status;
}

bool cli_print_all(struct cli *cli, int *status) {
    const struct remote *remote = remote_find(cli->command);
    struct cli_page page = {.answer = NULL};
    struct report r = {""};
    uint64_t wanted = 0;
    *status = count_wanted(cli, remote, &wanted);
    if (*status != 0) {
        return true;
    }
    int code = ask(cli, remote, wanted, &page, &r);
    if (code == ERR_NOTFOUND) {
        return false;
    }
    *status = code != 0 ? cli_not_asked(cli, code, &r) : cli_judge(page.status, page.answer);
    *status = *status == 0 ? print_page(cli, remote, &page) : *status;
    cli_page_clear(&page);
    return true;
}

int cli_list_limit(const struct cli *cli, uint64_t *out) {
    return count_wanted(cli, remote_find(cli->command), out);
}

int cli_print_rows(const struct cli *cli, json_t *rows) {
    return print_answer(cli, remote_find(cli->command), rows);
}

bool cli_is_elsewhere(struct cli *cli, int *status) {
    const struct remote *remote = remote_find(cli->command);
    struct cli_page page = {.answer = NULL};
    struct report r = {""};
    uint64_t wanted = 0;
    if (remote == NULL || cli->data == NULL || count_wanted(cli, remote, &wanted) != 0 ||
        ask(cli, remote, wanted, &page, &r) != 0 || page.status == 404 || page.status == 400) {
        cli_page_clear(&page); /* no host runs, or none has it */
        return false;
    }
    if (page.status != 200) {
        *status = cli_judge(page.status, page.answer);
        cli_page_clear(&page);
        return true;
    }
    if (is_empty(remote, page.answer)) {
        cli_page_clear(&page);
        return false;
    }
    *status = print_answer(cli, remote, json_incref(page.answer));
    cli_page_clear(&page);
    return true;
}
