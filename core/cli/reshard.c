/*
 * reshard.c - reshard: redistributes the data folders of stopped hosts.
 *
 * If one folder is given, it may be that of several hosts, DATA/1, DATA/2 and so on, as in `zingq
 * run --hosts`. Or it may be that of a single host that is to be divided: then, after a
 * confirmation, it becomes DATA/1.
 */
#include "cli/impl.h"

#include "cli/confirm.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/clock.h"
#include "reshard/reshard.h"
#include "store/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct work {
    struct cli *cli;
    char *names[PARTITIONS]; /* as they were given; owned, like the paths */
    char *paths[PARTITIONS];
    size_t path_count;
    const char *only; /* the only folder given, or store.path; NULL = several were given */
    char *whole;      /* the folder with those of all hosts; NULL = they were given one by one */
    bool adopted;     /* the first of them is `whole` itself, and has to be moved */
    uint16_t count;
    struct reshard *reshard;
};

/* --- the arguments --- */

/* A folder that does not exist yet has no real path. */
static char *absolute(const char *word) {
    char here[4096];
    struct buf path;
    char *real = realpath(word, NULL);
    if (real != NULL) {
        return real;
    }
    buf_init(&path, sizeof here * 2);
    if (word[0] != '/' && getcwd(here, sizeof here) != NULL) {
        buf_printf(&path, "%s/", here);
    }
    size_t len = strlen(word);
    while (len > 1 && word[len - 1] == '/') {
        len--;
    }
    buf_add(&path, word, len);
    char *copy = path.failed ? NULL : slice_dup(buf_slice(&path));
    buf_clear(&path);
    return copy;
}

static int read_words(struct work *w) {
    struct cli *cli = w->cli;
    uint64_t count = 0;
    int status = cli_option_count(cli, "count", 0, &count);
    if (status != 0) {
        return status;
    }
    if (count == 0 || count > PARTITIONS) {
        return cli_misused(cli, "--count must be the new number of hosts, from 1 to %d",
                           PARTITIONS);
    }
    if (cli_flag(cli, "yes") && cli_flag(cli, "dry-run")) {
        return cli_misused(cli, "give either --yes or --dry-run");
    }
    w->count = (uint16_t)count;
    status = cli_load_conf_to_look(cli);
    if (status == 0 && cli->word_count < 2) {
        w->only = cli->word_count == 1 ? cli->words[0] : cli->conf->store_path;
    }
    return status;
}

static void forget_paths(struct work *w) {
    for (size_t i = 0; i < w->path_count; i++) {
        free(w->paths[i]);
        free(w->names[i]);
        w->paths[i] = w->names[i] = NULL;
    }
    w->path_count = 0;
}

/* Adds a folder; if `number` is not 0, the folder of that number in it. */
static int add_path(struct work *w, const char *name, size_t number) {
    char inner[4096];
    int len = number == 0 ? snprintf(inner, sizeof inner, "%s", name)
                          : snprintf(inner, sizeof inner, "%s/%zu", name, number);
    if (len < 0 || (size_t)len >= sizeof inner) {
        return cli_fail(ERR_INVALID, "the folder name is too long");
    }
    w->names[w->path_count] = slice_dup(slice_of(inner));
    w->paths[w->path_count] = absolute(inner);
    w->path_count++;
    return w->names[w->path_count - 1] != NULL && w->paths[w->path_count - 1] != NULL
               ? 0
               : cli_fail(ERR_MEMORY, "out of memory");
}

/* Adds folders `first` to `count` in the one that was given. */
static int add_hosts(struct work *w, size_t first, size_t count) {
    int status = 0;
    for (size_t i = first; status == 0 && i <= count; i++) {
        status = add_path(w, w->only, i);
    }
    return status;
}

static int add_words(struct work *w) {
    int status = w->only != NULL ? add_path(w, w->only, 0) : 0;
    for (int i = 0; w->only == NULL && status == 0 && i < w->cli->word_count; i++) {
        status = add_path(w, w->cli->words[i], 0);
    }
    return status;
}

static int tell_failure(int code, const struct report *r) {
    if (code == ERR_BUSY) {
        (void)cli_fail(code, "%s; stop the hosts before you reshard their folders", r->text);
        return EXIT_CANNOT_RUN;
    }
    int status = cli_fail(code, "%s", r->text);
    return code == ERR_INVALID || code == ERR_LIMIT ? status : EXIT_CANNOT_RUN;
}

