/*
 * turns.c - see cli/turns.h.
 */
#include "cli/turns.h"

#include "cli/table.h"
#include "cli/tell.h"

static const struct table_column columns[] = {
    {"PHASE", false}, {"TIME", true}, {"SHARE", true}, {"LONGEST", true}, {"", false},
};

static json_int_t figure(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

/* What happens in a phase; "" for one that this version does not know. */
static const char *meaning(struct slice phase) {
    static const char *const meanings[][2] = {
        {"idle", "nothing to do"},         {"other", "HTTP requests, calls, timers"},
        {"collect", "reading messages"},   {"decide", "storing events, running handlers"},
        {"commit", "writing to the disk"}, {"send", "publishes, acknowledgements"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (slice_is(phase, meanings[i][0])) {
            return meanings[i][1];
        }
    }
    return "";
}

static json_int_t sum_us(const json_t *phases) {
    json_int_t sum = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(phases, i, one) {
        sum += figure(one, "us");
    }
    return sum;
}

static void add_phase(struct table *table, const json_t *phase, json_int_t all_us) {
    struct slice name = slice_of(json_string_value(json_object_get(phase, "name")));
    json_int_t us = figure(phase, "us");
    struct buf text;
    buf_init(&text, 256);
    text_add_safe(&text, name);
    table_take(table, STYLE_PLAIN, &text);
    text_add_duration_us(&text, us);
    table_take(table, STYLE_PLAIN, &text);
    buf_printf(&text, "%.1f %%", all_us == 0 ? 0 : 100 * (double)us / (double)all_us);
    table_take(table, STYLE_PLAIN, &text);
    text_add_duration_us(&text, figure(phase, "longest_us"));
    table_take(table, STYLE_PLAIN, &text);
    table_add(table, STYLE_PLAIN, meaning(name));
    buf_clear(&text);
}

static int print_phases(FILE *out, bool colour, const json_t *phases) {
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    size_t i;
    const json_t *one;
    if (table == NULL) {
        return ERR_MEMORY;
    }
    json_array_foreach(phases, i, one) {
        add_phase(table, one, sum_us(phases));
    }
    int code = table_print(table, out, colour, table_terminal_width());
    table_free(table);
    return code;
}

static void add_figure(struct buf *out, const char *before, const json_t *turns, const char *name) {
    buf_add_str(out, before);
    text_add_count(out, (uint64_t)figure(turns, name));
}

int turns_print(FILE *out, bool colour, const json_t *status) {
    const json_t *turns = json_object_get(status, "turns");
    struct buf text;
    buf_init(&text, 1024);
    add_figure(&text, "the last ", turns, "seconds");
    add_figure(&text, " seconds: ", turns, "count");
    add_figure(&text, " turns, ", turns, "messages");
    add_figure(&text, " messages, ", turns, "events");
    add_figure(&text, " events, ", turns, "publishes");
    (void)fprintf(out, "%s publishes\n\n", buf_str(&text));
    int code = print_phases(out, colour, json_object_get(turns, "phases"));
    buf_reset(&text);
    add_figure(&text, "\nwaiting ", turns, "waiting");
    add_figure(&text, " (at most ", turns, "waiting_most");
    add_figure(&text, "), outbox ", turns, "outbox");
    add_figure(&text, " (at most ", turns, "outbox_most");
    add_figure(&text, "), ", turns, "in_flight");
    add_figure(&text, " of them sent; the broker takes ", turns, "window");
    (void)fprintf(out, "%s\n", buf_str(&text));
    buf_clear(&text);
    return code == 0 ? 0 : cli_fail(code, "out of memory");
}
