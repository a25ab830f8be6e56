"""A small MQTT 5 client on asyncio: QoS 1 both ways, one connection. For the programs of tests/chaos."""

import asyncio
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13
USER_PROPERTY = 0x26
NO_SUBSCRIBERS = 0x10
KEEPALIVE_S = 10


def varint(number):
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def string(text):
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def read_varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def read_string(data, at):
    (length,) = struct.unpack_from(">H", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length


def user_properties(data):
    """Of a PUBLISH's properties those that users set; a broker adds no others but subscription identifiers."""
    found, at = {}, 0
    while at < len(data):
        kind = data[at]
        if kind == USER_PROPERTY:
            name, at = read_string(data, at + 1)
            found[name], at = read_string(data, at)
        elif kind == 0x0B:
            _, at = read_varint(data, at + 1)
        elif kind in (0x03, 0x08, 0x09):
            _, at = read_string(data, at + 1)
        else:
            at += {0x01: 2, 0x02: 5}[kind]
    return found


class Client:
    """One connection; it ends with a ConnectionError, and another Client goes on.

    on_message(topic, payload, properties) is called before the message is acknowledged."""

    def __init__(self, client_id, on_message=None):
        self.client_id, self.on_message = client_id, on_message
        self.answers = {}  # packet id -> future of the reason in its PUBACK or SUBACK
        self.last_id = 0
        self.running = None

    async def connect(self, address, clean=True, timeout_s=5):
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(*address), timeout_s)
        properties = b"\x11" + struct.pack(">I", 0 if clean else 0xFFFFFFFF)
        flags = 2 if clean else 0
        body = string("MQTT") + bytes([5, flags]) + struct.pack(">H", KEEPALIVE_S)
        self.send(CONNECT << 4, body + varint(len(properties)) + properties + string(self.client_id))
        kind, _, answer = await asyncio.wait_for(self.read_packet(), timeout_s)
        if kind != CONNACK or answer[1] != 0:
            raise ConnectionError("refused: %r" % answer)
        self.running = asyncio.ensure_future(self.run())

    def send(self, first, body):
        self.writer.write(bytes([first]) + varint(len(body)) + body)

    async def read_packet(self):
        first = (await self.reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            byte = (await self.reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        return first >> 4, first & 15, await self.reader.readexactly(length)

    async def run(self):
        """Until the connection ends, or nothing comes although it was asked for."""
        pinged = False
        try:
            while True:
                try:
                    packet = await asyncio.wait_for(asyncio.shield(self.next_packet()), KEEPALIVE_S / 2)
                except asyncio.TimeoutError:
                    if pinged:
                        raise ConnectionError("silent") from None
                    pinged = True
                    self.send(PINGREQ << 4, b"")
                    continue
                pinged = False
                self.reading = None
                self.take(*packet)
        except (OSError, EOFError, ConnectionError) as error:
            self.close(error)

    reading = None

    def next_packet(self):
        if self.reading is None:
            self.reading = asyncio.ensure_future(self.read_packet())
        return self.reading

    def take(self, kind, flags, body):
        if kind == PUBLISH:
            self.take_message(flags, body)
        elif kind in (PUBACK, SUBACK):
            (number,) = struct.unpack_from(">H", body)
            reason = body[-1] if kind == SUBACK else body[2] if len(body) > 2 else 0
            answer = self.answers.pop(number, None)
            if answer is not None and not answer.done():
                answer.set_result(reason)

    def take_message(self, flags, body):
        topic, at = read_string(body, 0)
        number = None
        if flags & 6:
            (number,) = struct.unpack_from(">H", body, at)
            at += 2
        length, at = read_varint(body, at)
        self.on_message(topic, body[at + length :], user_properties(body[at : at + length]))
        if number is not None:
            self.send(PUBACK << 4, struct.pack(">H", number))

    def close(self, error=None):
        self.writer.transport.abort()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(str(error)))
        self.answers.clear()
        if self.running is not None:
            self.running.cancel()
        if self.reading is not None:
            self.reading.cancel()

    async def ask(self, first, head, rest):
        if self.running is None or self.running.done():
            raise ConnectionError("closed")
        self.last_id = self.last_id % 65535 + 1
        answer = self.answers[self.last_id] = asyncio.get_running_loop().create_future()
        self.send(first, head + struct.pack(">H", self.last_id) + rest)
        return await answer

    async def publish(self, topic, payload):
        """The reason in the broker's PUBACK: 0, or why the message is with nobody."""
        return await self.ask(PUBLISH << 4 | 2, string(topic), b"\0" + payload)

    async def subscribe(self, topic_filter):
        reason = await self.ask(SUBSCRIBE << 4 | 2, b"", b"\0" + string(topic_filter) + b"\1")
        if reason > 2:
            raise ConnectionError("subscription refused: %#x" % reason)

    async def ended(self):
        await asyncio.wait([self.running])
