/*
 * sort.c - see lua/sort.h.
 *
 * Lua's quicksort takes quadratic time for a maliciously ordered list, and no hook runs if the
 * comparison is in C. This is bottom-up heapsort (Wegener 1993): about n log n comparisons, no
 * memory, and items move only after the comparisons of a step.
 */
#include "lua/sort.h"

#include "lua/host.h"

enum { UNITS_PER_ITEM = 64 /* for one comparison and the work around it */ };

struct heap {
    lua_State *L;
    int table;
    bool (*before)(lua_State *L);
};

/* True if item i comes before item k. */
static bool comes_before(const struct heap *h, lua_Integer i, lua_Integer k) {
    script_charge(h->L, UNITS_PER_ITEM);
    lua_rawgeti(h->L, h->table, i);
    lua_rawgeti(h->L, h->table, k);
    bool before = h->before(h->L);
    lua_pop(h->L, 2);
    return before;
}

/* Where the item at `root` belongs in its subtree: down along the later children to a leaf, then up
 * again. */
static lua_Integer find_place(const struct heap *h, lua_Integer root, lua_Integer n) {
    lua_Integer at = root;
    while (2 * at + 1 <= n) {
        at = comes_before(h, 2 * at, 2 * at + 1) ? 2 * at + 1 : 2 * at;
    }
    if (2 * at <= n) {
        at = 2 * at;
    }
    while (at > root && comes_before(h, at, root)) {
        at /= 2;
    }
    return at;
}

/* Makes a heap of root and the two heaps below it. */
static void sift(const struct heap *h, lua_Integer root, lua_Integer n) {
    lua_Integer at = find_place(h, root, n);
    lua_rawgeti(h->L, h->table, root);
    for (; at >= root; at /= 2) { /* everything on the path moves up by one */
        lua_rawgeti(h->L, h->table, at);
        lua_insert(h->L, -2);
        lua_rawseti(h->L, h->table, at);
    }
    lua_pop(h->L, 1); /* the root's own, which is where it belongs */
}

void sort_list(lua_State *L, int index, lua_Integer n, bool (*before)(lua_State *L)) {
    struct heap h = {L, lua_absindex(L, index), before};
    luaL_checkstack(L, 8, "too many values to sort");
    for (lua_Integer root = n / 2; root >= 1; root--) {
        sift(&h, root, n);
    }
    for (; n > 1; n--) { /* the last of them all is on top */
        lua_rawgeti(L, h.table, n);
        lua_rawgeti(L, h.table, 1);
        lua_rawseti(L, h.table, n);
        lua_rawseti(L, h.table, 1);
        sift(&h, 1, n - 1);
    }
}
