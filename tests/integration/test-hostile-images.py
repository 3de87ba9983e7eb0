# SPDX-License-Identifier: Apache-2.0
"""Images and archives that want something else than to be an image: each case with the class of defect that container
tools have had, and with what must happen. hostile.py tells the words."""

import gzip
import itertools
import json
import os
import subprocess
import tarfile
import time

import crux
import hostile
import workshop
from crux import mkimage
from hostile import Raw, changed, config_of, descriptor, image_archive, index_of, manifest_of

SHOP = workshop.Workshop("hostile")
# A layer that could not be unpacked may have left blobs, which the garbage collector takes in its time.
GUARD = workshop.Guard()
HOST = None
PATH = SHOP.root + "/case.tar"
IMAGE = {"ref": "test/hostile", "version": "1"}
NAME = "test/hostile:1"
VICTIM = hostile.VICTIM
UP = "../" * 30
EXABYTE = 1 << 60


def setup():
    global HOST
    SHOP.open()
    SHOP.base("good.tar", None, {"mark": "good\n"}, Cmd=["/bin/sleep", "1000"])
    workshop.make_tree(SHOP.root, {"f": "F"})
    crux.ask("image-import", {"ref": "test/victim", "version": "1", "path": SHOP.root + "/good.tar"})
    HOST = hostile.Host()
    GUARD.begin()


def after_each():
    if os.path.lexists(PATH):
        os.unlink(PATH)
    SHOP.clear_output()
    crux.request("container-destroy", {"id": "test/hostile"})
    crux.request("image-destroy", IMAGE)
    HOST.check()
    GUARD.check()


def teardown():
    hostile.Host.close()
    SHOP.close()


def do_import(**options):
    return crux.request("image-import", {**IMAGE, "path": PATH}, **options)


