# SPDX-License-Identifier: Apache-2.0
"""Recipes: every rule with the message that it gives, and what each member means. Copies have a file of their own,
test-copy.py."""

import json
import os

import crux
import workshop
from crux import mkimage
from workshop import DIR, stage

SHOP = workshop.Workshop("recipe")
GUARD = workshop.Guard()
HOST = "linux/" + mkimage.ARCH
FOREIGN = "linux/riscv64"


def setup():
    SHOP.open()
    SHOP.base(
        "base.tar",
        None,
        {"etc": DIR, "etc/passwd": "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"},
        Env=["PATH=/bin", "KEPT=base", "CHANGED=base"],
        Cmd=["/bin/sh"],
        Labels={"kept": "yes"},
        ExposedPorts={"80/tcp": {}},
    )
    SHOP.base("workdir.tar", None, WorkingDir="/base/dir", Entrypoint=["/bin/old"], User="1000")
    images = [
        mkimage.Image([mkimage.Layer(mkimage.Tree().file("arch", arch.encode()).tar())], architecture=arch, Env=["PATH=/bin"])
        for arch in (mkimage.ARCH, "riscv64", "s390x")
    ]
    mkimage.write_oci(SHOP.root + "/multi.tar", images)
    SHOP.base_layers["multi.tar"] = 1
    workshop.make_tree(SHOP.root, {"file": "content\n"})
    # The base images are kept for a while, which is no leftover.
    SHOP.build(stage(), stage(base="workdir.tar", transient=True))
    GUARD.begin()


def after_each():
    SHOP.clear_output()
    GUARD.check()


def teardown():
    SHOP.close()


# ---- rules -------------------------------------------------------------------------------------------------------------------


RUN = {"run": "true"}
S = {"from": "file base.tar"}


def last(step):
    """The step as the second of the second stage, which has a name."""
    return [{**S, "transient": True, "steps": [RUN]}, {**S, "name": "main", "steps": [RUN, step]}]


