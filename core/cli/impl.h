/*
 * impl.h - a command: its name, its options and what it works on; only core/cli includes it.
 *
 * Each family of commands is one file, <family>.c, that offers rows of `struct cli_command`;
 * cli/cli.c finds the row, reads the options it lists, and runs it. Commands return the program's
 * exit status (base/error.h) after they have printed everything the user needs to know.
 *
 * Commands that read use the last commit in the store, whether a host runs or not. Commands that
 * change something send a request to the running host over DATA/zingq.sock.
 */
#ifndef ZINGQ_CLI_IMPL_H
#define ZINGQ_CLI_IMPL_H

#include "base/json.h"
#include "conf/conf.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { CLI_OPTIONS_MAX = 128 /* options on one command line */ };

/* One option of a command. A list of them ends with a row whose name is NULL. */
struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* name of its value in the help; NULL = a flag */
    const char *help;
};

struct cli;

/* One command. A list of them ends with a row whose name is NULL. */
struct cli_command {
    const char *name;      /* "status", "dlq list" */
    const char *arguments; /* "SERVICE KEY", for the help */
    const char *help;      /* one line for the list of commands */
    const char *more;      /* further lines for the command's own help, or NULL */
    int words_min, words_max;
    const struct cli_option *options; /* in addition to the common ones; or NULL */
    int (*run)(struct cli *cli);
};

/* Commands that are listed together. A list ends with a title NULL. */
struct cli_group {
    const char *title;
    const struct cli_command *commands;
};

/* The second word of the command's name when the first is the family, or NULL. */
static inline const char *cli_second_word(const char *name, const char *family) {
    size_t len = strlen(family);
    return strncmp(name, family, len) == 0 && name[len] == ' ' ? name + len + 1 : NULL;
}

struct cli_given {
    const struct cli_option *option;
    const char *value;
};

/* The command that runs. */
struct cli {
    const struct cli_command *command;
    const struct cli_group *groups; /* all commands, for those that list them */
    const char *const *families;    /* the first words of commands of two, up to a NULL */
    char **words;                   /* the arguments that are not options */
    int word_count;
    struct cli_given given[CLI_OPTIONS_MAX];
    size_t given_count;
    bool json;               /* --json */
    bool colour;             /* standard output is a terminal and colour is allowed */
    bool has_host;           /* the command knows --host */
    bool any_host;           /* any host of a division answers it for all */
    int64_t now_ms;          /* wall clock; engine time after cli_open_store */
    struct conf *conf;       /* from cli_load_conf; may be NULL after cli_open_store */
    char *data;              /* the data folder, from cli_find_data or cli_find_hosts; owned */
    struct store *store;     /* from cli_open_store */
    struct journal *journal; /* the same */
    unsigned rows;           /* rows read since the transaction began */
    json_t *gathered;        /* while lists of several hosts become one: the rows of this one */
    bool gathered_cut;       /* and some of them have more */
    struct buf page;         /* output collected during a transaction; cli_end prints it */
};

/* Families: the rows of one file each. */
extern const struct cli_command cli_host_commands[];
extern const struct cli_command cli_check_commands[];
extern const struct cli_command cli_write_commands[];
extern const struct cli_command cli_look_commands[];
extern const struct cli_command cli_dlq_commands[];
extern const struct cli_command cli_outbox_commands[];
extern const struct cli_command cli_keys_commands[];
extern const struct cli_command cli_state_commands[];
extern const struct cli_command cli_cluster_commands[];
extern const struct cli_command cli_file_commands[];
extern const struct cli_command cli_change_commands[];
extern const struct cli_command cli_shell_commands[];

/* Commands that have files of their own. */
int cli_status(struct cli *cli);
int cli_top(struct cli *cli);
int cli_trace(struct cli *cli);
int cli_delayed(struct cli *cli);
int cli_replay(struct cli *cli);
int cli_erase(struct cli *cli);
int cli_move(struct cli *cli);
int cli_try(struct cli *cli);
int cli_test(struct cli *cli);
int cli_init(struct cli *cli);
int cli_new_handler(struct cli *cli);
int cli_doctor(struct cli *cli);
int cli_doctor_store(struct cli *cli);
int cli_export(struct cli *cli);
int cli_import(struct cli *cli);
int cli_audit(struct cli *cli);
int cli_reshard(struct cli *cli);
int cli_migrate(struct cli *cli);
int cli_backup(struct cli *cli);
int cli_restore(struct cli *cli);
/* A copy of a data folder is the same client to the broker. */
void cli_warn_of_twin(void);
int cli_manual(struct cli *cli);
int cli_reference(struct cli *cli);

#endif
