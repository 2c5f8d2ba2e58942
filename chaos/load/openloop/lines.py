"""Connections of one user to servers that do not speak HTTP: kept while they work, and opened at the next host else."""

from __future__ import annotations

import _socket
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent

from chaos.load.openloop.client import NotSent
from chaos.load.openloop.user import Broken, OpenUser

L = TypeVar("L")
T = TypeVar("T")


class Lines(Generic[L]):
    """What the clients of this package share. A subclass opens and closes one line, and says what errors mean.

    `connect` is the time limit for a connection with its log-in, in seconds. Several operations of one user may run at
    once, so each takes a line of its own.
    """

    connect = 1.0

    def __init__(self, user: OpenUser) -> None:
        self.user = user
        self._idle: dict[str, list[L]] = defaultdict(list)  # by address

    def open(self, host: str, port: int) -> L:
        """A line to this address, logged in. May raise anything: nothing was sent by then."""
        raise NotImplementedError

    def close(self, line: L) -> None:
        raise NotImplementedError

    def descriptor(self, line: L) -> int:
        """Of its socket; -1 if it is closed."""
        raise NotImplementedError

    def verdict(self, error: Exception) -> str | None:
        """`fail` if the server refused to do it, `info` if it may have done it; None for an error that is not its."""
        raise NotImplementedError

    def asked(self, what: str, ask: Callable[[L], T], writes: bool) -> T:
        """The result of `ask` on a line. Raises Broken: `fail` only if nothing was sent, or the server refused.

        Hosts are tried in turn until one lets the user in, within the operation's time limit.
        """
        address, line = self._take(what)
        try:
            found = ask(line)
        except Exception as e:
            said = self.verdict(e)
            if said == "fail":
                self._idle[address].append(line)  # it has answered, so the line works
            else:
                self.close(line)
            if said is None:
                raise
            raise Broken(said, f"{what}: {type(e).__name__}: {' '.join(str(e).split())[:300]}") from e
        except BaseException:  # a time-out of the operation: a late answer must not be taken for the next one
            self.close(line)
            raise
        self._idle[address].append(line)
        self.user.op.done += writes
        return found

    def _take(self, what: str) -> tuple[str, L]:
        tried: list[str] = []
        while True:
            address = self.user.address
            try:
                return address, self._kept(address) or self._opened(address)
            except NotSent as e:
                tried.append(str(e))
            if self.user.address == address:  # unless another journey of this user has already moved on
                self.user.turn()
            if len(tried) >= len(self.user.hosts) or time.monotonic() >= self.user.op.deadline:
                raise Broken("fail", f"{what}: not sent: {'; '.join(tried)}")

    def _kept(self, address: str) -> L | None:
        while self._idle[address]:
            line = self._idle[address].pop()
            if _silent(self.descriptor(line)):
                return line
            self.close(line)
        return None

    def _opened(self, address: str) -> L:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            with gevent.Timeout(self.connect, TimeoutError(f"no connection within {self.connect:g} s")):
                (_, _, _, _, found), *_ = self.user.names.resolve(host, int(port))
                return self.open(str(found[0]), int(port))
        except Exception as e:
            self.user.names.forget(host, int(port))
            raise NotSent(f"{address}: {' '.join(str(e).split()) or type(e).__name__}") from e


def _silent(descriptor: int) -> bool:
    """Whether the other side has neither said anything nor hung up, so that the line can be used."""
    if descriptor < 0:
        return False
    seen = _socket.socket(fileno=socket.dup(descriptor))  # gevent's own would wait
    try:
        seen.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        seen.close()
    return False
