"""Rules on a real kernel, in a network namespace of their own: all there at once, they bite, and are read back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.box

PRELUDE = """
import fcntl, json, socket, struct
from chaos.helper import nft
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the loopback interface of a new namespace is down
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))
server = socket.create_server(("127.0.9.2", 8000))
def reaches(source):
    try:
        socket.create_connection(("127.0.9.2", 8000), 0.3, (source, 0)).close()
        return True
    except TimeoutError:
        return False
def cut(a, b=None, both=True):
    return nft.Rule(a=a, b=b, both=both)
def rule(do, a, b=None, both=True):
    return nft.Rule(a=a, b=b, both=both, do=do)
"""


def inside(script: str, *more: str) -> Any:
    """What `script` prints as JSON, run in a user and network namespace of its own."""
    argv = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", PRELUDE + script, *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_cut_swallows_packets_of_connections_that_stand_too() -> None:
    """No reset, no refusal; and when the table is gone everything goes on where it was."""
    found = inside("""
client = socket.create_connection(("127.0.9.2", 8000), 1, ("127.0.9.1", 0))
peer, _ = server.accept()
peer.settimeout(0.3)
nft.apply([cut(["127.0.9.2"])])
client.send(b"swallowed")
try:
    arrived = bool(peer.recv(10))
except TimeoutError:
    arrived = False
seen = [reaches("127.0.9.1"), arrived]
nft.clear()
peer.settimeout(5)
print(json.dumps([*seen, peer.recv(10).decode(), reaches("127.0.9.1")]))
""")
    assert found == [False, False, "swallowed", True]


def test_traffic_inside_a_cut_group_goes_on() -> None:
    """Who is cut from everybody else still reaches his own."""
    found = inside("""
nft.apply([cut(["127.0.9.2", "127.0.9.3"])])
print(json.dumps([reaches("127.0.9.1"), reaches("127.0.9.3")]))
""")
    assert found == [False, True]


def test_a_cut_between_two_leaves_others_alone() -> None:
    """Both directions or one, both stop a connection; a third address is not concerned."""
    found = inside("""
seen = []
for both in (True, False):
    nft.apply([cut(["127.0.9.2"], ["127.0.9.1"], both)])
    seen += [reaches("127.0.9.1"), reaches("127.0.9.3")]
print(json.dumps(seen))
""")
    assert found == [False, True, False, True]


def test_the_kernel_tells_what_was_asked_for() -> None:
    """Every form of a rule comes back as it went in and where it was, and nothing is left of the rules before."""
    rules: list[dict[str, Any]] = [
        {"a": ["10.77.1.2"], "b": None, "both": True, "do": "queue"},
        {"a": ["10.77.1.3", "10.77.1.20"], "b": None, "both": False, "do": "drop"},
        {"a": ["10.77.1.4"], "b": ["10.77.2.4", "10.77.2.5"], "both": True, "do": "reset"},
        {"a": ["10.77.1.4"], "b": ["10.77.3.1"], "both": False},
        {"a": ["10.77.1.4"], "b": ["10.77.3.1"], "both": False, "do": "queue"},
        {"a": ["10.77.1.4"], "b": ["10.77.3.1"], "both": False, "do": "reset"},
    ]
    found = inside(f"""
nft.apply([cut(["10.77.9.9"]), rule("queue", ["10.77.9.8"], ["10.77.9.7"])])
nft.apply({rules!r})
print(json.dumps([nft.standing(), nft.listing()]))
""")
    assert found == [True, [{"do": "drop", **rule, "packets": 0} for rule in rules]]


def test_a_reset_ends_connections_and_lets_the_rest_pass() -> None:
    """A new one is refused, one that stands is reset on both sides, a datagram arrives, and each answer is counted."""
    found = inside("""
client = socket.create_connection(("127.0.9.2", 8000), 1, ("127.0.9.1", 0))
peer, _ = server.accept()
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
there.bind(("127.0.9.2", 9000))
there.settimeout(1)
nft.apply([rule("reset", ["127.0.9.1"], ["127.0.9.2"])])
def failing(call):
    try:
        call()
        return "went well"
    except OSError as e:
        return type(e).__name__
seen = [failing(lambda: socket.create_connection(("127.0.9.2", 8000), 1, ("127.0.9.1", 0)))]
for one in (client, peer):
    one.settimeout(1)
    seen.append(failing(lambda: one.send(b"x") and one.recv(1)))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    here.bind(("127.0.9.1", 0))
    here.sendto(b"passes", ("127.0.9.2", 9000))
print(json.dumps([*seen, there.recv(9).decode(), nft.listing()[0]["packets"]]))
""")
    assert found == ["ConnectionRefusedError", "ConnectionResetError", "ConnectionResetError", "passes", 3]


def test_a_queue_that_nobody_reads_lets_packets_pass_and_drops_come_first() -> None:
    """Whatever the order they were given in."""
    found = inside("""