static struct reshard_options options_of(const struct work *w) {
    struct reshard_options options = {.conf = w->cli->conf,
                                      .paths = (const char *const *)w->paths,
                                      .path_count = w->path_count,
                                      .count = w->count};
    clock_read(&options.now);
    return options;
}

/* --- output --- */

static void add_place(struct buf *out, uint16_t place, uint16_t count, const char *none) {
    if (place == 0) {
        buf_add_str(out, none);
    } else {
        buf_printf(out, "%u of %u", (unsigned)place, (unsigned)count);
    }
}

static int print_folders(const struct work *w) {
    static const struct table_column columns[] = {
        {"folder", false}, {"host", false}, {"will be", false}, {"events", true}, {"then", true}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    struct table *table = table_new(columns, COLUMNS);
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; table != NULL && i < reshard_folders(w->reshard); i++) {
        struct reshard_view v;
        reshard_look(w->reshard, i, &v);
        text_add_safe(&text, slice_of(w->names[i]));
        table_take(table, STYLE_PLAIN, &text);
        add_place(&text, v.from, reshard_count_before(w->reshard), "new");
        table_take(table, STYLE_PLAIN, &text);
        add_place(&text, v.to, w->count, "none");
        table_take(table, STYLE_PLAIN, &text);
        table_add_count(table, STYLE_PLAIN, v.events_before);
        table_add_count(table, STYLE_PLAIN, v.events_after);
    }
    buf_clear(&text);
    int code = table == NULL ? ERR_MEMORY
                             : table_print(table, stdout, w->cli->colour, table_terminal_width());
    table_free(table);
    return code == 0 ? 0 : cli_fail(code, "out of memory");
}

/* A host that is to disappear should have left the broker; otherwise the broker still assigns
 * messages to its session, where nobody takes them. True if all of them have left. */
static bool have_left(const struct work *w) {
    bool left = true;
    for (size_t i = w->count; i < reshard_folders(w->reshard); i++) {
        struct reshard_view v;
        reshard_look(w->reshard, i, &v);
        if (v.session) {
            cli_warn(
                "the host of %s has not left the broker, which would keep assigning messages to "
                "it: start the hosts, run `zingq leave --data %s`, then stop the others",
                w->names[i], w->names[i]);
            left = false;
        }
    }
    return left;
}

/* Prints which rows only the host of their folder, or a person, can handle. */
static void tell_left(const struct work *w) {
    for (size_t i = 0; i < reshard_folders(w->reshard); i++) {
        struct reshard_view v;
        reshard_look(w->reshard, i, &v);
        if (v.own > 0) {
            cli_warn(
                "%s keeps %llu rows of services with share = no, which belong to that host alone: "
                "if you need them, run it again, with --service and hosts.count = 1",
                w->names[i], (unsigned long long)v.own);
        }
        if (v.disputed > 0) {
            cli_warn(
                "%s keeps %llu rows, of service \"%s\" among others, because another folder has "
                "state of the same key, an event of the same id, or waiting events of the same "
                "key; `zingq export --data %s` shows them",
                w->names[i], (unsigned long long)v.disputed, v.disputed_service, w->names[i]);
        }
    }
}

/* Which host takes a message that every host receives is decided when it arrives. */
static void warn_of_window(const struct work *w) {
    if (w->cli->conf->broker.alone) {
        cli_warn(
            "with broker { alone = yes } every host gets every message: messages published after "
            "the first host stopped and before all have started may be lost");
    }
}

static json_t *folder_json(const struct work *w, size_t i) {
    struct reshard_view v;
    reshard_look(w->reshard, i, &v);
    return json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:I}", "data", v.path, "from", (int)v.from,
                     "to", (int)v.to, "events_before", (json_int_t)v.events_before, "events_after",
                     (json_int_t)v.events_after, "own", (json_int_t)v.own, "disputed",
                     (json_int_t)v.disputed);
}

static int print_json(const struct work *w, bool done) {
    json_t *folders = json_array();
    for (size_t i = 0; i < reshard_folders(w->reshard); i++) {
        if (json_array_append_new(folders, folder_json(w, i)) != 0) {
            json_decref(folders);
            return cli_print_json(NULL);
        }
    }
    return cli_print_json(json_pack("{s:i, s:i, s:I, s:b, s:o}", "from",
                                    (int)reshard_count_before(w->reshard), "to", (int)w->count,
                                    "rows", (json_int_t)reshard_moves(w->reshard), "done",
                                    (int)done, "folders", folders));
}

