/*
 * listen.c - the sockets of the HTTP door: TCP, or a unix socket only its owner can open.
 */
#include "io/httpd/impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int refuse(struct report *r, const char *listen, int error) {
    if (error == EADDRINUSE) {
        return report(r, ERR_BUSY, "%s is in use by another program: stop it or choose another",
                      listen);
    }
    return report(r, ERR_SYSTEM, "cannot listen on %s: %s", listen, strerror(error));
}

/* Checks whether somebody answers on the unix socket; a file without a listener may be replaced. */
static int unix_check(const struct sockaddr_un *address, const char *listen, struct report *r) {
    struct stat info;
    if (lstat(address->sun_path, &info) != 0) {
        return errno == ENOENT ? 0 : refuse(r, listen, errno);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return report(r, ERR_INVALID, "%s exists and is not a socket: move it away",
                      address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return refuse(r, listen, errno);
    }
    int connected = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int error = errno;
    (void)close(fd);
    if (connected == 0 || error != ECONNREFUSED) {
        return refuse(r, listen, connected == 0 || error == EAGAIN ? EADDRINUSE : error);
    }
    return unlink(address->sun_path) == 0 ? 0 : refuse(r, listen, errno);
}

static int unix_listen(const char *listen_on, int *out, struct report *r) {
    const char *path = listen_on + strlen("unix:");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof address.sun_path) {
        return report(r, ERR_INVALID, "the socket path \"%s\" must have 1 to %zu bytes", path,
                      sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, len + 1);
    int code = unix_check(&address, listen_on, r);
    if (code != 0) {
        return code;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return refuse(r, listen_on, errno);
    }
    *out = fd;
    mode_t before = umask(0177); /* the file never has a mode beyond 0600 */
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    int error = errno;
    (void)umask(before);
    return bound == 0 ? 0 : refuse(r, listen_on, error);
}

/* Copies the host of "host:port" or "[host]:port" to `host`; returns the start of the port, or
 * NULL. */
static const char *split_address(const char *listen_on, char host[256]) {
    const char *colon = strrchr(listen_on, ':');
    if (colon == NULL) {
        return NULL;
    }
    size_t len = (size_t)(colon - listen_on);
    if (len >= 2 && listen_on[0] == '[' && listen_on[len - 1] == ']') {
        listen_on++;
        len -= 2;
    } else if (memchr(listen_on, ':', len) != NULL) {
        return NULL;
    }
    if (len == 0 || len >= 256) {
        return NULL;
    }
    memcpy(host, listen_on, len);
    host[len] = '\0';
    return colon + 1;
}

static int tcp_bind(const char *listen_on, int *out, struct report *r) {
    char host[256];
    const char *port = split_address(listen_on, host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (port == NULL || getaddrinfo(host, port, &hints, &found) != 0) {
        return report(r, ERR_INVALID,
                      "cannot listen on \"%s\": write an address and a port, like 127.0.0.1:8080, "
                      "[::1]:8080 or unix:/path",
                      listen_on);
    }
    const int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    int error = errno;
    freeaddrinfo(found);
    *out = fd;
    return ok ? 0 : refuse(r, listen_on, error);
}

/* The number that the system may have chosen, or the path. */
static int learn_address(struct gateway *g, struct report *r) {
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    if (getsockname(g->listener, (struct sockaddr *)&bound, &len) != 0) {
        return refuse(r, "the socket of another process", errno);
    }
    if (bound.ss_family == AF_UNIX) {
        g->unix_path = slice_dup(slice_of(((const struct sockaddr_un *)&bound)->sun_path));
        return g->unix_path != NULL ? 0 : refuse(r, "the socket of another process", ENOMEM);
    }
    char number[NI_MAXSERV] = "0";
    (void)getnameinfo((struct sockaddr *)&bound, len, NULL, 0, number, sizeof number,
                      NI_NUMERICSERV);
    g->port = (uint16_t)strtoul(number, NULL, 10);
    return 0;
}

static int take_socket(struct gateway *g, struct report *r) {
    int flags = fcntl(g->listener, F_GETFD);
    return flags >= 0 && fcntl(g->listener, F_SETFD, flags | FD_CLOEXEC) == 0
               ? 0
               : refuse(r, "the socket of another process", errno);
}

int gateway_open_socket(struct gateway *g, const char *listen_on, struct report *r) {
    bool of_unix = strncmp(listen_on, "unix:", 5) == 0;
    int code = g->listener >= 0 ? take_socket(g, r)
               : of_unix        ? unix_listen(listen_on, &g->listener, r)
                                : tcp_bind(listen_on, &g->listener, r);
    if (code == 0 && g->callbacks.listener == 0 && listen(g->listener, SOMAXCONN) != 0) {
        code = refuse(r, listen_on, errno);
    }
    return code == 0 ? learn_address(g, r) : code;
}
