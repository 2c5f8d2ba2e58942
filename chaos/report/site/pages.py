"""The pages of `chaos serve`: all runs, and several runs side by side."""

# ruff: noqa: E501  # markup and style keep the lines they read best in
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from chaos import safe
from chaos.record.findings import Delivery, Document
from chaos.record.history import Past
from chaos.report.page.style import COLORS

STYLE = """
* { box-sizing:border-box } body { margin:0; background:var(--bg); color:var(--ink); font:15px/1.5 system-ui,sans-serif }
main { max-width:1180px; margin:0 auto; padding:24px 20px 60px } h1 { font-size:24px; margin:0 0 12px } a { color:var(--act) }
.bar { display:flex; flex-wrap:wrap; gap:8px; margin:0 0 14px } input[type=search] { flex:1 1 240px } input, button { font:inherit;
  padding:6px 10px; border:1px solid var(--rule); border-radius:5px; background:var(--card); color:var(--ink) }
button { cursor:pointer } :focus-visible { outline:2px solid var(--act); outline-offset:2px }
.scroll { overflow-x:auto } table { border-collapse:collapse; width:100%; font-size:14px; font-variant-numeric:tabular-nums }
th { text-align:left; color:var(--dim); border-bottom:2px solid var(--rule) } th, td { padding:5px 14px 5px 0; vertical-align:top; white-space:nowrap }
td { border-bottom:1px solid var(--rule) } .dim, small { color:var(--dim) } td.wrap { white-space:normal; min-width:14em }
.badge { display:inline-block; padding:0 8px; border:1px solid; border-radius:4px; font-weight:650; font-size:12px }
tr.differs td { background:var(--card) } tr.group th { padding-top:16px; border-bottom:1px solid var(--rule); color:var(--ink) }
"""

FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ title }}</title><link rel="icon" href="data:,"><style>{{ style }}</style></head><body><main>
{%- macro badge(word) %}<span class="badge" style="color:var(--{{ "XFAIL" if "expected" in word else word|replace(' ', '') }},var(--dim))">{{ word }}</span>{% endmacro %}
{% block body %}{% endblock %}</main></body></html>"""

INDEX = """{% extends "frame" %}{% block body %}<h1>Runs in {{ folder }}</h1>
<form class="bar" action="/" role="search"><input type="search" name="q" value="{{ q }}" aria-label="Search" autofocus
 placeholder="Search: experiment, verdict, target, posture, seed, date…"><button>Search</button></form>
