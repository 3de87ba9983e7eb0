# SPDX-License-Identifier: Apache-2.0
"""Copies, in every combination of what is copied, from where, to what: each row a source, a destination and what must be
in the image afterwards, to the last mode bit. Nothing in the image is executed: it holds no program."""

import os
import struct

import crux
import workshop
from workshop import DIR, device, directory, fifo, file, hard, link, socket_file, stage

SHOP = workshop.Workshop("copy")
GUARD = workshop.Guard()

# VFS_CAP_REVISION_2 with the effective bit: cap_net_raw=ep.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
GIB = 1 << 30

BASE = {
    "dir": DIR,
    "dir/old": "old",
    "file": "old",
    "private": directory(0o700, owner=(5, 6)),
    "tmp": directory(0o1777),
    "usr": DIR,
    "usr/lib": DIR,
    "lib": link("usr/lib"),
    "dirlink": link("dir"),
    "filelink": link("file"),
    "dangling": link("nowhere"),
    "abslink": link("/dir"),
    "uplink": link("../../../../dir"),
    "chain": link("abslink"),
    "loop": link("loop"),
    "fifo": fifo(),
    "tree": DIR,
    "tree/a": "old",
    "tree/kept": "kept",
    "tree/sub": link("/dir"),
    "clash-1": DIR,
    "clash-1/a": DIR,
    "clash-2": DIR,
    "clash-2/sub": "a file",
    "clash-3": DIR,
    "clash-3/sub": link("/nowhere/at/all"),
}

# The host's side; each test's root, never written to.
HOST = {
    "f": "F",
    "mode": file("m", 0o640),
    "setuid": file("s", 0o6755),
    "owned": file("o", owner=(1000, 1001)),
    "d": directory(0o750),
    "d/a": "A",
    "d/sub": DIR,
    "d/sub/b": "B",
    "d/empty": directory(0o700),
    "flink": link("f"),
    "dlink": link("d"),
    "nowhere-link": link("nothing"),
    "inner-abs": link("/f"),
    "outside": link("/etc/hostname"),
    "outside-up": link("../../../../../../etc/hostname"),
    "outside-dir": link("/etc"),
    "self": link("self"),
    "links": DIR,
    "links/to-file": link("../f"),
    "links/absolute": link("/etc/passwd"),
    "links/up": link("../../../../etc/passwd"),
    "links/dangling": link("nothing"),
    "hard": DIR,
    "hard/1": "hard",
    "hard/2": hard("hard/1"),
    "hard/sub": DIR,
    "hard/sub/3": hard("hard/1"),
    "x": file("x", xattrs={"user.test": b"value\0with\xffbytes", "user.overlay.opaque": b"y", "trusted.test": b"t"}),
    "cap": file("c", 0o755, xattrs={"security.capability": CAPABILITY}),
    "fifo": fifo(0o600),
    "device": device(),
    "socket": socket_file(),
    "special": DIR,
    "special/fifo": fifo(),
    "special/socket": socket_file(),
    "special/f": "F",
    "devices": DIR,
    "devices/null": device(),
    "-dash": "dash",
    "grüße-日本-🙂": "utf-8",
    "white": DIR,
    "white/with space": "s",
    "white/with\nnewline": "n",
    "white/with\ttab\x01\x7f": "t",
    "whiteout": DIR,
    "whiteout/.wh.f": "not a whiteout",
    "opaque": DIR,
    "opaque/.wh..wh..opq": "not one either",
    "long": DIR,
    "long/" + "n" * 255: "long",
    "deep": DIR,
    "deep/" + "/".join(["d" * 200] * 8): DIR,
}


def setup():
    SHOP.open()
    SHOP.base("base.tar", BASE)
    workshop.make_tree(SHOP.root, HOST)
    SHOP.build(stage())
    GUARD.begin()


def after_each():
    SHOP.clear_output()
    GUARD.check()


def teardown():
    SHOP.close()


TREE = {"a": "A", "sub": DIR, "sub/b": "B", "empty": directory(0o700)}


