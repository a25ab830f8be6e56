/* explain.c - what may be written for an option, in words. */
#include "conf/options.h"

#include "conf/conf.h"

#include <assert.h>

/* Kinds that take one of a few words alone are in conf/choices.c. */
static const struct {
    const char *what;
    const char *(*bound)(int64_t value, char out[32]); /* NULL: the row has no bounds */
} VALUES[CONF_KIND_COUNT] = {
    [CONF_TEXT] = {"a text", NULL},
    [CONF_SECRET] = {"a text, env:NAME or file:PATH", NULL},
    [CONF_SECRETS] = {"env:NAME or file:PATH, or a list of them; any", NULL},
    [CONF_PATH] = {"a path, relative to topics.conf", NULL},
    [CONF_SCRIPT] = {"a file in scripts/", NULL},
    [CONF_TOPIC] = {"a topic", NULL},
    [CONF_TOPIC_DEFAULT] = {"a topic", NULL},
    [CONF_FILTERS] = {"a list of topic filters", NULL},
    [CONF_NAMES] = {"a list of names", NULL},
    [CONF_U16] = {"a number", conf_number_text},
    [CONF_U32] = {"a number", conf_number_text},
    [CONF_U64] = {"a number", conf_number_text},
    [CONF_MS] = {"a duration", conf_duration_text},
    [CONF_MS_OR_OFF] = {"off, or a duration", conf_duration_text},
    [CONF_MS_OR_AUTO] = {"auto, or a duration", conf_duration_text},
    [CONF_MS_OR_NONE] = {"a duration", conf_duration_text},
    [CONF_SECONDS] = {"a duration", conf_duration_text},
    [CONF_SIZE] = {"a size", conf_size_text},
    [CONF_SIZE_OR_NONE] = {"a size", conf_size_text},
    [CONF_LETTERS] = {"a number or a size", NULL},
    [CONF_RATE] = {"a rate: 200/s, 10/m, 5/h", NULL},
    [CONF_FRACTION] = {"a number", conf_number_text},
    [CONF_RULE] = {"none, json:/pointer, topic:N or property:NAME", NULL},
    [CONF_RECEIVER] = {"an http:// or https:// address", NULL},
    [CONF_HEADERS] = {"a list of headers", NULL},
    [CONF_URL] = {"a URL, or a list of them", NULL},
    [CONF_LISTEN] = {"address:port or unix:/path", NULL},
    [CONF_CRON] = {"a cron expression", NULL},
    [CONF_ZONE] = {"a time zone", NULL},
    [CONF_KEYS] = {"env:NAME or file:PATH, or a list of them", NULL},
};

void conf_explain_values(const struct conf_row *row, struct buf *out) {
    char least[32];
    char most[32];
    if (conf_list_choices(row->kind, out)) {
        return;
    }
    assert(VALUES[row->kind].what != NULL);
    buf_add_str(out, VALUES[row->kind].what);
    if (VALUES[row->kind].bound != NULL) {
        buf_printf(out, ", %s to %s", VALUES[row->kind].bound(row->min, least),
                   VALUES[row->kind].bound(row->max, most));
    }
}
