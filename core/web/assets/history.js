/*
 * history.js - the last 15 minutes of each service, from the live stream.
 *
 * The host tells totals once a second; what lies between two of them goes into buckets of five
 * seconds. The buckets outlive a reload of the page (sessionStorage), not a closed tab: whoever
 * wants more has Prometheus.
 */

export const BUCKET_MS = 5000;
export const BUCKETS = 180;
const GAP_MS_MAX = BUCKET_MS * BUCKETS; /* without news; of the time between the average is known */
const SAVE_MS = 10000;
const RECENT_MS = 5500; /* what "now" is an average of */

/* done and failed: a bucket's count, null where nothing is known; covered: the milliseconds that the
 * counts are of; lag: the highest seen. */
function emptySeries() {
    return {
        covered: new Array(BUCKETS).fill(null),
        done: new Array(BUCKETS).fill(null),
        failed: new Array(BUCKETS).fill(null),
        lag: new Array(BUCKETS).fill(null),
    };
}

function failuresOf(service) {
    return service.retries + service.died;
}

export class History {
    constructor(host) {
        this.host = host;
        this.at = 0; /* the number of the newest bucket, since 1970 */
        this.series = new Map();
        this.last = null; /* {ms, totals: Map of name → {done, failed}} */
        this.savedMs = 0;
        this.lately = []; /* {ms, done} of all services, the last RECENT_MS */
        this.restore();
    }

    /* A status message that came at `ms`. */
    note(status, ms) {
        this.advance(Math.floor(ms / BUCKET_MS));
        const totals = new Map();
        const gap = this.last === null ? Infinity : ms - this.last.ms;
        for (const service of status.services) {
            const now = { done: service.done, failed: failuresOf(service) };
            totals.set(service.name, now);
            const series = this.of(service.name);
            const then = this.last?.totals.get(service.name);
            if (then !== undefined && gap > 0 && gap < GAP_MS_MAX && now.done >= then.done) {
                this.spread(series.done, now.done - then.done, this.last.ms, ms);
                this.spread(series.failed, Math.max(0, now.failed - then.failed), this.last.ms, ms);
                this.spread(series.covered, gap, this.last.ms, ms);
            }
            series.lag[BUCKETS - 1] = Math.max(series.lag[BUCKETS - 1] ?? 0, service.lag);
        }
        this.last = { ms, totals };
        const done = status.services.reduce((sum, service) => sum + service.done, 0);
        this.lately = [...this.lately.filter((point) => ms - point.ms < RECENT_MS), { ms, done }];
        this.save(ms);
    }

    /* Events done a second just now, over all services; null before anything is known. */
    rateNow() {
        const first = this.lately[0];
        const last = this.lately.at(-1);
        return this.lately.length < 2 ? null : ((last.done - first.done) * 1000) / (last.ms - first.ms);
    }

    /* Shares `sum` out among the buckets of the time since `fromMs`, by their part of it. */
    spread(values, sum, fromMs, toMs) {
        const oldest = this.at - BUCKETS + 1;
        for (let bucket = Math.max(oldest, Math.floor(fromMs / BUCKET_MS)); bucket <= this.at; bucket++) {
            const begin = Math.max(fromMs, bucket * BUCKET_MS);
            const end = Math.min(toMs, (bucket + 1) * BUCKET_MS);
            const i = bucket - oldest;
            values[i] = (values[i] ?? 0) + (sum * Math.max(0, end - begin)) / (toMs - fromMs);
        }
    }

    advance(bucket) {
        const steps = this.at === 0 ? BUCKETS : Math.min(BUCKETS, Math.max(0, bucket - this.at));
        for (const series of this.series.values()) {
            for (const values of Object.values(series)) {
                values.splice(0, steps);
                values.push(...new Array(steps).fill(null));
            }
        }
        this.at = Math.max(this.at, bucket);
    }

    of(name) {
        if (!this.series.has(name)) {
            this.series.set(name, emptySeries());
        }
        return this.series.get(name);
    }

    /* All services together. */
    sum() {
        const all = emptySeries();
        for (const series of this.series.values()) {
            for (const [kind, values] of Object.entries(series)) {
                values.forEach((value, i) => {
                    if (value !== null) {
                        all[kind][i] = kind === "covered" ? Math.max(all[kind][i] ?? 0, value) : (all[kind][i] ?? 0) + value;
                    }
                });
            }
        }
        return all;
    }

    save(ms) {
        if (ms - this.savedMs < SAVE_MS) {
            return;
        }
        this.savedMs = ms;
        try {
            sessionStorage.setItem("zingq-history", JSON.stringify({
                host: this.host,
                at: this.at,
                series: [...this.series],
                last: { ms: this.last.ms, totals: [...this.last.totals] },
            }));
        } catch {
            /* full or closed to this page: the charts begin anew after a reload */
        }
    }

    restore() {
        try {
            const kept = JSON.parse(sessionStorage.getItem("zingq-history"));
            if (kept?.host === this.host) {
                this.at = kept.at;
                this.series = new Map(kept.series);
                this.last = { ms: kept.last.ms, totals: new Map(kept.last.totals) };
            }
        } catch {
            /* as above */
        }
    }
}
