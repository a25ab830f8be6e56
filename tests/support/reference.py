#!/usr/bin/env python3
"""Makes pages of the reference out of the sources, and compares pages with them.

reference.py lua FILE...       Markdown of an API that is described for editors (docs/lua/)
reference.py metrics REPO      metrics that core/ writes and no page of docs/ has, and the other way round
reference.py routes REPO       routes of the API that docs/http.md does not have
reference.py errors REPO       messages of docs/errors.md that no source has
"""
import pathlib
import re
import sys

# ---- the Lua API --------------------------------------------------------------------------------


def split_type(text):
    """A type and what follows it: the type ends at a space outside brackets that no , : or | precedes."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "({<[") - (char in ")}>]")
        if char == " " and depth == 0 and text[at - 1] not in ",:|":
            return text[:at], text[at + 1:]
    return text, ""


def cell(text):
    return text.replace("|", "\\|")


def code(text):
    return f"`{cell(text)}`"


def rows_of(comments, tag):
    """The (name, type, text) of all @field or @param lines."""
    for line in comments:
        match = re.match(rf"@{tag} (\S+) (.*)", line)
        if match:
            yield (match[1],) + split_type(match[2])


def put_table(comments, tag):
    rows = list(rows_of(comments, tag))
    if rows:
        print(f"\n| {'field' if tag == 'field' else 'argument'} | type | |\n|---|---|---|")
    for name, kind, text in rows:
        print(f"| `{name}` | {code(kind)} | {cell(text)} |")


def put_text(comments):
    """Sentences, and indented examples as code."""
    in_code = False
    for line in (c for c in comments if not c.startswith("@")):
        is_code = line.startswith("    ")
        if is_code != in_code:
            print("```" if in_code else "\n```lua")
        in_code = is_code
        print(line[4:] if is_code else line)
    if in_code:
        print("```")


def put_returns(comments):
    returned = [split_type(c[len("@return "):]) for c in comments if c.startswith("@return ")]
    if returned:
        print("\nReturns " + ", ".join(f"`{kind}`" + (f" {text}" if text else "") for kind, text in returned) + ".")


def put_item(comments, line):
    function = re.match(r"function (\S+)\((.*)\) end", line)
    table = re.match(r"(?:local )?([\w.]+) = ", line)
    kind = next((c for c in comments if re.match(r"@(class|alias) ", c)), None)
    if function:
        print(f"\n### {function[1]}({function[2]})\n")
    elif kind and kind.startswith("@alias"):
        name, what = split_type(kind[len("@alias "):])
        print(f"\n### {name}\n\n`{what}`\n")
    elif kind:
        print(f"\n### {kind.split()[1]}\n")
    elif table and comments:
        print(f"\n### {table[1]}\n")
    else:
        return
    put_text(comments)
    for call in (c[len("@overload "):] for c in comments if c.startswith("@overload ")):
        print(f"\nIt is called as `{call}`.")
    put_table(comments, "field")
    put_table(comments, "param")
    put_returns(comments)


def put_api(path):
    comments = []
    for line in path.read_text().splitlines() + [""]:
        section = re.match(r"-- ---- (.*?) -+$", line)
        if section:
            print(f"\n## {section[1].capitalize()}")
        elif line.startswith("---") and not line.startswith("---@meta"):
            comments.append(line[3:])
        elif not line.startswith("--"):
            put_item(comments, line)
            comments = []


# ---- pages and sources that must agree ----------------------------------------------------------


def sources(repo):
    return {path: path.read_text() for path in sorted((repo / "core").rglob("*.c"))}


def tell(lines):
    for line in lines:
        print(line)
    sys.exit(bool(lines))


def metrics(repo):
    """A metric's name stands in a text of its own, before its type or its help."""
    written = set()
    for text in sources(repo).values():
        written.update(re.findall(r'"(zingq_[a-z0-9_]+)",\s*"', text))
        written.update(re.findall(r"# TYPE (zingq_[a-z0-9_]+) ", text))
        if "# TYPE zingq_%s " in text:
            written.update("zingq_" + name for name in re.findall(r'"(broker_[a-z_]+)",\s*"', text))
    told = set()
    for page in ("monitoring.md", "telemetry.md"):
        path = repo / "docs" / page
        told.update(re.findall(r"`(zingq_[a-z0-9_]+)", path.read_text()) if path.exists() else ())
    told -= {"zingq_sys"}
    tell([f"core/ writes {name}: add it to the table of docs/monitoring.md" for name in sorted(written - told)]
         + [f"docs/monitoring.md names {name}, which core/ does not write" for name in sorted(told - written)])


def told_routes(page):
    """GET /api/x of every table row; "…/y" replaces the last part of the path before it."""
    for line in page.splitlines():
        method, path = None, ""
        for word in re.findall(r"`([^`]*)`", line.split(" | ")[0]):
            match = re.match(r"(?:(GET|POST) )?(/[^?]*|…/[^?]*)", word)
            if match:
                method = match[1] or method
                path = match[2] if match[2][0] == "/" else path.rsplit("/", 1)[0] + match[2][1:]
                yield method, re.sub(r"<[^>]*>", "*", path)


def routes(repo):
    rows = re.findall(r'\{(GET|POST), "(/api/[^"]*)"', (repo / "core/web/admin/admin.c").read_text())
    told = {(m, re.sub(r"(/\*){2,}", "/**", p)) for m, p in told_routes((repo / "docs/http.md").read_text())}
    tell([f"docs/http.md has no {method} {path}" for method, path in rows if (method, path) not in told])


def errors(repo):
    """Messages are the code in the first column; … stands for any text, in C for a conversion."""
    texts = []
    for text in sources(repo).values():
        joined = re.sub(r'(?<!\\)"\s*(PRI\w+\s*)?"', lambda m: "d" if m[1] else "", text)
        texts += [re.sub(r"%[-+ #0-9.*]*[hlzj]*[a-zA-Z]", "…", t).replace('\\"', '"')
                  for t in re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined)]
    lines = []
    page = (repo / "docs/errors.md").read_text()
    told = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    for message in told:
        pattern = ".*".join(re.escape(part) for part in message.split("…"))
        if not any(re.search(pattern, text) for text in texts):
            lines.append(f"docs/errors.md: no source says: {message}")
    if not told:
        lines.append("docs/errors.md has no messages")
    tell(lines)


def main():
    what, *paths = sys.argv[1:]
    if what == "lua":
        for path in paths:
            put_api(pathlib.Path(path))
    else:
        {"metrics": metrics, "routes": routes, "errors": errors}[what](pathlib.Path(paths[0]))


main()
