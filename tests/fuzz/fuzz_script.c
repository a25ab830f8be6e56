/*
 * fuzz_script.c - any text as a script: what an author, or who took over an author's account, writes.
 *
 * Promises: it is refused with a sentence, or runs within its limits of time and memory; bytecode is
 * refused; whatever it does, no file is made or opened, and no process is started.
 */
#include "fuzz.h"

#include "sandbox_round.h"
#include "temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static void forget(void) {
    (void)unlink(path);
    (void)rmdir(folder);
}

static void make_folder(void) {
    temp_dir_make("script", folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/sandbox.lua", folder);
    assert(atexit(forget) == 0);
}

static void write_script(struct slice text) {
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    assert(fwrite(text.data, 1, text.len, file) == text.len);
    assert(fclose(file) == 0);
}

static size_t count_entries(const char *name) {
    size_t count = 0;
    DIR *dir = opendir(name);
    assert(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    assert(closedir(dir) == 0);
    return count;
}

static bool has_children(void) {
    return waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char payload[] = "{\"id\": \"1\", \"list\": [1, 2.5, null]}";
    if (folder[0] == '\0') {
        make_folder();
    }
    bool parent = has_children(); /* of the sanitizer's own */
    size_t files = count_entries("/proc/self/fd");
    write_script(fuzz_slice(data, size));
    bool loaded = sandbox_round(folder, (const uint8_t *)payload, sizeof payload - 1);
    assert(!loaded || size == 0 || data[0] != '\x1b'); /* LUA_SIGNATURE */
    assert(count_entries("/proc/self/fd") == files && count_entries(folder) == 3);
    assert(has_children() == parent);
    return 0;
}
