"""The health check that every node runs: bash alone, 0 for HTTP 200 and 1 for anything else."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

HEALTHY = Path(__file__).parents[2] / "services" / "healthy"


def check(port: int) -> int:
    command = [str(HEALTHY), str(port), "/startz"]
    return subprocess.run(command, env={"BIND": "0.0.0.0"}, timeout=5, check=False).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", 0), (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1), (b"", 1)],
)
def test_only_200_is_healthy(answer: bytes, code: int) -> None:
    """503 means not yet, and a connection that is closed without a word means no."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = bytearray()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while not asked.endswith(b"\r\n\r\n"):
                    asked.extend(connection.recv(1000))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert check(server.getsockname()[1]) == code
        thread.join()
    assert asked.startswith(b"GET /startz HTTP/1.1\r\n")


def test_a_closed_port_is_not_healthy() -> None:
    """Refused at once, and quietly."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert check(port) == 1
