/* test_history.c - what the charts keep: steps, minutes, restarts. */

#include "web/admin/history.h"

#include "base/limits.h"

#include "temp_dir.h"
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t begin_ms = 1764072000000; /* a whole minute */
static char folder[256];
static char path[300];

static int open_folder(void **state) {
    (void)state;
    temp_dir_make("history", folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/history", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct history *opened(void) {
    struct history *h = NULL;
    assert_int_equal(history_open(&h, folder), 0);
    return h;
}

static void note(struct history *h, const char *name, int64_t step, float waiting, float rate) {
    const float figures[HISTORY_FIGURES] = {
        [SERVICE_WAITING] = waiting, [SERVICE_RATE] = rate, [SERVICE_P50] = NAN};
    history_note(h, HISTORY_SERVICE, name, begin_ms + step * 5000, begin_ms + (step + 1) * 5000,
                 figures);
}

static float seen(const struct history *h, enum history_range range, int64_t at_ms,
                  unsigned figure) {
    const struct history_series *s = history_series(h, 0);
    assert_non_null(s);
    return history_figure(s, range, (uint32_t)(at_ms / 1000) / history_scales[range].step_s,
                          figure);
}

static void a_figure_is_found_in_its_step_and_nowhere_else(void **state) {
    (void)state;
    struct history *h = opened();
    note(h, "seats", 3, 7, 2.5F);
    assert_float_equal(seen(h, HISTORY_15_MINUTES, begin_ms + 15000, SERVICE_WAITING), 7, 0);
    assert_float_equal(seen(h, HISTORY_15_MINUTES, begin_ms + 15000, SERVICE_RATE), 2.5, 0);
    assert_true(isnan(seen(h, HISTORY_15_MINUTES, begin_ms + 15000, SERVICE_P50)));
    assert_true(isnan(seen(h, HISTORY_15_MINUTES, begin_ms + 20000, SERVICE_WAITING)));
    assert_true(isnan(seen(h, HISTORY_15_MINUTES, begin_ms + 15000 + 900000, SERVICE_WAITING)));
    history_close(h);
}

static void a_minute_has_the_average_rate_and_the_longest_queue(void **state) {
    (void)state;
    struct history *h = opened();
    for (int i = 0; i < 12; i++) {
        note(h, "seats", i, i == 5 ? 100 : 10, (float)i);
    }
    assert_float_equal(seen(h, HISTORY_24_HOURS, begin_ms, SERVICE_RATE), 5.5, 0.001);
    assert_float_equal(seen(h, HISTORY_24_HOURS, begin_ms, SERVICE_WAITING), 100, 0);
    assert_true(isnan(seen(h, HISTORY_24_HOURS, begin_ms + 60000, SERVICE_RATE)));
    history_close(h);
}

static void a_long_look_fills_every_step_that_it_is_of(void **state) {
    (void)state;
    struct history *h = opened();
    const float figures[HISTORY_FIGURES] = {[SERVICE_RATE] = 4};
    history_note(h, HISTORY_SERVICE, "seats", begin_ms, begin_ms + 17000, figures);
    assert_float_equal(seen(h, HISTORY_15_MINUTES, begin_ms, SERVICE_RATE), 4, 0);
    assert_float_equal(seen(h, HISTORY_15_MINUTES, begin_ms + 10000, SERVICE_RATE), 4, 0);
    assert_true(isnan(seen(h, HISTORY_15_MINUTES, begin_ms + 15000, SERVICE_RATE)));
    history_close(h);
}

/* Without closing it first, as after kill -9. */
static void figures_outlast_the_process(void **state) {
    (void)state;
    struct history *h = opened();
    note(h, "seats", 0, 7, 2);
    note(h, "emails", 0, 9, 3);
    struct history *again = opened();
    assert_string_equal(history_name_of(history_series(again, 0)), "seats");
    assert_string_equal(history_name_of(history_series(again, 1)), "emails");
    assert_null(history_series(again, 2));
    assert_float_equal(seen(again, HISTORY_15_MINUTES, begin_ms, SERVICE_WAITING), 7, 0);
    note(again, "seats", 1, 5, 4);
    assert_float_equal(seen(again, HISTORY_24_HOURS, begin_ms, SERVICE_RATE), 3, 0.001);
    history_close(again);
    history_close(h);
}

static void damage(off_t at, size_t len) {
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(pwrite(fd, "\xff", 1, at + (off_t)i), 1);
    }
    assert_int_equal(close(fd), 0);
}

static void a_damaged_file_costs_only_what_is_damaged(void **state) {
    (void)state;
    struct history *h = opened();
    note(h, "seats", 0, 7, 2);
    note(h, "emails", 0, 9, 3);
    history_close(h);
    damage(512, 96); /* the name of the first series */
    h = opened();
    assert_string_equal(history_name_of(history_series(h, 0)), "");
    assert_string_equal(history_name_of(history_series(h, 1)), "emails");
    history_close(h);
    damage(0, 16);
    h = opened();
    assert_null(history_series(h, 0));
    note(h, "seats", 0, 7, 2);
    history_close(h);
    h = opened();
    assert_string_equal(history_name_of(history_series(h, 0)), "seats");
    history_close(h);
}

static void the_file_is_bounded_and_the_quietest_service_makes_room(void **state) {
    (void)state;
    struct history *h = opened();
    char name[32];
    struct stat before;
    struct stat after;
    for (int i = 0; i < HISTORY_SERIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        note(h, name, i == 3 ? 0 : 1, 1, 1);
    }
    assert_int_equal(stat(path, &before), 0);
    note(h, "new", 2, 5, 5);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_string_equal(history_name_of(history_series(h, 3)), "new");
    assert_true(isnan(history_figure(history_series(h, 3), HISTORY_15_MINUTES,
                                     (uint32_t)(begin_ms / 5000), SERVICE_WAITING)));
    history_close(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_figure_is_found_in_its_step_and_nowhere_else),
        TEST(a_minute_has_the_average_rate_and_the_longest_queue),
        TEST(a_long_look_fills_every_step_that_it_is_of),
        TEST(figures_outlast_the_process),
        TEST(a_damaged_file_costs_only_what_is_damaged),
        TEST(the_file_is_bounded_and_the_quietest_service_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
