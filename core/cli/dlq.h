/*
 * dlq.h - the dead-letter commands that have files of their own.
 */
#ifndef ZINGQ_CLI_DLQ_H
#define ZINGQ_CLI_DLQ_H

#include "base/json.h"
#include "base/uuid.h"
#include "cli/impl.h"

/* What the running host answered. */
struct dlq_answer {
    long status;  /* HTTP */
    json_t *body; /* owned by the caller; NULL = none */
};

/* POSTs /api/dlq/<id>/<verb>; `service` may be NULL. 0 when the host answered, else an exit status
 * after printing why it did not. */
int dlq_ask(struct cli *cli, const struct uuid *id, const char *service, const char *verb,
            struct slice body, struct dlq_answer *answer);

/* The dead-letter commands that have files of their own. */
int dlq_show(struct cli *cli);
int dlq_export(struct cli *cli);
int dlq_replay(struct cli *cli);
int dlq_discard(struct cli *cli);
int dlq_edit(struct cli *cli);
int dlq_try(struct cli *cli);

#endif
