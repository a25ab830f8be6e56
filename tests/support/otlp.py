#!/usr/bin/env python3
"""A receiver of OTLP/HTTP (JSON), and what must be true of the spans that it was sent.

otlp.py serve           listens on a free port of 127.0.0.1 and prints it. In the current folder it reads
                        the file `answer`, "STATUS [RETRY-AFTER]" or "partial", at each request; writes the spans it takes
                        into spans.jsonl, one a line, each with `resource`; and each request with its time,
                        status and number of spans into requests.
otlp.py check TRACE SPAN
                        reads spans.jsonl: every span of that trace is well formed, is there once, lies
                        within its parent's time if it is a part of it, and is below SPAN, which the test
                        made itself. Prints the tree; fails with a sentence.
"""

import http.server
import json
import re
import sys
import time

TURN_NS = 1_000_000_000  # on a slow machine
ROUND_NS = 1_000_000  # an event's time is in whole milliseconds, of a clock that is not the wall's
KINDS = {1: "internal", 3: "client", 4: "producer", 5: "consumer"}


def attributes(listed):
    values = {}
    for one in listed:
        assert set(one) == {"key", "value"} and one["key"] not in values, one
        (kind, value), = one["value"].items()
        assert kind in ("stringValue", "intValue"), one
        assert isinstance(value, str), "64-bit numbers are texts"
        values[one["key"]] = int(value) if kind == "intValue" else value
    return values


def check_span(span):
    assert re.fullmatch("[0-9a-f]{32}", span["traceId"]), span
    assert re.fullmatch("[0-9a-f]{16}", span["spanId"]), span
    assert re.fullmatch("[0-9a-f]{16}", span.get("parentSpanId", "0" * 16)), span
    assert span["kind"] in KINDS and span["name"], span
    start, end = span["startTimeUnixNano"], span["endTimeUnixNano"]
    assert isinstance(start, str) and isinstance(end, str), span
    assert int(start) <= int(end) <= (time.time() + 1) * 1e9, span
    assert int(start) > (time.time() - 3600) * 1e9, span
    assert span.get("status", {}).get("code") in (None, 2), span
    known = {"traceId", "spanId", "parentSpanId", "flags", "kind", "name", "startTimeUnixNano",
             "endTimeUnixNano", "attributes", "status"}
    assert set(span) <= known, set(span) - known


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("answer") as file:
            status, *after = file.read().split()
        assert self.path == "/v1/traces", self.path
        assert self.headers["Content-Type"] == "application/json"
        with open("headers", "w") as file:
            file.write(str(self.headers))
        spans = []
        for resource in json.loads(body)["resourceSpans"]:
            about = attributes(resource["resource"]["attributes"])
            for scope in resource["scopeSpans"]:
                assert scope["scope"]["name"] == "zingq"
                for span in scope["spans"]:
                    check_span(span)
                    spans.append(dict(span, resource=about))
        if status == "200":
            with open("spans.jsonl", "a") as file:
                file.writelines(json.dumps(span) + "\n" for span in spans)
        with open("requests", "a") as file:
            file.write(f"{time.time():.3f} {status} {len(spans)}\n")
        rejected = b'"rejectedSpans":"1"' if status == "partial" else b""
        answer = b'{"partialSuccess":{' + rejected + b"}}"
        self.send_response(200 if status == "partial" else int(status))
        if after:
            self.send_header("Retry-After", after[0])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *rest):
        pass


def serve(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(server.server_port, flush=True)
    server.serve_forever()


def times(span):
    return int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])


def check(trace, root):
    with open("spans.jsonl") as file:
        spans = [json.loads(line) for line in file]
    spans = [span for span in spans if span["traceId"] == trace]
    by_id = {span["spanId"]: span for span in spans}
    assert spans, "the trace has no spans"
    assert len(by_id) == len(spans), "a span came twice"
    below = {}
    for span in spans:
        parent = span.get("parentSpanId", "")
        assert parent == root or parent in by_id, f"an orphan: {span}"
        below.setdefault(parent, []).append(span)
        if parent in by_id:
            start, end = times(span)
            first, last = times(by_id[parent])
            # An event that was published goes on after that, and was accepted in the same turn.
            caused = span["name"].split()[0] == "process"
            early = TURN_NS if caused else ROUND_NS
            assert start >= first - early, f"begins before its parent: {span}, {by_id[parent]}"
            assert caused or end <= last, f"ends after its parent: {span}"

    def show(id, depth):
        for span in sorted(below.get(id, []), key=times):
            failed = " failed" if "status" in span else ""
            print("  " * depth + f"{span['name']} {KINDS[span['kind']]}{failed}")
            show(span["spanId"], depth + 1)

    show(root, 0)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
else:
    try:
        check(*sys.argv[2:])
    except AssertionError as wrong:
        sys.exit(str(wrong))
