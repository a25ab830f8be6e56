/*
 * effects.c - the effects of an invocation, kept until it succeeds.
 *
 * Slices are copied into blocks that never move, so pointers to an effect stay valid while others
 * are added. Once an invocation has more than a handful of effects, an index by name is built: a
 * loop that counts ten thousand names stays linear. Left out: applying effects; the engine does
 * that.
 */
#include "lua/effects.h"

#include "base/limits.h"
#include "event/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 960,     /* enough for a usual handler; malloc is fastest below 1 KiB */
    ITEMS_FIRST = 4,       /* effects before the list grows; also below 1 KiB */
    SCAN_MAX = 16,         /* up to this many, a linear search beats an index */
    INDEX_FIRST = 64,      /* slots; a power of two */
    MERGED_BYTES_MAX = 16, /* a merged state value is a tag and a number */
};

struct effects_block {
    struct effects_block *next;
    size_t used, size;
    char data[];
};

void effects_init(struct effects *effects) {
    *effects = (struct effects){.items = NULL};
}

void effects_clear(struct effects *effects) {
    struct effects_block *block = effects->blocks;
    while (block != NULL) {
        struct effects_block *next = block->next;
        free(block);
        block = next;
    }
    free(effects->items);
    free(effects->index);
    effects_init(effects);
}

void effects_reset(struct effects *effects) {
    struct effects_block *block = effects->blocks;
    if (effects->index != NULL || (block != NULL && block->next != NULL)) {
        effects_clear(effects);
        return;
    }
    effects->count = 0;
    effects->bytes = 0;
    memset(effects->kept, 0, sizeof effects->kept);
    if (block != NULL) {
        block->used = 0;
    }
}

static char *take_bytes(struct effects *effects, size_t len) {
    struct effects_block *block = effects->blocks;
    if (block == NULL || block->size - block->used < len) {
        size_t size = len > BLOCK_BYTES ? len : BLOCK_BYTES;
        struct effects_block *fresh = malloc(sizeof *fresh + size);
        if (fresh == NULL) {
            return NULL;
        }
        fresh->next = block;
        fresh->used = 0;
        fresh->size = size;
        effects->blocks = fresh;
        block = fresh;
    }
    assert(block->used <= block->size && len <= block->size - block->used); /* INV-EFFECTS-2 */
    char *at = block->data + block->used;
    block->used += len;
    return at;
}

static struct slice copy_slice(char **at, struct slice s) {
    char *copy = *at;
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    *at += s.len + 1;
    return (struct slice){copy, s.len};
}

/* Copies the slices of `from` into blocks; `to` then points there. */
static int copy_effect(struct effects *effects, const struct effect *from, struct effect *to) {
    *to = *from;
    struct slice *const slices[] = {
        &to->name,       &to->value,        &to->owner,          &to->key,
        &to->properties, &to->content_type, &to->response_topic, &to->correlation};
    enum { SLICES = sizeof slices / sizeof slices[0] };
    size_t need = 0;
    for (size_t i = 0; i < SLICES; i++) {
        if (slices[i]->data == NULL) {
            continue;
        }
        size_t one = slices[i]->len + 1;
        if (one > EFFECTS_BYTES_MAX || need > EFFECTS_BYTES_MAX - one) {
            return ERR_LIMIT;
        }
        need += one;
    }
    if (effects->bytes > EFFECTS_BYTES_MAX - need) {
        return ERR_LIMIT;
    }
    char *at = take_bytes(effects, need);
    if (at == NULL) {
        return ERR_MEMORY;
    }
    effects->bytes += need;
    for (size_t i = 0; i < SLICES; i++) {
        if (slices[i]->data != NULL) {
            *slices[i] = copy_slice(&at, *slices[i]);
        }
    }
    return 0;
}

enum name_space { NAMES_NONE, NAMES_STATE, NAMES_LOCK };

static enum name_space names_of(enum effect_kind kind) {
    switch (kind) {
    case EFFECT_STATE_SET:
    case EFFECT_STATE_DELETE:
    case EFFECT_STATE_INCR:
        return NAMES_STATE;
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
        return NAMES_LOCK;
    case EFFECT_PUBLISH:
    case EFFECT_DEAD_LETTER:
    case EFFECT_APPEND:
    case EFFECT_CANCEL:
    case EFFECT_SIGNAL:
        break;
    }
    return NAMES_NONE;
}

static bool is_named(const struct effect *item, enum name_space names, struct slice name) {
    return names_of(item->kind) == names && slice_equal(item->name, name);
}

/* FNV-1a: names are short, and chosen by the author of the handler. */
static uint32_t hash_name(enum name_space names, struct slice name) {
    uint32_t h = 2166136261u ^ (uint32_t)names;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.data[i]) * 16777619u;
    }
    return h;
}

/* The slot with the name's last effect (position + 1), or the empty slot where it belongs. */
static uint32_t *find_slot(const struct effects *effects, enum name_space names,
                           struct slice name) {
    assert(effects->index_cap > effects->count); /* INV-EFFECTS-3 */
    size_t mask = effects->index_cap - 1;
    size_t at = hash_name(names, name) & mask;
    while (effects->index[at] != 0 &&
           !is_named(&effects->items[effects->index[at] - 1], names, name)) {
        at = (at + 1) & mask;
    }
    return &effects->index[at];
}

/* Fills the empty index. */
static void fill_index(struct effects *effects) {
    for (size_t i = 0; i < effects->count; i++) {
        enum name_space names = names_of(effects->items[i].kind);
        if (names != NAMES_NONE) {
            *find_slot(effects, names, effects->items[i].name) = (uint32_t)(i + 1);
        }
    }
}

