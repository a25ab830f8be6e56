/* books.c - reads the books of hosts, gateway and mail server; see books.h. */
#include "books.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "io/httpd/gateway.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 2000, PATH_BYTES = 512 };

/* ---- the host ---- */

struct figure {
    const char *name;
    size_t offset;
};

#define FIGURE(field)                                                                              \
    { #field, offsetof(struct service_books, field) }

static const struct figure figures[] = {
    FIGURE(accepted),  FIGURE(waiting),  FIGURE(done),       FIGURE(dead),
    FIGURE(discarded), FIGURE(expired),  FIGURE(duplicates), FIGURE(died),
    FIGURE(retries),   FIGURE(timeouts), FIGURE(crashes),
};

static int64_t *field_of(struct service_books *s, size_t offset) {
    return (int64_t *)(void *)((char *)s + offset);
}

static struct service_books *books_of(struct host_books *h, const char *name) {
    for (size_t i = 0; i < h->count; i++) {
        if (strcmp(h->services[i].name, name) == 0) {
            return &h->services[i];
        }
    }
    assert(h->count < SERVICES_SEEN_MAX); /* books that nobody reads would balance */
    struct service_books *s = &h->services[h->count++];
    *s = (struct service_books){0};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void add_service(const json_t *from, struct host_books *to) {
    const char *name = json_string_value(json_object_get(from, "name"));
    struct service_books *s = books_of(to, name == NULL ? "" : name);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        *field_of(s, figures[i].offset) +=
            json_integer_value(json_object_get(from, figures[i].name));
    }
}

static void add_status(const json_t *root, struct host_books *to) {
    const json_t *engine = json_object_get(root, "engine");
    const json_t *host = json_object_get(root, "host");
    size_t i;
    const json_t *one;
    to->outbox += json_integer_value(json_object_get(engine, "outbox"));
    to->delayed += json_integer_value(json_object_get(engine, "delayed"));
    to->ready = to->ready && json_is_true(json_object_get(host, "ready"));
    json_array_foreach(json_object_get(host, "forwards"), i, one) {
        to->forwards += json_integer_value(json_object_get(one, "waiting"));
    }
    json_array_foreach(json_object_get(root, "services"), i, one) {
        add_service(one, to);
    }
}

/* Host `number`, from 1. NULL when it does not answer. */
static json_t *ask(const struct host_folders *hosts, unsigned number, const char *path) {
    char listen[PATH_BYTES];
    char part[16] = "";
    struct buf answer;
    struct report r;
    long status = 0;
    if (hosts->count > 1) {
        (void)snprintf(part, sizeof part, "/%u", number);
    }
    (void)snprintf(listen, sizeof listen, "unix:%s/data%s/zingq.sock", hosts->folder, part);
    int code =
        gateway_ask(listen, "GET", path, (struct slice){"", 0}, ASK_MS, &status, &answer, &r);
    json_t *root =
        code == 0 && status == 200 ? json_read(buf_slice(&answer), "answer", NULL) : NULL;
    buf_clear(&answer);
    return root;
}

bool books_ask_hosts(const struct host_folders *hosts, struct host_books *out) {
    struct host_books sum = {.ready = true};
    for (unsigned number = 1; number <= hosts->count; number++) {
        json_t *root = ask(hosts, number, "/api/status");
        if (root == NULL) {
            return false;
        }
        add_status(root, &sum);
        json_decref(root);
    }
    *out = sum;
    return true;
}

/* "answer/<booking>", or a lock that the booking owns. */
static void read_cell(struct sale *s, const json_t *cell) {
    const char *name = json_string_value(json_object_get(cell, "name"));
    struct booking *owner = sale_booking(s, json_string_value(json_object_get(cell, "owner")));
    struct booking *answered =
        name != NULL && strncmp(name, "answer/", 7) == 0 ? sale_booking(s, name + 7) : NULL;
    if (owner != NULL) {
        owner->holds = true;
    }
    if (answered != NULL) {
        answered->decided = true;
    }
}

/* What one host knows of one concert. */
static bool read_concert(const struct host_folders *hosts, unsigned number, const char *concert,
                         struct sale *s) {
    char path[64];
    size_t at;
    const json_t *cell;
    /* Of each concert two thirds of a thousand answers, and less than 200 seats. */
    (void)snprintf(path, sizeof path, "/api/state/seats?key=%s&limit=1000", concert);
    json_t *cells = ask(hosts, number, path);
    bool answered = cells != NULL;
    json_array_foreach(cells, at, cell) {
        read_cell(s, cell);
    }
    json_decref(cells);
    return answered;
}

bool books_read_state(const struct host_folders *hosts, struct sale *s) {
    bool all = true;
    for (unsigned i = 0; i < CONCERTS; i++) {
        for (unsigned number = 1; number <= hosts->count; number++) {
            all = read_concert(hosts, number, seat_concert(i), s) && all;
        }
    }
    return all;
}

int64_t books_sum(const struct host_books *h, size_t figure) {
    int64_t sum = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct service_books one = h->services[i];
        sum += *field_of(&one, figure);
    }
    return sum;
}

