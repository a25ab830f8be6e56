/*
 * json.c - printing JSON.
 */
#include "cli/json.h"

#include "base/json.h"
#include "cli/tell.h"
#include "cli/text.h"

#include <stdio.h>
#include <unistd.h>

enum { DOCUMENT_BYTES_MAX = 1 << 30 };

/* ---- printing ---- */

/* On a terminal, everything that is not ASCII is escaped: it may contain control characters. */
static unsigned print_flags(void) {
    return isatty(STDOUT_FILENO) ? JSON_ASCII : 0;
}

/* Takes the document over. */
static int add_document(struct buf *out, json_t *document, unsigned how) {
    if (document != NULL) {
        json_write(document, out, how | print_flags());
    }
    bool ok = document != NULL && !out->failed;
    json_decref(document);
    return ok ? 0 : cli_fail(ERR_MEMORY, "cannot print JSON: out of memory");
}

int cli_print_json(json_t *document) {
    struct buf text;
    buf_init(&text, DOCUMENT_BYTES_MAX);
    int status = add_document(&text, document, JSON_SPREAD);
    (void)fwrite(text.data, 1, status == 0 ? text.len : 0, stdout);
    (void)putchar('\n');
    buf_clear(&text);
    return status;
}

int cli_print_json_item(struct cli *cli, json_t *item, uint64_t *count) {
    buf_add_str(&cli->page, (*count)++ == 0 ? "[\n" : ",\n");
    return add_document(&cli->page, item, 0);
}

int cli_print_json_line(struct cli *cli, json_t *document) {
    int status = add_document(&cli->page, document, 0);
    buf_add_str(&cli->page, "\n");
    return status;
}

void cli_print_json_end(uint64_t count) {
    (void)fputs(count == 0 ? "[]\n" : "\n]\n", stdout);
}

bool cli_add_priorities(struct buf *out, const json_t *service, const char *before) {
    const json_t *waiting = json_object_get(service, "priorities");
    bool any = false;
    for (unsigned i = PRIORITIES; i-- > 0;) {
        const char name[] = {(char)('0' + i), '\0'};
        json_int_t count = json_integer_value(json_object_get(waiting, name));
        if (count > 0) {
            buf_printf(out, "%s%s%s: %lld", any ? ", " : before,
                       any ? "" : "in memory of priority ", name, (long long)count);
            any = true;
        }
    }
    return any;
}

void cli_print_notes(const json_t *answer) {
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(answer, "notes"), i, note) {
        struct buf line;
        buf_init(&line, NOTES_BYTES_MAX * 8);
        text_add_safe(&line, slice_of(json_string_value(note)));
        (void)printf("%s\n", buf_str(&line));
        buf_clear(&line);
    }
}
