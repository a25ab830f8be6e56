/*
 * json_pack.c - see json_pack in base/json.h.
 *
 * A failure does not end the reading of the format: each value that is handed over must be taken.
 */
#include "base/json.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

struct packer {
    const char *at; /* in the format */
    va_list args;
    bool failed;
};

static char next_mark(struct packer *p) {
    p->at += strspn(p->at, " ,:");
    return *p->at == '\0' ? '\0' : *p->at++;
}

/* Goes behind the mark if it is next. */
static bool has(struct packer *p, char mark) {
    bool is = *p->at == mark;
    p->at += is;
    return is;
}

static json_t *pack_value(struct packer *p, char mark, bool *left_out);

/* Keeps `value` in the tree at `into` under `name`, or in the array. */
static void keep(struct packer *p, json_t *into, const char *name, json_t *value, bool left_out) {
    if (!left_out && (name == NULL ? json_array_append_new(into, value)
                                   : json_object_set_new(into, name, value)) != 0) {
        p->failed = true;
    }
}

static json_t *pack_all(struct packer *p, bool object) {
    json_t *into = object ? json_object() : json_array();
    char mark;
    while ((mark = next_mark(p)) != (object ? '}' : ']')) {
        const char *name = NULL;
        if (object) {
            assert(mark == 's');
            name = va_arg(p->args, const char *);
            assert(name != NULL);
            mark = next_mark(p);
        }
        bool left_out = false;
        json_t *value = pack_value(p, mark, &left_out);
        keep(p, into, name, value, left_out);
    }
    return into;
}

/* What a NULL becomes: the value, or nothing. */
static json_t *or_null(struct packer *p, json_t *value, bool given, bool *left_out) {
    if (has(p, '*')) {
        *left_out = !given;
    } else if (has(p, '?')) {
        return given ? value : json_null();
    }
    return value;
}

static json_t *pack_string(struct packer *p, bool *left_out) {
    const char *text = va_arg(p->args, const char *);
    if (has(p, '#')) {
        int len = va_arg(p->args, int);
        return json_stringn(text, (size_t)len);
    }
    return or_null(p, json_string(text), text != NULL, left_out);
}

static json_t *pack_value(struct packer *p, char mark, bool *left_out) {
    json_t *value;
    switch (mark) {
    case '{':
    case '[':
        return pack_all(p, mark == '{');
    case 's':
        return pack_string(p, left_out);
    case 'i':
        return json_integer(va_arg(p->args, int));
    case 'I':
        return json_integer(va_arg(p->args, json_int_t));
    case 'f':
        return json_real(va_arg(p->args, double));
    case 'b':
        return json_boolean(va_arg(p->args, int) != 0);
    case 'n':
        return json_null();
    case 'o':
    case 'O':
        value = va_arg(p->args, json_t *);
        value = mark == 'O' ? json_incref(value) : value;
        return or_null(p, value, value != NULL, left_out);
    default:
        assert(!"a known mark");
        return NULL;
    }
}

json_t *json_pack(const char *format, ...) {
    struct packer p = {.at = format};
    bool left_out = false;
    va_start(p.args, format);
    json_t *value = pack_value(&p, next_mark(&p), &left_out);
    va_end(p.args);
    char last = next_mark(&p);
    assert(last == '\0');
    (void)last;
    if (p.failed) {
        json_decref(value);
        return NULL;
    }
    return value;
}
