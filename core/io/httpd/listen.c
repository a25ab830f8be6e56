/*
 * listen.c - the sockets of the HTTP door: TCP, or a unix socket only its owner can open.
 */
#include "io/httpd/impl.h"

#include <assert.h>
#include <errno.h>
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

static int unix_listen(struct gateway *g, const char *listen_on, int *out, struct report *r) {
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
    if (bound != 0) {
        return refuse(r, listen_on, error);
    }
    g->unix_path = slice_dup(slice_of(path));
    return g->unix_path != NULL ? 0 : refuse(r, listen_on, ENOMEM);
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

/* A socket with that address, or on failure one to close, or -1. `shares`: with others that do. */
static int tcp_bind(const char *listen_on, bool shares, int *out, struct report *r) {
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
              (!shares || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    int error = errno;
    freeaddrinfo(found);
    *out = fd;
    return ok ? 0 : refuse(r, listen_on, error);
}

static int tcp_listen(struct gateway *g, const char *listen_on, int *out, struct report *r) {
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    int code = tcp_bind(listen_on, g->callbacks.shares_port, out, r);
    if (code != 0) {
        return code;
    }
    if (getsockname(*out, (struct sockaddr *)&bound, &bound_len) != 0) {
        return refuse(r, listen_on, errno);
    }
    char number[NI_MAXSERV] = "0";
    (void)getnameinfo((struct sockaddr *)&bound, bound_len, NULL, 0, number, sizeof number,
                      NI_NUMERICSERV);
    g->port = (uint16_t)strtoul(number, NULL, 10);
    return 0;
}

static bool is_unix(const char *listen_on) {
    return strncmp(listen_on, "unix:", 5) == 0;
}

/* Bound like a port that is not shared, so that nobody else may have it. From then on it is shared, but
 * only with sockets that share theirs: not with another one that is bound here. */
int gateway_reserve(const char *listen_on, int *out, struct report *r) {
    const int on = 1, off = 0;
    *out = -1;
    int code = is_unix(listen_on) ? 0 : tcp_bind(listen_on, false, out, r);
    if (code == 0 && *out >= 0 &&
        (setsockopt(*out, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off) != 0 ||
         setsockopt(*out, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
        code = refuse(r, listen_on, errno);
    }
    if (code != 0 && *out >= 0) {
        (void)close(*out);
        *out = -1;
    }
    return code;
}

int gateway_open_socket(struct gateway *g, const char *listen_on, int *out, struct report *r) {
    *out = -1;
    int code =
        is_unix(listen_on) ? unix_listen(g, listen_on, out, r) : tcp_listen(g, listen_on, out, r);
    if (code == 0 && listen(*out, SOMAXCONN) != 0) {
        code = refuse(r, listen_on, errno);
    }
    return code;
}
