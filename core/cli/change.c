/*
 * change.c - publish, cancel, signal, replay, pause, resume, reload: requests to a running host other than
 * those about dead letters; the family's rows.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- publish ---- */

static const int64_t DAY_MS = (int64_t)24 * 3600 * 1000;

static int read_stdin(struct buf *out) {
    char chunk[65536];
    ssize_t got;
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) > 0) {
        buf_add(out, chunk, (size_t)got);
    }
    if (got < 0) {
        return cli_fail(ERR_SYSTEM, "cannot read standard input");
    }
    if (out->failed) {
        return cli_fail(ERR_LIMIT, "the payload is larger than %d bytes", GATEWAY_BODY_BYTES_MAX);
    }
    return 0;
}

static int add_after(const struct cli *cli, struct buf *path) {
    const char *after = cli_option(cli, "after");
    struct report r = {""};
    int64_t ms = 0;
    if (after == NULL) {
        return 0;
    }
    if (conf_parse_duration(after, &ms, &r) != 0) {
        return cli_misused(cli, "--after: %s", r.text);
    }
    if (ms > PUBLISH_AFTER_DAYS_MAX * DAY_MS) {
        return cli_misused(cli, "--after must be at most %dd, not \"%s\"", PUBLISH_AFTER_DAYS_MAX,
                           after);
    }
    buf_printf(path, "&after_ms=%" PRId64, ms);
    return 0;
}

/* It goes into a line of the request. */
static int check_once(const struct cli *cli) {
    const char *once = cli_option(cli, "idempotency-key");
    bool fits = once == NULL || (once[0] != '\0' && strlen(once) <= ONCE_BYTES_MAX);
    for (const char *at = once; fits && at != NULL && *at != '\0'; at++) {
        fits = (unsigned char)*at > ' ' && *at != 0x7f;
    }
    return fits ? 0
                : cli_misused(cli,
                              "--idempotency-key must be 1 to %d bytes without spaces or control "
                              "characters",
                              ONCE_BYTES_MAX);
}

static int add_properties(const struct cli *cli, struct buf *path) {
    const char *priority = cli_option(cli, "priority");
    const char *pair;
    size_t at = 0;
    int count = 0;
    if (priority != NULL && (priority[0] < '0' || priority[0] > '9' || priority[1] != '\0')) {
        return cli_misused(cli, "--priority must be 0 to 9, not \"%s\"", priority);
    }
    if (priority != NULL) {
        buf_printf(path, "&property%d=zingq-priority%%3D%s", count++, priority);
    }
    while ((pair = cli_option_next(cli, "property", &at)) != NULL) {
        if (pair[0] == '=' || strchr(pair, '=') == NULL) {
            return cli_misused(cli, "--property must be NAME=VALUE, not \"%s\"", pair);
        }
        if (count == PROPERTIES_MAX) {
            return cli_misused(cli, "at most %d properties", PROPERTIES_MAX);
        }
        buf_printf(path, "&property%d=", count++);
        url_add_part(path, slice_of(pair));
    }
    return 0;
}

/* "/api/publish?..." from the options. */
static int publish_path(const struct cli *cli, struct buf *path) {
    const char *qos = cli_option(cli, "qos");
    struct report r = {""};
    qos = qos == NULL ? "1" : qos;
    if (strcmp(qos, "0") != 0 && strcmp(qos, "1") != 0) {
        return cli_misused(cli, "--qos must be 0 or 1, not \"%s\"", qos);
    }
    if (topic_check(cli->words[0], &r) != 0) {
        return cli_misused(cli, "%s", r.text);
    }
    buf_add_str(path, "/api/publish?topic=");
    url_add_part(path, slice_of(cli->words[0]));
    buf_printf(path, "&qos=%s&retain=%d", qos, cli_flag(cli, "retain") ? 1 : 0);
    int status = check_once(cli);
    status = status != 0 ? status : add_after(cli, path);
    return status != 0 ? status : add_properties(cli, path);
}

/* Only a JSON object or array is surely JSON: "5" may be anything. */
static void add_content_type(struct buf *path, struct slice payload) {
    bool json = payload.len > 0 && (payload.data[0] == '{' || payload.data[0] == '[') &&
                text_is_json(payload);
    buf_add_str(path, json ? "&content_type=application%2Fjson" : "&content_type=");
}

