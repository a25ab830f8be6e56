/*
 * temp.h - temporary files and folders: in $TMPDIR, or in /tmp where that is unset or empty. Only
 * their user can read them; whoever makes one removes it.
 */
#ifndef ZINGQ_BASE_TEMP_H
#define ZINGQ_BASE_TEMP_H

#include "base/error.h"

/* Makes the folder zingq-NAME-XXXXXX; its path in `out`, which is "" after an error. ERR_SYSTEM with
 * a sentence. */
int temp_folder_new(const char *name, char *out, size_t size, struct report *r);
/* Makes the file zingq-NAME-XXXXXX, open for writing: its descriptor, or likewise an error. */
int temp_file_new(const char *name, char *out, size_t size, struct report *r);
/* Removes a folder with all that is in it. What cannot be removed stays, and so does what is mounted
 * there: then -1, and errno says why the first of it did. */
int temp_folder_remove(const char *path);

#endif
