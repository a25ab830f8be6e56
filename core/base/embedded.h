/*
 * embedded.h - files that are part of the program: the build turns a folder into a table
 * (core/base/embed.cmake), and CMakeLists.txt says which.
 */
#ifndef ZINGQ_BASE_EMBEDDED_H
#define ZINGQ_BASE_EMBEDDED_H

#include <stddef.h>

/* One file; everything is static. A table ends with a row whose path is NULL. */
struct embedded {
    const char *path; /* relative to its folder */
    const char *data; /* terminated */
    size_t len;
};

/* core/trial/kit/: what handler tests are written with. */
extern const struct embedded embedded_test_kit[];
/* core/cli/project/: what a new project begins with. */
extern const struct embedded embedded_project[];

#endif
