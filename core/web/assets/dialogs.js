/*
 * dialogs.js - questions, the login, and short notes of what was done.
 *
 * Questions are <dialog> elements: the browser holds the focus inside, Esc says no, and the focus
 * goes back to where it was.
 */
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { sendToken } from "./api.js";

const TOAST_MS = 6000;

let number = 0;

function nextId(prefix) {
    return `${prefix}-${++number}`;
}

/*
 * Asks a question. body: elements between title and buttons; extra: a button beside them; check(): a
 * sentence that says why it cannot be done yet, or null; no: null where there is nothing to decide. Resolves to true when the answer is yes.
 */
export function ask({ title, body = [], extra, yes, no = "Cancel", danger = false, check = () => null, wide = false }) {
    const titleId = nextId("ask");
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h("form", { method: "dialog", class: "ask-form" },
        h("h2", { id: titleId }, title),
        h("div", { class: "ask-body" }, body),
        problem,
        h("div", { class: "buttons buttons-end ask-buttons" }, extra && h("div", { class: "push" }, extra),
            no !== null && h("button", { type: "button", class: "button", onclick: () => dialog.close("no") }, no),
            h("button", { type: "submit", value: "yes", class: `button ${danger ? "danger" : "primary"}` }, yes)));
    const dialog = h("dialog", { class: wide ? "ask wide" : "ask", "aria-labelledby": titleId }, form);
    form.addEventListener("submit", (event) => {
        const why = check();
        if (why !== null) {
            event.preventDefault();
            fill(problem, why);
        }
    });
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
        });
    });
}

export function field(labelText, input, hint) {
    const id = nextId("field");
    input.id = id;
    if (hint !== undefined) {
        input.setAttribute("aria-describedby", `${id}-hint`);
    }
    return h("div", { class: "field" }, h("label", { for: id }, labelText), input,
        hint !== undefined && h("p", { class: "hint", id: `${id}-hint` }, hint));
}

/* --- login --- */

/* Resolves when the host took the token. It cannot be closed: without it there is nothing to see. */
export function showLogin() {
    const input = h("input", { type: "password", autocomplete: "current-password", required: true, name: "token" });
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h("form", { class: "ask-form" },
        h("h2", { id: "login-title" }, "Log in"),
        h("p", { class: "note" }, "Run zingq dashboard on the host for a link that logs you in, or enter a token: http.token of topics.conf, or the file token in the data folder."),
        field("Token", input),
        problem,
        h("div", { class: "buttons buttons-end" },
            h("button", { type: "submit", class: "button primary" }, "Log in")));
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "login-title" }, form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            try {
                await sendToken(input.value);
            } catch (error) {
                fill(problem, error.status === 401 ? "That is not the token." : error.message);
                input.select();
                return;
            }
            dialog.close();
            dialog.remove();
            resolve();
        });
    });
}

/* --- notes --- */

/* kind: "good" or "bad". */
export function toast(text, kind = "good") {
    const region = document.getElementById("toasts");
    const note = h("div", { class: `toast toast-${kind}`, role: kind === "bad" ? "alert" : "status" },
        icon(kind === "bad" ? "warn" : "check"), h("span", {}, text));
    region.append(note);
    /* A modal dialog hides what is outside of it: the region goes with the topmost layer. */
    region.hidePopover?.();
    region.showPopover?.();
    setTimeout(() => note.remove(), TOAST_MS);
}

/* Does what a button stands for: disabled meanwhile, with a note of how it went. */
export async function attempt(button, work, done) {
    button?.setAttribute("aria-busy", "true");
    if (button) {
        button.disabled = true;
    }
    try {
        const result = await work();
        if (done !== undefined) {
            toast(typeof done === "function" ? done(result) : done);
        }
        return result;
    } catch (error) {
        toast(error.message, "bad");
        return undefined;
    } finally {
        button?.removeAttribute("aria-busy");
        if (button) {
            button.disabled = false;
        }
    }
}
