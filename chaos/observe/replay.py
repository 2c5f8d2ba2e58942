"""The incident's clock, servers and dossier figures at the current time of a replay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from chaos.experiment.plan import Plan
from chaos.judge import beside
from chaos.model import Event

_RETURN = re.compile(r"(\w+)_return_fraction")
_SERVERS = re.compile(r"servers_back_at_f_([\d.]+)")


class Replay:
    """Times are run seconds since the start of the timeline. Without an incident every value is None or empty."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.length = beside.length(plan)  # run seconds; None without an incident
        self._expected = beside.expected(plan)
        self._owed = {(s.id, r.unit) for s in plan.steps for r in s.releases if r.unit}
        self._units = {unit for _, unit in self._owed}
        self._struck: set[str] = set()

    def tell(self, event: Event) -> None:
        if event.kind == "fault.active":
            self._struck.add(event.subject)
        elif event.kind == "fault.heal":
            self._owed.discard((event.subject, int(event.data.get("unit", 0))))

    def servers_up(self) -> float | None:
        """Share of the boot units that no step holds down; None without a plant."""
        if not self._units:
            return None
        down = {unit for step, unit in self._owed if step in self._struck}
        return 1 - len(down) / len(self._units)

    def fraction(self, t: float) -> float:
        """`t` as a share of the incident, from its onset."""
        assert self.length, "only a run with an incident has fractions of it"
        return (t - self._plan.onset) / self.length

    def seconds(self, t: float) -> float:
        """Incident seconds since its onset; 0 before it."""
        return max(0.0, (t - self._plan.onset) * self._plan.scale)

    def fact_servers(self, t: float) -> float | None:
        """The dossier's latest figure of servers back at time `t`."""
        due = {float(m[1]): value for m, value in self._facts(_SERVERS) if float(m[1]) <= self.fraction(t)}
        return due[max(due)][0] if due else None

    def fact_returns(self) -> Mapping[str, tuple[float, float]]:
        """For each journey the lower and upper bound of its return, as shares of the incident."""
        return {m[1]: value for m, value in self._facts(_RETURN)}

    def _facts(self, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], tuple[float, float]]]:
        for name, span in self._expected.items():
            if m := pattern.fullmatch(name):
                yield m, span
