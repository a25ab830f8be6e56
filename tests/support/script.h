/*
 * script.h - the Lua of a test, which stands beside it: that of test_lock.c in test_lock.lua.
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

/* The script under the line "--- name": up to the next line that begins with "---", and without such
 * lines right below the name, which are for readers. Lives as long as the test. */
#define LUA(name) script_text(TEST_LUA, #name)

/* Aborts when the file has no such script. */
const char *script_text(const char *file, const char *name);

#endif
