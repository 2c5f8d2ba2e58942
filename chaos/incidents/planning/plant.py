"""`plant`: computes when each boot unit of the site is back, and assigns each node to a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, final

import msgspec

from chaos import registry
from chaos.experiment.file import Experiment
from chaos.experiment.plan import Release
from chaos.experiment.planning.context import Context
from chaos.incidents.plant import boots
from chaos.protocols.extension import Extension
from chaos.units import Rate, WrittenShare, rate, share

UNTIL = "plant"  # `until: plant`


class Plant(msgspec.Struct, forbid_unknown_fields=True):
    """A site that boots in units: see chaos/incidents/plant.py."""

    units: Annotated[int, msgspec.Meta(le=10_000)]
    servers: int
    boot: Rate  # servers per hour and lane
    lanes: int | str
    power: Mapping[str, WrittenShare]  # time: share of the site that has power at that time
    seats: Mapping[str, int] = {}  # component: boot unit; the seed assigns the other nodes


def written(experiment: Experiment) -> Plant | None:
    """Return the experiment's `plant:` block; None if it has none."""
    found: Plant | None = experiment.blocks.get("plant")
    return found


@final
@dataclass
class Site(Extension):
    block: ClassVar = Plant
    ends: ClassVar = (UNTIL,)

    given: Plant | None
    units: Sequence[float] = field(init=False, default=())  # run seconds at which unit 1, 2, … is back
    seats: Mapping[str, int] = field(init=False, default_factory=dict)  # boot unit of each node, counted from 1

    def begin(self) -> None:
        """Compute the units and seats. Both stay empty if the file has no plant, or an invalid one."""
        if self.given is not None:
            self.units = _units(self.context, self.given)
        if self.given is not None and self.units:
            self.seats = _seats(self.context, self.given)

    def releases(self, end: str, at: float, names: Sequence[str], place: str) -> Sequence[Release]:
        """Return a release for each unit, which heals the fault on the unit's nodes when the unit is back."""
        if not self.units:
            self.context.problems.add(place, "`until: plant` needs a `plant:` block in the file")
        if self.units and self.units[0] < at:
            self.context.problems.add(place, "the plant brings its first unit back before this step begins")
        return tuple(
            Release(t, tuple(name for name in names if self.seats[name] == unit), unit)
            for unit, t in enumerate(self.units, 1)
        )


def _units(context: Context, site: Plant) -> Sequence[float]:
    problems, settings = context.problems, context.settings
    lanes = settings.value(site.lanes, "plant.lanes")
    power = [(settings.time(t, "plant.power"), problems.read(share, p, "plant.power")) for t, p in site.power.items()]
    boot = problems.read(rate, site.boot, "plant.boot") * context.experiment.scale
    if not isinstance(lanes, int) or lanes < 1 or site.units < 1 or boot <= 0 or not power:
        problems.add("plant", "expected at least one unit, one lane, one point of power and a boot rate above 0")
        return ()
    if site.servers < 1 or max(p for _, p in power) < 1:
        problems.add("plant", "expected at least one server, and power that comes back to 100%")
        return ()
    return [round(t, 6) for t in boots(site.units, site.servers / site.units / boot, lanes, power)]


def _seats(context: Context, site: Plant) -> Mapping[str, int]:
    components = {n.component for n in context.nodes}
    for component, unit in site.seats.items():
        place = f"plant.seats.{component}"
        if component not in components:
            context.problems.add(place, f"no such component; {registry.hint(component, components)}")
        if not 1 <= unit <= site.units:
            context.problems.add(place, f"unit {unit} is outside 1 to {site.units}")
    return {
        n.name: site.seats.get(n.component) or context.dice(f"seat of {n.name}").randint(1, site.units)
        for n in context.nodes
    }
