/*
 * doctor.c - findings, and the examination of the disk.
 *
 * The disk is measured the way the store uses it: a small write, then fsync, in the store's own
 * folder. Left out: what the drive says about its cache; only a power cut would prove it.
 */
#include "doctor/doctor.h"

#include "doctor/sync.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
    SYNCS = 20,           /* number measured */
    SYNC_SLOW_US = 10000, /* a spinning disk; a commit takes one or two of these */
    SYNC_SUSPECT_US = 15, /* faster than any drive can answer: nothing reached one */
    FREE_LEAST_MIB = 64,  /* below this, the store will soon stop accepting */
};

const char *doctor_verdict_name(enum doctor_verdict verdict) {
    static const char *const names[] = {"good", "warn", "bad"};
    assert(verdict >= DOCTOR_GOOD && verdict <= DOCTOR_BAD);
    return names[verdict];
}

enum doctor_verdict doctor_worst(const struct doctor *d) {
    enum doctor_verdict worst = DOCTOR_GOOD;
    for (size_t i = 0; i < d->count; i++) {
        worst = d->rows[i].verdict > worst ? d->rows[i].verdict : worst;
    }
    return worst;
}

struct doctor_row *doctor_add(struct doctor *d, const char *name, enum doctor_verdict verdict,
                              const char *seen, ...) {
    assert(d->count < DOCTOR_ROWS_MAX); /* the number of examinations is fixed */
    struct doctor_row *row = &d->rows[d->count++];
    *row = (struct doctor_row){.name = name, .verdict = verdict};
    va_list args;
    va_start(args, seen);
    (void)vsnprintf(row->seen, sizeof row->seen, seen, args);
    va_end(args);
    return row;
}

void doctor_advise(struct doctor_row *row, const char *risk, const char *mend) {
    (void)snprintf(row->risk, sizeof row->risk, "%s", risk);
    (void)snprintf(row->mend, sizeof row->mend, "%s", mend);
}

/* Mosquitto 2.0 persists only plain subscriptions. */
void doctor_shares(struct doctor *d, const char *broker_version, bool alone) {
    if (strncmp(broker_version, "mosquitto", 9) != 0) {
        return;
    }
    struct doctor_row *row = doctor_add(d, "after a broker restart", DOCTOR_GOOD,
                                        "plain subscriptions (broker.alone) are kept");
    if (!alone) {
        row->verdict = DOCTOR_WARN;
        (void)snprintf(row->seen, sizeof row->seen,
                       "Mosquitto forgets shared subscriptions, with persistence too");
        doctor_advise(
            row, "messages published before the host is back are acknowledged and lost",
            "topics.conf: broker { alone = yes }, if no other host, or none but those of this "
            "division, runs these services");
    }
}

/* ---- the disk ---- */

/* Superblock magic numbers of statfs(2); others are taken for local disks. */
static const struct filesystem {
    uint32_t magic;
    const char *name;
    enum doctor_verdict verdict;
    const char *risk;
    const char *mend;
} filesystems[] = {
    {0xEF53, "ext4", DOCTOR_GOOD, "", ""},
    {0x58465342, "xfs", DOCTOR_GOOD, "", ""},
    {0x9123683E, "btrfs", DOCTOR_GOOD, "", ""},
    {0x2FC12FC1, "zfs", DOCTOR_GOOD, "", ""},
    {0xF2F52010, "f2fs", DOCTOR_GOOD, "", ""},
    {0x01021994, "tmpfs", DOCTOR_BAD, "it is memory: a restart of the machine loses every event",
     "set store.path to a folder on a disk"},
    {0x858458F6, "ramfs", DOCTOR_BAD, "it is memory: a restart of the machine loses every event",
     "set store.path to a folder on a disk"},
    {0x6969, "nfs", DOCTOR_BAD,
     "a memory map over the network is not kept consistent: the store can be damaged",
     "set store.path to a folder on a local disk"},
    {0xFF534D42, "cifs", DOCTOR_BAD,
     "a memory map over the network is not kept consistent: the store can be damaged",
     "set store.path to a folder on a local disk"},
    {0xFE534D42, "smb2", DOCTOR_BAD,
     "a memory map over the network is not kept consistent: the store can be damaged",
     "set store.path to a folder on a local disk"},
    {0x01021997, "9p", DOCTOR_BAD,
     "a memory map over the network is not kept consistent: the store can be damaged",
     "set store.path to a folder on a local disk"},
    {0x65735546, "fuse", DOCTOR_WARN, "whether an fsync reaches the disk depends on its driver",
     "set store.path to a folder on a local disk"},
    {0x794C7630, "overlayfs", DOCTOR_WARN,
     "this looks like the inside of a container: the events go when it is removed",
     "mount a volume and set store.path to a folder on it"},
};

