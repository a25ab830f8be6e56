#!/usr/bin/env python3
"""A small MQTT 5 broker that sends what libmosquitto cannot take, for tests of the program.

poison_broker.py RECORD CERT listens on a free port of 127.0.0.1 and prints it. CERT is a file with a key and
a certificate, for TLS, or "". RECORD gets "connect ID" and "puback N" lines. On the first subscription that
ends in t/# it sends a bad message for each row of POISON, numbered from 1, with a good one after each, until
they are acknowledged.
"""
import ssl
import struct
import sys

sys.dont_write_bytecode = True
import small_broker
from small_broker import read_string, read_varint, string as text, varint

record = open(sys.argv[1], "a", buffering=1)
acked = set()
LARGE = 6 << 20


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


class Client(small_broker.Client):
    def connect(self, body):
        size, at = read_varint(body, 10)
        self.name = read_string(body, at + size)[0].decode()
        print("connect", self.name, file=record)
        self.send(0x20, b"\0\0\x04\x1f" + text(b"\n"))  # a reason string that no string may be

    def subscribe(self, body):
        size, at = read_varint(body, 2)
        number, at = body[at:at + size], at + size
        topic_filter, _ = read_string(body, at)
        self.send(0x90, body[:2] + b"\x02\x7e\x01\x01")  # an unknown property
        if topic_filter.endswith(b"t/#"):
            for i, (topic, properties, payload) in enumerate(POISON):
                bad, good = 2 * i + 1, 2 * i + 2
                if bad not in acked:
                    self.sock.sendall(message(bad, topic, properties.replace(b"NUMBER", number), payload))
                if good not in acked:  # for the service twice over, as it were
                    self.sock.sendall(message(good, b"t/good", number + number))

    def publish(self, head, body):
        if head & 6:
            _, at = read_string(body, 0)
            self.send(0x40, body[at:at + 2] + b"\0\x02\x7e\x01")

    def puback(self, body):
        number = struct.unpack_from(">H", body)[0]
        acked.add(number)
        print("puback", number, file=record)

    def unsubscribe(self, body):
        self.send(0xB0, body[:2] + b"\0\0")


def serve(sock):
    if sys.argv[2]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        try:
            sock = context.wrap_socket(sock, server_side=True)
        except OSError:
            return
    Client(sock).run()


small_broker.listen(serve)
