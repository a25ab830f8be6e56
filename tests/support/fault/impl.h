/* impl.h - shared by the files of support/fault; nobody else includes it. */
#ifndef ZINGQ_TEST_FAULT_IMPL_H
#define ZINGQ_TEST_FAULT_IMPL_H

#include "fault.h"

#include <stddef.h>

/* Whether this call is to fail, which is of that kind. */
bool fault_strikes(enum fault kind, const char *call);

/* --- heap.c: what this thread allocates between fault_on and fault_off, by whomever it is freed --- */

void heap_watch(bool on);
/* Forgets what is there. With `stacks`, remembers from now on who allocated. */
void heap_forget(bool stacks);
/* How much is left of it. */
size_t heap_left(void);
void heap_tell(void);

#endif
