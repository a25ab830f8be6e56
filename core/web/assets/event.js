/*
 * event.js - all that is known of one event: in a drawer over the view it was opened from, or as a page.
 *
 * A dead letter is an event that is dead: it has the buttons to replay, edit, try and discard it. One
 * that has not ended can be cancelled.
 * While it is open it follows the event, so that a replay is seen to its end.
 */
import { fill, h } from "./dom.js";
import { api } from "./api.js";
import { ask, attempt, toast } from "./dialogs.js";
import { button, code, copyButton, copyTextButton, data, eventHash, keyText, pill, problem, shortId } from "./parts.js";
import { askEdit, errorText, keptPart, trialView } from "./edit.js";
import { diffView } from "./diff.js";
import { serviceHash } from "./services.js";
import { lifeView, rowsOf } from "./life.js";
import { ago, bytesField, clock, count, duration, firstLine, label, micros, msOf, plural, pretty } from "./format.js";

const byHand = new Set(["replay", "edit"]);

/* --- sections --- */

function section(title, ...content) {
    return h("section", { class: "part" }, h("h3", {}, title), content);
}

/* For a shell: whatever is in it, one word. */
function quoted(text) {
    return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/* The command that runs its handler dry with this event. */
function tryCommand(event) {
    const properties = (event.properties ?? []).filter((p) => p.name !== undefined && p.value !== undefined && !p.name.startsWith("zingq-"))
        .map((p) => `--property ${quoted(`${p.name}=${p.value}`)}`);
    return ["zingq try", quoted(event.service), quoted(label(event, "topic")), "--payload", quoted(label(event, "payload")), ...properties].join(" ");
}

function payloadPart(event) {
    const { text, binary } = bytesField(event, "payload");
    const name = binary ? "Payload (not text; base64)" : "Payload";
    return h("section", { class: "part" },
        h("div", { class: "part-head" }, h("h3", { class: "grow" }, name),
            !binary && copyTextButton("Copy as zingq try", tryCommand(event)), copyButton("the payload", text)),
        text === "" ? h("p", { class: "faint" }, "empty") : code(binary ? text : pretty(text), "Payload"));
}

/* The payload before the first edit is the original: what came from outside. */
function editPart(event) {
    const edits = (event.history ?? []).filter((a) => a.end === "edit");
    if (edits.length === 0) {
        return null;
    }
    const original = label(edits[0], "text");
    const diff = diffView(pretty(original), pretty(label(event, "payload")));
    return section(`Edited ${edits.length === 1 ? "once" : `${edits.length} times`}, last ${ago(msOf(edits.at(-1).at), Date.now())}`,
        diff === null ? h("p", { class: "faint" }, "The payload is the original again.") : diff,
        h("details", {}, h("summary", {}, "The original, as it came"), code(pretty(original), "Original payload")));
}

function reasonPart(event) {
    const reason = label(event, "reason");
    return reason === "" ? null : section(isDead(event) ? "Why it is dead" : "Why it ended", errorText(reason, "Traceback"));
}

function attemptRow(event, a, open) {
    const text = a.end === "edit" ? "" : label(a, "text");
    const rest = text.slice(firstLine(text).length + 1);
    const head = [pill(a.end), h("span", { class: "attempt-line" }, a.end === "edit" ? "the payload was changed" : data(firstLine(text), "clamp")),
        h("span", { class: "faint nowrap attempt-when" },
            `+${duration(Math.max(0, msOf(a.at) - msOf(event.received_at)))}`,
            !byHand.has(a.end) && ` · took ${micros(a.duration_us)}`)];
    const facts = h("p", { class: "faint" }, clock(msOf(a.at), true),
        !byHand.has(a.end) && [" · handler ", h("span", { class: "mono" }, a.version.slice(0, 8))]);
    return h("li", { class: "attempt" }, h("details", { open },
        h("summary", {}, head), h("div", { class: "attempt-more" }, facts, rest.trim() !== "" && code(rest, "Traceback of this attempt"))));
}

/* The last attempt that did well, or is under way, is told by the event itself. */
function lastAttempt(event) {
    const at = msOf(event.started_at);
    if (event.state === "done") {
        return h("li", { class: "attempt attempt-flat" }, pill("done"), h("span", { class: "attempt-line" }, "the handler returned"),
            h("span", { class: "faint nowrap attempt-when" }, `+${duration(Math.max(0, (at ?? 0) - msOf(event.received_at)))} · took ${micros(event.duration_us)}`));
    }
    if (["retrying", "sleeping", "compensating"].includes(event.state)) {
        return h("li", { class: "attempt attempt-flat" }, pill(event.state),
            h("span", { class: "attempt-line" }, `the next attempt is due ${ago(msOf(event.due_at), Date.now())}`));
    }
    return ["ready", "running"].includes(event.state)
        ? h("li", { class: "attempt attempt-flat" }, pill(event.state), h("span", { class: "attempt-line" }, event.state === "ready" ? "waits for its turn" : "an attempt is under way"))
        : null;
}

function isDead(event) {
    return event.state === "dead" || event.state === "needs-person";
}

function isLive(event) {
    return !isDead(event) && !["done", "discarded", "expired"].includes(event.state);
}

function attemptsPart(event) {
    const history = event.history ?? [];
    const last = lastAttempt(event);
    if (history.length === 0 && last === null) {
        return section("Attempts", h("p", { class: "faint" }, "None: it was dead before a handler saw it."));
    }
    const newest = history.findLastIndex((a) => !byHand.has(a.end));
    return section(`Attempts (${count(event.attempts)})`,
        h("ol", { class: "attempts" }, history.map((a, i) => attemptRow(event, a, i === newest && isDead(event))), last));
}

/* What an event failed as has a state, too, which says nothing. */
function stepPill(step) {
    const word = step.kind === "failed as" ? "failed" : step.state;
    return step.undo === "NOT undone" ? pill(word, "bad") : pill(word);
}

/* What it has done for good, and what it asked of the outside. */
function stepsPart(event) {
    const steps = (event.steps ?? []).map((s) => h("li", {}, stepPill(s),
        " ", s.kind === "failed as" ? "" : `${s.kind} `, data(label(s, "name")), s.undo && ` · ${s.undo}`,
        s.due_at && ` · until ${clock(msOf(s.due_at), true)}`, s.tries && ` · ${count(s.tries)} failed`, s.missing && ` · ${count(s.missing)} more to come`,
        " ", h("span", { class: "faint" }, s.error ?? (s.result === undefined ? "" : JSON.stringify(s.result).slice(0, 200)))));
    const calls = (event.calls ?? []).map((c) => h("li", {}, data(label(c, "call")),
        ` · ${c.state}${c.status ? ` ${c.status}` : ""} · asked ${count(c.asks)}× since ${clock(msOf(c.asked_at), true)} `,
        h("span", { class: "faint mono" }, label(c, "key"))));
    return [
        steps.length > 0 && section("Steps", h("ul", { class: "plain" }, steps)),
        calls.length > 0 && section("Calls", h("ul", { class: "plain" }, calls)),
    ];
}

const factRows = [
    ["Accepted", (e) => clock(msOf(e.received_at), true)],
    ["Ended", (e) => clock(msOf(e.ended_at), true)],
    ["Came as", (e) => `${e.kind}, QoS ${e.qos}${e.retained ? ", retained" : ""}${e.replayed ? ", replayed" : ""}`],
    ["Tenant", (e) => label(e, "tenant") || "–"],
    ["Priority", (e) => count(e.priority)],
    ["Content type", (e) => label(e, "content_type") || "–"],
    ["Errors", (e) => count(e.errors)],
    ["Timeouts", (e) => count(e.timeouts)],
    ["Host crashes", (e) => count(e.crashes)],
    ["Snoozes, throttles", (e) => `${count(e.snoozes)}, ${count(e.throttles)}`],
    ["Hops", (e) => count(e.hops)],
    ["Batch", (e) => !e.batch_events ? "–" : e.batch === e.id ? `of ${count(e.batch_events)}`
        : [`of ${count(e.batch_events)}, see `, h("a", { href: eventHash(e.batch, e.service) }, e.batch.slice(0, 8))]],
    ["Partition", (e) => count(e.partition)],
    ["Trace id", (e) => e.trace_id],
    ["Response topic", (e) => label(e, "response_topic") || "–"],
];

function factsPart(event) {
    const properties = (event.properties ?? []).map((p) =>
        h("div", {}, h("dt", {}, data(label(p, "name"))), h("dd", {}, data(label(p, "value")))));
    const published = (event.publishes ?? []).map((p) => h("li", {}, data(label(p, "topic")), " ", h("span", { class: "faint mono", title: p.id }, shortId(p.id))));
    return [
        section("Details", h("dl", { class: "figures" }, factRows.map(([name, of]) =>
            h("div", {}, h("dt", {}, name), h("dd", { class: "data" }, of(event)))))),
        properties.length > 0 && section("MQTT user properties", h("dl", { class: "figures wide-figures" }, properties)),
        published.length > 0 && section("Published", h("ul", { class: "plain" }, published)),
    ];
}

/* --- the questions --- */

/* What the host adds to its answer. */
function withNotes(text) {
    return (answer) => [text, ...(answer?.notes ?? [])].join("; ");
}

/* Resolves to what becomes of its saga, true = it is undone; undefined = nothing is to be done. */
async function askCancel(event) {
    const undoing = event.state === "compensating";
    const open = !undoing && (event.steps ?? []).some((s) => s.kind === "saga step" && s.state !== "failed");
    const undo = h("input", { type: "checkbox", checked: true });
    const yes = await ask({ title: "Cancel this event?", yes: "Cancel the event", no: "Leave it", danger: true, body: [
        h("p", {}, "It ends where it is, and what its attempt has staged is dropped. A call that is under way is aborted: it may have had its effect."),
        undoing && h("p", { class: "banner tone-warn" }, "Its saga is being undone, and will stay as it is now."),
        open && h("label", {}, undo, " Undo what its saga has done")] });
    return yes ? open && undo.checked : undefined;
}

/* --- the panel --- */

function actionsPart(event, act) {
    if (isLive(event)) {
        return h("div", { class: "actions" },
            h("div", { class: "buttons" }, button("Cancel…", "discard", (e) => act.cancel(e.currentTarget), "danger-quiet")));
    }
    if (!isDead(event)) {
        return null;
    }
    const editable = event.payload_base64 === undefined;
    return h("div", { class: "actions" },
        keptPart(event),
        event.parked && h("p", { class: "banner tone-warn" }, "It blocks its key: later events of the key wait. Replay it, or discard it to unblock them."),
        h("div", { class: "buttons" },
            button("Replay", "replay", (e) => act.replay(e.currentTarget), "primary"),
            editable && button("Edit…", "edit", (e) => act.edit(e.currentTarget)),
            button("Trial run", "trial", (e) => act.trial(e.currentTarget)),
            button("Discard", "discard", (e) => act.discard(e.currentTarget), "danger-quiet")));
}

function head(event) {
    return [
        h("div", { class: "event-title" }, pill(event.state), h("a", { class: "event-service", href: serviceHash(event.service) }, event.service), data(label(event, "topic"))),
        h("p", { class: "event-sub" }, "key ", event.key ? h("a", { href: `#/events?key=${encodeURIComponent(event.key)}` }, keyText(event)) : keyText(event), h("span", { class: "dotsep" }, "·"),
            h("span", { class: "mono faint" }, event.id), copyButton("the id", event.id)),
    ];
}

/* What is shown of an event now; compared as text, so that nothing moves under the reader's hand. */
function choose(trace, service) {
    return trace.events.find((event) => event.service === service) ?? trace.events[0];
}

export function eventPanel(app, id, service) {
    const trialPlace = h("div", { "aria-live": "polite" });
    const topPlace = h("div", {});
    const actPlace = h("div", {});
    const bodyPlace = h("div", { class: "event-body" });
    const element = h("div", { class: "event" }, topPlace, actPlace, trialPlace, bodyPlace);
    let event = null;
    let shown = "";

    const act = {
        replay: (opener) => attempt(opener, () => api.replay(id, event.service), withNotes("It runs again")).then(refresh),
        async discard(opener) {
            const yes = await ask({ title: "Discard this dead letter?", yes: "Discard", danger: true,
                body: [h("p", {}, "It is done with then; it is still shown among the events for store.keep_done.")] });
            if (yes) {
                await attempt(opener, () => api.discard(id, event.service), "Discarded");
                await refresh();
            }
        },
        async cancel(opener) {
            const undo = await askCancel(event);
            if (undo !== undefined) {
                await attempt(opener, () => api.cancel(id, event.service, undo), withNotes("Cancelled"));
                await refresh();
            }
        },
        async edit(opener) {
            const payload = await askEdit(event, id);
            if (payload !== null) {
                await attempt(opener, () => api.edit(id, event.service, payload), withNotes("Saved; replay it when you are ready"));
                fill(trialPlace);
                await refresh();
            }
        },
        async trial(opener) {
            const result = await attempt(opener, () => api.trial(id, event.service));
            if (result !== undefined) {
                fill(trialPlace, trialView(result));
            }
        },
    };

    function draw(trace) {
        const text = JSON.stringify(trace);
        if (text === shown) {
            return;
        }
        shown = text;
        const before = event;
        event = choose(trace, service);
        fill(topPlace, head(event));
        if (before === null || before.state !== event.state || before.parked !== event.parked) {
            fill(actPlace, actionsPart(event, act));
            fill(trialPlace);
        }
        const rows = rowsOf(trace);
        fill(bodyPlace, h("div", { class: "event-main" },
            !isLive(event) && reasonPart(event), editPart(event), payloadPart(event), attemptsPart(event), stepsPart(event),
            section(`Life across services (${plural(rows.length, "event")})`, lifeView(rows, event),
                trace.cut && h("p", { class: "faint" }, "There is more than is shown."))),
        h("div", { class: "event-side" }, factsPart(event)));
    }

    async function refresh() {
        try {
            draw(await api.event(id));
        } catch (error) {
            if (event === null) {
                fill(bodyPlace, problem(error.message));
            } else {
                toast(error.message, "bad");
            }
        }
    }

    const waits = () => event !== null && isLive(event);
    let due = 0;
    return {
        title: `Event ${shortId(id)}`,
        element,
        refresh,
        /* Once a second: an event that waits is looked at again, an ended one now and then. */
        tick() {
            if (waits() || ++due % 5 === 0) {
                refresh();
            }
        },
        /* An attempt ended somewhere. */
        event(line) {
            if (line.id === id) {
                refresh();
            }
        },
    };
}
