# SPDX-License-Identifier: Apache-2.0
"""container-update: a new snapshot of a new image under the same id, or the old container just as it was."""

import os
import time

import crux
import workshop
from crux import mkimage

SHOP = workshop.Workshop("update")
GUARD = workshop.Guard()
OLD = {"ref": "test/app", "version": "1"}
NEW = {"ref": "test/app", "version": "2"}
ID = {"id": "acme/web"}
SLEEP = ["/bin/sh", "-c", "exec sleep 1000"]


def setup():
    SHOP.open()
    SHOP.base("old.tar", None, {"mark": "old\n"}, Entrypoint=SLEEP, Env=["PATH=/bin", "WHO=old"])
    SHOP.base("new.tar", None, {"mark": "new\n"}, Entrypoint=SLEEP, Env=["PATH=/bin", "WHO=new"], WorkingDir="/tmp")
    SHOP.base("broken.tar", None, {"mark": "broken\n"}, Entrypoint=["/no/such/program"])
    SHOP.base("empty.tar", None, {"mark": "empty\n"})
    SHOP.base("user.tar", None, {"mark": "user\n"}, Entrypoint=SLEEP, User="nobody-of-that-name")
    SHOP.base("short.tar", None, {"mark": "short\n"}, Entrypoint=["/bin/true"])
    with open(SHOP.root + "/new.tar", "rb") as whole, open(SHOP.root + "/cut.tar", "wb") as cut:
        cut.write(whole.read()[: 1 << 20])
    with open(SHOP.root + "/text.tar", "w") as text:
        text.write("no archive\n" * 1000)
    foreign = mkimage.Image([mkimage.Layer(mkimage.Tree().file("x").tar())], architecture="riscv64")
    mkimage.write_oci(SHOP.root + "/foreign.tar", foreign)
    GUARD.begin()


def after_each():
    crux.destroy_everything()
    GUARD.check()


def teardown():
    SHOP.close()


def begin(stopped=False):
    """The old container, with something written in it."""
    crux.ask("image-import", {**OLD, "path": SHOP.root + "/old.tar"})
    crux.ask("image-start", {**OLD, **ID})
    execute("/bin/sh", "-c", "echo precious > /written")
    if stopped:
        crux.ask("container-stop", ID)
    return look()


def look():
    """What is known of the container."""
    info = crux.json.loads(crux.ctr("containers", "info", "acme-web"))
    return {
        "image": info["Image"],
        "snapshot": info["SnapshotKey"],
        "spec": info["Spec"],
        "labels": info["Labels"],
        "snapshots": crux.State.snapshots(),
        "status": crux.ask("container-status", ID)["status"],
        "scope": crux.show("cruxd-acme-web.scope", "ActiveState")["ActiveState"],
    }


def update(archive, **image):
    return crux.request("container-update", {**NEW, **image, **ID, "path": f"{SHOP.root}/{archive}"})


def execute(*command):
    return crux.ask("container-exec", {**ID, "command": list(command)})


def images():
    return sorted(crux.ctr("images", "ls", "-q").split())


def check_updated(before, image="test/app:2"):
    after = look()
    crux.equal(after["image"], image, "image")
    assert after["snapshot"] != before["snapshot"], "it is on the old snapshot"
    crux.equal(len(after["snapshots"]), len(before["snapshots"]), f"number of snapshots ({after['snapshots']})")
    crux.equal(after["status"], "running", "status")
    crux.equal(execute("/bin/cat", "/mark")["stdout"], "new\n", "the image's file")
    crux.equal(execute("/bin/sh", "-c", "echo $WHO $PWD")["stdout"], "new /tmp\n", "the image's settings")
    crux.equal(execute("/bin/ls", "/")["stdout"].count("written"), 0, "files of the old snapshot")


def check_as_before(before):
    crux.equal(look(), before, "the container")
    if before["status"] == "running":
        crux.equal(execute("/bin/cat", "/mark", "/written")["stdout"], "old\nprecious\n", "its files")


# ---- success -------------------------------------------------------------------------------------------------------------------


def test_a_running_one():
    before = begin()
    reply = update("new.tar")
    assert reply.ok, reply.message
    crux.equal("payload" in reply.envelope, False, "having a payload")
    check_updated(before)
    crux.equal(images(), ["test/app:1", "test/app:2"], "images")


def test_a_stopped_one():
    before = begin(stopped=True)
    assert update("new.tar").ok
    check_updated(before)


def test_under_the_same_name():
    before = begin()
    assert update("new.tar", **OLD).ok
    check_updated(before, "test/app:1")
    crux.equal(images(), ["test/app:1"], "images")


