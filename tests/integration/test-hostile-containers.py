# SPDX-License-Identifier: Apache-2.0
"""What an image says of itself, what lies in it where the runtime mounts and cruxd looks, and what runs in it: nothing of
this may reach the host, hang, or become somebody that it is not. hostile.py tells the words of the table."""

import json
import os
import tarfile
import time

import crux
import hostile
import workshop
from crux import mkimage
from hostile import Raw, config_of, descriptor, index_of, manifest_of
from workshop import stage

SHOP = workshop.Workshop("hostile")
GUARD = workshop.Guard()
HOST = None
PATH = SHOP.root + "/case.tar"
IMAGE = {"ref": "test/hostile", "version": "1"}
ID = {"id": "test/hostile"}
VICTIM = hostile.VICTIM
UP = "../" * 30
SLEEP = ["/bin/sh", "-c", "while true; do sleep 1; done"]
REFUSED = "invalid-argument|unsupported|not-found|command-failed"
# How long something is swapped under the daemon's hands.
RACE_SECONDS = int(os.environ.get("CRUXD_CHECK_RACE_SECONDS", "4"))


def setup():
    global HOST
    SHOP.open()
    SHOP.base("base.tar", None, Cmd=SLEEP)
    workshop.make_tree(SHOP.root, {"f": "F", "d/f": "F", "resolv": workshop.link("/x"), "tree/sub/f": "F"})
    HOST = hostile.Host()
    GUARD.begin()


def after_each():
    if os.path.lexists(PATH):
        os.unlink(PATH)
    SHOP.clear_output()
    crux.request("container-destroy", ID)
    crux.request("image-destroy", IMAGE)
    HOST.check()
    GUARD.check()


def teardown():
    hostile.Host.close()
    SHOP.close()


def write(layers=(), document=None, manifest=None, index=None, **config):
    """The case's image: busybox, these layers, and what its documents say besides."""
    raw = Raw().layout()
    layers = [l.bytes() if isinstance(l, Raw) else l.tar() if isinstance(l, mkimage.Tree) else l for l in layers]
    blobs = [raw.blob(data) for data in [mkimage.busybox_tree().tar(), *layers]]
    settings = {"Env": ["PATH=/bin"], "Entrypoint": SLEEP, **config}
    config_blob = raw.blob(config_of([blob.digest for blob in blobs], config=settings, **(document or {})))
    blob = raw.blob(manifest_of(config_blob, blobs, **(manifest or {})))
    raw.json("index.json", index_of({**descriptor(blob, "manifest.v1+json"), **(index or {})})).write(PATH)


def start():
    reply = crux.request("image-import", {**IMAGE, "path": PATH})
    return crux.request("image-start", IMAGE) if reply.ok else reply


def execute(*command):
    return crux.ask("container-exec", {**ID, "command": list(command)})


def shell(text):
    return execute("/bin/sh", "-c", text).get("stdout", "")


def build(*steps, base="case.tar", **more):
    return crux.request("build", SHOP.payload(stage(*steps, base=base), **more))


# ---- what an image says of itself ----------------------------------------------------------------------------------------------------


SAYINGS = {
    "containerd.io/gc.root": "2023-11-14T22:13:20Z",
    "containerd.io/gc.expire": "2000-01-01T00:00:00Z",
    "containerd.io/gc.ref.content.0": "sha256:" + "a" * 64,
    "containerd.io/gc.ref.snapshot.overlayfs": "sha256:" + "a" * 64,
    "containerd.io/snapshot.ref": "x",
    "containerd.io/restart.status": "running",
    "containerd.io/restart.loguri": "binary:///bin/sh?-c=touch+/etc/pwned",
    "io.containerd.runc.v2.group": "x",
    "io.cri-containerd.kind": "sandbox",
    "xyz.cruciblehq.cruxd.instance": "another",
    "xyz.cruciblehq.cruxd.owner": "1:1:1",
    "xyz.cruciblehq.cruxd.base": "file",
    "org.systemd.property.ExecStartPre": "['/bin/touch', '/etc/pwned']",
    "org.systemd.property.Delegate": "true",
    "org.criu.config": "/etc/pwned",
    "run.oci.hooks.stderr": "/etc/pwned",
    "run.oci.keep_original_groups": "1",
    "run.oci.handler": "wasm",
    "run.oci.mount_context_type": "context",
    "org.opencontainers.image.stopSignal": "SIGSTOP",
}
BEYOND = {
    "hooks": {"prestart": [{"path": "/bin/touch", "args": ["touch", VICTIM + "/pwned"]}]},
    "mounts": [{"destination": "/host", "type": "bind", "source": "/", "options": ["rbind", "rw"]}],
    "process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"]}, "noNewPrivileges": False, "user": {"uid": 0}},
    "linux": {"maskedPaths": [], "readonlyPaths": [], "namespaces": [], "devices": [{"path": "/dev/sda", "type": "b", "major": 8, "minor": 0}]},
    "annotations": SAYINGS,
    "root": {"path": "/"},
}


