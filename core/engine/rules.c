/*
 * rules.c - the rules under which the stored events of a service were accepted.
 *
 *   text "rules/<service>"   "key json:/a, idempotency json:/id", as in topics.conf
 *
 * Events keep the key and the idempotency key that they were accepted with. So after a change of
 * the rules, new messages may run beside waiting ones of the same key, and a message that repeats a
 * waiting one is not recognized.
 */
#include "engine/rules.h"

#include "base/log.h"
#include "engine/impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RULES_BYTES = 2 * RULE_BYTES_MAX + 128 };

static void write_rules(const struct service_conf *s, char out[RULES_BYTES]) {
    struct buf text;
    buf_init(&text, RULES_BYTES - 1);
    buf_add_str(&text, "key ");
    rule_write(&s->key, &text);
    buf_add_str(&text, ", idempotency ");
    rule_write(&s->idempotency, &text);
    (void)snprintf(out, RULES_BYTES, "%s", buf_str(&text));
    buf_clear(&text);
}

static void warn(const struct engine_service *s, struct slice before, const char *now) {
    uint64_t waiting = books_waiting(&s->books);
    if (waiting > 0) {
        log_warn("engine",
                 "service \"%s\" has other rules than before: %s, and not %.*s. %" PRIu64
                 " events wait that were accepted under the old ones: they keep their keys, and a "
                 "message that repeats one of them is not recognized as a duplicate",
                 s->conf->name, now, (int)before.len, before.data, waiting);
    }
}

int engine_note_rules(struct engine *e, const struct engine_service *s) {
    char name[sizeof "rules/" + NAME_BYTES_MAX];
    char now[RULES_BYTES];
    struct slice before;
    (void)snprintf(name, sizeof name, "rules/%s", s->conf->name);
    write_rules(s->conf, now);
    int code = journal_text_get(e->journal, name, &before);
    if (code == 0 && slice_is(before, now)) {
        return 0;
    }
    if (code == 0) {
        warn(s, before, now);
    }
    return code == 0 || code == ERR_NOTFOUND ? journal_text_put(e->journal, name, slice_of(now))
                                             : code;
}
