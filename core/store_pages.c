/*
 * store_pages.c - see store_pages.h.
 *
 * The layout is LMDB 0.9's for 64 bits: two meta pages, B+ trees of pages below. A healthy file may
 * end before LMDB's last page when the pages at its end are free, so a short one is walked: every
 * page that the last commit reaches must lie within it. Beside a running host pages change under
 * the walk; when a commit came between it is done again.
 */
#include "store_pages.h"

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
    ROOT_AT = 40, /* in a tree */
    LAST_AT = DBS_AT + 2 * TREE_BYTES,
    META_BYTES = LAST_AT + 16,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    NODE_BIG = 1,
    NODE_TREE = 2,
    NODE_HEADER = 8,
    DEPTH_MAX = 32,
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
        if (size < 512 || size > PAGE_SIZE_MAX) {
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

static int walk_page(const struct walk *w, uint64_t number, int depth);

static int check_big(const struct walk *w, uint64_t number) {
    uint8_t header[HEADER];
    if (number >= w->pages ||
        pread(w->fd, header, HEADER, (off_t)(number * w->page_size)) != HEADER) {
        return ERR_CORRUPT;
    }
    uint32_t count = get_u32(header + 12);
    bool good = get_u64(header) == number && (get_u16(header + 10) & PAGE_OVERFLOW) != 0;
    return good && count <= w->pages - number ? 0 : ERR_CORRUPT;
}

/* What a leaf's node points to: pages of a large value, or a table. */
static int check_leaf_node(const struct walk *w, const uint8_t *page, uint32_t at, int depth) {
    uint16_t flags = get_u16(page + at + 4);
    uint32_t value = at + NODE_HEADER + get_u16(page + at + 6);
    uint32_t need = (flags & NODE_BIG) != 0 ? 8 : (flags & NODE_TREE) != 0 ? TREE_BYTES : 0;
    if (value + need > w->page_size) {
        return ERR_CORRUPT;
    }
    if ((flags & NODE_BIG) != 0) {
        return check_big(w, get_u64(page + value));
    }
    return (flags & NODE_TREE) != 0 ? walk_page(w, get_u64(page + value + ROOT_AT), depth + 1) : 0;
}

static int check_node(const struct walk *w, const uint8_t *page, uint32_t at, int depth) {
    if (at + NODE_HEADER > w->page_size) {
        return ERR_CORRUPT;
    }
    if ((get_u16(page + 10) & PAGE_LEAF) != 0) {
        return check_leaf_node(w, page, at, depth);
    }
    uint64_t child = get_u16(page + at) | (uint64_t)get_u16(page + at + 2) << 16 |
                     (uint64_t)get_u16(page + at + 4) << 32;
    return walk_page(w, child, depth + 1);
}

static int walk_page(const struct walk *w, uint64_t number, int depth) {
    if (number == no_page) {
        return 0; /* an empty table */
    }
    if (number >= w->pages || depth > DEPTH_MAX) {
        return ERR_CORRUPT;
    }
    uint8_t *page = malloc(w->page_size);
    if (page == NULL) {
        return ERR_MEMORY;
    }
    ssize_t got = pread(w->fd, page, w->page_size, (off_t)(number * w->page_size));
    uint32_t lower = got == (ssize_t)w->page_size ? get_u16(page + 12) : 0;
    bool good = lower >= HEADER && lower <= w->page_size && get_u64(page) == number &&
                (get_u16(page + 10) & (PAGE_BRANCH | PAGE_LEAF)) != 0;
    int code = good ? 0 : ERR_CORRUPT;
    for (uint32_t i = HEADER; code == 0 && i + 2 <= lower; i += 2) {
        code = check_node(w, page, get_u16(page + i), depth);
    }
    free(page);
    return code;
}

static int check_file(struct walk *w, const char *folder, struct report *r) {
    struct stat file;
    int code = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        bool known = read_meta(w);
        uint64_t txn = w->txn;
        if (fstat(w->fd, &file) != 0) {
            return report(r, ERR_DISK, "cannot look at %s/data.mdb: %s", folder, strerror(errno));
        }
        if (!known) {
            return 0; /* new, or none of ours: LMDB says so */
        }
        w->pages = (uint64_t)file.st_size / w->page_size;
        if (w->pages > w->last) {
            return 0;
        }
        code = walk_page(w, w->roots[0], 0);
        code = code == 0 ? walk_page(w, w->roots[1], 0) : code;
        if (code != ERR_CORRUPT || !read_meta(w) || w->txn == txn) {
            break;
        }
        code = 0; /* a host committed meanwhile: it has looked at the file itself */
    }
    if (code == ERR_CORRUPT) {
        return report(r, code,
                      "the store %s/data.mdb lacks pages: it has %lld bytes, its last commit "
                      "reaches further (a copy that broke off, a damaged file system); nothing was "
                      "changed: put back a whole copy of the data folder",
                      folder, (long long)file.st_size);
    }
    return code == 0 ? 0 : report(r, code, "%s/data.mdb: %s", folder, error_text(code));
}

int store_check_pages(const char *folder, struct report *r) {
    char name[4096];
    int len = snprintf(name, sizeof name, "%s/data.mdb", folder);
    if (len < 0 || (size_t)len >= sizeof name) {
        return report(r, ERR_INVALID, "store.path is too long: %s", folder);
    }
    struct walk w = {.fd = open(name, O_RDONLY | O_CLOEXEC)};
    if (w.fd < 0) {
        return errno == ENOENT ? 0
                               : report(r, ERR_DISK, "cannot open %s: %s", name, strerror(errno));
    }
    int code = check_file(&w, folder, r);
    (void)close(w.fd);
    return code;
}
