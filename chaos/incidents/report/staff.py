"""Reports on a roster: the owners left for each component, bus factors, and the curve over the share who leave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chaos import safe
from chaos.incidents.staff.model import Fewest, Point, Roster, curve, fewest_for, fewest_for_all

NAMES = 60  # columns for a list of names
WIDTH, HEIGHT, LEFT, TOP = 720, 240, 46, 10  # of the chart, pixels


def document(roster: Roster, source: str, seed: int, gone: Collection[str], draws: int) -> dict[str, Any]:
    """Return everything that `chaos staff` shows, as JSON values. The same arguments give the same order.

    `components` and `journeys` are by name. `curve` is a list of points over the share of people who leave.
    """
    left, orphans = roster.left(gone), roster.orphans(gone)
    lost = roster.lost(orphans)
    everything = fewest_for_all(roster)
    return {
        "source": source,
        "seed": seed,
        "people": list(roster.people),
        "gone": sorted(gone),
        "components": {
            c: {
                "owners": list(roster.owners[c]),
                "bus_factor": len(set(roster.owners[c])),
                "left": list(who),
                "orphaned": c in orphans,
            }
            for c, who in left.items()
        },
        "journeys": {
            j: {
                "needs": sorted(needed),
                "lost": j in lost,
                "bus_factor": None if (f := fewest_for(roster, j)) is None else len(f.people),
                "weakest": None if f is None else f.components[0],
            }
            for j, needed in roster.closures.items()
        },
        "bus_factor": {
            "any_component": min((len(set(o)) for o in roster.owners.values()), default=None),
            "every_journey": None if everything is None else _fewest(everything),
        },
        "orphaned": list(orphans),
        "lost": list(lost),
        "curve": [_point(p) for p in curve(roster, seed, draws)],
        "draws": draws,
    }


def _fewest(found: Fewest) -> dict[str, Any]:
    return {
        "n": len(found.people),
        "people": list(found.people),
        "components": list(found.components),
        "exact": found.exact,
    }


def _point(p: Point) -> dict[str, Any]:
    return {
        "share": p.share,
        "people": p.people,
        "orphaned": round(p.orphaned, 4),
        "orphaned_range": [round(x, 4) for x in p.orphaned_range],
        "lost": round(p.lost, 4),
        "lost_range": [round(x, 4) for x in p.lost_range],
    }


def text(doc: Mapping[str, Any]) -> str:
    """Return plain text of about 100 columns."""
    counts = [_count(len(doc["people"]), "person", "people"), _count(len(doc["components"]), "component")]
    lines = [f"{doc['source']}: {', '.join([*counts, _count(len(doc['journeys']), 'journey')])}"]
    if doc["gone"]:
        lines += _wrapped(f"gone ({len(doc['gone'])}): ", doc["gone"])
    width = max(len(c) for c in ("component", *doc["components"]))
    lines += ["", f"{'component':<{width}}  bus factor  {'who is left' if doc['gone'] else 'owners'}"]
    for name, c in sorted(doc["components"].items(), key=lambda x: (x[1]["bus_factor"], x[0])):
        who = "ORPHANED" if c["orphaned"] else _short(c["left"])
        lines.append(f"{name:<{width}}  {c['bus_factor']:>10}  {who}")
    lines += ["", *_journeys(doc), "", *_summary(doc), ""]
    return "\n".join(lines + _plot(doc)) + "\n"


def _journeys(doc: Mapping[str, Any]) -> list[str]:
    width = max(len(j) for j in ("journey", *doc["journeys"]))
    lines = [f"{'journey':<{width}}  bus factor  by its weakest component"]
    for name, j in sorted(doc["journeys"].items(), key=lambda x: (x[1]["bus_factor"] or 0, x[0])):
        if j["bus_factor"] is None:
            lines.append(f"{name:<{width}}  {'-':>10}  needs nothing that anybody is named for")
            continue
        lines.append(f"{name:<{width}}  {j['bus_factor']:>10}  {j['weakest']}{'  LOST' if j['lost'] else ''}")
    return lines


def _summary(doc: Mapping[str, Any]) -> list[str]:
    found = doc["bus_factor"]
    least = [c for c, x in doc["components"].items() if x["bus_factor"] == found["any_component"]]
    said = _wrapped(f"The first component is orphaned by {_count(found['any_component'], 'departure')}: ", least)
    if every := found["every_journey"]:
        limit = "" if every["exact"] else " at most"
        said += _wrapped(f"Every journey is lost by{limit} {_count(every['n'], 'departure')} "
                         f"({_short(every['components'])}): ", every["people"])  # fmt: skip
    if doc["gone"]:
        said += _wrapped(f"Orphaned now ({len(doc['orphaned'])} of {len(doc['components'])}): ", doc["orphaned"])
        said += _wrapped(f"Journeys lost once they drop ({len(doc['lost'])} of {len(doc['journeys'])}): ", doc["lost"])
    return said


def _plot(doc: Mapping[str, Any]) -> list[str]:
    points: Sequence[Mapping[str, Any]] = doc["curve"]
    if not points:
        return ["No curve: nobody owns anything."]
    head = f"Share of people who leave, mean of {doc['draws']} seeded orders (tenth to ninetieth percentile)"
    lines = [head, "  leave        orphaned components           lost journeys"]
    for p in points[::2]:
        low, high = p["orphaned_range"]
        less, more = p["lost_range"]
        lines.append(f"  {p['share']:>4.0%} {p['people']:>3}  {_bar(p['orphaned'])} {p['orphaned']:>4.0%} "
                     f"({low:.0%} to {high:.0%})".ljust(44) + f"{_bar(p['lost'])} {p['lost']:>4.0%} "
                     f"({less:.0%} to {more:.0%})")  # fmt: skip
    return lines


def _bar(share: float) -> str:
    eighths = round(share * 10 * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")).ljust(10, "·")


def html(doc: Mapping[str, Any]) -> str:
    """Return a self-contained HTML page. The same document gives the same bytes."""
    import jinja2
    from markupsafe import Markup

    from chaos.report.page import style

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    look, chart = Markup(style.STYLE), Markup(_chart(doc))  # safe without escaping: fixed text and numbers, no names
    return safe.text(env.from_string(PAGE).render(doc=doc, style=look, chart=chart, summary=_summary(doc)))


def _chart(doc: Mapping[str, Any]) -> str:
    """Return an SVG of both curves with their ranges, over the share of people who leave."""
    points: Sequence[Mapping[str, Any]] = doc["curve"]

    def x(share: float) -> float:
        return LEFT + share * (WIDTH - LEFT - 130)

    def y(share: float) -> float:
        return TOP + (1 - share) * (HEIGHT - TOP - 30)

    def line(key: str) -> str:
        return "M" + "L".join(f"{x(p['share']):.1f} {y(p[key]):.1f}" for p in points)

    def band(key: str) -> str:
        up = [f"{x(p['share']):.1f} {y(p[key][1]):.1f}" for p in points]
        down = [f"{x(p['share']):.1f} {y(p[key][0]):.1f}" for p in reversed(points)]
        return "M" + "L".join(up + down) + "z"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="orphaned components and lost journeys">']
    for k in range(5):
        share = k / 4
        parts.append(f'<path class="grid" d="M{x(0):.1f} {y(share):.1f}H{x(1):.1f}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 6}" y="{y(share) + 4:.1f}">{share:.0%}</text>')
        parts.append(f'<text class="tick middle" x="{x(share):.1f}" y="{HEIGHT - 10}">{share:.0%}</text>')
    for key, colour, words in (("orphaned", "fault", "orphaned components"), ("lost", "fail", "lost journeys")):
        if points:
            parts.append(f'<path d="{band(key + "_range")}" style="fill:var(--{colour});fill-opacity:.14"/>')
            parts.append(f'<path d="{line(key)}" style="fill:none;stroke:var(--{colour});stroke-width:2"/>')
            end = y(points[len(points) // 2][key])
            at = x(points[len(points) // 2]["share"])
            parts.append(f'<text x="{at + 8:.1f}" y="{end + (16 if key == "orphaned" else -8):.1f}">{words}</text>')
    return "".join([*parts, "</svg>"])


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Who is left</title><style>{{ style }}</style></head><body><main>
<header><div class="head"><h1>Who is left when whom leaves</h1></div>
<p class="dim">Owners from {{ doc.source }}; seed {{ doc.seed }}; {{ doc.people|length }} people.</p></header>
<section class="lost{{ '' if doc.orphaned else ' well' }}">{% for line in summary %}<p>{{ line }}</p>{% endfor %}</section>
<h2>Over the share of people who leave</h2>
<figure>{{ chart }}<figcaption>Mean of {{ doc.draws }} seeded orders of leaving; the bands go from the tenth to the ninetieth percentile.</figcaption></figure>
<h2>Components</h2><div class="scroll"><table><thead><tr><th>component</th><th>bus factor</th><th>owners</th><th>left</th></tr></thead>
<tbody>{% for name, c in doc.components.items() %}<tr><td>{{ name }}</td><td>{{ c.bus_factor }}</td><td>{{ c.owners|join(', ') }}</td>
<td>{{ 'orphaned' if c.orphaned else c.left|join(', ') }}</td></tr>{% endfor %}</tbody></table></div>
<h2>Journeys</h2><div class="scroll"><table><thead><tr><th>journey</th><th>bus factor</th><th>weakest component</th><th>needs</th></tr></thead>
<tbody>{% for name, j in doc.journeys.items() %}<tr><td>{{ name }}{{ ' (lost)' if j.lost else '' }}</td>
<td>{{ '-' if j.bus_factor is none else j.bus_factor }}</td><td>{{ j.weakest or '-' }}</td><td>{{ j.needs|join(', ') }}</td></tr>{% endfor %}</tbody></table></div>
</main></body></html>
"""  # noqa: E501 (markup is easier to read in long lines)


def _short(names: Sequence[str]) -> str:
    kept: list[str] = []
    for name in names:
        if kept and len(", ".join([*kept, name])) > NAMES:
            return f"{', '.join(kept)} and {len(names) - len(kept)} more"
        kept.append(name)
    return ", ".join(kept) or "nobody"


def _wrapped(head: str, names: Sequence[str]) -> list[str]:
    import textwrap

    return textwrap.wrap(head + (", ".join(names) or "none"), 100, subsequent_indent="  ")


def _count(n: int, noun: str, plural: str = "") -> str:
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