static int send_publish(struct cli *cli, struct buf *path, struct slice payload) {
    json_t *answer = NULL;
    add_content_type(path, payload);
    int status = cli_ask(cli, "POST", buf_str(path), payload, &answer);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        const char *id = json_string_value(json_object_get(answer, "id"));
        (void)printf("%s\n", id == NULL ? "published" : id);
    }
    json_decref(answer);
    return status;
}

static int send_signal(struct cli *cli) {
    struct buf path;
    json_t *answer = NULL;
    buf_init(&path, TOPIC_BYTES_MAX);
    buf_add_str(&path, "/api/signals/");
    url_add_part(&path, slice_of(cli->words[0]));
    buf_add_str(&path, "?key=");
    url_add_part(&path, slice_of(cli->words[1]));
    buf_add_str(&path, "&name=");
    url_add_part(&path, slice_of(cli->words[2]));
    const char *value = cli->word_count > 3 ? cli->words[3] : "true";
    int status = path.failed ? cli_misused(cli, "the key and name are too long")
                             : cli_ask(cli, "POST", buf_str(&path), slice_of(value), &answer);
    buf_clear(&path);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    json_decref(answer);
    return status;
}

static int publish(struct cli *cli) {
    struct buf path;
    struct buf piped;
    buf_init(&path, 16 * TOPIC_BYTES_MAX);
    buf_init(&piped, GATEWAY_BODY_BYTES_MAX);
    bool from_stdin = strcmp(cli->words[1], "-") == 0;
    int status = publish_path(cli, &path);
    if (status == 0 && path.failed) {
        status = cli_misused(cli, "the properties are too long");
    }
    if (status == 0 && from_stdin) {
        status = read_stdin(&piped);
    }
    if (status == 0) {
        status = send_publish(cli, &path, from_stdin ? buf_slice(&piped) : slice_of(cli->words[1]));
    }
    buf_clear(&piped);
    buf_clear(&path);
    return status;
}

/* ---- cancel ---- */

static int cancel(struct cli *cli) {
    struct uuid id;
    struct buf path;
    char text[UUID_TEXT_BYTES + 1];
    json_t *answer = NULL;
    const char *service = cli_option(cli, "service");
    buf_init(&path, TOPIC_BYTES_MAX);
    int status = cli_find_id(cli, cli->words[0], ID_OF_EVENT, &id);
    if (status == 0) {
        buf_printf(&path, "/api/cancel/%s?compensate=%d&without_compensation=%d",
                   uuid_text(&id, text), cli_flag(cli, "compensate"),
                   cli_flag(cli, "without-compensation"));
        if (service != NULL) {
            buf_add_str(&path, "&service=");
            url_add_part(&path, slice_of(service));
        }
        status = path.failed ? cli_misused(cli, "the service name is too long")
                             : cli_ask(cli, "POST", buf_str(&path), slice_of(""), &answer);
    }
    buf_clear(&path);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        (void)printf("%s is cancelled\n", text);
        cli_print_notes(answer);
    }
    json_decref(answer);
    return status;
}

/* ---- pause, resume ---- */

static int ask_service(struct cli *cli, const char *verb, const char *done) {
    struct buf path;
    buf_init(&path, 4096);
    buf_add_str(&path, "/api/services/");
    url_add_part(&path, slice_of(cli->words[0]));
    buf_printf(&path, "/%s", verb);
    json_t *answer = NULL;
    int status = path.failed ? cli_misused(cli, "the service name is too long")
                             : cli_ask(cli, "POST", buf_str(&path), slice_of(""), &answer);
    buf_clear(&path);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        (void)printf("%s %s\n", cli->words[0], done);
    }
    json_decref(answer);
    return status;
}

static int pause_service(struct cli *cli) {
    return ask_service(cli, "pause", "is paused: events are accepted but not handled");
}

static int resume_service(struct cli *cli) {
    return ask_service(cli, "resume", "is resumed");
}

/* ---- reload ---- */

static int reload(struct cli *cli) {
    json_t *answer = NULL;
    const char *path = cli_flag(cli, "prune") ? "/api/reload?prune=1" : "/api/reload";
    int status = cli_ask(cli, "POST", path, slice_of(""), &answer);
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        (void)printf("%s\n", json_is_true(json_object_get(answer, "changed"))
                                 ? "topics.conf was taken over"
                                 : "topics.conf has not changed; the scripts were read again");
    }
    json_decref(answer);
    return status;
}

static const struct cli_option reload_options[] = {
    {"prune", NULL, "give up the subscriptions that topics.conf no longer has"},
    {NULL, NULL, NULL},
};

