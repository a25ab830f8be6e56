/* tell.c - see trial/tell.h. */
#include "trial/tell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { XML_BYTES_MAX = 64 << 20, TEXT_BYTES_MAX = 1 << 20, LINES_AROUND = 2 };

static const double NS = 1e9;

void tell_init(struct tell *t, bool tap, bool colour) {
    *t = (struct tell){.tap = tap, .colour = colour};
    buf_init(&t->xml, XML_BYTES_MAX);
    if (tap) {
        (void)printf("TAP version 14\n");
    }
}

void tell_clear(struct tell *t) {
    buf_clear(&t->xml);
}

/* ---- failures as text ---- */

static const char *text_of(const json_t *failure, const char *name) {
    const char *text = json_string_value(json_object_get(failure, name));
    return text == NULL ? "" : text;
}

/* The lines around the one at fault. */
static void add_source(struct buf *out, const char *path, long at) {
    char line[512];
    FILE *fp = fopen(path, "re");
    for (long n = 1; fp != NULL && n <= at + LINES_AROUND && fgets(line, sizeof line, fp); n++) {
        if (n >= at - LINES_AROUND) {
            line[strcspn(line, "\n")] = '\0';
            buf_printf(out, "%s %4ld | %s\n", n == at ? ">" : " ", n, line);
        }
    }
    if (fp != NULL) {
        (void)fclose(fp); /* opened for reading: nothing can be lost */
    }
}

/* The failure in lines: where, what, the source, the trace, the log. */
static void add_failure(struct buf *out, const struct tell_result *result) {
    const json_t *failure = result->failure;
    const char *file = text_of(failure, "file");
    const char *trace = text_of(failure, "trace");
    long line = (long)json_integer_value(json_object_get(failure, "line"));
    if (file[0] != '\0') {
        buf_printf(out, "%s:%ld: ", file, line);
    }
    buf_printf(out, "%s\n", text_of(failure, "text"));
    if (file[0] != '\0') {
        buf_add_str(out, "\n");
        add_source(out, file, line);
    }
    if (trace[0] != '\0') {
        buf_printf(out, "\n%s\n", trace);
    }
    if (result->log.len > 0) {
        buf_add_str(out, "\nlog:\n");
        buf_add_slice(out, result->log);
    }
}

/* ---- for people ---- */

static const char *colour_of(const char *line) {
    return line[0] == '-'   ? "\033[31m"
           : line[0] == '+' ? "\033[32m"
           : line[0] == '>' ? "\033[1m"
                            : "";
}

static void print_lines(const struct tell *t, const char *text, const char *indent) {
    while (*text != '\0') {
        int len = (int)strcspn(text, "\n");
        const char *colour = t->colour ? colour_of(text) : "";
        (void)printf("%s%s%.*s%s\n", len == 0 ? "" : indent, colour, len, text,
                     colour[0] == '\0' ? "" : "\033[0m");
        text += text[len] == '\0' ? len : len + 1;
    }
}

static void print_result(struct tell *t, const struct tell_result *result, const char *failure) {
    bool passed = result->failure == NULL;
    if (t->file == NULL || strcmp(t->file, result->file) != 0) {
        (void)printf("%s%s\n", t->file == NULL ? "" : "\n", result->file);
        t->file = result->file;
    }
    (void)printf("  %s%s%s %s", t->colour ? passed ? "\033[32m" : "\033[31m" : "",
                 passed ? "✓" : "✗", t->colour ? "\033[0m" : "", result->name);
    if (result->crashes > 0) {
        (void)printf(", also with %zu crash%s", result->crashes, result->crashes == 1 ? "" : "es");
    }
    if (result->crashes < result->crash_points && result->failure == NULL) {
        (void)printf(" at %zu points", result->crash_points);
    }
    (void)printf("\n");
    if (!passed) {
        (void)printf("\n");
        print_lines(t, failure, "    ");
        (void)printf("\n");
    }
}

/* ---- TAP (testanything.org, version 14) ---- */

static void print_tap(const struct tell *t, const struct tell_result *result, const char *failure) {
    (void)printf("%sok %zu - %s: ", result->failure == NULL ? "" : "not ", t->passed + t->failed,
                 result->file);
    for (const char *c = result->name; *c != '\0'; c++) {
        (void)printf(*c == '#' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    (void)printf("\n");
    if (result->failure != NULL) {
        (void)printf("  ---\n  message: |\n");
        print_lines(&(struct tell){.tap = true}, failure, "    ");
        (void)printf("  ...\n");
    }
}

/* ---- JUnit ---- */

static void add_xml(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '<':
            buf_add_str(out, "&lt;");
            break;
        case '&':
            buf_add_str(out, "&amp;");
            break;
        case '"':
            buf_add_str(out, "&quot;");
            break;
        default: /* XML has no other control characters (XML 1.0, 2.2) */
            buf_add_u8(out, c < ' ' && c != '\n' && c != '\t' ? '?' : c);
        }
    }
}

static void add_case(struct tell *t, const struct tell_result *result, const char *failure) {
    buf_add_str(&t->xml, "  <testcase classname=\"");
    add_xml(&t->xml, result->file);
    buf_add_str(&t->xml, "\" name=\"");
    add_xml(&t->xml, result->name);
    buf_printf(&t->xml, "\" time=\"%.3f\"", (double)result->took_ns / NS);
    if (result->failure == NULL) {
        buf_add_str(&t->xml, "/>\n");
        return;
    }
    buf_add_str(&t->xml, ">\n    <failure message=\"");
    add_xml(&t->xml, text_of(result->failure, "text"));
    buf_add_str(&t->xml, "\">");
    add_xml(&t->xml, failure);
    buf_add_str(&t->xml, "</failure>\n  </testcase>\n");
}

int tell_write_junit(struct tell *t, const char *path, struct report *r) {
    if (t->xml.failed) {
        return report(r, ERR_MEMORY, "the results are too long for %s", path);
    }
    FILE *fp = fopen(path, "we");
    if (fp == NULL) {
        return report(r, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    }
    (void)fprintf(fp,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"zingq test\" "
                  "tests=\"%zu\" failures=\"%zu\" time=\"%.3f\">\n%s</testsuite>\n",
                  t->passed + t->failed, t->failed, (double)t->took_ns / NS, buf_str(&t->xml));
    bool written = ferror(fp) == 0;
    written = fclose(fp) == 0 && written;
    return written ? 0 : report(r, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

/* ---- results ---- */

void tell_result(struct tell *t, const struct tell_result *result) {
    struct buf failure;
    buf_init(&failure, TEXT_BYTES_MAX);
    if (result->failure != NULL) {
        add_failure(&failure, result);
        t->failed++;
    } else {
        t->passed++;
    }
    t->crashes += result->crashes;
    t->took_ns += result->took_ns;
    add_case(t, result, buf_str(&failure));
    if (t->tap) {
        print_tap(t, result, buf_str(&failure));
    } else {
        print_result(t, result, buf_str(&failure));
    }
    (void)fflush(stdout); /* as they come; a failed write shows at the program's end */
    buf_clear(&failure);
}

void tell_end(struct tell *t) {
    if (t->tap) {
        (void)printf("1..%zu\n", t->passed + t->failed);
        return;
    }
    (void)printf("\n%zu passed", t->passed);
    if (t->failed > 0) {
        (void)printf(", %s%zu failed%s", t->colour ? "\033[31m" : "", t->failed,
                     t->colour ? "\033[0m" : "");
    }
    if (t->crashes > 0) {
        (void)printf(", %zu crashes", t->crashes);
    }
    (void)printf(" in %.2f s\n", (double)t->took_ns / NS);
}
