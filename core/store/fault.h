/*
 * fault.h - the last line: a fault in the store's map ends the process in words.
 *
 * A file that is cut, or a disk that cannot read it, is SIGBUS to who has it mapped; damage that
 * the look at open did not cover may be SIGSEGV.
 */
#ifndef ZINGQ_STORE_FAULT_H
#define ZINGQ_STORE_FAULT_H

/* From now on a fault where `folder`/data.mdb is mapped writes that it cannot be read and ends the
 * process with EXIT_CANNOT_RUN. Any other fault goes the way it went before. To be called after the
 * file was mapped, and mapped anew; the store that was last counts. */
void store_fault_watch(const char *folder);
/* Nothing is mapped any more. */
void store_fault_forget(void);

#endif
