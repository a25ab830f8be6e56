/*
 * append_home.c - whose files the noted lengths are of.
 *
 *   meta flag "files"  -> the id of the folder that they are of
 *   DATA/zingq.files   the id of this one
 *
 * A store that has a log goes on in the folder of another machine, while its files stay in that of the one that
 * wrote them. The lengths of those say nothing of the files here, and nothing may be cut from these. A
 * store without a log has one folder, which needs no id.
 */
#include "engine/append_impl.h"

#include "base/log.h"
#include "store/folder.h"
#include "store/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLAG "files"
#define FILE_NAME "zingq.files"

enum { ID_TEXT_BYTES = 17 /* hexadecimal, with its newline */, NOBODYS = 0 };

static uint64_t make_id(const struct append *a) {
    char text[ID_TEXT_BYTES + 1];
    struct report r = {""};
    uint64_t id = NOBODYS;
    randombytes_buf(&id, sizeof id);
    (void)snprintf(text, sizeof text, "%016" PRIx64 "\n", id);
    if (store_folder_write(a->data, FILE_NAME, text, &r) != 0) {
        log_warn("files", "%s", r.text);
        return NOBODYS;
    }
    return id;
}

/* NOBODYS: it has none, and cannot be given one. */
static uint64_t folder_id(const struct append *a) {
    char path[STORE_PATH_BYTES];
    char text[ID_TEXT_BYTES + 1] = "";
    int fd = store_folder_file(a->data, FILE_NAME, path, NULL) == 0
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    ssize_t len = fd < 0 ? 0 : read(fd, text, ID_TEXT_BYTES);
    if (fd >= 0) {
        (void)close(fd);
    }
    return len == ID_TEXT_BYTES ? strtoull(text, NULL, 16) : make_id(a);
}

int append_is_home(struct append *a, bool *home) {
    *home = true;
    if (!store_has_log(journal_store(a->journal))) {
        return 0;
    }
    uint64_t noted = NOBODYS;
    uint64_t id = folder_id(a);
    int code = journal_flag_get(a->journal, FLAG, &noted);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    *home = id != NOBODYS && id == noted;
    return id == noted ? 0 : journal_flag_put(a->journal, FLAG, id);
}
