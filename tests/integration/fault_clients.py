# SPDX-License-Identifier: Apache-2.0
"""The clients of a fault run: processes that ask for one thing after another, chosen by a seed, over the socket and the
bus, as root and others, and that note what they asked and what came."""

import contextlib
import json
import os
import pwd
import random
import signal
import subprocess
import time
import traceback

import crux

# Nothing that is asked for takes so long, whatever is in the way: who waits longer waits for ever.
HANG_SECONDS = 150

IDS = ["faults/a", "faults/b", "faults/c"]
IMAGES = [("faults/one", "1"), ("faults/two", "2")]
ARCHIVES = ["one.tar", "one.tar", "two.tar", "two.tar", "shellless.tar", "cut.tar"]

CODES = {"invalid-argument", "not-found", "not-running", "already-exists", "permission-denied", "busy", "cancelled",
         "command-failed", "build-failed", "unsupported", "unavailable", "internal"}

NAME = "xyz.cruciblehq.cruxd1"

# On the bus: method, signature, arguments out of the socket's payload.
METHODS = {
    "status": ("Status", "", ()),
    "image-import": ("ImageImport", "sss", ("ref", "version", "path")),
    "image-start": ("ImageStart", "sss", ("ref", "version", "id")),
    "image-destroy": ("ImageDestroy", "ss", ("ref", "version")),
    "container-stop": ("ContainerStop", "s", ("id",)),
    "container-destroy": ("ContainerDestroy", "s", ("id",)),
    "container-status": ("ContainerStatus", "s", ("id",)),
    "container-update": ("ContainerUpdate", "ssss", ("ref", "version", "id", "path")),
}

RUNS = [
    "true",
    "echo a; sleep 0.2; echo b >&2",
    "cp -r /work /again; dd if=/dev/urandom of=/random bs=1M count=4",
    "exit 3",
    "kill -9 $$",
    "setsid sleep 1000 & setsid sh -c 'sleep 1001' & echo left",
    "trap '' TERM INT HUP; sleep 1",
    "for i in $(seq 2000); do echo line $i; done",
    "rm -rf /bin/vi; mkdir -p /new/tree; ln -s / /new/tree/up",
]
# Long lines, for all of them are logged.
WITHOUT_END = [f"yes {'y' * 5000}", "sleep 1000", "trap '' TERM INT HUP; while :; do sleep 1; done",
               f"sleep 1000 & yes {'y' * 5000} >&2"]
EXECUTED = [["/bin/true"], ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], ["/no/such/program"], ["/bin/sleep", "1"],
            ["/bin/sh", "-c", "yes | head -n 100000"], ["/bin/sh", "-c", "kill -9 $$"]]
BYTES = [b"", b"{", b"\0\xff\n", b"no json\n", b'{"version":9,"command":"status"}\n', b'{"version":0,"command":"nothing"}\n',
         b'{"version":0,"command":"build"}\n', b'{"version":0,"command":"container-stop","payload":{"id":"../x"}}\n']


class Went(Exception):
    """The client has lost its patience."""