def spec():
    return json.loads(crux.ctr("containers", "info", "--spec", "test-hostile"))


def test_labels_and_annotations_reach_nothing():
    """CVE-2014-6408 (docker), CVE-2022-0811 (CRI-O), CVE-2022-23648 (containerd) and the like: what an image says becomes what
    the host does."""
    SHOP.base("case.tar", None, Entrypoint=SLEEP)
    assert start().ok
    plain = spec()
    crux.ask("image-destroy", IMAGE)

    more = {"Labels": SAYINGS, "Volumes": {"/etc": {}, VICTIM: {}}, "Shell": ["/x"], "OnBuild": ["RUN touch /x"]}
    healthcheck = {"Test": ["CMD", "touch", "/pwned"], "Interval": 1}
    write(document=BEYOND, manifest={"annotations": SAYINGS}, index={"annotations": SAYINGS}, Healthcheck=healthcheck, **BEYOND, **more)
    reply = start()
    assert reply.ok, reply.message
    found = spec()
    for document in (plain, found):
        document["annotations"].pop("org.systemd.property.Description", None)
    crux.equal(found, plain, "the container's specification")
    info = json.loads(crux.ctr("containers", "info", "test-hostile"))
    crux.equal(sorted(info["Labels"]), ["xyz.cruciblehq.cruxd.instance"], "labels of the container")
    labels = crux.ctr("images", "ls", "name==test/hostile:1").splitlines()[1].split()[-1]
    crux.equal(labels, "-", "labels of the image")
    for line in crux.ctr("content", "ls").splitlines():
        for name, value in SAYINGS.items():
            assert f"{name}={value}" not in line, line
    for line in crux.ctr("snapshots", "ls").splitlines():
        assert "restart" not in line, line
    assert "host" not in shell("ls /").split(), "a mount of the image's"
    # They are only words, and stay what they are.
    reply = build({"copy": "f /f"})
    assert reply.ok, reply.message
    crux.equal(SHOP.take().config["config"]["Labels"], SAYINGS, "Labels")


def test_owner_of_a_dead_process_in_a_label():
    """A sweep takes what a dead process of ours left: an image that says so is not."""
    write(Labels={"xyz.cruciblehq.cruxd.instance": "default", "xyz.cruciblehq.cruxd.owner": "0:1:1"})
    assert start().ok
    crux.run("systemctl", "restart", crux.SERVICE)
    GUARD.pid = crux.ask("status")["pid"]
    time.sleep(1)
    crux.equal(crux.ask("container-status", ID)["status"], "running", "status after a sweep")


@crux.table([(name,) for name in ("it's", 'say "x"', "back\\slash", "a'],uint64 0,['b", "%s%n", "$(touch)", "ü", "x" * 240)], name=lambda row: row[0][:20])
def test_image_names_in_systemds_properties(name):
    write()
    ref = name.replace(" ", "_")
    crux.ask("image-import", {"ref": ref, "version": "1", "path": PATH})
    crux.ask("image-start", {"ref": ref, "version": "1", "id": "test/hostile"})
    crux.equal(crux.show("cruxd-test-hostile.scope", "ActiveState")["ActiveState"], "active", "the scope")
    crux.equal(crux.show("cruxd-test-hostile.scope", "ExecStartPre", "Delegate")["Delegate"], "yes", "Delegate")
    crux.ask("image-destroy", {"ref": ref, "version": "1"})


@crux.table([(i,) for i in ("init.scope", "x.service", "a.mount", "cruxd-build-1", "system.slice", "0", "A.B-C_D")], name=lambda row: row[0])
def test_identifiers_like_units(identifier):
    write()
    crux.ask("image-import", {**IMAGE, "path": PATH})
    crux.ask("image-start", {**IMAGE, "id": identifier})
    crux.equal(crux.show(f"cruxd-{identifier}.scope", "ActiveState", "Slice"), {"ActiveState": "active", "Slice": "cruxd-default.slice"}, "scope")
    crux.ask("container-destroy", {"id": identifier})


