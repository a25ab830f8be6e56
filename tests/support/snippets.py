#!/usr/bin/env python3
"""snippets.py REPO ZINGQ FOLDER - what the documentation shows is understood by the program.

Of README.md and docs/: every Lua block compiles and calls nothing of zing that there is not; every block of topics.conf is
good, with handlers that do nothing where it names some; every `zingq` and `./dev` command, in blocks and in the text, has that
name and those options. A block is fenced, or indented and then told by its first lines. One that is abbreviated (…) or marked
`norun` is left out, and counted. FOLDER is for files.
"""
import os
import pathlib
import re
import subprocess
import sys

SECTIONS = "broker store http limits sys hosts egress log vars service endpoint schedule token database telemetry".split()
CONF = re.compile(rf"({'|'.join(SECTIONS)})\s*(\"[^\"]*\"\s*)?\{{")
LUA = re.compile(r"local |function |return |for |if |end\b|--|zing\.|[\w.]+\[\"|t:|test\(|saga:|\w+ = zing")
SHELL = re.compile(r"\$ |sudo |zingq |build/zingq |\./dev|mosquitto_|curl |git |cmake |docker |cp |openssl |sh |printf |export |for \w+ in .*; do")

SHELL_LINES = ("    ", "zingq ", "build/zingq ", "sudo ", "$ ")  # else it is a sentence


def language(lines):
    """Of an indented block: by its first line that says something."""
    first = next((line.strip() for line in lines if line.strip() and not line.strip().startswith(("#", "--"))), "")
    for name, pattern in (("conf", CONF), ("sh", SHELL), ("lua", LUA)):
        if pattern.match(first):
            return name
    return ""


def blocks(path):
    """Yields (line number, language, words behind it, lines) of a page's blocks."""
    fence, indented, start, in_list, blank = None, [], 0, False, True
    for number, line in enumerate(path.read_text().splitlines() + [""], 1):
        opened = re.match(r" *```(.*)", line)
        if fence is not None:
            if opened:
                words = fence.split()
                yield start, words[0] if words else language(indented), words[1:], indented
                fence, indented = None, []
            else:
                indented.append(line)
        elif opened:
            fence, start = opened[1], number
        elif line.startswith("    ") and not in_list and (blank or indented):
            start = start if indented else number
            indented.append(line[4:])
        elif not line.strip() and indented:
            indented.append("")
        else:
            if indented:
                yield start, language(indented), [], indented
                indented = []
            if line.strip():
                in_list = bool(re.match(r"(\d+\.|[-*]) |  ", line))
        blank = not line.strip()


def is_shortened(lines):
    return any("…" in line or re.search(r"(?<![.\w])\.\.\.(?!\.)", line.split("--")[0]) for line in lines)


