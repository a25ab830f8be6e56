/*
 * member.c - see host/fleet/member.h.
 *
 * A round, every quarter of the lease: raise our count of beats, look at the cluster, bury who is dead,
 * and let the leases and what runs here follow from what is placed here (placing_decide). Shards that go
 * elsewhere are stopped first, so that they drain, and released when their process has ended. Shards of
 * others that would come here are followed (placing_followers).
 *
 * While the database is away the shards that run here run on: whether they may commit is decided by
 * their logs. A host that was buried kills them, because others run them now, and joins again.
 *
 * Left out on purpose: asking the broker who is alive. One judge is enough, and shards that cannot reach
 * the database do nothing.
 */
#include "host/fleet/member.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "cluster/cluster.h"
#include "store/folder.h"

#include <assert.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    ROUNDS_A_LEASE = 4,
    PATIENCE_MS = 2000,     /* with a statement: nothing else is done meanwhile */
    SILENCE_MS_MIN = 30000, /* a shard may wait nearly so long for the database in one turn */
    TELL_MS = 60000,
    RETRY_MS = 60000, /* for a shard that other hosts could not run either */
    FAILURES_MAX = 3, /* of a shard that ends with an error, in a row, */
    CRASHES_MAX = 10, /* or that crashes: an event that does that is a dead letter before */
    BLIND_LOOKS = 3,  /* in a row: the lease is too short for this database */
    HURRY_MS = 500,   /* between rounds while a shard waits for its copy */
};

struct fleet_member {
    struct cluster *cluster;
    const char *name; /* of this host; topics.conf's */
    char process[192];
    int64_t lease_ms;
    struct cluster_view view;
    struct watch watch;
    bool joined;
    int64_t rival_ms; /* since when a process is watched that may be this host, too; 0 = none is */
    int64_t rival_first; /* its count of beats then, */
    int64_t rival_beats; /* and at the last look */
    int64_t tries;       /* joins of ours since then */
    int64_t due_ms;
    int64_t away_ms; /* when it was last told that the database is away; 0 = it is not */
    int losses;      /* how many were accepted when the shards were started */
    bool told_lost;
    bool hurries;                  /* a shard waits for its copy elsewhere */
    int64_t failed_ms[PARTITIONS]; /* when a shard could not run here; 0 = never */
    int64_t leaves_ms[PARTITIONS]; /* since when another host is to have it; 0 = none is */
    char lost
        [CLUSTER_LOST_BYTES]; /* what a shard has found to be lost, to be reported; "" = nothing */
};

_Static_assert((int)FLEET_SECRET_BYTES == CLUSTER_SECRET_BYTES, "that of the cluster fits");

/* --- shards --- */

static struct shard_lease *lease_of(struct fleet_member *m, const struct fleet_host *host) {
    return &m->view.leases[host->number - 1];
}

static bool is_ours(const struct fleet_member *m, const struct shard_lease *lease) {
    return strcmp(lease->owner, m->name) == 0;
}

/* One that is to run no longer is told to stop, unless all are. One that is to run ends what follows it,
 * which may be cut off anywhere. */
static void want(struct fleet *f, struct fleet_host *host, bool wanted) {
    if (wanted != host->wanted || host->follower.wanted) {
        host->wanted = wanted;
        host->follower.wanted = false;
        host->due_ms = wanted ? clock_monotonic_ms() : INT64_MAX;
    }
    if (wanted && host->follower.runs) {
        fleet_signal(f, host, SIGKILL);
    }
    if (!wanted && !f->stopping && !host->told && host->pid != 0) {
        host->told = true;
        fleet_signal(f, host, SIGTERM);
    }
}

/* Somebody else's: followed here, once no process of the shard is left. */
static void follow(struct fleet *f, struct fleet_host *host) {
    if (host->wanted || (host->pid != 0 && !host->follower.runs)) {
        want(f, host, false);
    } else if (!host->follower.wanted) {
        host->follower.wanted = true;
        host->follower.failed = false;
        host->follower.pause_ms = FLEET_PAUSE_MS_LEAST;
        host->due_ms = clock_monotonic_ms();
    }
}

static void want_none(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        want(f, &f->hosts[i], false);
    }
}