RULES = [
    # name, stages, words of the message
    ("no stages", [], ["recipe", "at least one stage"]),
    ("stages null", None, ["recipe", "at least one stage"]),
    ("stages as an object", {}, ['"stages"', "array"]),
    ("a stage as a string", ["from base"], ["stage 1", "object"]),
    ("a stage null", [S, None], ["stage 2", "object"]),
    ("too many stages", [{**S, "transient": True}] * 300 + [S], ["stages", "limit"]),
    ("a name twice", [{**S, "name": "a", "transient": True}, {**S, "name": "a"}], ['stage "a"', "earlier stage"]),
    ("a number as name", [{**S, "name": "12"}], ["stage 1", '"12"', "number"]),
    ("a colon in a name", [{**S, "name": "a:b"}], ["stage 1", '"a:b"']),
    ("a slash in a name", [{**S, "name": "a/b"}], ["stage 1", '"a/b"']),
    ("a space in a name", [{**S, "name": "a b"}], ["stage 1", '"a b"']),
    ("a newline in a name", [{**S, "name": "a\nb"}], ["stage 1", "control"]),
    ("a long name", [{**S, "name": "n" * 77}], ["stage 1", "76"]),
    ("name as a number", [{**S, "name": 7}], ["stage 1", '"name"', "string"]),
    ("transient as a string", [{**S, "transient": "true"}], ["stage 1", '"transient"']),
    ("all transient", [{**S, "transient": True}], ["transient"]),
    ("two images", [S, {**S, "name": "b"}], ['stage "b"', "stage 1"]),
    ("two images of a platform", [{**S, "platform": HOST}, {**S, "platform": HOST}], ["stage 2", "stage 1", HOST]),
    ("an image for all and one for a platform", [S, {**S, "platform": HOST}], ["stage 2", "stage 1", HOST]),
    ("a platform without architecture", [{**S, "platform": "linux"}], ["stage 1", '"linux"', "platform"]),
    ("a platform in capitals", [{**S, "platform": "Linux/AMD64"}], ["stage 1", "platform"]),
    ("a platform of four parts", [{**S, "platform": "a/b/c/d"}], ["stage 1", "platform"]),
    ("platform as an array", [{**S, "platform": [HOST]}], ["stage 1", '"platform"']),
    ("no from", [{}], ["stage 1", '"from"']),
    ("from empty", [{"from": ""}], ["stage 1", '"from"']),
    ("from as an object", [{"from": {}}], ["stage 1", '"from"']),
    ("from of a Crucible reference", [{"from": "crux/runtime 1.0"}], ["stage 1", "crux/runtime 1.0"]),
    ("from of a ref", [{"from": "ref crux/runtime 1.0"}], ["stage 1", "ref crux/runtime 1.0"]),
    ("from of a stage", [{"from": "stage a"}], ["stage 1", "stage a"]),
    ("from file without path", [{"from": "file"}], ["stage 1", "file"]),
    ("from file without path, with a space", [{"from": "file  "}], ["stage 1", "file"]),
    ("from oci without reference", [{"from": "oci "}], ["stage 1", "oci"]),
    ("from oci with two words", [{"from": "oci alpine 3.20"}], ["stage 1", "alpine 3.20"]),
    ("from oci of no reference", [{"from": "oci a/UPPER"}], ["stage 1", "a/UPPER"]),
    ("from oci like an option", [{"from": "oci --config=/etc/passwd"}], ["stage 1", "--config"]),
    ("from oci of a climbing path", [{"from": "oci localhost/../../etc/passwd"}], ["stage 1", "/etc/passwd"]),
    ("from oci of a URL", [{"from": "oci https://localhost/x"}], ["stage 1", "https:"]),
    ("from in capitals", [{"from": "FILE base.tar"}], ["stage 1"]),
    ("steps as an object", [{**S, "steps": {}}], ["stage 1", '"steps"', "array"]),
    ("a step as a string", [{**S, "steps": ["run"]}], ["stage 1", "step 1", "object"]),
    ("a step null", [{**S, "steps": [RUN, None]}], ["stage 1", "step 2", "object"]),
    ("an empty step", last({}), ['stage "main"', "step 2", "empty"]),
    ("a step of empty members", last({"run": "", "copy": "", "env": None, "shell": "", "steps": None}), ['stage "main"', "step 2", "empty"]),
    ("a step of unknown members", last({"RUNS": "true"}), ['stage "main"', "step 2", "empty"]),
    ("run and copy", last({"run": "true", "copy": "a /b"}), ['stage "main"', "step 2", '"run" and "copy"']),
    ("run as an array", last({"run": ["true"]}), ['stage "main"', "step 2", '"run"']),
    ("steps without platform", last({"steps": [RUN]}), ['stage "main"', "step 2", '"steps" needs "platform"']),
    ("steps and run", last({"platform": HOST, "run": "true", "steps": [RUN]}), ['stage "main"', "step 2", '"steps"', "operation"]),
    ("steps and copy", last({"platform": HOST, "copy": "a /b", "steps": []}), ['stage "main"', "step 2", '"steps"', "operation"]),
    ("platform in a group", last({"platform": HOST, "steps": [RUN, {**RUN, "platform": HOST}]}), ['stage "main"', "step 2", "step 2", "platform group"]),
    ("a group in a group", last({"platform": HOST, "steps": [{"platform": HOST, "steps": [RUN]}]}), ['stage "main"', "step 2", "step 1", "platform group"]),
    ("platform in a platform stage", [{**S, "platform": HOST, "steps": [{**RUN, "platform": HOST}]}], ["stage 1", "step 1", "platform stage"]),
    ("a group in a platform stage", [{**S, "platform": HOST, "steps": [{"platform": HOST, "steps": []}]}], ["stage 1", "step 1", "platform stage"]),
    ("an empty step in a group", last({"platform": HOST, "steps": [RUN, RUN, {}]}), ['stage "main"', "step 2", "step 3", "empty"]),
    ("a bad platform of a step", last({"platform": "linux", "run": "true"}), ['stage "main"', "step 2", '"linux"']),
    ("shell with copy", last({"copy": "a /b", "shell": "/bin/sh"}), ['stage "main"', "step 2", '"shell"']),
    ("env with copy", last({"copy": "a /b", "env": {"A": "b"}}), ['stage "main"', "step 2", '"env"']),
    ("copy of one word", last({"copy": "a"}), ['stage "main"', "step 2", '"a"', "two words"]),
    ("copy of three words", last({"copy": "a b /c"}), ['stage "main"', "step 2", '"a b /c"', "two words"]),
    ("copy of blanks", last({"copy": " \t "}), ['stage "main"', "step 2", "two words"]),
    ("copy from an unknown stage", last({"copy": "nope:/a /b"}), ['stage "main"', "step 2", "copy failed", 'unknown stage "nope"']),
    ("copy from itself", last({"copy": "main:/a /b"}), ['stage "main"', "step 2", 'unknown stage "main"']),
    ("copy from a later stage", [{**S, "transient": True, "steps": [{"copy": "b:/a /b"}]}, {**S, "name": "b"}], ["stage 1", "step 1", '"b"']),
    ("copy from a stage by number", last({"copy": "1:/a /b"}), ['stage "main"', "step 2", '"1"']),
    ("copy of no path", last({"copy": "x: /b"}), ['stage "main"', "step 2", '"x"']),
    ("copy from no stage", last({"copy": ":/a /b"}), ['stage "main"', "step 2"]),
    ("env as an array", last({"env": ["A=b"]}), ['stage "main"', "step 2", '"env"']),
    ("env of a number", last({"env": {"A": 1}}), ['stage "main"', "step 2", '"env"', '"A"']),
    ("env of null", last({"env": {"A": None}}), ['stage "main"', "step 2", '"env"', '"A"']),
    ("env without a name", last({"env": {"": "x"}}), ['stage "main"', "step 2", '"env"']),
    ("env with = in the name", last({"env": {"A=B": "x"}}), ['stage "main"', "step 2", '"A=B"']),
    ("env with a NUL", last({"env": {"A": "x\0y"}}), ['stage "main"', "step 2", "NUL"]),
    ("run with a NUL", last({"run": "x\0y"}), ['stage "main"', "step 2", "NUL"]),
    ("run beyond what the kernel executes", last({"run": "x" * (128 << 10)}), ['stage "main"', "step 2", '"run"', "limit"]),
    ("env beyond what the kernel takes", last({"env": {"A": "x" * (128 << 10)}}), ['stage "main"', "step 2", '"env"', '"A"', "limit"]),
    ("too many steps", [{**S, "steps": [RUN] * 20000}], ["steps"]),
    ("too many variables in all", last({"platform": HOST, "steps": [{"env": {f"V{n}_{m}": "" for n in range(1000)}} for m in range(5)]}), ['stage "main"', "step 2", "step 5", "variables"]),
    ("a long workdir", last({"workdir": "/" + "w" * 4095}), ['stage "main"', "step 2", '"workdir"', "4095"]),
    ("a long shell", last({"run": "x", "shell": "/" + "w" * 4095}), ['stage "main"', "step 2", '"shell"', "4095"]),
    ("a long source", last({"copy": "c" * 4096 + " /x"}), ['stage "main"', "step 2", '"copy"', "4095"]),
    ("a long destination", last({"copy": "c /" + "x" * 4095}), ['stage "main"', "step 2", '"copy"', "4095"]),
    ("a long from", [{"from": "file " + "x" * 4096}], ["stage 1", '"from"', "4095"]),
    ("too many variables", last({"env": {f"V{n}": "" for n in range(5000)}}), ['stage "main"', "step 2", "variables"]),
]


