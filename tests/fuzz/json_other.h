/*
 * json_other.h - JSON by another reader: for fuzz_json.c.
 */
#ifndef TESTS_JSON_OTHER_H
#define TESTS_JSON_OTHER_H

#include "base/buf.h"

/* Asserts that YAJL (lloyd.github.io/yajl) takes the text as ours does, and, if it is JSON, finds the
 * same tokens in it. Without YAJL nothing. */
void json_other_agrees(struct slice text, bool good);

#endif