USERS = [
    # User, whom it must run as ("uid:gid"), or None where it is refused
    ("", "0:0"),
    ("0", "0:0"),
    ("root", "0:0"),
    ("user", "1000:1001"),
    ("user:0", "1000:0"),
    ("user:staff", "1000:50"),
    ("1000:staff", "1000:50"),
    (":staff", "0:50"),
    ("12345", "12345:0"),
    ("12345:54321", "12345:54321"),
    ("2147483647", "2147483647:0"),
    ("2147483648", None),
    ("4294967295", None),
    ("4294967296", None),
    ("4294968296", None),
    ("18446744073709551616", None),
    ("99999999999999999999999", None),
    ("-1", None),
    ("+0", None),
    ("0x0", None),
    ("1e3", None),
    (" 0", None),
    ("0 ", None),
    ("0:4294967296", None),
    ("0:-1", None),
    ("0:0:0", None),
    ("user:", None),
    ("nobody-here", None),
    ("user:nobody-here", None),
    ("big", None),
    ("huge", None),
    ("user:big", None),
    ("minus", None),
    ("u" * 300, None),
    ("user\n0", None),
    ("user\0", None),
    ("../../etc/passwd", None),
]
PASSWD = (
    "root:x:0:0::/root:/bin/sh\nuser:x:1000:1001::/:/bin/sh\nbig:x:4294967296:4294967296::/:/bin/sh\n"
    "huge:x:18446744073709551616:0::/:/bin/sh\nminus:x:-1:-1::/:/bin/sh\n0:x:1000:1000::/:/bin/sh\n"
    "\n:::::\nno colon\n:x:0:0::/:/bin/sh\nbroken:x:abc:def::/:\n"
)
GROUP = "root:x:0:\nstaff:x:50:user\nbig:x:4294967296:\nbroken:x:\n\n"


@crux.table(USERS, name=lambda row: ascii(row[0][:30]))
def test_users(user, expected):
    """CVE-2024-40635 (containerd), CVE-2016-3697 (runc): ids that overflow and numbers that are names."""
    write([mkimage.Tree().dir("etc").file("etc/passwd", PASSWD.encode()).file("etc/group", GROUP.encode())], User=user)
    reply = start()
    if expected is None:
        assert not reply.ok, f"it runs as {shell('id -u; id -g')!r}"
        assert reply.code in REFUSED.split("|"), dict(reply)
        assert not build({"run": "true"}).ok, "a stage runs"
    else:
        assert reply.ok, reply.message
        crux.equal(shell("echo $(id -u):$(id -g)"), expected + "\n", "whom it runs as")
        status = shell("grep ^Uid: /proc/1/status").split()
        crux.equal(status[1:], [expected.split(":")[0]] * 4, "ids of PID 1")


@crux.table([("user", "1001 50"), ("user:0", "0"), ("1000", "1001 50"), ("12345", "0"), ("12345:7", "7"), ("root", "0")])
def test_groups(user, expected):
    """CVE-2022-2990 (buildah), CVE-2022-36109 (docker), CVE-2023-25173 (containerd): groups that are not those of the user."""
    write([mkimage.Tree().dir("etc").file("etc/passwd", PASSWD.encode()).file("etc/group", GROUP.encode())], User=user)
    reply = start()
    assert reply.ok, reply.message
    crux.equal(shell("grep ^Groups: /proc/1/status").split()[1:], sorted(expected.split(), key=int), "groups of PID 1")
    crux.equal(shell("id -G").split(), expected.split(), "groups of what is executed")
    assert build({"run": f'test "$(id -G)" = "{expected}"'}).ok, "groups of a step"


def many_groups():
    return "".join(f"g{n}:x:{n}:user\n" for n in range(100, 2000))


FILES = hostile.Cases()


def files(cve, **more):
    """Cases of what stands in the place of /etc/passwd or /etc/group; with User=user, and with root."""
    return FILES(cve, **{"codes": REFUSED, **more})


@files("a huge /etc/passwd", words="/etc/passwd")
def a_large_passwd():
    return mkimage.Tree().dir("etc").file("etc/passwd", PASSWD.encode() + b"# " + b"x" * (2 << 20))


@files("an endless line in /etc/group", words="/etc/group")
def a_large_group():
    return mkimage.Tree().dir("etc").file("etc/passwd", PASSWD.encode()).file("etc/group", b"x" * (2 << 20))


@files("/etc/passwd as a FIFO, which nobody writes", words="/etc/passwd")
def a_passwd_fifo():
    return mkimage.Tree().dir("etc").add("etc/passwd", tarfile.FIFOTYPE)


@files("/etc/passwd as a device without end", words="/etc/passwd")
def a_passwd_device():
    return mkimage.Tree().dir("etc").add("etc/passwd", tarfile.CHRTYPE, devmajor=1, devminor=5)


@files("/etc/group as a directory", words="/etc/group")
def a_group_directory():
    return mkimage.Tree().dir("etc").dir("etc/group")


@files("CVE-2024-9676 (podman, buildah): /etc/passwd as a link to the host's", expect="harmless")
def a_passwd_link():
    return mkimage.Tree().dir("etc").symlink("etc/passwd", VICTIM + "/secret").symlink("etc/group", UP + "etc/group")


@files("/etc as a link to the host's", expect="harmless")
def an_etc_link():
    return mkimage.Tree().symlink("etc", UP + "etc")


@files("/etc/passwd as a link to itself", words="/etc/passwd")
def a_passwd_loop():
    return mkimage.Tree().dir("etc").symlink("etc/passwd", "passwd")


