/*
 * turn.pml - a message from the broker to the end of its event, and its publish back to a broker.
 *
 * One host, one key. Messages 0 and 1 are two events of the key; message 2 is a repetition of message 0 by its
 * publisher, with the same identity. The host may crash between any two steps, either connection may be lost, a
 * commit may fail, an attempt may fail: each a bounded number of times, whenever it hurts most.
 *
 * What stands for what:
 *   collect, decide, commit, act   core/engine/engine.c, core/host/loop.c
 *   held_back                      the PUBACKs that libmosquitto has queued: core/io/mqtt/ (mqtt_flush)
 *   identity, state                core/engine/admit.c, core/engine/lane.c, core/engine/outcome.c
 *   row, sent, mid                 core/engine/outbox.c, core/engine/outbox_queue.c
 *   restart()                      core/engine/load.c, also after a turn that failed
 *
 * Promised: what the broker forgets is on disk; each event ends once, in order; nothing leaves before its commit; a
 * row is deleted only when a broker has its publish; and when the faults are over, everything ends.
 */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DROPS
#define DROPS 1
#endif
#define FAILED_COMMITS 1
#define RETRIES 1

#define MESSAGES 3
#define EVENTS 2
#define IDENTITY(m) ((m) % EVENTS)
#define MIDS 2 /* packet ids are few, and used again */

mtype = {unsent, queued, delivered, forgotten} /* a message, at the broker */
mtype = {absent, waiting, done, dead}          /* an event, at the host */

typedef disk {
    bool identity[EVENTS]; /* idempotency keys */
    mtype state[EVENTS];
    byte attempts[EVENTS];
    bool row[EVENTS]; /* in the outbox: the publish of a done event */
}

/* The broker, for messages and for publishes. */
mtype message[MESSAGES] = unsent;
bool published[EVENTS];

/* The host: what survives a crash, and what does not. */
disk stored;
disk turn;
bool collected[MESSAGES], held_back[MESSAGES];
bool sent[EVENTS], answered[EVENTS];
byte mid[EVENTS];
byte next_mid;

/* The publishing connection: packets on their way. `link` numbers connections. */
chan publishes = [EVENTS] of {byte, byte, byte}; /* event, mid, link */
chan answers = [EVENTS] of {byte, byte};         /* mid, link */
byte link;

byte ended[EVENTS]; /* how often, in commits */
bool crash;
byte crashes, drops, failed_commits;

#define IS_OVER(state) ((state) == done || (state) == dead)

/* --- memory --- */

inline lose_subscription() {
    for (i : 0 .. MESSAGES - 1) {
        held_back[i] = false;
        if
        :: message[i] == delivered -> message[i] = queued
        :: else
        fi
    }
    i = 0
}

inline lose_publisher() {
    link++;
    for (i : 0 .. EVENTS - 1) {
        sent[i] = false;
        mid[i] = 0;
    }
#ifdef PLANT_LATE_ANSWER /* answers of the connection before are taken for ours */
#else
    do
    :: answers ? _, _
    :: empty(answers) -> break
    od
#endif
    i = 0
}

/* Memory is gone; the disk is all there is. */
inline restart() {
    for (i : 0 .. EVENTS - 1) {
        answered[i] = false;
        turn.identity[i] = false;
        turn.state[i] = 0;
        turn.attempts[i] = 0;
        turn.row[i] = false
    }
    for (i : 0 .. MESSAGES - 1) {
        collected[i] = false
    }
    lose_subscription();
    lose_publisher();
}

inline begin() {
    for (i : 0 .. EVENTS - 1) {
        turn.identity[i] = stored.identity[i];
        turn.state[i] = stored.state[i];
        turn.attempts[i] = stored.attempts[i];
        turn.row[i] = stored.row[i];
    }
    i = 0
}

/* --- the turn --- */

/* In the order in which they were sent: the broker keeps it, also when it delivers again. */
inline collect() {
    for (i : 0 .. MESSAGES - 1) {
        if
        :: message[i] == queued ->
            message[i] = delivered;
            collected[i] = true;
            held_back[i] = true
        :: message[i] == queued && i > 0 && held_back[i - 1] -> break /* the turn's bounds */
        :: message[i] != queued
        fi
    }
    i = 0
}

inline admit() {
    for (i : 0 .. MESSAGES - 1) {
        if
        :: collected[i] && !turn.identity[IDENTITY(i)] ->
#ifndef PLANT_NO_IDENTITY
            turn.identity[IDENTITY(i)] = true;
#endif
            turn.state[IDENTITY(i)] = waiting;
            turn.attempts[IDENTITY(i)] = 0
        :: else
        fi;
        collected[i] = false
    }
    i = 0
}

