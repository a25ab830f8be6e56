/*
 * bulk.js - replaying and discarding many dead letters: the questions before, the progress during.
 *
 * All of a group or a service is a job of the host, or of each: it goes on when the page is closed, every page
 * shows those of its host, and any can stop them. Letters that were ticked are asked for here, one by one, in the
 * order they were accepted, so that the order of each key is kept.
 */
import { h, keyed, setText } from "./dom.js";
import { api, hostsAsked, numberHere } from "./api.js";
import { ask, attempt, field, toast } from "./dialogs.js";
import { button } from "./parts.js";
import { count, plural } from "./format.js";

const verbs = {
    replay: { title: "Replay", past: "replayed", gone: "were no longer dead" },
    discard: { title: "Discard", past: "discarded", gone: "were no longer dead" },
    rerun: { title: "Replay", past: "replayed", gone: "were deleted or replayed in the meantime" }, /* of events that are done */
};

/* "10/s" and "300/m" are a second's 10 and 5; "" is 0, no limit; null when it is none of these. */
export function perSecond(text) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*\/\s*([smh])\s*$/.exec(text);
    if (text.trim() === "") {
        return 0;
    }
    return match === null || Number(match[1]) <= 0 ? null : Number(match[1]) / { s: 1, m: 60, h: 3600 }[match[2]];
}

/* Asks; resolves to the pace as it was written, or null for no. unseen: not all of them are on the screen,
 * so discarding them takes their number, written by hand. */
export async function askBulk(verb, howMany, whose, unseen) {
    const title = verbs[verb].title;
    const pace = h("input", { type: "text", value: verb === "replay" ? "10/s" : "", autocomplete: "off", name: "pace" });
    const number = h("input", { type: "text", inputmode: "numeric", autocomplete: "off", name: "number" });
    const counted = verb === "discard" && unseen;
    const body = [h("p", {}, `${plural(howMany, "dead letter")} ${whose}.`)];
    if (verb === "replay") {
        body.push(field("At most", pace, "Such as 10/s or 300/m; empty for no limit. The order of each key is kept."));
    } else {
        body.push(h("p", { class: "note" }, "What is discarded is done with. It is still shown among the events for store.keep_done."));
    }
    if (counted) {
        body.push(field("Their number", number, `Write ${howMany} to discard them all.`));
    }
    const yes = await ask({
        title: `${title} ${plural(howMany, "letter")}?`, body, yes: title, danger: verb === "discard",
        check: () => (perSecond(pace.value) === null ? "Write the pace as 10/s, 300/m or 50/h."
            : counted && number.value.trim() !== String(howMany) ? `Write ${howMany}, or cancel.` : null),
    });
    return yes ? pace.value.trim() : null;
}

/* --- what the host does --- */

/* scope: {service, group?}. */
export async function startJob(verb, scope, pace) {
    const hosts = hostsAsked();
    const rate = hosts.length === 1 || perSecond(pace) === 0 ? pace : `${Math.ceil(perSecond(pace) * 3600 / hosts.length)}/h`;
    const begun = await Promise.allSettled(hosts.map((host) => api.bulk(verb, { ...scope, rate }, host)));
    for (const { value: job } of begun.filter((one) => one.status === "fulfilled")) {
        if (hosts.length > 1 && job.host !== numberHere()) {
            follow(job);
        } else {
            seen.set(job.id, job.state); /* it may be over before the next status comes */
        }
    }
    const refused = begun.flatMap((one, i) => (one.status === "rejected" ? [{ host: hosts[i], why: one.reason.message }] : []));
    if (refused.length > 0) {
        const on = hosts.filter((host) => refused.every((one) => one.host !== host));
        const not = refused.map((one) => (hosts.length > 1 ? `host ${one.host} (${one.why})` : one.why)).join(", ");
        throw new Error(on.length === 0 ? not : `Begun on ${on.map((host) => `host ${host}`).join(", ")}; not on ${not}: choose that host to begin there`);
    }
}

/* A job of a host whose status the page does not have. */
async function follow(begun) {
    const job = { ...begun, id: `${begun.host}/${begun.id}` };
    job.stop = (opener) => attempt(opener, () => api.stopJob(begun.id, begun.host));
    own.push(job);
    while (running.has(job.state)) {
        draw();
        await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
        try {
            Object.assign(job, await api.job(begun.id, begun.host), { id: job.id });
        } catch (error) {
            if (error.status === 404) { /* else the host may answer again, and the job goes on meanwhile */
                Object.assign(job, { state: "failed", error: error.message });
            }
        }
    }
    own.splice(own.indexOf(job), 1);
    draw();
    tell(job);
}