@files("/etc/passwd as a link into proc", expect="harmless")
def a_passwd_in_proc():
    return mkimage.Tree().dir("etc").symlink("etc/passwd", "/proc/self/environ").symlink("etc/group", "/dev/zero")


@files("more groups than anybody can be in", words="groups")
def many_memberships():
    return mkimage.Tree().dir("etc").file("etc/passwd", PASSWD.encode()).file("etc/group", many_groups().encode())


@files("control bytes and NULs", expect="harmless")
def a_passwd_of_bytes():
    return mkimage.Tree().dir("etc").file("etc/passwd", bytes(range(256)) * 100 + b"\n" + PASSWD.encode())


@crux.table(FILES.rows())
def test_user_files(title, case):
    for user in ("user", "root", ""):
        write([case.function()], User=user)
        started = time.monotonic()
        reply = start()
        # Root needs no file but for its groups.
        if reply.ok and user != "user":
            crux.equal(shell("id -u"), "0\n", "uid")
        else:
            hostile.judge(case, reply)
        assert time.monotonic() - started < 10, "it took long"
        crux.request("image-destroy", IMAGE)


# ---- directories to work in --------------------------------------------------------------------------------------------------------------


# The number that a file has in whichever program starts the container's process is anybody's guess.
WORKDIRS = [f"/proc/self/fd/{number}" for number in range(3, 15)] + ["/proc/1/cwd", "/proc/self/cwd", "/proc/self/root", "/proc/thread-self/fd/7"]


@crux.table([(workdir,) for workdir in WORKDIRS], name=lambda row: row[0])
def test_workdir_in_the_host(workdir):
    """CVE-2024-21626 (runc): a working directory by way of a file that the runtime has open outside."""
    look = f"cat {UP}{VICTIM[1:]}/secret {VICTIM[1:]}/secret /proc/self/cwd/{UP}{VICTIM[1:]}/secret 2>&1; ls -a . .. 2>&1; true"
    write([mkimage.Tree().symlink("link", workdir)], WorkingDir=workdir)
    reply = start()
    if reply.ok:
        text = shell(look)
        assert hostile.SECRET not in text and "victim" not in text.split(), text
    for steps in ([{"run": look + " >/said"}], [{"workdir": workdir}, {"run": look + " >/said"}], [{"run": look + " >/said", "workdir": workdir}]):
        steps += [{"workdir": "/link"}, {"run": look + " >>/said"}]
        reply = build(*steps)
        assert hostile.SECRET not in reply.message, reply.message
        if reply.ok:
            entry = SHOP.take().entries(2).get("said")
            said = entry.data.decode() if entry else ""
            assert hostile.SECRET not in said and "victim" not in said.split(), said


@crux.table([(w,) for w in ("/etc/passwd", "relative", "/" + "d" * 256, "/" + "d/" * 3000, "/loop", "/\n", "/a\0b", UP)], name=lambda row: ascii(row[0][:20]))
def test_odd_workdir(workdir):
    write([mkimage.Tree().dir("etc").file("etc/passwd", b"root:x:0:0::/:\n").symlink("loop", "loop")], WorkingDir=workdir)
    reply = start()
    assert reply.ok or reply.code in REFUSED.split("|"), dict(reply)
    reply = build({"workdir": workdir}, {"run": "pwd"})
    assert reply.ok or reply.code in ("invalid-argument", "not-found", "command-failed", "build-failed"), dict(reply)


# ---- where the runtime mounts ----------------------------------------------------------------------------------------------------------------


MOUNTS = hostile.Cases()


def mounts(cve):
    return MOUNTS(cve, expect="harmless", codes=REFUSED + "|internal")


for place in ("proc", "dev", "sys", "run", "etc", "etc/resolv.conf", "dev/shm", "dev/pts", "run/cruxd-init"):
    for title, target in {
        "a link to the host's /etc": "/etc",
        "a link that climbs": UP + VICTIM[1:],
        "a link to the host's secret": VICTIM + "/secret",
        "a link to itself": os.path.basename(place),
        "a link to nothing": "/no/such",
        "a link to the root": "/",
        "a link to tmp": "/tmp",
    }.items():

        def link_instead(place=place, target=target):
            tree = mkimage.Tree()
            if "/" in place:
                tree.dir(os.path.dirname(place))
            return tree.symlink(place, target)

        link_instead.__name__ = f"/{place} as {title}"
        mounts("CVE-2019-16884, CVE-2021-30465, CVE-2023-27561, CVE-2023-28642, CVE-2024-45310 (runc): mount points that are links")(link_instead)

    def file_instead(place=place):
        return Raw().add(place, b"a file")

    file_instead.__name__ = f"/{place} as a file"
    mounts("mount points that are files")(file_instead)

    def fifo_instead(place=place):
        return Raw().add(place, type=tarfile.FIFOTYPE)

    fifo_instead.__name__ = f"/{place} as a FIFO"
    mounts("mount points that nobody can open")(fifo_instead)


