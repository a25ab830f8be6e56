/*
 * owner.c - owners: every host of a division computes the same one, from topics.conf alone.
 */
#include "journal/owner.h"

#include "journal/journal.h"

#include <assert.h>
#include <stdio.h>

const char *owner_topic(const struct conf *conf, const char *kind, uint16_t place,
                        char out[OWNER_TOPIC_BYTES]) {
    int len = snprintf(out, OWNER_TOPIC_BYTES, "zingq/%s/%s/%u", kind, conf->hosts.group, place);
    assert(len > 0 && len < OWNER_TOPIC_BYTES);
    return out;
}

static uint16_t owner(const struct conf *conf, struct slice about, struct slice key) {
    return division_owner(&conf->hosts.share, journal_partition(journal_lane(about, key)));
}

uint16_t owner_of_key(const struct conf *conf, struct slice service, struct slice key) {
    size_t i;
    if (!division_is_divided(&conf->hosts.share) || !conf_find_heir(conf, service, &i)) {
        return 0;
    }
    return service_is_divided(&conf->services[i], key.len > 0)
               ? owner(conf, slice_of(service_origin(&conf->services[i])), key)
               : 0;
}

uint16_t owner_of_once(const struct conf *conf, struct slice topic, struct slice once) {
    return division_is_divided(&conf->hosts.share) ? owner(conf, topic, once) : 0;
}

uint8_t owner_partition_of_schedule(const char *name) {
    static const struct slice scope = {"\001schedule", sizeof "\001schedule" - 1}; /* no service */
    return journal_partition(journal_lane(scope, slice_of(name)));
}

uint8_t owner_partition_of_publish(void) {
    static const struct slice none = {"", 0};
    return journal_partition(journal_lane(none, none));
}
