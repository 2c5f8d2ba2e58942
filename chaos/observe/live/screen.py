"""Lays out the state of a run for a terminal of any size, as styled text. It does not access the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.text import Text

from chaos.experiment.plan import Plan
from chaos.judge.measures.nodes import DOWN, HURT, STARTING, UP
from chaos.observe.live.state import Live, Second
from chaos.units import in_words

PHASES = ("up", "steady", "timeline", "recover", "readback", "down")
BARS = "▁▂▃▄▅▆▇█"
MARK = {UP: ("●", "green"), HURT: ("◐", "yellow"), STARTING: ("◌", "cyan"), DOWN: ("✕", "bold red")}
WELL = 0.99
SLOWEST = 4.0  # powers of ten of milliseconds: a full latency bar is 10 s, an empty one 1 ms
EVENTS = 3  # recent events that a small terminal still shows
NAME = 10  # columns for a journey's name


@dataclass(frozen=True)
class Moment:
    """`t`: seconds on the timeline, None before it starts; `since`: seconds since the start of the run."""

    t: float | None
    since: float = 0.0


def render(live: Live, moment: Moment, width: int, height: int) -> list[Text]:
    """At most `height` lines of at most `width` columns. The least important lines are left out first."""
    head = [_title(live, moment, width), _phases(live, moment)]
    body = [*_timeline(live, moment, width), *_faults(live)]
    nodes = [_zone(zone, states) for zone, states in live.zones()]
    journeys = list(_journeys(live, moment.t, width)) if moment.t is not None else []
    room = height - len(head) - len(body) - len(nodes) - min(EVENTS, len(live.said))
    shown = _fit(journeys, room, "journeys")
    lines = [*head, *body, *shown, *nodes]
    lines += _said(live, max(0, height - len(lines)))
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _title(live: Live, moment: Moment, width: int) -> Text:
    p = live.plan
    what = Text.assemble((p.experiment, "bold"), (f"  seed {p.seed}  {p.target}  {p.posture}", "dim"))
    clock = f"t{moment.t:+.1f} s" if moment.t is not None else f"{moment.since:.1f} s"
    right = Text.assemble((clock, "bold"), (f"  {_left(live, moment)}" if _left(live, moment) else "", "dim"))
    return what.append(" " * max(2, width - what.cell_len - right.cell_len)).append_text(right)


def _left(live: Live, moment: Moment) -> str:
    if moment.t is None or live.phase not in {"timeline", "recover"}:
        return ""
    left = live.plan.length + (live.plan.recover if live.phase == "recover" else 0) - moment.t
    return f"{in_words(left)} left" if left > 0 else ""


def _phases(live: Live, moment: Moment) -> Text:
    line, passed = Text(), live.phase in PHASES
    for phase in PHASES:
        here = phase == live.phase and not live.ended
        passed = passed and not here
        line.append(f" {phase} " if here else phase, "reverse bold cyan" if here else "green" if passed else "dim")
        line.append(" · " if phase != PHASES[-1] else "  ", "dim")
    if live.ended:
        return line.append(live.status, "bold green" if live.status == "done" else "bold red")
    if live.note:
        return line.append(live.note, "dim")
    if live.plan.scale != 1 and moment.t is not None and 0 <= moment.t <= live.plan.length:
        line.append(f"{in_words(moment.t * live.plan.scale)} of incident", "dim")
    return line


# --- the timeline: planned steps, and the current position


def _timeline(live: Live, moment: Moment, width: int) -> Iterator[Text]:
    """A ruler that marks the current time, and below it a bar that shows how many nodes are planned to be under a
    fault.
    """
    p = live.plan
    begin, end = -p.steady, p.length + p.recover
    columns = max(10, width - NAME - 2)

    def column(t: float) -> int:
        return min(columns - 1, max(0, math.floor((t - begin) / (end - begin) * columns)))

    times = [begin + (k + 0.5) / columns * (end - begin) for k in range(columns)]
    hit = _planned(live.plan, times)
    most = max(hit, default=0) or 1
    acts = {column(a.at) for a in p.acts}
    now = None if moment.t is None else column(moment.t)
    ruler = Text(f"{'':{NAME}}  " + _ruler(p.steady, p.length, columns, column), "dim")
    bar = Text(f"{'faults':>{NAME}}  ", "dim")

    def sign(k: int, n: int) -> tuple[str, str]:
        if k == now:
            return "│", "bold reverse"
        if k in acts:
            return "◆", "blue"
        return (BARS[math.ceil(n / most * 8) - 1], "magenta") if n else ("·", "dim")

    yield ruler
    yield _signs(bar, (sign(k, n) for k, n in enumerate(hit)))


def _ruler(steady: float, length: float, columns: int, column: Callable[[float], int]) -> str:
    """Numbers where there is space for them; 0 has priority."""
    marks = [" "] * columns
    steps = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10**9)
    step = next(s for s in steps if (steady + length) / s * 9 <= columns)
    for t in [0, *(k * step for k in range(-math.floor(steady / step), math.ceil(length * 2 / step)) if k)]:
        at, words = column(t), f"{t:g} s" if t else "0"
        if at + len(words) <= columns and all(c == " " for c in marks[max(0, at - 1) : at + len(words) + 1]):
            marks[at : at + len(words)] = words
    return "".join(marks)


def _planned(plan: Plan, times: Sequence[float]) -> list[int]:
    """How many nodes the plan has under a fault at each of `times`."""
    spans = [(s.at, r.t, r.nodes) for s in plan.steps for r in s.releases if r.nodes]
    return [len({n for at, until, nodes in spans if at <= t < until for n in nodes}) for t in times]


def _faults(live: Live) -> Iterator[Text]:
    """The faults in force: one line each, three at most, and the number of the others."""
    biting = live.biting
    for b in biting[:3] if len(biting) <= 3 else biting[:2]:
        line = Text(f"{'':{NAME}}  ").append(f"{b.step}: {b.fault}", "bold magenta")
        yield line.append(f" on {len(b.nodes)}: {', '.join(b.nodes)}", "magenta")
    if len(biting) > 3:
        yield Text(f"{'':{NAME}}  and {len(biting) - 2} more faults", "magenta")


# --- users


def _journeys(live: Live, now: float | None, width: int) -> Iterator[Text]:
    """All journeys together, then each one: recent success rate and p95, both with their history."""
    assert now is not None
    strips = max(0, width - NAME - 2 - 7 - 2 - 9 - 1)
    success, latency = math.ceil(strips * 0.6), max(0, math.floor(strips * 0.4) - 1)
    late = live.late(now)
    loaded = bool(live.plan.load.present)
    title = Text(f"{'users' if loaded else 'probes':>{NAME}}  {f'last {success} s':<{success}}        ", "dim")
    title.append(_share(late) if loaded else Text(" " * 6))
    yield title.append(f"  p95 of the last {latency} s", "dim")
    for name, journey in (*live.most_used(), *sorted(live.probes.items())):
        seconds = journey.last(now, max(success, latency))
        of_late = journey.late(now)
        line = Text(f"{name[:NAME]:>{NAME}}  ")
        _signs(line, map(_success, seconds[len(seconds) - success :]))
        line.append(" ").append(_share(of_late)).append("  ")
        line.append("".join(_latency(s) for s in seconds[len(seconds) - latency :]), "cyan")
        yield line.append(f" {_p95(of_late):>8}", "" if of_late.waits else "dim")


def _share(seen: Second) -> Text:
    if not seen.n:
        return Text(f"{'-':>6}", "dim")
    share = seen.ok / seen.n
    shown = share if share in (0.0, 1.0) else min(max(share, 0.001), 0.999)  # a single failed operation must be visible
    return Text(f"{shown:6.1%}", "green" if share >= WELL else "bold red")


def _success(second: Second) -> tuple[str, str]:
    if not second.n:
        return "·", "dim"
    share = second.ok / second.n
    return BARS[7] if share == 1 else BARS[min(int(share * 7), 6)], "green" if share >= WELL else "red"


def _latency(second: Second) -> str:
    if not second.waits:
        return "·" if not second.n else "x"  # no operations; no success
    return BARS[min(7, max(0, math.floor(math.log10(max(_quantile(second.waits) * 1000, 1.0)) / SLOWEST * 8)))]


def _p95(seen: Second) -> str:
    if not seen.waits:
        return "no answer" if seen.n else "-"
    ms = _quantile(seen.waits) * 1000
    return f"{ms:,.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def _quantile(waits: Sequence[float]) -> float:
    return sorted(waits)[max(0, math.ceil(0.95 * len(waits)) - 1)]


# --- nodes and words


def _zone(zone: str, states: Sequence[tuple[str, str]]) -> Text:
    """One symbol for each node, then the names of those that are not up, the worst first."""
    line = Text(f"{f'zone {zone}':>{NAME}}  ")
    _signs(line, (MARK[state] for _, state in states))
    for state in (DOWN, STARTING, HURT):
        if names := [name for name, found in states if found == state]:
            line.append(f"  {len(names)} {state}: ", MARK[state][1]).append(", ".join(names), "dim")
    if all(state == UP for _, state in states):
        line.append(f"  {len(states)} up", "dim")
    return line


def _said(live: Live, room: int) -> Iterator[Text]:
    for said in list(live.said)[-room:] if room else []:
        stamp = "" if said.t is None else f"t{said.t:+.1f} s"
        yield Text.assemble((f"{stamp:>{NAME}}  ", "dim"), (said.text, "red" if said.bad else ""))


def _signs(line: Text, signs: Iterable[tuple[str, str]]) -> Text:
    """Adjacent symbols of one style are drawn in one piece, because the number of pieces determines the cost."""
    for style, alike in groupby(signs, key=lambda sign: sign[1]):
        line.append("".join(sign for sign, _ in alike), style)
    return line


def _fit(lines: list[Text], room: int, what: str) -> list[Text]:
    """As many lines as fit; if some do not, the last line says how many."""
    if len(lines) <= room:
        return lines
    if room < 2:
        return lines[: max(0, room)]
    return [*lines[: room - 1], Text(f"{'':{NAME}}  and {len(lines) - room + 1} more {what}", "dim")]