@mounts("CVE-2019-19921 (runc): links that are swapped by way of a volume")
def links_to_one_another():
    return mkimage.Tree().symlink("proc", "sys").symlink("sys", "dev").symlink("dev", "run").symlink("run", "proc")


@mounts("CVE-2025-31133, CVE-2025-52565 (runc): device nodes that are links")
def nodes_that_are_links():
    tree = mkimage.Tree().dir("dev").dir("sys").dir("proc")
    for name in ("dev/null", "dev/zero", "dev/console", "dev/ptmx", "dev/fd", "dev/stdout", "sys/firmware", "proc/kcore", "proc/scsi"):
        tree.symlink(name, VICTIM + "/secret")
    return tree


@mounts("directories that nobody may enter")
def closed_directories():
    tree = mkimage.Tree()
    for name in ("proc", "dev", "sys", "run", "etc"):
        tree.dir(name, 0, uid=12345, gid=12345)
    return tree


@crux.table(MOUNTS.rows())
def test_mount_points(title, case):
    write([case.function()])
    started = time.monotonic()
    reply = start()
    hostile.judge(case, reply)
    if reply.ok:
        crux.request("container-exec", {**ID, "command": ["/bin/sh", "-c", "echo pwned > /etc/pwned; echo pwned > /run/pwned; echo pwned > /proc/pwned"]})
    HOST.check()
    reply = build({"copy": "f /etc/pwned"}, {"run": "echo x > /run/pwned; echo x > /etc/pwned; echo x > /sys/pwned; true"}, {"copy": "f /run/pwned"})
    hostile.judge(case, reply)
    if reply.ok:
        entries = SHOP.take().entries(2)
        told = [name for name, entry in entries.items() if entry.data and hostile.SECRET.encode() in entry.data]
        crux.equal(told, [], "files that hold the host's words")
    assert time.monotonic() - started < 30, "it took long"


def test_mount_points_of_a_stopped_one():
    """What ran in it may have put something else in their places."""
    write()
    assert start().ok
    shell("mv /etc /etc2 && mkfifo /etc")
    crux.ask("container-stop", ID)
    started = time.monotonic()
    crux.refused("image-start", IMAGE, code="invalid-argument", message=("/etc", "FIFO"))
    assert time.monotonic() - started < 10, "it waited"
    crux.equal(crux.ask("container-status", ID)["status"], "stopped", "status")


# ---- what runs in it --------------------------------------------------------------------------------------------------------------------------


ATTEMPTS = [
    # what is tried, in a shell that is root in the container; it must print nothing on stdout
    ("CVE-2019-5736: write to the runtime's program", "for p in /proc/[0-9]*/exe /proc/self/exe; do (echo x > $p) 2>/dev/null && echo wrote $p; done"),
    ("write to PID 1's program", "test -e /run/cruxd-init || exit 0; (echo x > /run/cruxd-init) 2>/dev/null && echo wrote; rm -f /run/cruxd-init 2>/dev/null && echo removed"),
    ("kernel settings", "(echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote"),
    ("sysrq", "(echo b > /proc/sysrq-trigger) 2>/dev/null && echo wrote"),
    ("cgroups: CVE-2022-0492", "mount -t cgroup2 x /mnt 2>/dev/null && echo mounted; (echo x > /sys/fs/cgroup/release_agent) 2>/dev/null && echo wrote"),
    ("mounts", "mkdir -p /m; mount -t tmpfs x /m 2>/dev/null && echo mounted; mount -t proc x /m 2>/dev/null && echo mounted"),
    ("umounts", "umount /proc/kcore /proc/sys /sys/firmware /run /etc/resolv.conf 2>/dev/null && echo unmounted"),
    ("a disk's node", "mknod /disk b 8 0 2>/dev/null; head -c 1 /disk >/dev/null 2>&1 && echo read"),
    ("memory's node", "mknod /mem c 1 1 2>/dev/null; head -c 1 /mem >/dev/null 2>&1 && echo read"),
    ("kernel's memory", "test -s /proc/kcore && echo kcore; head -c 1 /proc/kcore 2>/dev/null | grep -q . && echo read"),
    ("PID 1's root", f"cat /proc/1/root/{VICTIM}/secret /proc/1/cwd/{UP}{VICTIM}/secret 2>/dev/null"),
    ("chroot tricks", f"mkdir -p /c; chroot /c /bin/true 2>/dev/null; cat {UP}{VICTIM}/secret 2>/dev/null"),
    ("namespaces of the host", "nsenter -t 1 -m -- cat /nothing 2>/dev/null && echo entered; unshare -m true 2>/dev/null && echo unshared"),
    ("other processes", "ps | grep -v 'ps\\|sh\\|sleep\\|PID\\|cruxd-init\\|grep\\|awk'"),
    ("sockets of the host", "ls /run | grep -v cruxd-init; find / -xdev -type s 2>/dev/null"),
    ("the clock", "date -s '2000-01-01' >/dev/null 2>&1; test $(date +%Y) -gt 2020 || echo set"),
    ("the host's name", "hostname pwned 2>/dev/null && echo set"),
    ("modules", "insmod /bin/busybox 2>/dev/null && echo loaded"),
    ("the network", "ip link set lo down 2>/dev/null && echo down"),
    ("tracing PID 1", "test -r /proc/1/mem && head -c 1 /proc/1/mem >/dev/null 2>&1 && echo read"),
    ("CVE-2022-24769 (docker), CVE-2022-27651 (buildah): inheritable capabilities", "grep -E 'Cap(Inh|Amb)' /proc/self/status /proc/1/status | grep -v ':.0000000000000000$'"),
    ("CVE-2016-9962, CVE-2024-21626 (runc): PID 1's files", "for f in /proc/1/fd/*; do test -d $f && echo $f; done"),
    (
        "CVE-2017-16539, CVE-2018-10892 (docker), CVE-2025-31133 (runc): what is masked",
        "for f in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do ls -A $f 2>/dev/null; done;"
        " for f in kcore keys latency_stats timer_list timer_stats sched_debug; do cat /proc/$f 2>/dev/null; done",
    ),
    (
        "CVE-2015-3630 (docker), CVE-2025-52881 (runc): what is read-only",
        "for d in bus fs irq sys sysrq-trigger; do find /proc/$d -type f 2>/dev/null | head -n 200 | while read f; do (: >> $f) 2>/dev/null && echo $f; done; done",
    ),
    ("CVE-2020-15257 (containerd): sockets without a path, of the network that is the host's", "grep -E '@.*(containerd|cruxd|shim)' /proc/net/unix"),
    ("privileges", "grep -q 'NoNewPrivs:.*1' /proc/self/status || echo new; grep -q 'CapEff:.00000000a80425fb' /proc/self/status || grep CapEff /proc/self/status"),
    ("what comes along", "ls /proc/self/fd | grep -v '^[0-3]$'; env | grep -v '^PATH=\\|^PWD=\\|^SHLVL=\\|^HOME=\\|^_='"),
]


