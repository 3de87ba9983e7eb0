#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Single faults of the machine and of images: a containerd that hangs, is none or too old, full disks, steps that do what
steps should not. Each gives a clear error in good time, and leaves nothing behind."""

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import crux
import workshop
from fault_machine import CONTAINERD, FILLER, SHIM, STORE, Machine, main_pid, named

SHOP = workshop.Workshop("faults")
IMAGE = {"ref": "test/faults", "version": "1"}

# How long a containerd that does not answer is waited for, at most and with room for a busy machine.
PATIENCE_SECONDS = 60


def setup():
    SHOP.open()
    SHOP.base("base.tar", None, {"mark": "here\n"}, Entrypoint=["/bin/sleep", "10000"])
    SHOP.base("shellless.tar", {"mark": "here\n"})
    with open(SHOP.root + "/large", "wb") as file:
        file.write(os.urandom(8 << 20))
    for base in ("base.tar", "shellless.tar"):
        SHOP.build(workshop.stage({"copy": "large /large"}, base=base))


def teardown():
    SHOP.close()


def step(command, **more):
    return workshop.stage({"run": command, **more})


def begin(command):
    """A build whose step has begun, and said so."""
    connection = crux.Connection()
    connection.send(crux.encode("build", SHOP.payload(step(f"echo begun; {command}"), progress=True)))
    while b'"line":"begun"' not in (line := connection.line()):
        assert b'"progress"' in line, f"not begun: {line!r}"
    return connection


def works():
    """Everything is as it should be again."""
    crux.equal(SHOP.build(step("true")).config["config"].get("Env"), ["PATH=/bin"], "environment of a build")


# ---- steps and images ------------------------------------------------------------------------------------------------


def test_an_image_without_a_shell():
    with crux.leftovers():
        SHOP.refused(workshop.stage({"run": "true"}, base="shellless.tar"), code="command-failed",
                     message=["step 1", "/bin/sh", "not found"])
        SHOP.refused(workshop.stage({"run": "true", "shell": "/no/such/shell"}), code="command-failed",
                     message=["step 1", "/no/such/shell"])


@crux.table([("KILL", 137), ("SEGV", 139), ("TERM", 143), ("PIPE", 141)])
def test_a_step_that_ends_by_signal(name, code):
    with crux.leftovers():
        SHOP.refused(step(f"kill -{name} $$"), code="command-failed", message=f"step 1: command failed: exit code {code}")


def test_a_step_whose_child_prints_for_ever():
    """The step has ended when its process has. (The lines are long, for what is printed until then is logged.)"""
    line = "y" * 10000
    with crux.leftovers():
        SHOP.build(step(f"setsid yes {line} & echo left"))
        SHOP.build(step(f"yes {line} >&2 & sleep 0.1"))


def test_a_step_that_forks_without_end():
    """Every process of it dies with its client."""
    with crux.leftovers():
        begin("i=0; while [ $i -lt 200 ]; do i=$((i+1)); setsid sleep 1000 & done; wait").close()


def test_a_container_that_ends_under_its_step():
    """As for want of memory, or by an administrator."""
    with crux.leftovers(seconds=30):
        with begin("sleep 1000") as connection:
            os.kill(crux.eventually(lambda: named("cruxd-init"), what="the container's first process")[0], signal.SIGKILL)
            reply = crux.Reply(connection.lines()[-1])
        crux.equal(reply.code, "command-failed", f"code of {reply.message!r}")
        works()


def test_a_shim_that_is_killed():
    with crux.leftovers(seconds=30):
        with begin("sleep 1000") as connection:
            os.kill(named(SHIM)[0], signal.SIGKILL)
            reply = crux.Reply(connection.lines()[-1])
        assert not reply.ok and reply.message, dict(reply)
        works()


# ---- containerd ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def frozen_containerd():
    pid = main_pid(CONTAINERD)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def refusals():
    """Everything that needs containerd, at the same time."""
    path = {"path": SHOP.root + "/base.tar"}
    commands = [
        ("container-status", {"id": "any"}),
        ("container-exec", {"id": "any", "command": ["/bin/true"]}),
        ("image-start", IMAGE),
        ("image-import", {**IMAGE, **path}),
        ("image-destroy", IMAGE),
        ("build", SHOP.payload(step("true"))),
    ]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        asked = [pool.submit(crux.request, *command, timeout=PATIENCE_SECONDS) for command in commands]
        crux.equal(crux.ask("status")["running"], True, "the daemon's own answer")
        return {command: future.result() for (command, _), future in zip(commands, asked)}


def all_refused(code, words):
    for command, reply in refusals().items():
        crux.equal(reply.code, code, f"code of {command}: {reply.message!r}")
        crux.contains(reply.message, words)


def test_containerd_is_restarted_under_a_step():
    """All that the step writes afterwards is there."""
    with begin("until [ -e /go ]; do sleep 0.1; done; seq 1 20000; false") as connection:
        crux.eventually(lambda: crux.executing("[ -e /go ]"), 20, "the step")
        crux.restart_containerd()
        pid = next(pid for pid, line in crux.processes().items() if "[ -e /go ]" in line)
        open(f"/proc/{pid}/root/go", "w").close()
        *lines, reply = map(crux.Reply, connection.lines())
    crux.contains(reply.message, "exit code 1")
    crux.equal([line["line"] for line in lines if "line" in line], [str(n) for n in range(1, 20001)], "lines")


def test_containerd_hangs():
    with crux.leftovers():
        with frozen_containerd():
            all_refused("unavailable", "containerd at /run/containerd/containerd.sock")
        works()


def test_containerd_hangs_while_a_build_is_cancelled():
    """Longer than a worker is waited for: what it could not remove goes when containerd is there again."""
    with workshop.settings(CancelTimeoutSec="1s"):
        with crux.leftovers(seconds=60):
            with begin("sleep 1000") as connection:
                with frozen_containerd():
                    connection.close()
                    time.sleep(3)
        works()


def test_containerd_hangs_while_the_service_is_stopped():
    with workshop.settings(StopTimeoutSec="2s", CancelTimeoutSec="2s"):
        with crux.leftovers(seconds=60):
            with begin("sleep 1000") as connection:
                with frozen_containerd():
                    begun = time.monotonic()
                    crux.run("systemctl", "stop", crux.SERVICE)
                    assert time.monotonic() - begun < 30
                crux.equal(crux.Reply(connection.lines()[-1]).code, "cancelled", "code")
            works()


# ---- the bus ---------------------------------------------------------------------------------------------------------


def test_polkit_hangs_while_the_service_is_stopped():
    """Who waits to be authorised holds nothing up, and is told."""
    crux.ask("status")
    crux.run("systemctl", "start", "polkit.service")
    pid = main_pid("polkit.service")
    os.kill(pid, signal.SIGSTOP)
    try:
        child = subprocess.Popen(
            ["runuser", "-u", "bob", "--", "busctl", "call", "xyz.cruciblehq.cruxd1", "/xyz/cruciblehq/cruxd1",
             "xyz.cruciblehq.cruxd1.Manager", "Status"], stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        crux.equal(child.poll(), None, "the status of a call that polkit is asked about")
        crux.run("systemctl", "stop", crux.SERVICE)
        crux.contains(child.communicate(timeout=60)[1], "the daemon is stopping")
    finally:
        os.kill(pid, signal.SIGCONT)
    works()


# ---- something else in containerd's place -----------------------------------------------------------------------------


class Fake:
    """Something where containerd should be. Every call is answered with the same message, which is enough, for a daemon asks
    for the version first; with None it takes connections and says nothing.

    Frames are HTTP/2's, https://www.rfc-editor.org/rfc/rfc9113#section-6, and headers are not compressed."""

    DATA, HEADERS, SETTINGS, PING, ACK, END_STREAM, END_HEADERS = 0, 1, 4, 6, 1, 1, 4
    PREFACE = 24

    def __init__(self, path, message):
        self.message = message
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rwb", buffering=0) as stream:
            reader = os.fdopen(os.dup(connection.fileno()), "rb")
            reader.read(self.PREFACE)
            if self.message is not None:
                self.frame(stream, self.SETTINGS, 0, 0)
            while head := reader.read(9):
                payload = reader.read(int.from_bytes(head[:3], "big"))
                if self.message is not None:
                    self.answer(stream, head[3], head[4], int.from_bytes(head[5:], "big"), payload)

    def answer(self, stream, kind, flags, number, payload):
        if kind == self.SETTINGS and not flags & self.ACK:
            self.frame(stream, self.SETTINGS, self.ACK, 0)
        elif kind == self.PING and not flags & self.ACK:
            self.frame(stream, self.PING, self.ACK, 0, payload)
        elif kind == self.HEADERS:
            body = b"\0" + len(self.message).to_bytes(4, "big") + self.message
            self.frame(stream, self.HEADERS, self.END_HEADERS, number, b"\x88" + header("content-type", "application/grpc"))
            self.frame(stream, self.DATA, 0, number, body)
            self.frame(stream, self.HEADERS, self.END_HEADERS | self.END_STREAM, number, header("grpc-status", "0"))

    @staticmethod
    def frame(stream, kind, flags, number, payload=b""):
        stream.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + number.to_bytes(4, "big") + payload)


