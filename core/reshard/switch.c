/*
 * switch.c - puts the new files in the places of the old ones, all or none.
 *
 * When all new files are complete and on disk, each folder gets a mark, which keeps hosts away from
 * it and lists all folders. Then the first folder gets a second file, which decides: after a crash
 * from then on, the next call gives each folder that still has its mark its new file. As long as
 * that file is missing, the marks mean nothing, and the new files are dropped. When all folders
 * have their files, the marks are removed, and the deciding file last.
 *
 *   FOLDER/zingq.reshard     "zingq reshard 1", then one folder per line
 *   FIRST/zingq.reshard.go   the same
 */
#include "reshard/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GO STORE_RESHARD_MARK ".go"
static const char head[] = "zingq reshard 1\n";

enum { MARK_BYTES_MAX = PARTITIONS * (STORE_PATH_BYTES + 1) + sizeof head };

/* The folders of one reshard. */
struct list {
    char *text; /* of the mark, with NULs in place of its newlines */
    const char *paths[PARTITIONS];
    size_t count;
};

/* If it cannot be determined, that is an error: much depends on it. */
static int look_for(const char *path, const char *file, bool *there, struct report *r) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(path, file, name, r);
    *there = code == 0 && stat(name, &st) == 0;
    return code != 0 || *there || errno == ENOENT || errno == ENOTDIR
               ? code
               : report(r, ERR_DISK, "cannot look at %s: %s", name, strerror(errno));
}

static bool is_there(const char *path, const char *file) {
    bool there;
    return look_for(path, file, &there, NULL) == 0 && there;
}

static int take_away(const char *path, const char *file, struct report *r) {
    char name[STORE_PATH_BYTES];
    int code = store_folder_file(path, file, name, r);
    if (code == 0 && unlink(name) != 0 && errno != ENOENT) {
        return report(r, ERR_DISK, "cannot remove %s: %s", name, strerror(errno));
    }
    return code == 0 ? store_folder_sync(path, r) : code;
}

/* --- marks --- */

static int parse_mark(struct list *list, const char *name, struct report *r) {
    char *at = list->text;
    bool known = strncmp(at, head, sizeof head - 1) == 0;
    at += known ? sizeof head - 1 : 0;
    while (known && *at != '\0' && list->count < PARTITIONS) {
        char *end = strchr(at, '\n');
        if (end == NULL) {
            break;
        }
        *end = '\0';
        list->paths[list->count++] = at;
        at = end + 1;
    }
    return known && list->count > 0 && *at == '\0'
               ? 0
               : report(r, ERR_CORRUPT, "%s cannot be read: remove it if no reshard was stopped",
                        name);
}

/* ERR_NOTFOUND: the folder has none. */
static int read_mark(const char *path, struct list *list, struct report *r) {
    char name[STORE_PATH_BYTES];
    int code = store_folder_file(path, STORE_RESHARD_MARK, name, r);
    int fd = code == 0 ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        bool none = code == 0 && (errno == ENOENT || errno == ENOTDIR);
        return code != 0 ? code
               : none    ? ERR_NOTFOUND
                         : report(r, ERR_DISK, "cannot read %s: %s", name, strerror(errno));
    }
    list->text = calloc(1, MARK_BYTES_MAX + 1);
    ssize_t got = list->text == NULL ? 0 : read(fd, list->text, MARK_BYTES_MAX);
    (void)close(fd);
    if (list->text == NULL || got < 0) {
        return report(r, list->text == NULL ? ERR_MEMORY : ERR_DISK, "cannot read %s: %s", name,
                      strerror(errno));
    }
    return parse_mark(list, name, r);
}

static void write_mark(const struct list *list, struct buf *text) {
    buf_add_str(text, head);
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(text, "%s\n", list->paths[i]);
    }
}

/* --- forward and back --- */

static int give_to(const char *name, const struct stat *owner, struct report *r) {
    if (chown(name, owner->st_uid, owner->st_gid) != 0) {
        return report(r, ERR_DISK, "cannot give %s the owner of the store: %s", name,
                      strerror(errno));
    }
    return 0;
}

