/*
 * test_outbox_model.c - the outbox at a broker of moods: it refuses topics by a reason, by closing
 * and in passing, does not answer, loses the connection by chance, and is mended in the end; of a
 * host that is killed now and then. The outbox is only asked when something happened or the time
 * has come that it named, as the host does.
 */
#include "chance.h"
#include "test.h"
#include "base/limits.h"
#include "outbox_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 4000,
    OWNERS = 40,
    RECONNECT_MS = 250,
    SILENCE_MS = 60000,
    BURST = 20,
    HOUR_MS = 3600000,
};

enum mood { GOOD, REFUSES, PASSES, CLOSES, SILENT, MOODS };

/* A topic begins with the letter of what the broker thinks of it. */
static const char letters[MOODS] = {'g', 'r', 'p', 'c', 's'};

struct letter {
    uint64_t owner;
    enum mood mood;
    bool taken;
};

struct model {
    struct outbox_world *f;
    struct chance chance;
    struct letter rows[ROWS_MAX];
    unsigned last_of_owner[OWNERS]; /* taken: number + 1 */
    unsigned moods;                 /* how many of them there are, from GOOD on */
    bool mended;
    bool orderly; /* no passing refusals: what was on its way with one overtakes */
    unsigned lose_one_in, kill_one_in;
};

static enum mood mood_of(const struct model *m, const struct sent *sent) {
    for (unsigned i = 0; !m->mended && i < MOODS; i++) {
        if (sent->topic[0] == letters[i]) {
            return (enum mood)i;
        }
    }
    return GOOD;
}

/* One more row, its topic one of three of a mood. */
static void add_row(struct model *m) {
    char topic[8];
    unsigned n = m->f->added;
    enum mood mood =
        chance_next(&m->chance, 4) == 0 ? (enum mood)chance_next(&m->chance, m->moods) : GOOD;
    assert_true(n < ROWS_MAX);
    m->rows[n] = (struct letter){.owner = chance_next(&m->chance, OWNERS), .mood = mood};
    (void)snprintf(topic, sizeof topic, "%c%u", letters[mood],
                   (unsigned)chance_next(&m->chance, 3));
    outbox_world_add_to(m->f, topic, m->rows[n].owner);
}

static void turn(struct model *m, unsigned count) {
    assert_int_equal(store_begin(m->f->store), 0);
    assert_int_equal(outbox_settle(m->f->outbox), 0);
    for (unsigned i = 0; i < count; i++) {
        add_row(m);
    }
    assert_int_equal(journal_mark_seq(m->f->journal), 0);
    assert_int_equal(store_commit(m->f->store), 0);
    outbox_committed(m->f->outbox);
}

/* One that is refused may be overtaken by what was on its way with it. */
static void note_taken(struct model *m, const struct sent *sent) {
    struct letter *row = &m->rows[sent->number];
    unsigned *last = &m->last_of_owner[row->owner];
    if (row->owner != 0 && row->mood == GOOD && m->orderly && !row->taken) {
        assert_true(*last <= sent->number);
        *last = sent->number;
    }
    row->taken = true;
}

/* Of the lost connections some are a host that was killed. */
static void reconnect(struct model *m, int64_t after_ms) {
    m->f->now_ms += after_ms;
    if (m->kill_one_in > 0 && chance_next(&m->chance, m->kill_one_in) == 0) {
        outbox_world_close(m->f);
        outbox_world_open(m->f);
    } else {
        (void)outbox_world_disconnect(m->f);
    }
    m->f->now_ms += RECONNECT_MS;
}

/* The broker works through what was sent, in order. False: the connection ended over it. */
static bool answer(struct model *m) {
    struct outbox_world *f = m->f;
    bool silent = false;
    for (size_t i = 0; i < f->sent_count; i++) {
        const struct sent *sent = &f->sent[i];
        enum mood mood = mood_of(m, sent);
        bool lost = m->lose_one_in > 0 && chance_next(&m->chance, m->lose_one_in) == 0;
        if (mood == CLOSES || lost) {
            f->sent_count = 0;
            reconnect(m, 0);
            return false;
        }
        if (mood == SILENT) {
            silent = true;
            continue;
        }
        uint8_t reason = mood == REFUSES ? REFUSED : mood == PASSES ? 0x97 : 0;
        if (mood == GOOD) {
            note_taken(m, sent);
        }
        outbox_acknowledged(f->outbox, f->now_ms, sent->mid, reason);
    }
    f->sent_count = 0;
    if (silent) {
        reconnect(m, SILENCE_MS);
    }
    return !silent;
}