static void examine_filesystem(struct doctor *d, const char *folder) {
    struct statfs fs;
    if (statfs(folder, &fs) != 0) {
        struct doctor_row *row =
            doctor_add(d, "filesystem", DOCTOR_WARN, "%s: %s", folder, strerror(errno));
        doctor_advise(row, "the kind of the filesystem is not known", "");
        return;
    }
    for (size_t i = 0; i < sizeof filesystems / sizeof filesystems[0]; i++) {
        const struct filesystem *f = &filesystems[i];
        if ((uint32_t)fs.f_type == f->magic) {
            struct doctor_row *row =
                doctor_add(d, "filesystem", f->verdict, "%s is on %s", folder, f->name);
            doctor_advise(row, f->risk, f->mend);
            return;
        }
    }
    (void)doctor_add(d, "filesystem", DOCTOR_GOOD, "%s is on a filesystem of kind 0x%lx", folder,
                     (unsigned long)fs.f_type);
}

static void examine_space(struct doctor *d, const char *folder, uint64_t store_max_bytes) {
    struct statvfs v;
    if (statvfs(folder, &v) != 0) {
        (void)doctor_add(d, "free space", DOCTOR_WARN, "%s: %s", folder, strerror(errno));
        return;
    }
    uint64_t free_mib = (uint64_t)v.f_bavail * v.f_frsize >> 20;
    uint64_t max_mib = store_max_bytes >> 20;
    enum doctor_verdict verdict = DOCTOR_GOOD;
    if (free_mib < max_mib) {
        verdict = free_mib < FREE_LEAST_MIB ? DOCTOR_BAD : DOCTOR_WARN;
    }
    struct doctor_row *row =
        doctor_add(d, "free space", verdict, "%llu MiB free, store.max_size is %llu MiB",
                   (unsigned long long)free_mib, (unsigned long long)max_mib);
    if (verdict != DOCTOR_GOOD) {
        doctor_advise(row,
                      "the disk can be full before the store is: nothing is lost, but no event is "
                      "accepted until there is room",
                      "free some space, or lower store.max_size");
    }
}

static void judge_syncs(struct doctor *d, const int64_t us[SYNCS]) {
    int64_t median = us[SYNCS / 2];
    bool slow = median > SYNC_SLOW_US;
    bool suspect = median < SYNC_SUSPECT_US;
    struct doctor_row *row = doctor_add(d, "fsync", slow || suspect ? DOCTOR_WARN : DOCTOR_GOOD,
                                        "a small write with fsync takes %.2f ms (median of %d; "
                                        "slowest %.2f ms); store.linger = \"auto\" is %d ms",
                                        (double)median / 1000, SYNCS, (double)us[SYNCS - 1] / 1000,
                                        (int)sync_linger_ms(median));
    if (slow) {
        doctor_advise(row, "nothing is lost, but an event waits that long to be accepted",
                      "put store.path on an SSD");
    } else if (suspect) {
        doctor_advise(row,
                      "no drive is that fast: the write stayed in memory, and a power cut can lose "
                      "what was acknowledged",
                      "turn off write caching without battery in the hypervisor or controller");
    }
}

/* The folder itself, or its nearest ancestor that exists. */
static void nearest_folder(const char *path, char folder[4096]) {
    (void)snprintf(folder, 4096, "%s", path);
    struct stat s;
    while (stat(folder, &s) != 0 || !S_ISDIR(s.st_mode)) {
        char *slash = strrchr(folder, '/');
        if (slash == NULL || slash == folder) {
            (void)snprintf(folder, 4096, "%s", slash == folder ? "/" : ".");
            return;
        }
        *slash = '\0';
    }
}

int doctor_disk(struct doctor *d, const char *store_path, uint64_t store_max_bytes) {
    char folder[4096];
    nearest_folder(store_path, folder);
    examine_filesystem(d, folder);
    examine_space(d, folder, store_max_bytes);

    int64_t us[SYNCS];
    int err = sync_measure(folder, us, SYNCS);
    if (err != 0) {
        struct doctor_row *row = doctor_add(d, "fsync", DOCTOR_BAD, "cannot write a file in %s: %s",
                                            folder, strerror(err));
        doctor_advise(row, "the host cannot start", "give zingq's user the right to write there");
        return ERR_DISK;
    }
    judge_syncs(d, us);
    return 0;
}
