/*
 * temp_dir.h - where tests keep what they write: in memory, where there is enough of it, so that they
 * do not wait for a disk that shows nothing. Tests that kill what writes keep to a disk (`ctest: disk`).
 */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <stddef.h>

/* Makes a folder "zingq-NAME-......" in $ZINGQ_TEST_TMP, or else in /dev/shm where 1 GiB is free, or
 * else in /tmp, and writes its path to `out`. The test fails when it cannot be made. */
void temp_dir_make(const char *name, char *out, size_t size);

#endif