static int grow_index(struct effects *effects) {
    size_t cap = effects->index_cap == 0 ? INDEX_FIRST : effects->index_cap * 2;
    uint32_t *index = calloc(cap, sizeof *index);
    if (index == NULL) {
        return ERR_MEMORY;
    }
    free(effects->index);
    effects->index = index;
    effects->index_cap = cap;
    fill_index(effects);
    return 0;
}

static struct effect *find_last(const struct effects *effects, enum name_space names,
                                struct slice name) {
    if (effects->index != NULL) {
        uint32_t slot = *find_slot(effects, names, name);
        return slot == 0 ? NULL : &effects->items[slot - 1];
    }
    for (size_t i = effects->count; i-- > 0;) {
        if (is_named(&effects->items[i], names, name)) {
            return &effects->items[i];
        }
    }
    return NULL;
}

static int reserve_item(struct effects *effects) {
    if (effects->count >= EFFECTS_MAX) {
        return ERR_LIMIT;
    }
    if (effects->count == effects->cap) {
        size_t cap = effects->cap == 0 ? ITEMS_FIRST : effects->cap * 2;
        struct effect *items = realloc(effects->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_MEMORY;
        }
        effects->items = items;
        effects->cap = cap;
    }
    bool full = (effects->count + 1) * 2 > effects->index_cap;
    return effects->count >= SCAN_MAX && full ? grow_index(effects) : 0;
}

static int append_effect(struct effects *effects, const struct effect *effect) {
    int rc = reserve_item(effects);
    if (rc != 0) {
        return rc;
    }
    struct effect *item = &effects->items[effects->count];
    rc = copy_effect(effects, effect, item);
    if (rc != 0) {
        return rc;
    }
    enum name_space names = names_of(item->kind);
    if (effects->index != NULL && names != NAMES_NONE) {
        *find_slot(effects, names, item->name) = (uint32_t)(effects->count + 1);
    }
    effects->count++;
    return 0;
}

static void merge_deltas(struct effect *last, const struct effect *more) {
    int64_t sum;
    if (last->delta_is_int && more->delta_is_int &&
        !__builtin_add_overflow(last->delta_int, more->delta_int, &sum)) {
        last->delta_int = sum;
        return;
    }
    double a = last->delta_is_int ? (double)last->delta_int : last->delta;
    double b = more->delta_is_int ? (double)more->delta_int : more->delta;
    last->delta = a + b;
    last->delta_is_int = false;
}

/* `last` is a SET or a DELETE of the same name: turns it into a SET of the sum. */
static int merge_into_value(struct effects *effects, struct effect *last,
                            const struct effect *incr) {
    struct slice value = last->kind == EFFECT_STATE_DELETE ? (struct slice){NULL, 0} : last->value;
    struct buf sum;
    buf_init(&sum, MERGED_BYTES_MAX);
    int rc = value_add(value, incr->delta_is_int, incr->delta_int, incr->delta, &sum);
    if (rc == 0) {
        struct effect set = {
            .kind = EFFECT_STATE_SET, .name = last->name, .value = buf_slice(&sum)};
        set.due_ms = last->kind == EFFECT_STATE_SET ? last->due_ms : 0;
        struct effect copied;
        rc = copy_effect(effects, &set, &copied);
        if (rc == 0) {
            *last = copied;
        }
    }
    buf_clear(&sum);
    return rc;
}

static int merge_state(struct effects *effects, struct effect *last, const struct effect *effect) {
    assert(names_of(last->kind) == NAMES_STATE);
    if (effect->kind != EFFECT_STATE_INCR) {
        struct effect copied;
        int rc = copy_effect(effects, effect, &copied);
        if (rc == 0) {
            *last = copied;
        }
        return rc;
    }
    if (last->kind == EFFECT_STATE_INCR) {
        merge_deltas(last, effect);
        return 0;
    }
    return merge_into_value(effects, last, effect);
}

int effects_add(struct effects *effects, const struct effect *effect) {
    assert(effects->count <= effects->cap && effects->count <= EFFECTS_MAX); /* INV-EFFECTS-1 */
    assert(effects->bytes <= EFFECTS_BYTES_MAX);                             /* INV-EFFECTS-1 */
    if (names_of(effect->kind) == NAMES_STATE) {
        struct effect *last = find_last(effects, NAMES_STATE, effect->name);
        if (last != NULL) {
            return merge_state(effects, last, effect);
        }
    }
    return append_effect(effects, effect);
}

const struct effect *effects_state(const struct effects *effects, struct slice name) {
    return find_last(effects, NAMES_STATE, name);
}

const struct effect *effects_lock(const struct effects *effects, struct slice name) {
    return find_last(effects, NAMES_LOCK, name);
}

static struct effect *find_id(const struct effects *effects, enum effect_kind kind,
                              const struct uuid *id) {
    for (size_t i = 0; i < effects->count; i++) {
        struct effect *item = &effects->items[i];
        if (item->kind == kind && uuid_equal(&item->id, id)) {
            return item;
        }
    }
    return NULL;
}

bool effects_withdraw(struct effects *effects, const struct uuid *id) {
    struct effect *item = find_id(effects, EFFECT_PUBLISH, id);
    if (item == NULL) {
        return false;
    }
    effects->count--;
    size_t behind = effects->count - (size_t)(item - effects->items);
    memmove(item, item + 1, behind * sizeof *item);
    if (effects->index != NULL) {
        memset(effects->index, 0, effects->index_cap * sizeof *effects->index);
        fill_index(effects);
    }
    return true;
}

const struct effect *effects_publish(const struct effects *effects, const struct uuid *id) {
    return find_id(effects, EFFECT_PUBLISH, id);
}

bool effects_cancels(const struct effects *effects, const struct uuid *id) {
    return find_id(effects, EFFECT_CANCEL, id) != NULL;
}
