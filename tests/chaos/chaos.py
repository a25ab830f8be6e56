#!/usr/bin/env python3
"""chaos.py - real hosts, a real broker, gateway, mail server and database on a network that breaks.

Starts them (world.py), publishes numbered work (load.py), lets things break as a seed says (faults.py), heals
everything, waits until all has ended, and has check.py, which knows nothing of all this, read what each side wrote down.
./dev chaos runs it; --help has the options. BUILD in the environment is the build tree.
"""

import argparse
import heapq
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import net  # noqa: E402
from faults import Faults  # noqa: E402
from world import PLANTS, WROTE, Trouble, World, services  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DRAIN_S = 120  # on a quiet machine


def options():
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"), help="repeats a schedule")
    parser.add_argument("--minutes", type=float, default=5, help="how long things break")
    parser.add_argument("--hosts", type=int, help="how many; 2 or 3 by the seed")
    parser.add_argument("--rate", type=float, default=40, help="messages a second")
    parser.add_argument("--log", action="store_true", help="hosts have their logs in the database, which has a standby")
    parser.add_argument("--cluster", action="store_true", help="three hosts of a cluster, whose shards move")
    parser.add_argument("--shared", choices=("yes", "no"), help="subscriptions; by the seed")
    parser.add_argument("--loopback", action="store_true", help="no namespaces, even where they are allowed")
    parser.add_argument("--short", action="store_true", help="no fault lasts long, and more of them: for a short run")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a bug that must be found")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run, also if all is well")
    return parser.parse_args()


