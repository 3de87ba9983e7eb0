#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes image archives for tests and examples from files that are at hand, since there may be no registry.

    mkimage.py busybox OUTPUT                   a busybox image, applets as symlinks
    mkimage.py rootfs ROOTFS.tar OUTPUT         an image of one layer, from a tar of a root filesystem
    options: --compress none|gzip|zstd          of the layers
             --archive none|gzip|zstd           of the whole archive
             --form oci|docker                  an OCI layout, or what `docker save` writes
             --env NAME=VALUE, --entrypoint WORD, --cmd WORD, --workdir DIR, --ref NAME

As a module it is for tests, which take it apart to write archives that nobody should. Standard library only; zstd is
asked of the program.
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"

# Everything made here carries this time, so that the same input gives the same bytes and digests.
EPOCH = 1700000000


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha256_of_file(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Tree:
    """A layer's content, entry by entry: tree.dir("etc").file("etc/motd", b"hi").symlink("a", "b").tar()"""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.archive = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, type, data=None, *, mode=0o644, uid=0, gid=0, xattrs=None, **fields):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid, info.mtime = type, mode, uid, gid, EPOCH
        for key, value in fields.items():
            setattr(info, key, value)
        for key, value in (xattrs or {}).items():
            # tarfile writes headers as UTF-8 with surrogates for other bytes, so bytes survive.
            info.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        if data is not None:
            info.size = len(data)
        self.archive.addfile(info, None if data is None else io.BytesIO(data))
        return self

    def dir(self, name, mode=0o755, **options):
        return self.add(name.rstrip("/") + "/", tarfile.DIRTYPE, mode=mode, **options)

    def file(self, name, data=b"", mode=0o644, **options):
        return self.add(name, tarfile.REGTYPE, data, mode=mode, **options)

    def symlink(self, name, target, **options):
        return self.add(name, tarfile.SYMTYPE, mode=0o777, linkname=target, **options)

    def hardlink(self, name, target, **options):
        return self.add(name, tarfile.LNKTYPE, linkname=target, **options)

    def whiteout(self, name):
        parent, base = os.path.split(name)
        return self.file(os.path.join(parent, ".wh." + base), mode=0)

    def opaque(self, name):
        return self.file(os.path.join(name, ".wh..wh..opq"), mode=0)

    def tar(self):
        self.archive.close()
        return self.buffer.getvalue()


def busybox_tree(program="/bin/busybox"):
    """The image that most tests build on: one static program and its applets, nothing in /etc."""
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    tree = Tree().dir("bin")
    with open(program, "rb") as file:
        tree.file("bin/busybox", file.read(), mode=0o755)
    for applet in applets:
        if applet != "busybox":
            tree.symlink("bin/" + applet, "/bin/busybox")
    return tree.dir("root", 0o700).dir("tmp", 0o1777).dir("usr").dir("usr/bin")


def zstd(data):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, check=True, capture_output=True).stdout


class Blob:
    """What a descriptor points at: bytes, or a file, which may be large."""

    def __init__(self, data=None, path=None):
        self.data, self.path = data, path
        self.size = os.path.getsize(path) if path else len(data)
        self.digest = sha256_of_file(path) if path else sha256(data)

    def descriptor(self, media_type, **more):
        return {"mediaType": media_type, "digest": self.digest, "size": self.size, **more}

    def open(self):
        return open(self.path, "rb") if self.path else io.BytesIO(self.data)


class Layer:
    """A layer of an uncompressed tar, given as bytes or by its path, that is stored as `compress` says."""

    SUFFIX = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}

    def __init__(self, tar=None, path=None, compress="none"):
        plain = Blob(tar, path)
        self.diff_id = plain.digest
        self.compress = compress
        if compress == "none":
            self.blob = plain
        else:
            with plain.open() as file:
                data = file.read()
            self.blob = Blob(gzip.compress(data, 1, mtime=0) if compress == "gzip" else zstd(data))
        self.media_type = OCI + "layer.v1.tar" + self.SUFFIX[compress]


