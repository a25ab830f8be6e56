/*
 * thread.h - threads that nobody joins: each runs a call that blocks, which its owner may stop waiting
 * for. What the call works on is a struct with this one in it, and whoever lets go of it last frees it.
 */
#ifndef ZINGQ_BASE_THREAD_H
#define ZINGQ_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct thread {
    /* The call. Nothing of what it works on but this struct is the owner's meanwhile. */
    void (*run)(struct thread *thread);
    /* Tells the owner, who still exists, that it is over; or NULL. */
    void (*wake)(struct thread *thread);
    /* Frees it all, when its owner has left before. */
    void (*release)(struct thread *thread);
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    bool running;
    bool left;
};

void thread_init(struct thread *thread);
/* Before it is freed; none runs. */
void thread_destroy(struct thread *thread);
/* Calls run on a detached thread that takes no signals: those belong to the loop. wake and release are
 * called there as well. 0, or errno's number. */
int thread_start(struct thread *thread);
/* Whether run has returned, or was never called. What it wrote may be read then. */
bool thread_over(struct thread *thread);
/* The same, within wait_ms. */
bool thread_wait(struct thread *thread, int64_t wait_ms);
/* The owner lets go of it. True: it is over, and the owner frees it; false: it will be released. */
bool thread_leave(struct thread *thread);

#endif
