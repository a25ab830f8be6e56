#!/usr/bin/env python3
"""A small MQTT 5 broker that sends what libmosquitto cannot take, for tests of the program.

poison_broker.py RECORD CERT listens on a free port of 127.0.0.1 and prints it. CERT is a file with a key and
a certificate, for TLS, or "". RECORD gets "connect ID" and "puback N" lines. On the first subscription that
ends in t/# it sends a bad message for each row of POISON, numbered from 1, with a good one after each, until
they are acknowledged.
"""
import socket
import ssl
import struct
import sys
import threading

record = open(sys.argv[1], "a", buffering=1)
acked = set()
LARGE = 6 << 20


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n % 128 | 128])
        n //= 128
    return out + bytes([n])


def text(s):
    return struct.pack(">H", len(s)) + s


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return n, at


def message(number, topic, properties=b"", payload=b"p"):
    body = text(topic) + struct.pack(">H", number) + varint(len(properties)) + properties + payload
    return b"\x32" + varint(len(body)) + body


# Topic, properties, payload. NUMBER stands for the subscription's.
POISON = [
    (b"t/\x01", b"NUMBER", b"p"),
    (b"t/\xff", b"NUMBER", b"p"),
    (b"t/p", b"NUMBER\x26" + text(b"trace") + text(b"one\ntwo"), b"p"),
    (b"t/p", b"NUMBER\x03" + text(b"text\t"), b"p"),
    (b"t/p", b"NUMBER\x7e\x01", b"p"),
    (b"t/p", b"NUMBER\x13\x00\x01", b"p"),
    (b"t/p", b"NUMBER\x01\x00\x01\x00", b"p"),
    (b"", b"NUMBER", b"p"),
    (b"t/large", b"NUMBER", b"p" * LARGE),
]


class Client:
    def __init__(self, sock):
        self.sock, self.file, self.name = sock, sock.makefile("rb"), ""

    def send(self, head, body):
        self.sock.sendall(bytes([head]) + varint(len(body)) + body)

    def packet(self):
        head = self.file.read(1)
        if not head:
            raise EOFError
        size = b""
        while not size or size[-1] & 128:
            size += self.file.read(1)
        return head[0], self.file.read(read_varint(size, 0)[0])

    def connect(self, body):
        size, at = read_varint(body, 10)
        at += size
        self.name = body[at + 2:at + 2 + struct.unpack_from(">H", body, at)[0]].decode()
        print("connect", self.name, file=record)
        self.send(0x20, b"\0\0\x04\x1f" + text(b"\n"))  # a reason string that no string may be

    def subscribe(self, body):
        size, at = read_varint(body, 2)
        number, at = body[at:at + size], at + size
        topic_filter = body[at + 2:at + 2 + struct.unpack_from(">H", body, at)[0]]
        self.send(0x90, body[:2] + b"\x02\x7e\x01\x01")  # an unknown property
        if topic_filter.endswith(b"t/#"):
            for i, (topic, properties, payload) in enumerate(POISON):
                bad, good = 2 * i + 1, 2 * i + 2
                if bad not in acked:
                    self.sock.sendall(message(bad, topic, properties.replace(b"NUMBER", number), payload))
                if good not in acked:  # for the service twice over, as it were
                    self.sock.sendall(message(good, b"t/good", number + number))

    def run(self):
        try:
            while True:
                head, body = self.packet()
                kind = head >> 4
                if kind == 1:
                    self.connect(body)
                elif kind == 3 and head & 6:
                    at = 2 + struct.unpack_from(">H", body)[0]
                    self.send(0x40, body[at:at + 2] + b"\0\x02\x7e\x01")
                elif kind == 4:
                    number = struct.unpack_from(">H", body)[0]
                    acked.add(number)
                    print("puback", number, file=record)
                elif kind == 8:
                    self.subscribe(body)
                elif kind == 10:
                    self.send(0xB0, body[:2] + b"\0\0")
                elif kind == 12:
                    self.send(0xD0, b"")
                elif kind == 14:
                    raise EOFError
        except (EOFError, OSError, IndexError):
            self.sock.close()
            self.file.close()


def serve(sock):
    if sys.argv[2]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        try:
            sock = context.wrap_socket(sock, server_side=True)
        except OSError:
            return
    Client(sock).run()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
