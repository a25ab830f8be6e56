/*
 * tail.js - the live tail: every attempt that ends, as it ends. It begins with the last FIRST events, as
 * they stand now.
 *
 * The newest ROWS_MAX lines are kept, in memory and in the page; new ones are drawn once a frame
 * at most. Pausing stops the drawing, not the listening: going on shows what came meanwhile.
 */
import { api } from "./api.js";
import { fill, h, setText } from "./dom.js";
import { button, data, eventHash, keyText, pill, serviceSelect, toneOf } from "./parts.js";
import { clock, count, firstLine, label, micros, msOf } from "./format.js";

const ROWS_MAX = 500;
const FIRST = 100;
const DRAWN_AT_ONCE = 60; /* of one frame; more than that nobody can read */

function matches(line, filter) {
    if (filter.service !== "" && line.service !== filter.service) {
        return false;
    }
    if (filter.failures && !["bad", "warn"].includes(toneOf(line.state))) {
        return false;
    }
    return filter.text === "" || line.searched.includes(filter.text);
}

function makeRow(line) {
    const text = firstLine(label(line, "reason"));
    return h("li", { class: "tail-row row-link" },
        h("span", { class: "tail-when faint" }, clock(msOf(line.at), true)),
        h("span", { class: "tail-pill" }, pill(line.state)),
        h("span", { class: "tail-service" }, line.service),
        h("a", { class: "tail-topic row-target", href: eventHash(line.id, line.service) }, data(label(line, "topic"), "clamp")),
        h("span", { class: "tail-key" }, keyText(line)),
        h("span", { class: "tail-took faint" }, micros(line.duration_us)),
        h("span", { class: "tail-text" }, text !== "" && data(text, "clamp")));
}

export function tail(app) {
    const lines = []; /* oldest first */
    let fresh = []; /* not drawn yet */
    let paused = false;
    let visible = false;
    let begun = false; /* what was there before has been asked for */
    let frame = null;
    let passed = 0; /* lines that came too fast to be drawn */
    const filter = { text: "", service: "", failures: false };

    const services = serviceSelect("Service", () => setFilter({ service: services.element.value }));
    const text = h("input", { type: "search", placeholder: "Filter: topic, key, id, error", "aria-label": "Filter",
        autocomplete: "off", oninput: () => setFilter({ text: text.value.toLowerCase() }) });
    const failures = h("input", { type: "checkbox", onchange: () => setFilter({ failures: failures.checked }) });
    const pause = button("Pause", "pause", () => setPaused(!paused));
    const note = h("p", { class: "view-note", role: "status" });
    const list = h("ol", { class: "tail", tabindex: "0", "aria-label": "Attempts that ended, newest first" });
    const hint = h("p", { class: "empty" }, "No attempt has ended yet: each is shown here as it ends.");
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, "Live"), note)),
        h("div", { class: "filters" }, text, services.element,
            h("label", { class: "check" }, failures, "Failures only"), pause,
            button("Clear", "clear", () => {
                lines.length = 0;
                redraw();
            }, "quiet")),
        h("div", { class: "panel list-panel" }, list, hint));

    function setFilter(change) {
        Object.assign(filter, change);
        redraw();
    }

    function setPaused(now) {
        paused = now;
        pause.replaceChildren(...button(now ? "Go on" : "Pause", now ? "play" : "pause").childNodes);
        pause.classList.toggle("primary", now);
        if (!now) {
            redraw();
        }
        tell();
    }

    function tell() {
        hint.hidden = list.childElementCount > 0;
        const waiting = paused && fresh.length > 0 ? `, ${count(fresh.length)} since` : "";
        const lost = passed > 0 ? `; ${count(passed)} more were too many to show` : "";
        setText(note, paused ? `Paused${waiting}` : `The newest ${count(ROWS_MAX)} at most${lost}`);
    }

    function redraw() {
        fresh = [];
        fill(list, lines.filter((line) => matches(line, filter)).reverse().map(makeRow));
        tell();
    }

    function draw() {
        frame = null;
        if (paused || !visible) {
            return;
        }
        const wanted = fresh.filter((line) => matches(line, filter));
        passed += Math.max(0, wanted.length - DRAWN_AT_ONCE);
        fresh = [];
        list.prepend(...wanted.slice(-DRAWN_AT_ONCE).reverse().map(makeRow));
        while (list.childElementCount > ROWS_MAX) {
            list.lastElementChild.remove();
        }
        tell();
    }

    function searchable(line) {
        line.searched = [line.id, label(line, "topic"), label(line, "key"), label(line, "reason"), line.state]
            .join("\n").toLowerCase();
        return line;
    }

    /* What was there before the page was: an event's last attempt, before the lines that came since. */
    async function begin() {
        begun = true;
        const list = await api.events({ limit: FIRST }).catch(() => []);
        const known = new Set(lines.map((line) => `${line.service}/${line.id}`));
        const before = list.filter((event) => event.attempts > 0 && !known.has(`${event.service}/${event.id}`))
            .map((event) => searchable({ ...event, at: event.ended_at ?? event.started_at }));
        before.sort((a, b) => msOf(a.at) - msOf(b.at));
        lines.unshift(...before);
        if (visible) {
            redraw();
        }
    }

    return {
        title: "Live",
        element,
        show() {
            visible = true;
            if (!begun) {
                begin();
            }
            if (!paused) {
                redraw();
            }
        },
        hide() {
            visible = false;
        },
        status(status) {
            services.offer(status.services.map((s) => s.name));
            if (paused && visible) {
                tell();
            }
        },
        /* So many ended besides, more than the host tells of. */
        missed(n) {
            passed += n;
            tell();
        },
        event(line) {
            lines.push(searchable(line));
            fresh.push(line);
            if (lines.length > ROWS_MAX) {
                lines.splice(0, lines.length - ROWS_MAX);
            }
            if (fresh.length > ROWS_MAX) {
                fresh.splice(0, fresh.length - ROWS_MAX);
            }
            frame ??= visible && !paused ? requestAnimationFrame(draw) : null;
        },
    };
}
