"""A comparison as one self-contained HTML file: tables, and plots as inline SVG."""

# ruff: noqa: E501  # markup and style keep the lines they read best in
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaos import safe
from chaos.model import badge
from chaos.report.comparison import Document
from chaos.report.comparison import words as say

WIDTH, LEFT, RIGHT, ROW, GAP = 1040, 230, 110, 18, 8

STYLE = """
:root { --bg:#fff; --ink:#1c2430; --dim:#647084; --rule:#dfe3ea; --ground:#eceff3; --ok:#3f9b8b; --fail:#cf4a4f; --bar:#2b6cb0; }
@media screen and (prefers-color-scheme: dark) { :root { --bg:#14181f; --ink:#e5e9f0; --dim:#97a3b6; --rule:#303846; --ground:#262d39; --ok:#4fb3a2; --fail:#e2666a; --bar:#6aa9e9; } }
* { box-sizing:border-box } body { margin:0; background:var(--bg); color:var(--ink); font:15px/1.5 system-ui,sans-serif }
main { max-width:1120px; margin:0 auto; padding:28px 24px 60px } h1 { font-size:28px; margin:0 } h2 { font-size:19px; margin:34px 0 8px }
p { margin:6px 0 } .dim, small { color:var(--dim) } code { font:13px ui-monospace,monospace; overflow-wrap:anywhere } .scroll, figure { overflow-x:auto; margin:0 }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; font-size:14px } th { text-align:left; color:var(--dim); border-bottom:2px solid var(--rule) }
th, td { padding:5px 14px 5px 0; vertical-align:top } td { border-bottom:1px solid var(--rule) } tr { break-inside:avoid } td small { white-space:nowrap }
svg { width:100%; min-width:640px; height:auto; display:block; font:12px system-ui,sans-serif } svg text { fill:var(--ink) } svg .end { text-anchor:end } svg .dim { fill:var(--dim) }
.ground { fill:var(--ground) } .ok { fill:var(--ok) } .fail { fill:var(--fail) } .bar { fill:var(--bar) } .mind { border-left:4px solid var(--fail); padding-left:12px }
@media print { main { max-width:none; padding:0 } body { font-size:11px } * { print-color-adjust:exact; -webkit-print-color-adjust:exact } }
"""

