/*
 * peek.c - one state value as it is stored, for a zing.peek on another host. JSON would not work,
 * because a handler must get back exactly what was stored: bytes as bytes, 1.0 as a float.
 */
#include "web/admin/impl.h"

#include "query/json.h"
#include "store/store.h"
#include "journal/keyed.h"

#include <string.h>

/* Within a transaction. An empty answer means that there is no value. */
static void answer(struct admin *a, struct gateway_request *request, const struct cell *cell) {
    struct slice value = {"", 0};
    int64_t expires_ms = 0;
    int code =
        journal_state_read(engine_journal(a->engine), cell, admin_now_ms(a), &value, &expires_ms);
    if (code != 0 && code != ERR_NOTFOUND) {
        gateway_answer_error(request, 503, NULL, error_text(code));
        return;
    }
    gateway_answer(request, 200, "application/octet-stream", NULL,
                   code == 0 ? value : (struct slice){"", 0});
}

void admin_peek(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    struct slice service = call->parts.at[2];
    struct journal *j = engine_journal(a->engine);
    struct store *store = journal_store(j);
    struct cell cell = {.key = slice_of(gateway_query(request, "key")),
                        .name = slice_of(gateway_query(request, "name"))};
    if (service.len > NAME_BYTES_MAX || cell.key.len > KEY_BYTES_MAX || cell.name.len == 0 ||
        cell.name.len > STATE_NAME_BYTES_MAX) {
        gateway_answer_error(request, 400, NULL, "give ?key= and ?name= of a state value");
        return;
    }
    char name[NAME_BYTES_MAX + 1];
    memcpy(name, service.data, service.len);
    name[service.len] = '\0';
    cell.partition =
        journal_partition(journal_lane_of(engine_journal(a->engine), service, cell.key));
    if (look_service_number(j, name, &cell.service) != 0) {
        gateway_answer(request, 200, "application/octet-stream", NULL, slice_of(""));
    } else if (store_begin_reading(store) != 0) {
        gateway_answer_error(request, 503, NULL, "the store cannot be read");
    } else {
        answer(a, request, &cell);
        store_abort(store);
    }
}
