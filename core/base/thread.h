/*
 * thread.h - threads that nobody joins: they run a call that blocks, which the loop may stop
 * waiting for. What they share with the loop has a lock of its own, and whoever comes last frees it.
 */
#ifndef ZINGQ_BASE_THREAD_H
#define ZINGQ_BASE_THREAD_H

/* Calls run(arg) on a detached thread that takes no signals: those belong to the loop. 0, or
 * errno's number. */
int thread_start(void *(*run)(void *arg), void *arg);

#endif
