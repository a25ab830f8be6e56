/* test_gateway_places.c - what strangers can take from others at the HTTP door: places, room for bodies, and
 * the meaning of a head. */
#include "base/limits.h"
#include "descriptors.h"
#include "gateway_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FEW_DESCRIPTORS = 40, MANY = 64 };

static const char a_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
static const char half[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
static const char vital[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/* A door with few places: how many. */
static size_t open_small(struct world *w) {
    struct gateway_state look;
    descriptors_leave(FEW_DESCRIPTORS);
    gateway_world_open(w);
    descriptors_give_all();
    gateway_look(w->gateway, &look);
    assert_in_range(look.connections_max, 2, MANY);
    return look.connections_max;
}

static void close_all(const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
}

static void half_requests_make_room_for_a_whole_one(void **state) {
    struct world *w = *state;
    int fds[2 * MANY] = {0};
    w->at_once = true;
    size_t count = 2 * open_small(w);
    for (size_t i = 0; i < count; i++) {
        fds[i] = raw_client(w, half);
        gateway_world_settle(w);
    }
    int fd = raw_client(w, a_get);
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
    close_all(fds, count);
}

static void the_oldest_half_goes_first(void **state) {
    struct world *w = *state;
    int fds[MANY + 1] = {0};
    char byte;
    size_t count = open_small(w) + 1;
    for (size_t i = 0; i < count; i++) {
        fds[i] = raw_client(w, half);
        gateway_world_settle(w);
    }
    assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
    close_all(fds, count);
}

/* Everybody's request is whole and waits for its answer. */
static void what_is_vital_is_answered_when_all_places_are_taken(void **state) {
    struct world *w = *state;
    int fds[MANY] = {0};
    size_t count = open_small(w);
    for (size_t i = 0; i < count; i++) {
        fds[i] = raw_client(w, a_get);
        gateway_world_settle(w);
    }
    assert_int_equal(w->count, count);
    int other = raw_client(w, a_get);
    assert_int_equal(raw_status(w, other), 503);
    (void)close(other);
    gateway_world_settle(w);
    w->at_once = true;
    int fd = raw_client(w, vital);
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
    close_all(fds, count);
}

/* A request with a body of the largest size, which waits for its answer or has been refused. */
static int send_body(struct world *w, enum gateway_purse purse) {
    struct buf text;
    buf_init(&text, 1 << 20);
    w->purse = purse;
    buf_printf(&text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%0*d", BODY_MAX,
               BODY_MAX, 0);
    int fd = raw_client(w, buf_str(&text));
    gateway_world_settle(w);
    buf_clear(&text);
    return fd;
}

static void strangers_bodies_have_a_quarter_of_the_room(void **state) {
    struct world *w = *state;
    int fds[BODIES_MAX + 2];
    size_t count = 0;
    const size_t most = BODIES_MEMORY / GATEWAY_OPEN_PARTS / BODY_MAX;
    w->memory.limit = BODIES_MEMORY;
    for (size_t i = 0; i < most; i++) {
        fds[count++] = send_body(w, PURSE_OPEN);
    }
    assert_int_equal(w->count, most);
    fds[count++] = send_body(w, PURSE_OPEN);
    assert_int_equal(raw_status(w, fds[count - 1]), 503);
    for (size_t i = most; i < BODIES_MAX; i++) {
        fds[count++] = send_body(w, PURSE_KNOWN);
    }
    assert_int_equal(w->count, BODIES_MAX);
    close_all(fds, count);
}

static void small_bodies_come_in_however_full_it_is(void **state) {
    struct world *w = *state;
    int fds[3 * BODIES_MAX];
    size_t count = 0;
    w->memory.limit = BODIES_MEMORY;
    for (size_t i = 0; i < BODIES_MAX; i++) {
        fds[count++] = send_body(w, PURSE_KNOWN);
    }
    for (size_t i = 0; i < 2 * BODIES_MAX; i++) {
        fds[count++] = send_body(w, PURSE_SMALL);
    }
    assert_int_equal(w->count, count);
    close_all(fds, count);
}

static void assert_answered(struct world *w, const char *text, int status) {
    int fd = raw_client(w, text);
    w->at_once = true;
    assert_int_equal(raw_status(w, fd), status);
    (void)close(fd);
}

static void a_body_has_one_length(void **state) {
    struct world *w = *state;
    assert_answered(w,
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                    "Content-Length: 2\r\n\r\n{}",
                    400);
    assert_answered(w,
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                    400);
    assert_int_equal(w->count, 0);
}

/* A proxy that reads these otherwise would see another request than we do. */
static void headers_mean_one_thing(void **state) {
    struct world *w = *state;
    static const char *const bad[] = {"Host: x\r\nHost: y\r\n",
                                      "Host: x\r\nTransfer-Encoding : chunked\r\n",
                                      "Host: x\r\nA(b): c\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", bad[i]);
        assert_answered(w, text, 400);
    }
    assert_int_equal(w->count, 0);
    assert_answered(w, "GET / HTTP/1.1\r\nHost: x\r\nX-a_b.c!: d\r\n\r\n", 201);
}

static void an_address_is_text(void **state) {
    struct world *w = *state;
    static const char *const bad[] = {"/?key=%ff", "/?%c3%28=1", "/?key=a%00b", "/?key=%ed%a0%80",
                                      "/a%00b",    "/a%00%00",   "/%00",        "/a%ff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i]);
        assert_answered(w, text, 400);
    }
    assert_int_equal(w->count, 0);
    assert_answered(w, "GET /%c3%a9?key=%c3%a9&x HTTP/1.1\r\nHost: x\r\n\r\n", 201);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(half_requests_make_room_for_a_whole_one, gateway_world_closed),
        WITH(the_oldest_half_goes_first, gateway_world_closed),
        WITH(what_is_vital_is_answered_when_all_places_are_taken, gateway_world_closed),
        BOTH(strangers_bodies_have_a_quarter_of_the_room),
        BOTH(small_bodies_come_in_however_full_it_is),
        BOTH(a_body_has_one_length),
        BOTH(headers_mean_one_thing),
        BOTH(an_address_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
