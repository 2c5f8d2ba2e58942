"""The first process of a box: furnishes it, starts what it is asked to, reaps, and takes all with it when it ends.

Run by path with the standard library alone: `boxinit.py KIND FOLDER OWNER [LISTEN]`. KIND `box` is pid 1 of namespaces
of its own, so the kernel empties the box; `plain` is a subreaper that ends its descendants itself. OWNER is a
connected socket; without LISTEN (a listening socket) the box lives no longer than the owner keeps it open.

Connections are SOCK_SEQPACKET, one JSON object a packet:
  {"op": "run", "argv", "env", "cwd", "fds", "grace"}  -> {"pid"} and later {"exit"}; ends with its connection
  {"op": "launch", "argv", "env", "cwd", "fds"}        -> {"pid"}; outlives it
  {"op": "signal", "signal"}                           to what this connection runs
  {"op": "branch"}                                     the descriptor sent along is one more connection
`fds` are the numbers that the descriptors sent along shall have in the program. Failures answer {"error"}.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PACKET = 1 << 18  # bytes
DATA_SIZE = "2g"  # what all nodes together may keep; it is memory
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36


def mount(source: str, place: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). Raises OSError naming the place."""
    if _libc.mount(source.encode(), place.encode(), kind.encode(), flags, data.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), place)


MS_BIND = 4096


