/*
 * table.c - see cli/table.h.
 *
 * Cells are texts in one growing list; column widths are computed when the table is printed.
 */
#include "cli/table.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MAX = 32, GAP = 2, LAST_COLUMN_MIN = 16, CELL_BYTES_MAX = 1 << 20 };

struct cell_text {
    char *text;
    enum text_style style;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct cell_text *cells;
    size_t count, cap;
    bool failed; /* out of memory: a cell is missing */
};

struct table *table_new(const struct table_column *columns, size_t count) {
    assert(count > 0 && count <= COLUMNS_MAX);
    struct table *table = calloc(1, sizeof *table);
    if (table != NULL) {
        table->columns = columns;
        table->column_count = count;
    }
    return table;
}

void table_free(struct table *table) {
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
    free(table);
}

static bool make_room(struct table *table) {
    if (table->count < table->cap) {
        return true;
    }
    size_t cap = table->cap == 0 ? 64 : table->cap * 2;
    struct cell_text *cells = realloc(table->cells, cap * sizeof *cells);
    if (cells == NULL) {
        return false;
    }
    table->cells = cells;
    table->cap = cap;
    return true;
}

void table_add(struct table *table, enum text_style style, const char *text) {
    char *copy = slice_dup(slice_of(text));
    if (copy == NULL || !make_room(table)) {
        free(copy);
        table->failed = true;
        return;
    }
    table->cells[table->count++] = (struct cell_text){copy, style};
}

void table_take(struct table *table, enum text_style style, struct buf *text) {
    table_add(table, style, buf_str(text));
    table->failed = table->failed || text->failed;
    buf_reset(text);
}

void table_add_count(struct table *table, enum text_style style, uint64_t n) {
    struct buf text;
    buf_init(&text, 64);
    text_add_count(&text, n);
    table_take(table, style, &text);
    buf_clear(&text);
}

static void find_widths(const struct table *table, size_t widths[COLUMNS_MAX]) {
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = text_width(table->columns[c].title);
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t width = text_width(table->cells[i].text);
        size_t c = i % table->column_count;
        widths[c] = width > widths[c] ? width : widths[c];
    }
}

/* Shortens the last column on a narrow terminal. */
static void fit_columns(const struct table *table, size_t widths[COLUMNS_MAX], size_t width) {
    size_t last = table->column_count - 1;
    size_t before = 0;
    for (size_t c = 0; c < last; c++) {
        before += widths[c] + GAP;
    }
    size_t left = width > before + LAST_COLUMN_MIN ? width - before : LAST_COLUMN_MIN;
    if (width > 0 && widths[last] > left) {
        widths[last] = left;
    }
}

/* The number of bytes that fill at most `width` columns. */
static size_t bytes_within(const char *text, size_t width) {
    size_t i = 0;
    for (; text[i] != '\0'; i++) {
        bool starts = ((unsigned char)text[i] & 0xC0) != 0x80;
        if (starts && width-- == 0) {
            break;
        }
    }
    return i;
}

static int print_cut(FILE *out, bool colour, enum text_style style, const char *text,
                     size_t width) {
    struct buf cut;
    buf_init(&cut, CELL_BYTES_MAX);
    buf_add(&cut, text, bytes_within(text, width - 1));
    buf_add_str(&cut, "…");
    int code = cut.failed ? ERR_MEMORY : 0;
    if (code == 0) {
        text_print(out, colour, style, buf_str(&cut));
    }
    buf_clear(&cut);
    return code;
}

static int print_cell(FILE *out, bool colour, const struct table_column *column,
                      enum text_style style, const char *text, size_t width, bool last) {
    size_t used = text_width(text);
    if (used > width) {
        return print_cut(out, colour, style, text, width);
    }
    if (column->right) {
        (void)fprintf(out, "%*s", (int)(width - used), "");
    }
    text_print(out, colour, style, text);
    if (!column->right && !last) {
        (void)fprintf(out, "%*s", (int)(width - used), "");
    }
    return 0;
}

static int print_row(const struct table *table, FILE *out, bool colour, const size_t *widths,
                     const struct cell_text *row) {
    size_t last = table->column_count - 1;
    for (size_t c = 0; c <= last; c++) {
        const char *text = row == NULL ? table->columns[c].title : row[c].text;
        enum text_style style = row == NULL ? STYLE_HEAD : row[c].style;
        int code = print_cell(out, colour, &table->columns[c], style, text, widths[c], c == last);
        if (code != 0) {
            return code;
        }
        (void)fputs(c == last ? "\n" : "  ", out);
    }
    return 0;
}

int table_print(const struct table *table, FILE *out, bool colour, size_t width) {
    if (table->failed) {
        return ERR_MEMORY;
    }
    assert(table->count % table->column_count == 0);
    size_t widths[COLUMNS_MAX];
    find_widths(table, widths);
    fit_columns(table, widths, width);
    int code = print_row(table, out, colour, widths, NULL);
    for (size_t i = 0; i < table->count && code == 0; i += table->column_count) {
        code = print_row(table, out, colour, widths, table->cells + i);
    }
    return code;
}

size_t table_terminal_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}
