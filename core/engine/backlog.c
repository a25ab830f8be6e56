/*
 * backlog.c - turns round tenants with a backlog that is larger than memory.
 *
 * A lane that does not fit waits in lane rows; its head has LANE_QUEUED and a row in the table
 * tenant, ordered by tenant. Two things bring it back:
 *
 *   - A tenant with events in memory is marked as spilled once it has rows on disk; when few of its
 *     events are left in memory it is hungry (engine/tenant.c), and its rows are loaded.
 *   - Tenants with rows on disk but nothing in memory are searched for, partition by partition,
 *     when there is room: at the start, and after a full window has kept one out.
 *
 * With priorities, each priority of a tenant is a tenant here; where there are no tenants, each
 * priority is one. So whatever waits at a low priority, there is room for the others. A lane on disk
 * waits as the most urgent of its events, whose rank its head's row takes over. Lanes that come back
 * otherwise (at the start, for another attempt), or begin to wait here then, rank as the first
 * LANE_LOAD of their events until those are done: what is behind them is not looked at, because a lane may have a million.
 *
 * Left out on purpose: the order of a tenant's keys among each other. Within a key it is kept.
 */
#include "engine/backlog.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/rows.h"
#include "engine/wake.h"

#include <stdlib.h>

enum {
    DEAL_ROWS = 2048,                   /* loaded in a turn, of one service */
    DEAL_VISITS = 1024,                 /* steps of the search in a turn */
    DEAL_FIRST = 16,                    /* rows a tenant that was found gets at first */
    DEAL_ROOM = SERVICE_WINDOW_MAX / 8, /* kept for those that are searched for */
};

struct backlog {
    size_t to_search;  /* partitions that may have tenants without events in memory */
    uint8_t partition; /* the search goes on here, */
    uint64_t tenant;   /* after this one */
    uint8_t next;      /* where the rows of a tenant are loaded first */
};

int engine_make_backlogs(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        e->services[i].backlog = calloc(1, sizeof *e->services[i].backlog);
        if (e->services[i].backlog == NULL) {
            return ERR_MEMORY;
        }
    }
    return 0;
}

void engine_free_backlogs(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        free(e->services[i].backlog);
    }
}

/* One more than there are: the search may have begun in the middle of a partition. */
static void search_again(struct engine_service *s) {
    s->backlog->to_search = PARTITIONS + 1;
}

void engine_load_backlogs(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        search_again(&e->services[i]);
    }
}

bool engine_deals(const struct engine_service *s) {
    const struct service_conf *conf = s->conf;
    return s->ranks || conf->fair.kind != RULE_NONE ||
           (!conf->ordered && conf->key.kind != RULE_NONE);
}

static uint64_t queued_rows(const struct engine_service *s) {
    struct rows_state rows;
    engine_look_at_rows(s, &rows);
    return rows.queued;
}

/* --- onto disk --- */

/* While there may be tenants on disk that nobody knows of, the last of the room is theirs: otherwise
 * new ones, however fast they come, would pass them for ever. */