@crux.table(RULES)
def test_rule(name, stages, words):
    # Checked whole before anything runs: base.tar is not even looked for.
    payload = {"recipe": {"stages": stages}, "resource": "r", "root": "/nowhere", "output": SHOP.output}
    crux.refused("build", payload, code="invalid-argument", message=words)
    # The same as the CLI spells it.
    payload["recipe"] = capitals(payload["recipe"])
    crux.refused("build", payload, code="invalid-argument", message=words)


def capitals(value):
    """Members with a capital, as the CLI sends them; the names of variables are not members."""
    if isinstance(value, list):
        return [capitals(v) for v in value]
    if isinstance(value, dict):
        return {k.capitalize(): v if k == "env" else capitals(v) for k, v in value.items()}
    return value


def test_the_first_breach_is_told_before_anything_runs():
    stages = [stage({"run": "sleep 100"}, transient=True), stage({"run": "true"}, {})]
    SHOP.refused(*stages, code="invalid-argument", message=["stage 2", "step 2"])


@crux.table([("platform twice", [HOST, HOST]), ("a variant", ["linux/amd64/v1"] if mkimage.ARCH == "amd64" else [HOST])])
def test_platforms_that_are_one(name, platforms):
    SHOP.build(stage({"copy": "file /file"}), platforms=platforms)


