/*
 * dashboard.test.mjs - what a person can do with the dashboard, done by a real Chromium.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { counts, drawer, letterRow, order, pageNames, phone, shots, showsState, view, visible, visit } from "./page.mjs";
import { until, World } from "./world.mjs";

const TOKEN = "open sesame";

describe("the dashboard", () => {
    let world;

    before(async () => {
        world = await World.open();
    });
    after(() => world?.close());

    test("a failure appears live, is opened and replayed, and is seen to succeed", async () => {
        const page = await visit(world, "#/dead");
        await visible(page.getByText("No dead letters", { exact: true }));

        const bad = order({ country: "it" });
        await world.publish("shop/order", bad);
        await letterRow(page, bad.order).getByRole("link").click();
        await showsState(page, "dead");
        await visible(drawer(page).getByText("no tax rate for the country 'it'").first());
        await visible(drawer(page).getByText("tax_of").first());
        await counts(drawer(page).locator(".attempt"), 3);

        await world.script("invoices", (lua) => lua.replace("nl = 21", "nl = 21, it = 22"));
        await drawer(page).getByRole("button", { name: "Replay" }).click();
        await showsState(page, "done");
        await counts(drawer(page).getByRole("button", { name: "Replay" }), 0);
        await visible(drawer(page).locator(".life-row", { hasText: "notices" }));
        await counts(drawer(page).locator(".life-row"), 4);

        await page.keyboard.press("Escape");
        await visible(page.getByText("No dead letters", { exact: true }));
        await page.locator("#dead-badge").waitFor({ state: "hidden" });
    });

    test("an event that waits is cancelled", async () => {
        await world.ask("/api/services/orders/pause", { method: "POST" });
        await world.publish("shop/order", order({ customer: "grace" }));
        const page = await visit(world, "#/events?service=orders&state=ready");
        await letterRow(page, "grace").getByRole("link").click();
        await drawer(page).getByRole("button", { name: "Cancel…" }).click();
        const dialog = page.getByRole("dialog", { name: "Cancel this event?" });
        await dialog.getByRole("button", { name: "Leave it" }).click();
        await showsState(page, "ready");
        await drawer(page).getByRole("button", { name: "Cancel…" }).click();
        await dialog.getByRole("button", { name: "Cancel the event" }).click();
        await showsState(page, "discarded");
        await visible(drawer(page).getByText(/^cancelled by/));
        await world.ask("/api/services/orders/resume", { method: "POST" });
    });

    test("an edit is tried dry, keeps the original, shows what changed, and succeeds", async () => {
        const page = await visit(world, "#/dead");
        const bad = order({ amount: 0 });
        await world.publish("shop/order", bad);
        await letterRow(page, "this one costs 0").getByRole("link").click();
        await drawer(page).getByRole("button", { name: "Edit…" }).click();
        const dialog = page.getByRole("dialog", { name: "Edit the payload" });
        await dialog.getByRole("button", { name: "Save" }).click();
        await visible(dialog.getByText("The payload is the same"));

        await dialog.getByLabel("Payload", { exact: true }).fill(JSON.stringify({ ...bad, amount: 777 }));
        await dialog.getByRole("button", { name: "Trial run with this" }).click();
        await visible(dialog.getByText("the event would be done"));
        await visible(dialog.locator(".diff-gone", { hasText: '"amount": 0' }));
        await visible(dialog.locator(".diff-new", { hasText: '"amount": 777' }));
        assert.equal((await world.service("orders")).dead, 1, "a trial changes nothing");

        await dialog.getByRole("button", { name: "Save" }).click();
        await visible(drawer(page).getByText(/^Edited once/));
        await visible(drawer(page).locator(".diff-gone", { hasText: '"amount": 0' }));
        await showsState(page, "dead");
        await drawer(page).getByRole("button", { name: "Replay" }).click();
        await showsState(page, "done");
        await drawer(page).getByText("The original, as it came").click();
        await visible(drawer(page).getByRole("region", { name: "Original payload" }));
    });

    test("a trial run says what the handler would do", async () => {
        const bad = order({ country: "xx" });
        await world.publish("shop/order", bad);
        const page = await visit(world, "#/dead");
        await letterRow(page, bad.order).getByRole("link").click();
        await drawer(page).getByRole("button", { name: "Trial run" }).click();
        await visible(drawer(page).getByText("the handler would raise an error"));
        await drawer(page).getByRole("button", { name: "Discard" }).click();
        await page.getByRole("dialog", { name: /Discard/ }).getByRole("button", { name: "Discard" }).click();
        await showsState(page, "discarded");
    });

    test("many are replayed and discarded: by group, and ticked ones", async () => {
        const page = await visit(world, "#/dead");
        for (let i = 0; i < 6; i++) {
            await world.publish("shop/order", order({ country: "yy" }));
        }
        const group = page.locator(".group", { hasText: "country 'yy'" });
        await visible(group.locator(".group-count", { hasText: /^6$/ }));
        await group.click();
        await visible(page.getByText("All 6 of this group"));

        await letterRow(page, "'yy'").first().getByRole("checkbox").check();
        await letterRow(page, "'yy'").last().getByRole("checkbox").check();
        await visible(page.getByText("2 selected"));
        await page.locator(".toolbar").getByRole("button", { name: "Discard" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
        await visible(page.getByText("the selected: 2 discarded"));
        await visible(page.getByText("All 4 of this group"));

        await page.getByRole("button", { name: "Discard all…" }).click();
        const discard = page.getByRole("dialog", { name: "Discard 4 letters?" });
        await discard.getByRole("button", { name: "Discard" }).click();
        await visible(discard.getByText("Write 4, or cancel."));
        await discard.getByRole("button", { name: "Cancel" }).click();

        await world.script("invoices", (lua) => lua.replace("nl = 21", "nl = 21, yy = 9"));
        await page.getByRole("button", { name: "Replay all…" }).click();
        const dialog = page.getByRole("dialog", { name: "Replay 4 letters?" });
        await dialog.getByLabel("At most").fill("fast");
        await dialog.getByRole("button", { name: "Replay" }).click();
        await visible(dialog.getByText("Write the pace as"));
        await dialog.getByLabel("At most").fill("5/s");
        await dialog.getByRole("button", { name: "Replay" }).click();
        await visible(page.getByText("invoices: 4 replayed"));
        await until("all of them to be done", async () => (await world.service("invoices")).dead === 0);
    });

    test("nothing is done to all dead letters at once", async () => {
        await world.publish("shop/order", order({ amount: -4 }));
        const page = await visit(world, "#/dead");
        await visible(letterRow(page, "this one costs -4"));
        await counts(page.getByRole("button", { name: /Replay|Discard/ }), 0);
        await view(page).getByLabel("Service").selectOption("orders");
        await visible(page.getByRole("button", { name: "Discard all…" }));
    });

    test("letters of one group are told apart by what differs in their payloads", async () => {
        const page = await visit(world, "#/dead?service=orders");
        const bad = [order({ amount: -5 }), order({ amount: -5 })];
        for (const one of bad) {
            await world.publish("shop/order", one);
        }
        for (const one of bad) {
            const text = await letterRow(page, one.order).locator(".row-target").textContent();
            assert.ok(text.startsWith(`order ${one.order}`), text);
        }
    });

    test("a parked key shows what it waits for, and goes on when a person says so", async () => {
        const page = await visit(world, "#/keys");
        await world.publish("shop/order", order({ depot: "south", address: "nowhere" }));
        await world.publish("shop/order", order({ depot: "south" }));
        const row = letterRow(page, "south");
        await visible(row.getByText("parked", { exact: true }));
        await visible(row.getByText("does not exist"));
        await visible(row.locator(".number", { hasText: /^1$/ }));
        await row.getByRole("link").click();
        await visible(drawer(page).getByText("2 events in order:"));
        await page.keyboard.press("Escape");
        await row.getByRole("button", { name: "Skip" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Skip" }).click();
        await row.waitFor({ state: "detached" });
        await until("the second parcel", async () => (await world.service("shipping")).waiting === 0);
    });

    test("a service is paused and resumed, and a refused script is told", async () => {
        const page = await visit(world);
        const service = page.locator('[data-service="notices"]');
        await service.getByRole("button", { name: "Pause notices" }).click();
        await visible(service.getByText("paused", { exact: true }));
        await visible(page.locator(".alerts").getByText("notices: paused"));
        await service.getByRole("button", { name: "Resume notices" }).click();
        await service.getByText("paused", { exact: true }).waitFor({ state: "hidden" });

        await world.script("notices", (lua) => `this is no Lua\n${lua}`);
        await visible(service.getByText("script refused", { exact: true }));
        await visible(page.locator(".alerts").getByText("the last good one stays"));
        await world.script("notices", (lua) => lua.replace("this is no Lua\n", ""));
        await service.getByText("script refused", { exact: true }).waitFor({ state: "hidden" });
    });

    test("a service has a page with its own address", async () => {
        const bad = order({ country: "zz" });
        await world.publish("shop/order", bad);
        const page = await visit(world);
        await page.locator('[data-service="invoices"]').getByRole("link", { name: "invoices", exact: true }).click();
        await page.waitForURL(/#\/service\/invoices$/);
        await visible(view(page).getByRole("heading", { name: "invoices", level: 1 }));
        await visible(view(page).getByText("shop/accepted").first());
        await visible(view(page).getByText("json:/order", { exact: true }));
        await visible(view(page).getByText("3 tries: now, 300 ms, 600 ms"));
        await visible(letterRow(page, bad.order));
        await view(page).locator(".group-line", { hasText: "country 'zz'" }).click();
        await visible(letterRow(page, bad.order));
        await page.goto(`${world.url}/#/service/nobody`);
        await visible(page.getByText("There is no service of that name here."));
    });

    test("no chart is empty for somebody who opens the page", async () => {
        await until("a few seconds of history", async () =>
            (await world.ask("/api/history?range=15m")).services.orders?.rate.filter((rate) => rate !== null).length > 2);
        const page = await visit(world);
        await until("a line with its past", () => page.evaluate(() =>
            (document.querySelector(".chart-panel .chart-line").getAttribute("d") ?? "").includes("L")));
        await page.getByRole("button", { name: "24 h" }).click();
        await visible(page.getByText("24 h ago").first());
        await until("the day", () => page.evaluate(() => document.querySelector(".chart-panel .chart").ariaLabel.includes("24 hours")));
    });

    test("what needs a look is said, with a link to it", async () => {
        await world.publish("shop/order", order({ amount: -6 }));
        const page = await visit(world);
        const banner = page.locator(".alerts .banner", { hasText: "dead letter" }).first();
        await banner.getByRole("link").click();
        await page.waitForURL(/#\/dead/);
        await visible(letterRow(page, "this one costs -6"));
    });

    test("an event is a page when its address is opened, and its handler can be tried elsewhere", async () => {
        const bad = order({ customer: "o'hara", amount: -7 });
        await world.publish("shop/order", bad);
        const list = await visit(world, "#/dead");
        await letterRow(list, "this one costs -7").getByRole("link").click();
        await drawer(list).getByRole("link", { name: "Open as a page" }).click();
        await visible(view(list).getByRole("heading", { level: 1, name: /^Event / }));
        await counts(drawer(list), 0);

        const page = await visit(world, new URL(list.url()).hash, { permissions: ["clipboard-read", "clipboard-write"] });
        await page.reload();
        await visible(view(page).getByText("this one costs -7").first());
        await page.getByRole("button", { name: "Copy as zingq try" }).click();
        await visible(page.getByText("Copied zingq try"));
        const command = await page.evaluate(() => navigator.clipboard.readText());
        const tried = spawnSync("sh", ["-c", command.replace("zingq", '"$ZINGQ"')], { cwd: world.folder, encoding: "utf8" });
        assert.match(tried.stdout, /this one costs -7/);
    });

    test("the live tail begins with what has ended already", async () => {
        await world.publish("shop/order", order({ customer: "niklaus" }));
        await until("its end", async () => (await world.ask("/api/events?key=niklaus")).some((event) => event.state === "done"));
        const page = await visit(world, "#/live");
        await visible(page.locator(".tail-row", { hasText: "niklaus" }));
    });

    test("the live tail shows what ends, lets itself be filtered, and pauses", async () => {
        const page = await visit(world, "#/live");
        await visible(page.locator("#live-mark[data-state=live]"));
        await world.publish("shop/order", order({ customer: "grace" }));
        await world.publish("shop/order", order({ customer: "edsger", amount: -1 }));
        await visible(page.locator(".tail-row", { hasText: "grace" }));
        await page.getByLabel("Failures only").check();
        await page.locator(".tail-row", { hasText: "grace" }).waitFor({ state: "detached" });
        await visible(page.locator(".tail-row", { hasText: "edsger" }));
        await page.getByLabel("Failures only").uncheck();
        await view(page).getByLabel("Filter").fill("grace");
        await page.locator(".tail-row", { hasText: "edsger" }).waitFor({ state: "detached" });
        await page.getByRole("button", { name: "Pause" }).click();
        await world.publish("shop/order", order({ customer: "grace" }));
        await visible(page.getByText(/^Paused, [1-9]\d* since/));
        await counts(page.locator(".tail-row"), 1);
        await page.getByRole("button", { name: "Go on" }).click();
        await visible(page.locator(".tail-row").nth(1));
    });

    test("an event is found by its id and by its key", async () => {
        const { id } = await world.publish("shop/order", order({ customer: "barbara" }));
        const page = await visit(world);
        await page.keyboard.press("/");
        await page.keyboard.type("barbara");
        await page.keyboard.press("Enter");
        await visible(letterRow(page, "barbara"));
        await page.getByRole("searchbox", { name: "Search by event id or key" }).fill(id);
        await page.keyboard.press("Enter");
        await visible(drawer(page).getByText(id).first());
        await showsState(page, "done");
    });

    test("an address with a filter shows what it says when it is opened", async () => {
        await world.publish("shop/order", order({ customer: "leslie" }));
        const page = await visit(world, "#/events?service=invoices&state=done");
        await visible(letterRow(page, "invoices").first());
        await counts(letterRow(page, "orders"), 0);
        assert.equal(await view(page).getByLabel("Service").inputValue(), "invoices");
    });

    test("text of strangers is shown as text everywhere", async () => {
        const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
        const topic = `wild/<svg onload=window.hacked=1>/${encodeURIComponent(evil)}`;
        await world.publish(topic, { name: evil, more: evil });
        await world.publish("shop/order", order({ customer: evil, country: evil, depot: evil, address: evil }));
        const page = await visit(world, "#/dead");
        await visible(letterRow(page, "<img src=x").first());
        for (const link of await view(page).locator(".list .row-target").all()) {
            await link.click();
            await visible(drawer(page).locator(".event-title"));
            await drawer(page).getByRole("button", { name: "Trial run" }).click();
            await visible(drawer(page).getByRole("heading", { name: "Trial run" }));
            await page.keyboard.press("Escape");
        }
        await world.publish("shop/hold", { customer: evil, item: evil, order: evil });
        await world.publish("shop/await", { customer: evil });
        for (const name of pageNames.toReversed()) {
            await page.goto(`${world.url}/#/${name}`);
            await visible(view(page).locator("h1"));
        }
        await page.goto(`${world.url}/#/events?key=${encodeURIComponent(evil)}`);
        await visible(letterRow(page, "<img src=x").first());
        assert.equal(await page.evaluate(() => window.hacked), undefined);
        await counts(page.locator("#main img, #main script, #drawer img, #drawer script"), 0);
    });

    test("all can be done by keyboard, and the focus comes back", async () => {
        await world.publish("shop/order", order({ customer: "tony", amount: -2 }));
        const page = await visit(world, "#/dead");
        const link = letterRow(page, "this one costs -2").getByRole("link").first();
        await link.focus();
        await page.keyboard.press("Enter");
        await visible(drawer(page).getByRole("button", { name: "Close" }));
        assert.ok(await page.evaluate(() => document.querySelector("#drawer").contains(document.activeElement)));
        await page.keyboard.press("Escape");
        await drawer(page).waitFor({ state: "detached" });
        await until("the focus", () => link.evaluate((element) => element === document.activeElement));
        await page.waitForURL(/#\/dead$/);
        await world.publish("shop/order", order({ customer: "alan", amount: -3 }));
        await visible(letterRow(page, "this one costs -3"));
        assert.ok(await link.evaluate((element) => element === document.activeElement), "a new row leaves the focus");
    });

    test("keys lead to pages, through rows, and tell of themselves", async () => {
        const page = await visit(world);
        await visible(page.locator(".service-body").first());
        await page.keyboard.press("?");
        await visible(page.getByRole("dialog", { name: "Keys" }));
        await page.keyboard.press("Escape");
        await page.keyboard.press("g");
        await page.keyboard.press("d");
        await page.waitForURL(/#\/dead$/);
        await visible(view(page).locator(".list .row-target").nth(1));
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        assert.ok(await view(page).locator(".list .row-target").nth(1).evaluate((element) => element === document.activeElement));
        await page.keyboard.press("Enter");
        await visible(drawer(page));
    });

    test("the pages are behind a button on a phone", async () => {
        const page = await visit(world, "#/", { viewport: phone });
        await page.getByRole("button", { name: "Pages" }).click();
        await page.getByRole("link", { name: "Schedules" }).click();
        await visible(view(page).getByRole("heading", { name: "Schedules" }));
        await page.getByRole("link", { name: "Outbox" }).waitFor({ state: "hidden" });
    });

    test("every control has a name, and nothing is wider than a phone", async () => {
        const page = await visit(world, "#/", { viewport: { width: 360, height: 740 } });
        await visible(page.locator(".service-body").first());
        for (const name of pageNames) {
            await page.goto(`${world.url}/#/${name}`);
            await visible(view(page).locator("h1"));
            const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, a, meter, progress")]
                .filter((e) => e.checkVisibility() && !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
                .map((e) => e.outerHTML));
            assert.deepEqual(nameless, [], `controls without a name in #/${name}`);
            const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(overflow <= 0, `#/${name} is ${overflow} pixels too wide`);
        }
    });

    test("a host that goes away is told, and found again", async () => {
        const page = await visit(world);
        await visible(page.locator("#live-mark[data-state=live]"));
        page.faults.length = 0;
        world.host.kill("SIGKILL");
        await world.host.ended;
        await visible(page.locator("#live-mark[data-state=lost]"));
        assert.ok(page.faults.every((text) => /Failed to load|ERR_/.test(text)));
        page.faults.length = 0; /* that the host does not answer is what this is about */
    });
});

