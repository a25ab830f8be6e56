/*
 * follow.c - see cli/follow.h.
 *
 * Asks for the newest events once a second, and prints those that it has not printed in that state.
 * What it has printed is remembered for twice as many events as it asks for. A host that goes away is
 * waited for.
 *
 * Left out on purpose: a stream of every event. A host may do thousands a second, which nobody reads;
 * what does not fit is said to be left out.
 */
#include "cli/follow.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/url.h"
#include "cli/ask.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "event/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST = 10, PAGE = 200, SEEN = 2 * PAGE, LINE_BYTES = 1 << 20 };

struct seen {
    char id[UUID_TEXT_BYTES + 1];
    char service[NAME_BYTES_MAX + 1]; /* each that takes the event has one of that id */
    char state[16];
};

struct follow {
    struct cli *cli;
    struct seen seen[SEEN]; /* a ring */
    size_t next;
    bool begun, away;
    size_t missing; /* hosts whose events the last page lacks */
};

static const char *word(const json_t *event, const char *name) {
    const char *text = json_string_value(json_object_get(event, name));
    return text == NULL ? "" : text;
}

/* Whether the event has been printed; *same: in the state that it is in. */
static bool look_up(struct follow *f, const json_t *event, bool *same) {
    for (size_t i = 0; i < SEEN; i++) {
        if (strcmp(f->seen[i].id, word(event, "id")) == 0 &&
            strcmp(f->seen[i].service, word(event, "service")) == 0) {
            *same = strcmp(f->seen[i].state, word(event, "state")) == 0;
            (void)snprintf(f->seen[i].state, sizeof f->seen[i].state, "%s", word(event, "state"));
            return true;
        }
    }
    struct seen *seen = &f->seen[f->next++ % SEEN];
    (void)snprintf(seen->id, sizeof seen->id, "%s", word(event, "id"));
    (void)snprintf(seen->service, sizeof seen->service, "%s", word(event, "service"));
    (void)snprintf(seen->state, sizeof seen->state, "%s", word(event, "state"));
    *same = false;
    return false;
}

static void print_event(const struct follow *f, const json_t *event) {
    static const char *const columns[] = {"key", "topic", "id", "reason"};
    enum event_state state = EVENT_READY;
    struct buf line;
    if (f->cli->json) {
        char *text = json_dumps(event);
        (void)printf("%s\n", text == NULL ? "" : text);
        free(text);
        return;
    }
    (void)event_state_parse(word(event, "state"), &state);
    (void)printf("%s  %-12s  ", word(event, "received_at"), word(event, "service"));
    text_print(stdout, f->cli->colour, text_state_style((uint8_t)state), word(event, "state"));
    buf_init(&line, LINE_BYTES);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        buf_add_str(&line, word(event, columns[i])[0] == '\0' ? "" : "  ");
        struct slice text = slice_first_line(slice_of(word(event, columns[i])));
        if (strcmp(columns[i], "id") == 0) {
            text_add_id(&line, text);
        } else {
            text_add_safe(&line, text);
        }
    }
    (void)printf("%s\n", buf_str(&line));
    buf_clear(&line);
}

/* The page is newest first, lines are oldest first. `cut`: it has less than was asked for, and there is more. */
static void print_page(struct follow *f, const json_t *page, bool cut) {
    size_t count = json_array_size(page);
    size_t known = 0;
    for (size_t i = count; i-- > 0;) {
        bool same;
        const json_t *event = json_array_get(page, i);
        known += look_up(f, event, &same) ? 1 : 0;
        if (!same) {
            print_event(f, event);
        }
    }
    if (f->begun && known == 0 && (count == PAGE || (cut && count > 0))) {
        (void)fprintf(stderr,
                      "more than %zu events a second: the others are left out; --service, "
                      "--key, --state and --topic select\n",
                      count);
    }
    f->begun = true;
}

static void make_path(const struct follow *f, unsigned long long count, struct buf *path) {
    static const char *const filters[] = {"service", "key", "state", "topic"};
    buf_printf(path, "/api/events?limit=%llu", count);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const char *value = cli_option(f->cli, filters[i]);
        if (value != NULL) {
            buf_printf(path, "&%s=", filters[i]);
            url_add_part(path, slice_of(value));
        }
    }
}

/* Says so when other hosts of the division begin or cease to be missing. */
static void tell_missing(struct follow *f, const json_t *missing) {
    size_t i;
    const json_t *one;
    if (json_array_size(missing) == f->missing) {
        return;
    }
    f->missing = json_array_size(missing);
    (void)fprintf(stderr, "%s",
                  f->missing == 0 ? "all hosts answer\n" : "without the events of host");
    json_array_foreach(missing, i, one) {
        (void)fprintf(stderr, "%s %lld%s", i == 0 ? "" : ",",
                      json_integer_value(json_object_get(one, "host")),
                      i + 1 == f->missing ? "\n" : "");
    }
}

/* 0, or the exit status of what will not become better. */
static int look(struct follow *f, unsigned long long count) {
    struct cli_page page;
    struct report r = {""};
    struct buf path;
    buf_init(&path, LINE_BYTES);
    make_path(f, count, &path);
    int code = cli_ask_page(f->cli, "GET", buf_str(&path), slice_of(""), &page, &r);
    bool away = code != 0 || page.status >= 500;
    int status = away ? 0 : cli_judge(page.status, page.answer);
    if (away && !f->begun) {
        status = code != 0 ? cli_not_asked(f->cli, code, &r) : cli_judge(page.status, page.answer);
    } else if (away != f->away) {
        (void)fprintf(stderr, "%s\n",
                      away ? "the host does not answer: waiting until it is back"
                           : "the host is back");
    }
    f->away = away;
    if (!away && status == 0) {
        print_page(f, page.answer, page.next[0] != '\0');
        tell_missing(f, page.missing);
    }
    cli_page_clear(&page);
    buf_clear(&path);
    return status;
}

int cli_follow_events(struct cli *cli) {
    static const struct timespec second = {.tv_sec = 1};
    struct follow f = {.cli = cli};
    uint64_t first = FIRST;
    int status = cli_option_count(cli, "limit", FIRST, &first);
    status = status == 0 ? cli_find_data(cli) : status;
    status = status == 0 ? look(&f, first < PAGE ? first : PAGE) : status;
    while (status == 0 && fflush(stdout) == 0) {
        (void)nanosleep(&second, NULL);
        status = look(&f, PAGE);
    }
    return status == 0 ? EXIT_CANNOT_RUN : status;
}
