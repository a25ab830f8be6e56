/* turns_world.c - see turns_world.h. */
#include "turns_world.h"

#include "test.h"
#include "base/clock.h"
#include "journal/home.h"

#include <stdlib.h>

const char *turns_database(void) {
    return getenv("ZINGQ_TEST_DATABASE");
}

void turns_run(struct pg_line *admin, const char *text) {
    const struct pg_statement statement = {.text = text};
    struct pg_row row;
    int code = pg_line_ask(admin, &statement, NULL, NULL, &row);
    if (code != 0 && code != ERR_NOTFOUND) {
        fail_msg("%s: %s", text, pg_line_error(admin));
    }
}

const uint8_t turns_any_log[LOG_ID_BYTES] = {0};

struct turns *turns_join_as(const char *name, const char *owner) {
    const struct turns_options options = {.url = turns_database(), .name = name, .owner = owner};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    if (turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r) != 0) {
        fail_msg("%s", r.text);
    }
    return turns;
}

void turns_use_log(struct store *s, const struct turns *turns) {
    struct report r = {""};
    assert_int_equal(store_use_log(s, turns_log(turns), journal_home, &r), 0);
}

void turns_start_again(struct turns_world *w) {
    store_close(w->store);
    turns_free(w->turns);
    w->turns = turns_join_as("shop", "the second one");
    w->store = data_folder_store(&w->folder, ROOM);
    turns_use_log(w->store, w->turns);
}

int turns_set_up(void **state) {
    static struct turns_world w;
    const struct pg_line_options admin = {.url = turns_database(), .patience_ms = TURNS_WAIT_MS};
    struct report r = {""};
    w = (struct turns_world){.admin = NULL};
    data_folder_make(&w.folder);
    w.store = data_folder_store(&w.folder, ROOM);
    assert_int_equal(pg_line_new(&w.admin, &admin, &r), 0);
    assert_int_equal(pg_line_connect(w.admin, TURNS_WAIT_MS), 0);
    turns_run(w.admin, "ALTER SYSTEM RESET synchronous_standby_names"); /* of a test that failed */
    turns_run(w.admin, "SELECT pg_reload_conf()");
    turns_run(w.admin,
              "SET application_name = 'admin'; SET lock_timeout = 0; SET statement_timeout = 0;"
              "DROP SCHEMA IF EXISTS zq CASCADE");
    w.turns = turns_join_as("shop", "the first one");
    turns_use_log(w.store, w.turns);
    *state = &w;
    return 0;
}

int turns_tear_down(void **state) {
    struct turns_world *w = *state;
    store_close(w->store);
    data_folder_remove(&w->folder);
    turns_free(w->turns);
    pg_line_free(w->admin);
    return 0;
}

int turns_commit(struct turns_world *w, const char *key, const char *value) {
    assert_int_equal(store_begin(w->store), 0);
    store_world_put(w->store, key, value);
    return store_commit(w->store);
}

void turns_begin(struct turns_world *w) {
    int code = ERR_NETWORK;
    for (int64_t until_ms = clock_monotonic_ms() + TURNS_WAIT_MS;
         code == ERR_NETWORK && clock_monotonic_ms() < until_ms;) {
        code = store_begin(w->store);
    }
    assert_int_equal(code, 0);
}

void assert_turns_kept(struct turns_world *w, const char *key, const char *value) {
    turns_begin(w);
    if (value == NULL) {
        assert_store_absent(w->store, key);
    } else {
        assert_store_value(w->store, key, value);
    }
    store_abort(w->store);
}

/* The log's, as its tables say. */
int64_t turns_count(struct turns_world *w, const struct pg_statement *statement) {
    struct pg_row row;
    struct buf kept;
    buf_init(&kept, 64);
    assert_int_equal(pg_line_ask(w->admin, statement, NULL, &kept, &row), 0);
    int64_t found = pg_get_int(row.fields[0]);
    buf_clear(&kept);
    return found;
}
