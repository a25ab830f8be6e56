/*
 * store_pages.c - see store_pages.h.
 *
 * The layout is LMDB 0.9's for 64 bits: two meta pages, B+ trees of pages below. A healthy file may
 * end before LMDB's last page when the pages at its end are free, so a short one is walked: every
 * page that the last commit reaches must lie within it, and be one that LMDB can follow. Beside a
 * running host pages change under the walk; when a commit came between it is done again.
 */
#include "store_pages.h"

#include "buf.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER = 16, /* of a page: number, pad, flags, lower, upper or count of pages */
    MAGIC_AT = HEADER,
    DBS_AT = HEADER + 24, /* two trees of 48 bytes: free pages, main */
    TREE_BYTES = 48,
    FLAGS_AT = 4, /* in a tree */
    ROOT_AT = 40,
    LAST_AT = DBS_AT + 2 * TREE_BYTES,
    META_BYTES = LAST_AT + 16,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_KINDS = 0x2f, /* with meta, and pages without node heads: we have none */
    INTEGER_KEYS = 8,  /* a tree's flag */
    NODE_BIG = 1,
    NODE_TREE = 2,
    NODE_HEADER = 8,
    DEPTH_MAX = 32,
    LMDB_KEY_MAX = 511,
    TRIES_MAX = 5,
    PAGE_SIZE_MAX = 65536,
    META_PAGE_SIZE = 4096,
};

static const uint32_t magic = 0xBEEFC0DE;
static const uint64_t no_page = UINT64_MAX;

struct walk {
    int fd;
    uint64_t pages; /* whole ones in the file */
    uint64_t txn;
    uint64_t last; /* the last page LMDB has ever used */
    uint64_t roots[2];
    uint32_t page_size;
    int64_t bytes; /* of the file */
    uint8_t *seen; /* a bit a page */
    bool free_list;
    bool in_table; /* its leaves have rows, those above them tables */
};

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

/* Whether the free pages have numbers for keys, and the tables plain ones, as we make them. */
static bool has_plain_trees(const uint8_t *meta) {
    return get_u16(meta + DBS_AT + FLAGS_AT) == INTEGER_KEYS &&
           get_u16(meta + DBS_AT + TREE_BYTES + FLAGS_AT) == 0;
}

/* The newer of both meta pages; false when there is no readable one. */
static bool read_meta(struct walk *w) {
    uint8_t meta[META_BYTES];
    bool found = false;
    uint32_t size = META_PAGE_SIZE;
    for (int i = 0; i < 2; i++) {
        ssize_t got = pread(w->fd, meta, sizeof meta, (off_t)i * size);
        if (got != (ssize_t)sizeof meta || get_u32(meta + MAGIC_AT) != magic) {
            return false;
        }
        size = get_u32(meta + DBS_AT);
        if (size < 512 || size > PAGE_SIZE_MAX || !has_plain_trees(meta)) {
            return false;
        }
        uint64_t txn = get_u64(meta + LAST_AT + 8);
        if (!found || txn > w->txn) {
            w->txn = txn;
            w->last = get_u64(meta + LAST_AT);
            w->roots[0] = get_u64(meta + DBS_AT + ROOT_AT);
            w->roots[1] = get_u64(meta + DBS_AT + TREE_BYTES + ROOT_AT);
            w->page_size = size;
        }
        found = true;
    }
    return true;
}

/* A page that is reached twice is damage, and might be a circle. */
static bool reach(struct walk *w, uint64_t first, uint64_t count) {
    for (uint64_t i = first; i < first + count; i++) {
        uint8_t bit = (uint8_t)(1u << (i & 7));
        if ((w->seen[i / 8] & bit) != 0) {
            return false;
        }
        w->seen[i / 8] |= bit;
    }
    return true;
}

/* --- rows --- */

/* A list of pages that may be written to: LMDB takes its numbers as they are. */
static bool is_free_list(const struct walk *w, struct slice key, struct slice value) {
    uint64_t count = value.len < 8 ? UINT64_MAX : get_u64((const uint8_t *)value.data);
    if (key.len != 8 || count > value.len / 8 - 1) {
        return false;
    }
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = get_u64((const uint8_t *)value.data + 8 * i);
        if (number < 2 || number > w->last) {
            return false;
        }
    }
    return true;
}

