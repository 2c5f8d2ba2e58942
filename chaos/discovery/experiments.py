"""The experiments that `chaos init` writes: those that fit what was found, and that the target can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.discovery.model import Door, Map, Need
from chaos.discovery.text import comment, word

LASTS = 8  # seconds of a fault
BACK = 30  # seconds from a journey's first failed operation until it is served again, the fault's own time included
RESTARTED = 4  # nodes at most that a rolling restart takes
APART = 10  # seconds between two restarts


@dataclass(frozen=True)
class Made:
    """An experiment, before it is text."""

    name: str
    about: str  # what it does, and what to look for
    claim: str
    fault: str
    where: str
    params: str = ""
    every: int = 0
    nodes: int = 1  # that it affects


def experiments(found: Map, asked: Mapping[str, Door]) -> Mapping[str, str]:
    """The files' texts by name; none if no port can be asked. `asked`: by name of the journey, or of the probe."""
    made = (_kill, _zone, _partition, _slow, _rolling, _dns, _pause)
    chosen = [one for make in made for one in make(found, _fronts(found)) if asked]
    return {one.name: _text(one, asked) for one in chosen}


def _fronts(found: Map) -> Sequence[str]:
    """Components that users ask, then the others; those with more nodes first."""
    asked = [door.component for door in found.doors if door.http] or [door.component for door in found.doors]
    sizes = {name: len(nodes) for name, nodes in found.components.items()}
    return sorted(sizes, key=lambda name: (name not in asked, -sizes[name], name))


