/*
 * overview.js - the first page: is all well, and how is each service doing.
 *
 * Rows are made once a service and then only their figures change, once a second.
 */
import { fill, h, keyed, setClass, setText } from "./dom.js";
import { api } from "./api.js";
import { attempt } from "./dialogs.js";
import { button, iconButton, pill } from "./parts.js";
import { chart } from "./chart.js";
import { auditPanel } from "./audit.js";
import { hostsPanel } from "./hosts.js";
import { icon } from "./icons.js";
import { ago, bytes, clock, count, duration, micros, percent, plural, rate, short } from "./format.js";

const FAILING_MUCH = 0.05;
const STORE_FULL = 0.8;
const OLD_MS = 300000;

/* --- what needs a look --- */

/* firstDropped: what the broker had dropped when the page was opened. */
function hostAlerts({ host, engine }, firstDropped) {
    const alerts = [];
    if (!host.connected) {
        const why = host.broker_error ? `: ${host.broker_error}` : "";
        alerts.push({ key: "broker", tone: "bad", text: `Not connected to the broker ${host.broker}${why}. What is stored is handled; publishes wait.` });
    }
    for (const text of host.warnings ?? []) {
        alerts.push({ key: `warning/${text}`, tone: "warn", text: `${text[0].toUpperCase()}${text.slice(1)}.` });
    }
    if (!engine.accepts) {
        alerts.push({ key: "accepts", tone: "bad", text: "Nothing is accepted: the backlog or the store is full. New messages wait at the broker." });
    }
    if (engine.store_max > 0 && engine.store_used / engine.store_max > STORE_FULL) {
        alerts.push({ key: "store", tone: "warn", text: `The store is ${percent(engine.store_used / engine.store_max)} full: raise store.max_size or shorten store.keep_done.` });
    }
    if (firstDropped !== null && host.broker_dropped > firstDropped) {
        alerts.push({ key: "dropped", tone: "bad", text: `The broker has dropped ${plural(host.broker_dropped - firstDropped, "message")} since this page was opened: raise its max_queued_messages.` });
    }
    return alerts;
}

function serviceAlerts(service, now) {
    const alerts = [];
    const add = (what, tone, text, more, link) =>
        alerts.push({ key: `${service.name}/${what}`, tone, text: `${service.name}: ${text}`, more, link });
    if (service.handler_error) {
        add("script", "bad", "the saved script was refused, the last good one stays.", service.handler_error);
    }
    if (service.removed) {
        const heir = service.heir ? `being moved to ${service.heir}` : "no longer in topics.conf, nothing runs";
        add("removed", "warn", `${heir}; ${plural(service.lag, "event")} wait, ${count(service.dead)} are dead.`);
        return alerts;
    }
    if (service.paused) {
        add("paused", "warn", `paused; ${plural(service.lag, "event")} wait.`);
    }
    if (service.throttled_until_ms > now) {
        add("throttled", "warn", `slowed down at its handler's wish, goes on ${ago(service.throttled_until_ms, now)}.`);
    }
    if (service.failure_rate > FAILING_MUCH) {
        add("failing", "bad", `${percent(service.failure_rate)} of the attempts of the last minute failed.`);
    }
    if (service.oldest_ms > OLD_MS && !service.paused) {
        add("old", "warn", `its oldest event has waited ${duration(service.oldest_ms)}.`, "", ["Keys that wait", "#/keys"]);
    }
    return alerts;
}

function makeAlert({ link }) {
    const parts = { text: h("span", {}), more: h("pre", { class: "banner-more" }) };
    const element = h("li", { class: "banner" }, icon("warn"), h("div", { class: "grow" }, parts.text, parts.more),
        link && h("a", { href: link[1] }, link[0]));
    element.parts = parts;
    return element;
}

function updateAlert(element, alert) {
    setClass(element, "tone-bad", alert.tone === "bad");
    setClass(element, "tone-warn", alert.tone === "warn");
    setText(element.parts.text, alert.text);
    setText(element.parts.more, alert.more ?? "");
}

/* --- the tiles --- */

function sumOf(services, name) {
    return services.reduce((sum, service) => sum + (service[name] ?? 0), 0);
}

function failing(services) {
    const failures = sumOf(services, "failures_1min");
    const attempts = failures + sumOf(services, "rate_1min");
    return { share: attempts === 0 ? 0 : failures / attempts, failures };
}

