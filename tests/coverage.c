/*
 * coverage.c - _exit in a coverage build: what a process has counted is written first, as exit does. Children of
 * tests end so, and hosts that cannot go on.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void); /* NOLINT: the name is gcc's */

void _exit(int status) {
    __gcov_dump();
    (void)syscall(SYS_exit_group, status);
    abort(); /* it does not return */
}
