/*
 * kept.c - see engine/kept.h.
 */
#include "engine/kept.h"

#include "base/log.h"
#include "engine/impl.h"
#include "engine/outbox.h"
#include "engine/quota.h"
#include "engine/space.h"
#include "journal/kept.h"

enum { TOLD_MS = 60000 }; /* between two log lines about a service */

/* Which part (1/n) of the store they share. */
static const unsigned parts[RUN_QUOTAS] = {
    [RUN_QUOTA_STATE] = STATE_PARTS,         [RUN_QUOTA_SIGNALS] = SIGNALS_PARTS,
    [RUN_QUOTA_PUBLISHES] = PUBLISHES_PARTS, [RUN_QUOTA_DELAYED] = DELAYED_PARTS,
    [RUN_QUOTA_LETTERS] = LETTERS_PARTS,
};

const char *engine_quota_name(enum run_quota kind) {
    static const char *const names[RUN_QUOTAS] = {
        [RUN_QUOTA_STATE] = "state",         [RUN_QUOTA_SIGNALS] = "signals",
        [RUN_QUOTA_PUBLISHES] = "publishes", [RUN_QUOTA_DELAYED] = "delayed",
        [RUN_QUOTA_LETTERS] = "letters",
    };
    return names[kind];
}

uint64_t engine_kept(const struct engine *e, const struct engine_service *s, enum run_quota kind) {
    switch (kind) {
    case RUN_QUOTA_STATE:
        return journal_kept(e->journal, s->number, KEPT_STATE);
    case RUN_QUOTA_SIGNALS:
        return journal_kept(e->journal, s->number, KEPT_SIGNALS);
    case RUN_QUOTA_DELAYED:
        return journal_kept(e->journal, s->number, KEPT_DELAYED);
    case RUN_QUOTA_PUBLISHES:
        return outbox_kept(e->outbox, s->number);
    case RUN_QUOTA_LETTERS:
    case RUN_QUOTAS:
        break;
    }
    return journal_kept(e->journal, s->number, KEPT_MADE);
}

static uint64_t kept_by_all(const struct engine *e, enum run_quota kind) {
    switch (kind) {
    case RUN_QUOTA_STATE:
        return journal_kept_by_all(e->journal, KEPT_STATE);
    case RUN_QUOTA_SIGNALS:
        return journal_kept_by_all(e->journal, KEPT_SIGNALS);
    case RUN_QUOTA_DELAYED:
        return journal_kept_by_all(e->journal, KEPT_DELAYED);
    case RUN_QUOTA_PUBLISHES:
        return outbox_kept_by_all(e->outbox);
    case RUN_QUOTA_LETTERS:
    case RUN_QUOTAS:
        break;
    }
    return journal_kept_by_all(e->journal, KEPT_MADE);
}

uint64_t engine_kept_room(const struct engine *e, const struct engine_service *s,
                          enum run_quota kind) {
    const uint64_t part = e->status.store_max / parts[kind];
    const uint64_t share = engine_share_of(e, part);
    const uint64_t own = engine_kept(e, s, kind);
    const uint64_t total = kept_by_all(e, kind);
    bool gives_way = kind == RUN_QUOTA_PUBLISHES && engine_is_low(e); /* they only wait */
    uint64_t shared = gives_way || total >= part ? 0 : part - total;
    uint64_t rest = own >= share ? 0 : share - own;
    return shared > rest ? shared : rest;
}

void engine_hold_back(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        bool full = engine_kept_room(e, s, RUN_QUOTA_PUBLISHES) == 0 &&
                    engine_kept(e, s, RUN_QUOTA_PUBLISHES) > 0;
        if (full == s->held_back) {
            continue;
        }
        s->held_back = full;
        engine_hold(e, s);
        if (full && (s->held_back_told_ms == 0 || e->now_ms >= s->held_back_told_ms + TOLD_MS)) {
            s->held_back_told_ms = e->now_ms;
            log_warn("engine",
                     "events of service \"%s\" wait: its publishes, which wait for the broker, "
                     "take their part of the store: `zingq outbox list` shows them",
                     s->conf->name);
        }
    }
}
