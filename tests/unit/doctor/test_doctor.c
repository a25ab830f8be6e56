/* test_doctor.c - the doctor against real brokers, good and bad, and real filesystems. */
#include "doctor/doctor.h"

#include "broker.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD = 256 * 1024 };

struct bench {
    struct broker broker;
    struct broker_conf conf;
    struct doctor doctor;
};

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    broker_init(&b->broker);
    b->conf = (struct broker_conf){
        .url = b->broker.url,
        .host = (char *)"127.0.0.1",
        .port = b->broker.port,
        .client_id = (char *)"",
        .username = (char *)"",
        .password = (char *)"",
        .ca_file = (char *)"",
        .cert_file = (char *)"",
        .key_file = (char *)"",
        .receive_maximum = 1000,
        .session_expiry_s = 604800,
    };
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct bench *b = *state;
    broker_clear(&b->broker);
    free(b);
    return 0;
}

static const struct doctor_row *find_row(const struct bench *b, const char *name) {
    for (size_t i = 0; i < b->doctor.count; i++) {
        if (strcmp(b->doctor.rows[i].name, name) == 0) {
            return &b->doctor.rows[i];
        }
    }
    return NULL;
}

static const struct doctor_row *row(const struct bench *b, const char *name) {
    const struct doctor_row *found = find_row(b, name);
    if (found == NULL) {
        fail_msg("no row \"%s\"", name);
    }
    return found;
}

static void assert_says(const char *text, const char *part) {
    if (text == NULL || strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text == NULL ? "" : text, part);
    }
}

static void expect(const struct bench *b, const char *name, enum doctor_verdict verdict,
                   const char *seen) {
    const struct doctor_row *r = row(b, name);
    if (r->verdict != verdict || strstr(r->seen, seen) == NULL) {
        fail_msg("%s: %s, seen \"%s\"", name, doctor_verdict_name(r->verdict), r->seen);
    }
    if (verdict != DOCTOR_GOOD) {
        assert_true(r->risk[0] != '\0');
    }
}

static int examine_and(struct bench *b, bool fill_queue) {
    struct report r = {""};
    int error = doctor_broker(&b->doctor, &b->conf, PAYLOAD, fill_queue, &r);
    assert_string_equal(r.text, "");
    return error;
}

static int examine(struct bench *b) {
    return examine_and(b, false);
}

/* ---- brokers ---- */

static void a_mosquitto_as_installed_is_examined_through(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    assert_int_equal(examine(b), 0);
    expect(b, "connection", DOCTOR_GOOD, "speaks MQTT 5");
    expect(b, "encryption", DOCTOR_GOOD, "on this machine");
    expect(b, "broker", DOCTOR_GOOD, "mosquitto version");
    expect(b, "wildcard subscriptions", DOCTOR_GOOD, "offered");
    expect(b, "retained messages", DOCTOR_GOOD, "kept");
    expect(b, "session expiry", DOCTOR_GOOD, "granted 604800 s");
    expect(b, "receive maximum (broker)", DOCTOR_GOOD, "takes 20 ");
    expect(b, "shared subscriptions", DOCTOR_GOOD, "came through");
    expect(b, "subscription identifiers", DOCTOR_GOOD, "sent");
    expect(b, "overlapping subscriptions", DOCTOR_GOOD, "copies");
    expect(b, "receive maximum (ours)", DOCTOR_GOOD, "got 5");
    expect(b, "packet size", DOCTOR_GOOD, "is taken");
    expect(b, "after a broker restart", DOCTOR_WARN, "forgets shared subscriptions");
    expect(b, "persistence", DOCTOR_WARN, "unknown");
    expect(b, "queue limit", DOCTOR_WARN, "kept 20 of 20");
    assert_says(row(b, "queue limit")->mend, "--queue");
    assert_int_equal(doctor_worst(&b->doctor), DOCTOR_WARN);
}

static void an_examination_makes_a_mosquitto_as_installed_drop_nothing(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nsys_interval 1\n");
    assert_int_equal(examine(b), 0);
    b->doctor.count = 0;
    assert_int_equal(examine_and(b, true), 0); /* what is counted by now, it sees at its begin */
    assert_null(find_row(b, "dropped messages"));
}

static void a_limited_queue_is_found_when_it_may_be_filled(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    assert_int_equal(examine_and(b, true), 0);
    expect(b, "queue limit", DOCTOR_BAD, "kept 1000 of 1500");
    assert_says(row(b, "queue limit")->mend, "max_queued_messages 0");
    assert_int_equal(doctor_worst(&b->doctor), DOCTOR_BAD);
}

