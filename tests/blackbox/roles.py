"""Requests by chance for roles.sh: roles.py PORT HTTP.MD AUDIT.JSONL. Ends with 0, or says what is wrong."""
import http.client
import itertools
import json
import os
import random
import re
import sys

ROUNDS = 400
TOKENS = {"nobody": None, "read": "reads-and-nothing-else", "submit": "posts-and-nothing-else",
          "operate": "operates-and-no-more", "admin": "the-admin-of-this-host"}
NAMES = {"operate": "shift", "admin": "http.token"}  # in the audit log
RANKS = {"read": 1, "operate": 2, "admin": 3}
ID = "00000000-0000-7000-8000-000000000000"
NOT_RECORDED = re.compile(r"/api/(publish|signals|order)\b|/try$")


def routes(doc):
    """(method, path, role) of the tables, by what the page says of the roles."""
    found = [("POST", "/api/order", "submit"), ("GET", "/metrics", "read"), ("GET", "/api/audit", "operate")]
    for method, path in re.findall(r"^\| `(GET|POST) (/api/[^`?]*)", open(doc).read(), re.M):
        path = path.replace("<service>", "jobs").replace("<name>", "jobs", 1 if "signals" not in path else 0)
        path = path.replace("<key>/<name>", "k/n").replace("<id>", ID).replace("<digits>", "000000")
        if path in ("/api/leave", "/api/login"):
            role = "nobody"  # nobody asks for them here: the first ends the host, the other is not over TCP
        elif path == "/api/reload":
            role = "admin"
        else:
            role = "read" if method == "GET" else "operate"
        if role != "nobody" and "<" not in path:
            found.append((method, path, role))
    assert len(found) > 30, "the tables of docs/http.md are not read"
    return found


def may(role, wanted):
    if wanted == "submit":
        return role in ("submit", "operate", "admin")
    return RANKS.get(role, 0) >= RANKS[wanted]


def ask(door, method, path, token):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    query = "?service=jobs&key=k&name=n&topic=t&job=1&to=jobs" if path != "/api/order" else ""
    door.request(method, path + query, body=b"{}" if method == "POST" else None, headers=headers)
    answer = door.getresponse()
    answer.read()
    return answer.status


def recorded(audit):
    """(token, path) of what was asked, in order."""
    lines = [json.loads(line) for line in open(audit)]
    return [(line["who"], line["path"]) for line in lines if line.get("asked")]


def main():
    port, doc, audit = sys.argv[1:]
    chance = random.Random(int(os.environ.get("ZINGQ_TEST_SEED", "1")))
    door = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    table = routes(doc)
    expected = []
    for _ in range(int(os.environ.get("ZINGQ_TEST_ROUNDS", ROUNDS))):
        method, path, wanted = chance.choice(table)
        role = chance.choice(list(TOKENS))
        status = ask(door, method, path, TOKENS[role])
        refusal = 401 if role == "nobody" else 403
        allowed = may(role, wanted)
        if (status == refusal) == allowed or (allowed and status in (401, 403)):
            sys.exit(f"{role}: {method} {path}: {status}, and {wanted} may")
        if allowed and method == "POST" and not NOT_RECORDED.search(path):
            expected.append((NAMES[role], path))
    for n, (found, done) in enumerate(itertools.zip_longest(recorded(audit), expected)):
        if found != done:
            sys.exit(f"change {n} on record: {found}, done: {done}")
    print(f"# {len(table)} routes, {len(expected)} changes")


main()
