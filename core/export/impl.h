/* impl.h - what the two directions of export/export.h share. */
#ifndef ZINGQ_EXPORT_IMPL_H
#define ZINGQ_EXPORT_IMPL_H

#include "backup/files.h"
#include "base/json.h"
#include "export/export.h"

#include <limits.h>
#include <sodium.h>

/* The kinds of lines that are no rows of their own. */
#define EXPORT_FIRST "export"
#define EXPORT_ROW "row"   /* as it is stored */
#define EXPORT_FILE "file" /* a piece of one */
#define EXPORT_LAST "end"

enum { EXPORT_LINE_BYTES_MAX = 1 << 30 };

/* Writing: a line at a time. */
struct export_writer {
    FILE *out;
    unsigned how; /* JSON_ASCII */
    struct buf line;
    crypto_hash_sha256_state sum;
    struct export_sums *sums;
    int error; /* of `out` */
};

/* export/line.c: takes the object over. ERR_DISK, ERR_MEMORY. */
int export_line(struct export_writer *w, json_t *object);

/* --- export/files.c --- */

/* Writes lines with the files of the folder. */
int export_files(struct export_writer *w, const char *folder, struct report *r);

#define EXPORT_FILES "files"

/* The file that lines are read into. */
struct export_file {
    const char *folder;
    const struct backup_owner *owner;
    char name[sizeof EXPORT_FILES "/" + NAME_MAX];
    int fd; /* -1 = none */
    uint64_t bytes;
};

/* ERR_INVALID, ERR_DISK, ERR_FULL with a sentence. */
int export_file_add(struct export_file *file, const json_t *line, struct report *r);
/* Ends the last one: its bytes are on disk. */
int export_file_close(struct export_file *file, struct report *r);

#endif
