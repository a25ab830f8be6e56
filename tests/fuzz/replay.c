/*
 * replay.c - the fuzzers without libFuzzer: hands each of them what is kept in corpus/NAME.
 *
 *   fuzz_replay [NAME | NAME FILE...]   one of them, with its corpus or with these files; default: all
 */
#include "fuzz.h"

#include "fuzzers.h"

#include <dirent.h>
#include <stdio.h>

typedef int fuzzer(const uint8_t *data, size_t size);

#define X(name) fuzzer fuzz_##name;
FUZZERS(X)
#undef X

static const struct {
    const char *name;
    fuzzer *run;
} fuzzers[] = {
#define X(name) {#name, fuzz_##name},
    FUZZERS(X)
#undef X
};

enum { FILE_BYTES_MOST = 1 << 20 };

/* The name is printed first: whoever ends the program is the last one. */
static int replay_file(fuzzer *run, const char *path) {
    (void)printf("%s\n", path);
    (void)fflush(stdout);
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = malloc(FILE_BYTES_MOST);
    size_t len = file == NULL || bytes == NULL ? 0 : fread(bytes, 1, FILE_BYTES_MOST, file);
    bool read = file != NULL && bytes != NULL && ferror(file) == 0 && len < FILE_BYTES_MOST;
    uint8_t *exact = malloc(len + 1); /* so that a byte too far is noticed */
    if (file != NULL) {
        (void)fclose(file);
    }
    if (read && exact != NULL) {
        memcpy(exact + 1, bytes, len);
        (void)run(exact + 1, len);
    }
    free(exact);
    free(bytes);
    return read ? 0 : 1;
}

static int replay_corpus(const char *name, fuzzer *run) {
    char folder[1024];
    char path[2048];
    int failed = 0;
    size_t count = 0;
    const struct dirent *entry;
    (void)snprintf(folder, sizeof folder, "%s/corpus/%s", FUZZ_DIR, name);
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        (void)printf("%s: there is no such folder\n", folder);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            failed |= replay_file(run, path);
            count++;
        }
    }
    (void)closedir(dir);
    return count == 0 ? 1 : failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    bool known = argc < 2;
    for (size_t i = 0; i < sizeof fuzzers / sizeof *fuzzers; i++) {
        if (argc >= 2 && strcmp(argv[1], fuzzers[i].name) != 0) {
            continue;
        }
        known = true;
        failed |= argc <= 2 ? replay_corpus(fuzzers[i].name, fuzzers[i].run) : 0;
        for (int f = 2; f < argc; f++) {
            failed |= replay_file(fuzzers[i].run, argv[f]);
        }
    }
    return known ? failed : 2;
}
