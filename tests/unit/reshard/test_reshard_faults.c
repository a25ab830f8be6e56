/*
 * test_reshard_faults.c - memory, files and LMDB fail while keys are divided anew: the old division is there, or the new one, or a
 * mark by which the next reshard completes it; no row is lost or there twice.
 *
 * ctest: faults timeout=120 label=torture
 */
#include "fault.h"
#include "reshard_world.h"
#include "test.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDERS = 2 };

struct told {
    struct reshard_world *w;
    struct conf *conf;
    struct data_folder kept;
};

/* In the place of the second folder comes the first one, if there is one. */
static void copy(const char *from, const char *to) {
    char command[1280];
    (void)snprintf(command, sizeof command,
                   "rm -rf '%s' && if [ -d '%s' ]; then cp -a '%s' '%s'; fi", to, from, from, to);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): names of our own */
}

/* The folders of one host, as they were: kept, or brought back. */
static void keep(struct told *t, bool back) {
    for (size_t i = 0; i < FOLDERS; i++) {
        char kept[256];
        (void)snprintf(kept, sizeof kept, "%s/%zu", t->kept.path, i);
        copy(back ? kept : t->w->paths[i], back ? t->w->paths[i] : kept);
    }
}

static int divide(struct told *t, struct report *r) {
    const char *const paths[FOLDERS] = {t->w->paths[0], t->w->paths[1]};
    struct reshard_options options = {.conf = t->conf,
                                      .paths = paths,
                                      .path_count = FOLDERS,
                                      .count = FOLDERS,
                                      .now = {.wall_ms = t->w->hosts[0]->now_ms,
                                              .boottime_ms = t->w->hosts[0]->now_ms,
                                              .boot = {.id = {1}}}};
    struct reshard *re = NULL;
    enum reshard_left left;
    int code = reshard_settle(paths, FOLDERS, &left, r);
    if (code == 0) {
        code = reshard_open(&re, &options, r);
        code = code == 0 ? reshard_run(re, r) : code;
        reshard_close(re);
    }
    return code;
}

static bool one_host_becomes_two(void *ctx) {
    struct told *t = ctx;
    struct report r = {""};
    keep(t, true);
    t->w->count = 1;
    fault_on();
    int code = divide(t, &r);
    fault_off();
    if (code != 0 && shards_reshard(t->w, FOLDERS) != 0) {
        fail_msg("%s", t->w->report.text);
    }
    t->w->count = FOLDERS;
    shards_expect_divided(t->w);
    return code == 0 || fault_named(r.text);
}

static void a_division_that_failed_is_completed_by_the_next(void **state) {
    (void)state;
    char conf[256];
    struct report r = {""};
    assert_int_equal(setenv("ZINGQ_FAULTS", "4", 0), 0); /* a point takes a tenth of a second */
    struct told t = {.w = shards_new(1)};
    data_folder_make(&t.kept);
    keep(&t, false);
    assert_int_equal(shards_reshard(t.w, FOLDERS), 0); /* which writes topics.conf */
    (void)snprintf(conf, sizeof conf, "%s/topics.conf", t.w->hosts[0]->folder.path);
    assert_int_equal(conf_load(&t.conf, conf, NULL, &r), 0);
    fault_each("reshard", FAULT_MEMORY | FAULT_SYSTEM | FAULT_STORE, one_host_becomes_two, &t);
    conf_free(t.conf);
    data_folder_remove(&t.kept);
    shards_free(t.w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_division_that_failed_is_completed_by_the_next)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
