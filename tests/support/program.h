/*
 * program.h - a real zingq for tests: its topics.conf, scripts and data in a temporary folder that
 * goes with it, its output in a file there. It dies with the test. Failures of the machinery itself
 * abort the test with a message.
 */
#ifndef ZINGQ_TEST_PROGRAM_H
#define ZINGQ_TEST_PROGRAM_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROGRAM_ARGS_MAX = 8 };

struct program {
    pid_t pid; /* 0 = not running */
    long said; /* where in its output the last start begins */
    char dir[64];
};

/* Makes the folder with an empty scripts/ in it; nothing runs yet. */
void program_init(struct program *p);
/* Writes a file of the folder at once, as an editor that renames does: "topics.conf",
 * "scripts/seats.lua". */
void program_file(const struct program *p, const char *name, const char *text);

/* Starts `zingq run -c <folder>/topics.conf`. */
void program_launch(struct program *p);
/* The same, and waits until it is connected and subscribed: what is published now is handled. */
void program_start(struct program *p);
/* Waits for its end: the exit status, or 256 plus the signal that ended it. */
int program_wait(struct program *p);
/* SIGTERM and program_wait; SIGKILL and the end. */
int program_stop(struct program *p);
void program_kill(struct program *p);
/* Kills it if it runs and removes the folder. */
void program_clear(struct program *p);

/* Runs `zingq <word> ... -c <folder>/topics.conf`; NULL ends the words. Returns its exit status;
 * *output is what it printed to both outputs, the caller frees it; NULL = not wanted. */
int program_command(const struct program *p, char **output, ...) __attribute__((sentinel));

/* POST or GET on its socket: the answer, or NULL when there is none or it is no JSON. */
json_t *program_ask(const struct program *p, const char *method, const char *path);
/* POST /api/publish with QoS 1, the topic percent-encoded: whether the host has taken it for good. */
bool program_publish(const struct program *p, const char *topic, const char *payload);
/* A figure of GET /api/status, -1 when it does not answer: "waiting" of the engine, "done" of a
 * service, "connects" of the host. */
int64_t program_engine(const struct program *p, const char *figure);
int64_t program_service(const struct program *p, const char *service, const char *figure);
int64_t program_host(const struct program *p, const char *figure);
bool program_ready(const struct program *p);
/* A field of /proc/<pid>/status that the system gives in kB, in bytes; and its resident bytes. */
uint64_t program_memory(const struct program *p, const char *field);
uint64_t program_resident(const struct program *p);
/* What it has printed since its last start holds the text, so many times. */
size_t program_says(const struct program *p, const char *text);
/* Prints the end of its output. */
void program_show(const struct program *p);
/* The text of a file of the folder, "" when there is none; the caller frees it. */
char *program_read(const struct program *p, const char *name);

#endif
