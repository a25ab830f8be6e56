/*
 * test_mqtt_frame.c - what a broker sends, and what libmosquitto is given of it. Every stream is
 * passed whole and cut at every byte: the same must come out.
 */
#include "base/limits.h"
#include "io/mqtt/frame.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(text) ((struct slice){text, sizeof(text) - 1})
#define CONNACK "\x20\x03\x00\x00\x00"
#define GOOD "\x32\x07\x00\x01t\x00\x07\x00x"

static const char mark[] = "0123456789abcdef0123456789abcdef";

static void feed(struct mqtt_frame *f, struct slice bytes) {
    while (bytes.len > 0) {
        size_t room = 0;
        uint8_t *space = mqtt_frame_space(f, &room);
        assert_non_null(space);
        size_t n = bytes.len < room ? bytes.len : room;
        memcpy(space, bytes.data, n);
        mqtt_frame_add(f, n);
        bytes.data += n;
        bytes.len -= n;
        if (mqtt_frame_pending(f)) {
            assert_int_equal(bytes.len, 0);
        }
    }
}

static void take(struct mqtt_frame *f, struct buf *out) {
    char piece[7];
    size_t n;
    while ((n = mqtt_frame_take(f, piece, sizeof piece)) > 0) {
        buf_add(out, piece, n);
    }
}

/* `in` behind a CONNACK, in two pieces. What comes out behind the CONNACK stands in out. */
static void pass_cut(struct slice in, size_t at, uint64_t bytes_max, struct buf *out,
                     struct report *failure) {
    struct mqtt_frame f;
    mqtt_frame_init(&f, bytes_max, mark);
    feed(&f, BYTES(CONNACK));
    take(&f, out);
    assert_int_equal(out->len, sizeof CONNACK - 1);
    buf_reset(out);
    feed(&f, (struct slice){in.data, at});
    take(&f, out);
    if (!f.failed) {
        feed(&f, (struct slice){in.data + at, in.len - at});
        take(&f, out);
    }
    *failure = (struct report){""};
    if (f.failed) {
        *failure = f.failure;
    }
    mqtt_frame_clear(&f);
}

/* The same for every cut. */
static void pass(struct slice in, uint64_t bytes_max, struct buf *out, struct report *failure) {
    buf_init(out, 1 << 24);
    pass_cut(in, in.len, bytes_max, out, failure);
    for (size_t at = 0; at < in.len; at++) {
        struct buf other;
        struct report why;
        buf_init(&other, 1 << 24);
        pass_cut(in, at, bytes_max, &other, &why);
        assert_true(slice_equal(buf_slice(out), buf_slice(&other)));
        assert_string_equal(failure->text, why.text);
        buf_clear(&other);
    }
}

static void expect(struct slice in, struct slice expected) {
    struct buf out;
    struct report failure;
    pass(in, 1 << 20, &out, &failure);
    assert_string_equal(failure.text, "");
    assert_int_equal(out.len, expected.len);
    assert_memory_equal(out.data, expected.data, expected.len);
    buf_clear(&out);
}

static void expect_failure(struct slice in, const char *text) {
    struct buf out;
    struct report failure;
    pass(in, 1 << 20, &out, &failure);
    assert_string_equal(failure.text, text);
    buf_clear(&out);
}

static bool contains(const struct buf *in, const char *text) {
    return memmem(in->data, in->len, text, strlen(text)) != NULL;
}

/* That the message of the packet is refused with the reason, and the one behind it comes. */
static void expect_refused(struct slice packet, const char *reason) {
    struct buf in;
    struct buf out;
    struct report failure;
    buf_init(&in, 1 << 20);
    buf_add_slice(&in, packet);
    buf_add_slice(&in, BYTES(GOOD));
    pass(buf_slice(&in), 1 << 20, &out, &failure);
    assert_string_equal(failure.text, "");
    assert_true(contains(&out, mark));
    assert_true(contains(&out, reason));
    assert_int_equal((uint8_t)out.data[0], (uint8_t)packet.data[0]);
    size_t len = sizeof GOOD - 1;
    assert_memory_equal(out.data + out.len - len, GOOD, len);
    buf_clear(&in);
    buf_clear(&out);
}