<form action="/compare"><div class="bar"><button>Compare the ticked runs</button><span class="dim">{{ runs|length }} {{ "run" if runs|length == 1 else "runs" }}{{ " found" if q }}</span></div>
<div class="scroll"><table><thead><tr><th><span class="dim">tick</span></th><th>verdict</th><th>run</th><th>when (UTC)</th><th>seed</th><th>target</th><th>posture</th><th>in short</th></tr></thead><tbody>
{% for r, said in runs %}<tr><td><input type="checkbox" name="run" value="{{ r.path }}" aria-label="compare {{ r.path }}"></td><td>{{ badge(r.badge) }}</td>
<td>{% if r.verdict in ("running", "unjudged") %}{{ r.experiment }}{% else %}<a href="/runs/{{ r.path }}/report.html">{{ r.experiment }}</a>{% endif %}{{ " (short)" if r.short }}</td>
<td>{{ r.when }}</td><td>{{ r.seed }}</td><td>{{ r.target }}</td><td>{{ r.posture }}</td><td class="wrap">{{ said }}</td></tr>
{% else %}<tr><td colspan="8">{{ "No run has all of these words." if q else "No run yet: chaos run zone-fire makes one." }}</td></tr>{% endfor %}
</tbody></table></div></form>{% endblock %}"""

COMPARE = """{% extends "frame" %}{% block body %}<h1>{{ runs|length }} runs side by side</h1><p><a href="/">All runs</a></p>
{% if not runs %}<p>Nothing to compare: go back and tick at least one run.</p>{% else %}
<div class="scroll"><table><thead><tr><th></th>{% for r in runs %}<th><a href="/runs/{{ r.path }}/report.html">{{ r.experiment }}</a><br><small>{{ r.when }}</small></th>{% endfor %}</tr></thead><tbody>
{% for title, rows in groups %}<tr class="group"><th colspan="{{ runs|length + 1 }}">{{ title }}</th></tr>
{% for row in rows %}<tr{% if row.differs %} class="differs"{% endif %}><td>{{ row.name }}</td>{% for cell in row.cells %}<td>{% if row.verdicts and cell != "-" %}{{ badge(cell) }}{% else %}{{ cell }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}{% endfor %}</tbody></table></div><p><small>Rows that differ are shaded. Seconds are run seconds. “never” is what never came back; “-” is what a run cannot give.</small></p>{% endif %}{% endblock %}"""

ENV = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined,
    loader=jinja2.DictLoader({"frame": FRAME, "index": INDEX, "compare": COMPARE}),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    name: str
    cells: tuple[str, ...]
    verdicts: bool = False

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


def index(folder: str, q: str, runs: Sequence[tuple[Past, str]]) -> str:
    """The given runs, each with a short summary."""
    return _page("index", title=f"Runs in {folder}", folder=folder, q=q, runs=runs)


def compare(runs: Sequence[Past], findings: Sequence[Document]) -> str:
    """Measures of `runs` side by side, from the findings.json of each (an empty one where it has none)."""
    groups = [(title, rows) for title, rows in _groups(runs, findings) if rows]
    return _page("compare", title="Runs side by side", runs=runs, groups=groups)


def _page(name: str, **what: Any) -> str:
    return safe.text(ENV.get_template(name).render(style=Markup(COLORS + STYLE), **what))


def _groups(runs: Sequence[Past], found: Sequence[Document]) -> list[tuple[str, list[Row]]]:
    measures = [f.measures for f in found]
    knobs = sorted({k for f in found for k in f.settings})
    checks = list(dict.fromkeys(x.check for f in found for x in f.findings))
    said = [{x.check: "XFAIL" if x.xfail and x.verdict == "FAIL" else x.verdict for x in f.findings}
            for f in found]  # fmt: skip
    success = [{j: a.during for j, a in m.availability.items()} for m in measures]
    tails = [{j: x.during.p95 for j, x in m.latency_ms.items() if x.during} for m in measures]
    return [
        ("What it came to", [Row("verdict", tuple(r.badge for r in runs), True)]),
        ("What was run", [
            Row("target", tuple(r.target for r in runs)),
            Row("seed", tuple(str(r.seed) for r in runs)),
            *(Row(k, tuple(_cell(f.settings.get(k, "")) for f in found)) for k in knobs),
        ]),
        ("How long users were without it, seconds", _rows([m.rto_s for m in measures], "never")),
        ("Share answered as promised, during the faults", _rows(success, "-", "{:.1%}")),
        ("How long probes were away, seconds", _rows([m.probe_rto_s for m in measures], "never")),
        ("p95 during the faults, milliseconds", _rows(tails, "no answer")),
        ("Acknowledged writes", _rows([_writes(m.delivery) for m in measures], "-")),
        ("Further measures", _rows([{k: v for a in m.added.values() for k, v in a.named.items()} for m in measures], "never")),
        ("Checks", [Row(c, tuple(x.get(c, "-") for x in said), True) for c in checks]),
    ]  # fmt: skip


def _writes(d: Delivery | None) -> Mapping[str, float | None]:
    if d is None:
        return {}
    return {"acked": d.acked, "lost": d.lost, "ghost": d.ghost, "duplicated": d.duplicated, "unread": d.unread}


def _rows(columns: Sequence[Mapping[str, float | None]], none: str, form: str = "{:,g}") -> list[Row]:
    """A row for each name that any of the runs has, in the first run's order. `none` is shown for null."""
    names = dict.fromkeys(name for column in columns for name in sorted(column))

    def cell(column: Mapping[str, float | None], name: str) -> str:
        if name not in column:
            return "-"
        value = column[name]
        return none if value is None else form.format(value)

    rows = [Row(name, tuple(cell(column, name) for column in columns)) for name in names]
    return [row for row in rows if set(row.cells) != {"-"}]


def _cell(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
