/*
 * stage.h - what a black-box test plays on: a broker, one or two hosts, a publisher and an
 * observer, all real. Whatever of it a test started goes at its end, also when it failed.
 */
#ifndef ZINGQ_TEST_STAGE_H
#define ZINGQ_TEST_STAGE_H

#include "broker.h"
#include "helper.h"
#include "peer.h"
#include "program.h"
#include "silent.h"
#include "wait.h"

struct stage {
    struct broker broker; /* running */
    struct program host;  /* neither is started */
    struct program other;
    struct peer publisher, observer;
    struct helper gateway, mail, sale;
    struct silent *silent; /* a server that says nothing of use; NULL = none */
};

/* mosquitto.conf: queues without an end, for clients that are away. */
#define STAGE_BROKER "allow_anonymous true\nmax_queued_messages 0\n"
#define STAGE_BROKER_KEEPS STAGE_BROKER "persistence true\n"

#define TEST_ON_STAGE(test) cmocka_unit_test_setup_teardown(test, stage_open, stage_close)

int stage_open(void **state);
int stage_close(void **state);

/* topics.conf for a host: the stage's broker, and this text behind it. */
void stage_conf(const struct stage *s, const struct program *p, const char *text);
/* The same with one script, and the host starts. */
void stage_play(struct stage *s, const char *conf, const char *script_name, const char *script);
/* Starts the publisher, and the observer on this filter. */
void stage_peers(struct stage *s, const char *filter);

/* Looks again until the condition holds; fails the test when it never does, to all appearances. */
#define WAIT_FOR(stage, condition) WAIT_LONG(stage, condition, 180)
#define WAIT_LONG(stage, condition, seconds)                                                       \
    for (struct wait wait_here = wait_of(seconds); !(condition);                                   \
         wait_more(&wait_here) ? (void)0 : stage_fail(stage, #condition))                          \
        ;

/* Fails the test and prints what the hosts said last. */
void stage_fail(const struct stage *s, const char *what);

#endif
