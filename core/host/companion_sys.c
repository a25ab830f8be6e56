/*
 * companion_sys.c - the private broker shows the host's figures under $SYS/zingqueue, with the
 * plugin that lies beside the program (or, installed, in ../lib/zingq).
 *
 * The plugin believes nobody without a confirmed user name, so the host gets one, with a password
 * that lives as long as the broker. Everybody else stays anonymous. What is missing is no error:
 * the broker then has zingq/sys/... and no more.
 */
#include "host/companion_impl.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSWORD_BYTES = 16, PASSWORD_CHARS = PASSWORD_BYTES * 2 };

extern char **environ;

static bool find_plugin(char path[COMPANION_PATH_MAX]) {
    static const char *const places[] = {"%s/zingq_sys.so", "%s/../lib/zingq/zingq_sys.so"};
    char own[4096];
    companions_own_folder(own);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        (void)snprintf(path, COMPANION_PATH_MAX, places[i], own);
        if (access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool write_password(const char *path, const char *password) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return false;
    }
    bool ok = fprintf(file, "zingq:%s\n", password) > 0;
    return fclose(file) == 0 && ok;
}

/* Mosquitto reads hashes only. */
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

bool companions_write_plugin(const struct companions *c, FILE *conf) {
    char plugin[COMPANION_PATH_MAX];
    char passwords[128];
    (void)snprintf(passwords, sizeof passwords, "%s/passwords", c->folder);
    if (!find_plugin(plugin)) {
        return true;
    }
    if (!make_user(passwords)) {
        log_warn("host", "no $SYS/zingqueue on the private broker: cannot make a user for it (is "
                         "mosquitto_passwd installed?)");
        return true;
    }
    /* Started as root, Mosquitto would become a user who cannot read the folder. */
    return fprintf(conf,
                   "password_file %s\nplugin %s\nplugin_opt_user zingq\n"
                   "plugin_opt_other_topics allow\n%s",
                   passwords, plugin, geteuid() == 0 ? "user root\n" : "") > 0;
}