static bool others_live(const struct fleet_member *m) {
    for (size_t i = 0; i < m->view.member_count; i++) {
        const struct member *other = &m->view.members[i];
        if (member_takes_shards(other) && strcmp(other->name, m->name) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether another host should try to run it. */
static bool fails_here(const struct fleet_member *m, const struct fleet_host *host) {
    return host->failures >= (host->crashed ? CRASHES_MAX : FAILURES_MAX) && others_live(m);
}

static int release(struct fleet *f, struct fleet_host *host, struct report *r) {
    struct fleet_member *m = f->member;
    bool fails = !f->stopping && fails_here(m, host);
    int code = cluster_release(m->cluster, host->number, fails ? host->end : "", r);
    if (code != 0) {
        return code;
    }
    lease_of(m, host)->owner[0] = '\0';
    m->failed_ms[host->number - 1] = fails ? clock_monotonic_ms() : 0;
    log_info("fleet", "shard %u is released%s%s", host->number,
             fails ? ": it cannot run here; it " : "", fails ? host->end : "");
    host->failures = 0;
    host->pause_ms = FLEET_PAUSE_MS_LEAST;
    return 0;
}

/* It runs on until that host has a copy of it, so that it stands still for a moment only. */
static bool waits_for_copy(struct fleet_member *m, unsigned number, const struct member *to) {
    int64_t *since_ms = &m->leaves_ms[number - 1];
    int64_t now_ms = clock_monotonic_ms();
    int64_t patience_ms = placing_patience_ms(to, number - 1);
    if (*since_ms == 0) {
        *since_ms = now_ms;
        log_info("fleet", "shard %u is to move to \"%s\"%s", number, to->name,
                 patience_ms == 0 ? "" : ", and runs here until that has a copy of it");
    }
    bool waits = now_ms - *since_ms < patience_ms;
    m->hurries = m->hurries || waits;
    return waits;
}

/* Ours: it runs here until whoever is to have it has been alive for a while, and has a copy of it. */
static int hold(struct fleet *f, struct fleet_host *host, const struct member *to,
                struct report *r) {
    struct fleet_member *m = f->member;
    bool here = to == NULL || strcmp(to->name, m->name) == 0 ||
                !watch_is_steady(&m->watch, to, m->watch.looked_ms);
    bool may_stay = !f->stopping && !fails_here(m, host);
    if (here || !may_stay || !host->wanted || host->pid == 0) {
        m->leaves_ms[host->number - 1] = 0;
    } else {
        here = waits_for_copy(m, host->number, to);
    }
    want(f, host, here && may_stay);
    return !host->wanted && host->pid == 0 ? release(f, host, r) : 0;
}

/* Two hosts that cannot run a shard do not pass it on without pause. A person may ask for it. */
static bool may_claim(const struct fleet_member *m, const struct fleet_host *host) {
    int64_t failed_ms = m->failed_ms[host->number - 1];
    return failed_ms == 0 || clock_monotonic_ms() - failed_ms >= RETRY_MS ||
           m->view.leases[host->number - 1].failed[0] == '\0' || !others_live(m);
}

static int claim(struct fleet *f, struct fleet_host *host, struct report *r) {
    struct fleet_member *m = f->member;
    int code = cluster_claim(m->cluster, host->number, r);
    if (code == 0) {
        (void)snprintf(lease_of(m, host)->owner, sizeof lease_of(m, host)->owner, "%s", m->name);
        log_info("fleet", "shard %u starts here", host->number);
        want(f, host, true);
    }
    return code == ERR_EXISTS ? 0 : code; /* somebody was faster */
}

static bool is_me(const struct fleet_member *m, int member) {
    return member >= 0 && strcmp(m->view.members[member].name, m->name) == 0;
}

/* Until a slow database has taken long enough: signals and ends come first. */
static int arrange(struct fleet *f, int64_t until_ms, struct report *r) {
    struct fleet_member *m = f->member;
    int to[PARTITIONS];
    int followers[PARTITIONS];
    bool may_follow = f->conf->cluster.followers > 0 && !f->stopping;
    int code = 0;
    placing_decide(&m->view, to);
    if (may_follow) {
        placing_followers(&m->view, to, followers);
    }
    for (unsigned i = 0; code == 0 && i < f->count; i++) {
        if (clock_monotonic_ms() > until_ms) {
            m->due_ms = 0; /* the rest */
            break;
        }
        struct fleet_host *host = &f->hosts[i];
        const struct shard_lease *lease = lease_of(m, host);
        const struct member *other = to[i] < 0 ? NULL : &m->view.members[to[i]];
        if (is_ours(m, lease)) {
            code = hold(f, host, other, r);
        } else if (lease->owner[0] == '\0' && is_me(m, to[i]) && !f->stopping &&
                   fleet_is_free(host) && may_claim(m, host)) {
            code = claim(f, host, r);
        } else if (may_follow && is_me(m, followers[i])) {
            follow(f, host);
        } else {
            want(f, host, false);
        }
    }
    return code;
}

/* --- the others --- */

static int bury_dead(struct fleet_member *m, int64_t until_ms, struct report *r) {
    for (size_t i = 0; i < m->view.member_count && clock_monotonic_ms() <= until_ms; i++) {
        const struct member *other = &m->view.members[i];
        if (strcmp(other->name, m->name) == 0 ||
            !watch_is_dead(&m->watch, other, m->watch.looked_ms)) {
            continue;
        }
        int code = cluster_bury(m->cluster, other->name, other->beats, r);
        if (code == 0) {
            log_warn("fleet", "host \"%s\" has shown no life for %lld ms: its shards are nobody's",
                     other->name, (long long)other->lease_ms);
            m->due_ms = 0; /* look again at once */
        } else if (code != ERR_EXISTS) {
            return code;
        }
    }
    return 0;
}

/* All stand still until a person accepts what was lost; then they start with folders of their own. */
static bool stands_still(struct fleet *f) {
    struct fleet_member *m = f->member;
    bool lost = m->view.lost[0] != '\0';
    if (lost) {
        want_none(f);
    }
    if (lost && !m->told_lost) {
        log_error("fleet",
                  "all shards stop: %s. Restore the database, or accept the loss: `zingq "
                  "cluster accept-loss`",
                  m->view.lost);
        fleet_tell_manager("STATUS=all shards stand still: the database has lost commits");
    } else if (!lost && m->told_lost) {
        fleet_tell_manager("STATUS=");
    }
    m->told_lost = lost;
    if (!lost && m->losses != m->view.losses) {
        want_none(f);
        m->losses = fleet_is_idle(f) ? m->view.losses : m->losses;
    }
    return lost || m->losses != m->view.losses;
}

/* --- joining --- */

/* The same for all hosts, so that one login serves for all of them. */
static void make_token(struct fleet *f, const struct cluster_facts *facts) {
    static const char what[] = "http.token";
    uint8_t hash[32];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)what, sizeof what - 1,
                             (const uint8_t *)facts->secret, strlen(facts->secret));
    (void)sodium_bin2hex(f->token, sizeof f->token, hash, sizeof hash);
}

static int learn(struct fleet *f, struct report *r) {
    struct cluster_facts facts;
    int code = cluster_facts(f->member->cluster, &facts, r);
    if (code != 0) {
        return code;
    }
    memcpy(f->secret, facts.secret, sizeof f->secret);
    make_token(f, &facts);
    return fleet_set_hosts(f, facts.shards, r);
}

/* The row of this host says that it lives. If its beats go on, that is another process: two would end
 * each other again and again. Half its lease without a beat shows that they do not. One beat of a
 * process that was killed may be carried out late, and so may our own joins that were not answered. */
static int watch_rival(struct fleet_member *m, const struct member *rival, struct report *r) {
    int64_t now_ms = clock_monotonic_ms();
    if (m->rival_ms == 0) {
        m->rival_first = rival->beats;
        m->tries = 0;
    }
    if (m->rival_ms == 0 || rival->beats != m->rival_beats) {
        m->rival_ms = now_ms;
        m->rival_beats = rival->beats;
    }
    return rival->beats <= m->rival_first + m->tries + 1
               ? 0
               : report(r, ERR_EXISTS,
                        "another process is the host \"%s\" of the cluster: stop it, or give this "
                        "one another name (cluster.host)",
                        m->name);
}

static int join(struct fleet_member *m, struct report *r) {
    int code = cluster_look(m->cluster, &m->view, r);
    const struct member *self = code == 0 ? cluster_member(&m->view, m->name) : NULL;
    if (code != 0 && m->rival_ms != 0) {
        m->rival_ms = clock_monotonic_ms(); /* nobody may have been able to beat */
    }
    if (self != NULL && self->state == MEMBER_LIVE) {
        code = watch_rival(m, self, r);
        if (code != 0 || clock_monotonic_ms() - m->rival_ms < self->lease_ms / 2) {
            return code;
        }
    }
    if (code == 0) {
        m->tries++;
        code = cluster_join(m->cluster, r);
    }
    if (code == 0) {
        m->joined = true;
        m->rival_ms = 0;
        log_info("fleet", "joined as host \"%s\": others leave it its part of the shards in %lld s",
                 m->name, (long long)m->lease_ms * 2 / 1000);
    }
    return code;
}

/* --- the round --- */

static int beat(const struct fleet *f, struct report *r) {
    struct buf status;
    fleet_write_status(f, &status);
    /* Half of it would be no JSON, and all hosts read it. */
    const char *text = status.failed ? "" : buf_str(&status);
    int code = cluster_beat(f->member->cluster, text, f->stopping, r);
    buf_clear(&status);
    return code;
}

static int tell_lost(struct fleet_member *m, struct report *r) {
    int code = m->lost[0] == '\0' ? 0 : cluster_report_lost(m->cluster, m->losses, m->lost, r);
    m->lost[0] = code == 0 ? '\0' : m->lost[0];
    return code;
}

/* Once in a row. */
static void tell_blind(const struct fleet_member *m) {
    if (m->watch.blind == BLIND_LOOKS) {
        log_warn(
            "fleet",
            "the database of the cluster takes longer than half the lease of %lld ms: while it "
            "does, no host is found dead. A longer lease (cluster.lease) mends that",
            (long long)m->lease_ms);
    }
}

static int turn(struct fleet *f, struct report *r) {
    struct fleet_member *m = f->member;
    int code = f->count == 0 ? learn(f, r) : 0;
    if (code == 0) {
        code = m->joined ? beat(f, r) : join(m, r);
    }
    if (code != 0 || !m->joined) {
        return code;
    }
    code = tell_lost(m, r);
    code = code == 0 ? cluster_look(m->cluster, &m->view, r) : code;
    if (code != 0) {
        return code;
    }
    watch_look(&m->watch, &m->view, clock_monotonic_ms(), m->lease_ms);
    tell_blind(m);
    int64_t until_ms = m->watch.looked_ms + PATIENCE_MS;
    code = bury_dead(m, until_ms, r);
    return code != 0 || stands_still(f) ? code : arrange(f, until_ms, r);
}

/* Others may run our shards now: what still runs here cannot commit. */
static void leave_all(struct fleet *f, const struct report *r) {
    log_error("fleet", "%s: all shards here end", r->text);
    f->member->joined = false;
    for (unsigned i = 0; i < f->count; i++) {
        struct fleet_host *host = &f->hosts[i];
        host->told = true;
        want(f, host, false);
        fleet_signal(f, host, SIGKILL); /* a stopped process would ignore others */
    }
}

static void end(struct fleet *f, int code, const struct report *r) {
    (void)fprintf(stderr, "zingq: %s\n", r->text);
    f->status = host_exit_status(code == ERR_EXISTS || code == ERR_FENCED ? ERR_BUSY : code);
    if (!f->stopping) {
        fleet_stop(f);
    }
}

static void tell_away(struct fleet_member *m, const struct report *r) {
    int64_t now_ms = clock_monotonic_ms();
    if (m->away_ms == 0 || now_ms - m->away_ms >= TELL_MS) {
        m->away_ms = now_ms;
        log_warn("fleet", "the database of the cluster (store.url) does not answer: %s", r->text);
        fleet_tell_manager("STATUS=the database of the cluster does not answer");
    }
}

static void tell_back(struct fleet_member *m) {
    if (m->away_ms != 0) {
        m->away_ms = 0;
        log_info("fleet", "the database of the cluster answers again");
        fleet_tell_manager("STATUS=");
    }
}

/* Until we have joined, what a person has to mend ends us; later it may be mended meanwhile. */
static void judge(struct fleet *f, int code, const struct report *r) {
    struct fleet_member *m = f->member;
    if (code == 0) {
        tell_back(m);
    } else if (code == ERR_FENCED || (code == ERR_EXISTS && !m->joined)) {
        if (m->joined) {
            leave_all(f, r);
        }
        end(f, code, r);
    } else if (code == ERR_NOTFOUND && m->joined) {
        leave_all(f, r);
    } else if (code == ERR_NETWORK || m->joined) {
        tell_away(m, r);
    } else {
        end(f, code, r);
    }
}

void member_turn(struct fleet *f) {
    struct fleet_member *m = f->member;
    struct report r = {""};
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < m->due_ms) {
        return;
    }
    m->hurries = false;
    m->due_ms = now_ms + m->lease_ms / ROUNDS_A_LEASE;
    int code = turn(f, &r);
    judge(f, code, &r);
    /* A database that failed has been waited for: now whoever asks at our port has its turn. */
    int64_t soon_ms = (code == 0 ? now_ms : clock_monotonic_ms()) + HURRY_MS;
    if (code != 0 ? m->due_ms < soon_ms : m->hurries && m->due_ms > soon_ms) {
        m->due_ms = soon_ms;
    }
    if (!f->told_ready && !f->stopping) {
        f->told_ready = true;
        fleet_tell_manager("READY=1");
    }
}

