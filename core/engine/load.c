/*
 * load.c - builds the engine's memory from the store: at the start, and after a failed turn.
 *
 * Nothing of a failed turn is stored, so what follows is the same as after a crash. If loading
 * fails, too, the engine is lost: it only retries to load. If the store is full, turns first do
 * less (engine/space.c), or get room because what is free is scattered; if even the least is too
 * much, the store lends room for tidying:
 * acknowledged publishes and expired events are deleted, and operators may discard. No events are
 * accepted or run until there is room again.
 */
#include "engine/load.h"

#include "base/log.h"
#include "engine/append.h"
#include "engine/attempt.h"
#include "engine/backlog.h"
#include "engine/bury.h"
#include "engine/clock.h"
#include "engine/crash.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/input.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/mend.h"
#include "engine/move.h"
#include "engine/outbox.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/receive.h"
#include "engine/rules.h"
#include "engine/schedule.h"
#include "engine/services.h"
#include "engine/space.h"
#include "engine/spans.h"
#include "engine/timers.h"
#include "engine/watch.h"
#include "journal/flags.h"
#include "journal/kept.h"

static int load_service(struct engine *e, struct engine_service *s) {
    struct clock_mark mark = {.engine_ms = 0};
    uint64_t paused = 0;
    int code = engine_number_service(e, s);
    if (code == 0) {
        code = engine_load_books(e, s);
    }
    if (code == 0 && !s->removed) {
        code = engine_note_rules(e, s);
    }
    if (code == 0) {
        code = flags_get(e->journal, FLAG_PAUSED, s->conf->name, &paused);
        s->paused = code == 0 || code == ERR_NOTFOUND ? paused != 0 : s->paused;
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    code = code == 0 ? journal_clock_get(e->journal, &mark) : code;
    lanes_limit(e->lanes, s->index, s->conf->concurrency, s->conf->rate_per_s);
    lanes_limit_keys(e->lanes, s->index, s->conf->key_concurrency, s->conf->key_rate_per_s,
                     mark.engine_ms);
    lanes_batch(e->lanes, s->index, s->conf->batch, s->conf->linger_ms);
    engine_hold(e, s);
    code = code == 0 && !s->removed ? engine_load_window(e, s) : code;
    return code == 0 ? engine_load_pace(e, s) : code;
}

static int load_services(struct engine *e) {
    int code = 0;
    engine_forget_items(e);
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = load_service(e, &e->services[i]);
    }
    engine_sum_waiting(e); /* whether all could be read or not */
    code = code == 0 ? journal_count_kept(e->journal) : code;
    if (code == 0) {
        code = engine_load_moves(e);
    }
    if (code == 0) {
        code = engine_load_quotas(e);
    }
    if (code == 0) {
        code = engine_charge_crash(e);
    }
    engine_load_backlogs(e);
    if (code == 0) {
        code = engine_load_rows(e);
    }
    if (code == 0) {
        code = engine_load_timers(e);
    }
    if (code == 0) {
        code = engine_mend(e);
    }
    return code == 0 ? engine_load_schedules(e) : code;
}

/* What leaves the host. */
static int load_departures(struct engine *e) {
    int code = outbox_load(e->outbox);
    if (code == 0) {
        code = append_load(e->append);
    }
    engine_forget_receipts(e);
    return code == 0 ? forwards_load(e->forwards) : code;
}

static int load(struct engine *e, bool all) {
    engine_look_at_clock(e);
    struct lanes *lanes = lanes_new(e->service_count);
    if (lanes == NULL) {
        return ERR_MEMORY;
    }
    lanes_free(e->lanes);
    e->lanes = lanes;
    int code = store_begin(journal_store(e->journal));
    if (code != 0) {
        return code;
    }
    code = load_services(e);
    code = code == 0 && all ? load_departures(e) : code;
    bool places; /* the records of where events wait have been repaired: engine_mend */
    code = code == 0 ? journal_kept_write(e->journal) : code;
    code = code == 0 ? journal_set_aside(e->journal, &places) : code;
    code = code == 0 ? journal_count_kept(e->journal) : code;
    engine_letters_set_aside(e);
    if (code != 0) {
        store_abort(journal_store(e->journal));
        return code;
    }
    code = store_commit(journal_store(e->journal));
    if (code == 0) {
        journal_forget_broken(e->journal);
        culprit_settle(e->culprit);
    }
    return code;
}

static int reload(struct engine *e) {
    int code = journal_reload(e->journal);
    return code == 0 ? load(e, true) : code;
}

/* A write that failed at the wrong moment leaves LMDB refusing everything. */
static int reopen(struct engine *e, int code) {
    struct report r = {""};
    int again = store_reopen(journal_store(e->journal), &r);
    if (again != 0) {
        log_error("store", "cannot be opened again: %s", r.text);
        return code;
    }
    return reload(e);
}

int engine_recover(struct engine *e) {
    /* a reader that was killed keeps pages in use, and a lost engine does not look at space */
    (void)store_clear_readers(journal_store(e->journal));
    int code = reload(e);
    if (code == ERR_DISK) {
        code = reopen(e, code);
    }
    if (code == ERR_FULL) {
        code = engine_is_full(e) ? engine_lend_again(e) : engine_become_full(e);
        code = code == 0 ? reload(e) : code;
    }
    e->lost = code != 0;
    return code;
}

void engine_load_services(struct engine *e) {
    engine_sum_waiting(e); /* these are other services, also if the store cannot be read */
    int code = load(e, false);
    e->lost = code != 0;
    if (code != 0) {
        log_error("engine", "the store cannot be read again: %s", error_text(code));
    }
}

void engine_let_all_go(struct engine *e) {
    engine_forget_items(e);
    engine_forget_inputs(e);
    engine_forget_invocations(e);
    engine_forget_deaths(e);
    engine_forget_spans(e);
    engine_forget_endings(e);
}

static void give_up(struct engine *e, int code) {
    engine_refuse_commands(e, code);
    engine_let_all_go(e);
}

static int make_room(struct engine *e, bool least) {
    bool gathered = false;
    int code = engine_is_full(e) ? engine_lend_again(e) : engine_gather_pieces(e, &gathered);
    return code == 0 && least && !gathered && !engine_is_full(e) ? engine_become_full(e) : code;
}

void engine_start_over(struct engine *e, int code, bool least) {
    give_up(e, code);
    int again = code == ERR_FULL ? make_room(e, least) : 0;
    again = again == 0 ? engine_recover(e) : again;
    e->lost = again != 0;
    if (again != 0) {
        log_error("engine", "the store cannot be read again: %s", error_text(again));
    }
    engine_answer_commands(e);
}

int engine_make_ready(struct engine *e, bool *turned_away) {
    int code = e->lost ? engine_recover(e) : 0;
    code = code == 0 ? engine_leave_pieces(e) : code;
    if (code == 0 && engine_is_full(e)) {
        engine_look_at_clock(e);
        code = engine_look_at_space(e);
    }
    if (code == 0 && engine_is_full(e) && (!engine_is_low(e) || engine_can_work_off(e))) {
        code = engine_stop_tidying(e);
    }
    *turned_away = code == 0 && engine_is_full(e) && engine_has_messages(e);
    if (*turned_away) {
        engine_forget_inputs(e);
    }
    if (code != 0) {
        e->lost = true;
        give_up(e, code);
        engine_answer_commands(e);
    }
    return code;
}
