/*
 * forwards.c - forwards: rows on disk, a window of messages for each host in memory, receipts.
 *
 * Three sequence numbers describe each partition: `last`, the last row stored; `read`, the last row
 * put into a message; `done`, the last row its owner has receipted. last >= read, and the rows
 * between done and read are in flight or wait to be sent.
 */
#include "engine/forwards.h"

#include "base/limits.h"
#include "journal/forward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A row in a message. */
struct carried {
    uint8_t partition;
    uint64_t seq;
};

struct message {
    STAILQ_ENTRY(message) link;
    bool sent;
    size_t rows;
    struct carried *carried; /* owned */
    struct buf bytes;
};

/* One host and the forwards for it. */
struct target {
    uint64_t rows;   /* on disk, without a receipt */
    uint64_t unread; /* of these: in no message yet */
    STAILQ_HEAD(message_list, message) messages;
    size_t count, bytes; /* messages in memory */
    size_t in_flight;
    bool down;      /* it is away */
    bool held;      /* a row that no message can carry waits to be ended */
    unsigned again; /* how often the messages in flight got no receipt */
    int64_t due_ms; /* when they are sent again */
    uint8_t next;   /* the partition whose rows come first in the next message */
    uint64_t receipts, repeated;
};

struct forwards {
    struct journal *journal;
    struct division division;
    struct uuid source;
    uint64_t token;
    bool connected;
    int64_t pause_until_ms; /* the connection accepts no more until then */
    size_t message_max;
    bool receipted; /* there are rows to delete */
    int64_t receipted_ms;
    uint64_t last[PARTITIONS], read[PARTITIONS], done[PARTITIONS], deleted[PARTITIONS];
    uint64_t first[PARTITIONS];            /* the oldest row, or a lower bound; 0 = none */
    struct target targets[PARTITIONS + 1]; /* by host number */
    struct buf record;
};

int forwards_new(struct forwards **out, struct journal *journal, const struct division *division,
                 uint64_t token) {
    struct forwards *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return ERR_MEMORY;
    }
    f->journal = journal;
    f->division = *division;
    f->token = token;
    for (size_t n = 0; n <= PARTITIONS; n++) {
        STAILQ_INIT(&f->targets[n].messages);
    }
    (void)uuid_parse(slice_of(journal_host_id(journal)), &f->source);
    buf_init(&f->record, (size_t)1 << 30);
    *out = f;
    return 0;
}

/* --- messages --- */

static void message_free(struct message *m) {
    buf_clear(&m->bytes);
    free(m->carried);
    free(m);
}

static void drop_first(struct target *t) {
    struct message *m = STAILQ_FIRST(&t->messages);
    assert(m != NULL && t->count > 0 && t->bytes >= m->bytes.len); /* INV-FORWARDS-2 */
    assert(!m->sent || t->in_flight > 0);                          /* INV-FORWARDS-2 */
    STAILQ_REMOVE_HEAD(&t->messages, link);
    t->count--;
    t->bytes -= m->bytes.len;
    t->in_flight -= m->sent ? 1 : 0;
    message_free(m);
}

static void forget(struct forwards *f) {
    for (size_t n = 1; n <= PARTITIONS; n++) {
        while (!STAILQ_EMPTY(&f->targets[n].messages)) {
            drop_first(&f->targets[n]);
        }
    }
}

void forwards_free(struct forwards *f) {
    if (f != NULL) {
        forget(f);
        buf_clear(&f->record);
        free(f);
    }
}

static struct target *target_of(struct forwards *f, uint8_t partition) {
    return &f->targets[division_owner(&f->division, partition)];
}

