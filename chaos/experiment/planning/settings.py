"""Evaluates what an experiment's file writes with settings: conditions (`when`), slots (`${boot_lanes}`), and times."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.file import Condition
from chaos.experiment.planning.choices import Choices
from chaos.experiment.planning.problems import Problems
from chaos.units import duration

SLOT = re.compile(r"\$\{([^}]*)\}")


class Settings:
    """The settings of one plan. `scale` is incident seconds per run second."""

    def __init__(self, choices: Choices, scale: float, problems: Problems) -> None:
        self.choices, self.scale, self.problems = choices, scale, problems

    def applies(self, when: Condition, place: str) -> bool:
        """Return whether a condition holds for these settings. Reports unknown settings and impossible values."""
        if not isinstance(when, Mapping):
            self.problems.add(place, f"found {when!r:.80}, expected settings with their values, {{posture: remedied}}")
            return False
        settings = self.choices.settings
        for key, wanted in when.items():
            if key not in settings:
                self.problems.add(place, f"no setting called {key!r}; {registry.hint(key, settings)}")
            elif not values(wanted):
                self.problems.add(place, f"{key}: found no value, expected {self._expected(key)}")
            elif odd := [v for v in values(wanted) if not self._possible(key, v)]:
                self.problems.add(place, f"{key}: found {odd[0]!r}, expected {self._expected(key)}")
            elif settings[key] not in values(wanted):
                return False
        return True

    def _possible(self, key: str, value: Any) -> bool:
        """Return whether a setting can have this value. A condition with any other value would never hold."""
        if key == "posture":
            return value in (self.choices.postures or [self.choices.settings[key]])
        kinds = [float if type(v) is int else type(v) for v in (value, self.choices.settings[key])]
        return kinds[0] is kinds[1]

    def _expected(self, key: str) -> str:
        if key == "posture" and self.choices.postures:
            return f"one of {', '.join(self.choices.postures)}"
        return f"something like {self.choices.settings[key]!r}"

    def value(self, written: Any, place: str) -> Any:
        """Return the setting's value for a slot such as `${boot_lanes}`; return any other value unchanged."""
        if isinstance(written, str) and written.startswith("${") and written.endswith("}"):
            name = written[2:-1]
            if name not in self.choices.settings:
                self.problems.add(place, f"no setting called {name!r}; {registry.hint(name, self.choices.settings)}")
            return self.choices.settings.get(name)
        return written

    def filled(self, value: Any, place: str, inner: bool = False) -> Any:
        """Fill the slots of a value: `${exposure}` with that setting's value, `${23h}` with the time in run seconds.

        A value that is a single slot takes the setting as it is, or the time for its field to parse. In longer text,
        and inside mappings, slots are replaced by text.
        """
        if isinstance(value, Mapping):
            return {k: self.filled(v, f"{place}.{k}", inner=True) for k, v in value.items()}
        if not isinstance(value, str):
            return value
        whole = SLOT.fullmatch(value)
        if whole and not inner:
            return whole[1] if _is_time(whole[1]) else self.value(value, place)  # the field parses a time
        return SLOT.sub(lambda m: str(self._slot(m[1], place)), value)

    def _slot(self, name: str, place: str) -> Any:
        with contextlib.suppress(BadExperiment):
            return duration(name) / self.scale
        return self.value(f"${{{name}}}", place)

    def time(self, text: str, place: str) -> float:
        """Return a time of the file in run seconds. Reports a time that cannot be parsed."""
        return round(self.problems.read(duration, text, place) / self.scale, 6)

    def run_time(self, text: str, place: str) -> float:
        """Return a duration in run time, which is never scaled. Reports one that cannot be parsed."""
        return self.problems.read(duration, text, place)

    def lasting(self, text: str, place: str) -> float:
        """Return a time of the file in run seconds. Reports a time that cannot be parsed, or that is not above 0."""
        before = len(self.problems.found)
        seconds = self.time(text, place)
        if seconds <= 0 and len(self.problems.found) == before:
            self.problems.add(place, f"found {text}, expected a duration above 0 (a microsecond of the run at least)")
        return seconds


def _is_time(text: str) -> bool:
    with contextlib.suppress(BadExperiment):
        return duration(text) >= 0
    return False


def values(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list) else [wanted]
