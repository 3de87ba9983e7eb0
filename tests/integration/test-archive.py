# SPDX-License-Identifier: Apache-2.0
"""The archive that a build exports: its layer holds exactly what the steps changed, and the programs that people have
take it and find the same file system in it.

The base has two layers, so that there is something to delete. Everything is made once, by one build; the tests look
at the layer, at the metadata, and at what ctr, skopeo and podman make of it."""

import contextlib
import json
import os
import shutil
import stat
import struct
import time

import archives
import crux
from crux import mkimage

ROOT = "/srv/test/archive"
OUTPUT = ROOT + "/out"
IMAGE = OUTPUT + "/image.tar"
SOURCE = ROOT + "/source"

UTF8 = "grüße-日本語-🙂"
LONG = "long-" + "n" * 145
DEEP = "/".join(["deep-" + str(i) + "-" + "d" * 60 for i in range(6)])
NOT_UTF8 = b"latin-\xe9"

# VFS_CAP_REVISION_2 with the effective bit: cap_net_raw=ep.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
SPARSE_SIZE = 64 << 20

BASE = (
    mkimage.Tree()
    .dir("data")
    .file("data/kept", b"kept")
    .file("data/deleted", b"deleted")
    .dir("data/deleted-dir")
    .file("data/deleted-dir/inside", b"x")
    .dir("data/opaque")
    .file("data/opaque/old", b"old")
    .dir("data/became-file")
    .file("data/became-file/inside", b"x")
    .file("data/became-dir", b"x")
    .file("data/rewritten", b"before")
    .file("data/only-mode", b"m", mode=0o644)
    .dir("data/untouched")
    .file("data/untouched/file", b"u")
    .dir("etc")
    .file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
)

STEPS = [
    {"copy": "source /copied"},
    {"run": "rm /data/deleted"},
    {"run": "rm -r /data/deleted-dir"},
    {"run": "rm -r /data/opaque && mkdir /data/opaque && echo new > /data/opaque/new"},
    {"run": "rm -r /data/became-file && echo file > /data/became-file"},
    {"run": "rm /data/became-dir && mkdir /data/became-dir && echo x > /data/became-dir/x"},
    {"run": "echo after > /data/rewritten; chmod 0600 /data/only-mode"},
    {"run": "mkdir /made && cd /made && echo a > a && ln a b && ln -s a s && ln -s /nowhere dangling && mkfifo fifo"},
    {"run": "cd /made && echo o > owned && chown 1234:4321 owned && chmod 4755 owned && mkdir -m 1777 sticky"},
    {"run": "touch /made/temporary && rm /made/temporary"},
]


def make_source():
    os.makedirs(SOURCE)
    os.chdir(SOURCE)

    def write(path, data=b"", mode=0o644):
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)

    write("plain", b"plain")
    write("mode", b"m", 0o640)
    write("setuid", b"s", 0o4755)
    write("setgid", b"s", 0o2755)
    os.symlink("plain", "symlink")
    os.symlink("/copied/plain", "absolute")
    os.symlink("../../../../etc/passwd", "upwards")
    write("hard-1", b"hard")
    os.link("hard-1", "hard-2")
    os.mkdir("subdir")
    os.link("hard-1", "subdir/hard-3")
    os.mkdir("empty", 0o700)
    write("xattr", b"x")
    os.setxattr("xattr", "user.test", b"value\0with\xffbytes")
    write("capability", b"c", 0o755)
    os.setxattr("capability", "security.capability", CAPABILITY)
    with open("sparse", "wb") as file:
        file.write(b"start")
        file.seek(SPARSE_SIZE - 3)
        file.write(b"end")
    write(UTF8, b"utf-8")
    write(LONG, b"long")
    write(DEEP + "/file", b"deep")
    os.symlink(DEEP + "/file", "to-deep")
    write(NOT_UTF8, b"bytes")
    # Of somebody: host copies are root's.
    os.chown("plain", 1000, 1000)
    os.chdir("/")


ARCHIVE = None