def sparse(name, size, blocks, data):
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": name, "GNU.sparse.size": str(size)}
    return Raw().add(name, data, pax={**pax, "GNU.sparse.numblocks": str(len(blocks) // 2), "GNU.sparse.map": ",".join(map(str, blocks))})


# ---- layers -----------------------------------------------------------------------------------------------------------------------------


LAYERS = hostile.Cases()


def layer(cve, **more):
    return LAYERS(cve, **{"expect": "harmless", **more})


@layer("CVE-2018-8115 (hcsshim), zip slip: names that climb")
def names_that_climb():
    return [Raw().add(UP + "etc/pwned", b"x").add("a/" + UP + "pwned", b"x").add("../pwned", b"x").add("..", b"x")]


@layer("zip slip: absolute names")
def absolute_names():
    return [Raw().add("/etc/pwned", b"x").add("//root/pwned", b"x").add(f"{VICTIM}/pwned", b"x")]


@layer("CVE-2014-9356 (docker): a file below a link that leads out", copies=["f /link/pwned", "f /up/pwned"])
def a_file_below_a_link():
    raw = Raw().link("link", VICTIM).add("link/pwned", b"x").link("up", UP + VICTIM[1:]).add("up/pwned", b"x")
    return [raw.link("etc", "/etc").add("etc/passwd", b"pwned::0:0::/:/bin/sh\n")]


@layer("CVE-2014-6407 (docker): the link in one layer, the file in the next", copies=["f /link/pwned"])
def a_file_below_a_link_of_a_lower_layer():
    return [Raw().link("link", VICTIM), Raw().add("link/pwned", b"x").add("link/dir/pwned", b"x")]


@layer("CVE-2021-32803-like (node-tar): a directory that becomes a link", copies=["f /d/pwned"])
def a_directory_replaced_by_a_link():
    raw = Raw().add("d", type=tarfile.DIRTYPE, mode=0o755).link("d", VICTIM)
    return [raw.add("d/pwned", b"x").add("d/dir", type=tarfile.DIRTYPE, mode=0o777)]


@layer("links to links to outside", copies=["f /a/pwned"])
def a_chain_of_links():
    return [Raw().link("a", "b").link("b", "c").link("c", "/c/../" + UP + VICTIM[1:]).add("a/pwned", b"x")]


@layer("CVE-2014-6407 (docker), CVE-2016-5418 (libarchive): hard links to the host's files, then written to")
def hard_links_to_outside():
    raw = Raw()
    for number, target in enumerate((f"{VICTIM}/secret", UP + f"{VICTIM}/secret"[1:], "/etc/shadow", UP + "etc/passwd")):
        raw.link(f"h{number}", target, tarfile.LNKTYPE).add(f"h{number}", b"pwned")
    return [raw]


@layer("CVE-2021-32760 (containerd): a hard link to a link to the host's file, then its mode changed")
def hard_links_to_links():
    raw = Raw().link("s", f"{VICTIM}/secret").link("h", "s", tarfile.LNKTYPE)
    return [raw.add("h", b"pwned", mode=0o777), Raw().link("g", "h", tarfile.LNKTYPE).add("g", b"pwned")]


@layer("CVE-2024-23652-like (BuildKit): what removes files goes through a link that leads out")
def whiteouts_below_links():
    raw = Raw().link("link", VICTIM).add("link/.wh.secret").add("link/.wh..wh..opq").link("etc", "/etc").add("etc/.wh.passwd")
    return [Raw().link("low", VICTIM), raw.add("low/.wh.secret").add("low/dir/.wh..wh..opq")]


@layer("whiteouts of nothing, of itself and of what is above")
def whiteouts_of_dots():
    raw = Raw().add("d", type=tarfile.DIRTYPE, mode=0o755)
    for name in (".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh...", ".wh.../x", ".wh.a/b", "../.wh.pwned", ".wh." + "x" * 251):
        raw.add(name)
    return [Raw().add("d/f", b"x"), raw]


@layer("opaque marks again and again", expect="works")
def repeated_opaque_whiteouts():
    raw = Raw().add("d", type=tarfile.DIRTYPE, mode=0o755)
    for _ in range(5000):
        raw.add("d/.wh..wh..opq")
    return [Raw().add("d/old", b"x"), raw.add("d/new", b"x")]


@layer("the root itself as something else", copies=["f /pwned"])
def the_root_as_a_link():
    return [Raw().link(".", VICTIM).add("pwned", b"x"), Raw().link("./", "/etc").add("./pwned", b"x"), Raw().add("/", b"x")]


@layer("devices: reading them would be reading the machine's disks", copies=["f /d/x"], reads=["disk", "mem", "kmsg"])
def device_nodes():
    raw = Raw().add("d", type=tarfile.DIRTYPE, mode=0o755)
    for name, type, major, minor in (("disk", tarfile.BLKTYPE, 8, 0), ("mem", tarfile.CHRTYPE, 1, 1), ("kmsg", tarfile.CHRTYPE, 1, 11)):
        raw.add(name, type=type, mode=0o666, devmajor=major, devminor=minor)
    return [raw]


@layer("names that break lines, terminals and logs", expect="works")
def names_with_control_bytes():
    raw = Raw()
    for name in ("new\nline", "\x1b[2J\x1b]0;owned\x07", "back\bspace", "\x7f", "bell\x07", "\u202etxt.exe", b"\xff\xfe".decode("utf-8", "surrogateescape")):
        raw.add(name, b"x")
    return [raw]


@layer("names beyond what a file system takes")
def names_that_are_too_long():
    return [Raw().add("n" * 256, b"x").add("/".join(["d" * 200] * 30), b"x")]


@layer("a NUL in a name: what is checked is not what is used")
def a_nul_in_a_name():
    return [Raw().add("harmless", b"x", pax={"path": "harmless\0" + UP + "etc/pwned"}).add("x", b"x", pax={"path": "\0"})]


@layer("attributes by which overlayfs would look elsewhere", copies=["f /d/x", "f /e/x"])
def attributes_of_overlayfs():
    marks = {"redirect": UP + VICTIM[1:], "opaque": "y", "metacopy": "", "origin": "\x00\xfb", "whiteout": "y", "upper": "x"}
    raw = Raw()
    for name, prefix in (("d", "trusted"), ("e", "user")):
        pax = {f"SCHILY.xattr.{prefix}.overlay.{key}": value for key, value in marks.items()}
        raw.add(name, type=tarfile.DIRTYPE, mode=0o755, pax=pax)
    return [raw.add("f", b"x", pax={"SCHILY.xattr.trusted.overlay.redirect": VICTIM + "/secret", "SCHILY.xattr.trusted.overlay.metacopy": ""})]


@layer("attributes of the host's policy, and far too many")
def odd_attributes():
    pax = {f"SCHILY.xattr.{name}": "x" for name in ("security.selinux", "security.ima", "system.posix_acl_access", "", "nothing", "user.")}
    many = {f"SCHILY.xattr.user.{number}": "v" * 1000 for number in range(500)}
    return [Raw().add("odd", b"x", pax=pax).add("many", b"x", pax=many)]


@layer("CVE-2024-40635 (containerd): owners beyond 32 bits")
def owners_beyond_32_bits():
    raw = Raw()
    for number, owner in enumerate((1 << 32, (1 << 32) + 1000, (1 << 63) - 1, 1 << 64, -1, -(1 << 31))):
        raw.add(f"f{number}", b"x", pax={"uid": str(owner), "gid": str(owner)}, mode=0o4755)
    return [raw]


@layer("times at which no calendar works")
def odd_times():
    raw = Raw()
    for number, mtime in enumerate(("-1", "1e300", "9" * 30, "nan", "18446744073709551616", "-99999999999999")):
        raw.add(f"f{number}", b"x", pax={"mtime": mtime})
    return [raw]


@layer("kinds of entries that nobody has heard of")
def odd_types():
    raw = Raw()
    for number, type in enumerate((b"M", b"V", b"N", b"D", b"S", b"Z", b"9", b"\x80", b"7", b"s", b"A")):
        raw.add(f"t{number}", b"", type=type)
    return [raw]


@layer("a sparse file that is more than it takes")
def a_sparse_file():
    # Of 64 MiB and not of an exabyte: containerd, which unpacks layers, writes out holes until the disk is full.
    return [sparse("big", 64 << 20, [(64 << 20) - 512, 512], b"x" * 512)]


@layer("a header that claims an exabyte", expect="refused")
def a_file_of_an_exabyte():
    return [Raw().add("big", b"x", pax={"size": str(EXABYTE)})]


@layer("a header with a negative size")
def a_file_of_a_negative_size():
    return [Raw().add("minus", b"x", pax={"size": "-512"}).add("other", b"x", pax={"size": "0x10"})]


@layer("one name a thousand times, as everything in turn")
def one_name_as_everything():
    raw = Raw()
    for number in range(1000):
        match number % 4:
            case 0:
                raw.add("n", b"x")
            case 1:
                raw.add("n", type=tarfile.DIRTYPE, mode=0o755)
            case 2:
                raw.link("n", VICTIM)
            case 3:
                raw.link("n", "m", tarfile.LNKTYPE)
    return [Raw().add("m", b"x"), raw.add("n/pwned", b"x")]


@layer("a layer that is no tar", expect="refused")
def a_layer_of_text():
    return [b"this is no layer\n" * 1000]


@layer("CVE-2021-20291 (containers/storage): a layer that ends in the middle", expect="refused")
def a_layer_that_is_cut():
    return [Raw().add("f", b"x" * 100000).bytes()[:5000]]


@layer("a tar that says it is compressed, and the other way round", types=["layer.v1.tar+gzip", "layer.v1.tar", "layer.v1.tar+zstd"])
def compressed_or_not():
    tar = hostile.SMALL_LAYER
    return [tar, gzip.compress(tar), gzip.compress(tar)]


def layered(layers, types=None, diff_ids=None):
    """An archive of these layers."""
    raw = Raw().layout()
    blobs = [raw.blob(l.bytes() if isinstance(l, Raw) else l) for l in [mkimage.busybox_tree().tar(), *layers]]
    config = raw.blob(config_of(diff_ids or [blob.digest for blob in blobs]))
    manifest = manifest_of(config, blobs)
    for number, kind in enumerate(types or [], 1):
        manifest["layers"][number]["mediaType"] = mkimage.OCI + kind
    blob = raw.blob(manifest)
    return raw.json("index.json", index_of(descriptor(blob, "manifest.v1+json")))


@crux.table(LAYERS.rows())
def test_layer(title, case):
    layered(case.function(), case.more.get("types")).write(PATH)
    reply = do_import()
    hostile.judge(case, reply)
    HOST.check()
    if not reply.ok:
        crux.diagnose(reply.message[:500])
        return
    # What was unpacked is written to, run and exported again: as safely.
    steps = [{"copy": words} for words in case.more.get("copies", [])]
    steps += [{"run": "touch /run-pwned /link/pwned /up/pwned 2>/dev/null; true"}]
    steps += [{"run": f"! cat /{name} | head -c 1 | grep -q ."} for name in case.more.get("reads", [])]
    for built in ([{"copy": "f /f"}], steps):
        reply = crux.request("build", SHOP.payload(workshop.stage(*built, base="case.tar")))
        assert reply.ok or reply.code != "internal", dict(reply)
        HOST.check()
    crux.ask("image-start", IMAGE)
    found = crux.ask("container-exec", {"id": "test/hostile", "command": ["/bin/grep", "-rs", hostile.SECRET, "/", "--exclude-dir=proc", "--exclude-dir=sys"]})
    crux.equal(found.get("stdout", ""), "", "words of the host")


# ---- archives ----------------------------------------------------------------------------------------------------------------------------


ARCHIVES = hostile.Cases()


@ARCHIVES("zip slip: names that climb out of the archive", "works")
def climbing_names():
    raw = Raw().add(UP + "etc/pwned", b"x").add("/etc/pwned", b"x").add(f"blobs/sha256/../../{UP}{VICTIM[1:]}/pwned", b"x")
    return image_archive(raw=raw)


@ARCHIVES("documents that are links to the host's files")
def documents_that_are_links():
    return Raw().layout().link("index.json", "/etc/passwd")


@ARCHIVES("CVE-2024-9676 (podman, buildah): blobs that are links to the host's files")
def blobs_that_are_links():
    raw = Raw()
    with open(f"{VICTIM}/secret", "rb") as secret:
        blob = mkimage.Blob(secret.read())
    for type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        raw.link("blobs/" + blob.digest.replace(":", "/"), f"{VICTIM}/secret", type)
    manifest = raw.layout().blob(manifest_of(blob, []))
    return raw.json("index.json", index_of(descriptor(manifest, "manifest.v1+json")))


@ARCHIVES("links that lead to themselves, and to one another for ever")
def links_in_a_circle():
    blob = mkimage.Blob(b"never there")
    name = "blobs/" + blob.digest.replace(":", "/")
    raw = Raw().layout().link(name, os.path.basename(name)).link("a", "b").link("b", "a")
    for number in range(1000):
        raw.link(f"l{number}", f"l{number + 1}")
    return raw.json("index.json", index_of(descriptor(blob, "manifest.v1+json")))


@ARCHIVES("an archive in which two parsers see two images", words="two files index.json")
def two_indexes():
    return image_archive().json("index.json", index_of())


@ARCHIVES("the same of a blob: what was checked is not what is read", "harmless")
def two_blobs_of_one_name():
    raw = image_archive()
    return raw.add("blobs/" + mkimage.sha256(hostile.SMALL_LAYER).replace(":", "/"), b"something else" * 100)


@ARCHIVES("CVE-2014-8179 (docker): a manifest that is not what its digest says", words="sha256:")
def a_manifest_of_another_digest():
    raw = Raw()
    wrong = "sha256:" + "a" * 64
    layer = raw.layout().blob(hostile.SMALL_LAYER)
    data = json.dumps(manifest_of(raw.blob(config_of([layer.digest])), [layer])).encode()
    raw.add("blobs/" + wrong.replace(":", "/"), data)
    return raw.json("index.json", index_of({"mediaType": mkimage.OCI + "manifest.v1+json", "digest": wrong, "size": len(data)}))


@ARCHIVES("CVE-2014-8178 (docker): a layer that is not what its digest says", words="sha256:")
def a_layer_of_another_digest():
    raw = Raw().layout()
    data = Raw().add("fooled", b"x").bytes()
    wrong = mkimage.Blob(b"x")
    wrong.digest, wrong.size = "sha256:" + "b" * 64, len(data)
    raw.add("blobs/" + wrong.digest.replace(":", "/"), data)
    manifest = raw.blob(manifest_of(raw.blob(config_of([mkimage.sha256(data)])), [wrong]))
    return raw.json("index.json", index_of(descriptor(manifest, "manifest.v1+json")))


@ARCHIVES("the same of a config", words="sha256:")
def a_config_of_another_digest():
    raw = Raw().layout()
    layer = raw.blob(hostile.SMALL_LAYER)
    data = json.dumps(config_of([layer.digest])).encode()
    wrong = mkimage.Blob(b"x")
    wrong.digest, wrong.size = "sha256:" + "c" * 64, len(data)
    raw.add("blobs/" + wrong.digest.replace(":", "/"), data)
    manifest = raw.blob(manifest_of(wrong, [layer]))
    return raw.json("index.json", index_of(descriptor(manifest, "manifest.v1+json")))


@ARCHIVES("blobs that are named and not there", codes="not-found|invalid-argument")
def an_index_of_what_is_not_there():
    return image_archive(top=flipped)


def flipped(index):
    """The index with one hexadecimal digit of its digest changed."""
    digest = index["manifests"][0]["digest"]
    index["manifests"][0]["digest"] = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    return index


def resized(size):
    def change(document):
        target = document["manifests"][0] if "manifests" in document else document["layers"][0]
        target["size"] = size
        return document

    return change


for title, size in {
    "larger": 1 << 20,
    "smaller": 1,
    "nothing": 0,
    "negative": -1,
    "an exabyte": EXABYTE,
    "beyond 64 bits": 1 << 70,
    "a fraction": 1.5,
    "text": "5",
    "nobody knows": None,
}.items():
    for part in ("top", "manifest"):

        def wrong_size(part=part, size=size):
            return image_archive(**{part: resized(size)})

        wrong_size.__name__ = f"a size that is {title}, in the {'index' if part == 'top' else part}"
        ARCHIVES("sizes that do not match")(wrong_size)


DIGESTS = {
    "a path": "sha256:../../../../etc/passwd",
    "an absolute path": "sha256:/etc/passwd",
    "a path for an algorithm": "../../etc:" + "a" * 64,
    "short": "sha256:abcdef",
    "long": "sha256:" + "a" * 65,
    "endless": "sha256:" + "a" * 1000000,
    "in capitals": "sha256:" + "A" * 64,
    "of another algorithm": "md5:" + "a" * 32,
    "sha512": "sha512:" + "a" * 128,
    "without algorithm": "a" * 64,
    "empty": "",
    "a number": 7,
    "with a NUL": "sha256:" + "a" * 63 + "\0",
    "absent": None,
}

for title, digest in DIGESTS.items():
    for part in ("top", "manifest", "config"):

        def bad_digest(part=part, digest=digest):
            def change(document):
                if part == "config":
                    document["rootfs"]["diff_ids"] = [digest]
                else:
                    (document["manifests"] if part == "top" else document["layers"])[0]["digest"] = digest
                return document

            return image_archive(**{part: change})

        bad_digest.__name__ = f"a digest that is {title}, in the {'index' if part == 'top' else part}"
        ARCHIVES("CVE-2014-9358 (docker), CVE-2024-3727 (containers/image): digests that are something else")(bad_digest)


@ARCHIVES("a config whose layers are others", words="diff_ids")
def more_diff_ids_than_layers():
    return image_archive(config=lambda c: {**c, "rootfs": {"type": "layers", "diff_ids": c["rootfs"]["diff_ids"] * 2}})


@ARCHIVES("a config whose layers are others", codes="invalid-argument", words="the config says")
def a_diff_id_of_something_else():
    return image_archive(config=lambda c: {**c, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "a" * 64]}})


@ARCHIVES("CVE-2021-41190 (OCI): a document that is an index and a manifest")
def an_index_that_is_a_manifest():
    return image_archive(manifest=changed(manifests=[]))


@ARCHIVES("CVE-2021-41190 (OCI): a document of another type than its descriptor says")
def a_manifest_that_says_index():
    return image_archive(manifest=changed(mediaType=mkimage.OCI + "index.v1+json"))


@ARCHIVES("schema 1, whose signatures nobody checks")
def schema_1():
    return image_archive(manifest=changed(schemaVersion=1))


@ARCHIVES("indexes inside of one another", words="nested")
def deep_indexes():
    raw = Raw()
    blob, kind = raw.layout().blob({"schemaVersion": 2}), "manifest.v1+json"
    for _ in range(50):
        blob, kind = raw.blob(index_of(descriptor(blob, kind))), "index.v1+json"
    return raw.json("index.json", index_of(descriptor(blob, kind)))


@ARCHIVES("an index that names itself", codes="invalid-argument|unsupported|not-found")
def an_index_of_itself():
    raw = Raw().layout()
    blob = mkimage.Blob(b'{"schemaVersion":2}')
    raw.add("blobs/" + blob.digest.replace(":", "/"), json.dumps(index_of(descriptor(blob, "index.v1+json"))).encode())
    return raw.json("index.json", index_of(descriptor(blob, "index.v1+json")))


@ARCHIVES("fan-out: a thousand times a thousand times a thousand")
def index_fan_out():
    raw = Raw().layout()
    blob, kind = raw.blob(manifest_of(mkimage.Blob(b"nothing"), [])), "manifest.v1+json"
    for _ in range(4):
        blob, kind = raw.blob(index_of(*[descriptor(blob, kind)] * 1000)), "index.v1+json"
    return raw.json("index.json", index_of(descriptor(blob, kind)))


@ARCHIVES("fan-out that is allowed, but is to cost no more than what is there", "works")
def a_manifest_that_is_named_a_thousand_times():
    raw = Raw()
    layer = raw.layout().blob(hostile.SMALL_LAYER)
    manifest = raw.blob(manifest_of(raw.blob(config_of([layer.digest] * 100)), [layer] * 100))
    index = raw.blob(index_of(*[descriptor(manifest, "manifest.v1+json")] * 1000))
    return raw.json("index.json", index_of(descriptor(index, "index.v1+json")))


@ARCHIVES("the same in docker's form: looking for a name among many takes no longer than looking for one among few", words="several images")
def docker_with_many_layers():
    raw = Raw(tarfile.USTAR_FORMAT).json("config.json", config_of([]))
    for number in range(60000):
        raw.add(f"l{number}", str(number).encode())
    layers = [[f"l{number}" for number in range(first, first + 500)] for first in range(0, 60000, 500)]
    return raw.json("manifest.json", [{"Config": "config.json", "Layers": row} for row in layers * 2])


@ARCHIVES("more manifests than any image has, in indexes that are small enough", words="manifests")
def too_many_manifests():
    raw, indexes = Raw(tarfile.USTAR_FORMAT).layout(), []
    layer = raw.blob(hostile.SMALL_LAYER)
    config = raw.blob(config_of([layer.digest]))
    for first in (0, 600):
        manifests = [raw.blob(manifest_of(config, [layer], annotations={"n": str(number)})) for number in range(first, first + 600)]
        indexes.append(descriptor(raw.blob(index_of(*[descriptor(m, "manifest.v1+json") for m in manifests])), "index.v1+json"))
    return raw.json("index.json", index_of(descriptor(raw.blob(index_of(*indexes)), "index.v1+json")))


def many_names(n):
    return [f"n{number}" for number in range(n)]


@ARCHIVES("more images than anybody loads", words="more than 256 images")
def too_many_images():
    annotation = "org.opencontainers.image.ref.name"
    return image_archive(
        top=lambda index: {**index, "manifests": [{**index["manifests"][0], "annotations": {annotation: name}} for name in many_names(300)]}
    )


@ARCHIVES("the same in docker's form", words="more than 256 images")
def too_many_docker_images():
    raw = Raw().json("config.json", config_of([mkimage.sha256(hostile.SMALL_LAYER)])).add("l", hostile.SMALL_LAYER)
    return raw.json("manifest.json", [{"Config": "config.json", "RepoTags": many_names(300), "Layers": ["l"]}])


@ARCHIVES("an index of too many", words="more than")
def an_index_of_too_many():
    return image_archive(top=lambda index: {**index, "manifests": index["manifests"] * 2000})


@ARCHIVES("more layers than a kernel mounts", words="layers")
def too_many_layers():
    return image_archive(
        config=lambda c: {**c, "rootfs": {"type": "layers", "diff_ids": c["rootfs"]["diff_ids"] * 600}},
        manifest=lambda m: {**m, "layers": m["layers"] * 600},
    )


@ARCHIVES("CVE-2021-21285 (docker), CVE-2024-23650 (BuildKit): a document that is empty where nobody looks for that")
def an_index_of_nothing():
    return Raw().layout().json("index.json", index_of())


@ARCHIVES("a layout of the future")
def another_layout():
    return Raw().json("oci-layout", {"imageLayoutVersion": "2.0.0"}).json("index.json", index_of())


@ARCHIVES("CVE-2020-1702 (containers/image), CVE-2023-25153 (containerd): documents of any size", words="larger than")
def a_large_index():
    return Raw().layout().json("index.json", b'{"x":"' + b"x" * (5 << 20) + b'"}')


@ARCHIVES("CVE-2020-1702 (containers/image), CVE-2023-25153 (containerd): documents of any size", words="larger than")
def a_large_config():
    return image_archive(config=changed(x="x" * (5 << 20)))


@ARCHIVES("CVE-2020-1702 (containers/image), CVE-2023-25153 (containerd): documents of any size", words="larger than")
def a_large_manifest():
    return image_archive(manifest=changed(annotations={"x": "x" * (5 << 20)}))


for part in ("index", "manifest", "config"):
    for title, value in {
        "arrays in arrays": b"[" * 100000 + b"]" * 100000,
        "objects in objects": b'{"a":' * 100000 + b"0" + b"}" * 100000,
        "many small values": b"[" + b"0," * 1900000 + b"0]",
        "NaN": b"[NaN]",
        "a large number": b"1" * 100000,
    }.items():

        def json_bomb(part=part, value=value):
            text = b'{"schemaVersion":2,"bomb":%s}' % value
            raw = Raw().layout()
            if part == "index":
                return raw.json("index.json", text)
            blob = raw.blob(text)
            if part == "config":
                blob = raw.blob(manifest_of(blob, []))
            return raw.json("index.json", index_of(descriptor(blob, "manifest.v1+json")))

        json_bomb.__name__ = f"{title}, in the {part}"
        # What a config has beside its own members is kept as it is, up to its bound.
        passes = part == "config" and title in ("many small values", "a large number")
        ARCHIVES("JSON bombs", "harmless" if passes else "refused")(json_bomb)


def a_manifest_as_config(layer_is_there):
    """A good image, and for another platform two more, whose second the first names as its config."""
    raw = Raw().layout()
    layer = raw.blob(hostile.SMALL_LAYER)
    good = raw.blob(manifest_of(raw.blob(config_of([layer.digest])), [layer]))
    hidden_layer = mkimage.Blob(os.urandom(100))
    if layer_is_there:
        raw.blob(hidden_layer.data)
    hidden = raw.blob(manifest_of(raw.blob(config_of([hidden_layer.digest], architecture="riscv64")), [hidden_layer]))
    first = manifest_of(hidden, [layer])
    first["config"]["mediaType"] = mkimage.OCI + "manifest.v1+json"
    first = raw.blob(first)
    other = [descriptor(blob, "manifest.v1+json", platform={"os": "linux", "architecture": "riscv64"}) for blob in (first, hidden)]
    index = raw.blob(index_of(descriptor(good, "manifest.v1+json"), *other))
    return raw.json("index.json", index_of(descriptor(index, "index.v1+json"))), hidden, hidden_layer


@ARCHIVES("what is passed over as one thing is not looked at as the other", codes="not-found|invalid-argument")
def a_manifest_hidden_as_a_config():
    return a_manifest_as_config(layer_is_there=False)[0]


@ARCHIVES("an archive that calls itself like another image", "works", untouched=True)
def an_archive_that_names_an_existing_tag():
    annotations = {"org.opencontainers.image.ref.name": "test/victim:1", "io.containerd.image.name": "test/victim:1"}

    def top(index):
        index["manifests"][0]["annotations"] = annotations
        return index

    return image_archive(top=top).json("manifest.json", [{"Config": "x", "RepoTags": ["test/victim:1"], "Layers": []}])


@ARCHIVES("the same in docker's form", "works", untouched=True)
def a_docker_archive_that_names_an_existing_tag():
    layer = hostile.SMALL_LAYER
    raw = Raw().add("l.tar", layer).json("c.json", config_of([mkimage.sha256(layer)]))
    return raw.json("manifest.json", [{"Config": "c.json", "RepoTags": ["test/victim:1", "docker.io/library/x:1"], "Layers": ["l.tar"]}])


for title, names in {
    "climb": ("../../../etc/passwd", "../" + VICTIM + "/secret"),
    "are absolute": ("/etc/passwd", VICTIM + "/secret"),
    "are links": ("link.json", "link.tar"),
    "are not there": ("nope.json", "nope.tar"),
    "are documents": ("manifest.json", "manifest.json"),
    "are directories": ("d", "d"),
    "are empty": ("", ""),
    "hold a NUL": ("c.json\0x", "l.tar\0x"),
}.items():

    def docker_names(names=names):
        raw = Raw().link("link.json", "/etc/passwd").link("link.tar", f"{VICTIM}/secret").add("d", type=tarfile.DIRTYPE)
        return raw.json("manifest.json", [{"Config": names[0], "RepoTags": None, "Layers": [names[1]]}])

    docker_names.__name__ = f"docker names that {title}"
    ARCHIVES("CVE-2014-9358 (docker): docker load of names that lead elsewhere")(docker_names)


@ARCHIVES("a docker archive of nothing")
def docker_without_images():
    return Raw().json("manifest.json", [])


@ARCHIVES("a docker archive of the wrong types")
def docker_of_wrong_types():
    return Raw().json("manifest.json", [{"Config": ["x"], "Layers": {"a": 1}}, None, 7])


# ---- archives that are no archives --------------------------------------------------------------------------------------------------------


@ARCHIVES("formats that name the host's files")
def an_mtree_file():
    return f"#mtree\noci-layout type=file contents={VICTIM}/secret\nindex.json type=file contents=/etc/passwd\n".encode()


@ARCHIVES("formats nobody asked for")
def a_cpio_archive():
    return b"070701" + b"0" * 104 + b"index.json\0" + b"070701" + b"0" * 104 + b"TRAILER!!!\0" + bytes(512)


@ARCHIVES("formats nobody asked for")
def a_zip_file():
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("oci-layout", '{"imageLayoutVersion":"1.0.0"}')
        archive.writestr("index.json", "{}")
    return buffer.getvalue()


for title, magic in {
    "lrzip": b"LRZI\0\6",
    "lzop": b"\x89LZO\0\r\n\x1a\n",
    "grzip": b"GRZipII\0\2\4:)",
    "uuencoded": b"begin 644 x\n",
    "compress": b"\x1f\x9d\x90",
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\0",
    "rpm": b"\xed\xab\xee\xdb",
    "7z": b"7z\xbc\xaf\x27\x1c",
    "iso": bytes(32769) + b"CD001",
    "ar": b"!<arch>\n",
    "a script": b"#!/bin/sh\ntouch /etc/pwned\n",
}.items():

    def other_format(magic=magic):
        return magic + bytes(100000)

    other_format.__name__ = f"a file that begins like {title}"
    ARCHIVES("filters for which libarchive would run a program of the host's")(other_format)


@ARCHIVES("a tar that ends in the middle of a header")
def a_tar_cut_in_a_header():
    return image_archive().bytes()[:700]


@ARCHIVES("a tar that ends in the middle of a blob")
def a_tar_cut_in_a_blob():
    return image_archive(b"x" * 100000).bytes()[:60000]


@ARCHIVES("a damaged header")
def a_damaged_header():
    data = bytearray(image_archive().bytes())
    data[512 * 2 + 150] ^= 0xFF
    return bytes(data)


@ARCHIVES("headers of headers", "harmless")
def a_large_pax_header():
    return image_archive(raw=Raw().add("x", b"", pax={"comment": "x" * (8 << 20)}))


@ARCHIVES("headers that change what follows", "harmless")
def global_headers():
    text = b"30 path=blobs/sha256/pwned.x\n\n"
    return image_archive(raw=Raw().add("g", text, type=b"g"))


@ARCHIVES("long names of a gigabyte")
def a_long_name_of_a_gigabyte():
    return Raw().add("././@LongLink", b"x" * 512, type=tarfile.GNUTYPE_LONGNAME, claim=1 << 30).bytes(end=False)


@ARCHIVES("sizes beyond the end")
def an_entry_of_an_exabyte():
    return Raw().layout().add("blobs/sha256/" + "a" * 64, b"x", pax={"size": str(EXABYTE)})


@ARCHIVES("sizes beyond the end")
def a_document_of_an_exabyte():
    return Raw().layout().add("index.json", b"x", pax={"size": str(EXABYTE)})


@ARCHIVES("sparse entries that claim exabytes")
def a_sparse_blob_of_an_exabyte():
    return image_archive(raw=sparse("blobs/sha256/" + "a" * 64, EXABYTE, [EXABYTE - 512, 512], b"x" * 512))


@ARCHIVES("sparse entries that claim exabytes")
def a_sparse_document_of_an_exabyte():
    return sparse("index.json", EXABYTE, [0, 512], b"x" * 512).layout()


@ARCHIVES("sparse maps that overlap, go back and go beyond", "harmless")
def a_sparse_blob_with_an_odd_map():
    return image_archive(raw=sparse("blobs/sha256/" + "a" * 64, 1000, [0, 512, 256, 512, 100000, 512, -5, 10], b"x" * 2048))


@ARCHIVES("more entries than anybody needs", words="entries")
def many_entries():
    raw = Raw()
    block = Raw().add("x").bytes(end=False)
    return raw.raw(block * 70000)


@ARCHIVES("an endless row of end marks", "harmless")
def zeros_in_front():
    return bytes(1 << 20) + image_archive().bytes()


@crux.table(ARCHIVES.rows())
def test_archive(title, case):
    archive = case.function()
    if isinstance(archive, Raw):
        archive = archive.bytes()
    with open(PATH, "wb") as file:
        file.write(archive)
    victim = crux.ctr("images", "ls", "name==test/victim:1")
    started = time.monotonic()
    reply = do_import()
    took = time.monotonic() - started
    hostile.judge(case, reply)
    assert took < 10, f"it took {took:.1f} s"
    names = set(crux.ctr("images", "ls", "-q").split())
    names = {name for name in names if not name.startswith("cruxd.local/base@")}
    crux.equal(names, {"test/victim:1"} | ({NAME} if reply.ok else set()), "images")
    crux.equal(crux.ctr("images", "ls", "name==test/victim:1"), victim, "the other image")
    # As a base it is the same.
    reply = crux.request("build", SHOP.payload(workshop.stage({"copy": "f /f"}, base="case.tar")))
    hostile.judge(case, reply)
    # Nothing of it keeps a good one from being imported under the name.
    crux.ask("image-import", {**IMAGE, "path": SHOP.root + "/good.tar"})


def test_a_manifest_that_is_a_config_too_keeps_its_layers():
    """From the garbage collector, by its labels."""
    raw, hidden, layer = a_manifest_as_config(layer_is_there=True)
    raw.write(PATH)
    assert do_import().ok
    (line,) = [line for line in crux.ctr("content", "ls").splitlines() if line.startswith(hidden.digest)]
    crux.contains(line, "containerd.io/gc.ref.content.l.0=" + layer.digest)


# ---- bombs ------------------------------------------------------------------------------------------------------------------------------------


GIB = 1 << 30


def zeros(compress):
    """A GiB of zeros, compressed; both formats may be put behind one another."""
    command = ["gzip", "-1c"] if compress == "gzip" else ["zstd", "-qc", "-1"]
    return subprocess.run(f"head -c {GIB} /dev/zero | {' '.join(command)}", shell=True, check=True, capture_output=True).stdout


def pack(compress, data):
    return gzip.compress(data) if compress == "gzip" else mkimage.zstd(data)


def available(path="/var/tmp"):
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


@crux.table([("gzip",), ("zstd",)])
@crux.timeout(600)
def test_bomb(compress):
    """CVE-2017-14992-like (docker): 100 GiB that come as some MB, in one file, which is refused by its header."""
    header = Raw().add("blobs/sha256/" + "a" * 64, b"", claim=100 * GIB).bytes(end=False)
    with open(PATH, "wb") as bomb:
        bomb.write(pack(compress, Raw().layout().bytes(end=False)) + pack(compress, header))
        piece = zeros(compress)
        for _ in range(100):
            bomb.write(piece)
    before = available()
    started = time.monotonic()
    reply = do_import()
    assert not reply.ok, "it was taken"
    crux.equal(reply.code, "invalid-argument", reply.message)
    crux.contains(reply.message, "more than")
    assert time.monotonic() - started < 60, "it took long"
    assert before - available() < GIB, "it filled the disk"


@crux.table([("gzip",), ("zstd",)])
@crux.timeout(600)
def test_bomb_without_a_name(compress):
    """The same in an entry that nobody looks at: passed over, without being unpacked."""
    header = Raw().add("../" + "a" * 64, b"", claim=8 * GIB).bytes(end=False)
    with open(PATH, "wb") as bomb:
        bomb.write(pack(compress, header))
        piece = zeros(compress)
        for _ in range(8):
            bomb.write(piece)
        bomb.write(pack(compress, image_archive().bytes()))
    before = available()
    reply = do_import()
    assert reply.ok or reply.code == "invalid-argument", dict(reply)
    assert before - available() < GIB, "it filled the disk"


def test_bomb_within_a_bound():
    """Whether it is looked at or passed over, and whether it comes in one piece or in many."""
    with workshop.settings(ArchiveUnpackedMax="16M"):
        sizes = itertools.product(((8 << 20, True), (20 << 20, False)), ("blobs/sha256/" + "a" * 64, "../passed/over"), (bytes, os.urandom))
        for (size, taken), name, content in sizes:
            raw = image_archive(raw=Raw().add(name, content(size)))
            for compress in ("gzip", "zstd"):
                with open(PATH, "wb") as bomb:
                    bomb.write(pack(compress, raw.bytes()))
                reply = do_import()
                crux.equal(reply.ok, taken, f"{size} bytes in {compress}: {reply.message}")
                if not taken:
                    crux.equal(reply.code, "invalid-argument", reply.message)
                    crux.contains(reply.message, str(16 << 20))
    GUARD.pid = crux.ask("status")["pid"]


def test_many_layers_work():
    layers = [mkimage.Layer(mkimage.Tree().file(f"f{n}", b"x").tar()) for n in range(100)]
    mkimage.write_oci(PATH, mkimage.Image([mkimage.Layer(mkimage.busybox_tree().tar()), *layers], Cmd=["/bin/sleep", "1000"]))
    assert do_import().ok
    crux.ask("image-start", IMAGE)
    found = crux.ask("container-exec", {"id": "test/hostile", "command": ["/bin/sh", "-c", "ls /f* | wc -l"]})
    crux.equal(found["stdout"], "100\n", "files")


if __name__ == "__main__":
    crux.main()
