#!/usr/bin/python3
"""Reads what stands in docker/ for Prometheus and Grafana.

metrics_used.py exprs DASHBOARD.json   every query of the dashboard as a rule file for promtool
metrics_used.py names FILE...          every zingq_ metric that dashboards and rule files name
metrics_used.py yaml FILE...           whether the files are YAML (needs python3-yaml)
"""
import json
import re
import sys


def exprs(path):
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)), "two panels have one id"
    rules = []
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            rules.append({"record": f"panel_{panel['id']}_{target['refId']}", "expr": target["expr"]})
    # JSON is YAML
    print(json.dumps({"groups": [{"name": dashboard["title"], "rules": rules}]}))


def names(paths):
    found = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            found.update(re.findall(r"\bzingq_[a-z0-9_]+", file.read()))
    for name in sorted(found):
        print(re.sub("_(bucket|count|sum)$", "", name))


def read_yaml(paths):
    import yaml

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            names = [self.construct_object(name, deep) for name, _ in node.value]
            assert len(names) == len(set(names)), f"a name stands there twice: {names}{node.start_mark}"
            return super().construct_mapping(node, deep)

    for path in paths:
        with open(path, encoding="utf-8") as file:
            assert yaml.load(file, Strict) is not None, f"{path} is empty"


if __name__ == "__main__":
    what, *files = sys.argv[1:]
    {"exprs": lambda: exprs(files[0]), "names": lambda: names(files), "yaml": lambda: read_yaml(files)}[
        what
    ]()