def under(prefix, tree, top=None):
    """The tree below a directory, which is `top` where that is in the layer as well."""
    found = {f"{prefix}/{name}": what for name, what in tree.items()}
    return found | ({prefix: top} if top else {})


NEW = directory(0o750)

COPIES = [
    # what is copied where, and what is in the layer then, or the words of the error
    # ---- a file
    ("f /new", {"new": "F"}),
    ("f /new/", {"new": DIR, "new/f": "F"}),
    ("f /new/.", {"new": DIR, "new/f": "F"}),
    ("f /new/deep/er", {"new": DIR, "new/deep": DIR, "new/deep/er": "F"}),
    ("f //new///deep//er", {"new": DIR, "new/deep": DIR, "new/deep/er": "F"}),
    ("f /dir", {"dir/f": "F"}),
    ("f /dir/", {"dir/f": "F"}),
    ("f /dir/.", {"dir/f": "F"}),
    ("f /dir/..", {"f": "F"}),
    ("f /dir/old", {"dir/old": "F"}),
    ("f /dir/other", {"dir/other": "F"}),
    ("f /", {"f": "F"}),
    ("f /../..", {"f": "F"}),
    ("f /../../new", {"new": "F"}),
    ("f /file", {"file": "F"}),
    ("f /file/", ["step 1: copy failed: ", "/file", "not a directory"]),
    ("f /file/below", ["step 1: copy failed: ", "/file", "not a directory"]),
    ("f /fifo", {"fifo": "F"}),
    ("f /private/f", {"private/f": "F"}),
    ("f /tmp", {"tmp/f": "F"}),
    ("./f /new", {"new": "F"}),
    ("/f /new", {"new": "F"}),
    ("d/../f /new", {"new": "F"}),
    ("../../../f /new", {"new": "F"}),
    ("-dash /-new", {"-new": "dash"}),
    ("grüße-日本-🙂 /dir/", {"dir/grüße-日本-🙂": "utf-8"}),
    ("mode /new", {"new": file("m", 0o640)}),
    ("setuid /new", {"new": file("s", 0o6755)}),
    ("owned /new", {"new": "o"}),
    ("x /new", {"new": file("x", xattrs={"user.test": b"value\0with\xffbytes"})}),
    ("cap /new", {"new": file("c", 0o755, xattrs={"security.capability": CAPABILITY})}),
    # ---- through symlinks of the image
    ("f /dirlink", {"dir/f": "F"}),
    ("f /dirlink/", {"dir/f": "F"}),
    ("f /dirlink/new", {"dir/new": "F"}),
    ("f /abslink/new", {"dir/new": "F"}),
    ("f /uplink/new", {"dir/new": "F"}),
    ("f /chain", {"dir/f": "F"}),
    ("f /lib/x/y", {"usr/lib/x": DIR, "usr/lib/x/y": "F"}),
    ("f /filelink", {"filelink": "F"}),
    ("f /dangling", {"dangling": "F"}),
    ("f /dangling/new", {"nowhere": DIR, "nowhere/new": "F"}),
    ("f /loop", {"loop": "F"}),
    ("f /loop/new", ["step 1: copy failed: ", "/loop", "symbolic links"]),
    ("f /filelink/new", ["step 1: copy failed: ", "/filelink", "not a directory"]),
    # ---- a directory
    ("d /new", under("new", TREE, NEW)),
    ("d /new/", under("new", TREE, NEW)),
    ("d/ /new", under("new", TREE, NEW)),
    ("d/. /new", under("new", TREE, NEW)),
    ("d /new/deep", {"new": DIR, **under("new/deep", TREE, NEW)}),
    ("d /dir", under("dir", TREE)),
    ("d /private", under("private", TREE)),
    ("d /tmp/", under("tmp", TREE)),
    ("d /", TREE),
    ("d /dirlink", under("dir", TREE)),
    ("d /abslink/x", under("dir/x", TREE, NEW)),
    ("d /lib", under("usr/lib", TREE)),
    ("d /dangling", under("nowhere", TREE, NEW)),
    ("d /tree", {"tree/a": "A", "tree/empty": directory(0o700), "dir/b": "B"}),
    ("d /file", ["step 1: copy failed: ", "d to /file", "directory"]),
    ("d /filelink", ["step 1: copy failed: ", "/filelink", "directory"]),
    ("d /fifo", ["step 1: copy failed: ", "/fifo", "directory"]),
    ("d /clash-1", ["step 1: copy failed: ", "d/a", "/clash-1/a", "cannot replace a directory"]),
    ("d /clash-2", ["step 1: copy failed: ", "d/sub", "/clash-2/sub", "directory cannot replace"]),
    ("d /clash-3", ["step 1: copy failed: ", "d/sub", "/clash-3/sub", "directory cannot replace"]),
    ("d/empty /new", {"new": directory(0o700)}),
    ("d/sub /new", {"new": DIR, "new/b": "B"}),
    # ---- symlinks of the source
    ("flink /new", {"new": "F"}),
    ("flink /dir/", {"dir/flink": "F"}),
    ("dlink /new", under("new", TREE, NEW)),
    ("dlink/a /new", {"new": "A"}),
    ("inner-abs /new", {"new": "F"}),
    ("nowhere-link /new", ["step 1: copy failed: ", "nowhere-link", "no such file or directory"]),
    ("self /new", ["step 1: copy failed: ", "self", "symbolic links"]),
    ("outside /new", ["step 1: copy failed: ", "outside", "no such file or directory"]),
    ("outside-up /new", ["step 1: copy failed: ", "outside-up", "no such file or directory"]),
    ("outside-dir/hostname /new", ["step 1: copy failed: ", "outside-dir/hostname", "no such file or directory"]),
    (
        "links /new",
        {
            "new": DIR,
            "new/to-file": link("../f"),
            "new/absolute": link("/etc/passwd"),
            "new/up": link("../../../../etc/passwd"),
            "new/dangling": link("nothing"),
        },
    ),
    # ---- hard links
    ("hard /new", {"new": DIR, "new/1": "hard", "new/2": hard("new/1"), "new/sub": DIR, "new/sub/3": hard("new/1")}),
    ("hard/2 /new", {"new": "hard"}),
    # ---- special files
    ("fifo /new", {"new": fifo(0o600)}),
    ("device /new", ["step 1: copy failed: ", "device", "not copied from the host"]),
    ("devices /new", ["step 1: copy failed: ", "devices/null", "not copied from the host"]),
    ("socket /new", ["step 1: copy failed: ", "socket"]),
    ("special /new", {"new": DIR, "new/fifo": fifo(), "new/f": "F"}),
    # ---- names
    ("white /new", {"new": DIR, "new/with space": "s", "new/with\nnewline": "n", "new/with\ttab\x01\x7f": "t"}),
    ("whiteout /new", [".wh.f"]),
    ("opaque /new", [".wh..wh..opq"]),
    ("whiteout/.wh.f /new", {"new": "not a whiteout"}),
    ("long /new", {"new": DIR, "new/" + "n" * 255: "long"}),
    ("f /" + "n" * 256, ["step 1: copy failed: ", "too long"]),
    ("f /" + "/".join(["n" * 200] * 30), ["step 1: ", "over the limit"]),
    ("deep /new", {"new": DIR, **{"new/" + "/".join(["d" * 200] * n): DIR for n in range(1, 9)}}),
    # ---- what is not there
    ("nope /new", ["step 1: copy failed: ", SHOP.root + "/nope", "no such file or directory"]),
    ("d/nope /new", ["step 1: copy failed: ", SHOP.root + "/d/nope", "no such file or directory"]),
    ("f/nope /new", ["step 1: copy failed: ", SHOP.root + "/f/nope", "not a directory"]),
    ("f/ /new", ["step 1: copy failed: ", SHOP.root + "/f/", "not a directory"]),
    ("\tf \t /new  ", {"new": "F"}),
]


