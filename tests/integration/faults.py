# SPDX-License-Identifier: Apache-2.0
"""A fault run: rounds in which clients ask for all kinds of things while the machine fails in all kinds of ways, chosen
by a seed, and after each of which everything must be as it was before."""

import contextlib
import os
import random
import re
import shutil
import signal
import tarfile
import time

import crux
from crux import mkimage
from fault_clients import IDS, IMAGES, Client
from fault_machine import SHIM, Machine, kill, main_pid, named

PLACE = "/srv/test/faults"
STAYS = {"ref": "faults/stays", "version": "1"}

# A client's name and user. Bob may do nothing.
CLIENTS = {"root-1": "root", "root-2": "root", "alice-1": "alice", "alice-2": "alice", "bob": "bob"}

# How long clients begin something in a round, and what may happen in it.
ROUND_SECONDS = 6
FAULTS_MAX = 4

# How long what ends in the background may take for it, sweeps and their repeats included.
SETTLE_SECONDS = 90

# What the broker may grow by, in KiB: what its allocator keeps.
GROWTH_KIB = 2048

# After which faults a client may see its connection closed without an answer, and containerd may forget a shim.
CLOSING = {"broker_killed", "worker_killed"}
FORGETTING = {"containerd_killed", "worker_killed"}


class Faults:
    def __init__(self, seed, first_round=0):
        self.seed, self.round = seed, first_round
        self.choose = random.Random()
        self.machine = Machine(PLACE, self.choose)
        self.counts = {}

    # ---- what stands around the rounds -----------------------------------------------------------------------------------

    def open(self):
        crux.destroy_everything()
        shutil.rmtree(PLACE, ignore_errors=True)
        os.makedirs(PLACE + "/src")
        os.makedirs(PLACE + "/log", mode=0o755)
        os.chmod(PLACE, 0o755)
        for number in range(50):
            with open(f"{PLACE}/src/{number}", "wb") as file:
                file.write(os.urandom(5000))
        sleep = {"Entrypoint": ["/bin/sh", "-c", "echo up; exec sleep 10000"]}
        for number, name in enumerate(["one", "two", "stays"]):
            tree = mkimage.Tree().file("mark", b"%d" % number).tar()
            layers = [mkimage.Layer(mkimage.busybox_tree().tar()), mkimage.Layer(tree)]
            mkimage.write_oci(f"{PLACE}/{name}.tar", mkimage.Image(layers, Env=["PATH=/bin"], **sleep))
        shellless = mkimage.Image([mkimage.Layer(mkimage.Tree().file("mark", b"none").tar())], Env=["PATH=/bin"])
        mkimage.write_oci(PLACE + "/shellless.tar", shellless)
        with open(PLACE + "/one.tar", "rb") as whole, open(PLACE + "/cut.tar", "wb") as cut:
            cut.write(whole.read()[: 1 << 20])
        self.machine.mount()
        for name, user in CLIENTS.items():
            os.makedirs(f"{PLACE}/out/{name}")
            shutil.chown(f"{PLACE}/out/{name}", user, user)
        self.begin()

    def begin(self):
        """Everything that is kept is there, and the state that each round must come back to."""
        for name in ("one", "two", "shellless"):
            stages = [{"from": f"file {name}.tar", "steps": [{"copy": "src /src"}]}]
            crux.ask("build", crux.build(stages, root=PLACE, output=PLACE + "/out/root-1"))
        crux.ask("image-import", {**STAYS, "path": PLACE + "/stays.tar"})
        crux.ask("image-start", STAYS)
        self.clear_outputs()
        self.before = crux.State()
        self.machine.spared = set(named(SHIM))
        self.content = self.kept_content()
        self.stays = self.task_of_stays()
        self.broker = self.memory_of_broker()

    def close(self):
        self.machine.mend()
        crux.destroy_everything()
        self.machine.unmount()
        shutil.rmtree(PLACE, ignore_errors=True)

    # ---- a round ---------------------------------------------------------------------------------------------------------

    def run_for(self, seconds):
        """Rounds for so long, and one at least."""
        until = time.monotonic() + seconds
        while True:
            begun = time.monotonic()
            self.run_round()
            crux.diagnose(f"{self.seed}:{self.round}: {time.monotonic() - begun:.1f} s, {self.faults}")
            self.round += 1
            if time.monotonic() > until:
                return

    def run_round(self):
        self.choose.seed(f"{self.seed}:{self.round}")
        self.machine.done, self.faults, self.began = [], [], time.time()
        clients = [Client(PLACE, name, f"{self.seed}:{self.round}", user) for name, user in CLIENTS.items()]
        try:
            for (ref, version), archive in zip(IMAGES, ("one.tar", "two.tar")):
                crux.ask("image-import", {"ref": ref, "version": version, "path": f"{PLACE}/{archive}"})
            for client in clients:
                client.start(ROUND_SECONDS)
            self.fail_at_random()
            noted = {client.name: client.finish() for client in clients}
            self.machine.mend()
            self.judge(noted)
            self.check_system()
        except BaseException as problem:
            raise AssertionError(self.describe(problem)) from problem
        finally:
            for client in clients:
                client.kill()

    def fail_at_random(self):
        until = time.monotonic() + ROUND_SECONDS
        for _ in range(self.choose.randint(1, FAULTS_MAX)):
            time.sleep(self.choose.uniform(0.1, 1.5))
            at = time.time() - self.began
            self.faults.append([round(at, 2), *self.machine.do()])
            if time.monotonic() > until:
                return

    def describe(self, problem):
        """Whatever is needed to see what went wrong and to do it again."""
        lines = [f"{problem or repr(problem)}", f"seed {self.seed}:{self.round}", f"faults: {self.faults}"]
        for name in CLIENTS:
            with contextlib.suppress(OSError), open(f"{PLACE}/log/{name}") as log:
                lines += [f"{name}: {line.rstrip()[:400]}" for line in log.readlines()[-8:]]
        return "\n".join(lines)

    # ---- what must hold of the answers -----------------------------------------------------------------------------------

    def judge(self, noted):
        for name, entries in noted.items():
            for command, result, words, seconds in entries:
                if result == "begins":
                    continue
                self.count(command, result, words)
                what = f"{name}: {command}: {result}: {words} (after {seconds} s)"
                assert result not in ("hangs", "malformed", "broken"), what
                assert result != "closed" or CLOSING.intersection(self.machine.done), what
                assert name != "bob" or result != "ok", what

    def count(self, command, result, words):
        """How often what came; of what says little by itself, how often which words."""
        if result in ("internal", "bus error"):
            words = re.sub(r"[0-9a-f]{12,}|\d+", "#", words)[:300]
            self.counts[result, words] = self.counts.get((result, words), 0) + 1
        self.counts[command, result] = self.counts.get((command, result), 0) + 1

    # ---- what must hold of the system ------------------------------------------------------------------------------------

    def check_system(self):
        crux.eventually(lambda: crux.ask("status")["running"], 20, "an answer to status")
        self.check_outputs()
        for container in IDS:
            crux.ask("container-destroy", {"id": container})
        for ref, version in IMAGES:
            crux.ask("image-destroy", {"ref": ref, "version": version})
        self.clear_outputs()
        self.check_leftovers()
        crux.eventually(lambda: not self.content_left(), 20, f"the end of content {self.content_left()}")
        crux.equal(self.task_of_stays(), self.stays, "the process of the container that stays")
        crux.equal(crux.ask("container-status", {"id": STAYS["ref"]})["status"], "running")
        crux.equal(crux.ask("container-exec", {"id": STAYS["ref"], "command": ["/bin/true"]})["exitCode"], 0)
        self.check_broker()
        self.check_journal()

    def check_leftovers(self):
        """containerd forgets a shim when it is killed while that starts, and when a client is killed for whom it ends the
        task. Nothing but the shim may be left then, which is an administrator's to end."""
        forgotten = FORGETTING.intersection(self.machine.done)
        ignore = ("process left behind: *containerd-shim*",) if forgotten else ()
        crux.nothing_left(self.before, ignore=ignore, seconds=SETTLE_SECONDS)
        if forgotten:
            for pid in set(named(SHIM)) - self.machine.spared:
                kill(pid, signal.SIGKILL)
            crux.nothing_left(self.before)

    def check_outputs(self):
        """What is there is whole, and nothing but that is there."""
        for name in CLIENTS:
            directory = f"{PLACE}/out/{name}"
            crux.eventually(lambda: set(os.listdir(directory)) <= {"image.tar"}, 30, f"nothing else in {directory}")
            if os.path.exists(directory + "/image.tar"):
                with tarfile.open(directory + "/image.tar") as archive:
                    crux.contains([member.name for member in archive], "manifest.json")

    def clear_outputs(self):
        for name in CLIENTS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{PLACE}/out/{name}/image.tar")

    def kept_content(self):
        """Blobs and layers that stay when the collector has been there."""
        crux.ctr("leases", "create", "--id", "faults")
        crux.ctr("leases", "delete", "--sync", "faults")
        return {line.split()[0] for what in ("snapshots", "content") for line in crux.ctr(what, "ls").splitlines()[1:]}

    def content_left(self):
        return sorted(self.kept_content() - self.content)

    def task_of_stays(self):
        line = next(line for line in crux.ctr("tasks", "ls").splitlines() if line.startswith("faults-stays"))
        pid = line.split()[1]
        with open(f"/proc/{pid}/stat") as file:
            return pid, file.read().rpartition(")")[2].split()[19]

    def memory_of_broker(self):
        """KiB and descriptors, once its workers are idle and gone but the one that watches containerd."""
        crux.eventually(lambda: len(named("cruxd-worker")) == 1, 60, "the end of idle workers")
        pid = main_pid(crux.SERVICE)
        with open(f"/proc/{pid}/status") as file:
            kib = int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])
        return kib, len(os.listdir(f"/proc/{pid}/fd"))

    def check_broker(self):
        kib, descriptors = self.memory_of_broker()
        if not crux.SANITIZED:
            assert kib - self.broker[0] <= GROWTH_KIB, f"the broker has grown from {self.broker[0]} to {kib} KiB"
        crux.equal(descriptors, self.broker[1], "descriptors of the broker")
        self.last = kib, descriptors

    def check_journal(self):
        """Nothing ended in a way that was not asked for."""
        entries = crux.journal("-u", crux.SERVICE, "-p", "notice", since=self.began)
        for entry in entries:
            text = str(entry.get("MESSAGE"))
            assert not re.search(r"by signal (?!KILL)|Sanitizer|code=dumped|exited with status", text), text
            # The search for leaks of a program that is told to end may itself not end.
            assert crux.SANITIZED or not re.search(r"Failed with result '(?!signal|$)|State '.*' timed out", text), text
        ends = sum("Main process exited, code=killed" in str(e.get("MESSAGE")) for e in entries)
        killed = self.machine.done.count("broker_killed")
        assert ends <= killed, f"the broker was killed {ends} times, {killed} of them by us"

    # ---- and what came of it ---------------------------------------------------------------------------------------------

    def summary(self):
        lines = [f"{count:5} {what}: {result}" for (what, result), count in sorted(self.counts.items())]
        return "\n".join([f"broker at first {self.broker}, at last {self.last} (KiB, descriptors)", *lines])
