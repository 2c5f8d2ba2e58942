"""The first process of a box: sets it up, starts programs on request and reaps them; when it ends, the box ends.

Run by path with the standard library alone: `init.py FOLDER OWNER [LISTEN]`. It is pid 1 of its own namespaces, so the
kernel empties the box when it ends. OWNER is a connected socket: the box ends when its other side is closed. With
LISTEN (a listening socket) the owner can make the box independent.

Connections are SOCK_SEQPACKET, one JSON object a packet:
  {"op": "run", "argv", "env", "cwd", "fds", "grace"}  -> {"pid"} and later {"exit"}; ends with its connection
  {"op": "launch", "argv", "env", "cwd", "fds"}        -> {"pid"}; outlives its connection
  {"op": "signal", "signal"}                           to the program that this connection runs
  {"op": "branch"}                                     the descriptor sent along becomes another connection
  {"op": "keep"}                                       -> {"kept"}; from the owner: outlive the owner's connection
`fds` are the numbers that the descriptors sent along get in the program. Failures and invalid requests are answered
with {"error"}, so that no request can end a box.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PACKET = 1 << 18  # bytes
DATA_SIZE = "2g"  # limit for the files of all nodes together, which are in memory
_libc = ctypes.CDLL(None, use_errno=True)
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}  # keyctl(2) by architecture
_JOIN_SESSION_KEYRING = 1


def mount(source: str, place: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). Raises OSError naming the mount point."""
    if _libc.mount(os.fsencode(source), os.fsencode(place), kind.encode(), flags, data.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), place)


MS_BIND = 4096


def furnish(folder: str) -> None:
    """Bring up the loopback interface and mount the box's own file systems. Raises OSError."""
    mount("tmpfs", folder, "tmpfs", data=f"mode=0755,size={DATA_SIZE}")
    mount("tmpfs", "/dev/shm", "tmpfs", data=f"mode=1777,size={DATA_SIZE}")  # a killed database leaves segments there
    with open(f"{folder}/hosts", "w", encoding="utf-8") as hosts:
        hosts.write("127.0.0.1 localhost\n")
    mount(f"{folder}/hosts", "/etc/hosts", flags=MS_BIND)
    if os.path.exists("/etc/resolv.conf"):  # no name server: unknown names fail at once
        open(f"{folder}/resolv.conf", "w", encoding="utf-8").close()
        mount(f"{folder}/resolv.conf", "/etc/resolv.conf", flags=MS_BIND)
    with open("/etc/passwd", "rb") as passwd:
        users = passwd.read()
    if not any(line.split(b":")[2:3] == [b"%d" % os.getuid()] for line in users.splitlines()):
        with open(f"{folder}/passwd", "wb") as passwd:  # PostgreSQL refuses to start as a user without a name
            passwd.write(users.rstrip() + b"\nbox:x:%d:%d::/:/bin/sh\n" % (os.getuid(), os.getgid()))
        mount(f"{folder}/passwd", "/etc/passwd", flags=MS_BIND)
    hide_private(folder)
    leave_keyring()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        up_and_running = struct.pack("16sH14x", b"lo", 0x41)
        fcntl.ioctl(s, 0x8914, up_and_running)  # SIOCSIFFLAGS
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="utf-8") as forward:
        forward.write("1")


def hide_private(folder: str) -> None:
    """Hide files of /etc that only their owner may read: in the box, where everything runs as root, all could read
    them.
    """
    os.mkdir(f"{folder}/empty")
    places = ["/etc"]
    for place in places:  # the list grows while it is processed
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                mode, is_folder = entry.stat(follow_symlinks=False).st_mode, entry.is_dir(follow_symlinks=False)
                if entry.is_symlink() or not os.access(entry.path, os.R_OK):
                    continue
                if not mode & 0o004:
                    mount(f"{folder}/empty" if is_folder else "/dev/null", entry.path, flags=MS_BIND)
                elif is_folder:
                    places.append(entry.path)


def leave_keyring() -> None:
    """Start a session without keys: keys (of Kerberos, of encrypted disks) are inherited like descriptors."""
    if number := _KEYCTL.get(os.uname().machine):
        _libc.syscall(number, _JOIN_SESSION_KEYRING, None)


