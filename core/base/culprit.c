/*
 * culprit.c - see base/culprit.h.
 *
 * One thread writes the page, and the next process reads it. So what matters is the order in which
 * the stores of that thread reach memory if it stops between two of them: a record's phase is
 * cleared before its events change, and set afterwards. A signal fence keeps the compiler from
 * reordering them; the kernel keeps the page whatever happens to the process.
 */
#include "base/culprit.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNKNOWN_IN_A_ROW = 2 };

static const char magic[8] = "zingqcp5";

struct page {
    char magic[sizeof magic];
    uint8_t boot[16];
    uint32_t unknown; /* consecutive starts after a crash that names nobody */
    struct culprit_record now;
    uint8_t loading[CULPRIT_LOAD_BYTES];
};

/* What earlier crashes left, in a page of its own after the first one. */
struct past {
    struct culprit_record debt;
    uint64_t debt_number;
    /* loaded when the host went down, and not loaded whole since */
    uint8_t suspect[CULPRIT_LOAD_BYTES];
    uint32_t loads; /* number of loads noted so far: the next is stored at loads % CULPRIT_LOADS */
    uint8_t refused[CULPRIT_LOADS][CULPRIT_LOAD_BYTES];
};

struct pages {
    union {
        struct page page;
        uint8_t bytes[CULPRIT_BYTES];
    } first;
    union {
        struct past past;
        uint8_t bytes[CULPRIT_BYTES];
    } second;
};

static_assert(sizeof(struct pages) == (size_t)2 * CULPRIT_BYTES, "each fits its page");

struct culprit {
    struct pages *pages;    /* mapped */
    volatile unsigned turn; /* see culprit_turn; read by a signal handler of the same thread */
};

static void settle_order(void) {
    atomic_signal_fence(memory_order_seq_cst);
}

static struct page *page_of(struct culprit *c) {
    return &c->pages->first.page;
}

static struct past *past_of(struct culprit *c) {
    return &c->pages->second.past;
}

/* --- opening --- */

static bool is_known(const uint8_t boot[16]) {
    static const uint8_t unknown[16];
    return memcmp(boot, unknown, sizeof unknown) != 0;
}

