"""The treatment of HTTP requests in passing packets: let through, delayed, or answered in place of the server.

There is no proxy: a request is read from the segment that starts it. So existing connections are affected as well,
addresses stay the same, cuts and delays of the same link apply, and all requests pass if the helper dies. A refused
request never reaches its server. The client gets a response and the end of the connection, the server a reset, and what
the client sends on that connection afterwards is acknowledged and discarded.

Only plain HTTP/1.0 and 1.1 requests are read whose first line is at the start of a segment and complete in it.
Everything else, including TLS and HTTP/2, passes unchanged. If several requests are pipelined in one segment, the first
one decides. The Content-Length tells a body from the next request; chunks are not taken for requests, unless one starts
a segment with a request line.

Pure functions of time; imports nothing of chaos. Formats: RFC 9112, RFC 9293, RFC 7323 (timestamps).
"""

from __future__ import annotations

import fnmatch
import random
import re
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, TypedDict

READ = 8192 + 120  # bytes of a packet that are read: IP and TCP headers, and the head of a request
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_WINDOW = 0xFFFF
_FIRST_LINE = re.compile(rb"([A-Z]{3,20}) (?:https?://[^/ ]*)?([^ ?#]*)[^ ]* HTTP/1\.[01]\r?\n")
_BODY_LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r?\n", re.IGNORECASE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_IDLE = 120.0  # seconds after which an idle connection is forgotten
_MANY = 4096  # number of connections above which idle ones are searched for


class Route(TypedDict, total=False):
    """Which requests are affected, and what happens to a `share` of them: delayed by `ms`, or if 0 answered with
    `status`.

    `path` is a glob for the path without its query, in which `*` also matches `/`. `method` "", `port` 0: any. `status`
    0: a reset instead of a response.
    """

    path: str
    method: str
    port: int
    share: float
    status: int
    ms: float


class Fate(NamedTuple):
    """The treatment of one packet: when, whether it is sent on, and what else is sent to its receiver and its
    sender.
    """

    due: float
    passes: bool = True
    on: Sequence[bytes] = ()
    back: Sequence[bytes] = ()


class _Request(NamedTuple):
    method: str
    path: str
    length: int | None  # head and body in bytes; None: not known yet


class _Segment(NamedTuple):
    here: tuple[bytes, int]  # address and port of the sender
    there: tuple[bytes, int]
    flags: int
    seq: int
    ack: int
    length: int  # bytes of data
    data: bytes  # the part of them that was read
    stamps: tuple[int, int] | None  # the sender's, and the echoed one

    @property
    def end(self) -> int:
        """The sequence number after it."""
        return self.seq + self.length + bool(self.flags & _FIN) & 0xFFFFFFFF

    def answer(self, flags: int, seq: int, data: bytes = b"") -> bytes:
        """A packet to its sender, from its receiver, that acknowledges it."""
        echo = (self.stamps[1], self.stamps[0]) if self.stamps else None
        return segment_packet(self.there, self.here, flags | _ACK, seq, self.end, data, echo)

    def reset(self) -> bytes:
        """A packet in its place with which its sender gives up."""
        return segment_packet(self.here, self.there, _RST, self.seq, 0)


class Watch:
    """A route in force, with its random numbers and counts."""

    def __init__(self, asked: Route, seed: int) -> None:
        check(asked)
        self._path = re.compile(fnmatch.translate(asked.get("path", "*")))
        self._method, self._port = asked.get("method", "").upper(), asked.get("port", 0)
        self._share, self._seed = asked.get("share", 1.0), seed
        self.status, self.ms = asked.get("status", 503), asked.get("ms", 0.0)
        self._lots: dict[tuple[bytes, bytes], random.Random] = {}
        self.requests = self.hit = 0

    def meets(self, request: _Request, segment: _Segment) -> bool:
        """Whether this request is affected. The nth request of the route from one address to another has a fixed random
        number.
        """
        if self._port not in (0, segment.there[1]):
            return False
        self.requests += 1
        if self._method not in ("", request.method) or not self._path.match(request.path):
            return False
        pair = segment.here[0], segment.there[0]
        if pair not in self._lots:
            self._lots[pair] = random.Random(f"{self._seed} {' '.join(map(socket.inet_ntoa, pair))}")
        hit = self._lots[pair].random() < self._share
        self.hit += hit
        return hit

    def counts(self) -> dict[str, float]:
        """`requests` that were read (of any path), how many were affected, and for how long they were delayed in
        total.
        """
        return {"requests": self.requests, "hit": self.hit, "held_ms": self.hit * self.ms}


