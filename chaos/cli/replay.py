"""The replay beside the facts, while it goes on: the incident's clock, its servers, its dossier's figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from chaos.measures.recovery import incident_s
from chaos.model import Event
from chaos.plan import Plan

_RETURN = re.compile(r"(\w+)_return_fraction")
_SERVERS = re.compile(r"servers_back_at_f_([\d.]+)")


class Replay:
    """Times are run seconds since the start of the timeline. Nothing is there where the plan has no incident."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.length = incident_s(plan)  # run seconds; None without an incident
        self._owed = {(s.id, r.unit) for s in plan.steps for r in s.releases if r.unit}
        self._units = {unit for _, unit in self._owed}
        self._struck: set[str] = set()

    def tell(self, event: Event) -> None:
        if event.kind == "fault.active":
            self._struck.add(event.subject)
        elif event.kind == "fault.heal":
            self._owed.discard((event.subject, int(event.data.get("unit", 0))))

    def servers_up(self) -> float | None:
        """Share of the boot units that no step holds; None without a plant."""
        if not self._units:
            return None
        down = {unit for step, unit in self._owed if step in self._struck}
        return 1 - len(down) / len(self._units)

    def fraction(self, t: float) -> float:
        """`t` as a share of the incident, counted from its onset."""
        assert self.length, "only a run with an incident has fractions of it"
        return (t - self._plan.onset) / self.length

    def seconds(self, t: float) -> float:
        """Incident seconds since its onset; 0 before it."""
        return max(0.0, (t - self._plan.onset) * self._plan.scale)

    def fact_servers(self, t: float) -> float | None:
        """The dossier's last figure of servers back that is due at `t`."""
        due = {float(m[1]): value for m, value in self._facts(_SERVERS) if float(m[1]) <= self.fraction(t)}
        return due[max(due)][0] if due else None

    def fact_returns(self) -> Mapping[str, tuple[float, float]]:
        """By journey the low and the high end of its return, as shares of the incident."""
        return {m[1]: value for m, value in self._facts(_RETURN)}

    def _facts(self, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], tuple[float, float]]]:
        """Those that are figures and speak of this run's settings."""
        for name, target in self._plan.incident.get("targets", {}).items():
            spoken = all(self._plan.settings.get(k) == v for k, v in target.get("when", {}).items())
            if (m := pattern.fullmatch(name)) and spoken:
                value = target["value"]
                low, high = value if isinstance(value, list | tuple) else (value, value)
                yield m, (float(low), float(high))
