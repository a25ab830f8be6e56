/*
 * fault.h - calls that fail in turn: a story is told again and again, and each time another call of the program fails, until
 * it comes to its end without one.
 *
 * The linker (--wrap) leads the program's calls to calls.c. Those that libraries make among themselves succeed: what they do
 * when one of theirs fails is told by failing the call of the library. Only calls of the thread that said fault_on count, and
 * only until it says fault_off: what stands around the program is the test's.
 *
 * After each telling, what the program allocated is free again (heap.c; LeakSanitizer at the end of a loop), no descriptor is
 * left open, and it has not taken longer than FAULT_SECONDS.
 *
 * For tests that say `ctest: faults`.
 */
#ifndef ZINGQ_TEST_FAULT_H
#define ZINGQ_TEST_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault {
    FAULT_MEMORY = 1,    /* malloc, calloc, realloc, strdup, ...: NULL */
    FAULT_SYSTEM = 2,    /* open, write, fsync, socket, ...: -1, and the error that fits */
    FAULT_INTERRUPT = 4, /* those that a signal may end: EINTR */
    FAULT_SHORT = 8,     /* read, write, send, ...: no more than one byte */
    FAULT_LIBRARY = 16,  /* libuv, libcurl, libmosquitto, libpq, libmicrohttpd: their own error */
    FAULT_STORE = 32,    /* LMDB: EIO */
    FAULT_ALL = 63
};

enum { FAULT_SECONDS = 60 };

/* Tells the story from nothing to nothing. True: all went well. False: there was an error, which the story has checked: that
 * it was named, and that nothing was half done. */
typedef bool fault_story(void *ctx);

/* Fails the calls of each of these kinds in turn: the first ones, then samples, as many as $ZINGQ_FAULTS (default 12, with
 * AddressSanitizer 4; "all").
 * $ZINGQ_FAULT, as "memory:17", is that one alone, with the call's stack. Without a fault, the story must go well. */
void fault_each(const char *name, unsigned kinds, fault_story *story, void *ctx);

/* What a story ends with that has had an error: its sentence, which must not be empty. False. */
bool fault_named(const char *sentence);

void fault_on(void);
void fault_off(void);

/* From here on, the call that $ZINGQ_FAULT names fails in this thread, once; what it was is told at the end. */
void fault_one(void);

#endif
