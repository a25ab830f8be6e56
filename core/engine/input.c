/*
 * input.c - what comes in is noted here and decided in the next turn.
 */
#include "engine/input.h"

#include "base/log.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/outbox.h"
#include "engine/services.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void engine_forget_inputs(struct engine *e) {
    while (e->inbox_head != NULL) {
        struct event *event = e->inbox_head;
        e->inbox_head = event->next;
        event_free(event);
    }
    e->inbox_tail = NULL;
    e->forward_bytes = 0;
    while (e->ends_head != NULL) {
        struct call_end *end = e->ends_head;
        e->ends_head = end->next;
        call_result_clear(&end->result);
        free(end);
    }
    e->ends_tail = NULL;
}

/* QoS 0 is lost whenever the connection is: say so once a topic. */
static void note_qos0(struct engine *e, const char *topic) {
    e->status.qos0++;
    for (size_t i = 0; i < e->qos0_topic_count; i++) {
        if (strcmp(e->qos0_topics[i], topic) == 0) {
            return;
        }
    }
    if (e->qos0_topic_count == QOS0_TOPICS_MAX) {
        return;
    }
    char *copy = slice_dup(slice_of(topic));
    if (copy != NULL) {
        e->qos0_topics[e->qos0_topic_count++] = copy;
        log_warn("broker",
                 "topic %s is published with QoS 0: the broker may drop such messages before "
                 "ZingQueue sees them; publish with QoS 1",
                 topic);
    }
}

/* A broker copy of what local hand-over served already, by this host or another of the group. */
static bool is_handled(const struct engine_service *s, struct slice properties) {
    struct slice names;
    if (!s->conf->share || !property_find(properties, "zingq-handled", &names)) {
        return false;
    }
    while (names.len > 0) {
        const char *comma = memchr(names.data, ',', names.len);
        size_t len = comma == NULL ? names.len : (size_t)(comma - names.data);
        if (slice_equal((struct slice){names.data, len}, s->name)) {
            return true;
        }
        size_t skip = comma == NULL ? len : len + 1;
        names.data += skip;
        names.len -= skip;
    }
    return false;
}

void engine_add_input(struct engine *e, struct event *event) {
    if (e->inbox_tail == NULL) {
        e->inbox_head = event;
    } else {
        e->inbox_tail->next = event;
    }
    e->inbox_tail = event;
}

int engine_offer(struct engine *e, size_t service, const struct event_bytes *bytes,
                 struct offer how) {
    assert(service < e->service_count && how.host <= e->conf->hosts.share.count);
    struct engine_service *s = &e->services[service];
    if (is_handled(s, bytes->properties)) {
        s->books.handed_over++;
        s->books_dirty = true;
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
    event->service = (uint16_t)service; /* the index, until engine_admit puts the number */
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

void engine_call_done(struct engine *e, uint64_t id, struct call_result *result) {
    struct call_end *end = calloc(1, sizeof *end);
    if (end == NULL) {
        /* The attempt will time out and be tried again. */
        log_error("engine", "out of memory: the answer of a call is dropped");
        return;
    }
    end->id = id;
    end->result = *result;
    buf_init(&result->headers, result->headers.max);
    buf_init(&result->body, result->body.max);
    if (e->ends_tail == NULL) {
        e->ends_head = end;
    } else {
        e->ends_tail->next = end;
    }
    e->ends_tail = end;
}

void engine_published(struct engine *e, int mid, uint8_t reason) {
    if (outbox_acked(e->outbox) == 0) {
        e->acked_ms = engine_now_ms(e);
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
    e->window = window;
    forwards_connected(e->forwards, most);
}

bool engine_disconnected(struct engine *e) {
    e->window = 0;
    e->numbers_clash = false;
    forwards_disconnected(e->forwards, engine_now_ms(e));
    return outbox_disconnected(e->outbox, engine_now_ms(e));
}

void engine_submit(struct engine *e, struct command *command) {
    command->next = NULL;
    if (e->commands_tail == NULL) {
        e->commands_head = command;
    } else {
        e->commands_tail->next = command;
    }
    e->commands_tail = command;
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct engine *e = ctx;
    culprit_send(e->culprit, &p->id);
    int code = e->doors.publish(e->doors.ctx, p, mid);
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

int engine_send(struct engine *e) {
    if (e->numbers_clash) {
        return ERR_BUSY;
    }
    int64_t now_ms = engine_now_ms(e);
    int code = outbox_send(e->outbox, now_ms, e->window, e, publish);
    e->numbers_clash = code == ERR_BUSY;
    return code;
}

void engine_answer_commands(struct engine *e) {
    while (e->answered_head != NULL) {
        struct command *command = e->answered_head;
        e->answered_head = command->next;
        command->next = NULL;
        e->doors.command_done(e->doors.ctx, command);
    }
    e->answered_tail = NULL;
}

void engine_refuse_commands(struct engine *e, int code) {
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