bool books_are_closed(const struct host_books *h) {
    return h->count > 0 && h->outbox == 0 && h->delayed == 0 && h->forwards == 0 &&
           books_sum(h, offsetof(struct service_books, waiting)) == 0;
}

/* ---- logs of JSON lines ---- */

/* Calls on_line for each line that is a JSON object. */
static bool read_lines(const char *folder, const char *name, void *ctx,
                       void (*on_line)(void *ctx, const json_t *line)) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    char *text = NULL;
    size_t cap = 0;
    while (getline(&text, &cap, file) > 0) {
        json_t *line = json_read(slice_of(text), "text", NULL);
        if (line != NULL) {
            on_line(ctx, line);
            json_decref(line);
        }
    }
    free(text);
    return fclose(file) == 0;
}

static const char *text_of(const json_t *line, const char *name) {
    const char *text = json_string_value(json_object_get(line, name));
    return text == NULL ? "" : text;
}

/* ---- the gateway ---- */

struct gateway_reading {
    struct sale *sale;
    struct gateway_books *books;
    json_t *payers; /* charge id to booking id */
};

static void note_charge(struct gateway_reading *r, const json_t *line) {
    const char *booking = text_of(line, "booking_id");
    struct booking *b = sale_booking(r->sale, booking);
    r->books->charges++;
    if (b == NULL) {
        r->books->strangers++;
        return;
    }
    b->charges++;
    (void)json_object_set_new(r->payers, text_of(line, "id"), json_string(booking));
}

static void note_refund(struct gateway_reading *r, const json_t *line) {
    const json_t *payer = json_object_get(r->payers, text_of(line, "charge"));
    struct booking *b = sale_booking(r->sale, json_string_value(payer));
    r->books->refunds++;
    if (b == NULL) {
        r->books->strangers++;
        return;
    }
    b->refunds++;
}

static void on_gateway_line(void *ctx, const json_t *line) {
    struct gateway_reading *r = ctx;
    const char *outcome = text_of(line, "outcome");
    if (strcmp(outcome, "succeeded") != 0) {
        r->books->failures += strcmp(outcome, "failed") == 0;
        r->books->declines += strcmp(outcome, "declined") == 0;
        r->books->lost += strcmp(outcome, "lost") == 0;
    } else if (strcmp(text_of(line, "kind"), "charge") == 0) {
        note_charge(r, line);
    } else {
        note_refund(r, line);
    }
}

bool books_read_gateway(const char *folder, struct sale *s, struct gateway_books *out) {
    *out = (struct gateway_books){0};
    struct gateway_reading reading = {.sale = s, .books = out, .payers = json_object()};
    bool there =
        reading.payers != NULL && read_lines(folder, "gateway.log", &reading, on_gateway_line);
    json_decref(reading.payers);
    return there;
}

/* ---- the mail server ---- */

struct mail_reading {
    struct sale *sale;
    size_t *strangers;
};

static void on_mail(void *ctx, const json_t *line) {
    struct mail_reading *r = ctx;
    const char *to = json_string_value(json_array_get(json_object_get(line, "to"), 0));
    const char *message_id = text_of(line, "message_id");
    char id[8] = "";
    (void)snprintf(id, sizeof id, "%.6s", to == NULL ? "" : to); /* b-0042@example.org */
    struct booking *b = sale_booking(r->sale, id);
    if (b == NULL) {
        ++*r->strangers;
    } else if (b->mails > 0 && strcmp(b->message_id, message_id) == 0) {
        b->mail_copies++;
    } else {
        b->mails++;
        (void)snprintf(b->message_id, sizeof b->message_id, "%s", message_id);
    }
}

bool books_read_mails(const char *folder, struct sale *s, size_t *strangers) {
    struct mail_reading reading = {.sale = s, .strangers = strangers};
    *strangers = 0;
    return read_lines(folder, "mail.log", &reading, on_mail);
}

static void count_line(void *ctx, const json_t *line) {
    (void)line;
    ++*(size_t *)ctx;
}

size_t books_count_mails(const char *folder) {
    size_t count = 0;
    (void)read_lines(folder, "mail.log", &count, count_line);
    return count;
}
