/*
 * keys.js - the keys that stand still: what each waits for, and how much stands behind it.
 */
import { fill, h, keyed, setText } from "./dom.js";
import { api } from "./api.js";
import { ask, attempt } from "./dialogs.js";
import { button, data, empty, eventHash, keyText, pill, problem, serviceSelect } from "./parts.js";
import { ago, clock, count, firstLine, label, msOf, plural } from "./format.js";
import { polling } from "./polling.js";

const SHOWN = 200;
const REFRESH_MS = 3000;

const rank = { parked: 0, retrying: 1, compensating: 1, sleeping: 2, running: 3, ready: 4 };

/* Without an order there is no key to tell rows apart by: the first event does. */
function idOf(key) {
    return `${key.service}/${key.event}`;
}

function waitsFor(key) {
    const due = msOf(key.due_at);
    const reason = firstLine(label(key, "reason"));
    const texts = {
        parked: "waits for a person: its first event is dead and holds the key",
        retrying: `waits for attempt ${key.attempts + 1} of its first event, due ${ago(due, Date.now())}`,
        compensating: `its first event is undoing its saga, next try ${ago(due, Date.now())}`,
        sleeping: `its first event was put off and is due ${ago(due, Date.now())}`,
        running: "an attempt of its first event is under way",
        ready: "waits for its turn",
    };
    return [texts[key.waits] ?? key.waits, reason];
}

/* --- one key, in a drawer --- */

export function keyPanel(app, service, key) {
    const element = h("div", { class: "event" });
    async function refresh() {
        try {
            const queue = await api.key(service, key);
            fill(element,
                h("div", { class: "event-title" }, queue.parked && pill("parked"), h("strong", {}, service), "key ", data(key)),
                h("p", { class: "event-sub" }, queue.count === 0 ? "Nothing of this key waits." : `${plural(queue.count, "event")} in order:`),
                queue.count > 0 && h("ol", { class: "queue" }, queue.events.map((e) => h("li", {},
                    h("a", { href: eventHash(e.id, e.service) }, pill(e.state), data(label(e, "topic")),
                        h("span", { class: "faint nowrap", title: clock(msOf(e.received_at), true) }, ago(msOf(e.received_at), Date.now())))))),
                queue.count > queue.events.length && h("p", { class: "faint" }, `and ${count(queue.count - queue.events.length)} more`),
                queue.parked && keyActions(service, key, refresh));
        } catch (error) {
            fill(element, problem(error.message));
        }
    }
    let due = 0;
    return {
        title: "Key", element, refresh,
        tick() {
            if (++due % 3 === 0) {
                refresh();
            }
        },
        event() {},
    };
}

function keyActions(service, key, done) {
    const skip = async (opener) => {
        const yes = await ask({ title: "Go on without it?", yes: "Skip",
            body: [h("p", {}, "The event that holds this key stays dead; the events behind it are handled.")] });
        if (yes) {
            await attempt(opener, () => api.keySkip(service, key), "The key continues");
            done();
        }
    };
    return h("div", { class: "buttons" },
        button("Resume", "replay", async (e) => {
            await attempt(e.currentTarget, () => api.keyResume(service, key), "The parked event runs again");
            done();
        }, "primary small"),
        button("Skip", "skip", (e) => skip(e.currentTarget), "small"));
}

/* --- the view --- */

function makeKey(key, refresh) {
    const parts = { waits: h("td", { "data-name": "State" }), why: h("td", { class: "grow-cell", "data-name": "Why" }),
        behind: h("td", { class: "number", "data-name": "Behind" }), acts: h("td", { class: "service-acts" }) };
    const text = label(key, "key");
    const row = h("tr", { class: "row-link" },
        h("td", { "data-name": "Service" }, key.service),
        h("td", { class: "cut", "data-name": "Key", title: text }, h("a", { class: "row-target", href: `#/key/${encodeURIComponent(key.service)}/${encodeURIComponent(text)}` },
            keyText(key))),
        parts.waits, parts.why, parts.behind, parts.acts);
    row.parts = parts;
    row.refresh = refresh;
    return row;
}

function updateKey(row, key) {
    const [text, reason] = waitsFor(key);
    if (row.state !== key.waits) {
        row.state = key.waits;
        fill(row.parts.waits, pill(key.waits));
        fill(row.parts.acts, key.waits === "parked" && keyActions(key.service, label(key, "key"), row.refresh));
    }
    fill(row.parts.why, text, reason !== "" && h("div", { class: "faint" }, data(reason, "clamp")));
    setText(row.parts.behind, count(key.behind));
}

export function keys(app) {
    const asking = polling(() => refresh(), REFRESH_MS);
    const services = serviceSelect("Service", () => refresh());
    const note = h("p", { class: "view-note", role: "status" }, "");
    const tbody = h("tbody", {});
    const table = h("table", { class: "list" },
        h("caption", { class: "unseen" }, "Keys that wait"),
        h("thead", {}, h("tr", {}, ["Service", "Key", "State", "Why it is blocked"].map((t) => h("th", { scope: "col" }, t)),
            h("th", { scope: "col", class: "number" }, "Behind"), h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))),
        tbody);
    const place = h("div", { class: "panel list-panel" });
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, "Keys that wait"), note), services.element),
        place);

    async function refresh() {
        try {
            const list = await api.keys({ service: services.element.value, limit: SHOWN });
            list.sort((a, b) => (rank[a.waits] ?? 9) - (rank[b.waits] ?? 9) || b.behind - a.behind);
            const parked = list.filter((k) => k.waits === "parked").length;
            setText(note, list.length === 0 ? "" : `${list.length >= SHOWN ? "The first " : ""}${plural(list.length, "key")}` + (parked > 0 ? `, ${count(parked)} parked` : ""));
            if (list.length === 0) {
                fill(place, empty("No blocked keys", "A key is listed here while its first event is retried, put off, or parked."));
            } else {
                keyed(tbody, list, idOf, (k) => makeKey(k, refresh), updateKey);
                fill(place, table);
            }
        } catch (error) {
            fill(place, problem(error.message));
        }
    }

    return {
        title: "Keys",
        element,
        show() {
            asking.begin();
        },
        hide: asking.end,
        status(status) {
            services.offer(status.services.map((s) => s.name));
        },
    };
}
