/*
 * life.c - see cli/life.h.
 *
 * The history contains attempts that did not end well, and what people did; the event itself has
 * the attempt that succeeded or is running.
 */
#include "cli/life.h"

#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/clock.h"
#include "journal/event.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_BYTES_MAX = 64 << 20, ERROR_EXCERPT = 200 };

static void print_buf(struct buf *text) {
    (void)fputs(buf_str(text), stdout);
    buf_reset(text);
}

void life_print_title(const struct cli *cli, const struct life *life, const char *indent) {
    const struct event *e = life->event;
    char id[UUID_TEXT_BYTES + 1];
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    (void)fputs(indent, stdout);
    text_print(stdout, cli->colour, STYLE_HEAD, uuid_text(&e->id, id));
    (void)printf("  ");
    text_print(stdout, cli->colour, text_state_style(e->state), event_state_name(e->state));
    buf_add_str(&text, e->parked ? " (parks its key)  " : "  ");
    text_add_safe(&text, slice_of(cli_service_name(cli, e->service)));
    if (e->key.len > 0) {
        buf_add_str(&text, "  key ");
        text_add_safe(&text, e->key);
    }
    if (e->tenant.len > 0) {
        buf_add_str(&text, "  tenant ");
        text_add_safe(&text, e->tenant);
    }
    if (e->rank > 0) {
        buf_printf(&text, "  priority %u", rank_priority(e->rank));
    }
    buf_add_str(&text, "  topic ");
    text_add_safe(&text, e->topic);
    buf_add_str(&text, "\n");
    print_buf(&text);
    buf_clear(&text);
}

/* Prints the time, and how long after acceptance it was. */
static void print_moment(const struct event *e, const char *indent, int64_t ms) {
    struct buf text;
    char since[32];
    buf_init(&text, 256);
    buf_printf(&text, "%s  ", indent);
    text_add_time(&text, clock_to_wall(ms), true);
    (void)conf_duration_text(ms - e->accepted_ms, since);
    buf_printf(&text, "  +%-9s ", since);
    print_buf(&text);
    buf_clear(&text);
}

static void print_accepted(const struct cli *cli, const struct event *e, const char *indent) {
    static const char *const kinds[] = {[EVENT_MESSAGE] = "accepted",
                                        [EVENT_LOCK_EXPIRED] = "a lock expired",
                                        [EVENT_DEAD_LETTER] = "made by zing.dead_letter"};
    struct buf text;
    buf_init(&text, 256);
    print_moment(e, indent, e->accepted_ms);
    text_add_ago(&text, cli->now_ms, e->accepted_ms);
    (void)printf("%s, QoS %d%s, %zu bytes (%s)\n",
                 e->kind < sizeof kinds / sizeof *kinds ? kinds[e->kind] : "made", e->qos,
                 e->retained ? ", retained" : "", e->payload.len, buf_str(&text));
    buf_clear(&text);
}

static enum text_style end_style(enum attempt_end end) {
    switch (end) {
    case ATTEMPT_SNOOZE:
    case ATTEMPT_THROTTLE:
    case ATTEMPT_REPLAY:
    case ATTEMPT_EDIT:
        return STYLE_WARN;
    default:
        return STYLE_BAD;
    }
}

static bool by_hand(enum attempt_end end) {
    return end == ATTEMPT_REPLAY || end == ATTEMPT_EDIT;
}

static void print_attempt(const struct cli *cli, const struct event *e, const struct attempt *a,
                          const char *indent, bool whole) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    print_moment(e, indent, a->at_ms);
    text_print(stdout, cli->colour, end_style(a->end), attempt_end_name(a->end));
    if (!by_hand(a->end)) {
        buf_add_str(&text, " after ");
        text_add_duration_us(&text, a->duration_us);
        buf_printf(&text, ", handler %08" PRIx64, a->version >> 32);
    }
    struct slice line = slice_first_line(a->text);
    bool more = line.len < a->text.len;
    line.len = !whole && line.len > ERROR_EXCERPT ? ERROR_EXCERPT : line.len;
    if (a->end == ATTEMPT_EDIT) {
        buf_add_str(&text, ": the payload was changed");
        buf_add_str(&text, whole ? "; before, it was" : "");
        line.len = 0;
        more = a->text.len > 0;
    } else if (line.len > 0) {
        buf_add_str(&text, ": ");
        text_add_safe(&text, line);
    }
    buf_add_str(&text, "\n");
    print_buf(&text);
    if (whole && more) {
        char deeper[64];
        (void)snprintf(deeper, sizeof deeper, "%s        ", indent);
        size_t skip = a->end == ATTEMPT_EDIT ? 0 : line.len + 1;
        text_add_lines(&text, (struct slice){a->text.data + skip, a->text.len - skip}, deeper);
        print_buf(&text);
    }
    buf_clear(&text);
}

