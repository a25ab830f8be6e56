/*
 * compact.c - see store/compact.h.
 *
 * LMDB writes a copy into a separate folder next to the file. When all of it is on disk, one rename
 * puts it in the file's place. A copy made by LMDB has one empty meta page, which a later start
 * could select if another process still has the old lock.mdb open. So two commits are made to the
 * copy: after them, both its meta pages describe the whole store.
 */
#include "store/compact.h"

#include "store/copy.h"
#include "store/folder.h"
#include "store/impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SPARE_BYTES = 16 << 20
}; /* room above the size of the file, for the few pages written here */

struct compaction {
    struct store_options options;
    struct store *from;
    struct store *to;
    char folder[STORE_PATH_BYTES]; /* of the copy */
    char copy[STORE_PATH_BYTES], file[STORE_PATH_BYTES], lock[STORE_PATH_BYTES];
};

static int name_files(struct compaction *c, struct report *r) {
    const char *path = c->options.path;
    const struct {
        char *out;
        const char *name;
    } names[] = {{c->folder, STORE_COMPACT_FOLDER},
                 {c->copy, STORE_COMPACT_FOLDER "/data.mdb"},
                 {c->file, "data.mdb"},
                 {c->lock, "lock.mdb"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int len = snprintf(names[i].out, STORE_PATH_BYTES, "%s/%s", path, names[i].name);
        if ((size_t)len >= STORE_PATH_BYTES) {
            return report(r, ERR_INVALID, "store.path is too long: %s", path);
        }
    }
    return 0;
}

static int size_of(const char *name, uint64_t *bytes, struct report *r) {
    struct stat st;
    if (stat(name, &st) != 0) {
        return report(r, errno == ENOENT ? ERR_NOTFOUND : ERR_DISK, "cannot look at %s: %s", name,
                      strerror(errno));
    }
    *bytes = (uint64_t)st.st_size;
    return 0;
}

/* Makes both meta pages of the copy describe the whole store. */
static int settle_copy(struct compaction *c, struct report *r) {
    const struct store_options options = {
        .path = c->folder, .max_bytes = c->options.max_bytes, .logged = c->options.logged};
    int code = store_open(&c->to, &options, r);
    for (int i = 0; i < 2 && code == 0; i++) {
        code = store_begin(c->to);
        code = code == 0 ? store_write_schema(c->to) : code;
        code = code == 0 ? store_commit(c->to) : code;
        code = code == 0 ? 0 : report(r, code, "cannot write %s: %s", c->copy, error_text(code));
    }
    for (unsigned t = 0; t < TABLE_COUNT && code == 0; t++) {
        if (store_rows_kept(c->to, t) != store_rows_kept(c->from, t)) {
            code = report(r, ERR_CORRUPT, "the copy %s lacks rows: nothing was changed", c->copy);
        }
    }
    store_close(c->to);
    return code;
}

/* LMDB creates the copy with the umask and owner of the caller, which may be root in the folder of
 * the host's user. */
static int keep_owner(const struct compaction *c, struct report *r) {
    struct stat st;
    if (stat(c->file, &st) != 0 || chown(c->copy, st.st_uid, st.st_gid) != 0 ||
        chmod(c->copy, st.st_mode & 07777) != 0) {
        return report(r, ERR_DISK, "cannot give %s the owner and the mode of %s: %s", c->copy,
                      c->file, strerror(errno));
    }
    return 0;
}

/* Puts the copy in the file's place; we still hold the lock on the folder. */
static int swap(struct compaction *c, struct report *r) {
    int code = keep_owner(c, r);
    code = code == 0 ? store_sync_file(c->copy, r) : code;
    if (code == 0 && rename(c->copy, c->file) != 0) {
        return report(r, ERR_DISK, "cannot rename %s: %s", c->copy, strerror(errno));
    }
    if (code == 0 && unlink(c->lock) != 0 &&
        errno != ENOENT) { /* readers of the old file keep it */
        return report(r, ERR_DISK, "cannot remove %s: %s", c->lock, strerror(errno));
    }
    return code == 0 ? store_folder_sync(c->options.path, r) : code;
}

static int compact(struct compaction *c, struct store_sizes *sizes, struct report *r) {
    int code = store_copy(c->from, c->folder, r);
    code = code == 0 ? settle_copy(c, r) : code;
    code = code == 0 ? swap(c, r) : code;
    return code == 0 ? size_of(c->file, &sizes->after, r) : code;
}

static int let_go(struct store *s, struct store_sizes *sizes, struct report *r) {
    int code = store_begin(s);
    code = code == 0 ? store_count(s, TABLE_ASIDE, &sizes->dropped) : code;
    code = code == 0 ? store_empty(s, TABLE_ASIDE) : code;
    code = code == 0 ? store_commit(s) : code;
    return code == 0 ? 0 : report(r, code, "the store cannot be written: %s", error_text(code));
}

int store_compact(const struct store_options *options, bool drop_aside, struct store_sizes *sizes,
                  struct report *r) {
    struct compaction c = {.options = *options};
    c.options.logged = !drop_aside; /* no row is changed */
    int code = name_files(&c, r);
    sizes->dropped = 0;
    code = code == 0 ? size_of(c.file, &sizes->before, r) : code;
    if (code == ERR_NOTFOUND) {
        return report(r, code, "no store at %s", options->path);
    }
    uint64_t room = sizes->before + SPARE_BYTES;
    c.options.max_bytes = c.options.max_bytes > room ? c.options.max_bytes : room;
    code = code == 0 ? store_open(&c.from, &c.options, r) : code;
    if (code != 0) {
        return code;
    }
    code = drop_aside ? let_go(c.from, sizes, r) : 0;
    code = code == 0 ? compact(&c, sizes, r) : code;
    store_folder_tidy(options->path);
    store_close(c.from);
    return code;
}
