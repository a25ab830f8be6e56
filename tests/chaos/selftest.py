#!/usr/bin/env python3
"""selftest.py - check.py finds what is planted into the records of a run in which all went well, and nothing in these.

Prints TAP."""

import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True
from check import Check  # noqa: E402

DOORS = ("mqtt", "http 0", "once 0")
COUNT = 4  # messages of a key


def message(kind, key, n, door, at):
    made = {"id": "%s-%d" % (key, n), "kind": kind, "key": key, "n": n, "door": door, "at": at}
    if kind == "seat" and n == 0:
        made["source"] = "tok_chargeDeclined"
    return made


class Records:
    """The files of a run without a flaw: each kind has a key for each door."""

    def __init__(self):
        self.messages = [message(kind, "%s-%d" % (kind, i), n, door, 100.0 + n)
                         for kind in ("order", "pay", "seat", "mail", "late", "saga", "sell")
                         for i, door in enumerate(DOORS) for n in range(COUNT)]
        self.acked = {m["id"] for m in self.messages}
        self.saves = []  # by the broker, of its database
        self.books, self.mails, self.rows, self.answers = [], [], [], []
        self.wrote = ["chaos-1,77:4000,1,20,0", "chaos-1,78:4100,21,30,0", "chaos-2,77:4000,5,25,0"]
        self.faults = [{"at": 90.0, "what": "begin", "fault": "cut", "place": "link host1 broker"},
                       {"at": 91.0, "what": "end", "fault": "cut", "place": "link host1 broker"}]
        self.end = {"seed": 1, "hosts": 2, "alone": True, "network": "namespaces", "cluster": False, "drained": True,
                    "left": {"host1": {}, "host2": {}}, "stores": {"host1": None, "host2": None}, "ends": {}}
        for m in self.messages:
            getattr(self, "do_" + m["kind"])(m)
        for minute in range(3):
            self.tick(minute)

    def charge(self, m):
        self.books.append({"kind": "charge", "outcome": "succeeded", "booking_id": m["id"], "id": "ch_" + m["id"]})

    def answer(self, m, **more):
        self.answers.append({"topic": "chaos/out/" + m["kind"], "zingq-id": "z-" + m["id"],
                             "said": {"id": m["id"], **more}})

    def tick(self, minute, **other):
        tick = "tick-1 2026-01-01T00:%02d:00Z" % minute
        self.answers.append({"topic": "chaos/out/tick", "zingq-id": "z-" + tick, "tick": tick, "at": 100.0, "said": {}, **other})

    def do_order(self, m):
        self.answer(m, key=m["key"], n=m["n"], count=m["n"] + 1, late=0, missing="")

    def do_pay(self, m):
        self.charge(m)
        self.answer(m, paid=True)

    def do_seat(self, m):
        if m["n"] == 1:
            self.charge(m)
        self.answer(m, owner=m["key"] + "-1")

    def do_mail(self, m):
        self.mails.append({"subject": m["id"], "message_id": "<%s>" % m["id"]})

    do_late = charge

    def do_saga(self, m):
        self.charge(m)
        if m["n"] % 3 == 0:
            self.books.append({"kind": "refund", "outcome": "succeeded", "booking_id": None, "charge": "ch_" + m["id"]})
        self.answer(m)

    def do_sell(self, m):
        self.rows.append(m["id"])
        self.answer(m, serial=1)

    # ---- what may be planted ----

    def without(self, records, one):
        """Takes out what is about that id."""
        about = ("booking_id", "subject", "charge")
        kept = [r for r in records if r != one and not (isinstance(r, dict) and one in
                (r.get(name) for name in about)) and not (isinstance(r, dict) and r.get("said", {}).get("id") == one)]
        assert len(kept) < len(records), one
        records[:] = kept

    def again(self, records, one, **other):
        """One more like the one that is about that id, with other fields."""
        records.append({**next(r for r in records if one in r.values() or r.get("said", {}).get("id") == one), **other})

    def swap(self, records, one, two):
        at = [next(i for i, r in enumerate(records) if r == x or isinstance(r, dict) and
                   (x in r.values() or r.get("said", {}).get("id") == x)) for x in (one, two)]
        records[at[0]], records[at[1]] = records[at[1]], records[at[0]]

    def list_of(self, key):
        return next(a["said"] for a in self.answers if a["said"]["id"] == "%s-%d" % (key, COUNT - 1))

    def kill_broker(self, at, saved=0):
        self.saves = [saved]
        self.faults.append({"at": at, "what": "begin", "fault": "kill broker", "place": "process broker"})

    def write(self, folder):
        notes = [{"what": what, **m} for m in self.messages for what in ("sent", "acked")
                 if what == "sent" or m["id"] in self.acked]
        for name, lines in (("acks", notes), ("gateway", self.books), ("mail", self.mails), ("answers", self.answers),
                            ("faults", self.faults)):
            with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
        with open(os.path.join(folder, "broker.log"), "w", encoding="utf-8") as file:
            file.writelines("%d: Saving in-memory database to /mosquitto.db.\n" % at for at in self.saves)
        with open(os.path.join(folder, "sold.csv"), "w", encoding="utf-8") as file:
            file.writelines("%s,key,0\n" % row for row in self.rows)
        with open(os.path.join(folder, "wrote.csv"), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in self.wrote)
        with open(os.path.join(folder, "end.json"), "w", encoding="utf-8") as file:
            json.dump(self.end, file)

    def found(self):
        with tempfile.TemporaryDirectory() as folder:
            self.write(folder)
            check = Check(folder)
            check.run()
            return [wrong for wrong, _, _ in check.found]


def not_saved(r):
    """The broker acknowledged it at 101 s, and is killed before it wrote it down."""
    r.without(r.books, "late-0-1")
    r.kill_broker(110.0, saved=101)


