#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether C is laid out as clang-format would, by .clang-format, and scripts say what shellcheck has nothing against.
Prints TAP, a case for each file. usage: format.py SOURCE CLANG-FORMAT|- SHELLCHECK|-"""
import pathlib
import subprocess
import sys

# Versions differ in what they make of the same settings: this is Debian 13's.
CLANG_FORMAT = 19

SHELLS = ("#!/bin/bash", "#!/bin/sh", "# shellcheck shell=")


def version_of(program):
    words = subprocess.run([program, "--version"], text=True, capture_output=True, check=True).stdout.split()
    return int(words[words.index("version") + 1].split(".")[0])


def is_shell(path):
    with open(path, "rb") as file:
        head = file.read(200).decode(errors="replace").splitlines()
    return any(line.startswith(SHELLS) for line in head[:2])


def scripts(source):
    places = [source / ".ci", *(source / "tests").rglob("*"), *(source / "src").rglob("*.bash")]
    files = [f for p in places for f in (p.iterdir() if p.name == ".ci" else [p]) if f.is_file()]
    return sorted(f for f in files if "corpus" not in f.parts and is_shell(f))


def main():
    source, clang_format, shellcheck = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    cases = []
    if clang_format != "-" and version_of(clang_format) == CLANG_FORMAT:
        files = sorted(f for top in ("src", "tests") for f in (source / top).rglob("*.[ch]"))
        cases += [(f, [clang_format, "--dry-run", "--Werror", f]) for f in files]
    if shellcheck != "-":
        cases += [(f, [shellcheck, "-x", "-P", "SCRIPTDIR", f]) for f in scripts(source)]
    if not cases:
        print(f"1..0 # SKIP neither clang-format {CLANG_FORMAT} nor shellcheck is here")
        return
    print(f"1..{len(cases)}")
    for number, (path, command) in enumerate(cases, 1):
        done = subprocess.run(command, text=True, capture_output=True, cwd=source)
        print(f"{'not ok' if done.returncode else 'ok'} {number} - {path.relative_to(source)}")
        for line in (done.stdout + done.stderr).splitlines()[:20] if done.returncode else []:
            print("#", line)


main()