/* The head of the lane runs: one attempt, which may succeed or fail. */
inline run_head() {
    i = 0;
    do
    :: i < EVENTS && turn.state[i] == waiting -> break
    :: i < EVENTS && turn.state[i] != waiting -> i++
#ifdef PLANT_OVERTAKE /* an event that waits for its retry does not hold up the next one */
    :: i == 0 && turn.state[0] == waiting && turn.attempts[0] > 0 && turn.state[1] == waiting -> i++
#endif
    :: i == EVENTS -> break
    od;
    if
    :: i == EVENTS
    :: i < EVENTS ->
        assert(i == 0 || turn.state[i - 1] != waiting); /* order */
        turn.state[i] = done;
        turn.row[i] = true
    :: i < EVENTS && turn.attempts[i] < RETRIES -> turn.attempts[i]++
    :: i < EVENTS && turn.attempts[i] == RETRIES -> turn.state[i] = dead
    fi;
    i = 0
}

/* Rows that a broker has acknowledged are deleted, in this turn's transaction. */
inline settle() {
    for (i : 0 .. EVENTS - 1) {
        if
        :: answered[i] ->
            assert(published[i]);
            turn.row[i] = false
        :: else
        fi
    }
    i = 0
}

inline commit() {
    for (i : 0 .. EVENTS - 1) {
        if
        :: !IS_OVER(stored.state[i]) && IS_OVER(turn.state[i]) ->
            ended[i]++;
            assert(ended[i] == 1)
        :: IS_OVER(stored.state[i]) && !IS_OVER(turn.state[i]) -> assert(false) /* it runs again */
        :: else
        fi;
        if
        :: answered[i] ->
            answered[i] = false;
            sent[i] = false;
            mid[i] = 0
        :: else
        fi;
        stored.identity[i] = turn.identity[i];
        stored.state[i] = turn.state[i];
        stored.attempts[i] = turn.attempts[i];
        stored.row[i] = turn.row[i];
        turn.identity[i] = false;
        turn.state[i] = 0;
        turn.attempts[i] = 0;
        turn.row[i] = false
    }
    i = 0
}

/* PUBACKs leave, one after the other. */
inline flush() {
    i = 0;
    do
    :: i < MESSAGES && held_back[i] ->
        atomic {
            assert(stored.identity[IDENTITY(i)]); /* the broker forgets what is on disk */
            message[i] = forgotten;
            held_back[i] = false;
        }
        i++
    :: i < MESSAGES && !held_back[i] -> i++
    :: i == MESSAGES -> break
    od;
    i = 0
}

inline send(from) {
    i = 0;
    do
    :: i < EVENTS && from.row[i] && !sent[i] && !answered[i] && len(publishes) < EVENTS ->
        atomic {
            next_mid = next_mid % MIDS + 1;
            mid[i] = next_mid;
            sent[i] = true;
            publishes ! i, next_mid, link;
        }
        i++
    :: i < EVENTS && !(from.row[i] && !sent[i] && !answered[i] && len(publishes) < EVENTS) -> i++
    :: i == EVENTS -> break
    od;
    i = 0
}

inline take_answers() {
    do
    :: answers ? m, _ ->
        for (i : 0 .. EVENTS - 1) {
            if
            :: sent[i] && mid[i] == m && stored.row[i] -> answered[i] = true
            :: else
            fi
        }
    :: empty(answers) -> break
    od;
    i = 0;
    m = 0
}

active proctype host() {
    byte i, m;
    for (i : 0 .. EVENTS - 1) {
        stored.state[i] = absent
    }
up:
    skip;
    d_step {
        crash = false;
        restart();
    }
    {
        do
        :: atomic { collect(); }
#ifdef PLANT_EARLY_PUBACK /* libmosquitto left to itself */
            flush();
#endif
            atomic {
                take_answers();
                begin();
                admit();
                run_head();
                settle();
            }
#ifdef PLANT_EARLY_PUBLISH
            send(turn);
#endif
            if
            :: d_step { commit(); }
            :: d_step {
                failed_commits < FAILED_COMMITS ->
                failed_commits++;
                restart();
            }
            fi;
            flush();
            send(stored)
        od
    } unless {
        crash
    };
    goto up
}

/* --- the world --- */

active proctype publisher() {
    byte i;
    d_step {
        for (i : 0 .. MESSAGES - 1) {
            message[i] = queued
        }
        i = 0;
    }
}

active proctype broker() {
    byte event, m, over;
end:
    do
    :: atomic {
        publishes ? event, m, over ->
        assert(IS_OVER(stored.state[event])); /* nothing leaves before its commit */
        if
        :: over == link ->
            published[event] = true;
            answers ! m, over
        :: over != link -> published[event] = true /* it arrived, its answer did not */
        :: over != link -> skip                    /* neither did */
        fi
    }
    od
}

active proctype fate() {
    byte i;
end:
    do
    :: crashes < CRASHES && !crash -> atomic { crashes++; crash = true; }
    :: drops < DROPS && !crash -> d_step { drops++; lose_subscription(); }
    :: drops < DROPS && !crash -> d_step { drops++; lose_publisher(); }
    od
}

#define SETTLED(e) (IS_OVER(stored.state[e]) && !stored.row[e] && (published[e] || stored.state[e] == dead))
#define FORGOTTEN(m) (message[m] == forgotten)

ltl everything_ends { <> (SETTLED(0) && SETTLED(1) && FORGOTTEN(0) && FORGOTTEN(1) && FORGOTTEN(2)) }
