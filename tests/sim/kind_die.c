/*
 * kind_die.c - events that are fated to die, and those that only come near to it.
 *
 * Each is told of once by on_dead (out/die/<key>, "17 buried") and announced once, unless the
 * service's dead_letter script lets it go; replayed or run again, it is done, but for what is no JSON.
 *
 * Slow ones wait for a call, long ones give way to others, and some wait for a signal that does not
 * come, so that operators find some to cancel that run, or wait.
 *
 * Two handlers are mines: the host goes down in them as often as the fate says. The service's limit
 * of crashes is 2, so nothing else may die of crashes unless it was on the processor in two.
 */
#include "sim.h"

#include <string.h>

enum fate {
    WELL,
    SHAKY,
    SLOW,
    LONG,
    WAITS,
    FAILS,
    REJECTS,
    NO_JSON,
    LET_GO,
    MINE,
    SHY_MINE,
    POLICY_MINE,
    FATES
};
enum { CRASHES = 2, SHY_KILLS = 1, KILLS_MAX = 50 };

static const struct {
    const char *name;
    bool dies, silent;  /* silent: it is not announced */
    const char *reason; /* is part of the announced one */
} fates[FATES] = {
    [WELL] = {"well", false, false, NULL},
    [SHAKY] = {"shaky", false, false, NULL},
    [SLOW] = {"slow", false, false, NULL},
    [LONG] = {"long", false, false, NULL},
    [WAITS] = {"waits", false, false, NULL},
    [FAILS] = {"fails", true, false, "as told"},
    [REJECTS] = {"rejects", true, false, "refused as told"},
    [NO_JSON] = {"none", true, false, "payload is not JSON"},
    [LET_GO] = {"let go", true, true, NULL},
    [MINE] = {"mine", true, false, "crash"},
    [SHY_MINE] = {"mine", false, false, NULL},
    [POLICY_MINE] = {"policy", true, false, ""},
};

static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->flags = (uint8_t)sim_below(s, sim_chance(s, 80) ? LET_GO : FATES);
    if (one->flags == NO_JSON) {
        buf_reset(payload);
        buf_printf(payload, "%u is no JSON {", one->number);
        return;
    }
    buf_printf(payload, ",\"fate\":\"%s\"", fates[one->flags].name);
}

/* The value counts what went off. */
static bool mine(struct sim *s, struct said *one) {
    uint32_t most = one->flags == SHY_MINE ? SHY_KILLS : KILLS_MAX;
    (void)s;
    return one->value < most && ++one->value > 0;
}

/* Whether the announced reason is the count of crashes. */
static bool of_crashes(struct slice reason) {
    return memmem(reason.data, reason.len, "host went down", 14) != NULL;
}

static void died(struct sim *s, struct said *one, struct slice reason) {
    const char *part = fates[one->flags].reason;
    bool crashes = of_crashes(reason);
    if (load_is_fault(reason)) { /* it took the last attempt */
        one->other++;
        return;
    }
    if (crashes && one->known && one->kills < CRASHES) {
        sim_fail(s, "die %u (%s) dies of %u crashes", one->number, fates[one->flags].name,
                 one->kills);
    } else if (!crashes &&
               (part == NULL || memmem(reason.data, reason.len, part, strlen(part)) == NULL)) {
        sim_fail(s, "die %u (%s) dies: %.*s", one->number, fates[one->flags].name, (int)reason.len,
                 reason.data);
    }
}

static bool buried(struct sim *s, struct said *one, const char *text) {
    bool is = strcmp(text, "buried") == 0;
    (void)s;
    one->buried = (uint16_t)(one->buried + (is ? 1 : 0));
    return is;
}

/* How often it may have died of crashes, or of faults: of half of them nobody knows how many crashes
 * there were. */
static unsigned crash_deaths(const struct said *one) {
    return one->known ? one->kills / CRASHES + one->other : UINT16_MAX;
}

static bool deaths_are_right(const struct said *one) {
    bool dies = fates[one->flags].dies;
    bool silent = fates[one->flags].silent;
    unsigned again = one->flags == NO_JSON ? one->replays + one->reruns : 0;
    unsigned most = (dies ? 1 + again : 0) + crash_deaths(one);
    unsigned announced = silent ? crash_deaths(one) : most;
    unsigned told = most + one->reruns + (one->may_be_gone ? 1 : 0);
    unsigned least = dies && !one->may_be_gone ? 1 : 0;
    /* A second death in the same millisecond is announced under the first one's key. */
    bool quiet = crash_deaths(one) == 0 && one->value == 0 && one->replays + one->reruns == 0;
    return one->deaths <= announced && one->buried <= told && one->deaths + one->buried >= least &&
           (!quiet || silent || one->may_be_gone || one->deaths == one->buried);
}

/* Who was told that it runs again can rely on it. */
static bool must_end(const struct said *one) {
    bool crashed = crash_deaths(one) > 0 || one->value > 0;
    return one->revived && !one->may_be_gone && !crashed && one->flags != NO_JSON;
}

static bool end_is_right(const struct said *one) {
    bool may_stay = fates[one->flags].dies || one->may_be_gone || one->deaths > 0;
    bool may_end = !fates[one->flags].dies || one->replays + one->reruns > 0;
    return one->ends > 0 ? may_end && (!one->gone || one->reruns > 0) : may_stay && !must_end(one);
}

static void check(struct sim *s, const struct said *one) {
    if (one->value >= KILLS_MAX) {
        sim_fail(s, "die %u takes its host down for ever", one->number);
    } else if (!deaths_are_right(one) || !end_is_right(one)) {
        sim_fail(s,
                 "die %u (%s) of key k%u has ended %u times, was buried %u times and announced %u "
                 "times; %u replays, %u kills%s",
                 one->number, fates[one->flags].name, one->key, one->ends, one->buried, one->deaths,
                 one->replays, one->kills, one->gone ? "; it was discarded" : "");
    }
}

const struct load_kind kind_die = {.name = "die",
                                   .refused = true,
                                   .weight = 3,
                                   .ordered = true,
                                   .mortal = true,
                                   .named = true,
                                   .say = say,
                                   .aside = buried,
                                   .died = died,
                                   .mine = mine,
                                   .check = check};