def furnish(folder: str) -> None:
    """Make an empty network usable and give the box files of its own, which vanish with it. Raises OSError."""
    mount("tmpfs", folder, "tmpfs", data=f"mode=0755,size={DATA_SIZE}")
    mount("tmpfs", "/dev/shm", "tmpfs", data=f"mode=1777,size={DATA_SIZE}")  # a killed database leaves segments there
    with open(f"{folder}/hosts", "w") as hosts:
        hosts.write("127.0.0.1 localhost\n")
    mount(f"{folder}/hosts", "/etc/hosts", flags=MS_BIND)
    if os.path.exists("/etc/resolv.conf"):  # no name server: a name nobody has fails at once
        open(f"{folder}/resolv.conf", "w").close()
        mount(f"{folder}/resolv.conf", "/etc/resolv.conf", flags=MS_BIND)
    with open("/etc/passwd") as passwd:
        users = passwd.read()
    if not any(line.split(":")[2:3] == [str(os.getuid())] for line in users.splitlines()):
        with open(f"{folder}/passwd", "w") as passwd:  # PostgreSQL refuses to start as a user without a name
            passwd.write(f"{users.rstrip()}\nbox:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n")
        mount(f"{folder}/passwd", "/etc/passwd", flags=MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        up_and_running = struct.pack("16sH14x", b"lo", 0x41)
        fcntl.ioctl(s, 0x8914, up_and_running)  # SIOCSIFFLAGS
    with open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("1")


def children_of(pid: int) -> list[int]:
    """Direct children of a process that are not zombies."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(name))
    return found


@dataclass(eq=False)
class Connection:
    sock: socket.socket
    running: int = 0  # pid of what runs on it, 0 for none
    grace: float = 0.0  # seconds between SIGTERM and SIGKILL when the other side is gone

    def answer(self, **message: object) -> None:
        with suppress(OSError):  # nobody there any more: its end-of-file says what to do
            self.sock.send(json.dumps(message).encode())


@dataclass
class Init:
    kind: str
    folder: str
    owner: Connection
    listener: socket.socket | None
    connections: list[Connection] = field(default_factory=list)
    launched: set[int] = field(default_factory=set)
    doomed: dict[int, float] = field(default_factory=dict)  # pid: when SIGKILL is due
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    ending: bool = False

    def serve(self) -> None:
        wake, woken = socket.socketpair()
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, lambda: self._signals(wake.recv(4096)))
        if self.listener:
            listener = self.listener
            self.selector.register(listener, selectors.EVENT_READ, lambda: self._attend(listener.accept()[0]))
        self._attend(self.owner.sock, self.owner)
        self.owner.answer(ready=True)
        while not self.ending:
            due = min(self.doomed.values(), default=None)
            for key, _ in self.selector.select(None if due is None else max(0.0, due - time.monotonic())):
                key.data()
            for pid in [p for p, when in self.doomed.items() if when <= time.monotonic()]:
                del self.doomed[pid]
                self._signal(pid, signal.SIGKILL)
        signal.set_wakeup_fd(-1)

    def _attend(self, sock: socket.socket, connection: Connection | None = None) -> None:
        connection = connection or Connection(sock)
        self.connections.append(connection)
        self.selector.register(sock, selectors.EVENT_READ, lambda: self._hear(connection))

    def _hear(self, connection: Connection) -> None:
        try:
            packet, fds, _, _ = socket.recv_fds(connection.sock, PACKET, 64)
        except OSError:
            packet, fds = b"", []
        if not packet:
            return self._dismiss(connection)
        message = json.loads(packet)
        match message["op"]:
            case "run" | "launch":
                self._spawn(connection, message, fds)
            case "signal" if connection.running:
                self._signal(connection.running, message["signal"])
            case "branch":
                self._attend(socket.socket(fileno=fds[0]))
        return None

    def _dismiss(self, connection: Connection) -> None:
        self.selector.unregister(connection.sock)
        connection.sock.close()
        self.connections.remove(connection)
        if connection is self.owner and not self.listener:
            self.ending = True
        elif connection.running:
            if connection.grace:
                self._signal(connection.running, signal.SIGTERM)
                self._signal(connection.running, signal.SIGCONT)  # one that was stopped shall heal too
            self.doomed[connection.running] = time.monotonic() + connection.grace

    def _spawn(self, connection: Connection, message: dict[str, Any], fds: list[int]) -> None:
        # Moved out of the way first, so that no number is overwritten before it has been copied.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 256) for fd in fds]
        for fd in fds:
            os.close(fd)
        numbers, env = list(message["fds"]), dict(message["env"])
        if message["op"] == "run":
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            numbers.append(max(numbers) + 1)
            high.append(fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 256))
            theirs.close()
            env |= {"CHAOS_BOX": self.folder, "CHAOS_BOX_KIND": self.kind, "CHAOS_BOX_CONTROL": str(numbers[-1])}
        try:
            os.chdir(message["cwd"])
            pid = os.posix_spawnp(
                message["argv"][0],
                message["argv"],
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for fd, n in zip(high, numbers, strict=True)],
                setsid=True,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as e:
            connection.answer(error=f"{message['argv'][0]}: {e.strerror}")
            return
        finally:
            os.chdir("/")
            for fd in high:
                os.close(fd)
        if message["op"] == "run":
            connection.running, connection.grace = pid, message["grace"]
            self._attend(ours)
        self.launched.add(pid)
        connection.answer(pid=pid)

    def _signals(self, numbers: bytes) -> None:
        """The kernel says that a child ended, or a person asks with a signal: what runs is told, once each."""
        for number in set(numbers) & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            busy = [c.running for c in self.connections if c.running]
            for pid in busy:
                self._signal(pid, number)
            self.ending = self.ending or not busy
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            self._ended(pid, os.waitstatus_to_exitcode(status))
        if self.kind == "plain":
            # Adopted: its keeper was killed and it belongs to nobody now.
            for pid in set(children_of(os.getpid())) - self.launched:
                self._signal(pid, signal.SIGKILL)

    def _ended(self, pid: int, code: int) -> None:
        self.launched.discard(pid)
        self.doomed.pop(pid, None)
        for connection in self.connections:
            if connection.running == pid:
                connection.running = 0
                connection.answer(exit=code if code >= 0 else 128 - code)

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def clear_out(self) -> None:
        """End every descendant. In a box the kernel does it."""
        while left := children_of(os.getpid()):  # grandchildren become children as their parents die
            for pid in left:
                self._signal(pid, signal.SIGKILL)
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        shutil.rmtree(self.folder, ignore_errors=True)


def main(kind: str, folder: str, owner: str, listen: str = "") -> int:
    listener = socket.socket(fileno=int(listen)) if listen else None
    owning = Connection(socket.socket(fileno=int(owner)))
    for inherited in (owning.sock, listener):
        if inherited:
            inherited.set_inheritable(False)
    init = Init(kind, folder, owning, listener)
    try:
        if kind == "box":
            furnish(folder)
        else:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            with open(f"{folder}/keeper", "w") as keeper:
                keeper.write(str(os.getpid()))
    except OSError as e:
        owning.answer(error=f"{e.filename or 'box'}: {e.strerror}")
        return 1
    os.chdir("/")
    init.serve()
    if kind == "plain":
        init.clear_out()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
