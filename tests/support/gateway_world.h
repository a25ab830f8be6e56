/*
 * gateway_world.h - an HTTP door on a loop of its own, and clients for it.
 */
#ifndef TESTS_GATEWAY_WORLD_H
#define TESTS_GATEWAY_WORLD_H

#include "base/limits.h"
#include "io/httpd/gateway.h"

#include <uv.h>

enum {
    REQUESTS_MAX = 300,
    BODY_MAX = 4096,
    BODIES_MAX = 8,                                                 /* that fit in */
    BODIES_MEMORY = MEMORY_PARTS * (BODIES_MAX * BODY_MAX / 6 + 1), /* as a limit */
};

struct world {
    uv_loop_t loop;
    struct gateway *gateway;
    char listen[128]; /* for gateway_new */
    char target[128]; /* for gateway_ask */
    char dir[64], unix_path[96];
    bool at_once;    /* answer in the callback, else keep the request in `requests` */
    bool wants_none; /* of the bodies */
    enum gateway_purse purse;
    struct memory memory; /* for bodies: much, unless the test changes it */
    bool has_room;        /* make_room finds a descriptor, once */
    struct gateway_request *requests[REQUESTS_MAX];
    size_t count;
    struct buf seen; /* what on_request saw of the last request */
};

/* A client in a thread of its own, because gateway_ask blocks. */
struct client {
    struct world *w;
    uv_thread_t thread;
    uv_async_t done;
    const char *method, *path;
    struct slice body;
    int timeout_ms, code;
    bool finished;
    long status;
    struct buf answer;
    struct report report;
};

/* cmocka's; *state is a struct world, with a door on TCP, on a unix socket, or none yet. */
int gateway_world_tcp(void **state);
int gateway_world_unix(void **state);
int gateway_world_closed(void **state);
int gateway_world_tear_down(void **state);
void gateway_world_open(struct world *w);
/* The door's callback: notes what came, answers or keeps the request. */
void gateway_world_on_request(void *ctx, struct gateway_request *request);
struct gateway_welcome gateway_world_welcome(void *ctx, const struct gateway_request *request);
/* Lets the loop do all that is ready now. */
void gateway_world_settle(struct world *w);
void run_until_requests(struct world *w, size_t count);
/* A client asks; and the loop runs until it has its answer. */
void client_start(struct world *w, struct client *c);
void client_join(struct world *w, struct client *c);
/* A raw connection that has sent `text`; the test closes it. */
int raw_client(struct world *w, const char *text);
/* Runs the loop until `fd` has an answer, and gives its status. */
int raw_status(struct world *w, int fd);

/* A test of cmocka's after `up`; one by each kind of door. */
#define WITH(name, up) cmocka_unit_test_setup_teardown(name, up, gateway_world_tear_down)
#define BOTH(name)                                                                                 \
    {"tcp: " #name, name, gateway_world_tcp, gateway_world_tear_down, NULL}, {                     \
        "unix: " #name, name, gateway_world_unix, gateway_world_tear_down, NULL                    \
    }

#endif
