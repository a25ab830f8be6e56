/*
 * publish.c - publishing, with local hand-over.
 *
 * A publish that services of this host subscribe to is admitted to their lanes in the same commit.
 * The copy for everyone else goes to the outbox and names the services already served in
 * `zingq-handled`, with a mark (engine/mark.h); members of those groups acknowledge and skip it.
 * Broadcast services (share = no) are not served by hand-over: every host must get its copy, ours
 * included.
 */
#include "engine/publish.h"

#include "engine/admit.h"
#include "engine/impl.h"
#include "engine/mark.h"
#include "engine/outbox.h"
#include "engine/services.h"

#include <stdlib.h>

struct publishing {
    struct buf properties; /* of the publication under construction; reused */
};

static void add_property(struct buf *out, const char *name, struct slice value) {
    property_add(out, slice_of(name), value);
}

static void describe(struct engine *e, const struct publication *p) {
    char text[UUID_TEXT_BYTES + 1];
    buf_reset(&e->publishing->properties);
    buf_add_slice(&e->publishing->properties, p->properties);
    add_property(&e->publishing->properties, "zingq-id", slice_of(uuid_text(&p->id, text)));
    if (!uuid_is_zero(&p->cause)) {
        add_property(&e->publishing->properties, "zingq-cause",
                     slice_of(uuid_text(&p->cause, text)));
    }
    if (p->hops > 0) {
        char hops[8];
        size_t at = sizeof hops;
        for (unsigned n = p->hops; n > 0; n /= 10) {
            hops[--at] = (char)('0' + n % 10);
        }
        add_property(&e->publishing->properties, "zingq-hops",
                     (struct slice){hops + at, sizeof hops - at});
    }
    if (p->key.data != NULL && p->key.len > 0) {
        add_property(&e->publishing->properties, "zingq-key", p->key);
    }
}

static int hand_over_to(struct engine *e, struct engine_service *s, const struct publication *p) {
    struct event_bytes bytes = {.topic = p->topic,
                                .payload = p->payload,
                                .content_type = p->content_type,
                                .response_topic = p->response_topic,
                                .correlation = p->correlation,
                                .properties = buf_slice(&e->publishing->properties)};
    struct event *event = event_new(&bytes);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    event->key = (struct slice){NULL, 0};
    event->qos = p->qos;
    bool duplicate;
    return engine_admit(e, s, event, ADMIT_PUBLISH, &duplicate);
}

/* Hands the publish to this host's own services; appends their groups to `handled`, separated by
 * commas. */
static int hand_over(struct engine *e, const struct publication *p, struct buf *handled) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        if (!s->active || !s->conf->share || !service_wants(s->conf, p->topic.data)) {
            continue;
        }
        int code = hand_over_to(e, s, p);
        if (code != 0) {
            return code;
        }
        if (handled->len > 0) {
            buf_add_str(handled, ",");
        }
        buf_add_slice(handled, s->origin);
    }
    return 0;
}

int engine_publish(struct engine *e, const struct publication *p) {
    struct buf handled;
    buf_init(&handled, (size_t)SERVICES_MAX * (NAME_BYTES_MAX + 1));
    describe(e, p);
    int code = e->publishing->properties.failed ? ERR_MEMORY : hand_over(e, p, &handled);
    if (code == 0 && handled.len > 0) {
        engine_add_marked(e, p->topic, &p->id, "zingq-handled", buf_slice(&handled),
                          &e->publishing->properties);
    }
    if (code == 0 && (handled.failed || e->publishing->properties.failed)) {
        code = ERR_MEMORY;
    }
    if (code == 0) {
        struct publication sent = *p;
        sent.properties = buf_slice(&e->publishing->properties);
        code = outbox_add(e->outbox, e->now_ms, &sent);
    }
    buf_clear(&handled);
    return code;
}

int engine_make_publishing(struct engine *e) {
    e->publishing = calloc(1, sizeof *e->publishing);
    if (e->publishing == NULL) {
        return ERR_MEMORY;
    }
    buf_init(&e->publishing->properties, EFFECTS_BYTES_MAX);
    return 0;
}

void engine_free_publishing(struct engine *e) {
    if (e->publishing != NULL) {
        buf_clear(&e->publishing->properties);
        free(e->publishing);
    }
}