static void good_packets_pass_unchanged(void **state) {
    (void)state;
    struct slice all = BYTES(GOOD "\x30\x05\x00\x01t\x00x"                           /* QoS 0 */
                                  "\x40\x02\x00\x01\x40\x03\x00\x02\x10"             /* PUBACK */
                                  "\x90\x04\x00\x01\x00\x01\xb0\x04\x00\x02\x00\x11" /* SUBACK */
                                  "\xd0\x00\x62\x02\x00\x01"                         /* PUBREL */
                                  "\x32\x0d\x00\x01t\x00\x07\x07\x26\x00\x01k\x00\x01v");
    expect(all, all);
}

static void a_malformed_string_makes_a_message_refused(void **state) {
    (void)state;
    expect_refused(BYTES("\x32\x07\x00\x02t\x01\x00\x07\x00"),
                   "its topic has a control character (U+0001)");
    expect_refused(BYTES("\x32\x07\x00\x02t\xff\x00\x07\x00"), "its topic has bytes that are no");
    expect_refused(BYTES("\x30\x08\x00\x05t\xed\xa0\x80z\x00"), "its topic has bytes that are no");
    expect_refused(BYTES("\x30\x06\x00\x03\xef\xbf\xbe\x00"),
                   "its topic has a character that is not text (U+FFFE)");
    expect_refused(BYTES("\x32\x0a\x00\x01t\x00\x07\x04\x03\x00\x01\x09"),
                   "its content type has a control character (U+0009)");
    expect_refused(BYTES("\x32\x0a\x00\x01t\x00\x07\x04\x08\x00\x01\x7f"),
                   "its response topic has a control character (U+007F)");
    expect_refused(BYTES("\x32\x0d\x00\x01t\x00\x07\x07\x26\x00\x01k\x00\x01\x0a"),
                   "its user property \"k\" has a control character (U+000A)");
    expect_refused(BYTES("\x32\x05\x00\x00\x00\x07\x00"), "it has no topic");
}

static void a_malformed_property_makes_a_message_refused(void **state) {
    (void)state;
    expect_refused(BYTES("\x32\x08\x00\x01t\x00\x07\x02\x7e\x01"), "its property 0x7e is unknown");
    expect_refused(BYTES("\x32\x0a\x00\x01t\x00\x07\x04\x01\x00\x01\x00"),
                   "its payload format indicator occurs twice");
    expect_refused(BYTES("\x32\x09\x00\x01t\x00\x07\x03\x13\x00\x01"),
                   "a server keep alive does not belong in it");
    expect_refused(BYTES("\x32\x09\x00\x01t\x00\x07\x03\x03\x00\x05"),
                   "its content type does not fit in it");
    expect_refused(BYTES("\x32\x07\x00\x01t\x00\x07\x09\x01"), "its properties do not fit in it");
    expect_refused(BYTES("\x32\x08\x00\x01t\x00\x07\x02\x0b\x00"),
                   "its subscription identifier is 0");
}

static void a_refused_message_keeps_what_was_right(void **state) {
    (void)state;
    struct buf out;
    struct report failure;
    pass(BYTES("\x3b\x1b\x00\x03t/\x01\x01\x02\x0e"
               "\x0b\x05\x26\x00\x01k\x00\x01v\x03\x00\x02\x0a\x0a"
               "body!"),
         1 << 20, &out, &failure);
    assert_string_equal(failure.text, "");
    assert_int_equal((uint8_t)out.data[0], 0x3b); /* DUP, QoS 1, RETAIN */
    assert_true(contains(&out, "t/\\x01"));
    assert_non_null(memmem(out.data, out.len, "\x26\x00\x01k\x00\x01v", 7));
    assert_non_null(memmem(out.data, out.len, "\x0b\x05", 2));
    assert_true(contains(&out, "5;not a message that can be handled: its topic"));
    assert_memory_equal(out.data + out.len - 5, "body!", 5);
    buf_clear(&out);
}

