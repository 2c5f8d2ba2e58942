"""Compares runs: what differs between them, and for each who was affected, what was lost, how long it took.

Everything is a function of the runs' files. `document` returns it as one JSON value, from which all output is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import fmean
from typing import Any

from chaos.errors import BadExperiment
from chaos.judge.judgement import Judgement
from chaos.judge.measures.answers import Answer, answers, tolerant
from chaos.record.findings import Rates, Writes
from chaos.record.journal import Journal

STRIP = 48  # bins of a run's success over time

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """One run of a comparison."""

    journal: Journal
    judgement: Judgement

    @property
    def run(self) -> str:
        return self.judgement.run or self.journal.plan.experiment

    @property
    def settings(self) -> Mapping[str, Any]:
        p = self.journal.plan
        return {**p.settings, "seed": p.seed, "target": p.target}


def document(arms: Sequence[Arm], anyway: bool = False) -> Document:
    """The whole comparison. The first run is the reference for the others.

    Raises BadExperiment for fewer than two runs, and for runs whose differences could not be attributed to a knob:
    other experiments, loads or scales. `anyway` turns these errors into warnings.
    """
    if len(arms) < 2:
        raise BadExperiment(f"found {len(arms)} run, expected two or more: chaos compare RUN RUN…")
    if (wrong := list(_unlike(arms))) and not anyway:
        raise BadExperiment(*wrong, "such runs do not show what a knob does; --anyway compares them anyway")
    varies = _varying(arms)
    runs = [_run(name, arm, varies) for name, arm in zip(_letters(), arms, strict=False)]
    for run, strip in zip(runs, _strips(arms), strict=True):
        run["strip"] = strip
    plan = arms[0].journal.plan
    return {
        "experiment": plan.experiment,
        "claim": plan.claim,
        "load": {"users": plan.load.count, "rate": plan.load.rate},
        "scale": plan.scale,
        "short": plan.short,
        "same": {k: v for k, v in arms[0].settings.items() if k not in varies and k != "short"},
        "varies": varies,
        "warnings": [*wrong, *_doubts(arms)],
        "journeys": _journeys(runs),
        "runs": runs,
        "against_first": [_against(runs[0], run) for run in runs[1:]],
        "effects": _effects(runs, varies),
        "span": _span(arms),
    }


# --- whether they can be compared


def _unlike(arms: Sequence[Arm]) -> Iterator[str]:
    """Reasons why the comparison is meaningless, as text."""
    first = arms[0]

    def asked(arm: Arm) -> Mapping[str, Any]:
        p = arm.journal.plan
        form = "short" if p.short else "full"
        return {"experiment": p.experiment, "load": p.load.said, "scale": f"{p.scale:g}", "form": form}

    for arm in arms[1:]:
        for what, value in asked(arm).items():
            if value != (wanted := asked(first)[what]):
                yield f"{arm.run}: its {what} is {value}; expected {wanted}, as {first.run} has"


def _doubts(arms: Sequence[Arm]) -> Iterator[str]:
    """Caveats for the reader."""
    seeds = sorted({a.journal.plan.seed for a in arms})
    if len(seeds) > 1:
        yield f"the seeds differ ({', '.join(map(str, seeds))}): part of a difference may be chance"
    targets = sorted({a.journal.plan.target for a in arms})
    if len(targets) > 1:
        yield f"the targets differ ({', '.join(targets)}): part of a difference may be the machine's"
    for arm in arms:
        if arm.judgement.verdict.value in ("INCONCLUSIVE", "ERROR", "DIRTY"):
            yield f"{arm.run} is {arm.judgement.verdict.value}: its measurements are not reliable"


def _varying(arms: Sequence[Arm]) -> list[str]:
    """Settings in which the runs differ, including seed and target."""
    names = dict.fromkeys(["posture", *(k for a in arms for k in a.settings if k != "short")])
    return [k for k in names if len({repr(a.settings.get(k)) for a in arms}) > 1]


# --- the results


def _run(name: str, arm: Arm, varies: Sequence[str]) -> dict[str, Any]:
    m = arm.judgement.measures
    writes = m.delivery
    rpos = [r for r in m.rpo_s.values() if r is not None]
    rto, during = m.rto_s, {j: a.during for j, a in m.availability.items()}
    failed = {j: _since(a) for j, a in m.availability.items()}
    if not arm.journal.plan.load.present:  # probes stand in the place of journeys
        rto, during = m.probe_rto_s, {name: a.during for name, a in m.probe_availability.items()}
        failed = {p.name: _bad(answers(arm.journal, p).since) for p in tolerant(arm.journal)}
    hurt = [j for j, s in rto.items() if s != 0.0]
    away = [rto[j] for j in hurt]
    since = failed.values()
    return {
        "name": name,
        "run": arm.run,
        "knobs": {k: arm.settings.get(k) for k in varies},
        "verdict": arm.judgement.verdict.value,
        "expected_failures": arm.judgement.expected_failures,
        "hurt": sorted(hurt),
        "failed": sum(n for n, _ in since),
        "operations": sum(n for _, n in since),
        "longest_s": None if None in away else max((s for s in away if s is not None), default=0.0),
        "success_during": during,
        "failed_by": {j: n for j, (n, _) in failed.items()},
        "rto_s": dict(rto),
        "return_fraction": dict(m.return_fraction or {}),
        "delivery": _writes(writes) if writes else {},
        "rpo_s": max(rpos) if rpos else None,
        "added": {name: value for a in m.added.values() for name, value in a.named.items()},
    }


def _bad(found: Sequence[Answer]) -> tuple[int, int]:
    return sum(not a.ok for a in found), len(found)


def _writes(d: Writes) -> dict[str, int]:
    return {"acked": d.acked, "lost": d.lost, "ghost": d.ghost, "duplicated": d.duplicated}


def _since(a: Rates) -> tuple[int, int]:
    """(failed, all) operations of a journey since the first fault."""
    shares = ((a.counts.during, a.during), (a.counts.after, a.after))
    return sum(round(n * (1 - share)) for n, share in shares if share is not None), a.counts.since


def _journeys(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The journeys, those with the longest outage in any run first."""
    worst: dict[str, int] = {}
    for run in runs:
        for j, n in run["failed_by"].items():
            worst[j] = max(worst.get(j, 0), n)
    return sorted(worst, key=lambda j: (-worst[j], j))


