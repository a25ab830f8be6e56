/*
 * remotes.c - see cli/remotes.h.
 */
#include "cli/remotes.h"

#include <string.h>

/* Without --limit: as the commands show of their own store. */
enum {
    EVENTS_SHOWN = 50,
    TRACED_SHOWN = 20,
    DEAD_SHOWN = 50,
    KEYS_SHOWN = 100,
    KEY_EVENTS_SHOWN = 50,
    STATE_SHOWN = 200,
    OUTGOING_SHOWN = 100,
};

#define CELL_COLUMNS                                                                               \
    {                                                                                              \
        {"KEY", false}, {"NAME", false}, {"LOCK", false}, {"EXPIRES", false}, {"OWNER", false}, {  \
            "VALUE", false                                                                         \
        }                                                                                          \
    }
#define CELL_FIELDS                                                                                \
    { "key", "name", "lock", "expires_at", "owner", "value" }

static const struct remote remotes[] = {
    {.command = "status", .path = "/api/status"},
    {.command = "events",
     .path = "/api/events",
     .options = {"service", "key", "state", "topic"},
     .shown = EVENTS_SHOWN,
     .all = &merge_events,
     .list = "",
     .nothing = "no such events",
     .columns = {{"ACCEPTED", false},
                 {"SERVICE", false},
                 {"STATE", false},
                 {"KEY", false},
                 {"TOPIC", false},
                 {"TRIES", true},
                 {"EVENT", false},
                 {"REASON", false}},
     .fields = {"received_at", "service", "state", "key", "topic", "attempts", "id", "reason"}},
    {.command = "trace", .path = "/api/events/", .shown = TRACED_SHOWN},
    {.command = "dlq list",
     .path = "/api/dlq",
     .options = {"service", "group"},
     .shown = DEAD_SHOWN,
     .all = &merge_letters,
     .list = "",
     .nothing = "no dead letters",
     .columns = {{"DEAD SINCE", false},
                 {"SERVICE", false},
                 {"KEY", false},
                 {"TOPIC", false},
                 {"TRIES", true},
                 {"EVENT", false},
                 {"GROUP", false},
                 {"REASON", false}},
     .fields = {"dead_at", "service", "key", "topic", "attempts", "id", "group", "reason"}},
    {.command = "dlq groups",
     .path = "/api/dlq/groups",
     .options = {"service"},
     .all = &merge_groups,
     .list = "",
     .nothing = "no dead letters",
     .columns = {{"GROUP", false},
                 {"SERVICE", false},
                 {"COUNT", true},
                 {"NEWEST", false},
                 {"EXAMPLE", false},
                 {"REASON", false}},
     .fields = {"group", "service", "count", "newest_at", "example", "reason"}},
    {.command = "dlq show", .path = "/api/dlq/", .options = {"service"}},
    {.command = "dlq try", .path = "/api/dlq/", .options = {"service"}},
    {.command = "keys list",
     .path = "/api/keys",
     .options = {"service"},
     .shown = KEYS_SHOWN,
     .all = &merge_by_host,
     .list = "",
     .nothing = "no blocked keys",
     .columns = {{"SERVICE", false},
                 {"KEY", false},
                 {"BEHIND", true},
                 {"WAITS", false},
                 {"EVENT", false},
                 {"DUE", false},
                 {"REASON", false}},
     .fields = {"service", "key", "behind", "waits", "event", "due_at", "reason"}},
    {.command = "keys show",
     .path = "/api/keys/",
     .second = "key",
     .shown = KEY_EVENTS_SHOWN,
     .list = "events",
     .nothing = "this key has no waiting events",
     .columns = {{"EVENT", false},
                 {"STATE", false},
                 {"ACCEPTED", false},
                 {"TRIES", true},
                 {"TOPIC", false}},
     .fields = {"id", "state", "received_at", "attempts", "topic"}},
    {.command = "state list",
     .path = "/api/state/",
     .shown = STATE_SHOWN,
     .all = &merge_by_host,
     .list = "",
     .nothing = "no state or locks",
     .columns = CELL_COLUMNS,
     .fields = CELL_FIELDS},
    {.command = "state get",
     .path = "/api/state/",
     .second = "key",
     .list = "",
     .nothing = "no such state or lock",
     .columns = CELL_COLUMNS,
     .fields = CELL_FIELDS},
    {.command = "outbox list",
     .path = "/api/outbox",
     .flag = "refused",
     .shown = OUTGOING_SHOWN,
     .all = &merge_by_host,
     .list = "",
     .nothing = "no such publishes",
     .columns = {{"REFUSED", false},
                 {"TOPIC", false},
                 {"ID", false},
                 {"FROM EVENT", false},
                 {"CODE", true},
                 {"HELD", false}},
     .fields = {"refused_at", "topic", "id", "cause", "reason_code", "held"}},
    {.command = "audit",
     .path = "/api/audit",
     .all = &merge_changes,
     .oldest_first = true,
     .list = "",
     .nothing = "nothing was changed",
     .columns = {{"AT", false}, {"WHO", false}, {"FROM", false}, {"STATUS", true}, {"WHAT", false}},
     .fields = {"at", "who", "from", "status", "path"}},
    {.command = "delayed",
     .path = "/api/delayed",
     .shown = OUTGOING_SHOWN,
     .all = &merge_by_host,
     .list = "",
     .nothing = "no delayed publishes",
     .columns = {{"LEAVES", false}, {"TOPIC", false}, {"ID", false}, {"FROM EVENT", false}},
     .fields = {"due_at", "topic", "id", "cause"}},
};

const struct remote *remote_find(const struct cli_command *command) {
    for (size_t i = 0; i < sizeof remotes / sizeof *remotes; i++) {
        if (strcmp(remotes[i].command, command->name) == 0) {
            return &remotes[i];
        }
    }
    return NULL;
}
