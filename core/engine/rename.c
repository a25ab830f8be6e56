/*
 * rename.c - `was`: a service that had another name takes over what is stored under it.
 *
 * A service's rows carry its number, so with a new name for the number it has them all, in one
 * transaction and however many there are: events, state, locks, dead letters, timers. What is hashed
 * with the name goes on being hashed with the first one, the origin (journal/names.c), and the group
 * at the broker keeps it, too: so keys stay with their hosts, idempotency keys are found, and hosts
 * that know the service under different names share its messages.
 *
 * If the new name is already that of another service of the store, its rows have to be moved:
 * engine/move.c.
 */
#include "engine/rename.h"

#include "base/log.h"
#include "engine/impl.h"
#include "engine/move.h"
#include "journal/flags.h"
#include "journal/journal.h"

#include <stdio.h>
#include <string.h>

/* Whether a service of the store, other than the one of that name, is hashed with `origin`. */
static bool is_taken(const struct journal *j, const char *origin, const char *name,
                     const char **by) {
    for (uint16_t n = 0; n < journal_service_count(j); n++) {
        const char *other = journal_service_name(j, n);
        if (other != NULL && strcmp(other, name) != 0 &&
            strcmp(journal_service_origin(j, n), origin) == 0) {
            *by = other;
            return true;
        }
    }
    return false;
}

static int rename_service(struct journal *j, uint16_t number, const char *name) {
    char from[NAME_BYTES_MAX + 1];
    (void)snprintf(from, sizeof from, "%s", journal_service_name(j, number));
    int code = journal_service_rename(j, number, name);
    return code == 0 ? flags_rename(j, from, name) : code;
}

/* The service has no number yet: it takes that of an earlier name, or a new one. */
static int take_number(struct engine *e, const struct service_conf *s, struct report *r,
                       uint16_t *number) {
    const char *by = NULL;
    for (size_t i = 0; i < s->was_count; i++) {
        if (journal_service_find(e->journal, s->was[i], number)) {
            log_info("engine", "service \"%s\" takes over what service \"%s\" has: it was renamed",
                     s->name, s->was[i]);
            return rename_service(e->journal, *number, s->name);
        }
    }
    if (is_taken(e->journal, s->name, s->name, &by)) {
        return report(r, ERR_INVALID,
                      "service \"%s\": service \"%s\" had this name before, and its keys are still "
                      "hashed with it: choose another name",
                      s->name, by);
    }
    bool other = is_taken(e->journal, service_origin(s), s->name, &by);
    return journal_service_add(e->journal, s->name, other ? s->name : service_origin(s), number);
}

/* All hosts of a division must hash alike, and have only topics.conf in common. */
static int check_origin(const struct engine *e, const struct service_conf *s, uint16_t number,
                        struct report *r) {
    const char *origin = journal_service_origin(e->journal, number);
    if (!division_is_divided(&e->conf->hosts.share) || strcmp(origin, service_origin(s)) == 0) {
        return 0;
    }
    return report(r, ERR_INVALID,
                  "service \"%s\": this store divides its keys among the hosts as those of \"%s\", "
                  "and topics.conf as those of \"%s\": %s%s%s",
                  s->name, origin, service_origin(s),
                  strcmp(origin, s->name) == 0 ? "leave `was` out, or choose a new name"
                                               : "begin `was` with \"",
                  strcmp(origin, s->name) == 0 ? "" : origin,
                  strcmp(origin, s->name) == 0 ? "" : "\"");
}

/* Both names have rows: those of the earlier one are moved, from the first turn on. */
static int merge(struct engine *e, const struct service_conf *s, uint16_t number) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < s->was_count; i++) {
        uint16_t from;
        if (!journal_service_find(e->journal, s->was[i], &from)) {
            continue;
        }
        if (division_is_divided(&e->conf->hosts.share)) {
            log_warn(
                "engine",
                "service \"%s\" cannot take over what service \"%s\" has, since both have keys, "
                "and hosts divide them: what is left of \"%s\" waits",
                s->name, s->was[i], s->was[i]);
        } else {
            code = engine_note_move(e, s->was[i], number);
        }
    }
    return code;
}

static int take_names(struct engine *e, struct report *r) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < e->conf->service_count; i++) {
        const struct service_conf *s = &e->conf->services[i];
        uint16_t number;
        code =
            journal_service_find(e->journal, s->name, &number) ? 0 : take_number(e, s, r, &number);
        code = code == 0 ? check_origin(e, s, number, r) : code;
        code = code == 0 ? engine_forget_move(e, s->name) : code;
        code = code == 0 ? merge(e, s, number) : code;
    }
    return code;
}

int engine_take_names(struct engine *e, struct report *r) {
    struct store *store = journal_store(e->journal);
    int code = store_begin(store);
    if (code != 0) {
        return report(r, code, "cannot read the store: %s", error_text(code));
    }
    r->text[0] = '\0';
    code = take_names(e, r);
    if (code != 0) {
        store_abort(store);
    } else {
        code = store_commit(store);
    }
    return code == 0 || r->text[0] != '\0'
               ? code
               : report(r, code, "cannot write the store: %s", error_text(code));
}
