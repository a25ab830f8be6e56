/*
 * read.c - topics.conf parsed by libconfuse into sections of words with their lines.
 *
 * Design: to libconfuse every option is text (CFGT_PTR with a callback that keeps the text and its
 * line); conf/options.c knows what the text means. Three peculiarities of libconfuse 3.3 shape the
 * rest:
 *
 * - It counts a comment as several lines, takes no comment inside a list and takes the end of the
 *   file for a closing brace. So comments are taken out before it reads, the line breaks stay. The
 *   same pass finds quotes and braces left open on the line they open, and turns off libconfuse's
 *   own "${NAME}", so that env:NAME is the one way to read the environment.
 * - Its callbacks carry no pointer of the caller's. Every section therefore begins with an option
 *   that no file can name and whose value is our pointer (HIDDEN_PARSE).
 * - It knows the line of a section or of a free-form entry only while it reads it. A second hidden
 *   option (HIDDEN_LINES) keeps them: its default is "parsed" when a titled section opens, and an
 *   entry is added when a free-form name is reported as unknown, which is how libconfuse meets
 *   each of them first.
 *
 * Left out on purpose: include files and variables of libconfuse; everything is in one file.
 */
#include "conf/read.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN_PARSE "\001"
#define HIDDEN_LINES "\002"

/* A word as libconfuse holds it, for an option of type CFGT_PTR. */
struct kept {
    int line;
    char text[];
};

/* What the callbacks write to. */
struct parse {
    struct conf_place place;
    int code; /* 0, or the code of the first error; later errors are only consequences */
};

/* ---- comments and quotes ---- */

struct scan {
    const struct conf_place *place;
    const char *at, *end;
    int line;
    int depth;  /* { less } */
    int opened; /* the line of the { that is still open at the top of the file */
    struct buf *out;
};

static int scan_fail(const struct scan *s, int line, const char *sentence) {
    struct conf_place place = *s->place;
    place.line = line;
    return conf_fail(&place, "%s", sentence);
}

static void emit(struct scan *s) {
    s->line += *s->at == '\n';
    buf_add(s->out, s->at++, 1);
}

