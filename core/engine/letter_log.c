/*
 * letter_log.c - see engine/letter_log.h.
 */
#include "engine/letter_log.h"

#include "base/log.h"
#include "engine/impl.h"

enum {
    SECOND_MS = 1000,
    REASON_BYTES = 300,
    LINE_BYTES = 200 /* besides topic, key and reason */
};

/* Begins the next second if it is time. */
static void look_at_second(const struct engine *e, struct engine_service *s) {
    struct letter_lines *lines = &s->letter_lines;
    if (e->now_ms < lines->begun_ms + SECOND_MS) {
        return;
    }
    if (lines->left_out > 0) {
        log_warn("engine",
                 "log lines about %llu dead letters of service \"%s\" were left out: they may take "
                 "%d KiB a second; `zingq dlq groups --service %s` counts the letters",
                 (unsigned long long)lines->left_out, s->conf->name, LOG_SECOND_BYTES_MAX >> 10,
                 s->conf->name);
    }
    *lines = (struct letter_lines){.begun_ms = e->now_ms};
}

void engine_log_letter(struct engine *e, struct engine_service *s, const struct event *event) {
    bool person = event->state == EVENT_NEEDS_PERSON;
    size_t reason = event->reason.len < REASON_BYTES ? event->reason.len : REASON_BYTES;
    size_t bytes = LINE_BYTES + event->topic.len + event->key.len + reason;
    char id[UUID_TEXT_BYTES + 1];
    look_at_second(e, s);
    if (bytes > LOG_SECOND_BYTES_MAX - s->letter_lines.bytes) {
        s->letter_lines.left_out++;
        return;
    }
    s->letter_lines.bytes += bytes;
    log_warn("engine", "%s service=%s event=%s topic=%s key=\"%.*s\" reason=\"%.*s\"",
             person ? "a person is needed:" : "dead letter", s->conf->name,
             uuid_text(&event->id, id), event->topic.data, (int)event->key.len, event->key.data,
             (int)reason, event->reason.data);
}

void engine_log_left_out(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (e->services[i].letter_lines.left_out > 0) {
            look_at_second(e, &e->services[i]);
        }
    }
}