/* The next round is at once, unless the database is away. */
static void hurry(struct fleet_member *m) {
    m->due_ms = m->away_ms == 0 ? 0 : m->due_ms;
}

void member_note_copy(struct fleet *f) {
    hurry(f->member);
}

int64_t member_due_ms(const struct fleet_member *m) {
    return m->due_ms;
}

const char *member_why_idle(const struct fleet *f) {
    const struct fleet_member *m = f->member;
    const struct member *self = m == NULL ? NULL : cluster_member(&m->view, m->name);
    if (f->stopping) {
        return "this host stops: ask another one of the cluster";
    }
    if (m == NULL || !m->joined || m->away_ms != 0) {
        return "this host waits for the database of the cluster";
    }
    if (m->told_lost) {
        return "all shards of the cluster stand still, because the database has lost commits: "
               "`zingq cluster status`";
    }
    return self != NULL && self->draining
               ? "this host drains: ask another one of the cluster"
               : "no shard of the cluster runs here yet: ask another one of its hosts";
}

void member_note_end(struct fleet *f, struct fleet_host *host, int status) {
    struct fleet_member *m = f->member;
    int ended = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_GOOD;
    if (ended == EXIT_LOST) {
        char folder[STORE_PATH_BYTES];
        (void)member_folder(f, host, folder);
        (void)snprintf(m->lost, sizeof m->lost,
                       "shard %u on host \"%s\" (folder %.250s) found that its log lacks what it "
                       "had confirmed",
                       host->number, m->name, folder);
    }
    if (ended == EXIT_FENCED) {
        host->failures = 0; /* not for what this host lacks */
    } else if (ended == EXIT_FOREIGN) {
        host->failures = FAILURES_MAX; /* trying again does not help */
    }
    hurry(m); /* to release it, to report it, to see whose it is */
}