static int take_row(const struct walk *w, struct slice key, struct slice value) {
    return w->free_list && !is_free_list(w, key, value) ? ERR_CORRUPT : 0;
}

/* A value with pages of its own. */
static int take_big(struct walk *w, struct slice key, uint64_t number, uint32_t bytes) {
    uint8_t header[HEADER];
    if (number < 2 || number >= w->pages ||
        pread(w->fd, header, HEADER, (off_t)(number * w->page_size)) != HEADER) {
        return ERR_CORRUPT;
    }
    uint64_t count = get_u32(header + 12);
    bool good = get_u64(header) == number && (get_u16(header + 10) & PAGE_OVERFLOW) != 0 &&
                count > 0 && count <= w->pages - number &&
                count * w->page_size >= HEADER + (uint64_t)bytes;
    if (!good || !reach(w, number, count)) {
        return ERR_CORRUPT;
    }
    if (!w->free_list) {
        return 0;
    }
    char *value = malloc(bytes + 1u);
    if (value == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, value, bytes, (off_t)(number * w->page_size + HEADER));
    int code = got == (ssize_t)bytes ? take_row(w, key, (struct slice){value, bytes}) : ERR_CORRUPT;
    free(value);
    return code;
}

/* --- pages --- */

static int walk_page(struct walk *w, uint64_t number, int depth);

static int walk_table(struct walk *w, uint64_t root) {
    w->in_table = true;
    int code = walk_page(w, root, 1);
    w->in_table = false;
    return code;
}

static int walk_leaf_node(struct walk *w, const uint8_t *page, uint32_t at) {
    uint16_t flags = get_u16(page + at + 4);
    uint32_t key_len = get_u16(page + at + 6);
    uint32_t bytes = get_u16(page + at) | (uint32_t)get_u16(page + at + 2) << 16;
    bool tree = (flags & NODE_TREE) != 0;
    bool big = (flags & NODE_BIG) != 0;
    uint64_t value = (uint64_t)at + NODE_HEADER + key_len;
    bool tables = !w->in_table && !w->free_list;
    if (value + (big ? 8 : bytes) > w->page_size || tree != tables || key_len == 0 ||
        key_len > LMDB_KEY_MAX || (flags & ~(NODE_BIG | NODE_TREE)) != 0 ||
        (tree && (big || bytes != TREE_BYTES || get_u16(page + value + FLAGS_AT) != 0))) {
        return ERR_CORRUPT;
    }
    struct slice key = {(const char *)page + at + NODE_HEADER, key_len};
    if (tree) {
        return walk_table(w, get_u64(page + value + ROOT_AT));
    }
    return big ? take_big(w, key, get_u64(page + value), bytes)
               : take_row(w, key, (struct slice){(const char *)page + value, bytes});
}

static int walk_node(struct walk *w, const uint8_t *page, uint32_t i, int depth) {
    uint32_t at = get_u16(page + HEADER + 2 * i);
    bool leaf = (get_u16(page + 10) & PAGE_LEAF) != 0;
    if (at < get_u16(page + 14) || at + NODE_HEADER > w->page_size ||
        (!leaf && at + NODE_HEADER + get_u16(page + at + 6) > w->page_size)) {
        return ERR_CORRUPT;
    }
    if (leaf) {
        return walk_leaf_node(w, page, at);
    }
    uint64_t child = get_u16(page + at) | (uint64_t)get_u16(page + at + 2) << 16 |
                     (uint64_t)get_u16(page + at + 4) << 32;
    return walk_page(w, child, depth + 1);
}

/* Whether the head of a page is one that LMDB writes. */
static bool is_page(const struct walk *w, const uint8_t *page, uint64_t number) {
    uint16_t kind = get_u16(page + 10) & PAGE_KINDS;
    uint32_t lower = get_u16(page + 12);
    uint32_t upper = get_u16(page + 14);
    uint32_t least = kind == PAGE_BRANCH && !w->free_list ? 2 : 1;
    return get_u64(page) == number && (kind == PAGE_BRANCH || kind == PAGE_LEAF) &&
           lower % 2 == 0 && lower >= HEADER + 2 * least && lower <= upper && upper <= w->page_size;
}

