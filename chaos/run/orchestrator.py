"""The orchestrator: plan + target + load + probes → journal. All decisions are made in the plan.

A run goes through these phases: up → heal → steady → timeline → recover → readback → heal → down.
"""

from __future__ import annotations

import asyncio

from chaos.errors import ChaosError
from chaos.experiment.plan import Plan
from chaos.model import Verdict
from chaos.protocols import Probe
from chaos.run import ending, timeline
from chaos.run.cancellation import first, still_wanted, through
from chaos.run.distance import Distance
from chaos.run.stage import Participants, RunSink, Stage
from chaos.run.steady import steady


async def run(plan: Plan, participants: Participants, sink: RunSink) -> None:
    """Execute the plan. In every case the target is healed, scanned for residue and (if owned) taken down.

    Raises ChaosError; CancelledError when interrupted, after the heal.
    """
    sink.emit("run.start", plan.experiment, seed=plan.seed, target=plan.target, posture=plan.posture)
    async with participants.lease.kept() as lease:
        status = "error"
        try:
            try:
                status = await _play(Stage(plan, participants, sink), lease)
            except* ChaosError as group:
                raise first(group) from None
        except asyncio.CancelledError:
            status = "interrupted"
            verdict = Verdict.INCONCLUSIVE.value
            sink.emit("run.error", plan.experiment, error="interrupted", type="Interrupted", verdict=verdict)
            raise
        except ChaosError as e:
            ending.tell(sink, plan.experiment, e)
            raise
        except Exception as e:  # a bug in the harness: the judge has to know
            ending.tell(sink, plan.experiment, first(e) if isinstance(e, ExceptionGroup) else e)
            raise
        finally:
            await through(ending.end(plan, participants, sink, status))


async def _play(stage: Stage, lease: asyncio.Task[None]) -> str:
    """Returns "done", or "stopped" if a stop condition ended the run. In both cases all operations are recorded."""
    plan, load, sink = stage.plan, stage.load, stage.sink
    distance = Distance(stage)
    await _up(stage, distance)
    still_wanted()
    stage.lease.begin()
    async with asyncio.TaskGroup() as aside:
        held = aside.create_task(_held(lease))
        aside.create_task(stage.watch.run())
        await stage.watch.ready()
        await steady(stage)
        still_wanted()
        watchers = [aside.create_task(_watch(stage, probe)) for probe in stage.participants.probes]
        sink.emit("phase", "timeline")
        stopped = await timeline.play(stage, aside)
        end = stage.now() - stage.t0 if stopped else plan.length
        sink.emit("phase", "recover")
        await stage.until(end + plan.recover)
        await distance.check()
        await stage.watch.drain()
        try:
            await load.drain()
        finally:
            _tell_notes(stage)
        still_wanted()
        sink.emit("load.stop", "load")
        for watcher in (*watchers, held):
            watcher.cancel()
    sink.emit("phase", "readback")
    await load.readback()
    return "stopped" if stopped else "done"


def _tell_notes(stage: Stage) -> None:
    """Copy what the load noticed about itself into the journal: whatever lasted into the steady phase, or later."""
    begin = -stage.plan.steady
    for note in stage.load.notes():
        if note.t + (note.seconds or 0.0) >= begin or note.seconds is None:
            said = {"seconds": note.seconds, "what": note.what or None, "where": list(note.where) or None}
            given = {key: value for key, value in said.items() if value is not None}
            stage.sink.emit(f"load.{note.kind}", "load", t=max(note.t, begin), **given)


async def _up(stage: Stage, distance: Distance) -> None:
    began, target, owned = stage.now(), stage.target, stage.participants.owned
    stage.sink.emit("phase", "up")
    if owned:
        await target.up()
    else:
        await target.prepare()
    stage.sink.emit("run.heal", target.name)
    await target.heal()  # removes what a killed run left behind
    await distance.lay()
    stage.sink.emit("stack.up", target.name, seconds=round(stage.now() - began, 3), owned=owned)
    await stage.load.prepare()


async def _watch(stage: Stage, probe: Probe) -> None:
    while True:
        try:
            stage.sink.emit("probe.sample", probe.name, **await probe.sample())
        except (ChaosError, OSError, TimeoutError) as e:
            stage.sink.emit("probe.error", probe.name, error=str(e) or type(e).__name__)
        await asyncio.sleep(probe.every)


async def _held(lease: asyncio.Task[None]) -> None:
    """Wait until the lease is lost. Raises LeaseLost."""
    await asyncio.wait([lease])
    lease.result()
