/*
 * forward.pml - events of a partition on their way to the host that owns it.
 *
 * The sender stores rows, a number each, and puts them into messages; the owner takes them and answers with receipts.
 * Both travel by QoS 0 over a broker that loses, repeats and reorders them, a bounded number of times; both hosts may
 * crash between any two steps.
 *
 * What stands for what:
 *   sender     core/engine/forwards.c: last, read, done; rows are the table `forward`
 *   previous   the predecessor that a row names, if that one has no receipt yet
 *   owner      core/engine/receive.c: take_entry, and the table `cursor`
 *
 * Promised: the owner takes each row once and in order; the sender deletes what the owner has stored, and nothing
 * else; and when the faults are over, every row is taken and deleted.
 */
#ifndef CRASHES
#define CRASHES 1 /* of each host */
#endif
#ifndef FAULTS
#define FAULTS 2 /* of the network */
#endif
#ifndef ROWS
#define ROWS 3
#endif
#define ROOM 2

/* The sender: on disk, rows deleted < n <= last; in memory, `read` and `done`. */
byte last, deleted;
byte read, done;

/* The owner: what is on disk, and the transaction of its turn. */
byte cursor;

chan messages = [ROOM] of {byte, byte}; /* row, previous */
chan receipts = [ROOM] of {byte};

byte sender_crashes, owner_crashes, faults;

/* --- the sender --- */

inline forget_sent() {
    read = deleted;
    done = deleted;
}

inline take_receipt() {
    receipts ? upto ->
    if
    :: upto > done -> done = (upto < read -> upto : read) /* an earlier start may have sent more than this one */
    :: upto <= done
    fi;
    upto = 0
}

#ifdef PLANT_NO_PREVIOUS /* a row names no predecessor */
#define PREVIOUS(row) 0
#else
#define PREVIOUS(row) ((row) - 1 > done -> (row) - 1 : 0)
#endif

active proctype sender() {
    byte upto;
    do
    :: atomic { last < ROWS -> last++; } /* the commit of an event of a foreign key */
    :: atomic { read < last && nfull(messages) -> read++; messages ! read, PREVIOUS(read); }
    :: atomic { nempty(receipts) -> take_receipt(); }
    /* No receipt for a while, so the message is on its way no more, or will be late. */
    :: atomic { done < read && empty(messages) && empty(receipts) -> messages ! done + 1, PREVIOUS(done + 1); }
    :: atomic {
        deleted < done ->
        deleted = done;
        assert(deleted <= cursor); /* the owner has stored them */
    }
    :: atomic { sender_crashes < CRASHES -> sender_crashes++; forget_sent(); }
    od
}

/* --- the owner --- */

#ifdef PLANT_NO_CURSOR /* a row is taken whenever it comes */
#define IS_AGAIN(row) false
#else
#define IS_AGAIN(row) ((row) <= cursor)
#endif

active proctype owner() {
    byte row, previous;
end:
    do
    :: messages ? row, previous ->
        if
        :: IS_AGAIN(row) || previous > cursor
        :: !IS_AGAIN(row) && previous <= cursor ->
#ifdef PLANT_EARLY_RECEIPT /* the receipt leaves before the commit */
            if
            :: nfull(receipts) -> receipts ! row
            :: full(receipts)
            fi;
#endif
            if
            :: d_step {
                assert(row == cursor + 1); /* once, in order */
                cursor = row;
            }
            :: owner_crashes < CRASHES -> owner_crashes++ /* before the commit */
            fi
        fi;
        if
        :: nfull(receipts) -> receipts ! cursor
        :: full(receipts)                             /* QoS 0: dropped */
        :: owner_crashes < CRASHES -> owner_crashes++ /* after the commit */
        fi;
        d_step {
            row = 0;
            previous = 0;
        }
    od
}

/* --- the network --- */

active proctype network() {
    byte a, b;
end:
    do
    :: atomic {
        faults < FAULTS && nempty(messages) ->
        faults++;
        messages ? a, b;
        if
        :: skip             /* lost */
        :: messages ! a, b  /* behind the next one */
        :: messages ! a, b; /* twice */
            if
            :: nfull(messages) -> messages ! a, b
            :: full(messages)
            fi
        fi;
        a = 0;
        b = 0;
    }
    :: atomic {
        faults < FAULTS && nempty(receipts) ->
        faults++;
        receipts ? a;
        if
        :: skip
        :: receipts ! a
        :: receipts ! a;
            if
            :: nfull(receipts) -> receipts ! a
            :: full(receipts)
            fi
        fi;
        a = 0;
    }
    od
}

ltl everything_arrives { <> (last == ROWS && cursor == ROWS && deleted == ROWS) }