static int walk_page(struct walk *w, uint64_t number, int depth) {
    if (number == no_page) {
        return 0; /* an empty table */
    }
    if (number < 2 || number >= w->pages) {
        return ERR_CORRUPT;
    }
    if (depth > DEPTH_MAX || !reach(w, number, 1)) {
        return ERR_CORRUPT;
    }
    uint8_t *page = malloc(w->page_size);
    if (page == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, page, w->page_size, (off_t)(number * w->page_size));
    bool good = got == (ssize_t)w->page_size && is_page(w, page, number);
    int code = good ? 0 : ERR_CORRUPT;
    uint32_t nodes = good ? (get_u16(page + 12) - (uint32_t)HEADER) / 2 : 0;
    for (uint32_t i = 0; code == 0 && i < nodes; i++) {
        code = walk_node(w, page, i, depth);
    }
    free(page);
    return code;
}

/* The free pages, then the tables. w->pages is known. */
static int walk_file(struct walk *w) {
    free(w->seen);
    w->seen = calloc(w->pages / 8 + 1, 1);
    if (w->seen == NULL) {
        return ERR_MEMORY;
    }
    w->free_list = true;
    int code = walk_page(w, w->roots[0], 1);
    w->free_list = false;
    return code == 0 ? walk_page(w, w->roots[1], 1) : code;
}

/* --- the file --- */

static int measure(struct walk *w, const char *folder, struct report *r) {
    struct stat file;
    if (fstat(w->fd, &file) != 0) {
        return report(r, ERR_DISK, "cannot look at %s/data.mdb: %s", folder, strerror(errno));
    }
    w->bytes = file.st_size;
    w->pages = w->page_size == 0 ? 0 : (uint64_t)file.st_size / w->page_size;
    return 0;
}

static int refuse(const struct walk *w, const char *folder, struct report *r) {
    const char *what = w->pages <= w->last ? "lacks pages" : "has damaged pages";
    return report(r, ERR_CORRUPT,
                  "the store %s/data.mdb %s: it has %lld bytes, its last commit reaches %llu (a "
                  "copy that broke off, a damaged file system); nothing was changed: put back a "
                  "whole copy of the data folder",
                  folder, what, (long long)w->bytes,
                  (unsigned long long)(w->last + 1) * w->page_size);
}

static int check_file(struct walk *w, const char *folder, bool whole, struct report *r) {
    int code = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        bool known = read_meta(w);
        uint64_t txn = w->txn;
        code = measure(w, folder, r);
        if (code != 0 || w->bytes == 0) {
            return code; /* new */
        }
        if (!known) {
            return report(
                r, ERR_CORRUPT,
                "%s/data.mdb is no LMDB file: it is damaged, or something else has been "
                "put there; nothing was changed: put back a whole copy of the data folder",
                folder);
        }
        bool small = (uint64_t)w->bytes <= STORE_WALK_BYTES_MAX;
        if (w->pages > w->last && !(whole && small)) {
            return 0;
        }
        code = walk_file(w);
        if (code != ERR_CORRUPT || !read_meta(w) || w->txn == txn) {
            break;
        }
        code = 0; /* a host committed meanwhile: it has looked at the file itself */
    }
    if (code == ERR_CORRUPT) {
        return refuse(w, folder, r);
    }
    return code == 0 ? 0 : report(r, code, "%s/data.mdb: %s", folder, error_text(code));
}

/* ERR_NOTFOUND: no such file. */
static int open_file(struct walk *w, const char *folder, struct report *r) {
    char name[4096];
    int len = snprintf(name, sizeof name, "%s/data.mdb", folder);
    if (len < 0 || (size_t)len >= sizeof name) {
        return report(r, ERR_INVALID, "store.path is too long: %s", folder);
    }
    w->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (w->fd >= 0) {
        return 0;
    }
    return report(r, errno == ENOENT ? ERR_NOTFOUND : ERR_DISK, "cannot open %s: %s", name,
                  strerror(errno));
}

int store_check_pages(const char *folder, bool whole, struct report *r) {
    struct walk w = {.fd = -1};
    struct report none;
    int code = open_file(&w, folder, &none);
    if (code == ERR_NOTFOUND) {
        return 0;
    }
    if (code != 0) {
        return report(r, code, "%s", none.text);
    }
    code = check_file(&w, folder, whole, r);
    free(w.seen);
    (void)close(w.fd);
    return code;
}