PLATFORMS = [
    ("no architecture", ["linux"], "invalid-argument", "linux"),
    ("nothing", [""], "invalid-argument", ""),
    ("spaces", ["linux/ amd64"], "invalid-argument", "platform"),
    ("another system", ["windows/amd64"], "unsupported", "windows/amd64"),
    ("too many", [f"linux/arch{n}" for n in range(17)], "invalid-argument", "16"),
    ("not in the base image", [FOREIGN], "unsupported|not-found", "riscv64"),
    ("unknown", ["linux/no-such"], "unsupported|not-found|invalid-argument", "no-such"),
]


@crux.table(PLATFORMS)
def test_platforms_refused(name, platforms, codes, words):
    reply = SHOP.refused(stage({"copy": "file /file"}), platforms=platforms, message=words)
    assert reply.code in codes.split("|"), dict(reply)


def test_platform_without_an_image_stage():
    reply = SHOP.refused(stage(platform=FOREIGN), code="invalid-argument", message=HOST)
    crux.contains(reply.message, "no stage")


def test_two_image_stages_of_one_platform_spelt_differently():
    if mkimage.ARCH != "amd64":
        crux.skip("spellings of amd64")
    SHOP.refused(stage(platform="linux/amd64"), stage(platform="linux/x86_64"), code="invalid-argument", message="more than one")


def test_copy_from_a_stage_of_another_platform():
    stages = [stage(name="other", platform=FOREIGN, transient=True), stage({"copy": "other:/bin /x"})]
    SHOP.refused(*stages, code="invalid-argument", message=["step 1", '"other"', FOREIGN])


PATHS = [
    ("root relative", {"root": "srv"}, "invalid-argument", '"root"'),
    ("output relative", {"output": "out"}, "invalid-argument", '"output"'),
    ("root that is not there", {"root": "/nope"}, "not-found", "/nope"),
    ("root that is a file", {"root": SHOP.root + "/file"}, None, SHOP.root + "/file"),
]


@crux.table(PATHS)
def test_paths(name, changed, code, words):
    crux.refused("build", {**SHOP.payload(stage()), **changed}, code=code, message=words)


def test_base_that_is_not_there():
    SHOP.refused(stage(base="nope.tar"), code="not-found", message=["stage 1", "nope.tar", "no such file"])


# ---- the CLI's form --------------------------------------------------------------------------------------------------------------


def test_as_the_cli_sends_it():
    empty = {"Run": "", "Shell": "", "Copy": "", "Env": None, "Workdir": "", "Platform": "", "Steps": None}
    steps = [
        {**empty, "Workdir": "/work"},
        {**empty, "Env": {"lower": "1", "UPPER": "2"}},
        {**empty, "Run": "echo $lower$UPPER > made"},
        {**empty, "Copy": "file copied"},
        {**empty, "Platform": HOST, "Steps": [{**empty, "Run": "touch grouped"}]},
        {**empty, "Platform": FOREIGN, "Run": "touch foreign"},
    ]
    recipe = {"Stages": [{"Name": "", "Transient": False, "Platform": "", "From": "file base.tar", "Steps": steps}]}
    crux.ask("build", {**SHOP.payload(), "recipe": recipe})
    archive = SHOP.take()
    found = workshop.changes(archive, 2)
    crux.equal(found, {"work": DIR, "work/made": "12\n", "work/copied": "content\n", "work/grouped": ""}, "changes")
    crux.equal(sorted(archive.config["config"]["Env"]), ["CHANGED=base", "KEPT=base", "PATH=/bin", "UPPER=2", "lower=1"], "Env")


