/*
 * admin.h - the commands as HTTP routes: what `zingq dlq replay` and others request from a running
 * host.
 *
 * A request becomes a command of the engine; its answer waits for the commit. docs/http.md lists
 * the routes.
 */
#ifndef ZINGQ_WEB_ADMIN_ADMIN_H
#define ZINGQ_WEB_ADMIN_ADMIN_H

#include "peers/ask.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "io/httpd/route.h"
#include "lua/script.h"

struct admin;

#define BACKLOG_FULL                                                                               \
    "the backlog or the store is full, or the database of its log is away: try again later"
#define PRIORITY_HEADER "zingq-priority" /* also the name of the property */
#define ONCE_TOO_LONG "an Idempotency-Key has at most 255 bytes"

/* The host's part of GET /api/status, and its operations. */
struct admin_hooks {
    void *ctx;
    /* A new object with the host's own figures (broker, version, uptime); the caller owns it. */
    json_t *(*host_status)(void *ctx);
    /* Adds "hosts" and "hosts_known": this host and the others it knows of. */
    void (*add_hosts)(void *ctx, json_t *object);
    /* A new object with the login link ("url") for the dashboard; NULL = there is no front door. */
    json_t *(*login)(void *ctx);
    void (*leave)(void *ctx); /* unsubscribe, drain, end the session, stop */
    /* Reads topics.conf and the scripts again, and answers the request, which it takes over. */
    void (*reload)(void *ctx, struct gateway_request *request, bool prune);
    void (*wake)(void *ctx); /* a command waits for a turn */
};

struct admin_options {
    uv_loop_t *loop; /* borrowed, like everything below */
    const struct conf *conf;
    struct engine *engine;
    struct script_host *scripts; /* for dry runs */
    struct ask *ask;             /* the other hosts; NULL = there are none */
    struct memory *memory;       /* the budget for what they answer; NULL = unlimited */
    struct admin_hooks hooks;
};

/* ERR_MEMORY, ERR_DISK with a sentence. */
int admin_new(struct admin **out, const struct admin_options *options, struct report *r);
/* topics.conf has changed, and with it the scripts for dry runs; borrowed. */
void admin_use_scripts(struct admin *a, struct script_host *scripts);
/* Drops requests not yet answered: close their gateway first. The loop must run once more before it
 * ends. */
void admin_free(struct admin *a);
/* Finds the API's route of a request; serves one. */
extern const struct route_table admin_routes;
void admin_serve(struct admin *a, const struct call *call);
/* Takes the request over and answers it, immediately or after a turn. */
void admin_request(struct admin *a, struct gateway_request *request);
/* The priority that the request's header asks for; NULL: it does not. False (r): what it says is none. */
bool admin_find_priority(const struct gateway_request *request, const char **priority,
                         struct report *r);
/* Publishes the request's body on `topic` (borrowed for the call) through the outbox, under the
 * idempotency key `once` and with the priority if they are not NULL; answers 202 with the id and the path for following it,
 * or 409 if something else was published under the key. Takes the request over. */
void admin_publish(struct admin *a, struct gateway_request *request, const char *topic,
                   const char *once, const char *priority);
/* In how many seconds, going by the last minutes, the events that a service could run will be done,
 * and the store will accept nothing more; NAN: unknown. */
double admin_clears_s(const struct admin *a, const char *service);
double admin_full_s(const struct admin *a);
/* The engine has finished a command that came from here. */
void admin_command_done(struct admin *a, struct command *command);

#endif
