"""The frame of report.html: template and style, in Python so that an installed package needs no data files."""

# ruff: noqa: E501  # markup and style keep the lines they read best in
from __future__ import annotations

STYLE = """
:root { --bg:#fff; --card:#f6f7f9; --ink:#1c2430; --dim:#647084; --rule:#dfe3ea; --ground:#eceff3;
  --ok:#3f9b8b; --info:#e3a83c; --fail:#cf4a4f; --fault:#6b5ca5; --act:#2b6cb0;
  --PASS:#23775f; --HELD:#23775f; --KNOWNGAP:#96690d; --INCONCLUSIVE:#96690d; --FAIL:#b3343a; --ERROR:#7d3c98; --DIRTY:#7d3c98; }
@media screen and (prefers-color-scheme: dark) { :root { --bg:#14181f; --card:#1c222c; --ink:#e5e9f0; --dim:#97a3b6;
  --rule:#303846; --ground:#262d39; --ok:#4fb3a2; --info:#e0ac4e; --fail:#e2666a; --fault:#a79be0; --act:#6aa9e9;
  --PASS:#4fbf9f; --HELD:#4fbf9f; --KNOWNGAP:#e0b04e; --INCONCLUSIVE:#e0b04e; --FAIL:#f07f83; --ERROR:#c58be0; --DIRTY:#c58be0; } }
* { box-sizing:border-box } body { margin:0; background:var(--bg); color:var(--ink); font:15px/1.5 system-ui,sans-serif }
main { max-width:1120px; margin:0 auto; padding:28px 24px 60px }
h1 { font-size:30px; margin:0 14px 0 0; letter-spacing:-.4px } h2 { font-size:19px; margin:38px 0 10px }
p { margin:6px 0 } .dim, caption, small { color:var(--dim) } code { font:13px ui-monospace,monospace; overflow-wrap:anywhere }
.head { display:flex; flex-wrap:wrap; align-items:center; gap:4px 0 }
.badge { display:inline-block; padding:1px 9px; border-radius:4px; font-weight:650; font-size:12px; letter-spacing:.3px;
  border:1px solid; white-space:nowrap }
.head .badge { font-size:19px; padding:3px 14px }
.facts { display:flex; flex-wrap:wrap; gap:4px 26px; margin:12px 0 0; color:var(--dim) } .facts b { color:var(--ink); font-weight:600 }
.lost { background:var(--card); border-left:4px solid var(--fail); border-radius:4px; padding:14px 20px; margin:22px 0 }
.lost.well { border-color:var(--ok) } .lost h2 { margin:0 0 6px } .lost p { font-size:16px } .lost p:first-of-type { font-size:19px; font-weight:600 }
.scroll { overflow-x:auto } table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; font-size:14px }
th { text-align:left; font-weight:600; color:var(--dim); border-bottom:2px solid var(--rule) }
th, td { padding:5px 14px 5px 0; vertical-align:top } td { border-bottom:1px solid var(--rule) }
.num td:not(:first-child), .num th:not(:first-child) { text-align:right; white-space:nowrap } tr { break-inside:avoid }
details { margin:5px 0 0 } summary { cursor:pointer; color:var(--dim) } details code { display:block; font-size:12px }
svg { width:100%; height:auto; display:block; font:12px system-ui,sans-serif } figure { margin:0 } figcaption { color:var(--dim) }
.key span { display:inline-block; width:11px; height:11px; border-radius:2px; margin:0 5px 0 16px; vertical-align:-1px }
.key span:first-child { margin-left:0 }
svg text { fill:var(--ink) } svg .tick, svg .mark { fill:var(--dim); font-size:11px } svg .dim { opacity:.8; font-size:10px }
svg .name, svg .end { text-anchor:end } svg .name { font-weight:600; font-size:13px } svg .middle { text-anchor:middle }
svg .away { font-size:12px } .ground { fill:var(--ground); fill-opacity:.55 } path.ok { fill:var(--ok) } path.info { fill:var(--info) }
path.fail { fill:var(--fail) } rect.outage { fill:var(--fail) } rect.fault, rect.hit { fill:var(--fault) } rect, path.ok, path.info, path.fail { shape-rendering:crispEdges }
path.grid { stroke:var(--rule); stroke-width:.6 } path.blow { stroke:var(--fault); stroke-width:1.2 }
path.act { stroke:var(--act); stroke-width:1.4; stroke-dasharray:5 3 } path.band { fill:var(--act); fill-opacity:.28 }
path.median { stroke:var(--act); stroke-width:1.5; fill:none }
@media print { main { max-width:none; padding:0 } body { font-size:11px } h2 { break-after:avoid } figure { break-inside:avoid }
  * { print-color-adjust:exact; -webkit-print-color-adjust:exact } }
@page { margin:14mm }
"""

