/*
 * fuzz_files.c - any bytes in the files next to a store: the page that names what is on the processor,
 * and the history of the charts.
 *
 * Input: two bytes for where in the file the rest stands; all else is as in a new one. Promises: a
 * file is read or begun anew; what is read is within its limits and can be written on.
 */
#include "fuzz.h"

#include "data_folder.h"

#include "base/culprit.h"
#include "base/log.h"
#include "web/admin/forecast.h"
#include "web/admin/history.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { HISTORY_BYTES = 512 + 384 + 32 * (180 + 1440) };

static const uint8_t boot[16] = {1, 2, 3};
static struct data_folder folder;

static void drop_line(void *ctx, struct slice line) {
    (void)ctx;
    (void)line;
}

static void forget(void) {
    data_folder_remove(&folder);
}

static void write_file(const char *name, const char *head, size_t size, size_t at,
                       struct slice bytes) {
    char path[128];
    char *all = calloc(1, size);
    assert(all != NULL);
    at %= size;
    bytes.len = bytes.len < size - at ? bytes.len : size - at;
    memcpy(all, head, strlen(head));
    memcpy(all + at, bytes.len == 0 ? "" : bytes.data, bytes.len);
    (void)snprintf(path, sizeof path, "%s/%s", folder.path, name);
    FILE *file = fopen(path, "we");
    assert(file != NULL && fwrite(all, 1, size, file) == size && fclose(file) == 0);
    free(all);
}

static void read_history(size_t at, struct slice bytes) {
    const float figures[HISTORY_FIGURES] = {1, 2, 3, 4, 5, 6, 7};
    const int64_t now_ms = 1764500000000;
    const struct history_series *s;
    struct history *h = NULL;
    write_file("history", "zingq history 1\n", HISTORY_BYTES, at, bytes);
    assert(history_open(&h, folder.path) == 0);
    history_note(h, HISTORY_SERVICE, "seats", now_ms - 60000, now_ms, figures);
    for (size_t i = 0; (s = history_series(h, i)) != NULL; i++) {
        assert(history_kind_of(s) < HISTORY_KINDS && strlen(history_name_of(s)) < 92);
        (void)history_is_known(s, HISTORY_24_HOURS, (uint32_t)(now_ms / 60000));
        float figure = history_figure(s, HISTORY_24_HOURS, (uint32_t)(now_ms / 60000) - 1, 0);
        assert(isnan(figure) || isfinite(figure));
    }
    double left_s = forecast_empty_s(h, HISTORY_SERVICE, "seats", 0, now_ms);
    assert(isnan(left_s) || left_s >= 0);
    history_close(h);
}

static void read_page(size_t at, struct slice bytes) {
    const struct uuid id = {{1}};
    const uint8_t version[CULPRIT_LOAD_BYTES] = {7};
    struct culprit *c = NULL;
    write_file("processor", "", CULPRIT_BYTES, at, bytes);
    if (culprit_peek(&c, folder.path, boot, NULL) == 0) {
        assert(culprit_debt(c)->count <= CULPRIT_EVENTS);
        culprit_close(c);
    }
    assert(culprit_open(&c, folder.path, boot, NULL) == 0);
    assert(culprit_debt(c)->count <= CULPRIT_EVENTS);
    culprit_settle(c);
    culprit_run(c, 1, 2, &id);
    assert(culprit_now(c)->count == 1);
    (void)culprit_load(c, version);
    culprit_close(c);
    assert(culprit_open(&c, folder.path, boot, NULL) == 0);
    assert(culprit_debt(c)->count <= CULPRIT_EVENTS);
    culprit_stopped(c);
    culprit_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    size_t at = fuzz_byte(&rest);
    at = at << 8 | fuzz_byte(&rest);
    if (folder.path[0] == '\0') {
        data_folder_make(&folder);
        assert(atexit(forget) == 0);
    }
    log_divert(drop_line, NULL);
    read_history(at, rest);
    read_page(at, rest);
    log_divert(NULL, NULL);
    return 0;
}
