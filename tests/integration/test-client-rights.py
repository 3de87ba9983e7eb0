# SPDX-License-Identifier: Apache-2.0
"""A client who is not root: what it can read and write by itself the daemon reads and writes for it, and nothing else.
Alice is in group cruxd, bob is not."""

import contextlib
import ctypes
import grp
import os
import pwd
import shutil
import signal
import stat
import time

import crux
import workshop
from workshop import file, link, stage

SHOP = workshop.Workshop("rights", "alice")
GUARD = workshop.Guard()

# Root's own: a directory that others may look into, one that they may not, and what no image may ever hold.
OUTSIDE = crux.scratch() + "/outside"
PRIVATE = OUTSIDE + "/private"
WORDS = "the words that only root may read"

RENAME_EXCHANGE = 2
AT_FDCWD = -100
# How long something is swapped under the daemon's hands.
RACE_SECONDS = int(os.environ.get("CRUXD_CHECK_RACE_SECONDS", "4"))

ALICE, BOB = pwd.getpwnam("alice"), pwd.getpwnam("bob")


def setup():
    SHOP.open()
    shutil.rmtree(OUTSIDE, ignore_errors=True)
    os.makedirs(PRIVATE)
    SHOP.base("base.tar", {"etc": workshop.DIR})
    SHOP.base("app.tar", None, Entrypoint=["/bin/sleep", "1000"])
    shutil.copy(SHOP.root + "/base.tar", OUTSIDE + "/secret.tar")
    shutil.copy(SHOP.root + "/base.tar", PRIVATE + "/base.tar")
    cruxd = grp.getgrnam("cruxd").gr_gid
    workshop.make_tree(
        OUTSIDE,
        {
            "secret": file(WORDS, 0o600),
            "group": file("for the group", 0o640, owner=(0, cruxd)),
            "not-group": file(WORDS, 0o604, owner=(0, cruxd)),
            "other-group": file(WORDS, 0o640, owner=(0, BOB.pw_gid)),
            "bobs": file(WORDS, 0o600, owner=(BOB.pw_uid, BOB.pw_gid)),
            "open": "for everybody",
            "private/f": WORDS,
            "tree/f": WORDS,
            "tree/sub/f": WORDS,
        },
    )
    os.chmod(PRIVATE, 0o700)
    os.chmod(OUTSIDE + "/secret.tar", 0o600)
    os.link(OUTSIDE + "/secret", SHOP.root + "/hard")
    workshop.make_tree(
        SHOP.root,
        {
            "f": "F",
            "to-shadow": link("/etc/shadow"),
            "to-secret": link(OUTSIDE + "/secret"),
            "to-private": link(PRIVATE),
            "to-secret.tar": link(OUTSIDE + "/secret.tar"),
            "to-fd": link("/proc/self/fd/3"),
            "to-proc-root": link("/proc/1/root"),
            "mine": file("mine", 0o000, owner=(ALICE.pw_uid, ALICE.pw_gid)),
            "d/f": "F",
        },
    )
    os.mkfifo(SHOP.root + "/fifo.tar")
    os.chown(SHOP.root + "/fifo.tar", ALICE.pw_uid, ALICE.pw_gid)
    SHOP.build(stage())
    crux.ask("image-import", {"ref": "a", "version": "1", "path": SHOP.root + "/app.tar"}, user="alice")
    crux.ask("image-destroy", {"ref": "a", "version": "1"}, user="alice")
    GUARD.begin()


def after_each():
    SHOP.clear_output()
    GUARD.check()


def teardown():
    shutil.rmtree(OUTSIDE, ignore_errors=True)
    SHOP.close()


def denied(*stages, **more):
    reply = SHOP.refused(*stages, **more)
    assert reply.code in ("permission-denied", "not-found", "invalid-argument", "unsupported"), dict(reply)
    assert WORDS not in reply.message, "the message tells it"
    return reply


# ---- who may ask -----------------------------------------------------------------------------------------------------------------


