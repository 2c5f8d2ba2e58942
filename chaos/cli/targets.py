"""Where a stack runs: which target this machine offers, and the place a command has to be in to work on it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.errors import BadExperiment, ChaosError

if TYPE_CHECKING:
    from chaos.stackfile import Stack

STATE = ".chaos"  # beside the stack's description
METRICS_FD = "CHAOS_METRICS_FD"  # the host's metrics socket, handed into the box
STANDING = "CHAOS_STANDING"  # set inside a box that `chaos up` left standing


def choose(wanted: str | None) -> str:
    """The target asked for, else compose where an engine answers, else process. Raises ChaosError if it is not here."""
    from chaos.targets import box

    if box.inside():
        return "process"
    if wanted == "process":
        return wanted
    from chaos.targets import compose

    reason = compose.unavailable()
    if wanted == "compose" and reason:
        raise ChaosError(f"--target compose: {reason}")
    return "process" if reason else "compose"


def usable(wanted: str | None) -> Sequence[str]:
    """The target asked for, else every one that works here."""
    from chaos.targets import compose

    return [wanted] if wanted else ["process", *([] if compose.unavailable() else ["compose"])]


def make(
    kind: str, stack: Stack, log_dir: Path | None = None, tell: Callable[[str], None] = lambda text: None
) -> Any:
    """The target, nothing started and nothing asked yet. `tell` hears what it is busy with."""
    if kind == "compose":
        from chaos.targets.compose import Compose

        return Compose(stack, log_dir=log_dir, progress=tell)
    from chaos.targets import boxed

    return boxed.here(stack, log_dir, tell)


@dataclass
class Place:
    """Where a command runs. `elsewhere`: it has been run in the box already, with this exit code."""

    owned: bool  # no stack stands: the command starts its own, and ends it
    elsewhere: int | None = None
    sockets: Sequence[socket.socket] = ()  # where the harness shows its metrics to the host
    gateway: str | None = None  # the host's address on the stack's network, to show them to the stack
    metrics_port: int = 0
    guarded_by: Sequence[str] = field(default=())  # run if the harness is killed

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Whatever kills the harness inside this block, the stack is ended, or healed where it is not ours."""
        if not self.guarded_by:
            yield
            return
        from chaos.watchdog import Watchdog

        with Watchdog(self.guarded_by):
            yield


@contextlib.contextmanager
def place(kind: str, stack: Stack, metrics_port: int = 0, posture_matters: bool = True) -> Iterator[Place]:
    """Be where `kind` can be worked on: here for compose, inside the box for process. Raises ChaosError."""
    from chaos.targets import box

    if box.inside():
        yield _inside(stack, metrics_port)
        return
    standing = read_standing(stack.root, kind)
    if standing is not None and posture_matters and standing != _plain(stack):
        raise BadExperiment(
            f"the stack that stands here has {_words(standing)}, this wants {_words(_plain(stack))}; "
            "end it with `chaos down`, or ask for what stands"
        )
    with contextlib.ExitStack() as left:
        sockets = [left.enter_context(_listen(metrics_port))] if metrics_port else []
        if kind == "compose":
            command = [sys.executable, "-m", "chaos", "heal" if standing else "down", "--target", kind]
            command += ["--stack", str(stack.path)]
            yield Place(standing is None, None, sockets, stack.gateway, metrics_port, command)
        else:
            if sockets:
                os.environ[METRICS_FD] = str(sockets[0].fileno())
            if standing is not None:
                os.environ[STANDING] = "1"
            yield Place(False, box.run_inside(sys.argv[1:], [s.fileno() for s in sockets], stack.root / STATE))


def _inside(stack: Stack, metrics_port: int) -> Place:
    from chaos.targets import box

    fd = os.environ.get(METRICS_FD) if metrics_port else None
    sockets = [socket.socket(fileno=int(fd))] if fd else []
    gateway = stack.gateway if box.inside() == "box" and metrics_port else None
    return Place(STANDING not in os.environ, None, sockets, gateway, metrics_port)


def _listen(port: int) -> socket.socket:
    from chaos.cli.metrics import listen

    return listen("127.0.0.1", port)


# --- what `chaos up` left standing


def read_standing(root: Path, kind: str) -> dict[str, Any] | None:
    """The settings of the stack that stands on this target, None where none does."""
    from chaos.targets import box

    try:
        found = json.loads((root / STATE / f"{kind}.json").read_text())
    except FileNotFoundError:
        return None
    if kind == "process" and box.standing(root / STATE) is None:
        return None
    assert isinstance(found, dict)
    return found


def write_standing(stack: Stack, kind: str) -> None:
    folder = stack.root / STATE
    folder.mkdir(exist_ok=True)
    (folder / f"{kind}.json").write_text(json.dumps(_plain(stack), sort_keys=True))


def forget_standing(root: Path, kind: str) -> None:
    (root / STATE / f"{kind}.json").unlink(missing_ok=True)


def _plain(stack: Stack) -> dict[str, Any]:
    return dict(stack.settings)


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(settings.items())) or "no knobs"
