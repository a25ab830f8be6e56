"""What breaks in a run, drawn from its seed. A fault has a place, which has one fault at a time; most end after a while."""

import errno
import os
import resource
import shutil
import signal

LONG_S = (18, 24)  # beyond the 15 s after which another host stands in
SHORT_S = (0.3, 5)


class Hindered(Exception):
    """It cannot be ended while others last."""


class Faults:
    def __init__(self, world, chance, note, short=False):
        self.world, self.chance, self.note, self.short = world, chance, note, short
        self.active = {}  # place -> (name, undo)
        net = [("slow", self.slow, 3), ("stall", self.stall, 3), ("hole", self.hole, 3), ("reset", self.reset, 3),
               ("torn", self.torn, 3)]
        if world.net.kind == "namespaces":
            net += [("cut", self.cut, 3), ("cut one way", self.cut_one_way, 2), ("isolate", self.isolate, 2),
                    ("destroy", self.destroy, 2), ("narrow", self.narrow, 2), ("disk full", self.disk_full, 2)]
        self.table = net + [
            ("kill host", self.kill_host, 5), ("stop host", self.stop_host, 3), ("restart host", self.restart_host, 1),
            ("kill broker", self.kill_broker, 2), ("restart broker", self.restart_broker, 1),
            ("stop broker", self.stop_broker, 2), ("kill gateway", self.kill_gateway, 2),
            ("stop gateway", self.stop_gateway, 1), ("kill mail", self.kill_mail, 1),
            ("kill database", self.kill_database, 2)]
        if world.cluster:
            self.table += [("kill shard", self.kill_shard, 3), ("stop shard", self.stop_shard, 2),
                           ("stop parent", self.stop_parent, 2), ("drain host", self.drain_host, 3)]
        else:
            self.table += [("file size", self.file_size, 1), ("memory", self.memory, 2), ("descriptors", self.descriptors, 2)]
        if world.logged:
            self.table += [("lose host", self.lose_host, 3), ("fail over", self.fail_over, 4),
                           ("stop database", self.stop_database, 2)]

    # ---- the schedule ----

    def draw(self):
        """Begins the next fault: its place and for how many seconds, or None if there is nothing to end."""
        name, make, _ = self.chance.choices(self.table, [weight for _, _, weight in self.table])[0]
        long = not self.short and self.chance.random() < 0.12
        seconds = self.chance.uniform(*(LONG_S if long else SHORT_S))
        return self.begin(name, make, seconds)

    def begin(self, name, make, seconds):
        made = make()
        if made is None:
            return None
        place, undo = made
        self.note("begin", name, place)
        if undo is None:
            return None
        self.active[place] = (name, undo)
        return place, seconds

    def end(self, place):
        """False: another one hinders it, so it has to be tried again."""
        if place in self.active:
            name, undo = self.active[place]
            try:
                undo()
            except Hindered:
                return False
            del self.active[place]
            self.note("end", name, place)
        return True

    def heal(self, but=()):
        hindered = [place for place in list(self.active) if not place.startswith(but) and not self.end(place)]
        for place in hindered:
            self.world.wait(30, lambda place=place: self.end(place), place + " cannot be ended")

    def free(self, place):
        return place if place not in self.active else None

    # ---- links ----

    def link(self):
        """A host and a service whose link has no fault yet, and its place; half of the time the broker's."""
        host = self.chance.choice(self.world.hosts)
        name = "broker" if self.chance.random() < 0.5 else self.chance.choice(self.world.services)
        place = "link %s %s" % (host, name)
        isolated = "link %s all" % host in self.active
        return (host, name, place) if self.free(place) and not isolated else (None, None, None)

    def relayed(self, back=None, **order):
        host, name, place = self.link()
        if place is None:
            return None
        self.world.relay(host, name, **order)
        return place, (lambda: self.world.relay(host, name, **back)) if back else None

    def slow(self):
        low = self.chance.uniform(0, 0.2)
        return self.relayed(delay=[low, low + self.chance.uniform(0, 0.8)], back={"delay": [0, 0]})

    def stall(self):
        return self.relayed(stall=True, back={"stall": False})

    def hole(self):
        return self.relayed(hole=self.chance.choice(("up", "down", "both")), back={"hole": None})

    def reset(self):
        return self.relayed(reset=True)

    def torn(self):
        return self.relayed(torn=True)

    def dropped(self, pairs, place):
        """Packets of these (source, target) are dropped for a while."""
        net = self.world.net
        for pair in pairs:
            net.cut(*pair)
        return place, lambda: [net.mend(*pair) for pair in pairs]

    def cut(self):
        host, name, place = self.link()
        return self.dropped([(host, name), (name, host)], place) if place else None

    def cut_one_way(self):
        host, name, place = self.link()
        return self.dropped([self.chance.choice([(host, name), (name, host)])], place) if place else None

    def isolate(self):
        host = self.chance.choice(self.world.hosts)
        if any(place.startswith("link %s " % host) for place in self.active):
            return None
        pairs = [pair for name in self.world.services for pair in ((host, name), (name, host))]
        return self.dropped(pairs, "link %s all" % host)

    def destroy(self):
        host, name, place = self.link()
        if place:
            self.world.net.destroy(host, name)
            return place, None
        return None

    def narrow(self):
        node = self.chance.choice(self.world.hosts + list(self.world.services))
        place = "width " + node
        if not self.free(place):
            return None
        self.world.net.thin(node, self.chance.choice(("32kbit", "128kbit", "512kbit")))
        return place, lambda: self.world.net.thick(node)

    # ---- processes ----

    def killed(self, name, number=None):
        program = self.world.programs[name]
        if not self.free("process " + name):
            return None
        program.end(number)
        return "process " + name, program.start

    def stopped(self, name, also=()):
        program = self.world.programs[name]
        if not self.free("process " + name) or not program.running():
            return None
        for pid in [program.process.pid, *also]:
            send(pid, signal.SIGSTOP)
        return "process " + name, lambda: [send(pid, signal.SIGCONT) for pid in [program.process.pid, *also]]

    def kill_host(self):
        host = self.chance.choice(self.world.hosts)
        killed = self.killed(host)
        if killed and self.world.plant == "amnesia":
            shutil.rmtree(self.world.data(host), ignore_errors=True)  # its processes end right now
        return killed

    def lose_host(self):
        """With its disk: its folder is built again from its log."""
        host = self.chance.choice(self.world.hosts)
        killed = self.killed(host) if self.free("disk " + host) else None
        if killed:
            shutil.rmtree(self.world.data(host), ignore_errors=True)  # its processes end right now
        return killed

    def stop_host(self):
        host = self.chance.choice(self.world.hosts)
        return self.stopped(host, self.world.shards_of(host))

    def stop_parent(self):
        """Its shards run on, until others have them."""
        return self.stopped(self.chance.choice(self.world.hosts))

    def shard(self):
        """The process of one, on a host that has no fault of its own."""
        host = self.chance.choice(self.world.hosts)
        pids = self.world.shards_of(host) if self.free("process " + host) else []
        return (host, self.chance.choice(pids)) if pids else (None, None)

    def kill_shard(self):
        host, pid = self.shard()
        return ("process " + host, None) if pid and send(pid, signal.SIGKILL) else None

    def stop_shard(self):
        host, pid = self.shard()
        return ("process " + host, lambda: send(pid, signal.SIGCONT)) if pid and send(pid, signal.SIGSTOP) else None

    def drain_host(self):
        host = self.chance.choice(self.world.hosts)
        place = "drain " + host
        if not self.free(place) or not self.managed("drain", host):
            return None
        return place, lambda: self.undrain(host)

    def undrain(self, host):
        if not self.managed("undrain", host):
            raise Hindered

    def managed(self, *words):
        """False while the database is away."""
        try:
            self.world.manage(*words)
            return True
        except self.world.trouble:
            return False

    def restart_host(self):
        return self.killed(self.chance.choice(self.world.hosts), signal.SIGTERM)

    def kill_broker(self):
        return self.killed("broker")

    def restart_broker(self):
        return self.killed("broker", signal.SIGTERM)

    def stop_broker(self):
        return self.stopped("broker")

    def kill_gateway(self):
        return self.killed("gateway")

    def stop_gateway(self):
        return self.stopped("gateway")

    def kill_mail(self):
        return self.killed("mail")

    def kill_database(self):
        return self.killed(self.chance.choice(self.world.databases.names))

    def stop_database(self):
        return self.stopped(self.chance.choice(self.world.databases.names))

    def fail_over(self):
        databases = self.world.databases
        if not all(self.free("process " + name) for name in databases.names) or not databases.synchronous():
            return None
        lost = databases.primary
        follow = databases.fail_over()

        def undo():
            try:
                follow()
            except self.world.trouble as trouble:
                raise Hindered from trouble  # the new primary has ended
        return "process " + lost, undo

    # ---- limits ----

    def disk_full(self):
        host = self.chance.choice(self.world.hosts)
        place, ballast = "disk " + host, self.world.path(host, "ballast")
        if not self.free(place):
            return None
        spare = self.chance.choice((0, 0, 8192, 65536))
        with open(ballast, "wb") as file:
            fill(file.fileno(), spare)
        return place, lambda: os.unlink(ballast)

    def limited(self, host, what, soft):
        place = "process " + host
        program = self.world.programs[host]
        if not self.free(place) or not self.world.ready(host):
            return None
        try:
            return place, self.world.limit(host, what, soft(program.process.pid))
        except (OSError, ValueError):  # it has just ended
            return None

    def file_size(self):
        host = self.chance.choice(self.world.hosts)
        return self.limited(host, resource.RLIMIT_FSIZE, lambda _: os.path.getsize(self.world.data(host) + "/data.mdb"))

    def memory(self):
        room = self.chance.choice((0, 256, 1024, 4096)) * 1024
        host = self.chance.choice(self.world.hosts)
        return self.limited(host, resource.RLIMIT_DATA, lambda pid: data_bytes(pid) + room)

    def descriptors(self):
        spare = self.chance.randrange(4)
        host = self.chance.choice(self.world.hosts)
        return self.limited(host, resource.RLIMIT_NOFILE, lambda pid: len(os.listdir("/proc/%d/fd" % pid)) + spare)


def send(pid, number):
    """False if it has just ended."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def fill(fd, spare):
    """Leaves so many bytes on the disk of the file, as far as others do not take them meanwhile."""
    disk = os.fstatvfs(fd)
    try:
        os.posix_fallocate(fd, 0, max(disk.f_bavail * disk.f_frsize - spare, disk.f_frsize))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def data_bytes(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