const FOLLOW_MS = 500;
const running = new Set(["finding", "working"]);
let hostJobs = []; /* those under way */
const own = []; /* the page's own, and those of other hosts, with the same fields */
const seen = new Map(); /* id of a job → the state it was last seen in */

function doneOf(job) {
    return job.replayed ?? job.discarded ?? 0;
}

function summary(job) {
    const parts = [`${job.service}: ${count(doneOf(job))} ${verbs[job.what].past}`];
    if (job.gone > 0) {
        parts.push(`${count(job.gone)} ${verbs[job.what].gone}`);
    }
    if (job.old > 0) {
        parts.push(`${count(job.old)} left out: older than idempotency_window`);
    }
    if (job.refused > 0) {
        parts.push(`${count(job.refused)} refused (${job.error})`);
    } else if (job.state === "failed") {
        parts.push(job.error);
    }
    return parts.join(", ") + (job.state === "stopped" ? "; stopped" : "");
}

function tell(job) {
    toast(summary(job), job.refused > 0 || job.state === "failed" ? "bad" : "good");
}

function makeJob(job) {
    const text = h("span", {});
    const bar = h("progress", { max: 1, value: 0, "aria-label": `${verbs[job.what].title}, progress` });
    const stop = button("Stop", "close", () => job.stop(stop), "small");
    const element = h("div", { class: "job" }, text, bar, stop);
    element.parts = { text, bar };
    return element;
}

function updateJob(element, job) {
    const done = doneOf(job) + job.gone + job.refused;
    const pace = job.rate > 0 ? `, at most ${job.rate < 1 ? job.rate.toFixed(2) : count(job.rate)}/s` : "";
    setText(element.parts.text, job.state === "finding" ? `${verbs[job.what].title} ${job.service}: ${count(job.found)} found`
        : `${verbs[job.what].title} ${job.service}: ${count(done)} of ${count(job.found)}${pace}`);
    element.parts.bar.value = job.state === "finding" || job.found === 0 ? 0 : done / job.found;
}

/* The bars at the foot of the page; a note for each that has ended since it was last looked at. */
export function showJobs(jobs) {
    for (const job of jobs) {
        if (running.has(seen.get(job.id)) && !running.has(job.state)) {
            tell(job);
        }
        seen.set(job.id, job.state);
        job.stop = (opener) => attempt(opener, () => api.stopJob(job.id));
    }
    hostJobs = jobs.filter((job) => running.has(job.state));
    draw();
}

/* --- what the page does --- */

function draw() {
    keyed(document.getElementById("jobs"), [...hostJobs, ...own], (job) => job.id, makeJob, updateJob);
}

/* The letters, one after the other. Resolves when that has ended. */
export async function runBulk(verb, letters, pace) {
    const gapMs = perSecond(pace) > 0 ? 1000 / perSecond(pace) : 0;
    const past = verbs[verb].past;
    const job = { id: `own ${Date.now()}`, what: verb, service: "the selected", state: "working", found: letters.length,
        [past]: 0, gone: 0, refused: 0, rate: perSecond(pace), error: "" };
    job.stop = () => {
        job.state = "stopped";
    };
    own.push(job);
    const startMs = performance.now();
    for (const [i, letter] of [...letters].sort((a, b) => a.seq - b.seq).entries()) {
        const waitMs = startMs + i * gapMs - performance.now();
        if (waitMs > 0) {
            await new Promise((resolve) => setTimeout(resolve, waitMs));
        }
        if (job.state === "stopped") {
            break;
        }
        await one(job, verb, past, letter);
        draw();
    }
    own.splice(own.indexOf(job), 1);
    draw();
    tell(job);
}

async function one(job, verb, past, letter) {
    try {
        await api[verb](letter.id, letter.service);
        job[past]++;
    } catch (error) {
        job[error.status === 404 ? "gone" : "refused"]++; /* 404: somebody else was quicker */
        job.error = error.message;
        if (error.status === 0 || error.status === 503) {
            job.state = "stopped";
        }
    }
}
