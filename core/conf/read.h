/*
 * read.h - topics.conf parsed by libconfuse into sections of values with their lines. Part of
 * conf/conf.c; nobody else includes this.
 */
#ifndef ZINGQ_CONF_READ_H
#define ZINGQ_CONF_READ_H

#include "conf/options.h"

#include <confuse.h>

/* More options than any section has. */
enum { CONF_ROWS_MAX = 40 };

/* Parses the file's bytes by CONF_SPECS. `place` names the file for errors. On 0 the caller frees
 * *out with cfg_free. ERR_INVALID with line and sentence, ERR_MEMORY. */
int conf_read(cfg_t **out, const struct conf_place *place, const char *bytes, size_t len);

/* The n-th word written for an option. False past the last. */
bool conf_word_at(cfg_t *section, const char *option, unsigned n, struct conf_word *word);
/* The n-th entry of a CONF_FREE section, in the file's order. False past the last. */
bool conf_entry_at(cfg_t *section, unsigned n, const char **name, struct conf_word *word);
/* The line a titled section begins on. */
int conf_section_line(cfg_t *section);

#endif
