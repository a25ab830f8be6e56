/*
 * fault.h - the last resort: a fault in the store's map ends the process with a message.
 *
 * If a mapped file is truncated, or the disk cannot read it, access causes SIGBUS; damage that the
 * check at opening did not cover may cause SIGSEGV.
 */
#ifndef ZINGQ_STORE_FAULT_H
#define ZINGQ_STORE_FAULT_H

/* From now on, a fault where `folder`/data.mdb is mapped reports that it cannot be read, and ends
 * the process with EXIT_CANNOT_RUN. Other faults are handled as before. Call it each time the file
 * was mapped; only the last store is watched. */
void store_fault_watch(const char *folder);
/* The file is no longer mapped. */
void store_fault_forget(void);

#endif
