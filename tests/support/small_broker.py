"""What the small brokers of the tests share: MQTT 5's packets, one client's connection.

Not run by itself: limited_broker.py and poison_broker.py say what a broker does with them.
"""
import socket
import struct
import threading


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n % 128 | 128])
        n //= 128
    return out + bytes([n])


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return n, at


def string(s):
    return struct.pack(">H", len(s)) + s


def read_string(data, at):
    size = struct.unpack_from(">H", data, at)[0]
    return data[at + 2:at + 2 + size], at + 2 + size


class Client:
    """One connection; the broker has methods connect, publish, puback, subscribe, unsubscribe."""

    def __init__(self, sock):
        self.sock, self.file, self.name = sock, sock.makefile("rb"), ""
        self.lock = threading.Lock()

    def send(self, head, body):
        with self.lock:
            self.sock.sendall(bytes([head]) + varint(len(body)) + body)

    def packet(self):
        head = self.file.read(1)
        if not head:
            raise EOFError
        size = b""
        while not size or size[-1] & 128:
            size += self.file.read(1)
        return head[0], self.file.read(read_varint(size, 0)[0])

    def puback(self, body):
        pass

    def gone(self):
        pass

    def run(self):
        try:
            while True:
                head, body = self.packet()
                kind = head >> 4
                if kind == 1:
                    self.connect(body)
                elif kind == 3:
                    self.publish(head, body)
                elif kind == 4:
                    self.puback(body)
                elif kind == 8:
                    self.subscribe(body)
                elif kind == 10:
                    self.unsubscribe(body)
                elif kind == 12:
                    self.send(0xD0, b"")
                elif kind == 14:
                    raise EOFError
        except (EOFError, OSError, IndexError):
            self.gone()
            self.sock.close()
            self.file.close()


def listen(serve):
    """Prints the port, then calls serve with each connection, on a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
