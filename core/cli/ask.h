/*
 * ask.h - a command asks the running host, over DATA/zingq.sock.
 */
#ifndef ZINGQ_CLI_ASK_H
#define ZINGQ_CLI_ASK_H

#include "base/error.h"
#include "cli/impl.h"

#include <jansson.h>

enum { CLI_ASK_MS = 30000 /* the running host answers after its next commit */ };

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

#endif
