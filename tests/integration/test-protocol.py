# SPDX-License-Identifier: Apache-2.0
"""The wire protocol's framing, sentence by sentence: what is sent, byte by byte, and what must come back. The commands
themselves are test-commands.py's."""

import json
import re
import time

import crux
import workshop

LINE_MAX = 16 << 20
NESTING_MAX = 64
CODES = (
    "invalid-argument not-found not-running already-exists permission-denied busy cancelled command-failed build-failed"
    " unsupported unavailable internal"
).split()

GUARD = workshop.Guard()


def setup():
    crux.destroy_everything()
    GUARD.begin()


def after_each():
    assert crux.request("status").ok, "the daemon is gone"


def strict(line):
    """A reply line as the protocol promises it: UTF-8, one object, its members in order."""
    assert line.endswith(b"\n") and line.count(b"\n") == 1, f"no line: {line[:200]!r}"
    text = line.decode("utf-8")
    assert not re.search(r"[\x00-\x1f]", text[:-1]), f"raw control characters in {line[:200]!r}"
    envelope = json.loads(text)
    crux.equal(list(envelope)[:2], ["version", "command"], "members")
    assert set(envelope) <= {"version", "command", "payload"}, f"members of {line[:200]!r}"
    crux.equal(envelope["version"], 0, "version")
    if envelope["command"] == "error":
        crux.equal(set(envelope["payload"]), {"message", "code"}, "members of an error")
        assert envelope["payload"]["code"] in CODES, f"unknown code {envelope['payload']['code']!r}"
        assert envelope["payload"]["message"], "an error without words"
    else:
        crux.equal(envelope["command"], "ok", "command")
    return crux.Reply(line)


def answer(data, **options):
    """The one reply to these bytes, after which the daemon closes."""
    lines = crux.exchange(data, **options)
    crux.equal(len(lines), 1, f"lines in answer to {data[:80]!r}")
    return strict(lines[0])


def expect(reply, code, words=()):
    """`code` is None for success, with members that are compared where `words` is a dictionary."""
    if code is None:
        assert reply.ok, f"{reply.code}: {reply.message}"
        for name, value in dict(words).items():
            crux.equal(reply.get(name), value, name)
        return
    crux.equal(reply.code, code, f"code of {reply.message!r}")
    for word in [words] if isinstance(words, str) else words:
        crux.contains(reply.message, word)


# ---- one exchange a connection -------------------------------------------------------------------------------------------


EXACT = [
    # name, request, the whole answer
    (
        "no payload where there is nothing to say",
        b'{"version":0,"command":"container-stop","payload":{"id":"nobody"}}\n',
        b'{"version":0,"command":"ok"}\n',
    ),
    (
        "a payload",
        b'{"version":0,"command":"container-status","payload":{"id":"nobody"}}\n',
        b'{"version":0,"command":"ok","payload":{"status":"not created"}}\n',
    ),
    (
        "an error",
        b'{"version":0,"command":"nope"}\n',
        b'{"version":0,"command":"error","payload":{"message":"unknown command: nope","code":"unsupported"}}\n',
    ),
]


@crux.table(EXACT)
def test_form_of_the_reply(name, data, reply):
    crux.equal(crux.exchange(data), [reply], "reply")


