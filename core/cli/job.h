/*
 * job.h - jobs of the running host, such as replaying many events: starting one and following it.
 */
#ifndef ZINGQ_CLI_JOB_H
#define ZINGQ_CLI_JOB_H

#include "base/json.h"
#include "cli/impl.h"

/* Starts a job with POST `path` and waits until it ends; Ctrl-C stops it. On a terminal, one line
 * on standard error shows the progress, "replayed 3 of 7": `past` is "replayed", which is also the
 * name of the field that counts. 0, or an exit status after printing why. In both cases *job is the
 * last report of the host, or NULL; the caller owns it. */
int job_run(struct cli *cli, const char *path, const char *past, json_t **job);
/* A field of a job's report: a number, 0 if missing; a text, "" if missing. */
json_int_t job_count(const json_t *job, const char *name);
const char *job_text(const json_t *job, const char *name);
/* EXIT_GOOD when the job completed; else an exit status after printing why it did not. */
int job_judge(const json_t *job);
/* Appends `name`=`value`&, percent-encoded; nothing when the value is NULL. */
void job_add_query(struct buf *out, const char *name, const char *value);

#endif
