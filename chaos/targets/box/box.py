"""The box from outside: make one, run a program in it, leave one running, take it down.

A box is a process (init.py) in its own namespaces. When it ends, the kernel ends everything in it, including its
network and its files.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from types import FrameType

import msgspec

from chaos import jsonfile
from chaos.errors import TargetError
from chaos.targets import platforms, procfs
from chaos.targets.box import init, view
from chaos.targets.box.control import Control
from chaos.waiting import NotYet, block_until

STATE = Path(".chaos")
HEAL_GRACE = 60.0  # seconds that a harness in a running box has to heal after its parent process has died
UNSHARE = (
    "unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps",
    "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
# What an engine keeps from containers by default and a box needs: system calls, all of /proc, mounts. No root.
CONTAINER = (
    "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
    "--security-opt apparmor=unconfined"
)
IN_A_CONTAINER = f"in a container: start it with `{CONTAINER}`"
_TOOLS = ("unshare", "nsenter", "setpriv")
_SWITCHES = {  # file: the value that forbids it, what to do
    "/proc/sys/user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=15000"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}


def available() -> str | None:
    """None if a box can be made here, else the reason and what to do. It is tried, in about 10 ms."""
    if why := platforms.unsupported():
        return why
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        return f"{', '.join(missing)} not found on PATH; install util-linux"
    match view.refused():
        case errno.ENOSYS:
            return "the kernel cannot make files read-only for a box; Linux 5.12 or newer is needed"
        case errno.EPERM:  # no kernel refuses it to everybody: a container's filter of system calls does
            return f"mount_setattr is refused here; {IN_A_CONTAINER}"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, encoding="utf-8", errors="replace", check=False)
    if tried.returncode == 0:
        return None
    said = " ".join(tried.stderr.split()) or f"exit code {tried.returncode}"
    for path, (forbidding, remedy) in _SWITCHES.items():
        if os.path.exists(path) and Path(path).read_text(encoding="utf-8").strip() == forbidding:
            return f"user namespaces are refused here ({said}; {path} is {forbidding}); allow them: {remedy}"
    if "unrecognized option" in said:
        return f"unshare is too old ({said}); util-linux 2.38 or newer is needed"
    return f"namespaces are refused here ({said}); {IN_A_CONTAINER}"


def network_blocked() -> str | None:
    """None if cuts and delays work in a box, else the kernel's message. Both are tried, in about 0.1 s. Needs
    `available`.
    """
    one = {"a": ["127.0.9.1"], "b": ["127.0.9.2"], "both": True}
    asked = {"do": "apply", "rules": [{**one, "do": "drop"}], "shapes": [{**one, "delay_ms": 1}]}
    helper = [*UNSHARE, sys.executable, "-m", "chaos.helper"]
    tried = subprocess.run(
        helper, input=json.dumps(asked) + "\n", capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if not tried.stdout:
        return " ".join(tried.stderr.split())[-300:] or f"the network helper ended with {tried.returncode}"
    answer = json.loads(tried.stdout)
    return None if answer["ok"] else str(answer["error"])


def inside() -> bool:
    """Whether this process runs in a box, according to its environment and the box's first process."""
    if "CHAOS_BOX" not in os.environ:
        return False
    try:
        words = Path("/proc/1/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return False
    return len(words) > 3 and words[3].endswith("/targets/box/init.py")


@dataclass
class Box:
    """A box that this process owns: it ends with `close`, and with this process."""

    pid: int
    control: Control

    @classmethod
    def make(cls) -> Box:
        """Make a box. Raises TargetError."""
        folder = _folder()
        ours, theirs = Control.pair()
        with theirs:
            pid = _spawn(folder, theirs)
        return cls(pid, _ready(ours))

    def close(self) -> None:
        self.control.close()
        _await_end(self.pid)


@dataclass(frozen=True)
class Standing:
    """A box that runs independently until `stop`."""

    pid: int
    started: int  # clock ticks since boot
    folder: Path
    boot: str  # the machine's boot id, because ticks and pids restart with each boot
    address: str = ""  # of its socket, an abstract one


class _Written(msgspec.Struct):
    """The content of box.json."""

    pid: int
    started: int
    folder: str
    boot: str
    address: str = ""


@dataclass
class Founded:
    """A box that is recorded, but still ends with this process or with the block that made it."""

    standing: Standing
    control: Control
    kept: bool = False

    def keep(self) -> None:
        """Make it independent. Raises TargetError if it has ended."""
        self.control.keep()
        self.kept = True


@contextmanager
def founded(state: Path = STATE) -> Iterator[Founded]:
    """Make a box for other processes to enter, recorded below `state`. It ends with the block unless `keep` was called.

    So a box that could not be found again never outlives this process. Raises TargetError if one is running already.
    """
    if found := standing(state):
        raise TargetError(f"{state}: a box is running already (pid {found.pid}); end it with `chaos down`")
    folder = _folder()
    ours, theirs = Control.pair()
    with closing(ours):
        address = f"chaos-box-{token_hex(16)}"
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            # An abstract socket belongs to the network, not to the file system: no node of any box can reach it.
            listener.bind(f"\0{address}")
            listener.listen()
            pid = _spawn(folder, theirs, listener)
        made = None
        try:
            made = Founded(_written(state, pid, folder, address, _ready(ours)), ours)
            yield made
        finally:
            if made is None or not made.kept:
                ours.close()
                stop(state)
                _await_end(pid)


def _written(state: Path, pid: int, folder: Path, address: str, control: Control) -> Standing:
    """Record the box below `state`, on disk before this returns. Raises TargetError."""
    proc = procfs.read(pid)
    if proc is None:
        raise TargetError("the box ended right after it was made; it was killed")
    found = Standing(pid, proc.started, folder, procfs.boot(), address)
    try:
        state.mkdir(parents=True, exist_ok=True)
        (state / "box.json.new").unlink(missing_ok=True)  # a symbolic link would be followed
        with (state / "box.json.new").open("x", encoding="utf-8") as out:
            out.write(json.dumps(vars(found), default=str))
            out.flush()
            os.fsync(out.fileno())
        os.replace(state / "box.json.new", state / "box.json")
    except OSError as e:
        raise TargetError(
            f"{state}: cannot be written ({e.strerror}), and a box without a record could not be "
            "found again; make room, or make it writable"
        ) from None
    return found


def _unwritten(state: Path, error: OSError) -> TargetError:
    return TargetError(f"{state}: cannot be written ({error.strerror}), and a box without a record could not be "
                       "found again; make room, or make it writable")  # fmt: skip


def start(state: Path = STATE) -> Standing:
    """Leave a box running; it is recorded below `state`. Raises TargetError if one is running already."""
    with founded(state) as made:
        made.keep()
    return made.standing


def standing(state: Path = STATE) -> Standing | None:
    """The running box, or None."""
    try:
        written = jsonfile.read(state / "box.json", _Written)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = Standing(**{**msgspec.structs.asdict(written), "folder": Path(written.folder)})
    proc = procfs.read(found.pid)
    return found if proc and proc.started == found.started and found.boot == procfs.boot() else None


def stop(state: Path = STATE) -> bool:
    """End the running box and everything in it; False if there was none. Returns when everything has ended."""
    found = standing(state)
    if found:
        first = [p for p in procfs.everyone().values() if p.parent == found.pid]
        if first:  # pid 1 is gone only when everything in the box is
            procfs.send(first, signal.SIGKILL)
        elif proc := procfs.read(found.pid):
            procfs.send([proc], signal.SIGKILL)
        _await_end(found.pid)
    for name in ("box.json", "box.json.new"):
        with suppress(OSError):  # the disk may be read-only by now; a record of a box that has ended is ignored
            (state / name).unlink()
    return found is not None


def run_inside(
    argv: Sequence[str],
    keep_fds: Sequence[int] = (),
    state: Path = STATE,
    program: Sequence[str] = (sys.executable, "-m", "chaos"),
    env: Mapping[str, str] | None = None,
) -> int:
    """Run the harness with `argv` in the running box, or in a new one; returns its exit code.

    `env` is its environment, None for our own.

    Descriptors in `keep_fds` (listening sockets of the host's network) keep their numbers. Signals that end a program
    are forwarded, once each. Must be called from the main thread. Raises TargetError.
    """
    with ExitStack() as left:
        control, made = _enter(state)
        left.callback(made.close if made else control.close)
        fds = {n: left.enter_context(_open(n)) for n in (0, 1, 2)} | {n: n for n in keep_fds}
        left.enter_context(_forwarding(control))
        control.run([*program, *argv], os.environ if env is None else env, os.getcwd(), fds, grace=HEAL_GRACE)
        message = control.receive()
        if message is not None:
            return int(message["exit"])
        raise TargetError("the box was ended from outside, together with everything in it; run it again")


def _enter(state: Path) -> tuple[Control, Box | None]:
    if found := standing(state):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(f"\0{found.address}")
        except OSError as e:
            sock.close()
            why = f"the running box cannot be entered: {e.strerror}"
            raise TargetError(f"{state}: {why}; end it with `chaos down` and start again") from e
        return Control(sock), None
    made = Box.make()
    return made.control, made


def _spawn(folder: Path, owner: socket.socket, listener: socket.socket | None = None) -> int:
    """Start init.py in its own session, so that it gets the terminal's signals only through this process.

    Raises TargetError if this machine refuses a box.
    """
    if why := available():
        raise TargetError(f"the box could not be made: {why}")
    fds = [owner.fileno(), *([listener.fileno()] if listener else [])]
    argv = [sys.executable, "-I", "-S", init.__file__, str(folder), *map(str, range(3, 3 + len(fds)))]
    # The box ends when `owner` reaches end-of-file after our death; this also covers an init.py that does not read it.
    mortal = [] if listener else ["setpriv", "--pdeathsig=KILL"]
    argv = [*mortal, *UNSHARE, *argv]
    with ExitStack() as left:
        null = left.enter_context(open(os.devnull, "r+", encoding="utf-8"))
        # A box that outlives us must not block a reader of our output: `chaos up | cat`.
        spoken = [(os.POSIX_SPAWN_DUP2, null.fileno(), n) for n in (1, 2)] if listener else []
        # Moved to high numbers first: a copy of a descriptor onto itself would keep its close-on-exec flag.
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
    said = message["error"] if message else "its first process ended at once"
    raise TargetError(f"the box could not be made: {said}; `chaos doctor` says what this machine can do")


def _folder() -> Path:
    """The folder for the box's files: a mount point that hides nothing that is needed."""
    needed = [Path(p).resolve() for p in (os.getcwd(), sys.prefix, sys.base_prefix, __file__)]
    for place in map(Path, ("/mnt", "/media", "/srv")):
        if place.is_dir() and not any(n.is_relative_to(place) for n in needed):
            return place
    raise TargetError("/mnt, /media, /srv: none is an empty folder to mount the box's files on; empty /mnt")


def _await_end(pid: int, within: float = 10.0) -> None:
    """Wait until a process has ended, whether or not it is our child. Raises TargetError."""

    def ended() -> bool:
        try:
            return os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return procfs.read(pid) is None

    try:
        block_until(ended, within, every=0.002)
    except NotYet:
        why = f"the box (pid {pid}) did not end within {within:g} s; look at what its processes wait for"
        raise TargetError(why) from None


@contextmanager
def _forwarding(control: Control) -> Iterator[None]:
    passed_on: Mapping[signal.Signals, signal.Signals] = {
        signal.SIGINT: signal.SIGINT,
        signal.SIGTERM: signal.SIGTERM,
        signal.SIGHUP: signal.SIGTERM,  # the terminal has closed: heal instead of reloading a configuration
    }

    def forward(number: int, _: FrameType | None) -> None:
        control.signal(passed_on[signal.Signals(number)])
        control.signal(signal.SIGCONT)  # a stopped process has to heal too

    before = {number: signal.signal(number, forward) for number in passed_on}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _open(number: int) -> Iterator[int]:
    """The descriptor, or /dev/null if this process was started without it."""
    try:
        os.fstat(number)
    except OSError:
        with open(os.devnull, "r+", encoding="utf-8") as null:
            yield null.fileno()
    else:
        yield number
