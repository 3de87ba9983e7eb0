# SPDX-License-Identifier: Apache-2.0
"""A place to build in: a root with a base image, an output directory, trees made from a description and layers read
back into the same form, so that a test is a table of what goes in and what must come out."""

import contextlib
import os
import shutil
import stat

import archives
import crux
from crux import mkimage

CONFIG_DIRECTORY = "/etc/cruxd/cruxd.conf.d"
CONFIG_FILE = CONFIG_DIRECTORY + "/99-test.conf"


class Kind:
    """A file system entry in a description. Plain strings are files of that content, mode 644, owned by root."""

    def __init__(self, kind, value=None, mode=None, owner=(0, 0), xattrs=None):
        self.kind, self.value, self.mode, self.owner, self.xattrs = kind, value, mode, owner, xattrs or {}

    def __eq__(self, other):
        return isinstance(other, Kind) and vars(self) == vars(other)

    def __repr__(self):
        mode = "" if self.mode is None else f" {self.mode:o}"
        owner = "" if self.owner == (0, 0) else " %d:%d" % self.owner
        return f"<{self.kind}{mode}{owner}{'' if self.value is None else f' {self.value!r}'}{self.xattrs or ''}>"


def file(content="", mode=0o644, **more):
    return Kind("file", content, mode, **more)


def directory(mode=0o755, **more):
    return Kind("directory", None, mode, **more)


def link(target, **more):
    return Kind("symlink", target, **more)


def hard(target):
    """Another name of an entry of the same tree."""
    return Kind("hard link", target)


def fifo(mode=0o644, **more):
    return Kind("fifo", None, mode, **more)


def device(mode=0o644, **more):
    return Kind("character device", None, mode, **more)


def socket_file():
    return Kind("socket", None, 0o644)


DIR = directory()


def entry_of(what):
    return file(what) if isinstance(what, str) else what


def make_tree(root, tree):
    """Makes a described tree; missing parents as plain directories."""
    for path, what in tree.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make_entry(root, path, entry_of(what))


def make_entry(root, path, what):
    if what.kind == "file":
        data = what.value.encode() if isinstance(what.value, str) else what.value
        with open(path, "wb") as output:
            output.write(data)
    elif what.kind == "directory":
        os.makedirs(path, exist_ok=True)
    elif what.kind == "symlink":
        os.symlink(what.value, path)
    elif what.kind == "hard link":
        os.link(os.path.join(root, what.value), path)
        return
    elif what.kind == "fifo":
        os.mkfifo(path)
    elif what.kind == "character device":
        os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 3))
    elif what.kind == "socket":
        with crux.socket.socket(crux.socket.AF_UNIX) as server:
            server.bind(path)
    os.lchown(path, *what.owner)
    if what.mode is not None and what.kind != "symlink":
        os.chmod(path, what.mode)
    for name, value in what.xattrs.items():
        os.setxattr(path, name, value, follow_symlinks=False)


def tree_to_layer(tree):
    """The described tree as a layer's tar."""
    layer = mkimage.Tree()
    add = {
        "file": lambda path, e: layer.file(path, e.value.encode(), e.mode, **owner(e)),
        "directory": lambda path, e: layer.dir(path, e.mode, **owner(e)),
        "symlink": lambda path, e: layer.symlink(path, e.value, **owner(e)),
        "hard link": lambda path, e: layer.hardlink(path, e.value),
        "fifo": lambda path, e: layer.add(path, mkimage.tarfile.FIFOTYPE, mode=e.mode, **owner(e)),
        "character device": lambda path, e: layer.add(
            path, mkimage.tarfile.CHRTYPE, mode=e.mode, devmajor=1, devminor=3, **owner(e)
        ),
    }

    def owner(entry):
        return {"uid": entry.owner[0], "gid": entry.owner[1], "xattrs": entry.xattrs}

    for path, what in tree.items():
        what = entry_of(what)
        add[what.kind](path, what)
    return layer.tar()


def described(entry):
    """An archives.Entry in the form of a description."""
    if entry.kind == "hard link":
        return hard(entry.target.strip("/").removeprefix("./"))
    more = {"owner": entry.owner, "xattrs": entry.xattrs}
    if entry.kind == "symlink":
        return link(entry.target, **more)
    if entry.kind == "file":
        content = entry.data.decode("utf-8", "surrogateescape") if entry.data is not None else f"({entry.size} bytes)"
        found = file(content, entry.mode, **more)
        return content if found == file(content) else found
    return Kind(entry.kind, None, entry.mode, **more)


