# SPDX-License-Identifier: Apache-2.0
"""The commands, sentence by sentence: what each takes, what it answers, and what is in containerd afterwards. Builds have
files of their own: test-recipe.py, test-copy.py; updates, too: test-update.py."""

import concurrent.futures
import json
import os
import re
import time

import crux
import workshop
from crux import mkimage

SHOP = workshop.Workshop("commands")
GUARD = workshop.Guard()
IMAGE = {"ref": "test/app", "version": "1.0.0"}
CONTAINER = {"id": "test/app"}
SLEEP = ["/bin/sh", "-c", "echo up; exec sleep 1000"]


def setup():
    SHOP.open()
    SHOP.base("app.tar", None, {"mark": "first\n"}, Entrypoint=SLEEP, Env=["PATH=/bin", "WHO=app"], WorkingDir="/tmp")
    SHOP.base("other.tar", None, {"mark": "other\n"}, Entrypoint=SLEEP)
    SHOP.base("silent.tar", None)
    SHOP.base("broken.tar", None, Entrypoint=["/no/such/program"])
    GUARD.begin()


def after_each():
    crux.destroy_everything()
    GUARD.check()


def teardown():
    SHOP.close()


def load(archive="app.tar", **image):
    crux.ask("image-import", {**IMAGE, **image, "path": f"{SHOP.root}/{archive}"})


def start(archive="app.tar"):
    load(archive)
    crux.ask("image-start", IMAGE)


def status(identifier="test/app"):
    return crux.ask("container-status", {"id": identifier})["status"]


def execute(*command, identifier="test/app"):
    return crux.ask("container-exec", {"id": identifier, "command": list(command)})


def containers():
    return crux.ctr("containers", "ls", "-q").split()


def tasks():
    return {line.split()[0]: line.split()[2] for line in crux.ctr("tasks", "ls").splitlines()[1:] if line.strip()}


def images():
    return crux.ctr("images", "ls", "-q").split()


# ---- members -------------------------------------------------------------------------------------------------------------


STRING, ARGV, OBJECT, BOOL = "string", "argv", "object", "bool"
RECIPE = {"stages": [{"from": "file base.tar", "steps": []}]}
COMMANDS = {
    # command: members that it must have, members that it may have; each with its type and a value that is right
    "build": (
        {"recipe": (OBJECT, RECIPE), "resource": (STRING, "r"), "output": (STRING, "/o"), "root": (STRING, "/r")},
        {"entrypoint": (ARGV, ["/x"]), "platforms": (ARGV, ["linux/amd64"]), "progress": (BOOL, True)},
    ),
    "image-import": ({"ref": (STRING, "a"), "version": (STRING, "1"), "path": (STRING, "/p")}, {}),
    "image-start": ({"ref": (STRING, "a"), "version": (STRING, "1")}, {"id": (STRING, "i")}),
    "image-destroy": ({"ref": (STRING, "a"), "version": (STRING, "1")}, {}),
    "container-stop": ({"id": (STRING, "i")}, {}),
    "container-destroy": ({"id": (STRING, "i")}, {}),
    "container-status": ({"id": (STRING, "i")}, {}),
    "container-exec": ({"id": (STRING, "i"), "command": (ARGV, ["/bin/true"])}, {}),
    "container-update": (
        {"ref": (STRING, "a"), "version": (STRING, "1"), "id": (STRING, "i"), "path": (STRING, "/p")},
        {},
    ),
}
WRONG = {
    STRING: [1, 1.5, True, [], {}, ["a"], "a\0b"],
    ARGV: ["/bin/true", 1, True, {}, [1], [None], [["a"]], [{}], ["a", 0], ["a\0b"]],
    OBJECT: ["x", 1, True, [], [{}]],
    BOOL: ["true", 1, [], {}],
}
EMPTY = {STRING: ["", None], ARGV: [[], None], OBJECT: [{}, None], BOOL: [None]}

