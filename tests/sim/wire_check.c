/* wire_check.c - see wire_check.h. */
#include "wire_check.h"

#include "wire_tell.h"

#include <assert.h>
#include <string.h>

static struct {
    bool committed[WIRE_NUMBERS_MAX];
    bool reached[WIRE_NUMBERS_MAX];
    uint32_t last[WIRE_TOPICS_MAX]; /* the number committed last, of each topic */
    size_t commits, publishes;
} books;

void wire_check_begin(void) {
    memset(&books, 0, sizeof books);
}

void wire_check_committed(uint32_t number, int topic) {
    assert(number < WIRE_NUMBERS_MAX && topic < WIRE_TOPICS_MAX);
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
    return number < WIRE_NUMBERS_MAX && books.committed[number];
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
