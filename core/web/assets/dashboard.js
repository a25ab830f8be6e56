/*
 * dashboard.js - the page: views and the drawer over them, chosen by the address's hash, fed by the
 * live stream.
 *
 *   #/  #/dead?service=&group=  #/keys  #/events?key=&topic=&service=&state=  #/live   views
 *   #/service/NAME  #/waits  #/delayed  #/outbox  #/schedules  #/state  #/locks
 *   #/host  #/audit
 *   #/event/ID?service=  #/key/SERVICE/KEY      over a view in the drawer; opened by themselves, a page
 *
 * A view is {title, element, show(query, parts), hide?, status?(status), event?(line)}; a panel of the
 * drawer {title, element, refresh(), tick(), event(line)}.
 */
import { fill, h, setClass, setText } from "./dom.js";
import { listen, logOut, onLogin } from "./api.js";
import { showLogin } from "./dialogs.js";
import { iconButton } from "./parts.js";
import { icon } from "./icons.js";
import { hostChoice } from "./choice.js";
import { History } from "./history.js";
import { showJobs } from "./bulk.js";
import { listenToKeys } from "./keyboard.js";
import { side } from "./side.js";
import { overview } from "./overview.js";
import { service } from "./service.js";
import { stored } from "./stored.js";
import { host } from "./host.js";
import { dead } from "./dead.js";
import { keys, keyPanel } from "./keys.js";
import { events, searchHash } from "./events.js";
import { eventPanel } from "./event.js";
import { tail } from "./tail.js";

const app = { status: null, history: null };
const views = new Map(Object.entries({ "": overview, service, dead, keys, events, live: tail, ...stored, host, page })
    .map(([name, make]) => [name, make(app)]));
let current = null; /* the name of the view that is shown */
let viewHash = "#/"; /* its address, to go back to when the drawer closes */

/* --- panels: over a view in the drawer, or as a page --- */

const drawer = document.getElementById("drawer");
const drawerBody = document.getElementById("drawer-body");
let panel = null;

const panels = {
    event: ([id], query) => eventPanel(app, id, query.get("service")),
    key: ([name, key]) => keyPanel(app, name, key),
};

/* The view that holds a panel as a page. */
function page() {
    return { title: "", element: h("div", { class: "view page" }), show() {}, hide() {} };
}

function openPanel(make, parts, query, hash) {
    const asPage = current === null || current === "page";
    panel = make(parts, query);
    if (asPage) {
        const view = views.get("page");
        view.title = panel.title;
        fill(view.element, h("header", { class: "view-head" }, h("h1", {}, panel.title)), panel.element);
        viewHash = hash;
        showView("page", query, parts);
    } else {
        openDrawer(hash);
    }
    panel.refresh();
}

function openDrawer(hash) {
    fill(drawerBody, panel.element);
    drawerBody.scrollTop = 0;
    setText(document.getElementById("drawer-title"), panel.title);
    pageLink.setAttribute("href", hash);
    if (!drawer.open) {
        drawer.showModal();
    }
}

function closeDrawer() {
    panel = null;
    if (drawer.open) {
        drawer.close();
    }
}

drawer.addEventListener("close", () => {
    if (panel !== null) {
        panel = null;
        location.hash = viewHash;
    }
});
drawer.addEventListener("click", (event) => {
    if (event.target === drawer) {
        drawer.close(); /* beside it: on the backdrop */
    }
});
const pageLink = document.getElementById("drawer-page");
pageLink.addEventListener("click", (event) => { /* the address is that of the drawer already */
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        closeDrawer();
        views.get(current).hide?.();
        views.get(current).element.hidden = true;
        current = null;
        route();
    }
});
document.getElementById("drawer-close").append(icon("close"));
document.getElementById("drawer-close").addEventListener("click", () => drawer.close());

/* --- views --- */

