"""What becomes of requests, without a kernel: packets as bytes, on a clock of the test's own."""

from __future__ import annotations

import socket
import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos import registry
from chaos.errors import BadExperiment
from chaos.helper import routes
from chaos.helper.routes import Fate, Route
from chaos.helper.shapes import Shape, Shapes
from tests.messages import Says

HERE, THERE = "10.77.1.1", "10.77.2.1"
SYN, FIN, RST, PSH, ACK = 2, 1, 4, 8, 16


def packet(data: bytes = b"", seq: int = 1000, flags: int = PSH | ACK, port: int = 80, **more: Any) -> bytes:
    """From the client to the server, which has sent 4,999 bytes so far."""
    source, to = (socket.inet_aton(HERE), more.pop("source", 40000)), (socket.inet_aton(THERE), port)
    return routes.segment_packet(source, to, flags, seq, 5000, data, **more)


def shapes(**route: Any) -> Shapes:
    return Shapes([Shape(a=[THERE], http=cast(Route, route))])


def meet(shapes: Shapes, sent: bytes, now: float = 0.0, seen: int = 1 << 16) -> Fate:
    return shapes.meet(HERE, THERE, sent[:seen], len(sent), now, now)


def get(path: str = "/", method: str = "GET", more: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n"


def read(answer: bytes) -> tuple[int, int, int, bytes]:
    """Flags, number, number acknowledged, data of a packet back to the client, whose checksum is right."""
    assert (answer[12:16], answer[16:20]) == (socket.inet_aton(THERE), socket.inet_aton(HERE))
    assert int.from_bytes(answer[2:4], "big") == len(answer)
    segment = answer[20:]
    pseudo = answer[12:20] + struct.pack(">BBH", 0, 6, len(segment))
    assert routes.internet_checksum(pseudo + segment) == 0
    source, to, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", segment)
    assert (source, to) == (80, 40000)
    return flags, seq, ack, segment[4 * (offset >> 4) :]


def test_a_checksum_is_that_of_the_standard() -> None:
    """The example of RFC 1071: its words add up to ddf2."""
    assert routes.internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF


@pytest.mark.parametrize(
    ("route", "asked", "hit"),
    [
        ({}, get("/"), True),
        ({"path": "/a/*"}, get("/a/b/c?x=/d"), True),
        ({"path": "/a/*"}, get("/b?x=/a/b"), False),
        ({"path": "/a"}, get("/a/b"), False),
        ({"path": "/a"}, get("http://there:80/a"), True),
        ({"path": "/"}, get("http://there"), True),
        ({"method": "post"}, get("/", "POST"), True),
        ({"method": "POST"}, get("/"), False),
        ({"port": 80}, get("/"), True),
        ({"port": 81}, get("/"), False),
        ({}, b"GET / HTTP/2.0\r\n\r\n", False),
        ({}, b"GET /unfinished", False),
        ({}, b"\x16\x03\x01\x02\x00 GET / HTTP/1.1\r\n", False),
    ],
)
def test_a_route_is_path_method_and_port(route: dict[str, Any], asked: bytes, hit: bool) -> None:
    """The query is no part of the path, and what is no request passes."""
    found = shapes(**route)
    assert meet(found, packet(asked)).passes is not hit
    assert found.listing()[0]["hit"] == hit


def test_other_directions_and_other_packets_are_not_looked_at() -> None:
    """What the node itself asks, UDP, fragments."""
    found = shapes()
    sent = packet(get())
    assert found.meet(THERE, HERE, sent, len(sent), 0.0, 0.0) == Fate(0.0)
    for at, value in ((9, 17), (6, 0x20), (7, 1)):
        other = bytearray(sent)
        other[at] = value
        assert meet(found, bytes(other)) == Fate(0.0)
    assert found.listing()[0]["requests"] == 0


def test_a_refusal_has_the_numbers_that_the_server_would_use() -> None:
    """It acknowledges the request, ends the stream, echoes the client's time; the server is reset where it stands."""
    asked = get("/", "POST", b"Content-Length: 3\r\n") + b"abc"
    fate = meet(shapes(status=503), packet(asked, stamps=(7, 9)))
    assert not fate.passes
    (answer,), (reset,) = fate.back, fate.on
    flags, seq, ack, data = read(answer)
    assert (flags, seq, ack) == (FIN | PSH | ACK, 5000, 1000 + len(asked))
    assert data.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b"Connection: close" in data
    assert struct.unpack_from(">II", answer, 44) == (9, 7)
    assert reset[12:20] == packet()[12:20] and reset[33] == RST
    assert int.from_bytes(reset[24:28], "big") == 1000


def test_after_a_refusal_the_client_is_acknowledged_and_the_server_hears_nothing() -> None:
    """The request again: the same answer, with the time that the client has heard last, or it would be taken for an old
    packet. More data, the end: acknowledged. A new connection there: all new."""
    found, asked = shapes(status=500), get()
    (answer,) = meet(found, packet(asked)).back
    after = read(answer)[1] + len(read(answer)[3]) + 1
    (again,) = meet(found, packet(asked, stamps=(8, 9))).back
    assert read(again) == read(answer) and struct.unpack_from(">II", again, 44) == (9, 8)
    assert meet(found, packet(seq=1000 + len(asked), flags=ACK)) == Fate(0.0, False)
    more = meet(found, packet(b"abc", 1000 + len(asked)))
    end = meet(found, packet(seq=1003 + len(asked), flags=FIN | ACK))
    assert [read(fate.back[0])[:3] for fate in (more, end)] == [
        (ACK, after, 1003 + len(asked)),
        (ACK, after, 1004 + len(asked)),
    ]
    assert not more.passes and not end.passes
    assert meet(found, packet(flags=SYN, seq=9)).passes
    assert not meet(found, packet(asked, 10)).passes
    assert not meet(found, packet(flags=RST, seq=11)).passes


def test_status_0_is_a_reset_for_both() -> None:
    """And again, where the first was lost."""
    found = shapes(status=0)
    for _ in "12":
        fate = meet(found, packet(get()))
        assert read(fate.back[0]) == (RST | ACK, 5000, 1000 + len(get()), b"") and not fate.passes


def test_while_a_request_is_held_nothing_overtakes_it_and_repetitions_are_dropped() -> None:
    """Its body and the end wait with it; afterwards a repetition passes, and is not held once more."""
    found, asked = shapes(ms=500), get("/", "POST", b"Content-Length: 3\r\n")
    assert meet(found, packet(asked)) == Fate(0.5)
    assert not meet(found, packet(asked), now=0.2).passes
    assert meet(found, packet(b"abc", 1000 + len(asked)), now=0.3) == Fate(0.5)
    assert meet(found, packet(seq=1003 + len(asked), flags=ACK), now=0.3) == Fate(0.3)
    assert meet(found, packet(seq=1003 + len(asked), flags=FIN | ACK), now=0.4) == Fate(0.5)
    assert meet(found, packet(asked), now=0.6) == Fate(0.6)
    assert found.listing()[0]["requests"] == 1 and found.listing()[0]["held_ms"] == 500


def test_a_body_is_no_request_and_what_follows_it_is_one() -> None:
    """By its length, also where the numbers of TCP begin anew within it."""
    found, line = shapes(path="/never"), get("/in-the-body")
    asked = get("/", "POST", b"content-length: %d\r\n" % (2 * len(line)))
    at = 0xFFFFFFFF - len(asked)
    for sent in (asked, line, line, get("/next")):
        assert meet(found, packet(sent, at & 0xFFFFFFFF)).passes
        at += len(sent)
    assert found.listing()[0]["requests"] == 2


def test_a_request_whose_end_was_not_read_is_one_all_the_same() -> None:
    """Of a long packet only the beginning is known."""
    asked = get("/", "POST", b"Content-Length: 20000\r\n") + bytes(20000)
    found = shapes(path="/never")
    assert meet(found, packet(asked), seen=routes.READ).passes
    assert found.listing()[0]["requests"] == 1


def test_routes_add_up_and_the_first_refusal_answers() -> None:
    """Two holds, then the refusal; each knows what it hit."""
    asked = [{"ms": 100}, {"path": "/no", "ms": 50}, {"path": "/no", "status": 500}, {"path": "/no", "status": 400}]
    found = Shapes([Shape(a=[THERE], http=Route(**route)) for route in asked])  # type: ignore[typeddict-item]
    assert meet(found, packet(get("/yes"), source=1)).due == pytest.approx(0.1)
    fate = meet(found, packet(get("/no")))
    assert fate.due == pytest.approx(0.15) and not fate.passes and read(fate.back[0])[3].startswith(b"HTTP/1.1 500 ")
    assert [shape["hit"] for shape in found.listing()] == [2, 1, 1, 1]


def test_the_same_requests_are_hit_every_time_whatever_other_requests_there_are() -> None:
    """The lots are drawn for requests of the route only; another seed draws others."""

    def hits(seed: int, between: bool) -> list[bool]:
        found = Shapes([Shape(a=[THERE], http=Route(path="/x", share=0.3), seed=seed)])
        seen = []
        for n in range(100):
            if between:
                assert meet(found, packet(get("/y"), source=50000 + n)).passes
            seen.append(not meet(found, packet(get("/x"), source=n + 1)).passes)
        return seen

    assert hits(1, False) == hits(1, True) != hits(2, False)
    assert 15 < sum(hits(1, False)) < 45


def test_a_route_that_stays_keeps_its_counts_and_its_connections() -> None:
    """Another shape comes beside it; when routes change, what is known of connections goes."""
    asked = Shape(a=[THERE], http=Route(path="/x"))
    first = Shapes([asked])
    assert not meet(first, packet(get("/x"))).passes
    second = Shapes([asked, Shape(a=[HERE], delay_ms=5)], first)
    assert not meet(second, packet(b"more", 2000)).passes
    assert second.listing()[0]["hit"] == 1
    third = Shapes([asked, Shape(a=[THERE], http=Route())], second)
    assert meet(third, packet(b"more", 2000)).passes


def test_silent_connections_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of hours with a connection for each request does not grow."""
    monkeypatch.setattr(routes, "_MANY", 50)
    found = shapes()
    for n in range(500):
        meet(found, packet(get(), source=n + 1), now=10.0 * n)
    assert len(found._talks._talks) <= 50


@given(st.binary(max_size=120), st.integers(0, 255), st.integers(20, 70000))
def test_whatever_is_no_request_passes(data: bytes, offset: int, length: int) -> None:
    """Also packets that make no sense, cut short anywhere."""
    sent = bytearray(packet(data))
    sent[32] = offset
    found = shapes()
    for seen in (bytes(sent), bytes(sent[: max(20, offset % len(sent))])):
        fate = found.meet(HERE, THERE, seen, length, 1.0, 2.0)
        assert fate.passes and fate.due == 2.0


@pytest.mark.parametrize(
    "route",
    [
        {"paths": "/"},
        "/",
        {"path": 5},
        {"status": 200},
        {"share": 2},
        {"ms": float("nan")},
        {"port": 70000},
    ],
    ids=str,
)
def test_a_route_that_makes_no_sense_is_refused_in_words(route: Any, says: Says) -> None:
    """Before anything is in force."""
    with says.raises(ValueError):
        Shapes([Shape(a=[THERE], http=route)])


def test_requests_have_one_direction(says: Says) -> None:
    """The side that is asked is `a`; a shape for what goes from there reads no requests."""
    with says.raises(ValueError):
        Shapes([Shape(a=[THERE], both=False, http=Route())])


def test_a_fault_that_makes_no_sense_is_refused_while_planning() -> None:
    """All that is wrong at once, before there is a helper to ask."""
    wrong = {"status": 302, "ms": -1, "share": 0, "port": 70000, "one_way": True}
    with pytest.raises(BadExperiment) as e:
        registry.build(registry.load("chaos.faults", "http"), wrong)
    assert sorted(problem.split()[0].rstrip(":") for problem in e.value.problems) == [
        *("http", "http.ms", "http.port", "http.share", "http.status")
    ]
