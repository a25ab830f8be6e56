/* habits.c - see cli/habits.h. */
#include "cli/habits.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct habit {
    const char *family; /* with a space, or "" */
    const char *typed;  /* words between spaces */
    const char *meant;
} habits[] = {
    {"", " list ls ps queues stats info health get ", "status"},
    {"", " watch monitor ", "top"},
    {"", " tail logs log follow consume jobs messages sub subscribe ", "events --follow"},
    {"", " show inspect history describe ", "trace"},
    {"", " retry requeue redrive resend ", "dlq replay"},
    {"", " purge flush clear ", "dlq discard"},
    {"", " dead dead-letters deadletters failed ", "dlq list"},
    {"", " delete rm remove kill abort revoke ", "cancel"},
    {"", " drain unsubscribe deregister ", "leave"},
    {"", " send emit produce enqueue push pub add ", "publish"},
    {"", " start serve server worker up ", "run"},
    {"", " validate verify configtest ", "check"},
    {"", " diagnose ping debug ", "doctor"},
    {"", " unpause continue start-service ", "resume"},
    {"", " suspend stop hold ", "pause"},
    {"", " ui web login open ", "dashboard"},
    {"", " dump ", "export"},
    {"", " snapshot save ", "backup"},
    {"", " vacuum shrink ", "compact"},
    {"", " restart refresh ", "reload"},
    {"", " create scaffold ", "init"},
    {"", " cron schedules scheduled ", "status"},
    {"dlq ", " retry requeue redrive resend resubmit run rerun ", "dlq replay"},
    {"dlq ", " purge delete rm remove drop clear flush ", "dlq discard"},
    {"dlq ", " ls status count ", "dlq list"},
    {"dlq ", " get inspect view trace describe ", "dlq show"},
    {"dlq ", " dump backup ", "dlq export"},
    {"dlq ", " errors stats ", "dlq groups"},
    {"dlq ", " test dry-run ", "dlq try"},
    {"outbox ", " replay resend requeue redrive flush ", "outbox retry"},
    {"outbox ", " purge delete rm remove drop clear ", "outbox discard"},
    {"outbox ", " ls show status ", "outbox list"},
    {"keys ", " ls blocked parked ", "keys list"},
    {"keys ", " get inspect ", "keys show"},
    {"keys ", " unpark unblock retry replay continue release ", "keys resume"},
    {"keys ", " drop discard ", "keys skip"},
    {"keys ", " delete rm purge ", "erase"},
    {"state ", " ls keys scan ", "state list"},
    {"state ", " show read inspect ", "state get"},
    {"state ", " delete rm purge ", "erase"},
};

static bool has_word(const char *words, const char *word) {
    size_t len = strlen(word);
    for (const char *at = words; len > 0 && (at = strstr(at, word)) != NULL; at++) {
        if (at > words && at[-1] == ' ' && at[len] == ' ' && strchr(word, ' ') == NULL) {
            return true;
        }
    }
    return false;
}

const char *cli_habit(const char *name) {
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        size_t len = strlen(habits[i].family);
        if (strncmp(name, habits[i].family, len) == 0 && has_word(habits[i].typed, name + len)) {
            return habits[i].meant;
        }
    }
    return NULL;
}
