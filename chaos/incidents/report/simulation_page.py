"""The page that `chaos simulate --html` writes: one file with the curves, the facts and all tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from chaos import safe
from chaos.incidents.report import simulation
from chaos.incidents.report.simulation import Told

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 1000, 420, 56, 20, 16, 46  # pixels of the view box
STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8ea); --dim: light-dark(#5b6470, #9aa4af);
  --page: light-dark(#fff, #14171a); --rule: light-dark(#d9dee3, #30363d); --servers: light-dark(#8a6d00, #d9b64a);
  --connected: light-dark(#0b62c4, #6cb0ff); --served: light-dark(#0a7d3c, #56c987);
  --third: light-dark(#8a3ab9, #c792ea) }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 1060px; margin: 0 auto; padding: 24px 16px } .dim, th { color: var(--dim) }
h2 { font-size: 17px } .scroll { overflow-x: auto } table { border-collapse: collapse; margin: 8px 0 24px }
th, td { text-align: left; padding: 3px 14px 3px 0; vertical-align: top; border-bottom: 1px solid var(--rule);
  font-variant-numeric: tabular-nums }
svg { width: 100%; height: auto } svg text { fill: var(--dim); font-size: 12px }
svg path { fill: none; stroke-width: 1.8 } svg path.rule { stroke: var(--rule); stroke-width: 1 }
.servers { stroke: var(--servers) } .connected { stroke: var(--connected) } .served { stroke: var(--served) }
.third { stroke: var(--third); stroke-dasharray: 5 4 } circle { fill: var(--servers); stroke: var(--ink) }
.key span { margin-right: 18px }
.key b { display: inline-block; width: 22px; border-top: 3px solid; margin-right: 6px; vertical-align: middle }
code { overflow-wrap: anywhere }
"""
CURVES = {
    "servers": "servers up",
    "connected": "users connected",
    "served": "users served",
    "third": "third-party users in",
}


def render(told: Told) -> str:
    """Return the page as HTML. The same simulation gives the same bytes."""
    s = told.result.scene
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(told.dossier.id)}, simulated</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(told.dossier.title)}</h1>",
        f"<p>{escape(told.dossier.id)}, simulated: {s.servers:,} servers, {s.users:,} users, {s.hours:g} hours.</p>",
        "<p>A computation, not a run: nothing was started, nothing was broken.</p>",
        _chart(told),
        '<p class="key">' + "".join(f'<span><b style="border-color:var(--{k})"></b>{name}</span>' for k, name in
                                    CURVES.items()) + "Dots: servers that the facts know of.</p>",
        _table("By the hour", simulation.COLUMNS, list(simulation.hourly(told))),
        _table("Services", simulation.SERVICES, list(simulation.services(told.result))),
        _table("The facts beside the simulation", simulation.FACTS, list(simulation.facts(told))),
        _table("The surge", ("", ""), list(simulation.surge(told.result))),
        _table("What if", simulation.WHAT_IF, list(simulation.what_if(told))),
        _table("What it stands on", ("", "", "from"), [(n, simulation.short(v), src) for n, v, src in told.given]),
        "<h2>Not modelled</h2><ul>" + "".join(f"<li>{escape(x)}</li>" for x in simulation.NOT_MODELLED) + "</ul>",
        f"<p class='dim'>Again: <code>{escape(told.again)}</code></p></main></body></html>\n",
    ]  # fmt: skip
    return safe.text("\n".join(str(p) for p in parts if p))


def _chart(told: Told) -> Markup:
    r = told.result
    c = r.curve
    fine = [k / 4 for k in range(4 * r.hours[-1] + 1)]
    curves: dict[str, Sequence[tuple[float, float]]] = {
        "servers": [(t, r.servers_at(t)) for t in fine],
        "connected": list(enumerate(c.connected)),
        "served": list(enumerate(c.served)),
        "third": list(enumerate(r.third_party)),
    }
    lines = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Shares over the hours of the incident">']
    lines += _grid(r.scene.hours)
    lines += [f'<path class="{name}" d="{_path(points, r.scene.hours)}"/>' for name, points in curves.items()]
    for row in told.rows:
        if row.name.startswith("servers_back_at_f_") and isinstance(row.fact, int | float):
            t = float(row.name.rpartition("_")[2]) * r.scene.hours
            x, y = _at(t, float(row.fact), r.scene.hours)
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{row.fact:g} at {t:.1f} h</title></circle>')
    return Markup("\n".join([*lines, "</svg>"]))


def _grid(hours: float) -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x1, y), (x2, _) = _at(0, share, hours), _at(hours, share, hours)
        yield f'<path class="rule" d="M{x1:.1f} {y:.1f}L{x2:.1f} {y:.1f}"/>'
        yield f'<text x="8" y="{y + 4:.1f}">{share:.0%}</text>'
    for h in range(0, int(hours) + 1, 12):
        x, y = _at(h, 0, hours)
        yield f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{h} h</text>'


def _path(points: Sequence[tuple[float, float]], hours: float) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (_at(t, v, hours) for t, v in points))


def _at(t: float, share: float, hours: float) -> tuple[float, float]:
    x = LEFT + t / hours * (WIDTH - LEFT - RIGHT)
    return x, TOP + (1 - min(max(share, 0.0), 1.0)) * (HEIGHT - TOP - BOTTOM)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    top = f"<thead><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr></thead>" if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>\n" for row in rows)
    return f'<h2>{escape(title)}</h2><div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'