/* Gives the new file the owner and mode of the old one, or of the first folder's. */
static int keep_owner(const char *file, const char *built, const char *first, struct report *r) {
    char like[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(first, like, r);
    if (code == 0 && stat(file, &st) != 0 && stat(like, &st) != 0) {
        code = report(r, ERR_DISK, "cannot look at %s: %s", like, strerror(errno));
    }
    code = code == 0 ? give_to(built, &st, r) : code;
    if (code == 0 && chmod(built, st.st_mode & 07777) != 0) {
        code = report(r, ERR_DISK, "cannot change the mode of %s: %s", built, strerror(errno));
    }
    return code;
}

/* So that the next start does not believe that the folder never had a store. */
static int mark_store(const char *path, const char *file, struct report *r) {
    static const char *const names[] = {"zingq.store", "zingq.lock"};
    struct stat st;
    int code = store_folder_mark(path, r);
    if (code == 0 && stat(file, &st) != 0) {
        code = report(r, ERR_DISK, "cannot look at %s: %s", file, strerror(errno));
    }
    for (size_t i = 0; code == 0 && i < sizeof names / sizeof *names; i++) {
        char name[STORE_PATH_BYTES];
        bool there;
        code = look_for(path, names[i], &there, r);
        code = code == 0 ? store_folder_file(path, names[i], name, r) : code;
        code = code == 0 && there ? give_to(name, &st, r) : code;
    }
    return code;
}

/* Continues after an earlier interruption. */
static int take_place(const char *path, const char *first, struct report *r) {
    char file[STORE_PATH_BYTES];
    char built[STORE_PATH_BYTES];
    char folder[STORE_PATH_BYTES];
    int code = store_data_file(path, file, r);
    code = code == 0 ? store_folder_file(path, STORE_RESHARD_FOLDER, folder, r) : code;
    code = code == 0 ? store_data_file(folder, built, r) : code;
    bool waits = false;
    code = code == 0 ? look_for(folder, "data.mdb", &waits, r) : code;
    if (code == 0 && waits) {
        code = keep_owner(file, built, first, r);
        code = code == 0 ? store_folder_unmark_unsynced(path, r) : code;
        if (code == 0 && rename(built, file) != 0) {
            code = report(r, ERR_DISK, "cannot rename %s: %s", built, strerror(errno));
        }
    }
    code = code == 0 ? take_away(path, "lock.mdb", r) : code; /* readers of the old file keep it */
    code = code == 0 ? mark_store(path, file, r) : code;
    if (code == 0) {
        store_folder_remove(folder);
    }
    return code;
}

/* Removes the marks, that of the first folder last, and then the deciding file. */
static int clear_marks(const struct list *list, struct report *r) {
    int code = 0;
    for (size_t i = list->count; code == 0 && i-- > 0;) {
        code = take_away(list->paths[i], STORE_RESHARD_MARK, r);
    }
    return code == 0 ? take_away(list->paths[0], GO, r) : code;
}

static int finish(const struct list *list, struct report *r) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        bool marked;
        code = look_for(list->paths[i], STORE_RESHARD_MARK, &marked, r);
        code = code == 0 && marked ? take_place(list->paths[i], list->paths[0], r) : code;
    }
    return code == 0 ? clear_marks(list, r) : code;
}

static void drop_built(const char *path) {
    char folder[STORE_PATH_BYTES];
    if (store_folder_file(path, STORE_RESHARD_FOLDER, folder, NULL) == 0) {
        store_folder_remove(folder);
    }
}

static int take_back(const struct list *list, struct report *r) {
    for (size_t i = 0; i < list->count; i++) {
        drop_built(list->paths[i]);
    }
    return clear_marks(list, r);
}

/* --- after a crash --- */

static void unlock(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

static int settle_list(const struct list *list, enum reshard_left *left, struct report *r) {
    int fds[PARTITIONS];
    size_t count = 0;
    int code = 0;
    while (code == 0 && count < list->count) {
        const char *path = list->paths[count];
        fds[count] = -1;
        bool there = is_there(path, ".");
        code = there ? store_folder_lock(path, &fds[count], r)
                     : report(r, ERR_NOTFOUND,
                              "a reshard was stopped halfway, and %s, one of its "
                              "folders, is not there: put it back to where it was",
                              path);
        count += there ? 1 : 0;
    }
    bool decided = false;
    code = code == 0 ? look_for(list->paths[0], GO, &decided, r) : code;
    if (code == 0) {
        *left = decided ? RESHARD_FINISHED : RESHARD_TAKEN_BACK;
        code = decided ? finish(list, r) : take_back(list, r);
    }
    unlock(fds, count);
    return code;
}

int reshard_settle(const char *const *paths, size_t path_count, enum reshard_left *left,
                   struct report *r) {
    struct list list = {.text = NULL};
    int code = ERR_NOTFOUND;
    *left = RESHARD_NOTHING_LEFT;
    for (size_t i = 0; i < path_count && code == ERR_NOTFOUND; i++) {
        code = read_mark(paths[i], &list, r);
    }
    if (code == 0) {
        code = settle_list(&list, left, r);
    } else if (code == ERR_NOTFOUND) { /* all was done except this */
        bool decided;
        code = look_for(paths[0], GO, &decided, r);
        code = code == 0 && decided ? take_away(paths[0], GO, r) : code;
    }
    free(list.text);
    return code;
}

/* --- the switch --- */

static void close_new(struct folder *f) {
    journal_close(f->to_journal);
    store_close(f->to);
    f->to_journal = NULL;
    f->to = NULL;
}

void reshard_drop(struct reshard *re) {
    for (size_t i = 0; i < re->folder_count; i++) {
        struct folder *f = &re->folders[i];
        close_new(f);
        drop_built(f->path);
    }
}

static int close_built(struct reshard *re, struct report *r) {
    int code = 0;
    for (size_t i = 0; i < re->folder_count; i++) {
        struct folder *f = &re->folders[i];
        close_new(f);
        code = code == 0 ? store_folder_sync(f->building, r) : code;
    }
    return code;
}

int reshard_switch(struct reshard *re, struct report *r) {
    struct list list = {.count = re->folder_count};
    struct buf text;
    buf_init(&text, MARK_BYTES_MAX);
    for (size_t i = 0; i < list.count; i++) {
        list.paths[i] = re->folders[i].path;
    }
    write_mark(&list, &text);
    int code = close_built(re, r);
    code = code == 0 && text.failed ? report(r, ERR_MEMORY, "out of memory") : code;
    for (size_t i = 0; code == 0 && i < list.count; i++) {
        code = store_folder_write(list.paths[i], STORE_RESHARD_MARK, buf_str(&text), r);
    }
    code = code == 0 ? store_folder_write(list.paths[0], GO, buf_str(&text), r) : code;
    bool decided = false;
    if (code == 0) {
        code = finish(&list, r);
    } else if (look_for(list.paths[0], GO, &decided, NULL) == 0 && !decided) {
        (void)take_back(&list, NULL);
    }
    buf_clear(&text);
    return code;
}