const main = document.getElementById("main");
const sideMenu = side();
for (const view of views.values()) {
    view.element.hidden = true;
    main.append(view.element);
}

function showView(name, query, parts) {
    const view = views.get(name);
    if (current !== name) {
        if (current !== null) {
            views.get(current).hide?.();
            views.get(current).element.hidden = true;
        }
        view.element.hidden = false;
        scrollTo(0, 0);
    } else {
        view.hide?.();
    }
    current = name;
    sideMenu.point(name, parts);
    view.show(query, parts);
    document.title = `${view.title} · ZingQueue`;
}

/* An address may be anything: what cannot be decoded is taken as it is. */
function decoded(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

function route() {
    const [path, search] = location.hash.replace(/^#\/?/, "").split("?", 2);
    const [name, ...parts] = path.split("/").map(decoded);
    const query = new URLSearchParams(search ?? "");
    const hash = location.hash || "#/";
    sideMenu.close();
    if (panels[name] !== undefined) {
        if (current !== "page" || viewHash !== hash) {
            openPanel(panels[name], parts, query, hash);
        }
        return;
    }
    closeDrawer();
    const wanted = views.has(name) && name !== "page" ? name : "";
    if (current === wanted && viewHash === hash && views.get(wanted).element.hidden === false) {
        return; /* back from the drawer: all is still there */
    }
    viewHash = hash;
    showView(wanted, query, parts);
}

addEventListener("hashchange", route);

/* A click anywhere on a row is one on its link; selecting text or using a control is not. */
main.addEventListener("click", (event) => {
    const row = event.target.closest(".row-link");
    const control = event.target.closest("a, button, input, label, select");
    if (row !== null && control === null && String(getSelection()) === "") {
        row.querySelector(".row-target").click();
    }
});

/* --- the head of the page --- */

const liveMark = document.getElementById("live-mark");
const liveText = document.getElementById("live-text");
const states = { live: "Live", polling: "Every 2 s", lost: "No connection" };

function showState(state) {
    setText(liveText, states[state]);
    liveMark.dataset.state = state;
    setClass(document.body, "is-lost", state === "lost");
}

const themeButton = iconButton("Light or dark", "moon", () => showTheme(globalThis.zingqToggleTheme()), "quiet");
function showTheme(theme) {
    fill(themeButton, icon(theme === "dark" ? "sun" : "moon"));
    themeButton.setAttribute("aria-label", theme === "dark" ? "Use the light theme" : "Use the dark theme");
    themeButton.title = themeButton.getAttribute("aria-label");
}
showTheme(document.documentElement.dataset.theme);
const hosts = hostChoice();
document.getElementById("tools").prepend(...hosts.parts);
const logOutButton = iconButton("Log out", "leave", logOut, "quiet");
logOutButton.hidden = true; /* until the host has answered: the cookie is out of a script's reach */
document.getElementById("tools").append(themeButton, logOutButton);

const search = document.getElementById("search");
search.prepend(icon("search"));
search.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = search.elements.q.value;
    if (text.trim() !== "") {
        location.hash = searchHash(text);
    }
});
listenToKeys(() => search.elements.q);

document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); /* the hash is the page's address */
    main.focus();
});

/* --- begin --- */

onLogin(() => {
    logOutButton.hidden = true;
    return showLogin();
});
listen({
    status(status) {
        app.status = status;
        if (app.history?.host !== status.host.id) {
            app.history = new History(status.host.id);
        }
        app.history.note(status, Date.now());
        logOutButton.hidden = false;
        sideMenu.status(status);
        hosts.status(status);
        showJobs(status.jobs ?? []);
        for (const [name, view] of views) {
            if (name === current || name !== "") { /* the overview draws: only while it is shown */
                view.status?.(status);
            }
        }
        panel?.tick();
    },
    event(line) {
        views.get("live").event(line);
        panel?.event(line);
    },
    missed: (n) => views.get("live").missed(n),
    state: showState,
});
route();
