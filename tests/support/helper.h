/*
 * helper.h - the demo's payment gateway and mail server as real neighbours of a test. They die with
 * it. Failures of the machinery itself abort the test with a message.
 */
#ifndef ZINGQ_TEST_HELPER_H
#define ZINGQ_TEST_HELPER_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HELPER_WORDS_MAX = 16 };

struct helper {
    pid_t pid;     /* 0 = not running */
    uint16_t port; /* kept over a restart */
};

/* Starts it with these words of its command line, NULL ends them, and waits until it listens; on
 * the port it had before, if it had one. */
void helper_gateway(struct helper *h, ...) __attribute__((sentinel));
void helper_mail(struct helper *h, ...) __attribute__((sentinel));
/* Starts build/tests/<name> with these words, NULL ends them; it has no port, and writes what it
 * prints to the file. */
void helper_program(struct helper *h, const char *name, const char *output, ...)
    __attribute__((sentinel));
/* Whether it has ended by itself; then *status is its exit status. */
bool helper_has_ended(struct helper *h, int *status);
/* Ends it at once. */
void helper_kill(struct helper *h);
/* GET on the helper: the answer, or NULL. */
json_t *helper_ask(const struct helper *h, const char *path);

#endif
