# SPDX-License-Identifier: Apache-2.0
"""Containers and images as objects on the bus: their lives seen through signals, whoever changes them; how a container
ended, which is known after daemon, watch and containerd have come and gone; what is none of the instance's."""

import contextlib
import json
import os
import signal
import subprocess
import xml.etree.ElementTree

import crux
import sdbus

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
CONTAINER = PATH + "/container/obj_2dapp"
IMAGE = PATH + "/image/obj_2fapp_3a1"
SETTINGS = "/run/cruxd/cruxd.conf.d/50-objects.conf"
LABEL = NAME.removesuffix("1")

# Runs until it is told its exit code in a file.
UNTIL_TOLD = ["/bin/sh", "-c", "while [ ! -s /told ]; do sleep 0.1; done; code=$(cat /told); rm /told; exit $code"]


def setup():
    global archive, other_archive, broken_archive
    crux.destroy_everything()
    os.makedirs(crux.scratch() + "/objects", exist_ok=True)
    archive, other_archive, broken_archive = (f"{crux.scratch()}/objects/{name}.tar" for name in ("app", "other", "broken"))
    crux.mkimage.busybox(archive, Entrypoint=UNTIL_TOLD)
    crux.mkimage.busybox(other_archive, Entrypoint=UNTIL_TOLD, Labels={"other": "one"})
    crux.mkimage.busybox(broken_archive, Entrypoint=["/no/such/program"])


def teardown():
    crux.remove_setting(SETTINGS)
    crux.run("systemctl", "start", "containerd.service")
    crux.run("systemctl", "stop", crux.SERVICE)
    crux.destroy_everything()


after_each = crux.destroy_everything


