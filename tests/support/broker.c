/* broker.c - a private Mosquitto for tests. */
#include "broker.h"

#include "temp_dir.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_S = 60 };

__attribute__((noreturn)) static void give_up(const char *what) {
    (void)fprintf(stderr, "test broker: %s: %s\n", what, strerror(errno));
    abort();
}

void broker_init(struct broker *b) {
    *b = (struct broker){.port = free_port()};
    if (b->port == 0) {
        give_up("free_port");
    }
    temp_dir_make("broker", b->dir, sizeof b->dir);
    (void)snprintf(b->url, sizeof b->url, "mqtt://127.0.0.1:%u", b->port);
}

void broker_file(const struct broker *b, const char *name, const char *text, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", b->dir, name);
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
        give_up(path);
    }
}

static void run_and_wait(char *const argv[]) {
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO); /* openssl shows its progress there */
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        give_up(argv[0]);
    }
}

void broker_password(const struct broker *b, const char *name, const char *user,
                     const char *password, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", b->dir, name);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) {
        give_up(path);
    }
    (void)close(file);
    run_and_wait(
        (char *const[]){"mosquitto_passwd", "-b", path, (char *)user, (char *)password, NULL});
}

void broker_certificate(const struct broker *b, char cert[128], char options[512]) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s/key.pem", b->dir);
    (void)snprintf(cert, 128, "%s/cert.pem", b->dir);
    /* clang-format off */
    run_and_wait((char *const[]){
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", key, "-out", cert, NULL});
    /* clang-format on */
    (void)snprintf(options, 512, "certfile %s\nkeyfile %s\nallow_anonymous true\n", cert, key);
}

static void exec_broker(const struct broker *b, char *conf) {
    char log[128];
    (void)snprintf(log, sizeof log, "%s/log", b->dir);
    int file = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (file >= 0) {
        (void)dup2(file, STDOUT_FILENO);
        (void)dup2(file, STDERR_FILENO);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no broker outlives its test */
    (void)execlp("mosquitto", "mosquitto", "-c", conf, (char *)NULL);
    (void)execl("/usr/sbin/mosquitto", "mosquitto", "-c", conf, (char *)NULL);
    _exit(127);
}

static void write_conf(const struct broker *b, const char *options, char conf[128]) {
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "listener %u 127.0.0.1\npersistence_location %s/\nuser root\nlog_dest stderr\n"
                   "log_type all\n%s",
                   b->port, b->dir, options != NULL ? options : "allow_anonymous true\n");
    broker_file(b, "mosquitto.conf", text, conf);
}

static FILE *open_log(const struct broker *b) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/log", b->dir);
    return fopen(path, "r");
}

static long log_bytes(const struct broker *b) {
    FILE *f = open_log(b);
    long bytes = f != NULL && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : 0;
    if (f != NULL) {
        (void)fclose(f);
    }
    return bytes;
}

/* Whether a line of the log from there on holds the text. */
static bool log_says(const struct broker *b, long from, const char *text) {
    char line[512];
    bool found = false;
    FILE *f = open_log(b);
    if (f == NULL) {
        return false;
    }
    if (fseek(f, from, SEEK_SET) == 0) {
        while (!found && fgets(line, sizeof line, f) != NULL) {
            found = strstr(line, text) != NULL;
        }
    }
    (void)fclose(f);
    return found;
}

/* False when it has ended. Only its own log tells: whoever has taken its port answers, too. */
static bool runs(struct broker *b, long from, struct wait *w) {
    while (!log_says(b, from, " running")) {
        if (waitpid(b->pid, NULL, WNOHANG) == b->pid) {
            b->pid = 0;
            return false;
        }
        if (!wait_more(w)) {
            errno = ETIMEDOUT;
            give_up("mosquitto does not start");
        }
    }
    return true;
}

void broker_start(struct broker *b, const char *options) {
    char conf[128];
    struct wait w = wait_of(START_S);
    long from = 0;
    write_conf(b, options, conf);
    do {
        from = log_bytes(b);
        b->pid = fork();
        if (b->pid < 0) {
            give_up("fork");
        }
        if (b->pid == 0) {
            exec_broker(b, conf);
        }
        if (runs(b, from, &w)) {
            return;
        }
    } while (log_says(b, from, "Address already in use") && wait_more(&w));
    errno = ECHILD;
    give_up("mosquitto ended at once (is it installed? see its log)");
}

static void end(struct broker *b, int signal) {
    if (b->pid != 0) {
        (void)kill(b->pid, signal);
        (void)waitpid(b->pid, NULL, 0);
        b->pid = 0;
    }
}

void broker_stop(struct broker *b) {
    end(b, SIGTERM);
}

void broker_kill(struct broker *b) {
    end(b, SIGKILL);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *walk) {
    (void)s;
    (void)type;
    (void)walk;
    return remove(path);
}

void broker_clear(struct broker *b) {
    broker_kill(b);
    (void)nftw(b->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
