/*
 * files.c - see engine/files.h.
 *
 * Bytes are counted when a handler asks to write them; files that an operator moves away are
 * noticed when the folder is measured again.
 */
#include "engine/files.h"

#include "engine/append_owner.h"
#include "engine/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LOOK_MS = 60000,
    LOOK_SOON_MS = 5000, /* while they take too much, or the store is nearly full */
    PATH_BYTES_MAX = 4096
};

struct files {
    uint64_t bytes;
    int64_t seen_ms;
    bool seen;
    uint64_t of[]; /* by the service's index */
};

int engine_make_files(struct engine *e) {
    e->files = calloc(1, sizeof *e->files + e->service_count * sizeof *e->files->of);
    return e->files == NULL ? ERR_MEMORY : 0;
}

void engine_free_files(struct engine *e) {
    free(e->files);
    e->files = NULL;
}

static int count_file(struct engine *e, int folder, const char *name) {
    struct stat st;
    uint16_t number;
    size_t service;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return 0; /* gone by now, or not a file of ours */
    }
    e->files->bytes += (uint64_t)st.st_size;
    int code = append_owner(e->journal, slice_of(name), &number);
    if (code == 0 && engine_service_by_number(e, number, &service)) {
        e->files->of[service] += (uint64_t)st.st_size;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* What cannot be read counts as nothing. */
static int count_files(struct engine *e) {
    char path[PATH_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/files", e->conf->store_path);
    DIR *folder = len > 0 && len < PATH_BYTES_MAX ? opendir(path) : NULL;
    struct dirent *entry;
    int code = 0;
    e->files->bytes = 0;
    memset(e->files->of, 0, e->service_count * sizeof *e->files->of);
    while (folder != NULL && code == 0 && (entry = readdir(folder)) != NULL) {
        code = entry->d_name[0] == '.' ? 0 : count_file(e, dirfd(folder), entry->d_name);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return code;
}

int engine_look_at_files(struct engine *e, bool urgent) {
    for (size_t i = 0; i < e->service_count && !urgent; i++) {
        urgent = engine_files_full(e, &e->services[i]);
    }
    if (!store_active(journal_store(e->journal))) {
        return 0; /* the store knows whose files they are */
    }
    if (e->files->seen && e->now_ms < e->files->seen_ms + (urgent ? LOOK_SOON_MS : LOOK_MS)) {
        return 0;
    }
    e->files->seen = true;
    e->files->seen_ms = e->now_ms;
    return count_files(e);
}

void engine_take_file_bytes(struct engine *e, const struct engine_service *s, size_t bytes) {
    e->files->bytes += bytes;
    e->files->of[s->index] += bytes;
}

bool engine_files_full(const struct engine *e, const struct engine_service *s) {
    uint64_t most = e->status.store_max / FILES_PARTS;
    return most > 0 && e->files->of[s->index] >= most;
}

uint64_t engine_file_bytes(const struct engine *e) {
    return e->files->bytes;
}

const struct engine_service *engine_most_files(const struct engine *e) {
    const struct engine_service *most = NULL;
    for (size_t i = 0; i < e->service_count; i++) {
        uint64_t bytes = e->files->of[i];
        bool more = bytes > (most == NULL ? 0 : e->files->of[most->index]);
        most = more ? &e->services[i] : most;
    }
    return most;
}
