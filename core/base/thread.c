/* thread.c - see thread.h. */
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/* It starts with all signals blocked. */
static int start_blocked(const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int err = pthread_sigmask(SIG_BLOCK, &all, &before);
    if (err == 0) {
        pthread_t thread;
        err = pthread_create(&thread, attributes, run, arg);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return err;
}

int thread_start(void *(*run)(void *arg), void *arg) {
    pthread_attr_t attributes;
    int err = pthread_attr_init(&attributes);
    if (err != 0) {
        return err;
    }
    err = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (err == 0) {
        err = start_blocked(&attributes, run, arg);
    }
    (void)pthread_attr_destroy(&attributes);
    return err;
}
