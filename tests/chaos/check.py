#!/usr/bin/env python3
"""check.py FOLDER - what a run of chaos.py has lost, doubled, put out of order, or left undone.

It knows nothing of ZingQueue's state. It reads what each side wrote down by itself: what the publisher saw acknowledged
(acks.jsonl), the gateway's books, the mail server's record, the table of the database, the observer's log (answers.jsonl),
which session of the database has written which turns of a log (wrote.csv), and what was broken when (faults.jsonl, end.json).

What a Mosquitto that is killed loses of what it had acknowledged is not ZingQueue's: such messages, and answers, are counted
apart. Its own log says when it wrote its database; only what it acknowledged behind the last time before it was killed
counts as such. (Told to write it at each change, Mosquitto 2.0 takes no notice of a message that is sent to a client that is
connected: until that has acknowledged it, or something else changes, it is in memory only.)
"""

import bisect
import collections
import json
import os
import sys

# What a host that ends by itself is forgiven for: a limit that it can only die of.
DEADLY = ("memory",)
DEADLY_S = 5
WRONGS = ("lost", "doubled", "out of order", "stuck", "wrong")


def lines_of(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def grouped(pairs):
    groups = collections.defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


class Check:
    def __init__(self, folder):
        self.folder = folder
        notes = lines_of(folder, "acks.jsonl")
        self.sent = {n["id"]: n for n in notes if n["what"] == "sent"}
        self.acked = {n["id"]: n for n in notes if n["what"] == "acked"}
        self.faults = lines_of(folder, "faults.jsonl")
        with open(os.path.join(folder, "end.json"), encoding="utf-8") as file:
            self.end = json.load(file)
        self.kills = [f["at"] for f in self.faults if f["what"] == "begin" and f["fault"] == "kill broker"]
        self.saves = self.read_saves()
        self.found = []  # (wrong, fault, text)
        self.with_broker = 0

    def read_saves(self):
        """The seconds in which the broker began to write its database."""
        with open(os.path.join(self.folder, "broker.log"), encoding="utf-8") as lines:
            return sorted({int(line.split(":")[0]) for line in lines if ": Saving in-memory database" in line})

    # ---- findings ----

    def fault_of(self, message):
        """What had broken last when the message was acknowledged."""
        before = [f["fault"] for f in self.faults if f["what"] == "begin" and f["at"] <= message["at"]]
        return before[-1] if before else "none"

    def wrong(self, what, message, text):
        self.found.append((what, self.fault_of(message), "%s: %s" % (message["id"], text)))

    def missing(self, message, text):
        """An effect that is not there: the host still has its event, or the broker lost it, or it is lost."""
        if message["id"] not in self.acked:
            return
        if self.broker_had_it(message):
            self.with_broker += 1
        else:
            self.wrong("lost" if self.end["drained"] else "stuck", message, text)

    def broker_had_it(self, message):
        """Whether the broker was killed before it can be known to have written down what it acknowledged."""
        killed = min((at for at in self.kills if at >= message["at"]), default=None)
        if message["door"] != "mqtt" or killed is None:
            return False
        save = bisect.bisect_left(self.saves, message["at"] + 1)  # they are in whole seconds
        return save == len(self.saves) or self.saves[save] > killed - 1

    def once(self, message, effects, what):
        if not effects:
            self.missing(message, "no " + what)
        elif len(effects) > 1:
            self.wrong("doubled", message, "%d times %s" % (len(effects), what))

    def ordered(self, message):
        """Whether the order of its key is promised: that in which one host receives them. Of messages that hosts share
        each gets some, and an Idempotency-Key decides which host a request is for. The shards of a host share its front door."""
        door = message["door"].split()[0]
        return door == "http" and not self.end["cluster"] or door == "mqtt" and self.end["alone"]

    def in_order(self, ids, where):
        """The ids in the order of their effects."""
        last = {}
        for one in ids:
            message = self.sent[one]
            before = last.get(message["key"])
            if before is not None and before["n"] > message["n"] and self.ordered(message):
                self.wrong("out of order", message, "behind %s %s" % (before["id"], where))
            last[message["key"]] = message

    def of_kind(self, kind):
        return [m for m in self.sent.values() if m["kind"] == kind]

    def known(self, ids, where):
        for one in set(ids) - set(self.sent):
            self.found.append(("wrong", "none", "%s %s is nobody's" % (one, where)))

    # ---- what each side says ----

    def check_gateway(self):
        books = [b for b in lines_of(self.folder, "gateway.jsonl") if b["outcome"] == "succeeded"]
        charges = [b for b in books if b["kind"] == "charge"]
        bookings = {b["id"]: b["booking_id"] for b in charges}
        refunds = grouped((bookings[b["charge"]], b) for b in books if b["kind"] == "refund")
        by_booking = grouped((b["booking_id"], b) for b in charges)
        self.known(by_booking, "in the gateway's books")
        for kind in ("pay", "late", "saga"):
            for message in self.of_kind(kind):
                self.once(message, by_booking[message["id"]], "charged")
        for message in self.of_kind("saga"):
            back = refunds[message["id"]]
            if message["n"] % 3 == 0:
                self.once(message, back, "refunded")
            elif back:
                self.wrong("wrong", message, "refunded, but not to be undone")
        self.in_order([b["booking_id"] for b in charges if b["booking_id"] in self.sent
                       and self.sent[b["booking_id"]]["kind"] == "pay"], "at the gateway")
        self.check_seats(by_booking)

    def check_seats(self, by_booking):
        for key, buyers in grouped((m["key"], m) for m in self.of_kind("seat")).items():
            buyers.sort(key=lambda m: m["n"])
            owners = [m for m in buyers if by_booking[m["id"]]]
            if sum(len(by_booking[m["id"]]) for m in buyers) > 1:
                self.wrong("doubled", owners[0], "seat %s is sold to %s" % (key, " and ".join(m["id"] for m in owners)))
            able = [m for m in buyers if "source" not in m]
            if able and not owners:
                self.missing(able[-1], "seat %s is sold to nobody" % key)
            elif able and owners[0]["id"] != able[0]["id"] and self.ordered(able[0]):
                passed = [m["id"] for m in able if m["n"] < owners[0]["n"] and not self.broker_had_it(m)]
                if passed:
                    self.wrong("out of order", owners[0], "has the seat before %s" % " ".join(passed))

    def check_mails(self):
        ids = grouped((m["subject"], m["message_id"]) for m in lines_of(self.folder, "mail.jsonl"))
        self.known(ids, "among the mails")
        for message in self.of_kind("mail"):
            self.once(message, set(ids[message["id"]]), "mailed")

    def check_table(self):
        with open(os.path.join(self.folder, "sold.csv"), encoding="utf-8") as lines:
            rows = [line.strip().split(",")[0] for line in lines]
        self.known(rows, "in the table")
        times = collections.Counter(rows)
        for message in self.of_kind("sell"):
            self.once(message, [1] * times[message["id"]], "in the table")
        self.in_order([row for row in rows if row in self.sent], "in the table")

    def check_answers(self):
        """What the observer heard: each answer under one id, those of a key in order."""
        heard = lines_of(self.folder, "answers.jsonl")
        self.check_ticks([h for h in heard if "tick" in h])
        answers = [h for h in heard if "tick" not in h]
        ids = grouped((a["said"]["id"], a["zingq-id"]) for a in answers)
        self.known(ids, "among the answers")
        for one, heard in ids.items():
            if len(set(heard)) > 1:
                self.wrong("doubled", self.sent[one], "answered under %d ids" % len(set(heard)))
        first = list(dict.fromkeys(a["said"]["id"] for a in answers if a["topic"] == "chaos/out/order"))
        self.in_order([one for one in first if one in self.sent], "at the observer")
        broken = any(f["fault"] in ("kill broker", "lose broker") for f in self.faults)
        for message in self.sent.values():
            if message["kind"] in ("order", "pay", "seat", "saga", "sell") and message["id"] not in ids:
                if broken:
                    self.with_broker += 1  # whether it took place the other books say
                else:
                    self.missing(message, "no answer")
        self.check_lists(answers)

    def check_ticks(self, heard):
        """A run of a tick is one publish, under one id however often it is sent."""
        for tick, ids in grouped((h["tick"], h["zingq-id"]) for h in heard).items():
            if len(set(ids)) > 1:
                at = next(h["at"] for h in heard if h["tick"] == tick)
                self.wrong("doubled", {"id": tick, "at": at}, "ran %d times" % len(set(ids)))

    def check_lists(self, answers):
        """The last answer of each key of `order` lists what came."""
        last = {}
        for answer in answers:
            said = answer["said"]
            if answer["topic"] == "chaos/out/order" and said["count"] >= last.get(said["key"], said)["count"]:
                last[said["key"]] = said
        for key, messages in grouped((m["key"], m) for m in self.of_kind("order")).items():
            messages.sort(key=lambda m: m["n"])
            self.check_list(messages, last.get(key))

    def check_list(self, messages, said):
        if said is None or said["n"] != messages[-1]["n"] and self.ordered(messages[-1]):
            self.missing(messages[-1], "no answer, and it is the last one of its key")
            return
        gone = [int(number) for number in said["missing"].split()]
        for number in gone:
            self.missing(messages[number], "missing in the list of its key")
        if said["count"] > len(messages) - len(gone):
            self.wrong("doubled", messages[-1], "%d of %d came" % (said["count"], len(messages)))
        if said["late"] and self.ordered(messages[-1]):
            self.wrong("out of order", messages[-1], "%d of its key came late" % said["late"])

    def check_logs(self):
        """The turns of a log are written by one session after another, each of them once."""
        path = os.path.join(self.folder, "wrote.csv")
        if not os.path.exists(path):
            return
        before = {}
        with open(path, encoding="utf-8") as lines:
            for log, session, first, last, again in (line.strip().split(",") for line in lines):
                if int(first) <= before.get(log, 0) or int(again):
                    self.found.append(("wrong", "none", "log %s: turn %s by session %s, and by another" % (log, first, session)))
                before[log] = max(before.get(log, 0), int(last))

    def check_hosts(self):
        """No host ends by itself but of a limit that it can only die of; and the stores are whole."""
        for f in self.faults:
            if f["what"] != "ended" or not f["fault"].startswith("host"):
                continue
            if not any(d["place"] in (f["place"], f["place"].replace("process", "disk")) and
                       (d["fault"] in DEADLY or d["fault"] == "disk full" and f["how"] > 0) and self.lately(d, f["at"])
                       for d in self.faults):
                self.wrong("wrong", {"id": f["fault"], "at": f["at"]}, "ended by itself: %d" % f["how"])
        for host, said in self.end["stores"].items():
            if said is not None:
                self.wrong("wrong", {"id": host, "at": 0}, said)
        if not self.end["drained"]:
            for host, left in self.end["left"].items():
                if left:
                    self.wrong("stuck", {"id": host, "at": self.faults[-1]["at"]}, json.dumps(left))

    def lately(self, begun, at):
        """Whether that fault was there at that time, or had just ended."""
        ends = [f["at"] for f in self.faults
                if f["what"] == "end" and f["place"] == begun["place"] and f["at"] >= begun["at"]]
        return begun["what"] == "begin" and begun["at"] - 1 <= at <= min(ends, default=at) + DEADLY_S

    def run(self):
        self.check_gateway()
        self.check_mails()
        self.check_table()
        self.check_answers()
        self.check_logs()
        self.check_hosts()

    # ---- the verdict ----

    def table(self):
        times = collections.Counter(f["fault"] for f in self.faults if f["what"] == "begin")
        wrongs = collections.Counter((fault, wrong) for wrong, fault, _ in self.found)
        rows = [(fault, times[fault], *(wrongs[fault, wrong] for wrong in WRONGS))
                for fault in sorted({*times, *(fault for _, fault, _ in self.found)})]
        return [("fault", "times", *WRONGS), *rows]

    def report(self):
        for row in self.table():
            print("  %-16s" % row[0] + "".join("%14s" % cell for cell in row[1:]))
        doors = collections.Counter(m["door"].split()[0] for m in self.acked.values())
        print("  %d acknowledged (%d by MQTT, %d by HTTP, %d with Idempotency-Key), %d hosts, %s, %s; %d lost by a broker that was killed" % (
            len(self.acked), doors["mqtt"], doors["http"], doors["once"], self.end["hosts"],
            "alone" if self.end["alone"] else "shared", self.end["network"], self.with_broker))
        for wrong, fault, text in self.found[:40]:
            print("  %s (%s): %s" % (wrong.upper(), fault, text))
        if len(self.found) > 40:
            print("  and %d more" % (len(self.found) - 40))


def main():
    check = Check(sys.argv[1])
    check.run()
    check.report()
    return 1 if check.found else 0


if __name__ == "__main__":
    sys.exit(main())
