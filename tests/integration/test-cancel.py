#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Commands that are ended before their time: by their client, by signals to any part, by containerd's death. Whatever
happens, and whenever, the next state is clean."""

import os
import random
import signal
import subprocess
import time

import crux

# The rounds of what happens at random moments; a longer run sets another number, and the seed of one that failed.
ROUNDS = int(os.environ.get("CRUXD_TEST_ROUNDS", "40"))
SEED = int(os.environ.get("CRUXD_TEST_SEED", str(random.randrange(1 << 32))))

# What the broker may grow by over all of them, in KiB: what its allocator keeps.
GROWTH_KIB = 1024

BASE = {"from": "file base.tar"}
SLEEP = [{**BASE, "steps": [{"run": "echo begun; sleep 1000"}]}]

# Every kind of step, with something to do in each for a moment.
MIXED = [
    {"name": "first", "transient": True, **BASE, "steps": [
        {"copy": "src /work/src"},
        {"run": "cp -r /work/src /work/again; dd if=/dev/urandom of=/work/random bs=1M count=8"},
    ]},
    {**BASE, "steps": [
        {"copy": "first:/work /work"},
        {"run": "rm -r /work/again", "workdir": "/new"},
        {"copy": "src /other"},
        {"run": "sleep 0.05; echo done"},
    ]},
]


def setup():
    global root, output
    root, output = crux.scratch() + "/cancel", crux.scratch() + "/cancel-output"
    os.makedirs(root + "/src", exist_ok=True)
    os.makedirs(output, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar")
    for number in range(200):
        with open(f"{root}/src/{number}", "wb") as file:
            file.write(os.urandom(20000))
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}]))  # the base image is there from now on
    os.unlink(output + "/image.tar")


def inputs(stages, **more):
    return crux.build(stages, root=root, output=output, **more)


def begin(stages, path=None, **more):
    """A build under way, whose first output has come."""
    connection = crux.Connection(path)
    connection.send(crux.encode("build", inputs(stages, progress=True, **more)))
    while b'"line":"begun"' not in (line := connection.line()):
        assert b'"progress"' in line, f"not begun: {line!r}"
    return connection


def last_reply(connection):
    lines = connection.lines()
    assert lines, "the connection was closed without a reply"
    return crux.Reply(lines[-1])


def clean(before, **options):
    crux.nothing_left(before, **options)
    crux.equal(os.listdir(output), [], "files in the output directory")


def main_pid():
    return int(crux.show(crux.SERVICE, "MainPID")["MainPID"])


def workers():
    return [pid for pid, name in crux.workers().items() if name != "cruxd-watch"]


def busy_worker():
    """The worker that waits for the step of SLEEP: the one that a build has to itself is the youngest."""
    return max(workers())


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def test_client_goes_in_a_run():
    before = crux.State()
    begin(SLEEP).close()
    clean(before)
    crux.ask("status")


def test_client_goes_in_a_copy():
    before = crux.State()
    with open(root + "/large", "wb") as file:
        file.truncate(4 << 30)
        for position in range(0, 4 << 30, 64 << 20):  # no holes to skip quickly
            file.seek(position)
            file.write(b"x" * (1 << 20))
    try:
        connection = crux.Connection()
        connection.send(crux.encode("build", inputs([{**BASE, "steps": [{"copy": "large /large"}]}])))
        time.sleep(0.1)
        connection.close()
        clean(before)
    finally:
        os.unlink(root + "/large")


def test_client_that_only_stops_sending_is_answered():
    with crux.Connection() as connection:
        connection.send(crux.encode("build", inputs([{**BASE, "steps": [{"run": "sleep 0.3"}]}]))).half_close()
        assert last_reply(connection).ok
    os.unlink(output + "/image.tar")


def test_step_that_ignores_signals():
    before = crux.State()
    begin([{**BASE, "steps": [{"run": "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done"}]}]).close()
    clean(before)


def test_step_that_forks_away():
    before = crux.State()
    begin([{**BASE, "steps": [{"run": "setsid sleep 1000 & setsid sh -c 'sleep 1001' & echo begun; sleep 1002"}]}]).close()
    clean(before)


def test_step_that_leaves_something_running():
    before = crux.State()
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "setsid sleep 1000 & echo left"}, {"run": "echo after"}]}]))
    os.unlink(output + "/image.tar")
    clean(before)


def test_step_that_prints_for_ever():
    before = crux.State()
    begin([{**BASE, "steps": [{"run": "echo begun; yes"}]}]).close()
    clean(before)


@crux.timeout(60 + ROUNDS * 5)
def test_random_moments():
    """Clients go at moments that are spread over all of a build."""
    print(f"# seed {SEED}, {ROUNDS} rounds")
    choose = random.Random(SEED)
    begun = time.monotonic()
    crux.ask("build", inputs(MIXED))
    whole = time.monotonic() - begun
    os.unlink(output + "/image.tar")
    before = crux.State()
    pid, memory = main_pid(), resident_kib(main_pid())
    for _ in range(ROUNDS):
        with crux.Connection() as connection:
            connection.send(crux.encode("build", inputs(MIXED)))
            time.sleep(choose.uniform(0, whole))
        if os.path.exists(output + "/image.tar"):  # it was faster
            os.unlink(output + "/image.tar")
    crux.eventually(lambda: len(workers()) <= 2, 60, "workers of cancelled builds ended")
    if os.path.exists(output + "/image.tar"):
        os.unlink(output + "/image.tar")
    clean(before)
    crux.equal(main_pid(), pid, "the daemon's pid")
    grown = resident_kib(pid) - memory
    print(f"# the daemon had {memory} KiB and has {memory + grown}")
    assert grown <= GROWTH_KIB or crux.SANITIZED, f"the daemon has grown by {grown} KiB"


def test_worker_killed():
    before = crux.State()
    with begin(SLEEP) as connection:
        os.kill(busy_worker(), signal.SIGKILL)
        reply = last_reply(connection)
    crux.equal(reply.code, "internal")
    clean(before)
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}]))
    os.unlink(output + "/image.tar")


def test_service_stopped():
    before = crux.State()
    with begin(SLEEP) as connection:
        begun = time.monotonic()
        crux.run("systemctl", "stop", crux.SERVICE)
        took = time.monotonic() - begun
        reply = last_reply(connection)
    crux.equal(reply.code, "cancelled")
    assert took < 30, f"stopping took {took:.1f} s"
    clean(before)
    crux.ask("status")


def test_daemon_killed():
    before = crux.State()
    with begin(SLEEP) as connection:
        os.kill(main_pid(), signal.SIGKILL)
        crux.equal(connection.lines(), [], "lines after the daemon's death")
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}]))
    os.unlink(output + "/image.tar")
    clean(before, seconds=30)


def test_daemon_killed_that_is_no_service():
    """Nobody but the kernel tells its workers."""
    before = crux.State()
    with crux.directory() as directory:
        path, config = f"{directory}/cruxd.sock", f"{directory}/cruxd.conf"
        open(config, "w").close()
        command = ["/usr/bin/cruxd", "--instance=test-cancel", "--namespace=cruxd", f"--config={config}", f"--socket={path}"]
        with subprocess.Popen([*command, "--ready-fd=1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
            crux.equal(daemon.stdout.readline(), b"ready\n", "what the daemon says")
            with begin(SLEEP, path=path) as connection:
                daemon.kill()
                crux.equal(connection.lines(), [], "lines after the daemon's death")
        clean(before, seconds=30)


def test_daemon_killed_beside_a_service_container():
    """What runs stays, what was being built goes."""
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}], entrypoint=["/bin/sh", "-c", "sleep 10000"]))
    crux.ask("image-import", {"ref": "test/stays", "version": "1", "path": output + "/image.tar"})
    crux.ask("image-start", {"ref": "test/stays", "version": "1"})
    os.unlink(output + "/image.tar")
    try:
        before = crux.State()
        begin(SLEEP)
        os.kill(main_pid(), signal.SIGKILL)
        crux.eventually(lambda: crux.request("container-status", {"id": "test/stays"}).get("status") == "running", 30)
        clean(before, seconds=30)
        crux.equal(crux.ask("container-exec", {"id": "test/stays", "command": ["/bin/true"]})["exitCode"], 0)
    finally:
        crux.ask("image-destroy", {"ref": "test/stays", "version": "1"})


def test_containerd_restarted():
    before = crux.State()
    with begin(SLEEP) as connection:
        crux.run("systemctl", "restart", "containerd.service")
        connection.close()
    clean(before, seconds=40)
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}]))
    os.unlink(output + "/image.tar")


def test_containerd_killed():
    before = crux.State()
    with begin(SLEEP) as connection:
        crux.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "containerd.service")
        connection.close()
    crux.eventually(lambda: crux.ctr("version", check=False).returncode == 0, 30, "containerd is back")
    clean(before, seconds=60)
    crux.ask("build", inputs([{**BASE, "steps": [{"run": "true"}]}]))
    os.unlink(output + "/image.tar")


def test_containerd_absent():
    """A clear error, in good time."""
    crux.run("systemctl", "stop", "containerd.service")
    try:
        begun = time.monotonic()
        crux.refused("container-status", {"id": "any"}, code="unavailable", message="containerd")
        assert time.monotonic() - begun < 20
        assert crux.ask("status")["running"]
    finally:
        crux.run("systemctl", "start", "containerd.service")
    crux.eventually(lambda: crux.request("container-status", {"id": "any"}).ok, 20)


if __name__ == "__main__":
    crux.main()
