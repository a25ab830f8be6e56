/*
 * bulk.js - replaying and discarding many dead letters: the questions before, the progress during.
 *
 * Letters are asked for one by one, in the order they were accepted, so that the order of each key
 * is kept, and at the pace that was chosen. It goes on while the reader looks at other views, and
 * can be stopped: what is done by then is done.
 */
import { fill, h, setText } from "./dom.js";
import { api } from "./api.js";
import { ask, field, toast } from "./dialogs.js";
import { button } from "./parts.js";
import { count, plural } from "./format.js";

export const LETTERS_MAX = 10000; /* of one order */
const AT_ONCE = 8; /* requests under way when no pace is set */

const verbs = {
    replay: { title: "Replay", past: "replayed", yes: "Replay" },
    discard: { title: "Discard", past: "discarded", yes: "Discard" },
};

/* "10/s", "300/m", "" → milliseconds between two; null when it is none of these. */
export function paceOf(text) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*(?:\/\s*(s|m|h))?\s*$/.exec(text);
    if (text.trim() === "") {
        return 0;
    }
    const unit = { s: 1000, m: 60000, h: 3600000 }[match?.[2] ?? "s"];
    return match === null || Number(match[1]) <= 0 ? null : unit / Number(match[1]);
}

/* Asks; resolves to the pace in milliseconds, or null for no. */
export async function askBulk(verb, howMany, whose) {
    const rules = verbs[verb];
    const pace = h("input", { type: "text", value: "10/s", inputmode: "text", autocomplete: "off", name: "pace" });
    const body = [h("p", {}, `${plural(howMany, "dead letter")} ${whose}.`)];
    if (verb === "replay") {
        body.push(field("At most", pace, "Such as 10/s or 300/m; empty for no limit. The order of each key is kept."));
    } else {
        body.push(h("p", { class: "note" }, "What is discarded is done with. It is still shown among the events for store.keep_done."));
        pace.value = "";
    }
    const yes = await ask({
        title: `${rules.title} ${plural(howMany, "letter")}?`, body, yes: rules.yes, danger: verb === "discard",
        check: () => (paceOf(pace.value) === null ? "Write the pace as 10/s, 300/m or 50/h." : null),
    });
    return yes ? paceOf(pace.value) : null;
}

class Job {
    constructor(verb, letters, gapMs) {
        this.verb = verb;
        this.letters = [...letters].sort((a, b) => a.seq - b.seq);
        this.gapMs = gapMs;
        this.next = 0;
        this.good = 0;
        this.gone = 0;
        this.refused = [];
        this.stopped = false;
    }

    async one() {
        const letter = this.letters[this.next++];
        try {
            await api[this.verb](letter.id, letter.service);
            this.good++;
        } catch (error) {
            if (error.status === 404) {
                this.gone++; /* somebody else was quicker */
            } else {
                this.refused.push(error.message);
                this.stopped ||= error.status === 0 || error.status === 503;
            }
        }
    }

    async worker(startMs, changed) {
        while (!this.stopped && this.next < this.letters.length) {
            const wait = startMs + this.next * this.gapMs - performance.now();
            if (wait > 0) {
                await new Promise((resolve) => setTimeout(resolve, Math.min(wait, 250)));
                continue;
            }
            await this.one();
            changed();
        }
    }

    run(changed) {
        const workers = this.gapMs > 0 ? 1 : AT_ONCE;
        const startMs = performance.now();
        return Promise.all(Array.from({ length: workers }, () => this.worker(startMs, changed)));
    }

    summary() {
        const parts = [`${count(this.good)} ${verbs[this.verb].past}`];
        if (this.gone > 0) {
            parts.push(`${count(this.gone)} no longer dead`);
        }
        if (this.refused.length > 0) {
            parts.push(`${count(this.refused.length)} refused: ${this.refused[0]}`);
        }
        if (this.next < this.letters.length) {
            parts.push(`${count(this.letters.length - this.next)} left`);
        }
        return parts.join(", ");
    }
}

/* Carries it out, with a bar at the foot of the page. Resolves when it has ended. */
export async function runBulk(verb, letters, gapMs, changed) {
    const job = new Job(verb, letters, gapMs);
    const text = h("span", {});
    const bar = h("progress", { max: job.letters.length, value: 0, "aria-label": `${verbs[verb].title}, progress` });
    const stop = button("Stop", "close", () => {
        job.stopped = true;
    }, "small");
    const element = h("div", { class: "job" }, text, bar, stop);
    const place = document.getElementById("jobs");
    place.append(element);
    const tell = () => {
        bar.value = job.next;
        setText(text, `${verbs[verb].title}: ${count(job.next)} of ${count(job.letters.length)}`);
    };
    tell();
    await job.run(tell);
    element.remove();
    toast(job.summary(), job.refused.length > 0 ? "bad" : "good");
    fill(text);
    changed?.();
    return job;
}