/* True if the last attempt ended with the reason that the event is dead for. */
static bool told_already(const struct life *life) {
    size_t last = life->count;
    while (last > 0 && by_hand(life->attempts[last - 1].end)) {
        last--;
    }
    return last > 0 && slice_equal(slice_first_line(life->attempts[last - 1].text),
                                   slice_first_line(life->event->reason));
}

static void add_batch(struct buf *text, const struct event *e) {
    char id[UUID_TEXT_BYTES + 1];
    buf_printf(text, ", in a batch of %" PRIu32, e->batch_events);
    if (!uuid_equal(&e->batch, &e->id)) {
        buf_printf(text, ", see %s", uuid_text(&e->batch, id));
    }
}

/* Prints what the event itself says about its last attempt or its end. */
static void print_end(const struct cli *cli, const struct life *life, const char *indent) {
    const struct event *e = life->event;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    bool waits = event_state_put_off(e->state);
    bool ended = event_state_ended(e->state);
    int64_t ms = waits ? e->due_ms : ended ? e->ended_ms : e->started_ms;
    print_moment(e, indent, e->state == EVENT_READY || ms == 0 ? cli->now_ms : ms);
    text_print(stdout, cli->colour, text_state_style(e->state), event_state_name(e->state));
    if (e->state == EVENT_DONE) {
        buf_add_str(&text, " after ");
        text_add_duration_us(&text, e->duration_us);
        buf_printf(&text, ", attempt %" PRIu32 ", handler %08" PRIx64, e->attempts,
                   e->version >> 32);
        if (e->batch_events > 0) {
            add_batch(&text, e);
        }
    } else if (waits && e->due_ms == 0) {
        buf_add_str(&text, ": until a signal arrives");
    } else if (waits) {
        uint32_t attempt = e->attempts + (e->continues || e->undo != UNDO_NONE ? 0 : 1);
        buf_printf(&text, ": attempt %" PRIu32 " %s due ", attempt,
                   e->continues ? "continues," : "is");
        text_add_ago(&text, cli->now_ms, e->due_ms);
    } else if (e->state == EVENT_RUNNING) {
        buf_printf(&text, ": attempt %" PRIu32 " is in progress", e->attempts);
    } else if (e->reason.len > 0 && !told_already(life)) {
        buf_add_str(&text, ": ");
        text_add_safe(&text, slice_first_line(e->reason));
    }
    buf_add_str(&text, "\n");
    print_buf(&text);
    buf_clear(&text);
}

/* A dead event may have been edited since it ended. */
void life_print_course(const struct cli *cli, const struct life *life, const char *indent,
                       bool whole) {
    bool ended = false;
    print_accepted(cli, life->event, indent);
    for (size_t i = 0; i < life->count; i++) {
        const struct attempt *a = &life->attempts[i];
        if (!ended && by_hand(a->end) && event_state_ended(life->event->state) &&
            life->event->ended_ms < a->at_ms) {
            print_end(cli, life, indent);
            ended = true;
        }
        print_attempt(cli, life->event, a, indent, whole);
    }
    if (!ended) {
        print_end(cli, life, indent);
    }
}

static void add_field(struct buf *out, const char *indent, const char *name, struct slice value) {
    if (value.len > 0) {
        buf_printf(out, "%s  %-14s ", indent, name);
        text_add_safe(out, value);
        buf_add_str(out, "\n");
    }
}

static void add_payload(struct buf *out, struct slice payload, const char *indent) {
    struct buf spread;
    char deeper[64];
    (void)snprintf(deeper, sizeof deeper, "%s    ", indent);
    buf_init(&spread, TEXT_BYTES_MAX);
    if (text_is_json(payload)) {
        text_add_json_spread(&spread, payload);
        payload = spread.failed ? payload : buf_slice(&spread);
    }
    buf_printf(out, "%s  payload%s\n", indent, payload.len == 0 ? "        (empty)" : "");
    text_add_lines(out, payload, deeper);
    buf_clear(&spread);
}

void life_print_content(const struct life *life, const char *indent) {
    const struct event *e = life->event;
    struct buf text;
    char id[UUID_TEXT_BYTES + 1];
    struct slice name;
    struct slice value;
    size_t at = 0;
    buf_init(&text, TEXT_BYTES_MAX);
    if (!uuid_is_zero(&e->cause)) {
        add_field(&text, indent, "caused by", slice_of(uuid_text(&e->cause, id)));
    }
    add_field(&text, indent, "content type", e->content_type);
    add_field(&text, indent, "response topic", e->response_topic);
    while (property_next(e->properties, &at, &name, &value)) {
        buf_printf(&text, "%s  %-14s ", indent, "property");
        text_add_safe(&text, name);
        buf_add_str(&text, "=");
        text_add_safe(&text, value);
        buf_add_str(&text, "\n");
    }
    add_payload(&text, e->payload, indent);
    if (text.failed) {
        (void)cli_fail(ERR_MEMORY, "the output is incomplete: out of memory");
    }
    print_buf(&text);
    buf_clear(&text);
}
