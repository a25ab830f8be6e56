/*
 * change.h - another version of topics.conf for a host that runs: what is different, whether it can
 * be taken over, and how.
 *
 * Some options are looked at once, when the host starts: where the store is, who the broker is,
 * where the front door listens. A version that changes one of them is refused as a whole, so that a
 * host always runs one file, and never parts of two.
 */
#ifndef ZINGQ_CONF_CHANGE_H
#define ZINGQ_CONF_CHANGE_H

#include "conf/conf.h"

/* Whether both say the same, secrets included; in the same order, whatever the lines. */
bool conf_same(const struct conf *a, const struct conf *b);
/* ERR_INVALID: `fresh` changes what only a restart can change; r names all of it. */
int conf_check_change(const struct conf *running, const struct conf *fresh, struct report *r);
/* Whether only a restart can change the option. */
bool conf_is_fixed(const char *section, const char *option);
/* Gives `running` what `fresh` has, and the other way round, except for what a change must leave as
 * it is: pointers to that, and to struct conf itself, stay valid. */
void conf_exchange(struct conf *running, struct conf *fresh);

#endif
