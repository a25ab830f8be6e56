/*
 * chart.js - the last 15 minutes as plain SVG: what was done, what of it failed, what waits.
 *
 * A chart is made once and its paths are redrawn. It stretches to its place: the drawing has one
 * unit a bucket, strokes do not scale. A reader points at it, or focuses it and uses the arrow
 * keys, to read one moment; screen readers get the sum of it as its label.
 */
import { h, s, setText } from "./dom.js";
import { BUCKETS, BUCKET_MS } from "./history.js";
import { clock, plural, rate, short } from "./format.js";

const HEIGHT = 100;
const COVERED_MS_MIN = 1900;

/* The next round number: one of these times a power of ten. */
const round = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return round.map((n) => n * power).find((n) => n >= value * 0.999);
}

function scaleMax(values, least) {
    return roundUp(values.reduce((most, v) => Math.max(most, v ?? 0), least));
}

function y(value, max) {
    return HEIGHT - (value / max) * (HEIGHT - 4);
}

/* Runs of known values; nothing is drawn where nothing is known. */
function runs(values) {
    const found = [];
    let run = null;
    values.forEach((value, i) => {
        if (value === null) {
            run = null;
        } else if (run === null) {
            run = { from: i, values: [value] };
            found.push(run);
        } else {
            run.values.push(value);
        }
    });
    return found;
}

function linePath(values, max) {
    return runs(values).map((run) => run.values.map((value, i) =>
        `${i === 0 ? "M" : "L"}${run.from + i + 0.5} ${y(value, max).toFixed(2)}`).join("")).join("");
}

function areaPath(values, max) {
    return runs(values).map((run) => {
        const last = run.from + run.values.length - 0.5;
        const top = run.values.map((value, i) => `L${run.from + i + 0.5} ${y(value, max).toFixed(2)}`);
        return `M${run.from + 0.5} ${HEIGHT}${top.join("")}L${last} ${HEIGHT}Z`;
    }).join("");
}

/* Failures are few: each bucket that has some is a bar, at least a hair high. */
function barsPath(values, max) {
    return values.map((value, i) => {
        if (!value) {
            return "";
        }
        const top = Math.min(y(value, max), HEIGHT - 2.5).toFixed(2);
        return `M${i + 0.1} ${HEIGHT}V${top}H${i + 0.9}V${HEIGHT}Z`;
    }).join("");
}

function atPointer(svg, event) {
    const box = svg.getBoundingClientRect();
    const share = (event.clientX - box.left) / Math.max(1, box.width);
    return Math.min(BUCKETS - 1, Math.max(0, Math.floor(share * BUCKETS)));
}

/* A bucket's rate. One of which too little is known yet would jump about: it is left out. */
function perSecond(counts, covered) {
    return counts.map((n, i) => (n === null || covered[i] < COVERED_MS_MIN ? null : (n * 1000) / covered[i]));
}

/* What a chart of each kind draws and says. */
const kinds = {
    rate: {
        prepare: (series) => ({
            line: perSecond(series.done, series.covered),
            bars: perSecond(series.failed, series.covered),
        }),
        least: 1,
        top: rate,
        say: (data, i) => `${rate(data.line[i])} done` + (data.bars[i] ? `, ${rate(data.bars[i])} failed` : ""),
        sum: (series) => {
            const sum = (values) => Math.round(values.reduce((a, b) => a + (b ?? 0), 0));
            return `${plural(sum(series.done), "event")} done, ${plural(sum(series.failed), "attempt")} failed`;
        },
    },
    lag: {
        prepare: (series) => ({ line: series.lag, bars: [] }),
        least: 5,
        top: short,
        say: (data, i) => `${short(data.line[i])} waiting`,
        sum: (series) => `at most ${short(Math.max(0, ...series.lag.map((v) => v ?? 0)))} waiting`,
    },
};

/* kind: "rate" or "lag"; name: whose it is. Returns {element, draw(series, newest bucket)}. */
export function chart(kind, name) {
    const rules = kinds[kind];
    const area = s("path", { class: "chart-area" });
    const line = s("path", { class: "chart-line" });
    const bars = s("path", { class: "chart-bars" });
    const cursor = s("path", { class: "chart-cursor" });
    const grid = s("path", { class: "chart-grid", d: `M0 ${y(0.5, 1)}H${BUCKETS}M0 ${y(1, 1)}H${BUCKETS}` });
    const svg = s("svg", {
        class: "chart-drawing", viewBox: `0 0 ${BUCKETS} ${HEIGHT}`, preserveAspectRatio: "none",
        "aria-hidden": "true",
    }, grid, area, line, bars, cursor);
    const top = h("span", { class: "chart-top", "aria-hidden": "true" });
    const note = h("span", { class: "chart-note", role: "status" });
    const element = h("div", { class: `chart chart-${kind}`, role: "img", tabindex: "0" }, svg, top, note);
    let data = null;
    let newest = 0;
    let shown = null; /* the bucket the reader looks at */

    function tell() {
        if (shown === null || data === null) {
            cursor.removeAttribute("d");
            setText(note, "");
            return;
        }
        cursor.setAttribute("d", `M${shown + 0.5} 0V${HEIGHT}`);
        const when = clock((newest - BUCKETS + 1 + shown) * BUCKET_MS);
        const known = data.line[shown] !== null && data.line[shown] !== undefined;
        setText(note, `${when}  ${known ? rules.say(data, shown) : "nothing known"}`);
    }

    function look(bucket) {
        shown = bucket;
        tell();
    }

    svg.addEventListener("pointermove", (event) => look(atPointer(svg, event)));
    svg.addEventListener("pointerleave", () => look(null));
    element.addEventListener("blur", () => look(null));
    element.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step !== undefined) {
            event.preventDefault();
            look(Math.min(BUCKETS - 1, Math.max(0, (shown ?? BUCKETS) + step)));
        }
    });

    function draw(series, newestBucket) {
        data = rules.prepare(series);
        newest = newestBucket;
        const max = scaleMax(data.line.concat(data.bars), rules.least);
        area.setAttribute("d", areaPath(data.line, max));
        line.setAttribute("d", linePath(data.line, max));
        bars.setAttribute("d", barsPath(data.bars, max));
        setText(top, rules.top(max));
        element.setAttribute("aria-label", `${name}, the last 15 minutes: ${rules.sum(series)}`);
        tell();
    }

    return { element, draw };
}
