/*
 * reshard.c - see reshard/reshard.h.
 */
#include "reshard/impl.h"

#include "engine/append.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the folders --- */

static bool has_store(const char *path) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    return store_data_file(path, name, NULL) == 0 && stat(name, &st) == 0;
}

static int begin(struct reshard *re) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        struct store *store = re->folders[i].store;
        code = store == NULL ? 0 : store_begin(store);
    }
    return code;
}

/* Closes everything; nothing was written. */
static void end(struct reshard *re) {
    for (size_t i = 0; i < re->folder_count; i++) {
        struct store *store = re->folders[i].store;
        if (store != NULL && store_active(store)) {
            store_abort(store);
        }
    }
}

static int open_folder(struct reshard *re, struct folder *f, struct report *r) {
    const struct store_options options = {.path = f->path, .max_bytes = re->conf->store_max_bytes};
    f->has_store = has_store(f->path);
    f->view.path = f->path;
    f->view.has_store = f->has_store;
    if (!f->has_store) {
        return 0;
    }
    int code = store_open(&f->store, &options, r);
    code = code == 0 ? journal_open(&f->journal, f->store, conf_keep_idempotency(re->conf, NULL), r)
                     : code;
    if (code == 0 && !uuid_parse(slice_of(journal_host_id(f->journal)), &f->host)) {
        code = report(r, ERR_CORRUPT, "%s has no id of its own", f->path);
    }
    if (code == 0) {
        journal_buckets_get(f->journal, f->buckets);
    }
    return code;
}

static int refuse_twice(const struct reshard *re, struct report *r) {
    for (size_t i = 0; i < re->folder_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(re->folders[i].path, re->folders[k].path) == 0) {
                return report(r, ERR_INVALID, "%s is given twice", re->folders[i].path);
            }
        }
        if (strchr(re->folders[i].path, '\n') != NULL) {
            return report(r, ERR_INVALID, "a folder's name has a line end in it");
        }
    }
    return 0;
}

/* Engine time and arrival numbers continue from the latest ones. */
static int look_at_clocks(struct reshard *re, const struct clock_reading *now, struct report *r) {
    for (size_t i = 0; i < re->folder_count; i++) {
        const struct folder *f = &re->folders[i];
        struct clock_mark mark;
        int code = f->journal == NULL ? ERR_NOTFOUND : journal_clock_get(f->journal, &mark);
        if (code != 0 && code != ERR_NOTFOUND) {
            return report(r, code, "%s cannot be read: %s", f->path, error_text(code));
        }
        int64_t now_ms = code == 0 ? clock_resume(&mark, now) : 0;
        if (now_ms > re->now_ms) {
            re->now_ms = now_ms;
            re->mark = mark;
        }
        uint64_t seq = code == 0 ? journal_last_seq(f->journal) : 0;
        re->last_seq = seq > re->last_seq ? seq : re->last_seq;
    }
    return 0;
}

static int open_all(struct reshard *re, const struct clock_reading *now, struct report *r) {
    int code = refuse_twice(re, r);
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = open_folder(re, &re->folders[i], r);
    }
    if (code == 0) {
        code = begin(re);
        code = code == 0 ? 0 : report(r, code, "a store cannot be read: %s", error_text(code));
    }
    if (code == 0 && reshard_read_rules(re) != 0) {
        code = report(r, ERR_MEMORY, "out of memory");
    }
    code = code == 0 ? reshard_plan(re, r) : code;
    code = code == 0 ? look_at_clocks(re, now, r) : code;
    return code == 0 ? reshard_survey(re, r) : code;
}

