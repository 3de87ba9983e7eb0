#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A container's output in the journal, where lines are strange and journald is in trouble."""

import contextlib
import json
import os
import time

import crux

JOURNALD = "systemd-journald.service"
LINE_MAX = 64 * 1024

LINES = 8000
BURST = 100000


def setup():
    global shop
    shop = crux.scratch() + "/journal"
    os.makedirs(shop, exist_ok=True)


def teardown():
    crux.destroy_everything()


@contextlib.contextmanager
def output_of(name, script):
    """Starts a container that runs the script; gives a function to read what the journal has of it since."""
    crux.mkimage.busybox(f"{shop}/{name}.tar", Entrypoint=["/bin/sh", "-c", f"{script}; exec sleep 10000"])
    crux.ask("image-import", {"ref": name, "version": "1", "path": f"{shop}/{name}.tar"})
    since = time.time()

    def entries():
        crux.run("journalctl", "--sync")
        lines = crux.run("journalctl", "-b", "--all", "-o", "json", "--no-pager", f"CONTAINER_NAME={name}",
                         "--since", f"@{since}").splitlines()
        return [json.loads(line) for line in lines]

    crux.ask("image-start", {"ref": name, "version": "1"})
    try:
        yield entries
    finally:
        crux.ask("image-destroy", {"ref": name, "version": "1"})


def until(entries, last):
    """The entries, once there is one whose message is this."""
    return crux.eventually(lambda: (found := entries()) and found[-1]["MESSAGE"] == last and found, 60,
                           f"the line {last!r}")


def test_long_lines_come_in_parts():
    with output_of("long", f"head -c {2 * LINE_MAX + 7} /dev/zero | tr '\\0' x; echo; echo end") as entries:
        found = until(entries, "end")
    crux.equal([len(e["MESSAGE"]) for e in found], [LINE_MAX, LINE_MAX, 7, 3], "lengths")
    crux.equal([e.get("CONTAINER_PARTIAL_MESSAGE") for e in found], ["true", "true", None, None], "partial")


def test_streams_and_priorities():
    script = "echo plain; echo oops >&2; echo '<4>careful'; echo '<7>detail' >&2; echo '<9>odd'; echo; sleep 0.2; echo end"
    with output_of("levels", script) as entries:
        found = {e["MESSAGE"]: (e["PRIORITY"], e["CRUXD_STREAM"]) for e in until(entries, "end")}
    crux.equal(found, {"plain": ("6", "stdout"), "oops": ("3", "stderr"), "careful": ("4", "stdout"),
                       "detail": ("7", "stderr"), "<9>odd": ("6", "stdout"), "": ("6", "stdout"),
                       "end": ("6", "stdout")})


def test_who_said_it():
    with output_of("named", "echo end") as entries:
        entry = until(entries, "end")[0]
    for field, value in {"CONTAINER_ID": "named", "CONTAINER_NAMESPACE": crux.NAMESPACE, "CRUXD_CONTAINER": "named",
                         "CRUXD_INSTANCE": "default", "SYSLOG_IDENTIFIER": "named",
                         "OBJECT_SYSTEMD_UNIT": "cruxd-named.scope"}.items():
        crux.equal(entry.get(field), value, field)


@crux.timeout(180)
def test_a_burst_is_whole():
    with output_of("bursts", f"seq 1 {BURST}; echo end") as entries:
        found = until(entries, "end")
    crux.equal(len(found), BURST + 1, "lines")
    crux.equal([e["MESSAGE"] for e in found[:-1]], [str(n) for n in range(1, BURST + 1)])


def numbers_through(trouble):
    """A container that counts, with trouble on the way: nothing may be missing."""
    script = f"for i in $(seq {LINES}); do echo $i; [ $((i % 20)) = 0 ] && usleep 5000; done"
    with output_of("counts", script) as entries:
        time.sleep(0.3)
        trouble()
        found = until(entries, str(LINES))
    crux.equal([e["MESSAGE"] for e in found], [str(n) for n in range(1, LINES + 1)])


def test_a_killed_journald_loses_nothing():
    def trouble():
        for _ in range(2):
            crux.run("systemctl", "kill", "--signal=KILL", JOURNALD)
            time.sleep(0.4)

    numbers_through(trouble)


def test_a_journald_that_hangs_loses_nothing():
    def trouble():
        crux.run("systemctl", "kill", "--signal=STOP", JOURNALD)
        time.sleep(2)
        crux.run("systemctl", "kill", "--signal=CONT", JOURNALD)

    numbers_through(trouble)


def test_a_logger_that_is_told_to_end_goes_on():
    def trouble():
        loggers = [pid for pid, line in crux.processes().items() if "cruxd-log" in line]
        for pid in loggers:
            for number in (1, 2, 15):
                os.kill(pid, number)

    numbers_through(trouble)


def test_no_logger_outlives_its_container():
    with output_of("ends", "echo end") as entries:
        until(entries, "end")
        assert any("cruxd-log" in line for line in crux.processes().values())
    crux.eventually(lambda: not any("cruxd-log" in line for line in crux.processes().values()), 10, "the logger's end")


if __name__ == "__main__":
    crux.main()
