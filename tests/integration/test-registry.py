#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Base images out of a real registry: with TLS, with a password, and without TLS where containerd can do that."""

import base64
import json
import os
import textwrap
import time

import crux
import registry

DIRECTORY = crux.scratch() + "/registry"
CREDENTIAL_DROPIN = f"/run/systemd/system/{crux.SERVICE}.d/50-test-credential.conf"
USER, PASSWORD = "builder", "s3cret-pass"
# PASSWORD as htpasswd -B writes it; the registry takes bcrypt alone.
HASH = "$2b$05$U2ae8Tg/JtIZeSPKEgRNUujXKs0zBotvIB0bcUaqPJW6jcgBknlcG"

TLS, LOCKED, PLAIN = "127.0.0.1:5443", "127.0.0.1:5444", "127.0.0.1:5000"
REPOSITORY = "acme/base"


def setup():
    global root, output
    root, output = crux.scratch() + "/registry-root", crux.scratch() + "/registry-output"
    for directory in (DIRECTORY, root, output):
        os.makedirs(directory, exist_ok=True)
    crux.mkimage.busybox(root + "/base.tar")
    registry.make_certificate(DIRECTORY + "/key.pem")
    with open(DIRECTORY + "/htpasswd", "w") as file:
        file.write(f"{USER}:{HASH}\n")
    start_registry("tls", TLS, tls=True)
    start_registry("locked", LOCKED, tls=True, locked=True)
    start_registry("plain", PLAIN)
    push(TLS)
    push(LOCKED, "--dest-creds", f"{USER}:{PASSWORD}")
    push(PLAIN, "--dest-tls-verify=false")


def teardown():
    for name in ("tls", "locked", "plain"):
        crux.run("systemctl", "stop", f"test-registry-{name}.service", check=False)
    forget_credentials()
    registry.remove_certificate()


def start_registry(name, address, tls=False, locked=False):
    configuration = textwrap.dedent(f"""\
        version: 0.1
        log: {{level: error}}
        storage: {{filesystem: {{rootdirectory: {DIRECTORY}/{name}}}}}
        http:
          addr: {address}
        """)
    if tls:
        configuration += f"  tls: {{certificate: {registry.CA}, key: {DIRECTORY}/key.pem}}\n"
    if locked:
        configuration += f"auth: {{htpasswd: {{realm: test, path: {DIRECTORY}/htpasswd}}}}\n"
    with open(f"{DIRECTORY}/{name}.yml", "w") as file:
        file.write(configuration)
    crux.run("systemd-run", f"--unit=test-registry-{name}", "--collect", "docker-registry", "serve", file.name)
    host, port = address.split(":")
    crux.eventually(lambda: crux.run("nc", "-z", host, port, check=False).returncode == 0, 20, f"registry {name}")


def push(address, *options, tag="1"):
    crux.run("skopeo", "copy", *options, f"oci-archive:{root}/base.tar", f"docker://{address}/{REPOSITORY}:{tag}")


def build(reference, **options):
    stages = [{"from": f"oci {reference}", "steps": [{"run": "echo made > /made"}]}]
    return crux.request("build", crux.build(stages, root=root, output=output), **options)


def built(reference):
    with crux.leftovers(ignore=["image left behind: *"]):
        reply = build(reference)
        assert reply.ok, reply.message
        os.unlink(output + "/image.tar")


def failed(reference, *words, code=None):
    with crux.leftovers(ignore=["image left behind: *"]):
        reply = build(reference)
    assert not reply.ok, f"{reference} was built"
    for word in words:
        crux.contains(reply.message, word)
    if code:
        crux.equal(reply.code, code, reply.message)
    assert PASSWORD not in reply.message


