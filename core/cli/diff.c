/*
 * diff.c - see cli/diff.h.
 *
 * The longest common subsequence, with a table that has a cell for each pair of lines: payloads are
 * small. Beyond LINES_MAX lines, all old lines are shown as removed and all new ones as added.
 */
#include "cli/diff.h"

#include "cli/text.h"
#include "base/error.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

enum { LINES_MAX = 2000, TEXT_BYTES_MAX = 64 << 20 };

struct lines {
    struct buf text; /* owns what the slices point into */
    struct slice *at;
    size_t count;
};

static int split(struct lines *lines, struct slice text) {
    buf_init(&lines->text, TEXT_BYTES_MAX);
    if (text_is_json(text)) {
        text_add_json_spread(&lines->text, text);
    } else {
        buf_add_slice(&lines->text, text);
    }
    struct slice rest = buf_slice(&lines->text);
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++) {
        most += rest.data[i] == '\n';
    }
    lines->at = calloc(most, sizeof *lines->at);
    if (lines->at == NULL || lines->text.failed) {
        return ERR_MEMORY;
    }
    while (rest.len > 0) {
        struct slice line = slice_first_line(rest);
        size_t used = line.len < rest.len ? line.len + 1 : line.len;
        assert(lines->count < most);
        lines->at[lines->count++] = line;
        rest = (struct slice){rest.data + used, rest.len - used};
    }
    return 0;
}

static void lines_clear(struct lines *lines) {
    free(lines->at);
    buf_clear(&lines->text);
}

static void print_line(FILE *out, bool colour, char mark, struct slice line) {
    struct buf text;
    enum text_style style = mark == '-' ? STYLE_BAD : mark == '+' ? STYLE_GOOD : STYLE_PLAIN;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add(&text, &mark, 1);
    buf_add_str(&text, " ");
    text_add_safe(&text, line);
    text_print(out, colour, style, buf_str(&text));
    (void)fputs("\n", out);
    buf_clear(&text);
}

/* common[i * width + j]: length of the longest common subsequence of before[i..] and after[j..]. */
static void fill(const struct lines *before, const struct lines *after, uint16_t *common) {
    size_t width = after->count + 1;
    for (size_t i = before->count; i-- > 0;) {
        for (size_t j = after->count; j-- > 0;) {
            uint16_t down = common[(i + 1) * width + j];
            uint16_t right = common[i * width + j + 1];
            uint16_t both = (uint16_t)(common[(i + 1) * width + j + 1] + 1);
            bool same = slice_equal(before->at[i], after->at[j]);
            common[i * width + j] = same ? both : down > right ? down : right;
        }
    }
}

static void walk(FILE *out, bool colour, const struct lines *before, const struct lines *after,
                 const uint16_t *common) {
    size_t width = after->count + 1;
    size_t i = 0;
    size_t j = 0;
    while (i < before->count || j < after->count) {
        bool both = i < before->count && j < after->count;
        if (both && slice_equal(before->at[i], after->at[j])) {
            print_line(out, colour, ' ', before->at[i++]);
            j++;
        } else if (j == after->count ||
                   (both && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
            print_line(out, colour, '-', before->at[i++]);
        } else {
            print_line(out, colour, '+', after->at[j++]);
        }
    }
}

static int compare(FILE *out, bool colour, const struct lines *before, const struct lines *after) {
    if (before->count > LINES_MAX || after->count > LINES_MAX) {
        for (size_t i = 0; i < before->count; i++) {
            print_line(out, colour, '-', before->at[i]);
        }
        for (size_t i = 0; i < after->count; i++) {
            print_line(out, colour, '+', after->at[i]);
        }
        return 0;
    }
    uint16_t *common = calloc((before->count + 1) * (after->count + 1), sizeof *common);
    if (common == NULL) {
        return ERR_MEMORY;
    }
    fill(before, after, common);
    walk(out, colour, before, after, common);
    free(common);
    return 0;
}

int diff_print(FILE *out, bool colour, struct slice before, struct slice after) {
    struct lines old = {.count = 0};
    struct lines new = {.count = 0};
    int code = split(&old, before);
    if (code == 0) {
        code = split(&new, after);
    } else {
        buf_init(&new.text, 0);
    }
    if (code == 0) {
        code = compare(out, colour, &old, &new);
    }
    lines_clear(&new);
    lines_clear(&old);
    return code;
}
