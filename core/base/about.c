/* about.c - see base/about.h. */
#include "base/about.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

const char *about_seconds(double s, char out[ABOUT_BYTES]) {
    static const struct {
        double below, unit;
        const char *name;
    } rows[] = {{100, 1, " s"}, {100 * 60, 60, " min"}, {48 * 3600, 3600, " h"}};
    static const double day = 86400;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (s < rows[i].below) {
            (void)snprintf(out, ABOUT_BYTES, "%.0f%s", ceil(s / rows[i].unit), rows[i].name);
            return out;
        }
    }
    (void)snprintf(out, ABOUT_BYTES, "%.0f days", ceil(s / day));
    return out;
}
