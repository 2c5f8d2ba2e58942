"""`chaos drive`: faults as standard input asks for them, one JSON object a line. What the pytest plugin talks to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaos.cli import targets
from chaos.cli.options import read_stack, stacked
from chaos.errors import BadExperiment, ChaosError
from chaos.model import Verdict

if TYPE_CHECKING:
    from chaos.cli.targets import Place
    from chaos.driving import Driver
    from chaos.stackfile import Stack

LISTEN = 0.02  # seconds between two looks for the next line


@click.command(
    "drive",
    epilog="""Example: echo '{"do": "inject", "fault": "pause", "where": {"name": "chat-a"}}' | chaos drive""",
)
@stacked
@click.option("--seed", type=int, default=7, show_default=True, help="What `pick` and `share` of selectors take.")
def drive_command(
    stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], seed: int
) -> int:
    """Start the stack (or use the one that stands), then do what each line of standard input says; docs/guide/pytest.md
    has the requests. One JSON object answers each. At the end of input, or when interrupted, everything is healed.
    """
    from chaos import halt

    kind = targets.choose(target)
    stack = read_stack(stack_file, kind, None, posture, sets)
    with halt.admitted(f"drive {stack_file}, target {kind}"), targets.place(kind, stack) as place:
        if place.elsewhere is not None:
            return place.elsewhere
        with place.guard():
            return asyncio.run(_drive(kind, stack, place, seed))


async def _drive(kind: str, stack: Stack, place: Place, seed: int) -> int:
    from chaos.cli.run import interruptible
    from chaos.driving import Driver
    from chaos.lifecycle import through
    from chaos.recorder import Recorder

    folder = stack.root / targets.STATE / "drive"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    journal = folder / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{os.getpid()}.jsonl"
    one = targets.make(kind, stack, folder / "logs", lambda text: click.echo(text, err=True))
    left: list[str] = []
    with interruptible() as interruption, contextlib.closing(Recorder(journal)) as recorder:
        driver = Driver(one, recorder, seed)

        async def end() -> None:
            """Each part even if the one before failed."""
            try:
                await driver.heal_all()
            except ChaosError as e:
                click.echo(f"chaos: {e}", err=True)
            await one.heal()
            left.extend(await one.residue())
            recorder.emit("residue", one.name, left=left)
            if place.owned:
                await one.down()

        began = time.monotonic()
        try:
            if place.owned:
                await one.up()
            else:
                await one.heal()  # whatever somebody who was killed has left behind
            recorder.zero(asyncio.get_running_loop().time())
            nodes = [{"name": n.name, "component": n.component, "zone": n.zone} for n in one.nodes()]
            _say({"ready": True, "target": kind, "owned": place.owned, "nodes": nodes, "journal": str(journal),
                  "seconds": round(time.monotonic() - began, 3)})  # fmt: skip
            await _serve(driver)
        except asyncio.CancelledError:
            if not interruption.count:
                raise
        finally:
            await through(end())
    _say({"ended": True, "residue": left})
    return 130 if interruption.count else Verdict.DIRTY.exit_code if left else 0


async def _serve(driver: Driver) -> None:
    """Answers every line until there are no more."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()  # a blocking read must not keep us from ending
    while True:
        while lines.empty():
            await asyncio.sleep(LISTEN)
        line = lines.get()
        if not line:
            return
        if line.strip():
            _say(await _answer(driver, line))


async def _answer(driver: Driver, line: str) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict) or asked.get("do") not in REQUESTS:
            raise BadExperiment(f"found {line.strip()[:200]}, expected an object whose `do` is one of "
                                f"{', '.join(REQUESTS)}")  # fmt: skip
        return {"ok": True, **await REQUESTS[asked["do"]](driver, asked)}
    except json.JSONDecodeError as e:
        return {"ok": False, "error": f"not JSON: {e}", "exit": BadExperiment.exit_code, "type": "BadExperiment"}
    except (KeyError, TypeError, ValueError) as e:
        words = f"missing {e}" if isinstance(e, KeyError) else str(e)
        return {"ok": False, "error": words, "exit": BadExperiment.exit_code, "type": "BadExperiment"}
    except ChaosError as e:
        return {"ok": False, "error": str(e), "exit": e.exit_code, "type": type(e).__name__}


async def _inject(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    limit = asked.get("limit")
    step = await driver.inject(
        str(asked["fault"]), asked.get("where", {}), asked.get("with", {}), None if limit is None else float(limit)
    )
    return {"step": step.id, "nodes": list(step.nodes)}


async def _heal(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"in_time": await driver.heal(str(asked["step"]))}


async def _well(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    await driver.well(list(asked.get("nodes", ())), float(asked.get("within", 30.0)))
    return {}


async def _fetch(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    timeout = float(asked.get("timeout", 2.0))
    status, body = await driver.fetch(str(asked["node"]), int(asked["port"]), str(asked["path"]), timeout)
    return {"status": status, "body": body}


async def _exec(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    command: Sequence[str] = [str(word) for word in asked["command"]]
    code, output = await driver.exec(str(asked["node"]), command, float(asked.get("timeout", 10.0)))
    return {"code": code, "output": output}


REQUESTS = {"inject": _inject, "heal": _heal, "well": _well, "fetch": _fetch, "exec": _exec}


def _say(answer: Mapping[str, Any]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False))
    sys.stdout.flush()
