/*
 * node_reload.c - another version of topics.conf for a host that runs, as core/host/reload.c takes it
 * over: everything is checked, attempts end or are cut, and between two turns the engine begins anew on
 * what is stored. A host that dies in between starts with the file that is there then.
 *
 * What changes: options; and, at a host on its own, the service "guest" is there or not, and gets
 * another name, as does "count". Some files have a mistake, or change what only a restart can.
 */
#include "node.h"

#include "lua/api/api.h"
#include "base/limits.h"
#include "conf/change.h"
#include "sim.h"

#include <stdio.h>

enum {
    LATE_MS = 5000,     /* as in core/host/reload.c */
    KILL_PERCENT = 30,  /* of the hosts that take another version over are killed in it, */
    KILL_ACTIONS = 6,   /* at one of the first actions */
    WRONG_PERCENT = 15, /* of the files cannot be taken over */
};

static void exchange(struct node *n) {
    struct node_reload *c = &n->reload;
    conf_exchange(n->conf, c->conf);
    script_use_conf(n->scripts, c->exchanged ? n->conf : c->conf);
    script_use_conf(c->scripts, c->exchanged ? c->conf : n->conf);
    c->exchanged = !c->exchanged;
}

static void discard(struct node *n) {
    struct node_reload *c = &n->reload;
    script_host_free(c->scripts);
    conf_free(c->conf);
    *c = (struct node_reload){0};
}

void node_reload_forget(struct node *n) {
    if (n->reload.exchanged) {
        exchange(n);
    }
    discard(n);
}

/* --- what to change --- */

static struct node_topics vary(struct node *n) {
    struct sim *s = n->sim;
    struct node_topics to = n->topics;
    bool alone = s->count == 1;
    to.options ^= 1u << sim_below(s, NODE_OPTIONS);
    if (alone && sim_chance(s, 50)) {
        to.no_guest = !to.no_guest;
    }
    to.visitor = to.visitor || (alone && sim_chance(s, 15));
    to.renamed = to.renamed || (alone && sim_chance(s, 15));
    to.wrong =
        sim_chance(s, WRONG_PERCENT) ? (enum node_wrong)(1 + sim_below(s, 3)) : WRONG_NOTHING;
    return to;
}

/* --- checking --- */

static int load(struct node *n, struct report *r) {
    struct node_reload *c = &n->reload;
    char path[NODE_PATH_BYTES + 32];
    (void)snprintf(path, sizeof path, "%s/topics.conf", n->folder);
    int code = conf_load(&c->conf, path, NULL, r);
    code = code == 0 ? conf_check_change(n->conf, c->conf, r) : code;
    code = code == 0 ? script_host_new(&c->scripts, c->conf, &api_library) : code;
    if (code == 0) {
        script_use_memory(c->scripts, &n->memory);
        code = script_load_all(c->scripts, r);
    }
    return code;
}

static void begin(struct node *n) {
    struct sim *s = n->sim;
    struct node_reload *c = &n->reload;
    struct report r = {""};
    node_may_fail(n);
    int code = load(n, &r);
    bool wrong =
        node_has_failed(n) || c->topics.wrong != WRONG_NOTHING || n->script_broken[0] != '\0';
    sim_tell(s, "host %u %s another topics.conf: options %x%s%s%s", n->number,
             code == 0 ? "reads" : "refuses", c->topics.options,
             c->topics.no_guest ? ", no guest" : "", c->topics.visitor ? ", visitor" : "",
             c->topics.renamed ? ", sum" : "");
    if (code != 0) {
        if (!wrong) {
            sim_fail(s, "host %u does not take topics.conf over: %s", n->number, r.text);
        }
        discard(n);
        return;
    }
    if (c->topics.wrong != WRONG_NOTHING) {
        sim_fail(s, "host %u takes a mistake over", n->number);
    }
    /* Mostly at once: while it waits, nothing starts. */
    c->late_ms = s->true_ms + (sim_chance(s, 30) ? RELOAD_CALLS_MS + LATE_MS : 0);
    engine_rest(n->engine, RELOAD_CALLS_MS);
}

static void reload_to(struct node *n, struct node_topics to, bool prunes) {
    if (n->reload.conf != NULL) {
        return; /* another one is under way */
    }
    n->reload = (struct node_reload){.topics = to, .prunes = prunes};
    n->file_differs = true;
    if (to.wrong == WRONG_NOTHING) {
        n->file = to;
    }
    if (!node_write_topics(n, &to)) {
        sim_fail(n->sim, "host %u: cannot write topics.conf", n->number);
        return;
    }
    begin(n);
}

void node_reload(struct node *n) {
    reload_to(n, vary(n), sim_chance(n->sim, 30));
}

/* Whatever version was under way, or was there when the host started anew. */
static void mend(struct node *n) {
    struct node_topics to = n->topics;
    to.no_guest = false;
    if (n->topics.no_guest || n->file_differs) {
        reload_to(n, to, false);
    }
}

/* --- taking over --- */

/* What the host does when it can neither go on nor back. */
static void give_up(struct node *n, const struct report *r) {
    sim_tell(n->sim, "host %u cannot take topics.conf over, and cannot go back: %s", n->number,
             r->text);
    n->ghost = true;
}

static int change_engine(struct node *n, struct report *r) {
    struct node_reload *c = &n->reload;
    struct report again = {""};
    exchange(n);
    int code = engine_reconfigure(n->engine, c->scripts, r);
    if (code == 0) {
        struct script_host *before = n->scripts;
        n->scripts = c->scripts;
        c->scripts = before;
        c->exchanged = false; /* for good */
        return 0;
    }
    if (code == ERR_MEMORY) {
        give_up(n, r);
        return code;
    }
    exchange(n);
    if (engine_reconfigure(n->engine, n->scripts, &again) != 0) {
        give_up(n, &again);
    }
    return code;
}

static int take_over(struct node *n, struct report *r) {
    int code = engine_stop(n->engine);
    n->lost = code != 0;
    if (code != 0) {
        engine_go_on(n->engine);
        return report(r, code, "cannot write the store: %s", error_text(code));
    }
    return change_engine(n, r);
}

/* It is the one that runs from now on. */
static void complete(struct node *n) {
    const struct node_reload *c = &n->reload;
    n->topics = c->topics;
    n->file_differs = false;
    broker_subscribe(n, c->prunes);
    sim_tell(n->sim, "host %u has taken topics.conf over%s", n->number,
             c->prunes ? ", and prunes" : "");
    operate_started(n->sim, n);
}

void node_reload_turn(struct node *n) {
    struct sim *s = n->sim;
    struct node_reload *c = &n->reload;
    struct report r = {""};
    if (s->settling) {
        mend(n);
    }
    if (c->conf == NULL || (engine_running(n->engine) > 0 && s->true_ms < c->late_ms)) {
        return;
    }
    if (!s->settling && sim_chance(s, KILL_PERCENT)) {
        n->kill_in = 1 + (unsigned)sim_below(s, KILL_ACTIONS);
    }
    enum disk disk = n->disk;
    node_may_fail(n);
    int code = take_over(n, &r);
    /* The engine may not have read the store: its next turn does. */
    n->lost = node_has_failed(n) || n->lost || disk != DISK_WELL || n->log_refused;
    if (n->ghost) {
        return;
    }
    if (code == 0) {
        complete(n);
    } else {
        sim_tell(s, "host %u does not take topics.conf over: %s", n->number, r.text);
    }
    discard(n);
}
