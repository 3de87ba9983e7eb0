# SPDX-License-Identifier: Apache-2.0
"""cruxctl, as people and their scripts use it: what it prints, where, and how it ends."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import crux
import workshop

SHOP = workshop.Workshop("cruxctl")
GUARD = workshop.Guard()
IMAGE = ("test/ctl", "1.0")
ID = "test/ctl"
SERVER = ["/bin/sh", "-c", "echo up; echo grumble >&2; exec sleep 1000"]
SLOW = 600


def setup():
    SHOP.open()
    SHOP.base("app.tar", None, {"mark": "first\n"}, Entrypoint=SERVER)
    SHOP.base("other.tar", None, {"mark": "other\n"}, Entrypoint=SERVER)
    SHOP.base("broken.tar", None, Entrypoint=["/no/such/program"])
    SHOP.base("base.tar", None)
    GUARD.begin()


def after_each():
    crux.destroy_everything()
    SHOP.clear_output()
    GUARD.check()


def teardown():
    SHOP.close()


def ctl(*args, status=0, user=None, **options):
    """Runs cruxctl, which must end with this status; gives what it printed."""
    command = ["cruxctl", *args] if not user else ["runuser", "-u", user, "--", "cruxctl", *args]
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    crux.equal(done.returncode, status, f"status of {' '.join(command)}: {done.stdout}{done.stderr}")
    return done


def fails(*args, status, message, **options):
    """cruxctl must say this on stderr, and nothing on stdout."""
    done = ctl(*args, status=status, **options)
    crux.equal(done.stdout, "", "stdout")
    crux.contains(done.stderr, message)
    crux.matches(done.stderr, r"\Acruxctl: ")
    return done.stderr


def recipe(*steps, name="recipe.json", base="base.tar"):
    """Writes a recipe into the shop."""
    path = f"{SHOP.root}/{name}"
    with open(path, "w") as file:
        json.dump({"stages": [workshop.stage(*steps, base=base)]}, file, indent=2)
    return path


def build_args(*more):
    return ["build", "--resource=test/ctl", f"--root={SHOP.root}", f"--output={SHOP.output}", *more]


def imported(archive="app.tar"):
    ctl("import", *IMAGE, f"{SHOP.root}/{archive}")


def started(archive="app.tar"):
    imported(archive)
    ctl("start", *IMAGE)


# ---- the daemon -------------------------------------------------------------------------------------------------------


def test_status():
    pid = crux.ask("status")["pid"]
    crux.matches(ctl("status").stdout, rf"cruxd \S+.*\n +Socket: {re.escape(crux.SOCKET)}\n +PID: {pid}\n +Uptime: \w+\n")
    crux.equal(json.loads(ctl("--json", "status").stdout)["pid"], pid, "pid")


def test_it_finds_instances_and_sockets():
    ctl("status", "--instance=default")
    ctl("status", "-s", "cruxd.sock", cwd="/run/cruxd")
    fails("status", "--instance=absent", status=69, message="/run/cruxd/instances/absent/cruxd.sock")
    fails("status", "--socket=/nowhere", status=69, message="unavailable: nobody listens at /nowhere")


def listed(verb):
    return json.loads(ctl("--json", verb).stdout)


def test_lists():
    """The image's digest and the container's state are those that containerd tells."""
    crux.equal(ctl("list").stdout, "No containers.\n", "containers")
    crux.equal(ctl("--quiet", "list").stdout, "", "containers")
    started()
    crux.eventually(lambda: listed("list"), 10, "a container in the list")
    crux.equal(listed("list"), [{"id": "test-ctl", "image": "test/ctl:1.0", "state": "running"}], "containers")
    crux.matches(ctl("list").stdout, r"\ACONTAINER  IMAGE         STATE\ntest-ctl   test/ctl:1.0  running\n\Z")
    ctl("stop", ID)
    crux.eventually(lambda: listed("list")[0]["state"] == "stopped", 10, "a stopped container in the list")

    (image,) = listed("images")
    crux.equal(image["name"], "test/ctl:1.0", "name")
    crux.contains(crux.ctr("images", "ls"), image["digest"])
    assert abs(image["created"] / 1e6 - time.time()) < 600, image
    crux.matches(ctl("images", "-q").stdout, rf"\Atest/ctl:1.0  {image['digest']}  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\n\Z")


def test_jobs():
    path = recipe({"run": f"sleep {SLOW}"})
    with subprocess.Popen(["cruxctl", *build_args(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        (job,) = crux.eventually(lambda: [j for j in listed("jobs") if j["state"] == "running"], 20, "a job")
        crux.equal((job["command"], job["resource"], job["uid"]), ("build", "test/ctl", 0), "job")
        crux.matches(ctl("jobs").stdout, rf"\AJOB +COMMAND +RESOURCE +UID +STATE\n{job['id']} +build +test/ctl +0 +running\n\Z")
        child.send_signal(signal.SIGINT)
    crux.eventually(lambda: not listed("jobs"), 20, "the job's end")
    crux.equal(ctl("jobs").stdout, "No jobs.\n", "jobs")


def test_lists_are_for_members_and_of_an_instance():
    ctl("list", user="alice")
    fails("list", user="bob", status=77, message="permission-denied: user 1001 may not")
    fails("images", "--instance=absent", status=69, message="unavailable: the daemon is not on the system bus")
    fails("jobs", "--socket=/run/cruxd/cruxd.sock", status=1, message="invalid-argument: lists are asked for on the system bus")


def test_who_may_not_is_told_so():
    ctl("status", user="alice")
    fails("status", user="bob", status=77, message='permission-denied: /run/cruxd/cruxd.sock is not open to you')


def test_a_daemon_that_ends_before_its_answer():
    import socket

    path = f"{SHOP.root}/fake.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        child = subprocess.Popen(["cruxctl", "--socket", path, "status"], stderr=subprocess.PIPE, text=True)
        peer, _ = listener.accept()
        peer.recv(4096)
        peer.close()
        message = child.communicate(timeout=10)[1]
    os.unlink(path)
    crux.contains(message, "closed the connection before it had answered")
    crux.equal(child.returncode, 69, "status")


@crux.table(
    [
        ("no command", [], "no command is given"),
        ("unknown command", ["fly"], 'unknown command "fly"'),
        ("missing argument", ["import", "a"], "missing arguments: cruxctl import REF VERSION PATH"),
        ("unknown option", ["status", "--wings"], 'unknown option "--wings"'),
        ("another command's option", ["stop", "--root=/", "a"], 'option "--root" is not for "stop"'),
        ("a build of nothing", ["build", "x.json"], "needs --resource"),
    ]
)
def test_wrong_command_lines(_, args, message):
    crux.contains(fails(*args, status=2, message=message), 'Try "cruxctl --help".')


def test_help_and_version():
    crux.contains(ctl("--help").stdout, "destroy-image REF VERSION")
    crux.equal(ctl("--version").stdout, crux.run("cruxd", "version"), "version")


# ---- builds -----------------------------------------------------------------------------------------------------------


def test_a_build_is_followed():
    path = recipe({"workdir": "/w"}, {"run": "echo to stdout; sleep 0.3; echo to stderr >&2"})
    done = ctl(*build_args(path))
    crux.equal(done.stderr, "", "stderr")
    lines = done.stdout.splitlines()
    crux.matches(lines[0], r"^stage 1 \(linux/\w+\): base.tar$")
    crux.equal(lines[1], "[1/2] workdir /w")
    crux.equal(lines[2], "[2/2] run echo to stdout; sleep 0.3; echo to stderr >&2")
    crux.equal(lines[3:5], ["  | to stdout", "  | to stderr"])
    crux.matches(lines[5], r"^stage 1 \(linux/\w+\): export$")
    crux.matches(lines[6], rf"^done after \d+\.\d s, the image is in {SHOP.output}$")
    assert os.path.exists(SHOP.image)


def test_output_comes_as_it_is_written():
    path = recipe({"run": f"echo early; sleep {SLOW}"})
    child = subprocess.Popen(["cruxctl", *build_args(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in child.stdout:
            if line == "  | early\n":
                break
        else:
            raise AssertionError(f"ended without the line: {child.stderr.read()}")
        crux.equal(child.poll(), None, "status")
    finally:
        child.kill()
        child.communicate()


def test_quiet():
    path = recipe({"run": "echo noise"})
    crux.equal(ctl("-q", *build_args(path)).stdout, SHOP.output + "\n")


def test_json():
    path = recipe({"run": "echo line"})
    lines = [json.loads(line) for line in ctl("--json", *build_args(path)).stdout.splitlines()]
    assert any(line.get("line") == "line" and line.get("stream") == "stdout" for line in lines), lines
    crux.equal(lines[-1], {"output": SHOP.output}, "the last line")
    crux.equal(ctl("--json", "stop", "absent").stdout, "{}\n")


def test_a_recipe_from_standard_input_and_paths_from_here():
    with open(recipe({"copy": "recipe.json /recipe.json"})) as file:
        text = file.read()
    for words in ([], ["-"]):
        done = ctl("build", "-q", "--resource=a", "--output=./out", *words, input=text, cwd=SHOP.root)
        crux.equal(done.stdout, SHOP.output + "\n")
        SHOP.take()


def test_options_of_a_build():
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    path = recipe({"env": {"A": "b"}})
    ctl(*build_args(path), "--entrypoint", "/app", "--entrypoint=-x", f"--platform=linux/{machine}")
    crux.equal(SHOP.take().config["config"]["Entrypoint"], ["/app", "-x"], "entrypoint")
    fails(*build_args(path), "--platform=plan9/z80", status=1, message="plan9/z80")


def test_a_member_of_the_group_builds():
    path = recipe({"run": "id -u"})
    with crux.directory(user="alice") as output:
        ctl("build", path, "--resource=a", f"--root={SHOP.root}", f"--output={output}", user="alice")
        crux.equal(os.stat(f"{output}/image.tar").st_uid, 1000, "owner")


def test_a_build_that_fails():
    path = recipe({"run": "echo oops >&2; exit 7"})
    done = ctl(*build_args(path), status=1)
    crux.contains(done.stdout, "  | oops\n")
    crux.matches(done.stderr, r"\Acruxctl: command-failed: build failed: .*step 1: command failed: exit code 7: oops")


@crux.table(
    [
        ("absent", "/nonexistent.json", None, "not-found: /nonexistent.json: no such file or directory"),
        ("no JSON", "bad.json", "{stages", "invalid-argument: bad.json: "),
        ("an array", "bad.json", "[]", "invalid-argument: bad.json: a recipe must be a JSON object"),
        ("no stages", "bad.json", "{}", "invalid-argument: recipe: at least one stage is needed"),
        ("a directory", "/etc", None, "/etc: is a directory"),
    ]
)
def test_recipes_that_are_none(_, path, text, message):
    if text is not None:
        with open(f"{SHOP.root}/{path}", "w") as file:
            file.write(text)
    fails(*build_args(path), status=1, message=message, cwd=SHOP.root)


@crux.table([("SIGINT", signal.SIGINT), ("SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)])
def test_interrupting_cancels(_, number):
    since = time.time()
    path = recipe({"run": f"echo running; exec sleep {SLOW}"})
    with crux.leftovers(ignore=GUARD.KEPT):
        child = subprocess.Popen(["cruxctl", *build_args(path)], stdout=subprocess.PIPE, text=True)
        while "running" not in child.stdout.readline().removeprefix("[1/1] run echo running"):
            crux.equal(child.poll(), None, "status")
        child.send_signal(number)
        child.communicate(timeout=10)
        crux.equal(child.returncode, -number, "status")
    crux.equal(os.listdir(SHOP.output), [], "output")
    crux.eventually(lambda: crux.journal("CRUXD_COMMAND=build", "CRUXD_ERROR=cancelled", since=since), what="cancelled")


def test_a_pipe_that_nobody_reads():
    path = recipe({"run": "while :; do echo line; sleep 0.01; done"})
    with crux.leftovers(ignore=GUARD.KEPT):
        args = " ".join(build_args(path))
        done = crux.run("bash", "-c", f"cruxctl {args} | head -n 4; echo ${{PIPESTATUS[0]}}")
        crux.equal(done.splitlines()[-1], "141", "status: killed by SIGPIPE")


# ---- on a terminal ------------------------------------------------------------------------------------------------------


def on_terminal(*args, **environment):
    """Runs cruxctl on a terminal of its own: what it shows and its status."""
    environment = {**os.environ, "TERM": "xterm", **environment}
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("cruxctl", ["cruxctl", *args], environment)
    shown = b""
    while select.select([fd], [], [], 60)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return shown.decode().replace("\r\n", "\n"), status


def test_colours_on_a_terminal():
    path = recipe({"run": "echo out; sleep 0.3; echo err >&2"})
    shown, status = on_terminal(*build_args(path))
    crux.equal(status, 0, "status")
    crux.contains(shown, "\033[36m[1/1] run ")
    crux.contains(shown, "  | \033[33merr\033[0m\n")
    crux.contains(on_terminal("stop", "-x")[0], "\033[31munknown option")


def test_no_colours_where_they_are_not_wanted():
    path = recipe({"run": "echo err >&2"})
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown, _ = on_terminal(*build_args(path), **environment)
        assert "\033[3" not in shown, shown


def test_output_does_not_steer_the_terminal():
    path = recipe({"run": "printf 'a\\033[2Jb\\033]0;title\\007\\n'"})
    shown, _ = on_terminal(*build_args(path), NO_COLOR="1")
    crux.contains(shown, "  | a\\x1b[2Jb\\x1b]0;title\\x07\n")
    # Where no terminal is, nothing is changed.
    crux.contains(ctl(*build_args(path)).stdout, "  | a\033[2Jb\033]0;title\007\n")


# ---- images and containers ----------------------------------------------------------------------------------------------


def test_from_import_to_destroy():
    ctl("import", *IMAGE, "app.tar", cwd=SHOP.root)
    done = ctl("state", ID, status=4)
    crux.equal(done.stdout, "not created\n")
    ctl("start", *IMAGE)
    crux.equal(ctl("state", ID).stdout, "running\n")
    crux.equal(ctl("state", "test-ctl", "--json").stdout, '{"status":"running"}\n')
    ctl("stop", ID)
    crux.equal(ctl("state", ID, status=3).stdout, "stopped\n")
    ctl("start", *IMAGE)
    ctl("state", ID)
    ctl("destroy", ID)
    ctl("state", ID, status=4)
    ctl("start", *IMAGE, "other/id")
    ctl("state", "other/id")
    ctl("destroy-image", *IMAGE)
    ctl("state", "other/id", status=4)
    crux.equal(crux.ctr_list("images", "ls", "-q"), [], "images")


def test_what_cannot_be_done():
    crux.contains(fails("start", *IMAGE, status=1, message="not-found: "), "test/ctl:1.0")
    fails("import", *IMAGE, "/nonexistent.tar", status=1, message="not-found: ")
    fails("stop", "../x", status=1, message="invalid-argument: ")
    imported("broken.tar")
    crux.contains(fails("start", *IMAGE, status=1, message=""), "/no/such/program")


def test_commands_in_a_container():
    started()
    done = ctl("exec", ID, "sh", "-c", "printf 'out\\n'; printf err >&2; exit 42", status=42)
    crux.equal((done.stdout, done.stderr), ("out\n", "err"), "stdout and stderr")
    crux.equal(ctl("exec", ID, "--", "echo", "--json", "-q").stdout, "--json -q\n")
    crux.equal(json.loads(ctl("--json", "exec", ID, "echo", "x").stdout), {"exitCode": 0, "stdout": "x\n"}, "reply")
    ctl("exec", ID, "sh", "-c", "kill -9 $$", status=137)
    crux.equal(len(ctl("exec", ID, "sh", "-c", "yes | head -c 3000000").stdout), 3000000, "bytes")


def test_a_commands_input_and_output_are_ours():
    started()
    crux.equal(ctl("exec", ID, "cat", input="word\n" * 100000).stdout, "word\n" * 100000, "what was put in")
    child = subprocess.Popen(["cruxctl", "exec", ID, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for word in (b"one\n", b"two\n"):
        os.write(child.stdin.fileno(), word)
        crux.equal(os.read(child.stdout.fileno(), 100), word, "what came back before the end")
    child.stdin.close()
    crux.equal(child.wait(20), 0, "status")
    child.stdout.close()


def test_a_command_at_the_head_of_a_pipeline():
    started()
    child = subprocess.Popen(["cruxctl", "exec", ID, "yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    os.read(child.stdout.fileno(), 10)
    child.stdout.close()
    crux.equal(child.wait(20), 128 + signal.SIGPIPE, "status")


def test_a_command_that_reads_a_terminal():
    started()
    master, slave = pty.openpty()
    child = subprocess.Popen(["cruxctl", "exec", ID, "sh", "-c", "read word; echo got $word"], stdin=slave,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(master, b"hello\n")
    crux.equal(child.communicate(timeout=30), (b"got hello\n", b""), "output")
    os.close(slave)
    os.close(master)


def test_a_command_where_there_is_no_bus():
    started()
    nowhere = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    done = ctl("exec", ID, "sh", "-c", "cat; echo out; exit 3", status=3, input="nothing of this", env=nowhere)
    crux.equal(done.stdout, "out\n", "output, there being no input")


def test_commands_that_are_not_executed():
    fails("exec", ID, "true", status=125, message="not-found: ")
    started()
    fails("exec", ID, "/no/such/program", status=125, message="command-failed: ")
    ctl("stop", ID)
    fails("exec", ID, "true", status=125, message="not-running: ")
    fails("exec", ID, status=125, message="missing arguments")
    fails("--socket=/nowhere", "exec", ID, "true", status=125, message="unavailable: ")


def test_interrupting_ends_a_command_in_a_container():
    started()
    child = subprocess.Popen(["cruxctl", "exec", ID, "sleep", "4711"])
    crux.eventually(lambda: any(line == "sleep 4711" for line in crux.processes().values()), what="the command runs")
    child.send_signal(signal.SIGINT)
    child.wait(10)
    crux.eventually(lambda: not any(line == "sleep 4711" for line in crux.processes().values()), what="it has ended")
    ctl("state", ID)


def test_update():
    started()
    crux.equal(ctl("exec", ID, "cat", "/mark").stdout, "first\n")
    ctl("update", ID, "test/ctl", "2.0", "other.tar", cwd=SHOP.root)
    crux.equal(ctl("exec", ID, "cat", "/mark").stdout, "other\n")
    fails("update", ID, "test/ctl", "3.0", f"{SHOP.root}/broken.tar", status=1, message="/no/such/program")
    crux.equal(ctl("exec", ID, "cat", "/mark").stdout, "other\n")


def test_a_containers_log():
    started()

    def log(*options):
        crux.run("journalctl", "--sync")
        return ctl("log", ID, *options).stdout

    crux.eventually(lambda: "up" in log("-b", "-o", "cat").splitlines(), what="the container's line")
    crux.equal(log("-b", "-o", "cat", "-p", "err", "-n", "1"), "grumble\n")
    entry = json.loads(ctl("--json", "log", ID, "-n", "1", "CRUXD_STREAM=stdout").stdout)
    crux.equal(entry["CONTAINER_NAME"], "test-ctl", "name")
    fails("log", "a b", status=1, message="invalid-argument: ")


# ---- what is installed with it -------------------------------------------------------------------------------------------


def test_pages_are_found():
    for section, name in [("1", "cruxctl"), ("8", "cruxd"), ("8", "cruxd@.service"), ("5", "cruxd.conf"),
                          ("5", "cruxd-recipe"), ("7", "cruxd-protocol"), ("7", "cruxd.journal-fields")]:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
        done = subprocess.run(["man", "--warnings", section, name], env=environment, capture_output=True, text=True)
        crux.equal((done.returncode, done.stderr), (0, ""), f"man {section} {name}")
        crux.contains(done.stdout, "SEE ALSO")


def test_completion_is_found():
    code = "source /usr/share/bash-completion/completions/cruxctl; complete -p cruxctl"
    crux.contains(crux.run("bash", "-c", code), "_cruxctl")


if __name__ == "__main__":
    crux.main()