@crux.table(COPIES, name=lambda row: ascii(row[0][:60]))
def test_host_copy(words, expected):
    step = {"copy": words}
    if isinstance(expected, list):
        reply = SHOP.refused(stage(step), message=expected)
        assert reply.code in ("not-found", "invalid-argument", "unsupported", "build-failed"), dict(reply)
    else:
        crux.equal(SHOP.changes(stage(step)), expected, "changes")


# The base for builds whose root is another directory.
ABSOLUTE_BASE = SHOP.root + "/base.tar"


def changes_of(words, root):
    """Of a copy whose source is below an absolute path."""
    return SHOP.changes(stage({"copy": words.replace("ROOT", root)}, base=ABSOLUTE_BASE), root="/")


def test_the_root_itself():
    root = SHOP.root + "/whole"
    workshop.make_tree(root, {"a": "A", "sub/b": "B"})
    os.link(ABSOLUTE_BASE, root + "/base.tar")
    os.chmod(root, 0o711)
    found = SHOP.changes(stage({"copy": ". /new"}), root=root)
    assert found.pop("new/base.tar"), "it is not whole"
    crux.equal(found, {"new": directory(0o711), "new/a": "A", "new/sub": DIR, "new/sub/b": "B"}, "changes")


RELATIVE = [
    # workdir before, workdir beside, copy, expected
    ("/w", None, "f new", {"w": DIR, "w/new": "F"}),
    ("/w", None, "f .", {"w": DIR, "w/f": "F"}),
    ("/w", None, "f ./", {"w": DIR, "w/f": "F"}),
    ("/w", None, "f ..", {"w": DIR, "f": "F"}),
    ("/w", None, "f ../new", {"w": DIR, "new": "F"}),
    ("/w", None, "f deep/er/", {"w": DIR, "w/deep": DIR, "w/deep/er": DIR, "w/deep/er/f": "F"}),
    ("/w", None, "d .", {"w": DIR, **under("w", TREE)}),
    ("/w", None, "f /abs", {"w": DIR, "abs": "F"}),
    (None, "/w", "f new", {"w": DIR, "w/new": "F"}),
    ("/dirlink", None, "f new", {"dir/new": "F"}),
    ("/w", "x", "f new", {"w": DIR, "w/x": DIR, "w/x/new": "F"}),
    (None, None, "f new", ["step 1: copy failed: ", '"new"', "requires workdir"]),
]


