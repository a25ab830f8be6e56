/* helper.c - the demo's payment gateway and mail server. */
#include "helper.h"

#include "io/httpd/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 10000 };

__attribute__((noreturn)) static void give_up(const char *what) {
    (void)fprintf(stderr, "test helper: %s: %s\n", what, strerror(errno));
    abort();
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        errno = EINVAL;
        give_up("a variable of the environment is missing (run this with ctest)");
    }
    return value;
}

/* It prints its port as its first line. */
static uint16_t read_port(int fd, const char *what) {
    char line[32] = "";
    size_t len = 0;
    while (len < sizeof line - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n') {
        len++;
    }
    unsigned long port = strtoul(line, NULL, 10);
    if (port == 0 || port > UINT16_MAX) {
        give_up(what);
    }
    return (uint16_t)port;
}

static pid_t spawn(const char *const *words, int output) {
    pid_t pid = fork();
    if (pid < 0) {
        give_up("fork");
    }
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(output, STDOUT_FILENO);
        (void)execv(words[0], (char *const *)words);
        _exit(127);
    }
    (void)close(output);
    return pid;
}

static void start(struct helper *h, const char *const *words) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        give_up("pipe");
    }
    h->pid = spawn(words, fds[1]);
    h->port = read_port(fds[0], words[0]);
    (void)close(fds[0]);
}

/* A script follows its interpreter; NULL = the program is none. */
static void start_with(struct helper *h, const char *program, const char *script, va_list more) {
    const char *words[HELPER_WORDS_MAX + 1] = {program, script};
    size_t count = script == NULL ? 1 : 2;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", h->port);
    words[count++] = "--port";
    words[count++] = port;
    while (count < HELPER_WORDS_MAX && (words[count] = va_arg(more, const char *)) != NULL) {
        count++;
    }
    start(h, words);
}

/* The build tree is where zingq is. */
static void path_of(const char *name, char path[512]) {
    const char *zingq = variable("ZINGQ");
    const char *slash = strrchr(zingq, '/');
    int folder = slash == NULL ? 0 : (int)(slash - zingq + 1);
    (void)snprintf(path, 512, "%.*stests/%s", folder, zingq, name);
}

void helper_gateway(struct helper *h, ...) {
    char path[512];
    path_of("gateway", path);
    va_list more;
    va_start(more, h);
    start_with(h, path, NULL, more);
    va_end(more);
}

void helper_mail(struct helper *h, ...) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/demo/smtp_sink.py", variable("SOURCE_DIR"));
    va_list more;
    va_start(more, h);
    start_with(h, variable("PYTHON"), path, more);
    va_end(more);
}

void helper_program(struct helper *h, const char *name, const char *output, ...) {
    char path[512];
    const char *words[HELPER_WORDS_MAX + 1] = {path};
    path_of(name, path);
    va_list more;
    va_start(more, output);
    for (size_t i = 1; i < HELPER_WORDS_MAX && (words[i] = va_arg(more, const char *)) != NULL;) {
        i++;
    }
    va_end(more);
    int file = open(output, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) {
        give_up(output);
    }
    h->pid = spawn(words, file);
}

bool helper_has_ended(struct helper *h, int *status) {
    int raw = 0;
    if (h->pid == 0 || waitpid(h->pid, &raw, WNOHANG) != h->pid) {
        return h->pid == 0;
    }
    h->pid = 0;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 256 + WTERMSIG(raw);
    return true;
}

void helper_kill(struct helper *h) {
    if (h->pid != 0) {
        (void)kill(h->pid, SIGKILL);
        (void)waitpid(h->pid, NULL, 0);
        h->pid = 0;
    }
}

json_t *helper_ask(const struct helper *h, const char *path) {
    char listen[64];
    struct buf answer;
    struct report r;
    long status = 0;
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", h->port);
    int code =
        gateway_ask(listen, "GET", path, (struct slice){"", 0}, ASK_MS, &status, &answer, &r);
    json_t *root = code == 0 ? json_read(buf_slice(&answer), "answer", NULL) : NULL;
    buf_clear(&answer);
    return root;
}