def setup():
    global ARCHIVE
    crux.destroy_everything()
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(OUTPUT)
    make_source()
    layers = [mkimage.Layer(mkimage.busybox_tree().tar()), mkimage.Layer(BASE.tar(), compress="gzip")]
    mkimage.write_oci(ROOT + "/base.tar", mkimage.Image(layers, Env=["PATH=/bin"], Cmd=["/bin/sh"], Labels={"kept": "yes"}))
    stage = {"from": "file base.tar", "steps": [*STEPS, {"env": {"ADDED": "1"}}, {"workdir": "/made"}]}
    crux.ask("build", crux.build([stage], root=ROOT, output=OUTPUT, entrypoint=["/bin/sh", "-c", "cat /made/a"]))
    ARCHIVE = archives.Archive(IMAGE)


def teardown():
    crux.destroy_everything()
    shutil.rmtree(ROOT, ignore_errors=True)


# ---- the archive's own form --------------------------------------------------------------------------------------------


def test_is_an_oci_layout():
    crux.equal(ARCHIVE.json("oci-layout"), {"imageLayoutVersion": "1.0.0"}, "oci-layout")
    crux.equal(ARCHIVE.index["schemaVersion"], 2, "schemaVersion")
    crux.equal(ARCHIVE.manifest["schemaVersion"], 2, "schemaVersion")
    crux.equal(ARCHIVE.descriptor["mediaType"], mkimage.OCI + "manifest.v1+json", "media type")
    crux.equal(len(ARCHIVE.names), len(set(ARCHIVE.names)), "names that are there once")
    blobs = {"blobs/" + d["digest"].replace(":", "/") for d in [ARCHIVE.descriptor, ARCHIVE.manifest["config"], *ARCHIVE.layers]}
    there = {name for name in ARCHIVE.names if name.startswith("blobs/sha256/")}
    crux.equal(there, blobs, "blobs")


def test_is_what_docker_load_reads():
    [manifest] = ARCHIVE.json("manifest.json")
    crux.equal(json.loads(ARCHIVE.read(manifest["Config"])), ARCHIVE.config, "Config")
    crux.equal(len(manifest["Layers"]), len(ARCHIVE.layers), "number of Layers")
    for name, layer in zip(manifest["Layers"], ARCHIVE.layers):
        crux.equal(mkimage.sha256(ARCHIVE.read(name)), layer["digest"], name)


def test_holds_the_base_unchanged():
    base = archives.Archive(ROOT + "/base.tar")
    crux.equal(ARCHIVE.layers[:2], base.layers, "the base's layers")
    crux.equal(len(ARCHIVE.layers), 3, "layers")
    crux.equal(ARCHIVE.config["rootfs"]["diff_ids"][:2], base.config["rootfs"]["diff_ids"], "diff ids")


def test_configuration():
    config = ARCHIVE.config["config"]
    crux.equal(sorted(config["Env"]), ["ADDED=1", "PATH=/bin"], "Env")
    crux.equal(config["WorkingDir"], "/made", "WorkingDir")
    crux.equal(config["Entrypoint"], ["/bin/sh", "-c", "cat /made/a"], "Entrypoint")
    assert not config.get("Cmd"), f"Cmd is {config.get('Cmd')!r}: an entrypoint clears it"
    crux.equal(config["Labels"], {"kept": "yes"}, "Labels")
    crux.equal((ARCHIVE.config["os"], ARCHIVE.config["architecture"]), ("linux", mkimage.ARCH), "platform")
    filled = [entry for entry in ARCHIVE.config.get("history", []) if not entry.get("empty_layer")]
    assert not filled or len(filled) == 3, f"history of {len(filled)} layers"


# ---- the layer -----------------------------------------------------------------------------------------------------------


def layer():
    """Read anew by each test that wants it: it is small."""
    return ARCHIVE.entries(2)


def expect(name, kind, **fields):
    entry = layer().get(name)
    assert entry, f"{name} is not in the layer"
    crux.equal(entry.kind, kind, name)
    for field, value in fields.items():
        crux.equal(getattr(entry, field), value, f"{field} of {name}")
    return entry


def is_whiteout(name):
    return expect(name, "file", size=0)


