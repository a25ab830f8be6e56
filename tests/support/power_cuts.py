"""Power cuts: data folders as a disk may have had them, made from a recording of what the real program wrote.

usage: power_cuts.py TRACE FOLDER BROKER_PORT FRONT_PORT CUTS [SEED]

TRACE is of strace -f -yy -xx. What a sync has confirmed is on the disk. Of what was written after it, a disk that loses its
power has all, none, or some: each write by chance, or each 512 bytes, or each 4 KiB of it. For each folder made so:

  - zingq doctor --store finds nothing wrong;
  - every message whose PUBACK, or POST whose 202, had left is in the store, once;
  - every event whose publish had left is done: nothing leaves before its commit;
  - a host that starts on it ends every event, and each that is done has one line in files/lines.txt (every fifth folder).

A control comes last: with a disk that confirms syncs it has not made, the same checks must fail.
"""
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

Write = collections.namedtuple("Write", "path offset data synced")
Cut = collections.namedtuple("Cut", "path size")
Sync = collections.namedtuple("Sync", "path")
Sent = collections.namedtuple("Sent", "connection data")
Got = collections.namedtuple("Got", "connection data")

CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)\)\s+=\s+(-?\d+|0x[0-9a-f]+)")
HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
FD = re.compile(r"^(\d+)<(.*?)>(?:\(deleted\))?(?:,|$)")


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


def lines_of(trace):
    """Whole calls; one that another thread interrupted counts when it ended."""
    begun = {}
    with open(trace) as f:
        for line in f:
            thread = line.split(None, 1)[0]
            if line.endswith("<unfinished ...>\n"):
                begun[thread] = line[: -len(" <unfinished ...>\n")]
            elif " resumed>" in line:
                yield begun.pop(thread, "") + line.split(" resumed>", 1)[1]
            else:
                yield line


def operations(trace, folder):
    """What the program did to its folder and its connections, in order."""
    at, synced = {}, {}  # by descriptor: where write() goes on, and whether each write is a sync
    for line in lines_of(trace):
        call = CALL.match(line)
        if not call or call[4].startswith("-") or "MSG_PEEK" in call[3]:
            continue
        name, args, result = call[2], call[3], int(call[4], 0)
        if name in ("open", "openat"):
            at[result] = 0
            synced[result] = "O_DSYNC" in args or "O_SYNC" in args
            continue
        what = FD.match(args)
        if not what:
            continue
        fd, target = int(what[1]), what[2]
        data = b"".join(unhex(m[1]) for m in HEX.finditer(args[what.end():]))
        if target.startswith("TCP"):
            kind = Got if name in ("read", "recvfrom", "recvmsg") else Sent
            if data:
                yield kind(target, data[:result])
            continue
        path = unhex(target).decode() if target.startswith("\\x") else target
        if not path.startswith(folder) or what[0].rstrip(",").endswith("(deleted)"):
            continue
        path = os.path.relpath(path, folder)
        if name == "lseek":
            at[fd] = result
        elif name == "pwrite64":
            yield Write(path, int(args.rsplit(",", 1)[1], 0), data[:result], synced.get(fd, False))
        elif name in ("write", "writev"):
            yield Write(path, at.get(fd, 0), data[:result], synced.get(fd, False))
            at[fd] = at.get(fd, 0) + result
        elif name == "ftruncate":
            yield Cut(path, int(args.rsplit(",", 1)[1], 0))
        elif name in ("fsync", "fdatasync"):
            yield Sync(path)


