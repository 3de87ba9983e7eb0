#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns test logs into lines that can be counted: STATUS, STAGE, TEST, CASE, DETAIL, with tabs between.

    results.py meson STAGE testlog.json
    results.py tap STAGE NAME.tap STATUS      STATUS: the exit status of the program that wrote it

STATUS is passed, failed or skipped. A test that speaks TAP counts as its cases, another as one. Whatever went wrong
beside the cases (a crash, a time limit, a missing plan) is a failure of its own, so that nothing is lost.
"""

import json
import os
import re
import sys

LINE = re.compile(r"(not )?ok\b\s*(\d+)?\s*(?:- )?(.*)")
DIRECTIVE = re.compile(r"#\s*(SKIP|TODO)\b\S*\s*(.*)", re.IGNORECASE)


def parse_tap(text):
    """The cases as [status, case, detail], and what is wrong with the whole, or None."""
    cases, plan, problem = [], None, None
    for line in text.splitlines():
        if match := re.fullmatch(r"1\.\.(\d+)\s*(#.*)?", line):
            plan = int(match[1])
            if plan == 0 and match[2]:
                cases.append(["skipped", "all", match[2].lstrip("# ")])
        elif line.startswith("Bail out!"):
            problem = line
        elif match := LINE.match(line):
            bad, _, rest = match.groups()
            directive = DIRECTIVE.search(rest)
            name = rest[: directive.start()].strip() if directive else rest.strip()
            kind = directive[1].upper() if directive else ""
            if kind == "SKIP":
                cases.append(["skipped", name, directive[2]])
            elif bad and kind != "TODO":
                cases.append(["failed", name, ""])
            else:
                cases.append(["passed", name, ""])
        elif line.startswith("#") and cases and cases[-1][0] == "failed" and not cases[-1][2]:
            cases[-1][2] = line.lstrip("# ")
    if problem is None:
        if plan is None:
            problem = "no plan"
        elif plan != len(cases) and not (plan == 0 and cases):
            problem = f"{plan} cases planned, {len(cases)} reported"
    return cases, problem


def is_tap(text):
    return re.search(r"^(TAP version \d+|1\.\.\d+|(not )?ok\b)", text, re.MULTILINE) is not None


def of_test(text, outcome, detail):
    """The cases of one program, whose outcome as a whole was "passed", "failed" or "skipped"."""
    if not is_tap(text):
        return [[outcome, "", detail]]
    cases, problem = parse_tap(text)
    if problem:
        cases.append(["failed", "(the test as a whole)", f"{problem}; {detail}"])
    elif outcome == "failed" and not any(case[0] == "failed" for case in cases):
        cases.append(["failed", "(the test as a whole)", detail])
    return cases


OUTCOMES = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def of_meson(path):
    with open(path) as file:
        for line in file:
            test = json.loads(line)
            detail = f"{test['result']}, status {test['returncode']}"
            outcome = OUTCOMES.get(test["result"], "failed")
            if outcome == "failed" and test.get("stderr"):
                detail += ": " + test["stderr"].strip().splitlines()[-1]
            for case in of_test(test.get("stdout") or "", outcome, detail):
                yield [case[0], test["name"], *case[1:]]


def main():
    kind, stage, path = sys.argv[1:4]
    if kind == "meson":
        rows = of_meson(path)
    else:
        with open(path, errors="replace") as file:
            text = file.read()
        name = os.path.basename(path).removesuffix(".tap")
        status = int(sys.argv[4])
        cases = of_test(text if is_tap(text) else "1..0\n", "failed" if status else "passed", f"status {status}")
        rows = ([case[0], name, *case[1:]] for case in cases)
    for status, test, case, detail in rows:
        print("\t".join(re.sub(r"\s+", " ", field) for field in (status, stage, test, case, detail)))


if __name__ == "__main__":
    main()
