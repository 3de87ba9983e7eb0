# SPDX-License-Identifier: Apache-2.0
"""image-import of every form of archive, from outside of the daemon's sandbox and as its client's user."""

import json
import os
import shutil

import crux
from crux import mkimage

ROOT = "/srv/test/import"


def setup():
    crux.destroy_everything()
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(ROOT)


def teardown():
    crux.destroy_everything()
    shutil.rmtree(ROOT, ignore_errors=True)


def import_image(path, ref="test/import", version="1", **options):
    return crux.request("image-import", {"ref": ref, "version": version, "path": path}, **options)


def destroy(ref="test/import", version="1"):
    crux.ask("image-destroy", {"ref": ref, "version": version})


def works(path, **options):
    """Imports it, runs it, and takes it away again."""
    reply = import_image(path, **options)
    assert reply.ok, reply.message
    try:
        crux.contains(crux.ctr("images", "ls", "-q"), "test/import:1")
        crux.ask("image-start", {"ref": "test/import", "version": "1"})
        reply = crux.ask("container-exec", {"id": "test/import", "command": ["/bin/cat", "/mark"]})
        crux.equal(reply["stdout"], "marked\n", "a file of the image")
    finally:
        destroy()


def image(compress="none", **config):
    layers = [
        mkimage.Layer(mkimage.busybox_tree().tar(), compress=compress),
        mkimage.Layer(mkimage.Tree().file("mark", b"marked\n").tar(), compress=compress),
    ]
    return mkimage.Image(layers, **{"Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "1000"], **config})


FORMS = [
    (form, archive, layers)
    for form in ("oci", "docker")
    for archive in ("none", "gzip", "zstd")
    for layers in ("none", "gzip", "zstd")
    if form == "oci" or layers == "none"
]


@crux.table(FORMS, name=lambda row: f"{row[0]}, archive {row[1]}, layers {row[2]}")
def test_form(form, archive, layers):
    path = f"{ROOT}/{form}-{archive}-{layers}.tar"
    write = mkimage.write_oci if form == "oci" else mkimage.write_docker
    write(path, image(layers), archive=archive)
    works(path)


def test_several_platforms():
    path = ROOT + "/index.tar"
    foreign = mkimage.Image([mkimage.Layer(mkimage.Tree().file("mark", b"foreign\n").tar())], architecture="riscv64")
    mkimage.write_oci(path, [foreign, image()])
    works(path)


def test_no_platform_of_ours():
    path = ROOT + "/foreign.tar"
    mkimage.write_oci(path, mkimage.Image([mkimage.Layer(mkimage.Tree().file("x").tar())], architecture="riscv64"))
    reply = import_image(path)
    assert not reply.ok, "imported"
    crux.equal(reply.code, "unsupported", "code")
    crux.equal(crux.ctr("images", "ls", "-q"), "", "images")


def test_again_costs_nothing_and_changes_nothing():
    path = ROOT + "/again.tar"
    mkimage.write_oci(path, image())
    assert import_image(path).ok
    before = crux.ctr("content", "ls", "-q"), crux.ctr("images", "ls")
    assert import_image(path).ok
    crux.equal((crux.ctr("content", "ls", "-q"), crux.ctr("images", "ls")), before, "content and images")
    destroy()


def test_failure_leaves_the_name_as_it_was():
    good, bad = ROOT + "/good.tar", ROOT + "/bad.tar"
    mkimage.write_oci(good, image())
    with open(good, "rb") as source, open(bad, "wb") as target:
        target.write(source.read()[: 1 << 20])
    assert import_image(good).ok
    before = crux.ctr("images", "ls")
    with crux.leftovers():
        reply = import_image(bad)
        assert not reply.ok, "a truncated archive was imported"
        assert reply.code in ("invalid-argument", "unsupported"), dict(reply)
    crux.equal(crux.ctr("images", "ls"), before, "images")
    destroy()


def test_blob_that_is_not_what_its_digest_says():
    path = ROOT + "/wrong.tar"
    wrong = image()
    wrong.layers[1].blob.data = wrong.layers[1].blob.data.replace(b"marked", b"fooled")
    mkimage.write_oci(path, wrong)
    with crux.leftovers():
        reply = import_image(path)
        assert not reply.ok, "imported"
    crux.equal(crux.ctr("images", "ls", "-q"), "", "images")


NO_IMAGES = {
    "an empty file": b"",
    "text": b"this is no archive\n" * 100,
    "gzip of text": mkimage.gzip.compress(b"no archive\n" * 1000),
    "zeros": bytes(10240),
    "a tar of something": mkimage.Tree().file("hello", b"x").tar(),
    "a directory": None,
}


@crux.table([(name, data) for name, data in NO_IMAGES.items()])
def test_no_image(name, data):
    path = ROOT + "/none.tar"
    if data is None:
        path = ROOT
    else:
        with open(path, "wb") as file:
            file.write(data)
    with crux.leftovers():
        reply = import_image(path)
    assert not reply.ok, "imported"
    assert reply.code in ("invalid-argument", "unsupported"), dict(reply)


def test_as_the_client():
    # Alice may ask the daemon, which is root, for what she may read, and for nothing else.
    with crux.directory("alice", 0o700) as private:
        mkimage.write_oci(private + "/image.tar", image())
        shutil.chown(private + "/image.tar", "alice", "alice")
        works(private + "/image.tar", user="alice")
    secret = ROOT + "/secret.tar"
    mkimage.write_oci(secret, image())
    os.chmod(secret, 0o600)
    reply = import_image(secret, user="alice")
    crux.equal(reply.code, "permission-denied", reply.message)


def test_under_home_and_tmp():
    # What the daemon's sandbox hides or replaces is there for the client.
    for directory in ("/root", "/tmp", "/home/alice"):
        path = directory + "/test-import.tar"
        mkimage.write_oci(path, image())
        try:
            works(path)
        finally:
            os.unlink(path)


def test_relative_path():
    reply = import_image("image.tar")
    assert not reply.ok, "imported"
    crux.equal(reply.code, "invalid-argument", reply.message)


def test_its_names():
    path = ROOT + "/named.tar"
    mkimage.write_oci(path, image(), ref="somebody/elses:name")
    assert import_image(path).ok
    crux.equal(crux.ctr("images", "ls", "-q").split(), ["test/import:1"], "images")
    destroy()


def test_docker_digest_of_configuration():
    # In both forms the configuration is taken as it stands.
    path = ROOT + "/config.tar"
    original = image(Labels={"kept": "as it is"})
    mkimage.write_docker(path, original)
    assert import_image(path).ok
    crux.contains(crux.ctr("content", "ls", "-q"), original.config.digest)
    stored = json.loads(crux.ctr("content", "get", original.config.digest))
    crux.equal(stored["config"]["Labels"], {"kept": "as it is"}, "Labels")
    destroy()


if __name__ == "__main__":
    crux.main()