REQUIRED = [(command, name) for command, (required, _) in COMMANDS.items() for name in required]
ALL = [(command, name) for command, members in COMMANDS.items() for part in members for name in part]


def payload_of(command, /, **changed):
    required, optional = COMMANDS[command]
    payload = {name: value for name, (_, value) in required.items()} | changed
    return {name: value for name, value in payload.items() if value is not ...}


def kind_of(command, name):
    required, optional = COMMANDS[command]
    return (required | optional)[name][0]


@crux.table(REQUIRED, name=lambda row: f"{row[0]} {row[1]}")
def test_required_member(command, name):
    crux.refused(command, payload_of(command, **{name: ...}), code="invalid-argument", message=f'"{name}"')
    for value in EMPTY[kind_of(command, name)]:
        words = "recipe" if name == "recipe" else f'"{name}"'
        crux.refused(command, payload_of(command, **{name: value}), code="invalid-argument", message=words)


@crux.table(ALL, name=lambda row: f"{row[0]} {row[1]}")
def test_member_of_a_wrong_type(command, name):
    for value in WRONG[kind_of(command, name)]:
        crux.refused(command, payload_of(command, **{name: value}), code="invalid-argument", message=f'"{name}"')


@crux.table([(command,) for command in COMMANDS])
def test_missing_payload(command):
    crux.refused(command, code="invalid-argument", message="payload")
    crux.refused(command, raw=b'{"command":"%s","payload":null}\n' % command.encode(), code="invalid-argument", message="payload")
    crux.refused(command, {}, code="invalid-argument", message='"')


def test_command_without_a_program():
    crux.refused("container-exec", {"id": "i", "command": ["", "x"]}, code="invalid-argument", message='"command"')


@crux.table([("resource", 1024), ("root", 4095), ("output", 4095)])
def test_member_that_is_too_long(name, limit):
    """It would stand in every line of the log, or in the image."""
    payload = {"recipe": {"stages": [{"from": "file no-such"}]}, "resource": "r", "root": "/no-such-root", "output": "/no-such-output"}
    crux.refused("build", {**payload, name: "/" + "x" * limit}, code="invalid-argument", message=(f'"{name}"', str(limit)))
    reply = crux.request("build", {**payload, name: "/" + "x" * (limit - 1)})
    assert "over the limit" not in reply.message, reply.message


def test_path_that_is_too_long():
    crux.refused("image-import", {"ref": "a", "version": "1", "path": "/" + "x" * 4095}, code="invalid-argument", message=('"path"', "4095"))


def test_too_many_arguments():
    for vector in (["/bin/true"] * 5000, ["/bin/true", "x" * (128 << 10)], ["/bin/true"] + ["x" * 1000] * 2000):
        crux.refused("container-exec", {"id": "i", "command": vector}, code="invalid-argument", message='"command"')
        reply = crux.refused("build", payload_of("build", entrypoint=vector), code="invalid-argument")
        crux.contains(reply.message, '"entrypoint"')


# ---- identifiers and names ---------------------------------------------------------------------------------------------------


BAD_IDENTIFIERS = (
    ["-a", "a-", ".a", "a.", "_a", "/a", "a/", "a//b", "a..b", "a-_b", "a/-b", "a b", "a:b", "a@b", "a+b", "a\\b", "a%b"]
    + ["a\n", "a\tb", "..", "../a", "a/../b", "é", "日本", "a\u200bb", "a" * 77, "a/" * 38 + "a", "*", "~"]
)


@crux.table([(identifier,) for identifier in BAD_IDENTIFIERS], name=lambda row: ascii(row[0]))
def test_bad_identifier(identifier):
    for command, (required, optional) in COMMANDS.items():
        if "id" in required or "id" in optional:
            crux.refused(command, payload_of(command, id=identifier), code="invalid-argument", message='"id"')


