/*
 * companion.c - child processes with a temporary folder; each reports its port, or is given one.
 *
 * A host that is killed can end nobody, and a program that changes its user loses the wish to die
 * with its parent. So one more process, the janitor, only waits for the host's end: it ends the
 * others and removes the folder.
 *
 * Left out on purpose: supervision. If a companion dies, the user sees it; this is for trying out
 * handlers, not for production.
 */
#include "host/companion.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/temp.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_STEP_MS = 20,
    WAIT_STEPS = 250,
    END_WAIT_MS = 5000, /* from SIGTERM to SIGKILL */
    FILE_PATH_BYTES = COMPANIONS_PATH_BYTES + 32,
    PATH_BYTES_MAX = 4200,
    PASSWORD_BYTES = 16,
    PASSWORD_CHARS = PASSWORD_BYTES * 2,
};

extern char **environ;

/* Created in the temporary folder. */
static const char conf_name[] = "mosquitto.conf";
static const char mails_name[] = "mail.log"; /* one line of JSON per mail */
static const char passwords_name[] = "passwords";

static void wait_step(void) {
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    (void)nanosleep(&step, NULL);
}

/* A loopback port that is free now. */
static int free_port(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return ERR_SYSTEM;
    }
    *port = ntohs(address.sin_port);
    return close(fd) == 0 ? 0 : ERR_SYSTEM;
}

static bool listens(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* Runs in the child: executes the program, or writes its errno to `said` and exits. */
static _Noreturn void become(char *const argv[], int out_fd, int said, pid_t parent) {
    /* A process group of its own: Ctrl-C stops the host first, and the host stops its companions.
     * If the host is killed, the kernel stops them. */
    bool ok = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
              (out_fd < 0 || dup2(out_fd, STDOUT_FILENO) >= 0);
    if (ok) {
        (void)execvp(argv[0], argv);
    }
    int error = errno;
    ssize_t n = write(said, &error, sizeof error);
    _exit(n == (ssize_t)sizeof error ? 127 : 126);
}

/* `out_fd` becomes the child's standard output; -1 = ours. Uses fork, because posix_spawn cannot
 * say "die with me"; there is only one thread yet. */
static int spawn(struct companions *c, char *const argv[], int out_fd) {
    assert(c->count < COMPANIONS_MAX);
    int said[2];
    int error = 0;
    pid_t parent = getpid();
    if (pipe2(said, O_CLOEXEC) != 0) {
        return ERR_SYSTEM;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, out_fd, said[1], parent);
    }
    (void)close(said[1]);
    ssize_t n = pid < 0 ? -1 : read(said[0], &error, sizeof error); /* 0: it runs */
    (void)close(said[0]);
    if (n != 0) {
        (void)(pid > 0 && waitpid(pid, NULL, 0));
        return n == (ssize_t)sizeof error && error == ENOENT ? ERR_NOTFOUND : ERR_SYSTEM;
    }
    c->pids[c->count++] = pid;
    return 0;
}

static bool last_has_ended(struct companions *c) {
    if (waitpid(c->pids[c->count - 1], NULL, WNOHANG) == 0) {
        return false;
    }
    c->count--;
    return true;
}

/* The folder of this program, or "". */
static void own_folder(char out[4096]) {
    ssize_t len = readlink("/proc/self/exe", out, 4095);
    out[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

/* A file that was built with this program: at `built` from its folder, or installed, in
 * lib/zingq. */
static bool find_own(const char *built, char path[PATH_BYTES_MAX]) {
    char own[4096];
    const char *slash = strrchr(built, '/');
    own_folder(own);
    (void)snprintf(path, PATH_BYTES_MAX, "%s/%s", own, built);
    if (access(path, R_OK) == 0) {
        return true;
    }
    (void)snprintf(path, PATH_BYTES_MAX, "%s/../lib/zingq/%s", own,
                   slash == NULL ? built : slash + 1);
    return access(path, R_OK) == 0;
}

/* --- Mosquitto's plugin --- */

static bool write_password(const char *path, const char *password) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return false;
    }
    bool ok = fprintf(file, "zingq:%s\n", password) > 0;
    return fclose(file) == 0 && ok;
}