MEMBERS = [
    # name, request line, code (None: ok), words or members
    ("all in upper case", b'{"VERSION":0,"COMMAND":"container-status","PAYLOAD":{"ID":"nobody"}}', None, {"status": "not created"}),
    ("an exact match wins, first", b'{"command":"status","Command":"nope"}', None),
    ("an exact match wins, last", b'{"Command":"nope","command":"status"}', None),
    ("an exact match wins, in the payload", b'{"command":"container-status","payload":{"id":"nobody","ID":"-"}}', None),
    ("a wrong exact match wins too", b'{"Command":"status","command":"nope"}', "unsupported", "nope"),
    ("of a repeated member the last counts", b'{"command":"nope","command":"status"}', None),
    ("of a repeated member the last counts, wrong", b'{"command":"status","command":"nope"}', "unsupported", "nope"),
    ("of a repeated member in other cases the last counts", b'{"Command":"nope","COMMAND":"status"}', None),
    ("a repeated payload", b'{"command":"container-status","payload":7,"payload":{"id":"nobody"}}', None),
    ("unknown members", b'{"a":[{}],"command":"status","":0,"version ":9,"payloads":{"x":1}}', None),
    ("unknown members of the payload", b'{"command":"container-status","payload":{"id":"nobody","path":7,"ref":[]}}', None),
    ("only ASCII has case", '{"\u212aommand":"x","command":"status"}'.encode(), None),
    ("no version", b'{"command":"status"}', None),
    ("version null", b'{"version":null,"command":"status"}', None),
    ("command null", b'{"command":null}', "unsupported", "unknown command"),
    ("no command", b'{"version":0}', "unsupported", "unknown command"),
    ("payload null where none is needed", b'{"command":"status","payload":null}', None),
    ("payload null where one is needed", b'{"command":"container-status","payload":null}', "invalid-argument", "payload"),
    ("member null", b'{"command":"container-status","payload":{"id":null}}', "invalid-argument", '"id"'),
    ("null is absent, so that another spelling counts", b'{"command":"container-status","payload":{"id":null,"ID":"nobody"}}', None, {"status": "not created"}),
    ("null is absent, in another spelling too", b'{"command":"container-status","payload":{"ID":"nobody","Id":null}}', None, {"status": "not created"}),
    ("version 1", b'{"version":1,"command":"status"}', "unsupported", "unsupported protocol version"),
    ("version -1", b'{"version":-1,"command":"status"}', "unsupported", "unsupported protocol version"),
    ("version 2^64", b'{"version":18446744073709551616,"command":"status"}', "unsupported", "unsupported protocol version"),
    ("another version's command", b'{"version":7,"command":"nope"}', "unsupported", "unsupported protocol version"),
    ("version as a string", b'{"version":"0","command":"status"}', "invalid-argument", '"version"'),
    ("version as a fraction", b'{"version":0.5,"command":"status"}', "invalid-argument", '"version"'),
    ("version as an object", b'{"version":{},"command":"status"}', "invalid-argument", '"version"'),
    ("command as a number", b'{"command":1}', "invalid-argument", '"command"'),
    ("command as an array", b'{"command":["status"]}', "invalid-argument", '"command"'),
    ("payload as an array", b'{"command":"container-status","payload":[]}', "invalid-argument", '"payload"'),
    ("payload as a string", b'{"command":"container-status","payload":"id"}', "invalid-argument", '"payload"'),
    ("payload as a number", b'{"command":"container-status","payload":0}', "invalid-argument", '"payload"'),
    ("commands have case", b'{"command":"STATUS"}', "unsupported", "unknown command: STATUS"),
    ("the daemon's own command", b'{"command":"sweep","payload":{}}', "unsupported", "unknown command: sweep"),
    ("a reply's command", b'{"command":"ok"}', "unsupported", "unknown command: ok"),
    ("an empty command", b'{"command":""}', "unsupported", "unknown command"),
    ("a long command", b'{"command":"%s"}' % (b"x" * 100000), "unsupported", "unknown command: xxxx"),
    ("white space around", b' \t {"command" :\r "status" } \t\r', None),
    ("escapes", b'{"comm\\u0061nd":"st\\u0061tus"}', None),
    ("a NUL in a string", b'{"command":"container-status","payload":{"id":"a\\u0000b"}}', "invalid-argument", '"id"'),
    ("a NUL in the command", b'{"command":"status\\u0000x"}', "invalid-argument", '"command"'),
]


@crux.table([(*row, ())[:4] for row in MEMBERS])
def test_members(name, line, code, words):
    expect(answer(line + b"\n"), code, words)


MALFORMED = {
    "a word": b"garbage",
    "nothing": b"",
    "spaces": b"   ",
    "an open object": b'{"command":"status"',
    "an open string": b'{"command":"stat',
    "an array": b'["status"]',
    "a string": b'"status"',
    "a number": b"0",
    "null": b"null",
    "true": b"true",
    "data after it": b'{"command":"status"} x',
    "two objects": b'{"command":"status"}{"command":"status"}',
    "a comma too many": b'{"command":"status",}',
    "single quotes": b"{'command':'status'}",
    "no quotes": b"{command:status}",
    "a comment": b'{/* */"command":"status"}',
    "a byte order mark": b'\xef\xbb\xbf{"command":"status"}',
    "a raw tab in a string": b'{"command":"status","x":"\t"}',
    "a raw NUL": b'{"command":"status"\0}',
    "a NUL first": b'\0{"command":"status"}',
    "a NUL last": b'{"command":"status"}\0',
    "NaN": b'{"command":"status","x":NaN}',
    "Infinity": b'{"command":"status","x":-Infinity}',
    "a leading zero": b'{"command":"status","x":01}',
    "hexadecimal": b'{"command":"status","x":0x1}',
    "an unknown escape": b'{"command":"status","x":"\\q"}',
    "half an escape": b'{"command":"status","x":"\\u12"}',
    "UTF-16": '{"command":"status"}'.encode("utf-16"),
    "HTTP": b"GET / HTTP/1.1",
    "all bytes": bytes(n for n in range(256) if n != 10),
}