@crux.table(
    [(i,) for i in ("a", "Z9", "0", "a.b_c-d", "a/b/c", "a" * 76, "A1.b2/c3", "a/" * 37 + "aa")], name=lambda row: row[0][:20]
)
def test_good_identifier(identifier):
    crux.equal(status(identifier), "not created", "status")
    crux.ask("container-stop", {"id": identifier})
    crux.ask("container-destroy", {"id": identifier})
    crux.refused("container-exec", {"id": identifier, "command": ["/bin/true"]}, code="not-found", message=identifier.replace("/", "-"))


BAD_NAMES = [
    # ref, version
    ("a b", "1"),
    ("a", "1 0"),
    ("a\n", "1"),
    ("a", "\t"),
    ("a\x7f", "1"),
    ("a" * 255, "1"),
    ("a", "1" * 255),
]


@crux.table(BAD_NAMES, name=lambda row: ascii(row[0][:9] + ":" + row[1][:9]))
def test_bad_image_name(ref, version):
    for command in ("image-import", "image-start", "image-destroy", "container-update"):
        crux.refused(command, payload_of(command, ref=ref, version=version, id="i"), code="invalid-argument", message="image name")


@crux.table(
    [(ref, version) for ref, version in (("acme/hello", "1.0.0"), ("UPPER", "Latest"), ("reg.example:5000/a/b", "v1+x"), ("ünï", "1"))],
    name=lambda row: ":".join(row),
)
def test_image_name_is_taken_as_it_stands(ref, version):
    load(ref=ref, version=version)
    crux.equal(images(), [f"{ref}:{version}"], "images")
    crux.ask("image-destroy", {"ref": ref, "version": version})
    crux.equal(images(), [], "images")


# ---- status ---------------------------------------------------------------------------------------------------------------------


def seconds_of(uptime):
    """Go's form of a duration in whole seconds: no zero in front, minutes whenever there are hours."""
    found = re.fullmatch(r"(?:(?:([1-9]\d*)h(?=\d+m))?(\d+)m(?=\d+s))?(\d+)s", uptime)
    assert found, f"{uptime!r} is no duration"
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    assert minutes < 60 and seconds < 60, uptime
    return hours * 3600 + minutes * 60 + seconds


def test_status():
    reply = crux.ask("status")
    crux.equal(set(reply), {"running", "version", "pid", "uptime", "builds"}, "members")
    assert reply["running"] is True, reply["running"]
    crux.equal([type(reply[name]) for name in ("version", "pid", "uptime", "builds")], [str, int, str, int], "types")
    crux.equal(str(reply["pid"]), crux.show(crux.SERVICE, "MainPID")["MainPID"], "pid")


def test_uptime():
    started, first = time.monotonic(), seconds_of(crux.ask("status")["uptime"])
    for _ in range(3):
        time.sleep(0.7)
        actual, expected = seconds_of(crux.ask("status")["uptime"]) - first, time.monotonic() - started
        assert -1.1 < actual - expected < 1.1, f"{actual} s later, expected {expected:.1f} s"


def test_status_counts_builds_that_ended_well():
    def counted(wanted):
        # The reply goes out before the books are closed.
        crux.eventually(lambda: crux.ask("status")["builds"] == wanted, 2, f"{wanted} builds")

    before = crux.ask("status")["builds"]
    SHOP.base("base.tar", {"f": "x"})
    SHOP.build(workshop.stage())
    counted(before + 1)
    SHOP.refused(workshop.stage({"copy": "nope /x"}))
    counted(before + 1)
    SHOP.build(workshop.stage())
    counted(before + 2)


# ---- import ---------------------------------------------------------------------------------------------------------------------


def test_import_unpacks_and_names():
    load()
    crux.equal(images(), ["test/app:1.0.0"], "images")
    snapshots = [line.split()[0] for line in crux.ctr("snapshots", "ls").splitlines()[1:]]
    with open(SHOP.root + "/app.tar", "rb"):
        archive = workshop.archives.Archive(SHOP.root + "/app.tar")
    chain = archive.config["rootfs"]["diff_ids"][0]
    for diff_id in archive.config["rootfs"]["diff_ids"][1:]:
        chain = mkimage.sha256(f"{chain} {diff_id}".encode())
    assert chain in snapshots, f"{chain} is not unpacked: {snapshots}"
    crux.equal(crux.ctr("leases", "ls", "-q"), "", "leases")


