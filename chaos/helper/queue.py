"""A queue of packets from the kernel, each released when its shapes say so: NFQUEUE over a raw netlink socket.

If this process dies, the kernel lets new packets pass (the rule has bypass) and drops the held ones. If it ends
normally, held packets are sent at once. Held packets are also lost when any packet filter hook in this network
namespace is removed. That is how the kernel works, so the heal of another stack can cause a short loss.

A corrupted packet has one flipped bit in its last byte and unchanged checksums, so that the receiver drops it. A UDP
packet without a checksum is delivered corrupted. A copy is sent through a raw socket with a mark that no rule queues,
because one verdict releases one packet. That needs CAP_NET_RAW in addition to CAP_NET_ADMIN, also in a container;
without it, shapes that duplicate or answer are refused. A copy is routed by its destination only. If the machine
translates the connection's addresses, those of the copy are not translated back. Responses in place of a server
(routes.py) are sent in the same way without the mark, so that they take as long as the server's own would.

Packets of a sender's offload (up to 64 KiB) count as one, also for loss. Only 64 bytes of each are read, or about 8 KiB
for HTTP requests. While a shape duplicates or corrupts, the kernel splits them, computes checksums, and passes on the
complete packets.

Imports nothing of chaos. Numbers and attributes: linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from .netlink import NETLINK_NETFILTER, NftError, attribute, number
from .nft import COPY, QUEUE
from .routes import READ, Fate
from .shapes import Shapes

_NUMBERS = range(QUEUE, QUEUE + 64)  # every helper on a machine takes the first free one
_SUBSYSTEM = 3
_PACKET, _VERDICT, _CONFIG, _VERDICT_BATCH = (_SUBSYSTEM << 8 | kind for kind in range(4))
_ERROR, _REQUEST, _ACK = 2, 0x001, 0x004
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_PACKET_HDR, _PAYLOAD, _CAP_LEN = 1, 10, 13
_DROP, _ACCEPT = 0, 1
_FAIL_OPEN, _GSO = 1, 4
_WHOLE, _IP_HEADER_AND_MORE = 0xFFFF, 64
_COPY_PACKET, _BIND = 2, 1
_UNMARKED = 0
_SOL_NETLINK, _NO_ENOBUFS = 270, 5
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_BUFFER = 16 << 20  # bytes; in a user namespace at most net.core.rmem_max
_LENGTH = 1 << 17  # packets held
_AT_ONCE = 64  # packets read before those that are due are released
_VERDICTS_AT_ONCE = 32 << 10  # bytes


_Sent = tuple[int, bytes]  # a mark, and a packet of our own


class _Held(NamedTuple):
    due: float  # seconds, monotonic
    order: int
    id: int
    src: str
    dst: str
    passes: bool
    changed: bytes  # empty: released unchanged
    more: Sequence[_Sent]  # packets to send after it


class Queue:
    """Packets that wait. The kernel's rules have to name `number`. Raises NftError; not thread-safe.

    `passed` counts packets that bypassed the shapes because the kernel could not deliver them in time.
    """

    def __init__(self, shapes: Shapes) -> None:
        self._senders: dict[int, socket.socket] = {}
        self.prepare(shapes)
        self._shapes = shapes
        self._held: list[_Held] = []
        self._order = self._last = 0
        self._into = bytearray(1 << 17)
        self.passed = 0
        self._kernel = _socket()
        self.number = self._bind()

    def fileno(self) -> int:
        return self._kernel.fileno()

    def held(self) -> int:
        return len(self._held)

    def wait(self) -> float | None:
        """Seconds until a packet is due; None if none is held."""
        return max(0.0, self._held[0].due - time.monotonic()) if self._held else None

    def prepare(self, shapes: Shapes) -> None:
        """Acquire what `shapes` need and the kernel may refuse, before any of it is in force."""
        for mark, needed in ((COPY, shapes.copies() or shapes.answers()), (_UNMARKED, shapes.answers())):
            if needed and mark not in self._senders:
                self._senders[mark] = _sender(mark)

    def change(self, shapes: Shapes) -> None:
        """Use `shapes` from now on. Held packets whose shapes have changed are released at once."""
        before, self._shapes = self._shapes, shapes
        self._held = [
            held if shapes.continues(held.src, held.dst, before) else held._replace(due=0.0) for held in self._held
        ]
        heapq.heapify(self._held)
        self._kernel.send(b"".join(self._settings(0)))
        self.release()

    def receive(self) -> int:
        """Read at most `_AT_ONCE` packets from the kernel; returns the number of messages."""
        for n in range(_AT_ONCE):
            try:
                size = self._kernel.recv_into(self._into, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return n
            except OSError as e:
                if e.errno != errno.ENOBUFS:  # the gap in the packets' numbers shows how many were lost
                    raise
            else:
                self._take(size)
        return _AT_ONCE

    def release(self, until: float | None = None) -> None:
        """Release the packets that are due by `until` (seconds, monotonic; default: now)."""
        until = time.monotonic() if until is None else until
        verdicts: list[bytes] = []
        size = 0
        more: list[_Sent] = []
        while self._held and self._held[0].due <= until:
            held = heapq.heappop(self._held)
            verdicts.append(self._verdict(_ACCEPT if held.passes else _DROP, held.id, held.changed))
            more += held.more
            size += len(verdicts[-1])
            if more or size > _VERDICTS_AT_ONCE:
                self._send(verdicts, more)
                size = 0
        self._send(verdicts, more)

    def close(self) -> None:
        """Release everything and close the queue. Call it after removing its rules and before its hooks, or packets are
        lost.
        """
        with contextlib.suppress(OSError), self._kernel:
            time.sleep(0.001)  # for packets on their way through the removed rules
            while self.receive():
                pass
            self.release(float("inf"))
            self._kernel.send(self._verdict(_ACCEPT, self._last + (1 << 30) & 0xFFFFFFFF, kind=_VERDICT_BATCH))
        for sender in self._senders.values():
            sender.close()

    def _take(self, size: int) -> None:
        found = memoryview(self._into)[:size]
        _, kind, *_ = _HEADER.unpack_from(found)
        if kind == _PACKET:
            self._hold(*answered_packet(found))
        elif kind == _ERROR:  # a verdict on a packet whose device is gone
            code = -struct.unpack_from("=i", found, _HEADER.size)[0]
            if code not in (0, errno.ENOENT):
                raise NftError(code, f"the kernel refused what becomes of a packet: {os.strerror(code)}")

    def _hold(self, number_: int, packet: bytes, length: int) -> None:
        self.passed += (number_ - self._last - 1) & 0xFFFFFFFF
        self._last = number_
        src, dst = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        now = time.monotonic()
        fates = self._shapes.decide(src, dst, length, now)
        whole = len(packet) == length
        if not fates or (fates[0][1] and not whole):  # longer than 65,531 bytes: its end is never seen
            self._kernel.send(self._verdict(_DROP, number_))
            return
        (due, corrupted), *doubles = fates
        fate = Fate(due) if corrupted else self._shapes.meet(src, dst, packet, length, now, due)
        if fate.passes:
            more = [(COPY, _corrupted(packet) if each else packet) for _, each in doubles if whole]
        else:
            more = [*((_UNMARKED, answer) for answer in fate.back), *((COPY, reset) for reset in fate.on)]
        self._order += 1
        changed = _corrupted(packet) if corrupted else b""
        heapq.heappush(self._held, _Held(fate.due, self._order, number_, src, dst, fate.passes, changed, more))

    def _send(self, verdicts: list[bytes], more: list[_Sent]) -> None:
        """Send all verdicts in one message, then the additional packets, so that none precedes its original."""
        if verdicts:
            self._kernel.send(b"".join(verdicts))
        for mark, packet in more:
            with contextlib.suppress(OSError):  # no route any more, or too long for it: lost like any packet
                self._senders[mark].sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        verdicts.clear()
        more.clear()

    def _verdict(self, verdict: int, number_: int, payload: bytes = b"", kind: int = _VERDICT) -> bytes:
        body = attribute(2, struct.pack(">II", verdict, number_))
        return _message(kind, 0, self.number, body + attribute(_PAYLOAD, payload) if payload else body)

    def _bind(self) -> int:
        for self.number in _NUMBERS:
            bind = _message(_CONFIG, _ACK, self.number, attribute(1, struct.pack(">BBH", _BIND, 0, 0)))
            self._kernel.send(bind + b"".join(self._settings(_ACK)))
            code = next(filter(None, [self._acknowledged() for _ in range(4)]), 0)
            if not code:
                return self.number
            if code not in (errno.EPERM, errno.EBUSY):
                break
        self._kernel.close()
        why = {
            errno.EPERM: "not permitted; it takes CAP_NET_ADMIN here, and one free number of "
            f"{_NUMBERS[0]} to {_NUMBERS[-1]}",
            errno.EINVAL: "this kernel has no nfnetlink_queue",
        }.get(code, os.strerror(code))
        raise NftError(code, f"the kernel provides no packet queue: {why}")

    def _settings(self, flags: int) -> list[bytes]:
        whole = self._shapes.needs_whole_packets()
        some = READ if self._shapes.reads_requests() else _IP_HEADER_AND_MORE
        seen = _WHOLE if whole else some
        wanted = _FAIL_OPEN if whole else _FAIL_OPEN | _GSO
        return [
            _message(_CONFIG, flags, self.number, attribute(2, struct.pack(">IB", seen, _COPY_PACKET))),
            _message(_CONFIG, flags, self.number, number(3, _LENGTH)),
            _message(_CONFIG, flags, self.number, number(4, _FAIL_OPEN | _GSO) + number(5, wanted)),
        ]

    def _acknowledged(self) -> int:
        """The kernel's response to one message: an errno, or 0. Packets that arrive before it are processed."""
        while True:
            size = self._kernel.recv_into(self._into)
            _, kind, *_ = _HEADER.unpack_from(self._into)
            if kind == _ERROR:
                return -int(struct.unpack_from("=i", self._into, _HEADER.size)[0])
            self._take(size)


