/*
 * bugs.h - planted bugs: each breaks one promise, and the checkers must find it.
 *
 * Nothing in core/ knows of them. The linker (--wrap) leads calls that cross from one file to another
 * past bugs_*.c; those that belong to the planted bug do something else there, now and then, and all
 * others go on as they are. One bug is planted at a time. A world in which an assertion of the program
 * fails, or that never comes back, has found it, too.
 */
#ifndef ZINGQ_SIM_BUGS_H
#define ZINGQ_SIM_BUGS_H

#include "wrap.h"

#include <stdbool.h>
#include <stdint.h>

/* name, the promise that it breaks; bugs_*.c say how */
#define BUG_LIST(X)                                                                                \
    X(ACK_EARLY, "ack-early", "what is acknowledged is stored")                                    \
    X(COMMIT_IGNORED, "commit-ignored", "what is acknowledged is stored")                          \
    X(ROW_MISSING, "row-missing", "what is acknowledged is stored")                                \
    X(DEDUPE_MISSING, "dedupe-missing", "a second copy is a duplicate")                            \
    X(DEDUPE_LATE, "dedupe-late", "a second copy is a duplicate")                                  \
    X(DEDUPE_SHORT, "dedupe-short", "a second copy is a duplicate")                                \
    X(DEDUPE_FILTER, "dedupe-filter", "a second copy is a duplicate")                              \
    X(RETRY_COUNT, "retry-count", "attempts are counted across restarts")                          \
    X(TIMERS_FORGOTTEN, "timers-forgotten", "a timer survives a restart")                          \
    X(TIMER_LOST, "timer-lost", "a timer fires")                                                   \
    X(TIMER_EARLY, "timer-early", "a timer does not fire early")                                   \
    X(WAKE_UP_LOST, "wake-up-lost", "a timer does not fire late")                                  \
    X(WORK_OVERLOOKED, "work-overlooked", "what can run does not wait")                            \
    X(LANE_SPLIT, "lane-split", "a key's events run one at a time, in order")                      \
    X(LANE_EARLY, "lane-early", "a key's events run one at a time, in order")                      \
    X(LANE_TURNED, "lane-turned", "a key's events run one at a time, in order")                    \
    X(TENANT_FORGOTTEN, "tenant-forgotten", "what can run does not wait")                          \
    X(PRIORITY_FORGOTTEN, "priority-forgotten", "what is urgent goes first")                       \
    X(PUBLISH_EARLY, "publish-early", "only what is committed is published")                       \
    X(OUTBOX_EARLY, "outbox-early", "a publish is kept until the broker has it")                   \
    X(OUTBOX_KEPT, "outbox-kept", "a publish that the broker has is forgotten")                    \
    X(OUTBOX_STALE, "outbox-stale", "a turn that failed leaves nothing behind")                    \
    X(RECEIPTS_STALE, "receipts-stale", "a receipt tells what is stored")                          \
    X(FORWARD_EARLY, "forward-early", "a forward is kept until it has a receipt")                  \
    X(CURSOR_STAYS, "cursor-stays", "a forward is taken once")                                     \
    X(CURSOR_AHEAD, "cursor-ahead", "a forward is taken once")                                     \
    X(BOOKS_LATE, "books-late", "the books are in the commit")                                     \
    X(BOOKS_NOT_LOADED, "books-not-loaded", "the books survive a restart")                         \
    X(STATE_LOST, "state-lost", "state is written with the event's end")                           \
    X(STATE_ASTRAY, "state-astray", "state belongs to one key")                                    \
    X(WAITER_OVERLOOKED, "waiter-overlooked", "a signal reaches who waits")                        \
    X(DELAYED_EARLY, "delayed-early", "a delayed publish is not early")                            \
    X(TICK_LOST, "tick-lost", "a tick runs while its host is up")                                  \
    X(FAILURE_DONE, "failure-done", "what fails is tried again")                                   \
    X(BATCH_MEMBER, "batch-member", "each of a batch has an end of its own")                       \
    X(PARK_FORGOTTEN, "park-forgotten", "what is parked holds its key")                            \
    X(ORIGIN_FORGOTTEN, "origin-forgotten", "a renamed service has what it had")                   \
    X(PAUSE_FORGOTTEN, "pause-forgotten", "a pause survives a restart")                            \
    X(CRASH_MISJUDGED, "crash-misjudged", "a crash is charged to who had it")                      \
    X(CRASH_UNCHARGED, "crash-uncharged", "who takes the host down, dies of it")                   \
    X(DISCARD_IGNORED, "discard-ignored", "what an operator is told is so")                        \
    X(LETTER_KEPT, "letter-kept", "a letter past its quota goes")                                  \
    X(LETTER_UNCOUNTED, "letter-uncounted", "what expires is counted")                             \
    X(STEP_FORGOTTEN, "step-forgotten", "a finished step is not run again")                        \
    X(UNDO_SKIPPED, "undo-skipped", "a saga that fails is undone")                                 \
    X(SIGNAL_LOST, "signal-lost", "a signal is kept until it is taken")                            \
    X(SIGNAL_TWICE, "signal-twice", "a signal is taken once")                                      \
    X(LOCK_SHARED, "lock-shared", "a lock has one owner")                                          \
    X(LOCK_FOR_GOOD, "lock-for-good", "on_lock_expired is called once")                            \
    X(EXPIRY_STALE, "expiry-stale", "on_lock_expired is called once")                              \
    X(CANCEL_IGNORED, "cancel-ignored", "what was taken back does not leave")                      \
    X(CANCEL_UNKEPT, "cancel-unkept", "what an operator is told is so")                            \
    X(KEY_CHANGES, "key-changes", "all tries of a call have one key")                              \
    X(LINE_LOST, "line-lost", "a line is written once")                                            \
    X(ONCE_ANEW, "once-anew", "zing.sql.once has its effect once")                                 \
    X(SESSION_LEFT, "session-left", "no transaction outlives its handler")                         \
    X(COMMIT_ASSUMED, "commit-assumed", "zing.sql.once has its effect once")                       \
    X(SQL_ALONE, "sql-alone", "what once does is there together, or not")                          \
    X(RESULT_OTHER, "result-other", "the result of once is what it was")                           \
    X(BACKUP_SHORT, "backup-short", "a backup holds what was acknowledged")                        \
    X(RENAME_FORGOTTEN, "rename-forgotten", "a renamed service has what it had")                   \
    X(REMOVED_FORGOTTEN, "removed-forgotten", "what comes for a removed service waits")            \
    X(RULES_FORGOTTEN, "rules-forgotten", "what comes for a removed service has its key")          \
    X(MISTAKE_TAKEN, "mistake-taken", "what needs a restart is refused")                           \
    X(WITHDRAW_FORGOTTEN, "withdraw-forgotten", "what is cancelled waits no more")                 \
    X(REPLACE_KEPT, "replace-kept", "a publish that is replaced does not leave")                   \
    X(FILTER_UNNOTED, "filter-unnoted", "a second copy is a duplicate")                            \
    X(NOTE_DROPPED, "note-dropped", "a second copy is a duplicate")                                \
    X(TENANT_UNREAD, "tenant-unread", "what can run does not wait")                                \
    X(WAITS_KEPT, "waits-kept", "what has ended waits no more")                                    \
    X(FAN_IN_DEAF, "fan-in-deaf", "the last signal wakes who waits for several")                   \
    X(REPLACE_MIXED, "replace-mixed", "a publish replaces the one of its name")                    \
    X(DELAYED_UNKEPT, "delayed-unkept", "a delayed publish can be found")                          \
    X(WAITER_KEPT, "waiter-kept", "who has a signal waits no more")                                \
    X(SIGNAL_TEXT, "signal-text", "a signal is what was sent")                                     \
    X(RELOAD_UNHEARD, "reload-unheard", "a topics.conf that is taken over counts")                 \
    X(LOG_INCOMPLETE, "log-incomplete", "the log has all that is stored")                          \
    X(LOG_LATE, "log-late", "the log has a turn before the store has it")                          \
    X(CATCH_UP_SKIPPED, "catch-up-skipped", "what the log has is stored")                          \
    X(DOUBT_DISMISSED, "doubt-dismissed", "what the log has is stored")                            \
    X(FENCE_IGNORED, "fence-ignored", "who is fenced stores nothing")                              \
    X(TORN_USED, "torn-used", "what was not synced is loaded anew")                                \
    X(SYNC_SKIPPED, "sync-skipped", "what was not synced is loaded anew")                          \
    X(SNAPSHOT_GAP, "snapshot-gap", "a snapshot has every row")                                    \
    X(SNAPSHOT_AHEAD, "snapshot-ahead", "what a snapshot may lack is in turns after it")           \
    X(LOAD_CUT, "load-cut", "what is half loaded is loaded anew")                                  \
    X(FENCE_OPEN, "fence-open", "no turn of the log is another owner's")                           \
    X(OLD_COPY_RUN, "old-copy-run", "who takes over has what the log has")                         \
    X(FENCED_ACKS, "fenced-acks", "who is fenced acknowledges nothing")

enum bug {
    BUG_NONE,
#define X(bug, name, promise) BUG_##bug,
    BUG_LIST(X)
#undef X
        BUGS
};

/* Whether this is the bug that is planted; and that, once in so many times. */
bool bug_is(enum bug bug);
bool bug_strikes(enum bug bug, unsigned every);
/* A world begins. */
void bugs_begin(void);
/* A turn of the host has failed. */
struct node;
void bugs_turn_failed(struct node *n);

/* From now on this bug is planted. False: there is none of that name. */
bool bugs_plant(const char *name);
/* Plants the bugs of those names (with commas), one after the other, or all when it is NULL, and runs fresh seeds
 * from `from` on until something is broken that holds without it, `seconds` at most; tells of each
 * in a line. `cluster`: only seeds with one. 0: all were found. */
int bugs_hunt(const char *name, uint64_t from, unsigned seconds, bool cluster);

/* What bugs_*.c have in common: a function that the linker put in the place of another, which is
 * __real_ now. */
#define WRAP(type, name, ...)                                                                      \
    WRAPPED(name);                                                                                 \
    type __wrap_##name(__VA_ARGS__)

#endif
