"""`chaos incident NAME`: what is known of an incident, where from, and what each fact is used for, in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.dossier import SURENESS, USES, Dossier, Fact, Span, Target, WhatIf, flat
from chaos.reports.words import value

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
    """`replays`: experiment → claim. At most `width` columns, with colours for a terminal or none for a pipe."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system="standard" if color else None, force_terminal=color,
        highlight=False, markup=False, emoji=False, legacy_windows=False, _environ={},
    )  # fmt: skip
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
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def document(dossier: Dossier, replays: Mapping[str, str]) -> dict[str, Any]:
    """The same for programs: the dossier's own fields, and which experiments replay it."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(dossier)
    return {**found, "replayed_by": dict(sorted(replays.items()))}


def head(dossier: Dossier) -> str:
    """Where and when, in half a line."""
    w = dossier.when
    lasted = w.outage_hours if w.outage_hours is not None else w.duration_hours
    parts = [dossier.where, f"onset {w.onset}", f"{hours(lasted)} h long" if lasted is not None else ""]
    return "; ".join(p for p in parts if p)


def hours(t: Span | None) -> str:
    return "" if t is None else f"{t:g}" if isinstance(t, int | float) else f"{t[0]:g} to {t[1]:g}"


def fact(target: Target) -> str:
    """What a run is set beside."""
    if target.formula is not None:
        return target.formula
    if target.value is None:
        return f"at least {target.at_least:g}"
    if isinstance(target.value, Mapping):
        return ", ".join(f"{name} {said}" for name, said in flat(target.value))
    return value(target.value)


def used(target: Target) -> str:
    """The use in words, with the settings it speaks of."""
    parts = [f"set {target.sets}; reproduced, never judged" if target.sets else USES[target.use]]
    if target.when:
        posture = target.when.get("posture")  # its other knobs are the posture's own
        parts.append(f"speaks of {posture} runs" if posture else f"speaks of {knobs(target.when)}")
    if target.driver:
        parts.append("not scaled")
    return "; ".join(parts)


def knobs(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={_setting(v)}" for k, v in settings.items())


def expected(what_if: WhatIf) -> str:
    """In words, with the figure where there is one and the words do not say it."""
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
    """A line each: name, title, experiments."""
    for dossier, replays in dossiers:
        by = f" (chaos run {', '.join(replays)})" if replays else ""
        yield f"{dossier.id:<20} {dossier.title}{by}"
