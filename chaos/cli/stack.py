"""`chaos up`, `down`, `status`, `heal`: the stack without an experiment."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click

from chaos.cli import targets
from chaos.cli.options import read_stack, stacked
from chaos.model import Verdict


@click.command("up", epilog="Examples: chaos up --posture remedied · chaos up --observe")
@stacked
@click.option("--observe", is_flag=True, help="Start Grafana beside it, and say where it and Prometheus answer.")
def up_command(
    stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], observe: bool
) -> int:
    """Build what is missing, start the stack, wait until every node is healthy, and leave it running."""
    from chaos.cli import observe as observing
    from chaos.targets import box

    kind = targets.choose(target)
    stack = read_stack(stack_file, kind, None, posture, sets)
    if observe:
        observing.services(stack)  # said before anything is started
    state = stack.root / targets.STATE
    began = False
    if kind == "process" and not box.inside() and box.standing(state) is None:
        box.start(state)
        targets.write_standing(stack, kind)
        began = True
    with targets.place(kind, stack) as place:
        if place.elsewhere is not None:
            if place.elsewhere and began:
                box.stop(state)
                targets.forget_standing(stack.root, kind)
            if observe and not place.elsewhere:
                observing.begin(kind, stack, targets.make(kind, stack), _say)
            return place.elsewhere
        start = time.monotonic()
        one = targets.make(kind, stack, _logs(stack.root), tell=_say)
        try:
            asyncio.run(one.up())
        except BaseException:
            if place.owned:
                asyncio.run(one.down())
            raise
        if kind == "compose":
            targets.write_standing(stack, kind)
            targets.write_observed(stack.root, None)  # `up` has ended what is no node
            if observe:
                observing.begin(kind, stack, targets.make(kind, stack, tell=_say), _say)
        click.echo(f"{len(one.nodes())} nodes are up in {time.monotonic() - start:.1f} s, posture "
                   f"{stack.settings['posture'] or 'none'}; `chaos down` ends them")  # fmt: skip
    return 0


@click.command("down", epilog="Example: chaos down")
@stacked
def down_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """End every node of the stack and remove what belongs to it. Without --target: on every target."""
    from chaos.targets import box

    for kind in targets.usable(target):
        stack = read_stack(stack_file, kind, None, posture, sets)
        if kind == "process":
            found = box.stop(stack.root / targets.STATE)
        else:
            one = targets.make(kind, stack, tell=_say)
            found = targets.read_standing(stack.root, kind) is not None
            asyncio.run(one.down())
            targets.write_observed(stack.root, None)
        targets.forget_standing(stack.root, kind)
        click.echo(f"{kind}: {'down' if found else 'nothing of ours is left running'}")
    return 0


@click.command("status", epilog="Example: chaos status")
@stacked
def status_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """Say for each node whether it runs and is healthy, and what a fault has left behind (then exit 4).

    First who runs and who has halted, of this user on this machine, wherever it was started.
    """
    from chaos.cli import halt
    from chaos.targets import box

    if not box.inside():
        halt.notice()
    kind, stack = _standing(stack_file, target)
    if stack is None:
        click.echo("no stack stands here; `chaos up` starts one")
        return 0
    with targets.place(kind, stack, posture_matters=False) as place:
        if place.elsewhere is not None:
            return place.elsewhere
        return asyncio.run(_status(targets.make(kind, stack)))


async def _status(one: Any) -> int:
    nodes = one.nodes()
    gate = asyncio.Semaphore(4)

    async def look(node: Any) -> str:
        async with gate:
            if not await one.running(node):
                return "down"
            return "healthy" if await one.healthy(node) else "unhealthy"

    for node, state in zip(nodes, await asyncio.gather(*map(look, nodes)), strict=True):
        click.echo(f"{state:<10} {node.name:<14} zone {node.zone or '-'}  {node.component}")
    left = await one.residue()
    for text in left:
        click.echo(f"left behind: {text}")
    return Verdict.DIRTY.exit_code if left else 0


@click.command("heal", epilog="Example: chaos heal")
@stacked
def heal_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> int:
    """Undo every fault that anybody left behind in the stack that stands; exit 4 if something cannot be undone."""
    kind, stack = _standing(stack_file, target)
    if stack is None:
        click.echo("no stack stands here, so nothing is broken")
        return 0
    with targets.place(kind, stack, posture_matters=False) as place:
        if place.elsewhere is not None:
            return place.elsewhere
        one = targets.make(kind, stack, _logs(stack.root))

        async def heal() -> list[str]:
            await one.heal()
            return list(await one.residue())

        left = asyncio.run(heal())
        click.echo("\n".join(f"left behind: {text}" for text in left) or "clean")
        return Verdict.DIRTY.exit_code if left else 0


def _standing(file: Path, target: str | None) -> tuple[str, Any]:
    """The target and the stack as it stands, whatever posture it was started with; (target, None) without one."""
    from chaos import stackfile

    for kind in [target] if target else targets.usable(None):
        settings = targets.read_standing(file.resolve().parent, kind)
        if settings is not None:
            knobs = {k: str(v).lower() for k, v in settings.items() if k != "posture"}
            return kind, stackfile.read(file, settings["posture"] or None, knobs, strict=kind == "process")
    return target or targets.choose(None), None


def _logs(root: Path) -> Path:
    folder = root / targets.STATE / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _say(text: str) -> None:
    click.echo(text, err=True)


