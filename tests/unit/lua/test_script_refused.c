/* test_script_refused.c - a script that took the process down while it was loaded is not run again
 * before it is changed. */
#include "data_folder.h"
#include "test.h"
#include "lua/api/api.h"
#include "lua_world.h"
#include "base/culprit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t this_boot[16] = {1};
static const uint8_t other_boot[16] = {2};

#define HANG "while true do end\n"
#define GOOD "return function() zing.reject('good') end\n"

static struct data_folder folder;

static int set_up(void **state) {
    (void)state;
    data_folder_make(&folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    data_folder_remove(&folder);
    return 0;
}

/* With a host, but nothing loaded. */
static struct lua_world *world_of(const char *script) {
    struct lua_world *w = world_new_unloaded(script);
    w->conf.lua_time_ms = 60000; /* longer than it takes to be killed */
    assert_int_equal(script_host_new(&w->host, &w->conf, &api_library), 0);
    return w;
}

static struct culprit *open_page(const uint8_t boot[16]) {
    struct culprit *c = NULL;
    struct report r = {""};
    assert_int_equal(culprit_open(&c, folder.path, boot, &r), 0);
    return c;
}

static const struct culprit_record *volatile watched;
static volatile sig_atomic_t ticks; /* of processor time that loading has taken */

static void die_while_loading(int signal_number) {
    (void)signal_number;
    ticks += watched->phase == CULPRIT_LOAD ? 1 : 0;
    if (ticks == 20) {
        (void)kill(getpid(), SIGKILL);
    }
}

/* Loads the world's scripts in a process of its own, which goes down where they hang. */
static void go_down_once(struct lua_world *w) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        const struct itimerval often = {{0, 1000}, {0, 1000}};
        struct culprit *c = NULL;
        struct report r = {""};
        if (culprit_open(&c, folder.path, this_boot, &r) == 0) {
            watched = culprit_now(c);
            (void)signal(SIGVTALRM, die_while_loading);
            (void)setitimer(ITIMER_VIRTUAL, &often, NULL);
            script_name_loads(w->host, c);
            (void)world_load(w);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void go_down(struct lua_world *w) {
    go_down_once(w);
    go_down_once(w);
}

static void note_reload(void *ctx, size_t service, const char *error) {
    assert_int_equal(service, 0);
    (void)snprintf(ctx, 256, "%s", error == NULL ? "" : error);
}

static void assert_refused(struct lua_world *w, struct culprit *c, const char *file) {
    script_name_loads(w->host, c);
    assert_int_equal(world_load(w), 0); /* no reason for the host not to start */
    assert_false(script_runs(w->host, 0));
    assert_non_null(strstr(script_error(w->host, 0), file));
    assert_non_null(strstr(script_error(w->host, 0), "took the host down while it was loaded"));
}

static void what_took_the_host_down_is_refused_until_it_is_changed(void **state) {
    (void)state;
    char error[256] = "?";
    struct lua_world *w = world_of(HANG GOOD);
    go_down(w);
    for (int start = 0; start < 3; start++) { /* the next start and those after it */
        struct culprit *c = open_page(this_boot);
        assert_refused(w, c, "scripts/handler.lua: ");
        assert_int_equal(script_reload(w->host, error, note_reload), 0);
        script_name_loads(w->host, NULL);
        culprit_close(c);
    }
    world_write(w, "handler.lua", GOOD);
    assert_int_equal(script_reload(w->host, error, note_reload), 1);
    assert_string_equal(error, "");
    assert_true(script_runs(w->host, 0));
    world_free(w);
}

static void the_last_good_version_stays_when_the_next_is_refused(void **state) {
    (void)state;
    char error[256] = "?";
    struct lua_world *w = world_of(HANG GOOD);
    go_down(w);
    struct culprit *c = open_page(this_boot);
    script_name_loads(w->host, c);
    world_write(w, "handler.lua", GOOD);
    assert_int_equal(world_load(w), 0);
    uint64_t good = script_version(w->host, 0);
    world_write(w, "handler.lua", HANG GOOD);
    assert_int_equal(script_reload(w->host, error, note_reload), 1);
    assert_non_null(strstr(error, "took the host down"));
    assert_int_equal(script_version(w->host, 0), good);
    culprit_close(c);
    world_free(w);
}

/* A module is not to blame where another script uses it, nor can a pcall hide the refusal. */
static void what_it_requires_belongs_to_the_version(void **state) {
    (void)state;
    struct lua_world *w = world_of("pcall(require, 'm')\n" GOOD);
    world_write(w, "m.lua", HANG "return 1");
    go_down(w);
    struct culprit *c = open_page(this_boot);
    assert_refused(w, c, "scripts/m.lua: ");
    world_write(w, "m.lua", "return 1");
    assert_int_equal(world_load(w), 0);
    assert_true(script_runs(w->host, 0));
    culprit_close(c);
    world_free(w);
}

/* The host goes down while the version is loaded; false: it is refused already. */
static bool goes_down_loading(const uint8_t version[CULPRIT_LOAD_BYTES]) {
    struct culprit *c = open_page(this_boot);
    bool loads = culprit_load(c, version);
    culprit_close(c);
    return loads;
}

static void a_kill_while_a_script_is_loaded_refuses_nothing(void **state) {
    (void)state;
    const uint8_t version[CULPRIT_LOAD_BYTES] = {7};
    for (int kill = 0; kill < 3; kill++) {
        assert_true(goes_down_loading(version));
        struct culprit *c = open_page(this_boot);
        assert_true(culprit_load(c, version));
        culprit_enter(c, CULPRIT_IDLE);
        culprit_close(c); /* and once more it goes down, with everything loaded */
    }
    assert_true(goes_down_loading(version));
    assert_true(goes_down_loading(version));
    assert_false(goes_down_loading(version));
}

static void after_a_reboot_nothing_is_refused(void **state) {
    (void)state;
    const uint8_t version[CULPRIT_LOAD_BYTES] = {7};
    assert_true(goes_down_loading(version));
    assert_true(goes_down_loading(version));
    struct culprit *c = open_page(other_boot);
    assert_true(culprit_load(c, version));
    culprit_close(c);
}

static void who_only_looks_leaves_no_trace(void **state) {
    (void)state;
    const uint8_t version[CULPRIT_LOAD_BYTES] = {7};
    struct culprit *c = NULL;
    struct report r = {""};
    assert_int_equal(culprit_peek(&c, folder.path, this_boot, &r), ERR_NOTFOUND);
    assert_true(goes_down_loading(version));
    assert_true(goes_down_loading(version));
    c = open_page(this_boot);
    assert_false(culprit_load(c, version));
    culprit_stopped(c);
    culprit_close(c);

    const uint8_t other[CULPRIT_LOAD_BYTES] = {8};
    assert_int_equal(culprit_peek(&c, folder.path, this_boot, &r), 0);
    assert_false(culprit_load(c, version));
    assert_true(culprit_load(c, other));
    culprit_close(c);
    c = open_page(this_boot);
    assert_true(culprit_load(c, other));
    culprit_close(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_took_the_host_down_is_refused_until_it_is_changed),
        TEST(the_last_good_version_stays_when_the_next_is_refused),
        TEST(what_it_requires_belongs_to_the_version),
        TEST(a_kill_while_a_script_is_loaded_refuses_nothing),
        TEST(after_a_reboot_nothing_is_refused),
        TEST(who_only_looks_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
