"""Literal histories: a few operations and events, told in one line each, as a journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chaos.experiment import extensions
from chaos.experiment.plan import Act, CheckSpec, LoadSpec, Plan, Release, Step
from chaos.model import Event, Op
from chaos.record.journal import Journal

NODES = tuple(
    {"name": f"{c}-{z}", "component": c, "zone": z, "owner": o}
    for c, z, o in [("chat", "a", "messaging"), ("chat", "b", "messaging"), ("bank", "c", "bank")]
)


CARRIED = {name: extension.carries for name, extension in extensions.every().items()}


def plan(**changes: Any) -> Plan:
    """One fault on chat-a from t=0 to t=10, ten seconds of steady state before it, ten of recovery after it.

    `changes` are of the plan's fields, and what it carries for an extension, by the extension's name.
    """
    step = Step("blow", 0.0, "power", {}, ("chat-a",), (Release(10.0, ("chat-a",)),))
    made: dict[str, Any] = {
        "experiment": "x", "claim": "nobody notices", "seed": 1, "target": "memory", "settings": {"posture": "as-was"},
        "scale": 1.0, "short": False, "steady": 10.0, "steady_within": 60.0, "hold": 2.0, "length": 10.0,
        "recover": 10.0, "nodes": NODES, "steps": (step,), "acts": (), "load": LoadSpec("u.py", 2, 4.0, 1.0, 1),
        "probes": (), "checks": (), "left_out": (),
    }  # fmt: skip
    carried = {name: msgspec.convert(changes.pop(name), kind) for name, kind in CARRIED.items() if changes.get(name)}
    own = {key: value for key, value in changes.items() if key not in CARRIED}
    return Plan(**(made | own), extensions=carried)


def check(name: str, xfail: str = "", may_hold: bool = False, **params: Any) -> CheckSpec:
    return CheckSpec(f"{name}-1", name, params, xfail, may_hold)


def act(name: str, at: float) -> Act:
    return Act(name, at, "promote", ("true",), ("chat-b",))


def op(t: float, result: str = "ok", journey: str = "text", took: float = 0.01, **more: Any) -> Op:
    made: dict[str, Any] = {"op": "read", "client": "app", "user": "u1", "id": f"{journey}-{t:g}"}
    return Op(t=t, start=t, end=t + took, journey=journey, result=result, **(made | more))


def every(step: float, start: float, end: float, result: str = "ok", **more: Any) -> list[Op]:
    """Operations at start, start + step, … before end."""
    return [op(round(start + k * step, 6), result, **more) for k in range(round((end - start) / step))]


def send(t: float, name: str, result: str = "ok", **more: Any) -> Op:
    made: dict[str, Any] = {"op": "send", "write": True}
    return op(t, result, id=name, **(made | more))


def readback(user: str, ids: Sequence[str], result: str = "ok", journey: str = "text", **more: Any) -> Op:
    """A page as older versions wrote it; those of today say `page` and, of the last one, `last`."""
    name = f"{user}-read-{more.get('page', 0)}"
    return op(30.0, result, journey, op="readback", user=user, id=name, ids=tuple(ids), **more)


BLOW = (
    Event(0.0, "fault.inject", "blow", {"nodes": ["chat-a"]}),
    Event(0.0, "fault.active", "blow", {"nodes": ["chat-a"]}),
    Event(10.0, "fault.heal", "blow", {"nodes": ["chat-a"]}),
)
END = (Event(21.0, "residue", "memory", {"left": []}), Event(22.0, "run.end", "x", {"status": "done"}))


def journal(ops: Iterable[Op], events: Iterable[Event] = (*BLOW, *END), **changes: Any) -> Journal:
    return Journal(plan(**changes), tuple(events), tuple(ops))


def outage(start: float, back: float, journey: str = "text", result: str = "fail", step: float = 0.25) -> list[Op]:
    """A journey used from t=-10 to t=20 that fails from `start` to `back`."""
    return [
        *every(step, -10, start, journey=journey),
        *every(step, start, back, result, journey=journey),
        *every(step, back, 20, journey=journey),
    ]


def incident(targets: Mapping[str, Any], hours: float = 100.0, **more: Any) -> dict[str, Any]:
    """A dossier; with scale 3600 its outage lasts `hours` run seconds."""
    return {"when": {"outage_hours": hours}, "scale": {"full_tail": 3600}, "targets": targets, **more}
