"""The style of report.html: light and dark screens, phones, paper."""

# ruff: noqa: E501  # style keeps the lines it reads best in
from __future__ import annotations

COLORS = """
:root { color-scheme:light dark; --bg:#fff; --card:#f6f7f9; --ink:#1c2430; --dim:#5c687b; --rule:#dfe3ea; --ground:#eceff3;
  --ok:#3f9b8b; --info:#e3a83c; --fail:#cf4a4f; --fault:#6b5ca5; --act:#2b6cb0; --starting:#8fb8de;
  --PASS:#1f6f59; --XPASS:#1f6f59; --XFAIL:#82590a; --INCONCLUSIVE:#82590a; --FAIL:#b3343a; --ERROR:#7d3c98; --DIRTY:#7d3c98; }
@media screen and (prefers-color-scheme: dark) { :root { --bg:#14181f; --card:#1c222c; --ink:#e5e9f0; --dim:#9ba7ba;
  --rule:#303846; --ground:#262d39; --ok:#4fb3a2; --info:#e0ac4e; --fail:#e2666a; --fault:#a79be0; --act:#6aa9e9; --starting:#3f6a96;
  --PASS:#4fbf9f; --XPASS:#4fbf9f; --XFAIL:#e0b04e; --INCONCLUSIVE:#e0b04e; --FAIL:#f07f83; --ERROR:#c58be0; --DIRTY:#c58be0; } }
"""

TEXT = """
* { box-sizing:border-box } body { margin:0; background:var(--bg); color:var(--ink); font:15px/1.5 system-ui,sans-serif; overflow-wrap:break-word }
main { max-width:1120px; margin:0 auto; padding:28px 24px 60px }
h1 { font-size:30px; margin:0 14px 0 0; letter-spacing:-.4px; min-width:0 } h2 { font-size:19px; margin:38px 0 10px } h3 { font-size:15px; margin:22px 0 4px }
p { margin:6px 0 } .dim, caption, small { color:var(--dim) } code { font:13px ui-monospace,monospace; overflow-wrap:anywhere }
a { color:var(--act) } :focus-visible { outline:2px solid var(--act); outline-offset:2px; border-radius:3px }
.head { display:flex; flex-wrap:wrap; align-items:center; gap:6px 0 }
.badge { display:inline-block; padding:1px 9px; border-radius:4px; font-weight:650; font-size:12px; letter-spacing:.3px;
  border:1px solid; white-space:nowrap }
.head .badge { font-size:19px; padding:3px 14px } .claim { font-size:17px }
.facts { display:flex; flex-wrap:wrap; gap:4px 26px; margin:12px 0 0; color:var(--dim) } .facts b { color:var(--ink); font-weight:600 }
nav { display:flex; flex-wrap:wrap; gap:4px 18px; margin:16px 0 0; font-size:14px }
.answers { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,280px),1fr)); gap:14px; margin:22px 0 14px }
.answer { background:var(--card); border-top:4px solid var(--ok); border-radius:4px; padding:12px 18px 14px; min-width:0 } .answer.bad { border-color:var(--fail) }
.answer h2 { font-size:13px; margin:0; color:var(--dim); font-weight:600 } .answer .said { font-size:20px; font-weight:650; line-height:1.3; margin:2px 0 6px }
.answer p { margin:3px 0; font-size:14px }
.scroll { overflow-x:auto } table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; font-size:14px }
th { text-align:left; font-weight:600; color:var(--dim); border-bottom:2px solid var(--rule) }
th, td { padding:5px 14px 5px 0; vertical-align:top } td:first-child { white-space:nowrap } td { border-bottom:1px solid var(--rule) }
.num td:not(:first-child), .num th:not(:first-child) { text-align:right; white-space:nowrap } tr { break-inside:avoid }
td:last-child { min-width:14em } .num td:last-child { min-width:0 } details { margin:5px 0 0 } summary { cursor:pointer; color:var(--dim) }
.finding { display:grid; grid-template-columns:130px 1fr; gap:2px 12px; padding:10px 0; border-bottom:1px solid var(--rule) } .finding > * { min-width:0 }
.finding details code { display:block; font-size:12px; padding:1px 0 } .finding p { margin:0 }
.again { background:var(--card); border-radius:4px; padding:12px 18px; margin:8px 0 } .again code { display:block; font-size:14px; padding:2px 0 }
"""

