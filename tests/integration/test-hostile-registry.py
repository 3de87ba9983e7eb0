# SPDX-License-Identifier: Apache-2.0
"""A registry that wants something else than to give an image: each case with the class of defect that those who pull have
had, and with what must happen. hostile.py tells the words."""

import base64
import http.server
import json
import os
import ssl
import threading
import time

import crux
import hostile
import registry
import workshop
from crux import mkimage
from hostile import SMALL_LAYER, changed, config_of, descriptor, manifest_of

SHOP = workshop.Workshop("hostile-registry")
CREDENTIAL_DROPIN = f"/run/systemd/system/{crux.SERVICE}.d/50-test-credential.conf"
HERE, ELSEWHERE = "127.0.0.1:5453", "127.0.0.1:5454"
REPOSITORY = "evil/image"
WRONG = "sha256:" + "a" * 64
PASSWORD = "only-for-elsewhere"
CODES = "invalid-argument|unsupported|not-found|permission-denied|unavailable|build-failed"
MANIFEST = mkimage.OCI + "manifest.v1+json"
MIB = 1 << 20


class Site:
    """What the registry has, and what it was asked. An answer is (status, headers, body); a body may be a function that is
    given the connection's file."""

    def __init__(self):
        self.answers, self.asked = {}, []
        self.every = None

    def put(self, path, body, kind="application/octet-stream", status=200, **headers):
        self.answers[path] = (status, {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}, body)

    def blob(self, data, body=None):
        blob = mkimage.Blob(data if isinstance(data, bytes) else json.dumps(data).encode())
        self.put("blobs/" + blob.digest, blob.data if body is None else body)
        return blob

    def manifest(self, document, tag="1", **headers):
        blob = mkimage.Blob(document if isinstance(document, bytes) else json.dumps(document).encode())
        for name in (tag, blob.digest):
            self.put("manifests/" + name, blob.data, MANIFEST, **{"Docker_Content_Digest": blob.digest, **headers})
        return blob

    def image(self, layer=None, config=None, manifest=None, **headers):
        """A whole image, in which the bodies of its blobs may be others than their digests say."""
        layer_blob = self.blob(SMALL_LAYER, layer)
        config_blob = self.blob(config_of([layer_blob.digest]), config)
        document = manifest_of(config_blob, [layer_blob])
        return self.manifest(manifest(document) if manifest else document, **headers)


