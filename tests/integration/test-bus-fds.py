# SPDX-License-Identifier: Apache-2.0
"""Methods of the bus that take file descriptors: archives out of pipes, programs with the caller's streams, builds between
two directories; which descriptors are refused, and that nothing of the caller's is changed or kept."""

import concurrent.futures
import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import os
import pwd
import signal
import socket
import stat
import threading
import time

import archives
import crux
import sdbus
import workshop

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
MANAGER = NAME + ".Manager"
ERROR = NAME + ".Error."
ID = "test/fds"

SIGNATURES = {
    "ImageImportFD": "ssh",
    "StartImageImportFD": "ssh",
    "ContainerExecFD": "sashhh",
    "BuildFD": "sshhasas",
    "StartBuildFD": "sshhasas",
}


def setup():
    global archive, shop
    shop = workshop.Workshop("fds")
    shop.open()
    archive = shop.root + "/base.tar"
    crux.mkimage.busybox(archive, Entrypoint=["/bin/sleep", "10000"])
    crux.ask("image-import", {"ref": ID, "version": "1", "path": archive})
    crux.ask("image-start", {"ref": ID, "version": "1"})


def teardown():
    shop.close()


def call(method, *arguments):
    """A method's only result, or None."""
    with sdbus.Bus() as bus:
        result = bus.call(NAME, PATH, MANAGER, method, SIGNATURES.get(method, ""), *arguments)
    return result[0] if result else None


def refused(method, *arguments, code="InvalidArgument", words=""):
    try:
        call(method, *arguments)
    except sdbus.Failure as failure:
        crux.equal(failure.name, ERROR + code, f"error of {method}: {failure.message}")
        crux.contains(failure.message, words)
        return
    raise AssertionError(f"{method} succeeded")


def as_alice(function):
    """Gives what the function does: None, or an error's name and message."""

    def body():
        try:
            function()
            return []
        except sdbus.Failure as failure:
            return [failure.name.encode(), failure.message.encode()]

    return [word.decode() for word in crux.as_user("alice", body)] or None


def jobs():
    with sdbus.Bus() as bus:
        return bus.call(NAME, PATH, MANAGER, "ListJobs")[0]


@contextlib.contextmanager
def opened(path, flags):
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def fed(data, make=os.pipe):
    """The reading end of a pipe or the like that data is written into."""
    reader, writer = make()

    def feed():
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield reader
    finally:
        os.close(reader)
        thread.join()


def socket_ends():
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def unblocking_pipe():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return reader, writer


def bad_fd(kind):
    """An fd that is not fit to be read from, or written to; the caller closes it."""
    if kind == "datagram socket":
        return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach()
    if kind == "only for writing":
        return os.open(shop.root + "/written", os.O_WRONLY | os.O_CREAT)
    path, flags = {
        "directory": (shop.root, os.O_RDONLY),
        "O_PATH": (archive, os.O_PATH),
        "only for reading": (archive, os.O_RDONLY),
        "procfs": ("/proc/self/status", os.O_RDONLY),
        "cgroup": ("/sys/fs/cgroup/cgroup.procs", os.O_RDWR),
        "device": ("/dev/zero", os.O_RDWR),
        "ptmx": ("/dev/ptmx", os.O_RDWR | os.O_NOCTTY),
    }[kind]
    return os.open(path, flags)


@contextlib.contextmanager
def bad(kind):
    fd = bad_fd(kind)
    try:
        yield fd
    finally:
        os.close(fd)


def daemon_fds():
    return len(os.listdir(f"/proc/{crux.ask('status')['pid']}/fd"))


# ---- archives ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def image_gone(version):
    yield
    assert f"{ID}:{version}" in crux.ctr_list("images", "ls", "-q"), "the image is not there"
    crux.ask("image-destroy", {"ref": ID, "version": version})


def test_import_from_a_file():
    with image_gone("file"), opened(archive, os.O_RDONLY) as fd:
        os.lseek(fd, 1000, os.SEEK_SET)
        call("ImageImportFD", ID, "file", fd)
        crux.equal(os.lseek(fd, 0, os.SEEK_CUR), 1000, "the file's offset")