static void many_subscription_ids_stand_in_the_marker(void **state) {
    (void)state;
    struct buf out;
    struct report failure;
    pass(BYTES("\x32\x0d\x00\x01t\x00\x07\x07\x0b\x05\x0b\x86\x01\x0b\x07"), 1 << 20, &out,
         &failure);
    assert_string_equal(failure.text, "");
    char *value = memmem(out.data, out.len, mark, MQTT_MARK_BYTES);
    assert_non_null(value);
    uint32_t ids[2];
    size_t count = 0;
    struct slice reason;
    struct slice text = {value, MQTT_MARK_BYTES + strlen("5,134,7;")};
    assert_true(mqtt_marker_read(text, mark, ids, 2, &count, &reason));
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 5);
    assert_int_equal(ids[1], 134);
    assert_int_equal(reason.len, 0);
    assert_false(
        mqtt_marker_read(text, "another secret, as long as it is", ids, 2, &count, &reason));
    buf_clear(&out);
}

static void wrong_properties_of_answers_are_left_out(void **state) {
    (void)state;
    expect(BYTES("\x40\x08\x00\x01\x00\x04\x1f\x00\x01\x0a"), BYTES("\x40\x04\x00\x01\x00\x00"));
    expect(BYTES("\x40\x06\x00\x01\x00\x02\x7e\x01"), BYTES("\x40\x04\x00\x01\x00\x00"));
    expect(BYTES("\x90\x08\x00\x01\x04\x1f\x00\x01\x0a\x01"), BYTES("\x90\x04\x00\x01\x00\x01"));
}

static void what_cannot_be_read_ends_the_connection_with_a_reason(void **state) {
    (void)state;
    expect_failure(BYTES("\x90\x03\x00\x01\x00"), "a malformed SUBACK: it ends too early");
    expect_failure(BYTES("\x90\x05\x00\x01\x09\x00\x00"),
                   "a malformed SUBACK: its properties do not fit in it");
    expect_failure(BYTES("\x90\x06\x00\x01\x03\x1f\x00\x00"),
                   "a malformed SUBACK: it answers nothing");
    expect_failure(BYTES("\x40\x01\x00"), "a malformed PUBACK: it ends too early");
    expect_failure(BYTES("\x40\x02\x00\x00"), "a malformed PUBACK: its packet id is 0");
    expect_failure(BYTES("\x40\x05\x00\x01\x00\x00z"),
                   "a malformed PUBACK: it continues after its end");
    expect_failure(BYTES("\x42\x02\x00\x01"), "a malformed PUBACK: its flags are 0x2");
    expect_failure(BYTES("\x36\x07\x00\x01t\x00\x07\x00x"),
                   "a malformed PUBLISH: its flags are 0x6");
    expect_failure(BYTES("\x32\x04\x00\x09ta"), "a malformed PUBLISH: it ends too early");
    expect_failure(BYTES("\x32\x06\x00\x01t\x00\x00\x00"),
                   "a malformed PUBLISH: its packet id is 0");
    expect_failure(BYTES("\x32\x80\x80\x80\x80\x01"), "a packet whose length is malformed");
    expect_failure(BYTES("\x40\xff\xff\xff\x7f"),
                   "a packet of 268435460 bytes; the limit is 1048576");
    expect_failure(BYTES("\xc0\x00"), "a packet of type 12, which no broker may send us");
    expect_failure(BYTES("\xf0\x00"), "a packet of type 15, which no broker may send us");
    expect_failure(BYTES("\x00\x00"), "a packet of type 0, which no broker may send us");
    expect_failure(BYTES("\xd0\x01z"), "a malformed PINGRESP: it continues after its end");
    expect_failure(BYTES(CONNACK), "a second CONNACK");
}

/* libmosquitto never sees it: packets of ours that are half written would be lost to it. */
static void a_disconnect_ends_it_with_its_reason(void **state) {
    (void)state;
    const struct {
        struct slice bytes;
        uint8_t reason;
    } rows[] = {{BYTES("\xe0\x00"), 0},
                {BYTES("\xe0\x01\x8e"), 0x8e},
                {BYTES("\xe0\x02\x8b\x00"), 0x8b},
                {BYTES("\xe0\x0a\x8b\x08\x1c\x00\x01z\x1f\x00\x01\x0a"), 0x8b}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mqtt_frame f;
        struct buf out;
        buf_init(&out, 100);
        mqtt_frame_init(&f, 1 << 20, mark); /* also before CONNACK */
        feed(&f, rows[i].bytes);
        take(&f, &out);
        assert_int_equal(out.len, 0);
        assert_true(f.failed && f.ended);
        assert_int_equal(f.reason, rows[i].reason);
        mqtt_frame_clear(&f);
        buf_clear(&out);
    }
}

