#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the man pages against what they describe, both ways: options and commands of the programs, settings with their
defaults and ranges, commands of the protocol and codes of errors, members of a recipe, fields and ids of messages. The
pages themselves must be rendered without a warning, where a renderer is there.

usage: man.py SOURCE CRUXD CRUXCTL PAGE…"""
import pathlib
import re
import shutil
import subprocess
import sys

MICROSECONDS = {"h": 3600 * 10**6, "min": 60 * 10**6, "s": 10**6, "ms": 1000}
BYTES = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10}


class Page:
    MACROS = set("Ar Cm Dq Dv Er Ev Fa Fl Fn Ic Ns Oc Oo Op Pa Pq Ql Sx Sy Va Vt Xr".split())

    def __init__(self, path):
        self.name = path.name
        self.lines = path.read_text().splitlines()

    @classmethod
    def arguments(cls, line, macro):
        """The words that stand behind a macro in a line."""
        current, found = None, []
        for word in line.replace("\\-", "-").split()[1:]:
            if word in cls.MACROS:
                current = word
            elif current == macro and word not in (",", "|", "..."):
                found.append(word)
        return found

    def items(self, macro):
        """The macro's arguments in the heads of list items, each with the text up to the next item."""
        found, names, text = [], [], []
        for line in [*self.lines, ".It"]:
            if re.match(r"\.(It|El|Sh|Ss)\b", line):
                found += [(name, " ".join(text)) for name in names]
                names, text = [], []
            if line.startswith(".It"):
                names = self.arguments(line, macro)
            elif not line.startswith(".Pp"):
                text.append(re.sub(r"^\.[A-Z][a-z] ", "", line))
        return found

    def names(self, macro):
        return {name for name, _ in self.items(macro)}

    def all_names(self, macro):
        """Wherever they stand."""
        return {word.strip(".,:;()") for line in self.lines for word in self.arguments("It " + line[1:], macro)}


def read(source, *parts):
    return source.joinpath("src", *parts).read_text()


def strings(pattern, text):
    return set(re.findall(pattern, text))


# ---- one check a function: the differences that it finds ----------------------------------------------------------


def compare(real, page, told, what):
    if not real:
        yield f"no {what} found in the sources: this check has become blind"
    for name in sorted(real - told):
        yield f"{what} {name} is not in {page.name}"
    for name in sorted(told - real):
        yield f"{what} {name} is in {page.name} alone"


def check_program(program, page):
    help_text = subprocess.run([program, "--help"], text=True, capture_output=True, check=True).stdout
    # What begins a line, as far as two blanks.
    left = re.findall(r"^ {2,6}(\S+(?: \S+)*)", help_text, re.M)
    options = {o for words in left if words[0] == "-" for o in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words)}
    commands = {words.split()[0] for words in left if words[0] != "-"}
    told = {"-" + name for name in page.names("Fl") if name != "-"}
    yield from compare(options, page, told, "option")
    yield from compare(commands, page, page.names("Cm"), "command")


def unit_text(value, units):
    """A number in the largest unit that divides it: as a person writes it."""
    for unit, size in units.items():
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def evaluate(expression):
    """What a C constant of settings.c is, as the page writes it."""
    expression = " ".join(expression.split())
    text = re.match(r'"(.*)"$', expression)
    if text:
        return text[1]
    number = r"(?:\w+\((\d+)\)|(\d+))$"
    digits = re.match(number, expression)
    if not digits:
        return "1ms" if expression == "USEC_PER_MSEC" else None
    value = int(digits[1] or digits[2])
    if expression.startswith(("MINUTES", "SECONDS")):
        return unit_text(value * MICROSECONDS["min" if expression[0] == "M" else "s"], MICROSECONDS)
    if expression.startswith(("KIB", "MIB", "GIB")):
        return unit_text(value * BYTES[expression[0]], BYTES)
    return str(value)


def settings_of(source):
    """key → (least, most, default), each None where there is none to be told."""
    text = read(source, "broker", "settings.c")
    found = {}
    for key, rest in re.findall(r'\bDAEMON\("(\w+)", (.*?)\),\n(?=\s*(?:/|DAEMON|LIMIT|\n|\}))', text, re.S):
        part = {name: evaluate(value) for name, value in re.findall(r"\.(\w+)\s*=\s*((?:\"[^\"]*\"|[^,])+)", rest)}
        found[key] = (part.get("least"), part.get("most"), part.get("fallback") or part.get("fallback_string"))
    for key, low, high, value in re.findall(
        r'\bLIMIT\("(\w+)",\s*\w+,\s*\w+,\s*([\w()]+),\s*([\w()]+),\s*([\w()]+)\)', text
    ):
        found[key] = (evaluate(low), evaluate(high), evaluate(value))
    return found


def check_settings(source, page):
    real = settings_of(source)
    text = {name.removesuffix("="): words for name, words in page.items("Ic")}
    yield from compare(set(real), page, set(text), "setting")
    for key in sorted(set(real) & set(text)):
        least, most, default = real[key]
        words = text[key]
        if least is not None and f"From {least} to {most}." not in words:
            yield f"{page.name} does not say of {key}= that it is from {least} to {most}"
        elif least is None and most is not None and f"At most {most}." not in words:
            yield f"{page.name} does not say of {key}= that it is at most {most}"
        wanted = f"and {default} for each user." if "PerUser" in key else f"Default: {default}"
        if default is not None and wanted not in words:
            yield f"{page.name} does not say of {key}= \"{wanted}\""


