"""The script of report.html: zooms all time axes together. The page is complete without it.

Keys on a chart or the bar: + and - zoom, the arrows move, 0 shows the whole run. Dragging with a mouse selects a range.
"""

# ruff: noqa: E501  # script keeps the lines it reads best in
from __future__ import annotations

SCRIPT = """
(() => {
  const bar = document.getElementById('zoom'), charts = [...document.querySelectorAll('svg.chart')];
  if (!bar || !charts.length) return;
  const SVG = charts[0].namespaceURI, STEPS = [.05,.1,.2,.5,1,2,5,10,20,50,100,200,500,1000,5000,1e9];
  const [begin, end, left, wide, scale] = bar.dataset.axis.split(' ').map(Number);
  const out = bar.querySelector('output'), closest = Math.min(1, (end - begin) / 4);
  let from = begin, until = end;
  const full = t => left + (t - begin) / (end - begin) * wide, at = t => left + (t - from) / (until - from) * wide;
  const time = x => from + (x - left) / wide * (until - from);
  const words = s => s < 1 ? `${(s * 1000).toFixed(0)} ms` : s < 60 ? `${s.toFixed(1)} s`
    : s < 3600 ? `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`
    : (m => m % 60 ? `${Math.floor(m / 60)} h ${m % 60} min` : `${m / 60} h`)(Math.round(s / 60));
  const make = (parent, name, about, text) => {
    const e = document.createElementNS(SVG, name);
    for (const k in about) e.setAttribute(k, about[k]);
    if (text) e.textContent = text;
    parent.append(e);
  };
  const marks = new Map(charts.flatMap(c => [...c.querySelectorAll('.marks text')].map(e => [e, +e.getAttribute('x')])));
  function draw() {
    const a = full(from), b = full(until);
    const step = STEPS.find(s => (until - from) / s <= 13), times = [];
    for (let k = Math.ceil(from / step - 1e-9); k * step <= until + 1e-9; k++) times.push(+(k * step).toFixed(2));
    for (const c of charts) {
      const plot = c.querySelector('.plot'), lines = c.querySelector('.lines'), ticks = c.querySelector('.ticks');
      plot.setAttribute('viewBox', `${a} 0 ${b - a} ${plot.getAttribute('height')}`);
      const [top, bottom] = lines.dataset.y.split(' '), [run, incident] = ticks.dataset.y.split(' ');
      lines.replaceChildren(); ticks.replaceChildren();
      for (const t of times) {
        make(lines, 'path', {class: 'grid', d: `M${full(t)} ${top}V${bottom}`});
        make(ticks, 'text', {class: 'tick middle', x: at(t), y: run}, `${t} s`);
        if (scale != 1 && t >= 0) make(ticks, 'text', {class: 'tick middle dim', x: at(t), y: incident}, t ? words(t * scale) : '0');
      }
    }
    for (const [e, x] of marks) {
      const now = left + (x - a) / (b - a) * wide;
      e.setAttribute('x', now);
      e.style.display = now < left - 9 || now > left + wide + 9 ? 'none' : '';
    }
    out.textContent = from == begin && until == end ? 'the whole run' : `${from.toFixed(1)} s to ${until.toFixed(1)} s`;
  }
  function show(a, b) {
    const length = Math.min(Math.max(b - a, closest), end - begin);
    from = Math.min(Math.max((a + b) / 2 - length / 2, begin), end - length);
    until = from + length;
    draw();
  }
  const by = (factor, move = 0) => {
    const middle = (from + until) / 2 + move * (until - from), half = (until - from) / 2 * factor;
    show(middle - half, middle + half);
  };
  const acts = {in: () => by(.5), out: () => by(2), left: () => by(1, -.25), right: () => by(1, .25), all: () => show(begin, end)};
  const keys = {'+': 'in', '=': 'in', '-': 'out', 'ArrowLeft': 'left', 'ArrowRight': 'right', '0': 'all', 'Home': 'all'};
  bar.addEventListener('click', e => {
    const b = e.target.closest('button');
    if (b) b.dataset.act ? acts[b.dataset.act]() : show(...b.dataset.show.split(' ').map(Number));
  });
  const key = e => {
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    e.preventDefault();
    acts[keys[e.key]]();
  };
  bar.addEventListener('keydown', key);
  for (const c of charts) {
    const frame = c.closest('.wide');
    c.style.userSelect = 'none';
    frame.addEventListener('keydown', key);
    const x = e => (e.clientX - c.getBoundingClientRect().left) / c.getBoundingClientRect().width * c.viewBox.baseVal.width;
    let start = null, box = null;
    c.addEventListener('pointerdown', e => {
      if (e.pointerType != 'mouse' || e.button || x(e) < left || x(e) > left + wide) return;
      start = x(e); c.setPointerCapture(e.pointerId);
      make(c, 'rect', {class: 'picked', x: start, y: 0, width: 0, height: c.viewBox.baseVal.height}); box = c.lastChild;
    });
    c.addEventListener('pointermove', e => {
      if (box) { const to = Math.min(Math.max(x(e), left), left + wide);
        box.setAttribute('x', Math.min(start, to)); box.setAttribute('width', Math.abs(to - start)); }
    });
    const drop = e => {
      if (!box) return;
      box.remove(); box = null;
      const to = Math.min(Math.max(x(e), left), left + wide);
      if (e.type == 'pointerup' && Math.abs(to - start) > 6) show(time(Math.min(start, to)), time(Math.max(start, to)));
    };
    c.addEventListener('pointerup', drop); c.addEventListener('pointercancel', drop);
    c.addEventListener('dblclick', acts.all);
  }
  addEventListener('beforeprint', acts.all);
  bar.hidden = false;
  draw();
})();
"""
