/*
 * listing.js - a page that is one list: a head, a choice or two, a table that is asked for again now
 * and then. On a phone each row is a card (dashboard.css).
 */
import { fill, h, keyed, setClass, setText } from "./dom.js";
import { hostsAsked, ITEMS_MAX } from "./api.js";
import { button, data, empty, problem, serviceSelect } from "./parts.js";
import { count, label, plural } from "./format.js";
import { polling } from "./polling.js";

const SHOWN = 100; /* and as many again with each "show more" */
const REFRESH_MS = 5000;
const HINT_MAX = 160;

/* What comes from outside, in one cell. */
export function text(item, name) {
    const value = label(item, name);
    return value === "" ? "" : data(value);
}

/* The plain fields of a JSON payload, [name, value] each; null for anything else. */
function fieldsOf(item) {
    try {
        const found = JSON.parse(label(item, "payload"));
        return found === null || typeof found !== "object" ? null
            : Object.entries(found).filter(([, one]) => one !== null && typeof one !== "object");
    } catch {
        return null;
    }
}

/* In how many ways a field is filled in these items. */
export function telling(items) {
    const values = new Map();
    for (const [name, value] of items.flatMap((item) => fieldsOf(item) ?? [])) {
        values.set(name, (values.get(name) ?? new Set()).add(value));
    }
    return (name) => values.get(name)?.size ?? 0;
}

/* The first of a payload: enough to tell it from its neighbours, by the fields that differ most. */
export function payloadHint(item, weight = () => 0) {
    const fields = fieldsOf(item) ?? [];
    const text = fields.length === 0 ? label(item, "payload").split("\n", 1)[0]
        : fields.sort(([a], [b]) => weight(b) - weight(a)).map(([name, value]) => `${name} ${value}`).join(" · ");
    return text.slice(0, HINT_MAX);
}

function makeRow(columns) {
    return h("tr", {}, columns.map((c) => h("td", { class: c.class ?? "", "data-name": c.name })));
}

/* A text is set where it differs, so that times go on; parts are made again when the item has changed. */
function updateRow(row, item, columns) {
    const now = JSON.stringify(item);
    const changed = row.shown !== now;
    row.shown = now;
    columns.forEach((column, i) => {
        const cell = row.children[i];
        const value = column.of(item);
        if (typeof value === "string") {
            setText(cell, value);
        } else if (changed) {
            fill(cell, value);
        }
    });
    setClass(row, "row-link", row.querySelector(".row-target") !== null);
}

/* Of a list of all hosts. */
const hostColumn = { name: "Host", class: "number", of: (item) => String(item.host) };

function tableOf(caption, columns, tbody) {
    return h("table", { class: "list" },
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.class === "number" ? "number" : "" },
            c.silent ? h("span", { class: "unseen" }, c.name) : c.name)))),
        tbody);
}

/*
 * page: its name in the address; title; about: a sentence below it; one: what an item is called, or [one, many];
 * columns: [{name, of(item) → text or parts, class?, silent?}], of which one is "grow-cell";
 * ask(query) → a list; keyOf(item); none: [title, text] when there is nothing;
 * filters: names out of "service" (all or one), "a service" (one must be chosen), "key";
 * acts(items) → what stands right of the title.
 */
export function listView(app, { page, title, about, one, columns: itsColumns, ask, keyOf, none, filters = [], acts }) {
    let found = [];
    let limit = SHOWN;
    const asking = polling(() => refresh(), REFRESH_MS);
    const must = filters.includes("a service");
    const services = serviceSelect("Service", () => go());
    const key = h("input", { type: "search", placeholder: "Key", "aria-label": "Key", autocomplete: "off" });
    const note = h("p", { class: "view-note", role: "status" });
    const actPlace = h("div", { class: "buttons" });
    const tbody = h("tbody", {});
    let columns = itsColumns;
    let table = tableOf(title, columns, tbody);
    const more = button("Show more", null, () => {
        limit = Math.min(ITEMS_MAX, limit + SHOWN);
        refresh();
    }, "quiet");
    const place = h("div", { class: "panel list-panel" });
    const choices = [filters.some((f) => f.endsWith("service")) && services.element,
        filters.includes("key") && [key, h("button", { type: "submit", class: "button" }, "Show")]];
    const form = h("form", { class: "filters", onsubmit: (event) => {
        event.preventDefault();
        go();
    } }, choices);
    const wide = filters.includes("key"); /* else the choice stands beside the title */
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, title), h("p", { class: "view-about" }, about)),
            note, actPlace, !wide && filters.length > 0 && form),
        wide && form, place);

    function query() {
        return { service: services.element.value, key: key.value.trim() };
    }

    function go() {
        const params = new URLSearchParams(Object.entries(query()).filter(([, value]) => value !== ""));
        const hash = `#/${page}` + (params.size > 0 ? `?${params}` : "");
        if (hash === location.hash) {
            refresh();
        } else {
            location.hash = hash;
        }
    }

    /* Whether each row says its host. */
    function setHosts(shown) {
        if (shown !== columns.includes(hostColumn)) {
            columns = shown ? [...itsColumns, hostColumn] : itsColumns;
            fill(tbody);
            table = tableOf(title, columns, tbody);
        }
    }

    function draw() {
        const cut = found.next !== null && found.next !== undefined;
        setText(note, found.length === 0 ? "" : (cut ? "The first " : "") + plural(found.length, ...[one].flat()));
        fill(actPlace, acts?.(found));
        if (found.length === 0) {
            fill(place, empty(...none));
            return;
        }
        setHosts(hostsAsked().length > 1 && found[0].host !== undefined);
        keyed(tbody, found, (item) => `${item.host}/${keyOf(item)}`, () => makeRow(columns), (row, item) => updateRow(row, item, columns));
        fill(place, table, cut && (limit < ITEMS_MAX ? more
            : h("p", { class: "empty" }, `There are more than ${count(ITEMS_MAX)}: zingq lists them all.`)));
    }

    async function refresh() {
        const asked = query();
        if (must && asked.service === "") {
            fill(place, empty("Which service?", "Choose one above."));
            return;
        }
        try {
            const list = await ask({ ...asked, limit }, refresh);
            if (JSON.stringify(asked) === JSON.stringify(query())) {
                found = list;
                draw();
            }
        } catch (error) {
            setText(note, "");
            fill(place, error.status === 403 ? empty("Not for this token", error.message) : problem(error.message));
        }
    }

    return {
        title,
        element,
        show(params) {
            const first = must ? app.status?.services[0]?.name : "";
            services.choose(params.get("service") ?? first ?? "");
            key.value = params.get("key") ?? "";
            limit = SHOWN;
            asking.begin();
        },
        hide: asking.end,
        status(status) {
            services.offer(status.services.map((s) => s.name));
            if (must && asking.on && services.element.value === "" && status.services.length > 0) {
                services.choose(status.services[0].name);
                refresh();
            }
        },
    };
}
