/*
 * turns_world.h - a store with its log in a real PostgreSQL: what the tests of cluster/turns.h share.
 *
 * The server is that of tests/blackbox/cluster.sh, as a superuser, in $ZINGQ_TEST_DATABASE. Its zq
 * tables are dropped before each test.
 */
#ifndef ZINGQ_TEST_TURNS_WORLD_H
#define ZINGQ_TEST_TURNS_WORLD_H

#include "data_folder.h"
#include "store_world.h"
#include "cluster/turns.h"
#include "io/pg/line.h"

enum { TURNS_WAIT_MS = 20000 };

struct turns_world {
    struct data_folder folder;
    struct store *store;
    struct pg_line *admin;
    struct turns *turns;
};

extern const uint8_t turns_any_log[LOG_ID_BYTES];

/* The url; NULL = there is none. */
const char *turns_database(void);

/* cmocka's; *state is the world, whose process has joined the log "shop". */
int turns_set_up(void **state);
int turns_tear_down(void **state);

/* A statement of the administrator's, and one that gives a number. */
void turns_run(struct pg_line *admin, const char *text);
int64_t turns_count(struct turns_world *w, const struct pg_statement *statement);

struct turns *turns_join_as(const char *name, const char *owner);
void turns_use_log(struct store *s, const struct turns *turns);
/* The process ends, and another one takes its place. */
void turns_start_again(struct turns_world *w);

int turns_commit(struct turns_world *w, const char *key, const char *value);
/* Once the log answers again. */
void turns_begin(struct turns_world *w);
/* NULL = there is no such row. */
void assert_turns_kept(struct turns_world *w, const char *key, const char *value);

#endif
