/*
 * store_pages.h - whether a store's file has all the pages that its last commit reaches.
 *
 * LMDB maps the file: to touch a page beyond its end is SIGBUS. So it is read with pread before it
 * is opened.
 */
#ifndef ZINGQ_STORE_PAGES_H
#define ZINGQ_STORE_PAGES_H

#include "error.h"

/* The file `folder`/data.mdb. 0 when it is whole or not there; ERR_CORRUPT with a sentence when
 * pages are missing. What else may be wrong with it is LMDB's to say. ERR_DISK, ERR_MEMORY. */
int store_check_pages(const char *folder, struct report *r);

#endif
