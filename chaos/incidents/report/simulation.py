"""`chaos simulate` in a terminal: the curves, the services, the facts compared with them, and all inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos.incidents.dossier import Dossier
from chaos.incidents.report.beside import Beside
from chaos.incidents.simulation.model import Result
from chaos.report import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BARS = " ▁▂▃▄▅▆▇█"
STRIP = 64  # characters of a strip
STYLE = {"as predicted": "green", "untouched": "green", "reproduced": "cyan", "MISSED": "bold red",
         "NOT reproduced": "yellow"}  # fmt: skip

NOT_MODELLED = (
    "demand is the same at every hour, and whoever loses the connection wants it back",
    "what finds room is drawn at random: nothing is shed, nobody is preferred",
    "a boot unit comes back whole and in order; no server fails to boot, no disk is lost",
    "one crowd of users, on one service; the others are only away or back",
)


@dataclass(frozen=True)
class Told:
    """One simulation with everything that its reports show. `given` is the name, value and source of each input."""

    dossier: Dossier
    result: Result
    rows: Sequence[Beside]
    given: Sequence[tuple[str, Any, str]]
    what_if: Sequence[tuple[str, Any, Result]]
    seed: int
    again: str


def render(told: Told, *, width: int = 120, color: bool = False) -> str:
    """Return text of at most `width` columns, with colours if `color` is set."""
    from chaos.report.sheet import Sheet

    console = Sheet(width, color)
    s = told.result.scene
    sizes = f"{s.servers:,} servers, {s.users:,} users, {s.hours:g} h"
    console.print(f"{told.dossier.id}, simulated: {sizes}", style="bold")
    console.print("A computation, not a run: nothing was started, nothing was broken.\n", style="dim")
    for line in strips(told.result):
        console.print(line, soft_wrap=True)
    console.print(_table("By the hour", COLUMNS, hourly(told)))
    console.print(_table("Services", SERVICES, services(told.result)))
    console.print(_table("The facts beside the simulation", FACTS, facts(told)))
    console.print(_table("The surge", ("", ""), surge(told.result)))
    if told.what_if:
        console.print(_table("What if", WHAT_IF, what_if(told)))
    console.print(_table("What it stands on", ("", "", "from"), [(n, short(v), src) for n, v, src in told.given]))
    _said(console, "Not modelled", NOT_MODELLED)
    console.print(f"\nSeed    {told.seed}\nAgain   {told.again}", soft_wrap=True)
    return console.written()


def document(told: Told) -> dict[str, Any]:
    """Return everything for programs: by hour, by service and by fact."""
    r = told.result
    c = r.curve
    return {
        "incident": told.dossier.id,
        "seed": told.seed,
        "again": told.again,
        "given": [{"name": n, "value": v, "source": s} for n, v, s in told.given],
        "not_modelled": list(NOT_MODELLED),
        "hours": [
            {
                "hour": h,
                "servers_up": round(r.servers_at(h) * r.scene.servers),
                "capacity": round(c.capacity[h], 4),
                "connected": round(c.connected[h], 6),
                "served": round(c.served[h], 6),
                "failed": round(c.failed[h], 6),
                "attempts_per_s": round(c.attempts[h], 1),
                "third_party": round(r.third_party[h], 4),
            }
            for h in range(len(c.connected))
        ],
        "services": {
            name: {"lost": _round(r.lost[name]), "back": _round(r.back[name]), "elsewhere": r.elsewhere[name]}
            for name in r.back
        },
        "facts": [
            {"name": b.name, "use": b.use, "fact": b.fact, "simulated": b.measured, "holds": b.holds, "note": b.note}
            for b in told.rows
        ],
        "surge": {
            "peak_attempts_per_s": round(c.peak_attempts, 1),
            "peak_load": round(c.peak_load, 3),
            "well_at": _round(c.well),
        },
        "what_if": [{"knob": k, "value": v, **_effect(r)} for k, v, r in told.what_if],
    }


def strips(result: Result) -> Iterator[str]:
    """Yield a line for each curve over the whole incident. A full bar is 100 %, a blank is 0 %."""
    c = result.curve
    most = max(c.attempts, default=0.0) or 1.0
    curves: Mapping[str, Sequence[float]] = {
        "servers up": [result.servers_at(h) for h in result.hours],
        "users connected": c.connected,
        "users served": c.served,
        f"connects, of {most:,.0f}/s": [a / most for a in c.attempts],
        "third-party users in": result.third_party,
    }
    for name, values in curves.items():
        yield f"{name:<24}{strip(values)}"
    for name in sorted(result.back, key=lambda n: (result.back[n], n)):
        well = [0.0 if any(start <= h < end for start, end in result.dark[name]) else 1.0 for h in result.hours]
        yield f"{name:<24}{strip(well)}"
    yield f"{'hours':<24}{_axis(result.scene.hours)}"


def strip(values: Sequence[float]) -> str:
    """Return a bar for the mean of each bin. Only 100 % is a full bar, and any value above 0 is visible."""
    width = len(values) / STRIP
    bins = [values[int(k * width) : max(int((k + 1) * width), int(k * width) + 1)] for k in range(STRIP)]
    return "".join(_bar(sum(b) / len(b)) for b in bins)


def _bar(v: float) -> str:
    return BARS[8] if v >= 1 - 1e-3 else BARS[0] if v <= 1e-6 else BARS[1 + min(int(v * 7), 6)]


def _axis(hours: float) -> str:
    marks = [" "] * (STRIP + 8)
    for h in range(0, int(hours) + 1, 24):
        at = int(h / hours * STRIP)
        marks[at : at + len(str(h))] = list(str(h))
    return "".join(marks)


COLUMNS = ("hour", "servers up", "capacity", "connected", "served", "failed", "connects/s", "third-party in", "fact")


def hourly(told: Told) -> Iterator[tuple[str, ...]]:
    """Yield a row for hour 0, for each hour with a fact in the timeline, and for three hours of the surge."""
    r, c = told.result, told.result.curve
    facts: dict[float, list[str]] = {}
    for f in told.dossier.timeline_public:
        facts.setdefault(f.begins, []).append(f.what)
    back = math.ceil(r.back[r.scene.crowd]) if math.isfinite(r.back[r.scene.crowd]) else 0
    for t in sorted({0.0, *facts, *map(float, range(back + 1, back + 4))}):
        h = min(math.ceil(t), r.hours[-1])  # users are counted over the hour that ends there
        yield (
            f"{t:g}", f"{r.servers_at(t) * r.scene.servers:,.0f}", f"{c.capacity[h]:.2f}", f"{c.connected[h]:.1%}",
            f"{c.served[h]:.1%}", f"{c.failed[h]:.1%}", f"{c.attempts[h]:,.0f}", f"{r.third_party[h]:.1%}",
            "; ".join(facts.get(t, [])),
        )  # fmt: skip


SERVICES = ("service", "lost at", "back at", "of the outage", "where")


def services(result: Result) -> Iterator[tuple[str, ...]]:
    for name, back in sorted(result.back.items(), key=lambda x: (x[1], x[0])):
        lost = result.lost[name]
        if lost is None:
            yield name, "never", words.NONE, words.NONE, "needs nothing of the site"
        elif not math.isfinite(back):
            yield name, f"{lost:.2f} h", "never", words.NONE, words.NONE
        else:
            where = "at other sites" if result.elsewhere[name] else "with its boot unit"
            yield name, f"{lost:.2f} h", _hours(back), f"{back / result.scene.hours:.4f}", where


FACTS = ("fact of the incident", "fact", "simulated", "so", "")


def facts(told: Told) -> Iterator[tuple[str, ...]]:
    for row in told.rows:
        yield row.name.replace("_", " "), words.value(row.fact), _measured(row), row.standing, row.note


def surge(result: Result) -> Iterator[tuple[str, str]]:
    c, s = result.curve, result.scene
    normal = s.users * s.ops_per_user_hour / 3600
    yield "normal load", f"{normal:,.0f} operations/s"
    yield "most asked for at once", f"{c.peak_load:.2f} times the normal load"
    yield "most tries to connect", f"{c.peak_attempts:,.0f}/s; one costs {s.reconnect_cost:.2f} operations"
    yield "capacity of the other sites", f"{s.spare_capacity:.2f} times the normal load"
    yield "99 % of what users want is served from", _well(c.well)


WHAT_IF = ("knob", "value", "half up", "all servers up", "failed after the return", "not served", "users well from",
           "most asked for")  # fmt: skip


def what_if(told: Told) -> Iterator[tuple[str, ...]]:
    for knob, v, r in told.what_if:
        e = _effect(r)
        well = _well(e["well_at"])
        after = (e["failed_after_return"], e["not_served_after_return"])
        shares = [words.NONE if share is None else f"{share:.1%}" for share in after]
        half, last = r.up[len(r.up) // 2], r.up[-1]
        yield knob, words.value(v), _hours(half), _hours(last), *shares, well, f"{e['peak_load']:.1f} times"


def _effect(r: Result) -> dict[str, Any]:
    """Return the figures of a variant. Those after the return are means of twelve hours, without the surge.

    The twelve hours begin an hour after the first whole hour at which the crowd's service is back.
    """
    c, back = r.curve, r.back[r.scene.crowd]
    after = range(math.ceil(back) + 2, min(math.ceil(back) + 14, len(c.served))) if math.isfinite(back) else range(0)
    mean = (lambda values: sum(values[h] for h in after) / len(after)) if after else (lambda values: None)
    served = mean(c.served)
    return {
        "half_up": _round(r.up[len(r.up) // 2]),
        "all_servers_up": _round(r.up[-1]),
        "failed_after_return": _round(mean(c.failed), 6),
        "not_served_after_return": None if served is None else _round(1 - served, 6),
        "well_at": _round(c.well),
        "peak_load": round(c.peak_load, 3),
        "back": {name: _round(back) for name, back in r.back.items()},
    }


def _measured(row: Beside) -> str:
    if isinstance(row.measured, list):
        return " < ".join(str(name) for name, _ in row.measured)
    return words.value(row.measured)


def _well(t: float | None) -> str:
    return "not by the end" if t is None else _hours(t) if t else "the beginning"


def _hours(t: float) -> str:
    return f"{t:.2f} h"


def short(v: Any) -> str:
    return f"{v:,.6g}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v)


def _round(t: float | None, digits: int = 4) -> float | None:
    return None if t is None or not math.isfinite(t) else round(t, digits)


def _table(title: str, columns: Sequence[str], rows: Any) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False,
                  padding=(0, 2, 0, 0), show_header=any(columns))  # fmt: skip
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=STYLE.get(cell, "")) for cell in row))
    return table


def _said(console: Console, title: str, lines: Sequence[str]) -> None:
    console.print(f"\n{title}", style="bold")
    for line in lines:
        console.print(f"  {line}")
