/*
 * event_key.c - the keys of events: group8 id128 service16 partition8, in EVENT_GROUPS groups of
 * partitions; in schema 3, partition8 id128 service16.
 */
#include "journal/impl.h"

#include "journal/event.h"

void journal_owner_key(struct key *k, uint8_t partition, const struct uuid *id, uint16_t service) {
    k->len = 0;
    key_u8(k, partition);
    key_uuid(k, id);
    key_u16(k, service);
    assert(k->len == OWNER_KEY_BYTES);
}

bool journal_take_owner_key(struct slice key, struct reader *rest) {
    struct slice owner = {key.data, key.len < OWNER_KEY_BYTES ? key.len : OWNER_KEY_BYTES};
    *rest = reader_of(key.data + owner.len, key.len - owner.len);
    return owner.len == OWNER_KEY_BYTES && (uint8_t)owner.data[0] < PARTITIONS;
}

unsigned journal_event_groups(const struct journal *j) {
    return j->old_events ? PARTITIONS : EVENT_GROUPS;
}

uint8_t journal_event_group(const struct journal *j, uint8_t partition) {
    return j->old_events ? partition : journal_group(partition);
}

/* In schema 3 each partition was a group of its own, and its number led the key alone. */
void journal_event_key_in(const struct journal *j, struct key *k, uint8_t group,
                          const struct event_place *place) {
    journal_owner_key(k, group, &place->id, place->service);
    if (!j->old_events) {
        key_u8(k, place->partition);
    }
}

void journal_event_key(const struct journal *j, struct key *k, uint8_t partition,
                       const struct uuid *id, uint16_t service) {
    const struct event_place place = {.partition = partition, .service = service, .id = *id};
    journal_event_key_in(j, k, journal_event_group(j, partition), &place);
}

bool journal_event_is_old(struct slice key) {
    return key.len == OWNER_KEY_BYTES;
}

int journal_event_key_fits(const struct journal *j, struct slice key) {
    bool fits = journal_event_is_old(key) == j->old_events;
    return fits ? 0 : store_read_only(j->store) ? ERR_SCHEMA : ERR_CORRUPT;
}

bool journal_take_event_key(struct slice key, struct event_place *out) {
    const uint8_t *at = (const uint8_t *)key.data;
    uint16_t service;
    bool old = journal_event_is_old(key);
    if (!old && key.len != OWNER_KEY_BYTES + 1) {
        return false;
    }
    memcpy(out->id.bytes, at + OWNER_ID_AT, UUID_BYTES);
    memcpy(&service, at + OWNER_SERVICE_AT, sizeof service);
    out->service = be16toh(service);
    out->partition = at[old ? 0 : OWNER_KEY_BYTES];
    return out->partition < PARTITIONS && (old || at[0] == journal_group(out->partition));
}