@crux.table([(crux.SOCKET,), ("/run/cruxd/instances/default/cruxd.sock",)])
def test_bob_is_refused_at_the_socket(path):
    try:
        crux.request("status", user="bob", path=path)
    except PermissionError:
        return
    raise AssertionError("bob was answered")


def test_bob_cannot_replace_the_socket():
    for path in ("/run/cruxd", "/run/cruxd/instances", "/run/cruxd/instances/default"):
        status = os.stat(path)
        crux.equal((status.st_uid, stat.S_IMODE(status.st_mode) & 0o022), (0, 0), path)


def test_nobody_comes_to_what_is_in_containers():
    """CVE-2021-41091 (docker), CVE-2021-41103, CVE-2024-25621 (containerd): a set-user-ID program of an image is none of the
    host's."""
    image = {"ref": "test/setuid", "version": "1"}
    crux.ask("image-import", {**image, "path": SHOP.root + "/app.tar"})
    crux.ask("image-start", image)
    crux.ask("container-exec", {"id": "test/setuid", "command": ["/bin/sh", "-c", "cp /bin/busybox /su && chmod 4755 /su"]})
    try:
        # By its exact path, for not every directory that may not be listed may not be entered.
        paths = crux.run("find", "/var/lib/containerd", "/run/containerd", "-name", "su", "-perm", "-4000").split()
        assert paths, "root does not find it either"
        for user in ("alice", "bob"):
            for path in paths:
                assert crux.run("runuser", "-u", user, "--", "test", "-x", path, check=False).returncode == 1, f"{user} may execute {path}"
    finally:
        crux.ask("image-destroy", image)


def test_alice_may_use_all_of_it():
    image = {"ref": "test/alice", "version": "1"}
    crux.ask("image-import", {**image, "path": SHOP.root + "/app.tar"}, user="alice")
    crux.ask("image-start", image, user="alice")
    reply = crux.ask("container-exec", {"id": "test/alice", "command": ["/bin/id", "-u"]}, user="alice")
    crux.equal(reply["stdout"], "0\n", "stdout")
    crux.ask("image-destroy", image, user="alice")


# ---- reading -----------------------------------------------------------------------------------------------------------------------


FORBIDDEN = [
    # what, below the root "/"
    "/etc/shadow",
    OUTSIDE + "/secret",
    OUTSIDE + "/bobs",
    OUTSIDE + "/not-group",
    OUTSIDE + "/other-group",
    PRIVATE,
    PRIVATE + "/f",
    SHOP.root + "/to-shadow",
    SHOP.root + "/to-secret",
    SHOP.root + "/to-private",
    SHOP.root + "/to-private/f",
    SHOP.root + "/hard",
    SHOP.root + "/mine",
    SHOP.root + "/d/../../outside/secret",
    "/root/.",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/thread-self/fd/3",
    "/proc/1/root/etc/shadow",
    "/proc/self/root/etc/shadow",
    "/proc/self/environ",
    "/proc/1/environ",
    "/dev/fd/3",
    "/dev/stdin",
    "/var/lib/containerd",
    "/run/containerd/containerd.sock",
    SHOP.root + "/to-fd",
    SHOP.root + "/to-proc-root/etc/shadow",
]


@crux.table([(path,) for path in FORBIDDEN], name=lambda row: row[0])
def test_copy_of_what_alice_cannot_read(path):
    denied(stage({"copy": f"{path} /new"}, base=SHOP.root + "/base.tar"), root="/", message=["step 1: copy failed: "])


@crux.table([(name,) for name in ("to-shadow", "to-secret", "to-private", "to-private/f", "hard", "mine", "to-fd", "to-proc-root/etc")])
def test_copy_by_a_link_in_her_tree(name):
    denied(stage({"copy": f"{name} /new"}), message=["step 1: copy failed: ", name])


def test_a_tree_with_one_file_that_she_cannot_read():
    denied(stage({"copy": f"{OUTSIDE} /new"}, base=SHOP.root + "/base.tar"), root="/", code="permission-denied", message=OUTSIDE)


