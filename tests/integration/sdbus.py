# SPDX-License-Identifier: Apache-2.0
"""A client of the system bus as programs are: by libsystemd's sd-bus, with typed values and the names of errors."""

import ctypes
import os
import time

LIBRARY = ctypes.CDLL("libsystemd.so.0")

NUMBERS = {"y": ctypes.c_uint8, "b": ctypes.c_int, "n": ctypes.c_int16, "q": ctypes.c_uint16, "i": ctypes.c_int32,
           "u": ctypes.c_uint32, "x": ctypes.c_int64, "t": ctypes.c_uint64, "d": ctypes.c_double, "h": ctypes.c_int}
STRINGS = "sog"
TIMEOUT_USEC = 120 * 10**6

sd_bus_message_p = ctypes.c_void_p


class Failure(Exception):
    """A method's error, with its name."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


class ErrorStruct(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


def check(r, what):
    if r < 0:
        raise OSError(-r, f"{what}: {os.strerror(-r)}")
    return r


def types(signature):
    """The complete types that a signature is made of; of containers, arrays alone."""
    while signature:
        length = len(signature) - len(signature.lstrip("a")) + 1
        yield signature[:length]
        signature = signature[length:]


def append(message, kind, value):
    if kind[0] == "a":
        check(LIBRARY.sd_bus_message_open_container(message, ctypes.c_char(b"a"), kind[1:].encode()), "open array")
        for element in value:
            append(message, kind[1:], element)
        check(LIBRARY.sd_bus_message_close_container(message), "close array")
        return
    data = str(value).encode() if kind in STRINGS else ctypes.byref(NUMBERS[kind](value))
    check(LIBRARY.sd_bus_message_append_basic(message, ctypes.c_char(kind.encode()), data), f"append {kind}")


def read_basic(message, kind):
    target = ctypes.c_char_p() if kind in STRINGS else NUMBERS[kind]()
    check(LIBRARY.sd_bus_message_read_basic(message, ctypes.c_char(kind.encode()), ctypes.byref(target)), "read")
    if kind in STRINGS:
        return target.value.decode()
    if kind == "h":  # the message's own
        return os.dup(target.value)
    return bool(target.value) if kind == "b" else target.value


def read_bytes(message):
    data, size = ctypes.c_void_p(), ctypes.c_size_t()
    check(LIBRARY.sd_bus_message_read_array(message, ctypes.c_char(b"y"), ctypes.byref(data), ctypes.byref(size)), "read bytes")
    return ctypes.string_at(data, size.value) if size else b""


def read_all(message):
    """What is left in the container that the message stands in: structures are tuples, bytes are bytes."""
    values, kind, contents = [], ctypes.c_char(), ctypes.c_char_p()
    while check(LIBRARY.sd_bus_message_peek_type(message, ctypes.byref(kind), ctypes.byref(contents)), "peek") > 0:
        letter = kind.value.decode()
        if letter not in "arev":
            values.append(read_basic(message, letter))
            continue
        inside = contents.value
        if letter == "a" and inside == b"y":
            values.append(read_bytes(message))
            continue
        check(LIBRARY.sd_bus_message_enter_container(message, kind, inside), "enter")
        found = read_all(message)
        check(LIBRARY.sd_bus_message_exit_container(message), "leave")
        if letter == "a":
            values.append(dict(found) if inside[:1] == b"{" else found)
        else:
            values.append(found[0] if letter == "v" else tuple(found))
    return values


class Bus:
    """A connection, which is closed when the block is left."""

    def __init__(self):
        self.bus = ctypes.c_void_p()
        check(LIBRARY.sd_bus_open_system(ctypes.byref(self.bus)), "connect to the bus")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBRARY.sd_bus_flush_close_unref(self.bus)

    def send(self, destination, path, interface, member, signature="", *arguments, reply=True):
        """Calls and does not wait: the number by which replies() tells the answer."""
        message, number = sd_bus_message_p(), ctypes.c_uint64()
        names = [word.encode() for word in (destination, path, interface, member)]
        check(LIBRARY.sd_bus_message_new_method_call(self.bus, ctypes.byref(message), *names), "new call")
        try:
            check(LIBRARY.sd_bus_message_set_expect_reply(message, ctypes.c_int(reply)), "expect a reply")
            for kind, value in zip(types(signature), arguments, strict=True):
                append(message, kind, value)
            check(LIBRARY.sd_bus_send(self.bus, message, ctypes.byref(number)), member)
        finally:
            LIBRARY.sd_bus_message_unref(message)
        check(LIBRARY.sd_bus_flush(self.bus), "flush")
        return number.value

    def replies(self, seconds):
        """What is answered to send(), as (number, values or Failure), for so many seconds at most."""
        for message in self.messages(seconds):
            number = ctypes.c_uint64()
            if LIBRARY.sd_bus_message_get_reply_cookie(message, ctypes.byref(number)) < 0:
                continue
            error = LIBRARY.sd_bus_message_get_error(message)
            if error:
                yield number.value, Failure(error.contents.name.decode(), (error.contents.message or b"").decode())
            else:
                yield number.value, read_all(message)

    def call(self, destination, path, interface, member, signature="", *arguments):
        """The results as a list, or a Failure."""
        message, reply, error = sd_bus_message_p(), sd_bus_message_p(), ErrorStruct()
        names = [word.encode() for word in (destination, path, interface, member)]
        check(LIBRARY.sd_bus_message_new_method_call(self.bus, ctypes.byref(message), *names), "new call")
        try:
            for kind, value in zip(types(signature), arguments, strict=True):
                append(message, kind, value)
            r = LIBRARY.sd_bus_call(self.bus, message, ctypes.c_uint64(TIMEOUT_USEC), ctypes.byref(error),
                                    ctypes.byref(reply))
            if r < 0 and error.name:
                raise Failure(error.name.decode(), (error.message or b"").decode())
            check(r, member)
            return read_all(reply)
        finally:
            LIBRARY.sd_bus_error_free(ctypes.byref(error))
            LIBRARY.sd_bus_message_unref(message)
            if reply:
                LIBRARY.sd_bus_message_unref(reply)

    def match(self, rule):
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule)

    def signals(self, seconds):
        """What comes of what was matched, as (path, member, values), for so many seconds at most."""
        for message in self.messages(seconds):
            path, member = (get(message) for get in (LIBRARY.sd_bus_message_get_path, LIBRARY.sd_bus_message_get_member))
            if path and member:
                yield path.decode(), member.decode(), read_all(message)

    def messages(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = sd_bus_message_p()
            r = check(LIBRARY.sd_bus_process(self.bus, ctypes.byref(message)), "process")
            if message:
                try:
                    yield message
                finally:
                    LIBRARY.sd_bus_message_unref(message)
            elif r == 0:
                check(LIBRARY.sd_bus_wait(self.bus, ctypes.c_uint64(int(left * 1e6))), "wait")


for function in ("sd_bus_message_unref", "sd_bus_flush_close_unref"):
    getattr(LIBRARY, function).restype = ctypes.c_void_p
for function in ("sd_bus_message_get_path", "sd_bus_message_get_member"):
    getattr(LIBRARY, function).restype = ctypes.c_char_p
LIBRARY.sd_bus_message_get_error.restype = ctypes.POINTER(ErrorStruct)