# ---- what steps mean ---------------------------------------------------------------------------------------------------------------


def said(*steps, **more):
    """The text that the steps left in /said."""
    return SHOP.changes(stage(*steps, **more))["said"]


SAY = {"run": "echo $PWD $KEPT $CHANGED $NEW $0 >> /said"}


def test_env_persists():
    text = said(SAY, {"env": {"CHANGED": "now", "NEW": "new"}}, SAY, {"env": {"NEW": ""}}, SAY)
    crux.equal(text, "/ base base /bin/sh\n/ base now new /bin/sh\n/ base now /bin/sh\n", "said")


def test_env_beside_an_operation_holds_for_it_alone():
    crux.equal(said({**SAY, "env": {"CHANGED": "once"}}, SAY), "/ base once /bin/sh\n/ base base /bin/sh\n", "said")


def test_workdir_persists_and_is_made():
    found = SHOP.changes(stage({"workdir": "/a/b"}, {"run": "pwd > out"}, {"workdir": "../c"}, {"run": "pwd > out"}))
    crux.equal(found, {"a": DIR, "a/b": DIR, "a/b/out": "/a/b\n", "a/c": DIR, "a/c/out": "/a/c\n"}, "changes")


def test_workdir_beside_an_operation_holds_for_it_alone():
    found = SHOP.changes(stage({"run": "pwd > out", "workdir": "/once"}, {"run": "pwd > out"}))
    crux.equal(found, {"once": DIR, "once/out": "/once\n", "out": "/\n"}, "changes")


def test_workdir_relative_to_nothing_is_relative_to_the_root():
    crux.equal(SHOP.changes(stage({"workdir": "here"}, {"run": "pwd > out"})), {"here": DIR, "here/out": "/here\n"}, "changes")


def test_workdir_cannot_leave_the_root():
    crux.equal(SHOP.changes(stage({"workdir": "/../../up"}, {"run": "pwd > out"})), {"up": DIR, "up/out": "/up\n"}, "changes")


def test_workdir_of_the_base():
    found = SHOP.changes(stage({"run": "pwd > /tmp/out"}, base="workdir.tar"))
    crux.equal(found["tmp/out"].value, "/base/dir\n", "working directory")


def test_shell():
    steps = [SAY, {"shell": "/bin/ash"}, SAY, {**SAY, "shell": "/bin/sh"}, SAY]
    names = [line.split()[-1] for line in said(*steps).splitlines()]
    crux.equal(names, ["/bin/sh", "/bin/ash", "/bin/sh", "/bin/ash"], "shells")


def test_shell_that_is_not_there():
    SHOP.refused(stage({"run": "true", "shell": "/bin/zsh"}), message=["stage 1", "step 1", "/bin/zsh"])


def test_run_is_one_argument():
    crux.equal(said({"run": "echo '$HOME \\\"' \"a  b\" `echo c` >> /said\necho d >> /said"}), "$HOME \\\" a  b c\nd\n", "said")


def test_run_has_no_input_and_no_terminal():
    crux.equal(said({"run": "cat > /said; test -t 0 || test -t 1 || echo none >> /said"}), "none\n", "said")


def test_path_has_a_default():
    SHOP.base("pathless.tar", None, Env=[])
    archive = SHOP.build(stage({"run": "echo $PATH > /said"}, base="pathless.tar"))
    crux.contains(workshop.changes(archive, 1)["said"], "/bin")
    crux.equal(archive.config["config"].get("Env") or [], [], "Env")


