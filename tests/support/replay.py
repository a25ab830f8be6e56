#!/usr/bin/env python3
"""replay.py PORT TOPIC FILE      records one message on TOPIC, as its bytes, once FILE.ready exists
replay.py PORT FILE               publishes it again, to the bit: topic, properties, payload"""
import socket
import sys


def number(value):
    out = b""
    while True:
        value, low = value >> 7, value & 127
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def packet(kind, body):
    return bytes([kind]) + number(len(body)) + body


def text(value):
    return len(value).to_bytes(2, "big") + value


def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            sys.exit("the broker closed the connection")
        data += more
    return data


def read(sock):
    kind, length, shift = exactly(sock, 1)[0], 0, 0
    while True:
        byte = exactly(sock, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind, exactly(sock, length)


sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(120)
sock.sendall(packet(0x10, text(b"MQTT") + bytes([5, 2, 0, 0, 0]) + text(b"")))
read(sock)
if len(sys.argv) == 4:
    sock.sendall(packet(0x82, b"\0\1\0" + text(sys.argv[2].encode()) + b"\0"))
    kind, body = read(sock)
    open(sys.argv[3] + ".ready", "w").close()
    while kind >> 4 != 3:
        kind, body = read(sock)
    with open(sys.argv[3], "wb") as out:
        out.write(packet(0x30, body))
else:
    with open(sys.argv[2], "rb") as recorded:
        sock.sendall(recorded.read())
    sock.sendall(packet(0xC0, b""))  # when this is answered the broker has it
    read(sock)
