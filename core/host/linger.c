/*
 * linger.c - see host/linger.h.
 */
#include "host/linger.h"

#include "base/log.h"
#include "doctor/sync.h"

#include <string.h>

void host_choose_linger(struct host *h) {
    int64_t us[SYNCS_OF_START] = {0};
    h->linger_ms = h->conf->store_linger_ms;
    if (h->linger_ms != CONF_AUTO) {
        return;
    }
    int err = sync_measure(h->conf->store_path, us, SYNCS_OF_START);
    h->sync_us = us[SYNCS_OF_START / 2];
    h->linger_ms = sync_linger_ms(h->sync_us);
    if (err != 0) {
        log_warn("host", "the disk of %s cannot be measured: %s; store.linger is %lld ms",
                 h->conf->store_path, strerror(err), (long long)h->linger_ms);
    } else if (h->linger_ms > LINGER_MS_MIN) {
        log_info(
            "host",
            "a write to the disk of %s takes %lld.%lld ms: when many messages arrive, they are "
            "collected for %lld ms between two commits (store.linger)",
            h->conf->store_path, (long long)h->sync_us / 1000, (long long)h->sync_us / 100 % 10,
            (long long)h->linger_ms);
    }
}

void host_linger_status(const struct host *h, json_t *host) {
    json_t *disk = json_pack("{s:I}", "linger_ms", (json_int_t)h->linger_ms);
    bool measured = h->conf->store_linger_ms == CONF_AUTO;
    if (disk == NULL ||
        (measured && json_object_set_new(disk, "sync_us", json_integer((json_int_t)h->sync_us)))) {
        json_decref(disk);
        return;
    }
    (void)json_object_set_new(host, "disk", disk);
}
