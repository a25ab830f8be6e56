#!/usr/bin/env python3
"""A small MQTT 5 broker that has less than others, for tests of the program.

limited_broker.py RECORD [WORD...] listens on a free port of 127.0.0.1 and prints it. RECORD gets a line
for each packet that matters: "connect ID PROPERTIES", "subscribe FILTER QOS IDS", "unsubscribe FILTER",
"publish TOPIC QOS RETAIN PAYLOAD".
Messages go to every subscription that fits, with QoS 0, so that it stays small.

Words, each true from the first connection on, or as long as it is a line of the file RECORD.words:
  connack=HEX        properties of CONNACK on both connections
  end=HEX:TEXT       a SUBSCRIBE of a filter with TEXT in it ends in DISCONNECT with this reason
  deny=HEX:TEXT      such a filter is answered with this reason in SUBACK
  numbers=HEX        a SUBSCRIBE with a subscription identifier is answered so
  grant=N            QoS granted at most
  refuse=HEX:TEXT    a publish to a topic that begins with TEXT is answered with this reason
  close=TEXT         such a publish ends the connection without a word
  mute=TEXT          such a publish is never acknowledged
  shut=TEXT          so does a SUBSCRIBE of a filter with TEXT in it
  no-out             the connection that publishes is closed before CONNACK
  refuse-connect=HEX the reason in CONNACK for a client whose id begins with "zingq"
  quick=TEXT         a client with TEXT in its id is closed right after CONNACK
  bye=HEX            one whose id begins with "zingq" is, with this reason in a DISCONNECT

A publish to the topic "kick" ends all connections but its own.
"""
import os
import socket
import sys

sys.dont_write_bytecode = True
import small_broker
from small_broker import read_string, read_varint, string, varint

record = open(sys.argv[1], "a", buffering=1)
words = [w.split("=", 1) for w in sys.argv[2:]]
clients = set()


def values(name):
    more = []
    if os.path.exists(sys.argv[1] + ".words"):
        with open(sys.argv[1] + ".words") as lines:
            more = [line.strip().split("=", 1) for line in lines]
    return [w[1] for w in words + more if w[0] == name]


def reason_for(name, text, fits):
    for value in values(name):
        reason, pattern = value.split(":", 1)
        if fits(pattern, text):
            return int(reason, 16)
    return 0


def within(pattern, text):
    return pattern in text


def begins(pattern, text):
    return text.startswith(pattern)


def text_at(data, at):
    text, at = read_string(data, at)
    return text.decode(), at


def matches(sub, topic):
    if sub.startswith("$share/"):
        sub = sub.split("/", 2)[2]
    levels, parts = sub.split("/"), topic.split("/")
    for i, level in enumerate(levels):
        if level == "#":
            return True
        if i >= len(parts) or level not in ("+", parts[i]):
            return False
    return len(levels) == len(parts)


class Client(small_broker.Client):
    def __init__(self, sock):
        super().__init__(sock)
        self.subs = []

    def connect(self, body):
        size, at = read_varint(body, 10)
        self.name, _ = text_at(body, at + size)
        print("connect", self.name, body[at:at + size].hex(), file=record)
        if self.name.endswith("-out") and ["no-out"] in words:
            raise EOFError
        ours = self.name.startswith("zingq")
        for reason in values("refuse-connect") if ours else []:
            self.send(0x20, b"\0" + bytes([int(reason, 16), 0]))
            raise EOFError
        properties = bytes.fromhex("".join(values("connack")))
        self.send(0x20, b"\0\0" + varint(len(properties)) + properties)
        for reason in values("bye") if ours else []:
            self.send(0xE0, bytes([int(reason, 16)]))
            raise EOFError
        if any(text in self.name for text in values("quick")):
            raise EOFError
        clients.add(self)

    def subscribe(self, body):
        size, at = read_varint(body, 2)
        numbered, at, answers = size > 0, at + size, b""
        while at < len(body):
            sub, at = text_at(body, at)
            qos, at = body[at] & 3, at + 1
            print("subscribe", sub, qos, int(numbered), file=record)
            ended = reason_for("end", sub, within)
            if ended:
                self.send(0xE0, bytes([ended]))
                raise EOFError
            if any(text in sub for text in values("shut")):
                raise EOFError
            answer = reason_for("deny", sub, within)
            if numbered and values("numbers"):
                answer = int(values("numbers")[0], 16)
            if answer < 0x80:
                answer = min([qos] + [int(n) for n in values("grant")])
                self.subs.append(sub)
            answers += bytes([answer])
        self.send(0x90, body[:2] + b"\0" + answers)

    def unsubscribe(self, body):
        size, at = read_varint(body, 2)
        sub, _ = text_at(body, at + size)
        print("unsubscribe", sub, file=record)
        self.send(0xB0, body[:2] + b"\0\0")

    def publish(self, head, body):
        topic, at = text_at(body, 0)
        qos, number = head >> 1 & 3, b""
        if qos:
            number, at = body[at:at + 2], at + 2
        size, at = read_varint(body, at)
        print("publish", topic, qos, head & 1, body[at + size:].decode(), file=record)
        if topic == "kick":
            for client in list(clients - {self}):
                client.sock.shutdown(socket.SHUT_RDWR)
        if any(topic.startswith(t) for t in values("close")):
            raise EOFError
        reason = reason_for("refuse", topic, begins)
        if qos and not any(topic.startswith(t) for t in values("mute")):
            self.send(0x40, number + (bytes([reason]) if reason else b""))
        if not reason:
            out = string(topic.encode()) + b"\0" + body[at + size:]
            for client in list(clients):
                for _ in [s for s in client.subs if matches(s, topic)]:
                    client.send(0x30, out)

    def gone(self):
        clients.discard(self)


small_broker.listen(lambda sock: Client(sock).run())
