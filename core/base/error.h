/*
 * error.h - the one list of error codes, their names and their texts.
 *
 * Functions return 0 or one of these (all negative). Results travel by the last out-parameter. A
 * code gives the kind of error. The message for people, with what, where and how to fix it, is
 * written where the decision is taken: into a `struct report` or the log.
 */
#ifndef ZINGQ_BASE_ERROR_H
#define ZINGQ_BASE_ERROR_H

#include <stddef.h>

/* code, value, text */
#define ERROR_LIST(X)                                                                              \
    X(ERR_MEMORY, -1, "out of memory")                                                             \
    X(ERR_NOTFOUND, -2, "not found")                                                               \
    X(ERR_EXISTS, -3, "exists already")                                                            \
    X(ERR_FULL, -4, "the store is full")                                                           \
    X(ERR_DISK, -5, "the disk or the store refused an operation")                                  \
    X(ERR_CORRUPT, -6, "a stored record is damaged")                                               \
    X(ERR_SCHEMA, -7, "the store was written by a newer zingq")                                    \
    X(ERR_BUSY, -8, "in use")                                                                      \
    X(ERR_LIMIT, -9, "over a limit")                                                               \
    X(ERR_INVALID, -10, "invalid")                                                                 \
    X(ERR_SCRIPT, -11, "the script failed")                                                        \
    X(ERR_NETWORK, -12, "the network or the peer failed")                                          \
    X(ERR_REFUSED, -13, "refused by the peer")                                                     \
    X(ERR_TIMEOUT, -14, "timed out")                                                               \
    X(ERR_SYSTEM, -15, "the system refused an operation")                                          \
    X(ERR_FENCED, -16, "another host has taken over")                                              \
    X(ERR_DOUBT, -17, "the log has not confirmed it: it may be stored")                            \
    X(ERR_LOST, -18, "the log lacks what it had confirmed")                                        \
    X(ERR_FOREIGN, -19, "the folder is the copy of another log")

enum error_code {
    ERR_NONE = 0,
#define X(code, value, text) code = (value),
    ERROR_LIST(X)
#undef X
};

/* What an errno of a file says: ERR_FULL, nothing more fits; ERR_DISK. */
int error_of_file(int error);

/* The program's exit statuses. */
enum exit_status {
    EXIT_GOOD = 0,
    EXIT_NO = 1,
    EXIT_USAGE = 2,
    EXIT_CANNOT_RUN = 3,
    EXIT_LOST = 4,   /* of a host: ERR_LOST */
    EXIT_FENCED = 5, /* of a host: ERR_FENCED */
    EXIT_FOREIGN = 6 /* of a host: ERR_FOREIGN */
};

/* The code's text; never NULL. */
const char *error_text(int code);
/* The code's name, "ERR_FULL"; never NULL. */
const char *error_name(int code);

/* A sentence for a person. Caller's memory; `text` is always terminated, and UTF-8. */
struct report {
    char text[1024];
};

/* Writes the sentence (cut at the buffer's end) and returns `code`, so that a failing function can
 * end with `return report(r, ERR_INVALID, "...")`. `r` may be NULL: then only the code travels. */
int report(struct report *r, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