def test_import_of_another_version_moves_the_name():
    load()
    load("other.tar")
    crux.equal(images(), ["test/app:1.0.0"], "images")
    crux.ask("image-start", IMAGE)
    crux.equal(execute("/bin/cat", "/mark")["stdout"], "other\n", "the image's file")


def test_import_of_what_is_not_there():
    crux.refused("image-import", {**IMAGE, "path": "/nope/x.tar"}, code="not-found", message=("/nope/x.tar", "no such file"))
    crux.refused("image-import", {**IMAGE, "path": SHOP.root}, code="invalid-argument", message=SHOP.root)
    crux.refused("image-import", {**IMAGE, "path": "app.tar"}, code="invalid-argument", message=("path", "absolute"))
    crux.equal(images(), [], "images")


# ---- start ----------------------------------------------------------------------------------------------------------------------


def test_start_is_idempotent():
    start()
    before = crux.ctr("tasks", "ls")
    for _ in range(3):
        crux.ask("image-start", IMAGE)
    crux.equal(crux.ctr("tasks", "ls"), before, "tasks")
    crux.equal(containers(), ["test-app"], "containers")
    crux.equal(status(), "running", "status")


def test_start_of_a_stopped_one_keeps_its_files():
    start()
    execute("/bin/sh", "-c", "echo written > /written")
    crux.ask("container-stop", CONTAINER)
    crux.equal(status(), "stopped", "status")
    crux.ask("image-start", IMAGE)
    crux.equal(status(), "running", "status")
    crux.equal(execute("/bin/cat", "/written")["stdout"], "written\n", "what was written before")


def test_start_of_one_whose_process_has_ended():
    start()
    execute("/bin/sh", "-c", "echo written > /written")
    crux.ctr("tasks", "kill", "-s", "SIGKILL", "test-app")
    crux.eventually(lambda: status() == "stopped", 10, "its end")
    crux.ask("image-start", IMAGE)
    crux.equal(status(), "running", "status")
    crux.equal(execute("/bin/cat", "/written")["stdout"], "written\n", "what was written before")


def test_start_with_an_id():
    load()
    crux.ask("image-start", {**IMAGE, "id": "acme/web/1"})
    crux.equal(containers(), ["acme-web-1"], "containers")
    for name in ("acme/web/1", "acme-web-1", "acme/web-1"):
        crux.equal(status(name), "running", name)
    crux.ask("image-start", {**IMAGE, "id": None})
    crux.equal(sorted(containers()), ["acme-web-1", "test-app"], "containers")


def test_start_from_a_ref_that_is_no_identifier():
    load(ref="reg:5000/app")
    crux.refused("image-start", {**IMAGE, "ref": "reg:5000/app"}, code="invalid-argument", message='"ref"')
    crux.ask("image-start", {**IMAGE, "ref": "reg:5000/app", "id": "app"})
    crux.equal(containers(), ["app"], "containers")


def test_start_of_what_is_not_there():
    crux.refused("image-start", IMAGE, code="not-found", message=("test/app:1.0.0", "not found"))
    crux.equal(containers(), [], "containers")


def test_start_of_an_image_without_a_command():
    load("silent.tar")
    crux.refused("image-start", IMAGE, code="invalid-argument", message="test/app:1.0.0")
    crux.equal(containers(), [], "containers")
    crux.equal(status(), "not created", "status")


def test_start_of_a_program_that_is_not_there():
    load("broken.tar")
    reply = crux.refused("image-start", IMAGE, message="/no/such/program")
    assert reply.code in ("command-failed", "not-found", "invalid-argument"), dict(reply)
    crux.equal(containers(), [], "containers")