def test_to_the_same_image():
    before = begin()
    assert update("old.tar").ok
    after = look()
    assert after["snapshot"] != before["snapshot"], "it is on the old snapshot"
    crux.equal(execute("/bin/ls", "/")["stdout"].count("written"), 0, "files of the old snapshot")


def test_time_after_time():
    before = begin()
    for archive in ("new.tar", "old.tar") * 4 + ("new.tar",):
        assert update(archive).ok
    check_updated(before)


def test_one_whose_process_has_ended():
    before = begin()
    crux.ctr("tasks", "kill", "-s", "SIGKILL", "acme-web")
    crux.eventually(lambda: look()["status"] == "stopped", 10, "its end")
    assert update("new.tar").ok
    check_updated(before)


def test_a_program_that_ends_at_once_has_started():
    begin()
    assert update("short.tar").ok
    crux.eventually(lambda: look()["status"] == "stopped", 10, "its end")
    crux.equal(look()["image"], "test/app:2", "image")


# ---- failure -------------------------------------------------------------------------------------------------------------------


BAD = [
    # archive, codes, words
    ("cut.tar", "invalid-argument|unsupported", "cut.tar"),
    ("text.tar", "invalid-argument|unsupported", "text.tar"),
    ("nope.tar", "not-found", "nope.tar"),
    ("foreign.tar", "unsupported|not-found", "foreign.tar"),
    ("broken.tar", "command-failed|not-found", "/no/such/program"),
    ("empty.tar", "invalid-argument", "test/app:2"),
    ("user.tar", "not-found|invalid-argument", "nobody-of-that-name"),
]


@crux.table(BAD)
def test_bad_archive_leaves_a_running_one_as_it_was(archive, codes, words):
    before = begin()
    reply = update(archive)
    assert not reply.ok, "it was updated"
    assert reply.code in codes.split("|"), dict(reply)
    crux.contains(reply.message, words)
    check_as_before(before)


@crux.table(BAD)
def test_bad_archive_leaves_a_stopped_one_as_it_was(archive, codes, words):
    before = begin(stopped=True)
    assert not update(archive).ok, "it was updated"
    check_as_before(before)
    crux.ask("image-start", {**OLD, **ID})
    crux.equal(execute("/bin/cat", "/mark", "/written")["stdout"], "old\nprecious\n", "its files")


@crux.table([(archive,) for archive in ("cut.tar", "text.tar", "nope.tar", "foreign.tar")])
def test_failed_import_leaves_the_name_as_it_was(archive):
    begin()
    before = crux.ctr("images", "ls")
    assert not update(archive, **OLD).ok, "it was updated"
    crux.equal(crux.ctr("images", "ls"), before, "images")


def test_failed_start_under_the_same_name():
    # The old container's snapshot needs its image no more than before.
    before = begin()
    assert not update("broken.tar", **OLD).ok, "it was updated"
    check_as_before(before)
    crux.ask("container-stop", ID)
    crux.ask("image-start", {**OLD, **ID})
    crux.equal(execute("/bin/cat", "/mark", "/written")["stdout"], "old\nprecious\n", "its files")


def test_of_what_is_not_there():
    reply = update("new.tar")
    crux.equal(reply.code, "not-found", reply.message)
    crux.contains(reply.message, "acme-web")
    crux.equal(images(), [], "images")


def test_path_is_the_clients():
    begin()
    secret = SHOP.root + "/secret.tar"
    os.link(SHOP.root + "/new.tar", secret)
    os.chmod(secret, 0o600)
    try:
        reply = crux.request("container-update", {**NEW, **ID, "path": secret}, user="alice")
        crux.equal(reply.code, "permission-denied", reply.message)
    finally:
        os.chmod(secret, 0o644)
        os.unlink(secret)


def test_client_that_goes():
    # Whatever moment it is: it runs, as the one or as the other, and nothing of a third is there.
    before = begin()
    for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4):
        with crux.Connection() as connection:
            connection.send(crux.encode("container-update", {**NEW, **ID, "path": SHOP.root + "/new.tar"}))
            time.sleep(delay)
        crux.eventually(lambda: look()["status"] == "running", 15, f"running after {delay} s")
        crux.eventually(lambda: len(crux.State.snapshots()) == len(before["snapshots"]), 15, "as many snapshots as before")
        mark = execute("/bin/cat", "/mark")["stdout"]
        crux.equal(mark, {"test/app:1": "old\n", "test/app:2": "new\n"}[look()["image"]], "the image's file")


if __name__ == "__main__":
    crux.main()