static void tell_plan(const struct work *w) {
    unsigned before = reshard_count_before(w->reshard);
    struct buf line;
    buf_init(&line, 256);
    buf_printf(&line, "%u host%s now, %u then: ", before, before == 1 ? "" : "s",
               (unsigned)w->count);
    text_add_count(&line, reshard_moves(w->reshard));
    buf_printf(&line, " row%s to another folder\n\n",
               reshard_moves(w->reshard) == 1 ? " goes" : "s go");
    (void)fputs(buf_str(&line), stdout);
    buf_clear(&line);
}

/* Prints the settings for the new number of hosts. */
static void tell_settings(const struct work *w) {
    const struct conf *conf = w->cli->conf;
    unsigned count = w->count;
    if (w->whole != NULL && count > 1) {
        (void)printf(
            "Run them with `zingq run --hosts %u`, without hosts.count in %s; or each with "
            "a folder of its own as --data.\n",
            count, conf->file);
    } else if (w->whole != NULL) {
        (void)printf("Run it with --data %s.\n", w->names[0]);
    } else if (conf->hosts.share.count != count) {
        (void)printf("Now set hosts.count = %u in %s, or ZINGQ_HOSTS_COUNT=%u, for all hosts%s.\n",
                     count, conf->file, count,
                     count > 1 ? ", and hosts.this or ZINGQ_HOSTS_THIS for each" : "");
    }
}

static void tell_done(const struct work *w) {
    (void)printf("\nDone: every row exists exactly once. ");
    tell_settings(w);
    for (size_t i = w->count; w->whole == NULL && i < reshard_folders(w->reshard); i++) {
        (void)printf("%s has no keys any more.\n", w->names[i]);
    }
}

/* --- selecting the folders --- */

