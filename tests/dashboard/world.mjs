/*
 * world.mjs - what the dashboard is tested on: a private broker, a host that runs the shop, and a
 * browser. All of it ends with the test, by the process that was started.
 */
import { execFileSync, spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const modules = createRequire(path.join(process.env.MODULES, "package.json"));
const { chromium } = modules("playwright-core");
const { source: axeSource } = modules("axe-core");
const here = path.dirname(new URL(import.meta.url).pathname);
const WAIT_MS = 30000;

/* Kept for the test a minute long: tests/support/port.h. */
function freePort() {
    const bench = path.join(path.dirname(process.env.ZINGQ), "tests", "bench", "bench_port");
    return Number(execFileSync(bench, { encoding: "utf8" }));
}

/* Looks again until the condition gives something true; fails with what it waited for. */
export async function until(what, condition) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
        const found = await condition();
        if (found) {
            return found;
        }
        if (Date.now() > end) {
            throw new Error(`waited ${WAIT_MS / 1000} s for: ${what}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

function start(program, args) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    child.said = "";
    for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (text) => {
            child.said = (child.said + text).slice(-20000);
        });
    }
    child.ended = new Promise((resolve) => child.on("exit", resolve));
    return child;
}

async function stop(child) {
    if (child?.exitCode === null) {
        child.kill("SIGKILL");
        await child.ended;
    }
}

function connects(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, "127.0.0.1");
        socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
        socket.on("connect", () => socket.destroy());
    });
}

export class World {
    /* token: what the host asks for, "" for one of its own. hosts: so many that divide the keys. */
    static async open(token = "", hosts = 1) {
        const world = new World();
        world.token = token;
        world.hosts = hosts;
        world.folder = await mkdtemp(path.join(os.tmpdir(), "zingq-dashboard-"));
        await cp(path.join(here, "shop"), world.folder, { recursive: true });
        await world.startBroker();
        await world.startHost();
        return world;
    }

    async startBroker() {
        this.brokerPort = freePort();
        const conf = path.join(this.folder, "mosquitto.conf");
        await writeFile(conf, `listener ${this.brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`);
        this.broker = start("mosquitto", ["-c", conf]);
        await until("mosquitto", () => connects(this.brokerPort));
    }

    async startHost() {
        this.port = freePort();
        this.url = `http://127.0.0.1:${this.port}`;
        const conf = path.join(this.folder, "topics.conf");
        const text = await readFile(path.join(here, "shop", "topics.conf"), "utf8");
        await writeFile(conf, text.replace("@BROKER@", `mqtt://127.0.0.1:${this.brokerPort}`)
            .replace("@LISTEN@", `127.0.0.1:${this.port}`).replace("@TOKEN@", this.token));
        this.host = start(process.env.ZINGQ, ["run", "-c", conf, "--hosts", String(this.hosts)]);
        await until("the host to be ready", async () => {
            if (this.host.exitCode !== null) {
                throw new Error(`the host has ended:\n${this.host.said}`);
            }
            return (await fetch(`${this.url}/readyz`).catch(() => null))?.ok;
        });
        const first = this.hosts > 1 ? ["--data", path.join(this.folder, "data", "1")] : [];
        const links = execFileSync(process.env.ZINGQ, ["dashboard", "-c", conf, ...first], { encoding: "utf8" });
        this.link = links.split("\n").find((line) => line.startsWith(this.url));
    }

    async ask(address, options = {}) {
        const headers = { Authorization: `Bearer ${new URL(this.link).searchParams.get("token")}` };
        const answer = await fetch(this.url + address, { ...options, headers });
        if (!answer.ok) {
            throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
        }
        return answer.json();
    }

    publish(topic, payload) {
        const body = typeof payload === "string" ? payload : JSON.stringify(payload);
        return this.ask(`/api/publish?topic=${encodeURIComponent(topic)}`, { method: "POST", body });
    }

    async service(name) {
        return (await this.ask("/api/status")).services.find((service) => service.name === name);
    }

    /* Changes a script and waits until the host runs it (or has refused it). */
    async script(name, change) {
        const file = path.join(this.folder, "scripts", `${name}.lua`);
        const before = await this.service(name);
        await writeFile(file, change(await readFile(file, "utf8")));
        await until(`the new ${name}.lua`, async () => {
            const now = await this.service(name);
            return now.handler_version !== before.handler_version || now.handler_error !== before.handler_error;
        });
    }

    async close() {
        await stop(this.host);
        await stop(this.broker);
        await rm(this.folder, { recursive: true, force: true });
    }
}

export function openBrowser() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM,
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
}

const ROWS = 12; /* of a list that axe-core looks at: the others are like them */

/* What axe-core finds against WCAG 2.2 AA, a line each. */
export async function axe(page) {
    await page.evaluate(axeSource); /* by the debugger, so the page's policy stays */
    const violations = await page.evaluate(async (rows) => {
        const exclude = [`tbody tr:nth-child(n+${rows})`, `ol li:nth-child(n+${rows})`].filter((some) => document.querySelector(some));
        const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
        return (await globalThis.axe.run({ include: [["html"]], exclude: exclude.map((some) => [some]) },
            { runOnly: { type: "tag", values } })).violations;
    }, ROWS);
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 160)}: ${node.any[0]?.message ?? ""}`));
}

/* A page, and in `faults` all that it must not have done: errors, warnings, breaches of the policy,
 * requests to anywhere but the host. */
export async function openPage(browser, world, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    const page = await context.newPage();
    const faults = [];
    page.setDefaultTimeout(WAIT_MS);
    page.on("console", (message) => {
        const expected = message.text().includes("401 (Unauthorized)"); /* before the login */
        if (["error", "warning", "assert"].includes(message.type()) && !expected) {
            faults.push(message.text());
        }
    });
    page.on("pageerror", (error) => faults.push(error.stack));
    page.on("dialog", (dialog) => {
        faults.push(`a dialog opened: ${dialog.message()}`);
        dialog.dismiss();
    });
    page.on("request", (request) => {
        if (!request.url().startsWith(`${world.url}/`)) {
            faults.push(`asked for ${request.url()}`);
        }
    });
    page.faults = faults;
    return page;
}
