/*
 * owner.c - the same answer on every host of a division: it depends on topics.conf alone.
 */
#include "owner.h"

#include "journal.h"

static const struct service_conf *find(const struct conf *conf, struct slice name) {
    for (size_t i = 0; i < conf->service_count; i++) {
        if (slice_is(name, conf->services[i].name)) {
            return &conf->services[i];
        }
    }
    return NULL;
}

static uint16_t owner(const struct conf *conf, struct slice about, struct slice key) {
    return division_owner(&conf->hosts.share, journal_partition(journal_lane(about, key)));
}

uint16_t owner_of_key(const struct conf *conf, struct slice service, struct slice key) {
    if (!division_is_divided(&conf->hosts.share)) {
        return 0;
    }
    const struct service_conf *s = find(conf, service);
    bool divided = s != NULL && s->share && !s->independent && (key.len > 0 || s->ordered);
    return divided ? owner(conf, service, key) : 0;
}

uint16_t owner_of_once(const struct conf *conf, struct slice topic, struct slice once) {
    return division_is_divided(&conf->hosts.share) ? owner(conf, topic, once) : 0;
}
