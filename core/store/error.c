/*
 * error.c - translates LMDB's errors into ours: not found, full (map or disk), corrupt, memory,
 * disk.
 */
#include "store/impl.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>

int store_code(int rc) {
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOTFOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERR_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return ERR_CORRUPT;
    case ENOMEM:
        return ERR_MEMORY;
    default:
        return error_of_file(rc);
    }
}

const char *store_words(int rc) {
    switch (rc) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return "data.mdb is damaged: restore a copy of the data folder";
    case MDB_INVALID:
        return "data.mdb is not an LMDB file: it is damaged, or has been replaced";
    case MDB_VERSION_MISMATCH:
        return "data.mdb was written by another version of LMDB, or is damaged";
    case MDB_READERS_FULL:
        return "too many processes read it at once";
    default:
        return mdb_strerror(rc);
    }
}

int store_tell(const struct store *s, const char *what, int rc) {
    int code = store_code(rc);
    if (code != 0 && code != ERR_NOTFOUND) {
        log_error("store", "%s failed path=%s error=\"%s\"", what, s->path, store_words(rc));
    }
    return code;
}