class Disk:
    """What is certainly on it, and what only may be."""

    def __init__(self):
        self.sure, self.maybe = collections.defaultdict(bytearray), collections.defaultdict(list)

    @staticmethod
    def apply(content, op):
        if isinstance(op, Cut):
            del content[op.size:]
            content.extend(bytes(op.size - len(content)))
        else:
            content.extend(bytes(max(0, op.offset - len(content))))
            content[op.offset:op.offset + len(op.data)] = op.data

    def note(self, op):
        if isinstance(op, Sync):
            for one in self.maybe.pop(op.path, []):
                self.apply(self.sure[op.path], one)
            self.sure[op.path] += b""
        elif isinstance(op, Write) and op.synced:
            self.apply(self.sure[op.path], op)
        else:
            self.maybe[op.path].append(op)

    def after_cut(self, how, chance):
        """The files, as the power left them."""
        files = {path: bytearray(content) for path, content in self.sure.items()}
        for path, ops in self.maybe.items():
            for op in ops:
                for part in torn(op, how, chance):
                    self.apply(files.setdefault(path, bytearray()), part)
        return files


def torn(op, how, chance):
    if how == "none" or (how == "some" and chance.random() < 0.5):
        return
    if how in ("all", "some") or isinstance(op, Cut):
        yield op
        return
    for at in range(0, len(op.data), how):
        if chance.random() < 0.5:
            yield op._replace(offset=op.offset + at, data=op.data[at:at + how])


class Wire:
    """What has left: acknowledgements and publishes, as MQTT packets and HTTP answers."""

    def __init__(self, broker, front):
        self.broker, self.front = f"->127.0.0.1:{broker}]", f"[127.0.0.1:{front}->"
        self.rest = collections.defaultdict(bytes)
        self.packet_ids = {}  # of messages, by connection
        self.acknowledged, self.accepted, self.published = set(), set(), set()

    def packets(self, key, data):
        rest = self.rest[key] + data
        while len(rest) >= 2:
            size, shift, head = 0, 0, 1
            while head < len(rest):
                byte = rest[head]
                size, shift, head = size | (byte & 127) << shift, shift + 7, head + 1
                if byte < 128:
                    break
            else:
                break
            if len(rest) < head + size:
                break
            yield rest[0], rest[head:head + size]
            rest = rest[head + size:]
        self.rest[key] = rest

    @staticmethod
    def publish(flags, body):
        length = int.from_bytes(body[:2], "big")
        topic = body[2:2 + length].decode()
        return topic, int.from_bytes(body[2 + length:4 + length], "big") if flags & 6 else 0

    def note(self, op):
        if self.front in op.connection and isinstance(op, Sent):
            self.accepted.update(re.findall(r'202 .*?"id":"([0-9a-f-]+)"', op.data.decode("latin-1"), re.S))
        if self.broker not in op.connection:
            return
        for first, body in self.packets((op.connection, type(op)), op.data):
            if first >> 4 == 3:
                topic, number = self.publish(first, body)
                if isinstance(op, Got):
                    self.packet_ids[op.connection, number] = topic
                elif topic.startswith("out/"):
                    self.published.add(topic[4:])
            elif first >> 4 == 4 and isinstance(op, Sent):
                self.acknowledged.add(self.packet_ids[op.connection, int.from_bytes(body[:2], "big")])


def zingq(*args):
    return subprocess.run([os.environ["ZINGQ"], *args], capture_output=True, text=True, timeout=60)


def fault_of(folder, wire):
    """What is wrong with a folder, or None."""
    doctor = zingq("doctor", "--store", "--data", folder)
    if doctor.returncode != 0:
        return "the store is damaged: " + doctor.stdout + doctor.stderr
    listing = zingq("events", "--json", "--limit", "100000", "--data", folder)
    if listing.returncode != 0:
        return "its events cannot be listed: " + listing.stderr
    events = json.loads(listing.stdout)
    keys = [e["key"] for e in events]
    topics, ids = {e["topic"] for e in events}, {e["id"] for e in events}
    done = {e["key"] for e in events if e["state"] == "done"}
    if len(keys) != len(set(keys)):
        return "an event is there twice"
    for promise, lost in (("a PUBACK", wire.acknowledged - topics), ("a 202", wire.accepted - ids),
                          ("a publish", wire.published - done)):
        if lost:
            return f"{promise} had left that the store does not know: {sorted(lost)[:5]}"
    return None


