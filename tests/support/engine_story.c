/* engine_story.c - see engine_story.h. */
#include "engine_story.h"

#include "test.h"

enum { TRIES = 3 };

void story_start(struct engine_fixture *f) {
    for (unsigned tries = 1; fixture_try_start(f) != 0; tries++) {
        assert_string_not_equal(f->report.text, "");
        assert_in_range(tries, 1, TRIES);
    }
    (void)redeliver(f);
}

void story_order(struct engine_fixture *f, struct command command,
                 void (*run_through)(struct engine_fixture *f)) {
    for (unsigned tries = 1;; tries++) {
        struct command c = command;
        engine_submit(f->engine, &c);
        run_through(f);
        if (f->code == 0) {
            return;
        }
        assert_in_range(tries, 1, TRIES);
    }
}