/* Mosquitto accepts only hashes. */
static bool hash_password(char *path) {
    char *argv[] = {(char *)"mosquitto_passwd", (char *)"-U", path, NULL};
    pid_t pid = 0;
    int status = 0;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0) {
        return false;
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool make_user(char *path) {
    uint8_t random[PASSWORD_BYTES];
    char password[PASSWORD_CHARS + 1];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(password, sizeof password, random, sizeof random);
    bool made = write_password(path, password) && hash_password(path) &&
                setenv("ZINGQ_BROKER_USERNAME", "zingq", 1) == 0 &&
                setenv("ZINGQ_BROKER_PASSWORD", password, 1) == 0;
    sodium_memzero(password, sizeof password);
    if (!made) {
        (void)unlink(path);
    }
    return made;
}

/* Shows the host's figures below $SYS/zingqueue, with the plugin that is next to the program (or,
 * when installed, in ../lib/zingq). The plugin trusts only authenticated user names, so the host
 * gets one, with a password that lives as long as the broker; all others stay anonymous. If
 * something is missing, it is not an error: then there is only zingq/sys/... False: cannot
 * write. */
static bool write_plugin(const struct companions *c, FILE *conf) {
    char plugin[PATH_BYTES_MAX];
    char passwords[FILE_PATH_BYTES];
    (void)snprintf(passwords, sizeof passwords, "%s/%s", c->folder, passwords_name);
    if (!find_own("zingq_sys.so", plugin)) {
        return true;
    }
    if (!make_user(passwords)) {
        log_warn("host", "no $SYS/zingqueue on the private broker: cannot make a user for it (is "
                         "mosquitto_passwd installed?)");
        return true;
    }
    return fprintf(conf,
                   "password_file %s\nplugin %s\nplugin_opt_user zingq\n"
                   "plugin_opt_other_topics allow\n",
                   passwords, plugin) > 0;
}

/* --- the broker --- */

static int write_broker_conf(struct companions *c, uint16_t port, char path[FILE_PATH_BYTES]) {
    (void)snprintf(path, FILE_PATH_BYTES, "%s/%s", c->folder, conf_name);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return ERR_SYSTEM;
    }
    /* Nothing is kept after its end; the queue is large enough for any trial. Started as root, it
     * would switch to a user who cannot read the folder. */
    bool ok = fprintf(file,
                      "listener %u 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                      "set_tcp_nodelay true\nlog_type error\nlog_type warning\n%s",
                      port, geteuid() == 0 ? "user root\n" : "") > 0;
    ok = write_plugin(c, file) && ok;
    return fclose(file) == 0 && ok ? 0 : ERR_SYSTEM;
}

static int start_broker(struct companions *c, struct report *r) {
    uint16_t port = 0;
    char path[FILE_PATH_BYTES];
    if (free_port(&port) != 0 || write_broker_conf(c, port, path) != 0) {
        return report(r, ERR_SYSTEM, "cannot prepare a private broker in %s: %s", c->folder,
                      strerror(errno));
    }
    char *in_path[] = {"mosquitto", "-c", path, NULL};
    char *in_sbin[] = {"/usr/sbin/mosquitto", "-c", path, NULL}; /* not in every user's PATH */
    int code = spawn(c, in_path, -1);
    if (code == ERR_NOTFOUND) {
        code = spawn(c, in_sbin, -1);
    }
    if (code != 0) {
        return report(r, code,
                      "cannot start mosquitto: install it (Debian: apt-get install "
                      "mosquitto) or run `zingq run` with a broker of your own");
    }
    for (int i = 0; i < WAIT_STEPS && !listens(port); i++) {
        if (last_has_ended(c)) {
            return report(r, ERR_SYSTEM, "the private mosquitto exited immediately: see above");
        }
        wait_step();
    }
    (void)snprintf(c->broker_url, sizeof c->broker_url, "mqtt://127.0.0.1:%u", port);
    printf("broker   %s   mosquitto_sub -p %u -t '#' -v\n", c->broker_url, port);
    return 0;
}

/* --- the payment gateway and the mail server --- */

/* Reads the port, which the child prints as its first line. */
static int read_port(int fd, unsigned *port) {
    char line[32];
    size_t len = 0;
    while (len < sizeof line - 1) {
        ssize_t n = read(fd, line + len, 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || line[len] == '\n') {
            break;
        }
        len++;
    }
    line[len] = '\0';
    char *end = NULL;
    unsigned long value = strtoul(line, &end, 10);
    *port = (unsigned)value;
    return len > 0 && *end == '\0' && value > 0 && value < 65536 ? 0 : ERR_SYSTEM;
}

static int start_with_port(struct companions *c, char *const argv[], unsigned *port) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return ERR_SYSTEM;
    }
    int code = spawn(c, argv, fds[1]);
    (void)close(fds[1]);
    if (code == 0) {
        code = read_port(fds[0], port);
    }
    (void)close(fds[0]);
    return code;
}

/* Starts a helper unless the user has configured one; if it is missing, this is printed, but is not
 * an error. */