class Client:
    def __init__(self, place, name, seed, user):
        self.place, self.name, self.user = place, name, user
        self.choose = random.Random(f"{seed}/{name}")
        self.log_path = f"{place}/log/{name}"
        self.pid = None

    # ---- in the process of the test --------------------------------------------------------------------------------------

    def start(self, seconds):
        """Begins, and does not begin anything more after so many seconds."""
        self.pid = os.fork()
        if self.pid == 0:
            self.run(time.monotonic() + seconds)

    def finish(self):
        """Waits for it, within bounds; gives what it noted: a list of [command, result, words, seconds]."""
        with contextlib.suppress(AssertionError):
            crux.eventually(self.has_ended, HANG_SECONDS + 10)
        ended = self.has_ended()
        self.kill()
        with open(self.log_path) as log:
            noted = [json.loads(line) for line in log if line.endswith("\n")]
        assert ended, f"client {self.name} waits for ever for an answer to {noted[-1]}"
        return noted

    def has_ended(self):
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = None
        return self.pid is None

    def kill(self):
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None

    # ---- in its own ------------------------------------------------------------------------------------------------------

    def run(self, until):
        status = 1
        try:
            os.setsid()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            self.log = open(self.log_path, "w", buffering=1)
            entry = pwd.getpwnam(self.user)
            os.initgroups(self.user, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            while time.monotonic() < until:
                self.act()
            status = 0
        except Exception:
            self.note("client", "broken", traceback.format_exc())
        finally:
            os._exit(status)

    def note(self, *values):
        self.log.write(json.dumps(values) + "\n")

    def act(self):
        choose = self.choose
        command, payload = self.something()
        patience = choose.choice([None, None, None, choose.uniform(0, 0.3), choose.uniform(0, 3)])
        if any(json.dumps(run) in json.dumps(payload) for run in WITHOUT_END):
            patience = choose.uniform(0, 3)
        on_bus = self.user == "bob" or choose.random() < 0.25
        self.note(command, "begins", f"{'bus' if on_bus else 'socket'} {patience} {json.dumps(payload)}", 0)
        begun = time.monotonic()
        try:
            result, words = (self.over_bus if on_bus else self.over_socket)(command, payload, patience)
        except Went:
            result, words = "went", ""
        self.note(command, result, words, round(time.monotonic() - begun, 2))
        time.sleep(1 if self.user == "bob" else choose.choice([0, 0, 0.01, 0.1]))

    def something(self):
        choose = self.choose
        ref, version = choose.choice(IMAGES)
        image = {"ref": ref, "version": version}
        name = {"id": choose.choice(IDS)}
        path = {"path": f"{self.place}/{choose.choice(ARCHIVES)}"}
        weights, things = zip(
            (12, lambda: ("build", self.recipe())),
            (4, lambda: ("image-import", {**image, **path})),
            (6, lambda: ("image-start", {**image, **name})),
            (3, lambda: ("container-update", {**image, **name, **path})),
            (6, lambda: ("container-exec", {**name, "command": choose.choice(EXECUTED)})),
            (1, lambda: ("container-stop", name)),
            (1, lambda: ("container-destroy", name)),
            (1, lambda: ("container-status", name)),
            (1, lambda: ("image-destroy", image)),
            (1, lambda: ("status", None)),
            (1, lambda: ("bytes", choose.choice(BYTES).decode("latin-1"))),
        )
        return choose.choices(things, weights)[0]()

    def recipe(self):
        choose = self.choose
        base = {"from": "file " + choose.choice(["one.tar", "one.tar", "two.tar", "two.tar", "shellless.tar", "absent.tar"])}
        steps = [self.step(copies=["src /work", "src/0 /work/"]) for _ in range(choose.randint(1, 4))]
        stages = [{**base, "steps": steps}]
        if choose.random() < 0.4:
            first = {**base, "name": "first", "transient": True, "steps": [{"copy": "src /work"}, self.step(["src /more"])]}
            stages = [first, {**base, "steps": [{"copy": "first:/work /other"}, self.step(["first:/work /again"])]}]
        output = f"{self.place}/out/{self.name}"
        return crux.build(stages, root=self.place, output=output, progress=choose.random() < 0.5)

    def step(self, copies):
        choose = self.choose
        return choose.choice([
            lambda: {"run": choose.choice(RUNS)},
            lambda: {"run": choose.choice(RUNS), "workdir": "/at", "env": {"A": "b"}},
            lambda: {"run": choose.choice(RUNS + WITHOUT_END)},
            lambda: {"copy": choose.choice(copies)},
            lambda: {"copy": choose.choice(copies)},
            lambda: {"env": {"KEPT": "1"}, "workdir": "/kept"},
        ])()

    # ---- how it asks -----------------------------------------------------------------------------------------------------

    def over_socket(self, command, payload, patience):
        data = payload.encode("latin-1") if command == "bytes" else crux.encode(command, payload)
        try:
            with crux.Connection(timeout=HANG_SECONDS) as connection:
                connection.send(data)
                if command == "bytes" or self.choose.random() < 0.1:
                    connection.half_close()
                lines = lines_until(connection, time.monotonic() + (HANG_SECONDS if patience is None else patience))
        except TimeoutError:
            if patience is None:
                return "hangs", ""
            raise Went from None
        except (BrokenPipeError, ConnectionResetError):
            return "closed", "reset"
        return judge(lines, command, payload)

    def over_bus(self, command, payload, patience):
        if command == "build":
            more = [payload["resource"], payload["output"], payload["root"], 0, 0]
            method, signature, arguments = "Build", "ssssasas", [json.dumps(payload["recipe"]), *more]
        elif command == "container-exec":
            method, signature, arguments = "ContainerExec", "sas", [payload["id"], len(payload["command"]), *payload["command"]]
        elif command == "bytes":
            method, signature, arguments = "Status", "s", [payload.strip("\0") or "x"]
        else:
            method, signature, names = METHODS[command]
            arguments = [payload[name] for name in names]
        child = subprocess.Popen(
            ["busctl", "--json=short", f"--timeout={HANG_SECONDS}", "--", "call", NAME, "/xyz/cruciblehq/cruxd1",
             f"{NAME}.Manager", method, *([signature] if signature else []), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        begun = time.monotonic()
        try:
            out, err = child.communicate(timeout=HANG_SECONDS + 5 if patience is None else patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            if patience is None:
                return "hangs", ""
            raise Went from None
        if child.returncode == 0:
            json.loads(out or "{}")
            return "ok", ""
        if time.monotonic() - begun > HANG_SECONDS - 1:
            return "hangs", err
        return "bus error", err.strip()


def lines_until(connection, deadline):
    """All lines to the end of the connection, by then; TimeoutError where it goes on."""
    lines = []
    while True:
        connection.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        line = connection.line()
        if not line:
            return lines
        if time.monotonic() > deadline:
            raise TimeoutError
        lines.append(line)


def judge(lines, command, payload):
    """An answer's result and words; "malformed" is what no answer may be."""
    if not lines or not lines[-1].endswith(b"\n"):
        return ("none" if command == "bytes" and not payload.strip() else "closed"), ""
    try:
        *before, last = [crux.Reply(line) for line in lines]
    except ValueError:
        return "malformed", repr(lines)
    if any(reply.envelope["command"] != "progress" for reply in before) or (before and not payload.get("progress")):
        return "malformed", repr(lines)
    if last.ok:
        return "ok", ""
    if last.envelope["command"] == "progress":
        return "closed", "after progress"
    if last.code not in CODES or not last.message:
        return "malformed", repr(lines)
    return last.code, last.message
