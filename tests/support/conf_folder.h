/*
 * conf_folder.h - a folder of its own for each test of topics.conf, which is the working directory
 * while the test runs; *state is its name.
 */
#ifndef ZINGQ_TEST_CONF_FOLDER_H
#define ZINGQ_TEST_CONF_FOLDER_H

#include "conf/conf.h"

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEST_IN_FOLDER(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, conf_folder_enter, conf_folder_leave)

int conf_folder_enter(void **state);
int conf_folder_leave(void **state);

/* Makes a file in the folder. */
void conf_folder_write(const char *path, const char *text);
void conf_folder_write_bytes(const char *path, const char *bytes, size_t len);

/* Loads the text as topics.conf; the test fails when it is refused. The caller frees it. */
struct conf *conf_folder_load(const char *text);
/* Asserts that the text is refused as topics.conf with this sentence. */
void assert_refused(const char *text, const char *sentence);

#endif
