#!/usr/bin/env python3
"""steady.py FRONT PATH PREFIX CLIENTS - clients that post to a host without end, for tests of the program.

Each has a key of its own, PREFIX-0, PREFIX-1, ..., and posts {"id", "key", "n"} to FRONT, a URL, with n = 1, 2, 3, ...: the next one
when the one before was answered 202, and each again under the same Idempotency-Key until it is. At SIGTERM each goes on until its
last one is answered, for a minute at most; at SIGINT none does. Then a JSON object says what was acknowledged: by key, the last n.
"""
import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.parse

PAUSE_S = 0.005  # between two posts
AGAIN_S = 0.1  # after one that failed
ANSWER_S = 20
LAST_S = 60


class Client(threading.Thread):
    def __init__(self, front, path, key):
        super().__init__(daemon=True)
        self.front, self.path, self.key = front, path, key
        self.acked = 0
        self.until = None  # goes on without end

    def run(self):
        connection = http.client.HTTPConnection(self.front, timeout=ANSWER_S)
        while self.until is None:
            n = self.acked + 1
            while not self.post(connection, n):
                if self.until is not None and time.monotonic() > self.until:
                    return
                time.sleep(AGAIN_S)
            self.acked = n
            time.sleep(PAUSE_S)

    def post(self, connection, n):
        name = "%s-%d" % (self.key, n)
        head = {"Content-Type": "application/json", "Idempotency-Key": name}
        try:
            connection.request("POST", self.path, json.dumps({"id": name, "key": self.key, "n": n}), head)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return False
        if answer.status not in (202, 503):
            print("%s: %d" % (name, answer.status), file=sys.stderr)
            os._exit(1)
        return answer.status == 202


def main(front, path, prefix, count):
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    netloc = urllib.parse.urlsplit(front).netloc
    clients = [Client(netloc, path, "%s-%d" % (prefix, i)) for i in range(int(count))]
    for client in clients:
        client.start()
    patience = LAST_S if signal.sigwait(signals) == signal.SIGTERM else 0
    for client in clients:
        client.until = time.monotonic() + patience
    for client in clients:
        client.join(patience + ANSWER_S)
    print(json.dumps({client.key: client.acked for client in clients}))


main(*sys.argv[1:])
