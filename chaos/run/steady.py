"""The time before the timeline: load runs until every journey and every probe has been healthy for as long as the plan
requires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from chaos.errors import NotSteady
from chaos.run.answers import told
from chaos.run.stage import Stage

STEADY = 0.99  # share of operations of every journey, and of answers to every probe, before the first fault
TRIED = 2.0  # seconds before the timeline at which its stop conditions are tried: as long as one check may take


async def steady(stage: Stage) -> None:
    """Wait for a steady period and start the timeline at its end; each attempt restarts the load.

    Raises NotSteady, NoEffect.
    """
    plan, load = stage.plan, stage.load
    stage.sink.emit("phase", "steady")
    patience = stage.now() + plan.steady_within
    for attempt in range(1, 100):
        stage.t0 = stage.now() + load.lead + plan.steady
        await load.start(stage.t0, plan.length + plan.recover)
        await stage.until(-TRIED)
        refused, before = await _looks(stage)
        await stage.until(0.0)
        unwell = _unwell(stage) + refused
        if not unwell:
            stage.sink.zero(stage.t0)
            stage.sink.emit("load.start", "load", t=-plan.steady, rate=plan.load.rate, attempt=attempt)
            for step, found in zip(stage.steps, before, strict=True):
                stage.tell_vitals("before", step, found, t=-TRIED)
            stage.watch.begin(stage.t0 - plan.steady, told(stage))
            return
        await load.stop()
        if stage.now() > patience:
            raise NotSteady(f"not steady within {plan.steady_within:.0f} s, no fault was injected: {'; '.join(unwell)}")


async def _looks(stage: Stage) -> tuple[list[str], list[Mapping[str, float]]]:
    """Reasons why stop conditions refuse to start, and each step's vitals. Steps that start late are checked now."""
    conditions = (*stage.participants.stop_conditions, *stage.participants.triggers.values())
    asked = asyncio.gather(*(c.refuses() for c in conditions))
    early = [s for s in stage.steps if s.at < stage.faults[s.id].ahead]
    looks = asyncio.gather(*map(stage.unharmed, early))
    before = await asyncio.gather(*map(stage.vitals, stage.steps))
    stage.looked = dict(zip((s.id for s in early), await looks, strict=True))
    return [why for why in await asked if why], before


def _unwell(stage: Stage) -> list[str]:
    seen = stage.load.success(stage.plan.steady)
    unwell = ["no operation was recorded"] if stage.plan.load.present and not seen else []
    unwell += [f"{name} {ok} of {n} ok" for name, (ok, n) in sorted(seen.items()) if ok < STEADY * n]
    for name, r in stage.watch.recent(stage.t0 - stage.plan.steady).items():
        why = f" ({r.why})" if r.why else ""
        if not r.n:
            unwell.append(f"probe {name} has no answer")
        elif r.ok < STEADY * r.n:
            unwell.append(f"probe {name} {r.ok} of {r.n} ok{why}")
    return unwell
