/* program.c - a real zingq for tests. */
#include "program.h"

#include "io/httpd/gateway.h"
#include "temp_dir.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 5000, SHOWN_BYTES = 6000, SIGNALLED = 256, END_S = 60, READY_S = 60 };

__attribute__((noreturn)) static void give_up(const char *what) {
    (void)fprintf(stderr, "test program: %s: %s\n", what, strerror(errno));
    abort();
}

static void path_of(const struct program *p, const char *name, char path[256]) {
    (void)snprintf(path, 256, "%s/%s", p->dir, name);
}

void program_init(struct program *p) {
    char scripts[256];
    *p = (struct program){.pid = 0};
    temp_dir_make("host", p->dir, sizeof p->dir);
    path_of(p, "scripts", scripts);
    if (mkdir(scripts, 0700) != 0) {
        give_up(scripts);
    }
}

void program_file(const struct program *p, const char *name, const char *text) {
    char path[256];
    char draft[256];
    path_of(p, name, path);
    path_of(p, "draft", draft);
    FILE *f = fopen(draft, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || rename(draft, path) != 0) {
        give_up(path);
    }
}

char *program_read(const struct program *p, const char *name) {
    char path[256];
    struct stat s;
    path_of(p, name, path);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return strdup("");
    }
    if (fstat(fileno(f), &s) != 0) {
        give_up(path);
    }
    char *text = calloc(1, (size_t)s.st_size + 1);
    if (text == NULL || fread(text, 1, (size_t)s.st_size, f) != (size_t)s.st_size) {
        give_up(path);
    }
    (void)fclose(f);
    return text;
}

/* --- start and stop -----------------------------------------------------------------------------
 */

static void exec_zingq(const struct program *p, const char *zingq, const char *const *words,
                       const char *output) {
    char conf[256];
    char path[256];
    const char *argv[PROGRAM_ARGS_MAX + 4] = {zingq};
    size_t count = 1;
    path_of(p, output, path);
    path_of(p, "topics.conf", conf);
    int file = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) {
        _exit(127);
    }
    while (words[count - 1] != NULL && count <= PROGRAM_ARGS_MAX) {
        argv[count] = words[count - 1];
        count++;
    }
    argv[count++] = "-c";
    argv[count++] = conf;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no host outlives its test */
    (void)execv(zingq, (char *const *)argv);
    _exit(127);
}

static pid_t spawn_zingq(const struct program *p, const char *const *words, const char *output) {
    const char *zingq = getenv("ZINGQ");
    if (zingq == NULL) {
        errno = EINVAL;
        give_up("the variable ZINGQ names no program (run this with ctest)");
    }
    pid_t pid = fork();
    if (pid < 0) {
        give_up("fork");
    }
    if (pid == 0) {
        exec_zingq(p, zingq, words, output);
    }
    return pid;
}

void program_launch(struct program *p) {
    char path[256];
    struct stat s;
    path_of(p, "output", path);
    p->said = stat(path, &s) == 0 ? (long)s.st_size : 0;
    p->pid = spawn_zingq(p, (const char *const[]){"run", NULL}, "output");
}

int program_command(const struct program *p, char **output, ...) {
    const char *words[PROGRAM_ARGS_MAX + 1] = {NULL};
    char path[256];
    va_list list;
    va_start(list, output);
    for (size_t i = 0; i < PROGRAM_ARGS_MAX; i++) {
        words[i] = va_arg(list, const char *);
        if (words[i] == NULL) {
            break;
        }
    }
    va_end(list);
    struct program command = *p;
    command.pid = spawn_zingq(p, words, "command");
    int status = program_wait(&command);
    if (output != NULL) {
        *output = program_read(p, "command");
    }
    path_of(p, "command", path);
    (void)unlink(path);
    return status;
}

static bool has_ended(struct program *p, int *status) {
    pid_t pid = waitpid(p->pid, status, WNOHANG);
    if (pid < 0) {
        give_up("waitpid");
    }
    if (pid == p->pid) {
        p->pid = 0;
    }
    return p->pid == 0;
}

static void fail(const struct program *p, const char *what) {
    program_show(p);
    wait_fail(what);
}

void program_start(struct program *p) {
    program_launch(p);
    struct wait w = wait_of(READY_S);
    while (!program_ready(p)) {
        int status = 0;
        if (has_ended(p, &status)) {
            fail(p, "the host ended at its start");
        }
        if (!wait_more(&w)) {
            fail(p, "the host did not get ready");
        }
    }
}

