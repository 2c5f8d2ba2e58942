"""The place where a command has to run to work on a stack: this process for containers, inside the box for processes.

On the embedded target a command starts itself again inside the box (`run_in_box`). The second process continues the
work of the first; `handover` carries its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos import redaction
from chaos.errors import BadExperiment
from chaos.place import standing
from chaos.run import handover, stack_lock
from chaos.run.handover import Handover
from chaos.run.stack_lock import StackLock
from chaos.targets import known
from chaos.targets.box import box
from chaos.targets.box.control import CONTROL, Control

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack
    from chaos.run.watchdog import Watchdog


@dataclass
class Place:
    """Where a command runs, and its resources there."""

    owned: bool  # no stack is running: the command starts its own, and ends it
    lock: StackLock | None = None  # held by the command; it also says what the command's successor has to clear up
    cleared_by: Sequence[str] = ()  # command to run if the harness is killed
    sockets: Sequence[socket.socket] = ()  # on which the harness serves its metrics to the host
    gateway: str | None = None  # the host's address on the stack's network, to serve metrics to the stack
    metrics_port: int = 0
    annotations: int | None = None  # a pipe to the process that writes annotations into Grafana

    @contextlib.contextmanager
    def watched(self, log: Path | None = None) -> Iterator[Watchdog | None]:
        """If the harness is killed inside this block, end the stack, or heal it if it was already running.

        Yields the watchdog: None in a box of our own, which ends with this process. It logs its actions to `log`.
        """
        if not self.cleared_by:
            yield None
            return
        from chaos.run.watchdog import Watchdog

        with _connected(self.lock) as (env, fds), Watchdog(self.cleared_by, env, fds, log) as watchdog:
            yield watchdog
        if watchdog.abandoned and self.lock:
            self.lock.hand_over()


@dataclass(frozen=True)
class Shown:
    """What a command exposes; only commands that run an experiment expose anything."""

    metrics_port: int = 0  # of the harness's own /metrics; 0: none
    grafana: str | None = None  # where annotations go; None: the Grafana started by `chaos up --observe`, if any


def held(kind: str, stack: Stack, what: str) -> contextlib.AbstractContextManager[StackLock]:
    """Hold the stack exclusively while the block lasts. `what` is the command's name. Raises StackInUse."""
    return stack_lock.held(standing.state(stack.path), kind, f"chaos {what}")


def undisputed(kind: str, stack: Stack) -> None:
    """Check, before a command works on the stack, that everything it would treat as the stack's belongs to it.

    Raises ChaosError (NotOurs).
    """
    asyncio.run(known.make(kind, stack).undisputed())


def in_another(kind: str) -> bool:
    """Whether the command has to start itself again inside the box: see `run_in_box`."""
    return known.boxed(kind) and not box.inside()


def run_in_box(
    kind: str, stack: Stack, lock: StackLock | None = None, shown: Shown = Shown(), posture_matters: bool = True
) -> int:
    """Run this command again inside the running box, or in a new one; returns its exit code. Raises ChaosError."""
    stands = _stands(kind, stack, posture_matters)
    with _open(stack, shown) as (sockets, pipe):
        if lock and not stands:
            lock.cleared()  # everything in a box ends with it
        given = Handover(
            lock=lock.descriptor if lock else None,
            standing=stands,
            metrics=sockets[0].fileno() if sockets else None,
            annotations=pipe,
        )
        argv, hidden = redaction.carried(sys.argv[1:])
        env = {**os.environ, **hidden, **given.environment}
        return box.run_inside(argv, given.descriptors, stack.root / standing.STATE, env=env)


@contextlib.contextmanager
def here(
    kind: str, stack: Stack, lock: StackLock | None = None, shown: Shown = Shown(), posture_matters: bool = True
) -> Iterator[Place]:
    """Yield the place to work on `kind`, when the command is not `in_another`. Raises ChaosError."""
    if box.inside():
        yield _inside(kind, stack, lock, shown)
        return
    stands = _stands(kind, stack, posture_matters)
    with _open(stack, shown) as (sockets, pipe):
        command = cleared_by("heal" if stands else "down", kind, stack)
        yield Place(not stands, lock, command, sockets, stack.gateway, shown.metrics_port, pipe)


def _inside(kind: str, stack: Stack, lock: StackLock | None, shown: Shown) -> Place:
    given = handover.received()
    sockets = [socket.socket(fileno=given.metrics)] if given.metrics is not None and shown.metrics_port else []
    gateway = stack.gateway if shown.metrics_port else None
    # A box of our own ends with this process and affects nothing else; a running one contains a stack to heal.
    command = cleared_by("heal", kind, stack) if given.standing else ()
    return Place(not given.standing, lock, command, sockets, gateway, shown.metrics_port, given.annotations)


def _stands(kind: str, stack: Stack, posture_matters: bool) -> bool:
    """Whether a stack is running. Raises BadExperiment if its settings differ from the requested ones."""
    if kind == known.ATTACHED:
        return True
    found = standing.read(stack.root, kind)
    if found is not None and posture_matters and found != dict(stack.settings):
        raise BadExperiment(
            f"the running stack has {_words(found)}, this command needs {_words(dict(stack.settings))}; "
            "end it with `chaos down`, or use the same settings"
        )
    return found is not None


@contextlib.contextmanager
def _open(stack: Stack, shown: Shown) -> Iterator[tuple[Sequence[socket.socket], int | None]]:
    """The socket for metrics and the pipe for annotations, if the command exposes them."""
    from chaos.observe.annotations import written
    from chaos.observe.metrics import listen

    with contextlib.ExitStack() as left:
        port = shown.metrics_port
        sockets = [left.enter_context(listen("127.0.0.1", port))] if port else []
        url = (shown.grafana or standing.read_observed(stack.root)) if port or shown.grafana else None
        yield sockets, left.enter_context(written(url)) if url else None


@contextlib.contextmanager
def _connected(lock: StackLock | None) -> Iterator[tuple[dict[str, str], Sequence[int]]]:
    """What a command that takes over needs: the lock, and inside a box its own connection to it."""
    descriptor = lock.descriptor if lock else None
    given = Handover(lock=descriptor, clearing=lock is not None, standing=handover.received().standing)
    env = {**os.environ, **given.environment}
    if not box.inside():
        yield env, given.descriptors
        return
    control = Control.inherited().branch()
    try:
        yield {**env, CONTROL: str(control.fileno())}, (*given.descriptors, control.fileno())
    finally:
        control.close()


def cleared_by(verb: str, kind: str, stack: Stack) -> list[str]:
    """The command, `chaos heal` or `chaos down`, that clears up after a killed harness."""
    return [sys.executable, "-m", "chaos", verb, "--target", kind, "--stack", str(stack.path)]


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(redaction.mapping(settings).items())) or "no knobs"
