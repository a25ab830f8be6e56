/* engine_log.c - see engine_log.h. */
#include "engine_log.h"

#include "fake_log.h"
#include "test.h"
#include "journal/home.h"
#include "store/trimmer.h"

#include <stdio.h>

enum { SLICE_BYTES = 300, LOG_BYTES_MIN = 4000 /* small: snapshots that turns change meanwhile */ };

int engine_log_use(struct engine_fixture *f) {
    int code = store_use_log(f->store, fake_log_join(f->log), journal_home, &f->report);
    const struct trimmer_options options = {.store = f->store,
                                            .home_of = journal_home,
                                            .door = fake_log_snapshots(f->log),
                                            .slice_bytes = SLICE_BYTES,
                                            .log_bytes_min = LOG_BYTES_MIN};
    f->trimmer = code == 0 ? trimmer_new(&options) : NULL;
    return code == 0 && f->trimmer == NULL ? ERR_MEMORY : code;
}

void engine_log_go_on(struct engine_fixture *f) {
    if (f->trimmer != NULL && !store_active(f->store) && trimmer_prepare(f->trimmer) == 0) {
        trimmer_send(f->trimmer);
        (void)trimmer_sent(f->trimmer);
    }
}

void engine_log_leave(struct engine_fixture *f) {
    trimmer_free(f->trimmer);
    f->trimmer = NULL;
}

void engine_log_check(struct engine_fixture *f) {
    char folder[96];
    char why[256] = "";
    if (f->unlogged || f->store == NULL) {
        return;
    }
    if (store_active(f->store)) {
        store_abort(f->store);
    }
    (void)snprintf(folder, sizeof folder, "%s/built", f->folder.path);
    if (!fake_log_is_store(f->log, f->store, folder, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_false(fake_log_is_broken(f->log));
}
