"""Trends and spreads for a terminal and for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from chaos.report.trend.rank import EXACT, least
from chaos.report.trend.series import ALPHA, MATTERS, Flakiness, Run, Trend

BARS = "▁▂▃▄▅▆▇█"
NEVER, ABSENT = "x", "·"
WIDEST = 40  # maximum number of runs in a line of bars; the newest are shown


def sparkline(values: Sequence[float | None]) -> str:
    """One symbol for each run, the oldest first: bars from lowest to highest, x for never, a dot for not measured."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)

    def sign(value: float | None) -> str:
        if value is None:
            return ABSENT
        if math.isinf(value):
            return NEVER
        return BARS[0] if high == low else BARS[round((value - low) / (high - low) * (len(BARS) - 1))]

    return "".join(map(sign, values))


def render(experiment: str, older: Sequence[Run], newer: Sequence[Run], trends: Sequence[Trend], note: str) -> str:
    return "\n".join(_lines(experiment, older, newer, trends, note)) + "\n"


def _lines(
    experiment: str, older: Sequence[Run], newer: Sequence[Run], trends: Sequence[Trend], note: str
) -> Iterator[str]:
    yield f"{experiment}: {len(newer)} newer runs against {len(older)} of the baseline ({newer[0].kind})"
    yield f"  baseline {older[0].when} to {older[-1].when}, newer {newer[0].when} to {newer[-1].when} (UTC)"
    if note:
        yield f"  {note}"
    yield ""
    width = max((len(t.name) for t in trends), default=0)
    strip = min(WIDEST, len(older) + len(newer)) + 1
    yield f"  {'measure':<{width}}  {'runs':<{strip}}  {'before':>9}  {'now':>9}  {'p':>7}  {'q':>7}"
    for t in trends:
        mark = "!" if t.regressed else "+" if t.improved else " "
        bars = f"{sparkline([*t.older, *t.newer][-WIDEST:])}"
        cut = max(0, len(bars) - len(t.newer))
        bars = f"{bars[:cut]}|{bars[cut:]}"
        before, after = t.medians
        cells = f"{figure(t.name, before):>9}  {figure(t.name, after):>9}  {_p(t.p):>7}  {_p(t.q):>7}"
        yield f"{mark} {t.name:<{width}}  {bars:<{strip}}  {cells}"
    yield ""
    yield from statement(len(newer), len(older), trends)


def statement(n: int, m: int, trends: Sequence[Trend]) -> Iterator[str]:
    """The test, its parameters, and its result."""
    tested = sum(t.p is not None for t in trends)
    how = "exact" if n + m <= EXACT else "by the normal approximation"
    yield (f"Mann-Whitney U, one-sided (worse), {how}, n = {n} against m = {m}; {tested} measures tested, q by "
           f"Benjamini-Hochberg; flagged: q <= {ALPHA:g} and a median moved by more than {MATTERS:.0%} (availability: "
           f"what failed). Of histories without a change at most {ALPHA:.0%} are flagged.")  # fmt: skip
    if least(n, m) > ALPHA:
        yield f"Too few runs to flag anything: the lowest p is {least(n, m):.3f}. Run more of them."
    elif least(n, m) * tested > ALPHA:
        yield (f"Too few runs to flag a single measure among {tested} (the lowest p is {least(n, m):.4f}): run "
               "more, or ask for fewer with --measure.")  # fmt: skip
    for t in trends:
        if t.never and t.occurred:
            yield f"May never happen, but did in {t.occurred} of {n} newer runs: {t.name}"
        if t.vanished:
            yield f"No newer run has it, so it may be worse: {t.name}"
    if better := [t.name for t in trends if t.improved]:
        yield f"Better than the baseline (+): {', '.join(better)}"
    worse = [t.name for t in trends if t.regressed]
    yield f"Worse than the baseline: {', '.join(worse)}" if worse else "No regression is shown."


def figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if math.isinf(value):
        return "never"
    if name == "verdict":
        return ("PASS", "INCONCL.", "FAIL", "ERROR", "DIRTY")[round(value)]
    if name.startswith(("availability", "probe_availability")) and not name.endswith((".n", ".bad", ".unseen")):
        return f"{value:.2%}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def flaky(experiment: str, found: Sequence[Flakiness]) -> str:
    """The results of repeated runs with the same seed."""
    return "\n".join(line for one in found for line in _flaky(experiment, one)) + "\n"


def _flaky(experiment: str, one: Flakiness) -> Iterator[str]:
    said = ", ".join(f"{n} {verdict}" for verdict, n in one.verdicts.items())
    yield f"{experiment} seed {one.seed} ({one.kind}): {one.runs} runs, {said}; agreement {one.agreement:.0%}"
    width = max((len(s.name) for s in one.spreads), default=0)
    yield f"  {'measure':<{width}}  {'least':>9}  {'median':>9}  {'most':>9}  {'spread':>7}"
    for s in one.spreads:
        spread = "-" if s.relative is None else f"{s.relative:.0%}"
        cells = "  ".join(f"{figure(s.name, v):>9}" for v in (s.least, s.median, s.most))
        yield f"  {s.name:<{width}}  {cells}  {spread:>7}  {sparkline(s.values[-WIDEST:])}"


def document(experiment: str, older: Sequence[Run], newer: Sequence[Run], trends: Sequence[Trend]) -> dict[str, Any]:
    """For programs. "never" is the text `never`, because JSON has no infinity."""
    return {
        "experiment": experiment,
        "kind": newer[0].kind,
        "baseline": [run.path for run in older],
        "newer": [run.path for run in newer],
        "test": {
            "name": "Mann-Whitney U", "sided": "one (worse)", "exact": len(older) + len(newer) <= EXACT,
            "n": len(newer), "m": len(older), "alpha": ALPHA, "moved": MATTERS, "adjusted": "Benjamini-Hochberg",
            "family_wise": ALPHA, "availability": "the share that failed",
            "least_p": least(len(newer), len(older)),
        },
        "measures": [
            {
                "name": t.name, "baseline": _plain(t.older), "newer": _plain(t.newer), "worse": t.direction,
                "medians": _plain(t.medians), "p": t.p, "q": t.q, "regressed": t.regressed, "never": t.never,
                "vanished": t.vanished,
                "p_better": t.p_better, "q_better": t.q_better, "improved": t.improved,
            }
            for t in trends
        ],
        "regressed": [t.name for t in trends if t.regressed],
        "improved": [t.name for t in trends if t.improved],
    }  # fmt: skip


def flaky_document(experiment: str, found: Sequence[Flakiness]) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "groups": [
            {
                "kind": one.kind, "seed": one.seed, "runs": one.runs, "verdicts": one.verdicts,
                "agreement": one.agreement,
                "measures": {s.name: {"values": _plain(s.values), "spread": s.relative} for s in one.spreads},
            }
            for one in found
        ],
    }  # fmt: skip


def _plain(values: Sequence[float | None]) -> list[float | str | None]:
    return ["never" if v is not None and math.isinf(v) else v for v in values]
