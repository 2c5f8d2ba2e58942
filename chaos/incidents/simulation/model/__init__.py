"""Simulates a whole site: each server, users as counts, and the same plant and postures as a run on a small stack.

All random values come from the seed. Times are hours after the incident's onset unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.incidents.simulation.model.crowd import TICK, Curve, crowd
from chaos.incidents.simulation.model.scene import Scene
from chaos.incidents.simulation.model.site import Site, rise, share_up


@dataclass(frozen=True)
class Result:
    scene: Scene
    seed: int
    up: Sequence[float]  # when each server was back, in order
    down: Sequence[float]  # when each was lost
    lost: Mapping[str, float | None]  # service → when it was lost; None: never
    back: Mapping[str, float]  # service → when it could serve again; 0.0 if never lost, infinite if it never could
    dark: Mapping[str, Sequence[tuple[float, float]]]  # service → half-open intervals without service, in order
    elsewhere: Mapping[str, bool]  # service → whether it came back at another site
    curve: Curve
    third_party: Sequence[float]  # share of third-party users who are logged in, at each whole hour

    def servers_at(self, t: float) -> float:
        """Share of the site's servers that are up at hour `t`."""
        return share_up(self.up, self.down, t)

    @property
    def hours(self) -> range:
        """The whole hours for which curves have a value."""
        return range(int(self.scene.hours) + 1)


def simulate(scenes: Sequence[Scene], seed: int, tick_s: float = TICK) -> list[Result]:
    """Return the result of each scene. All scenes use the same seed, and must be equally long.

    Users are simulated in ticks of `tick_s` seconds, which must divide an hour.
    """
    sites = [rise(scene, seed) for scene in scenes]
    curves = crowd([(scene, site.capacity) for scene, site in zip(scenes, sites, strict=True)], seed, tick_s)
    return [
        Result(
            scene, seed, site.up, site.down, site.lost, site.back, site.dark, site.elsewhere, curve,
            _third_party(scene, site),
        )
        for scene, site, curve in zip(scenes, sites, curves, strict=True)
    ]  # fmt: skip


def _third_party(scene: Scene, site: Site) -> list[float]:
    """Return the share of third-party users who are logged in, at each whole hour.

    No log-in can be renewed while the service is away, so log-ins expire evenly over `token_hours`.
    """
    gaps = site.dark.get(scene.third_party, ())
    since = [next((t - start for start, end in gaps if start <= t < end), 0.0) for t in range(int(scene.hours) + 1)]
    return [max(0.0, 1 - away / scene.token_hours) for away in since]