static const struct cli_option move_options[] = {
    {"from", "SERVICE", "the removed service"},
    {"to", "SERVICE", "the service that takes over"},
    {NULL, NULL, NULL},
};

static const struct cli_option publish_options[] = {
    {"after", "TIME", "publish after this time: 30s, 10m, 24h"},
    {"qos", "0|1", "QoS of the publish; default 1"},
    {"retain", NULL, "ask the broker to retain it"},
    {"property", "NAME=VALUE", "a user property; may be repeated"},
    {"priority", "0..9", "how urgent it is for services; default 4"},
    {"idempotency-key", "KEY",
     "a second publish under the key makes nothing and prints the same id"},
    {NULL, NULL, NULL},
};

static const struct cli_option cancel_options[] = {
    {"service", "NAME", "the event of this service, where several have one with the id"},
    {"compensate", NULL, "run the compensations of its saga, then discard it"},
    {"without-compensation", NULL, "discard it without undoing its saga"},
    {NULL, NULL, NULL},
};

static const struct cli_option replay_options[] = {
    {"service", "NAME", "only this service"},
    {"from", "TIME", "accepted at or after TIME: 2026-11-25T03:00:00Z, 2026-11-25, @SECONDS, 2h"},
    {"to", "TIME", "with --from: accepted before TIME"},
    {"key", "KEY", "only this key"},
    {"id", "ID", "this event"},
    {"rate", "RATE", "at most this many: 10/s, 300/m"},
    {"force", NULL, "include events older than idempotency_window"},
    {"as-of", "TIME", "skip events that ended after TIME: resumes an interrupted replay"},
    {"dry-run", NULL, "only print what would run"},
    {"yes", NULL, "do not ask for confirmation"},
    {NULL, NULL, NULL},
};

static const struct cli_option erase_options[] = {
    {"yes", NULL, "do not ask for confirmation"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_change_commands[] = {
    {"publish", "TOPIC PAYLOAD", "publish durably, through the host's outbox",
     "The id is printed once the publish is on disk; with --after, `cancel` takes it back by that "
     "id. "
     "PAYLOAD \"-\" reads standard input.",
     2, 2, publish_options, publish},
    {"cancel", "ID", "cancel a delayed publish, or an event that waits or runs",
     "ID is what publish --after or zing.publish gave, or an event's. An event is discarded: it\n"
     "ends where it waits, its call is aborted, and what its attempt staged is dropped. A call\n"
     "that was aborted may have had its effect: that is printed, and kept as the reason. When\n"
     "its saga has done something, an option must say whether to compensate. Exits with status\n"
     "1 when nothing waits or runs under the id.",
     1, 1, cancel_options, cancel},
    {"signal", "SERVICE KEY NAME [VALUE]", "send a signal to the event that waits for it",
     "VALUE is parsed as JSON, or else taken as a string; the default is true.", 3, 4, NULL,
     send_signal},
    {"pause", "SERVICE", "stop handling; events are still accepted", NULL, 1, 1, NULL,
     pause_service},
    {"resume", "SERVICE", "resume handling", NULL, 1, 1, NULL, resume_service},
    {"reload", "", "take over a changed topics.conf without a restart",
     "Checks it first, scripts included: after a mistake everything stays as it was. Attempts "
     "have\n"
     "3 s to end; those that still wait for a call run again, uncounted. What a removed service\n"
     "subscribed to stays subscribed, and is stored, until --prune or the next start.",
     0, 0, reload_options, reload},
    {"replay", "", "run finished events again, in the order they were accepted",
     "Prints what would run and asks for confirmation. Times without a zone are UTC; 2h means two\n"
     "hours ago.\n"
     "For dead letters: zingq dlq replay.",
     0, 0, replay_options, cli_replay},
    {"move", "", "give another service what a removed one left",
     "Events, dead letters, state, locks and signals of a service that topics.conf no longer has.\n"
     "Until all of it is there, the other service accepts events, but runs none. A renamed "
     "service\n"
     "takes over by itself: was = {\"old\"} in its section.",
     0, 0, move_options, cli_move},
    {"erase", "SERVICE KEY", "erase everything the host has of a key",
     "Its events with their histories, dead letters, state, locks and kept signals; records of\n"
     "`zingq audit` about the key keep a hash. Refused while one of its events has not ended.",
     2, 2, erase_options, cli_erase},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
