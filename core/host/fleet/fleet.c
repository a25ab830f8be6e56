/*
 * fleet.c - keeps N hosts running: one loop that waits for a signal, a report of a host, or the
 * time of a start.
 *
 * A host that dies is restarted after a pause, which grows while it keeps dying; in the meantime
 * its keys wait and the other hosts continue. If a host cannot start even the first time, all of
 * them are stopped: then topics.conf or this machine is at fault, and a person is there to see it.
 * A host that ends regularly (zingq leave, or its own SIGTERM) was meant to end, and is not
 * restarted.
 *
 * To its hosts, the fleet is the service manager: they report on a socket that they are ready and
 * alive. The fleet's reports to its own service manager follow from that: READY=1 when all hosts
 * are ready. A host that is no longer alive is killed and restarted here, without affecting the
 * others.
 *
 * Left out on purpose: moving work away from a host that is down. Its keys stay its own.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "host/notify.h"
#include "base/log.h"
#include "store/folder.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAUSE_MS_LEAST = 1000,
    PAUSE_MS_MOST = 30000,
    STEADY_MS = 60000, /* after running this long, pauses start small again */
    LOCK_MS = 2000,    /* the kernel is about to end the hosts of a killed fleet */
    LOCK_STEP_MS = 20,
    STOP_DELAY_MS = 100,
    WORD_BYTES = 64,
    WORDS_AT_ONCE = 64, /* reports of one host per pass of the loop */
};

static void tell_manager(const char *text) {
    if (host_notify(text) != 0) {
        log_warn("fleet", "cannot tell the service manager %s: %s", text, strerror(errno));
    }
}

/* --- starts --- */

static void start_host(struct fleet *f, struct fleet_host *host) {
    if (!fleet_start(f, host)) {
        log_error("fleet", "cannot start host %u: %s", host->number, strerror(errno));
        host->due_ms = host->started_ms + host->pause_ms;
    }
}

static void start_due(struct fleet *f) {
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < f->count && !f->stopping; i++) {
        if (f->hosts[i].due_ms <= now_ms) {
            start_host(f, &f->hosts[i]);
        }
    }
}

/* --- exits --- */

static void signal_host(const struct fleet_host *host, int number) {
    if (host->pid != 0 && kill(host->pid, number) != 0) {
        log_warn("fleet", "cannot signal host %u: %s", host->number, strerror(errno));
    }
}

static void signal_all(const struct fleet *f, int number) {
    for (unsigned i = 0; i < f->count; i++) {
        signal_host(&f->hosts[i], number);
    }
}

/* A service manager may signal every process of its unit. A host that already has the signal must
 * not get a second one, which would stop it immediately: so hosts get time to report that they are
 * stopping. */
static void stop_all(struct fleet *f) {
    if (f->stopping) {
        signal_all(f, SIGTERM);
        return;
    }
    tell_manager("STOPPING=1");
    f->stopping = true;
    f->stop_due_ms = clock_monotonic_ms() + STOP_DELAY_MS;
}

static void stop_due(struct fleet *f) {
    if (!f->stopping || clock_monotonic_ms() < f->stop_due_ms) {
        return;
    }
    f->stop_due_ms = INT64_MAX;
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->hosts[i].stopping) {
            signal_host(&f->hosts[i], SIGTERM);
        }
    }
}

/* The result of waitpid, for the log. */
static const char *end_text(int status, char out[64]) {
    if (WIFSIGNALED(status)) {
        (void)snprintf(out, 64, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(out, 64, "exited with status %d", WEXITSTATUS(status));
    }
    return out;
}

static bool cannot_start(const struct fleet_host *host, int status, int64_t ran_ms) {
    return host->starts == 1 && ran_ms < STEADY_MS && WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

static void on_end(struct fleet *f, struct fleet_host *host, int status) {
    char text[64];
    int64_t now_ms = clock_monotonic_ms();
    int64_t ran_ms = now_ms - host->started_ms;
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_GOOD;
    (void)end_text(status, text);
    host->pid = 0;
    if (f->stopping) {
        if (!well) {
            log_warn("fleet", "host %u %s", host->number, text);
        }
    } else if (well) {
        log_warn("fleet", "host %u exited by itself and is not restarted", host->number);
    } else if (cannot_start(host, status, ran_ms)) {
        log_error("fleet", "host %u %s at its first start: all stop", host->number, text);
        f->status = WEXITSTATUS(status);
        stop_all(f);
    } else {
        host->pause_ms = ran_ms >= STEADY_MS ? PAUSE_MS_LEAST : host->pause_ms;
        log_warn("fleet", "host %u %s: restarting in %lld s", host->number, text,
                 (long long)(host->pause_ms / 1000));
        host->due_ms = now_ms + host->pause_ms;
        host->pause_ms *= 2;
        host->pause_ms = host->pause_ms > PAUSE_MS_MOST ? PAUSE_MS_MOST : host->pause_ms;
    }
}

/* Only hosts: companions_stop waits for the companions. */
static void reap(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        struct fleet_host *host = &f->hosts[i];
        int status = 0;
        if (host->pid != 0 && waitpid(host->pid, &status, WNOHANG) == host->pid) {
            on_end(f, host, status);
        }
    }
}

static bool over(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        const struct fleet_host *host = &f->hosts[i];
        if (host->pid != 0 || (!f->stopping && host->due_ms != INT64_MAX)) {
            return false;
        }
    }
    return true;
}