class _Refusal(NamedTuple):
    """What is sent in place of the server."""

    flags: int
    seq: int
    data: bytes

    def to(self, segment: _Segment) -> bytes:
        """Built anew each time, because a packet with old timestamps would be ignored."""
        return segment.answer(self.flags, self.seq, self.data)

    def acknowledgement(self, segment: _Segment) -> bytes:
        """An acknowledgement of later data."""
        return segment.answer(0, self.seq + len(self.data) + 1 & 0xFFFFFFFF)


@dataclass(slots=True)
class _Talk:
    """What is known of a connection with a request."""

    end: int  # sequence number after the client's last byte
    body_end: int | None = None
    held: float = 0.0  # end of its request's delay
    refusal: _Refusal | None = None
    seen: float = 0.0


class Talks:
    """The connections that pass through."""

    def __init__(self) -> None:
        self._talks: dict[tuple[tuple[bytes, int], tuple[bytes, int]], _Talk] = {}
        self._many = _MANY

    def meet(self, watches: Sequence[Watch], packet: bytes, length: int, now: float, due: float) -> Fate:
        """The treatment of a client's packet of `length` bytes that is due at `due`; `packet` is its start."""
        segment = _segment(packet, length)
        if segment is None:
            return Fate(due)
        name = segment.here, segment.there
        talk = self._talks.get(name)
        if segment.flags & (_SYN | _RST):
            self._talks.pop(name, None)
            return Fate(due, bool(segment.flags & _SYN) or not (talk and talk.refusal))
        if talk:
            talk.seen = now
            if talk.refusal:
                return _afterwards(talk.refusal, talk.end, segment, due)
            if segment.length and _before(segment.seq, talk.end):  # a retransmission of what is being held
                return Fate(due, talk.held <= now)
        if not segment.length:
            return Fate(max(due, talk.held) if talk and segment.flags & _FIN else due)
        return self._new(watches, segment, now, due)

    def _new(self, watches: Sequence[Watch], segment: _Segment, now: float, due: float) -> Fate:
        name = segment.here, segment.there
        talk = self._talks.get(name)
        in_body = talk and talk.body_end is not None and _before(segment.seq, talk.body_end)
        request = None if in_body else _request(segment.data)
        if not talk:
            if not request:
                return Fate(due)
            self._forget(now)
            talk = self._talks[name] = _Talk(segment.end, seen=now)
        talk.end = segment.end
        due = max(due, talk.held)
        if not request:
            return Fate(due)
        talk.body_end = None if request.length is None else segment.seq + request.length & 0xFFFFFFFF
        hits = [watch for watch in watches if watch.meets(request, segment)]
        due += sum(watch.ms for watch in hits) / 1000
        if refused := next((watch for watch in hits if not watch.ms), None):
            talk.refusal = _refusal(segment.ack, refused.status)
            return Fate(due, False, [segment.reset()], [talk.refusal.to(segment)])
        if hits:
            talk.held = due
        return Fate(due)

    def _forget(self, now: float) -> None:
        if len(self._talks) >= self._many:
            self._talks = {name: talk for name, talk in self._talks.items() if talk.seen > now - _IDLE}
            self._many = max(_MANY, 2 * len(self._talks))


