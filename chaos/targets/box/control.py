"""A connection to the first process of a box (init.py describes the protocol)."""

from __future__ import annotations

import array
import json
import os
import socket
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.errors import TargetError
from chaos.targets.messages import AGAIN, decoded

PACKET = 1 << 18  # bytes
CONTROL = "CHAOS_BOX_CONTROL"  # number of the descriptor of a program's connection to its box


class Control:
    """Requests are answered in order, in about a millisecond each. All methods block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Inherited connections belong to targets, which are dropped without being closed.
        weakref.finalize(self, sock.close)

    @classmethod
    def inherited(cls) -> Control:
        """The connection that this program was started with. Raises KeyError outside of a box."""
        sock = socket.socket(fileno=os.dup(int(os.environ[CONTROL])))
        return cls(sock)

    @staticmethod
    def pair() -> tuple[Control, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return Control(ours), theirs

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def send(self, message: Mapping[str, object], fds: Sequence[int] = ()) -> None:
        packet = json.dumps(message).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([packet], rights)
        except OSError as e:
            raise TargetError(f"the box no longer responds ({e.strerror}); start it again with `chaos up`") from e

    def receive(self) -> dict[str, Any] | None:
        """The next message, None if the box has ended. Raises TargetError for an invalid message."""
        try:
            packet = self._sock.recv(PACKET)
        except ConnectionError:
            return None
        return decoded(packet, "the box") if packet else None

    def ask(self, message: Mapping[str, object], fds: Sequence[int] = ()) -> dict[str, Any]:
        """Send a request and return the answer. Raises TargetError if the box refuses it or has ended."""
        self.send(message, fds)
        answer = self.receive()
        if answer is None:
            raise TargetError("the box ended during a request; start it again with `chaos up`")
        if "error" in answer:
            raise TargetError(f"the box refused the request: {answer['error']}")
        return answer

    def launch(self, argv: Sequence[str], env: Mapping[str, str], cwd: str, fds: Mapping[int, int]) -> int:
        """Start a program that outlives this process. `fds` maps its descriptor numbers to ours. Returns its pid."""
        message = {"op": "launch", "argv": list(argv), "env": dict(env), "cwd": cwd, "fds": list(fds)}
        return self._pid(message, fds)

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, fds: Mapping[int, int], grace: float = 0.0
    ) -> int:
        """Start a program that ends with this connection: by SIGTERM, after `grace` seconds (if any) by SIGKILL.

        Returns its pid. A message {"exit": code} follows when it has ended.
        """
        message = {"op": "run", "argv": list(argv), "env": dict(env), "cwd": cwd, "fds": list(fds), "grace": grace}
        return self._pid(message, fds)

    def _pid(self, message: Mapping[str, object], fds: Mapping[int, int]) -> int:
        answer = self.ask(message, list(fds.values()))
        if not isinstance(pid := answer.get("pid"), int):
            raise TargetError(f"the box answered {answer!r:.200}, expected a pid; {AGAIN}")
        return pid

    def signal(self, number: int) -> None:
        self.send({"op": "signal", "signal": number})

    def keep(self) -> None:
        """Make the box independent of this connection."""
        self.ask({"op": "keep"})

    def branch(self) -> Control:
        """Another connection, for running another program."""
        ours, theirs = Control.pair()
        with theirs:
            self.send({"op": "branch"}, [theirs.fileno()])
        return ours
