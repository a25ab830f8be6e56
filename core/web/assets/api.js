/*
 * api.js - what the page asks of the host, and what the host tells it as it happens.
 *
 * Every address stands here. A 401 opens the login, once for all who wait for it, and the request is
 * made again afterwards. What happens comes over one EventSource; where that cannot be had (a proxy
 * that holds streams back, another host) the status is asked for every two seconds instead, and the
 * tail is empty.
 *
 * Of several hosts that divide the keys all are looked at, or that of choice.js. Lists are of all then; services and
 * charts are of the host that serves the page, and figures of every host come with its status.
 * What names an event or a key is found wherever it is, so nothing of that names a host.
 */
import { polling } from "./polling.js";

const POLL_MS = 2000;
const RECONNECT_MS = 3000;
const HIDDEN_MS = 300000; /* a page that nobody has looked at for so long stops listening */

export class ApiError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

/* --- login --- */

let askForToken = null; /* shows the login; resolves when it is done */
let login = null; /* the login under way */

export function onLogin(show) {
    askForToken = show;
}

function waitForLogin() {
    login ??= askForToken().finally(() => {
        login = null;
    });
    return login;
}

export async function sendToken(token) {
    const answer = await fetch("/login", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token }),
    });
    if (!answer.ok) {
        throw new ApiError(answer.status, await errorText(answer));
    }
}

export async function logOut() {
    await fetch("/logout", { method: "POST" });
    location.reload(); /* nothing of what was shown stays */
}

/* --- requests --- */

async function errorText(answer) {
    try {
        return (await answer.json()).error ?? `the host answered ${answer.status}`;
    } catch {
        return `the host answered ${answer.status}`;
    }
}

function address(path, query) {
    const parts = path.map(encodeURIComponent).join("/");
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== undefined && value !== null && value !== "") {
            params.set(name, value);
        }
    }
    const text = params.toString();
    return "/api/" + parts + (text === "" ? "" : "?" + text);
}

async function ask(method, path, query, body) {
    for (;;) {
        let answer;
        try {
            const headers = body === undefined ? {} : { "Content-Type": "application/octet-stream" };
            answer = await fetch(address(path, query), { method, body, headers });
        } catch {
            throw new ApiError(0, "the host does not answer");
        }
        if (answer.status === 401) {
            await waitForLogin();
            continue;
        }
        if (!answer.ok) {
            throw new ApiError(answer.status, await errorText(answer));
        }
        const found = await answer.json();
        noteMissing(path, found, answer.headers.get("Zingq-Missing"));
        return withNext(found, answer.headers.get("Zingq-Next"));
    }
}

let tellMissing = () => {}; /* takes the hosts that a list of this view lacks: [{host, why}] */
const lacking = new Map(); /* path of a list → those that its last answer lacks */

export function onMissing(tell) {
    tellMissing = tell;
}

function tellLacking() {
    const hosts = new Map([...lacking.values()].flat().map((one) => [one.host, one]));
    tellMissing([...hosts.values()].sort((a, b) => a.host - b.host));
}

function noteMissing(path, list, missing) {
    if (Array.isArray(list) && path[0] !== "division") { /* of which each host has a line of its own */
        lacking.set(path.join("/"), missing === null ? [] : JSON.parse(missing));
        tellLacking();
    }
}

/* Another view has other lists. */
addEventListener("hashchange", () => {
    lacking.clear();
    tellLacking();
});

/* What does not fit in one answer says where it goes on: that is given back as `before`. */
function withNext(body, next) {
    if (next !== null || Array.isArray(body)) {
        body.next = next;
    }
    return body;
}

const get = (path, query) => ask("GET", path, query);
const post = (path, query, body) => ask("POST", path, query, body);

const HOST = "zingq-host"; /* the number of the host that is looked at; the tab remembers it */

export function hostShown() {
    try {
        return sessionStorage.getItem(HOST);
    } catch {
        return null;
    }
}

/* null: this one. All that is shown is of another host then, so the page begins anew. */
export function showHost(number) {
    try {
        if (number === null) {
            sessionStorage.removeItem(HOST);
        } else {
            sessionStorage.setItem(HOST, number);
        }
        location.reload();
    } catch {
        /* storage is closed to this page: it stays with this host */
    }
}

const there = (query) => ({ ...query, host: hostShown() });

/* --- all hosts --- */

const DIVISION_MS = 5000;
let here = null; /* what the host that serves the page says of itself: {this, count} */
let division = null; /* the figures of each host */

const spans = () => hostShown() === null && here?.count > 1;

export const numberHere = () => here?.this;
/* The hosts that a job is asked of: null is the one that serves the page. */
export const hostsAsked = () => (spans() ? Array.from({ length: here.count }, (_, i) => i + 1) : [hostShown()]);

