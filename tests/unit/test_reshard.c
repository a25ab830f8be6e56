/* test_reshard.c - another count of hosts: every row once, with the right host, and all goes on. */
#include "reshard_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void divide(struct reshard_world *w, uint16_t count) {
    if (shards_reshard(w, count) != 0) {
        fail_msg("%s", w->report.text);
    }
    shards_expect_divided(w);
}

static void go_through(const uint16_t *counts) {
    struct reshard_world *w = shards_new(counts[0]);
    for (size_t i = 1; counts[i] != 0; i++) {
        divide(w, counts[i]);
    }
    shards_expect_to_go_on(w);
    shards_free(w);
}

static void one_host_becomes_three(void **state) {
    (void)state;
    go_through((const uint16_t[]){1, 3, 0});
}

static void three_hosts_become_one(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 1, 0});
}

static void three_hosts_become_two(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 2, 0});
}

static void two_hosts_become_five(void **state) {
    (void)state;
    go_through((const uint16_t[]){2, 5, 0});
}

static void a_division_comes_back_to_what_it_was(void **state) {
    (void)state;
    go_through((const uint16_t[]){1, 4, 2, 5, 1, 0});
}

static void the_same_count_changes_nothing(void **state) {
    (void)state;
    go_through((const uint16_t[]){3, 3, 0});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_becomes_three),
        cmocka_unit_test(three_hosts_become_one),
        cmocka_unit_test(three_hosts_become_two),
        cmocka_unit_test(two_hosts_become_five),
        cmocka_unit_test(a_division_comes_back_to_what_it_was),
        cmocka_unit_test(the_same_count_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
