/*
 * edit.js - what a dead letter's handler would do, and another payload for it.
 */
import { fill, h } from "./dom.js";
import { api } from "./api.js";
import { ask, attempt, field } from "./dialogs.js";
import { button, code, data, pill } from "./parts.js";
import { diffView } from "./diff.js";
import { clock, firstLine, label, msOf, pretty, tight } from "./format.js";

/* The first line of an error, the rest below it as it is. */
export function errorText(text, name) {
    const line = firstLine(text);
    const rest = text.slice(line.length + 1);
    return [h("p", { class: "error-line" }, data(line)), rest.trim() !== "" && code(rest, name)];
}

/* --- the trial --- */

function effectLine(effect) {
    const parts = [h("span", { class: "effect-kind" }, effect.kind), data(label(effect, "name"))];
    const value = effect.value !== undefined && typeof effect.value !== "string" ? JSON.stringify(effect.value) : label(effect, "value");
    if (effect.delta !== undefined) {
        parts.push(` by ${effect.delta}`);
    }
    if (effect.due_at) {
        parts.push(` at ${clock(msOf(effect.due_at))}`);
    }
    return h("li", {}, parts, value !== "" && value !== undefined && code(pretty(value), "Value"));
}

const meanings = {
    done: "the handler would return: the event would be done",
    call: "the handler would wait for a call; the rest depends on the answer",
    error: "the handler would raise an error", retry: "the handler would ask to be tried again",
    snooze: "the handler would put the event off", throttle: "the handler would slow its service down",
    reject: "the handler would reject it: a dead letter immediately", discard: "the handler would discard the event",
};

export function trialView(result) {
    const failed = ["error", "retry", "reject"].includes(result.outcome);
    const error = label(result, "error");
    return h("section", { class: "part" }, h("h3", {}, "Trial run"),
        h("p", {}, pill(result.outcome, failed ? "bad" : "good"), " ", meanings[result.outcome] ?? result.outcome, ". Nothing was changed."),
        error !== "" && errorText(error, "Traceback of the trial"),
        result.effects.length > 0 && [h("p", { class: "faint" }, failed ? "Dropped with it would be:" : "It would:"),
            h("ul", { class: "effects" }, result.effects.map(effectLine))],
        result.call && h("p", {}, "It would call ", data(`${result.call.method ?? "MAIL"} ${result.call.url}`), "."));
}

/* --- the edit --- */

/* The steps whose results a replay finds; none when it starts from the beginning. */
function keptSteps(event) {
    if (event.state === "dead" && (event.steps ?? []).some((s) => s.kind === "failed as")) {
        return "";
    }
    return (event.steps ?? []).filter((s) => s.state === "done" && ["step", "saga step", "wait"].includes(s.kind))
        .map((s) => label(s, "name")).join(", ");
}

export function keptPart(event) {
    const names = keptSteps(event);
    return names !== "" && h("p", { class: "note" }, "The results of its finished steps stay: ", data(names));
}

export async function askEdit(event, id) {
    const before = label(event, "payload");
    const oneLine = tight(before) === before;
    const area = h("textarea", { class: "mono", rows: 10, spellcheck: "false", autocapitalize: "off", name: "payload" });
    area.value = pretty(before);
    const diff = h("div", {});
    const hint = h("p", { class: "hint", role: "status" });
    const outcome = h("div", { "aria-live": "polite" });
    const tryOut = button("Trial run with this", "trial", (e) => attempt(e.currentTarget, async () => {
        fill(outcome, trialView(await api.trial(id, event.service, result())));
        outcome.scrollIntoView({ block: "nearest" });
    }));
    const result = () => (oneLine ? tight(area.value) : area.value);
    const tell = () => {
        fill(diff, diffView(pretty(before), pretty(area.value)) ?? h("p", { class: "faint" }, "Nothing is changed yet."));
        fill(hint, jsonFault(area.value) ?? "It is JSON.");
    };
    area.addEventListener("input", tell);
    tell();
    const yes = await ask({
        title: "Edit the payload", wide: true, yes: "Save",
        body: [h("p", { class: "note" }, "The original stays in the history. The event stays dead until it is replayed."), keptPart(event),
            field("Payload", area), hint, h("h3", {}, "What changes"), diff, outcome],
        extra: tryOut,
        check: () => (result() === before ? "The payload is the same: change it, or cancel." : null),
    });
    return yes ? result() : null;
}

function jsonFault(text) {
    try {
        JSON.parse(text);
        return null;
    } catch (error) {
        return `Not JSON: ${error.message}`;
    }
}