def _against(first: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Differences to the first run; None if a value is unknown or "never"."""
    per = ("success_during", "failed_by", "rto_s", "return_fraction")
    found: dict[str, Any] = {k: {j: _minus(run[k].get(j), v) for j, v in first[k].items()} for k in per}
    found |= {k: _minus(run[k], first[k]) for k in ("failed", "longest_s", "rpo_s")}
    found["lost"] = _minus(run["delivery"].get("lost"), first["delivery"].get("lost"))
    return {"name": run["name"], **found}


def _minus(value: Any, other: Any) -> Any:
    return None if value is None or other is None else round(value - other, 6)


def _effects(runs: Sequence[Mapping[str, Any]], varies: Sequence[str]) -> list[dict[str, Any]]:
    """For each knob: the mean over all runs with the same value of it, whatever the other knobs were.

    Knobs that only changed together are treated as one, because these runs cannot separate them.
    """
    together: dict[tuple[int, ...], list[str]] = {}
    for knob in varies:
        values = [repr(r["knobs"][knob]) for r in runs]
        together.setdefault(tuple(values.index(v) for v in values), []).append(knob)
    found = []
    for pattern, knobs in together.items():  # a run's number there is that of the first run with its value
        groups = [[run for run, n in zip(runs, pattern, strict=True) if n == first] for first in sorted(set(pattern))]
        found.append({"knobs": knobs, "values": [_mean_of(group, knobs) for group in groups]})
    return found


def _mean_of(group: Sequence[Mapping[str, Any]], knobs: Sequence[str]) -> dict[str, Any]:
    return {
        "value": [group[0]["knobs"][k] for k in knobs],
        "runs": len(group),
        "failed": round(fmean(r["failed"] for r in group), 1),
        "hurt": round(fmean(len(r["hurt"]) for r in group), 1),
        "longest_s": _mean([r["longest_s"] for r in group]),
        "lost": _mean([r["delivery"].get("lost") for r in group]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(fmean(known), 3) if len(known) == len(values) else None


# --- over time


def _span(arms: Sequence[Arm]) -> list[float]:
    """One time axis for all runs: from the shortest steady phase to the longest load, in run seconds."""
    begin = max(-a.journal.plan.steady for a in arms)
    return [begin, max(max([t for t, _ in _replies(a)], default=begin + 1.0) for a in arms)]


def _strips(arms: Sequence[Arm]) -> list[list[float | None]]:
    """Share of operations that succeeded, over equal times; None if a run had no users then."""
    begin, end = _span(arms)
    width = max(end - begin, 1e-6) / STRIP
    found = []
    for arm in arms:
        bins = [[0, 0] for _ in range(STRIP)]
        for t, ok in _replies(arm):
            if begin <= t:
                cell = bins[min(int((t - begin) / width), STRIP - 1)]
                cell[0] += ok
                cell[1] += 1
        found.append([round(ok / n, 4) if n else None for ok, n in bins])
    return found


def _replies(arm: Arm) -> Iterator[tuple[float, bool]]:
    """When each operation was due and whether it succeeded; without a load, the answers to probes."""
    if arm.journal.plan.load.present:
        yield from ((op.t, op.ok) for _, op in arm.journal.operations())
    else:
        yield from ((a.t, a.ok) for p in tolerant(arm.journal) for a in answers(arm.journal, p).all)


def _letters() -> Iterable[str]:
    """A, B, … Z, A1, B1, …"""
    return (chr(ord("A") + k % 26) + (str(k // 26) if k >= 26 else "") for k in count())
