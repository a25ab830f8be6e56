/* test_mqtt_guard.c - what the guard makes of libmosquitto's reads and writes; a socket pair plays the
 * broker. */
#include "io/mqtt/guard.h"

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    struct mqtt_guard *guard;
    int ours, broker;
};

static int open_wire(void **state) {
    static struct wire w;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    w = (struct wire){mqtt_guard_new(1 << 20, false), pair[0], pair[1]};
    assert_non_null(w.guard);
    *state = &w;
    return 0;
}

static int close_wire(void **state) {
    struct wire *w = *state;
    mqtt_guard_free(w->guard);
    (void)close(w->ours);
    (void)close(w->broker);
    return 0;
}

/* How many bytes have arrived at the broker. */
static size_t arrived(const struct wire *w) {
    static char bytes[1 << 20];
    ssize_t n = recv(w->broker, bytes, sizeof bytes, 0);
    return n < 0 ? 0 : (size_t)n;
}

static void packets_leave_together_with_the_flush(void **state) {
    struct wire *w = *state;
    mqtt_guard_enter(w->guard, w->ours);
    mqtt_guard_collect();
    assert_int_equal(write(w->ours, "one", 3), 3);
    assert_int_equal(write(w->ours, "two", 3), 3);
    mqtt_guard_leave();
    assert_int_equal(arrived(w), 0);
    assert_true(mqtt_guard_unsent(w->guard));
    assert_int_equal(mqtt_guard_flush(w->guard), 0);
    assert_false(mqtt_guard_unsent(w->guard));
    assert_int_equal(arrived(w), 6);
}

static void writes_are_as_ever_unless_they_are_collected(void **state) {
    struct wire *w = *state;
    assert_int_equal(write(w->ours, "out", 3), 3);
    assert_int_equal(arrived(w), 3);
    mqtt_guard_enter(w->guard, w->ours);
    assert_int_equal(write(w->ours, "in", 2), 2);
    mqtt_guard_leave();
    assert_int_equal(arrived(w), 2);
    mqtt_guard_enter(w->guard, w->ours);
    mqtt_guard_collect();
    assert_int_equal(write(w->broker, "other", 5), 5); /* another descriptor */
    mqtt_guard_leave();
    char bytes[8];
    assert_int_equal(recv(w->ours, bytes, sizeof bytes, 0), 5);
}

static void a_full_socket_keeps_the_rest_in_order(void **state) {
    struct wire *w = *state;
    static char packet[40000];
    size_t sent = 0, seen = 0;
    mqtt_guard_enter(w->guard, w->ours);
    mqtt_guard_collect();
    for (;;) { /* until nothing more is taken */
        memset(packet, 'a' + (int)(sent / sizeof packet % 26), sizeof packet);
        ssize_t n = write(w->ours, packet, sizeof packet);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            break;
        }
        assert_int_equal(n, sizeof packet);
        sent += sizeof packet;
    }
    mqtt_guard_leave();
    assert_true(mqtt_guard_unsent(w->guard));
    for (ssize_t n = 1; mqtt_guard_unsent(w->guard) || n > 0;) {
        char bytes[4096];
        assert_int_equal(mqtt_guard_flush(w->guard), 0);
        n = recv(w->broker, bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < n; i++, seen++) {
            assert_int_equal(bytes[i], 'a' + (int)(seen / sizeof packet % 26));
        }
    }
    assert_int_equal(seen, sent);
}

static void a_broken_socket_is_reported_by_the_flush(void **state) {
    struct wire *w = *state;
    (void)shutdown(w->ours, SHUT_WR);
    mqtt_guard_enter(w->guard, w->ours);
    mqtt_guard_collect();
    assert_int_equal(write(w->ours, "one", 3), 3);
    mqtt_guard_leave();
    assert_int_equal(mqtt_guard_flush(w->guard), EPIPE);
}

static void the_wakers_of_libmosquitto_are_dropped(void **state) {
    struct wire *w = *state;
    int pair[2];
    char byte;
    mqtt_guard_enter(w->guard, -1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    mqtt_guard_leave();
    mqtt_guard_enter(w->guard, w->ours);
    assert_int_equal(write(pair[1], "", 1), 1);
    mqtt_guard_leave();
    assert_int_equal(recv(pair[0], &byte, 1, 0), -1);
    assert_int_equal(write(pair[1], "", 1), 1);
    assert_int_equal(recv(pair[0], &byte, 1, 0), 1);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static ssize_t guarded_read(struct wire *w, char *bytes, size_t len) {
    mqtt_guard_enter(w->guard, w->ours);
    ssize_t n = read(w->ours, bytes, len);
    int err = errno;
    mqtt_guard_leave();
    errno = err;
    return n;
}

static void a_socket_read_dry_is_not_asked_until_it_may_have_more(void **state) {
    static const char connack[] = "\x20\x03\x00\x00\x00", pingresp[] = "\xD0\x00";
    struct wire *w = *state;
    char bytes[64];
    assert_int_equal(send(w->broker, connack, 5, 0), 5);
    assert_int_equal(guarded_read(w, bytes, sizeof bytes), 5);
    assert_int_equal(send(w->broker, pingresp, 2, 0), 2);
    assert_int_equal(guarded_read(w, bytes, sizeof bytes), -1);
    assert_int_equal(errno, EAGAIN);
    mqtt_guard_look(w->guard);
    assert_int_equal(guarded_read(w, bytes, sizeof bytes), 2);
    mqtt_guard_look(w->guard);
    (void)shutdown(w->broker, SHUT_WR);
    assert_int_equal(guarded_read(w, bytes, sizeof bytes), 0);
}

int main(void) {
#define wire_test(f) cmocka_unit_test_setup_teardown(f, open_wire, close_wire)
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        wire_test(packets_leave_together_with_the_flush),
        wire_test(writes_are_as_ever_unless_they_are_collected),
        wire_test(a_full_socket_keeps_the_rest_in_order),
        wire_test(a_broken_socket_is_reported_by_the_flush),
        wire_test(the_wakers_of_libmosquitto_are_dropped),
        wire_test(a_socket_read_dry_is_not_asked_until_it_may_have_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
