"""Faults of HTTP on a real kernel: a client and a server in a box, the helper's queue between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract import test_queue

pytestmark = pytest.mark.box

PRELUDE = """
import http.client
arrived = []  # (method, path, bytes of body) of each request that the server got
ended = []  # how each connection ended there
def serving():
    server = at("right", lambda: socket.create_server((RIGHT, 8000), backlog=64))
    def one(peer):
        unread = b""
        try:
            while True:
                while b"\\r\\n\\r\\n" not in unread:
                    more = peer.recv(1 << 16)
                    if not more:
                        ended.append("end")
                        return
                    unread += more
                head, _, unread = unread.partition(b"\\r\\n\\r\\n")
                size = next((int(h[15:]) for h in head.split(b"\\r\\n") if h.lower().startswith(b"content-length:")), 0)
                while len(unread) < size:
                    unread += peer.recv(1 << 16)
                method, path, _ = head.decode().split(None, 2)
                arrived.append((method, path, hashlib.sha256(unread[:size]).hexdigest() if size else ""))
                unread = unread[size:]
                body = b"y" * (300_000 if path == "/big" else 2)
                peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
        except ConnectionResetError:
            ended.append("reset")
    def accepting():
        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=accepting, daemon=True).start()

class Client(http.client.HTTPConnection):
    def __init__(self, node="left"):
        super().__init__(RIGHT, 8000, timeout=5)
        self.node = node
    def connect(self):
        make = lambda: socket.create_connection((RIGHT, 8000), 5)
        self.sock = at(self.node, make) if self.node else make()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    def ask(self, path, method="GET", body=None):
        try:
            self.request(method, path, body)
            answer = self.getresponse()
            data = answer.read()
            return [answer.status, len(data)]
        except OSError as e:
            self.close()
            return [type(e).__name__, 0]

def route(**http):
    return {"a": [RIGHT], "b": None, "http": http}

def milliseconds(call):
    began = time.monotonic()
    found = call()
    return found, 1000 * (time.monotonic() - began)
serving()
"""


def inside(tmp_path: Path, script: str) -> Any:
    return test_queue.inside(tmp_path, PRELUDE + script)


def test_requests_of_a_route_are_answered_in_the_servers_stead(tmp_path: Path) -> None:
    """Also on a connection that stands; the server never sees them, others pass, and the counts say how many."""
    seen, arrived, ended, counts = inside(
        tmp_path,
        """
standing = Client()
seen = [standing.ask("/login?user=1")]
shaped(helper, route(path="/login*", method="post"))
seen += [standing.ask(*asked) for asked in (("/login",), ("/login?x=/", "POST", b"me"), ("/big",), ("/logout", "POST"))]
seen += [Client(None).ask("/login", "POST"), Client().ask("/login", "POST", bytes(500_000))]
time.sleep(0.1)
counted = counts(helper)
ask(helper, do="clear")
seen += [Client().ask("/login", "POST")]
print(json.dumps([seen, [a[:2] for a in arrived], ended, counted]))
""",
    )
    ok, refused = [200, 2], [503, 0]
    assert seen == [ok, ok, refused, [200, 300_000], ok, refused, refused, ok]
    assert arrived == [
        ["GET", "/login?user=1"], ["GET", "/login"], ["GET", "/big"], ["POST", "/logout"], ["POST", "/login"]
    ]  # fmt: skip
    assert ended.count("reset") == 3
    assert (counts["requests"], counts["hit"]) == (6, 3)


def test_a_refused_client_sees_an_orderly_end(tmp_path: Path) -> None:
    """The answer, then the end of the stream, then its own end is acknowledged: no socket lingers."""
    text, left = inside(
        tmp_path,
        """
shaped(helper, route(status=429))
s = client()
s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
text = b""
while data := s.recv(4096):
    text += data
s.sendall(b"more")
s.close()
def lingering():
    lines = at("left", lambda: Path("/proc/thread-self/net/tcp").read_text()).splitlines()[1:]
    return [line.split()[3] for line in lines]
end = time.monotonic() + 5
while lingering() and time.monotonic() < end:
    time.sleep(0.02)
print(json.dumps([text.decode(), lingering()]))
""",
    )
    assert text == "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert left == []


def test_a_reset_reaches_both_sides(tmp_path: Path) -> None:
    """Status 0: no answer, and a connection that another request finds works."""
    seen, arrived, ended = inside(
        tmp_path,
        """
shaped(helper, route(path="/pay", status=0))
one = Client()
seen = [one.ask(path) for path in ("/", "/pay", "/")]
print(json.dumps([seen, [a[1] for a in arrived], ended]))
""",
    )
    assert seen == [[200, 2], ["ConnectionResetError", 0], [200, 2]]
    assert arrived == ["/", "/"] and ended == ["reset"]


def test_a_held_request_arrives_once_and_whole(tmp_path: Path) -> None:
    """600 ms, in which TCP sends it again more than once; its body stays behind it, other routes wait for nothing."""
    slow, quick, body, same, counts = inside(
        tmp_path,
        """
