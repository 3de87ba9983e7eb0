# SPDX-License-Identifier: Apache-2.0
"""Reads image archives back, with nothing but the standard library: what cruxd wrote is judged by other code than its
own."""

import contextlib
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile


class Archive:
    """An OCI layout tar, not compressed as a whole."""

    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, "r:")
        self.names = self.tar.getnames()
        self.index = self.json("index.json")
        [self.descriptor] = self.index["manifests"]
        self.manifest = json.loads(self.blob(self.descriptor))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def read(self, name):
        return self.tar.extractfile(name).read()

    def json(self, name):
        return json.loads(self.read(name))

    def open_blob(self, descriptor):
        return self.tar.extractfile("blobs/" + descriptor["digest"].replace(":", "/"))

    def blob(self, descriptor):
        data = self.open_blob(descriptor).read()
        assert len(data) == descriptor["size"], f"{descriptor} is of {len(data)} bytes"
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        assert digest == descriptor["digest"], f"{descriptor} has digest {digest}"
        return data

    @property
    def layers(self):
        return self.manifest["layers"]

    def layer_tar(self, number):
        """A layer as an uncompressed stream, and its bytes are checked against the configuration's diff id."""
        descriptor = self.layers[number]
        data = self.blob(descriptor)
        if descriptor["mediaType"].endswith("gzip"):
            data = gzip.decompress(data)
        elif descriptor["mediaType"].endswith("zstd"):
            data = subprocess.run(["zstd", "-dqc"], input=data, check=True, capture_output=True).stdout
        diff_id = "sha256:" + hashlib.sha256(data).hexdigest()
        assert diff_id == self.config["rootfs"]["diff_ids"][number], f"layer {number} has diff id {diff_id}"
        return data

    def entries(self, number):
        """A layer's entries: name → Entry. A name that is there twice is an error."""
        found = {}
        with tarfile.open(fileobj=io.BytesIO(self.layer_tar(number)), mode="r:", errors="surrogateescape") as tar:
            for info in tar:
                name = info.name.strip("/").removeprefix("./")
                assert name not in found, f"{name} is there twice"
                found[name] = Entry(info, tar)
        return found


class Entry:
    KINDS = {
        tarfile.REGTYPE: "file",
        tarfile.AREGTYPE: "file",
        tarfile.GNUTYPE_SPARSE: "file",
        tarfile.CONTTYPE: "file",
        tarfile.DIRTYPE: "directory",
        tarfile.SYMTYPE: "symlink",
        tarfile.LNKTYPE: "hard link",
        tarfile.CHRTYPE: "character device",
        tarfile.BLKTYPE: "block device",
        tarfile.FIFOTYPE: "fifo",
    }

    def __init__(self, info, tar):
        self.info = info
        self.kind = self.KINDS.get(info.type, repr(info.type))
        self.mode, self.owner, self.size = info.mode, (info.uid, info.gid), info.size
        self.target = info.linkname
        prefix = "SCHILY.xattr."
        # tarfile decodes these as UTF-8 where it can, and keeps other bytes as surrogates.
        self.xattrs = {
            key.removeprefix(prefix): value.encode("utf-8", "surrogateescape")
            for key, value in info.pax_headers.items()
            if key.startswith(prefix)
        }
        self.data = tar.extractfile(info).read() if self.kind == "file" and info.size < 1 << 20 else None

    def __repr__(self):
        return f"{self.kind} {oct(self.mode)} {self.owner} {self.size} {self.target} {self.xattrs}"


@contextlib.contextmanager
def stream_layer(archive, number):
    """A layer as a tar that is read on the way, for one that is too large to be held."""
    descriptor = archive.layers[number]
    with archive.open_blob(descriptor) as blob:
        if descriptor["mediaType"].endswith("zstd"):
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(blob, copy)
                copy.seek(0)
                with subprocess.Popen(["zstd", "-dqc"], stdin=copy, stdout=subprocess.PIPE) as program:
                    with tarfile.open(fileobj=program.stdout, mode="r|") as tar:
                        yield tar
        else:
            mode = "r|gz" if descriptor["mediaType"].endswith("gzip") else "r|"
            with tarfile.open(fileobj=blob, mode=mode) as tar:
                yield tar
