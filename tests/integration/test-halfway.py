# SPDX-License-Identifier: Apache-2.0
"""What happens between two steps of a command: the OCI runtime is held, or refuses, at one of its own commands, and the
connection to containerd is cut at one call. What is half done is finished or undone, and nobody acts on what was true before."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import crux
import workshop

IMAGE = {"ref": "half/app", "version": "1"}
OTHER = {"ref": "half/app", "version": "2"}
ID = {"id": "half/app"}
NAME = "half-app"
EXIT_CODE = "xyz.cruciblehq.cruxd.exit-code"
PLACE = crux.scratch() + "/halfway"
CRUN = "/usr/bin/crun"
CONTAINERD = "/run/containerd/containerd.sock"

# Runs until it is told its exit code in a file.
UNTIL_TOLD = ["/bin/sh", "-c", "while [ ! -s /told ]; do sleep 0.1; done; code=$(cat /told); rm /told; exit $code"]

# The OCI runtime, unless a file says that a command of it is to wait or to fail.
WRAPPER = f"""#!/bin/sh
for word; do
    if [ -e {PLACE}/refuse-$word ]; then
        echo "no $word today" >&2
        exit 1
    fi
    if [ -e {PLACE}/hold-$word ]; then
        : >{PLACE}/held-$word
        while [ -e {PLACE}/hold-$word ]; do sleep 0.05; done
    fi
done
exec {PLACE}/crun "$@"
"""


def setup():
    crux.destroy_everything()
    os.makedirs(PLACE, exist_ok=True)
    crux.mkimage.busybox(PLACE + "/app.tar", Entrypoint=UNTIL_TOLD)
    crux.mkimage.busybox(PLACE + "/other.tar", Entrypoint=UNTIL_TOLD, Labels={"other": "one"})
    crux.mkimage.busybox(PLACE + "/broken.tar", Entrypoint=["/no/such/program"])
    shutil.copy(CRUN, PLACE + "/crun")
    with open(PLACE + "/wrapper", "w") as wrapper:
        wrapper.write(WRAPPER)
    os.chmod(PLACE + "/wrapper", 0o755)
    crux.run("mount", "--bind", PLACE + "/wrapper", CRUN)


def teardown():
    crux.run("umount", CRUN)
    shutil.rmtree(PLACE)


after_each = crux.destroy_everything


@contextlib.contextmanager
def told(verb, word):
    """The OCI runtime holds or refuses this command of its own for the block's time."""
    path = f"{PLACE}/{verb}-{word}"
    with open(path, "w"):
        pass
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            os.unlink(f"{PLACE}/held-{word}")


def until_held(word):
    crux.eventually(lambda: os.path.exists(f"{PLACE}/held-{word}"), 30, f"the OCI runtime at {word}")


def begin():
    crux.ask("image-import", {**IMAGE, "path": PLACE + "/app.tar"})
    crux.ask("image-start", {**IMAGE, **ID})


def info():
    return json.loads(crux.ctr("containers", "info", NAME))


def tasks():
    return crux.ctr("tasks", "ls")


def runs():
    return crux.ask("container-status", ID)["status"] == "running"


def watch():
    """The PID of the daemon's watch."""
    return crux.eventually(lambda: [pid for pid, name in crux.workers().items() if name == "cruxd-watch"], 20, "a watch")[0]


@contextlib.contextmanager
def unseen_end(code):
    """The container's process has ended so, and the watch does not get to see it in the block."""
    pid = watch()
    os.kill(pid, signal.SIGSTOP)
    try:
        crux.ask("container-exec", {**ID, "command": ["/bin/sh", "-c", f"echo {code} >/told"]})
        crux.eventually(lambda: "STOPPED" in tasks(), 20, "the end")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# ---- the OCI runtime -------------------------------------------------------------------------------------------------


def test_a_watch_that_goes_while_it_deletes():
    """containerd would keep a task whose shim has none any more."""
    begin()
    with told("hold", "delete"):
        pid = watch()
        crux.ctr("tasks", "kill", "-s", "SIGKILL", NAME)
        until_held("delete")
        leaving = subprocess.Popen(["systemctl", "stop", crux.SERVICE])
        # One that does not see it through goes at once.
        deadline = time.monotonic() + 1
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.02)
    crux.equal(leaving.wait(60), 0, "stopping the daemon")
    crux.equal(crux.ctr_list("tasks", "ls", "-q"), [], "tasks")
    crux.equal(info()["Labels"][EXIT_CODE], "137", "label")
    crux.ask("image-start", {**IMAGE, **ID})
    assert runs()