def check(route: Route) -> None:
    """Raises ValueError with a message for an invalid route."""
    found = set(route) if isinstance(route, dict) else {str(route)}
    if unknown := found - Route.__annotations__.keys():
        raise ValueError(f"http has {', '.join(Route.__annotations__)}; found {', '.join(sorted(unknown))}")
    for name, kind in (("path", str), ("method", str), ("port", int), ("status", int)):
        if not isinstance(value := route.get(name, kind()), kind):
            raise ValueError(f"http: {name} is of another kind; found {value!r}")
    if (status := route.get("status", 503)) != 0 and not 400 <= status <= 599:
        raise ValueError(f"http: status is 400 to 599, or 0 for a reset; found {status}")
    for name, most in (("share", 1.0), ("ms", 3.6e6), ("port", 65535)):
        value = route.get(name, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise ValueError(f"http: {name} is a number from 0 to {most:g}; found {value!r}")


def _afterwards(refusal: _Refusal, end: int, segment: _Segment, due: float) -> Fate:
    """Data after a refusal is discarded, and its sender gets a server's acknowledgement or reset."""
    if segment.end == segment.seq:
        return Fate(due, False)
    again = refusal.flags & _RST or _before(segment.seq, end)  # it did not arrive
    return Fate(due, False, (), [refusal.to(segment) if again else refusal.acknowledgement(segment)])


def _refusal(seq: int, status: int) -> _Refusal:
    if not status:
        return _Refusal(_RST, seq, b"")
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Refused"
    text = f"HTTP/1.1 {status} {phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return _Refusal(_PSH | _FIN, seq, text.encode())


def _before(number: int, end: int) -> bool:
    return 0 < (end - number & 0xFFFFFFFF) < 1 << 31


def _request(data: bytes) -> _Request | None:
    first = _FIRST_LINE.match(data)
    if not first:
        return None
    length = None
    if head := _HEAD_END.search(data):
        body = _BODY_LENGTH.search(data, 0, head.end())
        length = head.end() + (int(body[1]) if body else 0)
    return _Request(first[1].decode(), first[2].decode("latin-1") or "/", length)


def _segment(packet: bytes, length: int) -> _Segment | None:
    """The TCP segment in an IPv4 packet; None if there is none, or only a fragment."""
    at = 4 * (packet[0] & 15)
    fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
    if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP or fragment or len(packet) < at + 20:
        return None
    source, to, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", packet, at)
    data = at + 4 * (offset >> 4)
    here, there = (packet[12:16], source), (packet[16:20], to)
    stamps = _stamps(packet[at + 20 : data])
    return _Segment(here, there, flags, seq, ack, max(0, length - data), packet[data:], stamps)


def _stamps(options: bytes) -> tuple[int, int] | None:
    while options and options[0]:
        if options[0] == 8 and len(options) >= 10:
            value, echo = struct.unpack_from(">II", options, 2)
            return value, echo
        options = options[1:] if options[0] == 1 else options[max(2, sum(options[1:2])) :]
    return None


def segment_packet(
    source: tuple[bytes, int],
    to: tuple[bytes, int],
    flags: int,
    seq: int,
    ack: int,
    data: bytes = b"",
    stamps: tuple[int, int] | None = None,
) -> bytes:
    """An IPv4 packet. The kernel fills in its identification and header checksum."""
    options = struct.pack(">BBBBII", 1, 1, 8, 10, *stamps) if stamps else b""
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(">HHIIBBHHH", source[1], to[1], seq, ack, offset, flags, _WINDOW, 0, 0)
    segment = head + options + data
    pseudo = source[0] + to[0] + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(segment))
    segment = segment[:16] + struct.pack(">H", internet_checksum(pseudo + segment)) + segment[18:]
    length = 20 + len(segment)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, socket.IPPROTO_TCP, 0, source[0], to[0])
    return header + segment


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
