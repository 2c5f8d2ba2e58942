"""The body of report.html, in the order of readers' questions: the verdict, who, what and how long, then the
evidence.
"""

# ruff: noqa: E501  # markup keeps the lines it reads best in
from __future__ import annotations

MACROS = """
{%- macro badge(word, color="") %}<span class="badge" style="color:var(--{{ color or word|replace(' ', '') }})">{{ word }}</span>{% endmacro %}
{%- macro table(t, kind="num") %}
<h3>{{ t.title }}</h3><div class="scroll" tabindex="0" role="region" aria-label="{{ t.title }}"><table class="{{ kind }}"><thead><tr>{% for h in t.head %}<th>{{ h }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in t.rows %}<tr>{% for c in row %}<td>{{ c }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% if t.note %}<p><small>{{ t.note }}</small></p>{% endif %}{% endmacro %}
{%- macro figure(picture, name) %}<figure><div class="wide" tabindex="0" role="region" aria-label="{{ name }}, zoom with + and -, move with the arrows">{{ picture }}</div>{% endmacro %}
{%- macro swatch(color) %}<span style="background:var(--{{ color }})"></span>{% endmacro %}
"""

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ plan.experiment }}: {{ verdict }}</title><link rel="icon" href="data:,"><style>{{ style }}</style></head><body><main>
<header><div class="head"><h1>{{ plan.experiment }}</h1>{{ badge(verdict, color) }}</div>
<p class="claim">{{ claim }}</p><p class="dim">{{ verdict }} (exit {{ exit }}): {{ meaning }}.</p></header>
<div class="answers">{% for a in answers %}<section class="answer{{ ' bad' if a.bad }}"><h2>{{ a.question }}</h2><p class="said">{{ a.answer }}</p>
{% for x in a.more %}<p>{{ x }}</p>{% endfor %}</section>
{% endfor %}</div>
<details><summary>In full sentences</summary>{% for x in lost %}<p>{{ x }}</p>{% endfor %}</details>
<div class="facts"><span>Target <b>{{ plan.target }}</b></span><span>Posture <b>{{ plan.posture or "none" }}</b></span>
<span>Seed <b>{{ plan.seed }}</b></span>{% if plan.short %}<span><b>Short form</b></span>{% endif %}
{% if plan.scale != 1 %}<span>Scale <b>1 s of the run is {{ second }} of the incident</b></span>{% endif %}
{% if started %}<span>Started <b>{{ started }}</b></span>{% endif %}{% if plan.load.present %}
<span>Operations <b>{{ "{:,}".format(n) }}</b></span>{% endif %}</div>
<nav aria-label="Sections"><a href="#time">Over time</a>{% if beside_facts %}<a href="#incident">Beside the incident</a>{% endif %}<a href="#findings">Findings</a>
<a href="#nodes">Nodes</a><a href="#figures">Figures</a><a href="#again">Repeat it</a></nav>
"""

TIME = """
<h2 id="time">Over time</h2>
<div class="zoom" id="zoom" role="toolbar" aria-label="Zoom all charts" data-axis="{{ axis.begin }} {{ axis.end }} {{ left }} {{ plot }} {{ plan.scale }}" hidden>
<button data-act="in" aria-label="zoom in">+</button><button data-act="out" aria-label="zoom out">&minus;</button>
<button data-act="left" aria-label="earlier">&larr;</button><button data-act="right" aria-label="later">&rarr;</button>
<button data-act="all">Whole run</button>{% for v in views %}<button data-show="{{ v.start }} {{ v.end }}">{{ v.name }}</button>{% endfor %}
<output aria-live="polite"></output></div>
{% if plan.load.present %}<h3>Success per journey</h3>{{ figure(success, "Success per journey") }}
<figcaption class="key">{{ swatch("ok") }}answered as promised {{ swatch("info") }}may or may not have happened {{ swatch("fail") }}refused <span style="background:var(--fault);opacity:.5"></span>nodes
under a fault, the darker the more. A gap in a strip: no traffic. The line below a strip: how long users were without it, with the figure at the right{{ ", in incident time" if plan.scale != 1 }}.
{% if facts %}<span style="border:2px solid var(--act);border-radius:0"></span>when the incident's users had it back.{% endif %}</figcaption></figure>
{% endif %}{% if asked %}<h3>Answers to probes</h3>{{ figure(asked, "Answers to probes") }}<figcaption class="key">{{ swatch("ok") }}good {{ swatch("fail") }}bad. A gap in a strip: it could not be asked. The line below a
strip: from the first bad answer to the return that lasted, with the figure at the right.</figcaption></figure>
{% endif %}{% if plan.load.present %}<h3>Latency per journey</h3>{{ figure(latency_chart, "Latency per journey") }}<figcaption>Answered operations only, from their intended start:
median (line) to 95th percentile (band), logarithmic.</figcaption></figure>
{% endif %}<h3>Nodes that served</h3>{{ figure(servers, "Nodes that served") }}<figcaption class="key">{{ swatch("ok") }}share of the nodes that ran{% if measures.servers_back %},
and of the boot units that were back <span style="border:2px solid var(--act);border-radius:0"></span>servers of the incident that were back{% endif %}.</figcaption></figure>
{% if people %}<h3>What people saw and reported</h3>{{ figure(people, "What people saw and reported") }}<figcaption>Age: of the newest content that a user was shown, the oldest at
each moment. Reports: from a model of people who experience what the users of the load did. Each is scaled to its own maximum.</figcaption></figure>{% endif %}
{% if probes %}<h3>Probes</h3>{{ figure(probes, "Probes") }}<figcaption>Each from 0, or its minimum if that is lower, to its maximum.</figcaption></figure>{% endif %}
"""

INCIDENT = """{% if beside_facts %}
<h2 id="incident">Beside the incident</h2><div class="scroll" tabindex="0" role="region" aria-label="The incident's facts beside this run"><table><thead><tr><th>{{ facts_head|join("</th><th>"|safe) }}</th></tr></thead>
<tbody>{% for t in beside_facts %}<tr>{% for c in t.cells %}<td>{{ c }}</td>{% endfor %}<td>{{ t.picture or "" }}</td><td>{{ t.note }}</td></tr>
{% endfor %}</tbody></table></div><p><small>{{ facts_note }} The frame is the fact, in the middle of a scale from 0 to twice as much; the dot is this run.</small></p>{% endif %}
{% if reported.rows %}{{ table(reported, "") }}{{ table(beside) }}{% endif %}
"""

FINDINGS = """
<h2 id="findings">Findings and their evidence</h2>
{% for c in checks %}<div class="finding"><div>{{ badge(c.outcome) }}</div><div><p><b>{{ c.check }}</b>: {{ c.summary }}</p>
{% if c.xfail %}<p><small>Expected failure: {{ c.xfail }}.</small></p>{% endif %}
{% if c.first %}<details{{ " open" if c.open }}><summary>evidence: {{ c.count }} {{ "line" if c.count == 1 else "lines" }}</summary>{% for e in c.first %}<code>{{ e }}</code>{% endfor %}
{% if c.rest %}<details><summary>and {{ c.rest|length }} more</summary>{% for e in c.rest %}<code>{{ e }}</code>{% endfor %}</details>{% endif %}</details>{% endif %}</div></div>
{% endfor %}
{% for x in plan.left_out %}<p>Left out: {{ x }}</p>{% endfor %}
<p class="dim">Lines of evidence: <code>journal:N</code> is line N of journal.jsonl, <code>ops:N</code> of ops.jsonl.</p>
"""

NODES = """
<h2 id="nodes">Nodes</h2>{{ figure(lanes, "Each node's state") }}<figcaption class="key">{{ swatch("fail") }}down {{ swatch("info") }}runs under a fault {{ swatch("starting") }}healed, not yet healthy by its own health check.
Nothing drawn: healthy.</figcaption></figure>
<p>Hit: components {{ radius.components|join(", ") or "none" }}; zones {{ radius.zones|join(", ") or "none" }};
owners {{ radius.owners|join(", ") or "none" }}. Journeys hurt: {{ radius.journeys|join(", ") or "none" }}.</p>
{{ table(steps, "") }}
{% if vitals.rows %}{{ table(vitals, "") }}{% endif %}
"""

FIGURES = """
<h2 id="figures">Figures</h2>
{% if plan.load.present %}{{ table(journeys) }}
{% endif %}{% if probed.rows %}{{ table(probed) }}
{% endif %}{% if delivery.rows %}{{ table(delivery) }}{% endif %}
{% if plan.load.present %}{{ table(latency) }}
{% endif %}{% if more.rows %}{{ table(more, "") }}{% endif %}
{% if plan.load.present %}<p>Load: {{ load.offered_per_s }} operations a second, {{ load.lowest_per_s }} in the lowest {{ load.window_s }} s; the floor is
{{ load.floor_per_s }}.</p>{% endif %}<p class="dim">Settings: {{ settings }}.</p>
"""

AGAIN = """
<h2 id="again">Repeat it</h2><div class="again"><p>The same plan again, with all randomness from seed {{ plan.seed }}:</p><code>{{ again }}</code>
<p>Judge this run again from its files, and write this page again:</p><code>chaos check {{ run }}</code><code>chaos report {{ run }}</code></div>
</main><script>{{ script }}</script></body></html>
"""

BODY = MACROS + HEAD + TIME + INCIDENT + FINDINGS + NODES + FIGURES + AGAIN
