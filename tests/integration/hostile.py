# SPDX-License-Identifier: Apache-2.0
"""What the tests of hostile images and recipes share: a watch on this machine's files, archives written entry by entry
without any manners, and the table of cases.

A case is a function with what it tries, which published class of defect that is, and what must happen:

    refused   the answer is an error with one of these codes, and nothing has changed
    harmless  it may be refused or taken: nothing outside of the image has changed, and nothing of outside is in it
    works     it only looks hostile"""

import io
import json
import os
import shutil
import tarfile

import crux
import workshop
from crux import mkimage

VICTIM = crux.scratch() + "/victim"
SECRET = "the words of the host"

# Names and metadata in these are compared, contents where they are small.
# Here containerd makes its own directories as it begins to use them.
CONTAINERD = "/var/lib/containerd"
WATCHED = ["/", "/etc", "/root", "/home", "/usr", "/usr/bin", "/usr/lib", "/usr/libexec/cruxd", "/usr/local", "/srv", "/var", "/var/lib"]
WATCHED += ["/lib", "/opt", "/mnt", "/boot", "/etc/cruxd", CONTAINERD, VICTIM, VICTIM + "/dir"]


def look_at(path):
    status = os.lstat(path)
    found = [status.st_mode, status.st_uid, status.st_gid]
    if os.path.isfile(path) and not os.path.islink(path):
        found += [status.st_size, status.st_mtime_ns, status.st_nlink]
    return found


class Host:
    """The machine's own files, which no image may reach."""

    def __init__(self):
        os.makedirs(workshop.CONFIG_DIRECTORY, exist_ok=True)
        shutil.rmtree(VICTIM, ignore_errors=True)
        os.makedirs(VICTIM + "/dir")
        for name in ("secret", "dir/secret"):
            with open(f"{VICTIM}/{name}", "w") as secret:
                secret.write(SECRET)
        self.before = self.look()

    @staticmethod
    def look():
        found = {}
        for directory in WATCHED:
            if os.path.isdir(directory):
                for name in os.listdir(directory):
                    if directory == CONTAINERD and name.startswith("io.containerd."):
                        continue
                    path = os.path.join(directory, name)
                    with crux.contextlib.suppress(FileNotFoundError):
                        found[path] = look_at(path)
        return found

    def check(self):
        now = self.look()
        changed = [path for path in sorted(now.keys() | self.before.keys()) if now.get(path) != self.before.get(path)]
        self.before = now
        crux.equal(changed, [], "files of the host that changed")

    @staticmethod
    def close():
        shutil.rmtree(VICTIM, ignore_errors=True)


class Case:
    def __init__(self, title, cve, function, expect, codes, words, more):
        self.title, self.cve, self.function, self.expect = title, cve, function, expect
        self.codes, self.words, self.more = codes, [words] if isinstance(words, str) else words, more


class Cases(list):
    """A table that functions enter themselves into."""

    def __call__(self, cve, expect="refused", codes="invalid-argument|unsupported", words=(), **more):
        def enter(function):
            title = function.__name__.replace("_", " ")
            self.append(Case(title, cve, function, expect, codes.split("|"), words, more))
            return function

        return enter

    def rows(self):
        return [(case.title, case) for case in self]


def judge(case, reply):
    """Compares an answer with what a case expects."""
    assert SECRET not in reply.message, f"the message tells it: {reply.message}"
    if case.expect == "works":
        assert reply.ok, f"{reply.code}: {reply.message}"
    if case.expect == "refused":
        assert not reply.ok, f"{case.cve}: it was taken"
    if not reply.ok:
        assert reply.code in case.codes, f"code {reply.code}, expected {case.codes}: {reply.message}"
        for word in case.words:
            crux.contains(reply.message, word)


# ---- archives without manners -------------------------------------------------------------------------------------------------------


class Raw:
    """A tar, entry by entry, in the order and with the names that are given."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.buffer, self.format = io.BytesIO(), format

    def add(self, name, data=b"", type=tarfile.REGTYPE, claim=None, pax=None, **fields):
        """`claim` is the size in the header, where it is not that of the data."""
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode, info.mtime = type, len(data) if claim is None else claim, 0o644, mkimage.EPOCH
        info.pax_headers = pax or {}
        for key, value in fields.items():
            setattr(info, key, value)
        self.buffer.write(info.tobuf(self.format, "utf-8", "surrogateescape"))
        return self.raw(data)

    def raw(self, data):
        """Bytes, filled up to a whole block."""
        self.buffer.write(data + bytes(-len(data) % 512))
        return self

    def link(self, name, target, type=tarfile.SYMTYPE):
        return self.add(name, type=type, linkname=target)

    def json(self, name, value):
        return self.add(name, value if isinstance(value, bytes) else json.dumps(value).encode())

    def layout(self):
        return self.json("oci-layout", {"imageLayoutVersion": "1.0.0"})

    def blob(self, data, name=None):
        blob = mkimage.Blob(data if isinstance(data, bytes) else json.dumps(data).encode())
        self.add(name or "blobs/" + blob.digest.replace(":", "/"), blob.data)
        return blob

    def bytes(self, end=True):
        return self.buffer.getvalue() + (bytes(1024) if end else b"")

    def write(self, path, end=True):
        with open(path, "wb") as archive:
            archive.write(self.bytes(end))


def config_of(diff_ids, **more):
    return {
        "architecture": mkimage.ARCH,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **more,
    }


def descriptor(blob, kind, **more):
    return {"mediaType": mkimage.OCI + kind, "digest": blob.digest, "size": blob.size, **more}


def manifest_of(config, layers, **more):
    return {
        "schemaVersion": 2,
        "mediaType": mkimage.OCI + "manifest.v1+json",
        "config": descriptor(config, "config.v1+json"),
        "layers": [descriptor(layer, "layer.v1.tar") for layer in layers],
        **more,
    }


def index_of(*descriptors, **more):
    return {"schemaVersion": 2, "mediaType": mkimage.OCI + "index.v1+json", "manifests": list(descriptors), **more}


SMALL_LAYER = mkimage.Tree().file("f", b"small").tar()


def image_archive(layer=SMALL_LAYER, *, config=None, manifest=None, top=None, raw=None):
    """A whole archive of one image, in which each of the documents may be changed by a function. Gives the Raw."""
    raw = raw or Raw()
    raw.layout()
    blob = raw.blob(layer)
    document = config_of([blob.digest])
    config_blob = raw.blob(config(document) if config else document)
    document = manifest_of(config_blob, [blob])
    manifest_blob = raw.blob(manifest(document) if manifest else document)
    document = index_of(descriptor(manifest_blob, "manifest.v1+json"))
    return raw.json("index.json", top(document) if top else document)


def changed(**members):
    """For image_archive(): a document with other members; ... takes one away."""

    def change(document):
        document = document | members
        return {name: value for name, value in document.items() if value is not ...}

    return change