static bool start_helper(struct companions *c, const char *variable, const char *scheme,
                         const char *what, char *const argv[], bool there) {
    unsigned port = 0;
    char url[64];
    if (getenv(variable) != NULL) {
        printf("%-8s %s   (%s)\n", what, getenv(variable), variable);
        return false;
    }
    if (!there || start_with_port(c, argv, &port) != 0) {
        printf("%-8s none: %s; set %s to yours\n", what,
               there ? "it does not start (is python3-aiosmtpd installed?)" : "it is not installed",
               variable);
        return false;
    }
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, port);
    if (setenv(variable, url, 1) != 0) {
        log_warn("host", "cannot set %s: %s", variable, strerror(errno));
    }
    printf("%-8s %s\n", what, url);
    return true;
}

static void start_helpers(struct companions *c) {
    char gateway[PATH_BYTES_MAX];
    char sink[PATH_BYTES_MAX];
    char mails[FILE_PATH_BYTES];
    bool has_gateway = find_own("tests/gateway", gateway);
    bool has_sink = find_own("../tests/demo/smtp_sink.py", sink);
    (void)snprintf(mails, sizeof mails, "%s/%s", c->folder, mails_name);
    char *gateway_argv[] = {gateway, "--port", "0", NULL};
    char *sink_argv[] = {"/usr/bin/python3", sink, "--port", "0", "--log", mails, NULL};
    (void)start_helper(c, "ZINGQ_VARS_GATEWAY_URL", "http", "payments", gateway_argv, has_gateway);
    if (start_helper(c, "ZINGQ_VARS_SMTP_URL", "smtp", "mail", sink_argv, has_sink)) {
        printf("%-8s %s\n", "mails", mails);
    }
}

/* --- the end --- */

static void remove_folder(const struct companions *c) {
    const char *const names[] = {conf_name, mails_name, passwords_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[FILE_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", c->folder, names[i]);
        (void)unlink(path); /* not all are there */
    }
    (void)rmdir(c->folder);
}

/* The janitor: waits until nobody holds the other end of `lifeline`. */
static _Noreturn void wait_and_sweep(const struct companions *c, int lifeline) {
    struct pollfd ends[COMPANIONS_MAX];
    char byte;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)prctl(PR_SET_NAME, "zingq-janitor");
    for (int fd = 0; fd <= STDERR_FILENO && nowhere >= 0; fd++) {
        (void)dup2(nowhere, fd); /* whoever reads the host's output sees its end */
    }
    for (size_t i = 0; i < c->count; i++) {
        ends[i] = (struct pollfd){.fd = pidfd_open(c->pids[i], 0), .events = POLLIN};
    }
    while (read(lifeline, &byte, 1) < 0 && errno == EINTR) {
    }
    for (size_t i = 0; i < c->count; i++) {
        (void)pidfd_send_signal(ends[i].fd, SIGTERM, NULL, 0); /* it may have ended */
    }
    for (size_t i = 0; i < c->count; i++) {
        if (ends[i].fd >= 0 && poll(&ends[i], 1, END_WAIT_MS) == 0) {
            (void)pidfd_send_signal(ends[i].fd, SIGKILL, NULL, 0);
        }
    }
    remove_folder(c);
    _exit(0);
}

/* Without it they still end with the host as far as the kernel sees to it. */
static void start_janitor(struct companions *c) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_warn("host", "what `zingq dev` starts may outlive it: %s", strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        (void)setsid(); /* Ctrl-C is not for it */
        wait_and_sweep(c, ends[0]);
    }
    (void)close(ends[0]);
    c->janitor = pid < 0 ? 0 : pid;
    c->lifeline = ends[1];
    if (pid < 0) {
        (void)close(ends[1]);
    }
}

int companions_start(struct companions *c, struct report *r) {
    *c = (struct companions){.count = 0};
    int code = temp_folder_new("dev", c->folder, sizeof c->folder, r);
    if (code == 0) {
        code = start_broker(c, r);
    }
    if (code != 0) {
        return code;
    }
    start_helpers(c);
    if (fflush(stdout) != 0) {
        return report(r, ERR_SYSTEM, "cannot write to standard output");
    }
    start_janitor(c);
    return 0;
}

void companions_stop(struct companions *c) {
    for (size_t i = 0; i < c->count; i++) {
        (void)kill(c->pids[i], SIGTERM);
    }
    for (size_t i = 0; i < c->count; i++) {
        (void)waitpid(c->pids[i], NULL, 0);
    }
    if (c->folder[0] != '\0') {
        remove_folder(c);
    }
    if (c->janitor > 0) {
        (void)close(c->lifeline);
        (void)waitpid(c->janitor, NULL, 0);
    }
    *c = (struct companions){.count = 0};
}
