/*
 * store.h - what reading commands share: the data folder, the store, names.
 */
#ifndef ZINGQ_CLI_STORE_H
#define ZINGQ_CLI_STORE_H

#include "cli/impl.h"

#include "query/ids.h"

/* Reads topics.conf into cli->conf, secrets included. 0, or an exit status after printing why. */
int cli_load_conf(struct cli *cli);
/* The same without secrets, for commands that only look at stores and hosts. */
int cli_load_conf_to_look(struct cli *cli);
/* Like cli_load_conf, but prints every mistake of meaning and not only the first. */
int cli_check_conf(struct cli *cli);
/* Finds the data folder, cli->data. With --data, topics.conf may be missing (cli->conf is NULL). If
 * topics.conf was not loaded before, cli->conf then has no secrets: looking needs none.
 * Where several hosts share a folder, it is the one of --host; without it, EXIT_USAGE after
 * printing how to name one. */
int cli_find_data(struct cli *cli);
/* The same, but accepts a folder of several hosts: *hosts is their number, 0 = a single host. */
int cli_find_hosts(struct cli *cli, unsigned *hosts);
/* Switches from such a folder to that of host N. 0, or an exit status after printing why. */
int cli_turn_to(struct cli *cli, uint64_t number);
/* Opens the store, read only, without a transaction, unless it is open. 0, or an exit status after printing why. */
int cli_open_store(struct cli *cli);
/* The same, for a command that reads all of it: the pages of a large file are checked, too. */
int cli_open_store_checked(struct cli *cli);

/* True if a host seems to run on the data folder, and is one of several that divide the keys. */
bool cli_is_divided(struct cli *cli);
/* Closes what cli_open_store opened, if anything. */
void cli_close_store(struct cli *cli);

/* Begins a read transaction: a snapshot until cli_end. Nothing is written to standard output during
 * it: a pager that nobody scrolls would keep it open for hours, and no page that the running host
 * frees could be reused. ERR_... */
int cli_begin(struct cli *cli);
/* Ends it, then prints cli->page. */
void cli_end(struct cli *cli);
/* Call between two rows of a long read: from time to time it ends the transaction, prints the page
 * and begins a new one. Pointers into the store are invalid afterwards. */
int cli_breathe(struct cli *cli);
/* Prints what a failed read means; returns the exit status. */
int cli_read_failed(int code);

/* The service's number. EXIT_NO after printing that the store has no such service. */
int cli_service(struct cli *cli, const char *name, uint16_t *number);
/* The service's name; never NULL. */
const char *cli_service_name(const struct cli *cli, uint16_t number);
/* The id that the text is, or ends: then the running host looks for it, or else this does in the
 * store, which it opens. EXIT_USAGE, EXIT_NO after printing that it is none, that nothing has such an
 * id, or which ones fit. */
int cli_find_id(struct cli *cli, const char *text, enum id_of of, struct uuid *id);
/* Parses a key. EXIT_USAGE when it is too long to be one. */
int cli_parse_key(const struct cli *cli, const char *text, struct slice *key);

#endif
