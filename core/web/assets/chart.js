/*
 * chart.js - a stretch of time as plain SVG: what was done, what of it failed, what waits, how long it
 * took.
 *
 * A chart is made once and its paths are redrawn. It stretches to its place: the drawing has one
 * unit a step of time, strokes do not scale. A reader points at it, or focuses it and uses the arrow
 * keys, to read one moment; screen readers get the sum of it as its label.
 */
import { fill, h, keyed, s, setClass, setText } from "./dom.js";
import { RANGES } from "./history.js";
import { clock, micros, rate, short } from "./format.js";

const HEIGHT = 100;

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

/* Failures are few: each step that has some is a bar, at least a hair high. */
function barsPath(values, max) {
    return values.map((value, i) => {
        if (!value) {
            return "";
        }
        const top = Math.min(y(value, max), HEIGHT - 2.5).toFixed(2);
        return `M${i + 0.1} ${HEIGHT}V${top}H${i + 0.9}V${HEIGHT}Z`;
    }).join("");
}

const most = (values) => Math.max(0, ...values.map((v) => v ?? 0));

/* What a chart of each kind draws and says: `line` with an area, a second line, bars. */
const kinds = {
    rate: {
        line: "done", bars: "failed", least: 1, top: rate,
        say: (data, i) => `${rate(data.done[i])} done` + (data.failed[i] ? `, ${rate(data.failed[i])} failed` : ""),
        sum: (data) => `at most ${rate(most(data.done))} done, ${rate(most(data.failed))} failed`,
    },
    waiting: {
        line: "waiting", least: 5, top: short,
        say: (data, i) => `${short(data.waiting[i])} waiting`,
        sum: (data) => `at most ${short(most(data.waiting))} waiting`,
    },
    latency: {
        line: "p99", second: "p50", least: 1000, top: micros,
        say: (data, i) => `p99 ${micros(data.p99[i])}, p50 ${micros(data.p50[i])}`,
        sum: (data) => `p99 at most ${micros(most(data.p99))}`,
    },
    dead: {
        line: "dead", least: 5, top: short,
        say: (data, i) => `${short(data.dead[i])} dead`,
        sum: (data) => `at most ${short(most(data.dead))} dead`,
    },
};

/* kind: one of those above; name: whose it is. Returns {element, draw(history, service or undefined)}. */
export function chart(kind, name) {
    const rules = kinds[kind];
    const area = s("path", { class: "chart-area" });
    const line = s("path", { class: "chart-line" });
    const second = s("path", { class: "chart-line chart-second" });
    const bars = s("path", { class: "chart-bars" });
    const cursor = s("path", { class: "chart-cursor" });
    const grid = s("path", { class: "chart-grid" });
    const svg = s("svg", { class: "chart-drawing", preserveAspectRatio: "none", "aria-hidden": "true" },
        grid, area, line, second, bars, cursor);
    const top = h("span", { class: "chart-top", "aria-hidden": "true" });
    const note = h("span", { class: "chart-note", role: "status" });
    const none = h("span", { class: "chart-none", "aria-hidden": "true" }, "nothing known yet");
    const element = h("div", { class: `chart chart-${kind}`, role: "img", tabindex: "0" }, svg, top, none, note);
    let data = null;
    let steps = 0;
    let shown = null; /* the step the reader looks at */

    function tell() {
        if (shown === null || data === null) {
            cursor.removeAttribute("d");
            setText(note, "");
            return;
        }
        cursor.setAttribute("d", `M${shown + 0.5} 0V${HEIGHT}`);
        const when = clock(data.endMs - (steps - 1 - shown) * data.stepMs);
        setText(note, `${when}  ${data[rules.line][shown] === null ? "nothing known" : rules.say(data, shown)}`);
    }

    function look(step) {
        shown = step === null ? null : Math.min(steps - 1, Math.max(0, step));
        tell();
    }

    svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        look(Math.floor(((event.clientX - box.left) / Math.max(1, box.width)) * steps));
    });
    svg.addEventListener("pointerleave", () => look(null));
    element.addEventListener("blur", () => look(null));
    element.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step !== undefined) {
            event.preventDefault();
            look((shown ?? steps) + step);
        }
    });

    function draw(history, service) {
        const now = history.of(service);
        if (now === data) {
            return; /* a day is drawn once an answer */
        }
        data = now;
        const main = data[rules.line];
        const others = [data[rules.bars], data[rules.second]].filter((values) => values !== undefined);
        const max = scaleMax([main, ...others].flat(), rules.least);
        if (steps !== main.length) {
            steps = main.length;
            svg.setAttribute("viewBox", `0 0 ${steps} ${HEIGHT}`);
            grid.setAttribute("d", `M0 ${y(0.5, 1)}H${steps}M0 ${y(1, 1)}H${steps}`);
        }
        area.setAttribute("d", areaPath(main, max));
        line.setAttribute("d", linePath(main, max));
        second.setAttribute("d", rules.second ? linePath(data[rules.second], max) : "");
        bars.setAttribute("d", rules.bars ? barsPath(data[rules.bars], max) : "");
        none.hidden = main.some((value) => value !== null);
        setText(top, none.hidden ? rules.top(max) : "");
        element.setAttribute("aria-label", `${name}, ${RANGES[history.range].words}: ${rules.sum(data)}`);
        tell();
    }

    return { element, draw };
}

/* The times below a large chart. */
function chartAxis() {
    const element = h("div", { class: "chart-axis", "aria-hidden": "true" });
    return {
        element,
        draw: (history) => keyed(element, RANGES[history.range].axis, (text) => text, (text) => h("span", {}, text)),
    };
}

/* The choice of a range, the same for all charts of the page. */
export function rangeChoice(app, changed) {
    const buttons = Object.entries(RANGES).map(([range, { name }]) => {
        const element = h("button", { type: "button", onclick: () => {
            if (app.history !== null) {
                app.history.range = range;
                changed();
            }
        } }, name);
        element.range = range;
        return element;
    });
    return {
        element: h("div", { class: "segments", role: "group", "aria-label": "Time shown" }, buttons),
        draw(history) {
            for (const element of buttons) {
                const on = element.range === history.range;
                setClass(element, "is-on", on);
                element.setAttribute("aria-pressed", String(on));
            }
        },
    };
}

/* A chart with its name, figures beside it and times below. */
export function chartPanel(kind, title, legend) {
    const drawing = chart(kind, title);
    const axis = chartAxis();
    const tools = h("div", { class: "chart-tools" });
    const element = h("section", { class: "panel chart-panel" },
        h("div", { class: "panel-head" }, h("h2", {}, title), h("p", { class: "legend" }, legend), tools),
        drawing.element, axis.element);
    return {
        element,
        tools: (...parts) => fill(tools, ...parts),
        draw(history, service) {
            drawing.draw(history, service);
            axis.draw(history);
        },
    };
}
