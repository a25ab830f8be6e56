/*
 * broker.h - a private Mosquitto for tests: real, on a free loopback port, its files in a temporary
 * folder that goes with it. Failures of the machinery itself abort the test with a message.
 */
#ifndef ZINGQ_TEST_BROKER_H
#define ZINGQ_TEST_BROKER_H

#include "port.h"

#include <stdint.h>
#include <sys/types.h>

struct broker {
    pid_t pid; /* 0 = not running */
    uint16_t port;
    char dir[64];
    char url[64]; /* mqtt://127.0.0.1:<port> */
};

/* Prepares the folder and the port; nothing runs yet. */
void broker_init(struct broker *b);
/* Writes a file into the folder; its path goes to `path`. */
void broker_file(const struct broker *b, const char *name, const char *text, char path[128]);
/* Adds `user` to the password file `name` in the folder. */
void broker_password(const struct broker *b, const char *name, const char *user,
                     const char *password, char path[128]);
/* Makes a key and a certificate for 127.0.0.1 that is its own CA; `options` gets the lines that
 * make the broker use them. */
void broker_certificate(const struct broker *b, char cert[128], char options[512]);
/* Starts it and waits until it runs; when its port is taken, tries again for a minute. `options` are mosquitto.conf lines, NULL =
 * "allow_anonymous true\n"; listener, log and folder are given. */
void broker_start(struct broker *b, const char *options);
/* SIGTERM (it writes its database if it has one) or SIGKILL; waits for the end. */
void broker_stop(struct broker *b);
void broker_kill(struct broker *b);
/* Stops it if it runs and removes the folder. */
void broker_clear(struct broker *b);

#endif