/* --- signals --- */

static void take_signals(struct fleet *f) {
    struct signalfd_siginfo info;
    while (read(f->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGHUP) {
            signal_all(f, SIGHUP);
        } else if (number == SIGTERM || number == SIGINT) {
            log_info("fleet", "%s: stopping %s", number == SIGINT ? "SIGINT" : "SIGTERM",
                     f->stopping ? "immediately" : "all hosts; a second signal stops immediately");
            stop_all(f);
        }
    }
}

/* --- reports of hosts --- */

static bool all_ready(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->hosts[i].ready) {
            return false;
        }
    }
    return true;
}

/* The next report, and its sender: any process of this machine may send one. False: there is
 * none. */
static bool next_word(int words, char text[WORD_BYTES], pid_t *from) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr head; /* for its alignment */
    } control;
    struct iovec part = {.iov_base = text, .iov_len = WORD_BYTES - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t len = recvmsg(words, &message, 0);
    const struct cmsghdr *head = len < 0 ? NULL : CMSG_FIRSTHDR(&message);
    struct ucred sender = {.pid = 0};
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_CREDENTIALS) {
        memcpy(&sender, CMSG_DATA(head), sizeof sender);
    }
    text[len < 0 ? 0 : len] = '\0';
    *from = sender.pid;
    return len >= 0;
}

static void take_words_of(struct fleet_host *host) {
    char text[WORD_BYTES];
    pid_t from;
    for (size_t i = 0; i < WORDS_AT_ONCE && next_word(host->words, text, &from); i++) {
        if (from != host->pid || from == 0) {
            continue;
        }
        bool ready = strcmp(text, "READY=1") == 0;
        host->ready = host->ready || ready;
        host->stopping = host->stopping || strcmp(text, "STOPPING=1") == 0;
        if (ready || strcmp(text, "WATCHDOG=1") == 0) {
            host->beat_ms = clock_monotonic_ms();
        }
    }
}

static void take_words(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        take_words_of(&f->hosts[i]);
    }
    if (!f->told_ready && !f->stopping && all_ready(f)) {
        f->told_ready = true;
        log_info("fleet", "%u hosts running, data in %s", f->count, f->conf->store_path);
        tell_manager("READY=1");
    }
}

/* Tells the service manager that the fleet is alive, and checks the hosts. */
static void beat(struct fleet *f) {
    int64_t now_ms = clock_monotonic_ms();
    if (f->beat_every_ms == 0 || now_ms < f->beat_due_ms) {
        return;
    }
    f->beat_due_ms = now_ms + f->beat_every_ms;
    tell_manager("WATCHDOG=1");
    for (unsigned i = 0; i < f->count && !f->stopping; i++) {
        struct fleet_host *host = &f->hosts[i];
        /* A host reports at half the interval that is allowed. */
        if (host->pid != 0 && host->beat_ms != 0 && now_ms - host->beat_ms > 2 * f->beat_every_ms) {
            log_error("fleet", "host %u has not reported for %lld ms: killing it", host->number,
                      (long long)(now_ms - host->beat_ms));
            host->beat_ms = 0;
            (void)kill(host->pid, SIGKILL); /* a stopped process would ignore other signals */
        }
    }
}

/* --- the loop --- */

/* Waits until something arrives, or the next start or heartbeat is due. */
static void wait_for_news(const struct fleet *f) {
    struct pollfd fds[PARTITIONS + 1] = {{.fd = f->signals, .events = POLLIN}};
    int64_t next_ms = f->beat_every_ms == 0 ? INT64_MAX : f->beat_due_ms;
    for (unsigned i = 0; i < f->count; i++) {
        const struct fleet_host *host = &f->hosts[i];
        fds[i + 1] = (struct pollfd){.fd = host->words, .events = POLLIN};
        if (!f->stopping && host->due_ms < next_ms) {
            next_ms = host->due_ms;
        }
    }
    next_ms = f->stopping && f->stop_due_ms < next_ms ? f->stop_due_ms : next_ms;
    int64_t left_ms = next_ms - clock_monotonic_ms();
    int timeout = next_ms == INT64_MAX ? -1 : left_ms < 0 ? 0 : (int)left_ms;
    (void)poll(fds, f->count + 1, timeout);
}

static void supervise(struct fleet *f) {
    while (!over(f)) {
        start_due(f);
        wait_for_news(f);
        take_words(f);
        take_signals(f);
        reap(f);
        stop_due(f);
        beat(f);
    }
}

/* --- start and stop --- */