@crux.table([("pipe", os.pipe), ("pipe that does not block", unblocking_pipe), ("socket", socket_ends)])
def test_import_from_a_stream(_, make):
    with open(archive, "rb") as file:
        data = file.read()
    with crux.leftovers(), image_gone("stream"), fed(data, make) as fd:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        call("ImageImportFD", ID, "stream", fd)
        crux.equal(fcntl.fcntl(fd, fcntl.F_GETFL), flags, "flags")


def test_import_from_a_compressed_pipe_as_a_job():
    with open(archive, "rb") as file:
        data = gzip.compress(file.read(), 1)
    with image_gone("job"), fed(data) as fd:
        call("StartImageImportFD", ID, "job", fd)
        crux.eventually(lambda: not jobs(), 30, "the end")


@crux.table([("directory",), ("O_PATH",), ("only for writing",), ("procfs",), ("device",), ("datagram socket",)])
def test_no_archive_is(kind):
    with bad(kind) as fd:
        refused("ImageImportFD", ID, "bad", fd, words="archive")


def test_import_of_garbage():
    with fed(b"garbage" * 1000) as fd:
        refused("ImageImportFD", ID, "bad", fd, code="Unsupported", words="import the archive")


def test_a_member_imports_what_he_may_read():
    def by_pipe():
        with open(archive, "rb") as file, fed(file.read()) as fd:
            call("ImageImportFD", ID, "alice", fd)

    with image_gone("alice"):
        crux.equal(as_alice(by_pipe), None)


