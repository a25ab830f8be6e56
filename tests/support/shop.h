/*
 * shop.h - one of the scripts that ship, fed event by event: effects are applied to the world's
 * state and locks, what leaves the handler is kept as lines.
 */
#ifndef ZINGQ_TEST_SHOP_H
#define ZINGQ_TEST_SHOP_H

#include "lua_world.h"

enum { LINES_MAX = 8, HOLD_MS = 600000 };

#define REQUEST                                                                                    \
    "\"booking_id\":\"b-1\",\"event_id\":\"jazz\",\"seat\":\"A1\",\"user\":\"ada\","               \
    "\"email\":\"ada@example.org\",\"amount\":4200,\"currency\":\"eur\""
#define OTHER                                                                                      \
    "\"booking_id\":\"b-2\",\"event_id\":\"jazz\",\"seat\":\"A1\",\"user\":\"bob\","               \
    "\"email\":\"bob@example.org\",\"amount\":4200,\"currency\":\"eur\""
#define HELD REQUEST ",\"hold_until\":1700000600.0"

/* A world with one of the scripts, and what the last event led to, a line each. */
struct shop {
    struct lua_world *w;
    char lines[LINES_MAX][1024];
    size_t line_count;
};

/* A service with these files of scripts/; NULL = none. It must load. */
struct shop *shop_open(const char *handler, const char *retry, const char *dead_letter);
/* The teardown for cmocka; *state is the shop. */
int shop_close(void **state);

/* Runs the handler for the event to its first outcome. */
struct run *start(struct shop *shop, const char *topic, const char *payload);
/* The run must have returned: applies its effects and keeps the lines. */
void shop_settle(struct shop *shop);
/* start, then settle. */
void say(struct shop *shop, const char *topic, const char *payload);
/* The line must begin and contain so. */
void expect(const struct shop *shop, size_t line, const char *begins, const char *contains);
/* Whether the call that the run waits for has the text in its URL, headers or body. */
bool asks_for(const struct shop *shop, const char *text);
/* Releases a lock as the engine does before on_lock_expired. */
void remove_lock(struct lua_world *w, struct slice name);
/* Forgets the service's state. */
void forget_state(struct lua_world *w);

#endif
