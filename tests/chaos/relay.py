#!/usr/bin/env python3
"""relay.py LISTEN-ADDRESS TARGET-PORT PORT... - stands before a service at 127.0.0.1:TARGET-PORT and spoils its connections.

Each PORT is for one host. Standard input has an order a line, in JSON: {"port": P, ...} with some of
  "delay": [LOW, HIGH]  each piece of data is kept for so many seconds, in order
  "stall": BOOL         nothing is read any more, so that the other side's buffers fill
  "hole": "up"/"down"   what goes to the service, or what comes from it, is thrown away; "both"; null: the connections
                        that lost something are reset
  "reset": true         all connections are reset now
  "torn": true          the next piece of each connection arrives by half, then it is reset
Each order is answered by a line.
"""

import asyncio
import collections
import json
import random
import sys

PIECE = 65536


class Port:
    """How the connections of one host fare."""

    def __init__(self):
        self.delay = (0, 0)
        self.stall = False
        self.hole = None
        self.links = set()

    def order(self, words):
        self.delay = tuple(words.get("delay", self.delay))
        self.stall = words.get("stall", self.stall)
        if "hole" in words:
            self.hole = words["hole"]
        for link in list(self.links):
            if words.get("torn"):
                link.torn = True
            if words.get("reset") or (self.hole is None and link.lossy):
                link.reset()
            link.attend()


class Side(asyncio.Protocol):
    """One end of a link; what it receives goes out at the other one."""

    def __init__(self, link, way):
        self.link, self.way = link, way
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.link.made(self)

    def data_received(self, data):
        self.link.take(self.way, data)

    def eof_received(self):
        self.link.take(self.way, b"")
        return True  # the other direction goes on

    def connection_lost(self, _error):
        self.link.reset()

    def pause_writing(self):
        self.link.full[self.way] = True
        self.link.attend()

    def resume_writing(self):
        self.link.full[self.way] = False
        self.link.attend()


class Link:
    """One connection of a host, and ours to the service for it."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.near, self.far = Side(self, "up"), None
        self.full = {"up": False, "down": False}
        self.kept = {"up": collections.deque(), "down": collections.deque()}  # (when it is due, data)
        self.early = []  # what came before the service had been reached
        self.torn = self.lossy = self.over = False
        port.links.add(self)

    def made(self, side):
        if side is self.near:
            self.attend()
            asyncio.ensure_future(self.reach())

    async def reach(self):
        loop = asyncio.get_running_loop()
        try:
            far = Side(self, "down")
            await loop.create_connection(lambda: far, "127.0.0.1", self.target)
        except OSError:
            self.reset()
            return
        self.far = far
        if self.over:
            far.transport.abort()
            return
        early, self.early = self.early, []
        for data in early:
            self.take("up", data)
        self.attend()

    def attend(self):
        """Reads only if it may: a stalled relay does not, nor one whose other side is full."""
        for side, other in ((self.near, "down"), (self.far, "up")):
            if side is None or side.transport is None or side.transport.is_closing():
                continue
            if self.port.stall or self.full[other]:
                side.transport.pause_reading()
            else:
                side.transport.resume_reading()

    def take(self, way, data):
        if self.over:
            return
        if way == "up" and self.far is None:
            self.early.append(data)
        elif self.port.hole in (way, "both"):
            self.lossy = True
        elif self.torn and data:
            self.give(way, data[: len(data) // 2])
            asyncio.get_running_loop().call_soon(self.reset)
        else:
            self.keep(way, data)

    def keep(self, way, data):
        """For the port's delay. One timer a piece: it gives the first one, whichever it was set for."""
        loop, kept = asyncio.get_running_loop(), self.kept[way]
        due = loop.time() + random.uniform(*self.port.delay)
        if kept:
            due = max(due, kept[-1][0])
        kept.append((due, data))
        if due <= loop.time():
            self.give_first(way)
        else:
            loop.call_at(due, self.give_first, way)

    def give_first(self, way):
        self.give(way, self.kept[way].popleft()[1])

    def give(self, way, data):
        side = self.far if way == "up" else self.near
        if self.over or side.transport.is_closing():
            return
        if data:
            side.transport.write(data)
        elif side.transport.can_write_eof():
            side.transport.write_eof()

    def reset(self):
        self.over = True
        self.port.links.discard(self)
        for side in (self.near, self.far):
            if side is not None and side.transport is not None:
                side.transport.abort()


async def orders(ports):
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        words = json.loads(line)
        ports[words["port"]].order(words)
        print("done", flush=True)


async def serve(address, target, numbers):
    ports = {number: Port() for number in numbers}
    loop = asyncio.get_running_loop()
    for number, port in ports.items():
        await loop.create_server(lambda port=port: Link(port, target).near, address, number)
    print("ready", flush=True)
    await orders(ports)  # until the driver closes its end


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), [int(p) for p in sys.argv[3:]]))
