"""`chaos incident NAME` in a terminal: the facts of an incident, with their sources, confidence and use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.incidents.dossier import SURENESS, USES, Dossier, Fact, Span, Target, WhatIf, flat
from chaos.report.words import value

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

TITLES: Mapping[str, str] = {
    "timeline_public": "What happened (hours after the onset)",
    "causes_public": "Causes",
    "controls_public": "What was not hurt, or came back sooner",
    "observed_public": "What people saw",
    "public": "What is on the public record",
}
STYLE: Mapping[str, str] = {"predict": "green", "control": "green", "calibrate": "cyan"}


def render(dossier: Dossier, replays: Mapping[str, str], *, width: int = 100, color: bool = False) -> str:
    """Return text of at most `width` columns, with colours if `color` is set. `replays` maps experiments to claims."""
    from chaos.report.sheet import Sheet

    console = Sheet(width, color)
    console.print(f"{dossier.id}: {dossier.title}", style="bold")
    console.print(head(dossier), style="dim")
    sections: dict[str, list[Fact]] = {}
    for section, one in dossier.facts():
        sections.setdefault(section, []).append(one)
    for section, facts in sections.items():
        told = [(hours(f.t) if f.t is not None else "", f.confidence, f.what, f.source) for f in facts]
        _print(console, _table(TITLES[section], ("", "", "", ""), told))
    _print(console, _table("Figures", ("", "", "", ""), [(s, name, said, src) for name, said, src, s in
                                                         dossier.figures()]))  # fmt: skip
    if dossier.mechanism_hypothesis:
        _said(console, "Mechanism, as we suppose it", [" ".join(dossier.mechanism_hypothesis.split())])
    _said(console, "Arms", [f"{name}: {text}" for name, text in dossier.arms.items()])
    targets = [(name.replace("_", " "), fact(t), t.use, used(t)) for name, t in dossier.targets.items()]
    _print(console, _table("Targets, and how each is used", ("target", "fact", "use", ""), targets))
    what_ifs = [(knobs(c.knobs), expected(c)) for c in dossier.counterfactuals]
    _print(console, _table("What would have helped", ("with", "is to be expected"), what_ifs))
    said = [f"chaos run {name}: {claim}" for name, claim in sorted(replays.items())]
    _said(console, "Replayed by", said or ["no experiment yet; one that says `incident: " + dossier.id + "` is"])
    _said(console, "Confidence", [f"{k} {v}" for k, v in SURENESS.items()])
    _said(console, "Sources", [*dossier.seeds, "and the public record where a section says so"])
    return console.written()


def document(dossier: Dossier, replays: Mapping[str, str]) -> dict[str, Any]:
    """Return the same for programs: the dossier's fields, and the experiments that replay it."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(dossier)
    return {**found, "replayed_by": dict(sorted(replays.items()))}


def head(dossier: Dossier) -> str:
    """Return the place, the onset and the length of the incident in a few words."""
    w = dossier.when
    lasted = w.outage_hours if w.outage_hours is not None else w.duration_hours
    parts = [dossier.where, f"onset {w.onset}", f"{hours(lasted)} h long" if lasted is not None else ""]
    return "; ".join(p for p in parts if p)


def hours(t: Span | None) -> str:
    return "" if t is None else f"{t:g}" if isinstance(t, int | float) else f"{t[0]:g} to {t[1]:g}"


def fact(target: Target) -> str:
    """Return the fact that a run is compared with, as text."""
    if target.formula is not None:
        return target.formula
    if target.value is None:
        return f"at least {target.at_least:g}"
    if isinstance(target.value, Mapping):
        return ", ".join(f"{name} {said}" for name, said in flat(target.value))
    return value(target.value)


def used(target: Target) -> str:
    """Return the target's use in words, with the settings that it applies to."""
    parts = [f"set {target.sets}; reproduced, never judged" if target.sets else USES[target.use]]
    if target.when:
        posture = target.when.get("posture")  # the other settings follow from it
        parts.append(f"speaks of {posture} runs" if posture else f"speaks of {knobs(target.when)}")
    if target.driver:
        parts.append("not scaled")
    return "; ".join(parts)


def knobs(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={_setting(v)}" for k, v in settings.items())


def expected(what_if: WhatIf) -> str:
    """Return the expected result in words. Its figure is added if the words do not contain it."""
    figure = what_if.formula if what_if.value is None else value(what_if.value)
    return what_if.expect if figure is None or figure in what_if.expect else f"{what_if.expect} ({figure})"


def _setting(v: Any) -> str:
    if isinstance(v, list | tuple):
        return "|".join(map(_setting, v))
    return str(v).lower() if isinstance(v, bool) else str(v)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table | None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return None
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False,
                  padding=(0, 2, 0, 0), show_header=any(columns))  # fmt: skip
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=STYLE.get(cell, "")) for cell in row))
    return table


def _print(console: Console, table: Table | None) -> None:
    if table is not None:
        console.print(table)


def _said(console: Console, title: str, lines: Sequence[str]) -> None:
    from rich.padding import Padding

    if lines:
        console.print(f"\n{title}", style="bold")
        for line in lines:
            console.print(Padding(line, (0, 0, 0, 2)))


def listing(dossiers: Sequence[tuple[Dossier, Sequence[str]]]) -> Iterator[str]:
    """Yield a line for each dossier: its name, its title, and the experiments that replay it."""
    for dossier, replays in dossiers:
        by = f" (chaos run {', '.join(replays)})" if replays else ""
        yield f"{dossier.id:<20} {dossier.title}{by}"
