#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at which libraries programs need. Prints TAP. usage: links.py READELF PROGRAM FORBIDDEN… [-- PROGRAM …]"""
import itertools
import re
import subprocess
import sys


def needed(readelf, program):
    text = subprocess.run([readelf, "-d", program], text=True, capture_output=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def main():
    readelf, words = sys.argv[1], sys.argv[2:]
    groups = [list(g) for end, g in itertools.groupby(words, lambda w: w == "--") if not end]
    print(f"1..{len(groups)}")
    for number, (program, *forbidden) in enumerate(groups, 1):
        libraries = needed(readelf, program)
        wrong = [l for l in libraries if any(f in l for f in forbidden)]
        print(f"{'not ok' if wrong else 'ok'} {number} - {program} needs none of {', '.join(forbidden)}")
        print("# needs", ", ".join(libraries) or "nothing")


main()
