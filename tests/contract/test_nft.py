"""Cuts on a real kernel, in a network namespace of their own: the table is there at once, bites, and is read back."""

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
    return nft.Cut(a=a, b=b, both=both)
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


def test_the_kernel_tells_what_was_cut() -> None:
    """Every form of a cut comes back as it went in, and a replaced table has nothing of the one before."""
    cuts = [
        {"a": ["10.77.1.2"], "b": None, "both": True},
        {"a": ["10.77.1.3", "10.77.1.20"], "b": None, "both": False},
        {"a": ["10.77.1.4"], "b": ["10.77.2.4", "10.77.2.5"], "both": True},
        {"a": ["10.77.1.4"], "b": ["10.77.3.1"], "both": False},
    ]
    found = inside(f"""
nft.apply([cut(["10.77.9.9"])])
nft.apply({cuts!r})
print(json.dumps([nft.standing(), nft.listing()]))
""")
    assert found == [True, cuts]


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
apply = {"do": "apply", "cuts": [cut(["127.0.9.2"])]}
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
nft.apply([cut(["10.77.1.2"]), cut(["10.77.1.3"], ["10.77.2.3"], False)])
print(json.dumps(subprocess.run(["nft", "list", "table", "inet", "chaos"], capture_output=True, text=True).stdout))
""")
    for rule in (
        "ip saddr @a0 ip daddr != @a0 drop",
        "ip saddr != @a0 ip daddr @a0 drop",
        "ip saddr @a1 ip daddr @b1 drop",
    ):
        assert rule in found
    assert found.count("priority filter - 10; policy accept;") == 3
