/* unlog.c - see cli/unlog.h. */
#include "cli/unlog.h"

#include "journal/home.h"
#include "store/store.h"

int unlog_store(const struct unlog *from, const char *folder, uint64_t *bytes, struct report *r) {
    const struct store_options options = {
        .path = folder, .max_bytes = from->max_bytes, .logged = true};
    struct store *store = NULL;
    int code = store_open(&store, &options, r);
    code = code == 0 ? store_use_log(store, turns_log(from->turns), journal_home, r) : code;
    if (code == 0) {
        code = store_leave_log(store);
        code = code == 0 ? 0
                         : report(r, code, "cannot make a store of the log \"%s\": %s", from->name,
                                  error_text(code));
    }
    const struct log_state *state = code == 0 ? store_log_state(store) : NULL;
    if (state != NULL && state->last == 0 && state->snapshot.slices == 0) {
        code = report(r, ERR_NOTFOUND, "the log \"%s\" (store.name) has nothing yet", from->name);
    }
    *bytes = code == 0 ? state->bytes + state->snapshot.bytes : 0;
    store_close(store);
    return code;
}
