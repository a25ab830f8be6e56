/* test_forecast.c - when something runs out, by what it did in the last minutes. */

#include "web/admin/forecast.h"

#include "base/limits.h"

#include "temp_dir.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
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

static double empty_s(struct history *h, int steps) {
    return forecast_empty_s(h, HISTORY_SERVICE, "seats", SERVICE_WAITING, begin_ms + steps * 5000);
}

static void what_falls_steadily_is_foreseen_to_end(void **state) {
    (void)state;
    struct history *h = opened();
    for (int i = 0; i < 24; i++) {
        note(h, "seats", i, (float)(1000 - 10 * i), 2);
    }
    assert_float_equal(empty_s(h, 24), 385, 1); /* 770 are left, 2 a second go */
    history_close(h);
}

static void a_burst_is_foreseen_to_end_by_what_came_after_it(void **state) {
    (void)state;
    struct history *h = opened();
    for (int i = 0; i < 40; i++) {
        note(h, "seats", i, i < 20 ? 0 : (float)(1000 - 5 * i), 2);
    }
    assert_float_equal(empty_s(h, 40), 805, 1); /* 805 are left, one a second goes */
    history_close(h);
}

static void nothing_is_foreseen_of_what_rises_wavers_or_is_hardly_known(void **state) {
    (void)state;
    static const struct {
        int steps;
        float a_step, wave;
    } cases[] = {{24, 10, 0}, {24, 0, 0}, {24, -1, 200}, {11, -10, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct history *h = opened();
        for (int i = 0; i < cases[c].steps; i++) {
            float wave = i % 2 == 0 ? cases[c].wave : 0;
            note(h, "seats", i, 1000 + cases[c].a_step * (float)i + wave, 2);
        }
        assert_true(isnan(empty_s(h, cases[c].steps)));
        history_close(h);
        assert_int_equal(unlink(path), 0);
    }
}

static void an_old_trend_foresees_nothing(void **state) {
    (void)state;
    struct history *h = opened();
    for (int i = 0; i < 24; i++) {
        note(h, "seats", i, (float)(1000 - 10 * i), 2);
    }
    assert_true(isnan(empty_s(h, 30)));
    history_close(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_falls_steadily_is_foreseen_to_end),
        TEST(a_burst_is_foreseen_to_end_by_what_came_after_it),
        TEST(nothing_is_foreseen_of_what_rises_wavers_or_is_hardly_known),
        TEST(an_old_trend_foresees_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
