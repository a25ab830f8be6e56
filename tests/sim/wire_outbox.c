/* wire_outbox.c - see wire_outbox.h. */
#include "wire_outbox.h"

#include "base/limits.h"
#include "wire_check.h"
#include "wire_os.h"
#include "wire_plant.h"
#include "wire_tell.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 4000, REFUSED_MS = 5000, INVALID_MS = 20000, BUSY_MS = 1000 };

struct row {
    uint32_t number, bytes;
    uint8_t qos;
    bool retain;
    int mid; /* 0 = not in flight */
    int64_t not_before_ms;
};

static struct {
    struct row rows[ROWS_MAX]; /* in order */
    size_t count;
    uint32_t window;
    size_t flying, flying_counted;    /* those with QoS 1 */
    uint32_t by_mid[MQTT_PACKET_IDS]; /* the row's number; 0 = none */
    int64_t pause_ms;
} box;

void wire_outbox_begin(uint32_t window) {
    memset(&box, 0, sizeof box);
    box.window = window;
}

void wire_outbox_end(void) {
    box.count = 0;
}

void wire_outbox_add(uint32_t number, uint8_t qos, bool retain, uint32_t bytes) {
    if (box.count < ROWS_MAX) {
        box.rows[box.count++] =
            (struct row){.number = number, .bytes = bytes, .qos = qos, .retain = retain};
    }
}

size_t wire_outbox_count(void) {
    return box.count;
}

static size_t find(uint32_t number) {
    size_t i = 0;
    while (i < box.count && box.rows[i].number != number) {
        i++;
    }
    return i;
}

static void delete_row(size_t i) {
    wire_tell("worker: deletes outbox row %u", box.rows[i].number);
    box.count--;
    memmove(&box.rows[i], &box.rows[i + 1], (box.count - i) * sizeof box.rows[0]);
}

static void land(struct row *row) {
    box.by_mid[row->mid] = 0;
    box.flying--;
    box.flying_counted -= row->qos > 0;
    row->mid = 0;
}

void wire_outbox_published(int mid, uint8_t reason, uint8_t qos_max) {
    assert(mid > 0 && mid < MQTT_PACKET_IDS);
    size_t i = find(box.by_mid[mid]);
    if (wire_planted() == WIRE_DELETE_EARLY) {
        return;
    }
    if (box.by_mid[mid] == 0 || i == box.count) {
        wire_wrong("on_published of id %d, which is not in flight", mid);
        return;
    }
    struct row *row = &box.rows[i];
    land(row);
    if (reason >= 0x80) {
        wire_tell("worker: publish %u is refused, 0x%02x", row->number, reason);
        row->not_before_ms = wire_clock_ms() + REFUSED_MS;
        return;
    }
    if (row->qos > 0 && qos_max > 0) {
        wire_check_deleted(row->number);
    }
    delete_row(i);
}

void wire_outbox_up(void) {
    box.pause_ms = 0;
}

void wire_outbox_down(void) {
    if (wire_planted() == WIRE_NOT_FORGOTTEN) {
        return;
    }
    for (size_t i = 0; i < box.count; i++) {
        if (box.rows[i].mid != 0) {
            land(&box.rows[i]);
        }
    }
}

static int publish(struct mqtt *m, const struct row *row, int *mid, struct report *r) {
    char *payload = malloc(row->bytes + 32);
    assert(payload != NULL);
    size_t head = (size_t)snprintf(payload, 32, "o%u;", row->number);
    size_t len = head;
    for (; len < row->bytes; len++) {
        payload[len] = (char)('a' + len % 26);
    }
    const struct mqtt_publish p = {.topic = "out/x",
                                   .payload = {payload, len},
                                   .content_type = slice_of("text/plain"),
                                   .correlation = {payload, head},
                                   .qos = row->qos,
                                   .retain = row->retain};
    int error = mqtt_publish(m, &p, mid, r);
    free(payload);
    return error;
}

static void note_flight(struct row *row, int mid) {
    if (box.by_mid[mid] != 0) {
        wire_wrong("mqtt_publish gives id %d, which is in flight", mid);
    }
    row->mid = mid;
    box.by_mid[mid] = row->number;
    box.flying++;
    box.flying_counted += row->qos > 0;
}

/* Whether the next one may be tried. */
static bool send_row(struct mqtt *m, struct row *row) {
    struct report r = {""};
    int mid = 0;
    int error = publish(m, row, &mid, &r);
    wire_tell("worker: publishes row %u: %s", row->number, error == 0 ? "id" : error_name(error));
    if (error == ERR_INVALID) {
        row->not_before_ms = wire_clock_ms() + INVALID_MS;
        return true;
    }
    if (error == ERR_BUSY && box.flying_counted < mqtt_session(m)->receive_maximum &&
        strstr(r.text, "takes no more") != NULL) {
        wire_wrong("the door takes no publish: %zu of %u are in flight", box.flying_counted,
                   mqtt_session(m)->receive_maximum);
    }
    if (error != 0) {
        box.pause_ms = wire_clock_ms() + BUSY_MS;
        return false;
    }
    note_flight(row, mid);
    return true;
}

void wire_outbox_send(struct mqtt *m) {
    const struct mqtt_session *session = mqtt_session(m);
    size_t window = session->receive_maximum < box.window ? session->receive_maximum : box.window;
    int64_t now_ms = wire_clock_ms();
    if (!session->connected || box.pause_ms > now_ms) {
        return;
    }
    for (size_t i = 0; i < box.count && box.flying < window;) {
        struct row *row = &box.rows[i];
        if (row->mid != 0 || row->not_before_ms > now_ms) {
            i++;
            continue;
        }
        if (!send_row(m, row)) {
            return;
        }
        if (wire_planted() == WIRE_DELETE_EARLY && row->mid != 0) {
            wire_check_deleted(row->number);
            land(row);
            delete_row(i);
        } else {
            i++;
        }
    }
}

int64_t wire_outbox_next_ms(void) {
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < box.count; i++) {
        const struct row *row = &box.rows[i];
        int64_t ms = row->not_before_ms > box.pause_ms ? row->not_before_ms : box.pause_ms;
        if (row->mid == 0 && ms > wire_clock_ms() && ms < next_ms) {
            next_ms = ms;
        }
    }
    return next_ms;
}
