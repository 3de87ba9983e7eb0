#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy (.clang-tidy says what it looks for) over what a build compiles. Prints TAP, a case for each file.
usage: tidy.py SOURCE BUILD CLANG-TIDY"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys

# What gcc is told and clang does not know is not our business here.
OPTIONS = ["--quiet", "--extra-arg=-Wno-unknown-warning-option"]


def compiled(source, build):
    """The project's own files, not what is generated."""
    with open(build / "compile_commands.json") as file:
        commands = json.load(file)
    paths = {(pathlib.Path(c["directory"]) / c["file"]).resolve() for c in commands}
    return sorted(p for p in paths if p.is_relative_to(source) and not p.is_relative_to(build))


def tidy(program, build, path):
    done = subprocess.run([program, *OPTIONS, "-p", build, path], text=True, capture_output=True)
    return done.returncode, done.stdout


def main():
    source, build, program = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
    paths = compiled(source, build)
    print(f"1..{len(paths)}")
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda path: tidy(program, build, path), paths)
        for number, (path, (status, words)) in enumerate(zip(paths, results), 1):
            print(f"{'not ok' if status else 'ok'} {number} - {path.relative_to(source)}")
            for line in words.splitlines()[:20] if status else []:
                print("#", line)


main()
