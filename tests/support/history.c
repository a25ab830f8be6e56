/* history.c - a store with a past. */
#include "history.h"

#include "event/event.h"
#include "journal/event.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COMMIT_ROWS = 20000, HOUR_MS = 3600 * 1000 };

struct writer {
    const struct history *h;
    struct store *store;
    struct journal *journal;
    struct uuid_source ids;
    uint16_t service;
    int64_t now_ms;
};

static void must(int code, const char *what) {
    if (code != 0) {
        (void)fprintf(stderr, "test history: %s: %s\n", what, error_text(code));
        abort();
    }
}

static struct event *make_event(struct writer *w, size_t i, int64_t at_ms) {
    char key[32];
    char payload[256];
    (void)snprintf(key, sizeof key, "k%zu", i % w->h->keys);
    (void)snprintf(payload, sizeof payload, "{\"key\":\"%s\",\"n\":%zu,\"fill\":\"%0128d\"}", key,
                   i, 0);
    struct event_bytes bytes = {
        .topic = slice_of("in/x"), .key = slice_of(key), .payload = slice_of(payload)};
    struct event *event = event_new(&bytes);
    must(event == NULL ? ERR_MEMORY : 0, "event");
    event->id = uuid_next(&w->ids, at_ms);
    event->service = w->service;
    event->lane = journal_lane(slice_of(w->h->service), event->key);
    event->partition = journal_partition(event->lane);
    event->seq = journal_next_seq(w->journal, at_ms);
    event->accepted_ms = at_ms;
    event->qos = 1;
    return event;
}

static void put_done(struct writer *w, size_t i) {
    struct event *event = make_event(w, i, w->now_ms - HOUR_MS);
    event->state = EVENT_DONE;
    event->attempts = 1;
    event->started_ms = event->ended_ms = event->accepted_ms;
    must(journal_event_put(w->journal, event), "event");
    event_free(event);
}

static void put_waiting(struct writer *w, size_t i) {
    struct event *event = make_event(w, i, w->now_ms - HOUR_MS / 2);
    event->state = EVENT_READY;
    struct row row = {.partition = event->partition,
                      .service = event->service,
                      .lane = event->lane,
                      .seq = event->seq,
                      .id = event->id};
    must(journal_event_put(w->journal, event), "event");
    must(journal_ready_put(w->journal, &row), "row");
    event_free(event);
}

static void put_all(struct writer *w, size_t count, void (*put)(struct writer *, size_t)) {
    for (size_t i = 0; i < count; i++) {
        if (i % COMMIT_ROWS == 0 && i > 0) {
            must(store_commit(w->store), "commit");
            must(store_begin(w->store), "begin");
        }
        put(w, i);
    }
}

void history_write(const struct history *h) {
    struct writer w = {.h = h};
    struct store_options options = {.path = h->folder, .max_bytes = (uint64_t)4 << 30};
    struct report r = {""};
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    w.now_ms = (int64_t)t.tv_sec * 1000;
    uuid_source_init(&w.ids, 1);
    must(store_open(&w.store, &options, &r), r.text);
    must(journal_open(&w.journal, w.store, HOUR_MS, &r), r.text);
    must(store_begin(w.store), "begin");
    must(journal_service_number(w.journal, h->service, &w.service), "service");
    put_all(&w, h->done, put_done);
    put_all(&w, h->waiting, put_waiting);
    struct books books = {.accepted = h->done + h->waiting, .done = h->done};
    must(journal_books_put(w.journal, w.service, &books), "books");
    must(journal_mark_seq(w.journal), "sequence");
    must(store_commit(w.store), "commit");
    journal_close(w.journal);
    store_close(w.store);
}
