"""The real programs of a run: hosts, Mosquitto, the payment gateway, a mail server, PostgreSQL, and a relay before each
service. What ends by itself, or was killed, is started again, as a supervisor would."""

import json
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

from databases import Databases

HERE = os.path.dirname(os.path.abspath(__file__))
SERVICES = ("broker", "gateway", "mail", "database")
REPLICA = "replica"  # of the database, when hosts have their logs there
PORTS = {"broker": 1883, "gateway": 9090, "mail": 2525, "database": 5432, REPLICA: 5433}
FRONT_PORT = 8080
RESTART_S = 0.5
CRASH_S, STOP_S = 10, 60  # within these a program has ended
DISK = "96m"
SHARDS = 6
LEASE = "8s"
# The database notes which of its sessions has written which turn of which log.
WITNESS = """
create table wrote (store int, turn bigint, session text);
create function witness() returns trigger language plpgsql as $$
begin
  insert into public.wrote values (new.store, new.turn, pg_backend_pid() || ':' || inet_client_port());
  return null;
end $$;
create trigger witness after insert on zq.log for each row execute function witness()
"""
WROTE = """
select s.name, w.session, min(w.turn), max(w.turn), count(*) - count(distinct w.turn)
from wrote w join zq.store s on s.id = w.store group by s.name, w.session order by s.name, min(w.turn)
"""


# Bugs that check.py must find: what is left out of topics.conf, or put in.
PLANTS = {
    "twice": (r"idempotency = \S+", ""),  # a second copy is another event
    "unordered": (r"key = (\S+)", r"key = \1  order = none"),
    "amnesia": ("^$", ""),  # a host that is killed loses its data folder
}


class Trouble(Exception):
    """What ends a run early: something does not start, end or go on, although nothing hinders it."""