int reshard_open(struct reshard **out, const struct reshard_options *options, struct report *r) {
    struct reshard *re = calloc(1, sizeof *re);
    size_t count = options->path_count;
    if (count == 0 || count > PARTITIONS || options->count == 0 || options->count > PARTITIONS) {
        free(re);
        return report(r, ERR_INVALID, "from 1 to %d hosts, a folder each", PARTITIONS);
    }
    if (re == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    re->conf = options->conf;
    re->to_count = options->count;
    re->from_count = 1;
    buf_init(&re->key, 512);
    buf_init(&re->value, (size_t)1 << 30);
    buf_init(&re->damaged, (size_t)STORE_PATH_BYTES * 2);
    re->folders = calloc(count, sizeof *re->folders);
    re->pairs = calloc(count * count, sizeof *re->pairs);
    if (re->folders == NULL || re->pairs == NULL) {
        reshard_close(re);
        return report(r, ERR_MEMORY, "out of memory");
    }
    re->folder_count = count;
    for (size_t i = 0; i < count; i++) {
        re->folders[i].path = options->paths[i];
        re->folders[i].lock_fd = -1;
    }
    int code = open_all(re, &options->now, r);
    if (code != 0) {
        reshard_close(re);
        return code;
    }
    *out = re;
    return 0;
}

static void close_folder(struct folder *f) {
    journal_close(f->journal);
    store_close(f->store);
    if (f->lock_fd >= 0) {
        (void)close(f->lock_fd);
    }
    free(f->rules);
    free(f->strays.at);
    free(f->pending.at);
}

void reshard_close(struct reshard *re) {
    if (re == NULL) {
        return;
    }
    for (size_t i = 0; re->pairs != NULL && i < re->folder_count * re->folder_count; i++) {
        free(re->pairs[i].numbers);
        free(re->pairs[i].moved);
    }
    for (size_t i = 0; re->folders != NULL && i < re->folder_count; i++) {
        close_folder(&re->folders[i]);
    }
    free(re->folders);
    free(re->pairs);
    free(re->stray_keys.at);
    free(re->keys_seen.at);
    free(re->disputed_keys.at);
    buf_clear(&re->key);
    buf_clear(&re->value);
    buf_clear(&re->damaged);
    free(re);
}

/* --- examining --- */

uint16_t reshard_count_before(const struct reshard *re) {
    return re->from_count;
}

size_t reshard_folders(const struct reshard *re) {
    return re->folder_count;
}

void reshard_look(const struct reshard *re, size_t folder, struct reshard_view *out) {
    *out = re->folders[folder].view;
}

uint64_t reshard_moves(const struct reshard *re) {
    return re->moves;
}

/* --- running it --- */

/* One round: loads rows from disk, writes their lines to the files, deletes the rows. */
static int append_some(struct folder *f, struct append *a, int64_t now_ms) {
    int code = store_begin(f->store);
    code = code == 0 ? append_settle(a, now_ms) : code;
    if (code != 0) {
        return code;
    }
    code = store_commit(f->store);
    if (code == 0) {
        append_write(a, now_ms);
    }
    return code;
}

static int start_append(struct folder *f, struct append **a) {
    int code = append_new(a, f->journal, f->path);
    code = code == 0 ? store_begin(f->store) : code;
    code = code == 0 ? append_load(*a) : code;
    return code == 0 ? store_commit(f->store) : code;
}

/* A folder that is emptied writes the lines that wait for its files. */
static int write_lines(struct reshard *re, struct folder *f, struct report *r) {
    struct append *a = NULL;
    struct append_state state = {.error = 0};
    int code = store_rows_kept(f->store, TABLE_APPEND) == 0 ? 0 : start_append(f, &a);
    while (code == 0 && state.error == 0 && store_rows_kept(f->store, TABLE_APPEND) > 0) {
        code = append_some(f, a, re->now_ms);
        append_look(a, &state);
    }
    if (code != 0) {
        code = report(r, code, "%s: the lines for its files cannot be written: %s", f->path,
                      error_text(code));
    } else if (state.error != 0) {
        code = report(r, ERR_DISK, "%s/files/%s cannot be written: %s", f->path, state.file,
                      strerror(state.error));
    }
    append_free(a);
    return code;
}

static int write_all_lines(struct reshard *re, struct report *r) {
    int code = 0;
    end(re);
    for (size_t i = re->to_count; code == 0 && i < re->folder_count; i++) {
        struct folder *f = &re->folders[i];
        code = f->store == NULL ? 0 : write_lines(re, f, r);
    }
    int again = begin(re);
    return code == 0 && again != 0
               ? report(r, again, "a store cannot be read: %s", error_text(again))
               : code;
}

int reshard_run(struct reshard *re, struct report *r) {
    int code = write_all_lines(re, r);
    code = code == 0 ? reshard_build(re, r) : code;
    code = code == 0 ? reshard_check(re, r) : code;
    end(re);
    if (code != 0) {
        reshard_drop(re);
        return code;
    }
    return reshard_switch(re, r);
}
