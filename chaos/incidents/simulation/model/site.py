"""Simulates the servers: when each is lost and back, and thus when each service is back, here or at another site."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaos.incidents.plant import boots
from chaos.incidents.simulation.model.scene import Component, Scene


@dataclass(frozen=True)
class Site:
    up: Sequence[float]  # when each server was back, in order
    down: Sequence[float]  # when each was lost
    lost: Mapping[str, float | None]
    back: Mapping[str, float]
    elsewhere: Mapping[str, bool]
    dark: Mapping[str, Sequence[tuple[float, float]]]  # service → half-open intervals without service, in order
    capacity: Sequence[tuple[float, float]]  # hour, capacity of the crowd's service from then on; normal load is 1


def rise(scene: Scene, seed: int) -> Site:
    """Return when each server is lost and back, and what follows for services and capacity."""
    dice = np.random.default_rng([seed, 1])
    up = sorted(boots(scene.servers, _boot_hours(scene, dice), scene.lanes, scene.power))
    down = _ends(scene)

    homes = {name: _home(scene, c, up) for name, c in scene.components.items()}
    aways = {name: _away(scene, name, c) for name, c in scene.components.items()}
    lost, back, elsewhere = {}, {}, {}
    for service, needs in scene.services.items():
        ends = [c.blow for n in needs if (c := scene.components[n]).blow is not None]
        lost[service] = min(ends, default=None)
        back[service] = max(min(homes[n], aways[n]) for n in needs) if ends else 0.0
        elsewhere[service] = bool(ends) and all(
            aways[n] < homes[n] for n in needs if scene.components[n].blow is not None
        )
    dark = {service: _dark(scene, needs, homes, aways) for service, needs in scene.services.items()}
    return Site(up, down, lost, back, elsewhere, dark, _capacity(scene, up, down, aways, homes))


def share_up(up: Sequence[float], down: Sequence[float], t: float) -> float:
    return 1 - (bisect.bisect_right(down, t) - bisect.bisect_right(up, t)) / len(up)


def _dark(
    scene: Scene, needs: Sequence[str], homes: Mapping[str, float], aways: Mapping[str, float]
) -> list[tuple[float, float]]:
    """Return the intervals in which a needed component serves neither here nor elsewhere, merged."""
    gaps = sorted((c.blow, min(homes[n], aways[n])) for n in needs if (c := scene.components[n]).blow is not None)
    merged: list[tuple[float, float]] = []
    for start, end in gaps:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged


def _boot_hours(scene: Scene, dice: np.random.Generator) -> list[float]:
    """Return the boot time of each server in hours, lognormal with the mean that the boot rate gives."""
    mean, spread = 1 / scene.boot_per_hour, scene.boot_spread
    sigma = math.sqrt(math.log(1 + spread**2))
    drawn: list[float] = (mean * dice.lognormal(-(sigma**2) / 2, sigma, scene.servers)).tolist()
    return drawn


def _ends(scene: Scene) -> list[float]:
    """Return when each lost server goes down, in order."""
    down: list[float] = []
    for t, share in sorted(scene.blows):
        down += [t] * round(share * scene.servers)
    return down[: scene.servers]


def _home(scene: Scene, component: Component, up: Sequence[float]) -> float:
    """Return when its instance in the site serves again; 0.0 if it has none there.

    That is when the last server of its boot unit is up, and its programs have started.
    """
    if component.blow is None:
        return 0.0
    last = math.ceil(component.seat * scene.servers / scene.units) - 1
    return up[last] + scene.start_s / 3600


def _away(scene: Scene, name: str, component: Component) -> float:
    """Return when its copy elsewhere serves: at once, after a failover or a manual promotion, or never (infinity)."""
    if component.blow is None:
        return 0.0
    if not component.copy:
        return math.inf
    if component.at_once:
        return component.blow
    if scene.tool_lives:
        return component.blow + scene.failover_s / 3600
    return scene.by_hand.get(name, math.inf) + scene.promote_s / 3600


def _capacity(
    scene: Scene,
    up: Sequence[float],
    down: Sequence[float],
    aways: Mapping[str, float],
    homes: Mapping[str, float],
) -> list[tuple[float, float]]:
    """Return (hour, capacity) steps of the crowd's service, with capacity as a multiple of the normal load.

    Capacity is 0 while a component that the service needs is away. Otherwise every server that is up adds its share,
    and the other sites add their spare capacity as soon as a copy serves.
    """
    needs = {n: blow for n in scene.services[scene.crowd] if (blow := scene.components[n].blow) is not None}

    def capacity(t: float) -> float:
        if any(blow <= t < min(homes[n], aways[n]) for n, blow in needs.items()):
            return 0.0
        spare = scene.spare_capacity if any(blow <= t and t >= aways[n] for n, blow in needs.items()) else 0.0
        return share_up(up, down, t) / scene.utilisation + spare

    changes = {0.0, *needs.values(), *down}
    changes |= {t for n in needs for t in (aways[n], homes[n]) if math.isfinite(t)}
    changes |= {up[k] for k in range(0, scene.servers, max(1, scene.servers // 2000))} | {up[-1]}
    return [(t, capacity(t)) for t in sorted(changes)]
