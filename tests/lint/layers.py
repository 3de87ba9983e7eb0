#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources against the table of layers in src/ARCHITECTURE.md: each directory includes only those it may, by
the path from src/, and only src/containerd/ includes gRPC and protobuf-c. Prints TAP."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.MULTILINE)
ROW = re.compile(r"^\| ([a-z, ]+) \| .* \| ([a-z –]+) \|$", re.MULTILINE)
FOREIGN = {  # headers of libraries that one layer alone may know
    "grpc/": {"containerd"},
    "protobuf-c/": {"containerd"},
    "archive.h": {"archive"},
    "archive_entry.h": {"archive"},
    "systemd/sd-bus.h": {"broker", "ctl", "runtime"},
    "systemd/sd-event.h": {"broker"},
}
GENERATED = {"config.h"}


def read_table(source):
    """The layers in order, and which each may use."""
    allowed, above = {}, []
    for names, uses in ROW.findall((source / "ARCHITECTURE.md").read_text()):
        for name in names.split(", "):
            allowed[name] = set(above) if uses == "all above" else set(uses.replace("–", "").split())
        above += names.split(", ")
    return allowed


def breaches(source, allowed, path):
    layer = path.relative_to(source).parts[0]
    for kind, name in INCLUDE.findall(path.read_text()):
        if kind == "<":
            for prefix, users in FOREIGN.items():
                if name.startswith(prefix) and layer not in users:
                    yield f"{path}: <{name}> is for {', '.join(sorted(users))} alone"
            continue
        if name in GENERATED or name.endswith(".pb-c.h") and layer == "containerd":
            continue
        target = name.split("/")[0]
        if "/" not in name or not (source / name).exists():
            yield f"{path}: \"{name}\" is no path from src/"
        elif target != layer and target not in allowed[layer]:
            yield f"{path}: {layer} may not use {target} (\"{name}\")"


def main():
    source = pathlib.Path(sys.argv[1])
    allowed = read_table(source)
    if len(allowed) < 10:
        sys.exit(f"Bail out! the table of layers in {source}/ARCHITECTURE.md was not understood: {allowed}")
    layers = sorted(d.name for d in source.iterdir() if d.is_dir())
    print(f"1..{len(layers)}")
    for number, layer in enumerate(layers, 1):
        if layer not in allowed:
            print(f"not ok {number} - {layer}\n# it is not in the table of ARCHITECTURE.md")
            continue
        files = sorted(p for p in (source / layer).rglob("*.[ch]"))
        wrong = [b for p in files for b in breaches(source, allowed, p)]
        print(f"{'not ok' if wrong else 'ok'} {number} - {layer}")
        for b in wrong:
            print("#", b)


main()
