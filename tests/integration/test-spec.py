# SPDX-License-Identifier: Apache-2.0
"""The OCI runtime specification that cruxd gives a container: the published Go daemon's but for what DIFFERENCES
names, each with its reason. The reference was read off a container of that daemon, made from the image and the
entrypoint that are used here."""

import json
import os

import crux

ROOT = "/srv/test/spec"
REF, ID = "acme/hello", "acme-hello"
ENTRYPOINT = ["/bin/sh", "-c", "echo up; sleep infinity"]

with open(os.path.join(crux.HERE, "data", "runtime-spec.json")) as reference:
    REFERENCE = json.load(reference)

# Path into the specification: what is there instead (None: nothing; a function: whether it is right), and why.
DIFFERENCES = {
    "linux.cgroupsPath": (
        "cruxd-default.slice:cruxd:" + ID,
        "systemd makes the cgroup, as a scope below a slice, so that systemctl shows it and its limits are systemd's",
    ),
    "annotations": (
        {
            "org.systemd.property.TimeoutStopUSec": "uint64 1000000",
            "org.systemd.property.Description": "'cruxd container acme-hello (acme/hello:1.0.0)'",
        },
        "a PID 1 that ignores SIGTERM would hold up the machine's shutdown for 90 s; systemctl names the container",
    ),
}


def setup():
    crux.destroy_everything()
    os.makedirs(ROOT, exist_ok=True)
    crux.mkimage.busybox(ROOT + "/image.tar", Entrypoint=ENTRYPOINT)
    crux.ask("image-import", {"ref": REF, "version": "1.0.0", "path": ROOT + "/image.tar"})
    crux.ask("image-start", {"ref": REF, "version": "1.0.0"})


def teardown():
    crux.destroy_everything()
    crux.shutil.rmtree(ROOT, ignore_errors=True)


def flatten(value, path=""):
    """Members by their path. Lists are compared as wholes, but for mounts, which are known by their destination."""
    if path == "mounts":
        value = {mount["destination"]: mount for mount in value}
    if isinstance(value, dict) and value and path not in DIFFERENCES:
        flat = {}
        for name, member in value.items():
            flat |= flatten(member, f"{path}.{name}" if path else name)
        return flat
    return {path: value}


def normalise(spec):
    """Sorts what is a set."""
    for name, values in spec["process"].get("capabilities", {}).items():
        values.sort()
    for name in ("maskedPaths", "readonlyPaths"):
        spec["linux"].get(name, []).sort()
    spec["linux"]["namespaces"].sort(key=lambda namespace: namespace["type"])
    return spec


def compare(spec):
    expected, actual = flatten(normalise(json.loads(json.dumps(REFERENCE)))), flatten(normalise(spec))
    for path, (value, _) in DIFFERENCES.items():
        expected.pop(path, None)
        if callable(value):
            assert value(actual.pop(path, None)), f"{path} is wrong"
        elif value is not None:
            expected[path] = value
    wrong = [
        f"{path}: is {actual.get(path, 'absent')!r}, expected {expected.get(path, 'absent')!r}"
        for path in sorted(expected.keys() | actual.keys())
        if expected.get(path, ...) != actual.get(path, ...)
    ]
    assert not wrong, "\n".join(wrong)


def test_stored_with_the_container():
    compare(json.loads(crux.ctr("containers", "info", "--spec", ID)))


def test_order_of_mounts():
    # They are made in this order, so that those inside of others come later.
    spec = json.loads(crux.ctr("containers", "info", "--spec", ID))
    order = [mount["destination"] for mount in REFERENCE["mounts"]]
    crux.equal([mount["destination"] for mount in spec["mounts"]], order, "mounts")


def test_handed_to_the_runtime():
    with open(f"/run/containerd/io.containerd.runtime.v2.task/{crux.NAMESPACE}/{ID}/config.json") as file:
        compare(json.load(file))


def test_in_force():
    def output(*command):
        return crux.ask("container-exec", {"id": ID, "command": list(command)})["stdout"]

    status = dict(line.split(":\t", 1) for line in output("/bin/cat", "/proc/1/status").splitlines() if ":\t" in line)
    crux.equal(status["NoNewPrivs"], "1", "NoNewPrivs")
    crux.equal(status["CapBnd"], "00000000a80425fb", "bounding set")
    crux.equal(output("/bin/sh", "-c", "ulimit -n").strip(), "1024", "open files")
    crux.equal(output("/bin/cat", "/etc/resolv.conf"), open("/etc/resolv.conf").read(), "resolv.conf")


def test_cgroup_is_a_scope():
    unit = crux.show(f"cruxd-{ID}.scope", "ActiveState", "Slice", "ControlGroup")
    crux.equal(unit["ActiveState"], "active", "the scope")
    crux.equal(unit["Slice"], "cruxd-default.slice", "its slice")


if __name__ == "__main__":
    crux.main()