def ended(folder):
    status = zingq("status", "--json", "--data", folder)
    services = json.loads(status.stdout)["services"] if status.returncode == 0 else []
    return any(s["name"] == "jobs" and s["waiting"] == 0 for s in services)


def fault_after_start(folder):
    host = subprocess.Popen([os.environ["ZINGQ"], "run", "--data", folder, "--broker", "mqtt://127.0.0.1:1"],
                            env={**os.environ, "ZINGQ_HTTP_LISTEN": ""}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    up = f"{folder}/zingq.sock"
    while not (os.path.exists(up) and ended(folder)) and time.monotonic() < end and host.poll() is None:
        time.sleep(0.05)
    host.send_signal(signal.SIGTERM)
    told = host.communicate(timeout=60)[1]
    if host.returncode != 0 or not ended(folder):
        return f"a host does not go on from it (status {host.returncode}): {told}"
    events = json.loads(zingq("events", "--json", "--limit", "100000", "--data", folder).stdout)
    done = sorted(e["key"] for e in events if e["state"] == "done")
    try:
        with open(f"{folder}/files/lines.txt") as f:
            lines = sorted(f.read().split())
    except FileNotFoundError:
        lines = []
    return None if lines == done else f"{len(done)} events are done, and there are {len(lines)} lines"


def make(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(f"{folder}/files", mode=0o700)
    os.chmod(folder, 0o700)
    for path, content in files.items():
        if path == "data.mdb" or path.startswith("files/"):
            with open(f"{folder}/{path}", "wb") as f:
                f.write(content)


def run(ops, ports, cuts, chance, lies=False):
    """Cuts the power at `cuts` of the places where a sync is about to be made; (how many, the first fault)."""
    disk, wire = Disk(), Wire(*ports)
    places = [i for i, op in enumerate(ops) if isinstance(op, Sync) or (isinstance(op, Write) and op.synced)]
    begin = next(i for i, op in enumerate(ops) if isinstance(op, Got))  # before, the folder was being made
    chosen = set(chance.choices([i for i in places if i > begin], k=cuts))
    made = 0
    for i, op in enumerate(ops):
        if isinstance(op, (Sent, Got)):
            wire.note(op)
            continue
        if i in chosen:
            for how in ("none", "all", "some", 512, 4096) if not lies else ("none",):
                make("cut", disk.after_cut(how, chance))
                fault = fault_of("cut", wire)
                if fault is None and made % 5 == 0 and not lies:
                    fault = fault_after_start("cut")
                made += 1
                if fault is not None:
                    return made, f"cut before operation {i}, with {how} of what was not synced: {fault}"
        if lies and chance.random() < 0.5:
            if isinstance(op, Sync):
                continue
            if isinstance(op, Write) and op.synced:
                op = op._replace(synced=False)
        disk.note(op)
    return made, None


def main():
    trace, folder, broker, front, cuts = sys.argv[1], os.path.realpath(sys.argv[2]), *map(int, sys.argv[3:6])
    seed = int(sys.argv[6]) if len(sys.argv) > 6 else random.SystemRandom().randrange(1 << 32)
    ops = list(operations(trace, folder))
    made, fault = run(ops, (broker, front), max(1, cuts // 5), random.Random(seed))
    print(f"# {made} cuts, seed {seed}")
    print("ok 1 - nothing that was promised is lost, whatever the disk had" if fault is None else f"not ok 1 - {fault}")
    control = run(ops, (broker, front), 20, random.Random(seed), lies=True)[1]
    print("not ok 2 - a disk that lies is not noticed" if control is None else "ok 2 - a disk that lies is noticed")
    print(f"# {control}")
    sys.exit(fault is not None or control is None)


if __name__ == "__main__":
    main()