class Program:
    """A process that is kept running until it is stopped."""

    def __init__(self, name, words, log, env=None, cwd=None, crash=signal.SIGKILL):
        self.name, self.words, self.log, self.env, self.cwd = name, words, log, env, cwd
        self.crash = crash
        self.process, self.wanted, self.since = None, False, 0
        self.ends = []  # how it ended when nobody had asked it to: exit status, or minus the signal

    def start(self, **pipes):
        self.wanted, self.since = True, time.monotonic()
        with open(self.log, "ab") as log:
            pipes.setdefault("stdin", subprocess.DEVNULL)
            pipes.setdefault("stdout", log)
            self.process = subprocess.Popen(
                self.words, stderr=log, env=self.env, cwd=self.cwd, start_new_session=True, **pipes
            )

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def end(self, number=None):
        """Ends it for now, by its way of crashing if no signal is given. That one need not be heeded."""
        self.wanted = False
        self.signal(number or self.crash)
        try:
            self.process.wait(CRASH_S if number is None else STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            if number is not None:
                raise Trouble("%s did not end within %d s of signal %d" % (self.name, STOP_S, number)) from None

    def look_after(self):
        """Starts it again if it ended by itself. Returns how it ended, or None."""
        if not self.wanted or self.running():
            return None
        if time.monotonic() - self.since < RESTART_S:
            return None
        ended = self.process.returncode
        self.ends.append(ended)
        self.start()
        return ended


def services(logged):
    return SERVICES + (REPLICA,) if logged else SERVICES


class World:
    trouble = Trouble

    def __init__(self, net, folder, hosts, alone, build, plant=None, logged=False, cluster=False):
        self.net, self.folder, self.build = net, folder, build
        self.alone, self.plant, self.logged, self.cluster = alone, plant, logged, cluster
        self.hosts = ["host%d" % (i + 1) for i in range(hosts)]
        self.numbers = ["%d" % (i + 1) for i in range(SHARDS)] if cluster else self.hosts  # what has a store of its own
        self.services = services(logged)
        self.ports = {name: net.port(PORTS[name]) for name in self.services}
        self.fronts = {host: net.port(FRONT_PORT) for host in self.hosts}
        self.doors = {(host, name): net.port(20000 + 10 * i + j) for i, host in enumerate(self.hosts)
                      for j, name in enumerate(self.services)}
        self.databases = Databases(self, [name for name in self.services if name in ("database", REPLICA)])
        self.programs, self.relays = {}, {}
        self.secret = secrets.token_hex(16)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def add(self, name, words, node=None, **more):
        program = Program(name, [*self.net.inside(node or name), *words], self.path(name + ".log"), **more)
        self.programs[name] = program
        return program

    # ---- the services ----

    def prepare(self):
        self.write_conf()
        os.makedirs(self.path("broker"))
        with open(self.path("broker.conf"), "w", encoding="utf-8") as conf:
            conf.write(
                "listener %d %s\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n"
                "persistence true\npersistence_location %s/\nautosave_interval 1\nautosave_on_changes true\n"
                % (self.ports["broker"], self.net.everywhere(), self.path("broker"))
            )
            if os.geteuid() == 0:
                conf.write("user root\n")
        self.add("broker", ["mosquitto", "-c", self.path("broker.conf")])
        self.add("gateway", [
            self.build + "/tests/gateway", "--port", str(self.ports["gateway"]), "--log", self.path("gateway.jsonl"),
            "--fail", "0.03", "--timeout-rate", "0.02", "--slow-ms", "30"])
        self.add("mail", [
            sys.executable, HERE + "/../demo/smtp_sink.py", "--port", str(self.ports["mail"]),
            "--log", self.path("mail.jsonl"), "--fail-rate", "0.03"])
        self.databases.prepare()

    def write_conf(self):
        with open(HERE + "/topics.conf", encoding="utf-8") as file:
            text = file.read()
        with open(self.path("topics.conf"), "w", encoding="utf-8") as file:
            text = re.sub(*PLANTS[self.plant], text) if self.plant else text
            text = text.replace("store  {", 'store  { url = "env:CHAOS_LOG" ') if self.logged else text
            file.write(text + 'cluster { name = "chaos"  lease = "%s" }\n' % LEASE if self.cluster else text)
        os.symlink(HERE + "/scripts", self.path("scripts"))

    def must(self, *words, **more):
        done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
        if done.returncode != 0:
            raise Trouble("%s: %s" % (" ".join(words), done.stderr))
        return done.stdout

    def query(self, statement):
        return self.databases.query(statement)

    def start_relay(self, name):
        words = [sys.executable, HERE + "/relay.py", self.net.address(name), str(self.ports[name])]
        words += [str(self.doors[host, name]) for host in self.hosts]
        relay = self.relays[name] = self.add("relay-" + name, words, node=name)
        relay.start(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        relay.wanted = False  # one that fails is a fault of the test
        if relay.process.stdout.readline() != b"ready\n":
            raise Trouble("the relay of %s does not start" % name)

    def relay(self, host, name, **order):
        """An order to the relay between the two."""
        pipe = self.relays[name].process
        pipe.stdin.write(json.dumps({"port": self.doors[host, name], **order}).encode() + b"\n")
        pipe.stdin.flush()
        if pipe.stdout.readline() != b"done\n":
            raise Trouble("the relay of %s has ended" % name)

    def add_meter(self, name, *words):
        """A program that measures: one that ends by itself is a fault of the test."""
        meter = self.programs[name] = Program(name, [sys.executable, *words], self.path(name + ".log"))
        meter.start(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        meter.wanted = False
        return meter

    # ---- the hosts ----

    def add_host(self, host):
        folder = self.path(host)
        os.makedirs(folder)
        self.net.small_disk(folder, DISK)
        at = {name: "%s:%d" % (self.net.address(name), self.doors[host, name]) for name in self.services}
        database = "postgres://shop@%s/postgres?connect_timeout=3&target_session_attrs=read-write" % ",".join(
            at[name] for name in self.databases.names)
        env = dict(
            os.environ,
            CHAOS_SECRET=self.secret,
            CHAOS_DATABASE=database,
            CHAOS_LOG=database,
            ZINGQ_BROKER_URL="mqtt://" + at["broker"],
            ZINGQ_BROKER_ALONE="yes" if self.alone else "no",
            ZINGQ_HTTP_LISTEN="%s:%d" % (self.net.address(host), self.fronts[host]),
            ZINGQ_TOKEN=self.secret,
            ZINGQ_VARS_GATEWAY_URL="http://" + at["gateway"],
            ZINGQ_VARS_SMTP_URL="smtp://" + at["mail"],
        )
        if self.cluster:
            env.update(ZINGQ_CLUSTER_HOST=host)
        else:
            env.update(ZINGQ_HOSTS_COUNT=str(len(self.hosts)), ZINGQ_HOSTS_THIS=str(self.hosts.index(host) + 1))
        words = [self.build + "/zingq", "run", "-c", self.path("topics.conf"), "--data", self.data(host)]
        self.add(host, words, env=env, cwd=folder)

    def data(self, host):
        return self.path(host, "data")

    def shards_of(self, host):
        """The processes that run shards there."""
        program = self.programs[host]
        if not self.cluster or not program.running():
            return []
        with open("/proc/%d/task/%d/children" % (program.process.pid, program.process.pid), encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]

    def stores(self, number):
        """Where the store of that number may be; in a cluster each host may have, or have had, it."""
        return [self.path(host, "data", number) for host in self.hosts] if self.cluster else [self.data(number)]

    def owned(self, number):
        """Where it is that of whoever has it last; in a cluster others may have begun to load it, and no more."""
        if not self.cluster:
            return self.data(number)
        owner = self.query("select owner from zq.shard where number = %s" % number).strip()
        return self.path(owner, "data", number)

    def status(self, number):
        """What who has the number says of itself, or None."""
        answers = (self.ask(folder + "/zingq.sock") for folder in self.stores(number))
        return next((answer for answer in answers if answer is not None), None)

    def ask(self, door):
        try:
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(5)
                asked.connect(os.path.relpath(door))
                asked.sendall(b"GET /api/status HTTP/1.0\r\nHost: zingq\r\n\r\n")
                answer = b""
                while piece := asked.recv(65536):
                    answer += piece
            head, body = answer.split(b"\r\n\r\n", 1)
            return json.loads(body) if b" 200 " in head.splitlines()[0] else None  # 503: it is loaded from its log
        except (OSError, ValueError):
            return None

    def ready(self, number):
        status = self.status(number)
        return status is not None and status["host"]["ready"]

    def all_ready(self):
        return all(self.ready(number) for number in self.numbers)

    def manage(self, *words):
        """`zingq cluster`, which talks to the database alone."""
        name = self.databases.primary
        env = dict(os.environ, CHAOS_SECRET=self.secret,
                   CHAOS_LOG="postgres://shop@127.0.0.1:%d/postgres" % self.ports[name], CHAOS_DATABASE="postgres://h/x")
        return self.must(*self.net.inside(name), self.build + "/zingq", "cluster", *words, "-c", self.path("topics.conf"),
                         env=env)

    # ---- all of it ----

    def start(self):
        self.prepare()
        for name in self.services:
            if name not in self.databases.names:
                self.programs[name].start()
            self.start_relay(name)
        self.databases.start()
        self.query("create table sold (serial bigserial, id text, key text, n int)")
        if self.cluster:
            self.manage("init", "--shards", str(SHARDS))
        for host in self.hosts:
            self.add_host(host)
            self.programs[host].start()
        self.wait(60, self.all_ready, "the hosts do not become ready")
        if self.logged:
            self.query(WITNESS)

    def look_after(self):
        """Starts again what ended by itself: a list of (name, how)."""
        ended = [(p.name, p.look_after()) for p in self.programs.values()]
        return [(name, how) for name, how in ended if how is not None]

    def wait(self, seconds, condition, what):
        """The seconds are those of a quiet machine: a busy one gets three times as long."""
        until = time.monotonic() + 3 * seconds
        while not condition():
            if time.monotonic() > until:
                raise Trouble(what)
            self.look_after()
            time.sleep(0.05)

    def limit(self, host, what, soft):
        """Sets a soft limit of a running host. Returns what sets it back, for the same process."""
        pid = self.programs[host].process.pid
        old = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (soft, old[1]))

        def back():
            try:
                resource.prlimit(pid, what, old)
            except ProcessLookupError:
                pass
        return back

    def stop(self, keep):
        """Ends everything at once, whatever state it is in. What the hosts' disks hold is kept if it shall be."""
        for program in self.programs.values():
            program.wanted = False
            program.signal(program.crash)
            program.signal(signal.SIGCONT)  # of one that was stopped
        for program in self.programs.values():
            if program.process is not None:
                program.process.wait()
        for host in self.hosts:
            if os.path.isdir(self.data(host)):
                if keep:
                    shutil.copytree(self.data(host), self.path("kept", host), ignore=shutil.ignore_patterns("*.sock"))
                self.net.no_disk(self.path(host))
