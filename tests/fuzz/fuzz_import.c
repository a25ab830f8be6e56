/*
 * fuzz_import.c - any lines as those of an export, between a first and a last one that fit.
 *
 * Input: lines of JSON. Promises: an import is refused with a sentence, and leaves no store; or all is taken, and the export
 * of what it made can be imported, and exported as the same bytes.
 */
#include "fuzz.h"

#include "data_folder.h"

#include "base/log.h"
#include "export/export.h"
#include "export/impl.h"
#include "store/folder.h"

#include <stdio.h>
#include <unistd.h>

enum { TEXT_BYTES = 16 << 20, STORE_BYTES = 64 << 20 };

static void drop_line(void *ctx, struct slice line) {
    (void)ctx;
    (void)line;
}

/* What an export is of these lines. */
static void frame(struct slice lines, struct buf *out) {
    unsigned char sum[crypto_hash_sha256_BYTES];
    char text[2 * sizeof sum + 1];
    size_t records = 0;
    buf_printf(out,
               "{\"kind\":\"%s\",\"format\":%d,\"zingq\":\"fuzz\",\"schema\":%d,\"partitions\":%d,"
               "\"services\":[\"work\",\"park\",\"queue\",\"fair\",\"batch\",\"steps\",\"waits\","
               "\"sagas\"],\"rows\":{}}\n",
               EXPORT_FIRST, EXPORT_FORMAT, STORE_SCHEMA, PARTITIONS);
    while (lines.len > 0) {
        buf_add_slice(out, fuzz_cut(&lines, '\n'));
        buf_add(out, "\n", 1);
        records++;
    }
    (void)crypto_hash_sha256(sum, (const unsigned char *)out->data, out->len);
    buf_printf(out, "{\"kind\":\"%s\",\"records\":%zu,\"sha256\":\"%s\"}\n", EXPORT_LAST, records,
               sodium_bin2hex(text, sizeof text, sum, sizeof sum));
    assert(!out->failed);
}

static int import_to(const char *folder, struct slice text) {
    struct export_sums sums;
    struct report r = {""};
    char file[STORE_PATH_BYTES];
    FILE *in = fmemopen((void *)(uintptr_t)text.data, text.len, "r");
    const struct import_options options = {
        .in = in, .name = "it", .folder = folder, .max_bytes = STORE_BYTES};
    assert(in != NULL);
    int code = export_read(&options, &sums, &r);
    (void)fclose(in);
    assert(store_folder_file(folder, "data.mdb", file, NULL) == 0);
    assert((code == 0) == (access(file, F_OK) == 0));
    assert(code == 0 || r.text[0] != '\0');
    return code;
}

/* To be freed. */
static struct slice export_of(const char *folder) {
    const struct store_options options = {.path = folder, .read_only = true};
    struct store *store = NULL;
    struct journal *journal = NULL;
    struct export_sums sums;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    const struct export_options how = {.folder = folder, .out = out};
    assert(out != NULL && store_open(&store, &options, NULL) == 0);
    assert(journal_open(&journal, store, 0, NULL) == 0);
    assert(export_write(journal, &how, &sums, NULL) == 0);
    journal_close(journal);
    store_close(store);
    assert(fclose(out) == 0);
    return (struct slice){text, bytes};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct data_folder once;
    struct data_folder twice;
    struct buf text;
    log_divert(drop_line, NULL);
    data_folder_make(&once);
    data_folder_make(&twice);
    buf_init(&text, TEXT_BYTES);
    frame(fuzz_slice(data, size), &text);
    if (import_to(once.path, buf_slice(&text)) == 0) {
        struct slice first = export_of(once.path);
        assert(import_to(twice.path, first) == 0);
        struct slice second = export_of(twice.path);
        assert(slice_equal(first, second));
        free((void *)(uintptr_t)first.data);
        free((void *)(uintptr_t)second.data);
    }
    buf_clear(&text);
    data_folder_remove(&twice);
    data_folder_remove(&once);
    log_divert(NULL, NULL);
    return 0;
}
