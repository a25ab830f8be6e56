"""System calls of the real program that fail: see tests/blackbox/sys_faults.sh, in whose folder this runs.

usage: sys_faults.py BROKER_PORT FRONT_PORT POINTS [SEED]

A point is a call, an error and a number: in one life of a host, with five messages at the broker and five requests at its front
door, the call of that number fails with that error. Then

  - the host has ended when it was asked to, or before, and by no signal;
  - zingq doctor --store finds nothing wrong;
  - a host that starts on the folder ends every message, and every request that had its 202: each has one line in
    files/lines.txt, and nothing else has more than one.

Then as many of commands, while no host runs. A command ends well, with what it prints otherwise, or says why it does not; the
store has what it had, and what could not be finished is finished when it is asked for again.
"""
import atexit
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ZINGQ = os.environ["ZINGQ"]
RARE = 60
OWN_CALLS = {"memory": 2500, "system": 200, "library": 150, "store": 1500, "interrupt": 40}
FAULTY = os.path.join(os.path.dirname(ZINGQ), "tests", "zingq_faulty")
EACH = 5
PATIENCE_S = 90

# What a call may fail with; several for those that mean different things. Left out: epoll_ctl, because libuv ends the process when
# the system has no memory to watch a socket.
ERRORS = {
    "fdatasync": ["EIO", "ENOSPC"], "fsync": ["EIO"], "pwrite64": ["ENOSPC", "EIO"], "write": ["ENOSPC", "EIO"],
    "writev": ["ENOSPC"], "pread64": ["EIO"], "read": ["EIO"], "openat": ["EMFILE", "ENOSPC", "EACCES"],
    "mmap": ["ENOMEM"], "ftruncate": ["EIO"], "fallocate": ["ENOSPC"], "rename": ["ENOSPC"], "mkdir": ["ENOSPC"],
    "unlink": ["EIO"], "newfstatat": ["EIO"], "flock": ["ENOLCK"], "fcntl": ["EINVAL"], "getdents64": ["EIO"],
    "socket": ["EMFILE"], "bind": ["EADDRINUSE"], "listen": ["EADDRINUSE"], "connect": ["ENETUNREACH"],
    "accept4": ["EMFILE", "ENOMEM", "ECONNABORTED"], "epoll_wait": ["EINTR"],
    "epoll_pwait": ["EINTR"], "poll": ["EINTR", "ENOMEM"], "sendto": ["ECONNRESET"], "recvfrom": ["ECONNRESET", "EINTR"],
    "pipe2": ["EMFILE"], "eventfd2": ["EMFILE"], "clone3": ["EAGAIN"], "getrandom": ["EINTR"], "timer_create": ["EAGAIN"],
}

# A pipe within the process: Linux lets no write to it fail, and libuv ends the process if one does.
OWN = re.compile(r"write\(\d+<(pipe:|anon_inode:\[eventfd\])")

Point = collections.namedtuple("Point", "call error number")


class Broken(Exception):
    pass


def launch(point, trace):
    """A host, in which the point fails: a system call, or a call of the program (tests/support/fault/)."""
    if point.error is None:
        os.environ["ZINGQ_FAULT"] = f"{point.call}:{point.number}"
        try:
            return start([FAULTY, "run"])
        finally:
            del os.environ["ZINGQ_FAULT"]
    what = f"inject={point.call}:error={point.error}:when={point.number}"
    return start(["strace", "-f", "--seccomp-bpf", "-yy", "-o", trace, "-e", f"trace={point.call}", "-e", what, ZINGQ, "run"])


def start(command):
    with open("host.log", "ab") as log:
        host = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    atexit.register(kill, host)
    return host


