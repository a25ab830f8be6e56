/*
 * node_topics.c - the topics.conf of a host: that of the world, with what differs between worlds, and
 * from one version to the next.
 */
#include "node.h"
#include "sim.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define SMALL_STORE "2560KiB"

enum { TEXT_BYTES = 32768 };

/* The text in the place of another. */
struct change {
    const char *what, *by;
};

/* Options that a reload changes, a bit each. */
static const struct change options[NODE_OPTIONS] = {
    {"concurrency = 16", "concurrency = 3"},
    {"fair = \"json:/n\"\n  priority = \"json:/p\"", "fair = \"json:/p\""},
    {"rate = \"100/s\"", "rate = \"30/s\""},
    {"batch = 8", "batch = 3"},
    {"max_dead = 10", "max_dead = 4"},
    {"fair = \"topic:3\"\n  priority = \"json:/p\"", "priority = \"json:/n\""},
    {"keep_done = \"5m\"", "keep_done = \"90s\""},
    {"handler = \"guest.lua\"", "handler = \"guest.lua\"\n  key_rate = \"4/s\""},
};

static size_t read_conf(char *text, size_t size) {
    char path[NODE_PATH_BYTES + 32];
    (void)snprintf(path, sizeof path, "%s/topics.conf", sim_folder());
    FILE *from = fopen(path, "r");
    size_t len = from == NULL ? 0 : fread(text, 1, size - 1, from);
    if (from != NULL) {
        (void)fclose(from);
    }
    text[len] = '\0';
    return len;
}

/* False: it is not there. */
static bool change(char *text, size_t size, struct change c) {
    char *at = strstr(text, c.what);
    size_t len = strlen(text);
    size_t was = strlen(c.what);
    size_t is = strlen(c.by);
    if (at == NULL || len - was + is >= size) {
        return false;
    }
    memmove(at + is, at + was, len - (size_t)(at - text) - was + 1);
    memcpy(at, c.by, is);
    return true;
}

/* The last service, and what stands behind it. */
static bool without_guest(char *text) {
    char *from = strstr(text, "\nservice \"guest\"");
    char *to = strstr(text, "\nschedule ");
    if (from == NULL || to == NULL || to < from) {
        return false;
    }
    memmove(from, to, strlen(to) + 1);
    return true;
}

static bool make_wrong(char *text, size_t size, enum node_wrong wrong) {
    static const struct change changes[] = {
        [WRONG_OPTION] = {"retries = 1000", "retires = 1000"},
        [WRONG_SCRIPT] = {"handler = \"tail.lua\"", "handler = \"nobody.lua\""},
        [WRONG_RESTART] = {"timeout = \"3s\"", "timeout = \"4s\""}, /* of the database */
    };
    return wrong == WRONG_NOTHING || change(text, size, changes[wrong]);
}

static bool make_text(const struct node *n, const struct node_topics *topics, char *text,
                      size_t size) {
    static const struct change small = {"max_size = \"64MiB\"", "max_size = \"" SMALL_STORE "\""};
    static const struct change sum = {"service \"count\" {",
                                      "service \"sum\" {\n  was = {\"count\"}"};
    static const struct change visitor = {"service \"guest\" {",
                                          "service \"visitor\" {\n  was = {\"guest\"}"};
    size_t len = read_conf(text, size);
    bool well = len > 0 && len < size - 1;
    for (size_t i = 0; well && i < NODE_OPTIONS; i++) {
        well = (topics->options >> i & 1) == 0 || change(text, size, options[i]);
    }
    well = well && (!n->sim->traits.small_stores || change(text, size, small));
    well = well && (!topics->renamed || change(text, size, sum));
    well = well && (!topics->no_guest || without_guest(text));
    well = well && (!topics->visitor || topics->no_guest || change(text, size, visitor));
    well = well && make_wrong(text, size, topics->wrong);
    char *schedules = well ? strstr(text, "\nschedule ") : NULL; /* they stand last */
    if (schedules != NULL && topics->no_schedules) {
        *schedules = '\0';
    }
    return schedules != NULL;
}

/* As this world has it. */
bool node_write_topics(struct node *n, const struct node_topics *topics) {
    char path[NODE_PATH_BYTES + 32];
    char text[TEXT_BYTES];
    if (!make_text(n, topics, text, sizeof text)) {
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/topics.conf", n->folder);
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        return false;
    }
    if (n->sim->count > 1) {
        (void)fprintf(to, "hosts { count = %u this = %u secret = \"of all the hosts\" }\n",
                      n->sim->count, n->number);
    }
    if (n->sim->traits.everywhere) {
        (void)fputs("broker { alone = yes }\n", to);
    }
    (void)fputs(text, to);
    return fclose(to) == 0;
}
