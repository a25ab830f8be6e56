/*
 * crash.pml - which event is charged with a crash of the host, and that no event can stop the host for good.
 *
 * Two messages of different keys. The handler of event 0 crashes the host whenever it runs; event 1 is innocent. In
 * addition somebody kills the host between any two steps, a bounded number of times.
 *
 * What stands for what:
 *   page, debt         core/base/culprit.c: the record of what is on the processor, and what the last crash left of it.
 *                      Both survive the process
 *   crashes            of an event, on disk: core/engine/crash.c, charge
 *   careful            engine_is_careful: only events that an earlier turn has stored may run
 *   start              core/engine/load.c
 *
 *   charged            the number of the debt that the store has charged: core/engine/crash.c, store_charge
 *
 * Promised: a crash is charged once, to the event that was on the processor, if the store knows it, and to no other;
 * and in the end the innocent event is done and the other one dead.
 */
#ifndef KILLS
#define KILLS 2
#endif
#define CRASHES 2 /* an event that has crashed the host more often is dead */
#define EVENTS 2
#define POISON 0
#define NOBODY EVENTS

mtype = {at_broker, waiting, done, dead}

/* On disk, in the page, and in memory. */
mtype state[EVENTS] = at_broker;
byte crashes[EVENTS];
byte page = NOBODY, debt = NOBODY;
byte number, charged; /* debts are numbered; the last one that is charged on disk */
bool careful;

/* What happened, for the checks. */
byte runs = NOBODY;
byte was_on_processor[EVENTS]; /* when the host went down, being on disk */
bool waited;
byte kills;
bool up, kill;

inline note_victim() {
    if
    :: runs != NOBODY && state[runs] == waiting -> was_on_processor[runs]++
    :: else
    fi;
    runs = NOBODY
}

#ifdef PLANT_FORGET_DEBT /* a crash in the start loses the crash before it */
#define IS_SETTLED true
#else
#define IS_SETTLED (debt == NOBODY)
#endif

inline take_over() {
    if
    :: IS_SETTLED && page != NOBODY ->
        debt = page;
        number++
    :: IS_SETTLED && page == NOBODY -> debt = NOBODY
    :: !IS_SETTLED
    fi;
    page = NOBODY
}

#ifdef PLANT_CHARGE_AGAIN /* the store does not say what it has charged */
#define IS_CHARGED false
#else
#define IS_CHARGED (charged == number)
#endif

/* One transaction. */
inline charge() {
    if
    :: debt == NOBODY
    :: debt != NOBODY && state[debt] == at_broker -> careful = true
    :: debt != NOBODY && state[debt] == waiting && !IS_CHARGED ->
        charged = number;
        crashes[debt]++;
        state[debt] = (crashes[debt] > CRASHES -> dead : waiting);
        assert(crashes[debt] <= was_on_processor[debt])
    :: debt != NOBODY && state[debt] != at_broker && (state[debt] != waiting || IS_CHARGED)
    fi
}

#ifdef PLANT_STALE_PAGE /* it goes on naming an event that is no longer on the processor */
#define AFTER_RUN page
#else
#define AFTER_RUN NOBODY
#endif

#ifdef PLANT_NEVER_CAREFUL
#define MAY_RUN_NEW true
#else
#define MAY_RUN_NEW (!careful)
#endif

/* Admits, and runs one event: of an earlier turn, or one that it has just admitted. */
inline turn() {
    if
    :: state[e] == waiting || MAY_RUN_NEW ->
        d_step {
            page = e;
            runs = e;
        }
        if
        :: e == POISON -> atomic { note_victim(); up = false; goto down; }
        :: e != POISON -> d_step { page = AFTER_RUN; runs = NOBODY; state[e] = done; }
        :: e != POISON && !waited -> d_step { page = AFTER_RUN; runs = NOBODY; state[e] = waiting; waited = true; } /* for a call */
        fi
    :: state[e] == at_broker && !MAY_RUN_NEW -> state[e] = waiting
    fi
}

active proctype host() {
    byte e;
down:
    skip;
    d_step {
        up = true;
        kill = false;
        careful = false;
        e = 0;
        take_over();
    }
    {
        d_step { charge(); }
        debt = NOBODY;
        assert(crashes[0] >= was_on_processor[0] && crashes[1] >= was_on_processor[1]);
        do
        :: atomic { state[0] == waiting || state[0] == at_broker -> e = 0; }
            turn()
        :: atomic { state[1] == waiting || state[1] == at_broker -> e = 1; }
            turn()
        od
    } unless {
        kill
    };
    goto down
}

active proctype somebody() {
end:
    do
    :: d_step {
        up && !kill && kills < KILLS ->
        kills++;
        kill = true;
        note_victim();
    }
    od
}

ltl nobody_stops_it { <> (state[POISON] == dead && state[1] == done) }
