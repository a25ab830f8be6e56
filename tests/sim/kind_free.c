/*
 * kind_free.c - a service without keys, and with a rate: its events run side by side, on the host that
 * their idempotency key belongs to. Each writes a line into a file, once; in a cluster, into that of a
 * machine, so that it may be on two (docs/cluster.md).
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 256, LINE_BYTES = 64 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    (void)one;
    buf_printf(payload, ",\"call\":%s", sim_chance(s, 20) ? "true" : "false");
}

/* one->value: lines that were found of it. */
static void read_lines(struct sim *s, const struct node *n) {
    char path[PATH_BYTES];
    char line[LINE_BYTES];
    (void)snprintf(path, sizeof path, "%s/data/files/free.log", n->folder);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        struct said *one = load_said(s, line);
        if (one == NULL || load_kind_of(one) != &kind_free || strchr(line, '\n') == NULL) {
            sim_fail(s, "host %u has written a line of nobody: %s", n->number, line);
        } else {
            one->value++;
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

static void check_all(struct sim *s) {
    for (unsigned i = 0; i < MACHINES_MAX * NODES_MAX; i++) {
        read_lines(s, sim_place(s, i + 1));
    }
    for (size_t i = 0; i < s->load.count; i++) {
        const struct said *one = &s->load.said[i];
        bool well = one->value == 1 || (s->traits.cluster && one->value > 1);
        if (load_kind_of(one) == &kind_free && !well) {
            sim_fail(s, "free %u has written its line %u times", one->number, one->value);
        }
    }
}

const struct load_kind kind_free = {
    .name = "free", .weight = 2, .say = say, .check_all = check_all};
