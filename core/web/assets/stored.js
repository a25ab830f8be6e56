/*
 * stored.js - the pages that list what the store has besides events: waits, delayed publishes, the
 * outbox, schedules, state, locks, and the changes that people made.
 */
import { h } from "./dom.js";
import { api } from "./api.js";
import { ask, attempt } from "./dialogs.js";
import { listView, payloadHint, text } from "./listing.js";
import { button, data, eventHash, keyText, pill, shortId } from "./parts.js";
import { ago, clock, count, firstLine, label, msOf, plural } from "./format.js";

/* When it is, or was; the exact time is its title's. */
function when(time) {
    const ms = msOf(time);
    return ms === null ? "–" : ago(ms, Date.now());
}

function eventLink(id, service) {
    return id ? h("a", { class: "mono", href: eventHash(id, service), title: id }, shortId(id)) : "";
}

/* One cell of two lines: what it is, and what tells it from others. */
function twoLines(first, second, href) {
    return [href ? h("a", { class: "row-target", href }, first) : first,
        second !== "" && h("div", { class: "faint row-reason" }, data(second, "clamp"))];
}

const payloadCell = { name: "Topic and payload", class: "grow-cell",
    of: (p) => twoLines(data(label(p, "topic")), payloadHint(p), p.cause ? eventHash(p.cause) : undefined) };

/* --- waits --- */

/* What a sleeping event waits for: its open step, or else why it was put off. */
function waitsFor(event) {
    const open = (event.steps ?? []).filter((step) => step.state === "waiting" || step.state === "begun");
    const names = open.map((step) => `${step.kind} ${label(step, "name")}`
        + (step.missing ? `, ${plural(step.missing, "signal")} missing` : ""));
    return names.join("; ") || firstLine(label(event, "reason")) || "put off by its handler";
}

const waits = (app) => listView(app, {
    page: "waits", title: "Waits", one: ["event that waits", "events that wait"], filters: ["service"],
    about: "Events that sleep, wait for a signal, or were put off by their handler. They use no memory meanwhile.",
    none: ["Nothing waits", "An event is listed here from zing.sleep, zing.wait or zing.snooze until it goes on."],
    ask: (query) => api.events({ ...query, state: "sleeping", steps: 1 }),
    keyOf: (event) => `${event.service}/${event.id}`,
    columns: [
        { name: "Goes on", class: "nowrap", of: (e) => (msOf(e.due_at) === null ? "at a signal" : when(e.due_at)) },
        { name: "Service", of: (e) => e.service },
        { name: "Key", class: "cut", of: (e) => keyText(e) },
        { name: "Waits for", class: "grow-cell", of: (e) => twoLines(data(waitsFor(e)), label(e, "topic"), eventHash(e.id, e.service)) },
        { name: "Since", class: "nowrap named", of: (e) => when(e.started_at ?? e.received_at) },
        { name: "Event", class: "nowrap hide-narrow", of: (e) => eventLink(e.id, e.service) },
    ],
});

/* --- delayed --- */

const byDue = (a, b) => (msOf(a.due_at) ?? Infinity) - (msOf(b.due_at) ?? Infinity);

async function cancelPublish(publish, opener, again) {
    const yes = await ask({ title: "Cancel this publish?", yes: "Cancel the publish", no: "Leave it", danger: true,
        body: [h("p", {}, "It will never be sent: ", data(label(publish, "topic")))] });
    if (yes) {
        await attempt(opener, () => api.cancelPublish(publish.id), "Cancelled");
        again();
    }
}

function delayed(app) {
    let again = () => {};
    return listView(app, {
        page: "delayed", title: "Delayed", one: ["delayed publish", "delayed publishes"], about: "Publishes that leave later: after, at, or behind a debounce.",
        none: ["No delayed publishes", "zing.publish with after or at puts one here until it is due."],
        ask: async (query, refresh) => {
            again = refresh;
            const list = await api.delayed({ limit: query.limit });
            const { next } = list;
            list.sort(byDue);
            list.next = next;
            return list;
        },
        keyOf: (publish) => publish.id,
        columns: [
            { name: "Leaves", class: "nowrap", of: (p) => when(p.due_at) },
            { name: "At", class: "nowrap hide-narrow", of: (p) => clock(msOf(p.due_at)) },
            payloadCell,
            { name: "From event", class: "nowrap", of: (p) => eventLink(p.cause) },
            { name: "Id", class: "nowrap hide-narrow", of: (p) => h("span", { class: "mono faint", title: p.id }, shortId(p.id)) },
            { name: "Actions", silent: true, class: "service-acts",
                of: (p) => button("Cancel…", null, (e) => cancelPublish(p, e.currentTarget, again), "small") },
        ],
    });
}

