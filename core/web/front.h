/*
 * front.h - the front door: everything served on http.listen.
 *
 *   POST <endpoint>        a JSON body becomes a durable publish: 202 after the commit
 *   GET  /healthz /readyz  liveness, readiness
 *   GET  / /assets/...     the dashboard
 *   *    /login /logout    a session of the dashboard
 *   GET  /metrics          Prometheus text
 *   *    /api/...          the commands, see web/admin/admin.h
 *
 * Each requires what its row says (io/httpd/route.h): the API and the metrics a token with a role,
 * as a bearer token or through the cookie of a session; endpoints according to their option `auth`.
 */
#ifndef ZINGQ_WEB_FRONT_H
#define ZINGQ_WEB_FRONT_H

#include "base/json.h"
#include "web/admin/admin.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "io/httpd/gateway.h"

struct front;

/* Headers of every answer, for browsers. For struct gateway_callbacks. */
extern const char front_headers[];

struct front_hooks {
    void *ctx;
    bool (*broker_ready)(void *ctx);
    /* Why not: strings for anyone to read, appended to an array. */
    void (*broker_reasons)(void *ctx, json_t *list);
    /* Prometheus text of the host's own figures, appended. */
    void (*host_metrics)(void *ctx, struct buf *out);
};

/* All borrowed. */
struct front_options {
    const struct conf *conf;
    struct engine *engine;
    struct admin *admin;
    struct front_hooks hooks;
    const char *made_token; /* used if there is no http.token */
};

/* ERR_MEMORY. */
int front_new(struct front **out, const struct front_options *options);
/* The configuration has other endpoints and tokens now. ERR_MEMORY: only front_free may follow. */
int front_change(struct front *f);
void front_free(struct front *f);
/* Takes the request over and answers it, immediately or after a turn. */
void front_request(struct front *f, struct gateway_request *request);
/* How much body to accept: bodies of strangers are not kept in memory, except for a login and for
 * what is open to them. */
struct gateway_welcome front_welcome(struct front *f, const struct gateway_request *request);

#endif
