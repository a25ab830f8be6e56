/*
 * name.c - looking a name up, on a thread of its own: not in libuv's pool, which is joined when the
 * process ends, however long a name server takes.
 *
 * A question that nobody waits for any more belongs to its thread. `lock` protects the hand-over.
 */
#include "io/pg/impl.h"

#include "base/limits.h"
#include "base/thread.h"

#include <assert.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct pg_question {
    pthread_mutex_t lock; /* guards what follows */
    bool answered;        /* the thread has no pointer to it any more */
    bool abandoned;       /* the thread frees it */
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
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

static void *ask_main(void *arg) {
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct pg_question *q = arg;
    struct addrinfo *list = NULL;
    int error = getaddrinfo(q->name, NULL, &hints, &list);
    atomic_fetch_sub(&asking, 1);
    (void)pthread_mutex_lock(&q->lock);
    q->error = error;
    q->list = list;
    q->answered = true;
    bool abandoned = q->abandoned;
    if (!abandoned) {
        int failed = uv_async_send(q->wake); /* under the lock: its owner still exists */
        assert(failed == 0);
    }
    (void)pthread_mutex_unlock(&q->lock);
    if (abandoned) {
        question_free(q);
    }
    return NULL;
}

int pg_ask_name(struct pg_question **out, struct slice name, uv_async_t *wake) {
    struct pg_question *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return ERR_MEMORY;
    }
    int failed = pthread_mutex_init(&q->lock, NULL);
    assert(failed == 0); /* a plain mutex takes no resources on Linux */
    q->wake = wake;
    (void)snprintf(q->name, sizeof q->name, "%.*s", (int)name.len, name.data);
    bool full = atomic_fetch_add(&asking, 1) >= PG_LOOK_UPS_MAX;
    if (full || thread_start(ask_main, q) != 0) {
        atomic_fetch_sub(&asking, 1);
        question_free(q);
        return full ? ERR_LIMIT : ERR_SYSTEM;
    }
    *out = q;
    return 0;
}

bool pg_name_answered(struct pg_question *q, int *error, const struct addrinfo **list) {
    (void)pthread_mutex_lock(&q->lock);
    bool answered = q->answered;
    *error = q->error;
    *list = q->list;
    (void)pthread_mutex_unlock(&q->lock);
    return answered;
}

void pg_forget_name(struct pg_question *q) {
    if (q == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&q->lock);
    bool answered = q->answered;
    q->abandoned = true;
    (void)pthread_mutex_unlock(&q->lock);
    if (answered) {
        question_free(q);
    }
}
