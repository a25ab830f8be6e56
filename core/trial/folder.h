/*
 * folder.h - temporary folders: in memory (/dev/shm) where there is some, else where base/temp.h
 * puts them.
 */
#ifndef ZINGQ_TRIAL_FOLDER_H
#define ZINGQ_TRIAL_FOLDER_H

#include "base/error.h"

#include <stddef.h>

/* Makes an empty folder; its path in `out`. ERR_SYSTEM with a sentence. temp_folder_remove removes
 * it. */
int trial_folder_new(char *out, size_t size, struct report *r);

#endif
