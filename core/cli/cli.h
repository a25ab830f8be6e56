/*
 * cli.h - the commands: what they are called, what they take, what they share.
 *
 * Each family of commands is one file, <family>.c, that offers rows of `struct cli_command`;
 * cli/cli.c finds the row, reads the options it lists, and runs it. Commands return the program's exit
 * status (base/error.h) and have then told the user all there is to tell.
 *
 * Reading commands look at the last commit in the store, beside a running host or without one.
 * Changing commands ask the running host over DATA/zingq.sock.
 */
#ifndef ZINGQ_CLI_CLI_H
#define ZINGQ_CLI_CLI_H

#include "conf/conf.h"
#include "base/error.h"
#include "event/event.h"
#include "journal/journal.h"
#include "journal/later.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CLI_OPTIONS_MAX = 128, /* options on one command line */
    CLI_ASK_MS = 30000,    /* the running host answers after its next commit */
};

/* One option of a command. A list of them ends with a row whose name is NULL. */
struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for its value in the help; NULL = a flag */
    const char *help;
};

struct cli;

/* One command. A list of them ends with a row whose name is NULL. */
struct cli_command {
    const char *name;      /* "status", "dlq list" */
    const char *arguments; /* "SERVICE KEY", for the help */
    const char *help;      /* one line for the list of commands */
    const char *more;      /* further lines for its own help, or NULL */
    int words_min, words_max;
    const struct cli_option *options; /* beyond those every command has; or NULL */
    int (*run)(struct cli *cli);
};

/* Commands that stand together in the help. */
struct cli_group {
    const char *title;
    const struct cli_command *commands;
};

struct cli_given {
    const struct cli_option *option;
    const char *value;
};

/* One command under way. */
struct cli {
    const struct cli_command *command;
    char **words; /* the arguments that are no options */
    int word_count;
    struct cli_given given[CLI_OPTIONS_MAX];
    size_t given_count;
    bool json;               /* --json */
    bool colour;             /* standard output is a terminal that may be coloured */
    int64_t now_ms;          /* wall clock; engine time after cli_open_store */
    struct conf *conf;       /* from cli_load_conf; may be NULL after cli_open_store */
    char *data;              /* the data folder, from cli_find_data or cli_find_hosts; owned */
    struct store *store;     /* from cli_open_store */
    struct journal *journal; /* the same */
    unsigned rows;           /* read since the transaction began */
    struct buf page;         /* what a transaction has found and cli_end prints */
};

/* The program: returns the exit status. */
int cli_main(int argc, char **argv);

/* --- options ------------------------------------------------------------------------------------
 */

/* The value of the last option of that name, or NULL when it was not given. */
const char *cli_option(const struct cli *cli, const char *name);
/* The next value of an option that may be given often, after *at (0 to begin); NULL at the end. */
const char *cli_option_next(const struct cli *cli, const char *name, size_t *at);
bool cli_flag(const struct cli *cli, const char *name);
/* A whole number from 1 on; `otherwise` when it was not given. EXIT_USAGE after telling why. */
int cli_option_count(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t *out);
/* A whole file; *out is made here, in every case. 0 or an exit status after telling why. */
int cli_read_file(const char *path, size_t max, struct buf *out);

/* --- telling ------------------------------------------------------------------------------------
 */

