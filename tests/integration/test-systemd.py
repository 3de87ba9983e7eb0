#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cruxd among systemd's own: its units, its activation, what the journal says, where its containers stand."""

import contextlib
import glob
import os
import shutil
import time

import crux

# What `systemd-analyze security` may say of the service, times ten.
EXPOSURE_MAX = 25

SETTINGS = "/run/cruxd/cruxd.conf.d/50-test.conf"
BASE = {"from": "file base.tar"}


def setup():
    global root, output
    root, output = crux.scratch() + "/systemd", crux.scratch() + "/systemd-output"
    os.makedirs(root, exist_ok=True)
    os.makedirs(output, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar")


def teardown():
    remove_settings()
    crux.destroy_everything()


def build(*steps, **more):
    return crux.ask("build", crux.build([{**BASE, "steps": list(steps)}], root=root, output=output, **more))


@contextlib.contextmanager
def service(id, command, instance="default"):
    """A running container."""
    path = f"/run/cruxd/instances/{instance}/cruxd.sock" if instance != "default" else None
    build({"run": "true"}, entrypoint=["/bin/sh", "-c", command])
    crux.ask("image-import", {"ref": id, "version": "1", "path": output + "/image.tar"}, path=path)
    try:
        crux.ask("image-start", {"ref": id, "version": "1"}, path=path)
        yield f"cruxd-{instance + '--' if path else ''}{id.replace('/', '-')}.scope"
    finally:
        crux.ask("image-destroy", {"ref": id, "version": "1"}, path=path)


@contextlib.contextmanager
def second_instance():
    """Its name."""
    crux.run("systemctl", "start", "cruxd@other.socket")
    try:
        yield "other"
    finally:
        crux.run("systemctl", "stop", "cruxd@other.socket", "cruxd@other.service", check=False)


def settings(**values):
    os.makedirs(os.path.dirname(SETTINGS), exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write("[Daemon]\n" + "".join(f"{key}={value}\n" for key, value in values.items()))
    crux.run("systemctl", "stop", crux.SERVICE)


def remove_settings():
    if os.path.exists(SETTINGS):
        crux.remove_setting(SETTINGS)
        crux.run("systemctl", "stop", crux.SERVICE)


# ---- what is installed -------------------------------------------------------------------------------------------------


def test_units_are_in_order():
    units = [os.path.basename(path) for path in glob.glob("/usr/lib/systemd/system/cruxd*.*") if not path.endswith(".d")]
    assert len(units) >= 3, units
    names = [unit.replace("@.", "@default.") for unit in units]
    done = crux.run("systemd-analyze", "verify", "--recursive-errors=yes", *names, check=False)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "cruxd" in line]
    crux.equal(complaints, [])


def test_exposure():
    if crux.SANITIZED:
        crux.skip("the sanitizers need what the sandbox denies")
    crux.run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}",
             "--no-pager", "/usr/lib/systemd/system/cruxd@.service")


def test_sysusers_and_tmpfiles():
    with crux.directory() as tree:
        crux.run("systemd-sysusers", f"--root={tree}", "--dry-run", "/usr/lib/sysusers.d/cruxd.conf")
        os.makedirs(tree + "/etc")
        with open(tree + "/etc/group", "w") as file:
            file.write("root:x:0:\ncruxd:x:990:\n")
        with open(tree + "/etc/passwd", "w") as file:
            file.write("root:x:0:0::/root:/bin/sh\n")
        crux.run("systemd-tmpfiles", f"--root={tree}", "--create", "/usr/lib/tmpfiles.d/cruxd.conf")


def test_catalog():
    """Every message that has an id is explained."""
    listed = crux.run("journalctl", "--list-catalog")
    with open("/usr/lib/systemd/catalog/cruxd.catalog") as file:
        ids = [line.split()[1] for line in file if line.startswith("-- ")]
    assert ids
    for id in ids:
        crux.contains(listed, id)


# ---- life --------------------------------------------------------------------------------------------------------------


def test_activated_by_its_socket():
    crux.run("systemctl", "stop", crux.SERVICE)
    crux.equal(crux.show(crux.SERVICE, "ActiveState")["ActiveState"], "inactive")
    crux.ask("status")
    state = crux.show(crux.SERVICE, "ActiveState", "MainPID", "StatusText")
    crux.equal(state["ActiveState"], "active")
    crux.equal(int(state["MainPID"]), crux.ask("status")["pid"])
    crux.contains(state["StatusText"], "builds done")