@crux.table(ATTEMPTS)
def test_attempts(name, attempt):
    programs = [os.path.realpath(p) for p in ("/usr/bin/crun", "/usr/sbin/runc", "/usr/libexec/cruxd/cruxd-init") if os.path.exists(p)]
    before = {path: open(path, "rb").read() for path in programs}
    write()
    assert start().ok
    crux.equal(shell(attempt), "", "what could be done in a container")
    reply = build({"run": f"({attempt}) > /said; true"})
    assert reply.ok, reply.message
    entry = SHOP.take().entries(1).get("said")
    crux.equal(entry.data if entry else None, b"", "what could be done in a stage")
    assert {path: open(path, "rb").read() for path in programs} == before, "a program of the host has changed"


@crux.table([("the program itself", "#!/proc/self/exe\n"), ("a library", "#!/lib/ld.so\n"), ("an empty file", ""), ("a text", "text"), ("a loop", "#!/evil\n")])
def test_program_that_is_the_runtime(name, content):
    """CVE-2019-5736 (runc): the process that is executed is the runtime, in the container."""
    write([mkimage.Tree().file("evil", content.encode(), 0o755)])
    crux.ask("image-import", {**IMAGE, "path": PATH})
    crux.ask("image-start", IMAGE)
    for program in ("/evil", "/proc/self/exe"):
        reply = crux.request("container-exec", {**ID, "command": [program, "--version"]})
        assert reply.ok or reply.code in REFUSED.split("|"), dict(reply)
        assert "crun" not in reply.get("stdout", "") and "runc" not in reply.get("stdout", ""), dict(reply)


