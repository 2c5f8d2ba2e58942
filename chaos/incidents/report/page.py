"""Renders docs/incidents/NAME.md: the facts with their sources, the mechanism, and the facts compared with runs.

The tables depend only on the dossier and on the files of runs. Text between markers is written by hand, and is kept
when the page is generated again.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from chaos.incidents.dossier import SURENESS, USES, Dossier
from chaos.incidents.report.dossier import TITLES, expected, fact, head, hours, knobs, used
from chaos.judge.judgement import Judgement
from chaos.record.findings import FactRow
from chaos.record.journal import Journal
from chaos.report import words
from chaos.safe import Marked, code, markdown

HAND: Mapping[str, str] = {
    "mechanism": "The mechanism as we model it",
    "limits": "What the toy cannot show",
}
_KEPT = re.compile(r"<!-- by hand: (\w+) -->\n(.*?)\n<!-- end -->", re.DOTALL)
UNWRITTEN = "Nobody has written this yet. Write here; `chaos incident NAME --page` keeps what stands between the marks."

Played = tuple[Journal, Judgement]


def by_hand(page: str) -> Mapping[str, str]:
    """Return the handwritten texts of a page, by the names of their markers."""
    return {name: text.strip() for name, text in _KEPT.findall(page)}


def render(dossier: Dossier, played: Sequence[Played], replays: Mapping[str, str], hand: Mapping[str, str]) -> str:
    """Return the page as Markdown. `replays` maps experiments to claims, `hand` names in HAND to handwritten texts."""
    names = labels(played)
    parts = [
        f"# {markdown(dossier.title)}",
        f"*{markdown(dossier.id)}*. {markdown(head(dossier))}. Facts: {code(f'seeds/{dossier.id}.yaml')}.",
        f"Written by {code(command(dossier, played))}; write by hand between the marks only.",
        "## What is known",
        *_facts(dossier),
        *_by_hand("mechanism", hand),
        "## The facts beside the runs",
        *_beside(dossier, played, names, replays),
        "## What would have helped",
        table(
            ("with", "expected"),
            [(knobs(c.knobs), expected(c)) for c in dossier.counterfactuals],
        ),
        *_by_hand("limits", hand),
    ]  # fmt: skip
    return "\n\n".join(_wrapped(part) for part in parts if part) + "\n"


def _wrapped(part: str) -> str:
    """Wrap a paragraph at 120 columns. Tables, headings and handwritten texts are returned unchanged."""
    if part.startswith(("|", "#", "<!--")):
        return part
    return textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False)


def command(dossier: Dossier, played: Sequence[Played]) -> str:
    return " ".join(["chaos incident", dossier.id, "--page", *(judgement.run for _, judgement in played)])


def labels(played: Sequence[Played]) -> list[str]:
    """Return labels that distinguish the runs: by posture, else by experiment, by settings that differ, or by name."""
    plans = [journal.plan for journal, _ in played]
    knobs = sorted({k for p in plans for k in p.settings})
    differ = [k for k in knobs if len({str(p.settings.get(k)) for p in plans}) > 1]
    ways = (
        [f"{p.posture or p.experiment} run" for p in plans],
        [f"{p.experiment} run" for p in plans],
        [", ".join(f"{k}={words.value(p.settings.get(k))}" for k in differ) for p in plans],
    )
    return next((way for way in ways if len(set(way)) == len(way)), [judgement.run for _, judgement in played])


def _facts(dossier: Dossier) -> Iterator[str]:
    sections: dict[str, list[tuple[str, ...]]] = {}
    for section, f in dossier.facts():
        timed = (hours(f.t),) if section == "timeline_public" else ()
        sections.setdefault(section, []).append((*timed, f.what, f.confidence, f.source))
    for section, rows in sections.items():
        timed = ("hours",) if section == "timeline_public" else ()
        yield f"**{TITLES[section]}**"
        yield table((*timed, "fact", "confidence", "source"), rows)
    if figures := list(dossier.figures()):
        yield "**Figures**"
        yield table(("what", "figure", "confidence", "source"), [(n, v, c, s) for n, v, s, c in figures])
    yield "Confidence: " + "; ".join(f"{k} {v}" for k, v in SURENESS.items()) + "."
    yield "Founding articles: " + markdown(", ".join(dossier.seeds)) + "."


def _by_hand(name: str, hand: Mapping[str, str]) -> Iterator[str]:
    yield f"## {HAND[name]}"
    yield f"<!-- by hand: {name} -->\n{hand.get(name) or UNWRITTEN}\n<!-- end -->"


def _beside(
    dossier: Dossier, played: Sequence[Played], names: Sequence[str], replays: Mapping[str, str]
) -> Iterator[str]:
    yield "How a fact may be used: " + "; ".join(f"**{use}** {text}" for use, text in USES.items()) + "."
    if not played:
        rows = [(n, t.use, fact(t), used(t)) for n, t in dossier.targets.items()]
        yield table(("fact", "use", "value", "so"), rows)
        known = ", ".join(code(f"chaos run {name}") for name in sorted(replays)) or "no experiment of this checkout"
        writes = code(f"{command(dossier, played)} RUN RUN")
        yield f"There is no run on this page yet. Replayed by: {known}; then {writes}."
        return
    yield table(("fact", "use", "value", *names), list(_targets(dossier, played)))
    yield "A dash: the fact does not apply to a run with these settings."
    yield "**Users, by journey: how long each was down (failed operations, of all in that time)**"
    yield table(("journey", *names), list(_journeys(played)))
    yield "**The runs**"
    yield table(
        ("run", "experiment", "target", "seed", "settings", "operations", "verdict", "again"),
        [_run(n, x) for n, x in zip(names, played, strict=True)],
    )


def _targets(dossier: Dossier, played: Sequence[Played]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each target: those of the dossier in its order, then the counterfactuals that a run shows."""
    found = [{row.name: row for row in judgement.facts} for _, judgement in played]
    more = sorted({name for rows in found for name in rows} - set(dossier.targets))
    for name in [*dossier.targets, *more]:
        here = [rows.get(name) for rows in found]
        row = next((r for r in here if r), None)
        target = dossier.targets.get(name)
        use = row.use if row else target.use if target else ""
        said = fact(target) if target else words.value(row.fact) if row else ""
        yield (name, use, said, *map(_measured, here))