def test_user_of_the_base():
    found = SHOP.changes(stage({"run": "id -u > /tmp/out"}, base="workdir.tar"))
    crux.equal(found["tmp/out"].value, "1000\n", "uid")


# ---- platforms -----------------------------------------------------------------------------------------------------------------------


def test_groups_and_filters():
    steps = [
        {"platform": HOST, "run": "echo step >> /said"},
        {"platform": FOREIGN, "run": "echo wrong >> /said"},
        {"platform": FOREIGN, "steps": [{"run": "echo wrong >> /said"}, {"env": {"NEW": "wrong"}}, {"workdir": "/wrong"}]},
        {"platform": HOST, "env": {"NEW": "outer"}, "steps": [{"run": "echo $NEW >> /said"}, {"env": {"NEW": "inner"}}, SAY]},
        SAY,
        {"platform": FOREIGN, "env": {"NEW": "wrong"}},
        {"platform": HOST, "workdir": "/after"},
        SAY,
    ]
    crux.equal(said(*steps), "step\nouter\n/ base base inner /bin/sh\n/ base base inner /bin/sh\n/after base base inner /bin/sh\n", "said")


def test_stages_of_other_platforms_are_skipped():
    stages = [
        stage({"run": "exit 1"}, platform=FOREIGN),
        stage({"run": "exit 1"}, platform="linux/s390x", transient=True),
        stage({"copy": "file /file"}, platform=HOST),
    ]
    crux.equal(SHOP.changes(stages[2], *stages[:2]), {"file": "content\n"}, "changes")


def multi(*steps):
    return stage(*steps, base="multi.tar")


def test_several_platforms():
    steps = [
        {"copy": "file /all"},
        {"platform": FOREIGN, "copy": "file /riscv64"},
        {"platform": "linux/s390x", "steps": [{"copy": "file /s390x"}, {"env": {"ARCH": "s390x"}}]},
    ]
    reply = crux.ask("build", SHOP.payload(multi(*steps), platforms=[HOST, FOREIGN, "linux/s390x"]))
    crux.equal(dict(reply), {"output": SHOP.output}, "reply")
    names = {HOST: mkimage.ARCH, FOREIGN: "riscv64", "linux/s390x": "s390x"}
    crux.equal(sorted(os.listdir(SHOP.output)), sorted(f"linux-{arch}" for arch in names.values()), "output directory")
    for platform, arch in names.items():
        crux.equal(os.listdir(f"{SHOP.output}/linux-{arch}"), ["image.tar"], arch)
        archive = SHOP.take(f"{SHOP.output}/linux-{arch}/image.tar")
        crux.equal((archive.config["os"], archive.config["architecture"]), ("linux", arch), "platform")
        crux.equal(archive.entries(0)["arch"].data.decode(), arch, "the base's file")
        expected = {"all": "content\n"} | ({arch: "content\n"} if arch != mkimage.ARCH else {})
        crux.equal(workshop.changes(archive, 1), expected, arch)
        crux.equal("ARCH=s390x" in archive.config["config"]["Env"], arch == "s390x", "variable of the group")


def test_one_foreign_platform_has_no_directory():
    archive = SHOP.build(multi({"copy": "file /file"}), platforms=[FOREIGN])
    crux.equal(archive.config["architecture"], "riscv64", "architecture")


def test_a_foreign_run_needs_an_emulator():
    if os.path.exists("/proc/sys/fs/binfmt_misc/qemu-riscv64"):
        crux.skip("there is one")
    SHOP.refused(multi({"copy": "file /file"}, {"run": "true"}), platforms=[FOREIGN], code="unsupported", message=FOREIGN)
    # It is told before anything is done for any other platform.
    SHOP.refused(multi({"run": "sleep 100"}), platforms=[HOST, FOREIGN], code="unsupported", message=FOREIGN)


# ---- the image -----------------------------------------------------------------------------------------------------------------------


