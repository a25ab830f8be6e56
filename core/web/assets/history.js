/*
 * history.js - what the charts draw: the last 15 minutes or the last day of each service.
 *
 * The host keeps both and is asked for them when the page opens, and again when the page has missed
 * something. In between the live status goes on with the quarter of an hour: it tells totals once a
 * second, and what lies between two of them goes into buckets of five seconds.
 */
import { api } from "./api.js";

export const RANGES = {
    "15m": { name: "15 min", words: "the last 15 minutes", axis: ["15 min ago", "10 min", "5 min", "now"] },
    "24h": { name: "24 h", words: "the last 24 hours", axis: ["24 h ago", "18 h", "12 h", "6 h", "now"] },
};

const BUCKET_MS = 5000;
const BUCKETS = 180;
const COVERED_MS_MIN = 1900; /* a bucket of which less is known would jump about */
const GAP_MS_MAX = 10000; /* without news: then the host is asked again */
const DAY_MS = 300000; /* the day is asked for so often, while it is shown: less than a point of a chart */
const RECENT_MS = 5500; /* what "now" is an average of */

const kinds = ["covered", "done", "failed", "waiting", "dead", "p50", "p99"];

/* done and failed: counts of a bucket; covered: the milliseconds that they are of; the others: the last
 * that was told. null where nothing is known. */
function emptySeries() {
    return Object.fromEntries(kinds.map((kind) => [kind, new Array(BUCKETS).fill(null)]));
}

function failuresOf(service) {
    return service.retries + service.died;
}

function perSecond(counts, covered) {
    return counts.map((n, i) => (n === null || covered[i] < COVERED_MS_MIN ? null : (n * 1000) / covered[i]));
}

/* What a chart draws: a value a step, the last one at `endMs`. */
function drawn(series, endMs) {
    return { stepMs: BUCKET_MS, endMs, done: perSecond(series.done, series.covered),
        failed: perSecond(series.failed, series.covered),
        waiting: series.waiting, dead: series.dead, p50: series.p50, p99: series.p99 };
}

/* The same of the host's answer: of a service, or of all. */
function told(answer, figures) {
    const length = figures.rate.length;
    return { stepMs: answer.step * 1000, endMs: (answer.from + answer.step * (length - 1)) * 1000, done: figures.rate,
        failed: figures.failures, waiting: figures.waiting, dead: figures.dead, p50: figures.p50, p99: figures.p99 };
}

/* Several added up, step by step: rates and counts; of latencies the worst. */
function together(list) {
    const sum = { ...list[0] };
    for (const kind of ["done", "failed", "waiting", "dead", "p50", "p99"]) {
        const worst = kind === "p50" || kind === "p99";
        sum[kind] = list[0][kind].map((_, i) => list.reduce((all, { [kind]: values }) => {
            const value = values[i] ?? null;
            return value === null ? all : all === null ? value : worst ? Math.max(all, value) : all + value;
        }, null));
    }
    return sum;
}

const unknown = drawn(emptySeries(), 0);

export class History {
    constructor(host) {
        this.host = host;
        this.range = "15m";
        this.at = 0; /* the number of the newest bucket, since 1970 */
        this.series = new Map();
        this.last = null; /* {ms, totals: Map of name → {done, failed}} */
        this.lately = []; /* {ms, done} of all services, the last RECENT_MS */
        this.day = new Map(); /* of the last answer: name → what is drawn of it; "" = all services */
        this.dayMs = 0; /* when it was asked for */
    }

    /* What is to be drawn of a service, or of all of them. */
    of(name) {
        const live = (series) => drawn(series, this.at * BUCKET_MS);
        if (this.range === "24h") {
            this.askDay();
            return this.day.get(name ?? "") ?? unknown;
        }
        const all = name === undefined ? [...this.series.values()] : [this.series.get(name) ?? emptySeries()];
        return all.length === 0 ? unknown : together(all.map(live));
    }

    /* Whether anything happened in the last 15 minutes. */
    isIdle(name) {
        const series = this.series.get(name);
        return series !== undefined && !["done", "failed", "waiting"].some((kind) => series[kind].some((n) => n > 0));
    }

    /* Events done a second just now, over all services; null before anything is known. */
    rateNow() {
        const first = this.lately[0];
        const last = this.lately.at(-1);
        return this.lately.length < 2 ? null : ((last.done - first.done) * 1000) / (last.ms - first.ms);
    }

    /* --- what the host has kept --- */

    async fill() {
        const answer = await api.history("15m").catch(() => null);
        if (answer === null) {
            return; /* the charts begin with what comes */
        }
        this.advance(Math.floor(Date.now() / BUCKET_MS));
        for (const [name, service] of Object.entries(answer.services)) {
            const mine = this.mine(name);
            service.rate.forEach((rate, i) => {
                const at = Math.floor((answer.from + i * answer.step) / (BUCKET_MS / 1000)) - (this.at - BUCKETS + 1);
                if (rate !== null && at >= 0 && at < BUCKETS && !(mine.covered[at] > COVERED_MS_MIN)) {
                    this.put(mine, at, service, i, answer.step);
                }
            });
        }
    }

    put(mine, at, service, i, step) {
        mine.covered[at] = BUCKET_MS;
        mine.done[at] = (service.rate[i] * BUCKET_MS) / 1000;
        mine.failed[at] = (service.failures[i] * BUCKET_MS) / 1000;
        for (const kind of ["waiting", "dead", "p50", "p99"]) {
            mine[kind][at] = service[kind][i];
        }
    }

    async askDay() {
        if (Date.now() - this.dayMs > DAY_MS) {
            this.dayMs = Date.now();
            const answer = await api.history("24h").catch(() => null);
            const known = Object.entries({ "": answer?.host, ...answer?.services }).filter(([, figures]) => figures?.rate);
            this.day = answer === null ? this.day : new Map(known.map(([name, figures]) => [name, told(answer, figures)]));
        }
    }

    /* --- what comes live --- */

    /* A status message that came at `ms`. */
    note(status, ms) {
        this.advance(Math.floor(ms / BUCKET_MS));
        const totals = new Map();
        const gap = this.last === null ? Infinity : ms - this.last.ms;
        for (const service of status.services) {
            const now = { done: service.done, failed: failuresOf(service) };
            totals.set(service.name, now);
            const series = this.mine(service.name);
            const then = this.last?.totals.get(service.name);
            if (then !== undefined && gap > 0 && gap < GAP_MS_MAX && now.done >= then.done) {
                this.spread(series.done, now.done - then.done, this.last.ms, ms);
                this.spread(series.failed, Math.max(0, now.failed - then.failed), this.last.ms, ms);
                this.spread(series.covered, gap, this.last.ms, ms);
            }
            const newest = BUCKETS - 1;
            series.waiting[newest] = Math.max(series.waiting[newest] ?? 0, service.lag);
            series.dead[newest] = service.dead;
            series.p50[newest] = service.rate_1min > 0 ? service.p50_us : null;
            series.p99[newest] = service.rate_1min > 0 ? service.p99_us : null;
        }
        this.last = { ms, totals };
        const done = status.services.reduce((sum, service) => sum + service.done, 0);
        this.lately = [...this.lately.filter((point) => ms - point.ms < RECENT_MS), { ms, done }];
        if (gap > GAP_MS_MAX) {
            this.fill();
        }
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

    mine(name) {
        if (!this.series.has(name)) {
            this.series.set(name, emptySeries());
        }
        return this.series.get(name);
    }
}
