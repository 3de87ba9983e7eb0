#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What cruxd lives with is killed under load, one after the other: what is promised of each case holds. Everybody is
served again afterwards, a container that runs notices nothing and its output has no gap, and nothing is left behind."""

import os
import signal
import threading
import time

import crux
import sdbus

NAME = "xyz.cruciblehq.cruxd1"
CONTAINER = "test/steady"
PASSES = 3  # of every client, after the fault
BUILD_LINES = 2000

JOURNALD, CONTAINERD = "systemd-journald.service", "containerd.service"
lost_before = 0  # by the container, in the tests before


def setup():
    global root, output, begun
    crux.destroy_everything()
    root, output = crux.scratch() + "/neighbours", crux.scratch() + "/neighbours-output"
    for path in (root, output):
        os.makedirs(path, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar")
    count = "i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done"
    crux.mkimage.busybox(root + "/steady.tar", Entrypoint=["/bin/sh", "-c", count])
    begun = time.time()
    crux.ask("image-import", {"ref": CONTAINER, "version": "1", "path": root + "/steady.tar"})
    crux.ask("image-start", {"ref": CONTAINER, "version": "1"})


def teardown():
    crux.destroy_everything()


# ---- the load: each client asks one thing again and again ----------------------------------------------------------------
#
# An outcome is "ok", a code of an error, or "lost" where the connection ended without an answer.


def by_socket(command, payload=None, check=None):
    try:
        reply = crux.request(command, payload)
    except (OSError, AssertionError):  # one that ends early has no line
        return "lost"
    if reply.ok and check:
        check(reply)
    return "ok" if reply.ok else reply.code


def on_bus(method, *arguments):
    try:
        with sdbus.Bus() as bus:
            bus.call(NAME, "/xyz/cruciblehq/cruxd1", NAME + ".Manager", method, *arguments)
            return "ok"
    except OSError:
        return "lost"
    except sdbus.Failure as failure:
        if failure.name.startswith(NAME):
            return failure.name.removeprefix(NAME + ".Error.")
        gone = failure.name.startswith(("org.freedesktop.DBus.Error.", "System.Error."))  # the bus's word and sd-bus's
        return "lost" if gone else failure.name


def build():
    number = f"{threading.get_native_id()}-{time.monotonic_ns()}"
    stages = [{"from": "file base.tar", "steps": [{"run": f"for i in $(seq {BUILD_LINES}); do echo $i; done"}]}]
    payload = crux.build(stages, root=root, output=output)
    payload["resource"] = f"test/{number}"
    outcome = by_socket("build", payload)
    if outcome == "ok":
        built.append(payload["resource"])
    return outcome


def executed(reply):
    crux.equal(reply["stdout"], "said\n", "output")


CLIENTS = {
    "status": lambda: by_socket("status"),
    "bus status": lambda: on_bus("Status"),
    "bus container": lambda: on_bus("ContainerStatus", "s", CONTAINER),
    "build": build,
    "exec": lambda: by_socket("container-exec", {"id": CONTAINER, "command": ["/bin/echo", "said"]}, executed),
}


class Load:
    def __init__(self):
        self.outcomes = {name: [] for name in CLIENTS}
        self.ending = threading.Event()
        self.errors = []
        self.threads = [threading.Thread(target=self.loop, args=item, daemon=True) for item in CLIENTS.items()]

    def loop(self, name, client):
        try:
            while not self.ending.is_set():
                self.outcomes[name].append(client())
                time.sleep(0.01)
        except Exception as error:
            self.errors.append(f"{name}: {error!r}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_passes(1)
        return self

    def wait_for_passes(self, passes):
        """Until every client was served so often from now on."""
        before = {name: outcomes.count("ok") for name, outcomes in self.outcomes.items()}

        def served():
            assert not self.errors, self.errors
            return all(self.outcomes[name].count("ok") >= before[name] + passes for name in CLIENTS)

        crux.eventually(served, 90, f"service for all; so far {self.counts()}")

    def counts(self):
        return {name: {o: outcomes.count(o) for o in set(outcomes)} for name, outcomes in self.outcomes.items()}

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(crux.REPLY_SECONDS)


# ---- one neighbour after the other ---------------------------------------------------------------------------------------

SOCKET, BUS = {"status", "build", "exec"}, {"bus status", "bus container"}
NEED_CONTAINERD = {"build", "exec", "bus container"}

# Unit; which clients may be told of it, and what. Without the bus no scope can be made for a build's container.
TABLE = [
    (JOURNALD, set(), set()),
    ("polkit.service", set(), set()),
    ("dbus.service", BUS | {"build"}, {"lost", "command-failed"}),
    (CONTAINERD, NEED_CONTAINERD, {"unavailable", "Unavailable"}),
    (crux.SERVICE, SOCKET | BUS, {"lost"}),
]


# containerd does not know of a shim that it had not finished starting, and neither does anybody else.
CONTAINERDS_OWN = ["process left behind: *containerd-shim-runc-v2 *-id cruxd-build-*"]


def end_forgotten_shims():
    for pid, line in crux.processes().items():
        if "containerd-shim-runc-v2 " in line and "-id cruxd-build-" in line:
            os.kill(pid, signal.SIGKILL)


def numbers():
    """What the container has counted, as the journal has it."""
    crux.run("journalctl", "--sync")
    text = crux.run("journalctl", "-b", "-o", "cat", "--no-pager", "CONTAINER_NAME=test-steady", "--since", f"@{begun}")
    return [int(line) for line in text.split()]


def task_pid():
    return crux.ctr("tasks", "ls").split("test-steady")[1].split()[0]


def output_of(resource, since):
    entries = crux.journal(f"CRUXD_RESOURCE={resource}", "CRUXD_STREAM=stdout", since=since)
    crux.equal(len({e["CRUXD_JOB"] for e in entries}), 1, "jobs")
    return [int(e["MESSAGE"]) for e in entries]


def missing(found, last):
    """How many of 1 to last; what is there must be in order."""
    crux.equal(found, sorted(set(found)), "the numbers")
    return last - len(found)


@crux.table(TABLE)
@crux.timeout(300)
def test_killed(unit, who, what):
    global built, lost_before
    built, since, pid = [], time.time(), task_pid()
    crux.run("systemctl", "start", unit)
    victim = crux.show(unit, "MainPID")["MainPID"]
    with crux.leftovers(seconds=60, ignore=CONTAINERDS_OWN if unit == CONTAINERD else ()):
        with Load() as load:
            crux.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
            load.wait_for_passes(PASSES)
        crux.equal(load.errors, [], "clients")
        for name, outcomes in load.outcomes.items():
            allowed = {"ok"} | (what if name in who else set())
            assert set(outcomes) <= allowed, f"{name}: {load.counts()[name]}, allowed {allowed}"
        crux.run("systemctl", "start", unit)
        assert crux.show(unit, "MainPID")["MainPID"] != victim, "it was not killed"
    end_forgotten_shims()
    crux.equal(task_pid(), pid, "the container's process")
    seen = len(numbers())
    counted = crux.eventually(lambda: (n := numbers()) and len(n) > seen and n, 20, "the container's counting")
    lost = missing(counted, counted[-1]) + sum(missing(output_of(resource, since), BUILD_LINES) for resource in built)
    # What journald has in its hands when it is killed goes with it: a message, of whoever.
    assert lost <= lost_before + (unit == JOURNALD), f"{lost} lines lost"
    lost_before = missing(counted, counted[-1])


if __name__ == "__main__":
    crux.main()
