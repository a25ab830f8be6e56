/*
 * walk.c - see store/walk.h.
 *
 * The layout is that of LMDB 0.9 on 64 bits: two meta pages, and B+ trees of pages below them.
 *
 * The walk checks what LMDB trusts: that pages and nodes are within their bounds, that no page is
 * used twice or both used and free, that nodes do not overlap, that keys are in order, and that
 * trees have the depth and number of rows that are recorded.
 *
 * A survey is the same walk, but it notes a flaw and continues.
 */
#include "store/walk.h"

#include "store/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER = 16, /* of a page: number, pad, flags, lower, upper or number of pages */
    MAGIC_AT = HEADER,
    DBS_AT = HEADER + 24, /* two trees of 48 bytes: free pages, main */
    TREE_BYTES = WALK_TREE_BYTES,
    FLAGS_AT = 4, /* in a tree */
    DEPTH_AT = 6,
    ROWS_AT = 32,
    ROOT_AT = 40,
    LAST_AT = DBS_AT + 2 * TREE_BYTES,
    META_BYTES = LAST_AT + 16,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_KINDS = 0x2f, /* also meta, and pages without node headers: we have none */
    INTEGER_KEYS = 8,  /* a tree's flag */
    NODE_BIG = 1,
    NODE_TREE = 2,
    NODE_HEADER = 8,
    DEPTH_MAX = 32,
    LMDB_KEY_MAX = 511,
    PAGE_SIZE_MAX = 65536,
    META_PAGE_SIZE = 4096,
};

static const uint32_t magic = 0xBEEFC0DE;
static const uint64_t no_page = UINT64_MAX;

