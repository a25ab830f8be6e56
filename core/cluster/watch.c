/* watch.c - what a host has seen of the others' beats, by its own clock: see cluster/cluster.h. */
#include "cluster/cluster.h"

#include <stdio.h>
#include <string.h>

static const struct watched *find(const struct watch *w, const char *name) {
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->hosts[i].name, name) == 0) {
            return &w->hosts[i];
        }
    }
    return NULL;
}

void watch_look(struct watch *w, const struct cluster_view *view, int64_t now_ms,
                int64_t lease_ms) {
    bool blind = now_ms - w->looked_ms > lease_ms / 2;
    struct watch next = {.looked_ms = now_ms,
                         .blind = blind && w->looked_ms != 0 ? w->blind + 1 : 0};
    for (size_t i = 0; i < view->member_count; i++) {
        const struct member *m = &view->members[i];
        const struct watched *seen = find(w, m->name);
        struct watched *to = &next.hosts[next.count++];
        bool stands = !blind && seen != NULL && seen->beats == m->beats;
        bool lived = seen != NULL && seen->live_ms != 0;
        *to = (struct watched){.beats = m->beats,
                               .since_ms = stands ? seen->since_ms : now_ms,
                               .live_ms = m->state != MEMBER_LIVE ? 0
                                          : lived                 ? seen->live_ms
                                                                  : now_ms};
        (void)snprintf(to->name, sizeof to->name, "%s", m->name);
    }
    *w = next;
}

bool watch_is_dead(const struct watch *w, const struct member *host, int64_t now_ms) {
    const struct watched *seen = find(w, host->name);
    return host->state == MEMBER_LIVE && seen != NULL && seen->beats == host->beats &&
           now_ms - seen->since_ms >= host->lease_ms;
}

bool watch_is_steady(const struct watch *w, const struct member *host, int64_t now_ms) {
    const struct watched *seen = find(w, host->name);
    return seen != NULL && seen->live_ms != 0 && now_ms - seen->live_ms >= 2 * host->lease_ms;
}
