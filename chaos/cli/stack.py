"""`chaos up`, `down`, `status`, `heal`: the stack without an experiment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaos import place, safe
from chaos.cli import out
from chaos.cli.options import TARGETS, read_stack, stacked
from chaos.errors import BadExperiment, ChaosError, StackInUse
from chaos.model import Verdict
from chaos.place import leftovers, standing
from chaos.run import stack_lock
from chaos.run.cancellation import through
from chaos.run.signals import INTERRUPTED, Interruption, ended_once, ignored, interruptible, to_its_end
from chaos.targets import known

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack
    from chaos.run.stack_lock import StackLock
    from chaos.run.watchdog import Watchdog

YIELDS = 10.0  # seconds that a watchdog may take to end when `chaos down` replaces it


@click.command("up", epilog="Examples: chaos up --posture remedied · chaos up --observe")
@stacked
@click.option("--observe", is_flag=True, help="Also start Grafana, and print its address and Prometheus'.")
def up_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], observe: bool) -> int:
    """Build missing images, start the stack, wait until every node is healthy, and leave it running.

    If it is interrupted or killed, it removes everything of a stack that was not running before.
    """
    from chaos.cli import observe as observing
    from chaos.targets.box import box

    kind = known.choose(target)
    _ours(kind, "up")
    stack = read_stack(stack_file, kind, None, posture, sets)
    if observe:
        observing.services(stack)  # reports errors before anything is started
    with place.held(kind, stack, "up") as lock:
        code = _up_in_a_box(kind, stack, lock) if place.in_another(kind) else _up_here(kind, stack, lock)
        if code == 0 and observe and not box.inside():
            observing.begin(kind, stack, known.make(kind, stack, tell=_say), _say)
    return code


def _ours(kind: str | None, verb: str) -> None:
    """Raises BadExperiment for a project that others started."""
    if kind == known.ATTACHED:
        raise BadExperiment(
            f"chaos {verb}: others started this project, so chaos neither starts nor ends it; `chaos run` uses it, and "
            "`chaos heal` ends every fault in it"
        )


def _up_in_a_box(kind: str, stack: Stack, lock: StackLock) -> int:
    """Start the stack in the running box, or in a new one that becomes independent when the whole stack is up."""
    from chaos.targets.box import box

    state = stack.root / standing.STATE
    if box.standing(state):
        return place.run_in_box(kind, stack, lock)
    seen = Interruption()
    with ended_once(seen), box.founded(state) as made:
        standing.write(stack, kind)
        code = 1
        try:
            code = place.run_in_box(kind, stack, lock)
            if code == 0:
                made.keep()
            seen.count += 1  # from now on signals are ignored
            return code
        finally:
            if not made.kept:
                standing.forget(stack.root, kind)


def _up_here(kind: str, stack: Stack, lock: StackLock) -> int:
    with place.here(kind, stack, lock) as here:
        leftovers.clear(kind, stack, here)
        place.undisputed(kind, stack)
        start = time.monotonic()
        one = known.make(kind, stack, standing.folder(stack.root, "logs"), tell=_say)
        log = standing.folder(stack.root, "logs") / "watchdog.log"
        with contextlib.ExitStack() as decided, here.watched(log) as watchdog:
            interrupted = asyncio.run(bring_up(one, kind, stack, here.owned, watchdog))
            decided.enter_context(ignored())
    if interrupted:
        click.echo("chaos: interrupted" + ("; the stack was removed" if here.owned else ""), err=True)
        return INTERRUPTED
    click.echo(f"{len(one.nodes())} nodes are up in {time.monotonic() - start:.1f} s, posture "
               f"{stack.settings['posture'] or 'none'}; `chaos down` ends them")  # fmt: skip
    return 0


async def bring_up(one: Any, kind: str, stack: Stack, owned: bool, watchdog: Watchdog | None) -> bool:
    """Start the stack and record it. If that fails, a stack of our own is ended. Returns True if interrupted."""
    with interruptible() as interruption:
        try:
            await one.up()
            if not known.boxed(kind):
                standing.write(stack, kind)
                standing.write_observed(stack.root, None)  # `up` has ended services that are not nodes
            if interruption.count:  # it came during the last step, when nothing was left to interrupt
                raise asyncio.CancelledError
        except BaseException:
            if owned:
                standing.forget(stack.root, kind)
                with contextlib.suppress(asyncio.CancelledError):
                    await through(_ended(one, watchdog))
            if not interruption.count:
                raise
            return True
    return False


async def _ended(one: Any, watchdog: Watchdog | None) -> None:
    try:
        await one.down()
    except ChaosError:
        if watchdog:
            watchdog.abandon()
        raise


@click.command("down", epilog="Example: chaos down")
@stacked
def down_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """Stop the stack and remove everything that belongs to it. Default: on every target."""
    refused: list[StackInUse] = []
    _ours(target, "down")
    for kind in known.usable(target):
        stack = _to_end(stack_file, kind, posture, sets, asked=target is not None)
        if stack is None:
            continue
        try:
            with _over_a_watchdog(kind, stack) as lock:
                try:
                    found = _down(kind, stack)
                except ChaosError:
                    lock.hand_over()  # to the next holder
                    raise
                lock.cleared()
        except StackInUse as e:
            refused.append(e)
        else:
            click.echo(f"{kind}: {'down' if found else 'nothing to stop'}")
    if refused:
        raise refused[0]
    return 0


def _to_end(file: Path, kind: str, posture: str | None, sets: tuple[str, ...], asked: bool) -> Stack | None:
    """The stack that is ended; None if this target cannot have it, because only another one can read its file."""
    try:
        return read_stack(file, kind, None, posture, sets)
    except BadExperiment:
        if asked or not known.boxed(kind) or standing.read(file.resolve().parent, kind) is not None:
            raise
        return None


def _down(kind: str, stack: Stack) -> bool:
    """End the stack; returns whether there was anything."""
    from chaos.targets.box import box

    state = stack.root / standing.STATE
    if known.boxed(kind):
        with ended_once(Interruption(1)):
            found = box.stop(state)
        standing.forget(stack.root, kind)
    else:
        one = known.make(kind, stack, tell=_say)
        standing.forget(stack.root, kind)  # first, because half of a stack is not a running stack
        found = asyncio.run(_end(one))
        standing.write_observed(stack.root, None)
    return found


async def _end(one: Any) -> bool:
    found = bool(await one.remains())
    await to_its_end(one.down())
    return found


@contextlib.contextmanager
def _over_a_watchdog(kind: str, stack: Stack) -> Iterator[StackLock]:
    """The lock for `chaos down`, taken from a watchdog if it heals without success. Raises StackInUse."""
    from chaos.targets.box import box
    from chaos.waiting import block_until

    refused: list[StackInUse] = []
    with contextlib.ExitStack() as left:

        def taken() -> StackLock | None:
            try:
                return left.enter_context(place.held(kind, stack, "down"))
            except StackInUse as e:
                if e.holder is None or not (e.holder.clearing or not e.holder.alive):
                    raise
                if e.holder.clearing and known.boxed(kind):
                    box.stop(stack.root / standing.STATE)  # together with the watchdog in it
                else:
                    stack_lock.end_watchdog(e.holder)
                refused.append(e)
                return None

        try:
            lock = block_until(taken, YIELDS)
        except TimeoutError:
            raise refused[-1] from None
        assert lock is not None
        yield lock


@click.command("status", epilog="Example: chaos status")
@stacked
def status_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """Show for each node whether it runs and is healthy, and what faults left behind (then exit 4).

    The first lines show this user's active runs and halts on this machine, wherever they were started.
    """
    from chaos.cli import halt
    from chaos.targets.box import box

    if not box.inside():
        halt.notice()
        for each in (*TARGETS, known.ATTACHED):
            if found := stack_lock.holder(standing.state(stack_file.resolve()), each):
                click.echo(f"in use on target {each}: {found.words}")
    kind, stack = _standing(stack_file, target)
    if stack is None:
        click.echo("no stack is running; `chaos up` starts one")
        return 0
    if place.in_another(kind):
        return place.run_in_box(kind, stack, posture_matters=False)
    with place.here(kind, stack, posture_matters=False):
        code = asyncio.run(show_status(known.make(kind, stack)))
        place.undisputed(kind, stack)
        return code


async def show_status(one: Any) -> int:
    nodes = one.nodes()
    gate = asyncio.Semaphore(4)

    async def look(node: Any) -> str:
        async with gate:
            if not await one.running(node):
                return "down"
            return "healthy" if await one.healthy(node) else "unhealthy"

    for node, state in zip(nodes, await asyncio.gather(*map(look, nodes)), strict=True):
        click.echo(safe.line(f"{state:<10} {node.name:<14} zone {node.zone or '-'}  {node.component}"))
    left = await one.residue()
    for text in left:
        click.echo(f"left behind: {safe.line(text)}")
    return Verdict.DIRTY.exit_code if left else 0


@click.command("heal", epilog="Example: chaos heal")
@stacked
def heal_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """Undo every fault that was left behind in the running stack. Exit 4 if something cannot be undone."""
    kind, stack = _standing(stack_file, target)
    if stack is None:
        return _end_what_is_left(kind, read_stack(stack_file, kind, None, posture, sets))
    with place.held(kind, stack, "heal") as lock:
        if place.in_another(kind):
            return place.run_in_box(kind, stack, lock, posture_matters=False)
        with place.here(kind, stack, lock, posture_matters=False):
            one = known.make(kind, stack, standing.folder(stack.root, "logs"))
            left = asyncio.run(_heal(one))
            click.echo("\n".join(f"left behind: {safe.line(text)}" for text in left) or "clean")
            if not left:
                lock.cleared()
            place.undisputed(kind, stack)
    return Verdict.DIRTY.exit_code if left else 0


async def _heal(one: Any) -> list[str]:
    await to_its_end(one.heal())
    return list(await one.residue())


def _end_what_is_left(kind: str, stack: Stack) -> int:
    """Report what a run left that started its own stack and was killed together with its watchdog."""
    with place.held(kind, stack, "heal") as lock:
        if not known.boxed(kind):
            with place.here(kind, stack, lock, posture_matters=False) as here:
                leftovers.clear(kind, stack, here)
            if found := asyncio.run(known.make(kind, stack).remains()):
                click.echo(f"left behind: {'; '.join(found)}; `chaos down` ends them")
                return Verdict.DIRTY.exit_code
        lock.cleared()
    click.echo("no stack is running, so there is nothing to heal")
    return 0


def _standing(file: Path, target: str | None) -> tuple[str, Any]:
    """The target and the running stack, with the posture it was started with; (target, None) without one."""
    if target == known.ATTACHED:
        stack = known.read(target, file, None, {}, os.environ)
        out.hide(stack.hider())
        return target, stack
    for kind in [target] if target else known.usable(None):
        settings = standing.read(file.resolve().parent, kind)
        if settings is not None:
            knobs = {k: json.dumps(v) for k, v in settings.items() if k != "posture"}
            stack = known.read(kind, file, settings["posture"] or None, knobs)
            out.hide(stack.hider())
            return kind, stack
    return target or known.choose(None), None


def _say(text: str) -> None:
    click.echo(text, err=True)
