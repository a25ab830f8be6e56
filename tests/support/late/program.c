/*
 * program.c - zingq, for which names may be late: while there is a FIFO at $ZINGQ_TEST_LATE, a look-up waits
 * until somebody opens it for writing, as it waits for a name server that does not answer. What is looked up then is
 * written into $ZINGQ_TEST_LATE.asked. The names below "example" are this machine. For tests/blackbox/threads.sh.
 */
#include "cli/cli.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int look_up(const char *node, const char *service, const struct addrinfo *hints,
                    struct addrinfo **out);

static void wait_at(const char *path, const char *node) {
    char asked[4096];
    (void)snprintf(asked, sizeof asked, "%s.asked", path);
    int fd = open(asked, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    (void)dprintf(fd, "%s\n", node);
    (void)close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)close(fd);
}

/* The program's own stands before libc's, also for libmosquitto, libcurl and libuv. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    const char *path = getenv("ZINGQ_TEST_LATE");
    if (node != NULL && path != NULL && access(path, F_OK) == 0) {
        wait_at(path, node);
        return EAI_AGAIN;
    }
    look_up *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    bool ours = node != NULL && strstr(node, ".example") != NULL;
    return real(ours ? "127.0.0.1" : node, service, hints, out);
}

int main(int argc, char **argv) {
    return cli_main(argc, argv);
}