def parents(names):
    found = set()
    for name in names:
        while name := os.path.dirname(name):
            found.add(name)
    return found


def test_has_exactly_what_was_changed():
    names = {
        *("copied/" + name for name in "plain mode setuid setgid symlink absolute upwards hard-1 hard-2 subdir".split()),
        *("copied/" + name for name in "subdir/hard-3 empty xattr capability sparse to-deep".split()),
        *("copied/" + name for name in (UTF8, LONG, DEEP + "/file", os.fsdecode(NOT_UTF8))),
        *("data/" + name for name in ".wh.deleted .wh.deleted-dir opaque opaque/.wh..wh..opq opaque/new".split()),
        *("data/" + name for name in "became-file became-dir became-dir/x rewritten only-mode".split()),
        *("made/" + name for name in "a b s dangling fifo owned sticky".split()),
    }
    entries = set(layer())
    # Instead of an opaque directory, what was in it may be whited out; and a directory in a file's place may be opaque.
    allowed = parents(names) | {"data/opaque/.wh.old", "data/became-dir/.wh..wh..opq"}
    if "data/opaque/.wh.old" in entries:
        names.remove("data/opaque/.wh..wh..opq")
    crux.equal(sorted(names - entries), [], "missing")
    crux.equal(sorted(entries - names - allowed - {""}), [], "too much")


def test_parents_come_before_what_is_in_them():
    seen = set()
    for name in layer():
        parent = os.path.dirname(name)
        assert not parent or parent in seen or parent in ("data",), f"{name} is before its directory"
        seen.add(name)


def test_whiteouts():
    is_whiteout("data/.wh.deleted")
    is_whiteout("data/.wh.deleted-dir")


def test_opaque_directory():
    entries = layer()
    if "data/opaque/.wh.old" not in entries:
        is_whiteout("data/opaque/.wh..wh..opq")
    expect("data/opaque/new", "file", data=b"new\n")


def test_kinds_that_changed():
    expect("data/became-file", "file", data=b"file\n")
    expect("data/became-dir", "directory")
    expect("data/rewritten", "file", data=b"after\n")
    expect("data/only-mode", "file", data=b"m", mode=0o600)


def test_modes_and_owners():
    expect("copied/plain", "file", data=b"plain", mode=0o644, owner=(0, 0))
    expect("copied/mode", "file", mode=0o640)
    expect("copied/setuid", "file", mode=0o4755)
    expect("copied/setgid", "file", mode=0o2755)
    expect("copied/empty", "directory", mode=0o700)
    expect("made/owned", "file", mode=0o4755, owner=(1234, 4321))
    expect("made/sticky", "directory", mode=0o1777)


def test_symlinks():
    expect("copied/symlink", "symlink", target="plain")
    expect("copied/absolute", "symlink", target="/copied/plain")
    expect("copied/upwards", "symlink", target="../../../../etc/passwd")
    expect("copied/to-deep", "symlink", target=DEEP + "/file")
    expect("made/dangling", "symlink", target="/nowhere")


def one_file(*names):
    """Of several hard links one is the file, and the others name it, and come after it."""
    entries = layer()
    order = [name for name in entries if name in names]
    crux.equal(len(order), len(names), "links")
    first, rest = order[0], order[1:]
    crux.equal(entries[first].kind, "file", first)
    for name in rest:
        crux.equal(entries[name].kind, "hard link", name)
        crux.equal(entries[name].target.strip("/").removeprefix("./"), first, f"target of {name}")


def test_hard_links():
    one_file("copied/hard-1", "copied/hard-2", "copied/subdir/hard-3")
    one_file("made/a", "made/b")


def test_xattrs():
    crux.equal(expect("copied/xattr", "file").xattrs.get("user.test"), b"value\0with\xffbytes", "user.test")
    entry = expect("copied/capability", "file", mode=0o755)
    crux.equal(entry.xattrs.get("security.capability"), CAPABILITY, "security.capability")
    for name, entry in layer().items():
        marks = [key for key in entry.xattrs if "overlay" in key]
        assert not marks, f"{name} carries {marks}: overlayfs's own"


