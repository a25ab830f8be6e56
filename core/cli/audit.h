/*
 * audit.h - changes on record, as the commands show them.
 */
#ifndef ZINGQ_CLI_AUDIT_H
#define ZINGQ_CLI_AUDIT_H

#include "base/json.h"
#include "cli/impl.h"

/* Appends what was asked for: "POST /api/services/seats/pause?key=jazz", with short ids. */
void cli_add_change(struct buf *text, const json_t *record);
/* The time of --since; 0 = always. EXIT_USAGE after printing why. */
int cli_changed_since(const struct cli *cli, int64_t *ms);

#endif
