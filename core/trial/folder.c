/* folder.c - see trial/folder.h. */
#include "trial/folder.h"

#include "base/temp.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPEN_FOLDERS = 16 };

int trial_folder_new(char *out, size_t size, struct report *r) {
    const char *chosen = getenv("TMPDIR");
    bool free_choice = chosen == NULL || chosen[0] == '\0';
    int len = snprintf(out, size, "/dev/shm/zingq-test-XXXXXX");
    if (free_choice && len > 0 && (size_t)len < size && mkdtemp(out) != NULL) {
        return 0;
    }
    return temp_folder_new("test", out, size, r);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path);
    return 0;
}

void trial_folder_remove(const char *path) {
    (void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}
