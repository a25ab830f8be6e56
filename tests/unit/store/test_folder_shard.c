/* test_folder_shard.c - which of a shard's folders is that of its running process. */
#include "base/temp.h"
#include "store/folder.h"
#include "temp_dir.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHARD = 3 };

struct place {
    char dir[64];
    int listeners[2];
    size_t count;
};

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    temp_dir_make("shard", p->dir, sizeof p->dir);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = *state;
    for (size_t i = 0; i < p->count; i++) {
        (void)close(p->listeners[i]);
    }
    assert_int_equal(temp_folder_remove(p->dir), 0);
    free(p);
    return 0;
}

/* A folder whose lock file names a process that lives: the one that started us. */
static void make_folder(const struct place *p, unsigned losses, char out[STORE_PATH_BYTES]) {
    char text[32];
    struct report r = {""};
    assert_true(store_folder_shard(p->dir, SHARD, losses, out));
    assert_int_equal(mkdir(out, 0700), 0);
    (void)snprintf(text, sizeof text, "%ld", (long)getppid());
    assert_int_equal(store_folder_write(out, "zingq.lock", text, &r), 0);
}

static void listen_in(struct place *p, const char *folder) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/zingq.sock", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_in_range(len, 1, sizeof address.sun_path - 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    p->listeners[p->count++] = fd;
}

static void a_lock_that_names_some_process_is_no_shard(void **state) {
    const struct place *p = *state;
    char folder[STORE_PATH_BYTES], found[STORE_PATH_BYTES];
    make_folder(p, 0, folder);
    assert_false(store_folder_of_shard(p->dir, SHARD, found));
}

static void the_folder_after_a_loss_comes_before_the_old_one(void **state) {
    struct place *p = *state;
    char before[STORE_PATH_BYTES], now[STORE_PATH_BYTES], found[STORE_PATH_BYTES];
    make_folder(p, 0, before);
    make_folder(p, 1, now);
    listen_in(p, before);
    assert_true(store_folder_of_shard(p->dir, SHARD, found));
    assert_string_equal(found, before);
    listen_in(p, now);
    assert_true(store_folder_of_shard(p->dir, SHARD, found));
    assert_string_equal(found, now);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lock_that_names_some_process_is_no_shard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_folder_after_a_loss_comes_before_the_old_one, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