def _measured(row: FactRow | None) -> str:
    if row is None:
        return words.NONE
    if not row.shown:
        return f"not shown: {row.note}"
    if row.measured is None and row.holds is None:
        return words.standing(row)
    if isinstance(row.measured, list) and row.measured and isinstance(row.measured[0], list | tuple):
        measured = " < ".join(str(name) for name, _ in row.measured)
    else:
        measured = words.value(row.measured)
    note = f" ({row.note})" if row.note else ""
    return Marked(f"{markdown(measured)}: **{words.standing(row)}**{markdown(note)}")


def _journeys(played: Sequence[Played]) -> Iterator[tuple[str, ...]]:
    used_by = dict.fromkeys(j for _, judgement in played for j in words.most_used(judgement))
    for journey in used_by:
        yield (journey, *(_away(journal, judgement, journey) for journal, judgement in played))
    yield ("acknowledged writes lost", *(_lost(judgement) for _, judgement in played))


def _away(journal: Journal, judgement: Judgement, journey: str) -> str:
    m = judgement.measures
    if journey not in m.rto_s:
        return "not used"
    rto, o = m.rto_s[journey], m.outage.get(journey)
    if o is None:
        return "not touched"
    counted = f"({o.failed:,} of {o.of:,})"
    if rto is None:
        return f"never back {counted}"
    return f"{words.incident_time(rto, journal.plan.scale)} {counted}"


def _lost(judgement: Judgement) -> str:
    d = judgement.measures.delivery
    return f"{d.lost:,} of {d.acked:,}" if d else "nothing was read back"


def _run(name: str, x: Played) -> tuple[str, ...]:
    journal, judgement = x
    n = sum(a.n for a in judgement.measures.availability.values())
    p = journal.plan
    scale = f", 1 s is {words.incident_time(1, p.scale)}" if p.scale != 1 else ""
    return (
        f"{judgement.run} ({name})", p.experiment, f"{p.target}{scale}", str(p.seed), words.settings(journal),
        f"{n:,}", judgement.verdict.value, code(words.again(journal), cell=True),
    )  # fmt: skip


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; "" without rows. Cells are escaped, so that their text is never read as markup."""
    if not rows:
        return ""
    head, *body = [[markdown(cell) for cell in row] for row in (columns, *rows)]
    lines: list[Sequence[str]] = [head, ["---"] * len(columns), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
