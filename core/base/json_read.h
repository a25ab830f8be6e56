/*
 * json_read.h - reads JSON (RFC 8259), a token at a time: the only reader of JSON in this program.
 *
 * json_next checks the whole grammar, so that whoever reads up to JSON_END knows that the text is
 * JSON. It allocates nothing that outlives a call and may be abandoned at any token. Where the RFC
 * leaves a choice:
 *
 *   a name twice       each is reported; readers let the last one count, as Python and jq do,
 *                      or refuse it (json_read_unique)
 *   numbers            without fraction and exponent within 64 bits: an integer ("-0" is 0). All
 *                      others: the nearest double; one too large is infinite, as in Python
 *   half a surrogate   "\ud83d" alone is U+FFFD; `torn` says so
 *   byte order mark    skipped at the start
 *   nesting            JSON_READ_DEPTH_MAX
 */
#ifndef ZINGQ_BASE_JSON_READ_H
#define ZINGQ_BASE_JSON_READ_H

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

enum json_token {
    JSON_ERROR,
    JSON_END, /* the text is complete */
    JSON_BEGIN_OBJECT,
    JSON_END_OBJECT,
    JSON_BEGIN_ARRAY,
    JSON_END_ARRAY,
    JSON_NAME,   /* text, escaped, torn; the member's value follows */
    JSON_TEXT,   /* text, escaped, torn */
    JSON_WHOLE,  /* whole; text is the number as written */
    JSON_DOUBLE, /* real; text is the number as written */
    JSON_YES,
    JSON_NO,
    JSON_NOTHING, /* null */
};

struct json_reader {
    const char *start, *at, *end; /* the text; borrowed */
    const char *error;            /* after JSON_ERROR: what is wrong at `at`; static */
    int depth;                    /* objects and arrays around the next token */
    uint8_t expects;              /* json_read.c */
    bool unique;                  /* a tree is not to have a name twice: json_read_unique */
    bool in_object;               /* the innermost of them is an object */
    bool escaped;                 /* text has escapes: json_unescape it */
    bool torn;                    /* an escape in it is half of a surrogate pair */
    struct slice text;            /* points into what is read; a string without its quotes */
    int64_t whole;
    double real;
    uint64_t objects[JSON_READ_DEPTH_MAX / 64]; /* a bit a level: an object, not an array */
};

void json_open_text(struct json_reader *r, struct slice text);
enum json_token json_next(struct json_reader *r);
/* Reads on behind the value that begins with `token`. False: JSON_ERROR. */
bool json_skip(struct json_reader *r, enum json_token token);
/* What was wrong: "<what> is not JSON: line 1, column 8: expected , or }". Returns ERR_INVALID, or
 * ERR_MEMORY. */
int json_report(const struct json_reader *r, const char *what, struct report *report);
/* Reads the whole text. ERR_INVALID or ERR_MEMORY, and json_report's sentence. */
int json_check(struct slice text, const char *what, struct report *report);

/* Writes a string's text without its escapes, at most `room` bytes, and returns how many bytes it
 * has: at most text.len. */
size_t json_unescape(struct slice text, char *out, size_t room);

#endif
