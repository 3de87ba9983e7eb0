#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each command by the socket, by busctl and by a program on the bus: the same outcome and the same effect, refused to the
same people, cancelled when the caller leaves."""

import contextlib
import json
import os
import signal
import subprocess

import crux
import sdbus

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
MANAGER = NAME + ".Manager"
NO_PASSWORD = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

# Of each command: method, its arguments' types, and the names that arguments and results have on the socket.
METHODS = {
    "status": ("Status", "", (), ("running", "version", "pid", "uptime", "builds")),
    "build": ("Build", "ssssasas", ("recipe", "resource", "output", "root", "entrypoint", "platforms"), ("output",)),
    "image-import": ("ImageImport", "sss", ("ref", "version", "path"), ()),
    "image-start": ("ImageStart", "sss", ("ref", "version", "id"), ()),
    "image-destroy": ("ImageDestroy", "ss", ("ref", "version"), ()),
    "container-stop": ("ContainerStop", "s", ("id",), ()),
    "container-destroy": ("ContainerDestroy", "s", ("id",), ()),
    "container-status": ("ContainerStatus", "s", ("id",), ("status",)),
    "container-exec": ("ContainerExec", "sas", ("id", "command"), ("exitCode", "stdout", "stderr")),
    "container-update": ("ContainerUpdate", "ssss", ("ref", "version", "id", "path"), ()),
}


def setup():
    global root, output
    crux.destroy_everything()
    root, output = crux.scratch() + "/surfaces", crux.scratch() + "/surfaces-output"
    os.makedirs(root, exist_ok=True)
    os.makedirs(output, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar", Entrypoint=["/bin/sleep", "10000"])
    with open(root + "/odd.tar", "w") as file:
        file.write("no archive")


def teardown():
    crux.destroy_everything()


# ---- the three ways ----------------------------------------------------------------------------------------------------
#
# Each gives an outcome: {"ok": payload} or {"error": message, "code": word}, where busctl shows no code.


def by_socket(command, payload):
    reply = crux.request(command, payload)
    if not reply.ok:
        return {"error": reply.message, "code": reply.code}
    silent = {"stdout": "", "stderr": ""} if command == "container-exec" else {}  # left out on the socket
    return {"ok": {**silent, **{key: value for key, value in reply.items() if key in METHODS[command][3]}}}


def arguments_of(command, payload):
    _, signature, names, _ = METHODS[command]
    for kind, name in zip(sdbus.types(signature), names):
        value = payload.get(name, [] if kind == "as" else "")
        yield json.dumps(value) if name == "recipe" and not isinstance(value, str) else value


def payload_of(command, values):
    values = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]
    return {"ok": dict(zip(METHODS[command][3], values, strict=True))}


def busctl_line(command, payload):
    method, signature, _, _ = METHODS[command]
    words = [word for value in arguments_of(command, payload)
             for word in ([len(value), *value] if isinstance(value, list) else [value])]
    return ["busctl", "--json=short", "--timeout=120", "--", "call", NAME, PATH, MANAGER, method,
            *([signature] if signature else []), *map(str, words)]


def by_busctl(command, payload):
    done = subprocess.run(busctl_line(command, payload), capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return {"error": done.stderr.removeprefix("Call failed: ").rstrip("\n")}
    values = json.loads(done.stdout)["data"] if done.stdout.strip() else []
    return payload_of(command, [bytes(v) if isinstance(v, list) else v for v in values])


def code_of(error_name):
    word = error_name.removeprefix(NAME + ".Error.")
    return "".join("-" * (i > 0) + c.lower() if c.isupper() else c for i, c in enumerate(word))


def by_program(command, payload):
    method, signature, _, _ = METHODS[command]
    with sdbus.Bus() as bus:
        try:
            values = bus.call(NAME, PATH, MANAGER, method, signature, *arguments_of(command, payload))
            return payload_of(command, values)
        except sdbus.Failure as failure:
            return {"error": failure.message, "code": failure.name if failure.name == NO_PASSWORD else code_of(failure.name)}


WAYS = {"socket": by_socket, "busctl": by_busctl, "program": by_program}


# ---- the same case on each -----------------------------------------------------------------------------------------------

IMAGE = {"ref": "test/same", "version": "1"}
ID = {"id": "test/same"}


def bring_about(state):
    """nothing, image, running or stopped: what is there of test/same before the command."""
    for version in ("1", "2"):
        crux.ask("image-destroy", {"ref": "test/same", "version": version})
    if state != "nothing":
        crux.ask("image-import", {**IMAGE, "path": root + "/base.tar"})
    if state in ("running", "stopped"):
        crux.ask("image-start", IMAGE)
    if state == "stopped":
        crux.ask("container-stop", ID)


def effect():
    images = [name for name in crux.ctr_list("images", "ls", "-q") if not name.startswith(crux.OWN_IMAGES)]
    return {"images": images, "container": crux.ask("container-status", ID)["status"]}


def build(*steps, **more):
    stages = [{"from": "file base.tar", "steps": list(steps)}]
    return {"recipe": {"stages": stages}, "resource": "test/same", "root": root, "output": output, **more}


SHELL = ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]

# Command, what is there before, payload (a function where it needs the test's directories), the outcome's kind.
CASES = [
    ("status", "nothing", {}, "ok"),
    ("build", "nothing", lambda: build({"run": "echo made > /made"}), "ok"),
    ("build", "nothing", lambda: build({"run": "echo wrong >&2; exit 4"}), "error"),
    ("build", "nothing", lambda: build({"copy": "nowhere /"}), "error"),
    ("build", "nothing", lambda: {**build(), "recipe": {"stages": []}}, "error"),
    ("build", "nothing", lambda: build(platforms=["linux/none"]), "error"),
    ("build", "nothing", lambda: {**build(), "output": ""}, "error"),
    ("image-import", "nothing", lambda: {**IMAGE, "path": root + "/base.tar"}, "ok"),
    ("image-import", "running", lambda: {**IMAGE, "path": root + "/base.tar"}, "ok"),
    ("image-import", "nothing", lambda: {**IMAGE, "path": root + "/odd.tar"}, "error"),
    ("image-import", "nothing", lambda: {**IMAGE, "path": "/no/such"}, "error"),
    ("image-import", "nothing", {**IMAGE, "path": "relative"}, "error"),
    ("image-start", "image", IMAGE, "ok"),
    ("image-start", "image", {**IMAGE, **ID}, "ok"),
    ("image-start", "running", IMAGE, None),
    ("image-start", "nothing", IMAGE, "error"),
    ("image-destroy", "running", IMAGE, "ok"),
    ("image-destroy", "nothing", IMAGE, "ok"),
    ("image-destroy", "nothing", {"ref": "a b", "version": "1"}, "error"),
    ("container-stop", "running", ID, "ok"),
    ("container-stop", "stopped", ID, None),
    ("container-stop", "nothing", ID, None),
    ("container-stop", "nothing", {"id": "a b"}, "error"),
    ("container-destroy", "running", ID, "ok"),
    ("container-destroy", "nothing", ID, None),
    ("container-destroy", "nothing", {"id": "../x"}, "error"),
    ("container-status", "running", ID, "ok"),
    ("container-status", "stopped", ID, "ok"),
    ("container-status", "nothing", ID, "ok"),
    ("container-status", "nothing", {"id": ""}, "error"),
    ("container-exec", "running", {**ID, "command": SHELL}, "ok"),
    ("container-exec", "running", {**ID, "command": ["/bin/printf", "a\\377\\000\\303\\251"]}, "ok"),
    ("container-exec", "running", {**ID, "command": ["/no/such/program"]}, None),
    ("container-exec", "stopped", {**ID, "command": ["/bin/true"]}, "error"),
    ("container-exec", "nothing", {**ID, "command": ["/bin/true"]}, "error"),
    ("container-exec", "running", {**ID, "command": []}, "error"),
    ("container-update", "running", lambda: {"ref": "test/same", "version": "2", **ID, "path": root + "/base.tar"}, "ok"),
    ("container-update", "running", lambda: {"ref": "test/same", "version": "2", **ID, "path": root + "/odd.tar"}, "error"),
    ("container-update", "nothing", lambda: {"ref": "test/same", "version": "2", **ID, "path": "/no/such"}, "error"),
]


def comparable(outcome):
    """Without what is another one each time."""
    result = json.loads(json.dumps(outcome))
    for key in ("uptime", "builds"):
        result.get("ok", {}).pop(key, None)
    return result


def title(row):
    return f"{row[0]} with {row[1]}, case {CASES.index(row) + 1}"


@crux.table(CASES, name=title)
def test_same(command, state, payload, kind):
    outcomes, effects = {}, {}
    for way, function in WAYS.items():
        bring_about(state)
        outcomes[way] = comparable(function(command, payload() if callable(payload) else payload))
        effects[way] = effect()
    if kind:
        assert kind in outcomes["socket"], outcomes["socket"]
    crux.equal(outcomes["program"], outcomes["socket"], "on the bus")
    outcomes["socket"].pop("code", None)
    if "error" in outcomes["socket"]:  # busctl shows no empty lines
        outcomes["socket"]["error"] = outcomes["socket"]["error"].rstrip("\n")
    crux.equal(outcomes["busctl"], outcomes["socket"], "by busctl")
    crux.equal(effects["program"], effects["socket"], "effect on the bus")
    crux.equal(effects["busctl"], effects["socket"], "effect by busctl")


def test_each_command_is_here():
    with open("/usr/share/dbus-1/interfaces/" + MANAGER + ".xml") as file:
        text = file.read()
    for command, (method, _, _, _) in METHODS.items():
        crux.contains(text, f'<method name="{method}">')
        assert any(row[0] == command and row[3] == "ok" for row in CASES), command
        assert command == "status" or any(row[0] == command and row[3] == "error" for row in CASES), command


# ---- strangers -----------------------------------------------------------------------------------------------------------


def as_bob(function, *arguments):
    return json.loads(crux.as_user("bob", lambda: [json.dumps(function(*arguments)).encode()])[0])


@crux.table([(command,) for command in METHODS])
def test_strangers_are_refused(command):
    payload = next(row[2] for row in CASES if row[0] == command and row[3] == "ok")
    payload = payload() if callable(payload) else payload
    bring_about("running")
    before = effect()
    try:
        as_bob(by_socket, command, payload)
        raise AssertionError("bob can connect")
    except PermissionError:
        pass
    os.chmod(os.path.realpath(crux.SOCKET), 0o666)  # as if somebody had opened it to everyone
    try:
        outcomes = {way: as_bob(function, command, payload) for way, function in WAYS.items()}
    finally:
        os.chmod(os.path.realpath(crux.SOCKET), 0o660)
    for way, outcome in outcomes.items():
        assert "error" in outcome, f"{way}: {outcome}"
        crux.contains(outcome["error"], "not in group")
        assert outcome.get("code") in (None, "permission-denied", NO_PASSWORD), f"{way}: {outcome}"
    crux.equal(effect(), before, "effect")


# ---- leaving -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def caller(way, command, payload):
    """A process that asks and waits."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if way == "busctl":
                os.execvp("busctl", busctl_line(command, payload))
            WAYS[way](command, payload)
        os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def jobs():
    with sdbus.Bus() as bus:
        return [job[1] for job in bus.call(NAME, PATH, MANAGER, "ListJobs")[0]]


def sleepers():
    return [line for line in crux.processes().values() if line == "sleep 7777"]


@crux.table([(command, way) for command in ("build", "container-exec") for way in WAYS], name=" by ".join)
def test_a_caller_that_leaves_cancels(command, way):
    bring_about("running")
    sleep = ["/bin/sh", "-c", "sleep 7777"]
    payload = build({"run": "sleep 7777"}) if command == "build" else {**ID, "command": sleep}
    with crux.leftovers():
        with caller(way, command, payload):
            crux.eventually(sleepers, 30, "the program")
            crux.equal(jobs(), [command], "jobs")
        crux.eventually(lambda: not jobs() and not sleepers(), 30, "the end")


if __name__ == "__main__":
    crux.main()
