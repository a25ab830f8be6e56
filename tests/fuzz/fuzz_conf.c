/*
 * fuzz_conf.c - any text as topics.conf.
 *
 * Promises: a file is refused with a sentence, or all of it is read; asked for every mistake, it has
 * one exactly if it is refused; read twice, it says the same, and that is no change. Files it names
 * are not opened: no_secrets.
 */
#include "fuzz.h"

#include "temp_dir.h"

#include "conf/change.h"
#include "conf/conf.h"

#include <stdio.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static void forget(void) {
    (void)unlink(path);
    (void)rmdir(folder);
}

static void write_file(struct slice text) {
    if (path[0] == '\0') {
        temp_dir_make("conf", folder, sizeof folder);
        (void)snprintf(path, sizeof path, "%s/topics.conf", folder);
        assert(atexit(forget) == 0);
    }
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    assert(fwrite(text.data, 1, text.len, file) == text.len);
    assert(fclose(file) == 0);
}

static void on_mistake(void *ctx, const char *sentence) {
    (void)ctx;
    assert(sentence[0] != '\0');
}

static bool read_all_mistakes(void) {
    struct conf_mistakes mistakes = {.tell = on_mistake};
    struct conf_overrides all = {.no_secrets = true, .mistakes = &mistakes};
    struct report r = {""};
    struct conf *c = NULL;
    int code = conf_load(&c, path, &all, &r);
    assert((code == 0) == (c != NULL) && (code == 0) == (r.text[0] == '\0'));
    assert((code == 0) == (mistakes.count == 0) || code == ERR_LIMIT);
    conf_free(c);
    return code == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct conf_overrides quiet = {.no_secrets = true};
    struct report r = {""};
    struct conf *c = NULL;
    struct conf *again = NULL;
    write_file(fuzz_slice(data, size));
    int code = conf_load(&c, path, &quiet, &r);
    assert((code == 0) == (c != NULL) && (code == 0) == (r.text[0] == '\0'));
    assert(read_all_mistakes() == (code == 0));
    if (code == 0) {
        assert(conf_load(&again, path, &quiet, &r) == 0);
        assert(conf_same(c, again) && conf_check_change(c, again, &r) == 0);
        conf_exchange(c, again);
        assert(conf_same(c, again));
    }
    conf_free(again);
    conf_free(c);
    return 0;
}