@crux.table([("of her group", "/group", "for the group"), ("of everybody", "/open", "for everybody")])
def test_copy_of_what_she_can_read(name, path, content):
    found = SHOP.changes(stage({"copy": f"{OUTSIDE}{path} /new"}, base=SHOP.root + "/base.tar"), root="/")
    crux.equal(found["new"].value if isinstance(found["new"], workshop.Kind) else found["new"], content, "content")


@crux.table([("/root",), (PRIVATE,), ("/proc/1/root",), ("/proc/self/root",), ("/proc/self/cwd",), (SHOP.root + "/to-private",)])
def test_root_that_she_cannot_read(root):
    denied(stage(), root=root)


BASES = [
    # the base, the build's root
    (OUTSIDE + "/secret.tar", "/"),
    (PRIVATE + "/base.tar", "/"),
    (SHOP.root + "/to-secret.tar", "/"),
    ("to-secret.tar", SHOP.root),
    ("to-private/base.tar", SHOP.root),
    ("../outside/secret.tar", SHOP.root),
    ("/proc/self/fd/3", "/"),
    ("/proc/1/root" + OUTSIDE + "/secret.tar", "/"),
    ("/dev/zero", "/"),
    ("/dev/null", "/"),
    ("/dev/tty", "/"),
    ("/etc", "/"),
    ("fifo.tar", SHOP.root),
]


@crux.table(BASES)
def test_base_that_she_cannot_read(base, root):
    started = time.monotonic()
    denied(stage(base=base), root=root, message="stage 1: ")
    assert time.monotonic() - started < 10, "it waited"


PATHS = ["/etc/shadow", OUTSIDE + "/secret.tar", PRIVATE + "/base.tar", SHOP.root + "/to-secret.tar", "/proc/self/fd/3", "/proc/1/fd/3"]
PATHS += ["/proc/self/root" + OUTSIDE + "/secret.tar", "/dev/fd/3", "/dev/zero", "/dev/null", SHOP.root + "/fifo.tar", SHOP.root + "/mine"]


@crux.table([(path,) for path in PATHS])
def test_import_of_what_she_cannot_read(path):
    started = time.monotonic()
    reply = crux.refused("image-import", {"ref": "a", "version": "1", "path": path}, user="alice")
    assert reply.code in ("permission-denied", "not-found", "invalid-argument"), dict(reply)
    assert time.monotonic() - started < 10, "it waited"