def test_start_at_the_same_time():
    load()
    with crux.contextlib.ExitStack() as stack:
        connections = [stack.enter_context(crux.Connection()) for _ in range(8)]
        for connection in connections:
            connection.send(crux.encode("image-start", IMAGE))
        replies = [crux.Reply(connection.line()) for connection in connections]
    assert all(reply.ok for reply in replies), [dict(reply) for reply in replies if not reply.ok]
    crux.equal(list(tasks()), ["test-app"], "tasks")
    crux.equal(len([s for s in crux.State.snapshots()]), 1, "snapshots")


def test_output_goes_to_the_journal():
    since = time.time()
    start()
    lines = crux.eventually(lambda: crux.journal("CONTAINER_NAME=test-app", since=since), 5, "a line of the container's")
    crux.equal([line["MESSAGE"] for line in lines], ["up"], "lines")


# ---- stop and destroy -----------------------------------------------------------------------------------------------------------


def test_stop_keeps_the_container():
    start()
    crux.ask("container-stop", CONTAINER)
    crux.equal((containers(), tasks()), (["test-app"], {}), "containers and tasks")
    crux.ask("container-stop", CONTAINER)
    crux.equal(status(), "stopped", "status")


def test_stop_is_a_term_first():
    program = ["/bin/sh", "-c", "trap 'echo bye > /said; exit 0' TERM; while true; do sleep 0.1; done"]
    SHOP.base("term.tar", None, Entrypoint=program)
    load("term.tar")
    crux.ask("image-start", IMAGE)
    time.sleep(0.5)
    crux.ask("container-stop", CONTAINER)
    crux.ask("image-start", IMAGE)
    crux.equal(execute("/bin/cat", "/said")["stdout"], "bye\n", "what it said when it was told to end")


def test_stop_of_one_that_ignores_it():
    SHOP.base("deaf.tar", None, Entrypoint=["/bin/sh", "-c", "trap '' TERM; while true; do sleep 1; done"])
    load("deaf.tar")
    crux.ask("image-start", IMAGE)
    crux.ask("container-stop", CONTAINER)
    crux.equal(status(), "stopped", "status")


def test_destroy_takes_all_of_it():
    load()
    with crux.leftovers():
        crux.ask("image-start", IMAGE)
        crux.ask("container-destroy", CONTAINER)
    crux.equal((containers(), status()), ([], "not created"), "containers")
    crux.equal(images(), ["test/app:1.0.0"], "images")


def test_destroy_of_a_stopped_one():
    load()
    with crux.leftovers():
        crux.ask("image-start", IMAGE)
        crux.ask("container-stop", CONTAINER)
        crux.ask("container-destroy", CONTAINER)


def test_destroy_of_an_image_takes_its_containers():
    load()
    load("other.tar", ref="test/other")
    for name in ("one", "two", "three"):
        crux.ask("image-start", {**IMAGE, "id": name})
    crux.ask("container-stop", {"id": "two"})
    crux.ask("image-start", {**IMAGE, "ref": "test/other"})
    crux.ask("image-destroy", IMAGE)
    crux.equal(containers(), ["test-other"], "containers")
    crux.equal(tasks(), {"test-other": "RUNNING"}, "tasks")
    crux.equal(images(), ["test/other:1.0.0"], "images")
    crux.ask("image-destroy", IMAGE)


def test_a_containers_end_when_others_took_parts():
    start()
    crux.ctr("tasks", "kill", "-s", "SIGKILL", "test-app")
    crux.eventually(lambda: tasks().get("test-app") in (None, "STOPPED"), 10, "its end")
    crux.equal(status(), "stopped", "status")
    crux.ctr("tasks", "rm", "test-app", check=False)
    crux.equal(status(), "stopped", "status")
    crux.ask("container-destroy", CONTAINER)
    crux.equal(status(), "not created", "status")


# ---- exec -----------------------------------------------------------------------------------------------------------------------


