/*
 * events.js - finding events: by id, key, topic, service or state.
 */
import { fill, h, keyed, setText } from "./dom.js";
import { api } from "./api.js";
import { attempt } from "./dialogs.js";
import { button, data, empty, eventHash, keyText, pill, problem, serviceSelect } from "./parts.js";
import { payloadHint } from "./listing.js";
import { ago, clock, count, firstLine, label, micros, msOf, plural } from "./format.js";

const SHOWN = 50;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const states = ["ready", "running", "retrying", "sleeping", "compensating", "done", "dead", "needs-person", "discarded", "expired"];

/* Where a search leads: an id opens its event, anything else is a key. */
export function searchHash(text) {
    const wanted = text.trim();
    return ID.test(wanted) ? eventHash(wanted.toLowerCase()) : `#/events?key=${encodeURIComponent(wanted)}`;
}

function makeRow(event) {
    const parts = { when: h("td", { class: "nowrap", "data-name": "Accepted" }), state: h("td", { "data-name": "State" }),
        below: h("bdi", { class: "data clamp" }), tries: h("td", { class: "number", "data-name": "Tries" }), took: h("td", { class: "number", "data-name": "Took" }) };
    const row = h("tr", { class: "row-link" },
        parts.when, parts.state,
        h("td", { "data-name": "Service" }, event.service),
        h("td", { class: "cut", "data-name": "Key", title: label(event, "key") }, keyText(event)),
        h("td", { class: "grow-cell", "data-name": "Topic" },
            h("a", { class: "row-target", href: eventHash(event.id, event.service), title: event.id }, data(label(event, "topic"), "clamp")),
            h("div", { class: "faint row-reason" }, event.host && `host ${event.host} · `, parts.below)),
        parts.tries, parts.took);
    row.parts = parts;
    return row;
}

function updateRow(row, event) {
    const ms = msOf(event.received_at);
    setText(row.parts.when, clock(ms, true));
    row.parts.when.title = ago(ms, Date.now());
    if (row.state !== event.state) {
        row.state = event.state;
        fill(row.parts.state, pill(event.state));
    }
    const below = event.state === "done" ? payloadHint(event) : firstLine(label(event, "reason")) || payloadHint(event);
    setText(row.parts.below, below);
    setText(row.parts.tries, count(event.attempts));
    setText(row.parts.took, event.duration_us > 0 ? micros(event.duration_us) : "–");
}

/* A table of events, the newest first. */
export function eventTable() {
    const tbody = h("tbody", {});
    return {
        element: h("table", { class: "list" },
            h("caption", { class: "unseen" }, "Events, newest first"),
            h("thead", {}, h("tr", {}, ["Accepted", "State", "Service", "Key", "Topic"].map((t) => h("th", { scope: "col" }, t)),
                ["Tries", "Took"].map((t) => h("th", { scope: "col", class: "number" }, t)))),
            tbody),
        update: (list) => keyed(tbody, list, (e) => `${e.service}/${e.id}`, makeRow, updateRow),
    };
}

export function events(app) {
    let found = []; /* the newest first; .next where older ones begin */
    const services = serviceSelect("Service", () => go());
    const state = h("select", { "aria-label": "State", onchange: () => go() },
        h("option", { value: "" }, "Any state"), states.map((name) => h("option", { value: name }, name)));
    const key = h("input", { type: "search", placeholder: "Key or event id", "aria-label": "Key or event id", autocomplete: "off" });
    const topic = h("input", { type: "search", placeholder: "Topic filter, booking/+", "aria-label": "Topic filter", autocomplete: "off" });
    const note = h("p", { class: "view-note", role: "status" });
    const table = eventTable();
    const more = button("Look further back", null, (e) => attempt(e.currentTarget, async () => {
        const older = await api.events({ ...query(), limit: SHOWN, before: found.next });
        const next = older.next;
        found = found.concat(older);
        found.next = next;
        draw();
    }), "quiet");
    const place = h("div", { class: "panel list-panel" });
    const form = h("form", { class: "filters", role: "search", onsubmit: (e) => {
        e.preventDefault();
        go();
    } }, key, topic, services.element, state,
        h("button", { type: "submit", class: "button primary" }, "Search"));
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, "Events"), note)),
        form, place);

    function query() {
        return { key: key.value.trim(), topic: topic.value.trim(), service: services.element.value, state: state.value };
    }

    function go() {
        if (ID.test(key.value.trim())) {
            location.hash = searchHash(key.value);
            return;
        }
        const params = new URLSearchParams(Object.entries(query()).filter(([, value]) => value !== ""));
        const hash = "#/events" + (params.size > 0 ? `?${params}` : "");
        if (hash === location.hash) {
            refresh();
        } else {
            location.hash = hash;
        }
    }

    function draw() {
        setText(note, found.length === 0 ? "" : (found.next ? "The newest " : "") + plural(found.length, "event"));
        table.update(found);
        const none = found.next ? empty("No event found yet", "Many others were passed over: older ones have not been looked at.")
            : empty("No event found", "Finished events are known for store.keep_done.");
        fill(place, found.length === 0 ? none : table.element,
            found.next && more);
    }

    async function refresh() {
        try {
            found = await api.events({ ...query(), limit: SHOWN });
            draw();
        } catch (error) {
            fill(place, problem(error.message));
        }
    }

    return {
        title: "Events",
        element,
        show(params) {
            key.value = params.get("key") ?? "";
            topic.value = params.get("topic") ?? "";
            state.value = params.get("state") ?? "";
            services.choose(params.get("service") ?? "");
            refresh();
        },
        hide() {},
        status(status) {
            services.offer(status.services.map((s) => s.name));
        },
    };
}
