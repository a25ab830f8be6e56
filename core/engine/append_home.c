/*
 * append_home.c - whose files the noted lengths are of.
 *
 *   meta flag "files"  -> the id of the folder that they are of
 *   DATA/zingq.files   the id of this one, and the number of the file's own inode
 *
 * A store that has a log goes on in the folder of another machine, while its files stay in that of the one that
 * wrote them. The lengths of those say nothing of the files here, and nothing may be cut from these. A
 * copy of a folder has another inode, and gets an id of its own. A store without a log has one folder, which
 * needs no id; but one that has just left its log, or comes from a backup, may have lengths of another.
 */
#include "engine/append_impl.h"

#include "base/log.h"
#include "store/folder.h"
#include "store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAG "files"
#define FILE_NAME "zingq.files"

enum { ID_TEXT_BYTES = 64, NOBODYS = 0 };

struct id {
    uint64_t id, inode;
};

static void print_id(const struct id *id, char text[ID_TEXT_BYTES]) {
    (void)snprintf(text, ID_TEXT_BYTES, "%016" PRIx64 " %" PRIu64 "\n", id->id, id->inode);
}

static int write_id(const struct append *a, const struct id *id, struct report *r) {
    char text[ID_TEXT_BYTES];
    print_id(id, text);
    return store_folder_write(a->data, FILE_NAME, text, r);
}

/* Into the file that is there: it is known by its inode. Half of it is nobody's id. */
static int write_inode(const struct append *a, const struct id *id, struct report *r) {
    char text[ID_TEXT_BYTES];
    print_id(id, text);
    return store_folder_rewrite(a->data, FILE_NAME, text, r);
}

/* What is in the file, or zeros, and its inode. ERR_NOTFOUND, ERR_DISK. */
static int read_id(const struct append *a, struct id *out, uint64_t *inode) {
    char path[STORE_PATH_BYTES];
    char text[ID_TEXT_BYTES] = "";
    struct stat st;
    *out = (struct id){NOBODYS, 0};
    if (store_folder_file(a->data, FILE_NAME, path, NULL) != 0) {
        return ERR_DISK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? ERR_NOTFOUND : ERR_DISK;
    }
    bool good = fstat(fd, &st) == 0 && read(fd, text, sizeof text - 1) >= 0;
    (void)close(fd);
    *inode = good ? (uint64_t)st.st_ino : 0;
    if (sscanf(text, "%16" SCNx64 " %" SCNu64, &out->id, &out->inode) != 2) {
        *out = (struct id){NOBODYS, 0};
    }
    return good ? 0 : ERR_DISK;
}

/* The file is written twice: its inode is known once it is there. */
static uint64_t make_id(const struct append *a) {
    struct report r = {"zingq.files cannot be read"};
    struct id id = {NOBODYS, 0};
    struct id old;
    randombytes_buf(&id.id, sizeof id.id);
    int code = write_id(a, &id, &r);
    code = code == 0 ? read_id(a, &old, &id.inode) : code;
    code = code == 0 ? write_inode(a, &id, &r) : code;
    if (code != 0) {
        log_warn("files", "%s", r.text);
    }
    return code == 0 ? id.id : NOBODYS;
}

/* NOBODYS: it has none, or it cannot be read. */
static uint64_t folder_id(const struct append *a, bool makes) {
    struct id id;
    uint64_t inode = 0;
    int code = read_id(a, &id, &inode);
    bool ours = code == 0 && id.id != NOBODYS && id.inode == inode;
    return ours ? id.id : makes && code != ERR_DISK ? make_id(a) : NOBODYS;
}

int append_is_home(struct append *a, bool *home) {
    const struct store *store = journal_store(a->journal);
    bool logged = store_has_log(store);
    uint64_t noted = NOBODYS;
    int code = journal_flag_get(a->journal, FLAG, &noted);
    if (code == ERR_NOTFOUND && !logged) {
        *home = true;
        return 0;
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    uint64_t id = folder_id(a, logged);
    /* A log that has none yet is an older program's, perhaps this folder's. */
    *home = code == ERR_NOTFOUND ? !store_is_taken(store) : id != NOBODYS && id == noted;
    if (!logged) {
        return journal_flag_del(a->journal, FLAG);
    }
    return id == NOBODYS || id == noted ? 0 : journal_flag_put(a->journal, FLAG, id);
}
