"""The box from outside: make one, run a program in it, leave one standing, take it down.

A box is a process (boxinit.py) in namespaces of its own; when it ends, the kernel ends everything in it, with its
network and its files. Where the kernel refuses, the same process keeps plain processes together instead.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from chaos.errors import TargetError
from chaos.targets import boxinit, census
from chaos.targets.control import Control

Kind = Literal["box", "plain"]
STATE = Path(".chaos")
HEAL_GRACE = 60.0  # seconds a harness in a standing box has to heal when whoever started it dies
UNSHARE = (
    "unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps",
    "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
_TOOLS = ("unshare", "nsenter", "setpriv")
_SWITCHES = {  # file: the value that forbids, what to do
    "/proc/sys/user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=15000"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sysctl kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}


def available() -> str | None:
    """None when a box can be made here, else why not and what to do. Tries it: about 10 ms."""
    if sys.platform != "linux":
        return f"the box needs Linux namespaces, this is {sys.platform}; use --target compose"
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        return f"{', '.join(missing)} not found on PATH; install util-linux"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    said = " ".join(tried.stderr.split()) or f"exit code {tried.returncode}"
    for path, (forbidding, remedy) in _SWITCHES.items():
        if os.path.exists(path) and Path(path).read_text().strip() == forbidding:
            return f"user namespaces are refused here ({said}; {path} is {forbidding}); as root: {remedy}"
    if "unrecognized option" in said:
        return f"unshare is too old ({said}); util-linux 2.38 or newer is needed"
    return f"namespaces are refused here ({said}); in a container, run it with more privileges or on the host"


def network_blocked() -> str | None:
    """None when the kernel cuts and delays in a box, else what it said. Tries both: about 0.1 s. Needs `available`."""
    one = {"a": ["127.0.9.1"], "b": ["127.0.9.2"], "both": True}
    asked = {"do": "apply", "rules": [{**one, "do": "drop"}], "shapes": [{**one, "delay_ms": 1}]}
    helper = [*UNSHARE, sys.executable, "-m", "chaos.helper"]
    tried = subprocess.run(helper, input=json.dumps(asked) + "\n", capture_output=True, text=True, check=False)
    if not tried.stdout:
        return " ".join(tried.stderr.split())[-300:] or f"the network helper ended with {tried.returncode}"
    answer = json.loads(tried.stdout)
    return None if answer["ok"] else str(answer["error"])


def inside() -> Kind | None:
    """The kind of box that this process runs in."""
    kind = os.environ.get("CHAOS_BOX_KIND")
    return kind if kind in ("box", "plain") else None  # type: ignore[return-value]


@dataclass
class Box:
    """A box that this process owns: `close` ends it, and so does this process's death."""

    kind: Kind
    pid: int
    folder: Path
    control: Control

    @classmethod
    def make(cls, kind: Kind) -> Box:
        """Raises TargetError."""
        ours, theirs = Control.pair()
        folder = _folder(kind)
        with theirs:
            pid = _spawn(kind, folder, theirs)
        return cls(kind, pid, folder, _ready(ours))

    def close(self) -> None:
        self.control.close()
        _await_end(self.pid)
        _clear(self.kind, self.folder)


@dataclass(frozen=True)
class Standing:
    """A box that stands on its own until `stop`."""

    kind: Kind
    pid: int
    started: int  # clock ticks since boot
    folder: Path
    boot: str  # the machine's boot id: ticks and pids start anew with each


def start(state: Path = STATE, kind: Kind | None = None) -> Standing:
    """Leave a box standing; it is described below `state`. Raises TargetError when one stands already."""
    if found := standing(state):
        raise TargetError(f"{state}: a box stands already (pid {found.pid}); end it with `chaos down`")
    state.mkdir(parents=True, exist_ok=True)
    kind = kind or _best()
    folder = _folder(kind)
    ours, theirs = Control.pair()
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, _at(state) as socket_path:
        Path(socket_path).unlink(missing_ok=True)
        listener.bind(socket_path)
        os.chmod(socket_path, 0o600)
        listener.listen()
        pid = _spawn(kind, folder, theirs, listener)
    _ready(ours).close()
    proc = census.read(pid)
    if proc is None:
        raise TargetError("the box ended right after it was made; somebody killed it")
    found = Standing(kind, pid, proc.started, folder, _boot())
    (state / "box.json.new").write_text(json.dumps(vars(found), default=str))
    os.replace(state / "box.json.new", state / "box.json")
    return found


def standing(state: Path = STATE) -> Standing | None:
    """The box that stands, None when there is none (any more)."""
    try:
        content = json.loads((state / "box.json").read_text())
    except FileNotFoundError:
        return None
    found = Standing(**{**content, "folder": Path(content["folder"])})
    proc = census.read(found.pid)
    return found if proc and proc.started == found.started and found.boot == _boot() else None


def stop(state: Path = STATE) -> bool:
    """End the standing box and everything in it; False when there was none. Returns when it is all gone."""
    found = standing(state)
    if found:
        first = [p for p in census.everyone().values() if p.parent == found.pid]
        if found.kind == "box" and first:  # pid 1: it is gone only when all of the box is
            census.send(first, signal.SIGKILL)
        elif proc := census.read(found.pid):
            census.send([proc], signal.SIGTERM if found.kind == "plain" else signal.SIGKILL)
        _await_end(found.pid)
        _clear(found.kind, found.folder)
    for name in ("box.json", "box.sock"):
        (state / name).unlink(missing_ok=True)
    return found is not None