static bool next_is(const struct scan *s, const char *text) {
    size_t len = strlen(text);
    return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static int drop_block_comment(struct scan *s) {
    int opened = s->line;
    for (s->at += 2; s->at < s->end; s->at++) {
        if (next_is(s, "*/")) {
            s->at += 2;
            return 0;
        }
        if (*s->at == '\n') {
            buf_add_str(s->out, "\n");
            s->line++;
        }
    }
    return scan_fail(s, opened, "the comment that begins here is not closed by */");
}

static void drop_line_comment(struct scan *s) {
    while (s->at < s->end && *s->at != '\n') {
        s->at++;
    }
}

static int copy_quoted(struct scan *s) {
    char quote = *s->at;
    emit(s);
    while (s->at < s->end && *s->at != '\n') {
        if (*s->at == quote) {
            emit(s);
            return 0;
        }
        if (quote == '"' && next_is(s, "${")) {
            buf_add_str(s->out, "\\");
        }
        if (*s->at == '\\' && s->end - s->at > 1) {
            emit(s);
        }
        emit(s);
    }
    return scan_fail(s, s->line, "the quote that opens here is not closed on this line");
}

static void count_brace(struct scan *s) {
    if (*s->at == '{' && s->depth++ == 0) {
        s->opened = s->line;
    }
    s->depth -= *s->at == '}';
}

/* Copies the file without its comments; lines keep their numbers. */
static int clean(struct scan *s) {
    bool in_word = false; /* inside an unquoted word // begins no comment: mqtt://host */
    while (s->at < s->end) {
        int code = 0;
        if (*s->at == '#' || (!in_word && next_is(s, "//"))) {
            drop_line_comment(s);
        } else if (!in_word && next_is(s, "/*")) {
            code = drop_block_comment(s);
        } else if (*s->at == '"' || *s->at == '\'') {
            code = copy_quoted(s);
            in_word = false;
        } else if (*s->at == '\0') {
            code = scan_fail(s, s->line, "a NUL byte: this is not a text file");
        } else {
            in_word = strchr(" \t\r\n={}(),", *s->at) == NULL;
            count_brace(s);
            emit(s);
        }
        if (code != 0) {
            return code;
        }
    }
    if (s->depth > 0) {
        return scan_fail(s, s->opened, "the { that opens here is not closed");
    }
    buf_add_str(s->out, "\n");
    return s->out->failed ? ERR_MEMORY : 0;
}

/* ---- callbacks ---- */

static struct parse *parse_of(cfg_t *cfg) {
    assert(strcmp(cfg->opts[0].name, HIDDEN_PARSE) == 0);
    return (struct parse *)cfg->opts[0].simple_value.ptr;
}

static const struct conf_spec *spec_of(const cfg_t *cfg) {
    for (size_t i = 0; i < CONF_SECTION_COUNT; i++) {
        if (strcmp(CONF_SPECS[i].name, cfg->name) == 0) {
            return &CONF_SPECS[i];
        }
    }
    return NULL; /* the top of the file */
}

static void place_at(struct parse *parse, const cfg_t *cfg) {
    const struct conf_spec *spec = spec_of(cfg);
    parse->place.line = cfg->line;
    parse->place.section = spec == NULL ? NULL : spec->name;
    parse->place.title = cfg->title;
}

/* The known name most similar to `word`. */
static const char *suggest(const struct conf_spec *spec, const char *word) {
    const char *names[CONF_ROWS_MAX + CONF_SECTION_COUNT];
    size_t count = spec == NULL ? CONF_SECTION_COUNT : spec->row_count;
    for (size_t i = 0; i < count; i++) {
        names[i] = spec == NULL ? CONF_SPECS[i].name : spec->rows[i].name;
    }
    return conf_suggest(word, names, count);
}

static void tell_unknown(struct parse *parse, const cfg_t *cfg, va_list args) {
    const char *word = va_arg(args, const char *);
    const struct conf_spec *spec = spec_of(cfg);
    const char *what = spec == NULL ? "section" : "option";
    const char *near = suggest(spec, word);
    if (near == NULL) {
        parse->code = conf_fail(&parse->place, "unknown %s \"%s\"", what, word);
    } else {
        parse->code =
            conf_fail(&parse->place, "unknown %s \"%s\" (did you mean \"%s\"?)", what, word, near);
    }
}

static void tell_duplicate(struct parse *parse, const cfg_t *cfg, va_list args) {
    const char *title = va_arg(args, const char *);
    for (unsigned i = 0; cfg->opts[i].name != NULL; i++) {
        cfg_t *first = cfg->opts[i].type == CFGT_SEC && (cfg->opts[i].flags & CFGF_TITLE) != 0
                           ? cfg_opt_gettsec(&cfg->opts[i], title)
                           : NULL;
        if (first != NULL) {
            parse->code = conf_fail(&parse->place, "%s \"%s\" is defined twice, first on line %d",
                                    first->name, title, conf_section_line(first));
            return;
        }
    }
    parse->code = conf_fail(&parse->place, "\"%s\" is defined twice", title);
}

/* libconfuse's messages and ours: one row per error; others are passed on unchanged. */
static const struct message {
    const char *theirs;
    const char *ours; /* with the same arguments; NULL: `tell` */
    void (*tell)(struct parse *parse, const cfg_t *cfg, va_list args);
} MESSAGES[] = {
    {"no such option '%s'", NULL, tell_unknown},
    {"found duplicate title '%s'", NULL, tell_duplicate},
    {"unexpected token '%s'", "\"%s\" does not belong here", NULL},
    {"missing equal sign after option '%s'", "an = must follow \"%s\"", NULL},
    {"missing opening brace for section '%s'", "a { must follow section \"%s\"", NULL},
    {"missing title for section '%s'", "%s needs a name in quotes before its {", NULL},
    {"attempt to append to non-list option '%s'",
     "\"%s\" is not a list: write = instead of +=", NULL},
    {"unexpected closing brace", "this } has no matching {", NULL},
    {"premature end of file", "the file ends too early", NULL},
};

static void on_error(cfg_t *cfg, const char *format, va_list args) {
    struct parse *parse = parse_of(cfg);
    bool unknown = strcmp(format, MESSAGES[0].theirs) == 0;
    const struct conf_spec *spec = spec_of(cfg);
    bool goes_on = unknown && (cfg->flags & CFGF_KEYSTRVAL) != 0;
    if (goes_on && spec != NULL && spec->form != CONF_FREE) {
        place_at(parse, cfg);
        tell_unknown(parse, cfg, args);
        parse->code = 0; /* it was told, and is kept where nobody reads it */
        return;
    }
    if (goes_on) {
        va_list copy;
        va_copy(copy, args);
        (void)cfg_setopt(cfg, &cfg->opts[1], va_arg(copy, const char *)); /* keeps the line */
        va_end(copy);
        return;
    }
    if (parse->code != 0) {
        return;
    }
    place_at(parse, cfg);
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++) {
        const struct message *m = &MESSAGES[i];
        if (strcmp(format, m->theirs) == 0) {
            if (m->tell != NULL) {
                m->tell(parse, cfg, args);
                return;
            }
            format = m->ours;
        }
    }
    char sentence[512];
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    parse->code = conf_fail(&parse->place, "%s", sentence);
}

