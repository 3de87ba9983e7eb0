# SPDX-License-Identifier: Apache-2.0
"""The wire protocol as clients that are in use already know it: exchanges one after the other, from an empty daemon
to an empty daemon, each answered as the published Go daemon answered it.

Compared are the command, the payload's members and their values. Of errors the texts may be better than they were but
must still name the same thing. What differs, since the protocol asks for better:

  - every error has a `code`;
  - a Crucible reference in `from` is refused by the recipe's check, as invalid-argument, before anything runs;
  - so is a copy from a stage that does not exist."""

import json
import os
import re
import shutil

import archives
import crux

ROOT, OUTPUT = "/srv/hello", "/srv/out"
REF, ID = "acme/hello", "acme-hello"
ENTRYPOINT = ["/bin/sh", "-c", "echo up; sleep infinity"]

ANY = object()

builds_before = None


def cli_step(**members):
    """A step as the crux CLI sends it: every member there, capitalised, empty where there is nothing to say."""
    step = {"Run": "", "Shell": "", "Copy": "", "Env": None, "Workdir": "", "Platform": "", "Steps": None}
    return step | {name.capitalize(): value for name, value in members.items()}


def cli_stage(*steps, name="", transient=False, base="file base.tar"):
    return {"Name": name, "Transient": transient, "Platform": "", "From": base, "Steps": list(steps)}


def cli_build(*stages, **more):
    return {"recipe": {"Stages": list(stages)}, "resource": REF, "output": OUTPUT, "root": ROOT, **more}


# The group of a platform is given for the machine that this runs on, so that its step counts.
EVERY_KIND_OF_STEP = cli_build(
    cli_stage(
        cli_step(workdir="/work"),
        cli_step(env={"GREETING": "hi", "N": "3"}),
        cli_step(run="echo $GREETING-$N-$PWD > out.txt"),
        cli_step(copy="src /work/src"),
        cli_step(run="cat src/hello.txt"),
        name="builder",
        transient=True,
    ),
    cli_stage(
        cli_step(copy="builder:/work/out.txt /app/out.txt"),
        cli_step(copy="src/hello.txt /app/renamed.txt"),
        cli_step(run="cat /app/out.txt", env={"X": "y"}),
        cli_step(platform="linux/" + crux.mkimage.ARCH, steps=[cli_step(run="echo arch > /app/arch")]),
        cli_step(platform="linux/riscv64", steps=[cli_step(run="echo wrong > /app/other")]),
    ),
    entrypoint=ENTRYPOINT,
)


def ok(**payload):
    """Succeeds, with exactly these members."""

    def check(reply):
        crux.equal(reply.envelope["command"], "ok", f"command of {reply.line!r}")
        crux.equal(sorted(reply), sorted(payload), "members of the payload")
        for name, value in payload.items():
            if value is not ANY:
                crux.equal(reply[name], value, name)
        crux.equal("payload" in reply.envelope, bool(payload), "having a payload")

    return check


def error(codes, *words):
    """Fails with one of the codes, and a message that has all of the words."""

    def check(reply):
        crux.equal(reply.envelope["command"], "error", f"command of {reply.line!r}")
        assert reply.code in codes.split("|"), f"code is {reply.code!r}, expected {codes}: {reply.message}"
        for word in words:
            crux.contains(reply.message, word)

    return check


IMAGE = {"ref": REF, "version": "1.0.0"}
CONTAINER = {"id": REF}


def execute(*command):
    return {"id": REF, "command": list(command)}