def status():
    done = subprocess.run([ZINGQ, "status", "--json"], capture_output=True, timeout=PATIENCE_S, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


def wait_for(what, holds, host):
    """Until it holds. False: the host has ended."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if host.poll() is not None:
            return False
        if time.monotonic() > end:
            raise Broken(f"waited in vain: {what}")
        time.sleep(0.02)
    return True


def is_ready():
    s = status()
    return s is not None and s.get("host") is not None and s["host"]["ready"]


def program_of(host):
    """What strace runs; None: it does not run, or is none."""
    try:
        with open(f"/proc/{host.pid}/task/{host.pid}/children") as f:
            return int(f.read().split()[0])
    except (OSError, IndexError):
        return None


def kill(host):
    """With what it traces: that goes on without it."""
    pids = [program_of(host), host.pid]
    if host.poll() is None:
        for pid in filter(None, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        host.wait()


def stop(host):
    """Asks it to end; its exit status. strace passes no signal on."""
    pid = program_of(host) or host.pid
    if host.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    try:
        return host.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        kill(host)
        raise Broken("it did not end when it was asked to") from None


def publish(port, numbers):
    for n in numbers:
        subprocess.run(["mosquitto_pub", "-V", "5", "-q", "1", "-p", port, "-t", f"in/{n}", "-m", f'{{"n":{n}}}'], check=True)


def post(front, numbers):
    """Those that were accepted."""
    accepted = set()
    for n in numbers:
        request = urllib.request.Request(f"http://127.0.0.1:{front}/jobs", f'{{"n":{n}}}'.encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                if answer.status == 202:
                    accepted.add(n)
        except (OSError, urllib.error.HTTPError, ValueError):
            pass
    return accepted


def lines():
    try:
        with open("data/files/lines.txt") as f:
            return collections.Counter(int(line) for line in f if line.strip())
    except FileNotFoundError:
        return collections.Counter()


def live(point, port, front, first):
    """One life with the fault in it. What must be done in the end, and whether it struck."""
    trace = os.path.abspath("trace")
    if os.path.exists(trace):
        os.unlink(trace)
    host = launch(point, trace)
    messages = range(first, first + EACH)
    try:
        wait_for("it is ready", is_ready, host)
    except Broken:
        pass  # it may have to wait for something that has failed; it has to end all the same
    publish(port, messages)
    accepted = post(front, range(first + EACH, first + 2 * EACH))
    end = time.monotonic() + 2
    while host.poll() is None and time.monotonic() < end and not set(messages) | accepted <= set(lines()):
        time.sleep(0.02)
    ended = stop(host)
    struck = struck_lines(trace if point.error else "host.log")
    if (ended < 0 or ended > 128) and not any(OWN.search(line) for line in struck):
        raise Broken(f"it was ended by a signal: status {ended}\n# {struck}")
    return set(messages) | accepted, bool(struck)


def struck_lines(file):
    with open(file, errors="replace") as f:
        return [line for line in f if "(INJECTED)" in line or "ZINGQ_FAULT=" in line]


def check(point, port, front, first):
    """True: the fault has struck."""
    shutil.rmtree("data")
    shutil.copytree("first", "data", ignore=shutil.ignore_patterns("zingq.sock"))
    open("host.log", "w").close()
    wanted, struck = live(point, port, front, first)
    doctor = subprocess.run([ZINGQ, "doctor", "--store"], capture_output=True, text=True, check=False)
    if doctor.returncode != 0:
        raise Broken("doctor: " + doctor.stdout + doctor.stderr)
    host = start([ZINGQ, "run"])
    try:
        if not wait_for("everything ends", lambda: wanted <= set(lines()), host):
            raise Broken("no host starts any more")
    finally:
        stop(host)
    twice = [n for n, times in lines().items() if times > 1]
    if twice:
        raise Broken(f"done twice: {twice}")
    return struck


# Whether what it prints is always the same.
COMMANDS = {("check",): False, ("events", "--json"): True, ("state", "list", "jobs"): True, ("export",): True,
            ("doctor", "--store"): False, ("compact",): False, ("backup", "copy"): False}


def run(command, *options, **environment):
    return subprocess.run(list(options) + [ZINGQ] + list(command), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=PATIENCE_S, check=False, env=os.environ | environment)


def check_command(command, point):
    """True: the fault has struck."""
    shutil.rmtree("copy", ignore_errors=True)
    shutil.rmtree("data")
    shutil.copytree("lived", "data")
    usual = run(command).stdout if COMMANDS[command] else None
    rows = run(["export"]).stdout
    what = f"inject={point.call}:error={point.error}:when={point.number}"
    done = run(command, "strace", "-f", "--seccomp-bpf", "-yy", "-o", "trace", "-e", f"trace={point.call}", "-e", what)
    struck = struck_lines("trace")
    if (done.returncode < 0 or done.returncode > 128) and not any(OWN.search(line) for line in struck):
        raise Broken(f"it was ended by a signal: status {done.returncode}, {done.stderr}\n# {struck}")
    if done.returncode == 0 and usual is not None and done.stdout != usual:
        raise Broken(f"it ended well, but printed something else\n# {struck}")
    if done.returncode != 0 and not done.stdout + done.stderr:
        raise Broken(f"status {done.returncode} without a word\n# {struck}")
    again = run(command)
    if again.returncode != 0 and b"never overwritten" not in again.stderr:
        raise Broken(f"it cannot be done again: {again.stderr}\n# {struck}")
    for folder in ["data", "copy"] if command[0] == "backup" else ["data"]:
        if run(["export"], ZINGQ_STORE_PATH=folder).stdout != rows:
            raise Broken(f"{folder} does not have what it had\n# {struck}")
    return bool(struck)


def calls_of_command(command):
    shutil.rmtree("copy", ignore_errors=True)
    run(command, "strace", "-f", "-o", "trace", "-e", "trace=" + ",".join(ERRORS))
    return calls_in_trace()


def calls_in_trace():
    with open("trace") as f:
        return collections.Counter(m[1] for m in re.finditer(r"^\d+ +(\w+)\(", f.read(), re.M))


def count_calls(port, front):
    """How often each call occurs in such a life."""
    shutil.rmtree("data")
    shutil.copytree("first", "data", ignore=shutil.ignore_patterns("zingq.sock"))
    host = start(["strace", "-f", "-o", "trace", "-e", "trace=" + ",".join(ERRORS), ZINGQ, "run"])
    wait_for("it is ready", is_ready, host)
    publish(port, range(EACH))
    post(front, range(EACH, 2 * EACH))
    wait_for("everything ends", lambda: len(lines()) == 2 * EACH, host)
    stop(host)
    shutil.copytree("data", "lived", ignore=shutil.ignore_patterns("zingq.sock"))
    return calls_in_trace()


def points_of(calls, how_many, chance):
    points = [Point(call, error, n) for call, errors in ERRORS.items() for error in errors for n in range(1, calls[call] + 1)]
    chance.shuffle(points)
    rare = [p for p in points if calls[p.call] <= RARE]  # they are different from each other
    often = [p for p in points if calls[p.call] > RARE]
    picked = [p for pair in zip(rare, often) for p in pair] + rare[len(often):] + often[len(rare):]
    return picked[:how_many]


def own_points(how_many, chance):
    """Calls that the program makes, of each kind; not so many are made in every life."""
    kinds = sorted(OWN_CALLS)
    return [Point(kind, None, chance.randint(1, OWN_CALLS[kind])) for kind in (kinds[i % len(kinds)] for i in range(how_many))]


def try_all(what, tries):
    """Calls each, and says which were broken. True: none was, and some have struck."""
    failed = struck = 0
    for name, check_one in tries:
        try:
            struck += check_one()
        except (Broken, subprocess.TimeoutExpired) as why:
            failed += 1
            print(f"# {name}: {why}")
            with open("host.log", errors="replace") as log:
                print("".join("#   " + line for line in log.readlines()[-12:]))
    print(f"# {what}: {len(tries)} points, {struck} have struck")
    return failed == 0 and struck > 0


def tell(number, well, sentence):
    print(f"{'ok' if well else 'not ok'} {number} {sentence}")
    return well


def main():
    port, front, how_many = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    chance = random.Random(seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    alone = os.environ.get("ZINGQ_SYS_FAULT", "").split(":")
    each = -(-int(os.environ.get("ZINGQ_SYS_COMMANDS", how_many)) // len(COMMANDS))
    calls = count_calls(port, front)
    points = points_of(calls, how_many, chance) + own_points(how_many, chance)
    if alone[0]:
        points = [Point(alone[0], alone[1] if len(alone) > 2 else None, int(alone[-1]))]
    lives = [(f"ZINGQ_SYS_FAULT={':'.join(str(part) for part in point if part)}",
              lambda point=point, i=i: check(point, port, front, 1000 * (i + 1))) for i, point in enumerate(points)]
    commands = [(f"{' '.join(command)}, {':'.join(map(str, point))}",
                 lambda command=command, point=point: check_command(command, point))
                for command in COMMANDS for point in points_of(calls_of_command(command), each, chance) if not alone[0]]
    print(f"# seed {seed}")
    well = tell(1, try_all("host", lives), "whatever call of a host fails, nothing acknowledged is lost or done twice")
    told = tell(2, try_all("commands", commands), "whatever call of a command fails, it says so, and the store has what it had")
    print("1..2")
    sys.exit(not (well and told))


main()
