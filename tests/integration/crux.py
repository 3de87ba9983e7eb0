# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: a client, a look at containerd and the system, and a runner that speaks TAP.

A test file is test-NAME.py; its functions test_* run in the order they stand in. It ends with

    if __name__ == "__main__":
        crux.main()

and can be run alone, as root in a test system where cruxd is installed: python3 test-NAME.py [PATTERN]...
"""

import contextlib
import fnmatch
import inspect
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.dont_write_bytecode = True

import mkimage  # noqa: E402

SOCKET = os.environ.get("CRUXD_SOCKET", "/run/cruxd/cruxd.sock")
NAMESPACE = "cruxd"
SERVICE = "cruxd@default.service"
SOCKET_UNIT = "cruxd@default.socket"

# Whether the daemon has the sanitizers in it, which take time and memory.
SANITIZED = os.environ.get("CRUXD_TEST_SANITIZED") == "1"

# How long a single answer and a single test may take, unless they say otherwise.
REPLY_SECONDS = 120
TEST_SECONDS = 300


# ---- the client ----------------------------------------------------------------------------------------------------


class Reply(dict):
    """A reply's payload, with what stands around it."""

    def __init__(self, line):
        self.line = line
        self.envelope = json.loads(line)
        super().__init__(self.envelope.get("payload") or {})

    @property
    def ok(self):
        return self.envelope.get("command") == "ok"

    @property
    def code(self):
        return self.get("code")

    @property
    def message(self):
        return self.get("message", "")


class Connection:
    """One connection, in the test's hands byte by byte."""

    def __init__(self, path=None, timeout=REPLY_SECONDS):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path or SOCKET)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def line(self):
        """The next line with its newline; b"" at the end."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def lines(self):
        """All lines to the end of the connection."""
        return list(iter(self.line, b""))

    def close(self):
        self.socket.close()


def encode(command, payload=None, version=0):
    request = {"version": version, "command": command}
    if payload is not None:
        request["payload"] = payload
    return json.dumps(request).encode() + b"\n"


def exchange(data, *, half_close=False, timeout=REPLY_SECONDS, path=None):
    """Sends bytes, returns all lines of the answer."""
    with Connection(path, timeout) as connection:
        connection.send(data)
        if half_close:
            connection.half_close()
        return connection.lines()


def request(command, payload=None, *, version=0, raw=None, user=None, **options):
    """One command, one Reply. `raw` sends these bytes instead; `user` asks as somebody else."""
    data = raw if raw is not None else encode(command, payload, version)
    if user:
        lines = as_user(user, lambda: exchange(data, **options))
    else:
        lines = exchange(data, **options)
    assert len(lines) == 1, f"{command}: expected one line, got {lines!r}"
    assert lines[0].endswith(b"\n"), f"{command}: no newline at the end of {lines[0]!r}"
    return Reply(lines[0])


def ask(command, payload=None, **options):
    """A request that must succeed."""
    reply = request(command, payload, **options)
    assert reply.ok, f"{command}: {reply.code}: {reply.message}"
    return reply


def refused(command, payload=None, *, code=None, message=(), **options):
    """A request that must fail: with this code, and a message that has all of these words."""
    reply = request(command, payload, **options)
    assert not reply.ok, f"{command}: succeeded with {dict(reply)}"
    if code is not None:
        equal(reply.code, code, f"{command}: code of {reply.message!r}")
    for words in [message] if isinstance(message, str) else message:
        contains(reply.message, words)
    return reply


def build(stages, *, root, output, entrypoint=None, **more):
    """A build's payload, for ask() or refused()."""
    payload = {"recipe": {"stages": stages}, "resource": "test/build", "root": root, "output": output, **more}
    if entrypoint is not None:
        payload["entrypoint"] = entrypoint
    return payload