@crux.table(list(MALFORMED.items()))
def test_malformed(name, line):
    reply = answer(line + b"\n")
    crux.equal(reply.code, "invalid-argument", f"code of {reply.message!r}")
    assert reply.message.startswith("malformed message: "), reply.message


# ---- depth and length ------------------------------------------------------------------------------------------------------


def nested(depth, opening=b"[", closing=b"]", inner=b""):
    """A request whose deepest value stands inside of `depth` objects and arrays, the envelope and payload counted."""
    return b'{"command":"status","payload":{"x":%s%s%s}}\n' % (opening * (depth - 2), inner, closing * (depth - 2))


def test_nesting_up_to_the_limit():
    expect(answer(nested(NESTING_MAX)), None)
    expect(answer(nested(NESTING_MAX, b'{"y":', b"}", b"0")), None)


@crux.table([("arrays", b"[", b"]"), ("objects", b'{"y":', b"}")])
def test_nesting_beyond_the_limit(name, opening, closing):
    for depth in (NESTING_MAX + 1, NESTING_MAX + 2, 1000, 2000000):
        reply = answer(nested(depth, opening, closing, b"0"))
        expect(reply, "invalid-argument", ("malformed message: ", str(NESTING_MAX)) if depth < 2000000 else "malformed message: ")


def padded(length):
    frame = b'{"command":"status","payload":{"x":"%s"}}\n'
    return frame % (b"x" * (length - len(frame) + 2))


def test_line_up_to_the_limit():
    data = padded(LINE_MAX)
    crux.equal(len(data), LINE_MAX, "bytes of the line")
    expect(answer(data), None)


def send_what_it_takes(connection, data):
    """Sends until all is sent or the other side wants no more."""
    with crux.contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(data)


@crux.table([("with a newline", padded(LINE_MAX + 1)), ("without", b"x" * (LINE_MAX + 1)), ("of twice the size", b" " * (2 * LINE_MAX))])
def test_line_beyond_the_limit(name, data):
    with crux.Connection() as connection:
        send_what_it_takes(connection, data)
        reply = strict(connection.line())
        crux.equal(connection.line(), b"", "after the reply")
    expect(reply, "invalid-argument", ("malformed message: ", str(LINE_MAX)))