one, other = Client(), Client()
one.ask("/"), other.ask("/")
shaped(helper, route(path="/send", ms=600))
sent = os.urandom(200_000)
slow = []
thread = threading.Thread(target=lambda: slow.append(milliseconds(lambda: one.ask("/send", "POST", sent))))
thread.start()
time.sleep(0.1)
quick = milliseconds(lambda: other.ask("/quick"))
thread.join()
again = milliseconds(lambda: one.ask("/send"))
same = [a[2] == hashlib.sha256(sent).hexdigest() for a in arrived if a[0] == "POST"]
print(json.dumps([slow[0], quick, again, same, counts(helper)]))
""",
    )
    assert slow[0] == [200, 2] == quick[0] and body[0] == [200, 2]
    assert 600 <= slow[1] < 900 and 600 <= body[1] < 900 and quick[1] < 300
    assert same == [True]
    assert (counts["requests"], counts["hit"], counts["held_ms"]) == (3, 2, 1200)


def test_a_share_is_hit_the_same_way_every_time(tmp_path: Path) -> None:
    """30 % of 100; another helper with the same seed hits the same ones."""
    first, second = inside(
        tmp_path,
        """
def play(helper):
    shaped(helper, {**route(share=0.3), "seed": 3})
    one = Client()
    return [one.ask("/")[0] for _ in range(100)]
first = play(helper)
helper.stdin.close()
helper.wait(5)
print(json.dumps([first, play(start())]))
""",
    )
    assert first == second
    assert set(first) == {200, 503} and 15 <= first.count(503) <= 45


def test_an_answer_takes_the_way_of_the_servers_own(tmp_path: Path) -> None:
    """40 ms each way by another shape: a refusal takes 80; two routes add up."""
    refused, held, cut = inside(
        tmp_path,
        """
far = {"a": [LEFT], "b": [RIGHT], "delay_ms": 40}
shaped(helper, far, route(path="/no"), route(path="/slow", ms=100), route(path="/s*", ms=50))
one, two = Client(), Client()
one.ask("/"), two.ask("/")
found = [milliseconds(lambda: one.ask("/no")), milliseconds(lambda: two.ask("/slow"))]
cut = {"a": [LEFT], "b": [RIGHT], "both": True, "do": "drop"}
shaped(helper, far, route(path="/no"), rules=[cut])
two.sock.settimeout(0.5)
print(json.dumps([*found, two.ask("/no")]))
""",
    )
    assert refused[0] == [503, 0] and 80 <= refused[1] < 200
    assert held[0] == [200, 2] and 230 <= held[1] < 400
    assert cut == ["TimeoutError", 0]


@pytest.mark.parametrize("what", ["status", "ms"])
def test_a_killed_helper_leaves_requests_that_pass(tmp_path: Path, what: str) -> None:
    """SIGKILL: at once, on connections that stand too; what was held is sent again by TCP."""
    before, took, after, standing = inside(
        tmp_path,
        f"shaped(helper, route(path='/x', {'ms=60_000' if what == 'ms' else ''}))\n"
        """
one, two = Client(), Client()
one.ask("/"), two.ask("/")
got = []
thread = threading.Thread(target=lambda: got.append(one.ask("/x")))
thread.start()
time.sleep(0.3)
helper.kill()
helper.wait()
answered, took = milliseconds(lambda: two.ask("/x"))
thread.join()
print(json.dumps([got[0], took, [answered, Client().ask("/x")], nft.standing()]))
""",
    )
    assert before == ([200, 2] if what == "ms" else [503, 0])
    assert took < 200 and after == [[200, 2], [200, 2]] and standing


def test_what_is_held_goes_on_when_the_route_is_healed(tmp_path: Path) -> None:
    """By its end while another shape stays, and by `clear`."""
    found = inside(
        tmp_path,
        """
other = {"a": ["10.77.9.9"], "delay_ms": 1}
found = []
for end in (lambda: shaped(helper, other), lambda: ask(helper, do="clear")):
    shaped(helper, other, route(ms=60_000))
    seen = []
    asking = threading.Thread(target=lambda: seen.append(Client().ask("/")))
    asking.start()
    time.sleep(0.2)
    found.append([len(arrived), len(seen)])
    took = milliseconds(lambda: (end(), asking.join()))[1]
    found.append([*seen, took < 1000, arrived.pop()[1]])
print(json.dumps(found))
""",
    )
    assert found == 2 * [[0, 0], [[200, 2], True, "/"]]


def test_what_is_no_request_passes_as_it_came(tmp_path: Path) -> None:
    """Random bytes both ways, and a body that looks like requests, through a route that hits everything it reads."""
    same, refused, counts = inside(
        tmp_path,
        """
server = at("right", lambda: socket.create_server((RIGHT, 8001)))
def echo():
    peer = server.accept()[0]
    while data := peer.recv(1 << 16):
        peer.sendall(data)
threading.Thread(target=echo, daemon=True).start()
one = Client()
one.ask("/")
shaped(helper, route(), route(port=8002, path="/never"))
s = at("left", lambda: socket.create_connection((RIGHT, 8001), 5))
sent = os.urandom(300_000)
threading.Thread(target=s.sendall, args=(sent,), daemon=True).start()
got = b""
while len(got) < len(sent):
    got += s.recv(1 << 16)
shaped(helper, route(path="/forged"))
line = b"GET /forged HTTP/1.1\\r\\n\\r\\n"
one.sock.sendall(b"POST /true HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n" % (3 * len(line)))
for _ in range(3):
    time.sleep(0.05)
    one.sock.sendall(line)
answer = one.sock.recv(4096)[:12]
print(json.dumps([got == sent, answer.decode(), counts(helper)]))
""",
    )
    assert same
    assert refused == "HTTP/1.1 200"
    assert (counts["requests"], counts["hit"]) == (1, 0)
