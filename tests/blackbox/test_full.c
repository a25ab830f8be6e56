/*
 * test_full.c - a store, a disk, a backlog without room: nothing more is acknowledged, it is said,
 * and what waits at the broker comes in when room returns.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGES = 200, PAYLOAD_BYTES = 100 * 1024 }; /* 20 MB into a store of 12 */

static const char conf[] = "store { max_size = \"12MiB\" keep_done = \"500ms\" }\n"
                           "service \"work\" { subscribe = {\"in/#\"} handler = \"work.lua\"\n"
                           "  key = \"topic:2\" idempotency = \"topic:2\" }\n";
static void publish_all(struct stage *s) {
    char *payload = malloc(PAYLOAD_BYTES + 1);
    assert_non_null(payload);
    memset(payload, 'x', PAYLOAD_BYTES);
    payload[PAYLOAD_BYTES] = '\0';
    for (int i = 0; i < MESSAGES; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "in/%d", i);
        peer_publish(&s->publisher, topic, payload, NULL);
    }
    free(payload);
}

static void assert_all_handled_once(struct stage *s) {
    WAIT_FOR(s, program_service(&s->host, "work", "done") == MESSAGES);
    WAIT_FOR(s, peer_distinct(&s->observer) == MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_non_null(strstr(peer_note(&s->observer, i)->payload, "\"n\":1"));
    }
    assert_int_equal(program_engine(&s->host, "waiting"), 0);
    assert_int_equal(program_service(&s->host, "work", "dead"), 0);
}

