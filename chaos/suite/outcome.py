"""What came of one run of a suite, and of all of them: read from the run's findings.json, or from how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chaos.model import Verdict
from chaos.playing import INTERRUPTED, Played
from chaos.suite.file import Play

HALTED = 75
_BY_CODE = {v.exit_code: v for v in Verdict}


@dataclass(frozen=True)
class Outcome:
    """One run. `document` is its findings.json, {} where there is none; `why` says in words what kept it from one."""

    play: Play
    verdict: Verdict
    seconds: float = 0.0
    run: Path | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    checks: tuple[str, ...] = ()  # ids of the plan's checks, NAME-N: N is the place in the experiment's file

    @property
    def findings(self) -> Sequence[Mapping[str, Any]]:
        return list(self.document.get("findings", ()))

    @property
    def measures(self) -> Mapping[str, Any]:
        return dict(self.document.get("measures", {}))


def outcome(play: Play, played: Played) -> Outcome:
    """A run that wrote no findings is an ERROR unless its exit code says something better known."""
    found = _read(played.run, "findings.json")
    found = found if "verdict" in found else {}
    checks = tuple(spec["id"] for spec in _read(played.run, "plan.json").get("checks", ()))
    verdict = Verdict(found["verdict"]) if found else _BY_CODE.get(played.code, Verdict.ERROR)
    if not found and verdict is Verdict.PASS:
        verdict = Verdict.ERROR  # nothing is PASS by absence
    if found and played.code not in (verdict.exit_code, INTERRUPTED):
        verdict |= _BY_CODE.get(played.code, Verdict.ERROR)
    why = ""
    if played.over:
        why = f"over its budget of {play.budget:g} s: it was ended, and healed"
        verdict |= Verdict.INCONCLUSIVE
    elif played.code == INTERRUPTED:
        why = "interrupted"
        verdict |= Verdict.INCONCLUSIVE
    elif not found:
        why = " · ".join(played.said[-3:]) or f"it ended with exit code {played.code} and said nothing"
    return Outcome(play, verdict, played.seconds, played.run, found, why, checks)


def left_out(play: Play, why: str) -> Outcome:
    """A run that was never begun says nothing."""
    return Outcome(play, Verdict.INCONCLUSIVE, why=why)


def worst(outcomes: Sequence[Outcome]) -> Verdict:
    return Verdict.worst(o.verdict for o in outcomes)


def _read(run: Path | None, name: str) -> Mapping[str, Any]:
    """{} where it is not there or makes no sense: a run that was cut off."""
    if run is None:
        return {}
    try:
        found = msgspec.json.decode((run / name).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}
