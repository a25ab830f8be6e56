/*
 * store.h - what the reading commands share: the data folder, the store, names.
 */
#ifndef ZINGQ_CLI_STORE_H
#define ZINGQ_CLI_STORE_H

#include "cli/impl.h"

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

#endif