EXECUTIONS = [
    # name, command, exit code, stdout, stderr
    ("no shell", ["/bin/echo", "$WHO", "a  b", "*", ";", "`id`"], 0, "$WHO a  b * ; `id`\n", None),
    ("empty arguments", ["/bin/printf", "%s|", "", "x", ""], 0, "|x||", None),
    ("the container's environment and directory", ["/bin/sh", "-c", "echo $WHO $PWD"], 0, "app /tmp\n", None),
    ("by PATH", ["echo", "found"], 0, "found\n", None),
    ("no terminal", ["/bin/sh", "-c", "test -t 0 || test -t 1 || test -t 2 || echo none"], 0, "none\n", None),
    ("no stdin", ["/bin/sh", "-c", "cat; echo end"], 0, "end\n", None),
    ("exit code 1", ["/bin/false"], 1, None, None),
    ("exit code 255", ["/bin/sh", "-c", "exit 255"], 255, None, None),
    ("killed", ["/bin/sh", "-c", "kill -9 $$"], 137, None, None),
    ("both streams", ["/bin/sh", "-c", "echo out; echo err >&2"], 0, "out\n", "err\n"),
    ("no newline", ["/bin/printf", "x"], 0, "x", None),
    ("bytes", ["/bin/printf", "\\0\\1\\n\\377\\303\\251\\342\\202a"], 0, "\0\1\n\ufffd\u00e9\ufffd\ufffda", None),
    ("UTF-8 arguments", ["/bin/echo", "grüße 日本 🙂"], 0, "grüße 日本 🙂\n", None),
    ("what stays behind does not hold it up", ["/bin/sh", "-c", "sleep 30 & echo started"], 0, "started\n", None),
]


@crux.table(EXECUTIONS)
def test_exec(name, command, code, stdout, stderr):
    if "test-app" not in containers():
        start()
    started = time.monotonic()
    reply = execute(*command)
    expected = {"exitCode": code, "stdout": stdout, "stderr": stderr}
    crux.equal(dict(reply), {name: value for name, value in expected.items() if value is not None}, "payload")
    assert time.monotonic() - started < 10, "it took long"


def test_exec_output_is_whole():
    start()
    reply = execute("/bin/sh", "-c", "seq 1 600000; seq 1 1000 >&2")
    crux.equal(reply["stdout"], "".join(f"{n}\n" for n in range(1, 600001)), "stdout")
    crux.equal(reply["stderr"], "".join(f"{n}\n" for n in range(1, 1001)), "stderr")


def test_exec_without_bound_is_ended():
    """CVE-2022-31030 (containerd), CVE-2022-1708 (CRI-O): output without end is nobody's memory."""
    start()
    reply = crux.refused("container-exec", {**CONTAINER, "command": ["/bin/cat", "/dev/zero"]}, message="MiB")
    crux.equal(reply.code, "command-failed", "code")
    crux.equal(execute("/bin/sh", "-c", "ps | grep -c '[c]at /dev'")["stdout"], "0\n", "processes that go on")


def test_exec_of_no_program():
    start()
    reply = crux.refused("container-exec", {**CONTAINER, "command": ["/no/such"]}, message="/no/such")
    assert reply.code in ("command-failed", "not-found", "invalid-argument"), dict(reply)


def test_exec_where_nothing_runs():
    crux.refused("container-exec", {**CONTAINER, "command": ["/bin/true"]}, code="not-found", message="test-app")
    start()
    crux.ask("container-stop", CONTAINER)
    crux.refused("container-exec", {**CONTAINER, "command": ["/bin/true"]}, code="not-running", message="test-app")


def test_exec_is_cancelled_with_its_client():
    start()
    with crux.Connection() as connection:
        connection.send(crux.encode("container-exec", {**CONTAINER, "command": ["/bin/sleep", "777"]}))
        crux.eventually(lambda: any(line == "/bin/sleep 777" for line in crux.processes().values()), 10, "the process")
    crux.eventually(lambda: not any(line == "/bin/sleep 777" for line in crux.processes().values()), 10, "its end")
    crux.equal(status(), "running", "status")