/* Keeps a word and its line. An option given twice is refused, because the first would silently be
 * lost; its comment field, which nothing else uses, marks that it was given. */
static int on_word(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result) {
    struct parse *parse = parse_of(cfg);
    bool hidden = strcmp(opt->name, HIDDEN_LINES) == 0;
    if (!hidden && opt->nvalues <= 1) {
        place_at(parse, cfg);
        if (opt->comment != NULL) {
            parse->code = conf_fail(&parse->place, "\"%s\" is set twice", opt->name);
            return -1;
        }
        char given[] = "given";
        if (cfg_opt_setcomment(opt, given) != CFG_SUCCESS) {
            parse->code = ERR_MEMORY;
            return -1;
        }
    }
    size_t len = strlen(text);
    struct kept *kept = malloc(sizeof *kept + len + 1);
    if (kept == NULL) {
        parse->code = ERR_MEMORY;
        *(void **)result = NULL;
        return hidden ? 0 : -1; /* libconfuse aborts when it cannot set a default */
    }
    kept->line = cfg->line;
    memcpy(kept->text, text, len + 1);
    *(void **)result = kept;
    return 0;
}

/* ---- tables for libconfuse, built from ours ---- */

struct tables {
    cfg_opt_t root[CONF_SECTION_COUNT + 3];
    cfg_opt_t sections[CONF_SECTION_COUNT][CONF_ROWS_MAX + 3];
};

static cfg_opt_t word_option(const char *name, bool list) {
    return (cfg_opt_t){.name = name,
                       .type = CFGT_PTR,
                       .flags = CFGF_NODEFAULT | (list ? CFGF_LIST : CFGF_NONE),
                       .parsecb = on_word,
                       .freecb = free};
}

/* The two options at the start of every section. */
static void hide_options(cfg_opt_t *opts, struct parse *parse, char *line_default) {
    opts[0] = (cfg_opt_t){.name = HIDDEN_PARSE,
                          .type = CFGT_PTR,
                          .flags = CFGF_NODEFAULT,
                          .simple_value = {.ptr = (void **)parse}};
    opts[1] = word_option(HIDDEN_LINES, true);
    if (line_default != NULL) {
        opts[1].flags = CFGF_LIST;
        opts[1].def.parsed = line_default;
    }
}