def test_sparse_file():
    expect("copied/sparse", "file", size=SPARSE_SIZE)
    assert ARCHIVE.layers[2]["size"] < SPARSE_SIZE / 4, f"{ARCHIVE.layers[2]} of nearly nothing"


def test_names():
    expect("copied/" + UTF8, "file", data=b"utf-8")
    expect("copied/" + LONG, "file", data=b"long")
    expect("copied/" + DEEP + "/file", "file", data=b"deep")
    expect("copied/" + os.fsdecode(NOT_UTF8), "file", data=b"bytes")


def test_fifo():
    expect("made/fifo", "fifo")


def test_names_of_no_machine():
    for name, entry in layer().items():
        # Names of users come from the building machine's passwd, which the image knows nothing of.
        assert entry.info.uname in ("", "root") and entry.info.gname in ("", "root"), f"{name}: {entry.info.uname}"


# ---- who takes it ----------------------------------------------------------------------------------------------------------


def check_tree(root):
    """The image's file system, unpacked by somebody at root."""

    def path(name):
        return os.path.join(os.fsencode(root), name if isinstance(name, bytes) else os.fsencode(name))

    def content(name):
        with open(path(name), "rb") as file:
            return file.read()

    for name in ("data/deleted", "data/deleted-dir", "data/opaque/old", "made/temporary", "data/became-file/inside"):
        assert not os.path.lexists(path(name)), f"{name} is there"
    crux.equal(os.listdir(path("data/opaque")), [b"new"], "data/opaque")
    crux.equal(content("data/became-file"), b"file\n", "data/became-file")
    crux.equal(content("data/kept"), b"kept", "data/kept")
    crux.equal(content("data/untouched/file"), b"u", "data/untouched/file")
    crux.equal(content("data/rewritten"), b"after\n", "data/rewritten")
    for name, data in {UTF8: b"utf-8", LONG: b"long", DEEP + "/file": b"deep"}.items():
        crux.equal(content("copied/" + name), data, name)
    crux.equal(content(b"copied/" + NOT_UTF8), b"bytes", "a name of other bytes")
    for name, mode in {"copied/setuid": 0o4755, "copied/mode": 0o640, "made/owned": 0o4755, "made/sticky": 0o1777}.items():
        crux.equal(oct(stat.S_IMODE(os.lstat(path(name)).st_mode)), oct(mode), name)
    owned = os.lstat(path("made/owned"))
    crux.equal((owned.st_uid, owned.st_gid), (1234, 4321), "owner of made/owned")
    crux.equal(os.lstat(path("copied/hard-1")).st_nlink, 3, "links of copied/hard-1")
    crux.equal(os.lstat(path("copied/hard-1")).st_ino, os.lstat(path("copied/subdir/hard-3")).st_ino, "hard-3")
    crux.equal(os.readlink(path("copied/upwards")), b"../../../../etc/passwd", "copied/upwards")
    crux.equal(os.getxattr(path("copied/capability"), "security.capability"), CAPABILITY, "capability")
    sparse = os.lstat(path("copied/sparse"))
    crux.equal(sparse.st_size, SPARSE_SIZE, "size of copied/sparse")
    with open(path("copied/sparse"), "rb") as file:
        crux.equal(file.read(5), b"start", "start of copied/sparse")
        file.seek(SPARSE_SIZE - 3)
        crux.equal(file.read(), b"end", "end of copied/sparse")
    assert stat.S_ISFIFO(os.lstat(path("made/fifo")).st_mode), "made/fifo is no FIFO"
    crux.equal(os.listdir(path("etc")), [b"passwd"], "etc, where the runtime mounted a file")


