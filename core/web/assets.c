/*
 * assets.c - see web/assets.h. The files are few: looking at each is quick enough.
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