@crux.table(RELATIVE, name=lambda row: f"{row[0]}, {row[1]}: {row[2]}")
def test_relative_destination(before, beside, words, expected):
    steps = ([{"workdir": before}] if before else []) + [{"copy": words} | ({"workdir": beside} if beside else {})]
    if isinstance(expected, list):
        SHOP.refused(stage(*steps), message=expected)
    else:
        crux.equal(SHOP.changes(stage(*steps)), expected, "changes")


def test_workdir_beside_a_copy_does_not_stay():
    SHOP.refused(stage({"workdir": "/w", "copy": "f a"}, {"copy": "f b"}), message=["step 2", "requires workdir"])


# ---- out of a stage --------------------------------------------------------------------------------------------------------------


OTHER = {
    "out": directory(0o751, owner=(7, 8)),
    "out/f": file("stage", 0o604, owner=(1000, 1001)),
    "out/setuid": file("s", 0o4755, owner=(7, 7)),
    "out/link": link("f", owner=(9, 9)),
    "out/abs": link("/out/f"),
    "out/up": link("../../../../etc/hostname"),
    "out/1": "hard",
    "out/2": hard("out/1"),
    "out/fifo": fifo(0o620, owner=(7, 8)),
    "out/x": file("x", xattrs={"user.test": b"\0\xff", "security.capability": CAPABILITY}),
    "to-out": link("/out"),
    "escape": link("../../../../../../etc"),
    "lnk-f": link("out/f"),
    "loop": link("loop"),
    "secret": file("secret", 0o600, owner=(1, 1)),
    "null": device(0o666, owner=(0, 5)),
}

