/*
 * input.c - input is recorded here and decided in the next turn.
 */
#include "engine/input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/mark.h"
#include "engine/outbox.h"
#include "engine/services.h"

enum { QOS0_TOPICS_MAX = 64 };

struct inputs {
    STAILQ_HEAD(event_list, event) messages;
    STAILQ_HEAD(call_end_list, call_end) ended;
    STAILQ_HEAD(commands, command) commands;
    struct commands answered; /* carried out in the current turn */
    size_t forward_bytes;     /* of messages from other hosts */
    size_t window;            /* of the broker; 0 = not connected */
    bool numbers_clash; /* two publishes had one packet id: the connection is about to be dropped */
    int64_t acked_ms;   /* when an acknowledged row began to wait */
    size_t qos0_topic_count;
    char *qos0_topics[QOS0_TOPICS_MAX]; /* each has been warned about once */
};

int engine_make_inputs(struct engine *e) {
    struct inputs *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return ERR_MEMORY;
    }
    STAILQ_INIT(&in->messages);
    STAILQ_INIT(&in->ended);
    STAILQ_INIT(&in->commands);
    STAILQ_INIT(&in->answered);
    e->inputs = in;
    return 0;
}

/* A QoS 0 message is lost whenever the connection is: warn once per topic. */
static void note_qos0(struct engine *e, const char *topic) {
    e->status.qos0++;
    for (size_t i = 0; i < e->inputs->qos0_topic_count; i++) {
        if (strcmp(e->inputs->qos0_topics[i], topic) == 0) {
            return;
        }
    }
    if (e->inputs->qos0_topic_count == QOS0_TOPICS_MAX) {
        return;
    }
    char *copy = slice_dup(slice_of(topic));
    if (copy != NULL) {
        e->inputs->qos0_topics[e->inputs->qos0_topic_count++] = copy;
        log_warn("broker",
                 "topic %s is published with QoS 0: the broker may drop such messages before "
                 "ZingQueue sees them; publish with QoS 1",
                 topic);
    }
}

static bool names_service(struct slice names, const struct engine_service *s) {
    while (names.len > 0) {
        const char *comma = memchr(names.data, ',', names.len);
        size_t len = comma == NULL ? names.len : (size_t)(comma - names.data);
        struct slice name = {names.data, len};
        if (slice_equal(name, s->name) || slice_equal(name, s->origin) ||
            service_was(s->conf, name)) {
            return true;
        }
        size_t skip = comma == NULL ? len : len + 1;
        names.data += skip;
        names.len -= skip;
    }
    return false;
}

/* True for the broker's copy of a publish that local hand-over has served already, by this host or
 * another one of the group. */
static bool is_handled(const struct engine *e, const struct engine_service *s,
                       const struct event_bytes *bytes) {
    struct slice names;
    return s->conf->share && property_find(bytes->properties, "zingq-handled", &names) &&
           names_service(names, s) &&
           engine_believes(e, bytes->topic, bytes->properties, "zingq-handled", names);
}

void engine_add_input(struct engine *e, struct event *event) {
    e->inputs->forward_bytes += event->kind == EVENT_FORWARD ? event->payload.len : 0;
    memory_take(e->memory, MEMORY_EVENTS, event->payload.len);
    STAILQ_INSERT_TAIL(&e->inputs->messages, event, link);
}

int engine_offer(struct engine *e, size_t service, const struct event_bytes *bytes,
                 struct offer how) {
    assert(service < e->service_count && how.host <= e->conf->hosts.share.count);
    struct engine_service *s = &e->services[service];
    if (is_handled(e, s, bytes)) {
        engine_count(e, s, BOOK_HANDED_OVER, 1);
        return 0;
    }
    struct event *event = event_new(bytes);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    if (how.qos == 0) {
        note_qos0(e, event->topic.data);
    }
    event->key = (struct slice){NULL, 0};
    event->service = (uint16_t)service; /* the index, until engine_admit sets the number */
    event->qos = how.qos;
    event->retained = how.retained;
    event->everywhere = how.everywhere;
    event->for_host = how.host;
    engine_add_input(e, event);
    return 0;
}

int engine_offer_signal(struct engine *e, size_t service, const struct event_bytes *bytes,
                        uint16_t host) {
    assert(service < e->service_count && host <= e->conf->hosts.share.count);
    struct event *event = event_new(bytes);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    event->kind = EVENT_SIGNAL;
    event->service = (uint16_t)service;
    event->for_host = host;
    engine_add_input(e, event);
    return 0;
}

static size_t result_bytes(const struct call_end *end) {
    return end->result.headers.len + end->result.body.len;
}

void engine_call_done(struct engine *e, uint64_t id, struct call_result *result) {
    struct call_end *end = calloc(1, sizeof *end);
    if (end == NULL) {
        /* The attempt will time out and be retried. */
        log_error("engine", "out of memory: the answer of a call is dropped");
        return;
    }
    end->id = id;
    end->result = *result;
    buf_init(&result->headers, result->headers.max);
    buf_init(&result->body, result->body.max);
    memory_take(e->memory, MEMORY_CALLS, result_bytes(end));
    STAILQ_INSERT_TAIL(&e->inputs->ended, end, link);
}

void engine_published(struct engine *e, int mid, uint8_t reason) {
    if (outbox_acked(e->outbox) == 0) {
        e->inputs->acked_ms = engine_now_ms(e);
    }
    outbox_acknowledged(e->outbox, engine_now_ms(e), mid, reason);
}