BODY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ plan.experiment }}: {{ verdict }}</title><style>{{ style }}</style></head><body><main>
{%- macro badge(word) %}<span class="badge" style="color:var(--{{ word|replace(' ', '') }})">{{ word }}</span>{% endmacro %}
{%- macro table(t, kind="num") %}
<h2>{{ t.title }}</h2><div class="scroll"><table class="{{ kind }}"><thead><tr>{% for h in t.head %}<th>{{ h }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in t.rows %}<tr>{% for c in row %}<td>{{ c }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% if t.note %}<p><small>{{ t.note }}</small></p>{% endif %}{% endmacro %}
<header><div class="head"><h1>{{ plan.experiment }}</h1>{{ badge(verdict) }}</div>
<p>{{ plan.claim }}</p><p class="dim">{{ verdict }} (exit {{ exit }}): {{ meaning }}.</p>
<div class="facts"><span>Target <b>{{ plan.target }}</b></span><span>Posture <b>{{ plan.posture or "none" }}</b></span>
<span>Seed <b>{{ plan.seed }}</b></span>{% if plan.short %}<span><b>Short form</b></span>{% endif %}
{% if plan.scale != 1 %}<span>Scale <b>1 s of the run is {{ second }} of the incident</b></span>{% endif %}
{% if started %}<span>Started <b>{{ started }}</b></span>{% endif %}
<span>Operations <b>{{ "{:,}".format(n) }}</b></span></div></header>
<section class="lost{{ '' if hurt else ' well' }}"><h2>What users lost</h2>{% for x in lost %}<p>{{ x }}</p>{% endfor %}</section>
<h2>Success per journey over time</h2><figure>{{ success }}
<figcaption class="key"><span style="background:var(--ok)"></span>answered as promised<span style="background:var(--info)"></span>may
or may not have happened<span style="background:var(--fail)"></span>refused<span style="background:var(--fault);opacity:.5"></span>nodes
under a fault, the darker the more. A gap in a strip: nobody came. At the right: how long users were without it{{ ", in incident time" if plan.scale != 1 }}.</figcaption></figure>
{{ table(journeys) }}
{% if targets.rows %}{{ table(targets, "") }}{% endif %}
<h2>Checks</h2><div class="scroll"><table><tbody>{% for c in checks %}<tr><td>{{ badge(c.outcome) }}</td><td><b>{{ c.check }}</b></td><td>{{ c.summary }}
{% if c.known_gap %}<br><small>Known gap: {{ c.known_gap }}.</small>{% endif %}
{% if c.evidence %}<details><summary>evidence: {{ c.evidence|length }} {{ "line" if c.evidence|length == 1 else "lines" }}</summary>{% for e in c.evidence %}<code>{{ e }}</code>{% endfor %}</details>
{% endif %}</td></tr>{% endfor %}</tbody></table></div>
{% for x in plan.left_out %}<p>Left out: {{ x }}</p>{% endfor %}
{% if delivery.rows %}{{ table(delivery) }}{% endif %}
<h2>Latency over time</h2><figure>{{ latency_chart }}<figcaption>Answered operations only, from their intended start:
median (line) to 95th percentile (band), logarithmic.</figcaption></figure>
{{ table(latency) }}
{{ table(steps, "") }}
<h2>Who was hit</h2><p>Components: {{ radius.components|join(", ") or "none" }}. Zones: {{ radius.zones|join(", ") or "none" }}.
Owners: {{ radius.owners|join(", ") or "none" }}. Journeys hurt: {{ radius.journeys|join(", ") or "none" }}.</p>
<p>Load: {{ load.offered_per_s }} operations a second, {{ load.lowest_per_s }} in the lowest {{ load.window_s }} s; the floor is
{{ load.floor_per_s }}.</p>
<p class="dim">Settings: {{ settings }}. Run <code>{{ run }}</code>. Lines of evidence: <code>journal:N</code> is line N of
journal.jsonl, <code>ops:N</code> of ops.jsonl.</p>
<p>Play it again: <code>{{ again }}</code></p><p>Seed <b>{{ plan.seed }}</b></p>
</main></body></html>
"""