def test_ctr_imports_it():
    def other(*args):
        return crux.run("ctr", "-n", "test-archive", *args)

    with crux.directory() as directory:
        mounted = False
        try:
            other("images", "import", "--index-name", "test/archive:1", IMAGE)
            crux.contains(other("images", "ls", "-q"), "test/archive:1")
            other("images", "mount", "test/archive:1", directory)
            mounted = True
            check_tree(directory)
        finally:
            if mounted:
                other("images", "unmount", "--rm", directory)
            for image in other("images", "ls", "-q").split():
                other("images", "rm", "--sync", image)
            for snapshot in reversed(other("snapshots", "ls").splitlines()[1:]):
                crux.run("ctr", "-n", "test-archive", "snapshots", "rm", snapshot.split()[0], check=False)
            crux.run("ctr", "namespaces", "rm", "test-archive", check=False)


def test_cruxd_imports_and_runs_it():
    begun = time.time()  # an earlier run's container had the same name
    crux.ask("image-import", {"ref": "test/archive", "version": "1", "path": IMAGE})
    try:
        crux.ask("image-start", {"ref": "test/archive", "version": "1"})
        messages = crux.eventually(
            lambda: [entry["MESSAGE"] for entry in crux.journal("CONTAINER_NAME=test-archive", since=begun)],
            what="its output",
        )
        crux.equal(messages, ["a"], "its output in the journal")
    finally:
        crux.ask("image-destroy", {"ref": "test/archive", "version": "1"})


def test_skopeo_copies_it():
    with crux.directory() as directory:
        crux.run("skopeo", "copy", f"oci-archive:{IMAGE}", f"dir:{directory}/d")
        with open(directory + "/d/manifest.json") as file:
            manifest = json.load(file)
        crux.equal([l["digest"] for l in manifest["layers"]], [l["digest"] for l in ARCHIVE.layers], "layers")
        inspected = json.loads(crux.run("skopeo", "inspect", "--config", f"dir:{directory}/d"))
        crux.equal(inspected["config"]["Entrypoint"], ARCHIVE.config["config"]["Entrypoint"], "Entrypoint")


@contextlib.contextmanager
def loaded_by_podman(path):
    """The image's name there. The program has its own storage, which is emptied afterwards."""
    output = crux.run("podman", "load", "--quiet", "-i", path)
    name = output.strip().split("\n")[-1].removeprefix("Loaded image:").strip()
    try:
        yield name
    finally:
        crux.run("podman", "rmi", "--force", name, check=False)


def podman_run(name, *args):
    # The test system's cgroups need not have a pids controller, which podman would ask for.
    return crux.run("podman", "run", "--rm", "--network=none", "--cgroups=disabled", *args[:-1], name, *args[-1])


def test_podman_loads_and_runs_it():
    with loaded_by_podman(IMAGE) as name:
        crux.equal(podman_run(name, []), "a\n", "what its entrypoint says")
        crux.equal(podman_run(name, "--entrypoint=/bin/pwd", []), "/made\n", "its working directory")
        crux.equal(podman_run(name, "--entrypoint=/bin/sh", ["-c", "echo $ADDED"]), "1\n", "its environment")


def test_podman_unpacks_it():
    with loaded_by_podman(IMAGE) as name:
        root = crux.run("podman", "image", "mount", name).strip()
        try:
            check_tree(root)
        finally:
            crux.run("podman", "image", "unmount", name)


# ---- by itself: 8 GiB ------------------------------------------------------------------------------------------------------


@crux.timeout(600)
def test_file_over_8_gib():
    # More than ustar's eleven octal digits can say. It is all hole, so that neither side writes that much; readers that
    # know no holes would, so only the header is looked at.
    size = (8 << 30) + 12345
    with crux.directory() as directory:
        step = {"run": f"truncate -s {size} /big && echo after > /zz-after"}
        payload = crux.build([{"from": "file base.tar", "steps": [step]}], root=ROOT, output=directory)
        crux.ask("build", payload, timeout=500)
        written = os.stat(directory + "/image.tar").st_size
        assert written < 256 << 20, f"the archive is of {written} bytes"
        archive = archives.Archive(directory + "/image.tar")
        with archives.stream_layer(archive, 2) as tar:
            sizes = {info.name.strip("/").removeprefix("./"): info.size for info in tar}
        crux.equal(sizes.get("big"), size, "size of /big")
        assert "zz-after" in sizes, f"the tar goes on after it: {sizes}"


if __name__ == "__main__":
    crux.main()
