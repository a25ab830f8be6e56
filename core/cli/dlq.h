/*
 * dlq.h - what the dead-letter commands share: which dead letters are meant, reading them.
 */
#ifndef ZINGQ_CLI_DLQ_H
#define ZINGQ_CLI_DLQ_H

#include "cli/cli.h"
#include "query/dead.h"
#include "journal/event.h"

/* What --service and --group ask for; needs the store open. 0 or an exit status. */
int dlq_parse_wish(struct cli *cli, struct dead_wish *wish);
/* The next dead row that is wished for after *row (zeroed at the start). Between two calls the
 * transaction may have begun anew. ERR_NOTFOUND. */
int dlq_next(struct cli *cli, const struct dead_wish *wish, struct dead_row *row);
/* The dead letter with that id, of --service when it was given. EXIT_NO after telling that there
 * is none; 0 and *out NULL when another host has it, which has been shown. Opens the store and a transaction of its own. */
int dlq_find(struct cli *cli, const char *id_text, struct event **out);

/* What the running host answered. */
struct dlq_answer {
    long status;  /* HTTP */
    json_t *body; /* owned by the caller; NULL = none */
};

/* POSTs /api/dlq/<id>/<verb>; service may be NULL. 0 when there is an answer, or an exit status
 * after telling why there is none. */
int dlq_ask(struct cli *cli, const struct uuid *id, const char *service, const char *verb,
            struct slice body, struct dlq_answer *answer);

/* The family's commands that stand in files of their own. */
int dlq_show(struct cli *cli);
int dlq_export(struct cli *cli);
int dlq_replay(struct cli *cli);
int dlq_discard(struct cli *cli);
int dlq_edit(struct cli *cli);
int dlq_try(struct cli *cli);

#endif
