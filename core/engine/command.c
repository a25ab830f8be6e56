/*
 * command.c - requests of an operator, carried out inside a turn.
 *
 * A command that cannot be carried out says why and changes nothing; only an error of the store
 * fails the turn.
 */
#include "engine/command.h"

#include "base/log.h"
#include "engine/cancel.h"
#include "engine/find.h"
#include "engine/impl.h"
#include "engine/space.h"
#include "engine/delayed.h"
#include "engine/edit.h"
#include "engine/erase.h"
#include "engine/letters.h"
#include "engine/move.h"
#include "engine/once.h"
#include "engine/outbox.h"
#include "engine/publish.h"
#include "engine/rerun.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "engine/signal_message.h"
#include "journal/owner.h"

#include <assert.h>
#include <stdio.h>

/* --- publish --- */

/* A topic that no broker accepts would be refused on every connection and stay in the outbox for
 * good. */
static int check_publish(struct command *c) {
    int code = topic_check(c->topic.data, &c->report);
    if (code == 0 && topic_is_between_hosts(c->topic)) {
        code = report(&c->report, ERR_INVALID, "\"%s\": only hosts publish there, to each other",
                      c->topic.data);
    }
    if (code == 0) {
        code = property_check(c->content_type, "the content type", &c->report);
    }
    size_t at = 0;
    struct slice name;
    struct slice value;
    while (code == 0 && property_next(c->properties, &at, &name, &value)) {
        code = property_check(name, "a property's name", &c->report);
        code = code == 0 ? property_check(value, "a property", &c->report) : code;
    }
    return code;
}

static int command_publish(struct engine *e, struct command *c) {
    c->code = check_publish(c);
    if (c->code != 0) {
        return 0;
    }
    struct publication p = {.id = uuid_next(&e->ids, e->now_ms),
                            .service = SERVICE_NONE,
                            .qos = c->qos,
                            .retain = c->retain,
                            .topic = c->topic,
                            .payload = c->payload,
                            .content_type = c->content_type,
                            .properties = c->properties};
    c->made = p.id;
    uint8_t partition = owner_partition_of_publish();
    if (c->once.len > 0) {
        bool before = false;
        int code = engine_asked_before(e, c, partition, c->topic, &before);
        if (code != 0 || before) {
            return code;
        }
    }
    int64_t due_ms = c->after_ms > 0 ? e->now_ms + c->after_ms : 0;
    int code = engine_note_publish(e, &c->made, due_ms);
    if (code != 0) {
        return code;
    }
    return due_ms > 0 ? engine_delay_publish(e, partition, &p, due_ms, false)
                      : engine_publish(e, &p);
}

static int command_cancel(struct engine *e, struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    bool found = false;
    int code = engine_cancel_publish(e, &c->id);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    code = c->publish_only ? 0 : engine_cancel_event(e, c, &found);
    if (code == 0 && !found) {
        c->code =
            report(&c->report, ERR_NOTFOUND,
                   "nothing waits under the id %s: a publish has left, was cancelled or never "
                   "was delayed; an event has ended or never was",
                   uuid_text(&c->id, id));
    }
    return code;
}

static int command_signal(struct engine *e, struct command *c) {
    struct engine_service *s = engine_service_named(e, c->service);
    struct buf value;
    if (s == NULL) {
        return engine_no_service(c);
    }
    buf_init(&value, c->payload.len + 64);
    int code = engine_signal_value(c->payload, &value);
    const struct signal signal = {.key = c->key,
                                  .name = c->name,
                                  .value = buf_slice(&value),
                                  .once = c->once,
                                  .said = c->payload};
    if (code == 0) {
        code = c->once.len > 0 ? engine_signal_once(e, s, &signal, &c->report)
                               : engine_signal(e, s, &signal, &c->report);
    }
    buf_clear(&value);
    if (code == ERR_INVALID || code == ERR_EXISTS) {
        c->code = code;
        return 0;
    }
    return code;
}

/* --- dead letters --- */

static int command_rerun(struct engine *e, struct command *c) {
    struct engine_service *s = engine_service_named(e, c->service);
    return s == NULL ? engine_no_service(c) : engine_rerun(e, s, c);
}

/* --- services and keys --- */

static int set_paused(struct engine *e, struct command *c, bool paused) {
    struct engine_service *s = engine_service_named(e, c->service);
    if (s == NULL) {
        return engine_no_service(c);
    }
    log_info("engine", "service \"%s\" %s by an operator", s->conf->name,
             paused ? "paused" : "resumed");
    return engine_set_paused(e, s, paused);
}

static int command_pause(struct engine *e, struct command *c) {
    return set_paused(e, c, true);
}

static int command_resume(struct engine *e, struct command *c) {
    return set_paused(e, c, false);
}

/* --- the outbox --- */

static int no_refused(struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    c->code = report(&c->report, ERR_NOTFOUND,
                     "no publish that the broker refuses has the id %s: it has left, was discarded "
                     "or never was refused",
                     uuid_text(&c->id, id));
    return 0;
}

static int command_outbox_retry(struct engine *e, struct command *c) {
    bool all = uuid_is_zero(&c->id);
    size_t found = outbox_retry(e->outbox, e->now_ms, all ? NULL : &c->id);
    return found == 0 && !all ? no_refused(c) : 0;
}

static int command_outbox_discard(struct engine *e, struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    int code = outbox_discard(e->outbox, &c->id);
    if (code == ERR_NOTFOUND) {
        return no_refused(c);
    }
    if (code == ERR_BUSY) {
        c->code = report(&c->report, ERR_EXISTS,
                         "%s is on its way to the broker at this moment: try again in a second",
                         uuid_text(&c->id, id));
        return 0;
    }
    if (code == 0) {
        log_warn("engine", "a publish was discarded by command id=%s", uuid_text(&c->id, id));
    }
    return code;
}

int engine_carry_out(struct engine *e, struct command *command) {
    static int (*const carry_out[])(struct engine *, struct command *) = {
        [COMMAND_PUBLISH] = command_publish,
        [COMMAND_REPLAY] = engine_replay,
        [COMMAND_DISCARD] = engine_discard,
        [COMMAND_EDIT] = engine_edit,
        [COMMAND_PAUSE] = command_pause,
        [COMMAND_RESUME] = command_resume,
        [COMMAND_KEY_RESUME] = engine_key_resume,
        [COMMAND_KEY_SKIP] = engine_key_skip,
        [COMMAND_RERUN] = command_rerun,
        [COMMAND_CANCEL] = command_cancel,
        [COMMAND_SIGNAL] = command_signal,
        [COMMAND_OUTBOX_RETRY] = command_outbox_retry,
        [COMMAND_OUTBOX_DISCARD] = command_outbox_discard,
        [COMMAND_ERASE] = engine_erase,
        [COMMAND_MOVE] = engine_move,
    };
    assert((size_t)command->kind < sizeof carry_out / sizeof *carry_out);
    command->code = 0;
    bool accepts = command->kind == COMMAND_PUBLISH || command->kind == COMMAND_RERUN ||
                   command->kind == COMMAND_SIGNAL;
    if (engine_is_full(e) && accepts) {
        return engine_refuse(command, ERR_FULL,
                             "the store is full: nothing is accepted until there is room");
    }
    return carry_out[command->kind](e, command);
}
