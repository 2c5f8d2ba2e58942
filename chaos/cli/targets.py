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
    from chaos.watchdog import Watchdog

STATE = ".chaos"  # beside the stack's description
METRICS_FD = "CHAOS_METRICS_FD"  # the host's metrics socket, handed into the box
ANNOTATIONS_FD = "CHAOS_ANNOTATIONS_FD"  # likewise, the pipe to who writes annotations into Grafana
OBSERVED = "grafana"  # in STATE: where the Grafana of `chaos up --observe` answers
PROJECT = "CHAOS_PROJECT"  # the compose project's name: two stacks on one engine need two
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

        return Compose(stack, log_dir=log_dir, progress=tell, project=os.environ.get(PROJECT, "chaos"))
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
    annotations: int | None = None  # a pipe to who writes them into Grafana
    guarded_by: Sequence[str] = field(default=())  # run if the harness is killed

    @contextlib.contextmanager
    def guard(self) -> Iterator[Watchdog | None]:
        """Whatever kills the harness inside this block, the stack is ended, or healed where it is not ours.

        Yields who does it: None in a box of our own, which ends with us.
        """
        if not self.guarded_by:
            yield None
            return
        from chaos.watchdog import Watchdog

        with _connected() as (env, fds), Watchdog(self.guarded_by, env, fds) as watchdog:
            yield watchdog


@contextlib.contextmanager
def _connected() -> Iterator[tuple[dict[str, str], Sequence[int]]]:
    """What a command needs that works beside us; in a box that is a connection to it of its own."""
    from chaos.targets import box
    from chaos.targets.control import CONTROL, Control

    if not box.inside():
        yield dict(os.environ), ()
        return
    control = Control.inherited().branch()
    try:
        yield {**os.environ, CONTROL: str(control.fileno())}, (control.fileno(),)
    finally:
        control.close()


@contextlib.contextmanager
def place(
    kind: str, stack: Stack, metrics_port: int = 0, posture_matters: bool = True, grafana: str | None = None
) -> Iterator[Place]:
    """Be where `kind` can be worked on: here for compose, inside the box for process. Raises ChaosError.

    `grafana` is where annotations go; without it the one that `chaos up --observe` started, if it did.
    """
    from chaos.cli.annotations import written
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
        # Who shows no metrics plays no experiment, and has nothing to write.
        url = (grafana or read_observed(stack.root)) if metrics_port or grafana else None
        pipe = left.enter_context(written(url)) if url else None
        if kind == "compose":
            command = _clear_up("heal" if standing else "down", kind, stack)
            yield Place(standing is None, None, sockets, stack.gateway, metrics_port, pipe, command)
        else:
            if sockets:
                os.environ[METRICS_FD] = str(sockets[0].fileno())
            if pipe is not None:
                os.environ[ANNOTATIONS_FD] = str(pipe)
            if standing is not None:
                os.environ[STANDING] = "1"
            kept = [*(s.fileno() for s in sockets), *([] if pipe is None else [pipe])]
            yield Place(False, box.run_inside(sys.argv[1:], kept, stack.root / STATE))


def _inside(stack: Stack, metrics_port: int) -> Place:
    from chaos.targets import box

    fd = os.environ.get(METRICS_FD) if metrics_port else None
    sockets = [socket.socket(fileno=int(fd))] if fd else []
    gateway = stack.gateway if box.inside() == "box" and metrics_port else None
    owned = STANDING not in os.environ
    # A box of our own ends with us and hurts nobody else; one that stands has somebody's stack in it.
    command = () if owned else _clear_up("heal", "process", stack)
    pipe = os.environ.get(ANNOTATIONS_FD)
    return Place(owned, None, sockets, gateway, metrics_port, int(pipe) if pipe else None, command)


def _clear_up(verb: str, kind: str, stack: Stack) -> list[str]:
    return [sys.executable, "-m", "chaos", verb, "--target", kind, "--stack", str(stack.path)]


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
    # Inside, the box has another pid; that we are in it says that it stands.
    if kind == "process" and not box.inside() and box.standing(root / STATE) is None:
        return None
    assert isinstance(found, dict)
    return found


def write_standing(stack: Stack, kind: str) -> None:
    folder = stack.root / STATE
    folder.mkdir(exist_ok=True)
    (folder / f"{kind}.json").write_text(json.dumps(_plain(stack), sort_keys=True))


def forget_standing(root: Path, kind: str) -> None:
    (root / STATE / f"{kind}.json").unlink(missing_ok=True)


def read_observed(root: Path) -> str | None:
    """Where the Grafana of `chaos up --observe` answers, None without one."""
    try:
        return (root / STATE / OBSERVED).read_text().strip() or None
    except FileNotFoundError:
        return None


def write_observed(root: Path, url: str | None) -> None:
    """None: there is none any more."""
    if url is None:
        (root / STATE / OBSERVED).unlink(missing_ok=True)
        return
    (root / STATE).mkdir(exist_ok=True)
    (root / STATE / OBSERVED).write_text(url + "\n")


def _plain(stack: Stack) -> dict[str, Any]:
    return dict(stack.settings)


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(settings.items())) or "no knobs"
