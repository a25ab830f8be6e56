#!/usr/bin/env python3
"""What floods a host, and what of its memory is seen, for tests of the program.

flood.py watch PID FILE         writes the highest RssAnon of the process in KiB to FILE until it ends
flood.py server BYTES           an HTTP server on a free port of 127.0.0.1, which it prints; /slow answers after
                                a second, /wait when FILE given as ?FILE exists, all else at once: BYTES bytes
flood.py bodies PORT PATH COUNT BYTES   COUNT requests at once with a JSON body of BYTES, again at a 503 once
                                it says when; prints each status and how often it came
flood.py json BYTES             prints a JSON text that takes far more memory than its bytes
"""
import collections
import http.client
import http.server
import os
import sys
import threading
import time


def rss_anon(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    raise OSError("ended")  # a process that has ended and was not waited for


def watch(pid, path):
    peak = 0
    try:
        while True:
            now = rss_anon(pid)
            if now > peak:
                peak = now
                with open(path + ".new", "w", encoding="ascii") as out:
                    out.write(f"{peak}\n")
                os.replace(path + ".new", path)
            time.sleep(0.002)
    except OSError:
        pass


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    size = 0

    def do_GET(self):
        path, _, name = self.path.partition("?")
        if path == "/slow":
            time.sleep(1)
        while path == "/wait" and not os.path.exists(name):
            time.sleep(0.05)
        size = 2 if path == "/wait" else self.size
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        block = b"x" * 65536
        while size > 0:
            self.wfile.write(block[:size])
            size -= len(block)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_):
        pass


def server(size):
    Answer.size = size
    httpd = Server(("127.0.0.1", 0), Answer)
    print(httpd.server_port, flush=True)
    httpd.serve_forever()


def bodies(port, path, count, size):
    body = b'{"text":"' + b"x" * (size - 11) + b'"}'
    seen = collections.Counter()
    lock = threading.Lock()

    def one():
        status = 503
        while status == 503:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
            with lock:
                seen[status] += 1
            connection.close()
            if status == 503:
                time.sleep(int(answer.headers["Retry-After"]))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for status, times in sorted(seen.items()):
        print(status, times)


def json(size):
    print("[" + ",".join(["[]"] * ((size - 2) // 3)) + "]")


if __name__ == "__main__":
    words = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
    {"watch": watch, "server": server, "bodies": bodies, "json": json}[sys.argv[1]](*words)
