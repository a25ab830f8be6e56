/*
 * lists.c - adds an item to an option that is a list, once it is checked.
 */
#include "conf/setting.h"

#include "base/limits.h"
#include "event/call.h"

#include <stdlib.h>
#include <string.h>

/* Takes `item` over, which may be NULL: out of memory. */
static int list_add_own(struct list *list, char *item) {
    char **items = item == NULL ? NULL : realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL) {
        free(item);
        return ERR_MEMORY;
    }
    items[list->count++] = item;
    list->items = items;
    return 0;
}

static int list_add(const struct setting *s) {
    struct list *list = s->field;
    if (list->count >= FILTERS_MAX) {
        return conf_fail(s->place, "more than %d entries", FILTERS_MAX);
    }
    return list_add_own(list, slice_dup(slice_of(s->text)));
}

int conf_set_filter(const struct setting *s) {
    const struct list *list = s->field;
    struct report r;
    if (filter_check(s->text, &r) != 0) {
        return conf_fail(s->place, "%s", r.text);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (filter_overlaps(list->items[i], s->text)) {
            return conf_fail(s->place,
                             "\"%s\" and \"%s\" overlap: some messages would be delivered twice",
                             list->items[i], s->text);
        }
    }
    return list_add(s);
}

int conf_set_name(const struct setting *s) {
    const struct list *list = s->field;
    if (s->text[0] == '\0') {
        return conf_fail(s->place, "a name must not be empty");
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], s->text) == 0) {
            return conf_fail(s->place, "\"%s\" is listed twice", s->text);
        }
    }
    return list_add(s);
}

int conf_set_key(const struct setting *s) {
    struct list *list = s->field;
    char *value = NULL;
    bool named = false;
    if (s->text[0] == '\0') {
        return 0;
    }
    if (list->count >= SECRETS_MAX) {
        return conf_fail(s->place, "more than %d secrets", SECRETS_MAX);
    }
    int code = conf_resolve(s->place, s->text, false, &value, &named);
    bool unread = named && s->place->no_secrets;
    if (code == 0 && !unread && strlen(value) < TOKEN_BYTES_MIN) {
        free(value);
        return conf_fail(s->place,
                         "it has fewer than %d bytes and can be guessed: use a longer one",
                         TOKEN_BYTES_MIN);
    }
    return code == 0 ? list_add_own(list, value) : code;
}

int conf_set_hosts_secret(const struct setting *s) {
    struct conf *conf = s->object;
    if (strcmp(s->text, "any") == 0) {
        conf->hosts.believes_any = true;
        return 0;
    }
    return conf_set_key(s);
}

int conf_set_header(const struct setting *s) {
    struct list *list = s->field;
    size_t name = strcspn(s->text, ":");
    const char *text = s->text + name + (s->text[name] == ':' ? 1 : 0);
    struct slice named = {s->text, name};
    char *value = NULL;
    bool secret = false;
    if (s->text[0] == '\0') {
        return 0;
    }
    if (s->text[name] != ':' || name == 0 || !slice_is_plain(named, "!#$%&'*+-.^_`|~")) {
        return conf_fail(s->place, "a header is written \"Name: value\"");
    }
    if (list->count >= CALL_HEADERS_MAX) {
        return conf_fail(s->place, "more than %d headers", CALL_HEADERS_MAX);
    }
    int code = conf_resolve(s->place, text + strspn(text, " "), false, &value, &secret);
    struct call_request request = {0}; /* that would carry it */
    if (code == 0) {
        code = call_request_header(&request, named, slice_of(value));
        if (code == ERR_INVALID) {
            code = conf_fail(s->place,
                             "the value of %.*s holds a line end or another control character",
                             (int)name, s->text);
        }
    }
    code = code == 0 ? list_add_own(list, request.headers[0]) : code;
    free(request.headers);
    free(value);
    return code;
}

void conf_clear_list(void *field) {
    struct list *list = field;
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct list){0};
}