class Run:
    def __init__(self, given, folder, network):
        self.given, self.folder = given, folder
        self.chance = random.Random("chaos %d" % given.seed)
        hosts = given.hosts or self.chance.choice((2, 3))
        shared = {"yes": True, "no": False, None: self.chance.random() < 0.4}[given.shared]
        hosts = 3 if given.cluster else hosts
        logged = given.log or given.cluster
        nodes = ["host%d" % (i + 1) for i in range(hosts)] + list(services(logged))
        self.world = World(network(nodes), folder, hosts, not shared, os.environ["BUILD"], given.plant, logged, given.cluster)
        self.log = open(os.path.join(folder, "faults.jsonl"), "a", encoding="utf-8")
        self.faults = Faults(self.world, self.chance, self.note, given.short)
        self.faults.table.append(("lose broker", self.lose_broker, 1))

    def note(self, what, name, place, **more):
        line = {"at": time.time(), "what": what, "fault": name, "place": place, **more}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    # ---- the programs that measure ----

    def start_meters(self):
        broker = [self.world.net.address("broker"), self.world.ports["broker"]]
        plan = {"seed": self.given.seed, "rate": self.given.rate, "broker": broker,
                "fronts": [[self.world.net.address(host), port] for host, port in self.world.fronts.items()],
                "log": self.world.path("acks.jsonl")}
        with open(self.world.path("plan.json"), "w", encoding="utf-8") as file:
            json.dump(plan, file)
        self.observer = self.world.add_meter("observer", HERE + "/observer.py", broker[0], str(broker[1]),
                                             self.world.path("answers.jsonl"))
        said = self.observer.process.stdout
        self.world.wait(DRAIN_S, lambda: select.select([said], [], [], 0)[0], "the observer does not reach the broker")
        said.readline()  # it observes
        self.load = self.world.add_meter("load", HERE + "/load.py", self.world.path("plan.json"))

    def tell_load(self, word):
        """Tells the publisher, and waits until it has done so."""
        pipes = self.load.process
        pipes.stdin.write(word.encode() + b"\n")
        pipes.stdin.flush()
        self.world.wait(DRAIN_S, lambda: select.select([pipes.stdout], [], [], 0)[0],
                        "what was published is not acknowledged, although all is well again")
        if pipes.stdout.readline() != word.encode() + b" done\n":
            raise Trouble("the publisher has failed: see load.log")

    # ---- one fault more, which needs the publisher ----

    def lose_broker(self):
        """The broker dies and has lost all. What was at the broker alone is lost with it, so first everything is taken;
        and sessions are made anew, so nothing is said until all hosts are there again."""
        healthy_without = ("process gateway", "process mail") + (() if self.world.logged else ("process database",))
        self.faults.heal(but=healthy_without)
        self.tell_load("mark")
        self.world.wait(DRAIN_S, self.all_taken, "the hosts do not take what the broker has")
        broker = self.world.programs["broker"]
        broker.end()
        for name in os.listdir(self.world.path("broker")):
            os.unlink(self.world.path("broker", name))
        broker.start()
        self.world.wait(DRAIN_S, self.world.all_ready, "the hosts do not become ready at a new broker")
        self.tell_load("go")
        return "process broker", None

    def all_taken(self):
        """The last message of each key of "order" is answered. A broker keeps the order of what it has for a host, so by then
        the hosts have all that it had for them."""
        if not self.world.all_ready():
            return False
        last = {m["key"]: m["id"] for m in self.lines_of("acks.jsonl") if m["what"] == "acked" and m["kind"] == "order"}
        return set(last.values()) <= {answer["said"].get("id") for answer in self.lines_of("answers.jsonl")}

    def lines_of(self, name):
        with open(self.world.path(name), encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    # ---- from start to end ----

    def run(self):
        self.world.start()
        self.start_meters()
        self.tell_load("go")
        self.break_things()
        self.note("begin", "none", "all")
        self.faults.heal()
        self.tell_load("mark")
        drained = self.drain()
        self.write_end(drained)

    def break_things(self):
        until = time.monotonic() + self.given.minutes * 60
        due, next_at = [], time.monotonic() + 1
        while time.monotonic() < until:
            self.world_goes_on()
            now = time.monotonic()
            while due and due[0][0] <= now:
                place = heapq.heappop(due)[1]
                if not self.faults.end(place):
                    heapq.heappush(due, (now + 1, place))
            if now >= next_at:
                begun = self.faults.draw()
                if begun is not None:
                    heapq.heappush(due, (now + begun[1], begun[0]))
                next_at = time.monotonic() + self.chance.uniform(0.1, 0.8 if self.given.short else 3)
            time.sleep(0.02)

    def world_goes_on(self):
        for name, how in self.world.look_after():
            self.note("ended", name, "process " + name, how=how)
        if not self.load.running() or not self.observer.running():
            raise Trouble("the publisher or the observer has ended: see their logs")

    def drain(self):
        try:
            self.world.wait(DRAIN_S, self.nothing_waits, "")
            return True
        except Trouble:
            return False

    def nothing_waits(self):
        return all(self.left(number) == {} for number in self.world.numbers) and self.all_taken()

    def left(self, number):
        """What is not at its end there, by name."""
        status = self.world.status(number)
        if status is None:
            return {"no answer": 1}
        left = {s["name"]: s["waiting"] for s in status["services"]}
        left.update({name: status["engine"][name] for name in ("outbox", "delayed", "forwards_waiting")})
        return {name: count for name, count in left.items() if count}

    def write_end(self, drained):
        end = {"seed": self.given.seed, "hosts": len(self.world.hosts), "alone": self.world.alone,
               "network": self.world.net.kind, "drained": drained,
               "cluster": self.world.cluster, "left": {number: self.left(number) for number in self.world.numbers}}
        with open(self.world.path("sold.csv"), "w", encoding="utf-8") as file:
            file.write(self.world.query("select id, key, n from sold order by serial"))
        if self.world.logged:
            with open(self.world.path("wrote.csv"), "w", encoding="utf-8") as file:
                file.write(self.world.query(WROTE))
        stores = [self.world.owned(number) for number in self.world.numbers]
        for host in self.world.hosts:
            self.world.programs[host].end(signal.SIGTERM)
        end["stores"] = {os.path.relpath(store, self.folder): self.examine(store) for store in stores}
        end["ends"] = {p.name: p.ends for p in self.world.programs.values() if p.ends}
        with open(self.world.path("end.json"), "w", encoding="utf-8") as file:
            json.dump(end, file)

    def examine(self, store):
        """What `zingq doctor` finds wrong with a store whose host has stopped; None if nothing."""
        done = subprocess.run([self.world.build + "/zingq", "doctor", "--store", "--data", store],
                              capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stdout + done.stderr


def attempt(given, folder, network):
    """0 if all held, 1 if not, 2 if the run did not come to its end."""
    run = Run(given, folder, network)
    verdict = 2
    try:
        run.run()
        verdict = subprocess.run([sys.executable, HERE + "/check.py", folder], check=False).returncode
    except Trouble as trouble:
        print("chaos: %s" % trouble)
    finally:
        run.world.stop(keep=verdict != 0)
        run.log.close()
    return verdict


def has_room(folder):
    if not os.access(folder, os.W_OK):
        return False
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize >= 1 << 30


def place():
    wanted = os.environ.get("ZINGQ_TEST_TMP") or ("/dev/shm" if has_room("/dev/shm") else "/tmp")
    return tempfile.mkdtemp(prefix="zingq-chaos-", dir=wanted)


def main():
    given = options()
    why_not = "--loopback" if given.loopback else net.enter_namespaces()
    bench_port = os.environ["BUILD"] + "/tests/bench/bench_port"
    network = net.Namespaces if why_not is None else lambda _: net.Loopback(bench_port)
    print("chaos: seed %d, %s" % (given.seed, "namespaces" if why_not is None else "loopback: " + why_not), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = place()
    verdict = attempt(given, folder, network)
    if verdict == 0 and not given.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print("chaos: the run is in %s" % folder)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
