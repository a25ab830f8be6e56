/*
 * room.c - the memory of all Lua states together: whether there is enough for another run, and how
 * to free some.
 *
 * A script cannot wait in the middle of an instruction, so the question comes before it starts. It
 * is asked with the most by which a run of the service has made its state grow lately, or, while
 * nobody knows, with all that the service may have; but with no more than half of Lua's share of
 * the budget, so that a large script runs, too. A state that is small runs whatever others have.
 *
 * Idle states hold garbage that nobody has collected yet, and what scripts keep between events.
 * When there is no room the garbage goes first, then whole states: the largest that nothing runs in
 * is replaced by a new one.
 */
#include "lua/host.h"

#include "base/limits.h"

/* What a run of the service may add to the live state. */
static size_t next_growth(const struct script_host *host, size_t service) {
    const struct script_slot *slot = &host->slots[service];
    size_t growth = slot->growth > 0 ? slot->growth : slot->live->memory_limit;
    size_t most = memory_share(host->memory, MEMORY_LUA) / 2;
    return growth < most ? growth : most;
}

bool script_fits(const struct script_host *host, size_t service) {
    const struct script_slot *slot = &host->slots[service];
    if (slot->live == NULL) {
        return true;
    }
    size_t growth = next_growth(host, service);
    return growth <= memory_room(host->memory, MEMORY_LUA) ||
           slot->live->memory_used + growth <= LUA_SMALL_BYTES;
}

static size_t garbage_of(const struct script_state *state) {
    return state != NULL && state->memory_used > state->memory_kept
               ? state->memory_used - state->memory_kept
               : 0;
}

/* The state with most of what may be garbage; NULL: none has much. */
static struct script_state *find_garbage(const struct script_host *host) {
    struct script_state *found = NULL;
    size_t most = LUA_SMALL_BYTES - 1;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        struct script_state *const states[] = {host->slots[i].live, host->slots[i].old};
        for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
            if (garbage_of(states[k]) > most) {
                most = garbage_of(states[k]);
                found = states[k];
            }
        }
    }
    return found;
}

/* The largest live state in which nothing runs; NULL: there is none that is not small. */
static struct script_state *find_idle(const struct script_host *host) {
    struct script_state *found = NULL;
    size_t most = LUA_SMALL_BYTES;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        struct script_state *state = host->slots[i].live;
        if (state != NULL && state->runs == 0 && state->memory_used > most) {
            most = state->memory_used;
            found = state;
        }
    }
    return found;
}

static void collect(struct script_state *state) {
    (void)lua_gc(state->L, LUA_GCCOLLECT);
    state->memory_kept = state->memory_used;
}

bool script_reclaim(struct script_host *host) {
    struct script_state *state = find_garbage(host);
    if (state != NULL) {
        collect(state);
        return true;
    }
    state = find_idle(host);
    if (state == NULL) {
        return false;
    }
    collect(state); /* what was kept at the last collection may have belonged to runs */
    return state->memory_used <= LUA_SMALL_BYTES || script_renew(host, state->service);
}
