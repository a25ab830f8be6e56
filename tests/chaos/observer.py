#!/usr/bin/env python3
"""observer.py ADDRESS PORT LOG - an MQTT client that writes down what the services answer, a JSON line each.

Its session is kept by the broker; when the broker has lost it, what came meanwhile is lost to the observer, and only to it.
"""

import asyncio
import json
import sys
import time

sys.dont_write_bytecode = True
from mqtt import Client  # noqa: E402


async def observe(address, log):
    def note(topic, payload, properties):
        line = {"topic": topic, "zingq-id": properties.get("zingq-id"), "at": time.time()}
        if "zingq-tick" in properties:
            line["tick"] = "%s %s" % (properties["zingq-schedule"], properties["zingq-tick"])
        line["said"] = json.loads(payload)
        log.write(json.dumps(line) + "\n")
        log.flush()

    while True:
        client = Client("chaos-observer", note)
        try:
            await client.connect(address, clean=False)
            await asyncio.wait_for(client.subscribe("chaos/out/#"), 5)
            print("observing", flush=True)
            await client.ended()
        except (OSError, EOFError, ConnectionError, asyncio.TimeoutError):
            pass
        await asyncio.sleep(0.1)  # a broker that is down is asked again


def main():
    with open(sys.argv[3], "a", encoding="utf-8") as log:
        asyncio.run(observe((sys.argv[1], int(sys.argv[2])), log))


if __name__ == "__main__":
    main()
