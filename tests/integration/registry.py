# SPDX-License-Identifier: Apache-2.0
"""What the tests with registries share: a certificate that containerd trusts for as long as they run."""

import os

import crux

CA = "/usr/local/share/ca-certificates/cruxd-test.crt"


def make_certificate(key):
    """An authority of one certificate, for 127.0.0.1. Its key goes to this file, it itself is CA."""
    crux.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=cruxd test", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", key, "-out", CA)
    trust()


def remove_certificate():
    if os.path.exists(CA):
        os.unlink(CA)
        trust("--fresh")


def trust(*options):
    crux.run("update-ca-certificates", *options)
    crux.run("systemctl", "restart", "containerd.service")
    crux.eventually(lambda: crux.ctr("version", check=False).returncode == 0, 30, "containerd is back")


def remove_images(repository):
    for name in crux.ctr_list("images", "ls", "-q"):
        if repository in name:
            crux.ctr("images", "rm", "--sync", name)