/* --- the outbox --- */

const EVERY = "00000000-0000-0000-0000-000000000000"; /* all that are refused */

/* Reason codes of MQTT 5 that a broker refuses a publish with. */
const REASONS = { 0x80: "an unspecified error", 0x83: "an error of the broker", 0x87: "not authorized", 0x90: "the topic is not accepted",
    0x97: "a quota is exceeded", 0x99: "the payload has the wrong format" };

function outboxState(p) {
    return p.refused ? pill("refused", "bad") : p.held ? pill("held", "warn") : pill("waiting", "mute");
}

function outboxWhy(p) {
    if (!p.refused) {
        return p.held ? "behind a refused publish of its key" : "for the broker";
    }
    return p.crash ? "the host went down while it was sent"
        : p.reason_code === 0 ? "the broker closes the connection, or cannot transport it"
            : REASONS[p.reason_code] ?? `reason code 0x${p.reason_code.toString(16)}`;
}

async function discardPublish(publish, opener, again) {
    const yes = await ask({ title: "Discard this publish?", yes: "Discard", danger: true,
        body: [h("p", {}, "It never reaches the broker, and what is held behind it leaves.")] });
    if (yes) {
        await attempt(opener, () => api.outboxDiscard(publish.id), "Discarded");
        again();
    }
}

function outbox(app) {
    let again = () => {};
    const retry = (opener, id) => attempt(opener, () => api.outboxRetry(id), id === EVERY ? "They are tried again" : "It is tried again").then(again);
    const retryAll = button("Retry all refused", "replay", (e) => retry(e.currentTarget, EVERY));
    return listView(app, {
        page: "outbox", title: "Outbox", one: ["publish", "publishes"], about: "Publishes that the broker has not acknowledged yet, in the order in which they leave.",
        none: ["The outbox is empty", "The broker has everything that was published."],
        ask: (query, refresh) => {
            again = refresh;
            return api.outbox({ limit: query.limit });
        },
        keyOf: (publish) => publish.id,
        acts: (list) => list.some((p) => p.refused) && retryAll,
        columns: [
            { name: "State", of: outboxState },
            { name: "Why", of: outboxWhy },
            payloadCell,
            { name: "Refused", class: "nowrap", of: (p) => (p.refused ? when(p.refused_at) : "") },
            { name: "From event", class: "nowrap", of: (p) => eventLink(p.cause) },
            { name: "Actions", silent: true, class: "service-acts", of: (p) => p.refused && h("div", { class: "buttons" },
                button("Retry", "replay", (e) => retry(e.currentTarget, p.id), "small"),
                button("Discard…", null, (e) => discardPublish(p, e.currentTarget, again), "small danger-quiet")) },
        ],
    });
}

/* --- schedules: they are in the status --- */

const schedules = (app) => listView(app, {
    page: "schedules", title: "Schedules", one: "schedule", about: "What topics.conf publishes by the clock.",
    none: ["No schedules", "A schedule section in topics.conf publishes at the times of a cron expression."],
    ask: async () => (app.status ?? await api.status()).schedules ?? [],
    keyOf: (schedule) => schedule.name,
    columns: [
        { name: "Next", class: "nowrap", of: (s) => when(s.next_at) },
        { name: "At", class: "nowrap hide-narrow", of: (s) => clock(msOf(s.next_at)) },
        { name: "Schedule", class: "grow-cell", of: (s) => [h("strong", {}, s.name), h("div", { class: "faint row-reason" }, "publishes ", data(s.topic))] },
        { name: "Cron", class: "nowrap", of: (s) => h("span", { class: "mono" }, s.cron) },
        { name: "Zone", of: (s) => s.timezone },
        { name: "Last run", class: "nowrap", of: (s) => [when(s.last_at), " ", s.last_id && h("a", { class: "mono", href: eventHash(s.last_id), "aria-label": `The last run of ${s.name}` }, shortId(s.last_id))] },
        { name: "Runs", class: "number", of: (s) => count(s.runs) },
    ],
});

