/*
 * logged.h - the log that the store has in PostgreSQL, if topics.conf names one (store.url): taking it
 * over at the start, its snapshots, and its end.
 *
 * Who has lost the log to another process ends, and leaves a mark in the data folder: without it a
 * supervisor would start both again and again, each taking the log from the other.
 */
#ifndef ZINGQ_HOST_LOGGED_H
#define ZINGQ_HOST_LOGGED_H

#include "host/impl.h"
#include "base/json.h"

/* With a store that was just opened: takes its log over, makes the store what the log says, and waits for
 * the database as long as that takes, telling whoever asks. ERR_BUSY: stopped meanwhile. Else with a
 * sentence: ERR_INVALID, ERR_REFUSED, ERR_SCHEMA, ERR_LOST, ERR_FOREIGN, ERR_FENCED, ERR_MEMORY,
 * ERR_SYSTEM, and the errors of store_begin. Nothing without a log. */
int host_log_open(struct host *h, struct report *r);
/* The loop runs: asks now and then whether the log is still ours. */
void host_log_watch(struct host *h);
/* A turn has ended so: true if there can be no other, and the host ends. */
bool host_log_is_over(struct host *h, int code);
/* Before a connection to the broker (mqtt_callbacks): whether the log is still ours. Who has lost it, or
 * cannot know, would take the session from whoever has it now. True without a log. */
bool host_log_may_connect(void *host);
/* After each turn: keeps the log short. */
void host_log_turn(struct host *h);
/* When the loop has ended: the store begins no transaction any more. */
void host_log_close(struct host *h);

/* --- host/logged_end.c --- */

/* ERR_INVALID, with a sentence, where the mark is: another process has taken the log. */
int host_log_refuse_marked(const struct host *h, struct report *r);
/* Says in r why the log cannot be used, and leaves the mark of who has lost it. Returns the code. */
int host_log_explain(struct host *h, int code, struct report *r);

/* --- host/logged_tell.c --- */

/* Whether the database answers; true without a log. */
bool host_log_is_up(const struct host *h);
/* Says so when the database stops answering, and when it answers again. */
void host_log_notice(struct host *h);
void host_each_of_log(const struct host *h, host_tell *tell, void *ctx);
/* Adds `log`, unless there is none, and `cluster`, if it is of one. */
void host_log_status(const struct host *h, json_t *object);
void host_log_metrics(const struct host *h, struct buf *out);

/* --- host/await.c --- */

/* Joins the log and settles the store, again and again while that ends with ERR_NETWORK; any other end is
 * the result. ERR_BUSY: a signal came first, and the host is stopping. Meanwhile the doors answer 503
 * with the reason. */
int host_await_log(struct host *h, struct report *r);

#endif
