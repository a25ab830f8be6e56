/*
 * words.c - what the hosts report to the fleet: that they are ready, alive, stopping.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"

#include <string.h>
#include <sys/socket.h>

enum {
    WORD_BYTES = 64,
    WORDS_AT_ONCE = 64, /* reports of one host per pass of the loop */
};

/* The next report, and its sender: any process of this machine may send one. False: there is
 * none. */
static bool next_word(int words, char text[WORD_BYTES], pid_t *from) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr head; /* for its alignment */
    } control;
    struct iovec part = {.iov_base = text, .iov_len = WORD_BYTES - 1};
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

static void take_words_of(struct fleet_host *host) {
    char text[WORD_BYTES];
    pid_t from;
    for (size_t i = 0; i < WORDS_AT_ONCE && next_word(host->words, text, &from); i++) {
        if (from != host->pid || from == 0) {
            continue;
        }
        bool ready = strcmp(text, "READY=1") == 0;
        host->ready = host->ready || ready;
        host->stopping = host->stopping || strcmp(text, "STOPPING=1") == 0;
        if (ready || strcmp(text, "WATCHDOG=1") == 0) {
            host->beat_ms = clock_monotonic_ms();
        }
    }
}

void fleet_take_words(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        take_words_of(&f->hosts[i]);
    }
}
