/* thread.c - see thread.h. */
#include "base/thread.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

void thread_init(struct thread *thread) {
    pthread_condattr_t monotonic;
    int failed = pthread_condattr_init(&monotonic);
    failed = failed == 0 ? pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) : failed;
    failed = failed == 0 ? pthread_cond_init(&thread->ended, &monotonic) : failed;
    failed = failed == 0 ? pthread_mutex_init(&thread->lock, NULL) : failed;
    assert(failed == 0); /* none of them takes resources on Linux */
    (void)pthread_condattr_destroy(&monotonic);
    thread->running = false;
    thread->left = false;
}

void thread_destroy(struct thread *thread) {
    assert(!thread->running);
    (void)pthread_cond_destroy(&thread->ended);
    (void)pthread_mutex_destroy(&thread->lock);
}

static void *thread_main(void *arg) {
    struct thread *thread = arg;
    thread->run(thread);
    (void)pthread_mutex_lock(&thread->lock);
    thread->running = false;
    bool left = thread->left;
    if (!left) { /* under the lock: the owner still exists */
        (void)pthread_cond_signal(&thread->ended);
        if (thread->wake != NULL) {
            thread->wake(thread);
        }
    }
    (void)pthread_mutex_unlock(&thread->lock);
    if (left) {
        thread->release(thread);
    }
    return NULL;
}

/* It starts with all signals blocked. */
static int start_blocked(const pthread_attr_t *attributes, struct thread *thread) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int err = pthread_sigmask(SIG_BLOCK, &all, &before);
    if (err == 0) {
        pthread_t started;
        err = pthread_create(&started, attributes, thread_main, thread);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return err;
}

int thread_start(struct thread *thread) {
    pthread_attr_t attributes;
    assert(!thread->running && !thread->left);
    int err = pthread_attr_init(&attributes);
    if (err != 0) {
        return err;
    }
    thread->running = true;
    err = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (err == 0) {
        err = start_blocked(&attributes, thread);
    }
    if (err != 0) {
        thread->running = false;
    }
    (void)pthread_attr_destroy(&attributes);
    return err;
}

bool thread_over(struct thread *thread) {
    return thread_wait(thread, 0);
}

static struct timespec after_ms(int64_t ms) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

bool thread_wait(struct thread *thread, int64_t wait_ms) {
    const struct timespec until = after_ms(wait_ms);
    (void)pthread_mutex_lock(&thread->lock);
    for (int err = 0; thread->running && err == 0;) {
        err = pthread_cond_timedwait(&thread->ended, &thread->lock, &until);
    }
    bool over = !thread->running;
    (void)pthread_mutex_unlock(&thread->lock);
    return over;
}

bool thread_leave(struct thread *thread) {
    (void)pthread_mutex_lock(&thread->lock);
    thread->left = thread->running;
    bool over = !thread->running;
    (void)pthread_mutex_unlock(&thread->lock);
    return over;
}