def lock_files():
    """How many the workers have open: one for the container that they are at work on, or wait for."""
    count = 0
    for pid in (pid for pid, name in crux.workers().items() if name != "cruxd-watch"):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    count += os.readlink(f"/proc/{pid}/fd/{fd}").endswith("/lock.containers")
    return count


def test_an_image_that_a_container_is_just_leaving():
    begin()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        with told("hold", "delete"):
            update = pool.submit(crux.request, "container-update", {**OTHER, **ID, "path": PLACE + "/other.tar"})
            until_held("delete")
            destroy = pool.submit(crux.request, "image-destroy", IMAGE)
            crux.eventually(lambda: lock_files() == 2, 20, "who waits for the container")
        assert update.result().ok, dict(update.result())
        assert destroy.result().ok, dict(destroy.result())
    crux.equal(info()["Image"], "half/app:2", "image of the container")
    assert runs()
    crux.equal(crux.ctr_list("images", "ls", "-q"), ["half/app:2"], "images")


def test_an_end_before_a_start_that_fails():
    begin()
    with unseen_end(3), told("refuse", "create"):
        crux.refused("image-start", {**IMAGE, **ID}, code="command-failed", message="OCI runtime create failed")
    crux.equal(info()["Labels"].get(EXIT_CODE), "3", "label")
    crux.ask("image-start", {**IMAGE, **ID})
    assert EXIT_CODE not in info()["Labels"], info()


def test_an_end_before_an_update_that_fails():
    begin()
    with unseen_end(4):
        crux.refused("container-update", {**OTHER, **ID, "path": PLACE + "/broken.tar"}, message="/no/such/program")
    crux.equal(info()["Labels"].get(EXIT_CODE), "4", "label")
    crux.equal(info()["Image"], "half/app:1", "image")
    assert not runs()


def test_an_update_that_fails_for_good():
    """Neither the new one nor the old one starts: how the old one was stopped is how it ended."""
    begin()
    with told("refuse", "create"):
        crux.refused("container-update", {**OTHER, **ID, "path": PLACE + "/other.tar"}, message="OCI runtime create failed")
    crux.equal(info()["Labels"].get(EXIT_CODE), "137", "label")
    assert not runs()
    crux.ask("image-start", {**IMAGE, **ID})


# ---- containerd ------------------------------------------------------------------------------------------------------


class Wire:
    """A way to containerd that is cut when a call has been made, once, before its reply comes."""

    def __init__(self, path, call, is_done):
        self.call, self.is_done = call, is_done
        self.armed, self.cut = True, threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.server.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(CONTAINERD)
                held = threading.Event()
                threading.Thread(target=self.pump, args=(client, server, held, True), daemon=True).start()
                threading.Thread(target=self.pump, args=(server, client, held, False), daemon=True).start()

    def pump(self, source, target, held, forth):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if forth and self.armed and self.call in data:
                    self.armed = False
                    held.set()
                    threading.Thread(target=self.cut_when_done, args=(source, target), daemon=True).start()
                if forth or not held.is_set():
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut_when_done(self, *ends):
        crux.eventually(self.is_done, 30, "the call's effect")
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.cut.set()


def test_a_container_whose_making_is_not_answered():
    crux.ask("image-import", {**IMAGE, "path": PLACE + "/app.tar"})
    with crux.directory() as top, crux.leftovers():
        wire = Wire(top + "/containerd.sock", b"containers.v1.Containers/Create", lambda: NAME in crux.ctr_list("containers", "ls", "-q"))
        with workshop.settings(ContainerdAddress=top + "/containerd.sock"):
            crux.refused("image-start", {**IMAGE, **ID}, code="unavailable")
            assert wire.cut.is_set(), "the connection was not cut"
        wire.server.close()
        crux.equal(crux.ctr_list("containers", "ls", "-q"), [], "containers")
    crux.ask("image-start", {**IMAGE, **ID})


@crux.table([("destroyed",), ("updated",)])
def test_a_snapshot_that_somebody_has_removed(then):
    begin()
    crux.ask("container-stop", ID)
    key = info()["SnapshotKey"]
    crux.ctr("snapshots", "rm", key)
    crux.refused("image-start", {**IMAGE, **ID}, code="not-found", message=[NAME, key, "can only be destroyed or updated"])
    if then == "updated":
        crux.ask("container-update", {**OTHER, **ID, "path": PLACE + "/other.tar"})
    else:
        crux.ask("container-destroy", ID)
        crux.ask("image-start", {**IMAGE, **ID})
    assert runs()


if __name__ == "__main__":
    crux.main()