@dataclass(eq=False)
class Connection:
    sock: socket.socket
    running: int = 0  # pid of the program it runs, 0 for none
    grace: float = 0.0  # seconds between SIGTERM and SIGKILL after the other side has closed

    def answer(self, **message: object) -> None:
        with suppress(OSError):  # the other side is gone; its end-of-file is handled elsewhere
            self.sock.send(json.dumps(message).encode())


@dataclass
class Init:
    folder: str
    owner: Connection
    listener: socket.socket | None
    connections: list[Connection] = field(default_factory=list)
    doomed: dict[int, float] = field(default_factory=dict)  # pid: time of its SIGKILL
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    kept: bool = False  # the box is independent
    ending: bool = False

    def serve(self) -> None:
        wake, woken = socket.socketpair()
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, lambda: self._signals(wake.recv(4096)))
        if self.listener:
            self.selector.register(self.listener, selectors.EVENT_READ, self._admit)
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

    def _admit(self) -> None:
        """Accept connections, but only from the user who made the box."""
        assert self.listener is not None
        sock = self.listener.accept()[0]
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid == os.getuid():
            self._attend(sock)
        else:
            sock.close()

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
        try:
            self._do(connection, json.loads(packet), fds)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as e:
            connection.answer(error=f"found {packet[:80]!r}, expected a request: {e!r}")
        finally:
            while fds:
                os.close(fds.pop())
        return None

    def _do(self, connection: Connection, message: dict[str, Any], fds: list[int]) -> None:
        """Execute a request. Removes used descriptors from `fds`. May raise almost anything for an invalid message."""
        match message["op"]:
            case "run" | "launch":
                self._spawn(connection, message, fds)
            case "signal" if connection.running:
                self._signal(connection.running, signal.Signals(message["signal"]))
            case "branch":
                self._attend(socket.socket(fileno=fds.pop(0)))
            case "keep" if connection is self.owner and self.listener:
                self.kept = True
                connection.answer(kept=True)

    def _dismiss(self, connection: Connection) -> None:
        self.selector.unregister(connection.sock)
        connection.sock.close()
        self.connections.remove(connection)
        if connection is self.owner and not self.kept:
            self.ending = True
        elif connection.running:
            if connection.grace:
                self._signal(connection.running, signal.SIGTERM)
                self._signal(connection.running, signal.SIGCONT)  # a stopped process has to heal too
            self.doomed[connection.running] = time.monotonic() + connection.grace

    def _spawn(self, connection: Connection, message: dict[str, Any], fds: list[int]) -> None:
        grace = float(message.get("grace", 0.0))
        if not 0 <= grace < float("inf"):
            raise ValueError(f"a grace of {grace} s")
        # Moved to high numbers first, so that no number is overwritten before it has been copied.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 256) for fd in fds]
        try:
            while fds:
                os.close(fds.pop())
            numbers, env = list(message["fds"]), dict(message["env"])
            if message["op"] == "run":
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    numbers.append(max(numbers, default=2) + 1)
                    high.append(fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 256))
                env |= {"CHAOS_BOX": self.folder, "CHAOS_BOX_CONTROL": str(numbers[-1])}
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
            connection.running, connection.grace = pid, grace
            self._attend(ours)
        connection.answer(pid=pid)

    def _signals(self, numbers: bytes) -> None:
        """Handle signals: reap children, and forward others to the running programs, once each."""
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

    def _ended(self, pid: int, code: int) -> None:
        self.doomed.pop(pid, None)
        for connection in self.connections:
            if connection.running == pid:
                connection.running = 0
                connection.answer(exit=code if code >= 0 else 128 - code)

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def close_others(kept: set[int]) -> None:
    """Close descriptors inherited from the caller: they are not meant for programs in the box."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in kept:
            with suppress(OSError):  # the descriptor of the listing itself
                os.close(fd)


def main(folder: str, owner: str, listen: str = "") -> int:
    close_others({0, 1, 2, int(owner), int(listen or owner)})
    listener = socket.socket(fileno=int(listen)) if listen else None
    owning = Connection(socket.socket(fileno=int(owner)))
    for inherited in (owning.sock, listener):
        if inherited:
            inherited.set_inheritable(False)
    init = Init(folder, owning, listener)
    try:
        furnish(folder)
    except OSError as e:
        owning.answer(error=f"{e.filename or 'box'}: {e.strerror}")
        return 1
    os.chdir("/")
    init.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
