/* script.c - see script.h. */
#include "script.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 64 };

/* What was read once is kept: a test may hold on to it. */
static struct text {
    const char *name; /* a literal of the test's */
    char *text;
} texts[TEXTS_MAX];
static size_t text_count;

__attribute__((noreturn)) static void give_up(const char *file, const char *name) {
    (void)fprintf(stderr, "test script: %s has no \"--- %s\"\n", file, name);
    abort();
}

static bool is_mark(const char *line) {
    return strncmp(line, "---", 3) == 0;
}

static bool names(const char *line, const char *name) {
    size_t len = strlen(name);
    return strncmp(line, "--- ", 4) == 0 && strncmp(line + 4, name, len) == 0 &&
           line[4 + len] == '\n';
}

static char *read_script(const char *file, const char *name) {
    FILE *in = fopen(file, "r");
    char *text = NULL;
    char *line = NULL;
    size_t text_bytes = 0;
    size_t line_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    bool found = false;
    bool inside = false;
    while (in != NULL && out != NULL && getline(&line, &line_bytes, in) > 0) {
        if (found && inside && is_mark(line)) {
            break;
        }
        inside = found && !is_mark(line);
        if (inside && fputs(line, out) < 0) {
            found = false;
            break;
        }
        found = found || names(line, name);
    }
    if (in == NULL || fclose(in) != 0 || out == NULL || fclose(out) != 0 || !found) {
        give_up(file, name);
    }
    free(line);
    return text;
}

const char *script_text(const char *file, const char *name) {
    for (size_t i = 0; i < text_count; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            return texts[i].text;
        }
    }
    if (text_count == TEXTS_MAX) {
        give_up(file, name);
    }
    texts[text_count] = (struct text){name, read_script(file, name)};
    return texts[text_count++].text;
}