void engine_published_beside(struct engine *e) {
    outbox_beside(e->outbox);
}

void engine_beside_proven(struct engine *e) {
    outbox_beside_proven(e->outbox);
}

void engine_connected(struct engine *e, size_t window, size_t packet_bytes_max) {
    size_t room = FORWARD_PACKET_ROOM_BYTES;
    size_t most = packet_bytes_max > room ? packet_bytes_max - room : 0;
    e->inputs->window = window;
    forwards_connected(e->forwards, most);
}

bool engine_disconnected(struct engine *e) {
    e->inputs->window = 0;
    e->inputs->numbers_clash = false;
    forwards_disconnected(e->forwards, engine_now_ms(e));
    return outbox_disconnected(e->outbox, engine_now_ms(e));
}

void engine_submit(struct engine *e, struct command *command) {
    STAILQ_INSERT_TAIL(&e->inputs->commands, command, link);
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct engine *e = ctx;
    culprit_send(e->culprit, &p->id);
    int code = e->doors.publish(e->doors.ctx, p, mid);
    culprit_enter(e->culprit, CULPRIT_IDLE);
    phases_count(&e->phases, COUNT_PUBLISHES, code == 0 ? 1 : 0);
    return code;
}

int engine_send(struct engine *e) {
    if (e->inputs->numbers_clash) {
        return ERR_BUSY;
    }
    int64_t now_ms = engine_now_ms(e);
    int code = outbox_send(e->outbox, now_ms, e->inputs->window, e, publish);
    e->inputs->numbers_clash = code == ERR_BUSY;
    return code;
}

size_t engine_window(const struct engine *e) {
    return e->inputs->window < OUTBOX_WINDOW_MAX ? e->inputs->window : OUTBOX_WINDOW_MAX;
}

int64_t engine_next_send_ms(struct engine *e) {
    const struct inputs *in = e->inputs;
    int64_t acked_ms = outbox_acked(e->outbox) > 0 ? in->acked_ms + ACKED_DELAY_MS : INT64_MAX;
    int64_t try_ms = in->window > 0 ? outbox_next_ms(e->outbox) : INT64_MAX;
    return acked_ms < try_ms ? acked_ms : try_ms;
}

/* --- taking recorded input --- */

bool engine_has_inputs(const struct engine *e) {
    return engine_has_messages(e) || !STAILQ_EMPTY(&e->inputs->ended) ||
           !STAILQ_EMPTY(&e->inputs->commands);
}

bool engine_has_messages(const struct engine *e) {
    return !STAILQ_EMPTY(&e->inputs->messages);
}

size_t engine_forward_bytes(const struct engine *e) {
    return e->inputs->forward_bytes;
}

struct event *engine_next_message(struct engine *e) {
    struct inputs *in = e->inputs;
    struct event *event = STAILQ_FIRST(&in->messages);
    if (event != NULL) {
        STAILQ_REMOVE_HEAD(&in->messages, link);
        in->forward_bytes -= event->kind == EVENT_FORWARD ? event->payload.len : 0;
        memory_give(e->memory, MEMORY_EVENTS, event->payload.len);
    }
    return event;
}

struct call_end *engine_next_ended(struct engine *e) {
    struct call_end *end = STAILQ_FIRST(&e->inputs->ended);
    if (end != NULL) {
        STAILQ_REMOVE_HEAD(&e->inputs->ended, link);
    }
    return end;
}

void engine_free_ended(struct engine *e, struct call_end *end) {
    memory_give(e->memory, MEMORY_CALLS, result_bytes(end));
    call_result_clear(&end->result);
    free(end);
}

struct command *engine_next_command(struct engine *e) {
    return STAILQ_FIRST(&e->inputs->commands);
}

void engine_command_done(struct engine *e) {
    struct command *command = STAILQ_FIRST(&e->inputs->commands);
    STAILQ_REMOVE_HEAD(&e->inputs->commands, link);
    STAILQ_INSERT_TAIL(&e->inputs->answered, command, link);
}

void engine_answer_commands(struct engine *e) {
    struct command *command;
    while ((command = STAILQ_FIRST(&e->inputs->answered)) != NULL) {
        STAILQ_REMOVE_HEAD(&e->inputs->answered, link);
        e->doors.command_done(e->doors.ctx, command);
    }
}

bool engine_has_answers(const struct engine *e) {
    return !STAILQ_EMPTY(&e->inputs->answered);
}

void engine_refuse_commands(struct engine *e, int code) {
    struct command *c;
    STAILQ_CONCAT(&e->inputs->answered, &e->inputs->commands);
    STAILQ_FOREACH(c, &e->inputs->answered, link) {
        c->code = report(&c->report, code, "nothing was changed: %s", error_text(code));
    }
}

/* --- the end --- */

void engine_forget_inputs(struct engine *e) {
    struct event *event;
    struct call_end *end;
    while ((event = engine_next_message(e)) != NULL) {
        event_free(event);
    }
    while ((end = engine_next_ended(e)) != NULL) {
        engine_free_ended(e, end);
    }
}

void engine_free_inputs(struct engine *e) {
    if (e->inputs == NULL) {
        return;
    }
    engine_forget_inputs(e);
    for (size_t i = 0; i < e->inputs->qos0_topic_count; i++) {
        free(e->inputs->qos0_topics[i]);
    }
    free(e->inputs);
}
