/*
 * page.mjs - one browser for all tests of a file, its pages, and what is looked for on them.
 *
 * Every page is watched: an error in its console, a breach of its policy, a request to another
 * host or an opened dialog fails the test it happened in.
 */
import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { openBrowser, openPage, until } from "./world.mjs";

export const shots = process.env.SHOTS;
let browser;
let pages = [];

before(async () => {
    browser = await openBrowser();
});
after(() => browser?.close());

afterEach(async () => {
    const faults = pages.flatMap((page) => page.faults);
    await Promise.all(pages.map((page) => page.context().close()));
    pages = [];
    assert.deepEqual(faults, []);
});

export async function visit(world, hash = "#/", options = {}) {
    const page = await openPage(browser, world, options);
    pages.push(page);
    if (world.token === "") {
        await page.goto(world.link);
    }
    await page.goto(`${world.url}/${hash}`);
    return page;
}

let orders = 0;

/* A good order, but for what is said otherwise. */
export function order(changes = {}) {
    orders++;
    return { order: `o-${orders}1`, customer: "ada", amount: 1200, country: "de", depot: "north",
        address: "Main Street 1", ...changes };
}

export function visible(locator) {
    return locator.waitFor({ state: "visible" });
}

export function counts(locator, count) {
    return until(`${count} of ${locator}`, async () => await locator.count() === count);
}

export const phone = { width: 390, height: 844 };
export const view = (page) => page.locator("#main > .view:not([hidden])");
export const letterRow = (page, text) => view(page).locator(".list tbody tr", { hasText: text });
export const drawer = (page) => page.locator("#drawer[open]");
export const stateOf = (page) => drawer(page).locator(".event-title .pill");

export async function showsState(page, word) {
    await visible(stateOf(page).getByText(word, { exact: true }));
}

/* Every page that can be reached from its side. */
export const pageNames = ["", "dead", "events", "live", "keys", "waits", "delayed", "outbox", "schedules", "state", "locks", "host", "audit",
    "service/invoices"];
