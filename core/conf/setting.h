/*
 * setting.h - the text of an option on its way to a field: conf/kinds.c, and conf/lists.c for
 * options that are lists; nobody else includes it.
 */
#ifndef ZINGQ_CONF_SETTING_H
#define ZINGQ_CONF_SETTING_H

#include "conf/options.h"

/* A text to be converted. */
struct setting {
    const struct conf_place *place;
    const struct conf_row *row;
    const char *text;
    void *object; /* what the field belongs to */
    void *field;
};

/* A list: the number of its items follows its pointer. */
struct list {
    char **items;
    size_t count;
};

/* Each adds the text to the list. ERR_INVALID with a sentence, ERR_MEMORY. */
int conf_set_filter(const struct setting *s);
int conf_set_name(const struct setting *s);
/* Nothing for "", as when it is not given; the same for a header. */
int conf_set_key(const struct setting *s);
/* A secret of the hosts, or "any". */
int conf_set_hosts_secret(const struct setting *s);
/* Of "Name: value" the value may be a secret. */
int conf_set_header(const struct setting *s);

/* Frees the items. */
void conf_clear_list(void *field);

#endif
