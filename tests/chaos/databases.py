"""The PostgreSQL of a run: one server, or two of which one follows the other and has each commit before it counts."""

import glob
import os
import shutil
import signal
import subprocess

SETTINGS = "unix_socket_directories = '%s'\nfsync = off\ndynamic_shared_memory_type = mmap\n"


class Databases:
    def __init__(self, world, names):
        self.world, self.names = world, names
        self.primary = names[0]
        self.bin = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or ["/usr/bin"])[-1]
        self.user = []

    def prepare(self):
        for name in self.names:
            os.makedirs(self.world.path(name), 0o700)
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            self.be_nobody()
        self.run(self.primary, "initdb", "-D", self.data(self.primary), "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8",
                 "--locale", "C")
        with open(self.data(self.primary) + "/postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(SETTINGS % self.world.path(self.primary))
        with open(self.data(self.primary) + "/pg_hba.conf", "a", encoding="utf-8") as rules:
            rules.write("host all all all trust\nhost replication all all trust\n")
        for name in self.names:
            words = [*self.user, self.bin + "/postgres", "-D", self.data(name), "-p", str(self.world.ports[name]),
                     "-h", self.world.net.everywhere() if len(self.names) > 1 else "127.0.0.1"]
            self.world.add(name, words, cwd="/", crash=signal.SIGQUIT)

    def be_nobody(self):
        self.user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*self.user, "true"], capture_output=True, check=False).returncode != 0:
            self.user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
            for name in self.names:
                shutil.chown(self.world.path(name), "nobody", "nogroup")
            os.chmod(self.world.folder, 0o711)

    def data(self, name):
        return self.world.path(name, "data")

    def run(self, name, program, *words):
        self.world.must(*self.world.net.inside(name), *self.user, self.bin + "/" + program, *words, cwd="/")

    def query(self, statement, name=None):
        name = name or self.primary
        url = "postgres://shop@127.0.0.1:%d/postgres" % self.world.ports[name]
        inside = self.world.net.inside(name)
        environment = dict(os.environ, PGOPTIONS="-c synchronous_commit=local")  # waits for no standby
        return self.world.must(*inside, "psql", "-X", "-A", "-t", "-q", "-F", ",", url, "-c", statement, env=environment)

    def start(self):
        self.world.programs[self.primary].start()
        self.wait_for_answer(self.primary)
        for name in self.names[1:]:
            self.follow(name)

    def wait_for_answer(self, name):
        self.world.wait(30, lambda: self.answers("select 1", name), "PostgreSQL does not start: %s" % name)

    def answers(self, statement, name=None):
        """Whether it answers with something."""
        try:
            return self.query(statement, name).strip() not in ("", "f")
        except self.world.trouble:
            return False

    # ---- the other server ----

    def spare(self):
        return next(name for name in self.names if name != self.primary)

    def synchronous(self):
        return self.answers("select bool_or(sync_state = 'sync') from pg_stat_replication")

    def follow(self, name):
        """A new copy of the primary, for which commits wait from now on."""
        shutil.rmtree(self.data(name), ignore_errors=True)
        source = "postgres://shop@%s:%d/postgres" % (self.world.net.address(self.primary), self.world.ports[self.primary])
        self.run(name, "pg_basebackup", "-D", self.data(name), "-d", source, "-R", "-c", "fast", "--no-sync")
        self.world.programs[name].start()
        self.wait_for("'*'")
        self.world.wait(30, self.synchronous, "%s does not follow %s" % (name, self.primary))

    def wait_for(self, names):
        self.query("alter system set synchronous_standby_names = %s" % names)
        self.query("select pg_reload_conf()")

    def fail_over(self):
        """The primary is lost and the other one takes its place. Returns what makes the lost one follow it."""
        lost, self.primary = self.primary, self.spare()
        self.world.programs[lost].end()
        self.query("select pg_promote()")
        self.wait_for("''")
        return lambda: self.follow(lost)
