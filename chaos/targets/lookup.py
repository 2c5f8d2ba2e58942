"""Whether a name resolves as for a node's programs: by its hosts file, else by an answer of its name servers.

Run in the node's network with the standard library alone: `lookup.py NAME SECONDS RESOLV [HOSTS]`, by path or as text.
RESOLV is the node's resolv.conf. HOSTS is its hosts file, which takes precedence; without it only name servers count,
so that a name that is in the file as well (a container's own) shows whether there is a name server. It prints
`answered` or `silent`. Every response counts, even that the name does not exist.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import time

PORT = 53
AGAIN = 0.8  # seconds between two queries: a single packet may be lost


def servers(resolv: str) -> list[str]:
    """The name servers in the file, else this machine, as in resolv.conf(5)."""
    try:
        with open(resolv, encoding="utf-8", errors="replace") as f:
            lines = [line.split() for line in f]
    except FileNotFoundError:
        lines = []
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"] or ["127.0.0.1"]


def listed(name: str, hosts: str) -> bool:
    with open(hosts, encoding="utf-8", errors="replace") as f:
        return any(name in line.partition("#")[0].split()[1:] for line in f)


def question(name: str, number: int) -> bytes:
    """A query for an address (type A) with recursion; RFC 1035."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("idna").split(b".") if label)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def answers(name: str, asked: list[str], seconds: float) -> bool:
    number = int.from_bytes(os.urandom(2), "big")
    packet = question(name, number)
    open_ = [_connected(server) for server in asked]
    end = time.monotonic() + seconds
    try:
        while (now := time.monotonic()) < end:
            took = [_sent(one, packet) for one in open_]
            if not any(took):
                return False  # the kernel refuses the packets, as a drop rule may
            if _heard(open_, number, min(end, now + AGAIN)):
                return True
        return False
    finally:
        for one in open_:
            one.close()


def _connected(server: str) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.suppress(OSError):  # the kernel may refuse the packet as well
        one.connect((server.partition("%")[0], PORT))
    return one


def _sent(one: socket.socket, packet: bytes) -> bool:
    try:
        one.send(packet)
    except OSError:
        return False
    return True


def _heard(open_: list[socket.socket], number: int, until: float) -> bool:
    while (rest := until - time.monotonic()) > 0:
        for one in select.select(open_, [], [], rest)[0]:
            try:
                said = one.recv(4096)
            except OSError:
                continue  # no server on that port
            if len(said) >= 12 and int.from_bytes(said[:2], "big") == number and said[2] & 0x80:
                return True
    return False


def main(name: str, seconds: float, resolv: str, hosts: str = "") -> None:
    if hosts and listed(name, hosts):
        print("answered")
        return
    print("answered" if answers(name, servers(resolv), seconds) else "silent")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