BODY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ doc.experiment }}: {{ doc.runs|length }} runs compared</title><style>{{ style }}</style></head><body><main>
{%- macro table(t) %}<h2>{{ t.title }}</h2><div class="scroll"><table><thead><tr>{% for h in t.head %}<th>{{ h }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in t.rows %}<tr>{% for c, more in row %}<td>{{ c }}{% if more %} <small>{{ more }}</small>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endmacro %}
<h1>{{ doc.experiment }}: {{ doc.runs|length }} runs compared</h1><p>{{ doc.claim }}</p>
{% for line in heading %}<p class="dim">{{ line }}</p>{% endfor %}
{% for w in doc.warnings %}<p class="mind">Mind: {{ w }}.</p>{% endfor %}
{% for t in first %}{{ table(t) }}{% endfor %}
<h2>Failed operations since the first fault</h2><figure>{{ bars }}</figure>
<h2>Success of all users over time</h2><figure>{{ strips }}<figcaption class="dim">{{ span }}</figcaption></figure>
{% for t in rest %}{{ table(t) }}{% endfor %}
<h2>The runs</h2>{% for run in doc.runs %}<p><b>{{ run.name }}</b> <code>{{ run.run }}</code></p>{% endfor %}
</main></body></html>
"""

Cell = tuple[str, str]  # value, and explanation in small print


def render(doc: Document) -> str:
    """The same comparison gives the same bytes."""
    import jinja2
    from markupsafe import Markup

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    begin, end = doc["span"]
    page = env.from_string(BODY).render(
        doc=doc,
        style=Markup(STYLE),
        heading=say.heading(doc),
        first=[_summary(doc), *_effects(doc)],
        rest=list(_by_journey(doc)),
        bars=Markup(_bars(doc)),
        strips=Markup(_strips(doc)),
        span=f"From {begin:.0f} s to {end:.0f} s of the run. A gap: no traffic.",
    )
    return safe.text(page)


def _summary(doc: Document) -> Mapping[str, Any]:
    head = ("run", "knobs", "verdict", "journeys hurt", "failed operations", "longest away", "writes lost", "RPO")
    rows = []
    for run in doc["runs"]:
        cells: list[Cell] = [
            (run["name"], ""), (say.knobs(run), ""), (badge(run["verdict"], run["expected_failures"]), ""), (str(len(run["hurt"])), ", ".join(run["hurt"])),
            (f"{run['failed']:,}", f"of {run['operations']:,}"), (say.away(run["longest_s"], doc["scale"]), ""),
            (say.lost(run), ""), ("-" if run["rpo_s"] is None else f"{run['rpo_s']:.2f} s", ""),
        ]  # fmt: skip
        rows.append(cells)
    return {"title": "Results", "head": head, "rows": rows}


def _effects(doc: Document) -> Iterator[Mapping[str, Any]]:
    for effect in doc["effects"]:
        rows = [
            [(say.values(e), ""), (str(e["runs"]), ""), (f"{e['hurt']:g}", ""), (f"{e['failed']:,g}", ""),
             (say.away(e["longest_s"], doc["scale"]), ""), ("unknown" if e["lost"] is None else f"{e['lost']:g}", "")]
            for e in effect["values"]
        ]  # fmt: skip
        head = ("value", "runs", "journeys hurt", "failed operations", "longest away", "writes lost")
        yield {"title": f"{say.effect(effect)} (means over runs)", "head": head, "rows": rows}


def _by_journey(doc: Document) -> Iterator[Mapping[str, Any]]:
    runs, others, scale = doc["runs"], {o["name"]: o for o in doc["against_first"]}, doc["scale"]

    def rows(key: str, absolute: Any, difference: Any) -> list[list[Cell]]:
        return [
            [
                (j, ""),
                *(
                    (absolute(r[key].get(j)), difference(others[r["name"]][key].get(j)) if r["name"] in others else "")
                    for r in runs
                ),
            ]
            for j in doc["journeys"]
        ]

    head = ("journey", *(r["name"] for r in runs))
    yield {
        "title": f"How long users were without it (small: difference to {runs[0]['name']})", "head": head,
        "rows": rows("rto_s", lambda v: say.away(v, scale), lambda d: say.shorter(d, scale)),
    }  # fmt: skip
    yield {
        "title": "Success while faults were active",
        "head": head,
        "rows": rows("success_during", say.share, say.points),
    }
    if more := say.added(doc):
        yield {
            "title": "Further measures",
            "head": ("measure", *head[1:]),
            "rows": [[(c, "") for c in r] for r in more],
        }
    if any(r["return_fraction"] for r in runs):
        yield {
            "title": "Return, as a fraction of the incident", "head": head,
            "rows": rows("return_fraction", lambda v: "-" if v is None else f"{v:.3f}", lambda d: f"{d:+.3f}" if d else ""),
        }  # fmt: skip


def _bars(doc: Document) -> str:
    most = max((r["failed"] for r in doc["runs"]), default=0) or 1
    parts = []
    for k, run in enumerate(doc["runs"]):
        y = k * (ROW + GAP)
        width = (WIDTH - LEFT - RIGHT) * run["failed"] / most
        parts += [
            _text(f"{run['name']}  {_brief(say.knobs(run))}", LEFT - 8, y + 13, "end"),
            f'<rect class="ground" x="{LEFT}" y="{y}" width="{WIDTH - LEFT - RIGHT}" height="{ROW}"/>',
            f'<rect class="bar" x="{LEFT}" y="{y}" width="{width:.1f}" height="{ROW}"/>',
            _text(f"{run['failed']:,}", WIDTH - RIGHT + 8, y + 13, ""),
        ]
    return _svg("Failed operations since the first fault", len(doc["runs"]), parts)


def _strips(doc: Document) -> str:
    parts = []
    for k, run in enumerate(doc["runs"]):
        y, width = k * (ROW + GAP), (WIDTH - LEFT - RIGHT) / len(run["strip"])
        parts.append(_text(f"{run['name']}  {_brief(say.knobs(run))}", LEFT - 8, y + 13, "end"))
        for n, share in enumerate(run["strip"]):
            if share is None:
                continue
            x, good = LEFT + n * width, ROW * share
            parts.append(
                f'<rect class="ok" x="{x:.1f}" y="{y + ROW - good:.1f}" width="{width:.1f}" height="{good:.1f}"/>'
            )
            if share < 1:
                parts.append(f'<rect class="fail" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - good:.1f}"/>')
    return _svg("Success of all users over time", len(doc["runs"]), parts)


def _svg(title: str, rows: int, parts: list[str]) -> str:
    height = rows * (ROW + GAP)
    return "\n".join([f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">', *parts, "</svg>"])


def _text(words: str, x: float, y: float, kind: str) -> str:
    from markupsafe import escape

    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _brief(words: str) -> str:
    return words if len(words) <= 28 else words[:27] + "…"