static bool is_refused(struct culprit *c, const uint8_t version[CULPRIT_LOAD_BYTES]) {
    const struct past *past = past_of(c);
    for (uint32_t i = 0; i < past->loads && i < CULPRIT_LOADS; i++) {
        if (memcmp(past->refused[i], version, CULPRIT_LOAD_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_suspect(struct culprit *c) {
    return memcmp(past_of(c)->suspect, page_of(c)->loading, CULPRIT_LOAD_BYTES) == 0;
}

/* Once may be chance: a kill -9 may hit a host that is loading something during its start. The
 * second time in a row, the load is refused. */
static void charge_load(struct culprit *c) {
    struct past *past = past_of(c);
    if (!is_suspect(c)) {
        memcpy(past->suspect, page_of(c)->loading, CULPRIT_LOAD_BYTES);
    } else if (!is_refused(c, page_of(c)->loading)) {
        memcpy(past->refused[past->loads % CULPRIT_LOADS], page_of(c)->loading, CULPRIT_LOAD_BYTES);
        past->loads++;
    }
}

/* Takes over what the previous process left if it was stopped in the middle of something. */
static void take_over(struct culprit *c) {
    struct page *p = page_of(c);
    bool named = p->now.count > 0 && p->now.count <= CULPRIT_EVENTS;
    bool ran = p->now.phase == CULPRIT_RUN || p->now.phase == CULPRIT_APPLY ||
               p->now.phase == CULPRIT_ADMIT || p->now.phase == CULPRIT_SEND ||
               p->now.phase == CULPRIT_POLICY;
    bool loaded = p->now.phase == CULPRIT_LOAD;
    if (p->now.phase == CULPRIT_STOPPED || loaded || (ran && named)) {
        p->unknown = 0;
    } else {
        p->unknown++;
    }
    if (ran && named && past_of(c)->debt.count == 0) {
        past_of(c)->debt_number = (uint64_t)clock_monotonic_ns();
        settle_order();
        past_of(c)->debt = p->now;
    }
    if (loaded) {
        charge_load(c);
        p->now.phase = CULPRIT_IDLE;
    }
    p->now.hung = 0;
    settle_order();
    culprit_enter(c, CULPRIT_IDLE);
}

static int map(struct culprit *c, int fd, int flags, const char *path, struct report *r) {
    int rc = flags == MAP_SHARED ? posix_fallocate(fd, 0, sizeof *c->pages) : 0;
    if (rc != 0) {
        (void)report(r, ERR_DISK, "cannot make room for %s: %s", path, strerror(rc));
        return ERR_DISK;
    }
    void *at = mmap(NULL, sizeof *c->pages, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED) {
        (void)report(r, ERR_DISK, "cannot map %s: %s", path, strerror(errno));
        return ERR_DISK;
    }
    c->pages = at;
    return 0;
}

/* Memory beyond the end of a file does not exist, even if it is mapped. */
static bool is_whole(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct pages);
}

static int open_page(struct culprit *c, const char *path, int flags, struct report *r) {
    bool shared = flags == MAP_SHARED;
    int fd = open(path, shared ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        int code = errno == ENOENT ? ERR_NOTFOUND : ERR_DISK;
        (void)report(r, code, "cannot open %s: %s", path, strerror(errno));
        return code;
    }
    int code = ERR_NOTFOUND;
    if (shared || is_whole(fd)) {
        code = map(c, fd, flags, path, r);
    } else {
        (void)report(r, code, "%s is truncated", path);
    }
    (void)close(fd); /* the mapping stays */
    return code;
}

static int open_with(struct culprit **out, const char *folder, const uint8_t boot[16], int flags,
                     struct report *r) {
    char path[4096];
    struct culprit *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    int len = snprintf(path, sizeof path, "%s/processor", folder);
    if (len < 0 || (size_t)len >= sizeof path) {
        free(c);
        return report(r, ERR_DISK, "%s: the path is too long", folder);
    }
    int code = open_page(c, path, flags, r);
    if (code != 0) {
        free(c);
        return code;
    }
    struct page *p = page_of(c);
    if (memcmp(p->magic, magic, sizeof magic) != 0 || !is_known(boot) ||
        memcmp(p->boot, boot, sizeof p->boot) != 0) {
        memset(c->pages, 0, sizeof *c->pages);
        memcpy(p->boot, boot, sizeof p->boot);
        memcpy(p->magic, magic, sizeof magic);
    }
    *out = c;
    return 0;
}

int culprit_open(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r) {
    int code = open_with(out, folder, boot, MAP_SHARED, r);
    if (code == 0) {
        take_over(*out);
    }
    return code == ERR_NOTFOUND ? ERR_DISK : code;
}

int culprit_peek(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r) {
    return open_with(out, folder, boot, MAP_PRIVATE, r);
}

void culprit_close(struct culprit *c) {
    if (c != NULL) {
        int rc = munmap(c->pages, sizeof *c->pages);
        assert(rc == 0);
        free(c);
    }
}

void culprit_stopped(struct culprit *c) {
    culprit_enter(c, CULPRIT_STOPPED);
}

/* --- while it runs --- */

void culprit_enter(struct culprit *c, enum culprit_phase phase) {
    if (c == NULL) {
        return;
    }
    struct culprit_record *now = &page_of(c)->now;
    if (now->phase == CULPRIT_LOAD && is_suspect(c)) { /* it loads without a crash */
        memset(past_of(c)->suspect, 0, CULPRIT_LOAD_BYTES);
    }
    bool names = phase != CULPRIT_IDLE && phase != CULPRIT_COMMIT && phase != CULPRIT_STOPPED &&
                 phase != CULPRIT_LOAD;
    now->count = names ? now->count : 0;
    settle_order();
    now->phase = phase;
    c->turn += names ? 0 : 1;
}

static void put(struct culprit_record *now, uint16_t service, uint8_t partition,
                const struct uuid *id) {
    if (now->count < CULPRIT_EVENTS) {
        now->events[now->count] = (struct culprit_event){service, partition, *id};
        settle_order();
        now->count++;
    }
}

void culprit_run(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id) {
    if (c != NULL) {
        culprit_enter(c, CULPRIT_IDLE);
        put(&page_of(c)->now, service, partition, id);
        settle_order();
        page_of(c)->now.phase = CULPRIT_RUN;
    }
}

void culprit_policy(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id,
                    struct culprit_record *within) {
    if (c != NULL) {
        *within = page_of(c)->now;
        culprit_run(c, service, partition, id);
        page_of(c)->now.phase = CULPRIT_POLICY;
    }
}

void culprit_leave(struct culprit *c, const struct culprit_record *within) {
    if (c != NULL) {
        struct culprit_record *now = &page_of(c)->now;
        culprit_enter(c, CULPRIT_IDLE);
        memcpy(now->events, within->events, sizeof now->events);
        settle_order();
        now->count = within->count;
        settle_order();
        now->phase = within->phase;
    }
}

void culprit_send(struct culprit *c, const struct uuid *id) {
    if (c != NULL) {
        culprit_enter(c, CULPRIT_IDLE);
        put(&page_of(c)->now, 0, 0, id);
        settle_order();
        page_of(c)->now.phase = CULPRIT_SEND;
    }
}

void culprit_join(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id) {
    if (c != NULL) {
        put(&page_of(c)->now, service, partition, id);
    }
}

void culprit_hung(struct culprit *c) {
    if (c != NULL) {
        page_of(c)->now.hung = 1;
    }
}

bool culprit_load(struct culprit *c, const uint8_t version[CULPRIT_LOAD_BYTES]) {
    if (c == NULL) {
        return true;
    }
    if (is_refused(c, version)) {
        return false;
    }
    culprit_enter(c, CULPRIT_IDLE);
    memcpy(page_of(c)->loading, version, CULPRIT_LOAD_BYTES);
    culprit_enter(c, CULPRIT_LOAD);
    return true;
}

const struct culprit_record *culprit_now(const struct culprit *c) {
    return &c->pages->first.page.now;
}

unsigned culprit_turn(const struct culprit *c) {
    if (c == NULL || (culprit_now(c)->count == 0 && culprit_now(c)->phase != CULPRIT_LOAD)) {
        return 0;
    }
    return c->turn;
}

/* --- after a crash --- */

const struct culprit_record *culprit_debt(const struct culprit *c) {
    static const struct culprit_record none;
    return c == NULL ? &none : &c->pages->second.past.debt;
}

uint64_t culprit_debt_number(const struct culprit *c) {
    return c == NULL ? 0 : c->pages->second.past.debt_number;
}

void culprit_settle(struct culprit *c) {
    if (c != NULL) {
        past_of(c)->debt.count = 0;
    }
}

bool culprit_unknown(const struct culprit *c) {
    return c != NULL && c->pages->first.page.unknown >= UNKNOWN_IN_A_ROW;
}

void culprit_trust(struct culprit *c) {
    if (c != NULL) {
        page_of(c)->unknown = 0;
    }
}
