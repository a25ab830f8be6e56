/*
 * dlq_show.c - dead letters in full: show for people, export for programs.
 */
#include "cli/dlq.h"

#include "cli/json.h"
#include "cli/letters.h"
#include "cli/life.h"
#include "cli/steps.h"
#include "cli/store.h"
#include "journal/event.h"

#include <inttypes.h>
#include <stdio.h>

static void print_letter(const struct cli *cli, const struct life *life) {
    char id[UUID_TEXT_BYTES + 1];
    life_print_title(cli, life, "");
    life_print_course(cli, life, "", true);
    life_print_steps(cli, life, "");
    life_print_calls(cli, life, "");
    (void)printf("\n");
    life_print_content(life, "");
    (void)printf("  group          %016" PRIx64 "\n", journal_fingerprint(life->event->reason));
    (void)uuid_text(&life->event->id, id);
    if (life->event->state == EVENT_NEEDS_PERSON) {
        (void)printf("\nzingq dlq replay %s continues the compensation; dlq discard\n"
                     "--without-compensation discards it as it is.\n",
                     id);
        return;
    }
    (void)printf("\nzingq dlq try %s runs its handler dry; dlq replay runs it again.\n", id);
}

int dlq_show(struct cli *cli) {
    struct event *event = NULL;
    struct life life;
    int status = letters_find(cli, cli->words[0], &event);
    if (status != 0 || event == NULL) {
        return status;
    }
    int code = cli_begin(cli);
    if (code != 0) {
        event_free(event);
        return cli_read_failed(code);
    }
    code = life_read(cli->journal, event, &life);
    cli_end(cli);
    if (code != 0) {
        return cli_read_failed(code);
    }
    if (cli->json) {
        status = cli_print_json(dead_letter_json(cli->journal, &life));
    } else {
        print_letter(cli, &life);
    }
    life_clear(&life);
    return status;
}

static int export_row(struct cli *cli, const struct dead_row *row) {
    struct event *event = NULL;
    struct life life;
    int code = dead_event(cli->journal, row, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = life_read(cli->journal, event, &life);
    if (code != 0) {
        return code;
    }
    json_t *letter = dead_letter_json(cli->journal, &life);
    life_clear(&life);
    return cli_print_json_line(cli, letter) == 0 ? 0 : ERR_MEMORY;
}

int dlq_export(struct cli *cli) {
    struct dead_filter filter;
    struct dead_row row = {0};
    int status = cli_open_store(cli);
    status = status == 0 ? letters_parse_filter(cli, &filter) : status;
    if (status != 0) {
        return status;
    }
    int code = cli_begin(cli);
    while (code == 0 && (code = letters_next(cli, &filter, &row)) == 0) {
        code = export_row(cli, &row);
    }
    cli_end(cli);
    return code == ERR_NOTFOUND ? EXIT_GOOD : cli_read_failed(code);
}