def test_many_values():
    # Small values take many times their length as objects in memory.
    reply = answer(b'{"command":"status","payload":{"x":[' + b"0," * (LINE_MAX // 2 - 40) + b"0]}}\n")
    expect(reply, "invalid-argument", "values")
    reply = answer(b'{"command":"status","payload":{"x":"' + b'[,' * (1 << 20) + b'"}}\n')
    expect(reply, None)


# ---- UTF-8 -------------------------------------------------------------------------------------------------------------------


BAD_UTF8 = {
    # what stands in a command's name → what it is quoted as
    "a lone byte": (b"a\xffb", "a\ufffdb"),
    "a lone continuation": (b"a\x80b", "a\ufffdb"),
    "a cut sequence": (b"a\xe2\x82b", "a\ufffd\ufffdb"),
    "an overlong slash": (b"a\xc0\xafb", "a\ufffd\ufffdb"),
    "a surrogate": (b"a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb"),
    "beyond Unicode": (b"a\xf4\x90\x80\x80b", "a\ufffd\ufffd\ufffd\ufffdb"),
    "a lone surrogate's escape": (b"a\\ud800b", "a\ufffdb"),
    "good ones": ("a\u00e9\u20ac\U0001f642\U0010ffffb".encode(), "a\u00e9\u20ac\U0001f642\U0010ffffb"),
    "a pair of escapes": (b"a\\ud83d\\ude42b", "a\U0001f642b"),
    "control characters": (b"a\\u0001\\n\\t\\u007f\\\"\\\\b", 'a\x01\n\t\x7f"\\b'),
}


@crux.table([(name, *row) for name, row in BAD_UTF8.items()])
def test_utf8(name, sent, quoted):
    expect(answer(b'{"command":"%s"}\n' % sent), "unsupported", "unknown command: " + quoted)
    reply = answer(b'{"command":"container-status","payload":{"id":"%s"}}\n' % sent)
    expect(reply, "invalid-argument", '"id"')


# ---- pieces, ends and silence ------------------------------------------------------------------------------------------------


def test_half_close_before_the_answer():
    expect(answer(crux.encode("status"), half_close=True), None)


def test_pipelined_requests_are_not_looked_at():
    # The second would be an error, the third changes something.
    data = crux.encode("status") + b"garbage\n" + crux.encode("image-destroy", {"ref": "a", "version": "1"})
    expect(answer(data), None)
    expect(answer(crux.encode("container-status", {"id": "nobody"}) + b"x" * (4 << 20)), None, {"status": "not created"})


def test_end_without_a_newline():
    reply = answer(crux.encode("status").rstrip(b"\n"), half_close=True)
    expect(reply, "invalid-argument", "malformed message: ")


def test_nothing_at_all():
    crux.equal(crux.exchange(b"", half_close=True), [], "reply to nothing")


def test_probes_are_not_logged():
    crux.ask("status")
    since = time.time()
    time.sleep(0.01)
    for _ in range(20):
        crux.Connection().close()
    for _ in range(20):
        crux.exchange(b"", half_close=True)
    crux.ask("status")
    entries = [e for e in crux.journal("-u", crux.SERVICE, since=since) if float(e["__REALTIME_TIMESTAMP"]) / 1e6 > since]
    said = [(e["PRIORITY"], e["MESSAGE"]) for e in entries if e["PRIORITY"] < "7"]
    crux.equal(said, [], "said above debug")


def closed_after(connection):
    """Seconds until the daemon closes, and the lines that it sent."""
    started = time.monotonic()
    lines = connection.lines()
    return time.monotonic() - started, lines


def check_dropped(took, lines):
    assert 0.8 < took < 3, f"closed after {took:.1f} s instead of 1"
    for line in lines:
        expect(strict(line), "invalid-argument", "malformed message: ")


def test_patience():
    with workshop.settings(RequestTimeoutSec="1s"):
        with crux.Connection(timeout=10) as silent, crux.Connection(timeout=10) as half:
            half.send(b'{"command":')
            took, lines = closed_after(silent)
            check_dropped(took, lines)
            after, lines = closed_after(half)
            check_dropped(took + after, lines)
        # Byte by byte does not gain time.
        with crux.Connection(timeout=10) as slow:
            started = time.monotonic()
            with crux.contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(50):
                    slow.send(b" ")
                    time.sleep(0.1)
            assert time.monotonic() - started < 4, "byte by byte it goes on"
        # Who has asked may wait for the answer as long as it takes.
        assert crux.request("status").ok


# ---- bounds -------------------------------------------------------------------------------------------------------------------


def test_connections_of_a_user():
    with workshop.settings(ConnectionsPerUserMax=3):
        held = [crux.Connection() for _ in range(3)]
        try:
            crux.eventually(lambda: crux.request("status").code == "busy", 5, "the bound")
            expect(answer(crux.encode("status")), "busy", ("connections", "3"))
            # Nobody else is kept from being served.
            assert crux.request("status", user="alice").ok
            held.pop().close()
            crux.eventually(lambda: crux.request("status").ok, 5, "being served again")
        finally:
            for connection in held:
                connection.close()


def test_connections_in_all():
    with workshop.settings(ConnectionsMax=3):
        held = [crux.Connection() for _ in range(3)]
        try:
            crux.eventually(lambda: crux.request("status").code == "busy", 5, "the bound")
            reply = crux.request("status", user="alice")
            expect(reply, "busy", ("connections", "3"))
        finally:
            for connection in held:
                connection.close()
        crux.eventually(lambda: crux.request("status").ok, 5, "being served again")


def test_bytes_in_requests():
    with workshop.settings(RequestMemoryPerUserMax="1M"):
        with crux.Connection() as first, crux.Connection() as second:
            first.send(b'{"x":"' + b"x" * 900000)
            time.sleep(0.2)
            send_what_it_takes(second, b'{"x":"' + b"x" * 900000)
            expect(strict(second.line()), "busy", "bytes in requests")
            assert crux.request("", raw=padded(900000), user="alice").ok
            first.send(b'","command":"status"}\n')
            expect(strict(first.line()), None)


def test_bad_settings_cost_their_line_alone():
    since = time.time()
    with workshop.settings(RequestTimeoutSec="soon", ConnectionsMax=0, QueueMax=-1, NoSuchMax=3, ExitOnIdleSec=""):
        crux.ask("status")
        said = "\n".join(str(e["MESSAGE"]) for e in crux.journal("-u", crux.SERVICE, "-p", "warning", since=since))
        for name in ("RequestTimeoutSec", "ConnectionsMax", "QueueMax", "NoSuchMax"):
            crux.contains(said, name)


def test_nothing_is_left():
    crux.nothing_left(GUARD.before)


if __name__ == "__main__":
    crux.main()
