#!/usr/bin/env python3
"""load.py PLAN - publishes numbered work, and writes down what was acknowledged: PUBACK, or 202.

PLAN is a JSON file: seed, rate, alone, broker [address, port], fronts [[address, port]...], log. Each line of the log
is one message: {"what": "sent"/"acked", "id", "kind", "key", "n", "door", "at", ...}. The numbers of a key are 0, 1,
2, ..., and the next one is sent when the one before has been acknowledged; so their order is beyond doubt. A key has
one door: MQTT, or the front door of one of the hosts, without or with an Idempotency-Key.

Standard input: "go", and "mark": nothing is said any more but one message of each key of "order"; answered "mark done" when
all is acknowledged.
"""

import asyncio
import json
import random
import sys
import time

sys.dont_write_bytecode = True
from mqtt import Client, NO_SUBSCRIBERS  # noqa: E402

KINDS = ("order", "order", "order", "pay", "seat", "mail", "late", "saga", "sell")
KEYS = 12  # of each kind
BUYERS = 5  # of each seat
COPIES = 0.1  # are said again
ANSWER_S = 10


class Publisher:
    def __init__(self, plan, log):
        self.plan, self.log = plan, log
        self.chance = random.Random("load %s" % plan["seed"])
        self.going = asyncio.Event()
        self.client = None
        self.next_n = {}
        self.busy = set()  # keys with a message under way
        self.tasks = set()

    def note(self, what, message, **more):
        line = {"what": what, "at": time.time(), **message, **more}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    # ---- what is said ----

    def door_of(self, number):
        """Half of the keys come by MQTT, the others to one of the hosts, half of these under an Idempotency-Key."""
        if number % 2 == 0:
            return "mqtt"
        return "%s %d" % ("http" if number % 4 == 1 else "once", number // 4 % len(self.plan["fronts"]))

    def pick(self):
        kind = self.chance.choice(KINDS)
        number = self.chance.randrange(KEYS)
        key = "%s-%d" % (kind, number)
        if key in self.busy:
            return None
        return self.make(kind, number)

    def make(self, kind, number):
        key = "%s-%d" % (kind, number)
        n = self.next_n.get(key, 0)
        self.next_n[key] = n + 1
        message = {"id": "%s-%d" % (key, n), "kind": kind, "key": key, "n": n, "door": self.door_of(number)}
        if kind == "seat":  # every few buyers the key is another seat, and some cannot pay
            message["key"] = "%s-%d" % (key, n // BUYERS)
            if n % BUYERS == 0 and n % 2 == 0:
                message["source"] = "tok_chargeDeclined"
        return message

    # ---- how it is said ----

    async def say(self, lane, message):
        self.busy.add(lane)
        self.note("sent", message)
        payload = json.dumps({k: message[k] for k in message if k != "door"}).encode()
        await self.insist(message, payload)
        self.note("acked", message)
        if self.chance.random() < COPIES:
            await self.insist(message, payload)
        self.busy.discard(lane)

    async def insist(self, message, payload):
        """Again, until it is acknowledged."""
        send = self.publish if message["door"] == "mqtt" else self.post
        while not await send(message, payload):
            await asyncio.sleep(0.2)

    async def publish(self, message, payload):
        try:
            reason = await asyncio.wait_for(self.client.publish("chaos/in/" + message["kind"], payload), ANSWER_S)
        except (ConnectionError, AttributeError):
            return False
        except asyncio.TimeoutError:
            self.client.close()
            return False
        if reason not in (0, NO_SUBSCRIBERS):
            raise RuntimeError("PUBACK %#x" % reason)
        return reason == 0

    async def post(self, message, payload):
        door, front = message["door"].split()
        address = self.plan["fronts"][int(front)]
        head = (
            "POST /in/%s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n%s"
            "Content-Length: %d\r\nConnection: close\r\n\r\n"
        ) % (message["kind"], *address, "Idempotency-Key: %s\r\n" % message["id"] if door == "once" else "", len(payload))
        writer = None
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), ANSWER_S)
            writer.write(head.encode() + payload)
            status = (await asyncio.wait_for(reader.readline(), ANSWER_S)).split()
        except (OSError, asyncio.TimeoutError):
            return False
        finally:
            if writer is not None:
                writer.transport.abort()
        if status and status[1] not in (b"202", b"503"):
            raise RuntimeError("%s: %s" % (message["id"], status))
        return bool(status) and status[1] == b"202"

    async def stay_connected(self):
        while True:
            client = Client("chaos-load")
            try:
                await client.connect(self.plan["broker"])
                self.client = client
                await client.ended()
            except (OSError, EOFError, ConnectionError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(0.1)  # a broker that is down is asked again

    # ---- the pace ----

    def begin(self, message):
        lane = "%(kind)s %(id)s" % message if message["kind"] == "mail" else message["id"].rsplit("-", 1)[0]
        self.busy.add(lane)
        task = asyncio.ensure_future(self.say(lane, message))
        self.tasks.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            print("load: %r" % task.exception(), file=sys.stderr, flush=True)
            sys.exit(1)

    async def work(self):
        while True:
            await self.going.wait()
            message = self.pick()
            if message is not None:
                self.begin(message)
            await asyncio.sleep(self.chance.expovariate(self.plan["rate"]))

    async def quiet(self):
        while self.tasks:
            await asyncio.wait(list(self.tasks))

    async def obey(self):
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().strip():
            if line == "go":
                self.going.set()
            else:
                self.going.clear()
                await self.quiet()
                for number in range(KEYS):
                    self.begin(self.make("order", number))
                await self.quiet()
            print(line + " done", flush=True)


async def run(plan, log):
    publisher = Publisher(plan, log)
    others = [asyncio.ensure_future(publisher.stay_connected()), asyncio.ensure_future(publisher.work())]
    await publisher.obey()
    for other in others:
        other.cancel()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    with open(plan["log"], "a", encoding="utf-8") as log:
        asyncio.run(run(plan, log))


if __name__ == "__main__":
    main()
