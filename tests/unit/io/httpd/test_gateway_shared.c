/* test_gateway_shared.c - several doors on one port: who may share it, and how one of them leaves it to the others. */
#include "gateway_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 20 };

static const char a_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static int shared_door(struct world *w, struct gateway **out, struct report *r) {
    const struct gateway_callbacks callbacks = {.ctx = w,
                                                .on_request = gateway_world_on_request,
                                                .welcome = gateway_world_welcome,
                                                .memory = &w->memory,
                                                .shares_port = true};
    return gateway_new(out, &w->loop, w->target, BODY_MAX, &callbacks, r);
}

/* Of a port that was free a moment ago. */
static void free_address(struct world *w) {
    (void)snprintf(w->listen, sizeof w->listen, "127.0.0.1:0");
    gateway_world_open(w);
    gateway_free(w->gateway);
    w->gateway = NULL;
    gateway_world_settle(w);
}

static void assert_refused(int code, const struct report *r) {
    assert_int_equal(code, ERR_BUSY);
    assert_non_null(strstr(r->text, "is in use by another program"));
}

static void who_has_reserved_a_port_shares_it_with_its_own_doors_alone(void **state) {
    struct world *w = *state;
    struct report r = {""};
    struct gateway *second = NULL;
    int ours = -1, theirs = -1;
    free_address(w);
    assert_int_equal(gateway_reserve(w->target, &ours, &r), 0);
    assert_refused(gateway_reserve(w->target, &theirs, &r), &r);
    assert_int_equal(shared_door(w, &w->gateway, &r), 0);
    assert_int_equal(shared_door(w, &second, &r), 0);
    assert_refused(gateway_reserve(w->target, &theirs, &r), &r);
    (void)close(ours);
    gateway_free(second);
}

static void a_port_on_which_others_listen_is_not_reserved(void **state) {
    struct world *w = *state;
    struct report r = {""};
    int ours = -1;
    free_address(w);
    assert_int_equal(shared_door(w, &w->gateway, &r), 0);
    assert_refused(gateway_reserve(w->target, &ours, &r), &r);
}

static void a_unix_socket_needs_no_reserving(void **state) {
    struct world *w = *state;
    struct report r = {""};
    int ours = 0;
    assert_int_equal(gateway_reserve(w->listen, &ours, &r), 0);
    assert_int_equal(ours, -1);
}

/* Clients that connect while nobody accepts: the kernel shares them out among the doors. */
static void connect_all(struct world *w, int fds[CLIENTS]) {
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = raw_client(w, a_get);
    }
}

static void a_door_that_stops_listening_serves_those_that_have_come(void **state) {
    struct world *w = *state;
    struct report r = {""};
    struct gateway *other = NULL;
    struct gateway_state look;
    int fds[CLIENTS];
    free_address(w);
    w->at_once = true;
    assert_int_equal(shared_door(w, &w->gateway, &r), 0);
    assert_int_equal(shared_door(w, &other, &r), 0);
    connect_all(w, fds);
    gateway_stop_listening(other);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(raw_status(w, fds[i]), 201);
        (void)close(fds[i]);
    }
    connect_all(w, fds);
    gateway_world_settle(w);
    gateway_look(other, &look);
    assert_int_equal(look.connections, 0);
    gateway_free(other);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(raw_status(w, fds[i]), 201);
        (void)close(fds[i]);
    }
}

/* Whether the answer on that connection says that it is the last. */
static bool is_last(struct world *w, int fd) {
    char text[1024];
    ssize_t got = -1;
    assert_int_equal(write(fd, a_get, sizeof a_get - 1), sizeof a_get - 1);
    while (got < 0) {
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    }
    text[got] = '\0';
    return strstr(text, "Connection: close") != NULL;
}

static void who_stays_connected_is_told_to_come_anew(void **state) {
    struct world *w = *state;
    struct report r = {""};
    free_address(w);
    w->at_once = true;
    assert_int_equal(shared_door(w, &w->gateway, &r), 0);
    int fd = raw_client(w, "");
    assert_false(is_last(w, fd));
    gateway_stop_listening(w->gateway);
    assert_true(is_last(w, fd));
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(who_has_reserved_a_port_shares_it_with_its_own_doors_alone, gateway_world_closed),
        WITH(a_port_on_which_others_listen_is_not_reserved, gateway_world_closed),
        WITH(a_door_that_stops_listening_serves_those_that_have_come, gateway_world_closed),
        WITH(who_stays_connected_is_told_to_come_anew, gateway_world_closed),
        WITH(a_unix_socket_needs_no_reserving, gateway_world_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
