/* beside.c - see backup/beside.h. */
#include "backup/beside.h"

#include "backup/files.h"

#include <unistd.h>

const char *beside_name(size_t i) {
    static const char *const names[BESIDE_COUNT] = {"audit.1.jsonl", "audit.jsonl"};
    return names[i];
}

void beside_close(struct beside files[BESIDE_COUNT]) {
    for (size_t i = 0; i < BESIDE_COUNT; i++) {
        if (files[i].fd >= 0) {
            (void)close(files[i].fd);
            files[i].fd = -1;
        }
    }
}

/* Is it still what was opened? */
static bool was_replaced(const struct beside *file) {
    struct stat now;
    bool there = lstat(file->path, &now) == 0 && S_ISREG(now.st_mode);
    return file->fd >= 0 ? !there || now.st_ino != file->st.st_ino : there;
}

int beside_open(const char *folder, struct beside out[BESIDE_COUNT], struct report *r) {
    int code = 0;
    for (size_t i = 0; i < BESIDE_COUNT; i++) {
        out[i] = (struct beside){.fd = -1};
        code = code == 0 ? store_folder_file(folder, beside_name(i), out[i].path, r) : code;
    }
    struct beside *older = &out[0], *newer = &out[1];
    while (code == 0) {
        newer->fd = backup_open(newer->path, &newer->st, &code, r);
        older->fd = code == 0 ? backup_open(older->path, &older->st, &code, r) : -1;
        if (code != 0 || !was_replaced(newer)) {
            return code;
        }
        beside_close(out);
    }
    return code;
}