class Image:
    """Layers and a configuration, ready to be written in any form."""

    def __init__(self, layers, *, architecture=ARCH, os="linux", annotations=None, **config):
        """`config` takes Env, Entrypoint, Cmd, WorkingDir, User, Labels and so on, spelled as in the image."""
        self.layers = layers
        self.platform = {"architecture": architecture, "os": os}
        self.config = Blob(
            to_json(
                {
                    "created": "2023-11-14T22:13:20Z",
                    **self.platform,
                    "config": config,
                    "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                    "history": [{"created_by": "mkimage"} for _ in layers],
                }
            )
        )
        self.manifest = Blob(
            to_json(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI + "manifest.v1+json",
                    "config": self.config.descriptor(OCI + "config.v1+json"),
                    "layers": [layer.blob.descriptor(layer.media_type) for layer in layers],
                    **({"annotations": annotations} if annotations else {}),
                }
            )
        )

    def blobs(self):
        unique = {blob.digest: blob for blob in [self.manifest, self.config, *(layer.blob for layer in self.layers)]}
        return list(unique.values())

    def descriptor(self, ref=None):
        named = {"annotations": {"org.opencontainers.image.ref.name": ref}} if ref else {}
        return self.manifest.descriptor(OCI + "manifest.v1+json", platform=self.platform, **named)


def _add(archive, name, blob):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = blob.size, EPOCH, 0o644
    with blob.open() as file:
        archive.addfile(info, file)


@contextlib.contextmanager
def _written(path, compress):
    """A tar that is written to `path`, compressed as a whole."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as scratch:
        plain = os.path.join(scratch, "plain")
        with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as archive:
            yield archive
        if compress == "gzip":
            with open(plain, "rb") as file, gzip.open(path, "wb", 1) as output:
                shutil.copyfileobj(file, output, 1 << 20)
        elif compress == "zstd":
            subprocess.run(["zstd", "-q", "-f", "-1", plain, "-o", path], check=True)
        else:
            os.replace(plain, path)


def write_oci(path, images, *, ref=None, archive="none"):
    """An OCI layout of one image, or of several as an index has them (one for each platform)."""
    images = images if isinstance(images, list) else [images]
    index = {
        "schemaVersion": 2,
        "mediaType": OCI + "index.v1+json",
        "manifests": [image.descriptor(ref) for image in images],
    }
    with _written(path, archive) as tar:
        _add(tar, "oci-layout", Blob(to_json({"imageLayoutVersion": "1.0.0"})))
        _add(tar, "index.json", Blob(to_json(index)))
        for blob in {blob.digest: blob for image in images for blob in image.blobs()}.values():
            _add(tar, "blobs/" + blob.digest.replace(":", "/"), blob)


def write_docker(path, image, *, ref="mkimage:latest", archive="none"):
    """What `docker save` wrote before it wrote OCI layouts: manifest.json, and layers as plain tars."""
    names = [f"{layer.blob.digest[7:]}/layer.tar" for layer in image.layers]
    config = image.config.digest[7:] + ".json"
    with _written(path, archive) as tar:
        _add(tar, config, image.config)
        for name, layer in dict(zip(names, image.layers)).items():
            _add(tar, name, layer.blob)
        _add(tar, "manifest.json", Blob(to_json([{"Config": config, "RepoTags": [ref], "Layers": names}])))


def busybox(path, *, compress="none", archive="none", form="oci", ref=None, **config):
    """The image that the recorded exchanges were made with."""
    config.setdefault("Env", ["PATH=/bin:/usr/bin"])
    image = Image([Layer(busybox_tree().tar(), compress=compress)], **config)
    if form == "docker":
        write_docker(path, image, archive=archive, **({"ref": ref} if ref else {}))
    else:
        write_oci(path, image, archive=archive, ref=ref)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["busybox", "rootfs"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--compress", choices=["none", "gzip", "zstd"], default="none")
    parser.add_argument("--archive", choices=["none", "gzip", "zstd"], default="none")
    parser.add_argument("--form", choices=["oci", "docker"], default="oci")
    parser.add_argument("--ref")
    parser.add_argument("--env", action="append")
    parser.add_argument("--entrypoint", action="append")
    parser.add_argument("--cmd", action="append")
    parser.add_argument("--workdir")
    args = parser.parse_args()
    if len(args.paths) != (2 if args.kind == "rootfs" else 1):
        parser.error("wrong number of paths")

    config = {"Env": args.env or ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    for key, value in {"Entrypoint": args.entrypoint, "Cmd": args.cmd, "WorkingDir": args.workdir}.items():
        if value:
            config[key] = value
    if args.kind == "busybox":
        layer = Layer(busybox_tree().tar(), compress=args.compress)
    else:
        layer = Layer(path=args.paths[0], compress=args.compress)
    image = Image([layer], **config)
    if args.form == "docker":
        write_docker(args.paths[-1], image, archive=args.archive, **({"ref": args.ref} if args.ref else {}))
    else:
        write_oci(args.paths[-1], image, archive=args.archive, ref=args.ref)


if __name__ == "__main__":
    main()