WHOLE = {
    "f": OTHER["out/f"],
    "setuid": OTHER["out/setuid"],
    "link": OTHER["out/link"],
    "abs": OTHER["out/abs"],
    "up": OTHER["out/up"],
    "1": "hard",
    "2": hard("new/1"),
    "fifo": OTHER["out/fifo"],
    "x": OTHER["out/x"],
}

STAGE_COPIES = [
    ("s:/out/f /new", {"new": OTHER["out/f"]}),
    ("s:/out/f /dir/", {"dir/f": OTHER["out/f"]}),
    ("s:/out/f /dir/renamed", {"dir/renamed": OTHER["out/f"]}),
    ("s:/out/f /deep/renamed", {"deep": DIR, "deep/renamed": OTHER["out/f"]}),
    ("s:out/f /new", {"new": OTHER["out/f"]}),
    ("s:./out/../out/f /new", {"new": OTHER["out/f"]}),
    ("s:/out /new", under("new", WHOLE, OTHER["out"])),
    ("s:/out/ /new", under("new", WHOLE, OTHER["out"])),
    ("s:/to-out/f /new", {"new": OTHER["out/f"]}),
    ("s:/lnk-f /new", {"new": OTHER["out/f"]}),
    # The service has no CAP_MKNOD.
    ("s:/null /new", ["stage 2: step 1: copy failed: ", "/new", "CAP_MKNOD"]),
    ("s:/out/fifo /new", {"new": OTHER["out/fifo"]}),
    ("s:/secret /new", {"new": OTHER["secret"]}),
    ("s:/escape/hostname /new", ["stage 2: step 1: copy failed: ", "s:/escape/hostname", "no such file or directory"]),
    ("s:/out/up /new", ["stage 2: step 1: copy failed: ", "s:/out/up", "no such file or directory"]),
    ("s:/../../../../etc/hostname /new", ["stage 2: step 1: copy failed: ", "no such file or directory"]),
    ("s:/loop /new", ["stage 2: step 1: copy failed: ", "s:/loop", "symbolic links"]),
    ("s:/nope /new", ["stage 2: step 1: copy failed: ", "s:/nope", "no such file or directory"]),
    ("s:/out /file", ["stage 2: step 1: copy failed: ", "s:/out to /file", "directory"]),
]


@crux.table(STAGE_COPIES, name=lambda row: row[0])
def test_stage_copy(words, expected):
    if not os.path.exists(SHOP.root + "/other.tar"):
        SHOP.base("other.tar", OTHER)
    other = {"name": "s", "transient": True, "from": "file other.tar"}
    if isinstance(expected, list):
        SHOP.refused(other, stage({"copy": words}), message=expected)
    else:
        crux.equal(SHOP.changes(stage({"copy": words}), other), expected, "changes")


def test_from_a_stage_that_was_changed():
    other = stage({"copy": "d /a"}, {"copy": "f /dir/old"}, name="s", transient=True)
    steps = [{"copy": "s:/a/sub /one"}, {"copy": "s:/dir/old /two"}, {"copy": "s:/dir /three"}]
    expected = {"one": DIR, "one/b": "B", "two": "F", "three": DIR, "three/old": "F"}
    crux.equal(SHOP.changes(stage(*steps), other), expected, "changes")


def test_a_colon_behind_a_slash_is_no_stage():
    workshop.make_tree(SHOP.root, {"colon/a:b": "C"})
    crux.equal(SHOP.changes(stage({"copy": "colon/a:b /new"})), {"new": "C"}, "changes")
    crux.equal(SHOP.changes(stage({"copy": "./colon/a:b /c:d"})), {"c:d": "C"}, "changes")


# ---- one after the other --------------------------------------------------------------------------------------------------------


def test_later_copies_see_earlier_ones():
    steps = [{"copy": "d /new"}, {"copy": "f /new/a"}, {"copy": "links /new/empty"}, {"copy": "f /new/empty/dangling"}]
    found = SHOP.changes(stage(*steps))
    crux.equal((found["new/a"], found["new/empty/dangling"], found["new/empty"]), ("F", "F", directory(0o700)), "changes")


