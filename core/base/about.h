/*
 * about.h - how long something takes, as people say it: "4 min".
 */
#ifndef ZINGQ_BASE_ABOUT_H
#define ZINGQ_BASE_ABOUT_H

enum { ABOUT_BYTES = 32 };

/* "40 s", "4 min", "3 h", "12 days": rounded up, for an estimate; s is finite and not negative. Returns
 * out. */
const char *about_seconds(double s, char out[ABOUT_BYTES]);

#endif
