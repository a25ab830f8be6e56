/* hosts.c - hosts of a test that divide the keys. */
#include "hosts.h"

#include "base/json.h"
#include "test.h"
#include "wait.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { READY_S = 60 };

void hosts_init(struct hosts *h, unsigned count) {
    assert(count >= 1 && count <= HOSTS_MAX);
    *h = (struct hosts){.count = count};
    for (unsigned i = 0; i < count; i++) {
        program_init(&h->all[i]);
    }
}

void hosts_clear(struct hosts *h) {
    for (unsigned i = 0; i < h->count; i++) {
        program_clear(&h->all[i]);
    }
}

struct program *hosts_one(struct hosts *h, unsigned number) {
    assert(number >= 1 && number <= h->count);
    return &h->all[number - 1];
}

static void set_number(const char *name, unsigned value) {
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    assert_int_equal(setenv(name, text, 1), 0);
}

void hosts_launch(struct hosts *h, unsigned number) {
    set_number("ZINGQ_HOSTS_COUNT", h->count);
    set_number("ZINGQ_HOSTS_THIS", number);
    program_launch(hosts_one(h, number));
    assert_int_equal(unsetenv("ZINGQ_HOSTS_COUNT"), 0);
    assert_int_equal(unsetenv("ZINGQ_HOSTS_THIS"), 0);
}

static bool all_ready(const struct hosts *h) {
    for (unsigned i = 0; i < h->count; i++) {
        if (!program_ready(&h->all[i])) {
            return false;
        }
    }
    return true;
}

void hosts_start(struct hosts *h) {
    for (unsigned number = 1; number <= h->count; number++) {
        if (hosts_one(h, number)->pid == 0) {
            hosts_launch(h, number);
        }
    }
    struct wait w = wait_of(READY_S);
    while (!all_ready(h)) {
        if (!wait_more(&w)) {
            hosts_show(h);
            wait_fail("the hosts did not get ready");
        }
    }
}

void hosts_stop(struct hosts *h) {
    for (unsigned i = 0; i < h->count; i++) {
        assert_int_equal(program_stop(&h->all[i]), 0);
    }
}

int64_t hosts_engine(const struct hosts *h, const char *figure) {
    int64_t sum = 0;
    for (unsigned i = 0; i < h->count; i++) {
        int64_t one = program_engine(&h->all[i], figure);
        if (one < 0) {
            return -1;
        }
        sum += one;
    }
    return sum;
}

int64_t hosts_service(const struct hosts *h, const char *service, const char *figure) {
    int64_t sum = 0;
    for (unsigned i = 0; i < h->count; i++) {
        int64_t one = program_service(&h->all[i], service, figure);
        if (one < 0) {
            return -1;
        }
        sum += one;
    }
    return sum;
}

/* -1 when the host does not answer. */
static int64_t forwards_of(const struct program *p, const char *figure) {
    json_t *status = program_ask(p, "GET", "/api/status");
    int64_t sum = status == NULL ? -1 : 0;
    size_t i;
    const json_t *to;
    json_array_foreach(json_object_get(json_object_get(status, "host"), "forwards"), i, to) {
        sum += json_integer_value(json_object_get(to, figure));
    }
    json_decref(status);
    return sum;
}

int64_t hosts_forwards(const struct hosts *h, const char *figure) {
    int64_t sum = 0;
    for (unsigned i = 0; i < h->count; i++) {
        int64_t one = forwards_of(&h->all[i], figure);
        if (one < 0) {
            return -1;
        }
        sum += one;
    }
    return sum;
}

bool hosts_rest(const struct hosts *h) {
    static const char *const figures[] = {"waiting", "outbox", "delayed"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (hosts_engine(h, figures[i]) != 0) {
            return false;
        }
    }
    return hosts_forwards(h, "waiting") == 0;
}

void hosts_show(const struct hosts *h) {
    for (unsigned i = 0; i < h->count; i++) {
        program_show(&h->all[i]);
    }
}
