"""What a run leaves behind: one odd file among the good ones of a recorded run."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

from tests.fuzz import inputs
from tests.fuzz.guard import guarded
from tests.fuzz.kind import Kind
from tests.fuzz.place import GOLDEN, Place, place, recorded

GOLDENS = sorted(path.parent.name for path in GOLDEN.glob("*/plan.json"))
RUN = "zone-fire-as-was"
VERDICTS = {0, 1, 2, 3, 4, 64}


def _read(p: Place, run: Path, data: bytes) -> None:
    """Judged, listed, and one more thing that the input itself decides: all of them would take half a second."""
    other = p.run(GOLDENS[-1], name="20260102T000000Z-s8")
    more = (
        [("report", str(run)), ("show", str(run))],
        [("watch", str(run), "--plain")],
        [("compare", str(run), str(other)), ("compare", str(other), str(run), "--json", "--anyway")],
        [("trend", "zone-fire", "--newest", "1"), ("trend", "zone-fire", "--flaky"), ("trend", "zone-fire", "--json")],
        [("incident", "kakao-2022-10-15", str(run), "--page", "--out", str(p.runs / "page.md"))],
        [("simulate", "kakao-2022-10-15", "--users", "1000", "--servers", "30", "--calibrate", str(run))],
    )
    if zlib.crc32(data) % 7 == 0:
        _browsed(p, run)
    for argv in (("check", str(run)), ("list", "--runs", "--json"), *more[zlib.crc32(data) % len(more)]):
        said = p.command(*argv)
        assert said.code in VERDICTS, f"{argv}: exit {said.code}: {said.text[-300:]}"


def _browsed(p: Place, run: Path) -> None:
    """The pages of `chaos serve` that show it."""
    from chaos.report.site.site import Site

    site, path = Site(p.runs), f"zone-fire/{run.name}"
    with guarded(p.runs):
        pages = [site.get("/"), site.get("/compare", [("run", path), ("run", "zone-fire/20260102T000000Z-s8")])]
        pages.append(site.get(f"/runs/{path}/report.html"))
    assert {page.status for page in pages} <= {200, 404}


def _kind(file: str, examples: int) -> Kind:
    lines = file.endswith(".jsonl")
    texts = [recorded(golden)[file] for golden in ([RUN] if lines else GOLDENS)]

    def check(data: bytes) -> None:
        """Judged, told, and set beside another run."""
        p = place()
        run = p.run(RUN, file, data)
        try:
            _read(p, run, data)
        finally:
            shutil.rmtree(p.runs)
            p.runs.mkdir()

    return Kind(file.partition(".")[0], (inputs.line_files if lines else inputs.json_files)(texts), check, examples)


ENV = {"argv": ["chaos", "run"], "target": "process", "started": "2026-01-01T00:00:00+00:00", "python": "3.11.7",
       "machine": {"system": "Linux", "kernel": "6.1", "cpus": 2}, "versions": {"locust": "2.24"}}  # fmt: skip

ARRIVALS = {"seed": 7, "rate": 60.0, "users": 60, "start": -10.0, "end": 40.0,
            "arrivals": [[n / 60, n % 60, 0.5] for n in range(-600, 40)]}  # fmt: skip


def env(data: bytes) -> None:
    """What a run ran on."""
    p = place()
    _read(p, p.run(GOLDENS[1], "env.json", data), data)


def arrivals(data: bytes) -> None:
    """When operations were to begin."""
    p = place()
    _read(p, p.run(RUN, "arrivals.json", data), data)


def index(data: bytes) -> None:
    """The index of runs, which may be anything: it is made again."""
    p = place()
    p.run(GOLDENS[0])
    (p.runs / "index.sqlite").write_bytes(data)
    for argv in (("list", "--runs"), ("list", "--runs", "--json"), ("trend", "zone-fire", "--flaky")):
        assert p.command(*argv).code in VERDICTS
    (p.runs / "index.sqlite").unlink(missing_ok=True)


KINDS = (
    _kind("plan.json", 20),
    _kind("journal.jsonl", 20),
    _kind("ops.jsonl", 20),
    _kind("findings.json", 20),
    Kind("env", inputs.json_files([json.dumps(ENV).encode()]), env, 15),
    Kind("arrivals", inputs.json_files([json.dumps(ARRIVALS).encode()]), arrivals, 15),
    Kind("index", inputs.junk(), index, 15),
)