def test_exec_with_more_input_is_not_cancelled():
    start()
    command = crux.encode("container-exec", {**CONTAINER, "command": ["/bin/sh", "-c", "sleep 1; echo done"]})
    with crux.Connection() as connection:
        connection.send(command + b"more").send(b" and more\n").half_close()
        crux.equal(crux.Reply(connection.line())["stdout"], "done\n", "stdout")


# ---- more at once than there may be ----------------------------------------------------------------------------------------------


def test_commands_wait_for_one_another():
    with workshop.settings(CommandsMax=1, CommandsPerUserMax=1):
        start()
        command = crux.encode("container-exec", {**CONTAINER, "command": ["/bin/sleep", "1"]})
        started = time.monotonic()
        with crux.contextlib.ExitStack() as stack:
            connections = [stack.enter_context(crux.Connection()).send(command) for _ in range(3)]
            assert crux.request("status").ok, "status waits for others"
            assert all(crux.Reply(connection.line()).ok for connection in connections)
        assert time.monotonic() - started > 2.9, "they ran at once"
        crux.destroy_everything()
    GUARD.pid = crux.ask("status")["pid"]


def test_queue_is_bounded():
    with workshop.settings(CommandsMax=1, CommandsPerUserMax=1, QueueMax=1, QueuePerUserMax=1):
        start()
        command = crux.encode("container-exec", {**CONTAINER, "command": ["/bin/sleep", "1"]})
        with crux.Connection() as first, crux.Connection() as second:
            first.send(command)
            time.sleep(0.3)
            second.send(command)
            time.sleep(0.1)
            reply = crux.refused("container-status", CONTAINER, code="busy")
            crux.contains(reply.message, "1")
            assert crux.Reply(first.line()).ok and crux.Reply(second.line()).ok
        crux.destroy_everything()
    GUARD.pid = crux.ask("status")["pid"]


# ---- without containerd -------------------------------------------------------------------------------------------------------


AWAY = [
    ("container-status", CONTAINER),
    ("container-stop", CONTAINER),
    ("container-destroy", CONTAINER),
    ("container-exec", {**CONTAINER, "command": ["/bin/true"]}),
    ("image-start", IMAGE),
    ("image-destroy", IMAGE),
    ("image-import", {**IMAGE, "path": SHOP.root + "/app.tar"}),
    ("container-update", {**IMAGE, **CONTAINER, "path": SHOP.root + "/app.tar"}),
    ("build", SHOP.payload(workshop.stage(base="app.tar"))),
]


@crux.timeout(400)
def test_containerd_is_away():
    start()
    crux.run("systemctl", "stop", "containerd")
    try:
        assert crux.request("status").ok, "status needs containerd"
        slow = []
        for command, payload in AWAY:
            started = time.monotonic()
            crux.refused(command, payload, code="unavailable", message="containerd")
            took = time.monotonic() - started
            slow += [f"{command} took {took:.1f} s"] if took > 30 else []
        assert not slow, slow
    finally:
        crux.run("systemctl", "start", "containerd")
    crux.equal(status(), "running", "status, with containerd back")
    crux.equal(execute("/bin/cat", "/mark")["stdout"], "first\n", "the image's file")


def test_an_exec_outlives_a_restart_of_containerd():
    start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reply = pool.submit(execute, "/bin/sh", "-c", "until [ -e /go ]; do sleep 0.1; done; seq 1 100000; exit 3")
        crux.eventually(lambda: crux.executing("[ -e /go ]"), 20, "the process")
        crux.restart_containerd()
        execute("/bin/touch", "/go")
    crux.equal(reply.result()["exitCode"], 3, "exit code")
    crux.equal(reply.result()["stdout"], "".join(f"{n}\n" for n in range(1, 100001)), "stdout")


if __name__ == "__main__":
    crux.main()