def _kill(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    if names := found.reached["kill"]:
        yield Made(
            "node-kill",
            "One node is killed, and started again after the fault. The seed draws which: `chaos plan node-kill --seed "
            "3` shows another one. List under `name` only the nodes that may die.",
            "Any one node can die, and users are served again soon.", "kill", _where(names, pick=1),
        )  # fmt: skip


def _zone(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    for zone in found.zones if len(found.zones) > 1 else ():
        names = [p.name for p in found.nodes if p.zone == zone]
        if set(names) <= set(found.reached["power"]):
            others = ", ".join(z for z in found.zones if z != zone)
            yield Made(
                "zone-loss",
                f"Zone {zone} loses its power: its links go down, then its nodes die. The other zones are {others}.",
                f"Zone {zone} can be lost, and users are served again soon.", "power", f"{{zone: {word(zone)}}}",
                nodes=len(names),
            )  # fmt: skip
            return


def _partition(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    for need in _linked(found, fronts, "partition"):
        names, others = (_nodes(found, name) for name in (need.component, need.on))
        yield Made(
            "partition",
            f"No packet passes between {need.component} and {need.on}, which it depends on ({need.why[0]}). The fault "
            "is confirmed by packets that are dropped: without traffic between the two, the run is INCONCLUSIVE.",
            f"Soon after {need.component} can reach {need.on} again, users are served.",
            "partition", _where(names), f"{{to: {_where(others)}}}", nodes=len(names),
        )  # fmt: skip
        return
    for name in fronts[:1]:
        if _fits(found, name, "isolate"):
            yield Made(
                "partition",
                f"One node of {name} is cut off from everything else, users included, and keeps running.",
                f"A node of {name} can be cut off, and users are served again soon.",
                "isolate", _where(_nodes(found, name), pick=1),
            )  # fmt: skip


def _slow(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    for need in _linked(found, fronts, "delay"):
        names = _nodes(found, need.on)
        yield Made(
            "slow-dependency",
            f"Every packet from and to {need.on} takes 100 ms longer; {need.component} depends on it ({need.why[0]}). "
            "Compare the latency before and during the fault in the report.",
            f"Users are served while {need.on} is slow, or soon afterwards.", "delay", _where(names), "{ms: 100}",
            nodes=len(names),
        )  # fmt: skip
        return


def _rolling(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    for name in (one for one in fronts if _fits(found, one, "restart")):
        names = _nodes(found, name)[:RESTARTED]
        yield Made(
            "rolling-restart",
            f"The nodes of {name} restart one after the other, {APART} s apart, as in a roll-out.",
            f"{name} can be rolled out under load, and users are served again soon." if len(names) > 1
            else f"{name} has one node, and users are served again soon after its restart.",
            "restart", _where(names), "{grace: 3s}", every=APART, nodes=len(names),
        )  # fmt: skip
        return


def _dns(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    needy = [need.component for need in found.needs]
    for name in sorted(fronts, key=lambda one: one not in needy):  # stable: fronts first among each
        if _fits(found, name, "dns"):
            names = _nodes(found, name)
            yield Made(
                "dns-outage",
                f"Look-ups of names get no answer in {name}. Programs that keep addresses or connections go on.",
                f"{name} bears the loss of its name server, or is back soon afterwards.", "dns", _where(names),
                nodes=len(names),
            )  # fmt: skip
            return


def _pause(found: Map, fronts: Sequence[str]) -> Iterator[Made]:
    needed = [need.on for need in found.needs]
    for name in sorted(fronts, key=lambda one: one not in needed):
        if _fits(found, name, "pause"):
            yield Made(
                "pause",
                f"One node of {name} freezes: it keeps its connections open and does not answer. Clients without a "
                "time limit wait for it, which a kill does not show.",
                f"One frozen node of {name} holds users up only for a while.", "pause",
                _where(_nodes(found, name), pick=1),
            )  # fmt: skip
            return


def _linked(found: Map, fronts: Sequence[str], fault: str) -> Iterator[Need]:
    """What components depend on that both can have the fault, what users ask first."""
    for need in sorted(found.needs, key=lambda need: (fronts.index(need.component), need.on)):
        if _fits(found, need.component, fault) and _fits(found, need.on, fault):
            yield need


def _nodes(found: Map, component: str) -> Sequence[str]:
    return [place.name for place in found.components[component]]


def _fits(found: Map, component: str, fault: str) -> bool:
    return set(_nodes(found, component)) <= set(found.reached[fault])


def _where(names: Sequence[str], pick: int = 0) -> str:
    """By name, which is how nodes without a label of the harness may be hit."""
    listed = ", ".join(map(word, names))
    return f"{{name: [{listed}]{f', pick: {pick}' if pick else ''}}}"


def _load(asked: Mapping[str, Door], within: int) -> tuple[list[str], list[str]]:
    """Who asks, and the checks of the answers: users if all ports speak HTTP, else probes that connect."""
    if not all(door.http for door in asked.values()):
        probes = {name: f'"{door.hosts[0]}:{door.port}"' for name, door in asked.items()}
        return [
            "# No port was found that looks like HTTP, so there are no users: probes connect, and send nothing.",
            "probes:",
            *(f"  - {{name: {word(name)}, tcp: {address}, every: 250ms}}" for name, address in probes.items()),
            "# Probes have to be answered well for 5 s, within a minute, before anything is broken.",
        ], [
            "# Counted from a probe's first bad answer, so the length of the fault is in it. Tighten it to what you",
            "# promise, and add others: `probe: {name: NAME, at_least: 99%, phase: during}`.",
            "checks:",
            *(f"  - probe: {{name: {word(name)}, back_within: {within}s}}" for name in probes),
        ]  # fmt: skip
    rate = max(20, 5 * len(asked))
    return [
        "# 10 users of users.py; with fewer than `floor` operations a second the run is INCONCLUSIVE.",
        f"load: {{users: users.py, count: 10, rate: {rate}/s, floor: {rate // 2}/s}}",
        "# Users have to be served well for 5 s, within a minute, before anything is broken.",
    ], [
        "# Counted from a journey's first failed operation, so the length of the fault is in it. Tighten it to what",
        "# you promise, and add others: `availability: {at_least: 99%, phase: during}`, `latency: {p95_ms: 500}`.",
        "checks:",
        *(f"  - recovery: {{journey: {word(name)}, within: {within}s}}" for name in asked),
    ]  # fmt: skip


def _text(one: Made, asked: Mapping[str, Door]) -> str:
    times = f"at: 2s, for: {5 if one.every else LASTS}s" + (f", every: {one.every}s" if one.every else "")
    lasts = one.every * (one.nodes - 1) if one.every else 0
    step = [f"  - id: {one.name}", f"    {times.replace(', ', chr(10) + '    ')}", f"    fault: {one.fault}",
            f"    where: {one.where}", *([f"    with: {one.params}"] if one.params else [])]  # fmt: skip
    load, checks = _load(asked, BACK + lasts)
    return "\n".join([
        *comment(one.about),
        f"name: {one.name}",
        f"claim: {json.dumps(one.claim)}",
        *load,
        "steady: {for: 5s, within: 60s}",
        f"recover: {BACK}s  # how long the answers are watched after the fault",
        f"limits: {{max_nodes: {one.nodes}}}  # a plan that hits more is refused",
        "",
        "timeline:",
        *step,
        "",
        *checks,
        "",
    ])  # fmt: skip
