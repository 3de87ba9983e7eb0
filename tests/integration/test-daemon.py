# SPDX-License-Identifier: Apache-2.0
"""The daemon alone, started by hand with a worker that fails on demand (fake-worker): its own socket, its files and
options, how it queues and bounds, what a worker's every kind of end does to a command, how it stops."""

import concurrent.futures
import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time

import crux

PROGRAM = os.environ.get("CRUXD", "/usr/bin/cruxd")
FAKE = os.path.join(crux.HERE, "fake-worker")
INSTANCE = "test-daemon"
EXEC = {"id": "x"}
IMPORT = {"ref": "r", "version": "1", "path": "/p"}


class Daemon:
    """A daemon of our own, ready when the constructor returns."""

    def __init__(self, directory, *options, instance=INSTANCE, socket_path=None, worker=FAKE, **settings):
        self.directory = directory
        self.socket = socket_path or os.path.join(directory, "cruxd.sock")
        self.log_path = os.path.join(directory, "log")
        self.worker_log = os.path.join(directory, "workers")
        self.config = os.path.join(directory, "cruxd.conf")
        self.configure(**settings)
        ready, writer = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--debug", f"--instance={instance}", f"--config={self.config}", f"--worker={worker}"]
                + [f"--socket={self.socket}", f"--ready-fd={writer}", *options],
                stderr=log,
                pass_fds=[writer],
                env={**os.environ, "FAKE_WORKER_LOG": self.worker_log},
            )
        os.close(writer)
        with os.fdopen(ready, "rb") as pipe:
            self.ready = pipe.read()

    def configure(self, **settings):
        limits = "".join(f"{name}={value}\n" for name, value in settings.items() if name.endswith("Max"))
        daemon = "".join(f"{name}={value}\n" for name, value in settings.items() if not name.endswith("Max"))
        with open(self.config, "w") as config:
            config.write(f"[Daemon]\n{daemon}[Limits]\n{limits}")

    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def workers(self):
        """What the workers noted: (pid, text)."""
        with contextlib.suppress(FileNotFoundError), open(self.worker_log) as log:
            return [tuple(line.rstrip("\n").split(" ", 1)) for line in log]
        return []

    def children(self):
        """PIDs of the workers that are there."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return {int(pid) for pid in children.read().split()}

    def executing(self):
        return [pid for pid, text in self.workers() if text.endswith(" container-exec")]

    def building(self):
        return [pid for pid, text in self.workers() if text.endswith(" build")]

    def sweeps(self):
        return [text for _, text in self.workers() if text.endswith(" sweep")]

    def request(self, *arguments, **options):
        return crux.request(*arguments, path=self.socket, **options)

    def ask(self, *arguments, **options):
        return crux.ask(*arguments, path=self.socket, **options)

    def act(self, *words, **options):
        return self.request("container-exec", {**EXEC, "command": list(words)}, **options)

    def connect(self, *words, command="container-exec", payload=None, timeout=60):
        connection = crux.Connection(self.socket, timeout)
        connection.send(crux.encode(command, payload or {**EXEC, "command": list(words)}))
        return connection

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)


@contextlib.contextmanager
def daemon(*options, **settings):
    with crux.directory(mode=0o777) as directory:
        d = Daemon(directory, *options, **settings)
        try:
            yield d
            crux.equal(d.process.poll(), None, "the daemon's status; it should run")
            crux.equal(d.stop(), 0, "the daemon's status")
        except AssertionError:
            crux.diagnose(d.log()[-4000:])
            raise
        finally:
            if d.process.poll() is None:
                d.process.kill()
                d.process.wait()


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20)


# ---- options and files -------------------------------------------------------------------------------------------------


def test_version():
    for arguments in (["version"], ["--version"], ["-d", "version"]):
        done = run(*arguments)
        crux.equal((done.returncode, done.stderr), (0, ""), str(arguments))
        crux.matches(done.stdout, r"^(\(local\)|\d+\.\d+\.\d+\S*( \S+)? \[\w+\])\n$")


def test_help():
    done = run("--help")
    crux.equal(done.returncode, 0, "status")
    for word in ("start", "version", "worker", "--socket", "--pid-file", "--ready-fd", "--namespace", "--instance"):
        crux.contains(done.stdout, word)


@crux.table([("--wrong",), ("-x",), ("stop",), ("--socket",), ("--ready-fd=77",), ("--instance=a/b",)])
def test_wrong_command_line(word):
    done = run(word)
    crux.equal((done.returncode, done.stdout), (2, ""), "status and output")
    crux.contains(done.stderr, word.split("=")[0])


def test_a_socket_of_its_own():
    with crux.directory() as top:
        path, pid_file = os.path.join(top, "new/one/cruxd.sock"), os.path.join(top, "pid")
        with daemon(f"--pid-file={pid_file}", socket_path=path) as d:
            crux.equal(d.ready, b"ready\n", "on --ready-fd")
            crux.equal(oct(os.stat(path).st_mode & 0o777), "0o660", "mode")
            crux.equal(oct(os.stat(os.path.dirname(path)).st_mode & 0o777), "0o755", "the directory's mode")
            with open(pid_file) as file:
                crux.equal(file.read(), f"{d.process.pid}\n", "PID file")
            crux.equal(d.ask("status")["pid"], d.process.pid, "pid")
        crux.equal(os.listdir(top), ["new"], "what is left")
        crux.equal(os.listdir(os.path.dirname(path)), [], "what is left of the socket")


def test_a_dead_ones_socket_is_replaced():
    with crux.directory() as top:
        path = os.path.join(top, "cruxd.sock")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        with daemon(socket_path=path) as d:
            d.ask("status")


def test_a_live_ones_socket_is_refused():
    with daemon() as d:
        done = run("--instance=test-other", "--socket", d.socket)
        crux.equal(done.returncode, 1, "status")
        crux.contains(done.stderr, "another daemon listens")
        d.ask("status")


def test_one_daemon_an_instance():
    if os.geteuid() != 0:
        crux.skip("needs root")
    with daemon() as d, crux.directory() as other:
        done = run(f"--instance={INSTANCE}", "--socket", other + "/s")
        crux.equal(done.returncode, 1, "status")
        crux.contains(done.stderr, "is running already")
        d.ask("status")


def test_what_is_no_socket_stays():
    with crux.directory() as top:
        path = os.path.join(top, "file")
        with open(path, "w") as file:
            file.write("precious")
        done = run("--instance=test-other", "--socket", path)
        crux.equal(done.returncode, 1, "status")
        crux.contains(done.stderr, "is no socket")
        with open(path) as file:
            crux.equal(file.read(), "precious", "content")


def test_what_became_anothers_stays():
    with crux.directory() as top:
        pid_file = os.path.join(top, "pid")
        with daemon(f"--pid-file={pid_file}") as d:
            os.unlink(d.socket)
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(d.socket)
                with open(pid_file, "w") as file:
                    file.write("1\n")
                crux.equal(d.stop(), 0, "status")
                assert crux.is_socket(d.socket), "another's socket was removed"
                with open(pid_file) as file:
                    crux.equal(file.read(), "1\n", "another's PID file")
            d.__init__(d.directory, socket_path=os.path.join(top, "again"))


def test_a_bad_setting_is_named_and_the_rest_holds():
    with daemon(BuildsMax="lots", WorkerIdleSec="1s", NoSuch=1) as d:
        d.ask("status")
        crux.matches(d.log(), r"cruxd\.conf:\d+: BuildsMax=lots is no valid value, ignoring")
        crux.matches(d.log(), r"cruxd\.conf:\d+: unknown setting NoSuch= in section \[Daemon\], ignoring")


def test_a_worker_that_is_not_there():
    with daemon(worker="/nonexistent/worker") as d:
        reply = d.act("ok")
        crux.equal(reply.code, "internal", "code")
        crux.contains(reply.message, "/nonexistent/worker")
        assert d.request("status").ok


# ---- what a worker is given -------------------------------------------------------------------------------------------------


def test_a_workers_surroundings():
    with daemon("--namespace=ns", "--containerd-address=/run/c.sock") as d:
        given = d.ask("container-status", {"id": "a/b"})
        crux.equal(given["fds"], ["request"], "fds")
        crux.equal([given["uid"], given["gid"]], [os.geteuid(), os.getegid()], "credentials")
        options = {f"--instance={INSTANCE}", "--namespace=ns", "--containerd-address=/run/c.sock", "--log-level=debug"}
        crux.equal(options - set(given["argv"]), set(), "missing arguments")
        crux.equal([fd for fd in given["open"] if fd > 3], given["open"][4:], "fds")
        assert len(given["open"]) <= 5 + 1, f"leaked fds: {given['open']}"
        assert not [n for n in given["environment"] if n.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))]


def test_files_are_the_clients():
    with daemon() as d:
        given = d.ask("image-import", {"ref": "r", "version": "1", "path": "/p"})
        crux.equal(given["fds"], ["request", "root"], "fds")
        crux.equal(given["links"][1], "/", "root")
        crux.equal(sorted(given["groups"]), sorted(os.getgroups()), "groups")


def test_a_client_in_another_root():
    if os.geteuid() != 0:
        crux.skip("needs root")
    with daemon() as d, crux.directory() as root:
        with open(f"{root}/mark", "w"):
            pass
        pid = os.fork()
        if pid == 0:
            status = 1
            with contextlib.suppress(Exception), crux.Connection(d.socket) as connection:
                os.chroot(root)
                connection.send(crux.encode("image-import", {"ref": "r", "version": "1", "path": "/p"}))
                status = 0 if crux.Reply(connection.line())["links"][1] == root else 2
            os._exit(status)
        crux.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "status")


def test_a_client_that_has_gone_has_no_files():
    with daemon() as d:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:  # connects, hands the connection on, and goes
            with crux.Connection(d.socket) as child:
                socket.send_fds(theirs, [b"x"], [child.socket.fileno()])
            os._exit(0)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        os.waitpid(pid, 0)
        with socket.socket(fileno=fds[0]) as connection:
            connection.setblocking(True)
            connection.sendall(crux.encode("image-import", {"ref": "r", "version": "1", "path": "/p"}))
            reply = crux.Reply(connection.makefile("rb").readline())
        crux.equal(reply.code, "invalid-argument", "code")
        crux.contains(reply.message, "has gone")


def test_short_commands_share_a_worker():
    with daemon() as d:
        pids = {d.ask("container-status", {"id": "a"})["pid"] for _ in range(20)}
        assert len(pids) <= 2, f"workers {pids}: more than the first command's and the first sweep's"


def test_a_long_one_has_its_own():
    with daemon() as d:
        pids = {d.ask("image-import", IMPORT)["pid"] for _ in range(3)}
        crux.equal(len(pids), 3, "workers")
        pid = d.ask("container-status", {"id": "a"})["pid"]
        assert pid not in pids, "reused"


def import_and_wait_for_a_spare(d):
    """The PIDs of the import's worker and of those that wait after it: the first sweep's may be one of them."""
    first = int(d.ask("image-import", IMPORT)["pid"])
    crux.eventually(lambda: d.children() and first not in d.children(), 5, "a spare worker")
    return first, d.children()


def test_after_a_long_one_a_spare_waits():
    with daemon() as d:
        _, spares = import_and_wait_for_a_spare(d)
        assert int(d.ask("image-import", IMPORT)["pid"]) in spares, "not the next one's worker"


def test_a_spare_that_has_died_is_nobodys_failure():
    with daemon() as d:
        first, spares = import_and_wait_for_a_spare(d)
        for pid in spares:
            os.kill(pid, signal.SIGKILL)
        assert int(d.ask("image-import", IMPORT)["pid"]) not in {first, *spares}


def test_idle_workers_end():
    with daemon(WorkerIdleSec="200ms") as d:
        pid = d.ask("container-status", {"id": "a"})["pid"]
        crux.eventually(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the worker's end")
        assert d.ask("container-status", {"id": "a"})["pid"] != pid


# ---- how workers end -----------------------------------------------------------------------------------------------------------

ENDS = [
    # title, what the worker does, what the message says
    ("killed", ["kill", "9"], "the worker was killed by signal KILL"),
    ("a defect", ["kill", "11"], "the worker was killed by signal SEGV"),
    ("exits", ["exit", "3"], "the worker exited with status 3"),
    ("exits well without an answer", ["exit", "0"], "the worker exited with status 0"),
    ("killed in the middle of a reply", ["half"], "the worker was killed by signal KILL"),
    ("garbage", ["garbage"], "the worker sent what is no answer"),
]


@crux.table(ENDS)
def test_a_worker_ends(_, words, message):
    with daemon() as d:
        crux.eventually(d.sweeps, what="the first sweep")
        for _ in range(2):
            reply = d.act(*words)
            crux.equal((reply.code, reply.message), ("internal", message), "error")
        assert d.act("ok").ok, "the next command"
        crux.eventually(lambda: len(d.sweeps()) >= 2 or words[1:] == ["0"], what="a sweep after it")


def test_a_worker_that_closes_its_connection_is_killed():
    with daemon() as d:
        reply = d.act("close")
        crux.equal((reply.code, reply.message), ("internal", "the worker was killed by signal KILL"), "error")


def test_a_worker_that_could_not_clean_up():
    with daemon() as d:
        crux.eventually(d.sweeps, what="the first sweep")
        assert d.act("unclean").ok
        crux.eventually(lambda: len(d.sweeps()) == 2, what="a sweep after it")


def test_progress_before_the_death():
    with daemon() as d:
        reply = d.act("half-progress")
        crux.equal(reply.code, "internal", "code")


def test_killed_in_the_middle_of_a_large_reply():
    # Part of it has been passed on: all that can be done is to end without a newline.
    with daemon() as d:
        with d.connect("half-big", str(4 << 20)) as connection:
            line = b"".join(iter(lambda: connection.socket.recv(1 << 16), b""))
        assert not line.endswith(b"\n") and len(line) >= 4 << 20, f"{len(line)} bytes, {line[-20:]!r}"
        assert d.act("ok").ok


@crux.table([("more",), ("twice",)])
def test_more_than_an_answer(word):
    with daemon() as d:
        assert d.act(word).ok, "the answer itself counts"
        assert d.act("ok").ok
        crux.contains(d.log(), "answered without being asked")


def test_an_answer_in_pieces():
    with daemon() as d:
        assert d.act("pieces").ok


def test_an_idle_worker_that_dies_is_nobodys_failure():
    with daemon() as d:
        for _ in range(5):
            pid = d.ask("container-status", {"id": "a"})["pid"]
            os.kill(pid, signal.SIGKILL)
            assert d.request("container-status", {"id": "a"}).ok


# ---- long replies, slow and absent readers ------------------------------------------------------------------------------------------


def test_a_large_reply_passes_through():
    if crux.SANITIZED:
        crux.skip("the sanitizers' shadow memory counts as well")
    with daemon() as d:
        d.act("ok")
        before = d.resident()
        for word in ("big", "big-and-exit"):
            with d.connect(word, str(64 << 20)) as connection:
                time.sleep(0.3)  # it has to wait for us
                line = b"".join(iter(lambda: connection.socket.recv(1 << 16), b""))
            crux.equal(len(line) >> 20, 64, "MiB")
            crux.equal(json.loads(line)["payload"]["exitCode"], 0, "exit code")
        grown = d.resident() - before
        assert grown < 1 << 20, f"the broker has grown by {grown} bytes"


def test_who_takes_nothing_is_dropped():
    with daemon(RequestTimeoutSec="300ms") as d:
        with d.connect("big", str(8 << 20)) as connection:
            crux.eventually(lambda: "takes no reply in time" in d.log(), 5, "the end")
            assert d.act("ok").ok
            line = b"".join(iter(lambda: connection.socket.recv(1 << 16), b""))
            assert not line.endswith(b"\n"), "a reply that is whole"


def test_a_worker_ends_though_nobody_takes_what_it_says():
    payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "flood", "root": "/", "output": "/o", "progress": True}
    with daemon() as d:
        with d.connect(command="build", payload=payload):
            (pid, _), *_ = crux.eventually(lambda: [w for w in d.workers() if w[1].endswith(" build")], what="the build")
            time.sleep(0.5)  # by then it waits for the client
            os.kill(int(pid), signal.SIGKILL)
            crux.eventually(lambda: "was killed by signal KILL before it had answered" in d.log(), 10, "the job's end")


def test_who_sends_nothing_is_dropped():
    with daemon(RequestTimeoutSec="200ms") as d:
        for data in (b"", b'{"command":'):
            with crux.Connection(d.socket) as connection:
                connection.send(data)
                reply = crux.Reply(connection.line())
            crux.equal(reply.code, "invalid-argument", "code")
            crux.contains(reply.message, "no whole line came in time")


def test_progress_is_for_those_who_ask():
    with daemon() as d:
        payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "r", "root": "/", "output": "/o"}
        crux.equal(len(crux.exchange(crux.encode("build", payload), path=d.socket)), 1, "lines")
        lines = crux.exchange(crux.encode("build", {**payload, "progress": True}), path=d.socket)
        crux.equal([json.loads(line)["command"] for line in lines], ["progress"] * 3 + ["ok"], "lines")
        crux.equal(d.ask("status")["builds"], 2, "builds")


# ---- cancelling ---------------------------------------------------------------------------------------------------------------------


def test_a_client_that_goes_cancels():
    with daemon() as d:
        with d.connect("sleep", "60"):
            crux.eventually(d.executing, what="the command")
        crux.eventually(lambda: any(text == "cancel" for _, text in d.workers()), what="the signal")
        crux.eventually(lambda: "was cancelled: the client has gone" in d.log(), what="the journal's line")
        assert d.act("ok").ok


def test_one_that_ignores_it_is_killed():
    with daemon(CancelTimeoutSec="300ms") as d:
        crux.eventually(d.sweeps, what="the first sweep")
        with d.connect("hang"):
            crux.eventually(d.executing, what="the command")
        crux.eventually(lambda: "was cancelled: the client has gone" in d.log(), 5, "the journal's line")
        crux.eventually(lambda: len(d.sweeps()) == 2, what="a sweep after it")


def test_one_that_waits_is_taken_out():
    with daemon(CommandsMax=1) as d:
        with d.connect("sleep", "1") as first:
            crux.eventually(d.executing, what="the command")
            d.connect("ok").close()
            crux.eventually(lambda: "was cancelled: the client has gone" in d.log(), what="the journal's line")
            assert crux.Reply(first.line()).ok
        crux.equal(len(d.executing()), 1, "commands that a worker saw")


def test_a_half_closed_connection_does_not():
    with daemon() as d:
        with d.connect("sleep", "0.3") as connection:
            assert crux.Reply(connection.half_close().line()).ok


def test_nothing_of_many_cancelled_ones_stays():
    with daemon(CommandsMax=4) as d:
        d.act("ok")
        before = d.descriptors()
        for number in range(100):
            connection = d.connect("sleep", "5")
            if number % 3:
                time.sleep(0.01)
            connection.close()
        crux.eventually(lambda: d.descriptors() <= before + 1, 20, "descriptors")


# ---- stopping ------------------------------------------------------------------------------------------------------------------------


def test_stopping_waits_for_short_commands():
    with daemon() as d:
        with d.connect("sleep", "1") as connection:
            crux.eventually(d.executing, what="the command")
            d.process.terminate()
            assert crux.Reply(connection.line()).ok
        crux.equal(d.process.wait(10), 0, "status")
        d.__init__(d.directory)


def test_stopping_cancels_builds_and_says_so():
    payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "sleep 60", "root": "/", "output": "/o"}
    with daemon() as d:
        with d.connect(command="build", payload=payload) as connection:
            crux.eventually(d.building, what="the build")
            started = time.monotonic()
            d.process.terminate()
            reply = crux.Reply(connection.line())
            crux.equal(reply.code, "cancelled", "code")
        crux.equal(d.process.wait(10), 0, "status")
        assert time.monotonic() - started < 5, "took long"
        d.__init__(d.directory)


def test_stopping_has_an_end():
    with daemon(StopTimeoutSec="300ms", CancelTimeoutSec="300ms", CommandsMax=1) as d:
        with d.connect("hang") as running, d.connect("ok") as waiting, crux.Connection(d.socket) as silent:
            crux.eventually(d.executing, what="the command")
            d.process.terminate()
            crux.equal(crux.Reply(waiting.line()).code, "cancelled", "code of one that waited")
            crux.equal(crux.Reply(silent.line()).code, "unavailable", "code of one that had not asked yet")
            crux.equal(crux.Reply(running.line()).code, "cancelled", "code of one that ran")
        crux.equal(d.process.wait(10), 0, "status")
        d.__init__(d.directory)


def test_a_second_signal_hurries():
    with daemon(StopTimeoutSec="1min", CancelTimeoutSec="300ms") as d:
        with d.connect("sleep", "60") as connection:
            crux.eventually(d.executing, what="the command")
            d.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            d.process.send_signal(signal.SIGINT)
            crux.equal(crux.Reply(connection.line()).code, "cancelled", "code")
        crux.equal(d.process.wait(5), 0, "status")
        d.__init__(d.directory)


def test_workers_do_not_outlive_a_killed_daemon():
    with daemon() as d:
        with d.connect("sleep", "2"):
            pid = crux.eventually(d.executing, what="the command")[0]
            d.process.kill()
            d.process.wait()
        crux.eventually(lambda: not os.path.exists(f"/proc/{pid}"), 10, "the worker's end")
        d.__init__(d.directory)
        d.ask("status")


# ---- bounds -------------------------------------------------------------------------------------------------------------------------


def test_commands_wait_for_their_turn():
    with daemon(CommandsMax=2) as d:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            started = time.monotonic()
            replies = list(pool.map(lambda _: d.act("sleep", "0.3"), range(6)))
            took = time.monotonic() - started
        assert all(reply.ok for reply in replies)
        assert 0.9 <= took < 3, f"took {took:.1f} s"
        pids = set(d.executing())
        crux.equal(len(pids), 2, "workers")


def test_beyond_the_queue_is_busy():
    with daemon(CommandsMax=1, QueueMax=2) as d:
        with d.connect("sleep", "2"):
            crux.eventually(d.executing, what="the command")
            with d.connect("ok") as one, d.connect("ok") as two:
                time.sleep(0.1)
                crux.equal(d.act("ok").code, "busy", "code")
                assert d.request("status").ok, "status needs no worker"
                assert crux.Reply(one.line()).ok and crux.Reply(two.line()).ok


def test_a_users_share():
    if os.geteuid() != 0 or not user_exists("alice"):
        crux.skip("needs root and user alice")
    with daemon(CommandsMax=2, CommandsPerUserMax=1, QueueMax=8, QueuePerUserMax=4) as d:
        running = [d.connect("sleep", "3") for _ in range(5)]
        crux.eventually(d.executing, what="the command")
        time.sleep(0.1)
        crux.equal(d.act("ok").code, "busy", "code of one more")
        started = time.monotonic()
        assert d.act("ok", user="alice").ok
        assert time.monotonic() - started < 1.5, "had to wait for another user's commands"
        for connection in running:
            connection.close()


def user_exists(name):
    return subprocess.run(["id", name], capture_output=True).returncode == 0


def test_builds_leave_room_for_others():
    payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "sleep 3", "root": "/", "output": "/o"}
    with daemon(BuildsMax=1) as d:
        builds = [d.connect(command="build", payload=payload) for _ in range(3)]
        crux.eventually(d.building, what="the build")
        assert d.act("ok").ok
        crux.equal(len(d.building()), 1, "builds at once")
        for connection in builds:
            connection.close()


def test_a_users_share_of_builds():
    if os.geteuid() != 0 or not user_exists("alice"):
        crux.skip("needs root and user alice")
    payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "sleep 3", "root": "/", "output": "/o"}
    with daemon(BuildsMax=2, BuildsPerUserMax=1) as d:
        builds = [d.connect(command="build", payload=payload) for _ in range(3)]
        crux.eventually(d.building, what="the build")
        time.sleep(0.1)
        crux.equal(len(d.building()), 1, "builds of one user at once")
        started = time.monotonic()
        d.request("build", {**payload, "resource": "ok"}, user="alice")
        assert time.monotonic() - started < 1.5, "had to wait for another user's builds"
        for connection in builds:
            connection.close()


def test_connections_of_a_user():
    with daemon(ConnectionsPerUserMax=5) as d:
        held = [crux.Connection(d.socket) for _ in range(5)]
        d_reply = crux.eventually(lambda: refused_or_none(d), what="a refusal")
        crux.equal(d_reply.code, "busy", "code")
        crux.contains(d_reply.message, "the limit is 5")
        # However many knock, the daemon does not keep them all.
        knocking = [crux.Connection(d.socket) for _ in range(300)]
        assert d.descriptors() < 200, f"{d.descriptors()} descriptors"
        for connection in held + knocking:
            connection.close()
        crux.eventually(lambda: d.request("status").ok, what="room again")


def refused_or_none(d):
    reply = d.request("status")
    return None if reply.ok else reply


def test_many_idle_connections_beside_working_ones():
    if crux.SANITIZED:
        crux.skip("the sanitizers' shadow memory counts as well")
    with daemon() as d:
        d.act("ok")
        before = d.resident()
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        held = [crux.Connection(d.socket) for _ in range(2000)]
        for _ in range(50):
            assert d.act("ok").ok and d.request("status").ok
        grown = d.resident() - before
        assert grown < 4 << 20, f"grown by {grown} bytes"
        for connection in held:
            connection.close()
        crux.eventually(lambda: d.descriptors() < 50, 5, "descriptors")


def test_memory_of_requests():
    if crux.SANITIZED:
        crux.skip("the sanitizers' shadow memory counts as well")
    with daemon(RequestMemoryPerUserMax="1M", RequestMemoryMax="8M") as d:
        with crux.Connection(d.socket) as big:
            refused = big_line(big, 2 << 20)
            crux.equal(refused.code, "busy", "code")
            crux.contains(refused.message, "RequestMemory" if "RequestMemory" in refused.message else "bytes")
        assert d.request("", raw=b'{"command":"status","x":"%s"}\n' % (b"x" * (900 << 10))).ok
        crux.eventually(lambda: d.resident() < 8 << 20, 5, "memory given back")


def test_memory_of_commands_under_way():
    words = ["sleep", "600", *(["x" * 100000] * 6)]
    with daemon(RequestMemoryPerUserMax="1M") as d:
        with d.connect(*words) as first:
            crux.eventually(d.executing, what="the command")
            refused = d.act(*words)
            crux.equal(refused.code, "busy", "code")
            crux.contains(refused.message, "bytes in requests under way")
            assert d.act("ok").ok
            first.close()
        crux.eventually(lambda: d.act("ok", *words[2:]).ok, 10, "room again")


def big_line(connection, size):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(b'{"command":"status","x":"')
        for _ in range(size >> 16):
            connection.send(b"x" * (1 << 16))
    return crux.Reply(connection.line())


def test_many_values_cost_no_memory():
    if crux.SANITIZED:
        crux.skip("the sanitizers' shadow memory counts as well")
    with daemon() as d:
        d.act("ok")
        before = d.resident()
        line = b'{"command":"status","x":[' + b"1," * ((8 << 20) - 32) + b"1]}\n"
        reply = d.request("", raw=line[: (16 << 20) - 100] + b"1]}\n")
        crux.equal(reply.code, "invalid-argument", "code")
        crux.contains(reply.message, "values")
        crux.eventually(lambda: d.resident() - before < 1 << 20, 5, "memory given back")


def test_reload():
    with daemon(CommandsMax=1, QueueMax=0) as d:
        with d.connect("sleep", "1"):
            crux.eventually(d.executing, what="the command")
            crux.equal(d.act("ok").code, "busy", "code")
            d.configure(CommandsMax=2)
            d.process.send_signal(signal.SIGHUP)
            crux.eventually(lambda: d.act("ok").ok, 2, "room")
        d.configure(LogLevel="err")
        shutil.move(d.config, d.config + ".away")
        d.process.send_signal(signal.SIGHUP)
        crux.eventually(lambda: "Failed to reload, going on as before" in d.log(), what="the journal's line")
        assert d.act("ok").ok


# ---- as a service manager's child --------------------------------------------------------------------------------------------------------


class Notify:
    """What a service manager would be told."""

    def __init__(self, directory):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = os.path.join(directory, "notify")
        self.socket.bind(self.path)

    def messages(self, seconds=0.3):
        found = []
        while select.select([self.socket], [], [], seconds)[0]:
            found += self.socket.recv(1 << 16).decode().split("\n")
        return found


def test_what_systemd_is_told():
    with crux.directory() as top:
        notify = Notify(top)
        os.environ["NOTIFY_SOCKET"] = notify.path
        try:
            with daemon() as d:
                started = notify.messages()
                assert "READY=1" in started, started
                assert any(m.startswith("STATUS=0 commands running") for m in started), started
                payload = {"recipe": {"stages": [{"from": "oci x"}]}, "resource": "r", "root": "/", "output": "/o"}
                d.ask("build", payload)
                assert any("1 builds done" in m or "1 build done" in m for m in notify.messages(1.5))
                d.process.send_signal(signal.SIGHUP)
                told = notify.messages()
                names = [m.split("=")[0] for m in told]
                assert names.index("RELOADING") < names.index("MONOTONIC_USEC") < names.index("READY"), told
                d.process.terminate()
                assert "STOPPING=1" in notify.messages()
                d.process.wait(10)
                d.__init__(d.directory)
        finally:
            del os.environ["NOTIFY_SOCKET"]


class PrivateBus:
    """A bus that the test can end and begin again, in the place of the system's."""

    CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
        "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig><listen>unix:path=%s</listen><policy context="default"><allow own="*"/><allow send_destination="*"/>
        <allow eavesdrop="true"/></policy></busconfig>"""

    def __init__(self, directory):
        self.path, self.config = directory + "/bus", directory + "/bus.conf"
        self.address = f"unix:path={self.path}"
        with open(self.config, "w") as file:
            file.write(self.CONFIG % self.path)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={self.config}"])

    def stop(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def call(self, method, *arguments):
        name = "xyz.cruciblehq.cruxd1"
        return subprocess.run(
            ["busctl", f"--address={self.address}", "--json=short", "--", "call", f"{name}.Instance.{INSTANCE}",
             "/xyz/cruciblehq/cruxd1", f"{name}.Manager", method, *arguments],
            capture_output=True, text=True, timeout=30,
        )


def test_the_bus_may_come_go_and_come_again():
    if not shutil.which("dbus-daemon"):
        crux.skip("needs dbus-daemon")
    with crux.directory() as top:
        bus = PrivateBus(top)
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
        try:
            with daemon() as d:
                assert d.act("ok").ok, "without a bus"
                for _ in range(3):
                    bus.start()
                    crux.eventually(lambda: bus.call("Status").returncode == 0, 10, "the daemon on the bus")
                    before = len(d.executing())
                    caller = subprocess.Popen(
                        ["busctl", f"--address={bus.address}", "call", f"xyz.cruciblehq.cruxd1.Instance.{INSTANCE}",
                         "/xyz/cruciblehq/cruxd1", "xyz.cruciblehq.cruxd1.Manager", "ContainerExec", "sas", "x", "2",
                         "sleep", "60"], stderr=subprocess.DEVNULL)
                    crux.eventually(lambda: len(d.executing()) > before, 10, "the command")
                    cancelled = d.log().count("was cancelled: the client has gone")
                    bus.stop()
                    caller.wait(10)
                    crux.eventually(lambda: d.log().count("was cancelled: the client has gone") > cancelled, 10, "its end")
                    assert d.act("ok").ok, "after the bus has gone"
        finally:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
            if bus.process and bus.process.poll() is None:
                bus.stop()


if __name__ == "__main__":
    crux.main()
