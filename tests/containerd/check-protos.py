#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the cut-down .proto files, and the methods that are called, against containerd's own. Prints TAP.

usage: check-protos.py PROTO-DIR SOURCE-DIR CONTAINERD-DIR [INCLUDE-DIR…]

Each cut-down file names its originals in lines "// Cut down from: PATH"; PATH is sought in CONTAINERD-DIR (Debian's
package golang-github-containerd-containerd-dev has it in /usr/share/gocode/src/github.com/containerd/containerd) and in
the INCLUDE-DIRs. What the cut-down files have must be in the originals, by the same name, number, type and label; they
may have less. Fields that they name in lines "// Since containerd VERSION: MESSAGE.FIELD…" may be lacking there. protoc cannot compare them, for Debian's package lacks files that the originals import.
"""
import pathlib
import re
import sys

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*")|([A-Za-z_][\w.]*|\d+|\S)', re.DOTALL)
METHOD = re.compile(
    r'\.path = "/([\w.]+)/(\w+)",\s*\.request = &(\w+)__descriptor,\s*\.reply = &(\w+)__descriptor', re.DOTALL)
METHODS_AT_LEAST = 40


class Proto:
    """One .proto file: messages by dotted name, each {number: (name, label, type)}; enums; services."""

    def __init__(self, text):
        self.package, self.messages, self.enums, self.services = "", {}, {}, {}
        self.tokens = [m.group(1) or m.group(2) for m in TOKEN.finditer(text) if m.group(1) or m.group(2)]
        self.at = 0
        while self.at < len(self.tokens):
            self.statement("")

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def take_until(self, ends):
        """The tokens before one of the ends, and that end. Brackets and aggregates belong to what is taken."""
        taken, depth = [], 0
        while True:
            token = self.take()
            if depth == 0 and token in ends:
                return taken, token
            depth += (token in "[<(") - (token in "]>)")
            taken.append(token)

    def skip_block(self):
        depth = 1
        while depth:
            token = self.take()
            depth += (token == "{") - (token == "}")

    def block(self, handle, *args):
        while self.tokens[self.at] != "}":
            handle(*args)
        self.take()

    def statement(self, prefix):
        words, end = self.take_until(("{", ";"))
        if not words:
            return
        if words[0] == "package":
            self.package = words[1]
        elif end == ";":
            if prefix and "=" in words and words[0] not in ("option", "reserved"):
                self.field(prefix, words)
        elif words[0] == "message":
            name = prefix + words[1]
            self.messages[name] = {}
            self.block(self.statement, name + ".")
        elif words[0] == "enum":
            self.enums[prefix + words[1]] = {}
            self.block(self.enum_value, prefix + words[1])
        elif words[0] == "service":
            self.services[words[1]] = {}
            self.block(self.method, words[1])
        elif words[0] == "oneof":
            self.block(self.statement, prefix)
        else:
            self.skip_block()

    def field(self, prefix, words):
        label = words.pop(0) if words[0] in ("repeated", "optional", "required") else ""
        equals = words.index("=")
        kind = "".join(words[: equals - 1])
        # Whether a field's absence can be told makes no difference on the wire.
        self.messages[prefix[:-1]][int(words[equals + 1])] = (words[equals - 1], label.replace("optional", ""), kind)

    def enum_value(self, enum):
        words, _ = self.take_until((";",))
        if words and words[0] not in ("option", "reserved"):
            self.enums[enum][words[0]] = int("".join(words[2:]).split("[")[0])

    def method(self, service):
        words, end = self.take_until((";", "{"))
        if end == "{":
            self.skip_block()
        if words and words[0] == "rpc":
            types = [w for w in words[2:] if w not in ("(", ")", "returns", "stream")]
            self.services[service][words[1]] = (last(types[0]), last(types[1]))


def last(name):
    return name.rsplit(".", 1)[-1]


def c_name(proto, message):
    """What protobuf-c makes of a message's name."""
    def lower(word):
        return re.sub(r"(?<=[a-z0-9_])([A-Z])", r"_\1", word).lower()
    return "__".join([lower(proto.package)] + [lower(part) for part in message.split(".")])


