/*
 * assets.h - the dashboard's files, part of the program.
 *
 * They stand in core/web/assets/ as they are served; the build turns them into the table
 * (core/web/assets/embed.cmake). There is nothing secret in them: they may be served to anyone, so
 * that the page can ask for the token itself.
 */
#ifndef ZINGQ_WEB_ASSETS_H
#define ZINGQ_WEB_ASSETS_H

#include <stddef.h>

/* One file; everything is static. */
struct asset {
    const char *path; /* as it is asked for: "/" or "/assets/NAME" */
    const char *type; /* its Content-Type */
    const char *etag; /* in quotes; another one for other bytes */
    const unsigned char *data;
    size_t len; /* bytes */
};

/* All of them, in no order; made by the build. */
extern const struct asset assets[];
extern const size_t assets_count;

/* The file at the path, or NULL. Paths are compared as they are: nothing is read from the disk, so
 * there is nothing to climb out of. */
const struct asset *asset_find(const char *path);

#endif
