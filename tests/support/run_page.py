#!/usr/bin/env python3
"""run_page.py PAGE FOLDER - does what a page of the documentation shows.

A fenced block `conf file=NAME` or `lua file=NAME` is a file. A block `sh` is run, in order, in FOLDER. When a
block `output` follows, that is what it must print, `*` standing for any text; such a block only looks, so
it is repeated until it does, for ten seconds at the most. The first argument `--files` stops after the files.
"""
import fnmatch
import pathlib
import subprocess
import sys
import time


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


def run(lines, folder):
    script = "set -eu\n" + "\n".join(lines) + "\n"
    return subprocess.run(["sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def fits(said, wanted):
    said = said.splitlines()
    return len(said) == len(wanted) and all(fnmatch.fnmatchcase(s.rstrip(), w.rstrip().replace("[", "[[]"))
                                            for s, w in zip(said, wanted))


def look(page, start, lines, wanted, folder):
    until = time.monotonic() + 10
    while True:
        done = run(lines, folder)
        if done.returncode == 0 and fits(done.stdout, wanted):
            return
        if time.monotonic() > until:
            sys.exit(f"{page}:{start}: printed (status {done.returncode})\n{done.stdout}\n"
                     "instead of\n" + "\n".join(wanted))
        time.sleep(0.1)


def main():
    only_files = sys.argv[1] == "--files"
    page, folder = sys.argv[-2], pathlib.Path(sys.argv[-1])
    found = list(blocks(pathlib.Path(page).read_text()))
    count = 0
    for at, (words, lines, start) in enumerate(found):
        name = file_of(words)
        if name is not None and only_files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n")
        if words[:1] != ["sh"] or only_files:
            continue
        follows = found[at + 1] if at + 1 < len(found) else ([], [], 0)
        if follows[0][:1] == ["output"]:
            look(page, start, lines, follows[1], folder)
        else:
            done = run(lines, folder)
            if done.returncode != 0:
                sys.exit(f"{page}:{start}: status {done.returncode}\n{done.stdout}")
        count += 1
        print(f"ok {count} line {start}", flush=True)
    if not only_files:
        print(f"1..{count}")


main()