static int load_partition(struct forwards *f, uint8_t p) {
    struct target *t = target_of(f, p);
    struct slice record;
    uint64_t seq = 0;
    int code;
    f->last[p] = f->read[p] = f->done[p] = f->deleted[p] = f->first[p] = 0;
    while ((code = journal_forward_next(f->journal, p, &seq, &record)) == 0) {
        f->first[p] = f->first[p] == 0 ? seq : f->first[p];
        f->last[p] = seq;
        t->rows++;
        t->unread++;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int forwards_load(struct forwards *f) {
    int code = 0;
    forget(f);
    f->receipted = false;
    for (size_t n = 0; n <= PARTITIONS; n++) {
        f->targets[n].rows = f->targets[n].unread = 0;
        f->targets[n].again = 0;
    }
    for (uint8_t p = 0; code == 0 && p < PARTITIONS; p++) {
        code = load_partition(f, p);
    }
    return code;
}

int forwards_add(struct forwards *f, int64_t now_ms, uint8_t partition,
                 const struct forward *forward) {
    uint64_t seq = journal_next_seq(f->journal, now_ms);
    assert(seq > f->last[partition]); /* INV-FORWARDS-1 */
    buf_reset(&f->record);
    forward_encode(forward, &f->record);
    int code = f->record.failed
                   ? ERR_MEMORY
                   : journal_forward_put(f->journal, partition, seq, buf_slice(&f->record));
    if (code == 0 && division_owns(&f->division, partition)) {
        f->read[partition] = f->last[partition] = seq; /* until the next forwards_load */
    } else if (code == 0) {
        struct target *t = target_of(f, partition);
        f->first[partition] =
            f->last[partition] == f->deleted[partition] ? seq : f->first[partition];
        f->last[partition] = seq;
        t->rows++;
        t->unread++;
    }
    return code;
}

/* --- from disk into messages --- */

/* True if a row of `more` bytes must go into the next message. */
static bool is_full(const struct forwards *f, const struct message *m, size_t more) {
    size_t most = f->message_max < FORWARD_MESSAGE_BYTES ? f->message_max : FORWARD_MESSAGE_BYTES;
    return m->rows > 0 && m->bytes.len + FORWARD_ENTRY_BYTES + more > most;
}

static int carry(struct forwards *f, struct message *m, uint8_t p, uint64_t seq,
                 struct slice record) {
    struct carried *carried = m->carried;
    assert(f->done[p] <= f->read[p] && f->read[p] < seq && seq <= f->last[p]); /* INV-FORWARDS-1 */
    if ((m->rows & (m->rows - 1)) == 0) { /* at every power of two */
        size_t room = m->rows == 0 ? 1 : m->rows * 2;
        carried = realloc(m->carried, room * sizeof *carried);
        if (carried == NULL) {
            return ERR_MEMORY;
        }
        m->carried = carried;
    }
    const struct forward_entry entry = {.partition = p,
                                        .seq = seq,
                                        .previous = f->read[p] > f->done[p] ? f->read[p] : 0,
                                        .record = record};
    forward_message_add(&m->bytes, &entry);
    carried[m->rows++] = (struct carried){p, seq};
    f->read[p] = seq;
    return m->bytes.failed ? ERR_MEMORY : 0;
}

struct building {
    struct forwards *f;
    struct target *t;
    struct message *m;
    void *ctx;
    int (*too_large)(void *ctx, const struct forward *forward);
};

/* Lets `too_large` end a row that no message can carry; the next row will not refer to it. */
static int give_up(const struct building *b, uint8_t p, uint64_t seq, struct slice record) {
    struct forwards *f = b->f;
    struct forward forward;
    buf_reset(&f->record); /* a write to the store moves what was read from it */
    buf_add_slice(&f->record, record);
    int code = f->record.failed ? ERR_MEMORY : forward_decode(buf_slice(&f->record), &forward);
    code = code == 0 ? b->too_large(b->ctx, &forward) : code;
    b->t->rows--;
    return code == 0 ? journal_forward_del(f->journal, p, seq) : code;
}

/* Adds rows of the partition to the message until it is full. */
static int read_partition(const struct building *b, uint8_t p, bool *full) {
    struct forwards *f = b->f;
    while (f->last[p] > f->read[p]) {
        uint64_t seq = f->read[p];
        struct slice record;
        int code = journal_forward_next(f->journal, p, &seq, &record);
        if (code == ERR_NOTFOUND) { /* the rows cannot be read, and are set aside */
            f->last[p] = f->read[p];
            return 0;
        }
        *full = code == 0 && is_full(f, b->m, record.len);
        if (code != 0 || *full) {
            return code;
        }
        bool too_large = FORWARD_HEAD_BYTES + FORWARD_ENTRY_BYTES + record.len > f->message_max;
        if (too_large && b->too_large == NULL) {
            b->t->held = true;
            return 0;
        }
        b->t->unread -= b->t->unread > 0 ? 1 : 0;
        if (too_large) {
            code = give_up(b, p, seq, record);
            f->last[p] = code == 0 && f->last[p] == seq ? f->read[p] : f->last[p];
        } else {
            code = carry(f, b->m, p, seq, record);
        }
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static struct message *message_new(const struct forwards *f, uint16_t host) {
    struct message *m = calloc(1, sizeof *m);
    if (m != NULL) {
        const struct forward_sender sender = {.count = f->division.count,
                                              .to = host,
                                              .from = f->division.place,
                                              .source = f->source,
                                              .token = f->token};
        buf_init(&m->bytes, (size_t)1 << 30);
        forward_message_begin(&m->bytes, &sender);
    }
    return m;
}

static int fill_message(struct building *b, uint16_t host) {
    bool full = false;
    int code = 0;
    unsigned first = b->t->next % PARTITIONS;
    for (unsigned i = 0; code == 0 && !full && i < PARTITIONS; i++) {
        uint8_t p = (uint8_t)((first + i) % PARTITIONS);
        if (division_owner(&b->f->division, p) == host) {
            code = read_partition(b, p, &full);
            b->t->next = p;
        }
    }
    return code;
}

static int build_for(struct forwards *f, uint16_t host, struct building *b) {
    struct target *t = &f->targets[host];
    t->held = false;
    while (t->unread > 0 && t->count < FORWARD_WINDOW && t->bytes < FORWARD_WINDOW_BYTES) {
        b->t = t;
        b->m = message_new(f, host);
        int code = b->m == NULL || b->m->bytes.failed ? ERR_MEMORY : fill_message(b, host);
        if (code != 0 || b->m->rows == 0) {
            if (b->m != NULL) {
                message_free(b->m);
            }
            t->unread = code == 0 && !t->held ? 0 : t->unread; /* set aside, or given up */
            return code;
        }
        STAILQ_INSERT_TAIL(&t->messages, b->m, link);
        t->count++;
        t->bytes += b->m->bytes.len;
    }
    return 0;
}

static bool takes(const struct forwards *f, uint16_t host) {
    return f->connected && host != f->division.place && !f->targets[host].down;
}

int forwards_build(struct forwards *f, void *ctx,
                   int (*too_large)(void *ctx, const struct forward *forward)) {
    struct building b = {.f = f, .ctx = ctx, .too_large = too_large};
    int code = 0;
    for (uint16_t n = 1; code == 0 && n <= f->division.count; n++) {
        code = takes(f, n) ? build_for(f, n, &b) : 0;
    }
    return code;
}

int forwards_next_own(struct forwards *f, uint8_t *p, uint64_t *seq, struct buf *record) {
    struct target *own = &f->targets[f->division.place];
    for (*p = 0; own->rows > 0 && *p < PARTITIONS; ++*p) {
        struct slice stored;
        *seq = f->read[*p];
        if (!division_owns(&f->division, *p) || f->last[*p] == *seq) {
            continue;
        }
        int code = journal_forward_next(f->journal, *p, seq, &stored);
        if (code == ERR_NOTFOUND) {
            f->last[*p] = f->read[*p];
            continue;
        }
        if (code == 0) {
            buf_add_slice(record, stored);
            f->read[*p] = *seq;
            own->rows--;
        }
        return record->failed ? ERR_MEMORY : code;
    }
    own->rows = 0;
    return ERR_NOTFOUND;
}

/* --- sending --- */

static int64_t patience_ms(const struct target *t) {
    int64_t ms = FORWARD_AGAIN_MS;
    for (unsigned i = 0; i < t->again && ms < FORWARD_AGAIN_MS_MAX; i++) {
        ms *= 2;
    }
    return ms < FORWARD_AGAIN_MS_MAX ? ms : FORWARD_AGAIN_MS_MAX;
}

/* Messages without a receipt count as lost: they are queued again. */
static void take_back(struct target *t) {
    struct message *m;
    STAILQ_FOREACH(m, &t->messages, link) {
        t->repeated += m->sent ? 1 : 0;
        m->sent = false;
    }
    t->in_flight = 0;
}

void forwards_pause(struct forwards *f, int64_t now_ms) {
    f->pause_until_ms = now_ms + FORWARD_PAUSE_MS;
}

static int send_to(struct forwards *f, uint16_t host, int64_t now_ms, void *ctx,
                   int (*send)(void *ctx, uint16_t host, struct slice message)) {
    struct target *t = &f->targets[host];
    if (t->in_flight > 0 && now_ms >= t->due_ms) {
        take_back(t);
        t->again++;
    }
    if (t->in_flight == 0 && t->again > 0 && now_ms < t->due_ms) {
        return 0;
    }
    size_t most = t->again > 0 ? 1 : FORWARD_WINDOW;
    struct message *m = STAILQ_FIRST(&t->messages);
    for (; m != NULL && t->in_flight < most; m = STAILQ_NEXT(m, link)) {
        if (m->sent) {
            continue;
        }
        int code = send(ctx, host, buf_slice(&m->bytes));
        if (code != 0) {
            return code;
        }
        t->due_ms = t->in_flight == 0 ? now_ms + patience_ms(t) : t->due_ms;
        m->sent = true;
        t->in_flight++;
    }
    return 0;
}

void forwards_send(struct forwards *f, int64_t now_ms, void *ctx,
                   int (*send)(void *ctx, uint16_t host, struct slice message)) {
    int code = 0;
    for (uint16_t n = 1; code == 0 && n <= f->division.count; n++) {
        if (takes(f, n) && f->targets[n].count > 0) {
            code = send_to(f, n, now_ms, ctx, send);
        }
    }
    if (code != 0) {
        forwards_pause(f, now_ms);
    }
}

/* --- receipts --- */

static bool is_done(const struct forwards *f, const struct message *m) {
    for (size_t i = 0; i < m->rows; i++) {
        if (m->carried[i].seq > f->done[m->carried[i].partition]) {
            return false;
        }
    }
    return true;
}

static bool is_ours(const struct forwards *f, const struct forward_sender *s) {
    return s->count == f->division.count && s->from == f->division.place &&
           s->to != f->division.place && s->token == f->token && uuid_equal(&s->source, &f->source);
}

void forwards_receipt(struct forwards *f, int64_t now_ms, struct slice receipt) {
    struct forward_sender sender;
    size_t at;
    uint8_t p;
    uint64_t seq;
    if (forward_receipt_read(receipt, &sender, &at) != 0 || !is_ours(f, &sender)) {
        return;
    }
    struct target *t = &f->targets[sender.to];
    bool news = false;
    while (forward_receipt_next(receipt, &at, &p, &seq) == 0) {
        /* An earlier run, or this store before a restore from backup, may have sent more than this
         * one has read. A number ahead of the clock could also cover future rows. */
        uint64_t done = seq < f->read[p] ? seq : f->read[p];
        bool sound = seq == done || seq < ((uint64_t)now_ms + 1) * 1000;
        if (sound && division_owner(&f->division, p) == sender.to && done > f->done[p]) {
            f->done[p] = done;
            news = true;
        }
    }
    if (!news) {
        return;
    }
    t->again = 0;
    t->due_ms = now_ms + FORWARD_AGAIN_MS;
    while (t->count > 0 && is_done(f, STAILQ_FIRST(&t->messages))) {
        drop_first(t);
    }
    f->receipted_ms = f->receipted ? f->receipted_ms : now_ms;
    f->receipted = true;
}

static int delete_rows(struct forwards *f, uint8_t p, size_t *left) {
    struct target *t = target_of(f, p);
    assert(f->deleted[p] <= f->done[p] && f->done[p] <= f->read[p]); /* INV-FORWARDS-1 */
    while (*left > 0 && f->deleted[p] < f->done[p]) {
        uint64_t seq = f->deleted[p];
        struct slice record;
        int code = journal_forward_next(f->journal, p, &seq, &record);
        if (code == ERR_NOTFOUND || (code == 0 && seq > f->done[p])) {
            f->deleted[p] = f->done[p];
            f->first[p] = code == 0 ? seq : 0;
            return 0;
        }
        code = code == 0 ? journal_forward_del(f->journal, p, seq) : code;
        if (code != 0) {
            return code;
        }
        f->deleted[p] = f->first[p] = seq; /* a lower bound: the next row is not much younger */
        t->rows -= t->rows > 0 ? 1 : 0;
        t->receipts++;
        (*left)--;
    }
    f->first[p] = f->deleted[p] == f->last[p] ? 0 : f->first[p];
    return 0;
}

int forwards_settle(struct forwards *f) {
    size_t left = FORWARD_ROWS_PER_TURN;
    int code = 0;
    for (uint8_t p = 0; f->receipted && code == 0 && p < PARTITIONS; p++) {
        code = delete_rows(f, p, &left);
    }
    f->receipted = f->receipted && left == 0;
    return code;
}

/* --- hosts and connections --- */

/* Puts every row without a receipt into a new message. */
static void build_anew(struct forwards *f) {
    forget(f);
    memcpy(f->read, f->done, sizeof f->read);
    for (size_t n = 1; n <= PARTITIONS; n++) {
        f->targets[n].unread = f->targets[n].rows;
    }
}

void forwards_connected(struct forwards *f, size_t message_bytes_max) {
    if (message_bytes_max < f->message_max) {
        build_anew(f); /* the broker did not accept the messages as they are */
    }
    f->connected = true;
    f->message_max = message_bytes_max;
}

/* A broker may end a connection because of a message. After the second time it is not sent again
 * immediately. */
void forwards_disconnected(struct forwards *f, int64_t now_ms) {
    f->connected = false;
    for (uint16_t n = 1; n <= f->division.count; n++) {
        struct target *t = &f->targets[n];
        if (t->in_flight > 0) {
            take_back(t);
            t->again++;
            t->due_ms = t->again == 1 ? now_ms : now_ms + patience_ms(t) / 4;
        }
    }
}

void forwards_member(struct forwards *f, int64_t now_ms, uint16_t host, bool up) {
    assert(host > 0 && host <= f->division.count);
    struct target *t = &f->targets[host];
    if (t->down && up) {
        take_back(t);
        t->again = 0;
        t->due_ms = now_ms;
    }
    t->down = !up;
}

/* --- looking --- */

static bool has_room(const struct target *t) {
    return t->unread > 0 && !t->held && t->count < FORWARD_WINDOW &&
           t->bytes < FORWARD_WINDOW_BYTES;
}

bool forwards_want_turn(const struct forwards *f, int64_t now_ms) {
    bool wants = f->receipted && now_ms >= f->receipted_ms + ACKED_DELAY_MS;
    for (uint16_t n = 1; !wants && n <= f->division.count; n++) {
        wants = takes(f, n) && has_room(&f->targets[n]);
    }
    return wants;
}

int64_t forwards_next_ms(const struct forwards *f) {
    int64_t next = f->receipted ? f->receipted_ms + ACKED_DELAY_MS : INT64_MAX;
    for (uint16_t n = 1; n <= f->division.count; n++) {
        const struct target *t = &f->targets[n];
        if (takes(f, n) && t->count > 0) {
            int64_t due_ms = t->due_ms > f->pause_until_ms ? t->due_ms : f->pause_until_ms;
            next = due_ms < next ? due_ms : next;
        }
    }
    return next;
}

/* Sequence numbers are microseconds of engine time, so the lowest one is the oldest row. */
static int64_t oldest_ms(const struct forwards *f, uint16_t host) {
    uint64_t oldest = UINT64_MAX;
    for (uint8_t p = 0; f->targets[host].rows > 0 && p < PARTITIONS; p++) {
        if (division_owner(&f->division, p) == host && f->first[p] != 0 && f->first[p] < oldest) {
            oldest = f->first[p];
        }
    }
    return oldest == UINT64_MAX ? 0 : (int64_t)(oldest / 1000);
}

void forwards_look(const struct forwards *f, uint16_t host, struct forwards_state *out) {
    assert(host > 0 && host <= f->division.count);
    const struct target *t = &f->targets[host];
    *out = (struct forwards_state){.rows = t->rows,
                                   .oldest_ms = oldest_ms(f, host),
                                   .up = !t->down,
                                   .stalled = t->again > 1 && t->rows > 0,
                                   .receipts = t->receipts,
                                   .again = t->repeated};
}

uint64_t forwards_own(const struct forwards *f) {
    return f->targets[f->division.place].rows;
}

uint64_t forwards_most(const struct forwards *f) {
    uint64_t most = 0;
    for (uint16_t n = 1; n <= f->division.count; n++) {
        most = f->targets[n].rows > most ? f->targets[n].rows : most;
    }
    return most;
}

uint64_t forwards_rows(const struct forwards *f) {
    uint64_t rows = 0;
    for (uint16_t n = 1; n <= f->division.count; n++) {
        rows += f->targets[n].rows;
    }
    return rows;
}