def fields_differ(ours, theirs, message, cut, newer):
    for number, (name, label, kind) in ours.items():
        if number not in theirs and f"{message}.{name}" in newer:
            continue
        if number not in theirs:
            yield f"{message}.{name} = {number} is not in the original"
            continue
        their_name, their_label, their_kind = theirs[number]
        if name != their_name:
            yield f"{message} {number} is {name}, in the original {their_name}"
        entry = re.fullmatch(r"map<(.*),(.*)>", their_kind)
        if entry:
            fields = {n: (f[0], last(f[2])) for n, f in cut.get(last(kind), {}).items()}
            wanted = {1: ("key", last(entry[1])), 2: ("value", last(entry[2]))}
            if label != "repeated" or fields != wanted:
                yield f"{message}.{name} is {label} {kind}, in the original {their_kind}"
        elif (label, last(kind)) != (their_label, last(their_kind)):
            yield f"{message}.{name} is {label} {kind}, in the original {their_label} {their_kind}"


def entries_of(protos):
    """The cut-down messages that stand for the entries of maps: key and value."""
    return {last(m): f for p in protos.values() for m, f in p.messages.items()
            if {n: v[0] for n, v in f.items()} == {1: "key", 2: "value"}}


def check_file(path, proto, roots, entries):
    """Gives the differences, and the originals that are not there."""
    names = re.findall(r"^// Cut down from: (\S+)$", path.read_text(), re.MULTILINE)
    found = [next((r / n for r in roots if (r / n).exists()), None) for n in names]
    missing = [n for n, f in zip(names, found) if not f]
    newer = " ".join(re.findall(r"^// Since containerd \S+: (.*)$", path.read_text(), re.MULTILINE)).split()
    messages, enums, wrong = {}, {}, []
    for original in filter(None, found):
        parsed = Proto(original.read_text())
        messages.update(parsed.messages)
        enums.update(parsed.enums)
    if not names:
        wrong.append("the file does not say what it is cut down from")
    for message, fields in proto.messages.items():
        if message in messages:
            wrong += fields_differ(fields, messages[message], message, entries, newer)
        elif message not in entries and not missing:
            wrong.append(f"{message} is in none of the originals")
    for enum, values in proto.enums.items():
        if enum not in enums and not missing:
            wrong.append(f"{enum} is in none of the originals")
        for name, number in values.items():
            if enum in enums and enums[enum].get(name) != number:
                wrong.append(f"{enum}.{name} = {number} is not in the original")
    return wrong, missing


def check_methods(source, protos, services):
    messages = {c_name(p, m): last(m) for p in protos.values() for m in p.messages}
    count = 0
    for path in sorted(source.rglob("*.c")):
        for service, method, request, reply in METHOD.findall(path.read_text()):
            count += 1
            theirs = services.get(service, {}).get(method)
            ours = (messages.get(request), messages.get(reply))
            if theirs != ours:
                yield f"{path.name}: {service}/{method} takes and gives {ours}, in the original {theirs}"
    if count < METHODS_AT_LEAST:
        yield f"only {count} methods were found: has the way that they are written changed?"


def main():
    proto_dir, source, containerd = map(pathlib.Path, sys.argv[1:4])
    roots = [containerd] + [pathlib.Path(d) for d in sys.argv[4:]]
    if not (containerd / "api/services").is_dir():
        print(f"1..0 # SKIP there is no {containerd}: golang-github-containerd-containerd-dev is not installed")
        return
    protos = {path: Proto(path.read_text()) for path in sorted(proto_dir.glob("*.proto"))}
    entries = entries_of(protos)
    print(f"1..{len(protos) + 1}")
    for number, (path, proto) in enumerate(protos.items(), 1):
        wrong, missing = check_file(path, proto, roots, entries)
        print(f"{'not ok' if wrong else 'ok'} {number} - {path.name}")
        for line in wrong + [f"not installed: {m}" for m in missing]:
            print("#", line)

    services = {}
    for path in (containerd / "api/services").rglob("*.proto"):
        parsed = Proto(path.read_text())
        services.update({f"{parsed.package}.{name}": methods for name, methods in parsed.services.items()})
    wrong = list(check_methods(source, protos, services))
    print(f"{'not ok' if wrong else 'ok'} {len(protos) + 1} - methods")
    for line in wrong:
        print("#", line)


main()
