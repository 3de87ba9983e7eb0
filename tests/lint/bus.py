#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the man page of the bus against what is on it, both ways: interfaces, methods, signals and properties with their
arguments, types and flags, the names of errors, polkit's actions. Prints TAP. usage: bus.py PAGE BUS-NAME.C POLICY XML…"""
import pathlib
import re
import shlex
import sys
import xml.etree.ElementTree

KINDS = {"Methods": "method", "Signals": "signal", "Properties": "property"}
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
FLAGS = {"true": "emits-change", "false": "", "invalidates": "emits-invalidation", "const": "const"}


def member_of_xml(member):
    """(kind, name, arguments or type and flags), as the page has it."""
    if member.tag != "property":
        arguments = [" ".join(filter(None, (a.get("direction"), a.get("type"), a.get("name")))) for a in member.findall("arg")]
        return member.tag, member.get("name"), tuple(arguments)
    emits = [a.get("value") for a in member.findall("annotation") if a.get("name") == EMITS]
    flags = [FLAGS[emits[0] if emits else "true"], "writable" if member.get("access") == "readwrite" else ""]
    return "property", member.get("name"), (member.get("type"), *filter(None, flags))


def members_of_xml(paths):
    found = {}
    for path in paths:
        for interface in xml.etree.ElementTree.parse(path).getroot().findall("interface"):
            members = [m for m in interface if m.tag != "annotation"]
            found[interface.get("name")] = {member_of_xml(m) for m in members}
    return found


def members_of_page(text):
    found, interface, kind = {}, None, None
    for line in re.sub(r"\\\n", "", text).splitlines():
        words = shlex.split(line.replace("\\-", "-")) if line.startswith((".It Fn", ".It Va", ".Sh", ".Ss")) else []
        if line.startswith(".Sh"):
            interface = words[1] if "." in words[1] else None
            if interface:
                found[interface] = set()
        elif line.startswith(".Ss"):
            kind = KINDS.get(words[1])
        elif words and interface and line.startswith(".It Fn"):
            found[interface].add((kind, words[2], tuple(words[3:])))
        elif words and interface:
            macros = ("Pq", "Vt", "No", ",")
            found[interface].add((kind, words[2], tuple(w for w in words[3:] if w not in macros)))
    return found


def compare(real, told):
    if not real:
        yield "nothing found in the sources: this check has become blind"
    for what in sorted(real - told):
        yield f"not in the page: {what}"
    for what in sorted(told - real):
        yield f"in the page alone: {what}"


def main():
    page, code, policy = (pathlib.Path(p).read_text() for p in sys.argv[1:4])
    real, told = members_of_xml(sys.argv[4:]), members_of_page(page)
    errors = set(re.findall(r'BUS_NAME "(\.Error\.\w+)"', code))
    actions = set(re.findall(r'<action id="([\w.]+)"', policy))
    cases = [("interfaces", compare(set(real), set(told)))]
    cases += [(name, compare(real[name], told.get(name, set()))) for name in sorted(real)]
    cases += [
        ("errors", compare({"xyz.cruciblehq.cruxd1" + e for e in errors}, set(re.findall(r"^\.Er (xyz\S+)", page, re.M)))),
        ("polkit's actions", compare(actions, set(re.findall(r"^\.It Cm (\S+)", page, re.M)))),
    ]
    print(f"1..{len(cases)}")
    for number, (name, problems) in enumerate(cases, 1):
        problems = list(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {name}")
        for problem in problems:
            print("#", problem)


main()
