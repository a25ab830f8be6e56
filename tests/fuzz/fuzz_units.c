/*
 * fuzz_units.c - any text as a duration, a size, a rate, a number of letters, a point in time, the
 * wait that a server asks for, an id.
 *
 * Promises: a text is refused with a sentence, or its value is in range; what is written for people
 * of a size, a time, or an id reads back as the same one.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/uuid.h"
#include "cli/time.h"
#include "conf/conf.h"
#include "conf/cron.h"
#include "event/call.h"

#include <math.h>

static const int64_t NOW_MS = INT64_C(1764500000123);

static void read_duration(const char *text) {
    struct report r = {""};
    int64_t ms = -1;
    char words[32];
    int code = conf_parse_duration(text, &ms, &r);
    assert((code == 0) == (r.text[0] == '\0') && (code != 0 || ms >= 0));
    if (code == 0) {
        assert(conf_duration_text(ms, words)[0] != '\0');
        assert(conf_duration_text(-ms, words)[0] != '\0');
    }
}

static void read_size(const char *text) {
    struct report r = {""};
    uint64_t bytes = 0;
    uint64_t again = 0;
    char words[32];
    int code = conf_parse_size(text, &bytes, &r);
    assert((code == 0) == (r.text[0] == '\0'));
    if (code == 0) {
        assert(bytes <= INT64_MAX);
        assert(conf_parse_size(conf_size_text((int64_t)bytes, words), &again, &r) == 0);
        assert(bytes == again);
    }
}

static void read_rate(const char *text) {
    struct report r = {""};
    struct letter_quota quota;
    double rate = -1;
    int code = conf_parse_rate(text, &rate, &r);
    assert((code == 0) == (r.text[0] == '\0') && (code != 0 || (isfinite(rate) && rate >= 0)));
    r.text[0] = '\0';
    code = conf_parse_letters(text, &quota, &r);
    assert((code == 0) == (r.text[0] == '\0'));
    assert(code != 0 || (quota.count == 0) != (quota.bytes == 0));
}

static void read_time(const char *text) {
    struct report r = {""};
    char words[CRON_UTC_BYTES];
    int64_t ms = -1;
    int64_t again;
    int code = time_parse(text, NOW_MS, &ms, &r);
    assert((code == 0) == (r.text[0] == '\0') && (code != 0 || ms >= 0));
    const int64_t year_10000_ms = INT64_C(253402300800000);
    if (code == 0 && ms < year_10000_ms) {
        assert(time_parse(cron_utc_text(ms, words), NOW_MS, &again, &r) == 0);
        assert(again == ms - ms % 1000);
    }
    int64_t wait_ms = call_retry_after_ms(text, NOW_MS);
    assert(wait_ms >= -1 && wait_ms <= RETRY_AFTER_MS_MAX);
}

static void read_id(const char *text) {
    struct uuid id;
    struct uuid again;
    char words[UUID_TEXT_BYTES + 1];
    struct slice s = slice_of(text);
    if (uuid_parse(s, &id)) {
        assert(uuid_parse(slice_of(uuid_text(&id, words)), &again) && uuid_equal(&id, &again));
        assert(!uuid_is_v7(&id) || uuid_ms(&id) >= 0);
        assert(uuid_ends_in(&id, slice_of(uuid_short(&id, words))));
    }
    if (uuid_is_tail(s)) {
        assert(s.len >= UUID_TAIL_MIN && s.len <= UUID_TAIL_MAX);
        (void)uuid_ends_in(&(struct uuid){{0}}, s);
    }
}

static void find_near(const char *text) {
    static const char *const names[] = {"retries", "backoff", "delay", "max_delay", "timeout", ""};
    const char *near = conf_suggest(text, names, sizeof names / sizeof *names);
    assert(near == NULL || strlen(near) <= 2 * strlen(text) + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    char *text = slice_dup(rest);
    assert(text != NULL);
    read_duration(text);
    read_size(text);
    read_rate(text);
    read_time(text);
    read_id(text);
    find_near(text);
    free(text);
    return 0;
}
