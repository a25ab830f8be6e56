/*
 * notify.c - one datagram to $NOTIFY_SOCKET per message. sd_notify(3) describes the protocol as
 * stable and suitable for programs without libsystemd, which would bring three compression
 * libraries and libgcrypt into the process for this page of code.
 */
#include "host/notify.h"

#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or a name in the abstract namespace, which begins with an @. */
static int send_to(const char *name, const char *text) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof to.sun_path) {
        errno = EINVAL;
        return ERR_SYSTEM;
    }
    memcpy(to.sun_path, name, len);
    to.sun_path[0] = name[0] == '@' ? '\0' : '/';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return ERR_SYSTEM;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    int saved = errno;
    (void)close(fd); /* the datagram has been sent, or not */
    errno = saved;
    return sent < 0 ? ERR_SYSTEM : 0;
}

int host_notify(const char *text) {
    const char *name = getenv("NOTIFY_SOCKET");
    assert(text != NULL && text[0] != '\0');
    return name == NULL || name[0] == '\0' ? 0 : send_to(name, text);
}

/* 0: the manager does not watch this process. */
static int64_t limit_us(void) {
    const char *limit = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (limit == NULL || (pid != NULL && strtoimax(pid, NULL, 10) != getpid())) {
        return 0;
    }
    uintmax_t us = strtoumax(limit, NULL, 10);
    return us > (uintmax_t)INT64_MAX ? 0 : (int64_t)us;
}

uint64_t host_notify_interval_ms(void) {
    int64_t us = limit_us();
    return us == 0 ? 0 : us < 2000 ? 1 : (uint64_t)us / 2000;
}

int host_notify_wait(int64_t ms) {
    char text[64];
    int64_t us = limit_us();
    if (us == 0) {
        return 0;
    }
    (void)snprintf(text, sizeof text, "WATCHDOG_USEC=%" PRId64, ms == 0 ? us : ms * 1000);
    return host_notify(text);
}
