/*
 * hosts.h - two or more hosts of a test that divide the keys by number, each with a folder of its
 * own. One of them is host `number`, from 1.
 */
#ifndef ZINGQ_TEST_HOSTS_H
#define ZINGQ_TEST_HOSTS_H

#include "program.h"

enum { HOSTS_MAX = 4 };

struct hosts {
    struct program all[HOSTS_MAX];
    unsigned count;
};

/* Makes the folders; nothing runs yet. */
void hosts_init(struct hosts *h, unsigned count);
void hosts_clear(struct hosts *h);
struct program *hosts_one(struct hosts *h, unsigned number);

/* As program_launch; by the environment it is this one of them. */
void hosts_launch(struct hosts *h, unsigned number);
/* Launches those that do not run, and waits until all take messages. */
void hosts_start(struct hosts *h);
/* As program_stop, all; fails the test unless each ends with 0. */
void hosts_stop(struct hosts *h);

/* A figure of the engine or of a service, over all; -1 when one does not answer. */
int64_t hosts_engine(const struct hosts *h, const char *figure);
int64_t hosts_service(const struct hosts *h, const char *service, const char *figure);
/* Of what goes to other hosts: "waiting", "forwarded" since each of them started. */
int64_t hosts_forwards(const struct hosts *h, const char *figure);
/* Nothing waits, nothing is on its way to the broker or to another host. */
bool hosts_rest(const struct hosts *h);
/* Prints the end of what each says. */
void hosts_show(const struct hosts *h);

#endif