def credentials(auths):
    """Gives the service docker's file as a credential, as an administrator would."""
    path = DIRECTORY + "/docker-config.json"
    with open(path, "w") as file:
        json.dump({"auths": auths}, file)
    os.makedirs(os.path.dirname(CREDENTIAL_DROPIN), exist_ok=True)
    with open(CREDENTIAL_DROPIN, "w") as file:
        file.write(f"[Service]\nLoadCredential=docker-config.json:{path}\n")
    crux.run("systemctl", "daemon-reload")
    crux.run("systemctl", "stop", crux.SERVICE)


def forget_credentials():
    if os.path.exists(CREDENTIAL_DROPIN):
        os.unlink(CREDENTIAL_DROPIN)
        crux.run("systemctl", "daemon-reload")
        crux.run("systemctl", "stop", crux.SERVICE)


def containerd_major():
    version = crux.run("containerd", "--version").split()[2]
    return int(version.lstrip("v").split(".")[0])


def test_pulled():
    built(f"{TLS}/{REPOSITORY}:1")
    crux.contains(crux.ctr_list("images", "ls", "-q"), f"{TLS}/{REPOSITORY}:1")


def test_what_is_there_is_not_pulled_again():
    crux.run("systemctl", "stop", "test-registry-tls.service")
    try:
        built(f"{TLS}/{REPOSITORY}:1")
    finally:
        start_registry("tls", TLS, tls=True)


def test_by_digest():
    digest = json.loads(crux.run("skopeo", "inspect", f"docker://{TLS}/{REPOSITORY}:1"))["Digest"]
    built(f"{TLS}/{REPOSITORY}@{digest}")


def test_no_such_tag():
    failed(f"{TLS}/{REPOSITORY}:2", f"{TLS}/{REPOSITORY}:2", "not found", code="not-found")


def test_no_such_repository():
    failed(f"{TLS}/acme/nothing:1", "acme/nothing", "not found", code="not-found")


def test_nobody_listens():
    failed(f"127.0.0.1:5999/{REPOSITORY}:1", "127.0.0.1:5999", "refused", code="unavailable")


def test_no_such_host():
    failed(f"registry.invalid/{REPOSITORY}:1", "registry.invalid", code="unavailable")


def test_bad_references():
    for reference in ("acme/Upper", "a//b", "a:b:c", "127.0.0.1:99999999/x y", "x@sha256:abc"):
        reply = build(reference)
        crux.equal(reply.code, "invalid-argument", reference)


def test_password_missing():
    failed(f"{LOCKED}/{REPOSITORY}:1", LOCKED, code="permission-denied")


def test_password_wrong():
    credentials({LOCKED: {"username": USER, "password": "wrong"}})
    failed(f"{LOCKED}/{REPOSITORY}:1", LOCKED, code="permission-denied")


def test_password_from_a_credential():
    begun = time.time()
    credentials({f"https://{LOCKED}": {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}})
    built(f"{LOCKED}/{REPOSITORY}:1")
    for entry in crux.journal(since=begun):
        message = entry.get("MESSAGE") or ""
        if entry.get("SYSLOG_IDENTIFIER") == "cruxd":
            assert PASSWORD not in str(message), message


def test_credential_that_is_no_json():
    credentials({})
    with open(DIRECTORY + "/docker-config.json", "w") as file:
        file.write(PASSWORD)
    registry.remove_images(REPOSITORY)
    failed(f"{LOCKED}/{REPOSITORY}:1", "docker-config.json")


def test_credential_that_is_too_large():
    with open(DIRECTORY + "/docker-config.json", "w") as file:
        file.write(" " * (300 << 10))
    crux.run("systemctl", "stop", crux.SERVICE)
    registry.remove_images(REPOSITORY)
    failed(f"{LOCKED}/{REPOSITORY}:1", "docker-config.json", "too large")


def test_without_tls():
    """containerd before 2.0 has no way to be told that a registry is without TLS: an error, and nothing worse."""
    forget_credentials()
    if containerd_major() >= 2:
        built(f"{PLAIN}/{REPOSITORY}:1")
    else:
        failed(f"{PLAIN}/{REPOSITORY}:1", PLAIN, "TLS")


if __name__ == "__main__":
    crux.main()