/* Each says its figure, the line under it, and whether that is bad. */
const tiles = [
    { name: "Throughput", of: ({ services }, app) => ({
        figure: rate(app.history.rateNow() ?? sumOf(services, "rate_1min") / 60),
        note: `${count(sumOf(services, "rate_1min"))} done in the last minute` }) },
    { name: "Waiting", of: ({ services }) => ({
        figure: short(sumOf(services, "lag")),
        note: `oldest ${oldestText(Math.max(0, ...services.map((s) => s.oldest_ms)))}, ${count(sumOf(services, "inflight"))} in flight` }) },
    { name: "Failing", of: ({ services }) => {
        const { share, failures } = failing(services);
        return { figure: percent(share), note: `${plural(failures, "failed attempt")} in the last minute`, bad: share > FAILING_MUCH };
    } },
    { name: "Dead letters", link: "#/dead", of: ({ services }) => {
        const dead = sumOf(services, "dead");
        return { figure: short(dead), note: dead === 0 ? "nothing to look at" : "wait for a person", bad: dead > 0 };
    } },
    { name: "Outbox", of: ({ engine }) => ({
        figure: short(engine.outbox),
        note: `to the broker; ${count(engine.delayed)} for later`, bad: false }) },
    { name: "Commit", of: ({ engine }) => ({
        figure: micros(engine.commit_us_last), note: `slowest ${micros(engine.commit_us_max)}` }) },
    { name: "Store", of: ({ engine }) => ({
        figure: bytes(engine.store_used), note: `of ${bytes(engine.store_max)}`,
        meter: engine.store_used / engine.store_max }) },
];

function oldestText(ms) {
    return ms > 0 ? duration(ms) : "none";
}

function makeTile(tile) {
    const figure = h("div", { class: "tile-figure" });
    const note = h("div", { class: "tile-note" });
    const meter = h("meter", { min: 0, max: 1, high: STORE_FULL, optimum: 0, "aria-label": `${tile.name} used` });
    const name = tile.link ? h("a", { href: tile.link }, tile.name) : tile.name;
    const element = h("div", { class: "tile" }, h("div", { class: "tile-name" }, name), figure, note);
    return {
        element,
        update(status, app) {
            const now = tile.of(status, app);
            setText(figure, now.figure);
            setText(note, now.note);
            setClass(element, "is-bad", now.bad === true);
            if (now.meter !== undefined) {
                meter.value = now.meter;
                element.append(meter);
            }
        },
    };
}

/* --- the services --- */

function urgent(service) {
    return Object.entries(service.priorities ?? {}).reduce((sum, [priority, n]) => priority > 4 ? sum + n : sum, 0);
}

/* What stands in the columns after the charts; on a phone each is a cell with its name above. Those that
 * few need are there only while they are not 0 for some service. */
const columns = [
    { name: "Rate", title: "Events done a second, over the last minute", of: (s) => rate(s.rate_1min / 60) },
    { name: "Lag", title: "Events that wait: ready, running, retrying or put off", of: (s) => short(s.lag) },
    { name: "Oldest", title: "How long the oldest of them has waited", of: (s) => oldestText(s.oldest_ms) },
    { name: "In flight", title: "Attempts under way", of: (s) => short(s.inflight) },
    { name: "Retrying", title: "Events whose next attempt is due later", of: (s) => short(s.retrying), warn: (s) => s.retrying > 0 },
    { name: "Sleeping", title: "Events that sleep, wait for a signal or were put off by their handler", of: (s) => short(s.sleeping) },
    { name: "Tenants", rare: true, title: "Tenants, or keys without order, with events in memory: they take turns", of: (s) => short(s.tenants) },
    { name: "On disk", rare: true, title: "Events that wait on disk until it is their turn", of: (s) => short(s.queued) },
    { name: "Urgent", rare: true, title: "Events in memory of a priority above the default, 4", of: (s) => short(urgent(s)) },
    { name: "Keys held", rare: true, title: "Keys at the limits of key_rate, key_concurrency or a throttle", of: (s) => short(s.keys_held), warn: (s) => s.keys_held > 0 },
    { name: "Failing", title: "Share of the last minute's attempts that failed", of: (s) => percent(s.failure_rate), bad: (s) => s.failure_rate > FAILING_MUCH },
    { name: "p50", title: "Half of the last minute's events were done within", of: (s) => latency(s, s.p50_us) },
    { name: "p99", title: "99 of 100 of them were done within", of: (s) => latency(s, s.p99_us) },
];

/* Accepted and done in one turn is less than the clock tells. */
function latency(service, us) {
    return us > 0 ? micros(us) : service.rate_1min > 0 ? "<1 ms" : "–";
}

const totals = [
    ["Accepted", "accepted"], ["Done", "done"], ["Dead now", "dead"], ["Died in all", "died"],
    ["Discarded", "discarded"], ["Expired by a quota", "expired"], ["Duplicates dropped", "duplicates"], ["Handed over locally", "handed_over"],
    ["Retries", "retries"], ["Timeouts", "timeouts"], ["Host crashes in mid-handler", "crashes"],
    ["Snoozes", "snoozes"], ["Throttles", "throttles"],
];

