"""docs/benchmarks/killmatrix.md out of the results: what was killed when, what leaked, how long healing took."""

from __future__ import annotations

import os
import platform
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.kills.cells import AT_NEXT_START, BOUNDARIES, UP_BOUNDARIES
from benchmarks.kills.play import Kill

INTRO = """# The kill matrix
Written by `make killmatrix` (benchmarks/killmatrix.py); not by hand.

A real `chaos run` of a small stack (three web servers in two zones, one fault on zone a for 0.8 s) is hit at a step
boundary, or a few tens of milliseconds after it: the harness, its watchdog, the network helper, a node that the fault
hurts, the connection to the engine. Then /proc, netlink and the engine are asked what is left, not the harness.

- **Leaked** is what is still broken, or still runs, when nobody has been left to heal it for 3.5 s (a look that the
  harness had begun in a node ends by itself within 3), or 30 s later.
- **Hurt** are the kills after which something was seen broken at all. **Seconds until healed** are theirs: from the
  kill (from the end of the harness where that lived on) to the last look that saw something broken.
- Stacks are *owned* (the run starts and ends them; healed is when they are gone) or *standing* (`chaos up` left them).
  In rows *up* it is `chaos up` itself that is hit, and nothing of a stack may be left; where it had said that
  all is up before it was hit, `chaos down` has to find all of it.
- *second run*, *up*, *heal* and *down* kill nobody: it is another command on the stack, which has to be refused (exit
  75) while the first run goes on to its end unharmed. If not, that counts as leaked.
- *control group*: SIGKILL to all of the harness's control group. *engine*: its connection is cut until the harness has
  ended, which is longer than the harness tries to heal; its watchdog goes on.
- Under Compose a stranger's project and container with a network and a volume stand beside the stack. If any of it is
  touched, that counts as leaked.
- The watchdog of an owned embedded stack is the box's first process. An embedded run plays in a second process in the
  box, *harness inside*; with the watchdog both of them are killed.

[Version 0.1](killmatrix-0.1.md) had 1,100 kills, of which none leaked either.
"""


def document(results: Mapping[tuple[str, int, str], Sequence[Kill]]) -> str:
    """The whole document; `results` by target, seed, and the rows that were asked for."""
    parts = [INTRO, _machine()]
    for (target, seed, rows), all_of_it in sorted(results.items()):
        if kills := [k for k in all_of_it if k.outcome in ("healed", "next start", "leaked")]:
            parts.append(_section(target, seed, rows, kills, [k for k in all_of_it if k not in kills]))
    return "\n".join(parts)


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("chaos-harness", "locust", "docker"))
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}; {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {sys.version.split()[0]}; "
        f"{versions}. Other programs may have had their share of the machine.\n"
    )


def _section(target: str, seed: int, rows: str, kills: Sequence[Kill], others: Sequence[Kill]) -> str:
    leaked = [k for k in kills if k.outcome == "leaked"]
    late = [k for k in kills if k.outcome == "next start"]
    allowed = ", ".join(sorted(AT_NEXT_START))
    words = [
        f"## {target}, seed {seed}" + (f", rows with `{rows}`" if rows else ""),
        f"`python -m benchmarks.killmatrix --target {target} --seed {seed} --kills {len(kills)}"
        + (f" --rows '{rows}'`" if rows else "`"),
        "",
        f"**{len(leaked)} leaked in {len(kills)} kills**; {len(late)} healed by the next start (allowed: {allowed}).",
    ]
    if others:
        absent = sorted({f"{k.victim} ({k.stack})" for k in others if k.outcome == "absent"})
        missed = sum(k.outcome == "missed" for k in others)
        words.append(
            f"No kills, and not counted: {missed} runs that did not come to their boundary"
            + (f"; no such victim at its time: {', '.join(absent)}." if absent else ".")
        )
    for title, key in _KEYS.items():
        words += ["", *_table(title, key, kills)]
    if leaked:
        words += ["", "What leaked:", ""]
        words += [f"- {k.stack} · {k.fault} · {k.boundary} · {k.victim}: {'; '.join(k.left)[:300]}" for k in leaked]
    return "\n".join(words) + "\n"


_KEYS: Mapping[str, Callable[[Kill], str]] = {
    "fault": lambda k: k.fault or "(none: `chaos up`)",
    "victim": lambda k: f"{k.victim} ({k.stack})",
    "boundary": lambda k: k.boundary,
    "all": lambda k: "all",
}


def _table(title: str, key: Callable[[Kill], str], kills: Sequence[Kill]) -> list[str]:
    groups: dict[str, list[Kill]] = defaultdict(list)
    for k in kills:
        groups[key(k)].append(k)
    order = [b for b in (*UP_BOUNDARIES, *BOUNDARIES) if b in groups] if title == "boundary" else sorted(groups)
    rows = [
        f"| {title} | kills | leaked | at the next start | hurt | healed p50 | p99 | max (s) |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in order:
        group = groups[name]
        times = sorted(k.healed for k in group if k.hurt and k.outcome == "healed")
        numbers = [f"{_quantile(times, q):.2f}" for q in (0.5, 0.99, 1.0)] if times else ["-"] * 3
        counts = [sum(k.outcome == o for k in group) for o in ("leaked", "next start")]
        columns = [name, len(group), *counts, sum(k.hurt for k in group), *numbers]
        rows.append(f"| {' | '.join(map(str, columns))} |")
    return rows


def _quantile(ordered: Sequence[float], q: float) -> float:
    """The nearest rank: a value that was measured."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]
