/*
 * words.c - who is ready, alive, stopping: what the hosts report to the fleet, and the fleet to its own
 * service manager.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/notify.h"
#include "host/port.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { WORDS_AT_ONCE = 64 /* reports of one host per pass of the loop */ };

int fleet_open_words(struct fleet_host *host, struct report *r) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof name;
    const int yes = 1;
    host->words = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Without an address it gets a free name in the abstract namespace: five digits after a NUL
     * byte. */
    if (host->words < 0 ||
        setsockopt(host->words, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
        bind(host->words, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path)) != 0 ||
        getsockname(host->words, (struct sockaddr *)&name, &len) != 0) {
        return report(r, ERR_SYSTEM, "cannot make a socket for host %u: %s", host->number,
                      strerror(errno));
    }
    int name_len = (int)(len - offsetof(struct sockaddr_un, sun_path)) - 1;
    assert(name_len > 0 && name_len < (int)sizeof host->words_name - 1);
    (void)snprintf(host->words_name, sizeof host->words_name, "@%.*s", name_len, name.sun_path + 1);
    return 0;
}

/* The next report, and its sender: any process of this machine may send one. False: there is
 * none. */
static bool next_word(int words, char text[FLEET_WORD_BYTES], pid_t *from) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr head; /* for its alignment */
    } control;
    struct iovec part = {.iov_base = text, .iov_len = FLEET_WORD_BYTES - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t len = recvmsg(words, &message, 0);
    const struct cmsghdr *head = len < 0 ? NULL : CMSG_FIRSTHDR(&message);
    struct ucred sender = {.pid = 0};
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_CREDENTIALS) {
        memcpy(&sender, CMSG_DATA(head), sizeof sender);
    }
    text[len < 0 ? 0 : len] = '\0';
    *from = sender.pid;
    return len >= 0;
}

static bool take_follows(struct fleet_follower *follower, const char *text) {
    size_t len = sizeof FLEET_FOLLOWS - 1;
    if (!follower->runs || strncmp(text, FLEET_FOLLOWS, len) != 0) {
        return false;
    }
    follower->turn = strtoull(text + len, NULL, 10);
    follower->level_ms = clock_monotonic_ms();
    follower->failed = false;
    return true;
}

/* host_notify_wait. */
static bool take_wait(struct fleet_host *host, const char *text) {
    static const char word[] = "WATCHDOG_USEC=";
    if (strncmp(text, word, sizeof word - 1) != 0) {
        return false;
    }
    host->waits_ms = strtoll(text + sizeof word - 1, NULL, 10) / 1000;
    return true;
}

static bool take_words_of(struct fleet_host *host) {
    char text[FLEET_WORD_BYTES];
    pid_t from;
    bool had_copy = host->follower.level_ms != 0;
    for (size_t i = 0; i < WORDS_AT_ONCE && next_word(host->words, text, &from); i++) {
        if (from != host->pid || from == 0) {
            continue;
        }
        bool ready = strcmp(text, "READY=1") == 0;
        host->ready = host->ready || ready;
        host->stopping = host->stopping || strcmp(text, "STOPPING=1") == 0;
        host->attends = host->attends || strcmp(text, PORT_ATTENDED) == 0;
        if (ready || strcmp(text, "WATCHDOG=1") == 0 || take_wait(host, text) ||
            take_follows(&host->follower, text)) {
            host->beat_ms = clock_monotonic_ms();
        }
    }
    return !had_copy && host->follower.level_ms != 0;
}

bool fleet_take_words(struct fleet *f) {
    bool copied = false;
    for (unsigned i = 0; i < f->count; i++) {
        copied = take_words_of(&f->hosts[i]) || copied;
    }
    return copied;
}

void fleet_tell_manager(const char *text) {
    if (host_notify(text) != 0) {
        log_warn("fleet", "cannot tell the service manager %s: %s", text, strerror(errno));
    }
}
