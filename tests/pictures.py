"""Makes docs/pictures/ from the files of a real run: the report in a browser, and the live view in mid-fire.

    python -m tests.pictures [RUN]     a run's folder; without one, the recording in tests/golden/zone-fire-as-was

Needs a Chromium on PATH. The same run gives the same pictures, up to the machine's fonts.
"""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console, Group
from rich.terminal_theme import MONOKAI

from chaos.judge.judge import judge
from chaos.observe.live.screen import Moment, render
from chaos.observe.live.state import Live
from chaos.record.journal import Journal
from chaos.report import label
from chaos.report.formats import html
from tests.browser import Page, browser
from tests.golden.make import HERE

PLACE = Path(__file__).parents[1] / "docs" / "pictures"
NOW = 0.2  # of the timeline: when the live view is drawn
COLUMNS, LINES = 110, 34
REPORT = (1180, 1270)  # pixels of the report that are shown
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; color: {foreground}; display: inline-block }}
pre {{ margin: 14px 18px; font: 13px/1.35 "DejaVu Sans Mono", monospace }}
{stylesheet}
</style><body><pre><code>{code}</code></pre>"""


def main(run: Path) -> None:
    """Write report.png and live.png."""
    journal = Journal.load(run)
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as page:
        report, live = Path(folder) / "report.html", Path(folder) / "live.html"
        report.write_text(html.render(journal, judge(journal, label(run))), encoding="utf-8")
        live.write_text(terminal(journal), encoding="utf-8")
        _taken(page, report, PLACE / "report.png", *REPORT)
        page.open(live)
        box = page.run("(({width, height}) => [width, height])(document.body.getBoundingClientRect())")
        _taken(page, live, PLACE / "live.png", *(round(side) for side in box))


def terminal(journal: Journal) -> str:
    """The live view as it stood at NOW, as a page."""
    live, now = Live(journal.plan), NOW * journal.plan.length
    for event in journal.events:
        if event.t <= now:
            live.tell(event)
    for op in journal.ops:
        if op.end <= now:
            live.op(op)
    console = Console(width=COLUMNS, height=LINES, record=True, file=io.StringIO(), color_system="truecolor")
    console.print(Group(*render(live, Moment(now), COLUMNS, LINES)))
    return console.export_html(theme=MONOKAI, code_format=TERMINAL, inline_styles=False)


def _taken(page: Page, file: Path, picture: Path, width: int, height: int) -> None:
    page.open(file, width, height)
    picture.write_bytes(page.picture(whole=False))
    print(f"{picture}: {picture.stat().st_size // 1024} KiB")


def recording(folder: Path) -> Path:
    """The golden recording of zone-fire, unpacked below `folder` as a run of today's would lie."""
    run = folder / "zone-fire" / "recorded"
    shutil.copytree(HERE / "zone-fire-as-was", run)
    (run / "ops.jsonl").write_bytes(gzip.decompress((run / "ops.jsonl.gz").read_bytes()))
    return run


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as unpacked:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else recording(Path(unpacked)))
