/*
 * job.h - a job of the running host, such as the replay of many events: begun, waited for, told.
 */
#ifndef ZINGQ_CLI_JOB_H
#define ZINGQ_CLI_JOB_H

#include "cli/impl.h"

#include <jansson.h>

/* Begins the job that POST `path` asks for and waits for its end; Ctrl-C stops it. On a terminal
 * the progress is one line on standard error, "replayed 3 of 7", where `past` is "replayed": the
 * field with the count, too. 0, or an exit status after telling why: then *job is what the host
 * said last, or NULL. The caller's. */
int job_run(struct cli *cli, const char *path, const char *past, json_t **job);
/* Of what a job tells: a count, 0 when there is none; a text, "" when there is none. */
json_int_t job_count(const json_t *job, const char *name);
const char *job_text(const json_t *job, const char *name);
/* EXIT_GOOD when the job did what it was to do; else an exit status after telling what ended it. */
int job_judge(const json_t *job);
/* Appends `name`=`value`&, encoded; nothing when the value is NULL. */
void job_add_query(struct buf *out, const char *name, const char *value);

#endif