int engine_must_queue(struct engine *e, const struct engine_service *s, const struct row *row,
                      bool *must) {
    uint64_t queued = queued_rows(s);
    size_t kept = queued > 0 && s->backlog->to_search > 0 ? DEAL_ROOM : 0;
    *must = lanes_room(e->lanes, s->index, engine_row_flows(row)) <= kept;
    if (*must || queued == 0) {
        return 0;
    }
    struct row first = *row;
    first.seq = 0;
    int code = journal_tenant_next(e->journal, &first);
    *must = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int note_queued(struct engine *e, struct engine_service *s, const struct row *row) {
    if (!lanes_spilled(e->lanes, s->index, row->tenant)) {
        search_again(s);
    }
    return journal_tenant_put(e->journal, row);
}

int engine_queue_row(struct engine *e, struct engine_service *s, struct row *row) {
    row->flags = LANE_QUEUED;
    int code = engine_put_lane_row(e, s, row);
    return code == 0 ? note_queued(e, s, row) : code;
}

int engine_queue_head(struct engine *e, struct engine_service *s, struct row *head) {
    engine_count_head(s, head->flags, -1);
    head->flags = LANE_QUEUED;
    engine_count_head(s, head->flags, 1);
    int code = journal_lane_put(e->journal, head);
    return code == 0 ? note_queued(e, s, head) : code;
}

int engine_hurry_head(struct engine *e, struct engine_service *s, const struct row *row) {
    struct row head = *row;
    head.seq = 0;
    if (!s->ranks || row->tenant == 0) {
        return 0;
    }
    int code = journal_lane_next(e->journal, &head);
    bool hurries = code == 0 && head.flags == LANE_QUEUED &&
                   rank_priority(head.rank) < rank_priority(row->rank);
    if (!hurries) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = journal_tenant_del(e->journal, &head);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    head.rank = row->rank;
    head.tenant = row->tenant;
    code = journal_lane_put(e->journal, &head);
    return code == 0 ? note_queued(e, s, &head) : code;
}

/* --- from disk --- */

/* Its head may have been repaired another way. */
static int load_row(struct engine *e, struct engine_service *s, const struct row *row) {
    struct row head = *row;
    head.seq--;
    int code = journal_tenant_del(e->journal, row);
    code = code == 0 ? journal_lane_next(e->journal, &head) : code;
    bool stands = code == 0 && head.seq == row->seq && head.flags == LANE_QUEUED;
    return stands ? engine_lane_wake(e, s, &head) : code == ERR_NOTFOUND ? 0 : code;
}

/* Loads rows of the tenant in one partition, no more than `most`. *more: there are others. */
static int load_rows(struct engine *e, struct engine_service *s, struct row row, size_t most,
                     size_t *rows, bool *more) {
    int code;
    while ((code = journal_tenant_next(e->journal, &row)) == 0) {
        if (most == 0 || *rows == 0 ||
            lanes_room(e->lanes, s->index, engine_row_flows(&row)) == 0) {
            *more = true;
            return 0;
        }
        most--;
        (*rows)--;
        code = load_row(e, s, &row);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int load_tenant(struct engine *e, struct engine_service *s, struct lane_flows of,
                       size_t *rows, bool *more) {
    size_t room = lanes_room(e->lanes, s->index, of);
    int code = 0;
    *more = false;
    for (size_t i = 0; code == 0 && i < PARTITIONS && room > 0 && *rows > 0; i++) {
        struct row row = {.partition = s->backlog->next++ % PARTITIONS,
                          .service = s->number,
                          .tenant = of.tenant};
        code = load_rows(e, s, row, room / 4 + 1, rows, more);
        room = lanes_room(e->lanes, s->index, of);
    }
    *more = *more || room == 0 || *rows == 0;
    return code;
}

/* Tenants in memory that have few events left there. */
static int feed(struct engine *e, struct engine_service *s, size_t *rows) {
    struct lane_flows of;
    int code = 0;
    while (code == 0 && *rows > 0 && (of = lanes_hungry(e->lanes, s->index)).tenant != 0) {
        bool more = false;
        if (lanes_room(e->lanes, s->index, of) == 0) {
            search_again(s); /* the window is full: it is forgotten until there is room */
        } else {
            code = load_tenant(e, s, of, rows, &more);
        }
        lanes_fed(e->lanes, s->index, of.tenant, more);
    }
    return code;
}

static bool may_search(const struct engine *e, const struct engine_service *s) {
    return s->backlog->to_search > 0 && queued_rows(s) > 0 &&
           lanes_free_window(e->lanes, s->index) > 0;
}

/* The next tenant of the partition with rows; it gets a few if nothing of it is in memory. */
static int search_on(struct engine *e, struct engine_service *s, size_t *rows) {
    struct backlog *b = s->backlog;
    struct row row = {.partition = b->partition,
                      .service = s->number,
                      .tenant = b->tenant,
                      .seq = b->tenant == 0 ? 0 : UINT64_MAX};
    bool more = false;
    int code = journal_tenant_after(e->journal, &row);
    if (code != 0) {
        b->partition = (uint8_t)((b->partition + 1) % PARTITIONS);
        b->tenant = 0;
        b->to_search--;
        return code == ERR_NOTFOUND ? 0 : code;
    }
    b->tenant = row.tenant;
    if (!lanes_spilled(e->lanes, s->index, row.tenant)) {
        row.seq = 0;
        code = load_rows(e, s, row, DEAL_FIRST, rows, &more);
        bool found = lanes_spilled(e->lanes, s->index, row.tenant); /* it may have further ones */
        b->tenant -= !found && more ? 1 : 0;
    }
    return code;
}

static int deal(struct engine *e, struct engine_service *s) {
    size_t rows = DEAL_ROWS;
    int code = feed(e, s, &rows);
    for (size_t i = 0; code == 0 && i < DEAL_VISITS && rows > 0 && may_search(e, s); i++) {
        code = search_on(e, s, &rows);
    }
    return code;
}

static bool wants_deal(const struct engine *e, const struct engine_service *s) {
    return s->active && !s->stored &&
           (lanes_hungry(e->lanes, s->index).tenant != 0 || may_search(e, s));
}

bool engine_wants_deal(const struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (wants_deal(e, &e->services[i])) {
            return true;
        }
    }
    return false;
}

int engine_deal(struct engine *e) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = wants_deal(e, &e->services[i]) ? deal(e, &e->services[i]) : 0;
    }
    return code;
}

int engine_feed_tenants(struct engine *e) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        size_t rows = DEAL_ROWS;
        code = s->active && !s->stored ? feed(e, s, &rows) : 0;
    }
    return code;
}

int engine_mend_backlogs(struct engine *e) {
    struct row row = {0};
    int code;
    while ((code = journal_lane_scan(e->journal, &row)) == 0) {
        code = row.flags == LANE_QUEUED ? journal_tenant_put(e->journal, &row) : 0;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}