/* Finds out whether the only folder given is that of several hosts, or is to become one. */
static int look_at_whole(struct work *w, unsigned *hosts, bool *alone) {
    struct report r = {""};
    char *path = absolute(w->only);
    char file[STORE_PATH_BYTES];
    if (path == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    *hosts = store_folder_hosts(path);
    *alone = store_data_file(path, file, NULL) == 0 && access(file, F_OK) == 0;
    if (!*alone && *hosts > 0 && !cli_flag(w->cli, "dry-run")) {
        int code = reshard_adopt(path, &r); /* completes it if it was begun */
        if (code != 0) {
            free(path);
            return tell_failure(code, &r);
        }
    }
    w->whole = *alone ? (w->count > 1 && *hosts == 0 ? path : NULL) : *hosts > 0 ? path : NULL;
    if (w->whole == NULL) {
        free(path);
    }
    return 0;
}

/* Adds the folders to settle: every one that may exist. */
static int name_all(struct work *w) {
    unsigned hosts = 0;
    bool alone = false;
    int status = w->only != NULL ? look_at_whole(w, &hosts, &alone) : 0;
    w->adopted = w->whole != NULL && alone;
    if (status != 0 || w->whole == NULL || w->adopted) {
        return status == 0 ? add_words(w) : status;
    }
    return add_hosts(w, 1, hosts);
}

/* Then adds the folders that hosts use now, and those to be created. */
static int name_hosts(struct work *w) {
    struct report r = {""};
    uint16_t hosts = 1;
    if (w->whole == NULL) {
        return 0;
    }
    int code = reshard_peek(w->paths[0], &hosts, &r);
    if (code != 0) {
        return tell_failure(code, &r);
    }
    size_t count = hosts > w->count ? hosts : w->count;
    forget_paths(w);
    int status = w->adopted ? add_path(w, w->only, 0) : 0;
    return status == 0 ? add_hosts(w, w->adopted ? 2 : 1, count) : status;
}

/* Moves the folder of the single host to where the first host's belongs; then looks again. */
static int move_first(struct work *w) {
    struct report r = {""};
    if (!w->adopted) {
        return 0;
    }
    reshard_close(w->reshard);
    w->reshard = NULL;
    int code = reshard_adopt(w->whole, &r);
    if (code != 0) {
        return tell_failure(code, &r);
    }
    size_t count = w->path_count;
    forget_paths(w);
    int status = add_hosts(w, 1, count);
    if (status == 0) {
        struct reshard_options options = options_of(w);
        code = reshard_open(&w->reshard, &options, &r);
        status = code == 0 ? 0 : tell_failure(code, &r);
    }
    return status;
}

/* `zingq run --hosts` would take any numbered folder with a store for a host's. */
static void put_away(const struct work *w, size_t i) {
    char other[STORE_PATH_BYTES];
    int len = snprintf(other, sizeof other, "%s.emptied", w->paths[i]);
    if (len < 0 || len >= STORE_PATH_BYTES || rename(w->paths[i], other) != 0) {
        cli_warn("%s belongs to no host any more: move it away", w->names[i]);
        return;
    }
    if (!w->cli->json) {
        (void)printf("%s is %s.emptied now.\n", w->names[i], w->names[i]);
    }
}

/* Puts away the folders beyond those of the hosts; unless `all`, only those that are empty. */
static void put_away_emptied(const struct work *w, bool all) {
    for (size_t i = w->count; w->whole != NULL && i < w->path_count; i++) {
        uint16_t hosts = 0;
        if (all || reshard_peek(w->paths[i], &hosts, NULL) != 0 || hosts == 0) {
            put_away(w, i);
        }
    }
}

/* --- resharding --- */

static int divide(struct work *w) {
    struct report r = {""};
    if (!have_left(w) && !cli_flag(w->cli, "abandon")) {
        return cli_fail(ERR_NOTFOUND, "nothing was changed; --abandon gives up the messages that "
                                      "the broker holds for such a host");
    }
    int status = cli_confirm(w->cli, "nothing was changed", "\nDivide the keys?");
    status = status == 0 ? move_first(w) : status;
    if (status != 0) {
        return status;
    }
    int code = reshard_run(w->reshard, &r);
    if (code != 0) {
        return tell_failure(code, &r);
    }
    status = w->cli->json ? print_json(w, true) : 0;
    if (!w->cli->json) {
        tell_done(w);
    }
    put_away_emptied(w, true);
    return status;
}

static int show_and_divide(struct work *w) {
    const struct cli *cli = w->cli;
    bool dry = cli_flag(cli, "dry-run");
    bool same = reshard_count_before(w->reshard) == w->count && reshard_moves(w->reshard) == 0;
    int status = 0;
    if (!cli->json) {
        tell_plan(w);
        status = print_folders(w);
    }
    tell_left(w);
    warn_of_window(w);
    if (same && !cli->json && status == 0) {
        (void)printf("\nThe keys are already divided this way: nothing to do.\n");
    }
    if (dry) {
        (void)have_left(w);
    }
    if (status != 0 || dry || same) {
        return status != 0 ? status : cli->json ? print_json(w, false) : 0;
    }
    return divide(w);
}

/* Completes an earlier reshard that was interrupted, unless nothing may be changed. 0, or the exit
 * status; *over: there was nothing else to do. */
static int settle(struct work *w, bool *over) {
    struct report r = {""};
    enum reshard_left left = RESHARD_NOTHING_LEFT;
    struct reshard_options options = options_of(w);
    int code = cli_flag(w->cli, "dry-run")
                   ? 0
                   : reshard_settle(options.paths, options.path_count, &left, &r);
    *over = left == RESHARD_FINISHED;
    if (code != 0) {
        return tell_failure(code, &r);
    }
    if (left == RESHARD_TAKEN_BACK) {
        cli_warn("an earlier reshard was interrupted before it changed anything; starting again");
    } else if (*over && !w->cli->json) {
        (void)printf("An interrupted reshard has been completed.\n");
    }
    if (*over) {
        put_away_emptied(w, false);
    }
    return *over && w->cli->json ? cli_print_json(json_pack("{s:b}", "done", 1)) : 0;
}

int cli_reshard(struct cli *cli) {
    struct work w = {.cli = cli};
    struct report r = {""};
    bool over = false;
    int status = read_words(&w);
    status = status == 0 ? name_all(&w) : status;
    status = status == 0 ? settle(&w, &over) : status;
    status = status == 0 && !over ? name_hosts(&w) : status;
    if (status == 0 && !over) {
        struct reshard_options options = options_of(&w);
        int code = reshard_open(&w.reshard, &options, &r);
        status = code == 0 ? show_and_divide(&w) : tell_failure(code, &r);
    }
    reshard_close(w.reshard);
    forget_paths(&w);
    free(w.whole);
    return status;
}