# ---- swapped under the daemon's hands ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def swapping(user, *pairs):
    """A process of the user's exchanges the names of each pair, as fast as it can."""
    pid = os.fork()
    if pid == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        while True:
            for a, b in pairs:
                if renameat2(AT_FDCWD, a.encode(), AT_FDCWD, b.encode(), RENAME_EXCHANGE) != 0:
                    os._exit(ctypes.get_errno())
    try:
        yield
        crux.equal(os.waitpid(pid, os.WNOHANG)[0], 0, "the swapping process has ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def race(user, root, words):
    """Builds for a while; counts those that succeed and those that do not, and looks for the secret in both."""
    counts = {True: 0, False: 0}
    deadline = time.monotonic() + RACE_SECONDS
    while time.monotonic() < deadline:
        payload = SHOP.payload(stage({"copy": words}), root=root)
        reply = crux.request("build", payload, user=user)
        counts[reply.ok] += 1
        assert WORDS not in reply.message, reply.message
        assert reply.ok or reply.code in ("not-found", "permission-denied", "busy", "invalid-argument"), dict(reply)
        if reply.ok:
            entries = SHOP.take().entries(1)
            told = [name for name, entry in entries.items() if entry.data and WORDS.encode() in entry.data]
            crux.equal(told, [], "files that hold the secret")
    return counts


def make_race(name, target, user):
    root = f"{SHOP.root}/{name}"
    workshop.make_tree(root, {f"tree/sub/{n}": f"file {n}" for n in range(200)})
    os.makedirs(root + "/tree/sub/sub")
    workshop.make_tree(root, {"tree/sub/f": "mine", "tree/sub/sub/f": "mine"})
    os.symlink(target, root + "/other")
    os.symlink(target, root + "/tree/other")
    os.link(SHOP.root + "/base.tar", root + "/base.tar")
    crux.run("chown", "-hR", f"{user}:", root)
    os.chown(root + "/base.tar", 0, 0)
    return root


SWAPS = [
    # the client, where the symlink leads, what is swapped with it, what is copied
    ("alice", PRIVATE, "tree", "other", "tree /new"),
    ("alice", PRIVATE, "tree/sub", "tree/other", "tree /new"),
    # Root may read it: but not as part of this root.
    ("root", OUTSIDE + "/tree", "tree", "other", "tree /new"),
    ("root", OUTSIDE + "/tree", "tree/sub", "tree/other", "tree /new"),
    ("root", OUTSIDE + "/tree", "tree/sub", "tree/other", "tree/sub/f /new"),
    ("root", "../../../outside/tree", "tree/sub", "tree/other", "tree/sub/sub /new"),
]


@crux.table(SWAPS, name=lambda row: f"{row[0]}, {row[2]} for a link to {row[1]}: {row[4]}")
def test_directory_swapped_for_a_link(user, target, one, other, words):
    root = make_race("race", target, "alice")
    try:
        with swapping("alice", (f"{root}/{one}", f"{root}/{other}")):
            counts = race(user, root, words)
    finally:
        crux.run("rm", "-rf", root)
    crux.diagnose(f"{counts[True]} succeeded, {counts[False]} did not")
    assert sum(counts.values()) > 5, f"only {counts} builds"


def test_file_swapped_for_a_link():
    root = make_race("race", OUTSIDE + "/secret", "alice")
    try:
        with swapping("alice", (f"{root}/tree/sub/f", f"{root}/tree/other")):
            race("root", root, "tree /new")
            race("alice", root, "tree/sub/f /new")
    finally:
        crux.run("rm", "-rf", root)


def test_file_swapped_for_a_fifo():
    root = make_race("race", OUTSIDE + "/secret", "alice")
    os.mkfifo(root + "/tree/fifo")
    os.chown(root + "/tree/fifo", ALICE.pw_uid, ALICE.pw_gid)
    try:
        with swapping("alice", (f"{root}/tree/sub/f", f"{root}/tree/fifo")):
            race("alice", root, "tree/sub /new")
    finally:
        crux.run("rm", "-rf", root)


def test_archive_cut_while_it_is_read():
    path = SHOP.root + "/changing.tar"
    with open(SHOP.root + "/app.tar", "rb") as whole:
        data = whole.read()
    pid = os.fork()
    if pid == 0:
        while True:
            with open(path, "wb") as changing:
                changing.write(data)
            time.sleep(0.002)
            os.truncate(path, 100000)
    try:
        crux.eventually(lambda: os.path.exists(path), 5, "the archive")
        deadline = time.monotonic() + RACE_SECONDS
        while time.monotonic() < deadline:
            reply = crux.request("image-import", {"ref": "test/cut", "version": "1", "path": path}, user="alice")
            assert reply.ok or reply.code in ("invalid-argument", "unsupported"), dict(reply)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.unlink(path)
    crux.ask("image-destroy", {"ref": "test/cut", "version": "1"})


# ---- writing -----------------------------------------------------------------------------------------------------------------------


def written(output, mode=0o644, owner=(ALICE.pw_uid, ALICE.pw_gid)):
    status = os.lstat(output)
    crux.equal((status.st_uid, status.st_gid), owner, f"owner of {output}")
    crux.equal(oct(stat.S_IMODE(status.st_mode)), oct(mode), f"mode of {output}")


def test_what_is_written_is_hers():
    output = SHOP.output + "/made/by"
    crux.ask("build", SHOP.payload(stage(), output=output), user="alice")
    written(output + "/image.tar")
    written(output, 0o755)
    written(SHOP.output + "/made", 0o755)


def test_in_a_directory_of_a_group():
    output = SHOP.output + "/group"
    os.mkdir(output)
    cruxd = grp.getgrnam("cruxd").gr_gid
    os.chown(output, 0, cruxd)
    os.chmod(output, 0o2770)
    crux.ask("build", SHOP.payload(stage(), output=output), user="alice")
    written(output + "/image.tar", owner=(ALICE.pw_uid, cruxd))


def test_in_a_directory_of_everybody():
    output = SHOP.output + "/tmp"
    os.mkdir(output)
    os.chmod(output, 0o1777)
    crux.ask("build", SHOP.payload(stage(), output=output), user="alice")
    written(output + "/image.tar")


OUTPUTS = [OUTSIDE, OUTSIDE + "/new", PRIVATE, PRIVATE + "/new", "/etc", "/new", "/root", "/root/x", "/proc/self/cwd", "/proc/1/root/tmp"]
OUTPUTS += ["/run/cruxd", "/var/lib/containerd", SHOP.root + "/to-private", SHOP.root + "/to-private/x", SHOP.root + "/f", "/dev/shm/../../etc"]


@crux.table([(output,) for output in OUTPUTS])
def test_output_where_she_cannot_write(output):
    before = sorted(os.listdir(output)) if os.path.isdir(output) else None
    reply = crux.refused("build", SHOP.payload(stage(), output=output), user="alice", message="output" if output == "relative" else ())
    assert reply.code in ("permission-denied", "not-found", "invalid-argument", "unsupported", "build-failed"), dict(reply)
    crux.equal(sorted(os.listdir(output)) if os.path.isdir(output) else None, before, output)


def test_output_that_she_made_unwritable():
    output = SHOP.output + "/locked"
    os.mkdir(output)
    os.chown(output, ALICE.pw_uid, ALICE.pw_gid)
    os.chmod(output, 0o555)
    crux.refused("build", SHOP.payload(stage(), output=output), user="alice", code="permission-denied", message=output)


def test_image_that_is_a_link():
    for target in ("/etc/passwd", OUTSIDE + "/secret", OUTSIDE + "/not-there", "image.tar"):
        os.symlink(target, SHOP.image)
        with open("/etc/passwd", "rb") as passwd:
            before = passwd.read()
        crux.ask("build", SHOP.payload(stage()), user="alice")
        assert not os.path.islink(SHOP.image), "it is a link still"
        written(SHOP.image)
        with open("/etc/passwd", "rb") as passwd:
            assert passwd.read() == before, "/etc/passwd has changed"
        crux.equal(os.path.exists(OUTSIDE + "/not-there"), False, "the link's target")
        os.unlink(SHOP.image)


def test_image_that_is_a_directory():
    os.mkdir(SHOP.image)
    crux.refused("build", SHOP.payload(stage()), user="alice", message=SHOP.image)
    crux.equal(os.listdir(SHOP.output), ["image.tar"], "output directory")


def test_image_of_somebody_else():
    output = SHOP.output + "/tmp"
    os.mkdir(output)
    os.chmod(output, 0o1777)
    with open(output + "/image.tar", "w") as image:
        image.write("root's")
    crux.refused("build", SHOP.payload(stage(), output=output), user="alice", code="permission-denied", message=output)
    crux.equal(os.listdir(output), ["image.tar"], "output directory")
    with open(output + "/image.tar") as image:
        crux.equal(image.read(), "root's", "content")


def test_output_swapped_for_a_link():
    one, other = SHOP.output + "/one", SHOP.output + "/other"
    os.mkdir(one)
    os.symlink(OUTSIDE, other)
    os.chown(one, ALICE.pw_uid, ALICE.pw_gid)
    before = sorted(os.listdir(OUTSIDE))
    with swapping("alice", (one, other)):
        deadline = time.monotonic() + RACE_SECONDS
        while time.monotonic() < deadline:
            reply = crux.request("build", SHOP.payload(stage(), output=one), user="alice")
            assert reply.ok or reply.code in ("permission-denied", "not-found", "invalid-argument", "busy"), dict(reply)
    crux.equal(sorted(os.listdir(OUTSIDE)), before, OUTSIDE)


# ---- its own view of the file system -------------------------------------------------------------------------------------------------


def from_within(prepare, command, payload):
    """Asks in a process of its own, root's, that prepares itself first."""

    def ask():
        with crux.Connection() as connection:  # before the socket's path is out of sight
            prepare()
            # Only now is there a request, and its peer's root is looked up.
            return connection.send(crux.encode(command, payload)).lines()

    [line] = crux.as_user("root", ask)
    return crux.Reply(line)


def test_a_client_in_another_root():
    root = SHOP.root + "/jail"
    workshop.make_tree(root, {"in/f": "inside", "in/to-etc": link("/etc"), "etc/hostname": "jail's"})
    shutil.copy(SHOP.root + "/base.tar", root + "/in/base.tar")
    os.mkdir(root + "/out")
    stages = [stage({"copy": "f /f"}, {"copy": "../../../f /g"})]
    reply = from_within(lambda: os.chroot(root), "build", crux.build(stages, root="/in", output="/out"))
    assert reply.ok, reply.message
    found = workshop.changes(SHOP.take(root + "/out/image.tar"), 1)
    crux.equal(found, {"f": "inside", "g": "inside"}, "changes")

    for path in ("/in/to-etc/hostname", "/etc/hostname"):
        stages = [stage({"copy": path + " /f"}, base="/in/base.tar")]
        reply = from_within(lambda: os.chroot(root), "build", crux.build(stages, root="/", output="/out"))
        assert reply.ok, reply.message
        crux.equal(workshop.changes(SHOP.take(root + "/out/image.tar"), 1), {"f": "jail's"}, path)

    for path in (SHOP.root + "/app.tar", "/../../../../.." + SHOP.root + "/app.tar"):
        reply = from_within(lambda: os.chroot(root), "image-import", {"ref": "a", "version": "1", "path": path})
        crux.equal(reply.code, "not-found", reply.message)


def test_a_client_with_mounts_of_its_own():
    mount = SHOP.root + "/mount"
    os.mkdir(mount)

    def prepare():
        os.unshare(os.CLONE_NEWNS)
        crux.run("mount", "--make-rprivate", "/")
        crux.run("mount", "-t", "tmpfs", "tmpfs", mount)
        shutil.copy(SHOP.root + "/base.tar", mount + "/base.tar")
        with open(mount + "/f", "w") as mine:
            mine.write("mine alone")

    payload = crux.build([stage({"copy": "f /f"})], root=mount, output=SHOP.output)
    reply = from_within(prepare, "build", payload)
    assert reply.ok, reply.message
    crux.equal(workshop.changes(SHOP.take(), 1), {"f": "mine alone"}, "changes")
    crux.equal(os.listdir(mount), [], "the mount as it is seen outside")


def test_a_client_that_has_gone():
    # Its files cannot be found any more: an answer for whoever has the connection now, and no other process's files.
    def ask():
        parent, child = crux.socket.socketpair()
        if os.fork() == 0:
            connection = crux.Connection()
            crux.socket.send_fds(child, [b"x"], [connection.socket.fileno()])
            os._exit(0)
        os.wait()
        _, [fd], _, _ = crux.socket.recv_fds(parent, 1, 1)
        inherited = crux.socket.socket(fileno=fd)
        inherited.setblocking(True)
        inherited.sendall(crux.encode("image-import", {"ref": "a", "version": "1", "path": SHOP.root + "/app.tar"}))
        return [inherited.makefile("rb").readline()]

    [line] = crux.as_user("root", ask)
    reply = crux.Reply(line)
    assert not reply.ok, "it was imported"
    crux.contains(reply.message, "gone")


if __name__ == "__main__":
    crux.main()
