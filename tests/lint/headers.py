#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles each header of a source tree by itself: none may count on what others include before it. Prints TAP.
usage: headers.py SOURCE CC [OPTION…]"""
import concurrent.futures
import pathlib
import subprocess
import sys


def compile_alone(command, header):
    text = f'#include "{header}"\n#include "{header}"\nint x;\n'
    done = subprocess.run(command + ["-x", "c", "-fsyntax-only", "-"], input=text, text=True, capture_output=True)
    return done.returncode, done.stderr


def main():
    source, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    headers = sorted(str(p.relative_to(source)) for p in source.rglob("*.h"))
    print(f"1..{len(headers)}")
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda h: compile_alone(command, h), headers)
        for number, (header, (status, words)) in enumerate(zip(headers, results), 1):
            print(f"{'not ok' if status else 'ok'} {number} - {header}")
            for line in words.splitlines()[:10]:
                print("#", line)


main()
