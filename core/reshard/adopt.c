/*
 * adopt.c - makes the folder of a single host that of the first of several: DATA/1.
 *
 * One rename, of data.mdb, decides. Everything else follows, last of all the mark that there was a
 * store: as long as the mark is there and the store is not, hosts refuse the folder, and the next
 * call completes the rest.
 */
#include "reshard/impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_there(const char *path, const char *name) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    return store_folder_file(path, name, file, NULL) == 0 && stat(file, &st) == 0;
}

static int move(const char *from, const char *to, const char *name, struct report *r) {
    char old[STORE_PATH_BYTES];
    char new[STORE_PATH_BYTES];
    int code = store_folder_file(from, name, old, r);
    code = code == 0 ? store_folder_file(to, name, new, r) : code;
    if (code == 0 && rename(old, new) != 0 && errno != ENOENT) {
        return report(r, ERR_DISK, "cannot rename %s to %s: %s", old, new, strerror(errno));
    }
    return code;
}

/* The owner of the store owns the folder. */
static int make_first(const char *folder, const char *first, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(folder, file, r);
    code = code == 0 ? store_folder_make(first, r) : code;
    if (code == 0 && (stat(file, &st) != 0 || chown(first, st.st_uid, st.st_gid) != 0)) {
        code =
            report(r, ERR_DISK, "cannot give %s the owner of %s: %s", first, file, strerror(errno));
    }
    return code;
}

static int move_all(const char *folder, const char *first, struct report *r) {
    static const char *const names[] = {"data.mdb",      "files",       "processor",  "token",
                                        "audit.1.jsonl", "audit.jsonl", "zingq.store"};
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof names / sizeof *names; i++) {
        code = move(folder, first, names[i], r);
        code = code == 0 ? store_folder_sync(first, r) : code;
        code = code == 0 ? store_folder_sync(folder, r) : code;
    }
    return code;
}

int reshard_adopt(const char *folder, struct report *r) {
    char first[STORE_PATH_BYTES];
    int fd;
    int code = store_folder_file(folder, "1", first, r);
    bool here = is_there(folder, "data.mdb");
    if (code != 0) {
        return code;
    }
    if (here && is_there(first, "data.mdb")) {
        return report(r, ERR_EXISTS, "there is a store in %s and one in %s", folder, first);
    }
    if (!here && !(is_there(first, "data.mdb") && is_there(folder, "zingq.store"))) {
        return 0;
    }
    code = store_folder_lock(folder, &fd, r);
    if (code == 0 && here) {
        code = make_first(folder, first, r);
    }
    code = code == 0 ? move_all(folder, first, r) : code;
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

int reshard_peek(const char *path, uint16_t *count, struct report *r) {
    const struct store_options options = {.path = path, .read_only = true};
    struct store *store = NULL;
    struct journal *journal = NULL;
    struct division division = {.count = 1};
    int code = store_open(&store, &options, r);
    code = code == 0 ? journal_open(&journal, store, 0, r) : code;
    if (code == 0) {
        code = store_begin(store);
        code = code == 0 ? reshard_read_division(journal, path, &division, r)
                         : report(r, code, "%s cannot be read: %s", path, error_text(code));
    }
    *count = division.count;
    journal_close(journal);
    store_close(store);
    return code;
}
