# SPDX-License-Identifier: Apache-2.0
"""The daemon on the system bus: the same commands with the same results as on the socket, jobs as objects and their
signals, who may ask, and coming and going without losing a call."""

import concurrent.futures
import contextlib
import json
import os
import re
import subprocess
import time
import xml.etree.ElementTree

import crux
import sdbus

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
ERROR = NAME + ".Error."
RULES = "/etc/polkit-1/rules.d/10-test.rules"
SETTINGS = "/run/cruxd/cruxd.conf.d/50-bus.conf"
BASE = {"from": "file base.tar"}


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


def setup():
    global root, output
    crux.destroy_everything()
    root, output = crux.scratch() + "/bus", crux.scratch() + "/bus-output"
    os.makedirs(root, exist_ok=True)
    os.makedirs(output, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar")


def teardown():
    remove_settings()
    crux.destroy_everything()


def busctl(*arguments, user=None, **options):
    command = ["busctl", "--json=short", *arguments]
    if user:
        command = ["runuser", "-u", user, "--", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def call(method, signature="", *arguments, path=PATH, interface="Manager", user=None):
    """A method's results as a list; its error as a BusError."""
    done = busctl("--", "call", NAME, path, f"{NAME}.{interface}", method, *([signature] if signature else []),
                  *map(str, arguments), user=user)
    if done.returncode != 0:
        raise BusError(error_name(method, signature, arguments, path, interface, user), done.stderr.strip())
    return json.loads(done.stdout)["data"] if done.stdout.strip() else []


def error_name(method, signature, arguments, path, interface, user):
    """busctl shows an error's message alone, so its name is taken from the bus's traffic when it is made again."""
    monitor = subprocess.Popen(["timeout", "5", "busctl", "--json=short", "monitor", NAME], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        busctl("--", "call", NAME, path, f"{NAME}.{interface}", method, *([signature] if signature else []),
               *map(str, arguments), user=user)
        for line in monitor.stdout:
            message = json.loads(line)
            if message.get("type") == "error":
                return next(value for key, value in message.items() if key.lower().replace("_", "") == "errorname")
        return ""
    finally:
        monitor.terminate()
        monitor.wait()


def get(property, path=PATH, interface="Manager"):
    return json.loads(busctl("get-property", NAME, path, f"{NAME}.{interface}", property, check=True).stdout)["data"]


def strings(values):
    return [len(values), *values]


def build_arguments(*steps, entrypoint=(), platforms=(), resource="test/build"):
    recipe = json.dumps({"stages": [{**BASE, "steps": list(steps)}]})
    return ["ssssasas", recipe, resource, output, root, *strings(entrypoint), *strings(platforms)]


def failed(function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except BusError as error:
        return error
    raise AssertionError(f"succeeded with {result!r}")


@contextlib.contextmanager
def signals(member=None):
    """What is signalled in the block: a list of (path, member, data) that is complete when the block is left."""
    monitor = subprocess.Popen(
        ["busctl", "--json=short", "monitor", "--match", f"type='signal',sender='{NAME}'"],
        stdout=subprocess.PIPE,
        text=True,
    )
    found = []
    time.sleep(0.5)
    try:
        yield found
        time.sleep(0.5)
    finally:
        monitor.terminate()
        for line in monitor.communicate()[0].splitlines():
            message = json.loads(line)
            if message["type"] == "signal" and member in (None, message["member"]):
                found.append((message["path"], message["member"], message["payload"]["data"]))


def settings(**values):
    os.makedirs(os.path.dirname(SETTINGS), exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write("[Daemon]\n" + "".join(f"{key}={value}\n" for key, value in values.items()))
    crux.run("systemctl", "stop", crux.SERVICE)


def remove_settings():
    if os.path.exists(SETTINGS):
        crux.remove_setting(SETTINGS)
        crux.run("systemctl", "stop", crux.SERVICE)


# ---- the ten commands ---------------------------------------------------------------------------------------------------


def test_status():
    crux.ask("status")
    running, version, pid, uptime, builds = call("Status")
    socket = crux.ask("status")
    crux.equal([running, version, pid, builds], [socket[k] for k in ("running", "version", "pid", "builds")], "status")
    crux.matches(uptime, r"^(\d+h)?(\d+m)?\d+s$")


def test_the_life_of_a_container():
    crux.equal(call("Build", *build_arguments({"run": "echo hi > /greeting"}, entrypoint=["/bin/sleep", "1000"])),
               [output], "output")
    assert os.path.exists(output + "/image.tar")
    crux.equal(call("ImageImport", "sss", "test/bus", "1", output + "/image.tar"), [])
    crux.equal(call("ContainerStatus", "s", "test/bus"), ["not created"])
    crux.equal(call("ImageStart", "sss", "test/bus", "1", ""), [])
    crux.equal(call("ContainerStatus", "s", "test/bus"), ["running"])
    crux.equal(crux.ask("container-status", {"id": "test/bus"})["status"], "running", "on the socket")

    code, out, err = call("ContainerExec", "sas", "test/bus", *strings(["/bin/sh", "-c", "cat /greeting; echo no >&2; exit 3"]))
    crux.equal([code, bytes(out), bytes(err)], [3, b"hi\n", b"no\n"], "exec")
    crux.equal(call("ContainerExec", "sas", "test/bus", *strings(["/bin/true"])), [0, [], []], "exec that says nothing")

    odd = bytes(range(256))
    octal = "".join(f"\\{byte:03o}" for byte in odd)
    crux.equal(bytes(call("ContainerExec", "sas", "test/bus", *strings(["/bin/printf", octal]))[1]), odd, "bytes")
    reply = crux.ask("container-exec", {"id": "test/bus", "command": ["/bin/printf", octal], "bytes": True})
    crux.equal(reply["stdout"].encode("latin-1"), odd, "bytes on the socket")

    crux.equal(call("ContainerUpdate", "ssss", "test/bus", "2", "test/bus", output + "/image.tar"), [])
    crux.equal(call("ContainerStop", "s", "test/bus"), [])
    crux.equal(call("ContainerStatus", "s", "test/bus"), ["stopped"])
    crux.equal(call("ContainerDestroy", "s", "test/bus"), [])
    for version in ("1", "2"):
        crux.equal(call("ImageDestroy", "ss", "test/bus", version), [])
    crux.equal(call("ContainerStatus", "s", "test/bus"), ["not created"])


ERRORS = [
    # method, signature, arguments, command and payload of the same on the socket
    ("ContainerStatus", "s", [""], "container-status", {"id": ""}),
    ("ContainerStatus", "s", ["a b"], "container-status", {"id": "a b"}),
    ("ContainerExec", "sas", ["nobody", 1, "true"], "container-exec", {"id": "nobody", "command": ["true"]}),
    ("ContainerExec", "sas", ["nobody", 0], "container-exec", {"id": "nobody", "command": []}),
    ("ImageStart", "sss", ["no/such", "1", ""], "image-start", {"ref": "no/such", "version": "1"}),
    ("ImageImport", "sss", ["r", "1", "/no/such"], "image-import", {"ref": "r", "version": "1", "path": "/no/such"}),
    ("ContainerUpdate", "ssss", ["r", "1", "no", "/x"], "container-update",
     {"ref": "r", "version": "1", "id": "no", "path": "/x"}),
]


@crux.table(ERRORS, name=lambda row: f"{row[0]} {row[2]}")
def test_errors_are_the_sockets(method, signature, arguments, command, payload):
    reply = crux.request(command, payload)
    error = failed(call, method, signature, *arguments)
    crux.contains(error.message, reply.message.splitlines()[0])
    crux.equal(error.name, ERROR + "".join(word.capitalize() for word in reply.code.split("-")), "name")


def test_build_errors():
    crux.contains(failed(call, "Build", *build_arguments({"run": "exit 4"})).message, "exit code 4")
    error = failed(call, "Build", "ssssasas", "{", "r", output, root, 0, 0)
    crux.contains(error.message, "malformed recipe")
    crux.contains(failed(call, "Build", "ssssasas", "{}", "r", output, root, 0, 0).message, "stage")


# ---- jobs -------------------------------------------------------------------------------------------------------------------


def test_a_job_from_start_to_end():
    with signals() as seen:
        (path,) = call("StartBuild", *build_arguments({"run": "echo first"}, {"run": "echo second; sleep 2"}))
        id = int(path.rsplit("/", 1)[1])
        crux.equal(call("GetJob", "t", id), [path], "GetJob")
        (jobs,) = call("ListJobs")
        crux.equal([job[:4] for job in jobs if job[0] == id], [[id, "build", "test/build", 0]], "ListJobs")
        crux.eventually(lambda: get("Step", path, "Job") == 2, 20, "the second step")
        for name, value in {"Id": id, "Command": "build", "Resource": "test/build", "State": "running", "Result": "",
                            "Platform": f"linux/{crux.mkimage.ARCH}", "Stage": "1", "Steps": 2, "CreatorUID": 0}.items():
            crux.equal(get(name, path, "Job"), value, name)
        crux.eventually(lambda: not call("ListJobs")[0], 30, "the end")
    members = [(p, m) for p, m, _ in seen]
    assert (PATH, "JobNew") in members and (path, "Log") in members and (path, "PropertiesChanged") in members, members
    lines = [data for p, m, data in seen if m == "Log"]
    crux.equal(lines, [["stdout", "first"], ["stdout", "second"]], "lines")
    removed = [data for _, m, data in seen if m == "JobRemoved"]
    crux.equal(removed, [[id, path, "done", ""]], "JobRemoved")
    states = [data[1]["State"]["data"] for p, m, data in seen if p == path and m == "PropertiesChanged" and "State" in data[1]]
    crux.equal(states, ["running", "ended"], "states")
    assert failed(call, "GetJob", "t", id).name == ERROR + "NotFound"


def test_cancelling_a_job():
    with crux.leftovers():
        for cancel in (lambda path: call("CancelJob", "t", path.rsplit("/", 1)[1]),
                       lambda path: call("Cancel", path=path, interface="Job")):
            with signals("JobRemoved") as seen:
                (path,) = call("StartBuild", *build_arguments({"run": "sleep 300"}))
                crux.eventually(lambda: get("Step", path, "Job") == 1, 20, "the step")
                crux.equal(cancel(path), [])
                crux.eventually(lambda: not call("ListJobs")[0], 20, "the end")
            crux.equal([data[2] for _, _, data in seen], ["cancelled"], "result")


def test_jobs_of_the_socket_are_jobs_too():
    with crux.Connection() as connection:
        stages = [{**BASE, "steps": [{"run": "sleep 300"}]}]
        connection.send(crux.encode("build", crux.build(stages, root=root, output=output)))
        job = crux.eventually(lambda: [j for j in call("ListJobs")[0] if j[1] == "build"], 20, "the job")[0]
        crux.eventually(lambda: get("State", job[5], "Job") == "running", 10, "its start")
        call("CancelJob", "t", job[0])
        crux.equal(crux.Reply(connection.line()).code, "cancelled", "code")


def test_anothers_job_stays():
    (path,) = call("StartBuild", *build_arguments({"run": "sleep 300"}))
    try:
        error = failed(call, "CancelJob", "t", path.rsplit("/", 1)[1], user="alice")
        crux.contains(error.message, "another user's")
    finally:
        call("Cancel", path=path, interface="Job")


def test_a_caller_that_leaves_cancels():
    with crux.leftovers():
        caller = subprocess.Popen(["busctl", "call", NAME, PATH, f"{NAME}.Manager", "Build",
                                   *map(str, build_arguments({"run": "sleep 300"}))])
        job = crux.eventually(lambda: [j for j in call("ListJobs")[0] if j[4] == "running"], 20, "the job")[0]
        crux.eventually(lambda: get("Step", job[5], "Job") == 1, 20, "the step")
        caller.kill()
        caller.wait()
        crux.eventually(lambda: not call("ListJobs")[0], 20, "the end")


def test_one_who_only_starts_may_leave():
    with signals("JobRemoved") as seen:
        call("StartBuild", *build_arguments({"run": "sleep 1"}))
        crux.eventually(lambda: not call("ListJobs")[0], 30, "the end")
    crux.equal([data[2] for _, _, data in seen], ["done"], "result")


# ---- who may ----------------------------------------------------------------------------------------------------------------


def test_members_may():
    crux.equal(call("ContainerStatus", "s", "nobody", user="alice"), ["not created"])


def test_strangers_may_not():
    for arguments in (("Status",), ("ContainerStatus", "s", "nobody"), ("StartBuild", *build_arguments({"run": "true"})),
                      ("ListJobs",), ("ContainerExec", "sas", "x", 1, "true")):
        error = failed(call, *arguments, user="bob")
        crux.contains(error.message, "may not")
        assert error.name in (ERROR + "PermissionDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")


def members_heard(user):
    """What this user hears of a job that another one has started."""

    def listen():
        with sdbus.Bus() as bus:
            bus.match(f"type='signal',sender='{NAME}'")
            print("", file=open(f"{listeners}/{user}", "w"))
            heard = []
            for path, member, values in bus.signals(30):
                if path.startswith(PATH):
                    heard.append(member.encode())
                if member == "PropertiesChanged" and values[1].get("State") == "ended":
                    break
            return heard

    return {line.decode() for line in crux.as_user(user, listen)}


def test_strangers_hear_nothing():
    """Signals go to all who listen: what a build prints is for members alone."""
    global listeners
    with crux.directory(mode=0o777) as listeners, concurrent.futures.ThreadPoolExecutor(2) as pool:
        heard = {user: pool.submit(members_heard, user) for user in ("alice", "bob")}
        crux.eventually(lambda: len(os.listdir(listeners)) == 2, 20, "two listeners")
        call("Build", *build_arguments({"run": "echo secret"}))
        alice, bob = heard["alice"].result(), heard["bob"].result()
    assert {"JobNew", "Log", "PropertiesChanged"} <= alice, alice
    assert bob <= {"PropertiesChanged", "InterfacesAdded", "InterfacesRemoved"}, bob


@contextlib.contextmanager
def polkit_rule(text):
    with open(RULES, "w") as file:
        file.write(f"polkit.addRule(function(action, subject) {{ {text} }});\n")
    crux.run("systemctl", "restart", "polkit.service")
    try:
        yield
    finally:
        os.unlink(RULES)
        crux.run("systemctl", "restart", "polkit.service")


def test_polkit_decides_about_strangers():
    with polkit_rule(f'if (action.id == "{NAME}.inspect" && subject.user == "bob") return polkit.Result.YES;'):
        crux.equal(call("ContainerStatus", "s", "nobody", user="bob"), ["not created"])
        crux.equal(call("Status", user="bob")[0], True)
        crux.contains(failed(call, "ContainerStop", "s", "nobody", user="bob").message, "may not")


def test_polkit_guards_the_socket_too():
    path = "/run/cruxd/instances/default/cruxd.sock"
    os.chmod(path, 0o666)
    try:
        crux.equal(crux.request("status", user="bob").code, "permission-denied", "code")
        with polkit_rule(f'if (action.id == "{NAME}.inspect" && subject.user == "bob") return polkit.Result.YES;'):
            assert crux.request("status", user="bob").ok
            assert crux.request("container-status", {"id": "nobody"}, user="bob").ok
            crux.equal(crux.request("container-stop", {"id": "nobody"}, user="bob").code, "permission-denied", "code")
        assert crux.request("status", user="alice").ok
    finally:
        os.chmod(path, 0o660)


def test_without_polkit_it_is_no():
    crux.run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        crux.contains(failed(call, "ContainerStatus", "s", "nobody", user="bob").message, "may not")
        crux.equal(call("ContainerStatus", "s", "nobody", user="alice"), ["not created"])
        assert crux.request("status").ok
    finally:
        crux.run("systemctl", "unmask", "--runtime", "polkit.service")


# ---- what stands there ------------------------------------------------------------------------------------------------------


def interface_of(node, name):
    """What an interface offers, without the order and the annotations that no caller sees."""
    found = next(i for i in node.findall("interface") if i.get("name") == name)
    return sorted(
        (member.tag, member.get("name"), member.get("type"), member.get("access"),
         tuple((a.get("name"), a.get("type"), a.get("direction")) for a in member.findall("arg")))
        for member in found
        if member.tag != "annotation"
    )


@crux.table([("Manager",), ("Job",)])
def test_introspection_is_what_is_installed(interface):
    path, job = PATH, None
    if interface == "Job":
        (path,) = call("StartBuild", *build_arguments({"run": "sleep 300"}))
        job = path
    try:
        done = busctl("call", NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect", check=True)
        running = xml.etree.ElementTree.fromstring(json.loads(done.stdout)["data"][0])
        installed = xml.etree.ElementTree.parse(f"/usr/share/dbus-1/interfaces/{NAME}.{interface}.xml").getroot()
        crux.equal(interface_of(running, f"{NAME}.{interface}"), interface_of(installed, f"{NAME}.{interface}"))
    finally:
        if job:
            call("Cancel", path=job, interface="Job")


def test_properties():
    crux.equal(get("Instance"), "default")
    crux.equal(get("Namespace"), "cruxd")
    crux.equal(get("ContainerdAddress"), "/run/containerd/containerd.sock")
    crux.equal(get("Builds"), crux.ask("status")["builds"])
    assert 0 < time.time() - get("StartTimestamp") / 1e6 < 7 * 86400


def test_log_level():
    def level(*arguments):
        return crux.run("systemctl", "service-log-level", crux.SERVICE, *arguments).strip()

    before = level()
    level("debug")
    crux.equal(level(), "debug")
    since = time.time()
    crux.ask("container-status", {"id": "nobody"})
    assert crux.journal("CRUXD_COMMAND=container-status", since=since), "nothing at this level"
    level(before)
    assert busctl("set-property", NAME, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel", "s",
                  "debug", user="alice").returncode != 0, "alice may set it"


# ---- coming and going --------------------------------------------------------------------------------------------------------


def test_activated_by_the_bus():
    crux.run("systemctl", "stop", crux.SERVICE)
    pid = call("Status")[2]
    crux.equal(crux.ask("status")["pid"], pid, "the same process")


@crux.timeout(600)
def test_no_call_is_lost_while_it_comes_and_goes():
    settings(ExitOnIdleSec="1ms")
    try:
        def one(number):
            time.sleep(0.5 if number % 100 < 4 else number % 7 * 0.01)
            return call("Status")[2] if number % 2 else crux.ask("status")["pid"]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            pids = set(pool.map(one, range(1000)))
        assert len(pids) > 2, f"{len(pids)} daemons"
    finally:
        remove_settings()


if __name__ == "__main__":
    crux.main()
