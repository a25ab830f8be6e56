/*
 * fuzz_live.c - any JSON as what a host answers to `zingq status`, shown to a person; and any text.
 *
 * Promises: what is printed is UTF-8 of characters that harm no terminal; JSON that is spread over
 * lines and made tight again is what it was.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/utf8.h"
#include "cli/live.h"
#include "cli/text.h"

#include <stdio.h>

static void check_shown(struct slice text) {
    uint32_t c = 0;
    for (size_t at = 0, len; at < text.len; at += len) {
        len = utf8_read(text, at, &c);
        assert(len > 0 && (c == '\n' || !utf8_is_harmful(c)));
    }
}

static void show(const json_t *status) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert(out != NULL);
    live_print_host(out, status);
    assert(live_print_services(out, false, 80, status) == 0);
    live_print_schedules(out, status);
    assert(fclose(out) == 0);
    check_shown((struct slice){text, len});
    free(text);
}

static void show_text(struct slice text) {
    struct buf out;
    buf_init(&out, 64 * text.len + 64);
    text_add_safe(&out, text);
    check_shown(buf_slice(&out));
    assert(memchr(out.data == NULL ? "" : out.data, '\n', out.len) == NULL);
    buf_reset(&out);
    text_add_lines(&out, text, "  ");
    check_shown(buf_slice(&out));
    buf_reset(&out);
    text_add_id(&out, text);
    check_shown(buf_slice(&out));
    buf_clear(&out);
}

static void lay_out(struct slice json) {
    struct buf spread;
    struct buf tight;
    struct buf again;
    buf_init(&spread, 1 << 24);
    buf_init(&tight, 1 << 20);
    buf_init(&again, 1 << 20);
    text_add_json_tight(&tight, json);
    text_add_json_spread(&spread, json);
    text_add_json_tight(&again, buf_slice(&spread));
    assert(!spread.failed && slice_equal(buf_slice(&tight), buf_slice(&again)));
    buf_clear(&again);
    buf_clear(&tight);
    buf_clear(&spread);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = fuzz_slice(data, size);
    json_t *status = json_read(text, "status", NULL);
    assert(text_is_json(text) == (status != NULL));
    show_text(text);
    if (status != NULL) {
        show(status);
        lay_out(text);
    }
    json_decref(status);
    return 0;
}