def saved(r):
    r.without(r.books, "late-0-1")
    r.kill_broker(110.0, saved=102)


def not_broker(r):
    """A host that had said 202 has it, whatever becomes of the broker."""
    r.without(r.books, "late-1-1")
    r.kill_broker(101.5)


def stuck(r):
    r.without(r.mails, "mail-0-1")
    r.end.update(drained=False, left={"host1": {"mail": 1}})


def unacked(r):
    r.acked.discard("late-0-3")
    r.without(r.books, "late-0-3")


def ended(r, how, **fault):
    r.faults += [{"at": 95.0, "what": "begin", "place": "process host1", **fault}] if fault else []
    r.faults.append({"at": 96.0, "what": "ended", "fault": "host1", "place": "process host1", "how": how})


def sold_later(r):
    r.without(r.books, "seat-1-1")
    r.charge(message("seat", "seat-1", 2, "http 0", 102.0))


def shared(r):
    r.end["alone"] = False
    r.swap(r.rows, "sell-0-1", "sell-0-2")


PLANTS = (
    # (what is planted, how, what is found; None: nothing, as nothing is wrong)
    ("nothing", lambda r: None, None),
    ("a payment not charged", lambda r: r.without(r.books, "pay-1-2"), "lost"),
    ("a delayed event that never came", lambda r: r.without(r.books, "late-2-2"), "lost"),
    ("a mail not sent", lambda r: r.without(r.mails, "mail-0-1"), "lost"),
    ("a row that is not there", lambda r: r.without(r.rows, "sell-1-0"), "lost"),
    ("a saga not undone", lambda r: r.without(r.books, "ch_saga-1-0"), "lost"),
    ("a gap in a list", lambda r: r.list_of("order-0").update(missing="2", count=3), "lost"),
    ("the last of a list", lambda r: r.without(r.answers, "order-0-3"), "lost"),
    ("an answer not heard", lambda r: r.without(r.answers, "pay-0-1"), "lost"),
    ("a seat that nobody got", lambda r: r.without(r.books, "seat-2-1"), "lost"),
    ("a loss of what a broker had written down before it was killed", saved, "lost"),
    ("a loss behind a 202", not_broker, "lost"),
    ("a loss of what it had not", not_saved, None),
    ("what was not acknowledged and not done", unacked, None),
    ("a second charge", lambda r: r.again(r.books, "pay-1-2", id="ch_2"), "doubled"),
    ("a second ring", lambda r: r.again(r.books, "late-0-0", id="ch_2"), "doubled"),
    ("a second mail", lambda r: r.again(r.mails, "mail-0-1", message_id="<2>"), "doubled"),
    ("a mail under its Message-ID again", lambda r: r.again(r.mails, "mail-0-1"), None),
    ("a second row", lambda r: r.rows.append("sell-1-3"), "doubled"),
    ("a second refund", lambda r: r.again(r.books, "ch_saga-0-0", id="re_2"), "doubled"),
    ("one that came twice in a list", lambda r: r.list_of("order-1").update(count=5), "doubled"),
    ("a second answer", lambda r: r.again(r.answers, "sell-0-1", **{"zingq-id": "z-2"}), "doubled"),
    ("an answer under its id again", lambda r: r.again(r.answers, "sell-0-1"), None),
    ("a second run of a tick", lambda r: r.tick(1, **{"zingq-id": "z-2"}), "doubled"),
    ("a run of a tick sent again", lambda r: r.tick(1), None),
    ("a turn of a log by whoever had it before", lambda r: r.wrote.insert(2, "chaos-1,79:4200,30,31,0"), "wrong"),
    ("a turn of a log written twice", lambda r: r.wrote.append("chaos-3,80:4300,1,9,1"), "wrong"),
    ("a seat with two owners", lambda r: r.charge(message("seat", "seat-0", 2, "mqtt", 102.0)), "doubled"),
    ("charges out of order", lambda r: r.swap(r.books, "pay-1-1", "pay-1-2"), "out of order"),
    ("rows out of order", lambda r: r.swap(r.rows, "sell-0-1", "sell-0-2"), "out of order"),
    ("answers out of order", lambda r: r.swap(r.answers, "order-1-0", "order-1-1"), "out of order"),
    ("a list that says so", lambda r: r.list_of("order-0").update(late=1), "out of order"),
    ("a seat for the second buyer", sold_later, "out of order"),
    ("rows of a key whose hosts share its messages", shared, None),
    ("an event that is still waiting", stuck, "stuck"),
    ("a charge of nobody", lambda r: r.charge(message("pay", "pay-9", 9, "mqtt", 1.0)), "wrong"),
    ("a refund of what was shipped", lambda r: r.books.append(
        {"kind": "refund", "outcome": "succeeded", "booking_id": None, "charge": "ch_saga-0-1"}), "wrong"),
    ("a host that aborts", lambda r: ended(r, -6), "wrong"),
    ("a host that aborts with its disk full", lambda r: ended(r, -6, fault="disk full"), "wrong"),
    ("a host that dies of its memory limit", lambda r: ended(r, -6, fault="memory"), None),
    ("a store that is damaged", lambda r: r.end["stores"].update(host2="damaged"), "wrong"),
)


def main():
    failed = 0
    for number, (name, plant, expected) in enumerate(PLANTS, 1):
        records = Records()
        plant(records)
        found = records.found()
        good = expected in found if expected else not found
        failed += not good
        print("%s %d - %s: %s" % ("ok" if good else "not ok", number, name, expected or "nothing"))
        if not good:
            print("# found: %s" % ", ".join(found))
    print("1..%d" % len(PLANTS))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
