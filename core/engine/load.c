/*
 * load.c - after a turn that failed.
 *
 * Nothing of such a turn is stored, and memory is made from the store again, as after a crash. When
 * that fails, too, the engine is lost: it does nothing but try again. When the reason is a full
 * store, turns first try less (engine/space.c); when the least is too much, the store lends room
 * for tidying: acknowledged publishes and events past their time are deleted, operators may
 * discard; events neither come nor run until there is room again.
 */
#include "engine/impl.h"

#include "base/log.h"

#include <assert.h>

static int reload(struct engine *e) {
    int code = journal_reload(e->journal);
    return code == 0 ? engine_load(e) : code;
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

static int become_full(struct engine *e) {
    e->full = true;
    e->full_since_ms = e->now_ms;
    e->store_low = true;
    e->room = 0;
    e->space_seen_ms = 0; /* to be looked at again at once: the disk may have room by now */
    engine_tell_space(e, 0, store_limit(journal_store(e->journal)));
    log_error("store", "%s", e->space_words);
    return store_lend(journal_store(e->journal), true);
}

int engine_recover(struct engine *e) {
    /* One that was killed keeps what was freed after it, and a lost engine looks at no space. */
    (void)store_clear_readers(journal_store(e->journal));
    int code = reload(e);
    if (code == ERR_DISK) {
        code = reopen(e, code);
    }
    if (code == ERR_FULL && !e->full) {
        code = become_full(e);
        code = code == 0 ? reload(e) : code;
    }
    e->lost = code != 0;
    return code;
}

static void refuse_commands(struct engine *e, int code) {
    while (e->commands_head != NULL) {
        struct command *command = e->commands_head;
        e->commands_head = command->next;
        command->next = e->answered_head;
        e->answered_head = command;
    }
    e->commands_tail = NULL;
    for (struct command *c = e->answered_head; c != NULL; c = c->next) {
        c->code = report(&c->report, code, "nothing was changed: %s", error_text(code));
    }
}

static void give_up(struct engine *e, int code) {
    refuse_commands(e, code);
    engine_forget_new(e);
    e->to_start = NULL;
    engine_forget_inputs(e);
    engine_forget_invocations(e);
    engine_forget_endings(e);
}

void engine_start_over(struct engine *e, int code, bool least) {
    give_up(e, code);
    int again = code == ERR_FULL && least && !e->full ? become_full(e) : 0;
    again = again == 0 ? engine_recover(e) : again;
    e->lost = again != 0;
    if (again != 0) {
        log_error("engine", "the store cannot be read again: %s", error_text(again));
    }
    engine_answer_commands(e);
}

/* There is room again, or enough to work off what waits. Between transactions. */
static int stop_tidying(struct engine *e) {
    e->full = false;
    if (e->store_low) {
        engine_tell_space(e, e->status.store_used, e->status.store_max);
        log_info("store", "what waits runs again: %s", e->space_words);
    }
    return store_lend(journal_store(e->journal), false);
}

int engine_make_ready(struct engine *e, bool *turned_away) {
    int code = e->lost ? engine_recover(e) : 0;
    if (code == 0 && e->full) {
        engine_look_at_clock(e);
        code = engine_look_at_space(e);
    }
    if (code == 0 && e->full && (!e->store_low || engine_can_work_off(e))) {
        code = stop_tidying(e);
    }
    *turned_away = code == 0 && e->full && e->inbox_head != NULL;
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
