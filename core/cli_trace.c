/*
 * cli_trace.c - the life of an event, and of those it came from and led to.
 *
 * Upwards the causes, one line each; downwards every publish with the events it became on this
 * host, found by the id that both share. The tree is read in one transaction and bounded:
 * HOPS_MAX deep, TREE_MAX events.
 */
#include "cli.h"

#include "cli_json.h"
#include "cli_life.h"
#include "cli_text.h"
#include "limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_MAX = 1000, KEY_EVENTS_SHOWN = 20, INDENT = 4, INDENT_MAX = HOPS_MAX * INDENT + 8 };

/* An event in the tree; depth first, so that what a publish led to follows it. */
struct node {
    struct life life;
    int depth;
    struct uuid via; /* the publish it came by: its own id */
};

struct tree {
    struct node *nodes; /* TREE_MAX */
    size_t count;
    bool cut; /* there is more than TREE_MAX */
};

static void tree_clear(struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        life_clear(&tree->nodes[i].life);
    }
    free(tree->nodes);
    *tree = (struct tree){0};
}

/* ---- reading ---- */

struct gathering {
    struct cli *cli;
    struct tree *tree;
    int depth;
};

static int add_tree(void *ctx, struct event *event);

/* What the publishes of a node became. */
static int add_children(struct cli *cli, struct tree *tree, size_t parent) {
    struct uuid id;
    struct slice topic;
    size_t at = 0;
    int code = 0;
    while (code == 0 && cli_next_publish(tree->nodes[parent].life.event, &at, &id, &topic)) {
        struct gathering below = {cli, tree, tree->nodes[parent].depth + 1};
        if (below.depth > HOPS_MAX) {
            tree->cut = true;
            return 0;
        }
        code = cli_each_by_id(cli, &id, &below, add_tree);
    }
    return code;
}

static int add_tree(void *ctx, struct event *event) {
    const struct gathering *g = ctx;
    struct tree *tree = g->tree;
    if (tree->count == TREE_MAX) {
        tree->cut = true;
        event_free(event);
        return 0;
    }
    struct node *node = &tree->nodes[tree->count];
    node->depth = g->depth;
    node->via = event->id;
    int code = life_read(g->cli, event, &node->life);
    if (code != 0) {
        return code;
    }
    tree->count++;
    return add_children(g->cli, tree, tree->count - 1);
}

/* The events that caused the first of the tree, nearest first. */
struct causes {
    struct event *events[HOPS_MAX];
    size_t count;
};

static int keep_first(void *ctx, struct event *event) {
    struct event **kept = ctx;
    if (*kept == NULL) {
        *kept = event;
    } else {
        event_free(event);
    }
    return 0;
}

static int read_causes(struct cli *cli, const struct tree *tree, struct causes *causes) {
    const struct event *at = tree->count == 0 ? NULL : tree->nodes[0].life.event;
    while (at != NULL && !uuid_is_zero(&at->cause) && causes->count < HOPS_MAX) {
        struct event *cause = NULL;
        struct uuid id = at->cause;
        int code = cli_each_by_id(cli, &id, &cause, keep_first);
        if (code != 0) {
            event_free(cause);
            return code;
        }
        if (cause != NULL) {
            causes->events[causes->count++] = cause;
        }
        at = cause;
    }
    return 0;
}

/* ---- for people ---- */

static void print_causes(const struct cli *cli, const struct causes *causes) {
    for (size_t i = causes->count; i > 0; i--) {
        struct life life = {.event = causes->events[i - 1]};
        (void)printf("%s", i == causes->count ? "caused by\n" : "");
        life_print_title(cli, &life, "  ");
    }
}

/* Publishes without an event of this host behind them. */
static bool became_events(const struct tree *tree, size_t parent, const struct uuid *id) {
    for (size_t i = parent + 1; i < tree->count; i++) {
        if (tree->nodes[i].depth <= tree->nodes[parent].depth) {
            return false;
        }
        if (tree->nodes[i].depth == tree->nodes[parent].depth + 1 &&
            uuid_equal(&tree->nodes[i].via, id)) {
            return true;
        }
    }
    return false;
}

static void print_publishes(const struct tree *tree, size_t parent, const char *indent) {
    char id_text[UUID_TEXT_BYTES + 1];
    struct uuid id;
    struct slice topic;
    size_t at = 0;
    while (cli_next_publish(tree->nodes[parent].life.event, &at, &id, &topic)) {
        struct buf text;
        buf_init(&text, TOPIC_BYTES_MAX * 8);
        text_add_safe(&text, topic);
        (void)printf("%s  published %s  %s%s\n", indent, uuid_text(&id, id_text), buf_str(&text),
                     became_events(tree, parent, &id) ? "" : "  (no event of this host)");
        buf_clear(&text);
    }
}

static void print_tree(const struct cli *cli, const struct tree *tree) {
    char indent[INDENT_MAX];
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        assert(node->depth * INDENT < INDENT_MAX);
        (void)snprintf(indent, sizeof indent, "%*s", node->depth * INDENT, "");
        (void)printf("%s", i > 0 && node->depth == 0 ? "\n" : "");
        life_print_title(cli, &node->life, indent);
        life_print_course(cli, &node->life, indent, false);
        print_publishes(tree, i, indent);
    }
    if (tree->cut) {
        (void)printf("and more: the tree is cut at %d events\n", TREE_MAX);
    }
}

/* ---- for programs ---- */

