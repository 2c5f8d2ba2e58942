"""A connection to a box's first process (the protocol is described in boxinit.py)."""

from __future__ import annotations

import array
import json
import os
import socket
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.errors import TargetError

PACKET = 1 << 18  # bytes
CONTROL = "CHAOS_BOX_CONTROL"  # the descriptor of a program's connection to its box


class Control:
    """Requests are answered in order, within about a millisecond each; all methods block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # One that was inherited belongs to a target, and those are dropped, not closed.
        weakref.finalize(self, sock.close)

    @classmethod
    def inherited(cls) -> Control:
        """The connection that a program started in a box was given. Raises KeyError outside of one."""
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
            raise TargetError(f"the box does not listen any more ({e.strerror}); start it again with `chaos up`") from e

    def receive(self) -> dict[str, Any] | None:
        """The next message, None when the box has ended."""
        try:
            packet = self._sock.recv(PACKET)
        except ConnectionError:
            return None
        message: dict[str, Any] | None = json.loads(packet) if packet else None
        return message

    def ask(self, message: Mapping[str, object], fds: Sequence[int] = ()) -> dict[str, Any]:
        """Send and return the answer. Raises TargetError when the box refuses or has ended."""
        self.send(message, fds)
        answer = self.receive()
        if answer is None:
            raise TargetError("the box ended while it was asked to start something; start it again with `chaos up`")
        if "error" in answer:
            raise TargetError(f"the box could not do it: {answer['error']}")
        return answer

    def launch(self, argv: Sequence[str], env: Mapping[str, str], cwd: str, fds: Mapping[int, int]) -> int:
        """Start a program that outlives us; `fds` maps its descriptor numbers to ours. Returns its pid."""
        message = {"op": "launch", "argv": list(argv), "env": dict(env), "cwd": cwd, "fds": list(fds)}
        return int(self.ask(message, list(fds.values()))["pid"])

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, fds: Mapping[int, int], grace: float = 0.0
    ) -> int:
        """Start a program that ends with this connection: SIGTERM if there is grace (seconds), then SIGKILL.

        Returns its pid; a message {"exit": code} follows when it has ended.
        """
        message = {"op": "run", "argv": list(argv), "env": dict(env), "cwd": cwd, "fds": list(fds), "grace": grace}
        return int(self.ask(message, list(fds.values()))["pid"])

    def signal(self, number: int) -> None:
        self.send({"op": "signal", "signal": number})

    def branch(self) -> Control:
        """One more connection, for one more program to run."""
        ours, theirs = Control.pair()
        with theirs:
            self.send({"op": "branch"}, [theirs.fileno()])
        return ours
