/*
 * kind_batch.c - several events in one run: what becomes of the batch, and what of each.
 *
 * "fate" says what happens in each attempt, a letter each, and then it is done:
 *   x the batch fails   f this one fails   r zing.retry   s zing.snooze   c a call   d it is dead
 * d holds for all later attempts too, since another one's letter may have counted in its own. A few
 * are no JSON. The handler says out/broken when two of a batch have one key.
 */
#include "sim.h"

#include <string.h>

enum { DIES = 1 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "xfrscd";
    if (sim_chance(s, 2)) {
        one->flags = DIES;
        buf_reset(payload);
        buf_printf(payload, "%u is no JSON {", one->number);
        return;
    }
    buf_add_str(payload, ",\"fate\":\"");
    char letter = ' ';
    for (unsigned i = 0; i < 4 && letter != 'c' && sim_chance(s, 25); i++) {
        letter = letters[sim_below(s, sizeof letters - 1)];
        one->flags |= letter == 'd' ? DIES : 0;
        buf_add(payload, &letter, 1);
    }
    buf_add_str(payload, "\"");
}

static void died(struct sim *s, struct said *one, struct slice reason) {
    static const char said[] = "as told";
    static const char no_json[] = "payload is not JSON";
    bool known = memmem(reason.data, reason.len, said, sizeof said - 1) != NULL ||
                 memmem(reason.data, reason.len, no_json, sizeof no_json - 1) != NULL;
    if (one->flags != DIES || !known) {
        sim_fail(s, "batch %u dies: %.*s", one->number, (int)reason.len, reason.data);
    }
}

/* One that is fated to die does so once a round; replayed, it is done, but for what is no JSON. */
static void check(struct sim *s, const struct said *one) {
    bool dies = one->flags == DIES;
    unsigned least = dies && !one->may_be_gone ? 1 : 0;
    unsigned most = dies ? 1u + one->replays : 0;
    bool ends = dies ? one->ends == 0 || one->replays + one->reruns > 0
                     : one->ends >= 1 || one->may_be_gone;
    bool lives_on = one->gone && one->ends > one->reruns;
    if (one->deaths < least || one->deaths > most || !ends || lives_on) {
        sim_fail(s, "batch %u of key k%u has ended %u times and died %u times%s", one->number,
                 one->key, one->ends, one->deaths, one->gone ? ", and was discarded" : "");
    }
}

const struct load_kind kind_batch = {.name = "batch",
                                     .refused = true,
                                     .weight = 3,
                                     .ordered = true,
                                     .mixed = true,
                                     .mortal = true,
                                     .say = say,
                                     .died = died,
                                     .check = check};