def _socket() -> socket.socket:
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        kernel.bind((0, 0))
    except OSError as e:
        raise NftError(e.errno, f"the kernel has no netfilter to speak to ({e.strerror})") from e
    for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):  # the second has no limit, but requires root
        with contextlib.suppress(PermissionError):
            kernel.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    kernel.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)  # otherwise, after an overrun, all pass until the buffer is empty
    return kernel


def _sender(mark: int) -> socket.socket:
    try:
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    except PermissionError as e:
        raise NftError(e.errno, "sending packets needs CAP_NET_RAW in this network namespace") from e
    sender.setblocking(False)
    return sender


def _message(kind: int, flags: int, queue: int, attributes: bytes) -> bytes:
    body = struct.pack(">BBH", 0, 0, queue) + attributes
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 0, 0) + body


def answered_packet(found: memoryview) -> tuple[int, bytes, int]:
    """A packet's number, its first bytes, and its length. Raises NftError."""
    number_ = length = 0
    packet = b""
    at = _HEADER.size + 4
    while at + 4 <= len(found):
        size, kind = _ATTRIBUTE.unpack_from(found, at)
        if size < _ATTRIBUTE.size:
            raise NftError(errno.EBADMSG, "an attribute of a packet that is shorter than its own header")
        if kind == _PACKET_HDR:
            number_ = int.from_bytes(found[at + 4 : at + 8], "big")
        elif kind == _PAYLOAD:
            packet = bytes(found[at + 4 : at + size])
        elif kind == _CAP_LEN:
            length = int.from_bytes(found[at + 4 : at + 8], "big")
        at += size + -size % 4
    return number_, packet, length or len(packet)


def _corrupted(packet: bytes) -> bytes:
    return packet[:-1] + bytes([packet[-1] ^ 0x10])
