/*
 * node_topics.c - the topics.conf of a host: that of the world, with what differs between worlds.
 */
#include "node.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define SMALL_STORE "2560KiB"

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

/* The service that gets another name stands as the first one. */
static void write_services(FILE *to, const char *text, bool renamed) {
    static const char before[] = "service \"count\" {";
    const char *at = renamed ? strstr(text, before) : NULL;
    if (at != NULL) {
        (void)fprintf(to, "%.*s", (int)(at - text), text);
        (void)fputs("service \"sum\" {\n  was = {\"count\"}", to);
        text = at + sizeof before - 1;
    }
    (void)fputs(text, to);
}

/* As this world has it. */
bool node_write_topics(struct node *n, bool schedules, bool renamed) {
    static const char size[] = "max_size = \"64MiB\"";
    char path[NODE_PATH_BYTES + 32];
    char text[32768];
    size_t len = read_conf(text, sizeof text);
    const char *at = strstr(text, size);
    char *rest = strstr(text, "\nschedule ");
    (void)snprintf(path, sizeof path, "%s/topics.conf", n->folder);
    FILE *to = fopen(path, "w");
    if (at == NULL || rest == NULL || len == sizeof text - 1 || to == NULL) {
        return false;
    }
    *rest = schedules ? *rest : '\0'; /* they stand last */
    if (n->sim->count > 1) {
        (void)fprintf(to, "hosts { count = %u this = %u secret = \"of all the hosts\" }\n",
                      n->sim->count, n->number);
    }
    if (n->sim->traits.everywhere) {
        (void)fputs("broker { alone = yes }\n", to);
    }
    (void)fwrite(text, 1, (size_t)(at - text), to);
    (void)fputs(n->sim->traits.small_stores ? "max_size = \"" SMALL_STORE "\"" : size, to);
    write_services(to, at + sizeof size - 1, renamed);
    return fclose(to) == 0;
}
