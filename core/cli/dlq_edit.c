/*
 * dlq_edit.c - edit: changing the payload of a dead letter.
 *
 * The editor gets JSON on several lines; if it was on one line, it is put back on one. Only white
 * space changes, so that numbers keep their digits.
 */
#include "cli/dlq.h"

#include "cli/ask.h"
#include "cli/diff.h"
#include "cli/json.h"
#include "cli/letters.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/limits.h"
#include "base/temp.h"
#include "store/folder.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the editor ---- */

static const char *editor(void) {
    const char *visual = getenv("VISUAL");
    const char *plain = getenv("EDITOR");
    return visual != NULL && visual[0] != '\0' ? visual
           : plain != NULL && plain[0] != '\0' ? plain
                                               : "vi";
}

/* $EDITOR may contain options, so a shell parses it; the path is a separate argument. */
static int run_editor(const char *path) {
    char script[4096];
    int len = snprintf(script, sizeof script, "%s \"$1\"", editor());
    if (len < 0 || (size_t)len >= sizeof script) {
        return cli_fail(ERR_INVALID, "$EDITOR is too long");
    }
    char shell[] = "sh";
    char flag[] = "-c";
    char name[] = "zingq";
    char *argv[] = {shell, flag, script, name, (char *)(uintptr_t)path, NULL};
    pid_t child;
    int error = posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ);
    if (error != 0) {
        return cli_fail(ERR_SYSTEM, "cannot start the editor: %s", strerror(error));
    }
    int ended = 0;
    while (waitpid(child, &ended, 0) < 0) {
        if (errno != EINTR) {
            return cli_fail(ERR_SYSTEM, "cannot wait for the editor: %s", strerror(errno));
        }
    }
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
        (void)cli_fail(ERR_INVALID, "the editor \"%s\" failed: nothing was changed", editor());
        return EXIT_NO;
    }
    return 0;
}

static int write_all(int fd, struct slice text) {
    while (text.len > 0) {
        ssize_t put = write(fd, text.data, text.len);
        if (put < 0 && errno != EINTR) {
            return cli_fail(ERR_DISK, "cannot write a temporary file: %s", strerror(errno));
        }
        size_t done = put < 0 ? 0 : (size_t)put;
        text = (struct slice){text.data + done, text.len - done};
    }
    return 0;
}

/* Lets a person edit the text; initializes `after`. */
static int edit_text(struct slice before, struct buf *after) {
    char path[STORE_PATH_BYTES];
    struct report r;
    int fd = temp_file_new("edit", path, sizeof path, &r);
    buf_init(after, 0);
    if (fd < 0) {
        return cli_fail(ERR_DISK, "%s", r.text);
    }
    int status = write_all(fd, before);
    if (close(fd) != 0 && status == 0) {
        status = cli_fail(ERR_DISK, "cannot write a temporary file: %s", strerror(errno));
    }
    status = status == 0 ? run_editor(path) : status;
    status = status == 0 ? cli_read_file(path, GATEWAY_BODY_BYTES_MAX, after) : status;
    (void)unlink(path); /* it may be gone already */
    return status;
}

/* Editors add a newline at the end; the payload may not have had one. */
static void trim_end(struct buf *text, bool had_end) {
    if (!had_end && text->len > 0 && text->data[text->len - 1] == '\n') {
        text->len--;
    }
}

static int edit_payload(struct slice payload, struct buf *after) {
    struct buf spread;
    buf_init(&spread, 2 * GATEWAY_BODY_BYTES_MAX);
    bool on_one_line = text_is_json(payload) && memchr(payload.data, '\n', payload.len) == NULL;
    bool had_end = payload.len > 0 && payload.data[payload.len - 1] == '\n';
    if (on_one_line) {
        text_add_json_spread(&spread, payload);
    } else {
        buf_add_slice(&spread, payload);
    }
    int status = spread.failed ? cli_fail(ERR_LIMIT, "the payload is too large to edit")
                               : edit_text(buf_slice(&spread), after);
    trim_end(after, had_end);
    buf_clear(&spread);
    if (status == 0 && on_one_line && text_is_json(buf_slice(after))) {
        buf_init(&spread, GATEWAY_BODY_BYTES_MAX);
        text_add_json_tight(&spread, buf_slice(after));
        buf_clear(after);
        *after = spread;
    }
    return status;
}

/* ---- the command ---- */

/* The new payload, from wherever it comes; initializes `after`. */
static int new_payload(const struct cli *cli, struct slice before, struct buf *after) {
    const char *text = cli_option(cli, "payload");
    const char *path = cli_option(cli, "file");
    if (path != NULL && text == NULL) {
        return cli_read_file(path, GATEWAY_BODY_BYTES_MAX, after);
    }
    buf_init(after, GATEWAY_BODY_BYTES_MAX);
    if (text != NULL && path != NULL) {
        return cli_misused(cli, "give either --payload or --file");
    }
    if (text != NULL) {
        buf_add_str(after, text);
        return after->failed ? cli_fail(ERR_MEMORY, "out of memory") : 0;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return cli_misused(cli, "no terminal for the editor: give --payload or --file");
    }
    return edit_payload(before, after);
}

/* The edit is on disk: prints it. */
static int tell_edit(const struct cli *cli, const struct event *event, struct slice after,
                     const json_t *answer) {
    char id[UUID_TEXT_BYTES + 1];
    (void)uuid_text(&event->id, id);
    if (cli->json) {
        return cli_print_json(json_pack("{s:s, s:b, s:O*}", "id", id, "edited", 1, "notes",
                                        json_object_get(answer, "notes")));
    }
    int code = diff_print(stdout, cli->colour, event->payload, after);
    (void)printf("\n");
    cli_print_notes(answer);
    (void)printf("edited; the event stays dead until you run: zingq dlq replay %s\n", id);
    return code == 0 ? EXIT_GOOD : cli_fail(code, "cannot show the difference: out of memory");
}

static int send_edit(struct cli *cli, const struct event *event, struct slice after) {
    struct dlq_answer answer;
    int status =
        dlq_ask(cli, &event->id, cli_service_name(cli, event->service), "edit", after, &answer);
    status = status != 0 ? status : cli_judge(answer.status, answer.body);
    status = status != 0 ? status : tell_edit(cli, event, after, answer.body);
    json_decref(answer.body);
    return status;
}

int dlq_edit(struct cli *cli) {
    struct event *event = NULL;
    struct buf after;
    int status = letters_find(cli, cli->words[0], &event);
    if (status != 0) {
        return status;
    }
    status = new_payload(cli, event->payload, &after);
    if (status == 0 && slice_equal(buf_slice(&after), event->payload)) {
        (void)printf("the payload is the same: nothing was changed\n");
        status = EXIT_NO;
    } else if (status == 0) {
        status = send_edit(cli, event, buf_slice(&after));
    }
    buf_clear(&after);
    event_free(event);
    return status;
}