static uint16_t get_u16(const uint8_t *at) {
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static uint32_t get_u32(const uint8_t *at) {
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static uint64_t get_u64(const uint8_t *at) {
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* True if the keys of the free list are numbers, and those of the tables are not, as we create
 * them. */
static bool has_plain_trees(const uint8_t *meta) {
    return get_u16(meta + DBS_AT + FLAGS_AT) == INTEGER_KEYS &&
           get_u16(meta + DBS_AT + TREE_BYTES + FLAGS_AT) == 0;
}

static bool read_one_meta(struct walk *w, int i, uint32_t *size, uint8_t meta[META_BYTES]) {
    ssize_t got = pread(w->fd, meta, META_BYTES, (off_t)i * *size);
    if (got != META_BYTES || get_u32(meta + MAGIC_AT) != magic) {
        return false;
    }
    uint32_t found = get_u32(meta + DBS_AT);
    bool fits = found >= 512 && found <= PAGE_SIZE_MAX && (found & (found - 1)) == 0;
    *size = fits ? found : *size;
    return fits && has_plain_trees(meta);
}

bool walk_read_meta(struct walk *w) {
    uint8_t meta[META_BYTES];
    int found = 0;
    uint32_t size = META_PAGE_SIZE;
    for (int i = 0; i < 2; i++) {
        if (!read_one_meta(w, i, &size, meta)) {
            continue;
        }
        uint64_t txn = get_u64(meta + LAST_AT + 8);
        if (found == 0 || txn > w->txn) {
            w->txn = txn;
            w->last = get_u64(meta + LAST_AT);
            memcpy(w->trees, meta + DBS_AT, sizeof w->trees);
            w->page_size = size;
        }
        found++;
    }
    return found == 2 || (found == 1 && w->survey != NULL);
}

/* --- what is wrong --- */

/* ERR_CORRUPT if the file is only checked; a survey notes the flaw and continues. */
static int flaw(struct walk *w, const char *what, uint64_t number) {
    char text[128];
    w->flaws++;
    if (w->survey == NULL) {
        return ERR_CORRUPT;
    }
    (void)snprintf(text, sizeof text, "page %llu %s", (unsigned long long)number, what);
    return w->survey->on_flaw(w->survey->ctx, w->table, text);
}

/* A page that is reached twice is damage, and possibly a cycle. */
static bool reach(struct walk *w, uint64_t first, uint64_t count) {
    for (uint64_t i = first; i < first + count; i++) {
        uint8_t bit = (uint8_t)(1u << (i & 7));
        if (i > w->last || (w->seen[i / 8] & bit) != 0) {
            return false;
        }
        w->seen[i / 8] |= bit;
    }
    return true;
}

/* --- rows --- */

/* A list of reusable pages, in descending order: LMDB uses its numbers as they are. */
static bool is_free_list(struct walk *w, struct slice key, struct slice value) {
    uint64_t count = value.len < 8 ? UINT64_MAX : get_u64((const uint8_t *)value.data);
    if (key.len != 8 || count > value.len / 8 - 1) {
        return false;
    }
    uint64_t before = UINT64_MAX;
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = get_u64((const uint8_t *)value.data + 8 * i);
        if (number < 2 || number > w->last || number >= before ||
            (number < w->pages && !reach(w, number, 1))) {
            return false;
        }
        before = number;
    }
    return true;
}

static int take_row(struct walk *w, struct slice key, struct slice value, uint64_t number) {
    w->rows++;
    if (w->free_list) {
        return is_free_list(w, key, value) ? 0 : flaw(w, "has a wrong list of free pages", number);
    }
    return w->survey == NULL ? 0 : w->survey->on_row(w->survey->ctx, w->table, key, value);
}

/* True if a value of this size has pages of its own, starting there; `header` is that of the
 * first. */
static bool is_big(const struct walk *w, uint64_t number, uint32_t bytes, uint8_t header[HEADER]) {
    if (number < 2 || number >= w->pages ||
        pread(w->fd, header, HEADER, (off_t)(number * w->page_size)) != HEADER) {
        return false;
    }
    uint64_t count = get_u32(header + 12);
    return get_u64(header) == number && get_u16(header + 10) == PAGE_OVERFLOW && count > 0 &&
           count <= w->pages - number && count * w->page_size >= HEADER + (uint64_t)bytes;
}

/* A value with pages of its own. */
static int take_big(struct walk *w, struct slice key, uint64_t number, uint32_t bytes) {
    uint8_t header[HEADER];
    if (!is_big(w, number, bytes, header) || !reach(w, number, get_u32(header + 12))) {
        return flaw(w, "is missing or damaged: a large value is lost", number);
    }
    if (w->survey == NULL && !w->free_list) {
        w->rows++;
        return 0;
    }
    char *value = malloc(bytes + 1u);
    if (value == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, value, bytes, (off_t)(number * w->page_size + HEADER));
    int code = got == (ssize_t)bytes ? take_row(w, key, (struct slice){value, bytes}, number)
                                     : flaw(w, "cannot be read: a large value is lost", number);
    free(value);
    return code;
}

/* --- nodes --- */

/* A node of a page: its start, its kind, its end. */
struct node {
    uint32_t at, end;
    struct slice key;
    uint16_t flags;    /* only in a leaf */
    uint32_t bytes;    /* of the value, only in a leaf */
    uint64_t value_at; /* offset in the page */
    uint64_t child;    /* only in a branch */
};

static bool is_leaf(const uint8_t *page) {
    return (get_u16(page + 10) & PAGE_LEAF) != 0;
}

/* False: it is not within the page. */
static bool read_node(const struct walk *w, const uint8_t *page, uint32_t i, struct node *n) {
    n->at = get_u16(page + HEADER + 2 * i);
    if (n->at < get_u16(page + 14) || n->at % 2 != 0 || n->at + NODE_HEADER > w->page_size) {
        return false;
    }
    const uint8_t *node = page + n->at;
    n->key = (struct slice){(const char *)node + NODE_HEADER, get_u16(node + 6)};
    n->value_at = n->at + NODE_HEADER + (uint64_t)n->key.len;
    n->flags = get_u16(node + 4);
    uint64_t low = get_u16(node) | (uint64_t)get_u16(node + 2) << 16;
    n->child = low | (uint64_t)n->flags << 32;
    n->bytes = (uint32_t)low;
    uint64_t end = n->value_at;
    if (is_leaf(page)) {
        end += (n->flags & NODE_BIG) != 0 ? 8 : n->bytes;
    }
    n->end = (uint32_t)(end + (end & 1));
    return end <= w->page_size && n->key.len <= LMDB_KEY_MAX;
}

static bool in_order(const struct walk *w, struct slice a, struct slice b) {
    if (w->free_list) {
        return a.len == 8 && b.len == 8 &&
               get_u64((const uint8_t *)a.data) < get_u64((const uint8_t *)b.data);
    }
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order < 0 || (order == 0 && a.len < b.len);
}

/* Nodes fill the page from its end without gaps or overlaps; keys ascend. */
static bool has_sound_nodes(const struct walk *w, const uint8_t *page, uint32_t nodes) {
    uint8_t used[PAGE_SIZE_MAX / 2 / 8] = {0};
    struct node last = {.key = {NULL, 0}};
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < nodes; i++) {
        struct node n;
        if (!read_node(w, page, i, &n)) {
            return false;
        }
        for (uint32_t at = n.at / 2; at < n.end / 2; at++) {
            uint8_t bit = (uint8_t)(1u << (at & 7));
            if ((used[at / 8] & bit) != 0) {
                return false;
            }
            used[at / 8] |= bit;
        }
        bytes += n.end - n.at;
        bool first =
            i == 0 || (i == 1 && !is_leaf(page)); /* the first key of a branch does not count */
        if (!first && !in_order(w, last.key, n.key)) {
            return false;
        }
        last = n;
    }
    return bytes == w->page_size - get_u16(page + 14);
}

/* --- pages --- */

static int walk_page(struct walk *w, uint64_t number, int depth);

static int walk_tree(struct walk *w, struct slice table, const uint8_t *tree) {
    struct walk outer = *w;
    w->table = table;
    w->depth = get_u16(tree + DEPTH_AT);
    w->rows = 0;
    w->flaws = 0;
    int code = walk_page(w, get_u64(tree + ROOT_AT), 1);
    if (code == 0 && w->flaws == 0 && w->rows != get_u64(tree + ROWS_AT)) {
        code = flaw(w, "begins a tree that has more rows, or less, than are counted",
                    get_u64(tree + ROOT_AT));
    }
    w->table = outer.table;
    w->depth = outer.depth;
    w->rows = outer.rows;
    w->flaws += outer.flaws;
    return code;
}

static int walk_leaf_node(struct walk *w, const uint8_t *page, const struct node *n,
                          uint64_t number) {
    bool tree = (n->flags & NODE_TREE) != 0;
    bool big = (n->flags & NODE_BIG) != 0;
    const uint8_t *value = page + n->value_at;
    bool tables = w->table.len == 0;
    if (tree != tables || n->key.len == 0 || (n->flags & ~(NODE_BIG | NODE_TREE)) != 0 ||
        (tree && (big || n->bytes != TREE_BYTES || get_u16(value + FLAGS_AT) != 0))) {
        return flaw(w, "has a damaged row, which is lost", number);
    }
    if (tree) {
        w->rows++;
        return walk_tree(w, n->key, value);
    }
    return big ? take_big(w, n->key, get_u64(value), n->bytes)
               : take_row(w, n->key, (struct slice){(const char *)value, n->bytes}, number);
}

static int walk_node(struct walk *w, const uint8_t *page, uint32_t i, uint64_t number, int depth) {
    struct node n;
    if (!read_node(w, page, i, &n)) {
        return flaw(w, "has a damaged row, which is lost", number);
    }
    return is_leaf(page) ? walk_leaf_node(w, page, &n, number) : walk_page(w, n.child, depth + 1);
}

/* True if LMDB could have written this page header. */
static bool is_page(const struct walk *w, const uint8_t *page, uint64_t number) {
    uint16_t kind = get_u16(page + 10) & PAGE_KINDS;
    uint32_t lower = get_u16(page + 12);
    uint32_t upper = get_u16(page + 14);
    uint32_t least = kind == PAGE_BRANCH && !w->free_list ? 2 : 1;
    return get_u64(page) == number && (kind == PAGE_BRANCH || kind == PAGE_LEAF) &&
           lower % 2 == 0 && lower >= HEADER + 2 * least && lower <= upper && upper <= w->page_size;
}

static int walk_nodes(struct walk *w, const uint8_t *page, uint64_t number, int depth) {
    if (!is_page(w, page, number)) {
        return flaw(w, "is damaged: its contents are lost", number);
    }
    uint32_t nodes = (get_u16(page + 12) - (uint32_t)HEADER) / 2;
    bool deep = is_leaf(page) == (depth == w->depth);
    int code = deep && has_sound_nodes(w, page, nodes)
                   ? 0
                   : flaw(w, "is damaged: what cannot be read of it is lost", number);
    for (uint32_t i = 0; code == 0 && i < nodes; i++) {
        code = walk_node(w, page, i, number, depth);
    }
    return code;
}

static int walk_page(struct walk *w, uint64_t number, int depth) {
    if (number == no_page) {
        return depth == 1 ? 0 : flaw(w, "is missing: its contents are lost", number); /* empty */
    }
    if (number < 2 || number >= w->pages) {
        return flaw(w, "is missing: its contents are lost", number);
    }
    if (depth > DEPTH_MAX || !reach(w, number, 1)) {
        return flaw(w, "is reached twice: its contents here are lost", number);
    }
    uint8_t *page = malloc(w->page_size);
    if (page == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, page, w->page_size, (off_t)(number * w->page_size));
    int code = got == (ssize_t)w->page_size
                   ? walk_nodes(w, page, number, depth)
                   : flaw(w, "cannot be read: its contents are lost", number);
    free(page);
    return code;
}

int walk_file(struct walk *w) {
    uint8_t trees[2][TREE_BYTES];
    memcpy(trees, w->trees, sizeof trees);
    free(w->seen);
    w->seen = calloc(w->pages / 8 + 1, 1);
    if (w->seen == NULL) {
        return ERR_MEMORY;
    }
    w->free_list = true;
    int code = walk_tree(w, slice_of("free pages"), trees[0]);
    w->free_list = false;
    return code == 0 ? walk_tree(w, (struct slice){"", 0}, trees[1]) : code;
}

/* --- stray pages --- */

/* Reads the page into the caller's memory; false if it is not a leaf that may have been lost. */
static bool read_stray(struct walk *w, uint64_t number, uint8_t *page) {
    assert(number >= 2 && number < w->pages);
    if (number > w->last || (w->seen[number / 8] & (1u << (number & 7))) != 0) {
        return false;
    }
    ssize_t got = pread(w->fd, page, w->page_size, (off_t)(number * w->page_size));
    if (got != (ssize_t)w->page_size || !is_page(w, page, number) || !is_leaf(page)) {
        return false;
    }
    return has_sound_nodes(w, page, (get_u16(page + 12) - (uint32_t)HEADER) / 2);
}

static int give_stray(struct walk *w, const uint8_t *page, uint32_t i, walk_row *each, void *ctx) {
    struct node n;
    uint8_t header[HEADER];
    bool sound = read_node(w, page, i, &n);
    assert(sound); /* as are all nodes of the page: has_sound_nodes */
    if (n.key.len == 0 || (n.flags & ~NODE_BIG) != 0) {
        return ERR_CORRUPT;
    }
    if ((n.flags & NODE_BIG) == 0) {
        return each(ctx, n.key, (struct slice){(const char *)page + n.value_at, n.bytes});
    }
    uint64_t first = get_u64(page + n.value_at);
    if (!is_big(w, first, n.bytes, header)) {
        return 0; /* a large value that is lost */
    }
    char *value = malloc(n.bytes + 1u);
    if (value == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, value, n.bytes, (off_t)(first * w->page_size + HEADER));
    int code = got == (ssize_t)n.bytes ? each(ctx, n.key, (struct slice){value, n.bytes}) : 0;
    free(value);
    return code;
}

bool walk_is_stray(struct walk *w, uint64_t number) {
    uint8_t *page = malloc(w->page_size);
    bool stray = page != NULL && read_stray(w, number, page);
    free(page);
    return stray;
}

int walk_stray(struct walk *w, uint64_t number, walk_row *each, void *ctx) {
    uint8_t *page = malloc(w->page_size);
    if (page == NULL) {
        return ERR_MEMORY;
    }
    int code = read_stray(w, number, page) ? 0 : ERR_CORRUPT;
    uint32_t nodes = code == 0 ? (get_u16(page + 12) - (uint32_t)HEADER) / 2 : 0;
    for (uint32_t i = 0; code == 0 && i < nodes; i++) {
        code = give_stray(w, page, i, each, ctx);
    }
    free(page);
    return code;
}

/* --- the file --- */

int walk_open(struct walk *w, const char *folder, struct report *r) {
    char name[STORE_PATH_BYTES];
    int code = store_data_file(folder, name, r);
    if (code != 0) {
        return code;
    }
    w->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (w->fd >= 0) {
        return 0;
    }
    return report(r, errno == ENOENT ? ERR_NOTFOUND : ERR_DISK, "cannot open %s: %s", name,
                  strerror(errno));
}

int walk_measure(struct walk *w, const char *folder, struct report *r) {
    struct stat file;
    if (fstat(w->fd, &file) != 0) {
        return report(r, ERR_DISK, "cannot look at %s/data.mdb: %s", folder, strerror(errno));
    }
    w->bytes = file.st_size;
    w->pages = w->page_size == 0 ? 0 : (uint64_t)file.st_size / w->page_size;
    return 0;
}