@contextlib.contextmanager
def caller(*arguments):
    """A process that calls and waits; with the block's end it is killed."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            call(*arguments)
        os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_waiting_for_a_pipe_is_cancelled():
    reader, writer = os.pipe()
    try:
        with crux.leftovers():
            with caller("ImageImportFD", ID, "never", reader):
                crux.eventually(lambda: [job[4] for job in jobs()] == ["running"], 20, "the job")
            crux.eventually(lambda: not jobs(), 15, "the end")  # and not by SIGKILL after CancelTimeoutSec=
    finally:
        os.close(reader)
        os.close(writer)


# ---- programs ------------------------------------------------------------------------------------------------------------


def execute(*command, stdin=b"", make=os.pipe):
    """Exit code, stdout and stderr."""
    output = [b"", b""]

    def read(index, fd):
        with os.fdopen(fd, "rb") as file:
            output[index] = file.read()

    (out, out_writer), (err, err_writer) = make(), make()
    readers = [threading.Thread(target=read, args=pair) for pair in enumerate((out, err))]
    for reader in readers:
        reader.start()
    try:
        with fed(stdin, make) as fd:
            code = call("ContainerExecFD", ID, command, fd, out_writer, err_writer)
    finally:
        os.close(out_writer)
        os.close(err_writer)
        for reader in readers:
            reader.join()
    return code, *output


def shell(script, **more):
    return execute("/bin/sh", "-c", script, **more)


@crux.table([("pipes", os.pipe), ("sockets", socket_ends)])
def test_megabytes_there_and_back(_, make):
    data = os.urandom(8 << 20)
    with crux.leftovers():
        code, out, err = execute("/bin/cat", stdin=data, make=make)
    crux.equal((code, len(out), err), (0, len(data), b""))
    crux.equal(hashlib.sha256(out).hexdigest(), hashlib.sha256(data).hexdigest(), "digest")


def test_streams_are_kept_apart_and_the_exit_code_comes():
    crux.equal(shell("echo out; echo err >&2; exit 7"), (7, b"out\n", b"err\n"))
    crux.equal(shell("kill -9 $$"), (137, b"", b""))


def test_the_end_of_stdin_comes():
    crux.equal(shell("cat; echo end", stdin=b""), (0, b"end\n", b""))
    crux.equal(shell("read line; echo \"<$line>\"", stdin=b"one\ntwo\n" * 100000)[:2], (0, b"<one>\n"), "part of it is read")


def test_output_comes_as_it_is_written():
    (stdin, feed), (out, out_writer) = os.pipe(), os.pipe()
    with caller("ContainerExecFD", ID, ["/bin/cat"], stdin, out_writer, out_writer):
        for word in (b"one\n", b"two\n"):
            os.write(feed, word)
            crux.equal(os.read(out, 100), word, "what came back before the end")
    for fd in (stdin, feed, out, out_writer):
        os.close(fd)


def test_files_and_null():
    output = shop.root + "/appended"
    with open(output, "w") as file:
        file.write("before\n")
    with opened("/dev/null", os.O_RDWR) as null, opened(output, os.O_WRONLY | os.O_APPEND) as fd:
        crux.equal(call("ContainerExecFD", ID, ["/bin/sh", "-c", "cat; echo after; echo no >&2"], null, fd, null), 0)
    with open(output) as file:
        crux.equal(file.read(), "before\nafter\n")
    with opened(output, os.O_RDONLY) as stdin, opened(shop.root + "/copy", os.O_WRONLY | os.O_CREAT) as fd:
        crux.equal(call("ContainerExecFD", ID, ["/bin/cat"], stdin, fd, fd), 0)
    with open(shop.root + "/copy") as file:
        crux.equal(file.read(), "before\nafter\n")


def test_terminal():
    master, slave = os.openpty()
    try:
        os.write(master, b"hello\n")
        crux.equal(call("ContainerExecFD", ID, ["/bin/sh", "-c", "read word; echo got $word"], slave, slave, slave), 0)
        time.sleep(0.1)
        crux.contains(os.read(master, 1000).decode(), "got hello")
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK, "it does not block any more"
    finally:
        os.close(master)
        os.close(slave)


@crux.table([("blocks", True), ("does not block", False)], name=lambda row: row[0])
def test_flags_stay(_, blocking):
    (stdin, feed), (out, out_writer) = os.pipe(), os.pipe()
    for fd in (stdin, out_writer):
        os.set_blocking(fd, blocking)
    os.write(feed, b"word")
    os.close(feed)
    crux.equal(call("ContainerExecFD", ID, ["/bin/cat"], stdin, out_writer, out_writer), 0)
    crux.equal((os.get_blocking(stdin), os.get_blocking(out_writer)), (blocking, blocking), "blocking")
    crux.equal(os.read(out, 100), b"word")
    for fd in (stdin, out, out_writer):
        os.close(fd)


def test_what_is_left_in_the_background_is_not_waited_for():
    """Silent or not, and what the program itself wrote is there."""
    code, out, _ = shell("echo mine; (while sleep 0.01; do echo more; done) & exit 4")
    crux.equal(code, 4)
    assert out.startswith(b"mine\n"), out
    crux.equal(shell("echo mine; (sleep 1000) & exit 4")[:2], (4, b"mine\n"))
    fresh_container()


def fresh_container():
    crux.ask("container-stop", {"id": ID})
    crux.ask("image-start", {"ref": ID, "version": "1"})


class FullPipe:
    """What goes in must wait until somebody takes out what is in it."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        self.size = fcntl.fcntl(self.writer, fcntl.F_GETPIPE_SZ)
        crux.equal(os.write(self.writer, bytes(self.size)), self.size, "what fits in")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.reader)

    def read(self):
        """All that went in afterwards."""
        return b"".join(iter(lambda: os.read(self.reader, 1 << 16), b""))[self.size:]


# As much as there is room for on the way, so that it is all still there when who wrote it has ended.
NUMBERS = "\n".join(map(str, range(300000, 457000))).encode() + b"\n"


@crux.table([("both are full", "read go; seq 300000 456999 & seq 300000 456999 >&2; wait", NUMBERS),
             ("one is flooded", "read go; /bin/yes & seq 300000 456999 >&2; exit 0", b"y\n" * 10000)])
