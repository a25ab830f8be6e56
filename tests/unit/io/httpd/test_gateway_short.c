/* test_gateway_short.c - the HTTP door when descriptors are short: it opens again by itself. */

#include "descriptors.h"
#include "gateway_world.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char a_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static int shortage_of(const struct world *w) {
    struct gateway_state state;
    gateway_look(w->gateway, &state);
    return state.shortage;
}

static void the_door_opens_by_itself_when_there_are_descriptors_again(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    gateway_world_settle(w);
    assert_int_equal(shortage_of(w), EMFILE);
    assert_int_equal(w->count, 0);
    descriptors_give_all();
    assert_int_equal(raw_status(w, fd), 201);
    assert_int_equal(shortage_of(w), 0);
    (void)close(fd);
}

static size_t times_in(FILE *log, const char *text) {
    char line[512];
    size_t count = 0;
    rewind(log);
    while (fgets(line, sizeof line, log) != NULL) {
        count += strstr(line, text) != NULL;
    }
    return count;
}

static void a_shortage_that_comes_and_goes_fills_no_log(void **state) {
    struct world *w = *state;
    w->at_once = true;
    FILE *log = tmpfile();
    assert_non_null(log);
    int before = dup(STDERR_FILENO);
    assert_true(before >= 0 && dup2(fileno(log), STDERR_FILENO) == STDERR_FILENO);
    for (int i = 0; i < 3; i++) {
        int fd = raw_client(w, a_get);
        descriptors_take_all();
        gateway_world_settle(w);
        descriptors_give_all();
        assert_int_equal(raw_status(w, fd), 201);
        (void)close(fd);
    }
    assert_true(dup2(before, STDERR_FILENO) == STDERR_FILENO);
    (void)close(before);
    assert_int_equal(times_in(log, "cannot accept connections"), 1);
    assert_int_equal(times_in(log, "accepts connections again"), 1);
    (void)fclose(log);
}

static void idle_connections_elsewhere_make_room_for_a_client(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    w->has_room = true;
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
}

static void an_idle_client_makes_room_for_one_with_a_request(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int idle = raw_client(w, "");
    gateway_world_settle(w);
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
    (void)close(idle);
}

static void who_waits_too_long_for_a_descriptor_is_told_503(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    assert_int_equal(raw_status(w, fd), 503);
    struct gateway_state look;
    gateway_look(w->gateway, &look);
    assert_int_equal(look.refused, 1);
    assert_int_equal(look.shortages, 1);
    (void)close(fd);
    descriptors_give_all();
    w->at_once = true;
    int next = raw_client(w, a_get);
    assert_int_equal(raw_status(w, next), 201);
    (void)close(next);
}

static void a_door_leaves_descriptors_to_others(void **state) {
    struct world *w = *state;
    struct gateway_state look;
    descriptors_leave(24);
    gateway_world_open(w);
    gateway_look(w->gateway, &look);
    assert_in_range(look.connections_max, 2, 12);
    descriptors_give_all();
    w->at_once = true;
    int idle[20];
    for (size_t i = 0; i < 20; i++) { /* more than there are places */
        idle[i] = raw_client(w, "");
    }
    gateway_world_settle(w);
    gateway_look(w->gateway, &look);
    assert_int_equal(look.connections, look.connections_max);
    int fd = raw_client(w, a_get);
    assert_int_equal(raw_status(w, fd), 201); /* an idle one made room */
    (void)close(fd);
    for (size_t i = 0; i < 20; i++) {
        (void)close(idle[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(the_door_opens_by_itself_when_there_are_descriptors_again),
        BOTH(a_shortage_that_comes_and_goes_fills_no_log),
        BOTH(idle_connections_elsewhere_make_room_for_a_client),
        BOTH(an_idle_client_makes_room_for_one_with_a_request),
        BOTH(who_waits_too_long_for_a_descriptor_is_told_503),
        WITH(a_door_leaves_descriptors_to_others, gateway_world_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
