"""What comes from the network or another process: packets, metrics, lines to the helper, a box, or `chaos drive`."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import inputs
from tests.fuzz.guard import MEMORY, guarded
from tests.fuzz.kind import Kind
from tests.fuzz.place import LASTING, place
from tests.virtual import virtually

PATIENCE = 10.0  # seconds for one answer

# --- packets

REQUESTS = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /b?q HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"GET http://x/a HTTP/1.0\n\n",
    b"POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", b"GET " + b"/" * 8000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\n",
    b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", b"GET \xff\x00 HTTP/1.1\r\n\r\n", b"\r\n" * 4000, b"",
]  # fmt: skip
ROUTE = {"path": "*", "share": 0.5, "status": 503}
ADDRESSES = ["10.77.1.1", "10.77.1.2"]


@st.composite
def _segments(draw: inputs.Draw) -> bytes:
    """An IPv4 packet with TCP in it, right or nearly so."""
    here, there = draw(st.permutations(ADDRESSES))
    data = draw(
        st.one_of(st.sampled_from(REQUESTS), inputs.scribbled(st.sampled_from(REQUESTS)), st.binary(max_size=40))
    )
    options = draw(st.one_of(st.just(b""), st.binary(max_size=40), st.just(struct.pack(">BBBBII", 1, 1, 8, 10, 7, 9))))
    offset = draw(st.one_of(st.just((20 + len(options)) // 4), st.integers(0, 15)))
    numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
    ports = draw(st.sampled_from([4000, 4001])), 80
    head = struct.pack(">HHII", *ports, draw(numbers), draw(numbers))
    head += struct.pack(">BBHHH", offset << 4, draw(st.integers(0, 63)), 0, 0, 0)
    ihl = draw(st.one_of(st.just(5), st.integers(0, 15)))
    fragment, protocol = draw(st.sampled_from([0, 0x4000, 0x2001])), draw(st.sampled_from([6, 6, 6, 17, 0]))
    length = min(20 + len(head + options + data), 0xFFFF)
    ip = struct.pack(">BBHHHBBH", 4 << 4 | ihl, 0, length, 0, fragment, 64, protocol, 0)
    whole = bytes(ip + socket.inet_aton(here) + socket.inet_aton(there) + head + options + data)
    return whole[: draw(st.one_of(st.just(len(whole)), st.integers(20, 64)))]


def _framed(packets: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(p)) + p for p in (p[:0xFFFF] for p in packets))


def _packets(data: bytes) -> list[bytes]:
    found = []
    while len(data) > 2:
        size = struct.unpack_from(">H", data)[0]
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


def packets(data: bytes) -> None:
    """Each meets shapes that delay, copy, corrupt and answer; the kernel hands over no fewer than 20 bytes."""
    from chaos.helper.shapes import Shape, Shapes

    link: Shape = {"a": ADDRESSES[:1], "b": None, "delay_ms": 1, "duplicate": 0.5, "corrupt": 0.5, "rate_kbit": 100}
    with guarded():
        for more in ({"http": ROUTE}, {"http": {**ROUTE, "ms": 5}}, {"http": {**ROUTE, "status": 0}}):
            shapes = Shapes([{**link, **more}])  # type: ignore[typeddict-item]
            for n, packet in enumerate(p for p in _packets(data) if len(p) >= 20):
                src, dst = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
                length = len(packet) + (n % 2) * 1000  # only the beginning of every other one was read
                for due, _ in shapes.decide(src, dst, length, n / 100):
                    fate = shapes.meet(src, dst, packet, length, n / 100, due)
                    assert math.isfinite(fate.due) and all(len(p) >= 40 for p in (*fate.on, *fate.back))
            json.dumps(shapes.listing())


def netlink(data: bytes) -> None:
    """Attributes of the kernel's answers, and a packet's frame."""
    from chaos.helper import netlink, queue
    from chaos.helper.netlink import NftError

    with guarded():
        for read in (lambda: list(netlink.parse(data)), lambda: queue.answered_packet(memoryview(data))):
            with contextlib.suppress(NftError):
                read()


# --- the helper, as a program of its own in a network of its own

LINES = [
    json.dumps(request).encode()
    for request in (
        {"do": "apply", "rules": [{"a": ["10.77.1.13"], "b": None, "both": True, "do": "drop"}],
         "shapes": [{"a": ["10.77.1.14"], "delay_ms": 20}]},
        {"do": "apply", "rules": [{"a": ["10.77.1.13"], "b": ["10.77.1.14"], "both": False, "do": "reset"}],
         "shapes": []},
        {"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.14"], "b": ["10.77.1.1"], "jitter_ms": 1, "delay_ms": 2,
                                                 "loss": 0.1, "duplicate": 0.1, "seed": 3}]},
        {"do": "apply", "rules": [], "shapes": [{"a": ["10.77.1.14"], "both": True, "http": {**ROUTE, "port": 80}}]},
        {"do": "listing"}, {"do": "clear"}, {"do": "ping"},
    )
]  # fmt: skip


class Helper:
    """A helper that answers, or what it said when it ended."""

    def __init__(self) -> None:
        argv = ["unshare", "--user", "--map-root-user", "--net", "--kill-child", sys.executable, "-m", "chaos.helper"]
        self.errors = LASTING.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (LASTING closes it)
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            preexec_fn=_small,  # noqa: PLW1509 (one thread)
        )
        LASTING.enter_context(self.process)
        LASTING.callback(self.process.kill)
        LASTING.callback(helper.cache_clear)

    def ask(self, line: bytes) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            helper.cache_clear()
            self.errors.seek(0)
            raise AssertionError(f"the helper ended: {self.errors.read().decode()[-2000:]}")
        found = json.loads(answer)
        assert isinstance(found, dict) and isinstance(found["ok"], bool), answer
        return found


def _small() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@functools.cache
def helper() -> Helper:
    return Helper()


def helper_lines(data: bytes) -> None:
    """Every line has an answer, and the helper is still there afterwards."""
    for line in data.split(b"\n"):
        helper().ask(line)
    assert helper().ask(b'{"do": "clear"}')["ok"]


# --- answers of other programs

METRICS = (
    b"# HELP stack_requests_total Requests\n# TYPE stack_requests_total counter\n"
    b'stack_requests_total{code="200",path="/a\\"b"} 12 1700000000000\nstack_requests_total{code="500"} 1e3\n'
    b"stack_up 1\nother{x=\"y\"} NaN\nstack_requests_total +Inf\n"
)  # fmt: skip
PROMETHEUS = [
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.1,"0.5"]}]}}',
    b'{"status":"success","data":{"resultType":"scalar","result":[1700000000.1,"NaN"]}}',
    b'{"status":"error","errorType":"bad_data","error":"parse error"}',
]


def _answering(body: bytes) -> Any:
    """A target whose one node answers everything with the same bytes."""
    from chaos.model import Node
    from chaos.protocols.capabilities import HOST, Hosting
    from chaos.protocols.table import Table
    from chaos.targets.memory.target import Memory

    class Answers(Memory, Hosting):
        @property
        def can(self) -> Table:
            return Table(HOST.by(self))

        async def host(self, *_: object) -> Any:
            raise AssertionError("a probe starts nothing")

        async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
            return 200, body

    return Answers([Node("prometheus", "prometheus", "a")])


def metrics(data: bytes) -> None:
    """What a node says of itself is a number or nothing; so it is with what Prometheus says."""
    from chaos.errors import ChaosError
    from chaos.probes.metrics import Metrics
    from chaos.probes.promql import Promql

    for series in ("stack_requests_total", "stack_up"):
        _sampled(Metrics(_answering(data), "m", 1.0, "prometheus", series, {"code": "200"}), ChaosError)
    _sampled(Promql(_answering(data), "p", 1.0, "up"), ChaosError)


def _sampled(probe: Any, allowed: type[Exception]) -> None:
    with guarded():
        try:
            found = virtually(probe.sample())
        except allowed:
            return
        json.dumps(found)
        assert all(isinstance(value, float) for value in found.values())


def control(data: bytes) -> None:
    """A box that answers nonsense."""
    from chaos.errors import TargetError
    from chaos.targets.box.control import Control

    ours, theirs = Control.pair()
    with theirs, guarded():
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.send(data[: 1 << 17] or b" ")
        try:
            assert isinstance(ours.launch(["true"], {}, "/", {}), int)
        except TargetError:
            pass
        finally:
            ours.close()


# --- the first process of a box

LAUNCH = [
    b'{"op": "launch", "argv": ["true"], "env": {"A": "b"}, "cwd": "/", "fds": []}',
    b'{"op": "run", "argv": ["true"], "env": {}, "cwd": "/", "fds": [], "grace": 0.1}',
    b'{"op": "signal", "signal": 15}', b'{"op": "branch"}',
]  # fmt: skip


class Init:
    """A box."""

    def __init__(self) -> None:
        from chaos.targets.box import init as first_process
        from chaos.targets.box.box import UNSHARE

        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = LASTING.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (LASTING closes it)
        with theirs:
            folder, owner = tempfile.mkdtemp(dir=place().state), str(theirs.fileno())
            argv = [str(shutil.which(UNSHARE[0])), *UNSHARE[1:], sys.executable, first_process.__file__, folder, owner]
            self.process = subprocess.Popen(
                argv,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.errors,
                stderr=self.errors,
                env={"PATH": "/nowhere"},  # of what it is told to start nothing is found
            )
        self.ours.settimeout(PATIENCE)
        self.ours.recv(1 << 18)
        LASTING.enter_context(self.process)  # waits: it ends what is in it and itself once the connection is closed
        LASTING.callback(self.ours.close)
        LASTING.callback(init.cache_clear)

    def tell(self, packet: bytes) -> None:
        self.ours.send(packet)

    def check(self) -> None:
        """It answers another connection."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.settimeout(PATIENCE)
            try:
                socket.send_fds(self.ours, [b'{"op": "branch"}'], [theirs.fileno()])
                ours.send(b'{"op": "launch", "argv": ["/nowhere/x"], "env": {}, "cwd": "/", "fds": []}')
                assert "error" in json.loads(ours.recv(1 << 18))
            except OSError as e:
                init.cache_clear()
                self.errors.seek(0)
                raise AssertionError(f"the box ended ({e!r}): {self.errors.read().decode()[-2000:]}") from None


