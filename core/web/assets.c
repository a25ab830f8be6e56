/*
 * assets.c - see web/assets.h. There are few files, so a linear search is fast enough.
 */
#include "web/assets.h"

#include <assert.h>
#include <string.h>

const struct asset *asset_find(const char *path) {
    assert(path != NULL);
    for (size_t i = 0; i < assets_count; i++) {
        if (strcmp(assets[i].path, path) == 0) {
            return &assets[i];
        }
    }
    return NULL;
}
