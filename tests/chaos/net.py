"""The network between the hosts and the services: namespaces where the system allows them, loopback elsewhere.

Each node has a namespace of its own, and one link to the driver's, which forwards between them: so packets of any two nodes
can be dropped, in one direction or both, and links can be made narrow. This kernel's netem is not asked for: delays are made
by relay.py. Nothing here needs root; `unshare` makes a user namespace as well.
"""

import os
import subprocess
import sys

INSIDE = "ZINGQ_CHAOS_INSIDE"


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def enter_namespaces():
    """Starts this program again in namespaces of its own and does not return, if that is allowed; else says why not."""
    if INSIDE in os.environ:
        return None
    unshare = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        tried = subprocess.run([*unshare, sys.executable, __file__], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    if tried.returncode != 0:
        return tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else "unshare fails"
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


class Namespaces:
    """One network namespace a node."""

    kind = "namespaces"

    def __init__(self, nodes):
        self.numbers = {node: number for number, node in enumerate(nodes, 1)}
        run("mount", "-t", "tmpfs", "none", "/run")
        os.mkdir("/run/netns")
        run("ip", "link", "set", "lo", "up")
        for node in nodes:
            self.make(node)
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
            switch.write("1")

    def make(self, node):
        link, net = "v-" + node, "10.77.%d." % self.numbers[node]
        run("ip", "netns", "add", node)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", node)
        run("ip", "addr", "add", net + "1/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run("ip", "-n", node, "link", "set", "lo", "up")
        run("ip", "-n", node, "addr", "add", net + "2/24", "dev", "eth0")
        run("ip", "-n", node, "link", "set", "eth0", "up")
        run("ip", "-n", node, "route", "add", "default", "via", net + "1")

    def address(self, node):
        return "10.77.%d.2" % self.numbers[node]

    def everywhere(self):
        """What a service listens on so that others reach it."""
        return "0.0.0.0"

    def inside(self, node):
        """What to put before a command so that it runs on that node."""
        return ["nsenter", "--net=/run/netns/" + node]

    def port(self, preferred):
        return preferred

    def rule(self, verb, source, target):
        number = 100 + 32 * self.numbers[source] + self.numbers[target]
        run("ip", "rule", verb, "pref", str(number), "from", self.address(source), "to", self.address(target), "blackhole")

    def cut(self, source, target):
        """Packets from the one node to the other vanish."""
        self.rule("add", source, target)

    def mend(self, source, target):
        self.rule("del", source, target)

    def thin(self, node, rate):
        """What the node is sent passes a narrow link, such as "128kbit"."""
        run("tc", "qdisc", "add", "dev", "v-" + node, "root", "tbf", "rate", rate, "burst", "8kb", "latency", "300ms")

    def thick(self, node):
        run("tc", "qdisc", "del", "dev", "v-" + node, "root")

    def destroy(self, node, other):
        """The node's kernel ends its connections with the other one."""
        run(*self.inside(node), "ss", "-K", "dst", self.address(other))

    def small_disk(self, folder, size):
        run("mount", "-t", "tmpfs", "-o", "size=" + size, "none", folder)

    def no_disk(self, folder):
        run("umount", folder)


class Loopback:
    """All nodes on this machine's loopback: what the relays can do is what there is."""

    kind = "loopback"

    def __init__(self, bench_port):
        self.bench_port = bench_port

    def address(self, _node):
        return "127.0.0.1"

    def everywhere(self):
        return "127.0.0.1"

    def inside(self, _node):
        return []

    def small_disk(self, _folder, _size):
        """There is none: the folder lies where it lies."""

    def no_disk(self, _folder):
        pass

    def port(self, _preferred):
        return int(subprocess.run([self.bench_port], check=True, capture_output=True).stdout)


if __name__ == "__main__":  # whether all of it is allowed
    net = Namespaces(["a", "b"])
    net.cut("a", "b")
    net.mend("a", "b")
    net.thin("a", "1mbit")
    net.thick("a")
    net.destroy("a", "b")
    subprocess.run([*net.inside("a"), "true"], check=True)
