/* test_gateway_shared.c - several doors on one port: who may share it, and how one of them leaves it to the others. */
#include "gateway_world.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 20 };

static const char a_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static struct gateway_callbacks callbacks_of(struct world *w, int listener) {
    return (struct gateway_callbacks){.ctx = w,
                                      .on_request = gateway_world_on_request,
                                      .welcome = gateway_world_welcome,
                                      .memory = &w->memory,
                                      .listener = listener};
}

/* On the socket of the world's door, as another process has it. */
static struct gateway *second_door(struct world *w) {
    struct report r = {""};
    struct gateway *out = NULL;
    const struct gateway_callbacks callbacks = callbacks_of(w, dup(gateway_listener(w->gateway)));
    assert_int_equal(gateway_new(&out, &w->loop, "", BODY_MAX, &callbacks, &r), 0);
    return out;
}

static size_t connections(const struct gateway *g) {
    struct gateway_state look;
    gateway_look(g, &look);
    return look.connections;
}

static void connect_all(struct world *w, int fds[CLIENTS]) {
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = raw_client(w, a_get);
    }
}

static void assert_all_are_answered(struct world *w, int fds[CLIENTS]) {
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(raw_status(w, fds[i]), 201);
        (void)close(fds[i]);
    }
}

static void who_has_an_address_shares_it_with_those_alone_who_inherit_it(void **state) {
    struct world *w = *state;
    struct report r = {""};
    struct gateway *third = NULL;
    struct gateway *second = second_door(w);
    const struct gateway_callbacks callbacks = callbacks_of(w, 0);
    assert_int_equal(gateway_port(second), gateway_port(w->gateway));
    const char *listen = gateway_port(second) == 0 ? w->listen : w->target;
    assert_int_equal(gateway_new(&third, &w->loop, listen, BODY_MAX, &callbacks, &r), ERR_BUSY);
    assert_non_null(strstr(r.text, "is in use by another program"));
    gateway_free(second);
}

static void clients_that_nobody_has_accepted_are_served_by_a_door_that_comes(void **state) {
    struct world *w = *state;
    int fds[CLIENTS];
    w->at_once = true;
    gateway_hold(w->gateway, true);
    connect_all(w, fds);
    gateway_world_settle(w);
    assert_int_equal(connections(w->gateway), 0);
    struct gateway *second = second_door(w);
    assert_all_are_answered(w, fds);
    gateway_free(second);
}

static void clients_that_come_when_the_others_have_gone_are_served_by_who_stays(void **state) {
    struct world *w = *state;
    int fds[CLIENTS];
    w->at_once = true;
    gateway_hold(w->gateway, true);
    gateway_free(second_door(w));
    connect_all(w, fds);
    gateway_hold(w->gateway, false);
    assert_all_are_answered(w, fds);
}

static void a_client_is_owed_an_answer_until_it_has_had_one(void **state) {
    struct world *w = *state;
    w->at_once = true;
    assert_false(gateway_owes(w->gateway));
    int fd = raw_client(w, "");
    gateway_world_settle(w);
    assert_true(gateway_owes(w->gateway));
    assert_int_equal(write(fd, a_get, sizeof a_get - 1), sizeof a_get - 1);
    assert_int_equal(raw_status(w, fd), 201);
    gateway_world_settle(w);
    assert_int_equal(connections(w->gateway), 1);
    assert_false(gateway_owes(w->gateway));
    (void)close(fd);
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
    w->at_once = true;
    int fd = raw_client(w, "");
    assert_false(is_last(w, fd));
    gateway_hold(w->gateway, true);
    assert_true(is_last(w, fd));
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(who_has_an_address_shares_it_with_those_alone_who_inherit_it),
        BOTH(clients_that_nobody_has_accepted_are_served_by_a_door_that_comes),
        BOTH(clients_that_come_when_the_others_have_gone_are_served_by_who_stays),
        BOTH(a_client_is_owed_an_answer_until_it_has_had_one),
        BOTH(who_stays_connected_is_told_to_come_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
