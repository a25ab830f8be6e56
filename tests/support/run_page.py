#!/usr/bin/env python3
"""run_page.py [--files] [--set OLD=NEW]... PAGE FOLDER - does what a page of the documentation shows.

A fenced block `conf file=NAME` or `lua file=NAME` is a file. A block `sh` is run, in order, in FOLDER or where the
one before ended. When a block `output` follows, that is what it must print, `*` standing for any text; such a block
only looks, so it is repeated until it does, for ten seconds at the most. `sh background` is started, and ends with
the page; `sh norun` is for people, and counted. --files stops after the files; --set replaces a text, such as a port.
"""
import fnmatch
import os
import pathlib
import signal
import subprocess
import sys
import time

started = []


def blocks(text):
    """Yields (words of the fence, lines, line number)."""
    words, lines, start = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```") and words is None:
            words, lines, start = line[3:].split(), [], number
        elif line.startswith("```"):
            yield words, lines, start
            words = None
        elif words is not None:
            lines.append(line)


def file_of(words):
    return next((word[5:] for word in words[1:] if word.startswith("file=")), None)


class Place:
    """The folder that a page has gone to."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.note = self.folder / ".where"

    def write(self, name, lines):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def run(self, lines):
        script = "\n".join(["set -eu", *lines, f"pwd >'{self.note}'"])
        done = subprocess.run(["sh", "-c", script], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if done.returncode == 0:
            self.folder = pathlib.Path(self.note.read_text().strip())
        return done

    def start(self, lines):
        log = open(self.folder / "background.log", "a")
        started.append(subprocess.Popen(["sh", "-c", "exec " + "\n".join(lines)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True))


def fits(said, wanted):
    said = said.splitlines()
    return len(said) == len(wanted) and all(fnmatch.fnmatchcase(s.rstrip(), w.rstrip().replace("[", "[[]"))
                                            for s, w in zip(said, wanted))


def look(page, start, lines, wanted, place):
    until = time.monotonic() + 10
    while True:
        done = place.run(lines)
        if done.returncode == 0 and fits(done.stdout, wanted):
            return
        if time.monotonic() > until:
            sys.exit(f"{page}:{start}: printed (status {done.returncode})\n{done.stdout}\n"
                     "instead of\n" + "\n".join(wanted))
        time.sleep(0.1)


def play(page, found, place):
    """Runs the blocks; how many were run, and how many are for people."""
    count = left = 0
    for at, (words, lines, start) in enumerate(found):
        if file_of(words):
            place.write(file_of(words), lines)
        if words[:1] != ["sh"] or "norun" in words:
            left += "norun" in words
            continue
        follows = found[at + 1] if at + 1 < len(found) else ([], [], 0)
        if "background" in words:
            place.start(lines)
        elif follows[0][:1] == ["output"]:
            look(page, start, lines, follows[1], place)
        else:
            done = place.run(lines)
            if done.returncode != 0:
                sys.exit(f"{page}:{start}: status {done.returncode}\n{done.stdout}")
        count += 1
        print(f"ok {count} {pathlib.Path(page).name} line {start}", flush=True)
    return count, left


def main():
    options, (page, folder) = sys.argv[1:-2], sys.argv[-2:]
    text = pathlib.Path(page).read_text()
    for option in (o for o in options if "=" in o):
        text = text.replace(*option.split("=", 1))
    found, place = list(blocks(text)), Place(folder)
    if "--files" in options:
        for words, lines, _ in found:
            if file_of(words):
                place.write(file_of(words), lines)
        return
    try:
        count, left = play(page, found, place)
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
    print(f"1..{count}")
    print(f"# {left} blocks are for people and were not run")


main()