static void fill_tables(struct tables *t, struct parse *parse, char *line_default) {
    static const cfg_flag_t flags[] = {
        [CONF_PLAIN] = CFGF_NONE,
        [CONF_FREE] = CFGF_KEYSTRVAL,
        [CONF_TITLED] = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES,
    };
    *t = (struct tables){0};
    hide_options(t->root, parse, NULL);
    for (size_t i = 0; i < CONF_SECTION_COUNT; i++) {
        const struct conf_spec *spec = &CONF_SPECS[i];
        assert(spec->row_count <= CONF_ROWS_MAX);
        cfg_opt_t *opts = t->sections[i];
        hide_options(opts, parse, spec->form == CONF_TITLED ? line_default : NULL);
        for (size_t row = 0; row < spec->row_count; row++) {
            opts[row + 2] = word_option(spec->rows[row].name, conf_is_list(&spec->rows[row]));
        }
        /* To whoever wants all mistakes an unknown option is one of them, and no end. */
        cfg_flag_t any = parse->place.mistakes != NULL ? CFGF_KEYSTRVAL : CFGF_NONE;
        t->root[i + 2] = (cfg_opt_t){.name = spec->name,
                                     .type = CFGT_SEC,
                                     .flags = flags[spec->form] | any,
                                     .subopts = opts};
    }
}

static cfg_t *make_parser(struct parse *parse) {
    char line_default[] = "{0}";
    struct tables *tables = malloc(sizeof *tables);
    if (tables == NULL) {
        return NULL;
    }
    fill_tables(tables, parse, line_default);
    cfg_t *cfg = cfg_init(tables->root, CFGF_NONE); /* copies the tables */
    free(tables);
    if (cfg != NULL) {
        (void)cfg_set_error_function(cfg, on_error); /* returns the previous one: none */
    }
    return cfg;
}

static int parse_text(struct parse *parse, struct buf *text, cfg_t **out) {
    cfg_t *cfg = make_parser(parse);
    if (cfg == NULL) {
        return ERR_MEMORY;
    }
    FILE *fp = fmemopen(text->data, text->len, "r");
    if (fp == NULL) {
        (void)cfg_free(cfg);
        return ERR_MEMORY;
    }
    int parsed = cfg_parse_fp(cfg, fp);
    (void)fclose(fp); /* read from memory only: nothing to lose */
    if (parsed != CFG_SUCCESS || parse->code != 0) {
        if (parse->code == 0) {
            place_at(parse, cfg);
            parse->code = conf_fail(&parse->place, "cannot parse this");
        }
        (void)cfg_free(cfg);
        return parse->code;
    }
    *out = cfg;
    return 0;
}

int conf_read(cfg_t **out, const struct conf_place *place, const char *bytes, size_t len) {
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct buf text;
    buf_init(&text, 2 * (size_t)CONF_BYTES_MAX);
    struct scan scan = {.place = place, .at = bytes, .end = bytes + len, .line = 1, .out = &text};
    if (next_is(&scan, byte_order_mark)) {
        scan.at += sizeof byte_order_mark - 1;
    }
    int code = clean(&scan);
    if (code == 0) {
        struct parse parse = {.place = *place};
        code = parse_text(&parse, &text, out);
    }
    buf_clear(&text);
    return code;
}

/* ---- the result ---- */

bool conf_word_at(cfg_t *section, const char *option, unsigned n, struct conf_word *word) {
    cfg_opt_t *opt = cfg_getopt(section, option);
    assert(opt != NULL);
    if (n >= cfg_opt_size(opt)) {
        return false;
    }
    const struct kept *kept = cfg_opt_getnptr(opt, n);
    *word = (struct conf_word){kept->text, kept->line};
    return true;
}

int conf_section_line(cfg_t *section) {
    struct conf_word word;
    return conf_word_at(section, HIDDEN_LINES, 0, &word) ? word.line : section->line;
}

/* The line where a free-form name first occurred. */
static int entry_line(cfg_t *section, const char *name) {
    struct conf_word word;
    for (unsigned n = 0; conf_word_at(section, HIDDEN_LINES, n, &word); n++) {
        if (strcmp(word.text, name) == 0) {
            return word.line;
        }
    }
    return section->line;
}

bool conf_entry_at(cfg_t *section, unsigned n, const char **name, struct conf_word *word) {
    cfg_opt_t *opt = cfg_getnopt(section, n + 2);
    if (opt == NULL) {
        return false;
    }
    *name = cfg_opt_name(opt);
    *word = (struct conf_word){cfg_opt_getstr(opt), entry_line(section, *name)};
    return true;
}
