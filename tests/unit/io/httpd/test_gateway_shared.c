/* test_gateway_shared.c - several doors on one port: who may share it, and how one of them leaves it to the others. */
#include "gateway_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(who_has_reserved_a_port_shares_it_with_its_own_doors_alone, gateway_world_closed),
        WITH(a_port_on_which_others_listen_is_not_reserved, gateway_world_closed),
        WITH(a_unix_socket_needs_no_reserving, gateway_world_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
