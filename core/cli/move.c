/*
 * move.c - zingq move: what a service that is no longer in topics.conf left goes to another one.
 *
 * The host moves it, turn by turn, and goes on with that when it was restarted; the command only
 * begins it, and looks at it until it is done.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/tell.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, LOOK_MS = 200 };

static const char *const figures[] = {"taken_events", "taken_values", "taken_left"};

enum { FIGURES = sizeof figures / sizeof *figures };

/* How far it is: the service's entry in the host's list; or an exit status. */
static int look(struct cli *cli, const char *to, bool *taking, json_int_t values[FIGURES]) {
    json_t *answer = NULL;
    size_t i;
    const json_t *one;
    int status = cli_ask(cli, "GET", "/api/services", slice_of(""), &answer);
    const json_t *services = json_object_get(answer, "services");
    *taking = false;
    json_array_foreach(services == NULL ? answer : services, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name == NULL || strcmp(name, to) != 0) {
            continue;
        }
        *taking = json_is_true(json_object_get(one, "taking"));
        for (size_t f = 0; f < FIGURES; f++) {
            values[f] = json_integer_value(json_object_get(one, figures[f]));
        }
    }
    json_decref(answer);
    return status;
}

static void tell_progress(const struct cli *cli, const json_int_t before[FIGURES],
                          const json_int_t now[FIGURES], bool taking) {
    if (!cli->json && isatty(STDERR_FILENO) != 0) {
        (void)fprintf(stderr,
                      "\rmoved %" JSON_INTEGER_FORMAT " events, %" JSON_INTEGER_FORMAT " values%s",
                      now[0] - before[0], now[1] - before[1], taking ? "" : "\n");
    }
}

static int tell_end(const struct cli *cli, const char *from, const char *to,
                    const json_int_t moved[FIGURES]) {
    int status = moved[2] > 0 ? EXIT_NO : EXIT_GOOD;
    if (cli->json) {
        int printed = cli_print_json(
            json_pack("{s:I, s:I, s:I}", "events", moved[0], "values", moved[1], "left", moved[2]));
        return printed != 0 ? printed : status;
    }
    (void)printf("%s has taken over %s: moved %" JSON_INTEGER_FORMAT
                 " events, %" JSON_INTEGER_FORMAT " values, locks and signals\n",
                 to, from, moved[0], moved[1]);
    if (moved[2] > 0) {
        (void)cli_fail(ERR_EXISTS,
                       "%" JSON_INTEGER_FORMAT
                       " values, locks or signals stay under %s, because %s "
                       "has its own under the same key and name: see `zingq state list %s`",
                       moved[2], from, to, from);
    }
    return status;
}

static int begin(struct cli *cli, const char *from, const char *to) {
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_str(&path, "/api/services/");
    url_add_part(&path, slice_of(from));
    buf_add_str(&path, "/move?to=");
    url_add_part(&path, slice_of(to));
    int status = path.failed ? cli_misused(cli, "a service's name is not that long")
                             : cli_ask(cli, "POST", buf_str(&path), slice_of(""), NULL);
    buf_clear(&path);
    return status;
}

int cli_move(struct cli *cli) {
    const char *from = cli_option(cli, "from");
    const char *to = cli_option(cli, "to");
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    json_int_t before[FIGURES] = {0};
    json_int_t now[FIGURES] = {0};
    bool taking = true;
    if (from == NULL || to == NULL) {
        return cli_misused(cli, "give both names: --from SERVICE --to SERVICE");
    }
    int status = look(cli, to, &taking, before);
    if (!taking) { /* the host counts anew with the first move to it */
        memset(before, 0, sizeof before);
    }
    status = status == 0 ? begin(cli, from, to) : status;
    status = status == 0 ? look(cli, to, &taking, now) : status;
    while (status == 0 && taking) {
        tell_progress(cli, before, now, true);
        (void)nanosleep(&pause, NULL);
        status = look(cli, to, &taking, now);
    }
    if (status != 0) {
        return status;
    }
    tell_progress(cli, before, now, false);
    for (size_t f = 0; f < FIGURES; f++) {
        now[f] -= before[f];
    }
    return tell_end(cli, from, to, now);
}