def changes(archive, base_layers):
    """What the layers above the base's hold, described, without directories that are in the base just so: an overlay
    copies those up for what is changed in them."""
    before, found = {}, {}
    for number in range(len(archive.layers)):
        entries = {name: described(entry) for name, entry in archive.entries(number).items()}
        (before if number < base_layers else found).update(entries)
    return {name: what for name, what in found.items() if not (is_directory(what) and before.get(name) == what)}


def is_directory(what):
    return isinstance(what, Kind) and what.kind == "directory"


class Workshop:
    def __init__(self, name, user=None):
        self.root, self.user = os.path.join(crux.scratch(), name), user
        self.output = self.root + "/out"
        self.image = self.output + "/image.tar"
        self.base_layers = {}

    def open(self):
        crux.destroy_everything()
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.output)
        if self.user:
            for path in (self.root, self.output):
                shutil.chown(path, self.user, self.user)

    def close(self):
        crux.destroy_everything()
        shutil.rmtree(self.root, ignore_errors=True)

    def clear_output(self):
        """For a test that was made to fail, or did."""
        for entry in os.scandir(self.output):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)

    def base(self, name, *layers, **config):
        """A base image ROOT/NAME of these layers: trees as described, or mkimage's, or None for busybox."""
        made = []
        for layer in layers:
            if layer is None:
                layer = mkimage.busybox_tree().tar()
            elif isinstance(layer, dict):
                layer = tree_to_layer(layer)
            elif isinstance(layer, mkimage.Tree):
                layer = layer.tar()
            made.append(mkimage.Layer(layer))
        image = mkimage.Image(made, **{"Env": ["PATH=/bin"], **config})
        mkimage.write_oci(os.path.join(self.root, name), image)
        self.base_layers[name] = len(made)
        return image

    def payload(self, *stages, **more):
        return crux.build(list(stages), **{"root": self.root, "output": self.output, **more})

    def build(self, *stages, **more):
        """A build that must succeed; gives the archive, which is gone from the output directory."""
        crux.ask("build", self.payload(*stages, **more), user=self.user)
        return self.take()

    def take(self, path=None):
        path = path or self.image
        archive = archives.Archive(path)
        os.unlink(path)
        return archive

    def refused(self, *stages, code=None, message=(), **more):
        """A build that must fail and leave no output."""
        reply = crux.refused("build", self.payload(*stages, **more), code=code, message=message, user=self.user)
        crux.equal(os.listdir(self.output), [], "the output directory after a failure")
        return reply

    def changes(self, stage, *before, **more):
        """Builds and describes what `stage`, the last one, changed in its base."""
        archive = self.build(*before, stage, **more)
        return changes(archive, self.base_layers[os.path.basename(stage["from"].split()[1])])


def stage(*steps, base="base.tar", **more):
    return {"from": f"file {base}", "steps": list(steps), **more}


@contextlib.contextmanager
def settings(**values):
    """The daemon with other settings, by their names in cruxd.conf, for the block's time."""
    sections = {"Daemon": [], "Limits": []}
    for name, value in values.items():
        sections["Limits" if name.endswith("Max") else "Daemon"].append(f"{name}={value}\n")
    os.makedirs(CONFIG_DIRECTORY, exist_ok=True)
    with open(CONFIG_FILE, "w") as output:
        for section, lines in sections.items():
            output.write(f"[{section}]\n{''.join(lines)}")
    crux.run("systemctl", "restart", crux.SERVICE)
    try:
        yield
    finally:
        os.unlink(CONFIG_FILE)
        crux.run("systemctl", "restart", crux.SERVICE)


class Guard:
    """What must hold after every test: the daemon that was there answers, and nothing is left of what was done."""

    # Unpacked base images are kept for later builds, under a name that expires.
    KEPT = ("image left behind: cruxd.local/base@*",)

    def __init__(self, ignore=()):
        self.ignore = (*self.KEPT, *ignore)
        self.before = self.pid = None

    def begin(self):
        self.pid = crux.ask("status")["pid"]
        self.before = crux.State()

    def check(self):
        pid, self.pid = self.pid, crux.ask("status")["pid"]
        crux.equal(self.pid, pid, "the daemon's pid: another one answers")
        try:
            crux.nothing_left(self.before, ignore=self.ignore)
        except AssertionError:
            self.before = crux.State()  # told once is enough
            raise
