/*
 * ids.c - see query/ids.h.
 *
 * The end of an id is random, and no index knows it: the search goes through the keys of the tables
 * that may have it, and reads no event.
 */
#include "query/ids.h"

#include "base/limits.h"
#include "journal/later.h"
#include "journal/outbox.h"

#include <assert.h>
#include <string.h>

const char *id_of_name(enum id_of of) {
    static const char *const names[] = {
        [ID_OF_EVENT] = "event", [ID_OF_LETTER] = "letter", [ID_OF_PUBLISH] = "publish"};
    assert(of < ID_OF_KINDS);
    return names[of];
}

const char *id_of_what(enum id_of of) {
    static const char *const texts[] = {[ID_OF_EVENT] = "event or publish",
                                        [ID_OF_LETTER] = "dead letter",
                                        [ID_OF_PUBLISH] = "publish in the outbox"};
    assert(of < ID_OF_KINDS);
    return texts[of];
}

bool id_list_add(struct id_list *list, const struct uuid *id) {
    for (size_t i = 0; i < list->count; i++) {
        if (uuid_equal(&list->ids[i], id)) {
            return true;
        }
    }
    if (list->count == IDS_FOUND_MAX) {
        return false;
    }
    list->ids[list->count++] = *id;
    return true;
}

void id_list_tell(const struct id_list *list, const char *tail, struct buf *out) {
    char id[UUID_TEXT_BYTES + 1];
    buf_printf(out, "several ids end in \"%s\", give more of it:", tail);
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(out, "%s %s", i == 0 ? "" : ",", uuid_text(&list->ids[i], id));
    }
    buf_add_str(out, list->count == IDS_FOUND_MAX ? ", ..." : "");
}

bool id_search_init(struct id_search *s, enum id_of of, struct slice tail) {
    *s = (struct id_search){.of = of, .tail_len = tail.len};
    if (!uuid_is_tail(tail)) {
        return false;
    }
    memcpy(s->tail, tail.data, tail.len);
    return true;
}

/* ---- the next id of each table; ERR_NOTFOUND ---- */

/* Newest first in each group of partitions. */
static int next_event(struct id_search *s, struct journal *j, struct uuid *id) {
    struct event_walk *walk = &s->at.events;
    struct event *none = NULL;
    int code = ERR_NOTFOUND;
    while (code == ERR_NOTFOUND && s->group < journal_event_groups(j)) {
        if (!s->begun) {
            *walk = (struct event_walk){.group = (uint8_t)s->group, .keys_only = true};
            memset(&walk->at, 0xFF, sizeof walk->at);
            s->begun = true;
        }
        code = journal_event_prev(j, walk, &none);
        if (code == ERR_NOTFOUND) {
            s->group++;
            s->begun = false;
        }
    }
    assert(none == NULL);
    *id = walk->at.id;
    return code;
}

static int next_letter(struct id_search *s, struct journal *j, struct uuid *id) {
    int code = journal_dead_next(j, &s->at.letters);
    *id = s->at.letters.id;
    return code;
}

static int next_delayed(struct id_search *s, struct journal *j, struct uuid *id) {
    struct delayed delayed;
    struct publication p;
    int code = journal_delayed_next(j, &s->at.delayed, &delayed, &p);
    *id = s->at.delayed;
    return code;
}

static int next_publish(struct id_search *s, struct journal *j, struct uuid *id) {
    struct slice record;
    struct publication p;
    int code = journal_outbox_next(j, &s->at.outbox, &record);
    code = code == 0 ? publication_decode(record, &p) : code;
    if (code == 0) {
        *id = p.id;
    }
    return code;
}

/* ---- the search ---- */

static const struct {
    enum id_of of;
    int (*next)(struct id_search *s, struct journal *j, struct uuid *id);
} tables[] = {{ID_OF_EVENT, next_event},
              {ID_OF_EVENT, next_delayed},
              {ID_OF_EVENT, next_publish},
              {ID_OF_LETTER, next_letter},
              {ID_OF_PUBLISH, next_publish}};

int id_search_step(struct id_search *s, struct journal *j) {
    struct uuid id = {{0}};
    while (s->table < sizeof tables / sizeof *tables && tables[s->table].of != s->of) {
        s->table++;
    }
    if (s->table == sizeof tables / sizeof *tables) {
        return ERR_NOTFOUND;
    }
    if (s->rows++ >= ID_ROWS_MAX) {
        return ERR_LIMIT;
    }
    int code = tables[s->table].next(s, j, &id);
    if (code == ERR_NOTFOUND) {
        s->table++;
        memset(&s->at, 0, sizeof s->at);
        return 0;
    }
    if (code == 0 && uuid_ends_in(&id, (struct slice){s->tail, s->tail_len}) &&
        !id_list_add(&s->found, &id)) {
        return ERR_NOTFOUND;
    }
    return code;
}
