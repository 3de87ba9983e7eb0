#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the completion of bash against cruxctl's help, and tries it. Prints TAP. usage: completion.py SCRIPT CRUXCTL"""
import re
import subprocess
import sys

# The line, whose last word is to be completed, and what is offered; None: all that is offered must be files.
TABLE = [
    ("cruxctl sta", "status start state"),
    ("cruxctl -q --instance=ci de", "destroy-image destroy"),
    ("cruxctl --socket /x ex", "exec"),
    ("cruxctl --js", "--json"),
    ("cruxctl status --r", ""),
    ("cruxctl build --r", "--resource --root"),
    ("cruxctl build --platform=linux/am", "linux/amd64"),
    ("cruxctl build --resource ", ""),
    ("cruxctl import a 1.0 /et", "/etc"),
    ("cruxctl import a /et", ""),
    ("cruxctl update box a 1.0 /et", "/etc"),
    ("cruxctl build --output /et", "/etc"),
    ("cruxctl exec box --", ""),
    ("cruxctl exec --", "--help --version --socket --instance --quiet --json"),
    ("cruxctl log box -", ""),
]


def complete(script, line):
    # As bash cuts it: "=" is a word of its own.
    words = [w for part in line.split(" ") for w in (re.findall(r"[^=]+|=", part) or [""])]
    quoted = " ".join(f"'{w}'" for w in words)
    code = f"""compopt() {{ :; }}; source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _cruxctl
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-uc", code], text=True, capture_output=True)
    return done.stdout.split() if done.returncode == 0 and not done.stderr else [done.stderr]


def main():
    script, program = sys.argv[1:]
    help_text = subprocess.run([program, "--help"], text=True, capture_output=True, check=True).stdout
    left = re.findall(r"^ {2,6}(\S+(?: \S+)*)", help_text, re.M)
    real = {w.split()[0] for w in left if w[0] != "-"}
    real |= {o for w in left if w[0] == "-" for o in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", w)}
    with open(script) as file:
        told = set(" ".join(re.findall(r"(?m)^    local (?:verbs|options|build_options)='(.*)'", file.read())).split())

    print(f"1..{len(TABLE) + 1}")
    print(f"{'ok' if real == told else 'not ok'} 1 - offers what the help tells")
    if real != told:
        print("# differ:", " ".join(sorted(real ^ told)))
    for number, (line, expected) in enumerate(TABLE, 2):
        offered = complete(script, line)
        wanted = expected.split()
        good = sorted(offered) == sorted(wanted)
        print(f"{'ok' if good else 'not ok'} {number} - {line}")
        if not good:
            print(f"# offers {offered}, expected {wanted}")


main()
