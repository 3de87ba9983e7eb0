# SPDX-License-Identifier: Apache-2.0
"""What callers of the bus can make the daemon hold: waiting calls, memory, long answers. Its connection survives them all,
and with it everybody else's calls."""

import contextlib

import crux
import sdbus
import workshop

NAME = "xyz.cruciblehq.cruxd1"
PATH = "/xyz/cruciblehq/cruxd1"
MANAGER = NAME + ".Manager"
ERROR = NAME + ".Error."
ID = "test/limits"

# A connection of a client waits for 128 answers at most (max_replies_per_connection), and one of ours may have 512 rules
# (max_match_rules_per_connection, dbus-daemon(1)).
CALLS, CONNECTIONS = 120, 6


def setup():
    global shop
    shop = workshop.Workshop("limits")
    shop.open()
    archive = shop.root + "/base.tar"
    crux.mkimage.busybox(archive, Entrypoint=["/bin/sleep", "10000"])
    crux.ask("image-import", {"ref": ID, "version": "1", "path": archive})
    crux.ask("image-start", {"ref": ID, "version": "1"})


def teardown():
    shop.close()


def owner():
    """The unique name of the daemon's connection, which another connection does not have."""
    with sdbus.Bus() as bus:
        return bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", NAME)[0]


@contextlib.contextmanager
def connection_stays():
    with sdbus.Bus() as bus:
        bus.call(NAME, PATH, MANAGER, "Status")
    before = owner()
    yield
    crux.equal(owner(), before, "the daemon's connection")


def jobs():
    with sdbus.Bus() as bus:
        return bus.call(NAME, PATH, MANAGER, "ListJobs")[0]


def send(bus, method, signature, *arguments, **options):
    return bus.send(NAME, PATH, MANAGER, method, signature, *arguments, **options)


# ---- calls -------------------------------------------------------------------------------------------------------------


def test_hundreds_of_calls_wait():
    """Those whose callers leave are given up, the others answered."""
    with workshop.settings(CommandsMax=1), connection_stays(), contextlib.ExitStack() as stack:
        buses = [stack.enter_context(sdbus.Bus()) for _ in range(CONNECTIONS)]
        with sdbus.Bus() as running:
            send(running, "ContainerExec", "sas", ID, ["/bin/sleep", "1000"])
            crux.eventually(lambda: [job[4] for job in jobs()] == ["running"], 20, "the program")
            with sdbus.Bus() as leaver:
                for bus in (leaver, *buses):
                    for _ in range(CALLS):
                        send(bus, "ContainerStatus", "s", "nobody")
                crux.eventually(lambda: len(jobs()) == 1 + CALLS * (CONNECTIONS + 1), 60, "the queue")
            crux.eventually(lambda: len(jobs()) == 1 + CALLS * CONNECTIONS, 20, "one less who waits")
        answers = [answer for bus in buses for _, (_, answer) in zip(range(CALLS), bus.replies(120))]
        crux.equal(answers, [["not created"]] * (CALLS * CONNECTIONS), "answers")


def test_a_strangers_calls_that_want_no_answer():
    """A connection may make any number of these."""

    def flood():
        with sdbus.Bus() as bus:
            for _ in range(1500):
                send(bus, "ContainerStatus", "s", "nobody", reply=False)
            try:
                bus.call(NAME, PATH, MANAGER, "Status")
            except sdbus.Failure as failure:
                return [failure.name.encode()]
        return []

    with connection_stays():
        assert crux.as_user("bob", flood)[0].decode() in (ERROR + "Busy", ERROR + "PermissionDenied"), "refused"


# ---- arguments ---------------------------------------------------------------------------------------------------------


BUILD = ("Build", "ssssasas")


def build(recipe, entrypoint=()):
    """A Build's error, as its name and message."""
    with sdbus.Bus() as bus:
        try:
            bus.call(NAME, PATH, MANAGER, *BUILD, recipe, ID, "/", "/", entrypoint, [])
        except sdbus.Failure as failure:
            return failure.name.removeprefix(ERROR), failure.message
    raise AssertionError("it builds")


@contextlib.contextmanager
def memory_stays():
    """The most that the daemon has had, in bytes: less than what the block's arguments would take when they are parsed."""

    def most():
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024

    pid = crux.ask("status")["pid"]
    before = most()
    yield
    crux.equal(crux.ask("status")["pid"], pid, "the daemon's pid")
    taken = most() - before
    assert crux.SANITIZED or taken < 100 << 20, f"{taken >> 20} MiB"


def many_values():
    """Of 3 MB, and of hundreds of times that when they are parsed."""
    return "[" + ",".join(["{}"] * 1000000) + "]"


@crux.table([("alice", "InvalidArgument", "malformed recipe: it has more than 262144 values"),
             ("bob", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "may not build images")], name=lambda row: row[0])
def test_values_are_bounded(user, name, words):
    with memory_stays():
        found, message = crux.as_user(user, lambda: [word.encode() for word in build(many_values())])
    crux.equal(found.decode(), name, message.decode())
    crux.contains(message.decode(), words)


def test_strings_are_bounded():
    with memory_stays():
        crux.equal(build("{}", [""] * 262145), ("InvalidArgument", "entrypoint has more than 262144 values"))


def test_length_is_bounded():
    with memory_stays():
        crux.equal(build("[" + " " * (16 << 20)), ("InvalidArgument", "the arguments are over the limit of 16777216 bytes"))


def test_calls_that_wait_for_polkit_are_charged():
    """Each of them holds its message, as long as whoever is asked for a password takes."""

    def ask():
        with sdbus.Bus() as bus:
            for _ in range(3):
                send(bus, *BUILD, " " * 400000, ID, "/", "/", [], [])
            _, failure = next(bus.replies(30))
            return [failure.name.encode(), failure.message.encode()]

    crux.run("systemctl", "start", "polkit.service")
    with workshop.settings(RequestMemoryPerUserMax=1 << 20):
        crux.run("systemctl", "kill", "--signal=STOP", "polkit.service")
        try:
            name, message = crux.as_user("bob", ask)
            crux.equal(name.decode(), ERROR + "Busy", message.decode())
            crux.contains(message.decode(), "too many bytes in requests under way")
        finally:
            crux.run("systemctl", "kill", "--signal=CONT", "polkit.service")


# ---- answers -----------------------------------------------------------------------------------------------------------


def printed(*command):
    with sdbus.Bus() as bus:
        return bus.call(NAME, PATH, MANAGER, "ContainerExec", "sas", ID, command)


def test_a_long_answer_comes_whole():
    with connection_stays():
        code, out, err = printed("/bin/sh", "-c", "yes 123456789 | head -c 20000000")
        crux.equal((code, len(out), err), (0, 20000000, b""), "the answer")


def test_an_answer_that_no_message_takes():
    with connection_stays():
        try:
            printed("/bin/sh", "-c", "yes 123456789 | head -c 40000000")
        except sdbus.Failure as failure:
            crux.equal(failure.name, ERROR + "Unsupported", failure.message)
            crux.contains(failure.message, "too long for the bus")
        else:
            raise AssertionError("it came")


if __name__ == "__main__":
    crux.main()