/* --- state and locks --- */

function valueOf(item) {
    const value = item.value ?? item.data;
    return value === undefined || value === null ? label(item, "value") : typeof value === "string" ? value : JSON.stringify(value);
}

const keyOfCell = (item) => `${item.service}/${label(item, "key")}/${label(item, "name")}/${label(item, "lock")}`;
const keyCell = { name: "Key", class: "cut", of: (item) => text(item, "key") };
const expiresCell = { name: "Expires", class: "nowrap named", of: (item) => (item.expires_at ? when(item.expires_at) : "never") };

const state = (app) => listView(app, {
    page: "state", title: "State", one: "value", filters: ["a service", "key"], about: "What handlers keep for a key, and its locks.",
    none: ["No state here", "zing.state.set keeps a value for the key of the event."],
    ask: ({ service, ...query }) => api.state(service, query),
    keyOf: keyOfCell,
    columns: [
        keyCell,
        { name: "Name", of: (item) => (item.lock === undefined && item.lock_base64 === undefined ? text(item, "name") : [text(item, "lock"), " ", pill("lock", "info")]) },
        { name: "Value", class: "grow-cell", of: (item) => h("div", { class: "mono" }, data(valueOf(item), "clamp")) },
        expiresCell,
    ],
});

/* One service after the other, so that a host with many is not asked for all at once. */
async function locksOf(services, query) {
    const found = [];
    found.next = null;
    for (const service of services) {
        const list = await api.state(service, { key: query.key, limit: query.limit, only: "locks" });
        found.push(...list.map((lock) => ({ ...lock, service })));
        found.next = list.next ?? found.next;
        if (found.length >= query.limit) {
            break;
        }
    }
    return found;
}

const locks = (app) => listView(app, {
    page: "locks", title: "Locks", one: "lock", filters: ["service", "key"], about: "What is held, by whom, and until when.",
    none: ["No locks are held", "zing.lock holds a name within a key until it is unlocked or expires."],
    ask: async ({ service, ...query }) => locksOf(service === "" ? (app.status ?? await api.status()).services.map((s) => s.name) : [service], query),
    keyOf: keyOfCell,
    columns: [
        { name: "Service", of: (item) => item.service },
        keyCell,
        { name: "Lock", of: (item) => text(item, "lock") },
        { name: "Owner and data", class: "grow-cell", of: (item) => twoLines(data(label(item, "owner")), valueOf(item)) },
        expiresCell,
    ],
});

/* --- changes --- */

function whatOf({ method, path, query }) {
    const words = Object.entries(query ?? {}).map(([name, value]) => `${name}=${value}`).join("&");
    return `${method} ${path}${words === "" ? "" : "?" + words}`;
}

function statusPill(change) {
    const { status } = change;
    return status === undefined || status === null ? pill("unanswered", "warn") : pill(String(status), status < 400 ? "good" : "bad");
}

const audit = (app) => listView(app, {
    page: "audit", title: "Changes", one: "change", about: "What people changed on this host: when, with whose token, from where.",
    none: ["No changes yet", "Each change over the API or by a command is recorded."],
    ask: (query) => api.audit({ limit: query.limit }),
    keyOf: (change) => `${change.at_ms}/${change.id}/${change.path}`,
    columns: [
        { name: "When", class: "nowrap", of: (c) => ago(c.at_ms, Date.now()) },
        { name: "At", class: "nowrap hide-narrow", of: (c) => clock(c.at_ms) },
        { name: "Who", of: (c) => data(c.who) },
        { name: "From", of: (c) => data(c.from || "its socket") },
        { name: "What", class: "grow-cell", of: (c) => h("span", { class: "mono" }, data(whatOf(c))) },
        { name: "Answer", of: statusPill },
    ],
});

export const stored = { waits, delayed, outbox, schedules, state, locks, audit };