static void a_mosquitto_without_queue_limit_keeps_all(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_queued_messages 0\n");
    b->conf.alone = true;
    assert_int_equal(examine_and(b, true), 0);
    expect(b, "shared subscriptions", DOCTOR_GOOD, "came through");
    expect(b, "after a broker restart", DOCTOR_GOOD, "plain subscriptions");
    expect(b, "queue limit", DOCTOR_GOOD, "kept 1500 of 1500");
    assert_int_equal(doctor_worst(&b->doctor), DOCTOR_WARN);
}

static void a_broker_for_small_packets_only_is_told(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_packet_size 5000\n");
    assert_int_equal(examine(b), 0);
    expect(b, "packet size", DOCTOR_WARN, "5000 bytes");
}

static void a_limit_on_payloads_that_connack_hides_is_found(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmessage_size_limit 5000\n");
    assert_int_equal(examine(b), 0);
    expect(b, "packet size", DOCTOR_WARN, "is refused; it announces no limit");
}

static void a_broker_that_takes_little_at_once_is_told(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_inflight_messages 3\n");
    assert_int_equal(examine(b), 0);
    expect(b, "receive maximum (broker)", DOCTOR_WARN, "takes 3 ");
}

static void what_a_user_may_not_try_is_said(void **state) {
    struct bench *b = *state;
    char acl[128];
    char options[256];
    broker_file(&b->broker, "acl", "topic readwrite booking/#\n", acl);
    (void)snprintf(options, sizeof options, "allow_anonymous true\nacl_file %s\n", acl);
    broker_start(&b->broker, options);
    assert_int_equal(examine(b), 0);
    expect(b, "access", DOCTOR_WARN, "did not come back (reason 0x87)");
    expect(b, "persistence", DOCTOR_WARN, "unknown");
}

static void a_broker_that_is_not_there_is_one_bad_row(void **state) {
    struct bench *b = *state;
    assert_int_equal(examine(b), ERR_NETWORK);
    assert_int_equal(b->doctor.count, 1);
    expect(b, "connection", DOCTOR_BAD, "connection refused");
}

static void a_broker_that_refuses_us_is_one_bad_row(void **state) {
    struct bench *b = *state;
    char file[128];
    char options[256];
    broker_password(&b->broker, "passwd", "zing", "right", file);
    (void)snprintf(options, sizeof options, "allow_anonymous false\npassword_file %s\n", file);
    broker_start(&b->broker, options);
    assert_int_equal(examine(b), ERR_REFUSED);
    assert_int_equal(b->doctor.count, 1);
    expect(b, "connection", DOCTOR_BAD, "requires a user name and password");
}

/* ---- disks ---- */

static void a_folder_to_be_made_on_a_disk_is_measured(void **state) {
    struct bench *b = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/not/there/yet", b->broker.dir);
    assert_int_equal(doctor_disk(&b->doctor, path, 1 << 20), 0);
    assert_says(row(b, "filesystem")->seen, b->broker.dir);
    assert_says(row(b, "fsync")->seen, "median of 20");
    expect(b, "free space", DOCTOR_GOOD, "store.max_size is 1 MiB");
}

static void a_folder_in_memory_is_bad(void **state) {
    struct bench *b = *state;
    assert_int_equal(doctor_disk(&b->doctor, "/dev/shm/zingq", 1 << 20), 0);
    expect(b, "filesystem", DOCTOR_BAD, "/dev/shm is on tmpfs");
    expect(b, "fsync", DOCTOR_WARN, "fsync takes 0.0");
}

static void a_store_larger_than_the_disk_is_told(void **state) {
    struct bench *b = *state;
    assert_int_equal(doctor_disk(&b->doctor, b->broker.dir, UINT64_MAX), 0);
    expect(b, "free space", DOCTOR_WARN, "MiB free");
}

static void a_folder_that_cannot_be_written_is_bad(void **state) {
    struct bench *b = *state;
    assert_int_equal(doctor_disk(&b->doctor, "/proc/zingq", 1 << 20), ERR_DISK);
    expect(b, "fsync", DOCTOR_BAD, "cannot write a file in /proc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_mosquitto_as_installed_is_examined_through),
        T(an_examination_makes_a_mosquitto_as_installed_drop_nothing),
        T(a_limited_queue_is_found_when_it_may_be_filled),
        T(a_mosquitto_without_queue_limit_keeps_all),
        T(a_broker_for_small_packets_only_is_told),
        T(a_limit_on_payloads_that_connack_hides_is_found),
        T(a_broker_that_takes_little_at_once_is_told),
        T(what_a_user_may_not_try_is_said),
        T(a_broker_that_is_not_there_is_one_bad_row),
        T(a_broker_that_refuses_us_is_one_bad_row),
        T(a_folder_to_be_made_on_a_disk_is_measured),
        T(a_folder_in_memory_is_bad),
        T(a_store_larger_than_the_disk_is_told),
        T(a_folder_that_cannot_be_written_is_bad),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