def test_a_copy_does_not_follow_links_that_a_copy_made():
    # As the symlinks of a source tree could lead the next copy out.
    steps = [{"copy": "links /new"}, {"copy": "f /new/absolute"}, {"copy": "f /new/up"}]
    found = SHOP.changes(stage(*steps))
    crux.equal((found["new/absolute"], found["new/up"]), ("F", "F"), "changes")


def test_copy_over_a_hard_link_of_the_base():
    SHOP.base("hard.tar", {"a": "old", "b": hard("a")})
    crux.equal(SHOP.changes(stage({"copy": "f /b"}, base="hard.tar")), {"b": "F"}, "changes")


def test_copies_between_runs():
    SHOP.base("busy.tar", None)
    steps = [
        {"copy": "f /one"},
        {"run": "cat /one > /two"},
        {"copy": "d /two.d"},
        {"run": "cat /two.d/sub/b >> /two; ln -s /two.d /ln"},
        {"copy": "f /ln/again"},
        {"run": "cat /ln/again >> /two"},
    ]
    found = SHOP.changes(stage(*steps, base="busy.tar"))
    crux.equal((found["one"], found["two"], found["two.d/again"], found["ln"]), ("F", "FBF", "F", link("/two.d")), "changes")


# ---- sizes --------------------------------------------------------------------------------------------------------------------------


def test_sparse():
    with open(SHOP.root + "/sparse", "wb") as sparse:
        sparse.write(b"start")
        sparse.seek(4 * GIB)
        sparse.write(b"middle")
        sparse.truncate(8 * GIB)
    crux.ask("build", SHOP.payload(stage({"copy": "sparse /sparse"})))
    assert os.path.getsize(SHOP.image) < 64 << 20, f"the archive is of {os.path.getsize(SHOP.image)} bytes"
    archive = SHOP.take()
    with workshop.archives.stream_layer(archive, 1) as tar:
        for info in tar:
            if info.name.strip("/").endswith("sparse"):
                crux.equal(info.size, 8 * GIB, "size")
                break
        else:
            raise AssertionError("it is not there")


def test_many_files():
    with crux.directory() as root:
        tree = {f"many/{n % 50}/{n}": f"{n}" for n in range(5000)}
        workshop.make_tree(root, tree)
        found = changes_of("ROOT/many /many", root)
    crux.equal({name: what for name, what in found.items() if what != DIR}, tree, "changes")


def test_a_path_beyond_the_bound():
    with crux.directory() as root:
        here = os.open(root, os.O_RDONLY)
        try:
            for n in range(30):
                os.mkdir("d" * 200, dir_fd=here)
                below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
                os.close(here)
                here = below
        finally:
            os.close(here)
        refused_of("ROOT /new", root, "copy failed: ", "too long")
        # What Python's rmtree would not get through.
        crux.run("rm", "-rf", root)
        os.mkdir(root)


def refused_of(words, root, *message):
    return SHOP.refused(stage({"copy": words.replace("ROOT", root)}, base=ABSOLUTE_BASE), root="/", message=message)


def test_a_file_whose_size_is_a_guess():
    # One of sysfs says 4096 and holds less.
    found = changes_of("/sys/kernel/uevent_seqnum /new", "/")
    crux.matches(found["new"].value if isinstance(found["new"], workshop.Kind) else found["new"], r"^\d+\n")


@crux.table([(path,) for path in ("self/status", "1/environ", "sys/kernel/hostname", "kallsyms", "self/fd", ".")], name=lambda row: row[0])
def test_proc_is_not_copied(path):
    refused_of(f"/proc/{path} /new", "/", "copy failed: ")


@crux.table([(path,) for path in ("self/root/etc", "self/cwd/etc/passwd", "1/root/etc/passwd", "self/fd/0", "self/exe")], name=lambda row: row[0])
def test_magic_links_are_not_followed(path):
    refused_of(f"/proc/{path} /new", "/", "copy failed: ")


if __name__ == "__main__":
    crux.main()
