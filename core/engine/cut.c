/*
 * cut.c - see engine/cut.h. The property zingq-cut says how large the payload was.
 */
#include "engine/cut.h"

#include <stdio.h>
#include <string.h>

enum { REASON_BYTES = 100 };

/* An announcement stays one, or the announcements of two services that listen to everything would
 * breed. */
static void keep_properties(const struct event *event, size_t room, struct buf *out) {
    struct slice name;
    struct slice value;
    for (size_t at = 0; property_next(event->properties, &at, &name, &value);) {
        if (out->len + name.len + value.len + 8 <= room) {
            property_add(out, name, value);
        } else if (slice_is(name, "zingq-reason")) {
            value.len = value.len < REASON_BYTES ? value.len : REASON_BYTES;
            property_add(out, name, value);
        }
    }
}

static void note_cut(const struct event *event, struct buf *out) {
    char size[24];
    struct slice earlier; /* of a packet that was too large to be read whole */
    if (!property_find(event->properties, "zingq-cut", &earlier)) {
        (void)snprintf(size, sizeof size, "%zu", event->payload.len);
        earlier = slice_of(size);
    }
    property_add(out, slice_of("zingq-cut"), earlier);
}

struct event *engine_cut(struct event *event, size_t room) {
    if (event->payload.len <= room && event->properties.len <= room && room > 0) {
        return event;
    }
    struct buf properties;
    bool cut = event->payload.len > room;
    buf_init(&properties, event->properties.len + 256);
    if (cut) {
        note_cut(event, &properties);
    }
    keep_properties(event, room, &properties);
    struct event_bytes bytes = {.topic = event->topic,
                                .key = event->key,
                                .payload = {event->payload.data, cut ? room : event->payload.len},
                                .properties = buf_slice(&properties)};
    if (room > 0) {
        bytes.content_type = event->content_type;
        bytes.response_topic = event->response_topic;
        bytes.correlation = event->correlation;
    }
    struct event *left = properties.failed ? NULL : event_new(&bytes);
    buf_clear(&properties);
    if (left != NULL) {
        event_take_numbers(left, event);
    }
    event_free(event);
    return left;
}

int engine_check_whole(const struct event *event, struct report *r) {
    struct slice size;
    if (!property_find(event->properties, "zingq-cut", &size)) {
        return 0;
    }
    return report(r, ERR_INVALID,
                  "only the beginning of its payload was kept (it had %.*s bytes): edit it, or "
                  "have it published again",
                  (int)(size.len < 20 ? size.len : 20), size.data);
}

bool engine_is_signal_letter(const struct event *event) {
    size_t len = sizeof ENGINE_SIGNAL_TOPIC - 1;
    return event->attempts == 0 && event->topic.len > len &&
           memcmp(event->topic.data, ENGINE_SIGNAL_TOPIC, len) == 0;
}
