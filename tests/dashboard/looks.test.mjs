/*
 * looks.test.mjs - how every page looks, light and dark, on a desk and on a phone: screenshots for people,
 * and for the rest that nothing is too wide and that axe-core finds nothing.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { drawer, order, phone, shots, view, visible, visit } from "./page.mjs";
import { axe, World } from "./world.mjs";

describe("how it looks", () => {
    let world;
    let load;
    let made = 0;

    before(async () => {
        world = await World.open();
        await world.publish("shop/hold", { customer: "ada", item: "lamp", order: "o-1" });
        await world.publish("shop/await", { customer: "grace" });
        await world.ask("/api/services/strangers/pause", { method: "POST" });
        load = setInterval(() => {
            const n = Math.ceil(Math.random() * 6);
            for (let i = 0; i < n; i++) {
                const kind = Math.random();
                made++;
                const changes = kind < 0.1 ? { country: "xx" } : kind < 0.16 ? { amount: 0 }
                    : kind < 0.2 ? { depot: `depot ${made % 3}`, address: "nowhere" } : {};
                world.publish("shop/order", order({ customer: `customer ${made % 9}`, ...changes })).catch(() => {});
            }
        }, 300);
    });
    after(async () => {
        clearInterval(load);
        await world?.close();
    });

    /* Pages, and what they show once they are there. */
    const pages = { overview: ["", ".service-body"], dead: ["dead", ".list .row-target"], events: ["events", ".list .row-target"],
        live: ["live", ".tail-row"], keys: ["keys", ".list .row-target"], waits: ["waits", ".list .row-target"], delayed: ["delayed", ".list tbody tr"],
        outbox: ["outbox", "h1"], schedules: ["schedules", ".list tbody tr"], state: ["state?service=holds", ".list tbody tr"],
        locks: ["locks", ".list tbody tr"], host: ["host", ".list tbody tr"], audit: ["audit", ".list tbody tr"], service: ["service/invoices", ".list .row-target"] };
    const sizes = { desk: { width: 1440, height: 900 }, phone };
    for (const [size, viewport] of Object.entries(sizes)) {
        for (const colorScheme of ["light", "dark"]) {
            test(`${size}, ${colorScheme}: every page shows something, fits, and is open to everybody`, async () => {
                const page = await visit(world, "#/", { viewport, colorScheme });
                const take = async (name) => {
                    await page.screenshot({ path: path.join(shots, `${size}-${colorScheme}-${name}.png`) });
                    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                    assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
                    if (size === "desk" || colorScheme === "light") { /* a dark phone has the colours of a dark desk */
                        assert.deepEqual(await axe(page), [], name);
                    }
                };
                await visible(page.locator(".service-body").first());
                assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
                for (const [name, [hash, sign]] of Object.entries(pages)) {
                    await page.goto(`${world.url}/#/${hash}`);
                    await visible(view(page).locator(sign).first());
                    await take(name);
                }
                await page.goto(`${world.url}/#/dead`);
                await view(page).locator(".list .row-target").first().click();
                await visible(drawer(page).locator(".life-row").first());
                await take("letter");
                await drawer(page).getByRole("link", { name: "Open as a page" }).click();
                await visible(view(page).locator(".life-row").first());
                await take("event");
            });
        }
    }
});