def header(name, value):
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def version(text):
    """A VersionResponse with its field 1."""
    return bytes([0x0A, len(text)]) + text.encode()


@crux.table([
    ("1.6", version("1.6.36~ds1"), "unsupported", "version 1.6.36~ds1, and 1.7 is the oldest that will do"),
    ("older still", version("v0.9.1"), "unsupported", "v0.9.1"),
    ("silent", None, "unavailable", "does not answer as containerd"),
])
def test_no_containerd_of_ours(name, message, code, words):
    with crux.directory() as top:
        Fake(top + "/fake.sock", message)
        with workshop.settings(ContainerdAddress=top + "/fake.sock"):
            all_refused(code, words)
    works()


def test_nobody_listens():
    with workshop.settings(ContainerdAddress="/run/no-containerd.sock"):
        all_refused("unavailable", "/run/no-containerd.sock: there is no such socket, does it run?")
    works()


# ---- disks -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disks():
    machine = Machine(SHOP.root, None)
    crux.destroy_everything()
    machine.mount()
    try:
        yield machine
    finally:
        crux.destroy_everything()
        machine.unmount()


@contextlib.contextmanager
def full(machine, directory, left):
    machine.fill(directory, left)
    try:
        yield
    finally:
        machine.empty(directory)


def test_full_disks():
    """One after the other, as making small ones takes restarts."""
    with small_disks() as machine:
        works()
        crux.ask("build", SHOP.payload(step("echo first > /first")))
        kept = os.stat(SHOP.image)
        before = crux.State()

        with full(machine, SHOP.output, 1 << 20):
            reply = crux.refused("build", SHOP.payload(workshop.stage({"copy": "large /large"})), code="build-failed")
            crux.contains(reply.message.lower(), "no space left on device")
            crux.equal(sorted(os.listdir(SHOP.output)), [FILLER, "image.tar"], "files in the output directory")
            crux.equal(os.stat(SHOP.image), kept, "what was there")
            crux.nothing_left(before)
        os.unlink(SHOP.image)

        SHOP.base("other.tar", None, {"other": "x" * (4 << 20)}, Entrypoint=["/bin/sleep", "10000"])
        for left in (0, 65536, 2 << 20):
            with full(machine, STORE, left):
                for command, payload in {
                    "image-import": {**IMAGE, "path": SHOP.root + "/other.tar"},
                    "build": SHOP.payload(workshop.stage({"copy": "large /large"})),
                }.items():
                    reply = crux.refused(command, payload)
                    crux.contains(reply.message.lower(), "no space left on device")
                SHOP.refused(step("dd if=/dev/zero of=/zero bs=1M count=20"))
            crux.nothing_left(before, seconds=30)
            works()
        crux.ask("image-import", {**IMAGE, "path": SHOP.root + "/other.tar"})
        crux.ask("image-start", IMAGE)
        crux.ask("image-destroy", IMAGE)
        crux.nothing_left(before)


if __name__ == "__main__":
    crux.main()
