/*
 * assets.h - the dashboard's files, embedded in the program.
 */
#ifndef ZINGQ_ASSETS_H
#define ZINGQ_ASSETS_H

#include "buf.h"

/* One file. */
struct asset {
    const char *path;  /* "/" or "/assets/NAME" */
    const char *type;  /* Content-Type */
    const char *etag;  /* quoted, of the contents */
    struct slice body;
};

/* NULL when there is no such file. */
const struct asset *assets_find(const char *path);

#endif
