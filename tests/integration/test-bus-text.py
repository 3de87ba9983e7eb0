# SPDX-License-Identifier: Apache-2.0
"""Text that libsystemd sends no message with: half a character, where an error shows the beginning of something long,
and noncharacters, which JSON and programs may well hold. Nobody waits for an answer that was never sent, and what one
client says breaks nobody's lists."""

import json
import os
import subprocess

import crux
import sdbus

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
ERROR = NAME + ".Error."
NONE = "\uffff"  # refused by the library
SHOWN = "\ufffd"  # what is shown instead
BASE = {"from": "file base.tar"}
SECONDS = 60
sdbus.TIMEOUT_USEC = SECONDS // 2 * 10**6  # an answer that does not come is what this is about


def setup():
    global root, output
    crux.destroy_everything()
    root, output = crux.scratch() + "/bus-text", crux.scratch() + "/bus-text-output"
    os.makedirs(root, exist_ok=True)
    os.makedirs(output, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar", Entrypoint=["/bin/sleep", "1000"])


after_each = crux.destroy_everything


def method(bus, member, signature="", *arguments, path=PATH, interface="Manager"):
    return bus.call(NAME, path, f"{NAME}.{interface}", member, signature, *arguments)


def managed(bus, interface):
    """All objects of an interface with their properties, as GetManagedObjects tells them."""
    (found,) = bus.call(NAME, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    name = f"{NAME}.{interface}"
    return {path: interfaces[name] for path, interfaces in found.items() if name in interfaces}


def build_arguments(*stages):
    return "ssssasas", json.dumps({"stages": stages}), "test/text", output, root, [], []


def failure(function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except sdbus.Failure as failed:
        return failed
    raise AssertionError(f"succeeded with {result!r}")


# ---- answers -----------------------------------------------------------------------------------------------------------

# "a" and then characters of two bytes: an even number of bytes ends within one.
LONG = "a" + "é" * 4000

CUT = {
    "an id": lambda: ("ContainerStatus", "s", LONG),
    "an image's name": lambda: ("ImageDestroy", "ss", LONG, "1"),
    "a stage's name": lambda: ("Build", *build_arguments({**BASE, "name": LONG})),
    "the words of a copy": lambda: ("Build", *build_arguments({**BASE, "steps": [{"copy": LONG}]})),
    "a variable": lambda: ("Build", *build_arguments({**BASE, "steps": [{"run": "true", "env": {LONG: "x" * (128 << 10)}}]})),
}


@crux.table(list(CUT.items()))
@crux.timeout(SECONDS)
def test_errors_are_cut_between_characters(what, call):
    with sdbus.Bus() as bus:
        failed = failure(method, bus, *call())
        crux.equal(failed.name, ERROR + "InvalidArgument", "name")
        crux.contains(failed.message, "aéé")
        assert SHOWN not in failed.message, failed.message


@crux.timeout(SECONDS)
def test_cruxctl_is_answered():
    done = subprocess.run(["cruxctl", "exec", LONG[:80], "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS // 2)
    assert done.returncode != 0 and "longer than" in done.stderr, done


@crux.timeout(SECONDS)
def test_errors_with_noncharacters():
    with sdbus.Bus() as bus:
        for none in ("\uffff", "\ufdd0", "\U0010fffe"):
            failed = failure(method, bus, "Build", *build_arguments({"from": f"file {none}.tar"}, {**BASE, "name": f"{none}:"}))
            crux.equal(failed.name, ERROR + "InvalidArgument", "name")
            crux.contains(failed.message, SHOWN)


# ---- builds ------------------------------------------------------------------------------------------------------------

FAILS = {**BASE, "steps": [{"run": "printf 'oh\\357\\277\\277no\\n' >&2; exit 3"}]}


@crux.timeout(SECONDS)
def test_what_a_step_prints():
    with sdbus.Bus() as bus:
        failed = failure(method, bus, "Build", *build_arguments(FAILS))
        crux.contains(failed.message, f"oh{SHOWN}no")

        bus.match(f"type='signal',sender='{NAME}',path_namespace='{PATH}'")
        (job,) = method(bus, "StartBuild", *build_arguments(FAILS))
        lines, ended = [], None
        for path, member, values in bus.signals(SECONDS // 2):
            if member == "Log" and path == job:
                lines.append(tuple(values))
            elif member == "JobRemoved" and values[1] == job:
                ended = values
                break
        assert ended, "nobody told of its end"
        crux.contains(ended[3], f"oh{SHOWN}no")
        crux.contains(lines, ("stderr", f"oh{SHOWN}no"))
    # On the socket it is a character like any other.
    crux.contains(crux.request("build", crux.build([FAILS], root=root, output=output)).message, f"oh{NONE}no")


@crux.timeout(SECONDS)
def test_a_job_whose_names_cannot_be_sent():
    stage = {**BASE, "name": "s" + NONE, "steps": [{"run": "sleep 300"}]}
    payload = crux.build([stage], root=root, output=output, resource="r" + NONE, progress=True)
    with crux.Connection() as connection, sdbus.Bus() as bus:
        connection.send(crux.encode("build", payload))
        job = crux.eventually(lambda: [j for j in managed(bus, "Job").values() if j["Step"] == 1], SECONDS // 2, "the step")[0]
        crux.equal((job["Resource"], job["Stage"]), ("r" + SHOWN, "s" + SHOWN), "names")
        (listed,) = [row for row in method(bus, "ListJobs")[0] if row[2] == "r" + SHOWN]
        (all_of_it,) = bus.call(NAME, listed[5], "org.freedesktop.DBus.Properties", "GetAll", "s", NAME + ".Job")
        crux.equal(all_of_it["Stage"], "s" + SHOWN, "stage")
        crux.eventually(lambda: "r" + SHOWN in crux.show(crux.SERVICE, "StatusText")["StatusText"], 20, "the daemon's status")
    with sdbus.Bus() as bus:
        crux.eventually(lambda: not managed(bus, "Job"), SECONDS // 2, "the end")


# ---- images and containers ----------------------------------------------------------------------------------------------


@crux.table([("ref", "a" + NONE, "1"), ("version", "a", "1\ufdd0")])
def test_such_a_name_is_refused(member, ref, version):
    for command in ("image-import", "image-start", "image-destroy"):
        crux.refused(command, {"ref": ref, "version": version, "path": root + "/base.tar", "id": "i"},
                     code="invalid-argument", message=f'"{member}"')


@crux.timeout(SECONDS)
def test_what_others_have_named_so():
    crux.ask("image-import", {"ref": "text", "version": "1", "path": root + "/base.tar"})
    loose = "--skip-reference-check"  # of newer ones, the older ones check nothing
    crux.ctr("images", "tag", *([loose] if loose in crux.ctr("images", "tag", "--help") else []), "text:1", f"a{NONE}:1")
    crux.ctr("containers", "create", "--label", NAME.removesuffix("1") + ".instance=default", f"a{NONE}:1", "odd")
    with sdbus.Bus() as bus:
        crux.eventually(lambda: [c for c in method(bus, "ListContainers")[0] if c[:2] == ("odd", f"a{SHOWN}:1")], 20,
                        "the container")
        crux.equal([c["Image"] for c in managed(bus, "Container").values()], [f"a{SHOWN}:1"], "image of the container")
        crux.equal([i[0] for i in method(bus, "ListImages")[0]], ["text:1"], "images")
        crux.equal([i["Name"] for i in managed(bus, "Image").values()], ["text:1"], "images")
        failed = failure(method, bus, "Start", path=PATH + "/container/odd", interface="Container")
        crux.contains(failed.message, f"a{SHOWN}:1")
        method(bus, "Destroy", path=PATH + "/container/odd", interface="Container")


@crux.timeout(SECONDS)
def test_output_stays_as_it_is():
    crux.ask("image-import", {"ref": "text", "version": "1", "path": root + "/base.tar"})
    crux.ask("image-start", {"ref": "text", "version": "1"})
    command = ["/bin/printf", "a\\357\\277\\277b"]
    crux.equal(crux.ask("container-exec", {"id": "text", "command": command})["stdout"], f"a{NONE}b", "on the socket")
    with sdbus.Bus() as bus:
        crux.equal(method(bus, "ContainerExec", "sas", "text", command), [0, f"a{NONE}b".encode(), b""], "on the bus")


if __name__ == "__main__":
    crux.main()