static void nothing_but_a_refusal_comes_before_connack(void **state) {
    (void)state;
    struct mqtt_frame f;
    char byte;
    mqtt_frame_init(&f, 1 << 20, mark);
    feed(&f, BYTES(GOOD));
    assert_int_equal(mqtt_frame_take(&f, &byte, 1), 0);
    assert_string_equal(f.failure.text, "a packet before CONNACK");
    mqtt_frame_clear(&f);
}

/* A PUBLISH of 300 MB cannot be: the largest length is 268,435,455. */
static void of_a_message_too_large_the_beginning_is_kept_in_little_memory(void **state) {
    (void)state;
    enum { MAX = 1 << 20, PIECE = 16 << 10, BODY = 268435455 };
    static char piece[PIECE];
    struct mqtt_frame f;
    struct buf out;
    memset(piece, 'x', sizeof piece);
    buf_init(&out, 1 << 20);
    mqtt_frame_init(&f, MAX, mark);
    feed(&f, BYTES(CONNACK));
    take(&f, &out);
    feed(&f, BYTES("\x32\xff\xff\xff\x7f\x00\x01t\x00\x07\x00"));
    size_t left = BODY - 6;
    while (left > 0) {
        buf_reset(&out);
        take(&f, &out);
        assert_true(out.len == 0 || memcmp(out.data, "\xd0", 2) == 0); /* signs of life only */
        assert_true(f.cap <= MAX);
        size_t n = left < PIECE ? left : PIECE;
        feed(&f, (struct slice){piece, n});
        left -= n;
    }
    buf_reset(&out);
    take(&f, &out);
    assert_false(f.failed);
    assert_true(contains(&out, "it has 268435455 bytes; the limit is 1048576"));
    assert_true(contains(&out, "zingq-cut"));
    assert_true(contains(&out, "268435449"));
    assert_true(out.len > 65536 && out.len < 70000);
    buf_reset(&out);
    feed(&f, BYTES(GOOD));
    take(&f, &out);
    assert_int_equal(out.len, sizeof GOOD - 1);
    mqtt_frame_clear(&f);
    buf_clear(&out);
}

static void a_large_message_that_is_allowed_passes_with_signs_of_life(void **state) {
    (void)state;
    enum { PAYLOAD = 300000 };
    struct mqtt_frame f;
    struct buf out;
    size_t life = 0;
    buf_init(&out, 1 << 20);
    mqtt_frame_init(&f, 1 << 20, mark);
    feed(&f, BYTES(CONNACK));
    take(&f, &out);
    feed(&f, BYTES("\x32\xe6\xa7\x12\x00\x01t\x00\x07\x00")); /* 300,006 */
    for (size_t i = 0; i < PAYLOAD / 1000; i++) {
        static char piece[1000];
        buf_reset(&out);
        take(&f, &out);
        life += out.len;
        feed(&f, (struct slice){piece, sizeof piece});
    }
    buf_reset(&out);
    take(&f, &out);
    assert_int_equal(out.len, PAYLOAD + 10);
    assert_int_equal(life, 2 * PAYLOAD / 1000);
    mqtt_frame_clear(&f);
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_packets_pass_unchanged),
        cmocka_unit_test(a_malformed_string_makes_a_message_refused),
        cmocka_unit_test(a_malformed_property_makes_a_message_refused),
        cmocka_unit_test(a_refused_message_keeps_what_was_right),
        cmocka_unit_test(many_subscription_ids_stand_in_the_marker),
        cmocka_unit_test(wrong_properties_of_answers_are_left_out),
        cmocka_unit_test(what_cannot_be_read_ends_the_connection_with_a_reason),
        cmocka_unit_test(a_disconnect_ends_it_with_its_reason),
        cmocka_unit_test(nothing_but_a_refusal_comes_before_connack),
        cmocka_unit_test(of_a_message_too_large_the_beginning_is_kept_in_little_memory),
        cmocka_unit_test(a_large_message_that_is_allowed_passes_with_signs_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
