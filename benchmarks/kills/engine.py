"""A socket between the harness and the Docker engine that can be cut: DOCKER_HOST points at it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path


class Engine:
    """Listens from `open` to `cut`; a cut ends every connection that passes through, and refuses new ones."""

    def __init__(self, real: str) -> None:
        self._real = real.removeprefix("unix://")
        self._folder = Path(tempfile.mkdtemp(prefix="kills-"))  # an address has room for a short path only
        self.host = f"unix://{self._folder}/engine.sock"
        self._listener: socket.socket | None = None
        self._through: set[socket.socket] = set()
        self._lock = threading.Lock()

    def open(self) -> None:
        if self._listener is not None:
            return
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.host.removeprefix("unix://"))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        os.unlink(self.host.removeprefix("unix://"))
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with self._lock:
            for s in self._through:
                with suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._real)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            self._through |= {near, far}
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        with self._lock:
            self._through -= {near, far}
        near.close()
        far.close()


def _pump(source: socket.socket, to: socket.socket) -> None:
    """Until its end, which is passed on: streams of the engine are closed one way at a time."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)
