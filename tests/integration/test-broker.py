# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process and as one end of a socket: what it weighs, who may ask, how it frames, what a vanished or
a slow client does to it."""

import concurrent.futures
import os
import re
import shutil
import time

import crux

ROOT = "/srv/test/broker"
SLEEP = {"from": "file base.tar", "steps": [{"run": "sleep 300"}]}

# What the broker may take, in bytes, after a thousand commands.
RESIDENT_MAX = 6 << 20

# protocol.md's limits.
LINE_MAX = 16 << 20
NESTING_MAX = 64
LINE_SECONDS = 30


def setup():
    crux.destroy_everything()
    os.makedirs(ROOT + "/out", exist_ok=True)
    crux.mkimage.busybox(ROOT + "/base.tar")


def teardown():
    crux.destroy_everything()
    shutil.rmtree(ROOT, ignore_errors=True)


def main_pid():
    return int(crux.show(crux.SERVICE, "MainPID")["MainPID"])


# ---- the process ---------------------------------------------------------------------------------------------------------


def test_starts_when_somebody_connects():
    crux.run("systemctl", "stop", crux.SERVICE)
    crux.equal(crux.show(crux.SOCKET_UNIT, "ActiveState")["ActiveState"], "active", "the socket")
    reply = crux.ask("status")
    crux.equal(reply["pid"], main_pid(), "pid")
    crux.equal(crux.show(crux.SERVICE, "ActiveState")["ActiveState"], "active", "the service")
    crux.equal(crux.show(crux.SERVICE, "Result")["Result"], "success", "its result")


def test_links_no_grpc_and_no_libarchive():
    if crux.SANITIZED:
        crux.skip("the sanitizers' own library is written in C++")
    pid = crux.ask("status")["pid"]
    libraries = crux.run("ldd", f"/proc/{pid}/exe")
    for name in ("grpc", "gpr", "archive", "protobuf", "isal", "zstd", "stdc++"):
        # What libsystemd itself may bring is not ours.
        found = [line for line in libraries.splitlines() if f"lib{name}" in line]
        direct = crux.run("objdump", "-p", os.path.realpath(f"/proc/{pid}/exe"))
        assert not re.search(rf"NEEDED\s+lib{re.escape(name)}", direct), f"needs {found}"
        if name != "zstd":
            assert not found, f"loads {found}"


def test_is_small_after_a_thousand_commands():
    if crux.SANITIZED:
        crux.skip("the sanitizers' shadow memory counts as well")
    pid = crux.ask("status")["pid"]
    for number in range(1000):
        if number % 20 == 0:
            crux.ask("container-status", {"id": "nobody"})
        else:
            crux.ask("status")
    crux.equal(main_pid(), pid, "the daemon that answered")
    with open(f"/proc/{pid}/status") as file:
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10
    assert resident < RESIDENT_MAX, f"{resident / (1 << 20):.1f} MiB resident"


def test_many_at_once():
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: crux.request("status"), range(500)))
    assert all(reply.ok for reply in replies), [reply.message for reply in replies if not reply.ok][:3]


def test_outlives_its_restart():
    crux.ask("image-import", {"ref": "test/restart", "version": "1", "path": ROOT + "/base.tar"})
    try:
        crux.ctr("images", "ls", "-q")
        before = crux.ask("status")["pid"]
        crux.run("systemctl", "restart", crux.SERVICE)
        assert crux.ask("status")["pid"] != before, "the same process"
        crux.contains(crux.ctr("images", "ls", "-q"), "test/restart:1")
    finally:
        crux.ask("image-destroy", {"ref": "test/restart", "version": "1"})


# ---- who may ask -----------------------------------------------------------------------------------------------------------


def test_members_of_the_group_may_ask():
    assert crux.request("status", user="alice").ok


def test_others_may_not():
    try:
        crux.request("status", user="bob")
    except PermissionError:
        return
    raise AssertionError("bob was answered")


def test_socket_files():
    for path in (crux.SOCKET, "/run/cruxd/instances/default/cruxd.sock"):
        status = os.stat(path)
        crux.equal(oct(status.st_mode & 0o777), "0o660", path)
        crux.equal(crux.run("stat", "-L", "-c", "%U:%G", path).strip(), "root:cruxd", path)


# ---- framing -----------------------------------------------------------------------------------------------------------------


def test_a_request_in_pieces():
    with crux.Connection() as connection:
        for byte in crux.encode("status"):
            connection.send(bytes([byte]))
        assert crux.Reply(connection.line()).ok
        crux.equal(connection.line(), b"", "after the reply")


def test_more_than_one_line():
    # One exchange a connection: what follows is not looked at.
    lines = crux.exchange(crux.encode("status") * 3)
    crux.equal(len(lines), 1, "replies")


def test_the_end_of_input_ends_a_line():
    # Clients that send no newline but shut down their side mean the same; an error would do too, silence would not.
    reply = crux.Reply(crux.exchange(crux.encode("status").rstrip(b"\n"), half_close=True)[0])
    assert reply.ok or reply.code == "invalid-argument", dict(reply)


def test_nothing_sent():
    crux.equal(crux.exchange(b"", half_close=True), [], "reply")


def test_members_without_regard_to_case():
    assert crux.request("", raw=b'{"VERSION":0,"Command":"status"}\n').ok
    assert crux.request("", raw=b'{"COMMAND":"no such","command":"status"}\n').ok, "an exact match wins"
    assert crux.request("", raw=b'{"command":"no such","command":"status","extra":[1]}\n').ok, "the last one counts"


def test_deep_nesting():
    deep = b'{"command":"status","payload":' + b"[" * 10000 + b"]" * 10000 + b"}\n"
    crux.refused("", raw=deep, code="invalid-argument")
    fitting = b'{"command":"status","payload":{"x":' + b"[" * (NESTING_MAX - 2) + b"]" * (NESTING_MAX - 2) + b"}}\n"
    assert crux.request("", raw=fitting).ok


def test_a_line_that_is_too_long():
    with crux.Connection() as connection:
        sent = b'{"command":"status","payload":{"x":"'
        try:
            connection.send(sent)
            for _ in range(LINE_MAX // (1 << 20) + 1):
                connection.send(b"x" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = crux.Reply(connection.line())
        crux.equal(reply.code, "invalid-argument", "code")
    assert crux.request("status").ok


def test_a_line_that_just_fits():
    frame = b'{"command":"status","payload":{"x":"%s"}}\n'
    data = frame % (b"x" * (LINE_MAX - len(frame) - 64))
    assert crux.request("", raw=data).ok


@crux.timeout(90)
def test_half_a_line_is_dropped():
    with crux.Connection(timeout=LINE_SECONDS + 30) as connection:
        connection.send(b'{"command":')
        started = time.monotonic()
        lines = connection.lines()
        took = time.monotonic() - started
    assert LINE_SECONDS - 2 < took < LINE_SECONDS + 10, f"dropped after {took:.1f} s"
    assert not lines or not crux.Reply(lines[0]).ok, lines


MISSING = [
    # command, payload, the member that the message must name
    ("build", None, "payload"),
    ("build", {"recipe": {"stages": [SLEEP]}, "resource": "r", "output": "/o"}, "root"),
    ("build", {"recipe": {"stages": [SLEEP]}, "resource": "r", "root": "/r"}, "output"),
    ("image-import", None, "payload"),
    ("image-import", {"ref": "a", "version": "1"}, "path"),
    ("image-import", {"ref": "a", "version": "", "path": "/p"}, "version"),
    ("image-start", {"version": "1"}, "ref"),
    ("image-start", {"ref": "a"}, "version"),
    ("image-destroy", None, "payload"),
    ("container-stop", None, "payload"),
    ("container-destroy", {"id": ""}, "id"),
    ("container-status", {"id": None}, "id"),
    ("container-exec", {"id": "a"}, "command"),
    ("container-exec", {"id": "a", "command": []}, "command"),
    ("container-update", {"ref": "a", "version": "1", "id": "a"}, "path"),
]


@crux.table(MISSING, name=lambda row: f"{row[0]} {row[2]}")
def test_missing(command, payload, member):
    crux.refused(command, payload, code="invalid-argument", message=member)


@crux.table([(c,) for c in ("-a", "a b", "a//b", "ä", "a" * 77, "../a", "a/", "a\n")], name=lambda row: ascii(row[0]))
def test_bad_identifier(identifier):
    crux.refused("container-status", {"id": identifier}, code="invalid-argument")


# ---- clients that vanish -----------------------------------------------------------------------------------------------------


def sleeping():
    return [pid for pid, line in crux.processes().items() if line.endswith("sleep 300")]


def test_a_closed_connection_cancels():
    with crux.leftovers():
        with crux.Connection() as connection:
            connection.send(crux.encode("build", crux.build([SLEEP], root=ROOT, output=ROOT + "/out")))
            crux.eventually(sleeping, 30, "the step")
        crux.eventually(lambda: not sleeping(), 10, "the step's end")
    crux.equal(os.listdir(ROOT + "/out"), [], "output")
    assert crux.request("status").ok


def test_a_half_closed_one_does_not():
    with crux.Connection() as connection:
        stage = {"from": "file base.tar", "steps": [{"run": "sleep 2"}]}
        connection.send(crux.encode("build", crux.build([stage], root=ROOT, output=ROOT + "/out"))).half_close()
        assert crux.Reply(connection.line()).ok
    os.unlink(ROOT + "/out/image.tar")


def test_stopping_the_daemon_cancels_and_cleans():
    with crux.leftovers():
        with crux.Connection() as connection:
            connection.send(crux.encode("build", crux.build([SLEEP], root=ROOT, output=ROOT + "/out")))
            crux.eventually(sleeping, 30, "the step")
            crux.run("systemctl", "stop", crux.SERVICE)
            lines = connection.lines()
            assert not lines or not crux.Reply(lines[-1]).ok, lines
    crux.equal(os.listdir(ROOT + "/out"), [], "output")


def test_a_killed_daemon_is_swept_up_after():
    with crux.leftovers(seconds=30):
        with crux.Connection() as connection:
            connection.send(crux.encode("build", crux.build([SLEEP], root=ROOT, output=ROOT + "/out")))
            crux.eventually(sleeping, 30, "the step")
            # All of it at once, as the OOM killer does it.
            crux.run("systemctl", "kill", "--signal=KILL", crux.SERVICE)
        crux.eventually(lambda: crux.ask("status"), 10, "the next daemon")
        crux.eventually(lambda: not sleeping(), 30, "the step's end")


if __name__ == "__main__":
    crux.main()