/* A single host would have its store in the folder itself. */
static int check_folder(const struct fleet *f, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(f->conf->store_path, file, r);
    if (code == 0 && stat(file, &st) == 0) {
        return report(r, ERR_INVALID,
                      "%s holds the store of one host that is not divided: `zingq reshard --count "
                      "%u` makes it that of %u, or give these another folder with --data",
                      f->conf->store_path, f->count, f->count);
    }
    unsigned hosts = store_folder_hosts(f->conf->store_path);
    if (code == 0 && hosts > f->count) {
        return report(r, ERR_INVALID,
                      "%s holds %u hosts, and --hosts is %u: `zingq reshard --count %u` moves the "
                      "keys to where they belong then",
                      f->conf->store_path, hosts, f->count, f->count);
    }
    return code;
}

static int check_conf(const struct fleet *f, struct report *r) {
    if (division_is_divided(&f->conf->hosts.share)) {
        return report(r, ERR_INVALID,
                      "hosts.count is %u already: --hosts gives each of its hosts a count and a "
                      "number, so leave out count and this, or start one host without --hosts",
                      (unsigned)f->conf->hosts.share.count);
    }
    return check_folder(f, r);
}

/* This is the lock of a single host on this folder: so neither a single host nor a second fleet can
 * run. After a fleet was killed, its hosts still hold the lock until the kernel ends them. */
static int lock_folder(struct fleet *f, struct report *r) {
    int64_t until_ms = clock_monotonic_ms() + LOCK_MS;
    int code = store_folder_make(f->conf->store_path, r);
    while (code == 0) {
        code = store_folder_lock(f->conf->store_path, &f->lock, r);
        if (code != ERR_BUSY || clock_monotonic_ms() > until_ms) {
            return code;
        }
        (void)close(f->lock);
        f->lock = -1;
        (void)poll(NULL, 0, LOCK_STEP_MS);
        code = 0;
    }
    return code;
}

static int open_signals(struct fleet *f, struct report *r) {
    sigset_t set;
    bool ok = sigemptyset(&set) == 0 && sigaddset(&set, SIGTERM) == 0 &&
              sigaddset(&set, SIGINT) == 0 && sigaddset(&set, SIGHUP) == 0 &&
              sigaddset(&set, SIGCHLD) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0;
    f->signals = ok ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    return f->signals >= 0 ? 0
                           : report(r, ERR_SYSTEM, "cannot wait for signals: %s", strerror(errno));
}

static int prepare(struct fleet *f, struct report *r) {
    int code = conf_load(&f->conf, f->options->conf_file, &f->options->overrides, r);
    if (code == 0) {
        host_set_log(f->options, f->conf);
        code = check_conf(f, r);
    }
    if (code == 0) {
        code = lock_folder(f, r);
    }
    if (code == 0 && f->conf->hosts.secret_count == 0) {
        code = host_load_secret(f->conf->store_path, "secret", f->secret, r);
    }
    if (code == 0 && f->options->with_broker && f->options->overrides.broker_url == NULL) {
        code = companions_start(&f->companions, r);
    }
    if (code == 0) {
        code = open_signals(f, r);
    }
    for (unsigned i = 0; code == 0 && i < f->count; i++) {
        f->hosts[i].number = i + 1;
        f->hosts[i].pause_ms = PAUSE_MS_LEAST;
        code = fleet_open_words(&f->hosts[i], r); /* it is due at once */
    }
    return code;
}

static void close_all(struct fleet *f) {
    const int fds[] = {f->lock, f->signals};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    for (unsigned i = 0; i < f->count; i++) {
        if (f->hosts[i].words >= 0) {
            (void)close(f->hosts[i].words);
        }
    }
    companions_stop(&f->companions);
    conf_free(f->conf);
}

static int exit_status_of(int code) {
    return code == ERR_INVALID || code == ERR_NOTFOUND ? EXIT_USAGE : EXIT_CANNOT_RUN;
}

int fleet_run(const struct host_options *options, unsigned count) {
    assert(count > 1 && count <= PARTITIONS);
    struct fleet *f = calloc(1, sizeof *f);
    struct report r = {"out of memory"};
    if (f == NULL) {
        (void)fprintf(stderr, "zingq: out of memory\n");
        return EXIT_CANNOT_RUN;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    f->options = options;
    f->count = count;
    f->lock = f->signals = -1;
    for (unsigned i = 0; i < count; i++) {
        f->hosts[i].words = -1;
    }
    ssize_t len = readlink("/proc/self/exe", f->program, sizeof f->program - 1);
    f->program[len > 0 ? len : 0] = '\0';
    int code = prepare(f, &r);
    if (code == 0) {
        f->beat_every_ms = (int64_t)host_notify_interval_ms();
        supervise(f);
        log_info("fleet", "stopped");
    } else {
        (void)fprintf(stderr, "zingq: %s\n", r.text);
        f->status = exit_status_of(code);
    }
    int status = f->status;
    close_all(f);
    free(f);
    return status;
}
