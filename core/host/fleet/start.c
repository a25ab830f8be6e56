/*
 * start.c - starts a host: the fork, and what the child is given before it executes this program.
 *
 * A host gets its identity by the same arguments and variables that a person would use: so what
 * runs here can run on another machine, too, with nothing else.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/fleet/member.h"
#include "host/port.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool set_number(const char *name, unsigned long long value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", value);
    return setenv(name, text, 1) == 0;
}

/* Two sessions under one client id would disconnect each other. */
static bool set_client_id(const struct fleet *f, const struct fleet_host *host) {
    char text[512];
    const char *id = f->conf->broker.client_id;
    if (id[0] == '\0') {
        return true; /* the one in its folder */
    }
    (void)snprintf(text, sizeof text, "%s-%u", id, host->number);
    return setenv("ZINGQ_BROKER_CLIENT_ID", text, 1) == 0;
}

/* Of hosts that are no shards, the first has http.listen. */
static bool set_door(const struct fleet *f, const struct fleet_host *host) {
    if (f->member == NULL) {
        return host->number == 1 || setenv("ZINGQ_HTTP_LISTEN", "", 1) == 0;
    }
    if (f->door.port == NULL) { /* and none of them opens one for itself */
        if (setenv("ZINGQ_HTTP_LISTEN", "", 1) != 0) {
            return false;
        }
    } else if (host->wanted) {
        int port = gateway_listener(f->door.port);
        if (fcntl(port, F_SETFD, 0) != 0 || !set_number(PORT_INHERITED, (unsigned long long)port)) {
            return false;
        }
    }
    return f->conf->http_token[0] != '\0' || setenv("ZINGQ_HTTP_TOKEN", f->token, 1) == 0;
}

/* A shard reports at half of that. */
static bool set_shard(const struct fleet *f, const struct fleet_host *host, pid_t parent) {
    return f->member == NULL ||
           (set_number(FLEET_SHARD_OF, (unsigned long long)parent) &&
            setenv(FLEET_SHARD_FOLLOWS, host->wanted ? "" : "1", 1) == 0 &&
            set_number("WATCHDOG_USEC", (unsigned long long)f->silence_ms * 1000));
}

static bool set_environment(const struct fleet *f, const struct fleet_host *host, pid_t parent) {
    return set_number("ZINGQ_HOSTS_COUNT", f->count) &&
           set_number("ZINGQ_HOSTS_THIS", host->number) && set_client_id(f, host) &&
           (f->conf->hosts.secret_count > 0 || setenv("ZINGQ_HOSTS_SECRET", f->secret, 1) == 0) &&
           set_door(f, host) && set_shard(f, host, parent) &&
           setenv("NOTIFY_SOCKET", host->words_name, 1) == 0 && unsetenv("WATCHDOG_PID") == 0;
}

/* Runs before exec, with one thread: resets the attributes that the child must not inherit, and
 * sets those it needs. */
static bool set_process(const struct fleet *f, pid_t parent) {
    sigset_t none;
    /* A process group of its own: Ctrl-C goes to the fleet, which passes it on once. If the fleet
     * is killed, it passes nothing on; then the kernel kills all hosts as with kill -9. */
    return sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
           fcntl(f->lock, F_SETFD, 0) == 0;
}

static void become(const struct fleet *f, const struct fleet_host *host) {
    char data[STORE_PATH_BYTES];
    bool dev = f->options->with_broker;
    char *argv[10] = {"zingq", dev ? "dev" : "run", "--conf", f->conf->file, "--data", data};
    size_t count = 6;
    const char *broker = f->options->overrides.broker_url;
    broker = dev && broker == NULL ? f->companions.broker_url : broker;
    if (broker != NULL) {
        argv[count++] = "--broker";
        argv[count++] = (char *)(uintptr_t)broker;
    }
    if (!member_folder(f, host, data)) {
        errno = ENAMETOOLONG;
        return;
    }
    (void)execv(f->program, argv);
    (void)execv("/proc/self/exe", argv); /* in case the file was replaced or removed */
}

static _Noreturn void be_host(const struct fleet *f, const struct fleet_host *host, pid_t parent) {
    if (set_process(f, parent) && set_environment(f, host, parent)) {
        become(f, host);
    }
    log_error("fleet", "%s %u cannot be started: %s", f->what, host->number, strerror(errno));
    _exit(EXIT_CANNOT_RUN);
}

bool fleet_start(const struct fleet *f, struct fleet_host *host) {
    assert(host->pid == 0 && host->number >= 1 && host->number <= f->count);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        be_host(f, host, parent);
    }
    host->due_ms = INT64_MAX;
    host->beat_ms = host->waits_ms = 0;
    host->stopping = host->told = host->slow = host->silent = host->attends = false;
    host->follower.runs = !host->wanted;
    host->started_ms = clock_monotonic_ms();
    if (pid < 0) {
        return false;
    }
    host->pid = pid;
    host->starts++;
    return true;
}
