/*
 * fault.c - see store/fault.h.
 */
#include "store/fault.h"

#include "base/error.h"
#include "store/folder.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WORDS_BYTES = 4096 + 512,
    LINE_BYTES = 8192,
    BEYOND = 65536 /* how far a node of the last page may point */
};

static struct {
    uintptr_t from, to;
    char words[WORDS_BYTES];
    size_t len;
    struct sigaction before[2]; /* of SIGBUS, SIGSEGV */
} watched;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr;
    if (at >= watched.from && at < watched.to) {
        ssize_t written = write(STDERR_FILENO, watched.words, watched.len);
        (void)written;
        _exit(EXIT_CANNOT_RUN);
    }
    /* The instruction faults again, and the previous handler gets the signal. */
    (void)sigaction(number, &watched.before[number == SIGSEGV], NULL);
}

static void install(void) {
    static const int numbers[] = {SIGBUS, SIGSEGV};
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < 2; i++) { /* without a handler a fault also ends the process */
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_sigaction != on_fault) {
            watched.before[i] = now;
            (void)sigaction(numbers[i], &action, NULL);
        }
    }
}

/* LMDB does not report where it maps the file, so find the line with its inode in
 * /proc/self/maps. */
static bool read_line(const char *line, ino_t inode, uintptr_t *from, uintptr_t *to) {
    char *at = NULL;
    *from = (uintptr_t)strtoull(line, &at, 16);
    *to = *at == '-' ? (uintptr_t)strtoull(at + 1, &at, 16) : 0;
    for (int skipped = 0; skipped < 3 && at != NULL; skipped++) { /* rights, offset, device */
        at = strchr(at + 1, ' ');
    }
    return at != NULL && *to > *from && strtoull(at, NULL, 10) == inode;
}

static bool find_map(const char *folder, uintptr_t *from, uintptr_t *to) {
    char text[LINE_BYTES];
    struct stat st;
    if (store_data_file(folder, text, NULL) != 0 || stat(text, &st) != 0) {
        return false;
    }
    FILE *maps = fopen("/proc/self/maps", "re");
    bool found = false;
    while (maps != NULL && !found && fgets(text, sizeof text, maps) != NULL) {
        found = read_line(text, st.st_ino, from, to);
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return found;
}

void store_fault_watch(const char *folder) {
    uintptr_t from;
    uintptr_t to;
    store_fault_forget();
    if (!find_map(folder, &from, &to)) {
        return; /* a fault still ends the process, but without a message */
    }
    int len =
        snprintf(watched.words, sizeof watched.words,
                 "zingq: the store %s/data.mdb cannot be read: it is damaged, has been cut, or "
                 "its disk fails; `zingq doctor --store` says what is wrong, `zingq export "
                 "--salvage` saves what can be read\n",
                 folder);
    assert(len > 0 && (size_t)len < sizeof watched.words); /* the name of its file is shorter */
    watched.len = (size_t)len;
    watched.to = to + BEYOND;
    watched.from = from;
    install();
}

void store_fault_forget(void) {
    watched.from = 0;
    watched.to = 0;
}