int program_wait(struct program *p) {
    int status = 0;
    struct wait w = wait_of(END_S);
    while (!has_ended(p, &status)) {
        if (!wait_more(&w)) {
            fail(p, "the host did not end");
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

int program_stop(struct program *p) {
    if (kill(p->pid, SIGTERM) != 0) {
        give_up("kill");
    }
    return program_wait(p);
}

void program_kill(struct program *p) {
    if (p->pid != 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *walk) {
    (void)s;
    (void)type;
    (void)walk;
    return remove(path);
}

void program_clear(struct program *p) {
    program_kill(p);
    if (p->dir[0] != '\0') {
        (void)nftw(p->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
}

/* --- looking at it ------------------------------------------------------------------------------
 */

/* The status, 0 when there is no answer; the caller clears it in any case. */
static long ask(const struct program *p, const char *method, const char *path, const char *body,
                struct buf *answer) {
    char listen[256];
    struct report r;
    long status = 0;
    (void)snprintf(listen, sizeof listen, "unix:%s/data/zingq.sock", p->dir);
    int code = gateway_ask(listen, method, path, slice_of(body), ASK_MS, &status, answer, &r);
    return code == 0 ? status : 0;
}

json_t *program_ask(const struct program *p, const char *method, const char *path) {
    struct buf answer;
    long status = ask(p, method, path, "", &answer);
    json_t *root = status != 0 ? json_read(buf_slice(&answer), "answer", NULL) : NULL;
    buf_clear(&answer);
    return root;
}

bool program_publish(const struct program *p, const char *topic, const char *payload) {
    char path[256];
    struct buf answer;
    (void)snprintf(path, sizeof path, "/api/publish?topic=%s&qos=1", topic);
    long status = ask(p, "POST", path, payload, &answer);
    buf_clear(&answer);
    return status == 202;
}

static int64_t figure_of(const json_t *object, const char *figure) {
    const json_t *value = json_object_get(object, figure);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

int64_t program_engine(const struct program *p, const char *figure) {
    json_t *status = program_ask(p, "GET", "/api/status");
    int64_t value = figure_of(json_object_get(status, "engine"), figure);
    json_decref(status);
    return value;
}

int64_t program_host(const struct program *p, const char *figure) {
    json_t *status = program_ask(p, "GET", "/api/status");
    int64_t value = figure_of(json_object_get(status, "host"), figure);
    json_decref(status);
    return value;
}

int64_t program_service(const struct program *p, const char *service, const char *figure) {
    json_t *status = program_ask(p, "GET", "/api/status");
    int64_t value = -1;
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(status, "services"), i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, service) == 0) {
            value = figure_of(one, figure);
        }
    }
    json_decref(status);
    return value;
}

bool program_ready(const struct program *p) {
    json_t *status = program_ask(p, "GET", "/api/status");
    bool ready = json_is_true(json_object_get(json_object_get(status, "host"), "ready"));
    json_decref(status);
    return ready;
}

uint64_t program_memory(const struct program *p, const char *field) {
    char path[64];
    char line[256];
    size_t len = strlen(field);
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)p->pid);
    FILE *f = fopen(path, "r");
    char *end = NULL; /* of the number, which is in KiB */
    unsigned long kib = 0;
    while (end == NULL && f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            kib = strtoul(line + len + 1, &end, 10);
        }
    }
    if (end == NULL || strcmp(end, " kB\n") != 0) {
        give_up(path);
    }
    (void)fclose(f);
    return (uint64_t)kib << 10;
}

uint64_t program_resident(const struct program *p) {
    return program_memory(p, "VmRSS");
}

size_t program_says(const struct program *p, const char *text) {
    char *output = program_read(p, "output");
    size_t count = 0;
    const char *at = strlen(output) > (size_t)p->said ? output + p->said : "";
    while ((at = strstr(at, text)) != NULL) {
        count++;
        at += strlen(text);
    }
    free(output);
    return count;
}

void program_show(const struct program *p) {
    char *output = program_read(p, "output");
    size_t len = strlen(output);
    (void)fprintf(stderr, "--- %s says:\n%s---\n", p->dir,
                  output + (len > SHOWN_BYTES ? len - SHOWN_BYTES : 0));
    free(output);
}
