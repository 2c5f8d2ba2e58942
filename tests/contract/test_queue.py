"""Shapes on a real kernel: two nodes routed through a box's namespace, the helper in the middle, real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.box

LEFT, RIGHT = "10.77.1.1", "10.77.2.1"

PRELUDE = f"""
import ctypes, fcntl, hashlib, json, os, select, signal, socket, statistics, struct, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from chaos.helper import nft
from chaos.targets.box import network

LEFT, RIGHT = {LEFT!r}, {RIGHT!r}
folder = Path(sys.argv[1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the loopback interface of a new namespace is down
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))
Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
network.build(folder, {{"left": LEFT, "right": RIGHT}})

def at(node, call):
    def there():
        with open(folder / node) as place:
            assert ctypes.CDLL(None).setns(place.fileno(), 0x40000000) == 0
        return call()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(there).result()

def udp(node, address):
    s = at(node, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind((address, 9000))
    return s

def drained(s, quiet):
    found = []
    while select.select([s], [], [], quiet)[0]:
        found.append((time.monotonic(), s.recv(2048)))
    return found

def start():
    return subprocess.Popen([sys.executable, "-m", "chaos.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

def ask(helper, **request):
    helper.stdin.write(json.dumps(request).encode() + b"\\n")
    helper.stdin.flush()
    answer = json.loads(helper.stdout.readline())
    assert answer["ok"], answer
    return answer

def shaped(helper, *shapes, rules=()):
    ask(helper, do="apply", rules=list(rules), shapes=list(shapes))

def counts(helper):
    return ask(helper, do="listing")["shapes"][0]

def echoing():
    server = at("right", lambda: socket.create_server((RIGHT, 8000), backlog=64))
    def one(peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := peer.recv(1 << 16):
            peer.sendall(data)
    def accepting():
        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=accepting, daemon=True).start()

def client(timeout=5):
    s = at("left", lambda: socket.socket())
    s.settimeout(timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.connect((RIGHT, 8000))
    return s

def trip(s):
    began = time.monotonic()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    return 1000 * (time.monotonic() - began)

helper = start()
"""


def inside(tmp_path: Path, script: str) -> Any:
    """What `script` prints as JSON, run in a box of its own with two nodes."""
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    argv = [*unshare, sys.executable, "-c", PRELUDE + script, str(tmp_path / "box")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_delay_is_met_on_each_way(tmp_path: Path) -> None:
    """20 ms there and back: a connect and an echo take 40 each; one way only: half of that."""
    bare, both, one_way = inside(
        tmp_path,
        """
echoing()
def timed():
    began = time.monotonic()
    with client() as s:
        connected = 1000 * (time.monotonic() - began)
        return connected, trip(s)
def medians():
    return [statistics.median(column) for column in zip(*(timed() for _ in range(9)))]
seen = [medians()]
for both in (True, False):
    shaped(helper, {"a": [LEFT], "b": [RIGHT], "both": both, "delay_ms": 20})
    seen.append(medians())
print(json.dumps(seen))
""",
    )
    assert max(bare) < 15
    assert all(40 <= each < 60 for each in both), both
    assert 40 <= sum(one_way) < 60, one_way


def test_a_share_is_lost_and_the_kernel_counts_the_packets(tmp_path: Path) -> None:
    """30 % of 1,000 within five standard deviations; what arrives is what the shape says it let through."""
    arrived, shape, rules = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
shaped(helper, {"a": [LEFT], "b": None, "loss": 0.3, "seed": 5})
for n in range(1000):
    here.sendto(b"%d" % n, (RIGHT, 9000))
    if n % 100 == 99:
        time.sleep(0.01)
arrived = len(drained(there, 0.3))
print(json.dumps([arrived, counts(helper), ask(helper, do="listing")["rules"]]))
""",
    )
    assert 627 <= arrived <= 773
    assert (shape["packets"], shape["lost"]) == (1000, 1000 - arrived)
    assert [(rule["do"], rule["packets"]) for rule in rules] == [("queue", 1000)]


def test_copies_arrive_once_more_and_are_not_copied_again(tmp_path: Path) -> None:
    """Every second UDP packet twice, with nothing lost; and a TCP stream stays what it was."""
    found, shape, same = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
echoing()
shaped(helper, {"a": [LEFT], "duplicate": 0.5, "delay_ms": 5})
for n in range(400):
    here.sendto(b"%d" % n, (RIGHT, 9000))
found = [data.decode() for _, data in drained(there, 0.3)]
first = counts(helper)
with client() as s:
    sent = os.urandom(200_000)
    threading.Thread(target=s.sendall, args=(sent,), daemon=True).start()
    got = b""
    while len(got) < len(sent):
        got += s.recv(1 << 16)
print(json.dumps([found, first, got == sent]))
""",
    )
    assert len(set(found)) == 400 and same
    assert len(found) == 400 + shape["duplicated"] and max(map(found.count, found)) == 2
    assert 150 <= shape["duplicated"] <= 250


def test_jitter_keeps_the_order_and_reordering_does_not(tmp_path: Path) -> None:
    """Packets overtake only where that was asked for, and all arrive."""
    kept, broken, shape = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
def sent(**shape):
    shaped(helper, {"a": [LEFT], "delay_ms": 20, **shape})
    for n in range(200):
        here.sendto(b"%d" % n, (RIGHT, 9000))
        time.sleep(0.0003)
    return [int(data) for _, data in drained(there, 0.3)]
print(json.dumps([sent(jitter_ms=20), sent(reorder=0.2), counts(helper)]))
""",
    )
    assert kept == list(range(200))
    assert sorted(broken) == kept != broken
    assert 15 <= shape["reordered"] <= 65


def test_the_receiver_drops_what_is_corrupted(tmp_path: Path) -> None:
    """Every corrupted UDP packet is a checksum error there, and no TCP stream is silently damaged."""
    arrived, errors, shape, same, stream = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
def errors():
    lines = at("right", lambda: Path("/proc/thread-self/net/snmp").read_text()).splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(values[names.index("InCsumErrors")])
echoing()
shaped(helper, {"a": [LEFT], "b": [RIGHT], "both": False, "corrupt": 0.3})
for n in range(300):
    here.sendto(b"some words %d" % n, (RIGHT, 9000))
arrived = [data.decode() for _, data in drained(there, 0.3)]
seen = [arrived, errors(), counts(helper)]
shaped(helper, {"a": [LEFT], "b": [RIGHT], "both": False, "corrupt": 0.1})
with client(20) as s:
    sent = os.urandom(300_000)
    threading.Thread(target=s.sendall, args=(sent,), daemon=True).start()
    got = b""
    while len(got) < len(sent):
        got += s.recv(1 << 16)
print(json.dumps([*seen, got == sent, counts(helper)]))
""",
    )
    assert 50 <= shape["corrupted"] <= 130
    assert errors == shape["corrupted"] == 300 - len(arrived)
    assert all(data.startswith("some words ") for data in arrived)
    assert same and stream["corrupted"] > 0


def test_a_rate_is_kept_and_its_buffer_ends(tmp_path: Path) -> None:
    """50 packets of 1,000 bytes at 100 kB/s take half a second; of 300 at once a second's worth gets through."""
    some, took, many, shape = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
shaped(helper, {"a": [LEFT], "rate_kbit": 800})
def sent(n):
    began = time.monotonic()
    for _ in range(n):
        here.sendto(bytes(972), (RIGHT, 9000))
    found = drained(there, 0.3)
    return len(found), found[-1][0] - began
some, took = sent(50)
many, _ = sent(300)
print(json.dumps([some, took, many, counts(helper)]))
""",
    )
    assert some == 50 and 0.5 <= took < 0.7
    assert 99 <= many <= 115
    assert shape["full"] == 300 - many


def test_a_reset_refuses_and_ends_connections_of_both_sides(tmp_path: Path) -> None:
    """Through the middle: a new connection is refused, one that stands is reset, UDP goes on."""
    found = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
echoing()
standing = client()
trip(standing)
rule = {"a": [LEFT], "b": [RIGHT], "both": True, "do": "reset"}
shaped(helper, rules=[rule])
seen = []
def failing(call):
    try:
        call()
        return "went well"
    except OSError as e:
        return type(e).__name__
def talk():
    standing.sendall(b"x")
    standing.recv(1)
seen = [failing(lambda: client(2)), failing(talk)]
here.sendto(b"passes", (RIGHT, 9000))
arrived = len(drained(there, 0.2))
rules = ask(helper, do="listing")["rules"]
ask(helper, do="clear")
trip(client())
print(json.dumps([*seen, arrived, rules[0]["packets"], rules[0]["do"]]))
""",
    )
    assert found == ["ConnectionRefusedError", "ConnectionResetError", 1, 2, "reset"]


def test_a_killed_helper_leaves_a_network_without_delay(tmp_path: Path) -> None:
    """SIGKILL: the rules stand, nobody reads the queue, and the next packets pass within 50 ms."""
    shaped, after, standing = inside(
        tmp_path,
        """
echoing()
shaped(helper, {"a": [LEFT], "delay_ms": 100})
s = client()
slow = trip(s)
began = time.monotonic()
helper.kill()
fast = []
helper.wait()
fast = trip(s)
print(json.dumps([slow, 1000 * (time.monotonic() - began), nft.standing()]))
""",
    )
    assert shaped >= 200
    assert after < 50 and standing


def test_to_end_in_order_lets_go_what_is_held(tmp_path: Path) -> None:
    """At the input's end, on SIGTERM, at `clear`, without that shape: all packets arrive at once, in order."""
    found = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
other = {"a": ["10.77.9.9"], "delay_ms": 1}
ends = [
    lambda: ask(helper, do="clear"),
    lambda: shaped(helper),
    lambda: shaped(helper, other),
    lambda: helper.terminate(),
    lambda: helper.stdin.close(),
]
seen = []
for end in ends:
    if helper.poll() is not None:
        helper = start()
    shaped(helper, {"a": [LEFT], "delay_ms": 5000}, other)
    for n in range(20):
        here.sendto(b"%d" % n, (RIGHT, 9000))
    early = len(drained(there, 0.1))
    held = ask(helper, do="listing")["held"]
    end()
    late = [int(data) for _, data in drained(there, 0.5)]
    if end in ends[3:]:
        helper.wait(5)
    seen.append([early, held, late == list(range(20)), nft.standing()])
print(json.dumps(seen))
""",
    )
    gone, stays = [0, 20, True, False], [0, 20, True, True]
    assert found == [gone, gone, stays, gone, gone]


def test_what_stays_the_same_goes_on_through_a_change(tmp_path: Path) -> None:
    """Another shape beside it: counts go on, and what is held keeps its time."""
    before, after, took = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
same = {"a": [LEFT], "delay_ms": 300}
shaped(helper, same)
began = time.monotonic()
here.sendto(b"first", (RIGHT, 9000))
time.sleep(0.05)
before = counts(helper)["packets"]
shaped(helper, same, {"a": ["10.77.9.9"], "loss": 1})
((when, _),) = drained(there, 1)
here.sendto(b"second", (RIGHT, 9000))
drained(there, 1)
print(json.dumps([before, counts(helper)["packets"], when - began]))
""",
    )
    assert (before, after) == (1, 2)
    assert 0.3 <= took < 0.35


