"""dockerfile.py FILE WORD - what the last stage of a Dockerfile says, for a shell:

packages    that it installs, a line each
steps       what it does to the files, in order: its RUN lines without those that install packages, and
            its COPY lines from the build context, which is $CONTEXT
env         NAME=VALUE each
user        whom it runs as
entrypoint, cmd, healthcheck    an argument a line
"""
import json
import re
import sys


def instructions(text):
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def last_stage(path):
    stage = []
    with open(path) as file:
        for word, rest in instructions(file.read()):
            stage = [] if word == "FROM" else stage + [(word, rest)]
    return stage


def commands(rest):
    return (part.strip() for part in rest.split("&&"))


def is_apt(command):
    return command.startswith("apt-get") or command == "rm -rf /var/lib/apt/lists/*"


def arguments(rest):
    return json.loads(rest[rest.index("["):])


def packages(rest):
    for command in commands(rest):
        if command.startswith("apt-get install"):
            yield from (p for p in command.split()[2:] if not p.startswith("-"))


def steps(word, rest):
    if word == "RUN":
        yield from (command for command in commands(rest) if not is_apt(command))
    elif word == "COPY" and not rest.startswith("--"):
        source, target = rest.split()
        yield f"cp -R $CONTEXT/{source} {target}"


def tell(stage, wanted):
    for word, rest in stage:
        if wanted == "packages" and word == "RUN":
            yield from packages(rest)
        elif wanted == "steps":
            yield from steps(word, rest)
        elif wanted == "env" and word == "ENV":
            yield from rest.split()
        elif wanted == "user" and word == "USER":
            yield rest
        elif wanted == word.lower() and word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            yield from arguments(rest)


for line in tell(last_stage(sys.argv[1]), sys.argv[2]):
    print(line)
