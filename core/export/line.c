/* line.c - one line of an export, and the sum over all of them. */
#include "export/impl.h"

#include <errno.h>

int export_line(struct export_writer *w, json_t *object) {
    buf_reset(&w->line);
    if (object != NULL) {
        json_write(object, &w->line, w->how);
    }
    buf_add_str(&w->line, "\n");
    bool whole = object != NULL && !w->line.failed;
    json_decref(object);
    if (!whole) {
        return ERR_MEMORY;
    }
    (void)crypto_hash_sha256_update(&w->sum, (const unsigned char *)w->line.data, w->line.len);
    w->sums->records++;
    w->sums->bytes += w->line.len;
    if (fwrite(w->line.data, 1, w->line.len, w->out) != w->line.len) {
        w->error = errno;
        return ERR_DISK;
    }
    return 0;
}
