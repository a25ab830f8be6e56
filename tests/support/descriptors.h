/*
 * descriptors.h - a process that has used up its file descriptors, and has them again.
 */
#ifndef ZINGQ_TEST_DESCRIPTORS_H
#define ZINGQ_TEST_DESCRIPTORS_H

/* Lowers the limit of open files to a little above what is open, and opens until none is left. */
void descriptors_take_all(void);
/* Gives one of them back. */
void descriptors_give_one(void);
/* Gives all of them back, and the limit. */
void descriptors_give_all(void);
/* So many may still be opened from now on; descriptors_give_all takes it back. */
void descriptors_leave(int count);

#endif