def run_inside(
    argv: Sequence[str],
    keep_fds: Sequence[int] = (),
    state: Path = STATE,
    program: Sequence[str] = (sys.executable, "-m", "chaos"),
    kind: Kind | None = None,
) -> int:
    """Run the harness with `argv` in the standing box, or in one made for it; returns its exit code.

    A box that is made is of the best kind that this machine offers, unless `kind` says otherwise.

    Descriptors in `keep_fds` (listening sockets of the host's network) keep their numbers. Signals that end a
    program are passed on, once each. Call it from the main thread. Raises TargetError.
    """
    with ExitStack() as left:
        kind, control, made = _enter(state, kind or _best())
        left.callback(made.close if made else control.close)
        fds = {n: left.enter_context(_open(n)) for n in (0, 1, 2)} | {n: n for n in keep_fds}
        left.enter_context(_forwarding(control))
        pid = control.run([*program, *argv], os.environ, os.getcwd(), fds, grace=HEAL_GRACE)
        proc = census.read(pid) if kind == "plain" else None
        message = control.receive()
        if message is not None:
            return int(message["exit"])
        if proc:
            _end_orphan(proc)
        raise TargetError("the box was ended from outside, and what ran in it with it; nothing is left, run it again")


def _best() -> Kind:
    return "plain" if available() else "box"


def _enter(state: Path, kind: Kind) -> tuple[Kind, Control, Box | None]:
    if found := standing(state):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with _at(state) as path:
                sock.connect(path)
        except OSError as e:
            sock.close()
            raise TargetError(f"{state}/box.sock: {e.strerror}; end the box with `chaos down` and start again") from e
        return found.kind, Control(sock), None
    made = Box.make(kind)
    return kind, made.control, made


def _spawn(kind: Kind, folder: Path, owner: socket.socket, listener: socket.socket | None = None) -> int:
    """Start boxinit in a session of its own, so that the terminal's signals reach it through us only."""
    fds = [owner.fileno(), *([listener.fileno()] if listener else [])]
    argv = [sys.executable, "-I", "-S", boxinit.__file__, kind, str(folder), *map(str, range(3, 3 + len(fds)))]
    if kind == "box":
        # Our death ends the box through end-of-file on `owner`; this also covers a boxinit that does not listen.
        mortal = [] if listener else ["setpriv", "--pdeathsig=KILL"]
        argv = [*mortal, *UNSHARE, *argv]
    with ExitStack() as left:
        null = left.enter_context(open(os.devnull, "r+"))
        # A box that outlives us keeps nobody waiting who reads what we say to its end: `chaos up | cat`.
        spoken = [(os.POSIX_SPAWN_DUP2, null.fileno(), n) for n in (1, 2)] if listener else []
        # Out of the way of the numbers they will get; a copy onto itself would keep its close-on-exec flag.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 256) for fd in fds]
        for fd in high:
            left.callback(os.close, fd)
        return os.posix_spawnp(
            argv[0],
            argv,
            {k: v for k, v in os.environ.items() if not k.startswith("CHAOS_BOX")},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null.fileno(), 0),
                *spoken,
                *((os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(high)),
            ],
            setsid=True,
        )


def _ready(control: Control) -> Control:
    message = control.receive()
    if message == {"ready": True}:
        return control
    control.close()
    said = message["error"] if message else available() or "its first process ended at once"
    raise TargetError(f"the box could not be made: {said}; `chaos doctor` says what this machine can do")


def _folder(kind: Kind) -> Path:
    """Where the box's files are: a place to mount on that hides nothing we need, or a folder."""
    if kind == "plain":
        return Path(tempfile.mkdtemp(prefix="chaos-"))
    needed = [Path(p).resolve() for p in (os.getcwd(), sys.prefix, sys.base_prefix, __file__)]
    for place in map(Path, ("/mnt", "/media", "/srv")):
        if place.is_dir() and not any(n.is_relative_to(place) for n in needed):
            return place
    raise TargetError("/mnt, /media, /srv: none is a free folder to mount the box's files on; make an empty /mnt")


def _clear(kind: Kind, folder: Path) -> None:
    """A box's files went with it. A keeper removes its own, unless it was killed."""
    if kind == "plain":
        shutil.rmtree(folder, ignore_errors=True)


def _await_end(pid: int, within: float = 10.0) -> None:
    """Until a process has ended, ours or not. Raises TargetError."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            if census.read(pid) is None:
                return
        time.sleep(0.002)
    raise TargetError(f"the box (pid {pid}) did not end within {within:g} s; look at what its processes wait for")


def _end_orphan(proc: census.Proc) -> None:
    """Let the harness of a plain box whose keeper was killed heal, then end it."""
    for number, within in ((signal.SIGTERM, HEAL_GRACE), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + within
        if census.alive(proc):
            census.send([proc], number)
        while time.monotonic() < deadline:
            if not census.alive(proc):
                return
            time.sleep(0.02)


@contextmanager
def _forwarding(control: Control) -> Iterator[None]:
    passed_on: Mapping[signal.Signals, signal.Signals] = {
        signal.SIGINT: signal.SIGINT,
        signal.SIGTERM: signal.SIGTERM,
        signal.SIGHUP: signal.SIGTERM,  # the terminal is gone: time to heal, not to reread a configuration
    }

    def forward(number: int, _: FrameType | None) -> None:
        control.signal(passed_on[signal.Signals(number)])
        control.signal(signal.SIGCONT)  # one that was stopped shall heal too

    before = {number: signal.signal(number, forward) for number in passed_on}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _at(state: Path) -> Iterator[str]:
    """A path to the socket that is short enough for an address wherever the folder lies."""
    fd = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/box.sock"
    finally:
        os.close(fd)


@contextmanager
def _open(number: int) -> Iterator[int]:
    """The descriptor, or /dev/null where we were started without it."""
    try:
        os.fstat(number)
    except OSError:
        with open(os.devnull, "r+") as null:
            yield null.fileno()
    else:
        yield number


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