def test_leaves_when_idle_and_keeps_its_count():
    build({"run": "true"})
    builds = crux.ask("status")["builds"]
    assert builds >= 1
    settings(ExitOnIdleSec="1s")
    try:
        crux.equal(crux.ask("status")["builds"], builds)
        crux.eventually(lambda: crux.show(crux.SERVICE, "ActiveState")["ActiveState"] == "inactive", 15, "idle exit")
        crux.equal(crux.show(crux.SERVICE, "Result")["Result"], "success")
        crux.equal(crux.show(crux.SOCKET_UNIT, "ActiveState")["ActiveState"], "active")
        crux.equal(crux.ask("status")["builds"], builds)
    finally:
        remove_settings()


@crux.timeout(300)
def test_no_connection_is_lost_while_it_comes_and_goes():
    settings(ExitOnIdleSec="1ms")
    try:
        pids = set()
        for number in range(300):
            pids.add(crux.ask("status")["pid"])
            if number % 15 == 0:  # long enough for it to leave
                time.sleep(0.4)
        assert len(pids) > 2, f"{len(pids)} daemons"
    finally:
        remove_settings()


def bus_property(name, path="/xyz/cruciblehq/cruxd1", interface="xyz.cruciblehq.cruxd1.Manager"):
    return crux.run("busctl", "get-property", "xyz.cruciblehq.cruxd1", path, interface, name).split()[1].strip('"')