CHARTS = """
figure { margin:0 0 6px } .wide { overflow-x:auto } figcaption { color:var(--dim); font-size:13px }
svg.chart { width:100%; min-width:720px; height:auto; display:block; font:12px system-ui,sans-serif }
.key span { display:inline-block; width:11px; height:11px; border-radius:2px; margin:0 5px 0 14px; vertical-align:-1px } .key span:first-child { margin-left:0 }
svg text { fill:var(--ink) } svg .tick, svg .mark { fill:var(--dim); font-size:11px } svg .dim { opacity:.85; font-size:10px }
svg .name, svg .lane, svg .end { text-anchor:end } svg .name { font-weight:600; font-size:13px } svg .lane { font-size:10.5px } svg .middle { text-anchor:middle }
svg .away { font-size:12px } .ground { fill:var(--ground); fill-opacity:.55 } path.ok { fill:var(--ok) } path.info { fill:var(--info) } path.up { fill:var(--ok); fill-opacity:.6 }
path.fail { fill:var(--fail) } rect.outage { fill:var(--fail) } rect.fault, rect.hit { fill:var(--fault) } rect.band { fill:var(--act); fill-opacity:.5 } rect.reported { fill:var(--info) } rect, path.ok, path.info, path.fail, path.up { shape-rendering:crispEdges }
rect.fact { fill:none; stroke:var(--act); stroke-width:1.6 } circle.measured { fill:var(--ink) } svg.fact-scale { width:150px; height:16px; display:block }
rect.node-down { fill:var(--fail) } rect.node-hurt { fill:var(--info) } rect.node-starting { fill:var(--starting) }
path, rect, polyline { vector-effect:non-scaling-stroke } path.grid { stroke:var(--rule); stroke-width:.6 } path.blow { stroke:var(--fault); stroke-width:1.2 }
path.act { stroke:var(--act); stroke-width:1.4; stroke-dasharray:5 3 } path.band { fill:var(--act); fill-opacity:.28 }
.median { stroke:var(--act); stroke-width:1.5; fill:none }
.zoom { position:sticky; top:0; z-index:1; display:flex; flex-wrap:wrap; gap:6px; align-items:center; padding:8px 0; background:var(--bg) } .zoom[hidden] { display:none }
.zoom button { font:inherit; font-size:13px; min-height:32px; min-width:34px; padding:2px 9px; border:1px solid var(--rule); border-radius:5px; background:var(--card); color:var(--ink); cursor:pointer }
.zoom output { color:var(--dim); font-size:13px; font-variant-numeric:tabular-nums } svg .picked { fill:var(--act); fill-opacity:.18 }
"""

PLACES = """
@media (max-width: 600px) { main { padding:18px 14px 40px } h1 { font-size:25px } .finding { grid-template-columns:1fr } svg.chart { min-width:640px } .scroll table:not(.num) { min-width:860px } .answer .said { font-size:18px } }
@media print { main { max-width:none; padding:0 } body { font-size:11px } code, .finding details code, .again code { font-size:9.5px } .badge { font-size:9.5px } .answer .said { font-size:15px } .answer h2 { font-size:10.5px } .claim { font-size:13px } .finding { padding:6px 0 } table, figcaption, .answer p { font-size:10.5px } h2 { break-after:avoid } .zoom, nav { display:none }
  .answers { grid-template-columns:repeat(3,1fr) } .answer { border:1px solid var(--rule); border-top:4px solid var(--ok) } .answer.bad { border-top-color:var(--fail) }
  .wide { overflow:visible } svg.chart { min-width:0; max-height:245mm } figure, .answer, .again { break-inside:avoid } .scroll { overflow:visible }
  th, td { padding:3px 8px 3px 0 } td:last-child { min-width:0 } .num td:not(:first-child), .num th:not(:first-child) { white-space:normal }
  * { print-color-adjust:exact; -webkit-print-color-adjust:exact } }
@page { margin:14mm }
"""

STYLE = COLORS + TEXT + CHARTS + PLACES
