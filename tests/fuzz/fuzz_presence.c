/*
 * fuzz_presence.c - any bytes as what a host, or whoever may publish to zingq/hosts/#, says of itself.
 *
 * Input: a line and a rest: topic, payload. Promises: a presence is refused with a sentence, or written
 * as one that says the same; whatever came, the list of hosts keeps to its limits and answers what it
 * is asked.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "peers/members.h"

enum { NOW_MS = 1000000, ROOM = 1 << 20 };

static struct presence *self(void) {
    static char name[] = "seats";
    struct service_conf service = {.name = name, .key = {RULE_TOPIC, NULL, 2}, .share = true};
    const struct conf conf = {
        .hosts = {.group = (char *)"default", .share = {.count = 2, .place = 1}},
        .services = &service,
        .service_count = 1};
    static const bool runs[] = {true};
    static const uint16_t numbers[] = {1};
    const struct presence_facts facts = {.host = "me",
                                         .id = "id-me",
                                         .client_id = "client",
                                         .mark = "",
                                         .runs = runs,
                                         .numbers = numbers,
                                         .since_ms = 1};
    struct presence *own = NULL;
    assert(presence_own(&own, &conf, &facts) == 0);
    return own;
}

static void write_again(const struct presence *p, struct slice topic) {
    struct presence *again = NULL;
    struct buf once;
    struct buf twice;
    buf_init(&once, ROOM);
    buf_init(&twice, ROOM);
    assert(presence_write(p, &once) == 0);
    if (once.len <= PRESENCE_BYTES_MAX) {
        assert(presence_read(&again, topic, buf_slice(&once), NULL) == 0);
        assert(presence_write(again, &twice) == 0);
        assert(slice_equal(buf_slice(&once), buf_slice(&twice)));
        presence_free(again);
    }
    buf_clear(&twice);
    buf_clear(&once);
}

static void ask_all(struct members *m, int64_t now_ms) {
    struct report r = {""};
    (void)members_may_join(m, now_ms, &r);
    (void)members_must_hold(m, 0, now_ms, &r);
    (void)members_marks_agree(m, &r);
    (void)members_stood_in_for(m, 2, now_ms);
    assert(members_next_ms(m, now_ms) > now_ms || members_count(m) > 0);
    for (size_t i = 0; i < members_count(m); i++) {
        const struct presence *other = members_at(m, i);
        assert(other->host[0] != '\0' && other->group[0] != '\0');
        assert(member_view_name(members_view(m, i, now_ms)) != NULL);
        (void)members_may_share(m, other);
        (void)members_stood_in_by(m, i, now_ms);
    }
}

static void take(struct slice topic, struct slice payload) {
    struct members *m = NULL;
    struct report r = {""};
    assert(members_new(&m, self()) == 0);
    members_say(m, PRESENCE_JOINING, true);
    unsigned news = members_take(m, topic, payload, true, NOW_MS, &r);
    assert((news & MEMBERS_UNREADABLE) == 0 || r.text[0] != '\0');
    ask_all(m, NOW_MS);
    (void)members_take(m, topic, payload, false, NOW_MS + 1, &r);
    members_begin(m);
    members_settle(m);
    ask_all(m, NOW_MS + MEMBER_ANSWER_MS + 2);
    members_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice payload = fuzz_slice(data, size);
    struct slice topic = fuzz_cut(&payload, '\n');
    struct presence *p = NULL;
    struct report r = {""};
    int code = presence_read(&p, topic, payload, &r);
    assert((code == 0) == (p != NULL) && (code == 0) == (r.text[0] == '\0'));
    if (code == 0) {
        write_again(p, topic);
    }
    presence_free(p);
    take(topic, payload);
    return 0;
}