/* The status, with what the other hosts say of themselves. */
function among(status) {
    here = status.hosts?.find((host) => host.self) ?? null;
    return Object.assign(status, { division: spans() ? division : null });
}

async function lookAround() {
    try {
        division = spans() ? await get(["division"]) : null;
    } catch {
        division = null; /* the page says already that nobody answers */
    }
}

/* "15m", "24h". The services of all pages, with the rest of the first one. */
async function history(range) {
    const whole = await get(["history"], there({ range }));
    for (let page = whole; page.next !== undefined;) {
        page = await get(["history"], there({ range, before: page.next }));
        Object.assign(whole.services, page.services);
    }
    return whole;
}

export const ITEMS_MAX = 1000; /* in one answer */

export const api = {
    status: () => get(["status"], there()),
    ownStatus: () => get(["status"]), /* of the host that serves the page */
    history,
    service: (name) => get(["services", name], there()),
    events: (query) => get(["events"], there(query)),
    event: (id) => get(["events", id]),
    letters: (query) => get(["dlq"], there(query)),
    groups: (query) => get(["dlq", "groups"], there(query)),
    letter: (id, service) => get(["dlq", id], { service }),
    replay: (id, service) => post(["dlq", id, "replay"], { service }),
    discard: (id, service) => post(["dlq", id, "discard"], { service }),
    /* `undo`: its saga is compensated first; else that is left as it is. */
    cancel: (id, service, undo) => post(["cancel", id], { service, compensate: undo ? 1 : 0, without_compensation: undo ? 0 : 1 }),
    edit: (id, service, payload) => post(["dlq", id, "edit"], { service }, payload),
    /* A dry run; with another payload when one is given. */
    trial: (id, service, payload) => post(["dlq", id, "try"], { service }, payload),
    /* All of a service, or of one of its groups: a job of the host, shown in its status.jobs. */
    bulk: (verb, query, host) => post(["dlq", verb], { ...query, host }),
    job: (job, host) => get(["replay"], { job, host }),
    stopJob: (job, host = hostShown()) => post(["dlq", "stop"], { job, host }),
    keys: (query) => get(["keys"], there(query)),
    key: (service, key) => get(["keys", service], { key }),
    keyResume: (service, key) => post(["keys", service, "resume"], { key }),
    keySkip: (service, key) => post(["keys", service, "skip"], { key }),
    state: (service, query) => get(["state", service], there(query)),
    outbox: (query) => get(["outbox"], there(query)),
    outboxRetry: (id) => post(["outbox", id, "retry"]),
    outboxDiscard: (id) => post(["outbox", id, "discard"]),
    delayed: (query) => get(["delayed"], there(query)),
    cancelPublish: (id) => post(["cancel", id], { publish: 1 }),
    audit: (query) => get(["audit"], there(query)),
    pause: (service) => post(["services", service, "pause"], there()),
    resume: (service) => post(["services", service, "resume"], there()),
    reload: () => post(["reload"], there()),
};

/* --- what happens, as it happens --- */

/* handlers: status(object), event(object), missed(count), state("live" | "polling" | "lost"). */
export function listen(handlers) {
    let source = null;
    let timer = null;

    async function poll() {
        timer = null;
        try {
            handlers.status(among(await api.status()));
            handlers.state("polling");
            if (hostShown() === null) {
                connect();
            } else {
                timer = setTimeout(poll, POLL_MS); /* another host has no stream for this page */
            }
        } catch {
            handlers.state("lost");
            timer = setTimeout(poll, RECONNECT_MS);
        }
    }

    function connect() {
        source?.close();
        source = new EventSource("/api/live");
        source.addEventListener("status", (message) => {
            handlers.state("live");
            handlers.status(among(JSON.parse(message.data)));
        });
        source.addEventListener("event", (message) => handlers.event(JSON.parse(message.data)));
        source.addEventListener("missed", (message) => handlers.missed(JSON.parse(message.data).count));
        source.onerror = () => {
            handlers.state("lost");
            source?.close();
            source = null;
            timer ??= setTimeout(poll, POLL_MS);
        };
    }

    /* Browsers allow six connections to a host: forgotten tabs must not use them up. */
    let forgotten = null;
    document.addEventListener("visibilitychange", () => {
        clearTimeout(forgotten);
        if (document.hidden) {
            forgotten = setTimeout(() => {
                clearTimeout(timer);
                timer = null;
                source?.close();
                source = null;
            }, HIDDEN_MS);
        } else if (source === null && timer === null) {
            poll();
        }
    });

    poll();
    polling(lookAround, DIVISION_MS).begin();
    addEventListener("pagehide", () => source?.close());
}
