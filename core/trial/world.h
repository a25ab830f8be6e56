/*
 * world.h - the world of one handler test: the real engine, journal, store and Lua host on a store
 * in a temporary folder, a clock that moves when the test says so, and doors that note what the
 * engine asks of the broker and of peers.
 *
 * Nothing here answers by itself, except the broker, which acknowledges publishes; what peers
 * answer, when the clock moves and when the host crashes is decided in test.lua.
 */
#ifndef ZINGQ_TRIAL_WORLD_H
#define ZINGQ_TRIAL_WORLD_H

#include "base/json.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_CALLS_MAX = 4096 /* open at once: more than a service's concurrency */ };

/* A publish that left; everything owned. */
struct world_publish {
    struct publication p; /* its slices are copies, terminated */
    int mid;
};

/* A call that was started and is open. */
struct world_call {
    uint64_t id;
    const struct call_request *request; /* valid until it is answered or cancelled */
    bool told;                          /* the test knows of it */
};

/* A message that no turn has stored yet; everything owned. */
struct world_message {
    size_t service;
    char *topic, *content_type;
    struct slice payload, properties;
};

struct world {
    char *path; /* of its store; owned */
    struct conf *conf;
    const char *only[SERVICES_MAX]; /* the services it runs; of conf */
    size_t only_count;
    struct memory memory;
    struct script_host *scripts;
    struct store *store;
    struct engine *engine;
    int64_t now_ms; /* of every clock */
    uint64_t seed;  /* another one for every start */
    bool blind;     /* the next turn's actions reach nobody */

    struct world_publish *published; /* since the test last looked; owned */
    size_t published_count, published_max;
    size_t unacknowledged; /* of them, the last ones */
    int mid;
    struct world_call calls[WORLD_CALLS_MAX];
    size_t call_count;
    struct world_message *messages; /* owned */
    size_t message_count, message_max;

    bool answered; /* the command's answer, until the next one */
    int code;
    struct report report;
};

/* What a test says of its world. */
struct world_options {
    const char *conf_file;
    const char *path;   /* a folder to be made for the store */
    const json_t *vars; /* an object of values in place of those of vars{}; NULL = none */
    const char **only;  /* names of services, or of their handlers without ".lua" */
    size_t only_count;  /* 0 = all of topics.conf */
    int64_t now_ms;     /* where the clock begins */
};

/* Starts the host. Any error, with a sentence for the author of the test. */
int world_new(struct world **out, const struct world_options *options, struct report *r);
/* NULL is allowed. Removes the store. */
void world_free(struct world *w);
/* As kill -9 and a new start: what no turn has stored comes again, calls under way are lost. */
int world_crash(struct world *w, struct report *r);

/* Offers a message, copied, to the service (index in conf). ERR_MEMORY, ERR_LIMIT. */
int world_offer(struct world *w, size_t service, const struct event_bytes *bytes);
/* One turn; with `blind` none of its actions reaches anyone, and with `deaf` the broker's
 * acknowledgements are lost. The code of the turn. */
int world_turn(struct world *w, bool blind, bool deaf);
/* The call ended so. False: it is not open any more. */
bool world_answer(struct world *w, uint64_t call, struct call_result *result);
/* Executes it in turns: its code, with the sentence in w->report. */
int world_command(struct world *w, struct command *c);
void world_forget_published(struct world *w);
/* Of the services it runs; ERR_NOTFOUND with a sentence. */
int world_service(const struct world *w, const char *name, size_t *index, struct report *r);

/* --- trial/doors.c --- */

/* What notes in the world what its engine lets out. */
struct engine_doors world_doors(struct world *w);

#endif
