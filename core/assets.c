/*
 * assets.c - the dashboard's files.
 */
#include "assets.h"

#include <string.h>

#define TEXT(text) {text, sizeof(text) - 1}

static const struct asset assets[] = {
    {"/", "text/html; charset=utf-8", "\"0\"",
     TEXT("<!doctype html><meta charset=\"utf-8\"><title>ZingQueue</title><h1>ZingQueue</h1>"
          "<p><a href=\"/api/status\">status</a> <a href=\"/metrics\">metrics</a></p>\n")},
};

const struct asset *assets_find(const char *path) {
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++) {
        if (strcmp(assets[i].path, path) == 0) {
            return &assets[i];
        }
    }
    return NULL;
}
