"""`chaos drive`: injects and heals faults on request, one JSON object a line. The pytest plugin uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaos import place
from chaos.cli.options import read_stack, stacked
from chaos.errors import BadExperiment, ChaosError
from chaos.model import Verdict
from chaos.place import leftovers, standing
from chaos.run.signals import INTERRUPTED, interruptible
from chaos.targets import known

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack
    from chaos.place import Place
    from chaos.run.interactive import Driver
    from chaos.run.watchdog import Watchdog


@click.command(
    "drive",
    epilog="""Example: echo '{"do": "inject", "fault": "pause", "where": {"name": "chat-a"}}' | chaos drive""",
)
@stacked
@click.option("--seed", type=int, default=7, show_default=True, help="What `pick` and `share` of selectors take.")
def drive_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], seed: int) -> int:
    """Start the stack (or use the running one), then carry out each line of standard input; docs/guide/pytest.md
    has the requests. One JSON object answers each. At the end of input, or when interrupted, everything is healed.
    """
    from chaos.run import halt

    kind = known.choose(target)
    stack = read_stack(stack_file, kind, None, posture, sets)
    with (
        halt.admitted(f"drive {stack_file}, target {kind}"),
        place.held(kind, stack, "drive") as lock,
    ):
        if place.in_another(kind):
            return place.run_in_box(kind, stack, lock)
        with place.here(kind, stack, lock) as here:
            leftovers.clear(kind, stack, here)
            place.undisputed(kind, stack)
            with here.watched(standing.folder(stack.root, "logs") / "watchdog.log") as watchdog:
                return asyncio.run(_drive(kind, stack, here, seed, watchdog))


async def _drive(kind: str, stack: Stack, here: Place, seed: int, watchdog: Watchdog | None) -> int:
    from chaos.run.cancellation import through
    from chaos.run.interactive import Driver
    from chaos.run.recorder import Recorder

    folder = standing.folder(stack.root, "drive")
    logs = standing.folder(stack.root, "drive/logs")
    journal = folder / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{os.getpid()}.jsonl"
    one = known.make(kind, stack, logs, lambda text: click.echo(text, err=True))
    left: list[str] = []
    with interruptible() as interruption, contextlib.closing(Recorder(journal, hider=stack.hider())) as recorder:
        driver = Driver(one, recorder, seed)

        async def end() -> None:
            """Carry out each part of the ending even if the previous one failed."""
            try:
                await driver.heal_all()
            except ChaosError as e:
                click.echo(f"chaos: {e}", err=True)
            try:
                await one.heal()
                left.extend(await one.residue())
                recorder.emit("residue", one.name, left=left)
                if here.owned:
                    await one.down()
            except ChaosError:
                if watchdog:
                    watchdog.abandon()
                raise

        began = time.monotonic()
        try:
            if here.owned:
                await one.up()
            else:
                await one.prepare()
                await one.heal()  # removes what a killed process left behind
            recorder.zero(asyncio.get_running_loop().time())
            nodes = [{"name": n.name, "component": n.component, "zone": n.zone} for n in one.nodes()]
            _say({"ready": True, "target": kind, "owned": here.owned, "nodes": nodes, "journal": str(journal),
                  "seconds": round(time.monotonic() - began, 3)})  # fmt: skip
            await _serve(driver)
        except asyncio.CancelledError:
            if not interruption.count:
                raise
        finally:
            await through(end())
    _say({"ended": True, "residue": left})
    return INTERRUPTED if interruption.count else Verdict.DIRTY.exit_code if left else 0


async def _serve(driver: Driver) -> None:
    """Answer every line until the end of input."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: no answer is expected any more
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()  # a blocking read must not prevent the process from ending
    while line := await lines.get():
        if line.strip():
            _say(await answer_line(driver, line))


async def answer_line(driver: Driver, line: str) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict) or asked.get("do") not in REQUESTS:
            raise BadExperiment(f"found {line.strip()[:200]}, expected an object whose `do` is one of "
                                f"{', '.join(REQUESTS)}")  # fmt: skip
        return {"ok": True, **await REQUESTS[asked["do"]](driver, asked)}
    except (json.JSONDecodeError, RecursionError) as e:
        return {"ok": False, "error": f"not JSON: {e}", "exit": BadExperiment.exit_code, "type": "BadExperiment"}
    except (KeyError, TypeError, ValueError) as e:
        words = f"missing {e}" if isinstance(e, KeyError) else str(e)
        return {"ok": False, "error": words, "exit": BadExperiment.exit_code, "type": "BadExperiment"}
    except ChaosError as e:
        return {"ok": False, "error": str(e), "exit": e.exit_code, "type": type(e).__name__}


async def _inject(driver: Driver, asked: Mapping[str, Any]) -> dict[str, Any]:
    limit = asked.get("limit")
    step = await driver.inject(
        str(asked["fault"]), asked.get("where"), asked.get("with") or {}, None if limit is None else float(limit)
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
    command: Sequence[str] = asked["command"]
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        raise BadExperiment(f"command: found {command!r:.200}, expected a list of words")
    code, output = await driver.exec(str(asked["node"]), command, float(asked.get("timeout", 10.0)))
    return {"code": code, "output": output}


REQUESTS = {"inject": _inject, "heal": _heal, "well": _well, "fetch": _fetch, "exec": _exec}


def written(answer: Mapping[str, Any]) -> str:
    """One line in ASCII, which any locale can write: an answer repeats what it was asked, lone surrogates too."""
    return json.dumps(answer)


def _say(answer: Mapping[str, Any]) -> None:
    click.echo(written(answer))
    sys.stdout.flush()
