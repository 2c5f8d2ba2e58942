"""Raw nfnetlink: attributes, transactions, dumps. nft.py talks to the kernel through this module.

Standard library only, because it also runs alone in a container. Wire format: linux/netlink.h,
linux/netfilter/nfnetlink.h; headers are in the machine's byte order, everything of nftables is big-endian.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence

NETLINK_NETFILTER = 12
INET = 1  # NFPROTO_INET: IPv4 and IPv6 in one table
_REQUEST, _ACK, _DUMP = 0x001, 0x004, 0x300
CREATE, APPEND = 0x400, 0x800
_ERROR, _DONE = 2, 3
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFTABLES = 10
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_NESTED, _TYPE = 0x8000, 0x3FFF
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h; missing in the socket module
_TIMEOUT = 5.0  # seconds; the kernel normally answers within the call

Attributes = Mapping[int, bytes]


class NftError(OSError):
    """The kernel refused; the message says what and why."""


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *values: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(values))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, flags: int, *attributes: bytes, subsystem: int = _NFTABLES) -> bytes:
    """A request to nftables; `transact` and `dump` fill in the rest."""
    body = struct.pack(">BBH", INET, 0, 0) + b"".join(attributes)
    return _HEADER.pack(_HEADER.size + len(body), subsystem << 8 | kind, _REQUEST | flags, 0, 0) + body


def parse(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every attribute in `data`, in order: (type, value)."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            raise NftError(errno.EBADMSG, "an attribute of netlink that is shorter than its own header")
        yield kind & _TYPE, data[4:length]
        data = data[length + -length % 4 :]


def transact(messages: Sequence[bytes]) -> None:
    """Apply all of `messages` atomically, or none. Raises NftError."""
    begin, end = (_edge(kind) for kind in (_BATCH_BEGIN, _BATCH_END))
    # Only the last message is acknowledged. Refusals of the others arrive unasked, and all of them before that.
    batch = b"".join([begin, *messages[:-1], _flagged(messages[-1], _ACK), end])
    with _connection() as kernel:
        _send(kernel, batch)
        acknowledged = False
        while not acknowledged:
            for kind, body in _received(kernel):
                if kind == _ERROR:
                    acknowledged = _check(body) or acknowledged


def dump(kind: int, *attributes: bytes) -> list[Attributes]:
    """The kernel's objects of one kind; [] if their table does not exist. Raises NftError."""
    found: list[Attributes] = []
    with _connection() as kernel:
        kernel.send(message(kind, _DUMP, *attributes))
        while True:
            for answer, body in _received(kernel):
                if answer == _DONE:
                    return found
                if answer == _ERROR:
                    if -struct.unpack_from("=i", body)[0] == errno.ENOENT:
                        return []
                    _check(body)
                found.append(dict(parse(body[4:])))


def _edge(kind: int) -> bytes:
    header = message(kind, 0, subsystem=0)
    return header[: _HEADER.size] + struct.pack(">BBH", 0, 0, _NFTABLES)


def _flagged(message: bytes, flag: int) -> bytes:
    length, kind, flags, sequence, port = _HEADER.unpack_from(message)
    return _HEADER.pack(length, kind, flags | flag, sequence, port) + message[_HEADER.size :]


def _connection() -> socket.socket:
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        kernel.settimeout(_TIMEOUT)
        kernel.bind((0, 0))
    except OSError as e:
        raise NftError(e.errno, f"the kernel has no netfilter to speak to ({e.strerror})") from e
    return kernel


def _send(kernel: socket.socket, batch: bytes) -> None:
    """A transaction is one message of any length, and has to fit into the socket's buffer."""
    for option in (socket.SO_SNDBUF, _SO_SNDBUFFORCE):  # the second has no limit, but requires root
        with contextlib.suppress(PermissionError):
            kernel.setsockopt(socket.SOL_SOCKET, option, 2 * len(batch))
    try:
        kernel.send(batch)
    except OSError as e:
        words = (
            f"a transaction of {len(batch)} bytes cannot be sent to the kernel ({e.strerror}); cut fewer groups at once"
        )
        raise NftError(e.errno, words) from e


def _received(kernel: socket.socket) -> Iterator[tuple[int, bytes]]:
    try:
        data = kernel.recv(1 << 17)
    except TimeoutError:
        raise NftError(errno.ETIMEDOUT, "the kernel did not answer a request about its packet filter") from None
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind & 0xFF if kind >> 8 else kind, data[_HEADER.size : length]
        data = data[length + -length % 4 :]


def _check(body: bytes) -> bool:
    code = -struct.unpack_from("=i", body)[0]
    if not code:
        return True
    why = {
        errno.EPERM: "not permitted; it takes CAP_NET_ADMIN in this network namespace",
        errno.EOPNOTSUPP: "this kernel was built without nf_tables",
        errno.EINVAL: "this kernel has no nf_tables for the family inet",
    }.get(code, os.strerror(code))
    raise NftError(code, f"the kernel refused a change of its packet filter: {why}")
