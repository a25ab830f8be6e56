/*
 * audit.h - what must be true after the sale, whatever went wrong in it.
 */
#ifndef DEMO_AUDIT_H
#define DEMO_AUDIT_H

#include "books.h"

struct audit {
    struct sale *sale;
    struct host_books host;
    struct gateway_books gateway;
    size_t mail_strangers;
    bool settled; /* everything came to rest in time */
    bool killed;  /* a host was killed: copies under one id are then allowed */
    double seconds;
};

void audit_print_summary(const struct audit *a);
/* Prints each promise with a tick or a cross; returns how many are broken. */
size_t audit_print_promises(const struct audit *a);

/* For those who were not answered: how far each of them got. */
void audit_print_unanswered(const struct audit *a, const struct host_folders *hosts);

#endif