def as_user(user, function):
    """Calls function() in a child process that is this user, with all of the user's groups; its result is JSON or
    bytes in lists."""
    import pwd

    entry = pwd.getpwnam(user)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            os.initgroups(user, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            with os.fdopen(writer, "wb") as pipe:
                try:
                    result = {"result": [line.decode("latin-1") for line in function()]}
                    status = 0
                except OSError as error:
                    result = {"errno": error.errno, "text": str(error)}
                pipe.write(json.dumps(result).encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    result = json.loads(data)
    if "errno" in result:
        raise OSError(result["errno"], result["text"])
    return [line.encode("latin-1") for line in result["result"]]


# ---- the system ----------------------------------------------------------------------------------------------------


def run(*args, check=True, input=None, timeout=120, text=True, **options):
    """A program's output; what it said on stderr is in the error where it fails."""
    done = subprocess.run(args, input=input, capture_output=True, text=text, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(args)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done


def ctr(*args, **options):
    return run("ctr", "-n", NAMESPACE, *args, **options)


def ctr_list(*args):
    return sorted(line for line in ctr(*args).splitlines() if line)


def show(unit, *properties):
    """Properties of a unit, as strings."""
    output = run("systemctl", "show", unit, "--property=" + ",".join(properties))
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def journal(*args, since=None):
    """Journal entries as dictionaries."""
    args = [*args, *(["--since", f"@{since}"] if since else [])]
    run("journalctl", "--sync")
    lines = run("journalctl", "-b", "-o", "json", "--no-pager", *args).splitlines()
    return [json.loads(line) for line in lines]


def remove_setting(path):
    """Removes a drop-in of a test, and its directory where nothing else is in it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def eventually(condition, seconds=10, what="condition"):
    """Waits for condition() to give something true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def processes():
    """All processes: pid → command line, without kernel threads and ourselves."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            if line:
                found[int(pid)] = line
    return found


def executing(words):
    """Whether a process with these words in its command line was executed in a container, and its start is over."""
    starting = any("/exec-" in path for path in temporary_files())
    return not starting and any(words in line for line in processes().values())


def restart_containerd():
    """When it returns, containerd answers, and whoever took its death for the end of something has given that up."""
    run("systemctl", "restart", "containerd.service")
    eventually(lambda: ctr("version", check=False).returncode == 0, 30, "containerd is back")
    time.sleep(1)


def workers():
    """The daemons' workers: pid → name, "cruxd-watch" for the one that is there all the time."""
    found = {}
    for pid, line in processes().items():
        if os.path.basename(line.split(" ")[0]) == "cruxd-worker":
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
                found[pid] = file.read().strip()
    return found


def mounts():
    """Mount points of PID 1's namespace and of the daemon's, its workers' and containerd's."""
    found = set()
    for pid, line in {1: "init", **processes()}.items():
        name = os.path.basename(line.split(" ")[0])
        if pid == 1 or name in ("cruxd", "containerd") or name.startswith("cruxd-"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/mountinfo") as file:
                # The sandbox's own mounts are systemd's, and come and go with the service.
                found |= {fields[4] for fields in map(str.split, file) if interesting_mount(fields[4])}
    return sorted(found)


# Where a mount may be that somebody forgot, and those there that are the sandbox's of the service, made by systemd.
MOUNT_PLACES = ("/run/containerd/", "/var/lib/containerd/", "/var/lib/cruxd", "/run/cruxd/", "/var/tmp/crux", "/tmp/crux")
SANDBOX_MOUNTS = r"/run/containerd/(io\.containerd\.runtime\.v2\.task|fifo)|/run/cruxd(/instances(/[^/]+(/state)?)?)?"

# The daemon's own files, which are there as long as its socket is.
OWN_FILES = r"/run/cruxd/instances(/[^/]+(/lock|/state(/[^/]+)?)?)?"

# Images of base archives keep what was unpacked for the next build; their names tell that they are nobody's.
OWN_IMAGES = "cruxd.local/base@"


def interesting_mount(path):
    return path.startswith(MOUNT_PLACES) and not re.fullmatch(SANDBOX_MOUNTS, path)


def temporary_files():
    """Files in the places where a program might leave some. Directories that systemd makes for a service's PrivateTmp=
    go when the service does, so what counts is what is in them."""
    found = []
    for top in ("/tmp", "/var/tmp", "/run/cruxd", "/var/lib/cruxd", "/var/cache/cruxd", "/run/containerd/fifo"):
        for directory, names, files in os.walk(top):
            found += [os.path.join(directory, name) for name in files]
            if not directory.startswith(("/tmp/systemd-private-", "/var/tmp/systemd-private-")):
                found += [os.path.join(directory, name) for name in names if "systemd-private-" not in name]
    ours = os.path.realpath(os.environ.get("TMPDIR", "/nonexistent"))
    return sorted(
        path
        for path in found
        if not is_socket(path) and not path.startswith(ours) and not re.fullmatch(OWN_FILES, path)
    )


def is_socket(path):
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False


class State:
    """What is there at one moment of all that a command could leave behind."""

    # What only a container that still runs may have.
    PROCESS_NAMES = ("containerd-shim", "cruxd-log", "runc", "crun")

    def __init__(self):
        self.parts = {
            "container": ctr_list("containers", "ls", "-q"),
            "task": ctr_list("tasks", "ls", "-q"),
            "snapshot": self.snapshots(),
            "image": [name for name in ctr_list("images", "ls", "-q") if not name.startswith(OWN_IMAGES)],
            "lease": ctr_list("leases", "ls", "-q"),
            "unfinished write": self.ingests(),
            "mount": mounts(),
            "FIFO or temporary file": temporary_files(),
            "process": sorted(
                f"{line}"
                for line in processes().values()
                if os.path.basename(line.split(" ")[0]).startswith(self.PROCESS_NAMES)
            ),
            "cgroup": sorted(
                os.path.join(directory, name)
                for directory, names, _ in os.walk("/sys/fs/cgroup")
                for name in names
                if re.match(r"(cruxd-.*\.scope$|build-.*\.scope$)", name)
            ),
        }

    @staticmethod
    def snapshots():
        """Active ones, and committed ones that are not an image's layers, which are named by chain id."""
        found = []
        for line in ctr("snapshots", "ls").splitlines()[1:]:
            fields = line.split()
            if fields and not (fields[-1] == "Committed" and fields[0].startswith("sha256:")):
                found.append(f"{fields[0]} ({fields[-1]})")
        return sorted(found)

    @staticmethod
    def ingests():
        return sorted(line.split()[0] for line in ctr("content", "active").splitlines()[1:] if line)

    def added_since(self, before):
        """Lines that name what is there now and was not before."""
        lines = []
        for part, values in self.parts.items():
            rest = list(before.parts[part])
            for value in values:
                if value in rest:
                    rest.remove(value)
                else:
                    lines.append(f"{part} left behind: {value}")
        return lines


@contextlib.contextmanager
def leftovers(*, ignore=(), seconds=10):
    """Fails when the block leaves anything behind that matches none of the patterns. What ends in the background gets
    some seconds for it."""
    before = State()
    yield before
    nothing_left(before, ignore=ignore, seconds=seconds)


def nothing_left(before, *, ignore=(), seconds=10):
    """Fails when there is anything that was not there before and matches none of the patterns."""
    deadline = time.monotonic() + seconds
    while True:
        left = [line for line in State().added_since(before) if not any(fnmatch.fnmatch(line, p) for p in ignore)]
        if not left:
            return
        if time.monotonic() > deadline:
            raise AssertionError("\n".join(left))
        time.sleep(0.2)


def destroy_everything():
    """Empties our namespace, through the daemon where it can, so that a failed test does not fail those after it."""
    for container in ctr_list("containers", "ls", "-q"):
        request("container-destroy", {"id": container})
    for image in ctr_list("images", "ls", "-q"):
        ctr("images", "rm", "--sync", image, check=False)


@contextlib.contextmanager
def directory(user=None, mode=0o755):
    """A scratch directory that anybody may look into."""
    path = tempfile.mkdtemp(prefix="test-", dir=scratch())
    os.chmod(path, mode)
    if user:
        shutil.chown(path, user, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def scratch():
    """Where tests work: outside of /tmp and of what a daemon's ProtectHome= hides."""
    os.makedirs("/srv/test", exist_ok=True)
    return "/srv/test"


# ---- assertions, which print both values ------------------------------------------------------------------------------


def equal(actual, expected, what="value"):
    assert actual == expected, f"{what}: is {actual!r}, expected {expected!r}"


def contains(text, words):
    assert words in text, f"{words!r} is not in {text!r}"


def matches(text, pattern):
    assert re.search(pattern, text), f"{text!r} does not match {pattern!r}"


class Skip(Exception):
    pass


def skip(reason):
    raise Skip(reason)


# ---- the runner --------------------------------------------------------------------------------------------------------


def table(rows, name=lambda row: row[0]):
    """Makes one test of each row: the decorated function gets the row's values."""

    def decorate(function):
        function.rows = [(name(row), row) for row in rows]
        return function

    return decorate


def timeout(seconds):
    """A test's time, where TEST_SECONDS is not right."""

    def decorate(function):
        function.seconds = seconds
        return function

    return decorate


def collect(module):
    """(name, function, arguments) of each test, in the order of the source."""
    functions = [f for n, f in vars(module).items() if n.startswith("test_") and inspect.isfunction(f)]
    functions.sort(key=lambda f: f.__code__.co_firstlineno)
    cases = []
    for function in functions:
        title = function.__name__[5:].replace("_", " ")
        if hasattr(function, "rows"):
            cases += [(f"{title}: {name}", function, row) for name, row in function.rows]
        else:
            cases.append((title, function, ()))
    return cases


def run_case(function, arguments):
    """None, or what went wrong."""

    def on_alarm(*_):
        raise TimeoutError(f"not done within {seconds} s")

    seconds = getattr(function, "seconds", TEST_SECONDS)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        function(*arguments)
        return None
    except Skip:
        raise
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)
        frame = next((f for f in reversed(where) if f.filename != __file__), where[-1])
        return f"{os.path.basename(frame.filename)}:{frame.lineno}: {error or frame.line}"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.alarm(0)


def diagnose(text):
    for line in str(text).splitlines():
        print("# " + line.encode("utf-8", "replace").decode("utf-8"))


def journal_of_failure(since):
    """What the services said during the test that failed."""
    output = subprocess.run(
        ["journalctl", "-b", "-o", "short-precise", "--no-pager", "--since", f"@{since:.3f}", "-n", "40"]
        + ["-u", "cruxd@*", "-u", "containerd", "-p", "debug"],
        capture_output=True,
        text=True,
    ).stdout
    diagnose("journal: " + "\njournal: ".join(output.splitlines()))


def main():
    """Runs the tests of the file that calls it; exits with 1 where one failed."""
    module = sys.modules["__main__"]
    patterns = [pattern.lower() for pattern in sys.argv[1:]]
    file = os.path.basename(module.__file__).removesuffix(".py")
    cases = collect(module)
    if patterns:
        cases = [case for case in cases if any(p in f"{file}: {case[0]}".lower() for p in patterns)]
    print(f"1..{len(cases)}", flush=True)

    failed = 0
    started = time.time()
    setup = getattr(module, "setup", None)
    after_each = getattr(module, "after_each", None)
    problem = run_case(setup, ()) if setup and cases else None
    for number, (name, function, arguments) in enumerate(cases, 1):
        name = name.replace("#", "")
        since = time.time()
        if problem:
            error = f"the file's setup failed: {problem}" if number == 1 else "the file's setup failed"
        else:
            try:
                error = run_case(function, arguments)
                after = run_case(after_each, ()) if after_each else None
                error = error or after
            except Skip as reason:
                print(f"ok {number} - {name} # SKIP {reason}", flush=True)
                continue
        took = time.time() - since
        print(f"{'not ok' if error else 'ok'} {number} - {name}")
        if took > 5:
            diagnose(f"took {took:.1f} s")
        if error:
            failed += 1
            diagnose(error)
            if not problem or number == 1:
                journal_of_failure(started if problem else since)
        sys.stdout.flush()
    teardown = getattr(module, "teardown", None)
    if teardown and cases:
        problem = run_case(teardown, ())
        if problem:
            diagnose(f"teardown: {problem}")
    sys.exit(1 if failed else 0)