nft.apply([rule("queue", ["127.0.9.2"])])
seen = [reaches("127.0.9.1"), nft.listing()[0]["packets"] > 0]
nft.apply([rule("queue", ["127.0.9.2"]), rule("reset", ["127.0.9.2"], ["127.0.9.1"]), cut(["127.0.9.2"])])
seen.append(reaches("127.0.9.1"))
print(json.dumps([*seen, [r["packets"] > 0 for r in nft.listing()]]))
""")
    assert found == [True, True, False, [False, False, True]]


def test_rules_count_both_directions_and_a_change_starts_them_anew() -> None:
    """Three datagrams there and two back are five; other packets are nobody's."""
    found = inside("""
ends = {}
for name in ("127.0.9.1", "127.0.9.2", "127.0.9.3"):
    ends[name] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ends[name].bind((name, 9000))
one = cut(["127.0.9.1"], ["127.0.9.2"])
nft.apply([one])
for source, to in (("1", "2"), ("1", "2"), ("2", "1"), ("1", "2"), ("2", "1"), ("3", "1"), ("1", "3")):
    try:
        ends["127.0.9." + source].sendto(b"x", ("127.0.9." + to, 9000))
    except PermissionError:  # what is dropped on its way out
        pass
seen = [nft.listing()[0]["packets"]]
nft.apply([one, cut(["10.77.1.2"])])
print(json.dumps([*seen, nft.listing()[0]["packets"]]))
""")
    assert found == [5, 0]


def test_to_ease_leaves_hooks_without_rules() -> None:
    """What is held in a queue survives that, and everything passes; also where there was no table."""
    found = inside("""
nft.ease()
seen = [nft.standing()]
nft.apply([cut(["127.0.9.2"])])
nft.ease()
print(json.dumps([*seen, nft.standing(), nft.listing(), reaches("127.0.9.1")]))
""")
    assert found == [True, True, [], True]


def test_many_cuts_are_one_transaction() -> None:
    """Three hundred at once, more than a socket's usual buffer takes."""
    found = inside("""
nft.apply([cut([f"10.77.{zone}.{n}"]) for zone in (1, 2, 3) for n in range(100)])
print(json.dumps(len(nft.listing())))
""")
    assert found == 300


def test_to_clear_twice_is_as_good_as_once() -> None:
    """And no cut at all leaves no table."""
    found = inside("""
nft.clear()
seen = [nft.standing(), nft.listing()]
nft.apply([cut(["127.0.9.2"])])
nft.apply([])
nft.clear()
print(json.dumps([*seen, nft.standing(), nft.listing()]))
""")
    assert found == [False, [], False, []]


def test_a_helper_takes_its_own_cuts_with_it_and_nobody_elses() -> None:
    """When its input ends, and on SIGTERM; a helper that only looked leaves what it saw."""
    found = inside("""
import signal, subprocess, sys
def session(*requests, end):
    helper = subprocess.Popen([sys.executable, "-m", "chaos.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    answers = []
    for request in requests:
        helper.stdin.write(json.dumps(request).encode() + b"\\n")
        helper.stdin.flush()
        answers.append(json.loads(helper.stdout.readline())["ok"])
    end(helper)
    helper.communicate()
    return [*answers, helper.returncode, nft.standing()]
apply = {"do": "apply", "rules": [cut(["127.0.9.2"])]}
close, term = lambda helper: helper.stdin.close() or setattr(helper, "stdin", None), lambda helper: helper.terminate()
seen = [session(apply, end=close), session(apply, end=term)]
nft.apply([cut(["127.0.9.2"])])
print(json.dumps([*seen, session({"do": "listing"}, {"do": "ping"}, end=close)]))
""")
    assert found == [[True, 0, False], [True, 0, False], [True, True, 0, True]]


def test_tables_of_two_stacks_do_not_heal_each_other() -> None:
    """Each has a name of its own, and both bite."""
    found = inside("""
nft.apply([cut(["127.0.9.2"], ["127.0.9.1"])], "one")
nft.apply([cut(["127.0.9.2"], ["127.0.9.3"])], "two")
seen = [reaches("127.0.9.1"), reaches("127.0.9.3"), len(nft.listing("one")), nft.standing()]
nft.clear("one")
print(json.dumps([*seen, reaches("127.0.9.1"), reaches("127.0.9.3")]))
""")
    assert found == [False, False, 1, False, True, False]


@pytest.mark.skipif(shutil.which("nft") is None, reason="a second opinion needs the nft program")
def test_the_nft_program_reads_the_same_table() -> None:
    """The rules are words that people know, not only bytes that we read back ourselves."""
    found = inside("""
import subprocess
nft.apply([cut(["10.77.1.2"]), rule("queue", ["10.77.1.3"], ["10.77.2.3"], False), rule("reset", ["10.77.1.4"])])
print(json.dumps(subprocess.run(["nft", "list", "table", "inet", "chaos"], capture_output=True, text=True).stdout))
""")
    for rule in (
        "ip saddr @a0 ip daddr != @a0 counter packets 0 bytes 0 drop",
        "ip saddr != @a0 ip daddr @a0 counter packets 0 bytes 0 drop",
        "ip saddr @a2 ip daddr != @a2 tcp flags ! rst counter packets 0 bytes 0 reject with tcp reset",
        "meta mark 0x63707900 return",
        "meta iiftype loopback return",
        "ip saddr @a1 ip daddr @b1 counter packets 0 bytes 0 queue",
    ):
        assert rule in found
    assert found.count("priority filter - 10; policy accept;") == 3