class Bus(sdbus.Bus):
    """A client that hears what the daemon signals from now on."""

    def __init__(self, name=NAME):
        super().__init__()
        self.name, self.seen = name, []
        self.match(f"type='signal',sender='{name}',path_namespace='{PATH}'")

    def method(self, member, signature="", *arguments, path=PATH, interface="Manager"):
        return self.call(self.name, path, f"{NAME}.{interface}", member, signature, *arguments)

    def properties(self, path, interface):
        (values,) = self.call(self.name, path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"{NAME}.{interface}")
        return values

    def is_there(self):
        return self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner", "s", self.name) == [True]

    def get(self, property, path=PATH, interface="Manager"):
        return self.properties(path, interface)[property]

    def objects(self, kind=""):
        (found,) = self.call(self.name, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return {path: {name.rsplit(".", 1)[1]: values for name, values in interfaces.items() if name.startswith(NAME)}
                for path, interfaces in found.items() if path.startswith(f"{PATH}/{kind}")}

    def until_runs(self):
        """Until the container is known, and to run: it is told of first when it is made, before it runs."""

        def state():
            return self.objects("container").get(CONTAINER, {}).get("Container", {}).get("State")

        crux.eventually(lambda: state() == "running", 20, "the object of what runs")

    def until(self, matches, what, seconds=60):
        """Hears signals until one matches, and gives it."""
        for heard in self.signals(seconds):
            self.seen.append(heard)
            if matches(*heard):
                return heard
        raise AssertionError(f"{what}: not within {seconds} s; heard {self.seen}")

    def until_changed(self, path, **expected):
        """Until the properties have been told to be these."""
        missing = dict(expected)

        def matches(p, member, values):
            if p == path and member == "PropertiesChanged":
                for name in [n for n in missing if values[1].get(n) == expected[n]]:
                    del missing[name]
            return not missing

        self.until(matches, f"{path} with {expected}")

    def until_added(self, path):
        return self.until(lambda p, member, values: member == "InterfacesAdded" and values[0] == path, f"{path} added")

    def until_removed(self, path):
        self.until(lambda p, member, values: member == "InterfacesRemoved" and values[0] == path, f"{path} removed")

    def heard(self, kind):
        """What was heard of the containers or images, as (member, path)."""
        found = [(member, values[0] if member.startswith("Interfaces") else p) for p, member, values in self.seen]
        return [(member, path) for member, path in found if path.startswith(f"{PATH}/{kind}/")]


def import_app(version="1", path=None):
    crux.ask("image-import", {"ref": "obj/app", "version": version, "path": path or archive})


def start_app(version="1"):
    crux.ask("image-start", {"ref": "obj/app", "version": version})


def tell(code):
    """Has the container end with this exit code."""
    crux.ask("container-exec", {"id": "obj/app", "command": ["/bin/sh", "-c", f"echo {code} > /told"]})


def labels(container="obj-app"):
    return json.loads(crux.ctr("containers", "info", container))["Labels"]


def tasks():
    return crux.ctr_list("tasks", "ls", "-q")


def loggers():
    return [pid for pid, line in crux.processes().items() if os.path.basename(line.split(" ")[0]) == "cruxd-log"]


def watches(instance="default"):
    return [pid for pid, name in crux.workers().items()
            if name == "cruxd-watch" and f"--instance={instance} " in crux.processes().get(pid, "")]


def main_pid():
    return int(crux.show(crux.SERVICE, "MainPID")["MainPID"])


def error_of(function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except sdbus.Failure as failure:
        return failure.name, failure.message
    raise AssertionError(f"succeeded with {result!r}")


# ---- lives -------------------------------------------------------------------------------------------------------------


def test_the_life_of_a_container():
    with Bus() as bus:
        bus.get("Version")  # the daemon is there
        import_app()
        bus.until_added(IMAGE)
        start_app()
        _, _, (_, interfaces) = bus.until_added(CONTAINER)
        added = interfaces[f"{NAME}.Container"]
        crux.equal((added["Id"], added["Image"], added["ExitCode"]), ("obj-app", "obj/app:1", -1), "as it was added")
        if added["State"] != "running":
            bus.until_changed(CONTAINER, State="running")
        properties = bus.properties(CONTAINER, "Container")
        pid = properties["PID"]
        assert os.path.exists(f"/proc/{pid}"), properties
        with open(f"/proc/{pid}/cgroup") as file:
            crux.contains(file.read(), "/" + properties["Unit"])
        crux.equal((properties["ExitCode"], properties["ExitTimestamp"]), (-1, 0), "while it runs")
        assert 0 < properties["CreationTimestamp"]
        assert loggers(), "nobody logs"

        tell(3)
        bus.until_changed(CONTAINER, State="stopped", PID=0, ExitCode=3)
        crux.equal(tasks(), [], "tasks")
        crux.eventually(lambda: not loggers(), 20, "the end of who logs")
        crux.equal(labels()[LABEL + ".exit-code"], "3", "label")
        crux.equal(crux.ask("container-status", {"id": "obj/app"})["status"], "stopped", "status")
        ended = bus.get("ExitTimestamp", CONTAINER, "Container")
        assert ended > properties["CreationTimestamp"]

        # Another daemon knows it at its first answer, which is what starts it.
        crux.run("systemctl", "stop", crux.SERVICE)
        again = bus.objects("container")[CONTAINER]["Container"]
        crux.equal((again["State"], again["ExitCode"], again["ExitTimestamp"]), ("stopped", 3, ended), "after a restart")

        crux.equal(bus.method("Start", path=CONTAINER, interface="Container"), [])
        bus.until_changed(CONTAINER, State="running", ExitCode=-1, ExitTimestamp=0)
        assert LABEL + ".exit-code" not in labels(), labels()
        bus.method("Stop", path=CONTAINER, interface="Container")
        bus.until_changed(CONTAINER, State="stopped", ExitCode=137)
        bus.method("Start", path=CONTAINER, interface="Container")
        bus.until_changed(CONTAINER, State="running", ExitCode=-1)
        bus.method("Destroy", path=CONTAINER, interface="Container")
        bus.until_removed(CONTAINER)
        crux.equal(bus.method("ListContainers"), [[]], "list")
        crux.equal(error_of(bus.method, "Start", path=CONTAINER, interface="Container")[0],
                   "org.freedesktop.DBus.Error.UnknownObject", "error of what is gone")


def test_the_life_of_an_image():
    with Bus() as bus:
        bus.get("Version")
        import_app()
        _, _, (_, interfaces) = bus.until_added(IMAGE)
        image = interfaces[f"{NAME}.Image"]
        crux.equal(image["Name"], "obj/app:1", "name")
        crux.contains(crux.ctr("images", "ls", "name==obj/app:1"), image["Digest"])

        import_app(path=other_archive)
        bus.until(lambda path, member, values: path == IMAGE and member == "PropertiesChanged"
                  and values[1].get("Digest", image["Digest"]) != image["Digest"], "another digest")
        crux.ctr("images", "tag", "obj/app:1", "obj/app:latest")
        bus.until_added(PATH + "/image/obj_2fapp_3alatest")
        crux.ctr("images", "tag", "obj/app:1", "nameless")  # which no command could name
        crux.ctr("images", "rm", "obj/app:latest")
        bus.until_removed(PATH + "/image/obj_2fapp_3alatest")
        crux.equal(list(bus.objects("image")), [IMAGE], "images")
        ((listed,),) = bus.method("ListImages")
        crux.equal((listed[0], listed[1], listed[3]),
                   ("obj/app:1", bus.get("Digest", IMAGE, "Image"), IMAGE), "as listed")
        crux.equal(bus.method("GetImage", "s", "obj/app:1"), [IMAGE], "GetImage")

        start_app()
        bus.until_added(CONTAINER)
        bus.method("Destroy", path=IMAGE, interface="Image")
        bus.until_removed(IMAGE)
        crux.equal(bus.objects(), {}, "objects")


def test_methods_of_objects_are_the_managers():
    with Bus() as bus:
        import_app()
        start_app()
        bus.until_runs()
        crux.equal(bus.method("GetContainer", "s", "obj/app"), [CONTAINER], "GetContainer")
        crux.equal(bus.method("ListContainers")[0][0][:2], ("obj-app", "obj/app:1"), "as listed")
        for command in (["/bin/sh", "-c", "echo out; echo err >&2; exit 4"], ["/no/such"], []):
            results = []
            for call in (lambda: bus.method("ContainerExec", "sas", "obj/app", command),
                         lambda: bus.method("Exec", "as", command, path=CONTAINER, interface="Container")):
                try:
                    results.append(call())
                except sdbus.Failure as failure:
                    results.append((failure.name, failure.message))
            crux.equal(results[1], results[0], f"exec of {command}")
        bus.method("Stop", path=CONTAINER, interface="Container")
        bus.method("Stop", path=CONTAINER, interface="Container")  # which is no error
        crux.equal(error_of(bus.method, "Exec", "as", ["/bin/true"], path=CONTAINER, interface="Container"),
                   error_of(bus.method, "ContainerExec", "sas", "obj/app", ["/bin/true"]), "exec in a stopped one")
        crux.equal(error_of(bus.method, "GetContainer", "s", "nobody")[0], NAME + ".Error.NotFound", "GetContainer")
        crux.equal(error_of(bus.method, "GetContainer", "s", "a b")[0], NAME + ".Error.InvalidArgument", "GetContainer")
        crux.equal(error_of(bus.method, "GetImage", "s", "no:1")[0], NAME + ".Error.NotFound", "GetImage")


def test_who_may():
    """Everybody may look at properties; methods are for those that the commands are for."""

    def busctl(user, *arguments):
        return subprocess.run(["runuser", "-u", user, "--", "busctl", *arguments], capture_output=True, text=True, timeout=60)

    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
    looked = busctl("bob", "get-property", NAME, CONTAINER, f"{NAME}.Container", "State")
    crux.equal(looked.stdout, 's "running"\n', "what bob sees")
    for path, interface, *method in ((CONTAINER, "Container", "Stop"), (CONTAINER, "Container", "Exec", "as", "1", "true"),
                                     (IMAGE, "Image", "Destroy"), (PATH, "Manager", "ListContainers")):
        refused = busctl("bob", "call", NAME, path, f"{NAME}.{interface}", *method)
        assert refused.returncode != 0 and "may not" in refused.stderr, f"{method}: {refused}"
    allowed = busctl("alice", "call", NAME, CONTAINER, f"{NAME}.Container", "Exec", "as", "1", "/bin/true")
    crux.equal(allowed.stdout, "iayay 0 0 0\n", "what alice gets")


# ---- whose they are ----------------------------------------------------------------------------------------------------


def test_what_is_not_the_instances():
    """By other means: what has no label, another instance's or a build's is none of ours and is left alone."""
    import_app()
    start_app()
    with Bus() as bus, crux.directory() as directory:
        bus.get("Version")
        crux.mkimage.busybox(directory + "/base.tar")
        build = crux.build([{"from": "file base.tar", "steps": [{"run": "true"}]}], root=directory, output=directory)
        crux.ask("build", build)
        for id, *label in (("none",), ("theirs", f"{LABEL}.instance=other"),
                           ("build", f"{LABEL}.instance=default", f"{LABEL}.owner=x"),
                           ("ours", f"{LABEL}.instance=default")):
            crux.ctr("containers", "create", *(word for l in label for word in ("--label", l)), "obj/app:1", id)
        bus.until_added(PATH + "/container/ours")
        crux.equal(sorted(bus.objects("container")), [CONTAINER, PATH + "/container/ours"], "containers")
        crux.ctr("containers", "rm", "none", "theirs", "build", "ours")
        bus.until_removed(PATH + "/container/ours")
        heard = {path for _, path in bus.heard("container")} - {CONTAINER}
        crux.equal(heard, {PATH + "/container/ours"}, "what was heard of")


def test_two_instances_do_not_see_each_other():
    other = "/run/cruxd/instances/objects/cruxd.sock"
    crux.run("systemctl", "start", "cruxd@objects.socket")
    try:
        import_app()
        start_app()
        crux.ask("image-import", {"ref": "obj/theirs", "version": "1", "path": archive}, path=other)
        crux.ask("image-start", {"ref": "obj/theirs", "version": "1"}, path=other)
        theirs = {PATH + "/container/obj_2dtheirs", PATH + "/image/obj_2ftheirs_3a1"}
        with Bus() as ours, Bus(NAME + ".Instance.objects") as another:
            crux.eventually(lambda: another.is_there() and set(another.objects()) == theirs, 30, "their objects")
            crux.eventually(lambda: set(ours.objects()) == {CONTAINER, IMAGE}, 30, "our objects")
            another.method("Destroy", path=PATH + "/image/obj_2ftheirs_3a1", interface="Image")
            another.until_removed(PATH + "/image/obj_2ftheirs_3a1")
            crux.equal(set(ours.objects()), {CONTAINER, IMAGE}, "our objects")
    finally:
        for command in ("container-destroy", "image-destroy"):
            crux.request(command, {"id": "obj/theirs", "ref": "obj/theirs", "version": "1"}, path=other)
        crux.run("systemctl", "stop", "cruxd@objects.socket", "cruxd@objects.service", check=False)


# ---- coming and going ---------------------------------------------------------------------------------------------------


def test_an_end_that_no_daemon_saw():
    import_app()
    start_app()
    crux.run("systemctl", "stop", crux.SERVICE)
    assert not watches()
    crux.ctr("tasks", "kill", "-s", "SIGKILL", "obj-app")
    crux.eventually(lambda: "STOPPED" in crux.ctr("tasks", "ls"), 20, "the end")
    assert loggers(), "who logs has gone before the task"
    with Bus() as bus:
        container = bus.objects("container")[CONTAINER]["Container"]
        crux.equal((container["State"], container["ExitCode"]), ("stopped", 137), "at the first look")
    crux.equal(tasks(), [], "tasks")
    crux.eventually(lambda: not loggers(), 20, "the end of who logs")


def test_a_watch_that_is_killed():
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
        bus.seen.clear()
        (pid,) = watches()
        os.kill(pid, signal.SIGSTOP)  # so that it cannot tell of what happens now
        crux.ctr("images", "tag", "obj/app:1", "obj/app:2")
        crux.ctr("tasks", "kill", "-s", "SIGKILL", "obj-app")
        os.kill(pid, signal.SIGKILL)
        bus.until_changed(CONTAINER, State="stopped", ExitCode=137)
        crux.equal(set(bus.objects()), {CONTAINER, IMAGE, PATH + "/image/obj_2fapp_3a2"}, "objects")
        added = [path for member, path in bus.heard("container") + bus.heard("image") if member == "InterfacesAdded"]
        crux.equal(added, [PATH + "/image/obj_2fapp_3a2"], "what was new")
        crux.equal(bus.get("ContainerdReachable"), True, "containerd")
        assert pid not in watches()


@crux.timeout(300)
def test_containerd_goes_and_comes():
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
        version, pid = bus.get("ContainerdVersion"), bus.get("PID", CONTAINER, "Container")
        crux.contains(crux.run("containerd", "--version"), version.split("~")[0].lstrip("v"))
        crux.run("systemctl", "stop", "containerd.service")
        try:
            bus.until_changed(PATH, ContainerdReachable=False, ContainerdVersion="")
            crux.equal(bus.get("State", CONTAINER, "Container"), "running", "state while it is away")
            bus.seen.clear()
            os.kill(pid, signal.SIGKILL)
        finally:
            crux.run("systemctl", "start", "containerd.service")
        bus.until_changed(PATH, ContainerdReachable=True, ContainerdVersion=version)
        if bus.get("State", CONTAINER, "Container") != "stopped":
            bus.until_changed(CONTAINER, State="stopped")
        # Older versions of containerd throw away what has ended before they tell of it.
        assert bus.get("ExitCode", CONTAINER, "Container") in (-1, 137)
        crux.equal([m for m, _ in bus.heard("container") + bus.heard("image") if m != "PropertiesChanged"], [],
                   "what came or went")


def test_activated_while_containerd_is_away():
    """The name does not wait for ever, and who asks is told the truth."""
    crux.run("systemctl", "stop", crux.SERVICE)
    crux.run("systemctl", "stop", "containerd.service")
    crux.run("systemctl", "mask", "--runtime", "containerd.service")  # which the daemon wants to be there
    try:
        with Bus() as bus:
            crux.equal(bus.get("ContainerdReachable"), False, "reachable")
            crux.equal(error_of(bus.method, "ListContainers")[0], NAME + ".Error.Unavailable", "error")
            crux.equal(bus.objects(), {}, "objects")
    finally:
        crux.run("systemctl", "unmask", "--runtime", "containerd.service")
        crux.run("systemctl", "start", "containerd.service")
    with Bus() as bus:
        crux.eventually(lambda: bus.get("ContainerdReachable"), 60, "containerd")
        crux.equal(bus.method("ListContainers"), [[]], "list")


def test_reload_is_no_news():
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
        before = watches()
        bus.seen.clear()
        crux.run("systemctl", "reload", crux.SERVICE)
        crux.eventually(lambda: watches() and watches() != before, 30, "another watch")
        tell(5)
        bus.until_changed(CONTAINER, State="stopped", ExitCode=5)
        crux.equal({member for member, _ in bus.heard("container") + bus.heard("image")}, {"PropertiesChanged"}, "signals")


def test_an_update_that_fails():
    """The old one runs on, and its being stopped in between is no end."""
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
        crux.refused("container-update", {"ref": "obj/app", "version": "2", "id": "obj/app", "path": broken_archive})
        crux.equal(crux.ask("container-status", {"id": "obj/app"})["status"], "running", "status")
        tell(6)
        bus.until_changed(CONTAINER, State="stopped", ExitCode=6)
        crux.equal(bus.get("Image", CONTAINER, "Container"), "obj/app:1", "image")
        # One that succeeds leaves nothing of the old one's end.
        crux.ask("container-update", {"ref": "obj/app", "version": "3", "id": "obj/app", "path": other_archive})
        bus.until_changed(CONTAINER, Image="obj/app:3", State="running", ExitCode=-1)
        assert LABEL + ".exit-code" not in labels(), labels()


def test_it_keeps_nobody_from_leaving():
    os.makedirs(os.path.dirname(SETTINGS), exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write("[Daemon]\nExitOnIdleSec=1s\n")
    try:
        crux.run("systemctl", "stop", crux.SERVICE)
        import_app()
        start_app()
        crux.eventually(lambda: crux.show(crux.SERVICE, "ActiveState")["ActiveState"] == "inactive", 60, "the end")
        crux.equal(watches(), [], "watches")
        crux.equal(crux.show(crux.SERVICE, "Result")["Result"], "success", "result")
        crux.equal(tasks(), ["obj-app"], "tasks")
    finally:
        crux.remove_setting(SETTINGS)
        crux.run("systemctl", "stop", crux.SERVICE)


def test_it_is_no_command():
    with Bus() as bus:
        crux.eventually(watches, 20, "the watch")
        crux.eventually(lambda: "0 commands running, 0 waiting" in crux.show(crux.SERVICE, "StatusText")["StatusText"], 20,
                        "the status line")
        crux.equal(bus.method("ListJobs"), [[]], "jobs")
        crux.equal(bus.objects("job"), {}, "job objects")
    crux.refused("watch", code="unsupported", message="unknown command: watch")


def test_it_ends_with_the_daemon():
    crux.ask("status")
    crux.eventually(watches, 20, "the watch")
    (pid,) = watches()
    os.kill(main_pid(), signal.SIGKILL)
    crux.eventually(lambda: pid not in watches(), 20, "its end")


def test_it_ends_with_a_daemon_without_systemd():
    socket = crux.scratch() + "/objects/cruxd.sock"
    options = ["--instance=objects-alone", "--namespace=cruxd-objects", f"--socket={socket}"]
    daemon = subprocess.Popen(["cruxd", *options, "start"], stderr=subprocess.DEVNULL)
    try:
        (pid,) = crux.eventually(lambda: watches("objects-alone"), 20, "the watch")
    finally:
        daemon.kill()
        daemon.wait()
    crux.eventually(lambda: pid not in crux.processes(), 20, "its end")
    os.unlink(socket)


# ---- what stands there --------------------------------------------------------------------------------------------------


def interface_of(node, name):
    found = next(i for i in node.findall("interface") if i.get("name") == name)
    return sorted(
        (member.tag, member.get("name"), member.get("type"), member.get("access"),
         tuple((a.get("name"), a.get("type"), a.get("direction")) for a in member.findall("arg")))
        for member in found
        if member.tag != "annotation"
    )


@crux.table([("Container", CONTAINER), ("Image", IMAGE)], name=lambda row: row[0])
def test_introspection_is_what_is_installed(interface, path):
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
        (text,) = bus.call(NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect")
    running = xml.etree.ElementTree.fromstring(text)
    installed = xml.etree.ElementTree.parse(f"/usr/share/dbus-1/interfaces/{NAME}.{interface}.xml").getroot()
    crux.equal(interface_of(running, f"{NAME}.{interface}"), interface_of(installed, f"{NAME}.{interface}"))


def test_the_tree():
    import_app()
    start_app()
    with Bus() as bus:
        bus.until_runs()
    tree = crux.run("busctl", "tree", "--list", NAME).splitlines()
    for path in (PATH, CONTAINER, IMAGE):
        assert path in tree, tree


if __name__ == "__main__":
    crux.main()