def test_configuration():
    steps = [{"env": {"NEW": "x", "CHANGED": "y"}}, {"workdir": "/w"}, {"run": "true", "env": {"ONCE": "1"}, "workdir": "/once"}]
    archive = SHOP.build(stage(*steps))
    config = archive.config["config"]
    crux.equal(sorted(config["Env"]), ["CHANGED=y", "KEPT=base", "NEW=x", "PATH=/bin"], "Env")
    crux.equal(config["WorkingDir"], "/w", "WorkingDir")
    crux.equal(config["Cmd"], ["/bin/sh"], "Cmd")
    crux.equal(config["Labels"], {"kept": "yes"}, "Labels")
    crux.equal(config["ExposedPorts"], {"80/tcp": {}}, "ExposedPorts")
    assert not config.get("Entrypoint"), config


def test_configuration_that_nobody_could_read():
    """Its bound is that of every reader of images, cruxd among them."""
    env = {f"V{n}": "x" * 120000 for n in range(40)}
    SHOP.refused(stage({"copy": "file /x"}, {"env": env}), code="invalid-argument", message=["export", "config", "larger than"])
    crux.equal(os.listdir(SHOP.output), [], "output directory")


@crux.table([("given", ["/bin/new", "", "ü"]), ("not given", None), ("empty", [])])
def test_entrypoint(name, entrypoint):
    config = SHOP.build(stage(), entrypoint=entrypoint).config["config"]
    if entrypoint:
        crux.equal(config["Entrypoint"], entrypoint, "Entrypoint")
        assert not config.get("Cmd"), config
    else:
        assert not config.get("Entrypoint"), config
        crux.equal(config["Cmd"], ["/bin/sh"], "Cmd")


def test_entrypoint_of_the_base_stays():
    config = SHOP.build(stage(base="workdir.tar")).config["config"]
    crux.equal((config["Entrypoint"], config["WorkingDir"], config["User"]), (["/bin/old"], "/base/dir", "1000"), "config")


def test_the_bases_record_is_not_changed():
    crux.ask("image-import", {"ref": "test/base", "version": "1", "path": SHOP.root + "/base.tar"})
    before = crux.ctr("images", "ls", "name==test/base:1")
    SHOP.build(stage({"env": {"X": "y"}}, {"copy": "file /x"}), entrypoint=["/x"])
    crux.equal(crux.ctr("images", "ls", "name==test/base:1"), before, "images")
    crux.ask("image-destroy", {"ref": "test/base", "version": "1"})


def test_a_stage_without_steps():
    archive = SHOP.build(stage())
    base = workshop.archives.Archive(SHOP.root + "/base.tar")
    crux.equal([layer["digest"] for layer in archive.layers], [layer["digest"] for layer in base.layers], "layers")


def test_mount_points_are_no_changes():
    crux.equal(SHOP.changes(stage({"run": "true"})), {}, "changes")


def test_what_is_in_mounts_does_not_come_along():
    found = SHOP.changes(stage({"run": "echo x > /run/x; echo x > /dev/shm/x; echo x > /tmp/x"}))
    crux.equal(found, {"tmp/x": "x\n"}, "changes")


def test_processes_of_a_step_end_with_the_stage():
    with crux.leftovers():
        crux.equal(SHOP.changes(stage({"run": "sleep 1000 & echo started > /said"})), {"said": "started\n"}, "changes")


def test_an_earlier_steps_background_process_is_there():
    steps = [{"run": "(sleep 1; echo late > /late) &"}, {"run": "while ! test -e /late; do sleep 0.1; done"}]
    crux.equal(SHOP.changes(stage(*steps)), {"late": "late\n"}, "changes")


def test_transient_stages_feed_the_image():
    first = stage({"run": "mkdir /out; echo made > /out/f"}, name="one", transient=True)
    second = stage({"copy": "one:/out /two"}, {"run": "echo more >> /two/f"}, name="two", transient=True)
    found = SHOP.changes(stage({"copy": "two:/two/f /three"}), first, second)
    crux.equal(found, {"three": "made\nmore\n"}, "changes")


# ---- failures ----------------------------------------------------------------------------------------------------------------------------