describe("what is stored", () => {
    let world;

    before(async () => {
        world = await World.open();
    });
    after(() => world?.close());

    test("waits, delayed publishes, state, locks, schedules and changes have their pages", async () => {
        await world.publish("shop/hold", { customer: "ada", item: "lamp", order: "o-1" });
        await world.publish("shop/await", { customer: "grace" });
        await world.ask("/api/services/notices/pause", { method: "POST" });
        await world.ask("/api/services/notices/resume", { method: "POST" });
        await until("the wait", async () => (await world.service("holds")).sleeping === 1);
        await until("the hold", async () => (await world.service("holds")).done === 1);
        const page = await visit(world, "#/waits");
        await visible(letterRow(page, "grace").getByText("wait paid"));
        await page.goto(`${world.url}/#/state?service=holds`);
        await visible(letterRow(page, "last_item").getByText("lamp"));
        await page.goto(`${world.url}/#/locks`);
        await visible(letterRow(page, "lamp").getByText("ada").first());
        await page.goto(`${world.url}/#/schedules`);
        await visible(letterRow(page, "stocktaking").getByText("Europe/Berlin"));
        await page.goto(`${world.url}/#/audit`);
        await visible(letterRow(page, "/api/services/notices/pause").first());
        await page.goto(`${world.url}/#/delayed`);
        await letterRow(page, "shop/reminder").getByRole("button", { name: "Cancel…" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Cancel the publish" }).click();
        await visible(page.getByText("No delayed publishes", { exact: true }));
    });

    test("the outbox has a page, and a broker that is away is told", async () => {
        const page = await visit(world, "#/outbox");
        await visible(page.getByText("The outbox is empty", { exact: true }));
        world.broker.kill("SIGKILL");
        await world.broker.ended;
        await world.publish("shop/elsewhere", { customer: "ada" });
        await visible(letterRow(page, "shop/elsewhere").getByText("waiting"));
        await page.goto(`${world.url}/#/`);
        await visible(page.locator(".alerts").getByText("The connection that subscribes is down"));
    });
});

describe("the dashboard of a host with a token", () => {
    let world;

    before(async () => {
        world = await World.open(TOKEN);
    });
    after(() => world?.close());

    async function logIn(page) {
        const dialog = page.getByRole("dialog", { name: "Log in" });
        await dialog.getByLabel("Token").fill(TOKEN);
        await dialog.getByRole("button", { name: "Log in" }).click();
        await visible(page.locator(".service-body").first());
    }

    test("asks for the token, takes the right one only, and stays logged in", async () => {
        const page = await visit(world);
        const dialog = page.getByRole("dialog", { name: "Log in" });
        await visible(dialog);
        await page.keyboard.press("Escape");
        await visible(dialog);
        await dialog.getByLabel("Token").fill("guess");
        await dialog.getByRole("button", { name: "Log in" }).click();
        await visible(dialog.getByText("That is not the token."));
        await counts(page.locator(".service-body"), 0);
        await logIn(page);
        await page.reload();
        await visible(page.locator(".service-body").first());

        const [cookie] = await page.context().cookies();
        assert.ok(cookie.httpOnly && cookie.sameSite === "Strict");
        const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
        assert.ok(!kept.includes(TOKEN) && !kept.includes(cookie.value));
    });

    test("lets those log out, too, who came by a link", async () => {
        const page = await visit(world);
        await page.goto(`${world.url}/login?token=${TOKEN}`);
        await visible(page.getByRole("button", { name: "Log out" }));
    });

    test("forgets who logged out", async () => {
        const page = await visit(world);
        await counts(page.getByRole("button", { name: "Log out" }), 0);
        await logIn(page);
        await page.getByRole("button", { name: "Log out" }).click();
        await visible(page.getByRole("dialog", { name: "Log in" }));
        await counts(page.locator(".service-body"), 0);
    });
});

describe("the dashboard of one of two hosts", () => {
    let world;

    before(async () => {
        world = await World.open("", 2);
    });
    after(() => world?.close());

    const choice = (page) => page.getByRole("combobox", { name: "Host", exact: true });
    const dead = (host) => world.ask(`/api/dlq?host=${host}`);

    test("lists both, and that they are up", async () => {
        const page = await visit(world);
        const panel = page.getByRole("region", { name: "Hosts", exact: true });
        await visible(panel.getByText("1 of 2", { exact: true }));
        await visible(panel.getByText("2 of 2", { exact: true }));
        await until("both up", async () => await panel.locator(".pill.tone-good", { hasText: "up" }).count() === 2);
        await page.screenshot({ path: path.join(shots, "hosts.png"), fullPage: true });
    });

    test("shows the letters of both, those of the other one alone, which are replayed there, and comes back", async () => {
        for (let i = 0; i < 12; i++) { /* each is a key: some belong to either host */
            await world.publish("shop/order", order({ country: "it" }));
        }
        await until("twelve dead letters, of both hosts", async () => {
            const [ours, theirs] = await Promise.all([dead(1), dead(2)]);
            return ours.length + theirs.length === 12 && ours.length * theirs.length > 0;
        });
        const ours = (await dead(1)).map((letter) => letter.id);
        const theirs = (await dead(2)).map((letter) => letter.id);
        const page = await visit(world, "#/dead");
        const shown = (count) => counts(view(page).locator(".list .row-target"), count);
        await visible(choice(page));
        assert.equal(await choice(page).inputValue(), "");
        await shown(12);
        await page.screenshot({ path: path.join(shots, "hosts-dead.png"), fullPage: true });
        await choice(page).selectOption("1");
        await shown(ours.length);

        await choice(page).selectOption("2");
        await visible(page.getByText("Every 2 s", { exact: true }));
        assert.equal(await choice(page).inputValue(), "2");
        await shown(theirs.length);
        await world.script("invoices", (lua) => lua.replace("nl = 21", "nl = 21, it = 22"));
        await until("the other host's new invoices.lua", async () =>
            (await Promise.all([1, 2].map((host) => world.ask(`/api/services?host=${host}`))))
                .map((services) => services.find((s) => s.name === "invoices").handler_version)
                .every((version, _, all) => version === all[0]));
        await page.goto(`${world.url}/#/event/${theirs[0]}`);
        await drawer(page).getByRole("button", { name: "Replay" }).click();
        await showsState(page, "done");
        await page.keyboard.press("Escape");
        await shown(theirs.length - 1);

        await choice(page).selectOption("");
        await visible(page.getByText("Live", { exact: true }).first());
        await shown(11);
    });

    test("adds up the figures of both", async () => {
        const page = await visit(world);
        const panel = page.getByRole("region", { name: "Hosts", exact: true });
        await visible(panel.locator("tfoot [data-name=Dead]", { hasText: "11" }));
        await page.screenshot({ path: path.join(shots, "hosts-sums.png"), fullPage: true });
    });

    test("replays all of a service on both", async () => {
        const page = await visit(world, "#/dead?service=invoices");
        await page.getByRole("button", { name: "Replay all…" }).click();
        const dialog = page.getByRole("dialog", { name: "Replay 11 letters?" });
        await dialog.getByLabel("At most").fill("");
        await dialog.getByRole("button", { name: "Replay" }).click();
        await until("no dead letters anywhere", async () => (await world.ask("/api/dlq")).length === 0);
        await visible(page.getByText("No dead letters", { exact: false }).first());
    });
});
