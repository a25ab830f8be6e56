/* wire_check.c - see wire_check.h. */
#include "wire_check.h"

#include "event/event.h"
#include "wire_tell.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct wire_message messages[WIRE_MESSAGES_MAX];
    bool committed[WIRE_MESSAGES_MAX];
    bool reached[WIRE_NUMBERS_MAX];
    uint32_t last[WIRE_TOPICS_MAX]; /* the number committed last, of each topic */
    size_t commits, publishes;
} books;

void wire_check_begin(void) {
    memset(&books, 0, sizeof books);
}

void wire_check_published(const struct wire_message *message) {
    assert(message->number < WIRE_MESSAGES_MAX);
    books.messages[message->number] = *message;
}

bool wire_check_is_rich(const struct wire_message *message, char text[16]) {
    (void)snprintf(text, 16, "r%u", message->number);
    return message->spoil == WIRE_GOOD && message->number % 3 == 1;
}

static bool same_payload(const struct wire_message *m, struct slice payload) {
    char head[16];
    size_t len = (size_t)snprintf(head, sizeof head, "m%u;", m->number);
    if (payload.len != (m->bytes > len ? m->bytes : len) || memcmp(payload.data, head, len) != 0) {
        return false;
    }
    for (size_t i = len; i < payload.len; i++) {
        if (payload.data[i] != (char)('a' + i % 26)) {
            return false;
        }
    }
    return true;
}

static bool same_properties(const struct wire_message *m, const struct mqtt_message *read) {
    char text[16];
    struct slice pair = {0};
    if (!wire_check_is_rich(m, text)) {
        return read->content_type.len == 0 && read->correlation.len == 0 &&
               read->properties.len == 0;
    }
    return slice_is(read->content_type, text) && slice_is(read->correlation, text) &&
           slice_is(read->response_topic, "reply/to") &&
           property_find(read->properties, "rich", &pair) && slice_is(pair, text);
}

/* What the guard takes for good, too: libmosquitto looks over an alias. */
static bool is_good(const struct wire_message *m) {
    return m->spoil == WIRE_GOOD || m->spoil == WIRE_ALIAS;
}

void wire_check_read(uint32_t number, const struct mqtt_message *read) {
    if (number >= WIRE_MESSAGES_MAX) {
        wire_wrong("message %u was never published", number);
        return;
    }
    const struct wire_message *m = &books.messages[number];
    if ((read->refused.len == 0) != is_good(m)) {
        wire_wrong("message %u is %s dead letter", number, is_good(m) ? "a" : "no");
    } else if (read->qos > m->qos) {
        wire_wrong("message %u comes with QoS %u", number, read->qos);
    } else if (is_good(m) && !slice_is(read->topic, m->topic)) {
        wire_wrong("message %u comes with another topic", number);
    } else if (is_good(m) && !same_payload(m, read->payload)) {
        wire_wrong("message %u comes with another payload", number);
    } else if (is_good(m) && !same_properties(m, read)) {
        wire_wrong("message %u comes with other properties", number);
    }
}

void wire_check_committed(uint32_t number, int topic) {
    assert(number < WIRE_MESSAGES_MAX && topic < WIRE_TOPICS_MAX);
    if (books.committed[number]) {
        return; /* a repetition */
    }
    books.committed[number] = true;
    books.commits++;
    if (topic < 0) {
        return;
    }
    if (number < books.last[topic]) {
        wire_wrong("message %u of topic %d is committed behind message %u", number, topic,
                   books.last[topic]);
    }
    books.last[topic] = number;
}

bool wire_check_is_committed(uint32_t number) {
    return number < WIRE_MESSAGES_MAX && books.committed[number];
}

void wire_check_acknowledged(uint32_t number) {
    if (!wire_check_is_committed(number)) {
        wire_wrong("message %u is acknowledged and was never committed", number);
    }
}

void wire_check_reached(uint32_t number) {
    assert(number < WIRE_NUMBERS_MAX);
    books.publishes += books.reached[number] ? 0 : 1;
    books.reached[number] = true;
}

void wire_check_deleted(uint32_t number) {
    assert(number < WIRE_NUMBERS_MAX);
    if (!books.reached[number]) {
        wire_wrong("outbox row %u is deleted and the broker never had it", number);
    }
}

size_t wire_check_commits(void) {
    return books.commits;
}

size_t wire_check_publishes(void) {
    return books.publishes;
}
