/*
 * slow.c - clients that never finish a request.
 *
 * libmicrohttpd closes a connection on which nothing moves. But a client that sends a byte now and
 * then would keep its place for ever, and a few thousand of them would keep everybody else out. So
 * a request must be complete GATEWAY_REQUEST_S after the connection was made, or after the last
 * answer.
 */
#include "io/httpd/impl.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LOOK_MS = 5000 };

static uint64_t now_ms(void) {
    return (uint64_t)clock_monotonic_ms();
}

static struct address address_of_connection(const struct gateway *g,
                                            struct MHD_Connection *connection, int fd) {
    if (g->unix_path != NULL) {
        return address_of_user(fd);
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return address_of(info == NULL ? NULL : info->client_addr);
}

/* If there was no memory for it, a connection is not watched. */
void gateway_on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                           enum MHD_ConnectionNotificationCode what) {
    struct gateway *g = ctx;
    struct gateway_client *client = *own;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        assert(g->connections > 0);
        g->connections--;
        if (g->on_place_free != NULL) {
            g->on_place_free(g);
        }
        if (client != NULL) {
            TAILQ_REMOVE(&g->clients, client, link);
            free(client);
            *own = NULL;
        }
        return;
    }
    g->connections++;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    client = info == NULL ? NULL : calloc(1, sizeof *client);
    if (client != NULL) {
        *client = (struct gateway_client){g, info->connect_fd, now_ms(), .owes = true};
        client->from = address_of_connection(g, connection, client->fd);
        client->spare = g->connections > g->connections_max;
        TAILQ_INSERT_TAIL(&g->clients, client, link);
        *own = client;
    }
}

/* NULL: there was no memory to watch it. */
static struct gateway_client *client_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

struct address gateway_client_from(struct MHD_Connection *connection) {
    const struct gateway_client *client = client_of(connection);
    const struct address nobody = {.local = false};
    return client == NULL ? nobody : client->from;
}

void gateway_client_owes(struct MHD_Connection *connection, bool owes) {
    struct gateway_client *client = client_of(connection);
    if (client != NULL) {
        client->served = client->served || owes;
        client->owes = owes;
        client->begun = false;
        client->since_ms = now_ms();
        TAILQ_REMOVE(&client->gateway->clients, client, link);
        TAILQ_INSERT_TAIL(&client->gateway->clients, client, link);
    }
}

void gateway_client_begins(struct MHD_Connection *connection) {
    struct gateway_client *client = client_of(connection);
    if (client != NULL) {
        client->begun = true;
    }
}

bool gateway_owes(const struct gateway *g) {
    const struct gateway_client *client = NULL;
    TAILQ_FOREACH(client, &g->clients, link) {
        if (!client->dropped && (!client->served || !client->owes || client->begun)) {
            return true;
        }
    }
    return false;
}

bool gateway_client_is_spare(struct MHD_Connection *connection) {
    const struct gateway_client *client = client_of(connection);
    return client != NULL && client->spare;
}

/* The daemon notices and closes the connection. */
static void drop(struct gateway_client *client) {
    (void)shutdown(client->fd, SHUT_RDWR);
    client->dropped = true;
}

bool gateway_drop_oldest(struct gateway *g, const struct address *of) {
    struct gateway_client *client = NULL;
    TAILQ_FOREACH(client, &g->clients, link) {
        if (client->owes && !client->dropped &&
            (of == NULL || address_same_client(of, &client->from))) {
            drop(client);
            return true;
        }
    }
    return false;
}

size_t gateway_count_of(const struct gateway *g, const struct address *from) {
    const struct gateway_client *client = NULL;
    size_t count = 0;
    TAILQ_FOREACH(client, &g->clients, link) {
        count += !client->dropped && address_same_client(from, &client->from) ? 1 : 0;
    }
    return count;
}

bool gateway_drop_idle(struct gateway *g) {
    struct gateway_client *client = NULL;
    struct gateway_client *idlest = NULL;
    uint64_t since_ms = now_ms() - GATEWAY_SPARE_MS;
    TAILQ_FOREACH(client, &g->clients, link) {
        if (client->owes && !client->begun && !client->dropped && client->since_ms <= since_ms) {
            since_ms = client->since_ms;
            idlest = client;
        }
    }
    if (idlest != NULL) {
        drop(idlest);
    }
    return idlest != NULL;
}

/* True if the client has closed its side. libmicrohttpd, whose epoll is edge-triggered, misses that
 * if it came together with the beginning of a request: a client that waited to be accepted and
 * left. */
static bool has_left(const struct gateway_client *client) {
    char byte;
    return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* The daemon finds the socket shut down and closes the connection. */
static void on_slow_timer(uv_timer_t *timer) {
    struct gateway *g = timer->data;
    struct gateway_client *client = NULL;
    uint64_t limit_ms = (uint64_t)GATEWAY_REQUEST_S * 1000;
    size_t count = 0;
    TAILQ_FOREACH(client, &g->clients, link) {
        bool late = now_ms() - client->since_ms > limit_ms;
        if (client->owes && (late || has_left(client))) {
            (void)shutdown(client->fd, SHUT_RDWR);
            count += late ? 1 : 0;
        }
    }
    if (count > 0) {
        log_warn("http", "closed connections whose request did not come to an end count=%zu",
                 count);
    }
}

int gateway_watch_slow(struct gateway *g, uv_loop_t *loop) {
    int code = uv_timer_init(loop, &g->slow_timer);
    assert(code == 0); /* libuv documents no failure */
    g->slow_timer.data = g;
    g->handles++;
    return uv_timer_start(&g->slow_timer, on_slow_timer, LOOK_MS, LOOK_MS) == 0 ? 0 : ERR_SYSTEM;
}