bool member_folder(const struct fleet *f, const struct fleet_host *host,
                   char out[STORE_PATH_BYTES]) {
    unsigned losses = f->member == NULL ? 0 : (unsigned)f->member->losses;
    return store_folder_shard(f->conf->store_path, host->number, losses, out);
}

/* --- life --- */

int member_new(struct fleet *f, struct report *r) {
    struct fleet_member *m = calloc(1, sizeof *m);
    char process[PROCESS_NAME_BYTES];
    if (m == NULL || sodium_init() < 0) {
        free(m);
        return report(r, ERR_MEMORY, "out of memory");
    }
    f->member = m;
    f->what = "shard";
    m->name = f->conf->cluster.host;
    m->lease_ms = f->conf->cluster.lease_ms;
    /* One statement without an answer ends no host. */
    assert(PATIENCE_MS + m->lease_ms / ROUNDS_A_LEASE < m->lease_ms);
    f->silence_ms = m->lease_ms > SILENCE_MS_MIN ? m->lease_ms : SILENCE_MS_MIN;
    (void)snprintf(m->process, sizeof m->process, "%s (zingq " ZINGQ_VERSION ")",
                   process_name(process));
    const struct cluster_options options = {.url = f->conf->store_url,
                                            .cluster = f->conf->cluster.name,
                                            .host = m->name,
                                            .process = m->process,
                                            .lease_ms = m->lease_ms,
                                            .patience_ms = PATIENCE_MS};
    return cluster_new(&m->cluster, &options, r);
}

void member_free(struct fleet_member *m) {
    struct report r = {""};
    if (m == NULL) {
        return;
    }
    if (m->joined && cluster_leave(m->cluster, &r) != 0) {
        log_warn("fleet", "could not leave the cluster, so others wait for a lease: %s", r.text);
    }
    cluster_free(m->cluster);
    free(m);
}