ENVIRONMENTS = [
    (["LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "PATH=/bin"], True),
    (["NOTIFY_SOCKET=/run/systemd/notify", "LISTEN_FDS=3", "LISTEN_PID=1", "PATH=/bin"], True),
    (["_LIBCONTAINER_INITPIPE=3", "_LIBCONTAINER_LOGPIPE=4", "CRUN_X=1", "GODEBUG=x", "PATH=/bin"], True),
    (["no equals sign", "=", "=x", "A=b=c", "A=d", "PATH=/bin", "PATH=/nowhere:/bin"], None),
    (["new\nline=x", "A=\n\x01\x7f", "ü=ü", "PATH=/bin"], None),
    (["A=" + "x" * 200000, "PATH=/bin"], False),
    ([f"V{n}=" + "x" * 100000 for n in range(30)], False),
    ([f"V{n}=x" for n in range(5000)], False),
    ("PATH=/bin", False),
    ([1, None], False),
]


@crux.table(ENVIRONMENTS, name=lambda row: str(row[0])[:40])
def test_environments(env, taken):
    write(Env=env)
    reply = start()
    assert reply.ok or reply.code in REFUSED.split("|"), dict(reply)
    if taken is not None:
        crux.equal(reply.ok, taken, f"being taken ({reply.message})")
    reply = build({"run": "true"})
    assert reply.ok or reply.code in (*REFUSED.split("|"), "build-failed"), dict(reply)


@crux.table(
    [
        ("nothing", [], "invalid-argument"),
        ("an empty word", [""], "invalid-argument"),
        ("a string", "/bin/sh", "invalid-argument"),
        ("a NUL", ["/bin/sh\0x"], "invalid-argument"),
        ("too many", ["/bin/true"] * 5000, "invalid-argument"),
        ("too long", ["/bin/true", "x" * (3 << 20)], REFUSED),
        ("a directory", ["/bin"], REFUSED),
        ("relative", ["../../bin/sh"], REFUSED),
    ]
)
def test_entrypoints(name, entrypoint, codes):
    write(Entrypoint=entrypoint)
    reply = start()
    if reply.ok:
        # What the kernel will not execute is found out by the runtime's child.
        crux.eventually(lambda: name == "relative" or crux.ask("container-status", ID)["status"] == "stopped", 5, "its end")
    else:
        assert reply.code in codes.split("|"), dict(reply)


# ---- what is said about it --------------------------------------------------------------------------------------------------------------------


FORGED = "true\n_PID=1\nCRUXD_FORGED=yes\nPRIORITY=0\nMESSAGE=forged"


def test_journal_fields_are_not_forged():
    since = time.time()
    write([mkimage.Tree().file("forged", FORGED.encode())])
    crux.request("build", SHOP.payload(stage({"run": FORGED}, {"run": "cat /forged; cat /forged >&2"}, base="case.tar"), resource=FORGED))
    crux.request("", raw=crux.encode("status\nCRUXD_FORGED=yes"))
    crux.request("container-status", {"id": "x\nCRUXD_FORGED=yes"})
    crux.ask("image-import", {**IMAGE, "path": PATH})
    assert start().ok
    shell("cat /forged > /proc/1/fd/1")
    time.sleep(0.3)
    crux.equal(crux.journal("CRUXD_FORGED=yes", since=since), [], "forged entries")
    crux.equal(crux.journal("PRIORITY=0", since=since), [], "forged priorities")


RESOURCES = ["x" * 100000, "x" * 1024, "a b", "../../../etc/pwned", "UPPER", "a\nb", "\x1b[2J", "ü", "a" * 300, "-", ":", "a:b:c", "localhost:5000/x@sha256:" + "a" * 64]


@crux.table([(resource,) for resource in RESOURCES], name=lambda row: ascii(row[0][:20]))
def test_odd_resources(resource):
    reply = crux.request("build", SHOP.payload(stage({"copy": "f /f"}, base="base.tar"), resource=resource))
    assert reply.ok or reply.code == "invalid-argument", dict(reply)
    if reply.ok:
        crux.ask("image-import", {**IMAGE, "path": SHOP.image})


# ---- a stage that works against its own build ----------------------------------------------------------------------------------------------------


SWAP = "while true; do mv /{0} /t && ln -s {1} /{0}; rm /{0} && mv /t /{0}; done >/dev/null 2>&1 &"


@crux.table(
    [
        ("a file into the directory", "dst", "f /dst/pwned"),
        ("a tree into the directory", "dst", "tree /dst"),
        ("a tree over one that is there", "dst/sub", "tree /dst"),
        ("a file below it", "dst", "f /dst/sub/pwned"),
        ("with missing parents", "dst", "f /dst/a/b/c/pwned"),
    ]
)
@crux.timeout(120)
def test_destination_swapped_by_the_container(name, swapped, words):
    """CVE-2018-15664, CVE-2019-14271 (docker cp): what is written to is changed by a process in the container."""
    for target in (VICTIM, UP + VICTIM[1:], "/proc/1/root", "/proc/self/cwd"):
        swap = SWAP.format(swapped, target)
        steps = [{"run": f"mkdir -p /dst/sub; ({swap})"}, *[{"copy": words} for _ in range(40)]]
        reply = build(*steps, base="base.tar")
        assert reply.ok or reply.code in ("not-found", "invalid-argument", "busy", "build-failed", "already-exists"), dict(reply)
        HOST.check()


@crux.timeout(120)
def test_workdir_swapped_by_the_container():
    swap = SWAP.format("dst", VICTIM)
    steps = [{"run": f"mkdir -p /dst; ({swap})"}, *[{"workdir": f"/dst/pwned{n}"} for n in range(100)]]
    reply = build(*steps, base="base.tar")
    assert reply.ok or reply.code in ("not-found", "invalid-argument", "busy", "build-failed", "already-exists"), dict(reply)


@crux.timeout(120)
def test_source_stage_swapped_by_its_own_process():
    """What a stage has left running ends before another one copies out of it."""
    swap = SWAP.format("src", VICTIM)
    first = {**stage({"run": f"mkdir -p /src/sub; echo mine > /src/secret; ({swap})"}), "name": "s", "transient": True}
    for words in ("s:/src /new", "s:/src/secret /new/f"):
        reply = crux.request("build", SHOP.payload(first, stage({"copy": words})))
        assert hostile.SECRET not in reply.message, reply.message
        if reply.ok:
            entries = SHOP.take().entries(1)
            told = [name for name, entry in entries.items() if entry.data and hostile.SECRET.encode() in entry.data]
            crux.equal(told, [], "files that hold the host's words")


RESOLV = [
    ("a link in the image", [mkimage.Tree().dir("etc").symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")], [{"run": "cat /etc/resolv.conf"}]),
    ("a link to the host's", [mkimage.Tree().dir("etc").symlink("etc/resolv.conf", VICTIM + "/secret")], [{"run": "echo pwned > /etc/resolv.conf; true"}]),
    ("made a link by a step", [], [{"run": f"rm -f /etc/resolv.conf; ln -sf {VICTIM}/secret /etc/resolv.conf; true"}, {"run": "echo pwned > /etc/resolv.conf; true"}]),
    ("made a link by a copy", [], [{"copy": "resolv /etc/"}, {"copy": "resolv /etc/resolv.conf"}, {"run": "cat /etc/resolv.conf; true"}, {"copy": "f /etc/resolv.conf"}]),
    ("its directory moved", [], [{"run": f"mv /etc /etc2; ln -s {VICTIM} /etc; true"}, {"copy": "f /etc/resolv.conf"}, {"run": "true"}]),
    ("its directory removed", [], [{"run": "rm -rf /etc; true"}, {"copy": "f /etc/x"}, {"run": "cat /etc/resolv.conf; true"}]),
]


@crux.table(RESOLV)
def test_resolv_conf(name, layers, steps):
    with open("/etc/resolv.conf") as resolv:
        before = resolv.read()
    write(layers)
    reply = build(*steps)
    assert reply.ok or reply.code in ("command-failed", "invalid-argument", "not-found", "busy", "build-failed"), dict(reply)
    with open("/etc/resolv.conf") as resolv:
        crux.equal(resolv.read(), before, "the host's resolv.conf")


LEAVINGS = [
    # what a step leaves, whether it can be exported
    ("names that break lines", "touch \"$(printf '/a\\nb')\" \"$(printf '/c\\001\\177\\033[2J')\" \"$(printf '/d\\377')\"", True),
    ("a whiteout's name", "touch /.wh.secret", False),
    ("the opaque mark's name", "mkdir /d; touch /d/.wh..wh..opq", False),
    ("links to outside", f"ln -s {VICTIM}/secret /s; ln -s {UP}etc/shadow /t; ln -s /proc/self/fd/0 /u", True),
    ("special files", "mkfifo /fifo; mknod /null c 1 3; true", True),
    ("a deep tree", "cd /; for i in $(seq 400); do mkdir d && cd d || exit 0; done; true", True),
    ("a deeper tree", "cd /; for i in $(seq 1200); do mkdir ddddddddddddddd && cd ddddddddddddddd || exit 0; done; true", None),
    ("a long name", "touch /$(head -c 255 /dev/zero | tr '\\0' n)", True),
    ("files that nobody may read", "echo x > /f; chmod 0 /f; mkdir /d; echo y > /d/y; chmod 0 /d; chown 12345:54321 /d", True),
    ("a hole of a tebibyte", "truncate -s 1099511627776 /big", True),
    ("many links", "echo x > /f; for i in $(seq 500); do ln /f /f$i; done", True),
    ("times of long ago", "touch -d '1901-12-14 00:00:00' /old; touch -d '2200-01-01 00:00:00' /new", True),
    ("a socket", "nc -lU /socket & sleep 0.5; true", True),
    ("the root's mode", "chmod 0 /; chown 5:5 /", True),
    ("mount points removed and made anew", "rmdir /proc /sys 2>/dev/null; mkdir -p /run/x /dev/x; true", True),
    ("a file that grows", "(while true; do echo x >> /growing; done) & sleep 0.2", True),
]


@crux.table(LEAVINGS)
@crux.timeout(120)
def test_leavings(name, command, exported):
    reply = build({"run": command}, base="base.tar")
    if exported is not None:
        crux.equal(reply.ok, exported, f"being exported ({reply.code}: {reply.message[:300]})")
    if not reply.ok:
        assert reply.code in ("unsupported", "invalid-argument", "build-failed"), dict(reply)
        return
    assert os.path.getsize(SHOP.image) < 64 << 20, f"it has {os.path.getsize(SHOP.image)} bytes"
    # What was exported is an image that can be used; but containerd writes out holes and takes no longer paths.
    if name not in ("a hole of a tebibyte", "a deeper tree"):
        crux.ask("image-import", {**IMAGE, "path": SHOP.image})


if __name__ == "__main__":
    crux.main()