SITE = Site()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        SITE.asked.append((self.path, self.headers.get("Authorization")))
        path = self.path.removeprefix(f"/v2/{REPOSITORY}/")
        status, headers, body = SITE.every or SITE.answers.get(path) or (404, {}, b"{}")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
        self.end_headers()
        if self.command == "GET" and path != "/v2/":
            with crux.contextlib.suppress(OSError):
                self.wfile.write(body) if isinstance(body, bytes) else body(self.wfile)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def serve(address):
    host, port = address.split(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # of those who went before the answer
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(registry.CA, SHOP.root + "/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def setup():
    SHOP.open()
    workshop.make_tree(SHOP.root, {"f": "F"})
    registry.make_certificate(SHOP.root + "/key.pem")
    # For another registry than the one that is asked, though on the same machine.
    auth = base64.b64encode(f"builder:{PASSWORD}".encode()).decode()
    with open(SHOP.root + "/docker-config.json", "w") as file:
        json.dump({"auths": {ELSEWHERE: {"auth": auth}}}, file)
    os.makedirs(os.path.dirname(CREDENTIAL_DROPIN), exist_ok=True)
    with open(CREDENTIAL_DROPIN, "w") as file:
        file.write(f"[Service]\nLoadCredential=docker-config.json:{SHOP.root}/docker-config.json\n")
    crux.run("systemctl", "daemon-reload")
    crux.run("systemctl", "stop", crux.SERVICE)
    serve(HERE)
    serve(ELSEWHERE)


def after_each():
    registry.remove_images(REPOSITORY)
    SITE.__init__()
    SHOP.clear_output()


def teardown():
    os.unlink(CREDENTIAL_DROPIN)
    crux.run("systemctl", "daemon-reload")
    crux.run("systemctl", "stop", crux.SERVICE)
    registry.remove_certificate()
    SHOP.close()


def payload(reference):
    stage = {"from": f"oci {reference}", "steps": [{"copy": "f /f"}]}
    return SHOP.payload(stage)


CASES = hostile.Cases()


def case(cve, **more):
    return CASES(cve, **{"codes": CODES, **more})


@case("an image as it should be", expect="works")
def nothing_wrong():
    SITE.image()


@case("CVE-2014-8179 (docker): a manifest of another digest than was asked for", codes="invalid-argument", reference=f"@{WRONG}")
def a_manifest_of_another_digest():
    SITE.image()
    SITE.answers["manifests/" + WRONG] = SITE.answers["manifests/1"]


@case("a digest in the answer's header that is not that of the answer", codes="invalid-argument")
def a_lie_in_a_header():
    SITE.image(Docker_Content_Digest=WRONG)
    SITE.answers["manifests/" + WRONG] = SITE.answers["manifests/1"]


@case("CVE-2014-8178 (docker): a layer that is something else", codes="invalid-argument")
def another_layer():
    SITE.image(layer=mkimage.Tree().file("f", b"small, but another").tar())


@case("a config that is something else")
def another_config():
    SITE.image(config=json.dumps(config_of([], config={"User": "root"})).encode())


@case("a layer that goes on after its end", codes="invalid-argument")
def a_longer_layer():
    SITE.image(layer=lambda file: [file.write(bytes(MIB)) for _ in range(64)])


@case("a layer that ends before its end")
def a_shorter_layer():
    SITE.image(layer=lambda file: file.write(SMALL_LAYER[:700]))


@case("a manifest without end")
def a_long_manifest():
    SITE.image()
    SITE.put("manifests/1", lambda file: [file.write(b" " * MIB) for _ in range(64)], MANIFEST)


@case("CVE-2020-1702 (containers/image): a manifest that says it is huge")
def a_huge_manifest():
    blob = SITE.image()
    for name in ("1", blob.digest):
        SITE.put("manifests/" + name, blob.data, MANIFEST, Content_Length=str(1 << 40), Docker_Content_Digest=blob.digest)


@case("CVE-2021-41190 (OCI): a manifest that is an index as well")
def a_manifest_and_an_index():
    SITE.image(manifest=changed(manifests=[]))


@case("CVE-2021-21285 (docker), CVE-2024-23650 (BuildKit): documents without what belongs into them")
def a_manifest_of_nothing():
    SITE.manifest({"schemaVersion": 2, "mediaType": MANIFEST})


@case("a page for people")
def a_page():
    SITE.put("manifests/1", b"<html>log in</html>", "text/html")


@case("more diff_ids than layers")
def wrong_diff_ids():
    layer = SITE.blob(SMALL_LAYER)
    SITE.manifest(manifest_of(SITE.blob(config_of([layer.digest, WRONG])), [layer]))


@case("a layer that is another one when it is unpacked", words="the config says")
def a_wrong_diff_id():
    layer = SITE.blob(SMALL_LAYER)
    SITE.manifest(manifest_of(SITE.blob(config_of([WRONG])), [layer]))


@case("CVE-2020-15157 (containerd): layers that lie elsewhere")
def foreign_layers():
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layer = mkimage.Blob(SMALL_LAYER)
    row = {"mediaType": kind, "digest": layer.digest, "size": layer.size, "urls": [f"https://{ELSEWHERE}/steal"]}
    SITE.manifest({**manifest_of(SITE.blob(config_of([layer.digest])), []), "layers": [row]})


@case("CVE-2019-10214 (containers/image): a question for a password that is another registry's", codes="permission-denied")
def a_question_for_a_password():
    SITE.every = (401, {"WWW-Authenticate": f'Basic realm="{ELSEWHERE}"'}, b"{}")


@case("a question for a token, to be had elsewhere")
def a_question_for_a_token():
    SITE.every = (401, {"WWW-Authenticate": f'Bearer realm="https://{ELSEWHERE}/token",service="{ELSEWHERE}",scope="x"'}, b"{}")


@case("a way that leads to itself")
def a_redirect_to_itself():
    SITE.every = (302, {"Location": f"https://{HERE}/v2/{REPOSITORY}/manifests/1"}, b"")


@case("ways that lead to the machine's files")
def a_redirect_to_a_file():
    SITE.every = (302, {"Location": "file:///etc/shadow"}, b"")


@case("words that break lines, terminals and logs")
def odd_words():
    text = json.dumps({"errors": [{"code": "DENIED\nCRUXD_FORGED=yes", "message": "\x1b[2J\x07\n" + "x" * 4 * MIB}]})
    SITE.every = (403, {"Content-Type": "application/json"}, text.encode())


@crux.table(CASES.rows())
def test_registry(title, case):
    case.function()
    since = started = time.time()
    with crux.leftovers(ignore=["image left behind: *"]):
        reply = crux.request("build", payload(f"{HERE}/{REPOSITORY}{case.more.get('reference', ':1')}"))
        hostile.judge(case, reply)
    assert time.time() - started < 60, "it took long"
    assert len(reply.message) < 1 << 17, f"a message of {len(reply.message)} bytes"
    for path, authorisation in SITE.asked:
        assert not authorisation or PASSWORD not in base64.b64decode(authorisation.split()[-1] + "==").decode("latin-1"), f"the password went to {path}"
    crux.equal(crux.journal("CRUXD_FORGED=yes", since=since), [], "forged entries")


def test_one_that_never_answers():
    """The client's patience is what counts: when it goes, nothing is left."""
    ended = threading.Event()
    SITE.image()
    SITE.put("manifests/1", lambda file: ended.wait(60), MANIFEST)
    try:
        with crux.leftovers(ignore=["image left behind: *"]):
            with crux.Connection() as connection:
                connection.send(crux.encode("build", payload(f"{HERE}/{REPOSITORY}:1")))
                crux.eventually(lambda: SITE.asked, 20, "the registry is asked")
            # Gone; what is looked at next comes after it in the same queue.
            crux.ask("container-destroy", {"id": "nobody"})
    finally:
        ended.set()


if __name__ == "__main__":
    crux.main()
