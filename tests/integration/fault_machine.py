# SPDX-License-Identifier: Apache-2.0
"""The faults of a fault run: what a machine does to cruxd. Each is a function that does it, takes its time where it has
one, and says what it did; mend() takes all of it back."""

import contextlib
import glob
import os
import resource
import signal
import time

import crux

CONTAINERD = "containerd.service"
SHIM = "containerd-shim-runc-v2"
STORE = "/var/lib/containerd"
STORE_MIB = 512
OUTPUT_MIB = 256
FILLER = ".filler"

# What systemd gives up on when it is started too often, which is not what is tried here.
COUNTED = ["containerd.service", "dbus.service", "dbus.socket", "polkit.service", "systemd-journald.service"]


def main_pid(unit):
    return int(crux.show(unit, "MainPID")["MainPID"])


def named(name):
    """The processes of a program."""
    return [pid for pid, line in crux.processes().items() if os.path.basename(line.split(" ")[0]) == name]


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, number)


class Machine:
    def __init__(self, place, choose):
        self.place, self.choose = place, choose
        self.output = place + "/out"
        self.idle = []
        self.spared = set()  # shims that must live
        self.done = []  # names of this round's

    # ---- the disks -------------------------------------------------------------------------------------------------------

    def mount(self):
        """containerd's and the output's disk, small ones. Nothing of ours may be in containerd."""
        crux.run("systemctl", "stop", crux.SERVICE, CONTAINERD)
        crux.run("mount", "-t", "tmpfs", "-o", f"size={STORE_MIB}m,mode=0711", "faults", STORE)
        os.makedirs(self.output, exist_ok=True)
        crux.run("mount", "-t", "tmpfs", "-o", f"size={OUTPUT_MIB}m,mode=0755", "faults", self.output)
        self.start_containerd()

    def unmount(self):
        self.mend()
        crux.run("systemctl", "stop", crux.SERVICE, CONTAINERD)
        for path in (self.output, STORE):
            with contextlib.suppress(AssertionError):
                crux.eventually(lambda: crux.run("umount", path, check=False).returncode == 0, 20, f"umount {path}")
        self.start_containerd()

    def start_containerd(self):
        crux.run("systemctl", "reset-failed", *COUNTED, check=False)
        crux.run("systemctl", "start", CONTAINERD)
        crux.eventually(lambda: crux.ctr("containers", "ls", check=False).returncode == 0, 60, "containerd")

    def fill(self, directory, left):
        """Leaves so many bytes of it."""
        space = os.statvfs(directory)
        with open(f"{directory}/{FILLER}", "wb") as file:
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(space.f_bavail * space.f_frsize - left, 1))

    def empty(self, directory):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{directory}/{FILLER}")

    def full(self, directory):
        left, seconds = self.choose.choice([0, 4096, 65536, 1 << 20]), self.choose.uniform(0.5, 4)
        self.fill(directory, left)
        time.sleep(seconds)
        self.empty(directory)
        return f"{directory}: {left} bytes left for {seconds:.1f} s"

    # ---- the faults ------------------------------------------------------------------------------------------------------

    def do(self):
        """One of them, chosen; gives its name and what it did."""
        name = self.choose.choice(sorted(name for name in dir(self) if name.startswith("fault_")))
        name = name.removeprefix("fault_")
        self.done.append(name)
        return name, getattr(self, "fault_" + name)()

    def some(self, program, number, spared=()):
        pids = sorted(set(named(program)) - set(spared))
        pid = self.choose.choice(pids) if pids else 0
        kill(pid, number)
        return pid

    def fault_worker_killed(self):
        return self.some("cruxd-worker", signal.SIGKILL)

    def fault_worker_told_to_end(self):
        return self.some("cruxd-worker", signal.SIGTERM)

    def fault_worker_frozen(self):
        pid, seconds = self.some("cruxd-worker", signal.SIGSTOP), self.choose.uniform(0.1, 2)
        time.sleep(seconds)
        kill(pid, signal.SIGCONT)
        return f"{pid}, {seconds:.1f} s"

    def fault_broker_killed(self):
        pid = main_pid(crux.SERVICE)
        kill(pid, signal.SIGKILL)
        return pid

    def fault_service_restarted(self):
        crux.run("systemctl", "restart", crux.SERVICE, check=False)

    def fault_service_stopped(self):
        crux.run("systemctl", "stop", crux.SERVICE, check=False)  # a client that comes starts it, and that is that

    def fault_service_reloaded(self):
        crux.run("systemctl", "reload", crux.SERVICE, check=False)

    def fault_containerd_killed(self):
        pid = main_pid(CONTAINERD)
        kill(pid, signal.SIGKILL)
        time.sleep(self.choose.uniform(0, 2))
        self.start_containerd()
        return pid

    def fault_containerd_restarted(self):
        crux.run("systemctl", "restart", CONTAINERD)

    def fault_containerd_frozen(self):
        pid, seconds = main_pid(CONTAINERD), self.choose.uniform(0.5, 6)
        kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        kill(pid, signal.SIGCONT)
        return f"{pid}, {seconds:.1f} s"

    def fault_shim_killed(self):
        return self.some(SHIM, signal.SIGKILL, self.spared)

    def fault_step_killed(self):
        return self.some("cruxd-init", signal.SIGKILL)

    def fault_journald_killed(self):
        kill(main_pid("systemd-journald.service"), signal.SIGKILL)

    def fault_dbus_killed(self):
        kill(main_pid("dbus.service"), signal.SIGKILL)

    def fault_polkit_killed(self):
        kill(main_pid("polkit.service"), signal.SIGKILL)

    def fault_output_full(self):
        return self.full(self.output)

    def fault_containerd_full(self):
        return self.full(STORE)

    def fault_idle_connections(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        count = self.choose.choice([100, 500, 2000])
        with contextlib.suppress(OSError):
            while len(self.idle) < count:
                self.idle.append(crux.Connection(timeout=10))
        return len(self.idle)

    # ---- and the end of them ---------------------------------------------------------------------------------------------

    def mend(self):
        for path in glob.glob("/tmp/runc-process*"):  # a shim's, whose end was to have none
            os.unlink(path)
        for connection in self.idle:
            connection.close()
        self.idle = []
        for pid in named("cruxd-worker") + named("containerd"):
            kill(pid, signal.SIGCONT)
        for directory in (self.output, STORE):
            self.empty(directory)
        self.start_containerd()
        crux.eventually(lambda: crux.run("busctl", "status", check=False).returncode == 0, 30, "the bus")