function stateOf(service, now) {
    if (service.removed) {
        return [service.heir ? "being moved" : "removed", "warn"];
    }
    if (service.taking) {
        return ["taking over", "warn"];
    }
    if (!service.active) {
        return ["not run here", "mute"];
    }
    if (service.held) {
        return ["held", "bad"];
    }
    if (service.paused) {
        return ["paused", "warn"];
    }
    if (service.handler_error) {
        return ["script refused", "bad"];
    }
    return service.throttled_until_ms > now ? ["throttled", "warn"] : ["running", "good"];
}

function pauseButton(name) {
    const element = h("button", { type: "button", class: "button small" });
    let paused = null;
    element.addEventListener("click", () => {
        const verb = paused ? "resume" : "pause";
        attempt(element, () => api[verb](name), `${name}: ${verb}d`);
    });
    return {
        element,
        update(service) {
            if (paused !== service.paused) {
                paused = service.paused;
                fill(element, icon(paused ? "play" : "pause"), paused ? "Resume" : "Pause");
                setClass(element, "primary", paused);
                element.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} ${name}`);
            }
        },
    };
}

function makeMore(name) {
    const figures = totals.map(() => h("dd", {}));
    const version = h("dd", { class: "mono" });
    const error = h("pre", { class: "code" });
    const element = h("tr", { class: "service-more", hidden: true }, h("td", { colspan: 4 + columns.length },
        h("dl", { class: "figures" },
            totals.map(([text], i) => h("div", {}, h("dt", {}, text), figures[i])),
            h("div", {}, h("dt", {}, "Handler version"), version)),
        error));
    return {
        element,
        update(service) {
            totals.forEach(([, field], i) => setText(figures[i], count(service[field])));
            setText(version, service.handler_version);
            setText(error, service.handler_error ?? "");
        },
    };
}

function makeService(service) {
    const name = service.name;
    const more = makeMore(name);
    const pause = pauseButton(name);
    const state = h("span", { class: "pill" });
    const version = h("span", { class: "faint mono", title: "The handler's version: a digest of its script" });
    const rates = chart("rate", `${name}, events a second`);
    const lags = chart("lag", `${name}, events that wait`);
    const cells = columns.map((c) => h("td", { class: "number", "data-name": c.name, hidden: c.rare === true }));
    const dead = h("a", { href: `#/dead?service=${encodeURIComponent(name)}` });
    const toggle = iconButton(`More about ${name}`, "open", () => {
        more.element.hidden = !more.element.hidden;
        toggle.setAttribute("aria-expanded", String(!more.element.hidden));
    }, "quiet small turn");
    toggle.setAttribute("aria-expanded", "false");
    const row = h("tr", { class: "service" },
        h("th", { scope: "row", class: "service-name" }, toggle,
            h("div", {}, h("div", { class: "service-title" }, name, state), version)),
        h("td", { class: "service-chart" }, rates.element),
        h("td", { class: "service-chart service-lag" }, lags.element),
        cells,
        h("td", { class: "number", "data-name": "Dead" }, dead),
        h("td", { class: "service-acts" }, pause.element));
    const body = h("tbody", { class: "service-body", "data-service": name }, row, more.element);
    body.update = (now, app) => {
        const [word, tone] = stateOf(now, Date.now());
        setText(state, word);
        state.className = `pill tone-${tone}`;
        setText(version, now.handler_version.slice(0, 8));
        columns.forEach((c, i) => {
            setText(cells[i], c.of(now));
            setClass(cells[i], "is-bad", c.bad?.(now) === true);
            setClass(cells[i], "is-warn", c.warn?.(now) === true);
        });
        setText(dead, short(now.dead));
        dead.setAttribute("aria-label", `${plural(now.dead, "dead letter")} of ${name}`);
        setClass(dead, "is-bad", now.dead > 0);
        setClass(dead, "faint", now.dead === 0);
        rates.draw(app.history.of(name), app.history.at);
        lags.draw(app.history.of(name), app.history.at);
        pause.update(now);
        more.update(now);
    };
    return body;
}

function serviceTable() {
    return h("table", { class: "services" },
        h("caption", { class: "unseen" }, "The services of this host"),
        h("thead", {}, h("tr", {},
            h("th", { scope: "col" }, "Service"),
            h("th", { scope: "col" }, "Done and ", h("span", { class: "is-bad" }, "failed"), ", 15 min"),
            h("th", { scope: "col" }, "Waiting, 15 min"),
            columns.map((c) => h("th", { scope: "col", class: "number", "data-name": c.name, title: c.title, hidden: c.rare === true }, c.name)),
            h("th", { scope: "col", class: "number" }, "Dead"),
            h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))));
}

function showColumns(table, services) {
    for (const { name, of } of columns.filter((c) => c.rare)) {
        const used = services.some((s) => of(s) !== "0");
        table.querySelectorAll(`[data-name="${name}"]`).forEach((cell) => {
            cell.hidden = !used;
        });
    }
}

/* --- the host --- */

const hostFacts = [
    ["Broker", ({ host }) => host.broker],
    ["Connected", ({ host }) => (host.connected ? (host.connects > 1 ? `yes, for the ${count(host.connects)}th time` : "yes") : "no")],
    ["Broker dropped", ({ host }) => count(host.broker_dropped)],
    ["Broker's clients", ({ host }) => count(host.broker_clients)],
    ["Host", ({ host }) => host.id],
    ["Version", ({ host }) => host.version],
    ["Up", ({ host }) => `${duration(host.uptime_ms)}, since ${clock(Date.now() - host.uptime_ms)}`],
    ["Configuration", ({ host }) => `${host.conf}, read at ${clock(host.conf_read_ms)}`],
    ["Process", ({ host }) => String(host.pid)],
    ["Calls under way", ({ host }) => count(host.calls)],
    ["Handlers' memory", ({ engine }) => bytes(engine.lua_bytes)],
    ["Turns", ({ engine }) => count(engine.turns)],
    ["QoS 0 messages", ({ engine }) => count(engine.qos0)],
    ["Refused by the broker", ({ engine }) => count(engine.outbox_refused)],
];

function hostPanel() {
    const values = hostFacts.map(() => h("dd", { class: "data" }));
    const reload = button("Reload topics.conf", "replay", (event) =>
        attempt(event.currentTarget, api.reload, "topics.conf and the scripts were read again"), "small");
    return {
        element: h("section", { class: "panel", "aria-labelledby": "host-title" },
            h("div", { class: "panel-head" }, h("h2", { id: "host-title" }, "Host"), reload),
            h("dl", { class: "figures" }, hostFacts.map(([name], i) => h("div", {}, h("dt", {}, name), values[i])))),
        update: (status) => hostFacts.forEach(([, of], i) => setText(values[i], of(status))),
    };
}

/* --- the view --- */

export function overview(app) {
    const verdict = h("h1", { class: "verdict" });
    const sub = h("p", { class: "verdict-note" });
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    const alerts = h("ul", { class: "alerts", "aria-label": "What needs a look" });
    const made = tiles.map(makeTile);
    const all = chart("rate", "All services, events a second");
    const table = serviceTable();
    const host = hostPanel();
    const hosts = hostsPanel();
    const audit = auditPanel();
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, dot, h("div", { class: "grow" }, verdict, sub)),
        alerts,
        h("section", { class: "tiles", "aria-label": "In short" }, made.map((tile) => tile.element)),
        h("section", { class: "panel chart-panel", "aria-labelledby": "all-title" },
            h("div", { class: "panel-head" }, h("h2", { id: "all-title" }, "All services"),
                h("p", { class: "legend" }, h("span", { class: "key key-done" }, "done"),
                    h("span", { class: "key key-failed" }, "failed attempts"), h("span", {}, "a second"))),
            all.element,
            h("div", { class: "chart-axis", "aria-hidden": "true" },
                ["15 min ago", "10 min", "5 min", "now"].map((t) => h("span", {}, t)))),
        h("section", { class: "panel services-panel", "aria-label": "Services" }, table),
        hosts.element,
        host.element,
        audit.element);

    let firstDropped = null;

    function tell(status) {
        const now = Date.now();
        firstDropped ??= status.host.broker_dropped ?? null;
        const found = hostAlerts(status, firstDropped).concat(status.services.flatMap((s) => serviceAlerts(s, now)));
        const bad = found.some((a) => a.tone === "bad");
        setText(verdict, found.length === 0 ? "All is well" : `${plural(found.length, "thing")} to look at`);
        const { host: me } = status;
        setText(sub, `${me.connected ? "Connected to" : "Not connected to"} ${me.broker} · ${plural(status.services.length, "service")} · up ${duration(me.uptime_ms)} · zingq ${me.version}`);
        dot.className = `dot ${found.length === 0 ? "tone-good" : bad ? "tone-bad" : "tone-warn"}`;
        keyed(alerts, found, (a) => a.key, makeAlert, updateAlert);
    }

    return {
        title: "Overview",
        element,
        show() {
            if (app.status !== null) {
                this.status(app.status);
            }
        },
        status(status) {
            tell(status);
            made.forEach((tile) => tile.update(status, app));
            all.draw(app.history.sum(), app.history.at);
            keyed(table, status.services, (s) => s.name, makeService, (body, service) => body.update(service, app));
            showColumns(table, status.services);
            hosts.update(status);
            host.update(status);
            audit.update();
        },
    };
}