def test_local_traffic_is_queued_once(tmp_path: Path) -> None:
    """Sent and received in the namespace of the helper: one delay, not two."""
    took, packets = inside(
        tmp_path,
        """
here, there = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "12")
here.bind(("127.0.9.1", 9000))
there.bind(("127.0.9.2", 9000))
shaped(helper, {"a": ["127.0.9.1"], "delay_ms": 60}, {"a": ["127.0.9.2"], "delay_ms": 40, "duplicate": 1})
began = time.monotonic()
here.sendto(b"x", ("127.0.9.2", 9000))
found = drained(there, 0.4)
print(json.dumps([[when - began for when, _ in found], [s["packets"] for s in ask(helper, do="listing")["shapes"]]]))
""",
    )
    assert len(took) == 2 and all(0.1 <= each < 0.13 for each in took), took
    assert packets == [1, 1]


def test_an_overrun_passes_packets_and_is_counted(tmp_path: Path) -> None:
    """A helper that does not get to read loses nothing: what does not fit into its buffer passes unshaped."""
    sent, arrived, passed = inside(
        tmp_path,
        """
here, there = udp("left", LEFT), udp("right", RIGHT)
shaped(helper, {"a": [LEFT], "delay_ms": 1})
room = int(Path("/proc/sys/net/core/rmem_max").read_text())
sent = max(2000, room // 250)
helper.send_signal(signal.SIGSTOP)
arrived = []
reader = threading.Thread(target=lambda: arrived.extend(drained(there, 1.5)))
reader.start()
for n in range(sent):
    here.sendto(b"", (RIGHT, 9000))
    if n % 100 == 99:
        time.sleep(0.002)
helper.send_signal(signal.SIGCONT)
reader.join()
here.sendto(b"", (RIGHT, 9000))  # the gap in their numbers is seen with the next
time.sleep(0.1)
print(json.dumps([sent, len(arrived), ask(helper, do="listing")["passed"]]))
""",
    )
    assert arrived == sent
    assert 0 < passed < sent


def test_two_helpers_shape_side_by_side(tmp_path: Path) -> None:
    """Each takes a queue of its own, and the end of one leaves the other's shape alone."""
    delays = inside(
        tmp_path,
        """
echoing()
shaped(helper, {"a": [LEFT], "delay_ms": 20})
argv = [sys.executable, "-m", "chaos.helper", "other"]
other = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
shaped(other, {"a": [RIGHT], "delay_ms": 30})
s = client()
seen = [statistics.median(trip(s) for _ in range(5))]
helper.stdin.close()
helper.wait(5)
seen.append(statistics.median(trip(s) for _ in range(5)))
print(json.dumps(seen))
""",
    )
    assert 100 <= delays[0] < 120 and 60 <= delays[1] < 80, delays