/* Appends the event's own copy to those of the publish it came by. */
static int hang_below(json_t *parent, const struct node *node, json_t *object) {
    json_t *publishes = json_object_get(parent, "publishes");
    char id[UUID_TEXT_BYTES + 1];
    (void)uuid_text(&node->via, id);
    size_t i;
    json_t *one;
    json_array_foreach(publishes, i, one) {
        const char *text = json_string_value(json_object_get(one, "id"));
        if (text != NULL && strcmp(text, id) == 0) {
            if (json_object_get(one, "events") == NULL &&
                json_object_set_new(one, "events", json_array()) != 0) {
                return ERR_MEMORY;
            }
            return json_array_append(json_object_get(one, "events"), object) == 0 ? 0 : ERR_MEMORY;
        }
    }
    return ERR_CORRUPT; /* it came by one of them */
}

static json_t *tree_json(const struct cli *cli, const struct tree *tree) {
    json_t *roots = json_array();
    json_t *path[HOPS_MAX + 2]; /* borrowed: the node under way at each depth */
    int code = roots == NULL ? ERR_MEMORY : 0;
    for (size_t i = 0; i < tree->count && code == 0; i++) {
        const struct node *node = &tree->nodes[i];
        json_t *object = life_json(cli, &node->life);
        if (object == NULL) {
            code = ERR_MEMORY;
        } else if (node->depth == 0) {
            code = json_array_append(roots, object) == 0 ? 0 : ERR_MEMORY;
        } else {
            code = hang_below(path[node->depth - 1], node, object);
        }
        path[node->depth] = object; /* its parent keeps it */
        json_decref(object);
    }
    if (code != 0) {
        json_decref(roots);
        return NULL;
    }
    return roots;
}

static json_t *causes_json(const struct cli *cli, const struct causes *causes) {
    json_t *list = json_array();
    for (size_t i = causes->count; i > 0; i--) {
        if (json_array_append_new(list, cli_json_event(cli, causes->events[i - 1], true)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---- the command ---- */

static int show(struct cli *cli, const struct tree *tree, const struct causes *causes) {
    if (cli->json) {
        return cli_print_json(json_pack("{s:o, s:o, s:b}", "causes", causes_json(cli, causes),
                                        "events", tree_json(cli, tree), "cut", (int)tree->cut));
    }
    print_causes(cli, causes);
    print_tree(cli, tree);
    return EXIT_GOOD;
}

static int trace_id(struct cli *cli, struct tree *tree, struct causes *causes) {
    struct gathering g = {cli, tree, 0};
    struct uuid id;
    int status = cli_parse_id(cli, cli->words[0], &id);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status != 0) {
        return status;
    }
    int code = cli_begin(cli);
    code = code == 0 ? cli_each_by_id(cli, &id, &g, add_tree) : code;
    code = code == 0 ? read_causes(cli, tree, causes) : code;
    cli_end(cli);
    if (code != 0) {
        return cli_read_failed(code);
    }
    if (tree->count == 0) {
        return cli_fail(ERR_NOTFOUND,
                        "no event %s here: it was never accepted, was a duplicate of an earlier "
                        "one, or ended longer ago than store.keep_done",
                        cli->words[0]);
    }
    return show(cli, tree, causes);
}

/* The newest events of the key, up to the limit, newest first. */
static int gather_key(struct cli *cli, uint16_t service, struct slice key, int partition,
                      struct event **events, size_t limit, size_t *count) {
    struct cli_walk walk;
    struct event *event = NULL;
    cli_walk_init(&walk, partition);
    int code = 0;
    while (code == 0 && *count < limit && (code = cli_walk_next(cli, &walk, &event)) == 0) {
        if (event->service == service && slice_equal(event->key, key)) {
            events[(*count)++] = event;
        } else {
            event_free(event);
        }
    }
    cli_walk_clear(&walk);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int read_key(struct cli *cli, uint16_t service, struct slice key, size_t limit,
                    struct tree *tree) {
    struct event *events[TREE_MAX];
    size_t count = 0;
    uint64_t lane = journal_lane(slice_of(cli->words[0]), key);
    int code = cli_begin(cli);
    if (code == 0) {
        code = gather_key(cli, service, key, journal_partition(lane), events, limit, &count);
    }
    for (size_t i = count; i > 0; i--) { /* oldest first */
        struct gathering g = {cli, tree, 0};
        if (code == 0) {
            code = add_tree(&g, events[i - 1]);
        } else {
            event_free(events[i - 1]);
        }
    }
    cli_end(cli);
    return code;
}

static int trace_key(struct cli *cli, struct tree *tree, struct causes *causes) {
    uint16_t service = 0;
    uint64_t limit;
    struct slice key;
    int status = cli_option_count(cli, "limit", KEY_EVENTS_SHOWN, &limit);
    status = status == 0 ? cli_parse_key(cli, cli->words[1], &key) : status;
    status = status == 0 ? cli_open_store(cli) : status;
    status = status == 0 ? cli_service(cli, cli->words[0], &service) : status;
    if (status != 0) {
        return status;
    }
    int code = read_key(cli, service, key, limit < TREE_MAX ? limit : TREE_MAX, tree);
    if (code != 0) {
        return cli_read_failed(code);
    }
    if (tree->count == 0) {
        return cli_fail(ERR_NOTFOUND, "no events of %s with the key \"%s\"", cli->words[0],
                        cli->words[1]);
    }
    return show(cli, tree, causes);
}

int cli_trace(struct cli *cli) {
    struct causes causes = {.count = 0};
    struct tree tree = {.nodes = calloc(TREE_MAX, sizeof *tree.nodes)};
    if (tree.nodes == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    int status =
        cli->word_count == 1 ? trace_id(cli, &tree, &causes) : trace_key(cli, &tree, &causes);
    for (size_t i = 0; i < causes.count; i++) {
        event_free(causes.events[i]);
    }
    tree_clear(&tree);
    return status;
}