FAILURES = [
    ("exit code", {"run": "exit 42"}, ["step 2: command failed: exit code 42: "]),
    ("stderr", {"run": "echo one >&2; echo two >&2; exit 1"}, ["step 2: command failed: exit code 1: one\ntwo"]),
    ("stdout is not quoted", {"run": "echo out; echo err >&2; exit 1"}, ["exit code 1: err"]),
    ("a signal", {"run": "kill -9 $$"}, ["step 2: command failed: exit code 137"]),
    ("bytes", {"run": "printf 'a\\377b\\0c\\303\\251' >&2; exit 1"}, ["exit code 1: a\ufffdb", "c\u00e9"]),
    ("an unknown command", {"run": "nonesuch"}, ["step 2: command failed: exit code 127: ", "nonesuch"]),
    ("a copy", {"copy": "nope /x"}, ["step 2: copy failed: ", SHOP.root + "/nope", "no such file or directory"]),
    ("a copy without workdir", {"copy": "file x"}, ["step 2: copy failed: ", '"x"', "requires workdir"]),
]


@crux.table(FAILURES)
def test_failure_names_its_place(name, step, words):
    reply = SHOP.refused({**stage({"run": "true"}, step), "name": "place"}, message=['stage "place": ', *words])
    assert reply.code in ("command-failed", "build-failed", "not-found", "invalid-argument"), dict(reply)
    reply = SHOP.refused(stage({"run": "true"}, {"platform": HOST, "steps": [RUN, step]}), message=["stage 1: step 2: step 2: "])


def test_stderr_is_quoted_whole_up_to_a_bound():
    reply = SHOP.refused(stage({"run": "seq 1 10000 >&2; exit 1"}))
    crux.contains(reply.message, "exit code 1: 1\n2\n3\n")
    crux.contains(reply.message, "\n9999\n10000")
    crux.equal(reply.code, "command-failed", "code")


def test_more_stderr_keeps_its_end():
    reply = SHOP.refused(stage({"run": "seq 1 200000 >&2; exit 1"}))
    crux.matches(reply.message, r"exit code 1: \[\d+ bytes left out\] ")
    crux.contains(reply.message, "\n199999\n200000")
    assert len(reply.message) < 100000, f"{len(reply.message)} bytes"


def test_a_failed_build_leaves_an_older_image():
    crux.ask("build", SHOP.payload(stage({"copy": "file /x"})))
    with open(SHOP.image, "rb") as image:
        before = image.read()
    crux.refused("build", SHOP.payload(stage({"copy": "file /y"}, {"run": "exit 1"})))
    crux.equal(os.listdir(SHOP.output), ["image.tar"], "output directory")
    with open(SHOP.image, "rb") as image:
        assert image.read() == before, "the image has changed"
    os.unlink(SHOP.image)


def test_output_directory_is_made():
    deep = SHOP.output + "/a/b"
    crux.ask("build", SHOP.payload(stage(), output=deep))
    crux.equal(os.listdir(deep), ["image.tar"], "output directory")


def test_progress():
    steps = [{"copy": "file /x"}, {"run": "echo said; echo wrong >&2"}]
    lines = crux.exchange(crux.encode("build", {**SHOP.payload(stage(*steps, name="main")), "progress": True}))
    assert crux.Reply(lines[-1]).ok, lines[-1]
    told = [json.loads(line) for line in lines[:-1]]
    assert told and all(t["version"] == 0 and t["command"] == "progress" for t in told), told
    payloads = [t["payload"] for t in told]
    assert all(p["stage"] == "main" and p["of"] == 2 and p["platform"] == HOST for p in payloads), payloads
    spoken = [(p["stream"], p["line"], p["step"]) for p in payloads if "line" in p]
    crux.equal(sorted(spoken), [("stderr", "wrong", 2), ("stdout", "said", 2)], "lines")
    os.unlink(SHOP.image)


def test_progress_null_and_false():
    for progress in (None, False):
        lines = crux.exchange(crux.encode("build", {**SHOP.payload(stage(RUN)), "progress": progress}))
        crux.equal(len(lines), 1, "lines")
        os.unlink(SHOP.image)


if __name__ == "__main__":
    crux.main()