@functools.cache
def init() -> Init:
    return Init()


def box(data: bytes) -> None:
    """Whatever a program in a box says, the box stands."""
    data = data[: 1 << 16]
    if not data:  # that is how a connection ends
        return
    one = init()
    try:
        one.tell(data)
    except OSError as e:
        if not os.strerror(e.errno or 0):
            raise
    one.check()
    one.ours.setblocking(False)
    try:
        while one.ours.recv(1 << 18):
            pass
    except BlockingIOError:
        pass
    finally:
        one.ours.settimeout(PATIENCE)


# --- chaos drive

ASKED = [
    b'{"do": "inject", "fault": "kill", "where": {"zone": "b"}, "with": {}, "limit": 5}',
    b'{"do": "inject", "fault": "delay", "where": {"name": "db-b"}, "with": {"ms": 20, "to": {"zone": "a"}}}',
    b'{"do": "heal", "step": "kill-1"}', b'{"do": "well", "nodes": ["web-a"], "within": 3}',
    b'{"do": "fetch", "node": "web-a", "port": 80, "path": "/", "timeout": 1}',
    b'{"do": "exec", "node": "web-a", "command": ["true"]}',
]  # fmt: skip


class _Sink:
    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None:
        json.dumps([kind, subject, t, data])


def drive(data: bytes) -> None:
    """Each line is answered with an object, and at the end everything is healed."""
    from chaos.cli.drive import answer_line, written
    from chaos.model import Node
    from chaos.run.interactive import Driver
    from chaos.targets.memory.target import Memory

    nodes = [Node(name, name[:-2], name[-1], labels={"chaos.zone": name[-1]}) for name in ("web-a", "web-b", "db-b")]
    lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]

    async def play() -> None:
        target = Memory(nodes)
        await target.up()
        driver = Driver(target, _Sink())
        for line in lines:
            answer = await answer_line(driver, line)
            assert isinstance(answer["ok"], bool)
            assert json.loads(written(answer).encode()) == answer
        await driver.heal_all()
        assert not await target.residue()

    with guarded():
        virtually(play())


_DATAGRAMS = st.one_of(_segments(), st.binary(min_size=20, max_size=80), inputs.scribbled(_segments()))

KINDS = (
    Kind("packets", st.lists(_DATAGRAMS, min_size=1, max_size=8).map(_framed), packets, 100),
    Kind("netlink", st.one_of(st.binary(max_size=100), st.just(struct.pack("=HH", 0, 1) * 9)), netlink, 200),
    Kind(
        "metrics",
        st.one_of(inputs.scribbled(st.just(METRICS)), inputs.json_files(PROMETHEUS), inputs.junk()),
        metrics,
        100,
    ),
    Kind("control", st.one_of(inputs.json_files([b'{"pid": 3}', b'{"error": "x"}', b'{"exit": 0}'])), control, 60),
    Kind("drive", inputs.line_files([b"\n".join(ASKED), b"\n".join(ASKED[2:])]), drive, 60),
    Kind("helper", inputs.line_files([b"\n".join(LINES)]), helper_lines, 0),
    Kind("box", inputs.json_files(LAUNCH), box, 0),
)