/* "zingq: <sentence>" on standard error; returns the exit status that fits the code. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "zingq: warning: <sentence>" on standard error: it works, and is hardly what was meant. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong use of the command, with a pointer to its help; returns EXIT_USAGE. */
int cli_misused(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* EXIT_USAGE, after naming the word that is none of `names` and the one that was perhaps meant. */
int cli_unknown(const char *kind, const char *word, const char *const *names, size_t count);
/* Prints a JSON document with a newline and takes it over; NULL counts as out of memory. */
int cli_print_json(json_t *document);
/* A list as JSON, an element at a time: "[" element, element "]". *count begins at 0. Within a
 * transaction: elements wait in cli->page until it ends. */
int cli_print_json_item(struct cli *cli, json_t *item, uint64_t *count);
void cli_print_json_end(uint64_t count);
/* The same for one line of JSON. */
int cli_print_json_line(struct cli *cli, json_t *document);

/* --- what commands work on ----------------------------------------------------------------------
 */

/* topics.conf into cli->conf; 0 or an exit status after telling why. */
int cli_load_conf(struct cli *cli);
/* The data folder into cli->data. With --data topics.conf may be missing (cli->conf is NULL).
 * Of the folder of several hosts it is that of --host; EXIT_USAGE without, after telling how to
 * name one. */
int cli_find_data(struct cli *cli);
/* The same, but such a folder is welcome: *hosts is how many they are, 0 = it is that of one. */
int cli_find_hosts(struct cli *cli, unsigned *hosts);
/* The store, read only, outside a transaction. 0 or an exit status after telling why. */
int cli_open_store(struct cli *cli);

/* Closes what cli_open_store opened, if it did. */
void cli_close_store(struct cli *cli);

/* A transaction to read in; what it shows does not change until cli_end. Nothing is written to
 * standard output while it lasts: a pager that nobody scrolls would keep it open for hours, and
 * every page the running host frees meanwhile stays taken. ERR_... */
int cli_begin(struct cli *cli);
/* Ends it, then prints what is in cli->page. */
void cli_end(struct cli *cli);
/* Between two rows of a long read: now and then ends the transaction, prints the page and begins
 * anew. What pointed into the store is invalid afterwards. */
int cli_breathe(struct cli *cli);
/* Prints what a failed read means; returns the exit status. */
int cli_read_failed(int code);

/* The service's number; EXIT_NO after telling that the store has no such service. */
int cli_service(struct cli *cli, const char *name, uint16_t *number);
/* Its name; never NULL. */
const char *cli_service_name(const struct cli *cli, uint16_t number);
/* An event id as written; EXIT_USAGE after telling that it is none. */
int cli_parse_id(const struct cli *cli, const char *text, struct uuid *id);
/* A key as written; EXIT_USAGE when no key can be that long. */
int cli_parse_key(const struct cli *cli, const char *text, struct slice *key);

/* --- asking the running host --------------------------------------------------------------------
 */

/* Appends a path or query part, percent-encoded. */
void cli_add_part(struct buf *path, struct slice part);
/* One request; the host's refusal is told. `*answer` is the JSON it sent, NULL when `answer` is
 * NULL or there was none. 0, or an exit status. */
int cli_ask(struct cli *cli, const char *method, const char *path, struct slice body,
            json_t **answer);
/* Tells why there was no answer; returns EXIT_CANNOT_RUN. */
int cli_not_asked(const struct cli *cli, int code, const struct report *r);
/* Tells the host's refusal. 0 for a 2xx status, else the exit status that fits. */
int cli_judge(long status, const json_t *answer);
/* The same as cli_ask, quietly: ERR_NOTFOUND when no host runs. *status is the HTTP status. */
int cli_ask_quietly(struct cli *cli, const char *method, const char *path, struct slice body,
                    long *status, json_t **answer, struct report *r);

/* Commands in files of their own. */
int cli_status(struct cli *cli);
int cli_top(struct cli *cli);
int cli_trace(struct cli *cli);
int cli_delayed(struct cli *cli);
/* When it leaves, in engine time, as all that is shown. */
int64_t cli_due_ms(const struct delayed *delayed);
int cli_replay(struct cli *cli);
int cli_try(struct cli *cli);
int cli_doctor(struct cli *cli);
int cli_doctor_store(struct cli *cli);
int cli_export(struct cli *cli);
int cli_reshard(struct cli *cli);

/* --- the families -------------------------------------------------------------------------------
 */

extern const struct cli_command cli_host_commands[];
extern const struct cli_command cli_check_commands[];
extern const struct cli_command cli_look_commands[];
extern const struct cli_command cli_dlq_commands[];
extern const struct cli_command cli_outbox_commands[];
extern const struct cli_command cli_keys_commands[];
extern const struct cli_command cli_state_commands[];
extern const struct cli_command cli_file_commands[];
extern const struct cli_command cli_change_commands[];

#endif
