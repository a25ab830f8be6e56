/* journal_fixture.c - see journal_fixture.h. */
#include "journal_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { ROOM = 32 << 20 };

void journal_fixture_open(struct journal_fixture *f, bool read_only) {
    struct store_options options = {
        .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only};
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    assert_int_equal(journal_open(&f->journal, f->store, KEEP_MS, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
}

void journal_fixture_close(struct journal_fixture *f) {
    journal_close(f->journal);
    store_close(f->store);
}

int journal_fixture_set_up(void **state) {
    static struct journal_fixture f;
    data_folder_make(&f.folder);
    journal_fixture_open(&f, false);
    *state = &f;
    return 0;
}

int journal_fixture_tear_down(void **state) {
    struct journal_fixture *f = *state;
    journal_fixture_close(f);
    data_folder_remove(&f->folder);
    return 0;
}

void journal_fixture_restart(struct journal_fixture *f) {
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    journal_fixture_open(f, false);
}

struct uuid uuid_nth(uint8_t n) {
    return (struct uuid){{1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}};
}

struct event *full_event(uint8_t partition, uint8_t n, uint16_t service) {
    struct event_bytes bytes = {.topic = slice_of("a/b"),
                                .key = slice_of("k"),
                                .payload = {"p\0q", 3},
                                .content_type = slice_of("ct"),
                                .response_topic = slice_of("rt"),
                                .correlation = slice_of("co"),
                                .properties = slice_of("pr"),
                                .reason = slice_of("re"),
                                .publishes = slice_of("pu")};
    struct event *e = event_new(&bytes);
    assert_non_null(e);
    e->id = uuid_nth(n);
    e->cause = uuid_nth(200);
    e->seq = 1000 + n;
    e->lane = 0x1122334455667788;
    e->service = service;
    e->partition = partition;
    e->state = EVENT_RETRYING;
    e->kind = EVENT_LOCK_EXPIRED;
    e->qos = 2;
    e->retained = true;
    e->parked = true;
    e->hops = 31;
    e->attempts = 1;
    e->errors = 2;
    e->timeouts = 3;
    e->crashes = 4;
    e->snoozes = 5;
    e->throttles = 6;
    e->accepted_ms = T0;
    e->started_ms = T0 + 1;
    e->due_ms = T0 + 2;
    e->ended_ms = T0 + 3;
    e->duration_us = 7;
    e->version = 0xfedcba9876543210;
    return e;
}

struct row row_of(uint8_t partition, uint16_t service, uint64_t lane, uint64_t seq) {
    return (struct row){.partition = partition,
                        .service = service,
                        .lane = lane,
                        .seq = seq,
                        .id = uuid_nth((uint8_t)seq)};
}