EXCHANGES = [
    # name, command, payload, what to expect
    ("status", "status", None, ok(running=True, version=ANY, pid=ANY, uptime=ANY, builds=ANY)),
    ("two stages, every kind of step", "build", EVERY_KIND_OF_STEP, ok(output=OUTPUT)),
    ("a container before it is there", "container-status", CONTAINER, ok(status="not created")),
    ("import", "image-import", {**IMAGE, "path": OUTPUT + "/image.tar"}, ok()),
    ("start", "image-start", IMAGE, ok()),
    ("start again", "image-start", IMAGE, ok()),
    ("a running container", "container-status", CONTAINER, ok(status="running")),
    (
        "exec",
        "container-exec",
        execute("/bin/sh", "-c", "echo hi; echo err >&2; exit 3"),
        ok(exitCode=3, stdout="hi\n", stderr="err\n"),
    ),
    ("exec that says nothing", "container-exec", execute("/bin/true"), ok(exitCode=0)),
    (
        "exec that says odd bytes",
        "container-exec",
        execute("/bin/busybox", "printf", "h\\303\\251\\t<&>\\001\\377end\\n"),
        ok(exitCode=0, stdout="h\u00e9\t<&>\u0001\ufffdend\n"),
    ),
    (
        "what the build made",
        "container-exec",
        execute("/bin/sh", "-c", "cd /app; for f in *; do echo $f: $(cat $f); done"),
        ok(exitCode=0, stdout="arch: arch\nout.txt: hi-3-/work\nrenamed.txt: hello\n"),
    ),
    ("stop", "container-stop", CONTAINER, ok()),
    ("a stopped container", "container-status", CONTAINER, ok(status="stopped")),
    ("exec in a stopped one", "container-exec", execute("/bin/true"), error("not-running", ID)),
    ("stop again", "container-stop", CONTAINER, ok()),
    ("destroy", "container-destroy", CONTAINER, ok()),
    ("destroy again", "container-destroy", CONTAINER, ok()),
    ("destroy the image", "image-destroy", IMAGE, ok()),
    ("destroy the image again", "image-destroy", IMAGE, ok()),
    ("start what is not there", "image-start", {"ref": REF, "version": "9"}, error("not-found", "acme/hello:9", "not found")),
    (
        "import what is not there",
        "image-import",
        {**IMAGE, "path": "/srv/nope.tar"},
        error("not-found", "/srv/nope.tar", "no such file or directory"),
    ),
    (
        "exec in what is not there",
        "container-exec",
        {"id": "nope", "command": ["/bin/true"]},
        error("not-found", "nope", "not found"),
    ),
    (
        "a step that fails",
        "build",
        cli_build(cli_stage(cli_step(run="true"), cli_step(run="echo oops >&2; exit 7"))),
        error("command-failed|build-failed", "stage 1", "step 2", "command failed: exit code 7: oops"),
    ),
    (
        "a step that fails in a stage with a name",
        "build",
        cli_build(cli_stage(cli_step(run="exit 9"), name="compile", transient=True), cli_stage(cli_step(run="true"))),
        error("command-failed|build-failed", 'stage "compile"', "step 1", "command failed: exit code 9"),
    ),
    (
        "a copy of what is not there",
        "build",
        cli_build(cli_stage(cli_step(copy="nope /x"))),
        error("not-found|build-failed", "stage 1", "step 1", "copy failed", "nope", "no such file or directory"),
    ),
    (
        "a copy from no stage",
        "build",
        cli_build(cli_stage(cli_step(copy="ghost:/a /b"))),
        error("invalid-argument", "stage 1", "step 1", "copy failed", 'unknown stage "ghost"'),
    ),
    (
        "a relative destination without a workdir",
        "build",
        cli_build(cli_stage(cli_step(copy="src/hello.txt x"))),
        error("invalid-argument|build-failed", "stage 1", "step 1", "copy failed", '"x"', "requires workdir"),
    ),
    (
        "a reference that the client should have resolved",
        "build",
        cli_build(cli_stage(base="crucible/runtime 1.0")),
        error("invalid-argument", "stage 1", "crucible/runtime 1.0"),
    ),
    ("another protocol", crux.encode("status", version=1), None, error("unsupported", "unsupported protocol version")),
    ("another command", "reticulate", None, error("unsupported", "unknown command: reticulate")),
    ("no JSON", b"garbage\n", None, error("invalid-argument", "malformed message: ")),
    (
        "a recipe in lower case",
        "build",
        {
            "recipe": {"stages": [{"from": "file base.tar", "steps": [{"run": "true"}]}]},
            "resource": "acme/lower",
            "output": OUTPUT,
            "root": ROOT,
        },
        ok(output=OUTPUT),
    ),
]


def setup():
    crux.destroy_everything()
    for path in (ROOT, OUTPUT):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    os.mkdir(ROOT + "/src")
    crux.mkimage.busybox(ROOT + "/base.tar")
    with open(ROOT + "/src/hello.txt", "w") as file:
        file.write("hello\n")
    global builds_before
    builds_before = crux.ask("status")["builds"]


@crux.table(EXCHANGES)
def test_exchange(name, command, payload, check):
    data = command if isinstance(command, bytes) else crux.encode(command, payload)
    reply = crux.request(name, raw=data)
    crux.equal(reply.envelope["version"], 0, "version of the reply")
    assert set(reply.envelope) <= {"version", "command", "payload"}, f"members of {reply.line!r}"
    check(reply)


def test_status_counts_and_types():
    reply = crux.ask("status")
    crux.equal(reply["builds"] - builds_before, 2, "builds that ended well")
    crux.equal(str(reply["pid"]), crux.show(crux.SERVICE, "MainPID")["MainPID"], "pid")
    crux.matches(reply["uptime"], r"^(\d+h)?(\d+m)?\d+s$")
    crux.matches(reply["version"], r"^(\(local\)|\d+\.\d+\.\d+\S*( \S+)* \[\w+\])$")


def test_output_is_the_clients_and_whole():
    image = os.stat(OUTPUT + "/image.tar")
    crux.equal((image.st_uid, image.st_gid), (0, 0), "owner")
    crux.equal(os.listdir(OUTPUT), ["image.tar"], "the output directory")


def test_base_is_in_the_archive_unchanged():
    base, image = (archives.Archive(path) for path in (ROOT + "/base.tar", OUTPUT + "/image.tar"))
    crux.equal(image.layers[:1], base.layers, "base layers")


def test_old_clients_are_not_sent_anything_new():
    lines = crux.exchange(crux.encode("build", cli_build(cli_stage(cli_step(run="echo said")))))
    crux.equal(len(lines), 1, f"lines of {lines!r}")
    crux.equal(json.loads(lines[0])["payload"], {"output": OUTPUT}, "payload")


def test_half_close_still_gets_its_answer():
    # As socat and nc -N do.
    reply = crux.request("build", cli_build(cli_stage(cli_step(run="sleep 1"))), half_close=True)
    assert reply.ok, reply.message


def test_silent_probe_is_not_logged():
    since = crux.time.time()
    crux.Connection().close()
    crux.ask("status")
    said = [entry["MESSAGE"] for entry in crux.journal("-u", crux.SERVICE, "-p", "info", since=since)]
    assert not any(re.search(r"probe|closed|without|EOF", str(text)) for text in said), said


def teardown():
    crux.destroy_everything()
    for path in (ROOT, OUTPUT):
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    crux.main()