def test_reload():
    """The log level and the limits, without a restart."""
    crux.ask("status")
    pid = crux.show(crux.SERVICE, "MainPID")["MainPID"]
    level = ("LogLevel", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1")
    before = bus_property("QueueMax"), bus_property(*level)
    os.makedirs(os.path.dirname(SETTINGS), exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write("[Daemon]\nLogLevel=debug\n[Limits]\nQueueMax=77\n")
    try:
        crux.run("systemctl", "reload", crux.SERVICE)
        crux.equal((bus_property("QueueMax"), bus_property(*level)), ("77", "debug"))
    finally:
        crux.remove_setting(SETTINGS)
        crux.run("systemctl", "reload", crux.SERVICE)
    crux.equal((bus_property("QueueMax"), bus_property(*level)), before)
    crux.equal(crux.show(crux.SERVICE, "MainPID")["MainPID"], pid)


def test_status_says_what_it_is_doing():
    with crux.Connection() as connection:
        stages = [{**BASE, "steps": [{"run": "sleep 1000"}]}]
        # A line of its own would be one more word to systemd.
        payload = {**crux.build(stages, root=root, output=output), "resource": "test/build\nMAINPID=1"}
        connection.send(crux.encode("build", payload))

        def told():
            return 'build "test/build?MAINPID=1"' in crux.show(crux.SERVICE, "StatusText")["StatusText"]

        crux.eventually(told, 20, "the build's name")
    crux.eventually(lambda: not told(), 30, "its end")


def test_restart_leaves_containers_running():
    with service("test/kept", "echo up; sleep 10000") as scope:
        pid = crux.ctr("tasks", "ls").split("test-kept")[1].split()[0]
        crux.ask("status")
        crux.run("systemctl", "restart", crux.SERVICE)
        crux.equal(crux.ask("container-status", {"id": "test/kept"})["status"], "running")
        crux.equal(crux.ctr("tasks", "ls").split("test-kept")[1].split()[0], pid)
        crux.equal(crux.show(scope, "ActiveState")["ActiveState"], "active")


def test_a_second_instance():
    """It has its own socket and namespace, and neither sees what is the other's."""
    other = "/run/cruxd/instances/other/cruxd.sock"
    with second_instance(), service("test/mine", "sleep 10000"):
        crux.equal(crux.ask("container-status", {"id": "test/mine"}, path=other)["status"], "not created")
        crux.refused("image-start", {"ref": "test/mine", "version": "1"}, path=other, code="not-found")
        crux.ask("image-destroy", {"ref": "test/mine", "version": "1"}, path=other)
        crux.equal(crux.ask("container-status", {"id": "test/mine"})["status"], "running")


def test_an_id_that_begins_with_an_instances_name():
    """Both run, in scopes of their own, and what each writes is found."""
    with second_instance() as other, service("other/x", "echo first; sleep 10000") as first, \
            service("x", "echo second; sleep 10000", instance=other) as second:
        for scope, slice, id, instance, word in ((first, "cruxd-default.slice", "other/x", "default", "first"),
                                                 (second, "cruxd-other.slice", "x", "other", "second")):
            crux.equal(crux.show(scope, "ActiveState", "Slice"), {"ActiveState": "active", "Slice": slice}, scope)

            def said():
                return crux.run("cruxctl", f"--instance={instance}", "log", id, "-o", "cat", "-n", "1", "CRUXD_STREAM=stdout")

            crux.eventually(lambda: said() == word + "\n", 10, f"the output in {scope}")


# ---- the journal -------------------------------------------------------------------------------------------------------


def test_a_build_in_the_journal():
    begun = time.time()
    build({"run": "echo said; echo complained >&2"}, {"workdir": "/w"})
    entries = crux.journal("CRUXD_COMMAND=build", since=begun)
    jobs = {entry["CRUXD_JOB"] for entry in entries}
    crux.equal(len(jobs), 1, "jobs")
    whole = crux.journal(f"CRUXD_JOB={jobs.pop()}", since=begun)
    lines = {entry["MESSAGE"]: entry for entry in whole}
    said, complained = lines["said"], lines["complained"]
    crux.equal(said["CRUXD_STREAM"], "stdout")
    crux.equal(complained["CRUXD_STREAM"], "stderr")
    for name, value in {"CRUXD_INSTANCE": "default", "CRUXD_COMMAND": "build", "CRUXD_RESOURCE": "test/build",
                        "CRUXD_PLATFORM": f"linux/{crux.mkimage.ARCH}", "CRUXD_STAGE": "1", "CRUXD_STEP": "1",
                        "CRUXD_CLIENT_UID": "0", "SYSLOG_IDENTIFIER": "cruxd", "PRIORITY": "6"}.items():
        crux.equal(said.get(name), value, name)
    ids = [entry["MESSAGE_ID"] for entry in whole if "MESSAGE_ID" in entry]
    assert len(set(ids)) >= 2, f"a start and an end: {ids}"
    explained = crux.run("journalctl", "-x", "--no-pager", f"CRUXD_JOB={whole[0]['CRUXD_JOB']}", "--since", f"@{begun}")
    crux.contains(explained, "Subject: A command of cruxd")


@crux.timeout(180)
def test_a_burst_of_a_step_is_whole():
    begun = time.time()
    build({"run": "seq 1 100000"})
    seen = [e["MESSAGE"] for e in crux.journal("CRUXD_STREAM=stdout", since=begun)]
    crux.equal(len(seen), 100000, "lines in the journal")
    crux.equal(seen, [str(n) for n in range(1, 100001)])


def test_values_of_the_environment_are_not_logged():
    begun = time.time()
    build({"env": {"TOKEN": "not-for-the-journal"}}, {"run": "true"})
    for entry in crux.journal("SYSLOG_IDENTIFIER=cruxd", since=begun):
        assert "not-for-the-journal" not in str(entry), entry


def test_a_containers_output():
    command = "echo up; echo oops >&2; printf 'a\\001\\377b\\n'; printf unfinished; sleep 10000"
    with service("test/talks", command) as scope:
        def lines():
            entries = crux.journal(f"OBJECT_SYSTEMD_UNIT={scope}")
            return {str(entry["MESSAGE"]): entry for entry in entries}
        wanted = {"up", "oops", str([97, 1, 255, 98])}  # what is no text comes as its bytes
        entries = crux.eventually(lambda: wanted <= (found := lines()).keys() and found, 10, "three lines")
        crux.contains(crux.run("journalctl", "-u", scope, "--no-pager"), "oops")
        crux.equal(entries["oops"]["CONTAINER_NAME"], "test-talks")
        crux.equal(entries["oops"]["CRUXD_STREAM"], "stderr")
        crux.equal(entries["up"]["CRUXD_STREAM"], "stdout")
        crux.equal(entries["up"]["CRUXD_INSTANCE"], "default")
    crux.eventually(lambda: "unfinished" in [e["MESSAGE"] for e in crux.journal("CONTAINER_NAME=test-talks")], 10,
                    "the last line, though it has no end")


def test_output_outlives_restarts():
    """The numbers go on without a gap while everything around the container is restarted."""
    begun = time.time()
    with service("test/counts", "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.01; done; sleep 10000"):
        crux.run("systemctl", "restart", crux.SERVICE)
        crux.run("systemctl", "restart", "systemd-journald.service")
        crux.run("systemctl", "restart", "containerd.service")
        numbers = crux.eventually(
            lambda: (n := [e["MESSAGE"] for e in crux.journal("CONTAINER_NAME=test-counts", since=begun)]) and
            n[-1] == "400" and n, 60, "400 lines")
        crux.equal(numbers, [str(n) for n in range(1, 401)])


# ---- cgroups -----------------------------------------------------------------------------------------------------------


def test_containers_have_scopes():
    with service("test/scoped", "sleep 10000") as scope:
        state = crux.show(scope, "ActiveState", "Slice")
        crux.equal(state["ActiveState"], "active")
        crux.equal(state["Slice"], "cruxd-default.slice")
        crux.eventually(lambda: "test-scoped" in crux.show(scope, "Description")["Description"], 5, "its description")
        crux.contains(crux.run("systemctl", "status", "--no-pager", "cruxd.slice", check=False).stdout, scope)


def test_builds_have_a_slice_of_their_own():
    with crux.Connection() as connection:
        stages = [{**BASE, "steps": [{"run": "echo begun; sleep 1000"}]}]
        connection.send(crux.encode("build", crux.build(stages, root=root, output=output, progress=True)))
        while b'"line":"begun"' not in connection.line():
            pass
        units = crux.run("systemctl", "list-units", "--no-legend", "--plain", "cruxd-*.scope").split()
        scope = next(unit for unit in units if unit.endswith(".scope"))
        crux.equal(crux.show(scope, "Slice")["Slice"], "cruxd-default-build.slice")


def failed_scope(name):
    crux.run("systemd-run", "--scope", f"--unit={name}", "-p", "RuntimeMaxSec=100ms", "sleep", "10000", check=False)
    crux.eventually(lambda: crux.show(name, "ActiveState")["ActiveState"] == "failed", 20, "its failure")


def is_gone(scope):
    return crux.show(scope, "LoadState")["LoadState"] == "not-found"


def test_scopes_that_nobody_needs_are_removed():
    """A failed one stays for ever, as does one whose container had died before systemd knew of it. Each instance looks at
    its own."""
    ours, theirs = "cruxd-left.scope", "cruxd-other--left.scope"
    failed_scope(ours)
    failed_scope(theirs)
    with service("test/needed", "sleep 10000") as needed:
        crux.run("systemctl", "restart", crux.SERVICE)
        crux.eventually(lambda: is_gone(ours), 20, "its end")
        crux.equal(crux.show(needed, "ActiveState")["ActiveState"], "active")
        crux.equal(crux.show(theirs, "ActiveState")["ActiveState"], "failed")
        with second_instance() as other:
            crux.ask("status", path=f"/run/cruxd/instances/{other}/cruxd.sock")
            crux.eventually(lambda: is_gone(theirs), 20, "the other's end")
        crux.equal(crux.show(needed, "ActiveState")["ActiveState"], "active")


def test_fifos_that_nobody_needs_are_removed():
    """A worker that is killed while it starts a process leaves them; one that does so now has new ones."""
    names = ("stdin", "stdout", "stderr")
    old, new = (f"/run/cruxd/instances/default/state/exec-{age}" for age in ("old", "new"))
    for directory in (old, new):
        os.makedirs(directory)
        for name in names:
            os.mkfifo(f"{directory}/{name}")
    try:
        os.utime(old, (time.time() - 120,) * 2)
        crux.run("systemctl", "restart", crux.SERVICE)
        crux.eventually(lambda: not os.path.exists(old), 20, "their end")
        crux.equal(sorted(os.listdir(new)), sorted(names), "those of one that starts")
    finally:
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new)


def test_without_systemd():
    """Where it does not run, containers are in plain cgroups."""
    request = crux.encode("build", crux.build([{**BASE, "steps": [{"run": "cat /proc/self/cgroup"}]}], root=root, output=output))
    command = "mount -t tmpfs none /run/systemd && exec cruxd worker"
    done = crux.run("unshare", "--mount", "--propagation=slave", "sh", "-c", command, input=request.decode(), check=False)
    crux.contains(done.stdout, '"command":"ok"')
    crux.contains(done.stderr, "0::/cruxd/cruxd-build-")
    crux.equal(os.listdir("/sys/fs/cgroup/cruxd").count("cgroup.procs"), 1, "the cgroups' parent")
    os.rmdir("/sys/fs/cgroup/cruxd")


def test_stopping_a_slice_is_quick():
    """Also of a container whose first process handles no signals."""
    with service("test/deaf", "trap '' TERM; while :; do sleep 1; done") as scope:
        begun = time.monotonic()
        crux.run("systemctl", "stop", scope)
        assert time.monotonic() - begun < 10
        crux.eventually(lambda: crux.ask("container-status", {"id": "test/deaf"})["status"] == "stopped", 10)


if __name__ == "__main__":
    crux.main()