def test_all_of_both_streams_comes_to_who_reads_late(_, script, begin):
    stdin, feed = os.pipe()
    with concurrent.futures.ThreadPoolExecutor(2) as pool, FullPipe() as out, FullPipe() as err:
        code = pool.submit(call, "ContainerExecFD", ID, ["/bin/sh", "-c", script], stdin, out.writer, err.writer)
        crux.eventually(lambda: crux.executing("read go"), 20, "the program")
        for fd in (stdin, out.writer, err.writer):
            os.close(fd)
        os.write(feed, b"go\n")
        crux.eventually(lambda: not crux.executing("seq 300000"), 20, "its end")
        time.sleep(0.5)  # until that is known
        output = pool.submit(out.read)
        time.sleep(0.5)  # until there was as much of it as is read at all
        assert err.read() == NUMBERS, "stderr is not whole"
        assert output.result().startswith(begin), "stdout is not whole"
        crux.equal(code.result(), 0, "exit code")
    os.close(feed)
    fresh_container()


def without_reader(*command):
    """The exit code of one whose stdout nobody reads after its first bytes."""
    out, out_writer = os.pipe()

    def read():
        os.read(out, 1)
        os.close(out)

    thread = threading.Thread(target=read)
    thread.start()
    with opened("/dev/null", os.O_RDWR) as null:
        code = call("ContainerExecFD", ID, command, null, out_writer, null)
    os.close(out_writer)
    thread.join()
    return code


def test_a_reader_that_goes():
    pid = crux.ask("status")["pid"]
    crux.equal(without_reader("/bin/yes"), 128 + signal.SIGPIPE, "as at the end of a pipeline")
    lines = 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done'
    crux.equal(without_reader("/bin/sh", "-c", f'trap "" PIPE; {lines}; exit 5'), 5, "one that does not mind")
    crux.equal(crux.ask("status")["pid"], pid, "the daemon")


WRITER, READER = "while echo typed; do sleep 0.1; done", "cat - /dev/null"


@crux.table([(WRITER,), (READER,)], name=lambda row: row[0])
def test_a_terminal_that_hangs_up(command):
    """It is as a reader that goes, and as the end of what is typed."""
    other, given = os.openpty()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, opened("/dev/null", os.O_RDWR) as null:
        stdin, stdout = (given, null) if command == READER else (null, given)
        code = pool.submit(call, "ContainerExecFD", ID, ["/bin/sh", "-c", command], stdin, stdout, null)
        crux.eventually(lambda: crux.executing(command), 20, "the program")
        os.close(other)
        crux.equal(code.result(), 0 if command == READER else 128 + signal.SIGPIPE, "exit code")
    os.close(given)


def test_a_socket_without_other_end():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as alone, opened("/dev/null", os.O_RDWR) as null:
        crux.equal(call("ContainerExecFD", ID, ["/bin/yes"], null, alone.fileno(), null), 128 + signal.SIGPIPE)


def test_a_file_system_that_is_full():
    with opened("/dev/full", os.O_WRONLY) as full, opened("/dev/null", os.O_RDWR) as null, crux.leftovers():
        refused("ContainerExecFD", ID, ["/bin/sh", "-c", "echo word; exec sleep 8888"], null, full, null, code="Internal",
                words="write stdout: no space left")
        crux.eventually(lambda: not sleepers("8888"), 10, "its end")


def test_a_file_that_cannot_be_read_has_not_ended():
    with opened("/sys/class/net/lo/speed", os.O_RDONLY) as stdin, opened("/dev/null", os.O_WRONLY) as null:
        try:
            os.read(stdin, 1)
            crux.skip("the loopback device has a speed")
        except OSError as error:
            crux.equal(error.errno, errno.EINVAL, "what reading it gives")
        with crux.leftovers():
            refused("ContainerExecFD", ID, ["/bin/cat"], stdin, null, null, words="read stdin: invalid")


def sleepers(seconds):
    return [line for line in crux.processes().values() if line == f"sleep {seconds}"]


