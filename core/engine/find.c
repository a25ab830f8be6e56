/*
 * find.c - finds the service or event that a command names, or refuses the command with a reason.
 */
#include "engine/find.h"

#include "engine/impl.h"
#include "engine/services.h"
#include "journal/event.h"

int engine_refuse(struct command *c, int code, const char *text) {
    c->code = report(&c->report, code, "%s", text);
    return 0;
}

int engine_no_service(struct command *c) {
    c->code = report(&c->report, ERR_NOTFOUND, "no service \"%.*s\" in topics.conf",
                     (int)c->service.len, c->service.data);
    return 0;
}

int engine_no_dead(struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    c->code = report(&c->report, ERR_NOTFOUND, "no dead letter %s%s%.*s", uuid_text(&c->id, id),
                     c->service.len > 0 ? " in service " : "", (int)c->service.len,
                     c->service.data == NULL ? "" : c->service.data);
    return 0;
}

int engine_find_event(struct engine *e, const struct command *c,
                      bool (*wanted)(enum event_state state), struct engine_service **s,
                      struct event **out) {
    for (size_t i = 0; i < e->service_count; i++) {
        *s = &e->services[i];
        if (c->service.len > 0 && !slice_equal((*s)->name, c->service)) {
            continue;
        }
        for (unsigned n = 0; n < PARTITIONS; n++) {
            uint8_t p = (uint8_t)((c->partition + n) % PARTITIONS); /* it may be known */
            int code = journal_event_get(e->journal, p, &c->id, (*s)->number, out);
            if (code == 0 && wanted((enum event_state)(*out)->state)) {
                return 0;
            }
            if (code == 0) {
                event_free(*out);
            } else if (code != ERR_NOTFOUND) {
                return code;
            }
        }
    }
    return ERR_NOTFOUND;
}