static void a_full_store_takes_no_more_until_retention_makes_room(void **state) {
    struct stage *s = *state;
    stage_play(s, conf, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");

    publish_all(s);

    assert_all_handled_once(s);
    assert_true(program_says(&s->host, "nearly full") > 0);
    WAIT_FOR(s, program_says(&s->host, "there is space again") > 0);
    print_message("%zu turns found no room\n", program_says(&s->host, "a turn was dropped"));
}

/* Events that wait cannot be trimmed: the room kept in reserve is what lets them end. */
static void a_store_full_of_waiting_events_can_still_work_them_off(void **state) {
    struct stage *s = *state;
    stage_play(s, conf, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    assert_int_equal(program_command(&s->host, NULL, "pause", "work", NULL), 0);

    publish_all(s);
    peer_flush(&s->publisher);
    WAIT_FOR(s, program_says(&s->host, "nearly full") > 0);
    int64_t accepted = program_service(&s->host, "work", "accepted");
    assert_true(accepted > 0 && accepted < MESSAGES);
    assert_false(program_ready(&s->host));
    assert_int_equal(program_command(&s->host, NULL, "resume", "work", NULL), 0);

    assert_all_handled_once(s);
    WAIT_FOR(s, program_ready(&s->host));
}

static void a_full_store_survives_a_kill(void **state) {
    struct stage *s = *state;
    stage_play(s, conf, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    assert_int_equal(program_command(&s->host, NULL, "pause", "work", NULL), 0);

    publish_all(s);
    WAIT_FOR(s, program_says(&s->host, "nearly full") > 0);
    program_kill(&s->host);
    program_launch(&s->host);
    WAIT_FOR(s, program_host(&s->host, "pid") > 0);
    assert_int_equal(program_command(&s->host, NULL, "resume", "work", NULL), 0);

    assert_all_handled_once(s);
}

/* What is over the backlog's limit stays with the broker, and comes when there is room. */
static void past_the_backlog_reading_stops_and_goes_on_by_itself(void **state) {
    struct stage *s = *state;
    enum { BACKLOG = 100, MANY = 5000 };
    static const char small[] = "limits { backlog = 100 }\n"
                                "service \"work\" { subscribe = {\"in/#\"} handler = \"work.lua\"\n"
                                "  key = \"topic:2\" }\n";
    stage_play(s, small, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    assert_int_equal(program_command(&s->host, NULL, "pause", "work", NULL), 0);

    for (int i = 0; i < MANY; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "in/%d", i);
        peer_publish(&s->publisher, topic, "x", NULL);
    }
    peer_flush(&s->publisher);
    WAIT_FOR(s, program_engine(&s->host, "waiting") >= BACKLOG);
    assert_false(program_ready(&s->host));
    assert_true(program_engine(&s->host, "waiting") < MANY);
    assert_int_equal(program_command(&s->host, NULL, "resume", "work", NULL), 0);

    WAIT_FOR(s, peer_distinct(&s->observer) == MANY);
    assert_int_equal(program_service(&s->host, "work", "done"), MANY);
    WAIT_FOR(s, program_ready(&s->host));
}

/* --- a disk of its own --------------------------------------------------------------------------
 */

static void data_folder(const struct stage *s, char path[128]) {
    (void)snprintf(path, 128, "%s/data", s->host.dir);
}

/* Mounts a small disk where the data will be; false where nobody may. */
static bool mount_disk(const struct stage *s, const char *size) {
    char path[128];
    char options[64];
    data_folder(s, path);
    (void)snprintf(options, sizeof options, "size=%s", size);
    return mkdir(path, 0700) == 0 &&
           (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("disk", path, "tmpfs", 0, options) == 0;
}

static int close_with_disk(void **state) {
    struct stage *s = *state;
    char path[128];
    data_folder(s, path);
    program_kill(&s->host);
    (void)umount2(path, MNT_DETACH);
    return stage_close(state);
}

static const char large[] = "store { max_size = \"1GiB\" keep_done = \"500ms\" }\n"
                            "service \"work\" { subscribe = {\"in/#\"} handler = \"work.lua\"\n"
                            "  key = \"topic:2\" idempotency = \"topic:2\" }\n";

static void a_full_disk_is_no_worse_than_a_full_store(void **state) {
    struct stage *s = *state;
    if (!mount_disk(s, "12m")) {
        print_message("no disk can be mounted here: %s\n", strerror(errno));
        skip();
    }
    stage_play(s, large, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    assert_int_equal(program_command(&s->host, NULL, "pause", "work", NULL), 0);

    publish_all(s);
    WAIT_FOR(s, program_says(&s->host, "the disk has no more") > 0);
    int64_t accepted = program_service(&s->host, "work", "accepted");
    assert_true(accepted > 0 && accepted < MESSAGES);
    assert_int_equal(program_command(&s->host, NULL, "resume", "work", NULL), 0);

    assert_all_handled_once(s);
}

/* Takes all that the disk has left. */
static void fill_disk(const char *path) {
    char block[65536] = {0};
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    while (write(file, block, sizeof block) > 0) {
    }
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(close(file), 0);
}

static void a_disk_that_others_filled_is_waited_for(void **state) {
    struct stage *s = *state;
    char path[256];
    char other[512];
    if (!mount_disk(s, "64m")) {
        print_message("no disk can be mounted here: %s\n", strerror(errno));
        skip();
    }
    stage_play(s, large, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    data_folder(s, path);
    (void)snprintf(other, sizeof other, "%s/other", path);
    fill_disk(other);

    publish_all(s);
    peer_flush(&s->publisher);
    WAIT_FOR(s, program_says(&s->host, "full") > 0);
    assert_true(program_service(&s->host, "work", "done") < MESSAGES);
    assert_int_equal(remove(other), 0);

    assert_all_handled_once(s);
}

/* No file of the host may be larger than it is now; RLIM_INFINITY lifts that. */
static void limit_files(const struct stage *s, rlim_t bytes) {
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    assert_int_equal(prlimit(s->host.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static void a_limit_of_file_sizes_is_no_worse_than_a_full_disk(void **state) {
    struct stage *s = *state;
    char path[128];
    char file[256];
    struct stat now;
    assert_true(signal(SIGXFSZ, SIG_DFL) !=
                SIG_ERR); /* who starts us may ignore it; it would be inherited */
    stage_play(s, large, "scripts/work.lua", LUA(script));
    stage_peers(s, "out");
    data_folder(s, path);
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    assert_int_equal(stat(file, &now), 0);
    limit_files(s, (rlim_t)now.st_size);

    publish_all(s);
    WAIT_FOR(s, program_says(&s->host, "nothing of it is stored") > 0);
    limit_files(s, RLIM_INFINITY);

    assert_all_handled_once(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_full_store_takes_no_more_until_retention_makes_room),
        TEST_ON_STAGE(a_store_full_of_waiting_events_can_still_work_them_off),
        TEST_ON_STAGE(a_full_store_survives_a_kill),
        TEST_ON_STAGE(past_the_backlog_reading_stops_and_goes_on_by_itself),
        TEST_ON_STAGE(a_limit_of_file_sizes_is_no_worse_than_a_full_disk),
        /* The last: the program goes into namespaces of its own. */
        cmocka_unit_test_setup_teardown(a_disk_that_others_filled_is_waited_for, stage_open,
                                        close_with_disk),
        cmocka_unit_test_setup_teardown(a_full_disk_is_no_worse_than_a_full_store, stage_open,
                                        close_with_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