def test_a_caller_that_leaves():
    (stdin, feed), (out, out_writer) = os.pipe(), os.pipe()
    before = daemon_fds()
    with crux.leftovers():
        with caller("ContainerExecFD", ID, ["/bin/sh", "-c", "exec sleep 7777"], stdin, out_writer, out_writer):
            crux.eventually(lambda: sleepers("7777"), 20, "the program")
        crux.eventually(lambda: not sleepers("7777") and not jobs(), 20, "the end")
    for fd in (stdin, feed, out_writer):
        os.close(fd)
    crux.equal(os.read(out, 100), b"", "the end of the stream, nobody having it any more")
    os.close(out)
    crux.eventually(lambda: daemon_fds() <= before, 10, "fds")


def yes():
    return [line for line in crux.processes().values() if line.endswith("exec yes stalled")]


def test_a_stalled_reader_holds_up_neither_stderr_nor_the_end():
    (out, out_writer), (err, err_writer) = os.pipe(), os.pipe()
    script = "echo before >&2; (sleep 1; echo after >&2) & exec yes stalled"
    with opened("/dev/null", os.O_RDONLY) as null, crux.leftovers():
        with caller("ContainerExecFD", ID, ["/bin/sh", "-c", script], null, out_writer, err_writer):
            crux.equal(os.read(err, 100), b"before\n")
            crux.equal(os.read(err, 100), b"after\n")
            assert yes(), "it has ended"
        crux.eventually(lambda: not yes() and not jobs(), 15, "the end")
    for fd in (out, out_writer, err, err_writer):
        os.close(fd)


BAD_STREAMS = [(kind, stream) for kind in ("directory", "O_PATH", "procfs", "datagram socket", "ptmx")
               for stream in ("stdin", "stdout", "stderr")] + [("cgroup", "stdout"), ("cgroup", "stderr")]


@crux.table([*BAD_STREAMS, ("only for writing", "stdin"), ("only for reading", "stdout"), ("only for reading", "stderr")],
            name=" as ".join)
def test_no_stream_is(kind, stream):
    with bad(kind) as fd, opened("/dev/null", os.O_RDWR) as null:
        streams = [fd if stream == name else null for name in ("stdin", "stdout", "stderr")]
        refused("ContainerExecFD", ID, ["/bin/true"], *streams, words=f'"{stream}"')


def test_a_line_of_the_journal_is_the_callers():
    """Not the daemon's, which journald would take it for by who writes to the socket."""
    word = f"said by alice {time.time()}"

    def speak():
        with opened("/dev/null", os.O_RDWR) as null, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as journal:
            journal.connect("/run/systemd/journal/stdout")
            journal.sendall(b"alices\n\n6\n0\n0\n0\n0\n")
            call("ContainerExecFD", ID, ["/bin/echo", word], null, journal.fileno(), null)

    crux.equal(as_alice(speak), None)
    entry = crux.eventually(lambda: crux.journal(f"MESSAGE={word}"), 10, "the line")[0]
    crux.equal(entry["_UID"], str(pwd.getpwnam("alice").pw_uid), "_UID")
    crux.equal(entry["_GID"], str(pwd.getpwnam("alice").pw_gid), "_GID")
    assert entry.get("_SYSTEMD_UNIT") != crux.SERVICE, entry


def test_no_rights_are_written_into_a_program():
    """Alice may write to it, and it would keep its set-user-ID bit."""
    with crux.directory() as directory:
        path = directory + "/program"
        write(path, "root's")
        os.chmod(path, 0o4777)

        def overwrite():
            with opened("/dev/null", os.O_RDWR) as null, opened(path, os.O_WRONLY) as fd:
                call("ContainerExecFD", ID, ["/bin/echo", "alice's"], null, fd, null)

        name, message = as_alice(overwrite)
        crux.equal(name, ERROR + "InvalidArgument", message)
        crux.contains(message, "set-user-ID")
        with open(path) as file:
            crux.equal(file.read(), "root's")