def check_protocol(source, page):
    table = re.findall(r"\.name = \"([\w-]+)\"(.*?)\}", read(source, "protocol", "command.c"), re.S)
    commands = {name for name, row in table if ".internal = true" not in row}
    codes = strings(r"\[ERROR_[A-Z_]+\] = \{ \"([a-z-]+)\"", read(source, "base", "error.c")) - {"none"}
    members = strings(r"\{ MEMBER_\w+, \"(\w+)\"", read(source, "protocol", "payload.c"))
    progress = strings(r"json_add\w*\(payload, \"(\w+)\"", read(source, "worker", "progress.c"))
    everywhere = page.all_names("Ic")
    for what, real in (("command", commands), ("error code", codes)):
        yield from compare(real, page, page.names("Ic") & real, what)
    for what, real in (("member", members), ("member of progress", progress)):
        yield from compare(real, page, everywhere & real, what)
    for name in sorted(page.names("Ic") - commands - codes - members - progress):
        yield f"{name} is in {page.name} alone"


def check_recipe(source, page):
    code = read(source, "recipe", "recipe.c") + read(source, "recipe", "step.c")
    real = strings(r"(?:json_get_\w+|read_\w+)\(json, \"(\w+)\"", code) | {"env"}
    yield from compare(real - {"stages"}, page, page.names("Ic"), "member")


def check_fields(source, page):
    code = "".join(p.read_text() for p in sorted((source / "src").glob("*/*.c")) if p.parent.name != "ctl")
    real = strings(r"\"((?:CRUXD|CONTAINER|OBJECT)_[A-Z_]+)=", code) | strings(
        r"LOG_CONTEXT_FIELD\(\"(\w+)\"", code
    )
    real |= strings(r"\{ \"((?:CRUXD|CONTAINER|OBJECT)_[A-Z_]+)\",", code)
    yield from compare(real, page, page.names("Ev"), "field")
    ids = strings(r"#define MESSAGE_\w+ \"([0-9a-f]{32})\"", read(source, "base", "message-id.h"))
    yield from compare(ids, page, page.names("Sy"), "message id")


def check_catalog(source):
    ids = strings(r"#define MESSAGE_\w+ \"([0-9a-f]{32})\"", read(source, "base", "message-id.h"))
    explained = strings(r"(?m)^-- ([0-9a-f]{32})$", read(source, "broker", "cruxd.catalog"))
    for name in sorted(ids ^ explained):
        yield f"message id {name} is in message-id.h or cruxd.catalog alone"


def check_rendering(path):
    """What the renderers that are there complain of."""
    if shutil.which("groff"):
        command = ["groff", "-mdoc", "-Tutf8", "-ww", "-z", str(path)]
        done = subprocess.run(command, text=True, capture_output=True)
        yield from done.stderr.splitlines()
        # Without hyphenation: the "Op" of "Op-tions" is no macro.
        plain = ["groff", "-mdoc", "-Tutf8", "-rHY=0", "-P-cbou", str(path)]
        text = subprocess.run(plain, text=True, capture_output=True).stdout
        for word in sorted(strings(r"\b([A-Z][a-z])\b", text) & Page.MACROS):
            yield f"{path.name}: {word} is printed as text: no macro stands there"
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(path)], text=True, capture_output=True)
        yield from (done.stdout + done.stderr).splitlines()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.isascii() or len(line) > 110 or line != line.rstrip():
            yield f"{path.name}:{number}: not ASCII, over 110 columns, or with white space at its end"


def check_references(path, pages):
    """Pages that are ours and referred to must be there."""
    for name, section in re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.M):
        if name.startswith(("crux", "xyz.crux")) and f"{name}.{section}" not in pages:
            yield f"{path.name} refers to {name}({section}), which there is not"


def main():
    source, cruxd, cruxctl = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    paths = {pathlib.Path(p).name: pathlib.Path(p) for p in sys.argv[4:]}
    page = {name: Page(path) for name, path in paths.items()}
    cases = [
        ("cruxd(8) and --help", check_program(cruxd, page["cruxd.8"])),
        ("cruxctl(1) and --help", check_program(cruxctl, page["cruxctl.1"])),
        ("cruxd.conf(5) and the settings", check_settings(source, page["cruxd.conf.5"])),
        ("cruxd-protocol(7) and the protocol", check_protocol(source, page["cruxd-protocol.7"])),
        ("cruxd-recipe(5) and the recipe", check_recipe(source, page["cruxd-recipe.5"])),
        ("cruxd.journal-fields(7) and the fields", check_fields(source, page["cruxd.journal-fields.7"])),
        ("the catalog and the message ids", check_catalog(source)),
    ]
    for name, path in paths.items():
        cases.append((f"{name}: rendered without warnings", check_rendering(path)))
        cases.append((f"{name}: what it refers to", check_references(path, page)))
    print(f"1..{len(cases)}")
    for number, (name, problems) in enumerate(cases, 1):
        problems = list(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {name}")
        for problem in problems:
            print("#", problem)


main()