class Checker:
    def __init__(self, repo, zingq, folder):
        self.repo, self.zingq, self.folder = repo, zingq, folder
        self.counts = {"lua": 0, "conf": 0, "commands": 0, "left": 0}
        self.failed, self.help = [], {}

    def fail(self, path, number, why):
        self.failed.append(f"{path.relative_to(self.repo)}:{number}: {why}")

    def check(self, folder):
        text = (folder / "topics.conf").read_text()
        names = re.findall(r"env:(\w+)", text)
        secrets = {name: "postgres://db/x" if name.endswith("URL") else "whsec_" + "c2VjcmV0" * 8 for name in names}
        number = {"ZINGQ_HOSTS_THIS": "1"} if re.search(r"\bcount\s*=", text) and "this" not in text else {}
        env = {**os.environ, **secrets, **number}
        done = subprocess.run([self.zingq, "check"], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    def project(self, name):
        folder = self.folder / name
        (folder / "scripts").mkdir(parents=True)
        return folder

    # ---- Lua: all blocks as services of one project ----

    def lua(self, found):
        folder, conf, places = self.project("lua"), [], {}
        for path, number, lines in found:
            name = f"b{len(places)}"
            places[name] = (path, number)
            text = "\n".join(lines)
            whole = re.search(r"^return \w", text, re.MULTILINE)
            (folder / "scripts" / f"{name}.lua").write_text(
                text + "\n" if whole else "return function(event)\n" + text + "\nend\n")
            conf.append(f'service "{name}" {{ subscribe = {{"#"}} handler = "{name}.lua" }}')
        (folder / "topics.conf").write_text("\n".join(conf) + "\n")
        said = self.check(folder)[1]
        for line in said.splitlines():
            name = re.search(r"\b(b\d+)(?:\.lua)?\b", line)
            if name and ("zing." in line or "warning" not in line) and name[1] in places:
                self.fail(*places[name[1]], line)
        self.counts["lua"] = len(places)

    # ---- topics.conf: a project a block ----

    def conf(self, path, number, lines):
        text = re.sub('"file:[^"]*"', '"env:IN_A_FILE"', "\n".join(lines) + "\n")
        self.counts["conf"] += 1
        folder = self.project(f"conf{self.counts['conf']}")
        for script in re.findall(r'(?:handler|retry|dead_letter)\s*=\s*"(\w+\.lua)"', text):
            (folder / "scripts" / script).write_text("return function() end\n")
        (folder / "topics.conf").write_text(text)
        status, said = self.check(folder)
        if status != 0:
            self.fail(path, number, said.strip())

    # ---- commands ----

    def options_of(self, words):
        """The help of the command that the words begin with: of two words, or of one."""
        for count in (2, 1):
            name = tuple(words[:count])
            if name not in self.help:
                done = subprocess.run([self.zingq, "help", *name], capture_output=True, text=True, timeout=60)
                self.help[name] = done.stdout if done.returncode == 0 else None
            if self.help[name] is not None:
                return self.help[name]
        return None

    def command(self, path, number, text):
        words = re.findall(r"^[a-z][-\w]*|(?<= )[a-z][-\w]*(?= |$)", text.split("#")[0])
        options = re.findall(r"(?<= )--[a-z][-\w]*", text)
        told = self.options_of(words) if words else ""
        self.counts["commands"] += 1
        if told is None:
            self.fail(path, number, f"there is no command: zingq {text}")
            return
        for option in options if words else []:
            if not re.search(rf"{option}\b", told):
                self.fail(path, number, f"zingq {words[0]} has no {option}: zingq {text}")

    def commands(self, path):
        dev = (self.repo / "dev").read_text()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            texts = re.findall(r"`(?:zingq|build/zingq) ([^`]+)`", line)
            if line.startswith(SHELL_LINES):
                texts += re.findall(r"(?:^|\| |\$ |&& |-u zingq |build/|\$\()\s*zingq ([^|&;`)]+)", line)
            for text in texts:
                if re.match(r"[a-z]", text):
                    self.command(path, number, text)
            for verb in re.findall(r"(?:^ *|`)\./dev ([a-z]+)", line):
                self.counts["commands"] += 1
                if not re.search(rf"^(\w+ \| )*{verb}( \| \w+)*\)", dev, re.MULTILINE):
                    self.fail(path, number, f"there is no ./dev {verb}")


def main():
    repo, zingq, folder = map(pathlib.Path, sys.argv[1:])
    checker, lua = Checker(repo, zingq, folder), []
    pages = [repo / "README.md", *sorted((repo / "docs").rglob("*.md"))]
    for path in pages:
        checker.commands(path)
        for number, kind, words, lines in blocks(path):
            if kind not in ("lua", "conf"):
                continue
            if "norun" in words or is_shortened(lines):
                checker.counts["left"] += 1
            elif kind == "lua":
                lua.append((path, number, lines))
            else:
                checker.conf(path, number, lines)
    checker.lua(lua)
    print("\n".join(checker.failed))
    print("# {lua} Lua blocks and {conf} of topics.conf are good, {commands} commands are there; {left} blocks are "
          "abbreviated or for people".format(**checker.counts))
    sys.exit(bool(checker.failed) or min(checker.counts["lua"], checker.counts["conf"]) == 0)


if __name__ == "__main__":
    main()