/* The time of the next thing to do; the rows that wait must have one. */
static void wait_for_next(struct model *m) {
    int64_t next_ms = outbox_next_ms(m->f->outbox);
    if (next_ms == INT64_MAX) {
        fail_msg("%llu rows wait for nothing", (unsigned long long)outbox_rows(m->f->outbox));
    }
    m->f->now_ms = next_ms > m->f->now_ms ? next_ms : m->f->now_ms + 1;
}

static bool all_taken(const struct model *m) {
    return outbox_rows(m->f->outbox) + outbox_acked(m->f->outbox) == 0;
}

/* Until all is taken, or so long. */
static void play(struct model *m, int64_t ms) {
    struct outbox_world *f = m->f;
    int64_t end_ms = f->now_ms + ms;
    while (f->now_ms < end_ms && !all_taken(m)) {
        outbox_world_send(f);
        bool sent = f->sent_count > 0;
        (void)answer(m);
        bool settles = outbox_acked(f->outbox) > 0 || outbox_wants_settle(f->outbox);
        if (settles) {
            turn(m, 0);
        }
        if (sent) {
            f->now_ms++;
        } else if (!settles && !all_taken(m)) {
            wait_for_next(m);
        }
    }
}

/* A good row is owed once no earlier one of its owner is bad. */
static void assert_good_ones_taken(const struct model *m) {
    bool held[OWNERS] = {false};
    for (unsigned i = 0; i < m->f->added; i++) {
        const struct letter *row = &m->rows[i];
        bool bad = row->mood != GOOD;
        if (!bad && !held[row->owner] && !row->taken) {
            fail_msg("row %u of owner %u waits, and nothing holds it", i, (unsigned)row->owner);
        }
        held[row->owner] = held[row->owner] || (bad && row->owner != 0);
    }
}

static void play_moods(void **state, unsigned moods, unsigned lose_one_in, unsigned kill_one_in) {
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->f = *state;
    m->chance = chance_of_run();
    m->moods = moods;
    m->orderly = moods <= PASSES;
    m->lose_one_in = lose_one_in;
    m->kill_one_in = kill_one_in;
    while (m->f->added + BURST < 1000) {
        turn(m, 1 + (unsigned)chance_next(&m->chance, BURST));
        play(m, (int64_t)chance_next(&m->chance, 2000));
    }
    play(m, HOUR_MS);
    assert_good_ones_taken(m);
    m->mended = true;
    play(m, HOUR_MS);
    assert_int_equal(outbox_rows(m->f->outbox), 0);
    assert_int_equal(outbox_refused(m->f->outbox), 0);
    assert_int_equal(outbox_held(m->f->outbox), 0);
    assert_int_equal(outbox_world_rows_on_disk(m->f), 0);
    for (unsigned i = 0; i < m->f->added; i++) {
        assert_true(m->rows[i].taken);
    }
    free(m);
}

static void a_broker_that_only_loses_connections_gets_all_of_it_in_order(void **state) {
    play_moods(state, REFUSES, 50, 4);
}

static void topics_that_are_refused_hold_up_their_owners_alone(void **state) {
    play_moods(state, PASSES, 0, 0);
}

static void refused_topics_and_lost_connections_hold_up_their_owners_alone(void **state) {
    play_moods(state, PASSES, 200, 4);
}

static void passing_refusals_hold_up_their_owners_alone(void **state) {
    play_moods(state, CLOSES, 0, 0);
}

static void topics_that_cost_the_connection_hold_up_their_owners_alone(void **state) {
    play_moods(state, SILENT, 0, 0);
}

static void topics_without_an_answer_hold_up_their_owners_alone(void **state) {
    play_moods(state, MOODS, 0, 0);
}

static void all_of_it_at_once_holds_up_no_good_one(void **state) {
    play_moods(state, MOODS, 500, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(a_broker_that_only_loses_connections_gets_all_of_it_in_order),
        OUTBOX_TEST(topics_that_are_refused_hold_up_their_owners_alone),
        OUTBOX_TEST(refused_topics_and_lost_connections_hold_up_their_owners_alone),
        OUTBOX_TEST(passing_refusals_hold_up_their_owners_alone),
        OUTBOX_TEST(topics_that_cost_the_connection_hold_up_their_owners_alone),
        OUTBOX_TEST(topics_without_an_answer_hold_up_their_owners_alone),
        OUTBOX_TEST(all_of_it_at_once_holds_up_no_good_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
