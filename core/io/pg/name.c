/*
 * name.c - looking a name up, on a thread of its own: not in libuv's pool, which is joined when the
 * process ends, however long a name server takes.
 */
#include "io/pg/impl.h"

#include "base/limits.h"
#include "base/thread.h"

#include <assert.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct pg_question {
    struct thread thread;
    uv_async_t *wake;
    int error;
    struct addrinfo *list;
    char name[NI_MAXHOST];
};

static atomic_uint asking; /* threads */

static void question_free(struct pg_question *q) {
    if (q->list != NULL) {
        freeaddrinfo(q->list);
    }
    thread_destroy(&q->thread);
    free(q);
}

static void release(struct thread *thread) {
    question_free((struct pg_question *)thread);
}

static void ask(struct thread *thread) {
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct pg_question *q = (struct pg_question *)thread;
    q->error = getaddrinfo(q->name, NULL, &hints, &q->list);
    atomic_fetch_sub(&asking, 1);
}

static void wake(struct thread *thread) {
    int failed = uv_async_send(((struct pg_question *)thread)->wake);
    assert(failed == 0);
}

int pg_ask_name(struct pg_question **out, struct slice name, uv_async_t *async) {
    struct pg_question *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return ERR_MEMORY;
    }
    thread_init(&q->thread);
    q->thread.run = ask;
    q->thread.wake = wake;
    q->thread.release = release;
    q->wake = async;
    (void)snprintf(q->name, sizeof q->name, "%.*s", (int)name.len, name.data);
    bool full = atomic_fetch_add(&asking, 1) >= PG_LOOK_UPS_MAX;
    if (full || thread_start(&q->thread) != 0) {
        atomic_fetch_sub(&asking, 1);
        question_free(q);
        return full ? ERR_LIMIT : ERR_SYSTEM;
    }
    *out = q;
    return 0;
}

bool pg_name_answered(struct pg_question *q, int *error, const struct addrinfo **list) {
    if (!thread_over(&q->thread)) {
        return false;
    }
    *error = q->error;
    *list = q->list;
    return true;
}

void pg_forget_name(struct pg_question *q) {
    if (q != NULL && thread_leave(&q->thread)) {
        question_free(q);
    }
}
