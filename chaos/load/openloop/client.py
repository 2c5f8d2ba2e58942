"""An HTTP client that knows whether a request may have left: Locust's, without its silent retries.

geventhttpclient resends an idempotent request up to eleven times if a connection breaks after sending. That would turn
a reset that users experienced into a success, so `Client.request` sends only once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import gevent
import gevent.socket
from gevent.queue import Empty
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.header import HeadersDataType
from geventhttpclient.response import HTTPSocketPoolResponse
from geventhttpclient.url import URL

Address = tuple[Any, Any, int, str, Any]  # as returned by getaddrinfo
Body = str | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes] | None


class NotSent(OSError):
    """The request cannot have reached a server: no address, no connection, or its first byte was refused."""


class Names:
    """Caches addresses of hosts as long as they work.

    A resolver may take seconds after a container has gone, and runs on a few threads. So there is one look-up for each
    name at a time, however many operations wait for it, and a name is looked up again only after its address failed.
    $CHAOS_HOSTS names a file in the format of /etc/hosts, which takes precedence.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[Address]] = {}
        self._asking: dict[tuple[str, int], Any] = {}
        hosts = os.environ.get("CHAOS_HOSTS")
        self._pinned = _hosts(Path(hosts)) if hosts else {}

    def resolve(self, host: str, port: int) -> list[Address]:
        """Raises OSError if the name has no address. There is no time limit: the caller has one."""
        key = (host, port)
        if key in self._known:
            return self._known[key]
        if key not in self._asking:
            self._asking[key] = gevent.spawn(self._look_up, host, port)
        found: list[Address] | OSError = self._asking[key].get()
        if isinstance(found, OSError):
            raise found
        return found

    def forget(self, host: str, port: int) -> None:
        self._known.pop((host, port), None)

    def _look_up(self, host: str, port: int) -> list[Address] | OSError:
        where = self._pinned.get(host, host)
        try:
            found: list[Address] = gevent.socket.getaddrinfo(where, port, 0, socket.SOCK_STREAM)
        except OSError as e:
            return e
        finally:
            del self._asking[host, port]
        self._known[host, port] = found
        return found


class Connections(ConnectionPool):
    """The connections of one user to one host."""

    def __init__(self, names: Names, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = names

    def _create_socket(self) -> Any:
        host, port = self._connection_host, self._connection_port
        ms = self.connection_timeout * 1000
        try:
            with gevent.Timeout(self.connection_timeout, TimeoutError(f"no connection within {ms:.0f} ms")):
                return self._connect(self._names.resolve(host, port))
        except (OSError, gevent.Timeout) as e:
            self._names.forget(host, port)
            raise NotSent(f"{host}:{port}: {_words(e)}") from e

    def _connect(self, addresses: list[Address]) -> Any:
        refused: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            sock = gevent.socket.socket(family, kind, protocol)
            try:
                sock.connect(address)
            except OSError as e:
                sock.close()
                if isinstance(e, TimeoutError):
                    raise
                refused = e
            except BaseException:
                sock.close()
                raise
            else:
                sock.settimeout(self.network_timeout)
                return sock
        assert refused is not None, "a name with no address is an error of the look-up"
        raise refused

    def _is_socket_alive(self, sock: Any) -> bool:
        """Whether a connection has nothing to read and has not ended. Does not use select, which is limited to fd
        1,023.
        """
        if sock is None or sock.fileno() < 0:
            return False
        try:
            sock._sock.recv(1, socket.MSG_PEEK)  # non-blocking underneath
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def drop_idle(self) -> None:
        """Close idle connections: after a time-out, all connections to this host are in doubt."""
        while True:
            try:
                self._socket_queue.get(block=False).close()
            except Empty:
                return


class Client(HTTPClient):
    """A client for one host. A request is sent at most once; every failure before its first byte raises NotSent."""

    _connection_pool: Connections

    def __init__(self, names: Names, host: str, port: int | None = None, **kwargs: Any) -> None:
        super().__init__(host, port=port, **kwargs)
        pool = self._connection_pool
        self._connection_pool = Connections(
            names,
            host,
            pool._connection_port,
            host,
            pool._request_port,
            size=pool.size,
            connection_timeout=pool.connection_timeout,
            network_timeout=pool.network_timeout,
        )

    def request(
        self, method: str, request_uri: str, body: Body = b"", headers: HeadersDataType | None = None
    ) -> HTTPSocketPoolResponse:
        payload = body.encode() if isinstance(body, str) else body or b""
        assert isinstance(payload, bytes), "users' files send text or bytes"
        head = self._build_request(method.upper(), request_uri, body=payload, headers=headers)
        sock = self._send(head.encode("latin-1") + payload)
        return HTTPSocketPoolResponse(
            sock,
            self._connection_pool,
            block_size=self.block_size,
            method=method.upper(),
            headers_type=self.headers_type,
        )

    def _send(self, message: bytes) -> Any:
        """Send all of `message`; returns the socket.

        A kept connection may end right after `_is_socket_alive`. The kernel then refuses the first byte, nothing was
        sent, and a new connection may be used. Once a byte was accepted, the outcome of any failure is unknown.
        """
        for _ in range(2):
            sock = self._connection_pool.get_socket()
            try:
                try:
                    taken = sock.send(message)
                except (BrokenPipeError, ConnectionResetError) as e:
                    self._connection_pool.release_socket(sock)
                    refused = e
                    continue
                if taken < len(message):
                    sock.sendall(message[taken:])
            except BaseException:
                self._connection_pool.release_socket(sock)
                raise
            return sock
        raise NotSent(f"{self.host}:{self.port}: {_words(refused)} before the first byte") from refused


class Clients(HTTPClientPool):
    """The hosts one user talks to. Concurrency is effectively unlimited, because arrivals are open."""

    clients: dict[tuple[str, int | None], Client]  # type: ignore[assignment]  # ours only, so that NotSent holds

    def __init__(self, names: Names, connect: float, patience: float) -> None:
        super().__init__(connection_timeout=connect, network_timeout=patience, concurrency=1_000)
        self._names = names

    def get_client(self, url: str | URL) -> Client:
        at = url if isinstance(url, URL) else URL(url)
        key = at.host, at.port
        if key not in self.clients:
            self.clients[key] = Client(self._names, at.host, at.port, **self.client_args)
        return self.clients[key]

    def drop_idle(self, url: str) -> None:
        self.get_client(url)._connection_pool.drop_idle()


def _hosts(path: Path) -> Mapping[str, str]:
    """Name → address, from a file in the format of /etc/hosts."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        found.update(dict.fromkeys(names, address))
    return found


def _words(e: BaseException) -> str:
    return getattr(e, "strerror", None) or str(e) or type(e).__name__