def test_errors_are_those_of_other_methods():
    with opened("/dev/null", os.O_RDWR) as null:
        refused("ContainerExecFD", "nobody", ["/bin/true"], null, null, null, code="NotFound")
        refused("ContainerExecFD", ID, [], null, null, null, words='needs member "command"')
        refused("ContainerExecFD", ID, ["/no/such"], null, null, null, code="CommandFailed")


def test_sessions_are_bounded_by_themselves():
    (stdin, feed) = os.pipe()
    with workshop.settings(CommandsMax=1, SessionsMax=1), opened("/dev/null", os.O_RDWR) as null:
        session = ("ContainerExecFD", ID, ["/bin/cat"], stdin, null, null)
        with caller(*session), caller(*session):
            crux.eventually(lambda: sorted(job[4] for job in jobs()) == ["running", "waiting"], 20, "one runs, one waits")
            crux.equal(crux.ask("container-status", {"id": ID})["status"], "running", "in between")
        crux.eventually(lambda: not jobs(), 20, "the end")
    os.close(stdin)
    os.close(feed)


# ---- builds --------------------------------------------------------------------------------------------------------------


def recipe(*steps):
    return json.dumps({"stages": [{"from": "file base.tar", "steps": list(steps)}]})


@contextlib.contextmanager
def directories(flags=os.O_RDONLY, user=None, mode=0o755):
    """Where to build from, with the base in it, and where to; closed to all but the way by the fds."""
    with crux.directory(mode=0o700) as parent:
        for name in ("context", "output"):
            os.mkdir(f"{parent}/{name}", mode)
            os.chmod(f"{parent}/{name}", mode)
        os.link(archive, parent + "/context/base.tar")
        os.chmod(archive, 0o644)
        if user:
            for name in ("context", "output"):
                os.chown(f"{parent}/{name}", pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        with opened(parent + "/context", flags) as context, opened(parent + "/output", flags) as output:
            yield parent, output, context


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


@crux.table([("open", os.O_RDONLY), ("O_PATH", os.O_PATH)])
def test_build_between_directories(_, flags):
    with crux.leftovers(ignore=workshop.Guard.KEPT), directories(flags) as (parent, output, context):
        write(parent + "/context/word", "hello")
        call("BuildFD", recipe({"copy": "word /word"}, {"run": "cat /word /word > /words"}), ID, output, context, [], [])
        image = archives.Archive(parent + "/output/image.tar")
        crux.equal(image.entries(len(image.layers) - 1)["words"].data, b"hellohello", "what was built")
        crux.equal(sorted(os.listdir(parent + "/output")), ["image.tar"], "the output directory")


def test_build_as_a_job():
    with directories() as (parent, output, context):
        call("StartBuildFD", recipe({"run": "true"}), ID, output, context, [], [])
        crux.eventually(lambda: not jobs(), 60, "the end")
        assert os.path.exists(parent + "/output/image.tar")


@crux.table([("/etc/hostname",), ("../../../../../etc/hostname",), ("../output",), ("/proc/self/root/etc/hostname",)])
def test_no_link_leads_out(target):
    with directories() as (parent, output, context):
        os.symlink(target, parent + "/context/link")
        refused("BuildFD", recipe({"copy": "link /link"}), ID, output, context, [], [], code="NotFound", words="stat ./link: no such")
        refused("BuildFD", recipe({"copy": target + " /link"}), ID, output, context, [], [], code="NotFound",
                words="copy failed: stat ./")
        crux.equal(os.listdir(parent + "/output"), [], "the output directory")


def test_no_base_from_outside():
    with directories() as (parent, output, context):
        os.rename(parent + "/context/base.tar", parent + "/base.tar")
        for base in ("../base.tar", parent + "/base.tar"):
            stages = json.dumps({"stages": [{"from": "file " + base, "steps": [{"run": "true"}]}]})
            refused("BuildFD", stages, ID, output, context, [], [], code="NotFound", words="no such file")


def test_a_members_own_directories():
    with directories(user="alice", mode=0o700) as (parent, output, context):
        write(parent + "/context/word", "hers")
        crux.equal(as_alice(lambda: call("BuildFD", recipe({"copy": "word /word"}), ID, output, context, [], [])), None)
        found = os.stat(parent + "/output/image.tar")
        crux.equal((found.st_uid, stat.S_IMODE(found.st_mode)), (pwd.getpwnam("alice").pw_uid, 0o644), "owner and mode")


@crux.table([("context", "root: open .: permission denied"), ("output", "create ./image.tar: permission denied")])
def test_a_descriptor_lends_no_rights(closed, words):
    """Opened by root, given by alice, who may not read the one or write to the other."""
    with directories(user="alice") as (parent, output, context):
        os.chown(f"{parent}/{closed}", 0, 0)
        os.chmod(f"{parent}/{closed}", 0o700 if closed == "context" else 0o755)
        name, message = as_alice(lambda: call("BuildFD", recipe({"run": "true"}), ID, output, context, [], []))
        crux.equal(name, ERROR + "PermissionDenied", message)
        crux.contains(message, words)
        crux.equal(os.listdir(parent + "/output"), [], "the output directory")


@crux.table([("O_PATH", "output"), ("only for reading", "root"), ("procfs", "root"), ("device", "output")], name=" as ".join)
def test_no_directory_is(kind, member):
    with bad(kind) as fd, directories() as (_, output, context):
        chosen = (fd, context) if member == "output" else (output, fd)
        refused("BuildFD", recipe({"run": "true"}), ID, *chosen, [], [], words=f'"{member}"')


# ---- who may -------------------------------------------------------------------------------------------------------------


@crux.table([(method,) for method in SIGNATURES])
def test_strangers_may_not(method):
    def ask():
        with opened("/dev/null", os.O_RDWR) as null:
            values = {"s": "x", "h": null, "as": ["/bin/true"]}
            try:
                call(method, *[values[kind] for kind in sdbus.types(SIGNATURES[method])])
            except sdbus.Failure as failure:
                return [failure.message.encode()]
            return [b"it may"]

    def build():
        with opened("/", os.O_PATH) as fd:
            try:
                call(method, recipe({"run": "true"}), ID, fd, fd, [], [])
            except sdbus.Failure as failure:
                return [failure.message.encode()]
            return [b"it may"]

    (message,) = crux.as_user("bob", build if "Build" in method else ask)
    crux.contains(message.decode(), "may not")


def test_calls_that_wait_for_polkit_are_bounded():
    """Each holds descriptors, and a stranger could make any number of them."""

    def ask_often():
        busy = threading.Event()

        def ask():
            with contextlib.suppress(sdbus.Failure, OSError), opened("/dev/null", os.O_RDWR) as null:
                refused("ContainerExecFD", ID, ["/bin/true"], null, null, null, code="Busy", words="wait to be authorised")
                busy.set()

        for _ in range(40):
            threading.Thread(target=ask, daemon=True).start()
        return [str(busy.wait(30)).encode()]

    crux.run("systemctl", "start", "polkit.service")
    crux.run("systemctl", "kill", "--signal=STOP", "polkit.service")
    try:
        crux.equal(crux.as_user("bob", ask_often), [b"True"], "one was refused as busy")
    finally:
        crux.run("systemctl", "kill", "--signal=CONT", "polkit.service")


def test_nothing_is_kept_open():
    before = daemon_fds()
    with opened("/dev/null", os.O_RDWR) as null, opened(shop.root, os.O_RDONLY) as directory:
        for _ in range(8):
            call("ContainerExecFD", ID, ["/bin/true"], null, null, null)
            refused("ContainerExecFD", "a b", ["/bin/true"], null, null, null)
            refused("ImageImportFD", ID, "bad", directory)
            refused("BuildFD", "{", ID, directory, directory, [], [], words="malformed recipe")
    crux.eventually(lambda: daemon_fds() <= before, 15, "fds")


if __name__ == "__main__":
    crux.main()
